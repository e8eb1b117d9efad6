"""Who may become champion and how: gates that cannot see, the word of a person, the audit, and kills in between."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from deltalake import DeltaTable

from nightshift.cleaning.clean import clean
from nightshift.errors import DataRefusedError, OutsideError, RequestError
from nightshift.evaluation.evaluate import evaluate
from nightshift.lake.audit import Audit, AuditEntry
from nightshift.lake.tables import Lake
from nightshift.learners.train import train
from nightshift.spec.project import digest
from nightshift.trained import ModelVersion
from registry.promote import PROMOTING, Move, begin, carry_out, finish, promote
from registry.register import Submission, register
from registry.served import served, standing
from registry.versions import Versions
from tests.synthetic import AS_OF, World, rows_of, snapshot

DAY = timedelta(days=1)
WITHOUT_GAP = "select * exclude (gap) from rows"


@pytest.fixture
def world(tmp_path: Path, fresh_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A project whose home has a registry with nothing in it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = World(tmp_path)
    monkeypatch.setattr("registry.run._draw", lambda *_: [])  # pictures take longer than all else here
    made.settings.home.mkdir()
    shutil.copy(fresh_mlflow, made.settings.home / "mlflow.db")
    made.write(rows_of(per_day=15))
    return made


def trained(
    world: World,
    *,
    rounds: int = 5,
    as_of: datetime = AS_OF,
    sql: str = "select * from rows",
    window: int = 30,
) -> ModelVersion:
    """A version of `window` days before `as_of`, two thirds of them to learn from."""
    part = f"{window * 24 // 6}h"
    project = world.declare(
        sql,
        split={"train": f"{window * 24 - 2 * (window * 24 // 6)}h", "validate": part, "holdout": part},
        learner={"rounds": rounds, "early_stopping": None},
    )
    made = snapshot(world, project, as_of=as_of)
    candidate = train(project, made, digest(project.spec_hash, as_of), world.settings)
    evaluation = evaluate(project, candidate, made, world.settings)
    return register(Submission(project, made, candidate, evaluation), world.settings).version


def held(world: World) -> dict[str, int]:
    every = Versions.of(world.name, world.settings).all()
    return {alias: one.version for one in every for alias in one.aliases}


def audit(world: World) -> list[AuditEntry]:
    return Audit(Lake.of(world.name, world.settings)).entries()


def moves(world: World) -> list[tuple[int | None, int, str]]:
    return [(one.from_version, one.version, one.by) for one in audit(world)]


def test_a_training_of_an_earlier_day_waits_however_good_it_is(world: World) -> None:
    trained(world, rounds=1)
    older = trained(world, rounds=20, as_of=AS_OF - DAY)
    assert (older.promoted, older.waits, held(world)) == (False, True, {"champion": 1})
    assert "as of 2024-02-09, and the champion, version 1, as of 2024-02-10" in older.reasons[0]
    same = trained(world, rounds=20)
    assert (same.promoted, held(world)) == (True, {"champion": 3, "previous": 1})


def test_a_champion_that_cannot_score_stays_and_the_candidate_waits_for_a_word(world: World) -> None:
    trained(world, rounds=1)
    found = trained(world, rounds=20, as_of=AS_OF + DAY, sql=WITHOUT_GAP)
    assert (found.promoted, found.waits, held(world)) == (False, True, {"champion": 1})
    assert (
        "the champion, version 1, cannot score the holdout: the rows lack the column 'gap'"
        in found.reasons[0]
    )
    done = promote(world.name, "2", " ada ", "gap is gone for good", world.settings)
    assert (done.changed, done.from_version, held(world)) == (True, 1, {"champion": 2, "previous": 1})
    assert Versions.of(world.name, world.settings).chosen("2").promoted
    last = audit(world)[-1]
    assert (last.by, last.reason, last.version, last.from_version) == ("ada", "gap is gone for good", 2, 1)
    assert (last.as_of, last.run_id) == (found.as_of, found.run_id)


def test_a_candidate_that_knows_a_new_class_takes_the_place_of_one_that_does_not(world: World) -> None:
    world = World(world.folder, kind="multiclass")
    frame = rows_of("multiclass", per_day=30)
    frame.loc[(frame["seen_at"] >= AS_OF - 25 * DAY) & (frame["x"] > 0.3), "y"] = "new"
    world.write(frame)
    old = trained(world, rounds=20, as_of=AS_OF - 26 * DAY, window=13)
    assert (old.version, old.promoted) == (1, True)
    made = trained(world, rounds=20)
    assert held(world) == {"champion": 2, "previous": 1}
    assert made.reasons[0].startswith("better")
    versions = Versions.of(world.name, world.settings)
    assert "new" not in versions.scorer(versions.chosen("1")).manifest.classes
    assert "new" in versions.scorer(made).manifest.classes


def test_every_promotion_is_in_the_audit_once(world: World) -> None:
    trained(world, rounds=1)
    trained(world, rounds=1)  # the same again: nothing new
    trained(world, rounds=20)
    trained(world, rounds=2, as_of=AS_OF - DAY)
    assert moves(world) == [(None, 1, "train"), (1, 2, "train")]
    promote(world.name, "3", "ada", "older is right", world.settings)
    again = promote(world.name, "champion", "bob", "to be sure", world.settings)
    assert not again.changed
    promote(world.name, "previous", "bob", "back", world.settings)
    assert moves(world)[2:] == [(2, 3, "ada"), (3, 2, "bob")]
    assert held(world) == {"champion": 2, "previous": 3}
    assert [one.at for one in audit(world)] == sorted(one.at for one in audit(world))


@pytest.mark.parametrize(
    ("by", "reason", "named"), [("", "why", "--by"), (" ", "why", "--by"), ("me", "\n", "--reason")]
)
def test_who_and_why_have_to_be_said(world: World, by: str, reason: str, named: str) -> None:
    with pytest.raises(RequestError, match=f"{named} is empty"):
        promote(world.name, "1", by, reason, world.settings)


def test_what_is_not_there_or_not_whole_is_not_promoted(world: World) -> None:
    trained(world, rounds=20)
    trained(world, rounds=1)
    for wanted in ("7", "challenger", "-1", "1.0"):
        with pytest.raises(RequestError, match="has no"):
            promote(world.name, wanted, "ada", "try", world.settings)
    versions = Versions.of(world.name, world.settings)
    (versions.folder(versions.chosen("2")) / "model.txt").write_text("tree")
    with pytest.raises(DataRefusedError, match="is not the one that was saved"):
        promote(world.name, "2", "ada", "try", world.settings)
    assert held(world) == {"champion": 1}
    assert moves(world) == [(None, 1, "train")]


class Killed(BaseException):
    """Stands for the end of the process."""


class DyingClient:
    """A client of MLflow that lives for so many writes."""

    def __init__(self, client: Any, writes: int) -> None:
        self._client, self._left = client, writes

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if name.startswith(("set_", "delete_")):
                if not self._left:
                    raise Killed
                self._left -= 1
            return found(*arguments, **named)

        return call


@pytest.mark.parametrize(
    ("finisher", "kills"), [("predict", (1, 2, 3, 4, 5)), ("register", (2,)), ("promote", (1, 4))]
)
def test_a_promotion_that_was_cut_short_is_finished_by_the_next_run(
    world: World, finisher: str, kills: tuple[int, ...]
) -> None:
    trained(world, rounds=20)
    trained(world, rounds=1)
    whole = Versions.of(world.name, world.settings)
    second = whole.chosen("2")
    for writes in kills:
        move = Move.meant(whole.champion(), "ada", f"after {writes} writes")
        dying = Versions(world.name, DyingClient(whole.client, writes), world.settings)  # type: ignore[arg-type]
        with pytest.raises(Killed):
            _promote(dying, second, move)
        if finisher == "predict":
            found = standing(world.name, world.settings)
            assert found is not None
            assert found.version.version == 2
        elif finisher == "register":
            trained(world, rounds=1)
        else:
            assert not promote(world.name, "2", "bob", "again", world.settings).changed
        assert held(world) == {"champion": 2, "previous": 1}
        assert [one.reason for one in audit(world)].count(move.reason) == 1
        assert PROMOTING not in whole.client.get_model_version(world.name, "2").tags
        promote(world.name, "1", "bob", "back to the beginning", world.settings)
    finish(whole)
    assert len(audit(world)) == 1 + 2 * len(kills)


def _promote(versions: Versions, version: ModelVersion, move: Move) -> None:
    begin(versions, version.version, move)
    carry_out(versions, version, move)


def test_a_move_that_the_audit_could_not_be_told_of_is_written_down_later(world: World) -> None:
    trained(world, rounds=20)
    trained(world, rounds=1)
    uri = Path(Audit(Lake.of(world.name, world.settings)).uri)
    uri.rename(uri.with_name("away"))
    uri.touch()  # no folder, and so no table
    with pytest.raises(OutsideError):
        promote(world.name, "2", "ada", "try", world.settings)
    assert held(world) == {"champion": 2, "previous": 1}
    uri.unlink()
    uri.with_name("away").rename(uri)
    assert standing(world.name, world.settings) is not None
    assert moves(world) == [(None, 1, "train"), (1, 2, "ada")]


def test_what_was_not_begun_has_not_happened(world: World) -> None:
    trained(world, rounds=20)
    trained(world, rounds=1)
    whole = Versions.of(world.name, world.settings)
    dying = Versions(world.name, DyingClient(whole.client, 0), world.settings)  # type: ignore[arg-type]
    with pytest.raises(Killed):
        begin(dying, 2, Move.meant(whole.champion(), "ada", "try"))
    finish(whole)
    assert (held(world), moves(world)) == ({"champion": 1}, [(None, 1, "train")])


def test_as_of_an_earlier_moment_an_earlier_version_is_used(world: World) -> None:
    for place in (4, 2, 0):
        made = trained(world, rounds=5 - place, as_of=AS_OF - place * DAY)
        promote(world.name, str(made.version), "ada", "one after another", world.settings)
    assert held(world) == {"champion": 3, "previous": 2}

    def used(as_of: datetime | None, **more: bool) -> int | None:
        found = standing(world.name, world.settings, as_of, **more)
        return None if found is None else found.version.version

    assert [used(as_of) for as_of in (None, AS_OF, AS_OF + DAY)] == [3, 3, 3]
    assert [used(AS_OF - days * DAY) for days in (1, 2, 3, 4, 5)] == [2, 2, 1, 1, None]
    assert [used(AS_OF - days * DAY, before=True) for days in (0, 2, 4)] == [2, 1, None]
    chosen = served(world.name, None, world.settings, AS_OF - 3 * DAY)
    assert "Version 1 is used, trained as of 2024-02-06: the champion, version 3" in chosen.note
    assert served(world.name, "2", world.settings, AS_OF - 3 * DAY).version.version == 2
    with pytest.raises(
        RequestError, match="no promoted version of 'demo' was trained as of 2024-02-05"
    ) as error:
        served(world.name, None, world.settings, AS_OF - 5 * DAY)
    assert "--version 3" in error.value.remedy


def test_versions_that_were_never_promoted_do_not_stand_in_but_those_of_a_person_do(world: World) -> None:
    trained(world, rounds=1)
    backfill = trained(world, rounds=20, as_of=AS_OF - 2 * DAY)
    assert standing(world.name, world.settings, AS_OF - DAY) is None
    promote(world.name, str(backfill.version), "ada", "for the replay", world.settings)
    promote(world.name, "1", "ada", "and back", world.settings)
    found = standing(world.name, world.settings, AS_OF - DAY)
    assert found is not None
    assert found.version.version == backfill.version
    promote(world.name, str(backfill.version), "ada", "rolled back", world.settings)
    found = standing(world.name, world.settings, AS_OF + DAY)
    assert found is not None
    assert found.version.version == backfill.version, "the champion comes first"


def test_gc_leaves_the_audit_alone(world: World) -> None:
    trained(world, rounds=1)
    uri = Audit(Lake.of(world.name, world.settings)).uri
    before = DeltaTable(uri).version()
    cleaned = clean(world.name, frozenset({0}), timedelta(0), world.settings)
    assert "audit" not in cleaned.freed
    assert DeltaTable(uri).version() == before
    assert DeltaTable(uri).metadata().configuration["delta.appendOnly"] == "true"
    frame = DeltaTable(uri).to_pandas()  # as the docs have it
    assert frame[["version", "by"]].values.tolist() == [[1, "train"]]
    assert frame["reason"][0].startswith("first version")
    assert pd.Timestamp(frame["at"][0]).tzinfo is not None


def test_an_old_registry_without_an_audit_goes_on(world: World) -> None:
    trained(world, rounds=1)
    shutil.rmtree(Audit(Lake.of(world.name, world.settings)).uri)
    assert audit(world) == []
    assert standing(world.name, world.settings) is not None
    trained(world, rounds=20)
    assert moves(world) == [(1, 2, "train")]


def test_entries_of_many_writers_are_all_kept_once(world: World) -> None:
    table = Audit(Lake.of("shared", world.settings))
    entries = [
        AuditEntry(
            id=str(number), at=datetime(2024, 1, 1, number, tzinfo=UTC), project="shared", version=number + 1,
            from_version=None, by="train", reason="", as_of=AS_OF, run_id="",
        )
        for number in range(6)
    ]  # fmt: skip
    for entry in [*entries, *reversed(entries)]:
        Audit(Lake.of("shared", world.settings)).append(entry)
    assert table.entries() == entries
    assert table.has("5")
    assert not table.has("6")
