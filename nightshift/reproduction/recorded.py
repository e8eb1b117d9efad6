"""What a version recorded of how it was made: enough to make it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nightshift.errors import DataRefusedError
from nightshift.records import Record, Snapshot
from nightshift.spec.declaration import RECORDED
from nightshift.spec.project import Project
from nightshift.trained import ModelVersion, OriginModel


class Difference(Record):
    """One thing that was otherwise when the version was made: `lightgbm` was `4.6.0`, and is `4.7.0`."""

    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what} was {self.then}, and is {self.now}"


@dataclass(frozen=True)
class Recorded:
    """A version, the declaration that it was made by, and its models' files.

    Attributes:
        project: the declaration as it was then, whatever has become of it.
        origin: the model that its training began with, where its files are now.
        evaluated, live: folders; one and the same unless a refitted model is live.
        differences: what has changed around it since.
    """

    version: ModelVersion
    project: Project
    origin: OriginModel | None
    evaluated: Path
    live: Path
    differences: tuple[Difference, ...]

    @property
    def snapshot(self) -> Snapshot:
        """The rows that it was made of: the lake's table as it was at that version."""
        version = self.version
        return Snapshot(
            project=version.project, table=version.data_table, version=version.data_version,
            window=version.window, as_of=version.as_of, digest=version.data_digest, rows=0, rows_in=0, quarantined=0,
        )  # fmt: skip


def declaration_of(declared: dict[str, Any], sql_text: str, *, where: str) -> Project:
    """The project that a version's own record of its declaration declares.

    Raises:
        DataRefusedError: this version of Nightshift does not know what it says.
    """
    try:
        project = Project.model_validate(declared, context=RECORDED)
    except ValidationError as error:
        fault = error.errors()[0]
        raise DataRefusedError(
            f"the recorded declaration is not understood: {'.'.join(map(str, fault['loc']))}: {fault['msg']}",
            where=where, remedy="install the version of Nightshift that environment.json beside it names",
        ) from error  # fmt: skip
    return project.model_copy(update={"sql_text": sql_text})
