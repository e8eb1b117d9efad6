"""Nights on which something is missing, wrong or in the way: one clear error, or a night that says what it lacks."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client

from deployments import notifications
from deployments.stack import down
from nightshift.locks import only_one
from nightshift.settings import Settings
from tests.conftest import (
    MakeProject,
    RunCli,
    SmallProject,
    cli_command,
    cli_environment,
    declare_project,
    speaking_to,
)
from tests.deployments.test_deploy import Place, until, write_prefect_yaml
from tests.e2e.conftest import kept_state, variables
from tests.e2e.test_bad_input import assert_one_clear_error

pytestmark = pytest.mark.timeout(600)

NAME = "nights"
ROWS = 4_000  # 100 a day
DECLARED: dict[str, Any] = {
    "split": {"train": "14d", "validate": "3d", "holdout": "3d"},
    "night": {"schedule": "0 0 * * *"},
}
FIRST = "2024-02-20"
NIGHT = ("nightly", NAME, "--as-of", "2024-02-27")
LOOK = ("monitor", NAME, "--as-of", "2024-02-27")


@pytest.fixture(scope="module")
def first_place(tmp_path_factory: pytest.TempPathFactory, prefect_api: str, fresh_mlflow: Path) -> Path:
    """A folder with a home, a project and its data, in which the first night was done, and a copy of all that."""
    place = tmp_path_factory.mktemp("first") / "place"
    (place / "home").mkdir(parents=True)
    shutil.copy(fresh_mlflow, place / "home" / "mlflow.db")
    declare_project(place / "projects", place / "data", "binary", ROWS, name=NAME, **DECLARED)
    subprocess.run(
        cli_command("nightly", NAME, "--as-of", FIRST),
        env=cli_environment(prefect_api, variables(place)), cwd=place, check=True, capture_output=True, timeout=280,
    )  # fmt: skip
    shutil.copytree(place, place.with_name("copy"))
    return place


@pytest.fixture
def nights(first_place: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """The project of the first night, as it was after it."""
    shutil.rmtree(first_place)
    shutil.copytree(first_place.with_name("copy"), first_place)
    for name, value in variables(first_place).items():
        monkeypatch.setenv(name, value)
    return SmallProject(NAME, "binary", first_place / "projects" / NAME, first_place / "data" / NAME)


def home_of(project: SmallProject) -> Path:
    return project.folder.parents[1] / "home"


def decisions(project: SmallProject, home: Path | None = None) -> list[dict[str, Any]]:
    table = DeltaTable((home or home_of(project)) / "store" / "lake" / project.name / "decisions")
    rows: list[dict[str, Any]] = table.to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda row: row["as_of"])


def is_from(rows: pa.Table, day: str) -> Any:
    since = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return pc.greater_equal(rows["sold_at"], pa.scalar(since))


def rewrite(project: SmallProject, column: str, since: str, value: object) -> None:
    """Give one column of the source the same value, in all rows from a day on."""
    rows = project.rows()
    place = rows.schema.get_field_index(column)
    kind = rows.schema.field(place).type
    values = pc.if_else(is_from(rows, since), pa.scalar(value, kind), rows[column])
    project.write_rows(rows.set_column(place, column, values))


def without_new_rows(project: SmallProject) -> None:
    """Nothing has come in since the first night."""
    rows = project.rows()
    project.write_rows(rows.filter(pc.invert(is_from(rows, FIRST))))


# What is refused.


@pytest.mark.parametrize(
    ("drift", "says"),
    [
        ({"cooldown": "40d"}, ("cooldown is 40d and max_age 30d", "too old before")),
        ({"trips": {"windows": 5, "of": 3}}, ("5", "3", "drift.trips")),
        ({"freeze": [{"from": "2024-03-01", "to": "2024-02-01"}]}, ("2024-03-01", "earlier")),
        ({"max_age": None, "feature_drift": "watch", "performance": {"realised": "watch", "estimated": "watch"}},
         ("nothing could ever lead to a retrain", "freeze: true")),
        ({"signals": {"psy": {"enabled": True}}}, ("'psy'", "did you mean 'psi'", "drift.signals")),
        ({"signals": {"psi": {"flor": 1}}}, ("'flor'", "did you mean 'floor'")),
    ],
    ids=["cooldown over age", "trips", "freeze backwards", "no way to a retrain", "unknown signal", "unknown key"],
)  # fmt: skip
@pytest.mark.parametrize(
    "words",
    [pytest.param(NIGHT, id="nightly"), pytest.param(LOOK, id="monitor", marks=pytest.mark.slow)],
)
def test_a_policy_that_cannot_be_meant_is_refused(
    words: tuple[str, ...],
    drift: dict[str, Any],
    says: tuple[str, ...],
    nights: SmallProject,
    run_cli: RunCli,
) -> None:
    nights.declare(drift=drift)
    before = kept_state(home_of(nights))
    assert_one_clear_error(run_cli(*words), 2, says)
    assert kept_state(home_of(nights)) == before


def test_an_unknown_signal_is_refused_before_there_is_a_champion(
    make_project: MakeProject, home: Path, run_cli: RunCli
) -> None:
    project = make_project(rows=ROWS, drift={"signals": {"psy": {}}}, **DECLARED)
    before = kept_state(home)
    done = run_cli("nightly", project.name, "--as-of", FIRST)
    assert_one_clear_error(done, 2, ("'psy'", "did you mean 'psi'", "drift.signals"))
    assert kept_state(home) == before


def test_a_project_that_was_deleted_is_told_with_the_nearest_name(
    nights: SmallProject, run_cli: RunCli
) -> None:
    before = kept_state(home_of(nights))
    nights.folder.rename(nights.folder.with_name("knights"))
    SmallProject("knights", "binary", nights.folder.with_name("knights"), nights.data).declare(name="knights")
    for words in (NIGHT, LOOK):
        assert_one_clear_error(run_cli(*words), 2, (f"'{NAME}'", "did you mean 'knights'"))
    assert kept_state(home_of(nights)) == before


def test_a_second_night_is_told_who_is_at_it(nights: SmallProject, run_cli: RunCli) -> None:
    home = home_of(nights)
    before = kept_state(home)
    with only_one("nightly", NAME, Settings(home=home)):
        holder = (home / "locks" / f"{NAME}.nightly.holder").read_text()
        done = run_cli(*NIGHT)
    assert_one_clear_error(done, 4, (holder, "another nightly", "wait until it ends"))
    assert kept_state(home) == before


def test_a_window_without_rows_is_a_night_on_hold(nights: SmallProject, run_cli: RunCli) -> None:
    without_new_rows(nights)
    assert_one_clear_error(run_cli(*NIGHT), 3, ("has no rows", "[2024-02-20, 2024-02-27)"))
    first, failed = decisions(nights)
    assert (first["state"], failed["state"], failed["action"]) == ("done", "failed", "hold")
    assert "\n" not in failed["error"]
    before = kept_state(home_of(nights))
    assert_one_clear_error(run_cli(*LOOK), 3, ("has no rows",))
    assert kept_state(home_of(nights)) == before


def test_a_first_night_without_enough_rows_trains_nothing(
    make_project: MakeProject, home: Path, run_cli: RunCli
) -> None:
    project = make_project(rows=ROWS, **DECLARED)
    done = run_cli("nightly", project.name, "--as-of", "2024-01-23")
    assert_one_clear_error(done, 3, ())
    (failed,) = decisions(project, home)
    assert (failed["state"], failed["trained"]) == ("failed", None)
    assert kept_state(home)["model_versions"] == []


# What is said, and the night goes on.


def done_night(run_cli: RunCli, day: str = "2024-02-27") -> dict[str, Any]:
    done = run_cli("nightly", NAME, "--as-of", day)
    assert done.code == 0, done
    assert "Traceback" not in done.stderr
    assert "RuntimeWarning" not in done.stderr
    return done.json


def test_a_night_without_new_rows_predicts_nothing(nights: SmallProject, run_cli: RunCli) -> None:
    without_new_rows(nights)
    night = done_night(run_cli, "2024-02-22")
    assert night["steps"]["predict"] == {"state": "skipped"}
    assert night["predictions"] is None
    assert [row["state"] for row in decisions(nights)] == ["done", "done"]


def test_labels_that_never_come_are_said(nights: SmallProject, run_cli: RunCli) -> None:
    rewrite(nights, "late", FIRST, None)
    night = done_night(run_cli)
    realised = night["realised"]
    assert (realised["rows"], realised["labelled"], realised["coverage"]) == (700, 0, 0.0)
    assert (realised["metrics"], realised["loss"]) == ({}, None)
    assert any("0 of 700" in reason for reason in night["reasons"]), night["reasons"]
    assert night["estimated"]["rows"] == 700
    assert night["estimated"]["metrics"]["roc_auc"] is not None
    assert night["predictions"]["rows_scored"] == 700


@pytest.mark.parametrize("label", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_labels_of_one_class_leave_what_needs_two_untold(
    label: int, nights: SmallProject, run_cli: RunCli
) -> None:
    rewrite(nights, "late", FIRST, label)
    night = done_night(run_cli)
    realised = night["realised"]
    assert (realised["labelled"], realised["metrics"]["roc_auc"], realised["loss"]) == (700, None, None)
    assert realised["metrics"]["log_loss"] > 0
    assert any("cannot be told" in reason for reason in night["reasons"]), night["reasons"]


@pytest.mark.slow
def test_constant_scores_are_watched_without_a_fault(make_project: MakeProject, run_cli: RunCli) -> None:
    project = make_project(rows=ROWS, name=NAME, **DECLARED)
    rows = project.rows()
    random = np.random.default_rng(3)
    for name, values in {
        "x": np.zeros(ROWS), "z": np.zeros(ROWS), "shop": ["east"] * ROWS,
        "late": random.integers(0, 2, ROWS).astype(np.int32),
    }.items():  # fmt: skip
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values))
    project.write_rows(rows)
    first = run_cli("nightly", NAME, "--as-of", FIRST)
    assert first.code == 0, first
    assert first.json["promoted"], first.json
    night = done_night(run_cli)
    assert night["predictions"]["rows_scored"] == 700
    assert night["realised"]["metrics"]["roc_auc"] == pytest.approx(0.5)
    look = run_cli(*LOOK)
    assert look.code == 0, look
    assert [one for one in look.json["signals"] if one["family"] == "prediction" and one["alarm"]] == []


@pytest.mark.parametrize("place", [pytest.param("candidates", marks=pytest.mark.slow), "predictions"])
def test_a_night_that_is_told_to_end_is_done_by_the_next(
    place: str, make_project: MakeProject, home: Path, run_cli: RunCli, prefect_api: str
) -> None:
    project = make_project(rows=ROWS, name=NAME, learner={"rounds": 300, "early_stopping": None}, **DECLARED)
    scratch = home / "scratch" / NAME / "candidates"
    log = home / "store" / "lake" / NAME / "predictions" / "_delta_log"
    marks: dict[str, Callable[[], bool]] = {
        "candidates": lambda: any(scratch.glob(".*.partial")),
        "predictions": lambda: any(log.glob("*.json")),
    }
    process = subprocess.Popen(
        cli_command("nightly", NAME, "--as-of", FIRST),
        cwd=home.parent, env=cli_environment(prefect_api), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not marks[place]():
        assert process.poll() is None, "it ended before it was told to"
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=120)
    assert process.returncode in (143, 0), told
    assert "Traceback" not in told
    again = run_cli("nightly", NAME, "--as-of", FIRST)
    assert again.code == 0, again
    (night,) = decisions(project, home)
    assert (night["state"], night["action"], night["trained"], night["promoted"]) == (
        "done",
        "retrain",
        1,
        True,
    )
    versions = kept_state(home)["model_versions"]
    assert isinstance(versions, list)
    assert len(versions) == 1
    table = DeltaTable(home / "store" / "lake" / NAME / "predictions").to_pyarrow_table()
    assert len(set(table["id"].to_pylist())) == table.num_rows == 100


# What needs a server of its own, or somebody at the other end.


def refused_calls(api: str, since: datetime) -> list[str]:
    """The names of the automations whose action failed."""
    wanted = {
        "event": {"name": ["prefect.automation.action.failed"]},
        "occurred": {"since": since.isoformat()},
    }
    with speaking_to(api), get_client(sync_client=True) as client:
        found = client.request("POST", "/events/filter", json={"filter": wanted}).json()["events"]
    return [one["resource"]["prefect.resource.name"] for one in found]


@pytest.mark.slow
def test_an_endpoint_that_is_down_keeps_no_night_from_being_done(
    nights: SmallProject, run_cli: RunCli, prefect_api: str
) -> None:
    began, rows = datetime.now(UTC), nights.rows()
    with speaking_to(prefect_api):
        Webhook(url="http://127.0.0.1:9/").save("nobody-answers", overwrite=True)
        notifications.install("webhook/nobody-answers")
    try:
        without_new_rows(nights)
        assert_one_clear_error(run_cli(*NIGHT), 3, ("has no rows",))
        nights.write_rows(rows)
        done_night(run_cli)
        told = {f"nightshift notify webhook/nobody-answers: {kind}" for kind in ("data-refused", "recovered")}
        until(lambda: told <= set(refused_calls(prefect_api, began)), 60)
    finally:
        with speaking_to(prefect_api):
            notifications.remove("webhook/nobody-answers")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A folder with two projects and a stack of its own."""
    names: dict[str, Any] = {"PREFECT_API_URL": None, "MLFLOW_TRACKING_URI": None}
    settings = Settings(home=tmp_path / "stack", **names)
    made = {
        name: declare_project(
            tmp_path / "projects", tmp_path / "data", "binary", ROWS, name=name, split=DECLARED["split"]
        )
        for name in ("gone", "stays")
    }
    write_prefect_yaml(tmp_path)
    one = Place(tmp_path, settings, made["gone"])
    try:
        one.up()
        one.deploy()
        yield one
    finally:
        down(settings)


@pytest.mark.slow
def test_a_project_deleted_while_its_night_is_scheduled_fails_that_night_alone(place: Place) -> None:
    as_of = f"{FIRST}T00:00:00Z"
    shutil.rmtree(place.project.folder)
    gone = place.start("nightly", project="gone", as_of=as_of)
    stays = place.start("nightly", project="stays", as_of=as_of)

    assert place.end_of(gone, 300) == "FAILED"
    told = place.run(gone)["state"]["message"]
    assert "there is no project 'gone'" in told
    assert place.end_of(stays, 300) == "COMPLETED"
    lake = place.settings.home_path / "store" / "lake"
    assert [folder.name for folder in lake.iterdir()] == ["stays"]
