"""When a refitted model may go live, and when the evaluated one does instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nightshift.evaluation.agreement import LEAST_CORRELATION, MOST_DIFFERENCE, agreement, check_refit
from nightshift.learners.refit import REFIT, Refitted, refit
from nightshift.learners.train import MODEL, train
from nightshift.metrics.registry import metric
from nightshift.records import Snapshot
from nightshift.scoring.scorer import Scorer
from nightshift.spec.project import Kind, Project
from nightshift.trained import Candidate
from tests.synthetic import START, World, days, rows_of, snapshot

Case = tuple[World, Project, Candidate, Snapshot]


def case(folder: Path, kind: Kind = "binary") -> Case:
    world = World(folder, kind=kind)
    world.write(rows_of(kind))
    project = world.declare(refit=True)
    made = snapshot(world, project)
    return world, project, train(project, made, "mark", world.settings), made


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_refit_on_rows_of_the_same_world_goes_live(tmp_path: Path, kind: Kind) -> None:
    world, project, candidate, made = case(tmp_path, kind)
    found = check_refit(
        project, candidate, refit(project, candidate, made, world.settings), made, world.settings
    )
    assert found.goes_live
    assert (found.rows, found.rounds, found.learnt_until) == (1200, candidate.best_round, days(0, 40).end)
    assert "is live" in found.reasons[0]
    assert found.numbers["correlation"] is not None
    assert found.numbers["correlation"] > 0.9


def test_a_refit_on_labels_turned_round_does_not(tmp_path: Path) -> None:
    world, project, candidate, made = case(tmp_path / "right")
    turned = World(tmp_path / "turned")
    frame = rows_of()
    turned.write(frame.assign(y=1 - frame["y"]))
    wrong = refit(turned.declare(refit=True), candidate, snapshot(turned, project), turned.settings)
    found = check_refit(project, candidate, wrong, made, world.settings)
    assert not found.goes_live
    assert "is not live" in found.reasons[0]
    assert any("correlation" in reason for reason in found.reasons)
    assert any("worse than" in reason for reason in found.reasons)


def test_a_class_that_was_never_evaluated_does_not_go_live(tmp_path: Path) -> None:
    world = World(tmp_path, kind="multiclass")
    frame = rows_of("multiclass")
    frame.loc[frame["seen_at"] >= days(38, 40).start, "y"] = "brand new"
    world.write(frame)
    project = world.declare(refit=True)
    made = snapshot(world, project)
    candidate = train(project, made, "mark", world.settings)
    made_again = refit(project, candidate, made, world.settings)
    found = check_refit(project, candidate, made_again, made, world.settings)
    assert not found.goes_live
    assert "'brand new'" in found.reasons[1]
    assert Scorer.load(Path(candidate.path) / REFIT / MODEL).manifest.classes[0] == "brand new"


def chances(rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    scores = random.uniform(0.2, 0.8, rows)
    return (random.random(rows) < scores).astype(float), scores


def test_what_is_compared_is_what_numpy_makes_of_it() -> None:
    truth, scores = chances()
    other = np.clip(scores + np.random.default_rng(6).normal(0, 0.05, scores.size), 0, 1)
    found = agreement("binary", metric("log_loss"), truth, scores, other)
    assert found.agrees
    assert found.numbers["correlation"] == pytest.approx(np.corrcoef(scores, other)[0, 1])
    assert found.numbers["mean_absolute_difference"] == pytest.approx(np.mean(np.abs(scores - other)))
    assert found.numbers["spread"] == pytest.approx(np.std(scores))


def test_scores_far_away_do_not_agree_however_well_they_are_ordered() -> None:
    truth, scores = chances()
    near = 0.5 + (scores - 0.5) * 0.1
    moved = near + 1.1 * MOST_DIFFERENCE * near.std()
    found = agreement("binary", metric("roc_auc"), truth, near, moved)
    assert not found.agrees
    assert "differ by" in found.reasons[0]
    assert agreement(
        "binary", metric("roc_auc"), truth, near, near + 0.9 * MOST_DIFFERENCE * near.std()
    ).agrees


def test_scores_in_another_order_do_not_agree() -> None:
    truth, scores = chances()
    mixed = np.random.default_rng(7).permutation(scores)
    found = agreement("binary", metric("accuracy"), truth, scores, mixed)
    assert found.numbers["correlation"] is not None
    assert found.numbers["correlation"] < LEAST_CORRELATION
    assert not found.agrees


def test_a_model_that_says_the_same_of_every_row_asks_only_that_the_refit_is_not_worse() -> None:
    truth, scores = chances()
    flat = np.full(scores.size, truth.mean())
    found = agreement("binary", metric("log_loss"), truth, flat, scores)
    assert found.agrees
    assert found.numbers["correlation"] is None
    assert agreement("binary", metric("log_loss"), truth, flat, flat).agrees
    assert not agreement("binary", metric("log_loss"), truth, flat, 1 - scores).agrees


def test_scores_that_are_no_numbers_never_go_live() -> None:
    truth, scores = chances()
    broken = np.where(np.arange(scores.size) == 7, np.nan, scores)
    found = agreement("binary", metric("log_loss"), truth, scores, broken)
    assert not found.agrees
    assert "no numbers" in found.reasons[0]


def test_the_reasons_say_when_and_how_much_was_learnt(tmp_path: Path) -> None:
    world, project, candidate, made = case(tmp_path)
    done = refit(project, candidate, made, world.settings)
    moved = Refitted(done.folder, done.model_sha256, START, done.rows, done.rounds, done.cost)
    reason = check_refit(project, candidate, moved, made, world.settings).reasons[0]
    assert reason.startswith(
        f"refit on 1,200 rows known before 2024-01-01 00:00, {candidate.best_round} rounds"
    )
