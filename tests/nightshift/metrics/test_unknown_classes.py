"""Rows of classes that a model does not know are its mistakes: as scikit-learn has it on the union of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from nightshift.metrics.curves import UNKNOWN, curves_of
from nightshift.metrics.registry import evaluate_all
from nightshift.metrics.sample import Sample

KNOWN = 3


def rows(unknown: int, size: int = 400, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Labels of three known classes and some unknown ones, and the scores of a model of the known ones."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, KNOWN + unknown, size)
    raw = random.gamma(1.0, size=(size, KNOWN)) + 2.0 * (truth[:, None] == np.arange(KNOWN))
    return truth, raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("unknown", [0, 1, 3])
def test_every_metric_is_that_of_the_union_of_classes(unknown: int, weighted: bool) -> None:
    truth, scores = rows(unknown)
    weight = np.random.default_rng(4).uniform(0.5, 2, truth.size) if weighted else None
    whole = np.concatenate([scores, np.zeros((truth.size, unknown))], axis=1)
    found = evaluate_all("multiclass", truth, scores, weight)
    labels, predicted, more = list(range(KNOWN + unknown)), scores.argmax(axis=1), {"sample_weight": weight}
    of_classes: dict[str, Any] = {"labels": labels, "average": "macro", "zero_division": 0, **more}
    wanted = {
        "accuracy": sk.accuracy_score(truth, predicted, **more),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, predicted, **more),
        "log_loss": sk.log_loss(truth, whole, labels=labels, **more),
        "f1": sk.f1_score(truth, predicted, **of_classes),
        "precision": sk.precision_score(truth, predicted, **of_classes),
        "recall": sk.recall_score(truth, predicted, **of_classes),
        "roc_auc": np.mean([sk.roc_auc_score(truth == code, whole[:, code], **more) for code in labels]),
        "brier": np.average(
            np.square(whole - (truth[:, None] == np.arange(len(labels)))).sum(axis=1), weights=weight
        ),
    }
    assert found == pytest.approx(wanted, rel=1e-9)


def test_rows_of_unknown_classes_alone_are_all_wrong() -> None:
    truth, scores = np.full(50, KNOWN), np.tile([0.7, 0.2, 0.1], (50, 1))
    found = evaluate_all("multiclass", truth, scores)
    assert (found["accuracy"], found["balanced_accuracy"], found["f1"]) == (0, 0, 0)
    assert found["log_loss"] == pytest.approx(-np.log(np.finfo(float).eps))
    assert np.isnan(found["roc_auc"]), "there is nothing to tell apart"


def test_many_unknown_classes_cost_no_more_than_their_rows() -> None:
    size = 200_000
    truth, scores = np.arange(size) + KNOWN, np.tile([0.7, 0.2, 0.1], (size, 1))
    found = evaluate_all("multiclass", truth, scores)
    assert (found["accuracy"], found["roc_auc"]) == (0, 0.5)


def test_a_picture_shows_them_as_one_row() -> None:
    truth, scores = rows(2)
    matrix = curves_of(Sample.of("multiclass", truth, scores), ["a", "b", "c"]).confusion
    assert matrix is not None
    assert matrix.classes == ("a", "b", "c", UNKNOWN)
    assert matrix.counts[3].sum() == np.count_nonzero(truth >= KNOWN)
    assert matrix.counts[:, 3].sum() == 0
    assert matrix.counts.sum() == truth.size
