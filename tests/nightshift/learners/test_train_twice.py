"""The same training in two processes at once: one trains, the other waits or is told, and the model is the same."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from nightshift.errors import TransientError
from nightshift.learners import lightgbm_watch
from nightshift.learners.train import restore_trained, train
from nightshift.locks import only_one
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from tests.synthetic import World, rows_of, snapshot

pytestmark = pytest.mark.timeout(120)

LEARNER = {"rounds": 20, "early_stopping": None, "checkpoint": {"every": "5 rounds"}}


def held_up(project: Project, rows: Snapshot, settings: Settings, parent: Connection) -> None:
    """Train in this process: halfway say so, and wait to be told to go on; at the end say which model it is."""
    spent = lightgbm_watch.Watch._spent

    def asked(watch: lightgbm_watch.Watch) -> str | None:
        if watch.rounds == 10:
            parent.send("halfway")
            parent.recv()
        return spent(watch)

    lightgbm_watch.Watch._spent = asked  # type: ignore[method-assign]
    parent.send(train(project, rows, "mark", settings).model_sha256)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.write(rows_of())
    return world


def test_a_second_one_is_told_and_then_gets_the_same_model(world: World) -> None:
    project = world.declare(learner=LEARNER)
    rows = snapshot(world, project)
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    first = context.Process(target=held_up, args=(project, rows, world.settings, there))
    first.start()
    assert here.recv() == "halfway"
    with pytest.raises(TransientError, match=rf"\(process {first.pid} since") as raised:
        train(project, rows, "mark", world.settings)
    assert "wait until it ends" in raised.value.remedy
    # Another recipe's training is none of its business.
    train(project, rows, "another mark", world.settings)
    here.send("go on")
    made = here.recv()
    first.join()
    assert train(project, rows, "mark", world.settings).model_sha256 == made


def test_a_patient_second_one_waits_and_goes_on_where_a_killed_first_one_was(world: World) -> None:
    project = world.declare(learner=LEARNER)
    rows = snapshot(world, project)
    whole = train(project, rows, "undisturbed", world.settings)
    patient = world.settings.model_copy(update={"wait_seconds": 60.0})
    context = multiprocessing.get_context("spawn")
    here, there = multiprocessing.Pipe()
    first = context.Process(target=held_up, args=(project, rows, world.settings, there))
    first.start()
    assert here.recv() == "halfway"
    mine, its = multiprocessing.Pipe()
    second = context.Process(target=held_up, args=(project, rows, patient, its))
    second.start()
    assert not mine.poll(4), "it trains while another one does"
    first.kill()
    assert mine.poll(30)
    said = mine.recv()
    if said == "halfway":
        mine.send("go on")
        said = mine.recv()
    second.join()
    assert said == whole.model_sha256


def test_who_has_the_projects_lock_may_train(world: World) -> None:
    project = world.declare(learner=LEARNER)
    rows = snapshot(world, project)
    with only_one("train", project.name, world.settings):
        candidate = train(project, rows, "mark", world.settings)
        restore_trained(project, candidate, rows, world.settings)
