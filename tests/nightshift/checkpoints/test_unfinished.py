"""Which training is on record as not done, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nightshift.checkpoints.unfinished import GIVEN_UP_AFTER, Unfinished, under_way, unfinished
from nightshift.errors import DataRefusedError, NightshiftError, RequestError, TransientError
from nightshift.store.open import open_store
from tests.synthetic import World

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_one_that_is_done_is_on_record_no_more(world: World) -> None:
    project = world.declare()
    with under_way(project, AS_OF, world.settings):
        begun = unfinished(project, world.settings)
        assert begun is not None
        assert begun.as_of == AS_OF
    assert unfinished(project, world.settings) is None


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (KeyboardInterrupt(), True),
        (TransientError("the server is away"), True),
        (DataRefusedError("no rows"), False),
        (RequestError("no such parameter"), False),
    ],
)
def test_one_that_was_cut_short_stays_unless_it_can_never_be_done(
    error: NightshiftError | KeyboardInterrupt, stays: bool, world: World
) -> None:
    project = world.declare()
    with pytest.raises(type(error)), under_way(project, AS_OF, world.settings):
        raise error
    assert (unfinished(project, world.settings) is not None) == stays


def test_another_declaration_begins_anew(world: World) -> None:
    with pytest.raises(KeyboardInterrupt), under_way(world.declare(), AS_OF, world.settings):
        raise KeyboardInterrupt
    assert unfinished(world.declare(learner={"rounds": 3}), world.settings) is None


@pytest.mark.parametrize(("age", "stays"), [(timedelta(hours=23), True), (GIVEN_UP_AFTER, False)])
def test_an_old_one_is_given_up_though_it_was_taken_up_again_and_again(
    age: timedelta, stays: bool, world: World
) -> None:
    project = world.declare()
    old = Unfinished(as_of=AS_OF, spec_hash=project.spec_hash, since=datetime.now(UTC) - age)
    open_store(world.settings).write(f"unfinished/{project.name}.json", old.model_dump_json().encode())
    found = unfinished(project, world.settings)
    assert (found is not None) == stays
    if found is not None:
        with pytest.raises(KeyboardInterrupt), under_way(project, AS_OF, world.settings):
            raise KeyboardInterrupt
        assert unfinished(project, world.settings) == old
