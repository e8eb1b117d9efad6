"""Every error a user can cause or meet, each with where it happened and what to do about it.

NightshiftError
├── RequestError            exit 2: the request or a declaration is wrong
├── DataRefusedError        exit 3: the data was looked at and refused
└── OutsideError            exit 4: something outside failed (storage, database, server)
    └── TransientError      exit 4, and trying again may help: drives the retries

Anything else that is raised is a bug, and exits with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class NightshiftError(Exception):
    """One thing that went wrong: what, where, what is valid, and the remedy.

    Args:
        what: the fault in one sentence, naming what was given.
        where: the file, key, table or address concerned.
        valid: the values that would have been accepted.
        remedy: what to change or which command to run.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str = "", valid: Iterable[str] = (), remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.valid = tuple(valid)
        self.remedy = remedy
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where:  {self.where}")
        if self.valid:
            lines.append(f"  valid:  {', '.join(self.valid)}")
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """The error as a JSON-ready mapping, the form that `--json` prints."""
        return {
            "error": self.what,
            "where": self.where,
            "valid": list(self.valid),
            "remedy": self.remedy,
            "exit_code": self.exit_code,
        }

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own reduce drops keyword-only arguments; Prefect copies exceptions between states.
        return (_rebuild, (type(self), self.what, self.where, self.valid, self.remedy))


class RequestError(NightshiftError):
    """The request or a declaration is wrong; nothing was run."""

    exit_code = 2


class DataRefusedError(NightshiftError):
    """The data was looked at and refused; what was stored before is untouched."""

    exit_code = 3


class OutsideError(NightshiftError):
    """Storage, a database or a server failed, and trying again will not help by itself."""

    exit_code = 4


class TransientError(OutsideError):
    """Storage, a database or a server failed in a way that may pass."""

    retryable = True


def _rebuild(
    kind: type[NightshiftError], what: str, where: str, valid: tuple[str, ...], remedy: str
) -> NightshiftError:
    return kind(what, where=where, valid=valid, remedy=remedy)


def nearest(given: str, valid: Iterable[str]) -> str | None:
    """The valid value that `given` was most likely meant to be, or None.

    >>> nearest("lable", ["label", "key"])
    'label'
    """
    matches = difflib.get_close_matches(given, list(valid), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(given: str, valid: Iterable[str]) -> str:
    """A remedy sentence for a misspelt value: the nearest valid one, or an empty string.

    >>> did_you_mean("lable", ["label", "key"])
    "did you mean 'label'?"
    """
    match = nearest(given, valid)
    return f"did you mean '{match}'?" if match else ""
