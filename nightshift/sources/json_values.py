"""JSON lines value by value: numbers as they are written, and columns whose values are of several types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pyarrow as pa

from nightshift.errors import DataRefusedError
from nightshift.sources.facts import NOTHING, Facts, Kind, type_text
from nightshift.sources.inference import converted, look

_TIMES = (Kind.DATE, Kind.TIME, Kind.MOMENT)
_NUMBERS = (Kind.INTEGER, Kind.NUMBER)


class Number(str):
    """A number as it is written."""

    __slots__ = ()


def objects(block: bytes, line: int, path: str) -> list[dict[str, Any]]:
    """The objects of a block, one a line.

    Args:
        line: the number of the block's first line in the file.

    Raises:
        DataRefusedError: a line is no JSON object, or names a key twice.
    """
    rows = []
    for place, text in enumerate(block.decode().split("\n"), start=line):
        if not text.strip():
            continue
        try:
            row = _decoder.decode(text.strip())
            if "\\ud" in text.lower():  # half a pair of characters is no text
                json.dumps(row, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise _no_object(f"line {place} is no JSON object: {error}", path) from error
        if not isinstance(row, dict):
            raise _no_object(f"line {place} is no JSON object", path)
        rows.append(row)
    return rows


def facts_of(rows: list[dict[str, Any]]) -> dict[str, Facts]:
    """What is known of the columns of these rows."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _facts([row.get(name) for row in rows]) for name in names}


def array_of(values: list[Any], kind: pa.DataType) -> pa.Array:
    """The values as `kind`, which their facts allow."""
    if pa.types.is_nested(kind):
        return pa.array([_plain(value) for value in values], kind)
    return converted(pa.array([_text(value) for value in values], pa.string()), kind)


def _facts(values: list[Any]) -> Facts:
    facts = NOTHING
    numbers = [str(value) for value in values if isinstance(value, Number)]
    if numbers:
        facts = facts.joined(replace(look(pa.array(numbers), kinds=_NUMBERS), scientific=True, pointed=True))
    texts = [value for value in values if type(value) is str]
    if texts:
        facts = facts.joined(look(pa.array(texts), kinds=_TIMES))
    if any(isinstance(value, bool) for value in values):
        facts = facts.joined(Facts(Kind.BOOLEAN))
    nested = [_plain(value) for value in values if isinstance(value, dict | list)]
    if nested:
        facts = facts.joined(_nested(nested))
    return facts


def _nested(values: list[Any]) -> Facts:
    try:
        return Facts(Kind.NESTED, nested=type_text(pa.infer_type(values)))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return Facts(Kind.TEXT)


def _text(value: Any) -> str | None:
    """A value as JSON writes it, and a text as it is."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """A value with its numbers read."""
    if isinstance(value, Number):
        return json.loads(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r} is there twice")
        found[name] = value
    return found


def _no_object(what: str, path: str) -> DataRefusedError:
    return DataRefusedError(
        what, where=path, remedy="write one object a line, each key once, for example: jq -c . rows.json > rows.jsonl"
    )  # fmt: skip


_decoder = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=lambda _: None, object_pairs_hook=_once
)
