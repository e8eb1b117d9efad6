"""Performance as the nights saw it, from the numbers that each decision was made on: no row is read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nightshift.evaluation.evaluate import deciding_metric
from nightshift.findings import Estimated, Night, Realised
from nightshift.monitoring.windows import NightWindows
from nightshift.performance.estimated import ASSUMPTIONS
from nightshift.performance.timeline import Period
from nightshift.records import Metrics, Window
from nightshift.spec.project import Project

MOST_PERIODS = 180


def periods_of(nights: Sequence[Night], metric: str) -> tuple[Period, ...]:
    """One period a night, from the night before to it, at most the newest 180.

    What a night says of performance it says of its whole window, and with the labels known by then; the windows of
    neighbouring nights may overlap.

    Args:
        nights: oldest first.
    """
    kept = nights[-MOST_PERIODS - 1 :]
    before = [None, *kept][: len(kept)]
    periods = [_period(one, previous, metric) for previous, one in zip(before, kept, strict=True)]
    return tuple(periods[-MOST_PERIODS:])


def _period(night: Night, before: Night | None, metric: str) -> Period:
    numbers = night.decision.numbers
    start, end = night.window.start, night.window.end
    if before is not None and start < before.window.end < end:
        start = before.window.end
    return Period(
        window=Window(start=start, end=end),
        metric=metric,
        versions=() if night.champion is None else (night.champion,),
        rows=int(numbers.get("realised_rows") or 0),
        labelled=int(numbers.get("realised_labelled") or 0),
        realised=_value(numbers, "realised", metric),
        estimated=_value(numbers, "estimated", metric),
        expected=_value(numbers, "realised_expected", metric)
        or _value(numbers, "estimated_expected", metric),
    )


def _value(numbers: Metrics, name: str, metric: str) -> Metrics:
    value = numbers.get(name)
    return {} if value is None else {metric: value}


def realised_of(project: Project, night: Night) -> Realised | None:
    """What the night knew of its predictions' worth, from the numbers of its decision; None when it knew nothing."""
    numbers, metric = night.decision.numbers, deciding_metric(project).name
    if numbers.get("realised") is None:
        return None
    return Realised(
        window=NightWindows.of(project, night.as_of, night.window.start).reviewed,
        metric=metric,
        metrics=_value(numbers, "realised", metric),
        expected=_value(numbers, "realised_expected", metric),
        rows=int(numbers.get("realised_rows") or 0),
        labelled=int(numbers.get("realised_labelled") or 0),
        loss=numbers.get("realised_loss"),
        loss_interval=_interval(numbers, "realised"),
    )


def estimated_of(project: Project, night: Night) -> Estimated | None:
    """What the night thought of its predictions' worth, from the numbers of its decision."""
    numbers, metric = night.decision.numbers, deciding_metric(project).name
    if numbers.get("estimated") is None:
        return None
    method: Literal["cbpe", "dle"] = "dle" if project.label.kind == "regression" else "cbpe"
    return Estimated(
        window=night.window,
        metric=metric,
        method=method,
        assumption=ASSUMPTIONS[method],
        metrics=_value(numbers, "estimated", metric),
        expected=_value(numbers, "estimated_expected", metric),
        rows=int(numbers.get("estimated_rows") or 0),
        loss=numbers.get("estimated_loss"),
        loss_interval=_interval(numbers, "estimated"),
        error=numbers.get("estimated_error"),
    )


def _interval(numbers: Metrics, name: str) -> tuple[float, float] | None:
    low, high = numbers.get(f"{name}_loss_low"), numbers.get(f"{name}_loss_high")
    return None if low is None or high is None else (low, high)
