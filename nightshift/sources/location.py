"""Where rows lie: a URI taken apart into a file system and the files that it names."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pyarrow import fs

from nightshift.errors import RequestError, TransientError

_GLOB = "*?["
# A path through a file, a link to itself, and a name that no file can have: trying again changes nothing.
_NO_PATH = {errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}


@dataclass(frozen=True)
class Location:
    """A file system, the folder to look in, and the pattern below it ("" for a single file)."""

    uri: str
    filesystem: fs.FileSystem
    path: str

    @property
    def is_glob(self) -> bool:
        """Whether the path has wildcards."""
        return any(mark in self.path for mark in _GLOB)

    @property
    def base(self) -> str:
        """The deepest folder without wildcards."""
        if not self.is_glob:
            return self.path
        fixed = []
        for part in PurePosixPath(self.path).parts[:-1]:
            if any(mark in part for mark in _GLOB):
                break
            fixed.append(part)
        return str(PurePosixPath(*fixed))

    def files(self) -> list[fs.FileInfo]:
        """The files named, sorted by path; hidden ones (`.x`, `_x`) below a folder left out.

        Raises:
            RequestError: nothing is there.
            TransientError: the storage did not answer.
        """
        try:
            found = self._files()
        except OSError as error:
            if error.errno in _NO_PATH:
                raise RequestError(
                    f"this names no file: {os.strerror(error.errno)}", where=self.uri,
                    remedy="correct the source's uri, or put the files there",
                ) from error  # fmt: skip
            raise TransientError(
                f"the storage did not answer: {error}", where=self.uri, remedy="look at the path's rights and its disk"
            ) from error  # fmt: skip
        if not found:
            raise RequestError(
                "no file matches" if self.is_glob else "there is no such file, or the folder is empty",
                where=self.uri,
                remedy="correct the source's uri, or put the files there",
            )
        return sorted(found, key=lambda info: info.path)

    def _files(self) -> list[fs.FileInfo]:
        if not self.is_glob:
            info = self.filesystem.get_file_info(self.path)
            if info.type is fs.FileType.File:
                return [info]
        below = self.filesystem.get_file_info(
            fs.FileSelector(self.base, recursive=True, allow_not_found=True)
        )
        return [info for info in below if info.type is fs.FileType.File and self._names(info.path)]

    def _names(self, path: str) -> bool:
        below = PurePosixPath(path).relative_to(self.base).parts
        if any(part.startswith((".", "_")) for part in below):
            return False
        return not self.is_glob or _matches(PurePosixPath(path).parts, PurePosixPath(self.path).parts)


def _matches(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Glob matching part by part, where `**` stands for any number of folders."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return _matches(path, pattern[1:]) or (bool(path) and _matches(path[1:], pattern))
    return bool(path) and PurePosixPath(path[0]).match(pattern[0]) and _matches(path[1:], pattern[1:])


def locate(uri: str) -> Location:
    """Take a path or a URI apart.

    Raises:
        RequestError: the scheme is not supported.
    """
    scheme = urlsplit(uri).scheme
    if scheme not in ("", "file"):
        raise RequestError(
            f"{scheme}:// is not supported", where=uri, valid=["a local path", "file://"],
            remedy="copy the files to local disk, or mount them",
        )  # fmt: skip
    path = urlsplit(uri).path if scheme == "file" else uri
    local = fs.LocalFileSystem()
    return Location(uri=uri, filesystem=local, path=_absolute(path))


def _absolute(path: str) -> str:
    # PurePosixPath cannot make a path absolute, and Path would choke on globs on some systems.
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111


def fingerprint(files: list[fs.FileInfo]) -> str:
    """A mark of these files' names, sizes and times, the one of their last change of any kind among them.

    A copying tool sets the time of a file's content back to the original's; nobody sets back the time at which the
    file itself was changed. (A file restored as it was is read once more, which costs time and nothing else.)
    """
    mark = hashlib.sha256()
    for info in files:
        mark.update(f"{info.path}\0{info.size}\0{info.mtime_ns}\0{_changed(info.path)}\n".encode())
    return mark.hexdigest()


def _changed(path: str) -> str:
    """When the file system last changed anything of the file, and which file it is."""
    try:
        found = os.stat(path)  # noqa: PTH116 - names of files are taken as they are
    except OSError as error:
        raise TransientError(f"the file went away while it was looked at: {error}", where=path) from error
    return f"{found.st_ctime_ns}\0{found.st_ino}"
