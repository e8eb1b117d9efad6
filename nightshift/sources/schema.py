"""One schema over the files of a source: which types are the same column, and which file says otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from nightshift.errors import DataRefusedError

_UTC = "UTC"
_DECIMAL_DIGITS = 38


def one_schema(found: Iterable[tuple[str, pa.Schema]]) -> pa.Schema:
    """The columns of all files, in types that hold every file's values.

    Args:
        found: where each schema is from, and the schema.

    Raises:
        DataRefusedError: a column has types that no type holds, or names that SQL cannot tell apart.
    """
    fields: dict[str, pa.Field] = {}
    origins: dict[str, str] = {}
    spellings: dict[str, str] = {}
    for path, schema in found:
        twice = [name for name, count in Counter(schema.names).items() if count > 1]
        if twice:
            raise DataRefusedError(
                f"the file has more than one column named {twice[0]!r}", where=path,
                remedy="name them apart, or leave one out",
            )  # fmt: skip
        new = [name for name in schema.names if name not in fields]
        for column in schema:
            if column.name in fields:
                was = fields[column.name]
                kind = common_type(was.type, column.type)
                if kind is None:
                    raise _differing(column.name, (was.type, origins[column.name]), (column.type, path))
                if pa.types.is_null(was.type):
                    origins[column.name] = path
                fields[column.name] = was.with_type(kind)
            else:
                fields[column.name], origins[column.name] = column, path
        for name in new:
            other = spellings.setdefault(name.lower(), name)
            if other != name and origins[other] != path:
                raise DataRefusedError(
                    f"the file's column {name!r} is {other!r} in {origins[other]}: SQL takes both for one",
                    where=path, remedy="write the column's name alike in every file",
                )  # fmt: skip
    return pa.schema([column.with_type(readable(column.type)) for column in fields.values()])


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both, or None where there is none.

    >>> common_type(pa.int32(), pa.int64()), common_type(pa.null(), pa.string()), common_type(pa.int8(), pa.string())
    (DataType(int64), DataType(string), None)
    """
    if one == other:
        return one
    one, other = _plain(one), _plain(other)
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_temporal(one) or pa.types.is_temporal(other):
        return _common_time(one, other)
    if pa.types.is_boolean(one) or pa.types.is_boolean(other):
        return None
    try:
        fields = (pa.schema([("x", one)]), pa.schema([("x", other)]))
        return pa.unify_schemas(fields, promote_options="permissive").field("x").type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def readable(kind: pa.DataType) -> pa.DataType:
    """The type that DuckDB takes and compares with the window's bounds; a value that it does not hold is refused."""
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal256(kind):
        return pa.decimal128(min(kind.precision, _DECIMAL_DIGITS), min(kind.scale, _DECIMAL_DIGITS))
    return kind


def _common_time(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    dates, times = (
        [kind for kind in (one, other) if test(kind)] for test in (pa.types.is_date, pa.types.is_timestamp)
    )
    if len(dates) == 2:
        return pa.date32()
    if len(dates) + len(times) == 2:
        zoned = any(kind.tz for kind in times)  # a time without a zone is UTC
        return pa.timestamp("us", _UTC if zoned else None)
    if pa.types.is_time(one) and pa.types.is_time(other):
        return pa.time64("ns" if "ns" in (one.unit, other.unit) else "us")
    if pa.types.is_duration(one) and pa.types.is_duration(other):
        return pa.duration("us")
    return None


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the same values without a way of keeping them."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    return readable(kind)


def _differing(name: str, was: tuple[pa.DataType, str], now: tuple[pa.DataType, str]) -> DataRefusedError:
    return DataRefusedError(
        f"the file does not fit those before it: the column {name!r} is {now[0]}, and {was[0]} in {was[1]}",
        where=now[1], remedy="make the columns' types agree in every file",
    )  # fmt: skip
