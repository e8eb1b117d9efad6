"""The commits of a Delta table, as its own log tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nightshift.atomic import disk_faults
from nightshift.records import Window

# What a commit says of itself that commits of old do not: the column that its window is of, and its rows' columns.
TIME, COLUMNS = "nightshift.time", "nightshift.columns"

_HOUSEKEEPING = ("VACUUM START", "VACUUM END", "OPTIMIZE")


@dataclass(frozen=True)
class Commit:
    """One version of a table, and what the commit that made it says of itself."""

    version: int
    info: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """Tells this commit from another one with the same number, as a table restored from a backup gets them."""
        return json.dumps([self.version, self.info.get("timestamp"), self.info.get("nightshift.digest")])

    @property
    def is_housekeeping(self) -> bool:
        """Whether the table has the rows after it that it had before."""
        return self.info.get("operation") in _HOUSEKEEPING

    @property
    def is_own(self) -> bool:
        """Whether Nightshift made it, and not another tool."""
        return any(name.startswith("nightshift.") for name in self.info)

    @property
    def columns(self) -> list[str] | None:
        """The columns of the rows that it wrote; None where it does not say."""
        noted = self.info.get(COLUMNS)
        return None if noted is None else list(json.loads(noted))

    def window(self, time_column: str) -> Window | None:
        """The window of `time_column` whose rows it replaced; None where it did something else."""
        if "nightshift.start" not in self.info or self.info.get(TIME, time_column) != time_column:
            return None
        start, end = (datetime.fromisoformat(self.info[f"nightshift.{name}"]) for name in ("start", "end"))
        return Window(start=start, end=end)


def commits(uri: str, newest: int) -> Iterator[Commit]:
    """The commits of the table from `newest` back to its first one, or to where its log ends.

    Read from the log's own files: delta-rs numbers the history of an older version by the newest one's commits.
    """
    with disk_faults(uri):
        for version in range(newest, -1, -1):
            path = Path(uri, "_delta_log", f"{version:020d}.json")
            if not path.is_file():
                return
            yield Commit(version, _info(path))


def _info(path: Path) -> Mapping[str, Any]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if '"commitInfo"' in line:
                found: dict[str, Any] = json.loads(line)
                if "commitInfo" in found:
                    info: dict[str, Any] = found["commitInfo"]
                    return info
    return {}
