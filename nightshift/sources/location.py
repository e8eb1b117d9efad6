"""Where rows lie: a URI taken apart into a file system and the files that it names."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

from pyarrow import fs

from nightshift.errors import RequestError, TransientError
from nightshift.settings import refuse_unprintable

_GLOB = "*?["
# A path through a file, a link to itself, and a name that no file can have: trying again changes nothing.
_NO_PATH = {errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<host>[^/]*)(?P<path>.*)", re.DOTALL)


@dataclass(frozen=True)
class Location:
    """A file system, the folder or file to look at, and the parts of the pattern below it.

    Attributes:
        uri: as it was declared.
        base: the deepest folder without wildcards; or the path itself, where there are none.
        pattern: the parts of the path from the first wildcard on. What exists under a name with `[`, `*` or `?` in it
            has that name, and no wildcards.
    """

    uri: str
    filesystem: fs.FileSystem
    base: str
    pattern: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """All of it as one path."""
        return str(PurePosixPath(self.base, *self.pattern))

    @property
    def is_glob(self) -> bool:
        """Whether the path has wildcards."""
        return bool(self.pattern)

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
        return not self.is_glob or _matches(below, self.pattern)


def _matches(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Glob matching part by part, where `**` stands for any number of folders."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return _matches(path, pattern[1:]) or (bool(path) and _matches(path[1:], pattern))
    return bool(path) and PurePosixPath(path[0]).match(pattern[0]) and _matches(path[1:], pattern[1:])


def locate(uri: str) -> Location:
    """Take a path or a URI apart. In a URI `%20` stands for a space; in a path it is what it is.

    Raises:
        RequestError: the scheme is not supported, or the path has characters that no path has here.
    """
    match = _URI.match(re.sub(r"(?i)^file:/(?!/)", "file:///", uri))
    if match is not None and match.group("scheme").lower() != "file":
        raise RequestError(
            f"{match.group('scheme')}:// is not supported", where=uri, valid=["a local path", "file://"],
            remedy="copy the files to local disk, or mount them",
        )  # fmt: skip
    path = uri if match is None else _path_of(uri, match)
    refuse_unprintable(path, where=uri)
    base, pattern = _apart(PurePosixPath(_absolute(path)).parts)
    return Location(uri, fs.LocalFileSystem(), base, pattern)


def _path_of(uri: str, match: re.Match[str]) -> str:
    """The path of a file's URI."""
    if match.group("host") not in ("", "localhost"):
        raise RequestError(
            f"a file's URI names no other machine than this one, and no {match.group('host')!r}", where=uri,
            remedy="write file:///PATH with three slashes, or the path alone",
        )  # fmt: skip
    return unquote(match.group("path"))


def _apart(parts: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The path up to the first part that is a wildcard, and the parts from there on."""
    known = PurePosixPath(parts[0])
    for place, part in enumerate(parts[1:], start=1):
        if any(mark in part for mark in _GLOB) and not os.path.lexists(known / part):
            return str(known), parts[place:]
        known /= part
    return str(known), ()


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
