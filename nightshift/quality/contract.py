"""The schema inferred from a project's first rows, which later rows must keep."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from nightshift.atomic import replacing
from nightshift.engine import quote
from nightshift.errors import DataRefusedError, NightshiftError
from nightshift.json_files import read_json_object
from nightshift.lake.evolve import stored_type, widest
from nightshift.lake.tables import Lake
from nightshift.quality.same_column import Column, arrow_type, cast
from nightshift.settings import Settings
from nightshift.sources.protocol import Source
from nightshift.sources.registry import sources_of
from nightshift.spec.project import Project, digest

logger = logging.getLogger(__name__)

_NULL = "null"  # the type of a column that had no value yet


@dataclass(frozen=True)
class Contract:
    """Column names and Arrow types, as the SQL with this digest first gave them."""

    sql_digest: str
    columns: dict[str, str]

    @classmethod
    def recorded(cls, lake: Lake) -> Contract | None:
        """The contract of the project's earlier rows, if there were any."""
        path = _path(lake)
        if not path.exists():
            return None
        remedy = "remove the file: the next rows make a new one"
        try:
            return cls(**read_json_object(path, remedy))
        except TypeError as error:
            raise DataRefusedError(f"this is no contract: {error}", where=str(path), remedy=remedy) from error

    def record(self, lake: Lake) -> None:
        """Keep this contract for the rows to come."""
        with replacing(_path(lake)) as temporary:
            temporary.write_text(
                json.dumps({"sql_digest": self.sql_digest, "columns": self.columns}, indent=1)
            )

    def kept(self, column: pa.Field) -> str:
        """The column of these rows in the contract's type, as SQL."""
        kind = self.columns.get(column.name, _NULL)
        if kind in (_NULL, str(column.type)):
            return quote(column.name)
        return f"{cast(column, arrow_type(kind))} AS {quote(column.name)}"


def keep_contract(
    project: Project, lake: Lake, rows: pa.Table, connection: duckdb.DuckDBPyConnection, settings: Settings
) -> Contract:
    """The contract that the rows are kept under: the recorded one, wider where they need it; or theirs, when the SQL
    is new.

    Args:
        rows: registered as `raw` on the connection.

    Raises:
        DataRefusedError: a column's type is not what it was, though the SQL is.
    """
    old, sql = Contract.recorded(lake), digest(project.sql_text)
    was = {} if old is None or old.sql_digest != sql else old.columns
    columns = dict(was)
    for field in rows.schema:
        recorded = was.get(field.name, _NULL)
        column = Column(field, connection, is_key=field.name in project.dataset.key)
        if recorded == _NULL:
            # An empty column comes as text: what it is, its first value will tell.
            is_empty = pa.types.is_string(field.type) and column.is_empty()
            columns[field.name] = _NULL if is_empty else str(field.type)
        elif recorded != str(field.type):
            columns[field.name] = _settled(column, arrow_type(recorded), project, lake, settings)
    return Contract(sql, columns)


def _settled(column: Column, was: pa.DataType, project: Project, lake: Lake, settings: Settings) -> str:
    """The type that a column has from now on, whose rows come in another one than those before."""
    if column.fits(was):
        return str(was)
    name, now = column.field.name, column.field.type
    origins = _origins(project, settings, name)
    if pa.types.is_string(was) and column.is_text_of_itself() and not all(one.has_types() for one in origins):
        return str(was)
    wide = widest(was, now)
    if wide is not None and not (column.is_key and pa.types.is_floating(wide)):
        logger.warning("validate: the column %s is %s from now on: it was %s", name, wide, was)
        return str(wide)
    if _was_never_filled(lake, name):
        return str(now)
    place = _place(origins, name, now)
    raise DataRefusedError(
        f"the column {name!r} changed its type: it was {was}, now it is {now}{f' in {place}' if place else ''}",
        where=f"project {project.name}",
        remedy=f"look at the source, or cast {name!r} in {project.dataset.sql} to accept it from now on",
    )


def _origins(project: Project, settings: Settings, column: str) -> list[Source]:
    """The sources that have a column of this name: the SQL most likely took it from there."""
    sources = sources_of(project, settings).values()
    return [one for one in sources if any(column in types for _, types in _types(one))]


def _types(source: Source) -> list[tuple[str, dict[str, pa.DataType]]]:
    try:
        return list(source.types())
    except (
        NightshiftError
    ):  # it went away after it was read: then there is a fault to tell, and no place for it
        return []


def _place(origins: list[Source], column: str, kind: pa.DataType) -> str:
    """The last file whose column is of this kind."""
    found = [(place, types[column]) for one in origins for place, types in _types(one) if column in types]
    alike = [place for place, given in found if _are_alike(stored_type(given), kind)]
    return alike[-1] if alike else ""


def _are_alike(given: pa.DataType, kind: pa.DataType) -> bool:
    both_times = pa.types.is_timestamp(given) and pa.types.is_timestamp(kind)
    return bool(both_times or widest(given, kind) is not None)


def _was_never_filled(lake: Lake, column: str) -> bool:
    """Whether no row of the dataset has a value there; contracts of old took such a column for text."""
    version = lake.version("dataset")
    rows = None if version is None else lake.read("dataset", version)
    if rows is None or column not in rows.schema.names:
        return True
    return int(rows.scanner(columns=[column], filter=ds.field(column).is_valid()).count_rows()) == 0


def _path(lake: Lake) -> Path:
    return Path(lake.uri("contract.json"))
