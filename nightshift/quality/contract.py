"""The schema inferred from a project's first rows, which later rows must keep."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from nightshift.atomic import replacing
from nightshift.errors import DataRefusedError
from nightshift.lake.tables import Lake
from nightshift.spec.project import Project, digest


@dataclass(frozen=True)
class Contract:
    """Column names and Arrow types, as the SQL with this digest first gave them."""

    sql_digest: str
    columns: dict[str, str]

    @classmethod
    def inferred(cls, project: Project, schema: pa.Schema) -> Contract:
        """The contract that these rows would make."""
        return cls(digest(project.sql_text), {column.name: str(column.type) for column in schema})

    @classmethod
    def recorded(cls, lake: Lake) -> Contract | None:
        """The contract of the project's earlier rows, if there were any."""
        path = _path(lake)
        return cls(**json.loads(path.read_text())) if path.exists() else None

    def record(self, lake: Lake) -> None:
        """Keep this contract for the rows to come."""
        with replacing(_path(lake)) as temporary:
            temporary.write_text(
                json.dumps({"sql_digest": self.sql_digest, "columns": self.columns}, indent=1)
            )


def keep_contract(project: Project, lake: Lake, schema: pa.Schema) -> Contract:
    """The contract these rows are under: the recorded one, or theirs when the SQL is new.

    Raises:
        DataRefusedError: a column's type is not what it was, though the SQL is.
    """
    new = Contract.inferred(project, schema)
    old = Contract.recorded(lake)
    if old is None or old.sql_digest != new.sql_digest:
        return new
    for name, kind in new.columns.items():
        was = old.columns.get(name, kind)
        if kind != was and not _widens(kind, was):
            raise DataRefusedError(
                f"the column {name!r} changed its type: it was {was}, now it is {kind}",
                where=f"project {project.name}",
                remedy=f"look at the source, or cast {name!r} in {project.dataset.sql} to accept it from now on",
            )
    return old


def _widens(kind: str, was: str) -> bool:
    """Whether values of type `kind` can be kept as `was` without loss that a model would see."""
    return kind.startswith("int") and was in ("double", "float", "int64")


def _path(lake: Lake) -> Path:
    return Path(lake.uri("contract.json"))
