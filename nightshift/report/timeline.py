"""The performance timeline: what predictions turned out to be worth, and where models were retrained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from nightshift.findings import Night
from nightshift.report.chart import Scale, box, dates, dot, legend, line, path, svg, text, ticks
from nightshift.report.words import day, number, share

if TYPE_CHECKING:
    from nightshift.performance.timeline import Period
    from nightshift.records import Window

Series = Literal["realised", "estimated", "expected"]

WIDTH, HEIGHT = 760, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 748, 62, 250
_COVERAGE_TOP, _COVERAGE_BOTTOM = 278, 300
_LABEL_ROOM = 30.0


def timeline_chart(periods: Sequence[Period], nights: Iterable[Night], metric: str) -> str:
    """Realised against estimated metric over time, retrains marked, with the share of known labels below.

    Args:
        periods: oldest first, at least one.
        nights: those that trained a version are marked, with whether it was promoted.
        metric: its name.
    """
    title = f"{metric} over time, realised and estimated"
    known = [
        value for one in periods for name in ("realised", "estimated", "expected")
        if (value := getattr(one, name).get(metric)) is not None
    ]  # fmt: skip
    if not known:
        return svg(WIDTH, 80, title, [text(WIDTH / 2, 45, "no performance is known yet", "muted", "middle")])
    margin = 0.08 * (max(known) - min(known)) or 0.05 * abs(known[0]) or 1.0
    first, last = periods[0].window.start, periods[-1].window.end
    drawing = _Timeline(
        metric=metric,
        periods=periods,
        marks=[one for one in nights if one.trained is not None and first <= one.as_of <= last],
        days=Scale(first.timestamp(), last.timestamp(), _LEFT, _RIGHT),
        y=Scale(min(known) - margin, max(known) + margin, _BOTTOM, _TOP),
    )
    return svg(WIDTH, HEIGHT, title, list(drawing.parts()))


@dataclass(frozen=True)
class _Timeline:
    """What is drawn, and where a moment and a value lie on the drawing."""

    metric: str
    periods: Sequence[Period]
    marks: Sequence[Night]
    days: Scale
    y: Scale

    def parts(self) -> Iterator[str]:
        yield from self._frame()
        yield from self._retrains()
        for window, value in self._values("expected"):
            if value is not None:
                yield line(
                    self._x(window.start), self.y(value), self._x(window.end), self.y(value), "line past"
                )
        yield from self._line("estimated", "second dashed", "fill-second")
        yield from self._line("realised", "first", "fill-first")
        yield from self._hints()
        yield from self._coverage()
        yield from legend(_LEFT, 20, self._entries())

    def _x(self, moment: datetime) -> float:
        return self.days(moment.timestamp())

    def _middle(self, window: Window) -> float:
        return (self._x(window.start) + self._x(window.end)) / 2

    def _values(self, series: Series) -> list[tuple[Window, float | None]]:
        return [(one.window, getattr(one, series).get(self.metric)) for one in self.periods]

    def _frame(self) -> Iterator[str]:
        for value in ticks(self.y.low, self.y.high):
            yield line(_LEFT, self.y(value), _RIGHT, self.y(value), "grid")
            yield text(_LEFT - 8, self.y(value) + 4, number(value), "muted", "end")
        for moment, written in dates(self.periods[0].window.start, self.periods[-1].window.end):
            place = self._x(moment)
            if place <= _RIGHT - 15:
                yield text(place, HEIGHT - 8, written, "muted", "start" if place < _LEFT + 15 else "middle")

    def _line(self, series: Series, kind: str, fill: str) -> Iterator[str]:
        """One line for each stretch without a gap: a line across unknown values would claim to know them."""
        stretches: list[list[tuple[float, float]]] = [[]]
        for window, value in self._values(series):
            if value is None:
                stretches.append([])
            else:
                stretches[-1].append((self._middle(window), self.y(value)))
        for points in stretches:
            if len(points) == 1:
                yield dot(*points[0], fill, series)
            elif points:
                yield path(points, kind)

    def _hints(self) -> Iterator[str]:
        for one in self.periods:
            value = one.realised.get(self.metric)
            if value is not None:
                by = f" by version {', '.join(map(str, one.versions))}" if one.versions else ""
                when = f"{day(one.window.start)} to {day(one.window.end)}"
                yield dot(
                    self._middle(one.window), self.y(value), "fill-first",
                    f"{when}{by}: {self.metric} {number(value)}",
                )  # fmt: skip

    def _retrains(self) -> Iterator[str]:
        """A line for each retrain; where they crowd, only some carry their version's number."""
        free_from = 0.0
        for night in self.marks:
            place = self._x(night.as_of)
            yield line(
                place, _TOP - 6, place, _BOTTOM, "line third" if night.promoted else "line past dashed"
            )
            if place >= free_from:
                kind = "fill-third" if night.promoted else "muted"
                anchor = "end" if place > _RIGHT - 12 else "middle"
                yield text(place, _TOP - 11, f"v{night.trained}", kind, anchor)
                free_from = place + _LABEL_ROOM

    def _coverage(self) -> Iterator[str]:
        yield text(_LEFT - 8, _COVERAGE_BOTTOM - 6, "labels", "muted", "end")
        yield line(_LEFT, _COVERAGE_BOTTOM, _RIGHT, _COVERAGE_BOTTOM, "grid")
        for one in self.periods:
            start, end = self._x(one.window.start), self._x(one.window.end)
            height = (_COVERAGE_BOTTOM - _COVERAGE_TOP) * one.coverage
            gap = min(1.0, 0.1 * (end - start))
            hint = f"{one.window}: labels of {share(one.coverage, 1)} of {one.rows:,} rows are known"
            yield box(start, _COVERAGE_BOTTOM - height, end - start - gap, height, "fill-first half", hint)

    def _entries(self) -> list[tuple[str, str]]:
        entries = [("fill-first", f"realised {self.metric}")]
        if any(value is not None for _, value in self._values("estimated")):
            entries.append(("fill-second", "estimated"))
        if any(value is not None for _, value in self._values("expected")):
            entries.append(("fill-past", "expected"))
        if any(one.promoted for one in self.marks):
            entries.append(("fill-third", "promoted"))
        if any(not one.promoted for one in self.marks):
            entries.append(("fill-past half", "refused (dashed)"))
        return entries
