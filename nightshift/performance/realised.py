"""How good the predictions of a window turned out, as far as their labels are known."""

from __future__ import annotations

import math
from collections.abc import Iterator

from nightshift.findings import Realised, Signal
from nightshift.metrics.declaration import Metric
from nightshift.metrics.registry import evaluate_all, finite
from nightshift.metrics.sample import Sample
from nightshift.performance.expected import Expected, Loss, References, least_loss, loss_signal
from nightshift.performance.observed import Observed
from nightshift.performance.segments import segments_of
from nightshift.performance.uncertainty import LEAST_ROWS, left_out_values, standard_error, thinned
from nightshift.records import Metrics


def realised_of(seen: Observed, references: References, metric: Metric) -> Realised:
    """Measure the labelled predictions and hold them against what the versions' holdouts led to expect.

    Args:
        references: by model version; a version without one leaves `expected` to the others.
        metric: the one that decides.

    With no labels `metrics` is empty and `loss` None; with labels of one class the metrics that need two are None;
    with fewer than 200 labels, `loss_interval` is None.
    """
    known = seen.take(seen.known)
    expected = Expected.of(references, known.versions if known.rows else seen.versions)
    metrics = measured(known)
    loss = _loss(known, metrics, expected, metric)
    return Realised(
        window=seen.window,
        metric=metric.name,
        metrics=metrics,
        expected=expected.metrics,
        rows=seen.rows,
        labelled=seen.labelled,
        loss=loss.shown,
        loss_interval=loss.interval,
    )


def realised_signals(
    seen: Observed, references: References, metric: Metric, margin: float | None = None
) -> tuple[Signal, ...]:
    """The loss of the window and of each of its commonest segments, as signals of the family `realised`.

    Args:
        margin: the least loss that matters, in the metric's unit; None for `least_loss`.
    """
    known = seen.take(seen.known)
    return tuple(
        _signal(part, Expected.of(references, part.versions, segment), metric, segment, margin)
        for segment, part in parts_of(known)
    )


def parts_of(seen: Observed) -> Iterator[tuple[str, Observed]]:
    """All rows under the empty name, then each of the commonest segments."""
    yield "", seen
    for segment, places in segments_of(seen.slices, seen.segments):
        yield segment, seen.take(places)


def measured(seen: Observed) -> Metrics:
    """Every metric of rows whose labels are all known; nothing when there are none."""
    return finite(evaluate_all(seen.kind, seen.truth, seen.scores)) if seen.rows else {}


def _signal(part: Observed, expected: Expected, metric: Metric, segment: str, margin: float | None) -> Signal:
    floor = least_loss(metric, expected.metrics.get(metric.name)) if margin is None else margin
    if part.rows < LEAST_ROWS:
        note = f"too few: {part.rows} labelled rows, {LEAST_ROWS} are needed"
        return loss_signal("realised", metric, segment, Loss(math.nan, math.nan), floor, note=note)
    value = finite({metric.name: metric.of(Sample.of(part.kind, part.truth, part.scores))})
    loss = _loss(part, value, expected, metric)
    note = compared(metric.name, value[metric.name], expected, f"on {part.rows:,} labelled rows")
    return loss_signal("realised", metric, segment, loss, floor, note=note)


def compared(name: str, value: float | None, expected: Expected, rows: str) -> str:
    """A metric and what was expected of it, in words."""
    if not expected.parts:
        return f"no version that scored these rows has a reference for them, {rows}"
    wanted = expected.metrics.get(name)
    if value is None or wanted is None:
        return f"{name} is undefined {rows if value is None else 'on the holdout'}"
    return f"{name} {value:.4f}, expected {wanted:.4f}, {rows}"


def _loss(known: Observed, metrics: Metrics, expected: Expected, metric: Metric) -> Loss:
    """Expected less realised, turned so that above zero is worse; its error is of both."""
    value = metrics.get(metric.name)
    if value is None:
        return Loss(math.nan, math.nan)
    loss = metric.gain(expected.value(metric.name), value)
    if known.rows < LEAST_ROWS:
        return Loss(loss, math.nan)
    chosen = thinned(known.rows)
    of_window = standard_error(
        left_out_values(
            chosen.size,
            lambda places: metric.of(
                Sample.of(known.kind, known.truth[chosen[places]], known.scores[chosen[places]])
            ),
        )
    )
    return Loss(loss, math.hypot(of_window, expected.error(metric.name)))
