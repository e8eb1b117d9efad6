"""Whether a refitted model may go live: its scores are checked against those of the model that was evaluated."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nightshift.evaluation.evaluate import deciding_metric
from nightshift.evaluation.measure import measure
from nightshift.evaluation.paired import Answers, paired_gain
from nightshift.learners.refit import Refitted
from nightshift.learners.train import MODEL
from nightshift.metrics.declaration import Metric
from nightshift.metrics.registry import finite
from nightshift.metrics.sample import Floats
from nightshift.records import Metrics, Snapshot
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import Kind, Project
from nightshift.trained import Candidate, Refit

logger = logging.getLogger(__name__)

LEAST_CORRELATION = 0.5
MOST_DIFFERENCE = 2.0


@dataclass(frozen=True)
class Agreement:
    """Whether two models say alike of the same rows, why, and what was compared."""

    agrees: bool
    reasons: tuple[str, ...]
    numbers: Metrics


def agreement(kind: Kind, metric: Metric, truth: Floats, evaluated: Floats, refitted: Floats) -> Agreement:
    """Compare the scores of a refitted model with those of the evaluated one, on the same rows.

    The refitted model has learnt from these rows and the evaluated one has not, so it has to be at least as good on
    them, to within the noise of the difference. It may differ, for that is what it is trained for, but not so much
    that the evaluation says nothing of it any more: Pearson's correlation of the scores is at least
    `LEAST_CORRELATION`, and their mean absolute difference at most `MOST_DIFFERENCE` standard deviations of the
    evaluated model's scores. Neither is asked where the evaluated model says the same of every row. The bounds are
    wide on purpose, for a refit may matter most when the world has just changed: on half a year of the demo's flights
    the least correlation was 0.76 and the greatest difference 0.96 deviations.

    Args:
        truth: labels, (n,); multiclass: codes of the classes, which are the same for both models.
        evaluated, refitted: scores, (n,) or (n, classes).

    >>> from nightshift.metrics.registry import metric
    >>> truth = np.tile([0.0, 1.0], 50)
    >>> agreement("binary", metric("roc_auc"), truth, 0.3 + 0.4 * truth, 0.7 - 0.4 * truth).agrees
    False
    """
    paired = paired_gain(metric, kind, Answers(truth, refitted), Answers(truth, evaluated))
    # Of scores that are all the same, rounding makes a deviation that is not quite zero.
    spread = float(evaluated.std(axis=0).mean()) if _vary(evaluated) else 0.0
    difference = float(np.abs(refitted - evaluated).mean())
    correlation = float("nan")
    if _vary(evaluated) and _vary(refitted):
        correlation = float(np.corrcoef(refitted.ravel(), evaluated.ravel())[0, 1])
    numbers = {
        "correlation": correlation,
        "mean_absolute_difference": difference,
        "spread": spread,
        f"{metric.name}_refitted": paired.ours,
        f"{metric.name}_evaluated": paired.theirs,
        f"{metric.name}_noise": paired.noise,
    }
    faults = []
    if not np.isfinite(refitted).all():
        faults.append("some of its scores are no numbers")
    if paired.gain < -np.nan_to_num(paired.noise):
        faults.append(
            f"its {metric.name} is {paired.ours:.5f} on rows it has learnt from, worse than the {paired.theirs:.5f} "
            "of the evaluated model, which has not"
        )
    if correlation < LEAST_CORRELATION:
        faults.append(f"the scores' correlation {correlation:.3f} is below {LEAST_CORRELATION}")
    if spread > 0 and difference > MOST_DIFFERENCE * spread:
        faults.append(
            f"the scores differ by {difference:.4f} on average, more than {MOST_DIFFERENCE} x {spread:.4f}, "
            "the standard deviation of the evaluated model's"
        )
    return Agreement(not faults, tuple(faults), finite(numbers))


def _vary(scores: Floats) -> bool:
    return bool((scores != scores[0]).any())


def check_refit(
    project: Project, candidate: Candidate, refitted: Refitted, snapshot: Snapshot, settings: Settings
) -> Refit:
    """Say whether the refitted model may go live, by its scores on the holdout rows.

    Raises:
        DataRefusedError: the holdout has no labelled rows, or a model's file is not the one that was saved.
    """
    evaluated = Scorer.load(Path(candidate.path) / MODEL, candidate.model_sha256)
    live = Scorer.load(refitted.folder, refitted.model_sha256)
    found = _compared(project, evaluated, live, snapshot, settings)
    described = (
        f"refit on {refitted.rows:,} rows known before {refitted.learnt_until:%Y-%m-%d %H:%M}, "
        f"{refitted.rounds} rounds"
    )
    shown = ", ".join(f"{name} {value:.4f}" for name, value in found.numbers.items() if value is not None)
    if found.agrees:
        reasons: tuple[str, ...] = (
            f"{described}, is live: it agrees with the evaluated model on the holdout ({shown})",
        )
    else:
        reasons = (f"{described}, is not live, the evaluated model is", *found.reasons)
        logger.warning("refit: the evaluated model goes live: %s", "; ".join(found.reasons))
    return Refit(
        model_sha256=refitted.model_sha256,
        learnt_until=refitted.learnt_until,
        rows=refitted.rows,
        rounds=refitted.rounds,
        goes_live=found.agrees,
        reasons=reasons,
        numbers=found.numbers,
        seconds=refitted.seconds,
        cost=refitted.cost,
    )


def _compared(
    project: Project, evaluated: Scorer, refitted: Scorer, snapshot: Snapshot, settings: Settings
) -> Agreement:
    new = sorted(set(refitted.manifest.classes) ^ set(evaluated.manifest.classes))
    if new:
        fault = f"only one of both models knows the class {new[0]!r}, so that they cannot be compared"
        return Agreement(False, (fault,), {})
    holdout = project.split_before(snapshot.as_of).holdout
    before = measure(project, evaluated, snapshot, holdout, settings)
    after = measure(project, refitted, snapshot, holdout, settings)
    return agreement(project.label.kind, deciding_metric(project), before.truth, before.scores, after.scores)
