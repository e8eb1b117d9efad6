"""Findings in words: the sentences and numbers that pages, artifacts and messages share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from nightshift.findings import Estimated, Night, Realised, Signal
from nightshift.records import format_time

Tone = Literal["good", "quiet", "watch", "bad"]

_MOST_LETTERS = 400


def headline(night: Night) -> str:
    """What the night came to, in one sentence."""
    if night.decision.action == "hold":
        return "On hold: the data cannot be trusted, so nothing was touched."
    if night.state == "failed":
        return "The night failed."
    if night.trained is not None:
        if night.promoted:
            return f"Retrained: version {night.trained} is the new champion."
        waits = "waits for a person" if night.waits else "was refused"
        stays = f"version {night.champion} stays champion" if night.champion else "there is no champion yet"
        return f"Retrained, and version {night.trained} {waits}: {stays}."
    if night.decision.action == "retrain":
        return "Time to retrain."
    return "Watching: something moved." if night.decision.causes else "All quiet: nothing to do."


def tone(night: Night) -> Tone:
    """How the night should make a person feel."""
    if night.state == "failed" or night.decision.action == "hold":
        return "bad"
    if night.trained is not None:
        return "good" if night.promoted else "watch"
    return "watch" if night.decision.causes else "quiet"


def reasons(night: Night) -> tuple[str, ...]:
    """Why, the weightiest first; of a failed night, what failed and what to do."""
    return tuple(_one_line(one) for one in ((night.error,) if night.error else night.decision.reasons))


def ranked(signals: Iterable[Signal]) -> list[Signal]:
    """Alarms first, then by effect; an effect is counted in floors, since measures have different units."""
    return sorted(signals, key=lambda one: (not one.alarm, -_effect(one), one.column, one.segment, one.name))


def subject(signal: Signal) -> str:
    """What a signal is about: its column, or what of the window as a whole it looks at."""
    return signal.column or signal.family


def drifted(signals: Iterable[Signal]) -> list[str]:
    """The columns with an alarm over all rows, the largest effect first, each once."""
    return list(dict.fromkeys(one.column for one in ranked(signals) if one.alarm and one.column))


def performance(found: Realised | Estimated) -> str:
    """How good the predictions were, or are thought to be, against what was promised.

    Like `roc_auc 0.703 against 0.718 expected: 0.015 worse (95 %: 0.004 to 0.026)`.
    """
    value, expected = found.metrics.get(found.metric), found.expected.get(found.metric)
    if value is None:
        return f"{found.metric} not known"
    text = f"{found.metric} {number(value)}"
    if expected is not None:
        text += f" against {number(expected)} expected"
    if found.loss is not None:
        text += f": {number(abs(found.loss))} {'worse' if found.loss > 0 else 'better'}"
    if found.loss_interval is not None and found.loss is not None:
        low, high = found.loss_interval
        if found.loss <= 0:
            low, high = -high, -low
        text += f" (95 %: {number(low)} to {number(high)})"
    return text


def basis(found: Realised | Estimated) -> str:
    """What `performance` rests on: the labels that are known, or what the estimate assumes."""
    if isinstance(found, Realised):
        labels = f"{found.labelled:,} of {found.rows:,} labels are known"
        return f"{labels} ({share(found.labelled, found.rows)}), {found.window}"
    error = ""
    if found.error is not None:
        side = "high" if found.error > 0 else "low"
        error = f" It is {number(abs(found.error))} too {side} where the truth is known by now."
    assumption = found.assumption if found.assumption.endswith(".") else f"{found.assumption}."
    return f"{found.method.upper()}, {found.window}. {assumption}{error}"


def number(value: float | None) -> str:
    """A number in four digits, as a person reads it.

    >>> number(0.712345), number(12.0), number(1234567.0), number(0.00001234), number(None)
    ('0.7123', '12', '1,234,567', '1.23e-05', '-')
    """
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value) or value == 0:
        return f"{value:.0f}"
    size = abs(value)
    if size < 1e-4 or size >= 1e12:
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}".rstrip("0").rstrip(".") if size < 1 else f"{value:.4g}"


def probability(value: float | None) -> str:
    """A p-value; a tiny one as a bound, since its digits say nothing.

    >>> probability(0.0312), probability(1e-9), probability(None)
    ('0.031', '< 0.001', '-')
    """
    if value is None or math.isnan(value):
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def share(part: float, whole: float) -> str:
    """A share in percent, with as many digits as it needs.

    >>> share(1, 1000), share(30, 60), share(0, 0)
    ('0.1 %', '50 %', '0 %')
    """
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.1f} %" if 0 < percent < 10 or 99 < percent < 100 else f"{percent:.0f} %"


def day(moment: datetime) -> str:
    """A moment on one line of a table: its UTC day, with the hour when that is not midnight.

    >>> day(datetime(2013, 9, 1, 2, tzinfo=UTC))
    '2013-09-01 02:00'
    """
    return (
        format_time(moment.astimezone(UTC).replace(second=0, microsecond=0))
        .replace("T", " ")
        .removesuffix(":00Z")
    )


def _one_line(text: str) -> str:
    """A text of anybody's, such as an error of a library, in one line that a table and a message can hold."""
    text = " ".join(text.split())
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 2]} …"


def _effect(signal: Signal) -> float:
    if signal.value is None or math.isnan(signal.value):
        return -math.inf
    return abs(signal.value) / signal.effect_floor if signal.effect_floor > 0 else abs(signal.value)
