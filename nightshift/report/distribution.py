"""A column's distribution in the window against the reference, drawn from the counts that profiles keep."""

from __future__ import annotations

import math

import numpy as np

from nightshift.drift.profile import CategoryColumn, Column, Floats, NumericColumn
from nightshift.report.chart import Scale, box, legend, svg, text, ticks
from nightshift.report.words import number, share

WIDTH, HEIGHT = 400, 240
_BARS = 28
_MOST_VALUES = 9
_TAIL = 0.01
_NAMES = 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 12, 388, 40, 212


def distribution_chart(reference: Column, window: Column) -> str:
    """Shares of the window's rows beside the reference's, by value.

    Raises:
        ValueError: one is a column of numbers and the other of categories.
    """
    if isinstance(reference, NumericColumn) and isinstance(window, NumericColumn):
        return _numbers(reference, window)
    if isinstance(reference, CategoryColumn) and isinstance(window, CategoryColumn):
        return _categories(reference, window)
    raise ValueError(f"{reference.name} has numbers on one side and categories on the other")


def distribution_words(reference: Column, window: Column) -> str:
    """What changed, in one line that needs no picture: means or new values, and what is missing."""
    parts = []
    if isinstance(reference, NumericColumn) and isinstance(window, NumericColumn):
        parts.append(f"mean {number(reference.mean)} → {number(window.mean)}")
        outside = int(window.counts[0] + window.counts[-1])
        if outside:
            parts.append(f"{share(outside, _rows(window))} outside what the reference had")
    elif isinstance(window, CategoryColumn) and window.counts[-1]:
        parts.append(f"{share(int(window.counts[-1]), _rows(window))} values the reference had not")
    if reference.nulls or window.nulls:
        before, now = share(reference.nulls, _rows(reference)), share(window.nulls, _rows(window))
        parts.append(f"missing {before} → {now}")
    return "; ".join(parts)


def binned(column: NumericColumn, ends: Floats) -> Floats:
    """The shares of all rows in other bins than the column's, as if values lay evenly within each of its buckets.

    Args:
        column: a profile's column.
        ends: (bars + 1,) ascending.

    Returns:
        (bars,) shares; what lies outside `ends` is in none.
    """
    lows, highs, counts = _spans(column)
    total = _rows(column)
    if not total or not counts.size:
        return np.zeros(ends.size - 1)
    # How many values lie below each end: whole buckets, and a part of the one it falls into.
    widths = np.where(highs > lows, highs - lows, 1.0)
    part = np.clip((ends[:, None] - lows) / widths, 0.0, 1.0)
    part = np.where((highs <= lows) & (ends[:, None] > lows), 1.0, part)
    # The last bar is closed, so that a pile of values at its very end is seen.
    part[-1] = np.where((highs <= lows) & (lows <= ends[-1]), 1.0, part[-1])
    shares: Floats = np.diff(part @ counts) / total
    return shares


def _spans(column: NumericColumn) -> tuple[Floats, Floats, Floats]:
    """Between what values each bucket that has any is filled.

    A bucket may be much wider than where its values lie, above all the outer ones. It is taken to be filled
    evenly from one of its ends, so far that the mean of what is in it is right.
    """
    edges = column.edges
    lows = np.concatenate(([min(column.minimum, edges[0])], edges))
    highs = np.concatenate((edges, [max(column.maximum, edges[-1])]))
    held = (column.counts > 0) & np.isfinite(lows) & np.isfinite(highs)
    lows, highs, counts = lows[held], highs[held], column.counts[held].astype(np.float64)
    means = np.clip(column.sums[held] / counts, lows, highs)
    reach = 2 * np.minimum(means - lows, highs - means)
    is_low = means - lows <= highs - means
    return np.where(is_low, lows, highs - reach), np.where(is_low, lows + reach, highs), counts


def _reach(*columns: NumericColumn) -> tuple[float, float]:
    """Where the values lie, less the outermost percent at either end of each column."""
    lows, highs = [], []
    for column in columns:
        starts, ends, counts = _spans(column)
        if not counts.size:
            continue
        up = np.concatenate(([0.0], np.cumsum(counts))) / counts.sum()
        knots = np.concatenate((starts[:1], ends))
        lows.append(float(np.interp(_TAIL, up, knots)))
        highs.append(float(np.interp(1 - _TAIL, up, knots)))
    if not lows:
        return 0.0, 1.0
    low, high = min(lows), max(highs)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _numbers(reference: NumericColumn, window: NumericColumn) -> str:
    low, high = _reach(reference, window)
    ends = np.linspace(low, high, _BARS + 1)
    before, now = binned(reference, ends), binned(window, ends)
    x = Scale(low, high, _LEFT, _RIGHT)
    y = Scale(0.0, max(float(before.max()), float(now.max()), 1e-9), _BOTTOM, _TOP)
    parts = legend(_LEFT, 20, [("fill-past", "reference"), ("fill-first half", "window")])
    for kind, shares in (("fill-past", before), ("fill-first half", now)):
        for place, value in enumerate(shares):
            left, right = x(float(ends[place])), x(float(ends[place + 1]))
            hint = f"{number(float(ends[place]))} to {number(float(ends[place + 1]))}: {share(value, 1)}"
            if value > 0:
                parts.append(box(left, y(value), right - left - 1, _BOTTOM - y(value), kind, hint))
    for tick in ticks(low, high, 6):
        at = x(tick)
        anchor = "start" if at < _LEFT + 20 else "end" if at > _RIGHT - 20 else "middle"
        parts.append(text(at, HEIGHT - 12, number(tick), "muted", anchor))
    return svg(WIDTH, HEIGHT, f"Distribution of {reference.name}", parts)


def _categories(reference: CategoryColumn, window: CategoryColumn) -> str:
    rows = _pairs(reference, window)
    top = max((share for _, *both in rows for share in both), default=1.0) or 1.0
    height = 50 + 32 * len(rows)
    x = Scale(0.0, top, _NAMES, _RIGHT - 46)
    parts = legend(_LEFT, 20, [("fill-past", "reference"), ("fill-first", "window")])
    for place, (name, before, now) in enumerate(rows):
        y = 40 + 32 * place
        parts.append(text(_NAMES - 8, y + 16, name if len(name) <= 15 else f"{name[:14]}…", "", "end"))
        for offset, kind, value in ((0, "fill-past", before), (12, "fill-first", now)):
            parts.append(box(_NAMES, y + offset, x(value) - _NAMES, 11, kind))
            parts.append(
                f'<g font-size="11">{text(x(value) + 5, y + offset + 10, share(value, 1), "muted")}</g>'
            )
    return svg(WIDTH, height, f"Distribution of {reference.name}", parts)


def _pairs(reference: CategoryColumn, window: CategoryColumn) -> list[tuple[str, float, float]]:
    """Name, share before and share now: the commonest values of either, then all others, new ones and none."""
    totals = max(_rows(reference), 1), max(_rows(window), 1)
    before = dict(zip(reference.values, (int(count) for count in reference.counts), strict=False))
    now = dict(zip(window.values, (int(count) for count in window.counts), strict=False))
    named = [(name, before.get(name, 0) / totals[0], now.get(name, 0) / totals[1]) for name in before | now]
    named.sort(key=lambda one: -max(one[1:]))
    shown, rest = named[:_MOST_VALUES], named[_MOST_VALUES:]
    others = (
        sum(one[1] for one in rest) + int(reference.counts[-2]) / totals[0],
        sum(one[2] for one in rest) + int(window.counts[-2]) / totals[1],
    )
    new = int(reference.counts[-1]) / totals[0], int(window.counts[-1]) / totals[1]
    missing = reference.nulls / totals[0], window.nulls / totals[1]
    tail = [("(others)", *others), ("(new)", *new), ("(missing)", *missing)]
    return [*shown, *(one for one in tail if any(math.isfinite(value) and value > 0 for value in one[1:]))]


def _rows(column: Column) -> int:
    return int(column.counts.sum()) + column.nulls
