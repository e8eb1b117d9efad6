"""One signal of one column in one segment: its value, and how likely that is without drift."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nightshift.drift.calibration import (
    SCREENING_DRAWS,
    Null,
    design_effect,
    moments,
    resampled_p,
    resampling_draws,
    screened_p,
    screening_draws,
    statistic,
)
from nightshift.drift.profile import Column, Floats
from nightshift.drift.signals.declaration import Measure, Rate, Shape, kind_of, rows_of, values_of
from nightshift.drift.signals.pairs import Pairs
from nightshift.drift.signals.rates import rise_by_chance, shares_differ

# What is drawn at once stays in a processor's cache; what is resampled in all bounds a night's time.
_CELLS_AT_ONCE = 2**20
_CELLS_RESAMPLED = 4_000_000
_MOST_DRAWS, _FEWEST_DRAWS = 2000, 400


@dataclass(frozen=True, eq=False)
class Comparison:
    """A column of the reference and the same one of the window, in one segment (empty: all rows).

    Attributes:
        past: the same column in clean windows; None where one has too few rows.
    """

    column: str
    segment: str
    reference: Column
    window: Column
    past: tuple[Column | None, ...] = ()


@dataclass(frozen=True, eq=False)
class Trial:
    """What one signal says of one comparison.

    Attributes:
        value: the effect; None when there are too few rows to say.
        p_value: how likely such an effect is without drift; None likewise.
        design_effect: how many times as far as chance clean windows stray.
        excess: the mean that this adds to the statistic.
        can_alarm: some outcome with as many hits in all would be significant; a share that is zero on both
            sides is no test, and takes nothing from the others [Tarone 1990, A modified Bonferroni method
            for discrete data].
        note: why there is no value, or what to know about it.
    """

    measure: Measure
    comparison: Comparison
    value: float | None = None
    p_value: float | None = None
    design_effect: float = 1.0
    excess: float = 0.0
    can_alarm: bool = True
    note: str = ""


Task = tuple[Comparison, tuple[Shape, ...]]


def rate_trial(measure: Rate, comparison: Comparison) -> Trial:
    """Judge a share of rows exactly, as if there were fewer rows where clean windows stray further than chance."""
    reference, window = comparison.reference, comparison.window
    before = measure.hits(reference), rows_of(reference)
    past = [
        shares_differ(measure.hits(column), rows_of(column), *before) ** 2
        for column in comparison.past
        if column is not None
    ]
    effect = float(design_effect(np.array(past)[:, None])[0]) if past else 1.0
    after = measure.hits(window), rows_of(window)
    p_value = _rate_p(measure, after, before, effect)
    can_alarm = after[0] + before[0] > 0
    return Trial(measure, comparison, measure(reference, window), p_value, effect, can_alarm=can_alarm)


def _rate_p(measure: Rate, after: tuple[int, int], before: tuple[int, int], effect: float) -> float:
    first, second = ([count / effect for count in side] for side in (after, before))
    rise = rise_by_chance(*first, *second)
    return rise if measure.is_one_sided else min(1.0, 2 * min(rise, rise_by_chance(*second, *first)))


def shape_trials(tasks: Sequence[Task], seed: int) -> Iterator[Trial]:
    """Screen signals of shape for many comparisons, those with equally many buckets at once."""
    alike: dict[tuple[str, int, tuple[Shape, ...]], list[Comparison]] = defaultdict(list)
    for comparison, measures in tasks:
        column = comparison.reference
        alike[kind_of(column), len(column.counts), measures].append(comparison)
    for (_, buckets, measures), comparisons in alike.items():
        step = max(1, _CELLS_AT_ONCE // (SCREENING_DRAWS * buckets))
        for start in range(0, len(comparisons), step):
            yield from _screened(comparisons[start : start + step], measures, seed)


def _screened(comparisons: Sequence[Comparison], measures: tuple[Shape, ...], seed: int) -> Iterator[Trial]:
    pairs = Pairs.of([(each.reference, each.window) for each in comparisons])
    draws = screening_draws(pairs, seed)
    past = _past_pairs(comparisons)
    size = 1 / pairs.reference.sum(-1) + 1 / pairs.window.sum(-1)
    for measure in measures:
        values = measure.measure(pairs)
        mean, variance = moments(measure, draws)
        ratios = np.array([_ratios(measure, pair, which, mean / size) for pair, which in past])
        effect = design_effect(ratios) if past else np.ones(len(comparisons))
        effect = _borrowed(effect, comparisons)
        null = Null(mean, variance, (effect - 1) * mean)
        p_values = screened_p(values**measure.power, null)
        for each, value, p, design, excess in zip(
            comparisons,
            values.tolist(),
            p_values.tolist(),
            effect.tolist(),
            null.excess.tolist(),
            strict=True,
        ):
            yield Trial(measure, each, value, p, design, excess)


def _past_pairs(comparisons: Sequence[Comparison]) -> list[tuple[Pairs, list[int]]]:
    """The reference beside each clean window, with the places of the comparisons that have that window."""
    found = []
    for past in range(max((len(each.past) for each in comparisons), default=0)):
        columns = [(each.reference, each.past[past]) for each in comparisons]
        which = [index for index, (_, column) in enumerate(columns) if column is not None]
        if which:
            found.append((Pairs.of([(r, c) for r, c in columns if c is not None]), which))
    return found


def _ratios(measure: Shape, pairs: Pairs, which: list[int], unit_mean: Floats) -> Floats:
    """The statistic of a clean window over its mean without drift at that window's size; NaN where none."""
    ratios = np.full(len(unit_mean), np.nan)
    size = 1 / pairs.reference.sum(-1) + 1 / pairs.window.sum(-1)
    ratios[which] = statistic(measure, pairs) / np.maximum(unit_mean[which] * size, 1e-300)
    return ratios


def _borrowed(effect: Floats, comparisons: Sequence[Comparison]) -> Floats:
    """A segment without clean windows of its own takes what all rows' clean windows say of the column."""
    whole = {each.column: own for each, own in zip(comparisons, effect, strict=True) if not each.segment}
    return np.array(
        [
            own if np.isfinite(own) else max(whole.get(each.column, 1.0), 1.0)
            for own, each in zip(effect, comparisons, strict=True)
        ]
    )


def resampled(trials: Sequence[Trial], seed: int) -> Iterator[Trial]:
    """The same trials of shape with p-values from resampling; the more there are, the fewer draws each gets."""
    together: dict[int, list[Trial]] = defaultdict(list)
    for trial in trials:
        together[id(trial.comparison)].append(trial)
    cells = sum(2 * len(group[0].comparison.reference.counts) for group in together.values())
    draws = int(np.clip(_CELLS_RESAMPLED // max(cells, 1), _FEWEST_DRAWS, _MOST_DRAWS))
    for group in together.values():
        comparison = group[0].comparison
        # A seed of its own, so that no column's p-value depends on which others are looked at.
        place = zlib.crc32(f"{comparison.segment}|{comparison.column}".encode())
        rng = np.random.default_rng([seed, place])
        drawn = resampling_draws(Pairs.of([(comparison.reference, comparison.window)]), draws, rng)
        for trial in group:
            if isinstance(trial.measure, Shape) and trial.value is not None:
                sample = statistic(trial.measure, drawn)[:, 0]
                p = resampled_p(trial.value**trial.measure.power, sample, trial.excess, rng)
                yield replace(trial, p_value=p)


def too_few(comparison: Comparison, fewest: int) -> str:
    """Why nothing can be said of a comparison, or an empty string."""
    sides = (("window", comparison.window), ("reference", comparison.reference))
    for side, column in sides:
        if rows_of(column) < fewest:
            return f"too few rows in the {side}: {rows_of(column)} of at least {fewest}"
    return ""


def too_few_values(comparison: Comparison, fewest: int) -> str:
    """Why nothing can be said of how a column's values are distributed, or an empty string."""
    for side, column in (("window", comparison.window), ("reference", comparison.reference)):
        if values_of(column) < fewest:
            return f"too few values in the {side}: {values_of(column)} of at least {fewest}"
    return ""
