"""A text file of rows: its bytes as a stream, and what is wrong with them in words that say what to do."""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath

from pyarrow import fs

from nightshift.errors import DataRefusedError

_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip
_OTHER = {
    b"\x1f\x8b": "packed by gzip, and its name does not end in .gz", b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"PAR1": "Parquet", b"ARROW1": "Arrow",
}  # fmt: skip
_ZEROS_OF_UTF16 = 0.2  # the share of zero bytes, from which a file is UTF-16 rather than damaged
_BLOCK = 1 << 20


class TextStream:
    """The decompressed bytes of a file, from the place where `start` was read to; refuses what is no UTF-8 text.

    What pyarrow reads from: the few methods of a file that it calls.
    """

    def __init__(self, filesystem: fs.FileSystem, path: str) -> None:
        self.path = path
        self.quotes = 0
        self._file = filesystem.open_input_stream(path, compression=_compression(path))
        self._held: bytes = self._file.read(_BLOCK)
        self._lines = 1
        self._refuse_marks()

    @property
    def closed(self) -> bool:
        """Whether the file was closed."""
        return bool(self._file.closed)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def start(self, length: int) -> bytes:
        """Up to so many bytes from the start, without going on."""
        while len(self._held) < length and (more := self._file.read(length - len(self._held))):
            self._held += more
        return self._held[:length]

    def skip(self, length: int) -> None:
        """Go on behind so many bytes of `start`."""
        self._check(self._held[:length])
        self._held = self._held[length:]

    def read(self, length: int = -1) -> bytes:
        """The next bytes; none at the end."""
        if self._held:
            found: bytes
            found, self._held = (
                (self._held[:length], self._held[length:]) if length >= 0 else (self._held, b"")
            )
        else:
            found = self._file.read(length if length >= 0 else None)
        self._check(found)
        return found

    def _check(self, found: bytes) -> None:
        self.quotes += found.count(b'"')
        if b"\0" in found:
            zeros = found.count(b"\0") / len(found)
            if zeros > _ZEROS_OF_UTF16:
                raise not_utf8(self.path, "UTF-16")
            line = self._lines + found[: found.index(b"\0")].count(b"\n")
            raise DataRefusedError(
                f"the file has zero bytes, the first in line {line}: it is damaged, or no text", where=self.path,
                remedy="write the file again; a file that was not whole when its machine stopped looks like this",
            )  # fmt: skip
        self._lines += found.count(b"\n")

    def _refuse_marks(self) -> None:
        for mark, name in _MARKS.items():
            if self._held.startswith(mark):
                raise not_utf8(self.path, name)
        for mark, what in _OTHER.items():
            if self._held.startswith(mark):
                raise DataRefusedError(
                    f"the file is {what}, and no text", where=self.path,
                    remedy="unpack it, or give it the ending of what it is",
                )  # fmt: skip
        self._held = self._held.removeprefix(codecs.BOM_UTF8)


def not_utf8(path: str, encoding: str, line: int | None = None) -> DataRefusedError:
    """The error that names a file's encoding and what to do about it."""
    place = f" (line {line})" if line else ""
    name = encoding.lower().replace("-", "") if encoding.startswith("UTF") else "cp1252"
    return DataRefusedError(
        f"the file is not UTF-8 but looks like {encoding}{place}", where=path,
        remedy=f"write it as UTF-8, for example: iconv -f {name} -t utf-8 {PurePosixPath(path).name} > utf8.txt",
    )  # fmt: skip


def first_wrong_line(filesystem: fs.FileSystem, path: str) -> DataRefusedError | None:
    """Read the file line by line and name the first that is no UTF-8; None when all are."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    with filesystem.open_input_stream(path, compression=_compression(path)) as file:
        block = None
        while block != b"":
            block = file.read(_BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                return not_utf8(path, "Latin-1 or Windows-1252", line)
            line += block.count(b"\n")
    return None


def unreadable(path: str, error: Exception) -> DataRefusedError:
    """The error of a file that cannot be read to its end."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataRefusedError(
        f"the file cannot be read: {said}", where=path,
        remedy="replace or remove this file; nothing was changed",
    )  # fmt: skip


def _compression(path: str) -> str:
    return "gzip" if path.lower().endswith(".gz") else "detect"
