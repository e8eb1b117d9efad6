"""A window's profile against the reference's: every signal of every column and segment, and which are alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nightshift.drift.alarms import Mask, benjamini_hochberg
from nightshift.drift.profile import CategoryColumn, Column, NumericColumn, Profile, Role
from nightshift.drift.signals.declaration import Measure, Rate, Shape, kind_of, rows_of
from nightshift.drift.signals.registry import measure, measures_for
from nightshift.drift.trials import (
    Comparison,
    Task,
    Trial,
    rate_trial,
    resampled,
    shape_trials,
    too_few,
    too_few_values,
)
from nightshift.errors import RequestError
from nightshift.findings import Family, Signal

FEWEST_ROWS = 200
"""Fewer rows say nothing: without any drift, PSI is above 0.1 in every third sample of 200."""

_FAMILY: dict[Role, Family] = {"feature": "feature", "score": "prediction", "label": "label"}
# Screening is right within this factor wherever an alarm is near; what is clearer still needs no resampling.
_SCREENING_ERROR = 20.0
_CLEAR = 1e-12


@dataclass(frozen=True)
class Options:
    """How a window is compared.

    Attributes:
        signals: names of signals to look at; None: a few strong ones for each kind of column.
        floors: name of a signal -> the least effect that matters, where it is not the signal's own.
        false_discovery: the share of alarms that may be false, and so the chance of any alarm in a night
            without drift; above 0 and below 1.
        importance: feature -> its share of the champion's importance; None: every feature weighs 1.
        fewest_rows: with fewer, in the window or in a segment, there is no value and no alarm.
        seed: of the resampling; the same seed gives the same p-values.

    Raises:
        RequestError: a name is no signal's, or a number cannot be.
    """

    signals: tuple[str, ...] | None = None
    floors: Mapping[str, float] = field(default_factory=dict)
    false_discovery: float = 0.01
    importance: Mapping[str, float] | None = None
    fewest_rows: int = FEWEST_ROWS
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (*(self.signals or ()), *self.floors):
            measure(name)
        if not 0 < self.false_discovery < 1:
            raise RequestError(
                f"a false discovery rate of {self.false_discovery} cannot be",
                remedy="give a share above 0 and below 1, such as 0.01",
            )
        if self.fewest_rows < 1:
            raise RequestError(
                f"fewest_rows is {self.fewest_rows}", remedy="give 1 or more; 200 is the default"
            )

    def floor(self, row: Measure) -> float:
        """The least effect of this signal that matters."""
        return self.floors.get(row.name, row.effect_floor)

    def weight(self, column: Column) -> float:
        """The column's share of the champion's importance; 1 for what is no feature."""
        if self.importance is None or column.role != "feature":
            return 1.0
        return min(max(self.importance.get(column.name, 0.0), 0.0), 1.0)


def compare(
    reference: Profile, window: Profile, options: Options | None = None, history: Sequence[Profile] = ()
) -> tuple[Signal, ...]:
    """Every signal of every column, for all rows and for each segment of the reference.

    A signal is an alarm when its effect is over its floor and its p-value survives Benjamini and Hochberg's
    correction over all columns, segments and signals. What the reference is, is the caller's choice: the
    training window, the last good window, the same weekday.

    Args:
        reference: the profile that laid the buckets.
        window: a profile of other rows in the same buckets.
        history: profiles of clean windows of about the window's length, in the same buckets. Days differ, so
            real windows stray further than samples would; how much further is estimated from these.

    Returns:
        Signals by falling effect in units of its floor; those without a value last.

    Raises:
        RequestError: a profile has other columns or buckets than the reference.
    """
    chosen = options or Options()
    comparisons = list(_comparisons(reference, window, history, chosen.fewest_rows))
    trials = _trials(comparisons, chosen)
    judged = [trial for trial in trials if trial.p_value is not None]
    judged = _with_resampling(judged, chosen)
    alarms = _significant(judged, chosen.false_discovery) & _over_floor(judged, chosen)
    silent = [trial for trial in trials if trial.p_value is None]
    signals = [
        *(_signal(trial, chosen, bool(alarm)) for trial, alarm in zip(judged, alarms, strict=True)),
        *(_signal(trial, chosen, False) for trial in silent),
    ]
    return tuple(sorted(signals, key=_order))


def _comparisons(
    reference: Profile, window: Profile, history: Sequence[Profile], fewest: int
) -> Iterator[Comparison]:
    empty = Profile(0, {}, {})
    for segment in ("", *reference.segments):
        expected = reference.segments[segment] if segment else reference
        found = window.segments.get(segment, empty) if segment else window
        past = [each.segments.get(segment, empty) if segment else each for each in history]
        for name, column in expected.columns.items():
            same = _same_layout(column, found, segment)
            clean = [_same_layout(column, each, segment) if each.columns else None for each in past]
            kept = [each if each is not None and rows_of(each) >= fewest else None for each in clean]
            yield Comparison(name, segment, column, same, tuple(kept))


def _same_layout(column: Column, profile: Profile, segment: str) -> Column:
    """The profile's column of that name; of no rows where a profile has no such segment.

    Raises:
        RequestError: it is not there, or lies in other buckets.
    """
    if segment and not profile.columns:
        return _without_rows(column)
    where = f"column {column.name}" + (f", segment {segment}" if segment else "")
    remedy = "profile the window in the reference's layout"
    if column.name not in profile.columns:
        raise RequestError("the window's profile lacks a column of the reference", where=where, remedy=remedy)
    other = profile.columns[column.name]
    if isinstance(column, NumericColumn):
        same = isinstance(other, NumericColumn) and np.array_equal(column.edges, other.edges)
    else:
        same = isinstance(other, CategoryColumn) and column.values == other.values
    if not same:
        raise RequestError("the window's profile has not the reference's buckets", where=where, remedy=remedy)
    return other


def _without_rows(column: Column) -> Column:
    none = np.zeros_like(column.counts)
    if isinstance(column, CategoryColumn):
        return CategoryColumn(column.name, column.role, column.values, none, 0, column.known)
    nan, sums = float("nan"), np.zeros_like(column.sums)
    return NumericColumn(
        column.name, column.role, column.edges, none, sums, nulls=0, infinite=0, mean=nan, m2=0.0,
        minimum=nan, maximum=nan,
    )  # fmt: skip


def _trials(comparisons: Sequence[Comparison], options: Options) -> list[Trial]:
    trials: list[Trial] = []
    tasks: list[Task] = []
    for comparison in comparisons:
        rows = measures_for(kind_of(comparison.reference), options.signals)
        note = too_few(comparison, options.fewest_rows)
        values_note = note or too_few_values(comparison, options.fewest_rows)
        for row in rows:
            if values_note if isinstance(row, Shape) else note:
                trials.append(Trial(row, comparison, note=values_note if isinstance(row, Shape) else note))
            elif isinstance(row, Rate):
                trials.append(rate_trial(row, comparison))
        if not values_note:
            tasks.append((comparison, tuple(row for row in rows if isinstance(row, Shape))))
    return [*trials, *shape_trials(tasks, options.seed)]


def _with_resampling(trials: Sequence[Trial], options: Options) -> list[Trial]:
    """Resample what may be an alarm: over its floor, and significant or nearly so by screening."""
    near = _significant(trials, options.false_discovery, _SCREENING_ERROR) & _over_floor(trials, options)
    doubtful = [
        trial
        for trial, is_near in zip(trials, near, strict=True)
        if is_near and isinstance(trial.measure, Shape) and (trial.p_value or 0.0) > _CLEAR
    ]
    again = {(id(each.comparison), each.measure.name): each for each in resampled(doubtful, options.seed)}
    return [again.get((id(each.comparison), each.measure.name), each) for each in trials]


def _significant(trials: Sequence[Trial], level: float, leniency: float = 1.0) -> Mask:
    tests = [index for index, trial in enumerate(trials) if trial.can_alarm]
    p_values = np.array([trials[test].p_value for test in tests], dtype=np.float64) / leniency
    significant = np.zeros(len(trials), dtype=np.bool_)
    significant[tests] = benjamini_hochberg(p_values, level, [trials[test].measure.budget for test in tests])
    return significant


def _over_floor(trials: Sequence[Trial], options: Options) -> Mask:
    return np.array([(trial.value or 0.0) > options.floor(trial.measure) for trial in trials], dtype=np.bool_)


def _signal(trial: Trial, options: Options, alarm: bool) -> Signal:
    column = trial.comparison.reference
    note = trial.note
    if trial.design_effect > 1:
        note = f"clean windows stray {trial.design_effect:.1f} times as far as chance"
    return Signal(
        name=trial.measure.name,
        family=_FAMILY[column.role],
        column=trial.comparison.column,
        segment=trial.comparison.segment,
        value=trial.value,
        effect_floor=options.floor(trial.measure),
        p_value=trial.p_value,
        alarm=alarm,
        weight=options.weight(column),
        note=note,
    )


def _order(signal: Signal) -> tuple[bool, float, str, str, str]:
    effect = (signal.value or 0.0) / max(signal.effect_floor, 1e-9)
    return (signal.value is None, -effect, signal.segment, signal.column, signal.name)
