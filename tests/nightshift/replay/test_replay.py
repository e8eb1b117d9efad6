"""A replay's unmanaged half, and what the three ways to run a model came to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from nightshift.replay.outcome import Outcome
from nightshift.replay.unmanaged import Replay, write_unmanaged
from tests.synthetic import START, World, rows_of

FIRST = START + timedelta(days=30)
REPLAY = Replay((FIRST, FIRST + timedelta(days=4), FIRST + timedelta(days=8)), FIRST + timedelta(days=10))


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("early_stopping", [None, 4])
def test_both_ways_answer_for_every_labelled_row(
    refit: bool, early_stopping: int | None, tmp_path: Path
) -> None:
    world, frame = World(tmp_path), rows_of()
    frame.loc[frame.index[-20:], "y"] = None
    world.write(frame)
    project = world.declare(
        split={"train": "20d", "validate": "4d", "holdout": "4d"}, refit=refit,
        learner={"early_stopping": early_stopping},
    )  # fmt: skip
    steps: list[tuple[int, float]] = []
    write_unmanaged(project, REPLAY, tmp_path / "out.arrow", world.settings, lambda *told: steps.append(told))
    assert [done for done, _ in steps] == [1, 2, 3]
    found = pa.ipc.open_file(str(tmp_path / "out.arrow")).read_all().to_pandas()
    wanted = frame[(frame["seen_at"] >= FIRST) & frame["y"].notna()]
    assert found["id"].tolist() == wanted["id"].tolist()
    assert found["truth"].tolist() == wanted["y"].tolist()
    # Until the second step both are the same model; from then on one has learnt from newer rows.
    is_first = found["seen_at"] < REPLAY.moments[1]
    assert (found["never"] == found["always"])[is_first].all()
    assert (found["never"] != found["always"])[~is_first].any()


def test_metrics_margin_and_the_share_that_is_kept(tmp_path: Path) -> None:
    world, random = World(tmp_path), np.random.default_rng(3)
    world.write(rows_of())
    rows = 6_000
    chance = random.uniform(0.05, 0.95, rows)
    truth = (random.uniform(size=rows) < chance).astype(np.float64)
    blurred = {
        name: 0.5 + share * (chance - 0.5)
        for name, share in (("never", 0.2), ("managed", 0.7), ("always", 1.0))
    }
    days = np.repeat(np.arange(60), 100)
    months = np.where(days < 30, "2024-01", "2024-02")
    outcome = Outcome(world.declare(), days, months, truth, blurred)

    losses = {name: log_loss(truth, scores) for name, scores in blurred.items()}
    assert outcome.metrics("managed")["log_loss"] == pytest.approx(losses["managed"])
    share = (losses["never"] - losses["managed"]) / (losses["never"] - losses["always"])
    assert outcome.share_kept("log_loss") == pytest.approx(share)
    margin, low, high = outcome.margin("log_loss", "managed", "never")
    assert margin == pytest.approx(losses["never"] - losses["managed"])
    # Days are alike here, so the interval is that of a plain mean.
    gains = np.log(np.where(truth == 1, blurred["managed"], 1 - blurred["managed"])) - np.log(
        np.where(truth == 1, blurred["never"], 1 - blurred["never"])
    )
    assert (high - low) / 2 == pytest.approx(1.96 * gains.std() / rows**0.5, rel=0.2)
    (january, count, by), _ = outcome.by_month()
    assert (january, count) == ("2024-01", 3_000)
    assert by["always"]["roc_auc"] == pytest.approx(roc_auc_score(truth[:3_000], chance[:3_000]))
