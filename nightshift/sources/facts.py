"""What is known of a column's values after reading some of them: it can be joined, whatever the order."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

_DECIMAL_DIGITS = 38


class Kind(StrEnum):
    """What all texts of a column are."""

    EMPTY = "empty"
    INTEGER = "integer"
    DIGITS = "digits"  # whole numbers, some of them beyond 64 bits
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"  # a date and a time without a zone
    MOMENT = "moment"  # a date and a time with a zone
    CLOCK = "clock"
    NESTED = "nested"
    TEXT = "text"


@dataclass(frozen=True)
class Facts:
    """What is known of the texts of a column, or of a part of it.

    Attributes:
        words: some are words for nothing.
        whole, scale: of numbers, the most characters before and behind the point.
        long: some numbers have more digits than a double keeps.
        scientific: some numbers are infinite or written with an exponent, or are doubles where they come from.
        bare: some are written like `12e4`, as ids may be.
        pointed: some numbers have a fraction or a sign in their exponent, as ids have not.
        nested: the Arrow type of lists and objects, as `type_text` writes it.
    """

    kind: Kind
    words: bool = False
    whole: int = 0
    scale: int = 0
    long: bool = False
    scientific: bool = False
    bare: bool = False
    pointed: bool = False
    nested: str = ""

    def joined(self, other: Facts) -> Facts:
        """What is known of both parts together."""
        nested = _joined_types(self.nested, other.nested)
        kind = Kind.TEXT if nested is None else _joined(self.kind, other.kind)
        return Facts(
            kind,
            self.words or other.words,
            max(self.whole, other.whole),
            max(self.scale, other.scale),
            self.long or other.long,
            self.scientific or other.scientific,
            self.bare or other.bare,
            self.pointed or other.pointed,
            nested or "",
        )

    @property
    def arrow_type(self) -> pa.DataType:
        """The type that holds every text of the column."""
        match self.kind:
            case Kind.EMPTY:
                return pa.string() if self.words else pa.null()
            case Kind.INTEGER:
                return pa.int64()
            case Kind.NUMBER if self.bare and not self.pointed:
                return pa.string()
            case Kind.NUMBER:
                digits = self.whole + self.scale
                is_exact = self.long and not self.scientific and digits <= _DECIMAL_DIGITS
                return pa.decimal128(digits, self.scale) if is_exact else pa.float64()
            case Kind.NESTED:
                nested = type_of(self.nested)
                return pa.string() if _has_empty_object(nested) else nested
            case _:
                return TYPES.get(self.kind, pa.string())


TYPES = {
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.timestamp("us"),
    Kind.MOMENT: pa.timestamp("us", "UTC"),
    Kind.CLOCK: pa.time32("s"),
}
NOTHING = Facts(Kind.EMPTY)


def type_text(kind: pa.DataType) -> str:
    """An Arrow type as text that `type_of` reads back."""
    return base64.b64encode(pa.schema([("x", kind)]).serialize()).decode()


def type_of(text: str) -> pa.DataType:
    """The Arrow type that `type_text` wrote."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text))).field("x").type


def _has_empty_object(kind: pa.DataType) -> bool:
    """Whether there is an object without any key in it, which no table holds."""
    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_has_empty_object(one.type) for one in kind)
    return bool(pa.types.is_list(kind)) and _has_empty_object(kind.value_type)


def _joined_types(one: str, other: str) -> str | None:
    """The type that holds both nested ones; None where there is none."""
    if not one or not other or one == other:
        return one or other
    fields = (pa.schema([("x", type_of(text))]) for text in (one, other))
    try:
        return type_text(pa.unify_schemas(list(fields), promote_options="permissive").field("x").type)
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def _joined(one: Kind, other: Kind) -> Kind:
    kinds = {one, other} - {Kind.EMPTY}
    if len(kinds) < 2:
        return next(iter(kinds), Kind.EMPTY)
    for family in ((Kind.INTEGER, Kind.DIGITS, Kind.NUMBER), (Kind.DATE, Kind.TIME)):
        if kinds <= set(family):
            return max(kinds, key=family.index)
    return Kind.TEXT
