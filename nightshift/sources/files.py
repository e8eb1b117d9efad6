"""Rows in Parquet, CSV or JSON-lines files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from nightshift.errors import DataRefusedError, RequestError
from nightshift.sources.csv_file import csv_facts, csv_rows
from nightshift.sources.json_file import json_facts, json_rows
from nightshift.sources.location import Location, fingerprint, locate
from nightshift.sources.schema import one_schema
from nightshift.sources.text_file import unreadable
from nightshift.sources.typed_copies import TypedCopies
from nightshift.spec.project import FilesSource

_ENDINGS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".jsonl.gz": "jsonl",
}
_MISFITS = "write the column in a type that holds its values, times in microseconds; or leave the file out"


# How the text formats are read.
_TEXT = {"csv": (csv_facts, csv_rows), "jsonl": (json_facts, json_rows)}


@dataclass(frozen=True)
class Files:
    """A path, a folder or a glob of files of one format; folders named `key=value` become columns.

    Attributes:
        scratch: a folder for what is made of text files, whose types are found by reading them.
    """

    location: Location
    format: str
    scratch: Path

    @classmethod
    def declared(cls, spec: FilesSource, uri: str, scratch: Path) -> Files:
        """The source that `spec` declares, with `uri` already expanded."""
        return cls(location=locate(uri), format=spec.format, scratch=scratch)

    def fingerprint(self) -> str:
        """A mark of the files' names, sizes and times of change."""
        return fingerprint(self.location.files())

    def open(self) -> ds.Dataset:
        """The rows of all files under one schema: types are widened where the files differ."""
        files = self.location.files()
        copies = self._copies(files)
        if copies is not None:
            return self._open_copies(copies, files)
        try:
            return self._open(files)
        except (pa.ArrowException, OSError) as error:
            raise self._first_fault(files) or DataRefusedError(
                f"the files cannot be read together: {_first_line(error)}", where=self.location.uri,
                remedy="make the columns' types agree in every file",
            ) from error  # fmt: skip

    def fault(self) -> DataRefusedError | None:
        """Read every file to its end and name the first that cannot be read."""
        files = self.location.files()
        copies = self._copies(files)
        if copies is None:
            return self._first_fault(files) or self._first_misfit(files)
        try:
            copies.of(files)
        except DataRefusedError as error:
            return error
        return None

    def types(self) -> Iterator[tuple[str, dict[str, pa.DataType]]]:
        """Each file, and the types that its columns have there."""
        files = self.location.files()
        copies = self._copies(files)
        if copies is not None:
            yield from copies.types(files)
            return
        for info in files:
            try:
                schema = _PARQUET.inspect(info.path, self.location.filesystem)
            except (pa.ArrowException, OSError) as error:
                raise unreadable(info.path, error) from error
            yield info.path, {column.name: column.type for column in schema}

    def has_types(self) -> bool:
        """Whether the types stand in the files."""
        return self._format(self.location.files()) == "parquet"

    def _copies(self, files: list[fs.FileInfo]) -> TypedCopies | None:
        """What reads text files; None where the files have types of their own."""
        name = self._format(files)
        if name == "parquet":
            return None
        look, read = _TEXT[name]
        return TypedCopies(self.scratch, self.location.filesystem, self.location.base, look, read)

    def _open_copies(self, copies: TypedCopies, files: list[fs.FileInfo]) -> ds.Dataset:
        paths, schema = copies.of(files)
        mapped = fs.LocalFileSystem(use_mmap=True)
        factory = _factory(mapped, paths, str(copies.folder), ds.IpcFileFormat())
        return factory.finish(self._with_folders(factory, [(self.location.uri, schema)]))

    def _open(self, files: list[fs.FileInfo]) -> ds.Dataset:
        filesystem = self.location.filesystem
        factory = _factory(filesystem, [info.path for info in files], self.location.base, _PARQUET)
        found = [(info.path, _PARQUET.inspect(info.path, filesystem)) for info in files]
        return factory.finish(self._with_folders(factory, found))

    def _with_folders(self, factory: ds.DatasetFactory, found: list[tuple[str, pa.Schema]]) -> pa.Schema:
        folders = factory.inspect_schemas()[-1]  # the last one is of the folders' names
        return one_schema([*found, (f"{self.location.uri} (names of folders)", folders)])

    def _format(self, files: list[fs.FileInfo]) -> str:
        formats = {self.format} if self.format != "auto" else {_format_of(info.path) for info in files}
        if len(formats) > 1:
            raise RequestError(
                f"the source mixes formats: {', '.join(sorted(formats))}", where=self.location.uri,
                remedy="narrow the glob to one format, for example folder/*.parquet",
            )  # fmt: skip
        return formats.pop()

    def _first_fault(self, files: list[fs.FileInfo]) -> DataRefusedError | None:
        for info in files:
            try:
                for fragment in self._open([info]).get_fragments():
                    for _ in fragment.to_batches(schema=fragment.physical_schema):
                        pass
            except (pa.ArrowException, OSError) as error:
                return unreadable(info.path, error)
        return None

    def _first_misfit(self, files: list[fs.FileInfo]) -> DataRefusedError | None:
        """The first file with a value that its column's type over all files does not hold, or with other times."""
        whole = self._open(files)
        for fragment in whole.get_fragments():
            for column in fragment.physical_schema.names:
                try:
                    for _ in fragment.to_batches(schema=whole.schema, columns=[column]):
                        pass
                except pa.ArrowException as error:
                    return DataRefusedError(
                        f"the column {column!r} has a value that {whole.schema.field(column).type} does not hold: "
                        f"{_first_line(error)}",
                        where=fragment.path, remedy=_MISFITS,
                    )  # fmt: skip
        return _mixed_times(whole)


def _mixed_times(whole: ds.Dataset) -> DataRefusedError | None:
    """The first file whose times have a zone where another one's have none: Arrow cannot compare them with a moment."""
    first: dict[str, tuple[str, pa.DataType]] = {}
    for fragment in whole.get_fragments():
        for column in fragment.physical_schema:
            if not pa.types.is_timestamp(column.type):
                continue
            path, kind = first.setdefault(column.name, (fragment.path, column.type))
            if (kind.tz is None) != (column.type.tz is None):
                return DataRefusedError(
                    f"the column {column.name!r} is {column.type}, and {kind} in {path}: times with and without a zone "
                    "cannot be compared with one moment",
                    where=fragment.path, remedy="write the times with a zone in every file, or in none",
                )  # fmt: skip
    return None


def _parquet() -> ds.ParquetFileFormat:
    # Times of 96 bits as nanoseconds: those far from today would turn into others in silence.
    read = ds.ParquetReadOptions(coerce_int96_timestamp_unit="us")
    scan = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.ParquetFileFormat(read_options=read, default_fragment_scan_options=scan)


_PARQUET = _parquet()


def _factory(
    filesystem: fs.FileSystem, paths: list[str], base: str, form: ds.FileFormat
) -> ds.DatasetFactory:
    options = ds.FileSystemFactoryOptions(
        partition_base_dir=base, partitioning=ds.HivePartitioning.discover()
    )
    return ds.FileSystemDatasetFactory(filesystem, paths, form, options)


def _format_of(path: str) -> str:
    for ending, name in _ENDINGS.items():
        if path.lower().endswith(ending):
            return name
    raise RequestError(
        "the file's ending does not tell its format", where=path, valid=sorted(_ENDINGS),
        remedy="rename it, or declare `format:` in the source",
    )  # fmt: skip


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
