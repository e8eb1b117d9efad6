"""Take away the files of a project's tables that no version which is still needed consists of."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from nightshift.atomic import disk_faults
from nightshift.errors import OutsideError
from nightshift.lake.tables import Lake
from nightshift.records import Record


class Freed(Record):
    """What was taken away, or would be."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: Freed) -> Freed:
        return Freed(files=self.files + other.files, bytes=self.bytes + other.bytes)


def tables_of(lake: Lake) -> list[str]:
    """The names of the project's tables, sorted."""
    return sorted(log.parent.name for log in Path(lake.uri("")).glob("*/_delta_log"))


def vacuum(lake: Lake, table: str, needed: Collection[int], older_than: timedelta, *, dry_run: bool) -> Freed:
    """Remove the files of `table` that neither its newest version nor one of `needed` consists of.

    Also what killed writers left. The log itself is kept for ever: a version whose files are kept can be read.

    Args:
        older_than: files that were replaced, or left, more recently stay: someone may be reading them. In whole hours,
            rounded up.

    Raises:
        OutsideError: the table cannot be opened, or its files not be removed.
    """
    uri = lake.uri(table)
    with disk_faults(uri):
        try:
            handle = DeltaTable(uri)
            newest = handle.version()
            keep = sorted({newest, *(version for version in needed if version <= newest)})

            def removable(*, dry_run: bool) -> list[str]:
                return handle.vacuum(
                    math.ceil(older_than / timedelta(hours=1)),
                    dry_run=dry_run, full=True, enforce_retention_duration=False, keep_versions=keep,
                )  # fmt: skip

            files = [Path(uri, name) for name in removable(dry_run=True)]
            freed = Freed(files=len(files), bytes=sum(file.stat().st_size for file in files))
            if files and not dry_run:
                removable(dry_run=False)
        except DeltaError as error:
            raise OutsideError(f"the table cannot be cleaned: {error}", where=uri) from error
    return freed
