"""Rows in Parquet, CSV or JSON-lines files."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
from pyarrow import fs

from nightshift.errors import DataRefusedError, RequestError
from nightshift.sources.location import Location, fingerprint, locate
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
            fault = self._first_fault(files) or self._first_misfit(files)
            if fault is None:
                fault = DataRefusedError(
                    f"the files do not have one schema: {error}", where=self.location.uri,
                    remedy="make the columns' types agree in every file",
                )  # fmt: skip
            raise fault from error

    def fault(self) -> DataRefusedError | None:
        """Read every file to its end and name the first that cannot be read."""
        return self._first_fault(self.location.files())

    def _open(self, files: list[fs.FileInfo]) -> ds.Dataset:
        options = ds.FileSystemFactoryOptions(
            partition_base_dir=self.location.base, partitioning=ds.HivePartitioning.discover()
        )
        factory = ds.FileSystemDatasetFactory(
            self.location.filesystem, [info.path for info in files], self._reader(files), options
        )
        schema = factory.inspect(promote_options="permissive", fragments=None)
        return factory.finish(pa.schema([_comparable(column) for column in schema]))

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
                return ds.ParquetFileFormat(default_fragment_scan_options=scan)
            case "csv":
                convert = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
                return ds.CsvFileFormat(default_fragment_scan_options=ds.CsvFragmentScanOptions(convert))
            case _:
                return ds.JsonFileFormat()

    def _first_fault(self, files: list[fs.FileInfo]) -> DataRefusedError | None:
        for info in files:
            try:
                for _ in self._open([info]).to_batches():
                    pass
            except (pa.ArrowException, OSError) as error:
                return DataRefusedError(
                    f"the file cannot be read: {_first_line(error)}", where=info.path,
                    remedy="replace or remove this file; nothing was changed",
                )  # fmt: skip
        return None

    def _first_misfit(self, files: list[fs.FileInfo]) -> DataRefusedError | None:
        """The first file whose columns cannot be reconciled with those of the files before it."""
        schema = pa.schema([])
        for info in files:
            try:
                schema = pa.unify_schemas([schema, self._open([info]).schema], promote_options="permissive")
            except pa.ArrowException as error:
                return DataRefusedError(
                    f"the file does not fit those before it: {_first_line(error)}", where=info.path,
                    remedy="make the columns' types agree in every file",
                )  # fmt: skip
        return None


def _comparable(column: pa.Field) -> pa.Field:
    """Zoned moments in microseconds: DuckDB compares those in nanoseconds with nothing else."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns" and kind.tz:
        return column.with_type(pa.timestamp("us", kind.tz))
    return column


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
