"""The commits of a Delta table, as its own log tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightshift.atomic import disk_faults


@dataclass(frozen=True)
class Commit:
    """One version of a table, and what the commit that made it says of itself."""

    version: int
    info: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """Tells this commit from another one with the same number, as a table restored from a backup gets them."""
        return json.dumps([self.version, self.info.get("timestamp"), self.info.get("nightshift.digest")])


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
