"""Deployments on a real server with a real worker: started by a person, by the clock, and killed in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from deployments.stack import down, process, record, status
from deployments.stack.access import USER, Access
from deployments.stack.servers import MLFLOW, PREFECT
from deployments.stack.worker import WORKER
from nightshift.locks import only_one
from nightshift.settings import Settings
from tests.conftest import SmallProject, auth_header, declare_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

UNFINISHED = ["PENDING", "RUNNING", "CANCELLING"]


@dataclass(frozen=True)
class Place:
    """A folder with projects, data, a prefect.yaml and a home whose stack is up."""

    folder: Path
    settings: Settings
    project: SmallProject

    @property
    def api(self) -> str:
        return record.read(self.settings.home_path)["prefect"].url

    @property
    def auth_string(self) -> str:
        """What the server of this home wants of its clients."""
        return f"{USER}:{Access(self.settings.home_path).secret()}"

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))
        }
        return kept | {
            "NIGHTSHIFT_HOME": str(self.settings.home_path),
            "NIGHTSHIFT_PROJECTS": str(self.folder / "projects"),
            "NIGHTSHIFT_DATA": str(self.folder / "data"),
        }

    def command(self, code: str) -> dict[str, Any]:
        """What a command's own module prints as JSON, run from this folder as the command line runs it."""
        done = subprocess.run(
            [sys.executable, "-c", "from deployments.screen import Screen\n" + code],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def deploy(self) -> dict[str, Any]:
        return self.command("from deployments.deploy import deploy_all; deploy_all(Screen(as_json=True))")

    def schedule(self, name: str) -> dict[str, Any]:
        return self.command(
            f"from deployments.schedule import schedule_project; schedule_project(Screen(as_json=True), {name!r})"
        )

    def up(self) -> None:
        self.command("from deployments.commands import stack_up; stack_up(Screen(as_json=True))")

    def ask(self, method: str, place: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.api}/{place}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **auth_header(self.auth_string)},
            method=method,
        )
        for _ in range(9):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                if (
                    error.code != HTTPStatus.SERVICE_UNAVAILABLE
                ):  # SQLite is busy; Prefect's client retries too
                    raise
            time.sleep(1)
        raise AssertionError("the server stays too busy to answer")

    def deployment(self, name: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"deployments/name/{name}/{name}"))

    def start(self, name: str = "train", **parameters: Any) -> str:
        given = {"project": self.project.name, "as_of": "2024-03-01T00:00:00Z"} | parameters
        made = self.ask(
            "POST", f"deployments/{self.deployment(name)['id']}/create_flow_run", {"parameters": given}
        )
        return str(made["id"])

    def run(self, run: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"flow_runs/{run}"))

    def unfinished(self) -> list[dict[str, Any]]:
        return list(
            self.ask("POST", "flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": UNFINISHED}}}})
        )

    def end_of(self, run: str, seconds: float = 150) -> str:
        """The state that the run ends in."""
        until(
            lambda: self.run(run)["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"), seconds
        )
        return str(self.run(run)["state"]["type"])

    def processes(self) -> list[psutil.Process]:
        return process.family({each.mark(self.settings) for each in (PREFECT, MLFLOW, WORKER)})


def until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


def write_prefect_yaml(folder: Path) -> None:
    pool = {"name": "nightshift"}
    deployments = [
        {"name": name, "entrypoint": f"flows.{name}.{name}", "work_pool": pool}
        for name in ("train", "nightly")
    ]
    (folder / "prefect.yaml").write_text(
        yaml.safe_dump({"pull": [], "deployments": deployments}, sort_keys=False)
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("deployed")
    names: dict[str, Any] = {"PREFECT_API_URL": None, "MLFLOW_TRACKING_URI": None}
    settings = Settings(home=folder / "home", **names)
    project = declare_project(folder / "projects", folder / "data", "binary", 800, name="shop")
    write_prefect_yaml(folder)
    one = Place(folder, settings, project)
    try:
        one.up()
        yield one
    finally:
        down(settings)
        assert one.processes() == []


def test_a_run_started_by_a_person_is_completed_by_the_worker(place: Place) -> None:
    told = place.deploy()

    assert [one["name"] for one in told["deployments"]] == ["train", "nightly"]
    run = place.start()
    assert place.end_of(run) == "COMPLETED"

    done = place.run(run)
    assert done["name"] == "train shop [2024-01-23, 2024-03-01)"
    assert place.run(run)["infrastructure_pid"]

    def told_of_registering() -> bool:
        logs = place.ask("POST", "logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}})
        return any("register: version 1" in line["message"] for line in logs)

    until(told_of_registering, 10)


def test_the_form_offers_the_projects_there_are(place: Place) -> None:
    place.deploy()
    form = place.deployment("train")["parameter_openapi_schema"]["properties"]

    assert form["project"]["enum"] == ["shop"]
    assert form["project"]["description"]
    assert {"format": "date-time", "type": "string"} in form["as_of"]["anyOf"]

    with pytest.raises(urllib.error.HTTPError) as refused:
        place.start(project="shep")
    assert refused.value.code in (409, 422)


def test_a_night_begins_by_the_clock(place: Place) -> None:
    # Two minutes ahead at most: a cron line names whole minutes, and deploying takes some seconds.
    begin = (datetime.now(UTC) + timedelta(seconds=80)).replace(second=0, microsecond=0)
    place.project.declare(night={"schedule": f"{begin.minute} {begin.hour} * * *", "timezone": "UTC"})

    assert place.schedule("shop")["change"] == "added"
    assert place.schedule("shop")["change"] == "unchanged"
    place.deploy()
    place.deploy()

    schedules = place.deployment("nightly")["schedules"]
    assert [(one["slug"], one["parameters"]) for one in schedules] == [("shop", {"project": "shop"})]
    assert schedules[0]["schedule"]["timezone"] == "UTC"

    def tonights() -> list[dict[str, Any]]:
        wanted = {
            "deployment_id": {"any_": [place.deployment("nightly")["id"]]},
            "start_time": {"is_null_": False},
        }
        return list(place.ask("POST", "flow_runs/filter", {"flow_runs": wanted}))

    until(lambda: bool(tonights()), 180)
    night = tonights()[0]
    # As of now there are no rows, so that the night is refused; that it began is the point here.
    assert place.end_of(night["id"]) in ("COMPLETED", "FAILED")
    assert datetime.fromisoformat(place.run(night["id"])["expected_start_time"]) == begin

    place.project.declare(night=None)
    assert place.schedule("shop")["change"] == "removed"
    place.deploy()
    assert place.deployment("nightly")["schedules"] == []


def test_a_night_of_known_rows_is_done(place: Place) -> None:
    place.deploy()

    night = place.start("nightly")

    assert place.end_of(night) == "COMPLETED"


def test_a_run_waits_for_the_one_before_it(place: Place) -> None:
    place.deploy()

    def is_waiting() -> bool:
        logs = place.ask("POST", "logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}})
        return any("waiting for it to end" in line["message"] for line in logs)

    with only_one("train", "shop", place.settings):
        run = place.start()
        until(is_waiting, 60)
        assert place.run(run)["state"]["type"] == "RUNNING"

    assert place.end_of(run) == "COMPLETED"


def test_after_a_kill_no_run_stays_as_if_it_lived(place: Place) -> None:
    place.deploy()
    endless = {"rounds": 2_000_000, "early_stopping": None, "params": {"learning_rate": 1e-6}}
    declared = (place.project.folder / "project.yaml").read_text()
    place.project.declare(learner=endless)
    try:
        killed = place.start()
        until(lambda: place.run(killed)["state"]["type"] == "RUNNING", 60)
        for doomed in process.family({WORKER.mark(place.settings)}):
            doomed.kill()
    finally:
        (place.project.folder / "project.yaml").write_text(declared)
    orphan = place.start()
    place.ask("POST", f"flow_runs/{orphan}/set_state", {"state": {"type": "PENDING"}, "force": True})
    assert {run["id"] for run in place.unfinished()} == {killed, orphan}
    assert not status(place.settings)[2].healthy

    place.up()

    assert place.run(killed)["state"]["type"] == "CRASHED"
    assert place.end_of(orphan) == "COMPLETED"
    assert place.unfinished() == []


def test_a_run_whose_worker_died_too_is_ended_by_the_server(place: Place) -> None:
    declared = (place.project.folder / "project.yaml").read_text()
    place.deploy()
    place.project.declare(
        learner={"rounds": 2_000_000, "early_stopping": None, "params": {"learning_rate": 1e-6}}
    )
    try:
        run = place.start()
        until(lambda: place.run(run)["state"]["type"] == "RUNNING", 60)
        time.sleep(5)  # for its first heartbeat
        for doomed in process.family({WORKER.mark(place.settings)}):
            doomed.kill()
        assert place.end_of(run, 240) == "CRASHED"
    finally:
        (place.project.folder / "project.yaml").write_text(declared)
        place.up()
    assert "No sign of life" in place.run(run)["state"]["message"]


def test_a_run_outlives_its_server(place: Place) -> None:
    declared = (place.project.folder / "project.yaml").read_text()
    place.deploy()
    place.project.declare(learner={"rounds": 20_000, "early_stopping": None})
    try:
        run = place.start()
        until(lambda: place.run(run)["state"]["type"] == "RUNNING", 60)
        for doomed in process.family({PREFECT.mark(place.settings)}):
            doomed.kill()
        place.up()
        assert place.end_of(run, 240) == "COMPLETED"
    finally:
        (place.project.folder / "project.yaml").write_text(declared)


def test_a_new_secret_stops_nobody_at_work(place: Place) -> None:
    declared = (place.project.folder / "project.yaml").read_text()
    place.deploy()
    place.project.declare(learner={"rounds": 20_000, "early_stopping": None})
    try:
        before = place.auth_string
        run = place.start()
        until(lambda: place.run(run)["state"]["type"] == "RUNNING", 60)
        place.command(
            "from deployments.entry import show_secret; show_secret(Screen(as_json=True), rotate=True)"
        )
        assert place.auth_string != before
        refused = urllib.request.Request(f"{place.api}/health", headers=auth_header(before))
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(refused, timeout=30)
        assert place.end_of(run, 240) == "COMPLETED"
    finally:
        (place.project.folder / "project.yaml").write_text(declared)
    worker = status(place.settings)[2]
    assert worker.healthy

    later = place.start()

    assert place.end_of(later) == "COMPLETED"
    assert status(place.settings)[2].pid == worker.pid
    place.deploy()


def test_down_tells_the_server_of_the_runs_it_ends(place: Place) -> None:
    place.deploy()
    declared = (place.project.folder / "project.yaml").read_text()
    place.project.declare(
        learner={"rounds": 2_000_000, "early_stopping": None, "params": {"learning_rate": 1e-6}}
    )
    try:
        run = place.start()
        until(lambda: place.run(run)["state"]["type"] == "RUNNING", 60)
        stopped = down(place.settings)
    finally:
        (place.project.folder / "project.yaml").write_text(declared)

    assert [service.name for service in stopped] == ["prefect", "mlflow", "worker"]
    assert place.processes() == []
    place.up()
    assert place.run(run)["state"]["type"] in ("CRASHED", "CANCELLED")
    assert place.unfinished() == []
