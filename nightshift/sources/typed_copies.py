"""Text files, read once: what their columns are over all files, and an Arrow copy of each file in these types.

The types of a text file are nowhere written: they are found by reading all of it. What was found is kept beside the
copies, by the file's name, size and times, so that a night reads only the files that are new. The folder may be deleted
whenever nothing runs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from nightshift.atomic import replacing
from nightshift.errors import DataRefusedError, TransientError
from nightshift.sources.csv_file import alike
from nightshift.sources.facts import NOTHING, Facts, Kind
from nightshift.sources.location import fingerprint

logger = logging.getLogger(__name__)

# Changed whenever what is read from the same file changes.
_VERSION = 2
_KEPT_SECONDS = 86_400
Look = Callable[[fs.FileSystem, str], dict[str, Facts]]
Read = Callable[[fs.FileSystem, str, pa.Schema], Generator[pa.RecordBatch]]


@dataclass(frozen=True)
class TypedCopies:
    """The copies of one source's files in a folder of its own.

    Attributes:
        look: what is known of a file's columns, by their names in it.
        read: a file's rows in given types, for columns of these names.
    """

    folder: Path
    filesystem: fs.FileSystem
    base: str
    look: Look
    read: Read

    def of(self, files: list[fs.FileInfo]) -> tuple[list[str], pa.Schema]:
        """The copies' paths in the files' order, and the columns of all of them together.

        Raises:
            DataRefusedError: a file cannot be read.
            OutsideError: the copies cannot be written.
        """
        found = [self._facts(info) for info in files]
        names, facts = _over_all(found)
        if not names:
            raise DataRefusedError(
                "no file has a row, so that there are no columns", where=self.base, remedy="put rows there"
            )
        schema = pa.schema([(name, facts[key].arrow_type) for key, name in names.items()])
        copies = [
            self._copy(info, columns, schema, names) for info, columns in zip(files, found, strict=True)
        ]
        self._forget({*copies, *(self._place(info, ".json") for info in files)})
        return [str(path) for path in copies], schema

    def types(self, files: list[fs.FileInfo]) -> Iterator[tuple[str, dict[str, pa.DataType]]]:
        """Each file's path, and the types that its columns would have alone."""
        for info in files:
            yield info.path, {name: facts.arrow_type for name, facts in self._facts(info).items()}

    def _facts(self, info: fs.FileInfo) -> dict[str, Facts]:
        """What is known of the file's columns, by their names in the file."""
        place = self._place(info, ".json")
        if place.is_file():
            told = json.loads(place.read_text())
            return {name: Facts(**{**one, "kind": Kind(one["kind"])}) for name, one in told.items()}
        facts = self.look(self.filesystem, info.path)
        with replacing(place) as temporary:
            temporary.write_text(json.dumps({name: asdict(one) for name, one in facts.items()}))
        return facts

    def _copy(
        self, info: fs.FileInfo, columns: dict[str, Facts], schema: pa.Schema, names: dict[str, str]
    ) -> Path:
        """The file's rows in the types of `schema`, under the names that the columns have there."""
        own = pa.schema([schema.field(names[alike(column)]) for column in columns])
        kinds = hashlib.sha256(str(own).encode()).hexdigest()[:16]
        place = self._place(info, f".{kinds}.arrow")
        if place.is_file():
            os.utime(place)
            return place
        found = pa.schema([field.with_name(name) for name, field in zip(columns, own, strict=True)])
        with replacing(place) as temporary, pa.ipc.new_file(temporary, own) as writer:
            try:
                with closing(self.read(self.filesystem, info.path, found)) as rows:
                    for block in rows:
                        if block.num_rows:
                            writer.write_batch(pa.RecordBatch.from_arrays(block.columns, schema=own))
            except pa.ArrowInvalid as error:
                raise TransientError(
                    f"the file changed while it was read: {error}", where=info.path, remedy="run it again"
                ) from error
        logger.info("sources: read %s", info.path)
        return place

    def _place(self, info: fs.FileInfo, ending: str) -> Path:
        """Below the folder as the file is below the source's: folders' names may be columns."""
        below = (
            Path(os.path.relpath(info.path, self.base)) if info.path != self.base else Path(info.base_name)
        )
        mark = hashlib.sha256(f"{_VERSION} {fingerprint([info])}".encode()).hexdigest()[:16]
        return self.folder / below.parent / f"{mark}{ending}"

    def _forget(self, needed: set[Path]) -> None:
        """Remove what was made of files that are no more, unless another process may be reading it."""
        old = time.time() - _KEPT_SECONDS
        for path in self.folder.rglob("*.*"):
            if path.is_file() and path not in needed and path.stat().st_mtime < old:
                path.unlink(missing_ok=True)


def _over_all(found: list[dict[str, Facts]]) -> tuple[dict[str, str], dict[str, Facts]]:
    """The columns' names as they are first written, and what is known of each over all files, by `alike`."""
    names: dict[str, str] = {}
    facts: dict[str, Facts] = {}
    for columns in found:
        for name, one in columns.items():
            names.setdefault(alike(name), name)
            facts[alike(name)] = facts.get(alike(name), NOTHING).joined(one)
    return names, facts
