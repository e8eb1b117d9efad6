"""Others write to the same registry, and people delete what they like there: each is said, and nothing breaks of it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from deployments.commands import list_models
from deployments.gc import clean_projects
from deployments.screen import Screen
from nightshift.cleaning.clean import clean
from nightshift.errors import DataRefusedError, RequestError
from nightshift.lake.tables import Lake
from nightshift.scoring.scorer import Scorer
from registry.listing import RECORD, OtherVersion
from registry.promote import promote
from registry.recorded import recorded
from registry.register import register
from registry.served import served, standing
from registry.versions import Versions
from tests.registry.test_register import registered, submission, world
from tests.synthetic import World, rows_of

__all__ = ["world"]  # the fixture
NEVER = timedelta(days=0)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, fresh_mlflow: Path) -> World:
    """A project with one version, which tests may add to; what they change of the first they put right again."""
    made = World(tmp_path_factory.mktemp("shared"))
    made.settings.home.mkdir()
    shutil.copy(fresh_mlflow, made.settings.home / "mlflow.db")
    made.write(rows_of())
    registered(made, rounds=2)
    return made


@pytest.fixture
def one(shared: World) -> Iterator[World]:
    """The shared project, its first version champion and as it was made."""
    client = versions_of(shared).client
    tags = client.get_model_version(shared.name, "1").tags
    client.set_registered_model_alias(shared.name, "champion", "1")
    yield shared
    for name, value in tags.items():
        client.set_model_version_tag(shared.name, "1", name, value)
    for version in client.search_model_versions(f"name = '{shared.name}'"):
        if version.version != "1" and int(version.version) > 1:
            client.delete_model_version(shared.name, version.version)


def versions_of(world: World) -> Versions:
    return Versions.of(world.name, world.settings)


def by_another_tool(world: World, client: MlflowClient) -> str:
    """A version without anything of ours."""
    return str(client.create_model_version(world.name, "s3://elsewhere/model").version)


def damaged(world: World, client: MlflowClient) -> str:
    client.set_model_version_tag(world.name, "1", RECORD, "{not json")
    return "1"


def without_record(world: World, client: MlflowClient) -> str:
    client.delete_model_version_tag(world.name, "1", RECORD)
    return "1"


def of_a_later_format(world: World, client: MlflowClient) -> str:
    text = client.get_model_version(world.name, "1").tags[RECORD]
    client.set_model_version_tag(world.name, "1", RECORD, text.replace("{", '{"invented_later": 1, ', 1))
    return "1"


def lacking_a_field(world: World, client: MlflowClient) -> str:
    client.set_model_version_tag(world.name, "1", RECORD, '{"project": "demo"}')
    return "1"


def of_another_project(world: World, client: MlflowClient) -> str:
    tags = client.get_model_version(world.name, "1").tags
    copied = {**tags, RECORD: tags[RECORD].replace('"project":"demo"', '"project":"other"', 1)}
    return str(client.create_model_version(world.name, "s3://elsewhere/model", tags=copied).version)


STRANGE: dict[str, tuple[Callable[[World, MlflowClient], str], str]] = {
    "another tool's": (by_another_tool, "was made by another tool: it has no record of Nightshift's"),
    "damaged": (damaged, "has a damaged record"),
    "without record": (without_record, "has lost its record"),
    "of a later format": (
        of_a_later_format,
        "has a record of a later version of Nightshift (invented_later)",
    ),
    "lacking a field": (lacking_a_field, "has a record that cannot be read (version: Field required)"),
    "copied": (of_another_project, "was copied from the project 'other'"),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_a_version_that_is_no_use_is_told_and_nothing_takes_its_place(strange: str, one: World) -> None:
    make, why = STRANGE[strange]
    versions = versions_of(one)
    number = make(one, versions.client)
    listing = versions.listed()
    (other,) = listing.others
    assert (str(other.version), other.why) == (number, why)
    assert all(str(found.version) != number for found in versions.all())
    with pytest.raises(RequestError, match=f"version {number} of demo") as caught:
        versions.chosen(number)
    assert why in caught.value.what
    assert number not in caught.value.valid
    with pytest.raises(RequestError, match=f"version {number} of demo"):
        recorded(one.name, number, one.settings)
    versions.client.set_registered_model_alias(one.name, "champion", number)
    for ask in (
        lambda: standing(one.name, one.settings),
        lambda: served(one.name, None, one.settings),
        lambda: versions_of(one).champion(),
    ):
        with pytest.raises(RequestError, match=f"version {number} of demo, which holds the alias champion, "):
            ask()


@pytest.mark.parametrize("strange", ["another tool's", "damaged"])
def test_and_when_it_is_champion_a_candidate_waits(strange: str, one: World) -> None:
    make, why = STRANGE[strange]
    client = versions_of(one).client
    number = make(one, client)
    client.set_registered_model_alias(one.name, "champion", number)
    made = registered(one, rounds=20 + len(strange))
    assert not made.promoted
    assert made.reasons[0] == f"the champion, version {number}, {why}; it waits for a person"
    assert str(client.get_model_version_by_alias(one.name, "champion").version) == number
    done = promote(one.name, str(made.version), "me", "the other one is none of ours", one.settings)
    assert (done.changed, done.from_version) == (True, int(number))
    found = standing(one.name, one.settings)
    assert found is not None
    assert found.version.version == made.version


def test_rows_of_a_version_that_cannot_be_read_stay(one: World, caplog: pytest.LogCaptureFixture) -> None:
    versions = versions_of(one)
    assert versions.listed().data_versions == {0}
    damaged(one, versions.client)
    assert versions.listed().data_versions == {0}, "a tag for people still tells"
    versions.client.delete_model_version_tag(one.name, "1", "data_version")
    assert versions.listed().data_versions is None
    cleaned = clean(one.name, None, NEVER, one.settings)
    assert "dataset" not in cleaned.freed
    assert cleaned.kept_versions is None
    assert "some version of demo cannot be read" in caplog.text
    assert Lake.of(one.name, one.settings).read("dataset", 0).count_rows() == 1200


def test_another_tools_versions_need_no_rows_of_ours_and_gc_names_them(
    one: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(one.settings.home))
    monkeypatch.setenv("NIGHTSHIFT_PROJECTS", str(one.settings.projects))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    number = by_another_tool(one, versions_of(one).client)
    assert versions_of(one).listed().data_versions == {0}
    clean_projects(Screen(as_json=False), [], "7d", dry_run=False)
    said = " ".join(capsys.readouterr().out.split())
    assert f"demo: version {number} was made by another tool: it has no record of Nightshift's." in said
    list_models(Screen(as_json=False), one.name)
    said = " ".join(capsys.readouterr().out.split())
    assert f"version {number} was made by another tool: it has no record of Nightshift's" in said


def test_a_version_whose_record_was_damaged_is_made_again(world: World) -> None:
    given = submission(world, rounds=2)
    register(given, world.settings)
    damaged(world, versions_of(world).client)
    again = register(given, world.settings)
    assert (again.is_new, again.version.version) == (True, 2)


def test_a_deleted_run_goes_on_serving_and_a_deleted_experiment_is_restored(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first = registered(world, rounds=2)
    client = versions_of(world).client
    client.delete_run(first.run_id)
    found = standing(world.name, world.settings)
    assert found is not None
    assert isinstance(Scorer.load(Path(found.folder)), Scorer)
    client.delete_experiment(client.get_run(first.run_id).info.experiment_id)
    assert [one.version for one in versions_of(world).all()] == [1]
    assert isinstance(versions_of(world).scorer(first), Scorer)
    with caplog.at_level(logging.WARNING):
        made = registered(world, rounds=20)
    assert made.version == 2
    assert "experiment demo had been deleted, and is restored" in caplog.text
    assert client.get_run(first.run_id).info.lifecycle_stage == "active"


def test_files_and_runs_that_are_gone_are_told_by_their_version(world: World) -> None:
    first = registered(world, rounds=2)
    root = world.settings.artifacts_path / world.name / first.run_id / "artifacts"
    for text in ("{", "7"):
        (root / "environment.json").write_text(text)
        with pytest.raises(DataRefusedError, match=r"the version's environment.json, .* is damaged"):
            recorded(world.name, "1", world.settings)
    for what in ("model/data/model/model.txt", "model", ""):
        aside = world.folder / "aside"
        (root / what).rename(aside)
        with pytest.raises(
            DataRefusedError, match=r"of version 1 of demo are gone|is not the one that was saved"
        ):
            Scorer.load(Path(served(world.name, None, world.settings).folder))
        assert [one.version for one in versions_of(world).all()] == [1]
        aside.rename(root / what)
    client = versions_of(world).client
    client.delete_run(first.run_id)
    client._tracking_client.store._hard_delete_run(first.run_id)  # what `mlflow gc` does
    shutil.rmtree(root)
    with pytest.raises(DataRefusedError, match=r"the run of version 1 of demo is gone from MLflow") as caught:
        served(world.name, None, world.settings)
    assert "nightshift models demo" in caught.value.remedy
    assert versions_of(world).listed().data_versions == {0}
    made = registered(world, rounds=20)
    assert made.version == 2
    assert "version 1, cannot score" in made.reasons[0]


def test_what_people_rename_or_delete_is_begun_anew(world: World) -> None:
    registered(world, rounds=2)
    client = versions_of(world).client
    client.delete_model_version(world.name, "1")
    assert standing(world.name, world.settings) is None
    assert versions_of(world).all() == []
    with pytest.raises(RequestError, match="has no champion yet"):
        served(world.name, None, world.settings)
    client.rename_registered_model(world.name, "elsewhere")
    client.create_registered_model(world.name)
    number = by_another_tool(world, client)
    with pytest.warns(FutureWarning, match="stage"):
        client.transition_model_version_stage(world.name, number, "Production")
    assert versions_of(world).listed().data_versions == frozenset(), "and so gc leaves the dataset alone"
    made = registered(world, rounds=3)
    assert (made.version, made.aliases) == (2, ("champion",))
    client.set_registered_model_alias(world.name, "best", number)
    assert isinstance(versions_of(world).holder("best"), OtherVersion)
    client.delete_registered_model(world.name)
    assert versions_of(world).all() == []
    assert standing(world.name, world.settings) is None
