"""Measure a model on the windows it did not learn from, beside a trivial baseline, and slice by slice."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from nightshift.evaluation.measure import Measured, measure
from nightshift.evaluation.reference import save_references
from nightshift.learners.train import MODEL, read_training
from nightshift.metrics.registry import Metric, default_metric, evaluate_all, finite, metric
from nightshift.records import Metrics, Snapshot
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import Candidate, Evaluation

logger = logging.getLogger(__name__)

HOLDOUT = "holdout.npz"
_MOST_SLICES = 20


def deciding_metric(project: Project) -> Metric:
    """The metric that project.yaml names, or the default of the label's kind.

    Raises:
        RequestError: no metric of this name measures such labels.
    """
    if project.evaluate.metric is None:
        return default_metric(project.label.kind)
    return metric(
        project.evaluate.metric, project.label.kind, where=f"project {project.name}: evaluate.metric"
    )


def evaluate(project: Project, candidate: Candidate, snapshot: Snapshot, settings: Settings) -> Evaluation:
    """Measure a candidate on its validate and holdout windows.

    Kept in its folder: labels and scores of the holdout, for plots, and what monitoring will measure later windows
    against.

    Raises:
        DataRefusedError: a window has no labelled rows.
    """
    started = time.perf_counter()
    split = project.split_before(snapshot.as_of)
    deciding = deciding_metric(project)
    folder = Path(candidate.path)
    scorer = Scorer.load(folder / MODEL, candidate.model_sha256)
    measured = {
        name: measure(project, scorer, snapshot, window, settings)
        for name, window in (("validate", split.validate_), ("holdout", split.holdout))
    }
    holdout = measured["holdout"]
    np.savez(folder / HOLDOUT, truth=holdout.truth, scores=holdout.scores)
    save_references(project, scorer, holdout, snapshot, folder, settings)
    evaluation = Evaluation(
        project=project.name,
        metric=deciding.name,
        greater_is_better=deciding.greater_is_better,
        metrics={name: part.metrics(project) for name, part in measured.items()},
        baseline=_baseline(project, folder, holdout),
        slices={name: _by_slice(project, deciding.name, holdout, name) for name in project.evaluate.slices},
        path=str(folder / HOLDOUT),
        seconds=time.perf_counter() - started,
    )
    logger.info(
        "evaluate: holdout %s: %s %s on %s rows, in %.1f s",
        split.holdout, deciding.name, _shown(evaluation.metrics["holdout"][deciding.name]),
        f"{len(holdout.truth):,}", evaluation.seconds,
    )  # fmt: skip
    return evaluation


def _baseline(project: Project, folder: Path, holdout: Measured) -> Metrics:
    """The metrics of always saying the training labels' mean, or their class shares."""
    prior = read_training(folder)["prior"]
    rows = len(holdout.truth)
    scores = np.tile(prior, (rows, 1)) if project.label.kind == "multiclass" else np.full(rows, prior[0])
    return finite(evaluate_all(project.label.kind, holdout.truth, scores))


def _by_slice(project: Project, name: str, holdout: Measured, column: str) -> dict[str, Metrics]:
    """The deciding metric for each of the commonest values of one column."""
    values = holdout.rows[column]
    counted = sorted(
        pc.value_counts(values).to_pylist(), key=lambda one: (-one["counts"], str(one["values"]))
    )
    found: dict[str, Metrics] = {}
    for one in counted[:_MOST_SLICES]:
        value = one["values"]
        chosen = pc.is_null(values) if value is None else pc.fill_null(pc.equal(values, value), False)
        mask = np.asarray(chosen.to_numpy(), dtype=bool)
        measured = evaluate_all(project.label.kind, holdout.truth[mask], holdout.scores[mask])
        found[str(value)] = {name: finite(measured)[name], "rows": float(one["counts"])}
    return found


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
