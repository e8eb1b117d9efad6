"""Arrow columns as what a profile counts: numbers with NaN for null, or codes of texts."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.dataset.float32 import BEYOND
from nightshift.drift.profile import Floats
from nightshift.errors import RequestError

Codes = npt.NDArray[np.intp]
ValueKind = Literal["number", "category"]

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_A_DAY = 86_400.0


def kind_of(column: pa.Array, name: str) -> ValueKind:
    """Whether a column is summarised as numbers or as categories.

    Numbers, decimals, dates, times and durations are numbers; strings, binary values and booleans are categories; a
    column without a type, all of it null, counts as numbers.

    Raises:
        RequestError: lists, structs and other nested values are neither.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_boolean(kind) or _is_text(kind) or _is_binary(kind):
        return "category"
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if is_number or pa.types.is_temporal(kind) or pa.types.is_null(kind):
        return "number"
    raise RequestError(
        f"values of type {kind} have no profile", where=f"column {name!r}",
        valid=("numbers", "dates and times", "booleans", "strings"),
        remedy="make plain columns of it in dataset.sql, or exclude it",
    )  # fmt: skip


def numbers(column: pa.Array, name: str) -> Floats:
    """A column as float64, shape (n,), NaN for null.

    Dates and timestamps are seconds since 1970-01-01, times and durations seconds. Integers and decimals beyond 2^53
    are rounded to the nearest float64; what float32 cannot hold is infinite, as it is to a model. Texts are read as
    numbers where a column of numbers was expected; what is no number counts as null.
    """
    if pa.types.is_dictionary(column.type) or kind_of(column, name) == "category":
        return _numbers_of_texts(column, name)
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    scale = 1.0
    if pa.types.is_date32(kind):
        column, scale = column.cast(pa.int32()), _A_DAY
    elif pa.types.is_date64(kind):
        column, scale = column.cast(pa.int64()), _SECONDS["ms"]
    elif pa.types.is_temporal(kind):
        scale = _SECONDS[kind.unit]
        column = column.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64())
    values: Floats = _plain(column.cast(pa.float64(), safe=False), np.float64(np.nan))
    if pa.types.is_float64(kind):
        values = _as_a_model_sees(values)
    return values if scale == 1.0 else values * scale


def texts(column: pa.Array) -> tuple[Codes, list[str | None]]:
    """A column as codes, shape (n,), -1 for null, and what they stand for: texts, not all different.

    Booleans are `false` and `true`; numbers and dates are as Arrow writes them; bytes that are no UTF-8 are in hex.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), -1, dtype=np.intp), []
    if not pa.types.is_dictionary(kind):
        if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
            column = column.cast(pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary())
        column = column.dictionary_encode()
    codes: Codes = _plain(column.indices.cast(pa.int64()), np.int64(-1)).astype(np.intp, copy=False)
    return codes, _as_texts(column.dictionary)


def _plain(column: pa.Array, null: np.float64 | np.int64) -> npt.NDArray[Any]:
    """Fixed-width values as they lie in memory, with `null` in the place of nulls.

    Arrow's own `to_numpy`, like scalars made of Python's, imports pandas first: 0.3 s and 50 MB.
    """
    if column.null_count:
        value = pa.py_buffer(np.array([null]))
        column = column.fill_null(pa.Array.from_buffers(column.type, 1, [None, value])[0])
    return np.from_dlpack(column)


def _as_a_model_sees(values: Floats) -> Floats:
    beyond = np.abs(values) >= BEYOND
    return np.where(beyond, np.copysign(np.inf, values), values) if beyond.any() else values


def _as_texts(values: pa.Array) -> list[str | None]:
    if not _is_binary(values.type):
        written: list[str | None] = values.cast(pa.large_string()).to_pylist()
        return written
    return [None if value is None else _readable(value) for value in values.to_pylist()]


def _readable(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def _numbers_of_texts(column: pa.Array, name: str) -> Floats:
    if pa.types.is_dictionary(column.type) and kind_of(column.dictionary, name) == "number":
        return numbers(pc.take(column.dictionary, column.indices), name)
    codes, values = texts(column)
    # The last one is what code -1, null, leads to.
    read = np.array([*(_number(value) for value in values), np.nan])
    return read[codes]


def _number(text: str | None) -> float:
    if text in ("true", "false"):
        return float(text == "true")
    try:
        return float(text) if text is not None else float("nan")
    except ValueError:
        return float("nan")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    found = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return bool(found or pa.types.is_fixed_size_binary(kind))
