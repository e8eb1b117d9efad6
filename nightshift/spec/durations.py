"""Durations as people write them: `15m`, `12h`, `7d`, `4w`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_TEXT = re.compile(r"([0-9]{1,9})\s*([mhdw])")
_LONGEST = timedelta(days=36_525)


def parse_duration(text: object) -> timedelta:
    """The length of time that `text` names; a timedelta is returned as it is.

    Raises:
        ValueError: not a whole positive number followed by m, h, d or w.

    >>> parse_duration("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if isinstance(text, timedelta):
        return text
    match = _TEXT.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or int(match.group(1)) == 0:
        raise ValueError(
            f"{_short(text)} is no duration; write a number and a unit, such as 15m, 12h, 7d or 4w"
        )
    length = int(match.group(1)) * _UNITS[match.group(2)]
    if length > _LONGEST:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return length


def _short(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) < 80 else f"{shown[:60]}..."


def format_duration(length: timedelta) -> str:
    """The shortest text that `parse_duration` reads back.

    >>> format_duration(parse_duration("14d"))
    '2w'
    """
    for unit in ("w", "d", "h", "m"):
        count, rest = divmod(length, _UNITS[unit])
        if count and not rest:
            return f"{count}{unit}"
    raise ValueError(f"{length} is no whole number of minutes")


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _TEXT.pattern, "examples": ["15m", "12h", "7d", "4w"]}),
]
