"""Read a YAML file that a person writes: one document of plain values, and one error with its line for anything else.

Of YAML, what a declaration needs: mappings with text as keys, lists, text, numbers, true, false and null, read as
YAML 1.2 says. What other programs read otherwise, or what would give a file more than what stands in it, is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)  # fmt: skip

from nightshift.errors import OutsideError, RequestError

LONGEST = 256 * 1024
"""Bytes of a file that a person writes."""
_DEEPEST = 50
# Keys of the place of a fault.
_SHOWN = 6
# Characters of all values and keys, and some for each, after every alias was put in.
_LARGEST = 1_000_000
_EACH = 16

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# Read by one version of YAML as a number or a truth value, and by the other as text or another number.
_AMBIGUOUS_NUMBER = re.compile(
    r"[-+]?(0[0-9]+|0o[0-7]+|0b[01_]+|[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?|0x[0-9a-fA-F_]+)"
)
_AMBIGUOUS_TRUTH = re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path, see: str) -> dict[str, Any]:
    """What a file declares.

    Args:
        see: where it is described, for a file that declares nothing.

    Raises:
        RequestError: it is no text, no YAML, or YAML that is refused here.
    """
    declared = parse_yaml(read_text(path), path)
    if not isinstance(declared, dict):
        raise RequestError("the file declares nothing: it has no keys", where=str(path), remedy=see)
    return declared


def read_text(path: Path) -> str:
    """A file that a person writes, as text; a byte order mark at its beginning is none of it.

    Raises:
        RequestError: it is no file, too long, or not UTF-8.
        OutsideError: it cannot be read.
    """
    if not path.is_file():
        raise RequestError("there is no such file", where=str(path), remedy="write it, or correct its name")
    try:
        content = path.read_bytes()[: LONGEST + 1]
    except OSError as error:
        raise OutsideError(
            f"the file cannot be read: {error.strerror}", where=str(path), remedy="look at its rights"
        ) from error  # fmt: skip
    if len(content) > LONGEST:
        raise RequestError(
            f"the file is longer than {LONGEST // 1024} kB", where=str(path),
            remedy="keep data out of declarations: sources hold it",
        )  # fmt: skip
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RequestError(
            f"the file is not UTF-8 text: {error.reason} at byte {error.start}", where=f"{path}, line {line}",
            remedy="save it as UTF-8",
        ) from error  # fmt: skip


def parse_yaml(text: str, path: Path) -> Any:
    """The value that a text says, None for an empty one.

    Raises:
        RequestError: it is no YAML, or YAML that is refused here.
    """
    found = _CONTROL.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise _unreadable(f"the character U+{ord(found.group()):04X} has no place in it", path, line)
    try:
        return _Reading(yaml.parse(text, Loader=_LOADER), path).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if (
            error.context_mark is not None
            and mark is not None
            and mark.line >= len(text.rstrip().splitlines())
        ):
            mark = error.context_mark  # what was begun there never ends; the end of the file says nothing
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise _unreadable(what, path, None if mark is None else mark.line + 1) from error
    except yaml.YAMLError as error:
        raise _unreadable(" ".join(str(error).split()), path, None) from error


def _unreadable(what: str, path: Path, line: int | None) -> RequestError:
    at = "" if line is None else f", line {line}"
    return RequestError(f"this is no YAML{at}: {what}", where=f"{path}{at}", remedy="mend the file")


class _Reading:
    """One pass over a file's events. What a value weighs is added up, so that aliases cannot make much of little."""

    def __init__(self, events: Iterator[Event], path: Path) -> None:
        self._events = events
        self._path = path
        self._weight = 0
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._place: list[str] = []

    def document(self) -> Any:
        """The value of the only document there is."""
        value: Any = None
        documents = 0
        for event in self._events:
            match event:
                case StreamStartEvent() | StreamEndEvent() | DocumentEndEvent():
                    pass
                case DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise self._refused(
                            event, "a second document begins", "keep one, and take out the ---"
                        )
                case _:
                    value = self._value(event, 0)
        return value

    def _value(self, event: Event, depth: int) -> Any:
        if isinstance(event, AliasEvent):
            return self._alias(event)
        self._require_no_tag(event)
        if depth > _DEEPEST:
            raise self._refused(event, f"the values are nested deeper than {_DEEPEST} levels", "flatten them")
        before = self._weight
        match event:
            case ScalarEvent():
                value = self._scalar(event)
            case SequenceStartEvent():
                value = self._list(depth)
            case _:
                value = self._mapping(depth)
        anchor = getattr(event, "anchor", None)
        if anchor:
            self._anchors[anchor] = (value, self._weight - before)
        return value

    def _list(self, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            values.append(self._value(event, depth + 1))
        return values

    def _mapping(self, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event)
            if key in lines:
                raise self._refused(
                    event, f"the key {key!r} stands twice, first in line {lines[key]}", "keep one of the two"
                )
            lines[key] = _line(event)
            self._place.append(key)
            values[key] = self._value(next(self._events), depth + 1)
            self._place.pop()
        return values

    def _key(self, event: Event) -> str:
        if not isinstance(event, ScalarEvent):
            raise self._refused(event, "a key is no text", "write text before the colon")
        self._require_no_tag(event)
        if event.value == "<<" and event.implicit[0]:
            raise self._refused(
                event, "the merge key << brings keys that do not stand here", "write the keys out"
            )
        key = self._scalar(event)
        if not isinstance(key, str):
            raise self._refused(
                event, f"the key {event.value} is no text", f'write it in quotes: "{event.value}"'
            )
        return key

    def _alias(self, event: AliasEvent) -> Any:
        if event.anchor not in self._anchors:
            # Of a value that contains itself the anchor is known once the value has ended.
            raise self._refused(event, f"*{event.anchor} names no value before it", "write the value out")
        value, weight = self._anchors[event.anchor]
        self._add(weight, event)
        return value

    def _scalar(self, event: ScalarEvent) -> Any:
        text: str = event.value
        self._add(_EACH + len(text), event)
        found = _CONTROL.search(text)
        if found:
            raise self._refused(
                event,
                f"{text!r} has the character U+{ord(found.group()):04X}",
                "take it out: it cannot be seen",
            )
        return self._plain(event, text) if event.implicit[0] else text

    def _plain(self, event: ScalarEvent, text: str) -> Any:
        """What a text without quotes stands for."""
        if text in _WORDS:
            return _WORDS[text]
        if _AMBIGUOUS_TRUTH.fullmatch(text):
            raise self._refused(
                event, f"{text} is true or false to some programs and text to others",
                f'write true or false, or in quotes: "{text}"',
            )  # fmt: skip
        if _NOT_FINITE.fullmatch(text):
            raise self._refused(
                event, f"{text} is no finite number", "write a finite number, or null for none"
            )
        if _HEXADECIMAL.fullmatch(text):
            return self._in_range(event, int(text, 16) if len(text) < 20 else math.inf)
        if _AMBIGUOUS_NUMBER.fullmatch(text):
            raise self._refused(
                event, f"{text} is one number to some programs, and another or text to others",
                f'write the number in plain digits, or in quotes: "{text}"',
            )  # fmt: skip
        if _INTEGER.fullmatch(text):
            return self._in_range(event, int(text) if len(text) < 30 else math.inf)
        if _FLOAT.fullmatch(text):
            return self._in_range(event, float(text))
        return text

    def _in_range(self, event: ScalarEvent, number: float) -> float:
        if math.isinf(number) or (isinstance(number, int) and not -(2**63) <= number < 2**63):
            raise self._refused(
                event, f"{event.value[:40]} is too great a number", "write a smaller one, or text in quotes"
            )
        return number

    def _add(self, weight: int, event: Event) -> None:
        self._weight += weight
        if self._weight > _LARGEST:
            raise self._refused(event, "the values are too many", "write less, and repeat less by aliases")

    def _require_no_tag(self, event: Event) -> None:
        tag = getattr(event, "tag", None)
        if tag:
            raise self._refused(event, f"the tag {tag} has no place here", "take it out")

    def _refused(self, event: Event, what: str, remedy: str) -> RequestError:
        at = f"line {_line(event)}"
        place = ".".join(self._place[:_SHOWN])
        return RequestError(
            f"{at}: {what}", where=f"{self._path}, {at}{place and ': '}{place}", remedy=remedy
        )


def _line(event: Event) -> int:
    assert event.start_mark is not None  # every event of a text has its place
    return event.start_mark.line + 1
