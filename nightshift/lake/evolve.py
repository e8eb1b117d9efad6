"""What becomes of a table's columns when rows with other columns come: it evolves without loss, or they are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from nightshift.errors import DataRefusedError

_UTC = pa.timestamp("us", tz="UTC")
_MOST_DIGITS = 38
# Integers that have no place in Delta, and those that hold their values. uint64 keeps what int64 can hold.
_SIGNED = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.int64()}
_DIGITS = {pa.int8(): 3, pa.int16(): 5, pa.int32(): 10, pa.int64(): 19}


@dataclass(frozen=True)
class Evolution:
    """The columns that a table has once some rows are in it.

    Attributes:
        added: columns that are new; older rows have null there.
        widened: columns whose older values are kept in another type, without loss.
    """

    schema: pa.Schema
    added: tuple[str, ...]
    widened: tuple[str, ...]


def evolved(table: pa.Schema, rows: pa.Schema, is_unused: Callable[[str], bool], where: str) -> Evolution:
    """The table's columns with those of `rows`: none is lost, and none is given another meaning.

    Args:
        is_unused: whether a column holds nothing but nulls in the rows that stay.

    Raises:
        DataRefusedError: a column is of a type that holds not all values of both, or differs by case alone.
    """
    _refuse_case(table.names, rows.names, where)
    fields, widened = {one.name: stored_type(one.type) for one in table}, []
    added = [name for name in rows.names if name not in fields]
    for one in rows:
        kind = stored_type(one.type)
        was = fields.get(one.name)
        if was is None:
            fields[one.name] = pa.string() if pa.types.is_null(kind) else kind
            continue
        wide = widest(was, kind)
        if wide is None:
            if not is_unused(one.name):
                raise _other_type(one.name, was, kind, where)
            wide = kind
        if wide != was:
            widened.append(one.name)
        fields[one.name] = wide
    schema = pa.schema([pa.field(name, kind) for name, kind in fields.items()])
    return Evolution(schema, tuple(added), tuple(widened))


def stored_type(kind: pa.DataType) -> pa.DataType:
    """What a Delta table holds a column of this type as.

    >>> stored_type(pa.dictionary(pa.int8(), pa.large_string()))
    DataType(string)
    """
    if pa.types.is_dictionary(kind):
        return stored_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us") if kind.tz is None else _UTC
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal(kind) and kind.precision <= _MOST_DIGITS:
        return pa.decimal128(kind.precision, kind.scale)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(pa.field("element", stored_type(kind.value_type)))
    return _SIGNED.get(kind, kind)


def widest(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both, or None.

    Of whole numbers and floats it is a float, though one of 64 bits holds whole numbers only up to 2^53: whoever casts
    them checks it.

    >>> widest(pa.int32(), pa.int64()), widest(pa.int64(), pa.float64()), widest(pa.string(), pa.int64())
    (DataType(int64), DataType(double), None)
    """
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    kinds = (one, other)
    if all(pa.types.is_integer(kind) for kind in kinds) or all(pa.types.is_floating(kind) for kind in kinds):
        return max(kinds, key=lambda kind: int(kind.bit_width))
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
        is_short = all(kind in (pa.int8(), pa.int16(), pa.float32()) for kind in kinds)
        return pa.float32() if is_short else pa.float64()
    if all(pa.types.is_integer(kind) or pa.types.is_decimal(kind) for kind in kinds):
        return _decimal(one, other)
    return None


def cast_rows(batches: Iterator[pa.RecordBatch], schema: pa.Schema, where: str) -> Iterator[pa.RecordBatch]:
    """The rows in the types of `schema`, with nulls in columns that they lack.

    Raises:
        DataRefusedError: a value cannot be kept in its column's type without loss.
    """
    for batch in batches:
        columns = [_cast(batch, column, where) for column in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(batch: pa.RecordBatch, column: pa.Field, where: str) -> pa.Array:
    place = batch.schema.get_field_index(column.name)
    if place < 0:
        return pa.nulls(batch.num_rows, column.type)
    values = batch.column(place)
    if values.type == column.type:
        return values
    try:
        return values.cast(column.type)
    except pa.ArrowInvalid as error:
        raise DataRefusedError(
            f"the column {column.name!r} is {values.type} here and {column.type} in the table, and a value would "
            f"change: {error}",
            where=where,
            remedy=f"cast {column.name!r} in the SQL to the type it had, or give it another name there",
        ) from error


def _decimal(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    scales = [kind.scale if pa.types.is_decimal(kind) else 0 for kind in (one, other)]
    wholes = [
        kind.precision - kind.scale if pa.types.is_decimal(kind) else _DIGITS[kind] for kind in (one, other)
    ]
    digits = max(wholes) + max(scales)
    return pa.decimal128(digits, max(scales)) if digits <= _MOST_DIGITS else None


def _refuse_case(table: list[str], rows: list[str], where: str) -> None:
    """Delta and DuckDB take names that differ by case alone for one."""
    known = {name.casefold(): name for name in table}
    for name in rows:
        was = known.setdefault(name.casefold(), name)
        if was != name:
            raise DataRefusedError(
                f"the column {name!r} differs from the column {was!r} of the same table by case alone",
                where=where,
                remedy=f'call it by one name in the SQL, such as: {name} as "{was}"',
            )


def _other_type(name: str, was: pa.DataType, now: pa.DataType, where: str) -> DataRefusedError:
    return DataRefusedError(
        f"the column {name!r} is {was} in the rows that the table holds, and {now} in these: neither holds the other's "
        "values without loss",
        where=where,
        remedy=f"cast {name!r} in the SQL to {was}, or give it another name there; nothing was written",
    )
