"""What a night knows when it decides: this window's findings, the champion's age, and the nights before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from nightshift.findings import Decision, Estimated, Night, Realised, Signal

TRIPPED = "tripped:"
"""Decision.numbers has 1 under this and a cause's key when the cause led, or would have led, to a retrain."""
EFFECT = "effect:"
"""Under this and a cause's key: how large its effect was, times its floor or margin."""

MEASURES = {"realised": "realised_loss_low", "estimated": "estimated_loss_low"}
"""Which of Decision.numbers is there when a night could tell whether the cause stood; for others, its signals."""


@dataclass(frozen=True)
class Evidence:
    """What one night found out.

    Attributes:
        as_of: the night's moment, with a time zone.
        timezone: whose clock days, quiet hours and freezes are read on: that of `night.timezone`.
        champion: the version that stands; None before the first.
        champion_as_of: the moment it was trained for; None before the first.
        new_labels: rows with a label, known at as-of, that the champion has not learnt from; None when not counted.
        signals: of the window, with their alarms.
        realised, estimated: performance, where it could be told.
        data_refused: why the window's data cannot be trusted, in one sentence; None when they can.
        lacking: columns that the champion was trained on and the rows have no more.
        note: why it is another version than today's champion that is looked at, in one sentence.
        later_champion: today's champion, when it was trained later and no version stood at as-of.
        moment: the real moment, when the night is a missed one that is done later; as-of in a replay.
    """

    as_of: datetime
    timezone: str = "UTC"
    champion: int | None = None
    champion_as_of: datetime | None = None
    new_labels: int | None = None
    signals: tuple[Signal, ...] = ()
    realised: Realised | None = None
    estimated: Estimated | None = None
    data_refused: str | None = None
    lacking: tuple[str, ...] = ()
    note: str = ""
    later_champion: int | None = None
    moment: datetime | None = None

    @property
    def local(self) -> datetime:
        """The moment at which a training would begin, on the project's clock."""
        return (self.moment or self.as_of).astimezone(ZoneInfo(self.timezone))

    def since(self, moment: datetime) -> timedelta:
        """From `moment` to as-of on the project's clock, where a night of 23 or 25 hours is a day like any other."""
        zone = ZoneInfo(self.timezone)
        now, then = (at.astimezone(zone).replace(tzinfo=None) for at in (self.as_of, moment))
        return now - then


@dataclass(frozen=True)
class Past:
    """The nights before, newest first.

    A night that held, or that failed before it could look, says nothing of causes.
    """

    nights: tuple[Night, ...]

    @classmethod
    def before(cls, as_of: datetime, history: Iterable[Night]) -> Past:
        """Those of `history` that were earlier than `as_of`; a night done again does not see itself."""
        earlier = [night for night in history if night.as_of < as_of]
        return cls(tuple(sorted(earlier, key=lambda night: night.as_of, reverse=True)))

    @property
    def retrains(self) -> tuple[Night, ...]:
        """The nights on which a version was trained."""
        return tuple(night for night in self.nights if retrained(night))

    def windows_with(self, cause: str, champion: int | None, of: int) -> int:
        """In how many of the newest `of` windows the cause stood, all against the same champion.

        Windows from before the last retrain do not count: it has answered what they showed.
        """
        count = 0
        for night in self._looked_at(cause)[:of]:
            if retrained(night) or night.champion != champion:
                break
            count += cause in night.decision.causes
        return count

    def answer_to(self, cause: str) -> Night | None:
        """The retrain that answered the cause, when the cause has stood ever since; None when it went away."""
        for night in self._looked_at(cause):
            if cause not in night.decision.causes:
                return None
            if retrained(night):
                return night
        return None

    def _looked_at(self, cause: str) -> list[Night]:
        """The nights that could tell whether the cause stood."""
        measure = MEASURES.get(cause)

        def could_tell(night: Night) -> bool:
            numbers = night.decision.numbers
            return bool(numbers.get("signals")) if measure is None else numbers.get(measure) is not None

        return [night for night in self.nights if night.decision.action != "hold" and could_tell(night)]


def retrained(night: Night) -> bool:
    """Whether a version was trained: a night that failed before that did not retrain, whatever it had decided."""
    return night.decision.action == "retrain" and (night.state == "done" or night.trained is not None)


def tripped(decision: Decision) -> tuple[str, ...]:
    """The causes that led, or would have led, to a retrain; the weightiest first.

    >>> numbers = {"tripped:drift:temp": 1.0, "tripped:drift:dewp": 0.0}
    >>> tripped(Decision(action="retrain", reasons=(), causes=("drift:temp", "drift:dewp"), numbers=numbers))
    ('drift:temp',)
    """
    return tuple(cause for cause in decision.causes if decision.numbers.get(f"{TRIPPED}{cause}"))
