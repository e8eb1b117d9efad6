"""What the texts of a column are: numbers, times, or texts, judged by all of them and without losing a character.

A column is of a type when every text of it is, and turning it into that type loses nothing that a person could miss:
`007`, `+1` and whole numbers beyond 64 bits stay text. Words for nothing (`NA`, `nan`, `None`) are texts among texts
and null among anything else. What is known of two parts of a column can be joined, whatever the order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.sources.facts import NOTHING, TYPES, Facts, Kind

# What R, pandas, databases and spreadsheets write for nothing.
WORDS = (
    "NA", "N/A", "n/a", "na", "NaN", "nan", "-NaN", "-nan", "NULL", "Null", "null", "None", "none", "<NA>", "NaT",
    "\\N", "#N/A", "#N/A N/A", "#NA", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN",
)  # fmt: skip
_WORDS = pa.array(WORDS)
_BOOLEANS = pa.array(["true", "false", "True", "False", "TRUE", "FALSE"])
_EXACT_DIGITS = 17  # of a decimal number that a double gives back as it was written
_INT64_DIGITS = 19
_WHOLE_DIGITS = 15  # of a whole number that every double keeps
_FEW = 100
_ANY_DAY = "1970-01-01 "


def look(values: pa.Array, expected: Kind = Kind.EMPTY, kinds: tuple[Kind, ...] = ()) -> Facts:
    """What `values` are, null where there is nothing.

    Args:
        expected: what others of the column were, and is tried first.
        kinds: what they may be beside text; by default anything.
    """
    if values.null_count == len(values):
        return NOTHING
    if expected is Kind.TEXT:
        return Facts(Kind.TEXT)
    order = sorted(kinds or _RECOGNISERS, key=lambda kind: kind is not expected)
    found = _recognised(values, order, expected)
    if found is None:
        cleaned, words = _cleaned(values)
        if cleaned.null_count == len(cleaned):
            return Facts(Kind.EMPTY, words=True)
        found = _recognised(cleaned, order, expected) or Facts(Kind.TEXT)
        found = replace(found, words=words)
    return found


def converted(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """`values` as the type that `Facts.arrow_type` gave."""
    if pa.types.is_string(kind):
        return values
    if pa.types.is_null(kind):
        return pa.nulls(len(values))
    try:
        found = _cast(values, kind)
    except pa.ArrowInvalid:
        found = _cast(_cleaned(values)[0], kind)
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_nan(found), pa.scalar(None, kind), found)
    return found


def _recognised(values: pa.Array, order: list[Kind], expected: Kind) -> Facts | None:
    # A cast that fails takes as long as all values: what a few are not, all are not.
    few = values.drop_null().slice(0, _FEW)
    for kind in order:
        try:
            found = (kind is expected or _RECOGNISERS[kind](few)) and _RECOGNISERS[kind](values)
        except pa.ArrowInvalid:
            continue
        if found:
            return found
    return None


def _cleaned(values: pa.Array) -> tuple[pa.Array, bool]:
    """Without blanks around the values, and null for words for nothing; and whether there was such a word."""
    trimmed = pc.utf8_trim_whitespace(values)
    is_word = pc.is_in(trimmed, _WORDS)
    return pc.if_else(is_word, pa.scalar(None, pa.string()), trimmed), bool(pc.any(is_word).as_py())


def _integers(values: pa.Array) -> Facts | None:
    longest = int(pc.max(pc.binary_length(values)).as_py())
    if longest >= _INT64_DIGITS and _all(pc.match_substring_regex(values, "^(0|-?[1-9][0-9]*)$")):
        try:
            pc.cast(values, pa.int64())
        except pa.ArrowInvalid:
            return Facts(Kind.DIGITS, whole=longest, long=True)
        return Facts(Kind.INTEGER, whole=longest, long=True)
    read = pc.cast(values, pa.int64())
    starts_with_zero = pc.and_(pc.starts_with(values, "0"), pc.not_equal(values, "0"))
    if _any(starts_with_zero) or _any(pc.starts_with(values, "-0")):  # 007, 0x10, -0
        return None
    return Facts(Kind.INTEGER, whole=longest, long=longest > _WHOLE_DIGITS and _is_any_large(read))


def _numbers(values: pa.Array) -> Facts | None:
    read = pc.cast(values, pa.float64())
    if _any(pc.starts_with(values, "+")) or _starts_with_zeros(values):
        return None
    words, endless = _any(pc.is_nan(read)), _any(pc.is_inf(read))
    if words and not _any(pc.invert(pc.is_nan(read))):
        return None
    if words or endless:
        texts = values.filter(pc.invert(pc.is_finite(read)))  # what is too large to read is infinite too
        if not _all(pc.or_(pc.is_in(texts, _WORDS), pc.match_substring_regex(texts, "(?i)^-?inf(inity)?$"))):
            return None
    point = pc.find_substring(values, ".")
    length = pc.binary_length(values)
    whole = int(pc.max(pc.if_else(pc.less(point, 0), length, point)).as_py())
    scale = int(pc.max(pc.if_else(pc.less(point, 0), 0, pc.subtract(pc.subtract(length, point), 1))).as_py())
    powers = _any(pc.match_substring(values, "e")) or _any(pc.match_substring(values, "E"))
    bare = powers and _any(pc.match_substring_regex(values, "^-?[0-9]+[eE][0-9]+$"))
    pointed = scale > 0 or (powers and _any(pc.match_substring_regex(values, "[eE][+-]")))
    long = _is_any_long(values, length, point) or (whole > _WHOLE_DIGITS and _is_any_large(read))
    return Facts(Kind.NUMBER, words, whole, scale, long, endless or powers, bare, pointed)


def _is_any_large(read: pa.Array) -> bool:
    """Whether a number is beyond the whole ones that a double keeps apart."""
    return _any(pc.or_(pc.greater_equal(read, 2**53), pc.less_equal(read, -(2**53))))


def _starts_with_zeros(values: pa.Array) -> bool:
    """Whether a number has zeros in front that a number is not written with."""
    for sign in ("", "-"):
        zeros = pc.and_not(pc.starts_with(values, f"{sign}0"), pc.starts_with(values, f"{sign}0."))
        if _any(zeros) and _any(pc.match_substring_regex(values.filter(zeros), "^-?0[0-9]")):
            return True
    return False


def _is_any_long(values: pa.Array, length: pa.Array, point: pa.Array) -> bool:
    """Whether a number written out has more digits than a double keeps, zeros at its ends left out."""
    if pc.max(length).as_py() <= _EXACT_DIGITS:
        return False
    beside = pc.cast(pc.greater_equal(point, 0), pa.int32())  # the point, a sign, the zero before a point
    for start in ("-", "0.", "-0."):
        beside = pc.add(beside, pc.cast(pc.starts_with(values, start), pa.int32()))
    long = values.filter(pc.greater(pc.subtract(length, beside), _EXACT_DIGITS))
    long = long.filter(pc.invert(pc.match_substring_regex(long, "[a-zA-Z]")))
    digits = pc.replace_substring_regex(long, "^-?0*\\.?0*", "")
    digits = pc.if_else(
        pc.match_substring(long, "."), pc.replace_substring_regex(digits, "\\.?0*$", ""), digits
    )
    return _any(pc.greater(pc.binary_length(pc.replace_substring(digits, ".", "")), _EXACT_DIGITS))


def _booleans(values: pa.Array) -> Facts | None:
    return Facts(Kind.BOOLEAN) if _all(pc.is_in(values.drop_null(), _BOOLEANS)) else None


def _castable(kind: Kind) -> Callable[[pa.Array], Facts | None]:
    def recognise(values: pa.Array) -> Facts | None:
        _cast(values, TYPES[kind])
        return Facts(kind)

    return recognise


def _clocks(values: pa.Array) -> Facts | None:
    if pc.min(pc.binary_length(values)).as_py() < len("12:00"):
        return None
    _cast(values, TYPES[Kind.CLOCK])
    return Facts(Kind.CLOCK)


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_time(kind):
        return pc.cast(
            pc.cast(pc.binary_join_element_wise(_ANY_DAY, values, ""), pa.timestamp("s")), pa.time32("s")
        )
    try:
        return pc.cast(values, kind)
    except pa.ArrowInvalid:
        if not pa.types.is_timestamp(kind):
            raise
        # Nanoseconds that are none: zeros behind the sixth digit.
        return pc.cast(pc.replace_substring_regex(values, "(\\.[0-9]{6})0+", "\\1"), kind)


def _any(values: pa.Array) -> bool:
    return bool(pc.any(values).as_py())


def _all(values: pa.Array) -> bool:
    return bool(pc.all(values).as_py())


_RECOGNISERS: dict[Kind, Callable[[pa.Array], Facts | None]] = {
    Kind.INTEGER: _integers,
    Kind.NUMBER: _numbers,
    Kind.DATE: _castable(Kind.DATE),
    Kind.TIME: _castable(Kind.TIME),
    Kind.MOMENT: _castable(Kind.MOMENT),
    Kind.CLOCK: _clocks,
    Kind.BOOLEAN: _booleans,
}
