"""The performance timeline: what predictions turned out to be worth, and where models were retrained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from nightshift.findings import Night
from nightshift.report.chart import Scale, box, dates, dot, legend, line, path, svg, text, ticks
from nightshift.report.data import Period
from nightshift.report.words import day, number, share

WIDTH, HEIGHT = 760, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 748, 62, 250
_COVERAGE_TOP, _COVERAGE_BOTTOM = 278, 300
_LABEL_ROOM = 30.0


def timeline_chart(periods: Sequence[Period], nights: Iterable[Night], metric: str) -> str:
    """Realised against estimated metric over time, retrains marked, with the share of known labels below.

    Args:
        periods: oldest first.
        nights: those that trained a version are marked, with whether it was promoted.
        metric: its name.
    """
    values = [
        value for one in periods for value in (one.realised, one.estimated, one.expected) if value is not None
    ]
    if not values:
        return svg(
            WIDTH,
            80,
            f"{metric} over time",
            [text(WIDTH / 2, 45, "no performance is known yet", "muted", "middle")],
        )
    margin = 0.08 * (max(values) - min(values)) or 0.05 * abs(values[0]) or 1.0
    y = Scale(min(values) - margin, max(values) + margin, _BOTTOM, _TOP)
    first, last = periods[0].window.start, periods[-1].window.end
    days = Scale(first.timestamp(), last.timestamp(), _LEFT, _RIGHT)

    def x(moment: datetime) -> float:
        return days(moment.timestamp())

    marks = [one for one in nights if one.trained is not None and first <= one.as_of <= last]
    drawn = [
        *_frame(x, y, first, last),
        *_marks(marks, x),
        *_promise(periods, x, y),
        *_series(periods, lambda one: one.estimated, "second dashed", x, y),
        *_series(periods, lambda one: one.realised, "first", x, y),
        *_dots(periods, metric, x, y),
        *_coverage(periods, x),
        *_legend(metric, periods, marks),
    ]
    return svg(WIDTH, HEIGHT, f"{metric} over time, realised and estimated", drawn)


def _frame(x: Callable[[datetime], float], y: Scale, first: datetime, last: datetime) -> list[str]:
    parts = []
    for value in ticks(y.low, y.high):
        parts += [
            line(_LEFT, y(value), _RIGHT, y(value), "grid"),
            text(_LEFT - 8, y(value) + 4, number(value), "muted", "end"),
        ]
    for moment, written in dates(first, last):
        place = x(moment)
        if place <= _RIGHT - 15:
            parts.append(
                text(place, HEIGHT - 8, written, "muted", "start" if place < _LEFT + 15 else "middle")
            )
    return parts


def _series(
    periods: Sequence[Period],
    value: Callable[[Period], float | None],
    kind: str,
    x: Callable[[datetime], float],
    y: Scale,
) -> list[str]:
    """One line for each stretch without a gap: a line across unknown values would claim to know them."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for one in periods:
        found = value(one)
        if found is None:
            stretches.append([])
        else:
            stretches[-1].append((x(one.middle), y(found)))
    return [path(points, kind) for points in stretches if len(points) > 1]


def _dots(periods: Sequence[Period], metric: str, x: Callable[[datetime], float], y: Scale) -> list[str]:
    return [
        dot(x(one.middle), y(one.realised), "fill-first", _hint(one, metric))
        for one in periods
        if one.realised is not None
    ]


def _promise(periods: Sequence[Period], x: Callable[[datetime], float], y: Scale) -> list[str]:
    return [
        line(x(one.window.start), y(one.expected), x(one.window.end), y(one.expected), "line past")
        for one in periods
        if one.expected is not None
    ]


def _marks(nights: Sequence[Night], x: Callable[[datetime], float]) -> list[str]:
    """A line for each retrain; where they crowd, only some carry their version's number."""
    parts, free_from = [], 0.0
    for night in nights:
        place = x(night.as_of)
        parts.append(
            line(place, _TOP - 6, place, _BOTTOM, "line third" if night.promoted else "line past dashed")
        )
        if place >= free_from:
            kind = "fill-third" if night.promoted else "muted"
            parts.append(
                text(place, _TOP - 11, f"v{night.trained}", kind, "end" if place > _RIGHT - 12 else "middle")
            )
            free_from = place + _LABEL_ROOM
    return parts


def _coverage(periods: Sequence[Period], x: Callable[[datetime], float]) -> list[str]:
    parts = [text(_LEFT - 8, _COVERAGE_BOTTOM - 6, "labels", "muted", "end")]
    parts.append(line(_LEFT, _COVERAGE_BOTTOM, _RIGHT, _COVERAGE_BOTTOM, "grid"))
    room = _COVERAGE_BOTTOM - _COVERAGE_TOP
    for one in periods:
        start, end = x(one.window.start), x(one.window.end)
        hint = f"{one.window}: labels of {share(one.coverage, 1)} of {one.rows:,} rows are known"
        gap = min(1.0, 0.1 * (end - start))
        height = room * one.coverage
        parts.append(
            box(start, _COVERAGE_BOTTOM - height, end - start - gap, height, "fill-first half", hint)
        )
    return parts


def _legend(metric: str, periods: Sequence[Period], marks: Sequence[Night]) -> list[str]:
    entries = [("fill-first", f"realised {metric}")]
    if any(one.estimated is not None for one in periods):
        entries.append(("fill-second", "estimated"))
    if any(one.expected is not None for one in periods):
        entries.append(("fill-past", "expected"))
    if any(one.promoted for one in marks):
        entries.append(("fill-third", "promoted"))
    if any(not one.promoted for one in marks):
        entries.append(("fill-past half", "refused (dashed)"))
    return legend(_LEFT, 20, entries)


def _hint(one: Period, metric: str) -> str:
    by = f" by version {one.version}" if one.version is not None else ""
    return f"{day(one.window.start)} to {day(one.window.end)}{by}: {metric} {number(one.realised)}"
