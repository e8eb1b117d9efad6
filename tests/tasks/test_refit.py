"""The step between an evaluated candidate and its registration."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.learners.refit import REFIT
from nightshift.learners.train import train
from nightshift.trained import Candidate
from tasks.refit import refit
from tests.synthetic import World, rows_of, snapshot


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(made.settings.home))
    monkeypatch.setenv("NIGHTSHIFT_DATA", str(made.settings.data))
    made.write(rows_of())
    return made


def stepped(world: World, *, wanted: bool) -> tuple[Candidate, Candidate]:
    project = world.declare(refit=wanted)
    made = snapshot(world, project)
    candidate = train(project, made, "mark", world.settings)
    return candidate, refit.fn(project, candidate, made, mark="mark")


def test_a_project_that_does_not_ask_for_it_goes_on_as_it_was(world: World) -> None:
    candidate, after = stepped(world, wanted=False)
    assert after == candidate
    assert not (Path(candidate.path) / REFIT).exists()


def test_a_project_that_asks_has_its_refit_checked(world: World) -> None:
    candidate, after = stepped(world, wanted=True)
    assert after.refit is not None
    assert after.refit_goes_live
    assert after.live_sha256 != candidate.model_sha256
    assert after.model_copy(update={"refit": None}) == candidate
    assert Candidate.model_validate_json(after.model_dump_json()) == after
