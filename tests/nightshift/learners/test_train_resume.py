"""A training that was cut short leaves its rows and checkpoints, and the next one goes on with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.checkpoints.checkpoint import Checkpoint
from nightshift.learners import lightgbm_watch
from nightshift.learners.train import STATE, train
from tests.synthetic import World, rows_of, snapshot

LEARNER = {"rounds": 20, "early_stopping": None, "checkpoint": {"every": "5 rounds"}}


class Killed(BaseException):
    """Stands for a killed process: nobody handles it."""


def world_of(folder: Path) -> World:
    world = World(folder)
    world.write(rows_of())
    return world


def cut_short(world: World, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Train up to a round, and no further."""
    project = world.declare(learner=LEARNER)
    spent = lightgbm_watch.Watch._spent

    def killed(watch: lightgbm_watch.Watch) -> str | None:
        if watch.rounds == after:
            raise Killed
        return spent(watch)

    with monkeypatch.context() as patched:
        patched.setattr(lightgbm_watch.Watch, "_spent", killed)
        with pytest.raises(Killed):
            train(project, snapshot(world, project), "mark", world.settings)


def left(world: World) -> list[str]:
    """What lies in the store and in scratch of trainings that have not ended."""
    store = Path(world.settings.store_uri) / "checkpoints"
    scratch = world.settings.scratch_path / world.name / "encoded"
    return sorted(path.name for folder in (store, scratch) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("fresh", [False, True])
def test_it_goes_on_unless_it_is_to_be_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    whole_world, world = world_of(tmp_path / "whole"), world_of(tmp_path / "cut")
    project = whole_world.declare(learner=LEARNER)
    whole = train(project, snapshot(whole_world, project), "mark", whole_world.settings)
    assert whole.resumed_from is None
    cut_short(world, monkeypatch, 13)
    assert {"train.arrow", "validate.arrow"} <= set(left(world))
    assert any(name.endswith(".checkpoint") for name in left(world))
    project = world.declare(learner=LEARNER)
    again = train(project, snapshot(world, project), "mark", world.settings, fresh=fresh)
    assert again.model_sha256 == whole.model_sha256
    if fresh:
        assert again.resumed_from is None
    else:
        assert again.resumed_from is not None
        assert again.resumed_from.progress == "round 10 of 20"
    assert left(world) == []
    assert again.cost is not None
    assert again.cost.wall_s > 0
    state = Checkpoint.from_bytes((Path(again.path) / STATE).read_bytes())
    assert str(state.progress) == again.checkpoint == "round 20 of 20"
