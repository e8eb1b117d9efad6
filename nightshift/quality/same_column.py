"""Whether the values of a column can be kept in the type that the column had, with none of them changed."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from nightshift.engine import quote, quote_text
from nightshift.sources.inference import WORDS

_SQL = {
    pa.int8(): "TINYINT", pa.int16(): "SMALLINT", pa.int32(): "INTEGER", pa.int64(): "BIGINT", pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE", pa.string(): "VARCHAR", pa.bool_(): "BOOLEAN", pa.date32(): "DATE", pa.binary(): "BLOB",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}  # fmt: skip
_ARROW = {str(kind): kind for kind in _SQL}
_DECIMAL = re.compile(r"decimal128\((\d+), (\d+)\)")


@dataclass(frozen=True)
class Column:
    """A column of the rows registered as `raw`."""

    field: pa.Field
    connection: duckdb.DuckDBPyConnection
    is_key: bool

    def is_empty(self) -> bool:
        """Whether it has no value at all."""
        return self._count(f"{quote(self.field.name)} IS NOT NULL") == 0

    def fits(self, kind: pa.DataType) -> bool:
        """Whether every value is the same in type `kind`: nothing is lost by keeping the column as it was."""
        now, name = self.field.type, quote(self.field.name)
        if self.is_empty():
            return True
        if pa.types.is_string(now):
            words = ", ".join(quote_text(word) for word in WORDS)
            return not pa.types.is_string(kind) and self._count(f"{name} NOT IN ({words})") == 0
        if not (_is_number(now) and _is_number(kind)) and not (_is_time(now) and _is_time(kind)):
            return False
        if pa.types.is_integer(now) and pa.types.is_floating(kind) and not self.is_key:
            return True  # a model sees 32 bits of it
        value = _known(self.field)
        back = f"TRY_CAST(TRY_CAST({value} AS {sql_type(kind)}) AS {sql_type(now)})"
        return self._count(f"{value} IS NOT NULL AND {back} IS DISTINCT FROM {value}") == 0

    def is_text_of_itself(self) -> bool:
        """Whether it can be told from the values how they were written: whole numbers, and days."""
        return bool(pa.types.is_integer(self.field.type) or pa.types.is_date(self.field.type))

    def _count(self, condition: str) -> int:
        return int(self.connection.sql(f"SELECT count(*) FROM raw WHERE {condition}").fetchall()[0][0])


def cast(column: pa.Field, kind: pa.DataType) -> str:
    """The column's values as type `kind`, as SQL; words for nothing are null where they are no texts."""
    attempt = "TRY_CAST" if pa.types.is_string(column.type) else "CAST"
    value = _known(column) if not pa.types.is_floating(kind) else quote(column.name)
    return f"{attempt}({value} AS {sql_type(kind)})"


def sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of a type.

    >>> sql_type(pa.decimal128(20, 2))
    'DECIMAL(20,2)'
    """
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _SQL[kind]


def arrow_type(text: str) -> pa.DataType:
    """The Arrow type whose name is `text`.

    >>> arrow_type("decimal128(20, 2)"), arrow_type("timestamp[us, tz=UTC]")
    (Decimal128Type(decimal128(20, 2)), TimestampType(timestamp[us, tz=UTC]))
    """
    decimal = _DECIMAL.fullmatch(text)
    return pa.decimal128(int(decimal[1]), int(decimal[2])) if decimal else _ARROW[text]


def _known(column: pa.Field) -> str:
    """The column, null where it is NaN: pandas has no other way to say so of whole numbers."""
    if not pa.types.is_floating(column.type):
        return quote(column.name)
    return f"nullif({quote(column.name)}, 'nan'::{sql_type(column.type)})"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))
