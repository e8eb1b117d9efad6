"""How long a search goes on: a number of trials, or a time, over all the processes that worked on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from nightshift.errors import RequestError
from nightshift.spec.durations import format_duration, parse_duration


@dataclass(frozen=True)
class SearchBudget:
    """So many trials, or so many seconds of trials; the declared recipe's own trial is one of them."""

    trials: int | None = None
    seconds: float | None = None

    @classmethod
    def read(cls, text: str) -> SearchBudget:
        """What `20` or `10m` says.

        >>> SearchBudget.read("10m")
        SearchBudget(trials=None, seconds=600.0)

        Raises:
            RequestError: it is neither.
        """
        if text.strip().isdecimal() and int(text) > 0:
            return cls(trials=int(text))
        try:
            return cls(seconds=parse_duration(text).total_seconds())
        except ValueError as error:
            raise RequestError(
                f"{text!r} is no budget of a search", where="budget", valid=["20", "10m", "2h"],
                remedy="write how many trials, or how long",
            ) from error  # fmt: skip

    def left(self, trials: int, seconds: float) -> bool:
        """Whether another trial may begin after so many, which took so long together."""
        if self.trials is not None:
            return trials < self.trials
        assert self.seconds is not None
        return seconds < self.seconds

    def __str__(self) -> str:
        if self.trials is not None:
            return f"{self.trials} trials"
        return format_duration(timedelta(seconds=self.seconds or 0))
