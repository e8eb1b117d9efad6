"""Rows in Parquet, CSV or JSON-lines files."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
from pyarrow import fs

from nightshift.errors import DataRefusedError, RequestError
from nightshift.sources.location import Location, fingerprint, locate
from nightshift.sources.schema import one_schema
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


@dataclass(frozen=True)
class Files:
    """A path, a folder or a glob of files of one format; folders named `key=value` become columns."""

    location: Location
    format: str

    @classmethod
    def declared(cls, spec: FilesSource, uri: str) -> Files:
        """The source that `spec` declares, with `uri` already expanded."""
        return cls(location=locate(uri), format=spec.format)

    def fingerprint(self) -> str:
        """A mark of the files' names, sizes and times of change."""
        return fingerprint(self.location.files())

    def open(self) -> ds.Dataset:
        """The rows of all files under one schema: types are widened where the files differ."""
        files = self.location.files()
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
        return self._first_fault(files) or self._first_misfit(files)

    def _open(self, files: list[fs.FileInfo]) -> ds.Dataset:
        options = ds.FileSystemFactoryOptions(
            partition_base_dir=self.location.base, partitioning=ds.HivePartitioning.discover()
        )
        reader, filesystem = self._reader(files), self.location.filesystem
        factory = ds.FileSystemDatasetFactory(filesystem, [info.path for info in files], reader, options)
        found = [(info.path, reader.inspect(info.path, filesystem)) for info in files]
        folders = factory.inspect_schemas()[-1]  # the last one is of the folders' names
        return factory.finish(one_schema([*found, (f"{self.location.uri} (names of folders)", folders)]))

    def _reader(self, files: list[fs.FileInfo]) -> ds.FileFormat:
        formats = {self.format} if self.format != "auto" else {_format_of(info.path) for info in files}
        if len(formats) > 1:
            raise RequestError(
                f"the source mixes formats: {', '.join(sorted(formats))}", where=self.location.uri,
                remedy="narrow the glob to one format, for example folder/*.parquet",
            )  # fmt: skip
        match formats.pop():
            case "parquet":
                scan = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
                # As nanoseconds, those far from today would turn into others in silence.
                read = ds.ParquetReadOptions(coerce_int96_timestamp_unit="us")
                return ds.ParquetFileFormat(read_options=read, default_fragment_scan_options=scan)
            case "csv":
                convert = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
                return ds.CsvFileFormat(default_fragment_scan_options=ds.CsvFragmentScanOptions(convert))
            case _:
                return ds.JsonFileFormat()

    def _first_fault(self, files: list[fs.FileInfo]) -> DataRefusedError | None:
        for info in files:
            try:
                for fragment in self._open([info]).get_fragments():
                    for _ in fragment.to_batches(schema=fragment.physical_schema):
                        pass
            except (pa.ArrowException, OSError) as error:
                return DataRefusedError(
                    f"the file cannot be read: {_first_line(error)}", where=info.path,
                    remedy="replace or remove this file; nothing was changed",
                )  # fmt: skip
        return None

    def _first_misfit(self, files: list[fs.FileInfo]) -> DataRefusedError | None:
        """The first file with a value that its column's type over all files does not hold."""
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
        return None


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
