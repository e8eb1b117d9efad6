"""The text of a class, and its code: one way from a label of any type to the class that is meant.

A class is known by its text. Numbers that are equal are one class, however they are stored: 1, 1.0 and 1.00 are all
`1`. Texts are one class only where every character is the same: `Yes`, `yes` and ` yes` are three.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.errors import DataRefusedError
from nightshift.spec.project import Kind

Floats = npt.NDArray[np.float64]

# Whole numbers beyond it are written as floats are: int64 ends at 9.2e18.
_MOST_WHOLE = 9e18
_SHORT = "%.7g"
_TRUTHS = {"true": "1", "false": "0"}
_WHOLE = re.compile(r"[+-]?[0-9]+")


def class_text(value: object) -> str | None:
    """The text of the class that a label's value names; None for what names none: null and NaN.

    >>> [class_text(value) for value in (1, 1.0, -0.0, 0.5, Decimal("1.50"), True, "1.0", float("nan"))]
    ['1', '1', '0', '0.5', '1.5', 'true', '1.0', None]
    """
    match value:
        case None:
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return _of_float(value)
        case Decimal():
            return str(int(value)) if value == value.to_integral_value() else f"{value.normalize():f}"
        case bytes():
            return "".join(map(_of_byte, value))
        case datetime():
            moment = value.astimezone(UTC) if value.tzinfo else value
            fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
            return f"{moment:%Y-%m-%d %H:%M:%S}{fraction}{'+00' if value.tzinfo else ''}"
        case _:
            return str(value)


def class_sql(label: str, kind: pa.DataType) -> str:
    """`class_text` as a DuckDB expression.

    Args:
        label: an SQL expression, such as a quoted column.
        kind: its type.
    """
    if pa.types.is_decimal(kind):
        text = f"CAST({label} AS VARCHAR)"
        text = f"rtrim(rtrim({text}, '0'), '.')" if kind.scale > 0 else text
        return f"CASE WHEN {label} = 0 THEN '0' ELSE {text} END"
    if not pa.types.is_floating(kind):
        return f"CAST({label} AS VARCHAR)"
    wide, short = f"CAST({label} AS DOUBLE)", f"CAST(printf('{_SHORT}', CAST({label} AS DOUBLE)) AS DOUBLE)"
    return (
        f"CASE WHEN isnan({label}) THEN NULL "
        f"WHEN abs({wide}) < {_MOST_WHOLE} AND trunc({wide}) = {wide} THEN CAST(CAST({wide} AS BIGINT) AS VARCHAR) "
        f"WHEN CAST(TRY_CAST({short} AS FLOAT) AS DOUBLE) = {wide} THEN CAST({short} AS VARCHAR) "
        f"ELSE CAST({wide} AS VARCHAR) END"
    )


def class_texts(labels: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The text of each label's class, null for null and NaN."""
    if pa.types.is_string(labels.type) or pa.types.is_large_string(labels.type):
        return labels.cast(pa.string())
    if pa.types.is_dictionary(labels.type):
        return class_texts(labels.cast(labels.type.value_type))
    values, places = _distinct(labels)
    return pa.array([class_text(value) for value in values], pa.string()).take(places)


class Vocabulary:
    """The classes that a model knows, in the order of their codes, and those that labels have beside.

    A class that the model does not know gets a code from K, the number of known ones, up, in the order in which such
    classes are met. A model can say nothing of it, and metrics count its rows as mistakes.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._places = {name: place for place, name in enumerate(self.classes)}
        # Models were named by the text of their label's type: of a float, the class 1 is `1.0` in old ones.
        self._numbers: dict[str, int] = {}
        for name, place in self._places.items():
            self._numbers.setdefault(number_text(name), place)

    @classmethod
    def of(cls, kind: Kind, classes: Sequence[str]) -> Vocabulary | None:
        """The classes of a multiclass label; None of other kinds, whose labels are numbers."""
        return cls(classes) if kind == "multiclass" else None

    @property
    def unknown(self) -> tuple[str, ...]:
        """The classes that labels had, and the model has not, in the order of their codes."""
        return tuple(self._places)[len(self.classes) :]

    def codes(self, labels: pa.Array | pa.ChunkedArray) -> Floats:
        """The code of each label's class, NaN where the label is null."""
        if pa.types.is_dictionary(labels.type):
            return self.codes(labels.cast(labels.type.value_type))
        values, places = _distinct(labels)
        found = np.array([*(self._code(value) for value in values), np.nan])
        return np.asarray(found[pc.fill_null(places, len(values)).to_numpy()], dtype=np.float64)

    def _code(self, value: object) -> float:
        text = class_text(value)
        if text is None:
            return float("nan")
        if isinstance(value, bool | int | float | Decimal) and text not in self._places:
            known = self._numbers.get(number_text(text))
            if known is not None:
                return known
        return self._places.setdefault(text, len(self._places))


def number_text(name: str) -> str:
    """The text of the number that a class's name stands for, so that names of one number can be matched.

    >>> [number_text(name) for name in ("1.0", "1", "true", "1e3", "-0.0", "0.50", "late", "inf")]
    ['1', '1', '1', '1000', '0', '0.5', 'late', 'inf']
    """
    if name in _TRUTHS:
        return _TRUTHS[name]
    if _WHOLE.fullmatch(name):
        return str(int(name))
    try:
        return _of_float(float(name)) or name
    except ValueError:
        return name


def same_classes(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two models tell the same classes in the same order; numbers may be written in different ways.

    >>> same_classes(("0.5", "1.0"), ("0.5", "1")), same_classes(("no", "yes"), ("No", "yes"))
    (True, False)
    """
    return list(map(number_text, some)) == list(map(number_text, others))


def number_codes(labels: pa.Array | pa.ChunkedArray) -> Floats:
    """Labels of a binary or regression label as numbers, NaN for null; of texts, the numbers they are written as.

    Raises:
        DataRefusedError: a text is no number.
    """
    if not (pa.types.is_string(labels.type) or pa.types.is_large_string(labels.type)):
        return np.asarray(labels.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    values, places = _distinct(labels)
    found = np.array([*map(_number, values), np.nan])
    return np.asarray(found[pc.fill_null(places, len(values)).to_numpy()], dtype=np.float64)


def label_codes(vocabulary: Vocabulary | None, labels: pa.Array | pa.ChunkedArray) -> Floats:
    """Labels as the metrics want them: codes of a multiclass label's classes, else numbers; NaN for what is not known.

    Args:
        vocabulary: the classes of a multiclass model; None for other kinds.

    Raises:
        DataRefusedError: a label that has to be a number is none.
    """
    return number_codes(labels) if vocabulary is None else vocabulary.codes(labels)


def listed(classes: Sequence[str], most: int = 5) -> str:
    """Classes as a sentence names them, the first few of many.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    more = f" and {len(classes) - most} more" if len(classes) > most else ""
    return f"{', '.join(map(repr, classes[:most]))}{more}"


def _of_float(value: float) -> str | None:
    if value != value:
        return None
    if abs(value) < _MOST_WHOLE and value == int(value):
        return str(int(value))
    # What a float32 made of a short number is that number: the column may have been one.
    short = float(_SHORT % value)
    with np.errstate(over="ignore", under="ignore"):
        return repr(short if float(np.float32(short)) == value else value)


def _of_byte(byte: int) -> str:
    return chr(byte) if 32 <= byte <= 126 and byte not in b"\\'\"" else f"\\x{byte:02X}"


def _number(text: object) -> float:
    try:
        return float(str(text))
    except ValueError as error:
        raise DataRefusedError(
            f"the label {text!r} is no number",
            remedy="cast the label in the SQL, or declare kind: multiclass",
        ) from error


def _distinct(labels: pa.Array | pa.ChunkedArray) -> tuple[list[object], pa.Array]:
    """The values that there are, and the place of each label's among them, null for null."""
    whole = labels.combine_chunks() if isinstance(labels, pa.ChunkedArray) else labels
    encoded = whole.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices
