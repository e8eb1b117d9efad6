"""How good the predictions of a window are thought to be while their labels are not known."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from nightshift.findings import Estimated, Signal
from nightshift.metrics.declaration import Metric
from nightshift.metrics.registry import finite
from nightshift.metrics.sample import Floats, Sample
from nightshift.performance.expectation import expected_metric, expected_metrics
from nightshift.performance.expected import Expected, Loss, References, least_loss, loss_signal
from nightshift.performance.observed import Observed
from nightshift.performance.realised import compared, parts_of
from nightshift.performance.uncertainty import (
    BLOCKS,
    LEAST_ROWS,
    left_out_values,
    standard_error,
    thinned,
)
from nightshift.records import Metrics

ASSUMPTIONS = {
    "cbpe": (
        "Rows scored alike turn out as they did on the holdout: no concept drift, and features may shift only to "
        "where the holdout had rows. A change in what leads to the label is not seen here, only in realised labels."
    ),
    "dle": (
        "The error at a predicted value, in a segment, is as large as it was on the holdout: no concept drift, and "
        "features may shift only to where the holdout had rows. A change in what leads to the label is not seen "
        "here, only in realised labels."
    ),
}
_NO_REFERENCE = "There is no estimate: no version that scored this window was registered with a calibration. "


def estimated_of(seen: Observed, references: References, metric: Metric) -> Estimated:
    """Estimate every metric of a window's predictions, labelled or not, and its loss against what was expected.

    Confidence-based performance estimation for classes (see `expectation.weighted`), direct loss estimation for a
    regression (see `loss_model`). Rows of versions without an estimator are left out. `error` is the estimate less
    the realised value on the rows whose labels are known by now, when these are 200 or more.
    """
    method: Literal["cbpe", "dle"] = "dle" if seen.kind == "regression" else "cbpe"
    rows = _with_estimator(seen, references)
    expected = Expected.of(references, rows.versions)
    outlook = _outlook(rows, references)
    metrics = expected_metrics(rows.kind, rows.scores, outlook)
    loss = _loss(rows, outlook, references, expected, metric)
    return Estimated(
        window=seen.window,
        metric=metric.name,
        method=method,
        assumption=("" if rows.size or not seen.size else _NO_REFERENCE) + ASSUMPTIONS[method],
        metrics=metrics,
        expected=expected.metrics,
        rows=rows.rows,
        loss=loss.shown,
        loss_interval=loss.interval,
        error=_error(rows, outlook, metric),
    )


def estimated_signals(
    seen: Observed, references: References, metric: Metric, margin: float | None = None
) -> tuple[Signal, ...]:
    """The estimated loss of the window and of each of its commonest segments, as signals of the family `estimated`.

    Args:
        margin: the least loss that matters, in the metric's unit; None for `least_loss`.
    """
    rows = _with_estimator(seen, references)
    return tuple(_signal(part, references, metric, segment, margin) for segment, part in parts_of(rows))


def estimated_metrics(seen: Observed, references: References) -> Metrics:
    """Every metric of a window's predictions as it is thought to be; empty when no version has an estimator."""
    rows = _with_estimator(seen, references)
    return expected_metrics(rows.kind, rows.scores, _outlook(rows, references))


def _signal(
    part: Observed, references: References, metric: Metric, segment: str, margin: float | None
) -> Signal:
    expected = Expected.of(references, part.versions, segment)
    floor = least_loss(metric, expected.metrics.get(metric.name)) if margin is None else margin
    nothing = Loss(math.nan, math.nan)
    if part.size < LEAST_ROWS:
        note = f"too few: {part.rows} predictions with an estimate, {LEAST_ROWS} are needed"
        return loss_signal("estimated", metric, segment, nothing, floor, note=note)
    outlook = _outlook(part, references)
    value = expected_metric(metric, part.kind, part.scores, outlook)
    loss = _loss(part, outlook, references, expected, metric, segment)
    note = compared(
        metric.name, finite({metric.name: value})[metric.name], expected, f"on {part.rows:,} predictions"
    )
    return loss_signal("estimated", metric, segment, loss, floor, note=note)


def _with_estimator(seen: Observed, references: References) -> Observed:
    """The rows whose version has an estimator."""
    able = [version for version, one in references.items() if one.estimator is not None]
    if np.isin(seen.versions, able).all():
        return seen
    return seen.take(np.flatnonzero(np.isin(seen.versions, able)))


def _outlook(
    rows: Observed, references: References, changed: int | None = None, block: int | None = None
) -> Floats:
    """What each row's version makes of it; the version `changed` without a block of its holdout."""
    width = {"binary": (), "regression": (3,), "multiclass": rows.scores.shape[1:]}[rows.kind]
    made = np.zeros((len(rows.scores), *width))
    for version in (int(version) for version in np.unique(rows.versions)):
        places = np.flatnonzero(rows.versions == version)
        some = rows.take(places)
        own = rows.own.get(version)
        scores = some.scores if own is None else some.scores[:, own]
        found = references[version].estimates(
            scores, some.slices, some.numbers, block if version == changed else None
        )
        made[places if own is None else np.ix_(places, own)] = found
    return made


def _loss(
    rows: Observed,
    outlook: Floats,
    references: References,
    expected: Expected,
    metric: Metric,
    segment: str = "",
) -> Loss:
    """Expected less estimated, turned so that above zero is worse.

    Its error is of the window's rows and of the holdout. On the whole the holdout's part is taken from expected and
    estimate together, each without the same block of the holdout, because both come from the same rows and most of
    what is off cancels. For a segment both are held to be apart, which is on the safe side.
    """
    value = expected_metric(metric, rows.kind, rows.scores, outlook)
    loss = metric.gain(expected.value(metric.name), value)
    if rows.size < LEAST_ROWS or not math.isfinite(loss):
        return Loss(loss, math.nan)
    chosen = thinned(rows.size)
    of_window = standard_error(
        left_out_values(
            chosen.size,
            lambda places: expected_metric(
                metric, rows.kind, rows.scores[chosen[places]], outlook[chosen[places]]
            ),
        )
    )
    if segment:
        return Loss(loss, math.hypot(of_window, expected.error(metric.name)))
    return Loss(
        loss, math.hypot(of_window, _reference_error(rows.take(chosen), references, expected, metric))
    )


def _reference_error(rows: Observed, references: References, expected: Expected, metric: Metric) -> float:
    """The part of the loss's standard error that comes of holdouts with so many rows and no more."""
    squares = 0.0
    for version, part in expected.parts.items():
        blocks = len(references[version].spread_estimators)
        if blocks != BLOCKS or len(part.spread) != BLOCKS:
            return math.nan
        losses = []
        for block in range(blocks):
            outlook = _outlook(rows, references, version, block)
            estimate = expected_metric(metric, rows.kind, rows.scores, outlook)
            losses.append(metric.gain(expected.without_block(metric.name, version, block), estimate))
        squares += standard_error(np.array(losses)) ** 2
    return math.sqrt(squares)


def _error(rows: Observed, outlook: Floats, metric: Metric) -> float | None:
    """Estimate less realised value on the rows whose labels are known; None when these are too few."""
    known = rows.known
    if known.size < LEAST_ROWS:
        return None
    estimate = expected_metric(metric, rows.kind, rows.scores[known], outlook[known])
    realised = metric.of(Sample.of(rows.kind, rows.truth[known], rows.scores[known]))
    return finite({"error": estimate - realised})["error"]
