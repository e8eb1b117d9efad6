"""A night that a person starts: Prefect's own pages in a real browser, from the form to what the night decided."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from tests.conftest import ROOT, MakeProject, SmallProject, auth_header
from tests.ui.conftest import confined, nightshift

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

SPLIT = {"train": "14d", "validate": "3d", "holdout": "3d"}
FIRST, NIGHT = "2024-02-17", "2024-02-24"
CHOSEN = "late-orders"
# Prefect's pages keep asking the server, which shares a busy machine with the run.
PATIENCE_MS = 120_000
# On a narrower page a deployment's runs stand behind a tab.
VIEW = {"width": 1280, "height": 880}
RUN_SECONDS = 400
GONE_SECONDS = 30


@dataclass(frozen=True)
class Stack:
    """What `nightshift up` started for this test: its folder and the address of Prefect's pages."""

    folder: Path
    page: str
    auth_string: str

    def ask(self, place: str, body: dict[str, Any] | None = None) -> Any:
        """What the server's API answers, without the browser."""
        request = urllib.request.Request(
            f"{self.page}/api/{place}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **auth_header(self.auth_string)},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def write_prefect_yaml(folder: Path) -> None:
    """The repository's own deployments, without the schedules of projects that are not here."""
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    for deployment in declared["deployments"]:
        deployment.pop("schedules", None)
    (folder / "prefect.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))


def processes_of(home: Path) -> list[str]:
    """Every process on this machine that was told of this home, but for the tests themselves."""
    tests = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "environ"]):
        told = (process.info["environ"] or {}).get("NIGHTSHIFT_HOME")
        if told == str(home) and process.info["pid"] not in tests:
            found.append(" ".join(process.info["cmdline"] or []))
    return found


def with_another_world(rows: pa.Table, since: str) -> pa.Table:
    """From a day on the label answers to the opposite of x, and x lies elsewhere."""
    day = pa.scalar(datetime.fromisoformat(f"{since}T00:00+00:00"))
    moved = pc.greater_equal(rows["sold_at"], day).to_numpy()
    x, late = rows["x"].to_numpy(), rows["late"].to_numpy()
    changed = {"x": np.where(moved, x + 2, x), "late": np.where(moved, 1 - late, late).astype(np.int32)}
    for name, values in changed.items():
        rows = rows.set_column(rows.schema.names.index(name), name, pa.array(values))
    return rows


@pytest.fixture
def projects(make_project: MakeProject) -> dict[str, SmallProject]:
    """Three projects, so that the form has something to choose from."""
    kinds = {"basket-value": "regression", CHOSEN: "binary", "store-rating": "multiclass"}
    return {
        name: make_project(kind, 8_000, name=name, seed=seed, split=SPLIT)
        for seed, (name, kind) in enumerate(kinds.items(), start=7)
    }


@pytest.fixture
def stack(home: Path, projects: dict[str, SmallProject]) -> Iterator[Stack]:
    """The stack of this test's home with everything deployed; afterwards nothing of it is left."""
    write_prefect_yaml(home.parent)
    try:
        started = nightshift(home.parent, "up")
        nightshift(home.parent, "deploy")
        assert processes_of(home), "what is left afterwards would not be seen"
        shown = nightshift(home.parent, "env")["variables"]["PREFECT_API_AUTH_STRING"]
        yield Stack(home.parent, started["services"]["prefect"]["page"], shown)
    finally:
        nightshift(home.parent, "down")
        deadline = time.monotonic() + GONE_SECONDS
        while processes_of(home) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert processes_of(home) == []


@pytest.fixture
def page(stack: Stack, chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of a browser that was logged in, which may ask this machine and nobody else."""
    # The forms' date fields begin in the browser's own time zone.
    tab = chromium.new_page(viewport=VIEW, timezone_id="UTC")
    try:
        tab.set_default_timeout(PATIENCE_MS)
        with confined(tab):
            tab.goto(nightshift(stack.folder, "open", "--no-browser")["address"])
            yield tab
    finally:
        # What a person would look at first if the test failed.
        tab.screenshot(path=tmp_path / "last.png")
        tab.context.close()


def open_form(page: Page, stack: Stack, deployment: str) -> None:
    """From the list of deployments to the form of a custom run."""
    page.goto(f"{stack.page}/deployments")
    page.locator('a[href*="/deployments/deployment/"]').get_by_text(deployment, exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("button", name="Custom run").click()
    page.get_by_role("heading", name="Parameters").wait_for()


def parameter(page: Page, name: str) -> Locator:
    """The part of the form that asks for one parameter."""
    label = page.locator(".schema-form-property__label", has_text=re.compile(rf"^{name}\b"))
    return page.locator(".schema-form-property", has=label)


def choose(page: Page, name: str, value: str) -> list[str]:
    """Choose a value of a parameter, and give all that were offered."""
    # On its arrows: in Prefect 3.8 a click on the middle of the field opens the list and closes it again.
    parameter(page, name).locator(".p-select-button__icon").click()
    page.get_by_role("option", name=value, exact=True).wait_for()
    offered = page.get_by_role("option").all_inner_texts()
    page.get_by_role("option", name=value, exact=True).click()
    return [one.strip() for one in offered]


def set_day(page: Page, name: str, day: str) -> None:
    """Set a date field to the first moment of a day."""
    field = parameter(page, name)
    field.get_by_role("button", name="date-time").click()
    field.locator(".p-date-button__control").click()
    calendar = page.locator(".p-date-picker")
    calendar.locator("input[type=date]").fill(day)
    calendar.locator("input[type=time]").fill("00:00")
    calendar.get_by_role("button", name="Apply").click()
    calendar.wait_for(state="hidden")


def finished(page: Page, seconds: float) -> str:
    """The state in which the run on the page ends, as its heading shows it."""
    ended = re.compile("^(Completed|Failed|Crashed|Cancelled)$")
    badge = page.get_by_text(ended).first
    badge.wait_for(timeout=seconds * 1000)
    return badge.inner_text()


def read_artifact(page: Page, key: str, heading: str) -> str:
    """From the page of a run to one of its artifacts, and what that says."""
    page.get_by_role("listitem").filter(has_text="Artifacts").click()
    # The cards are drawn only once they are scrolled to.
    page.get_by_role("heading", name="Task runs").hover()
    page.mouse.wheel(0, 5_000)
    page.locator('a[href*="/artifacts/artifact/"]', has_text=key).click()
    article = page.locator("article", has=page.get_by_role("heading", name=heading))
    article.wait_for()
    return article.inner_text()


def test_a_night_is_started_from_the_form_and_its_decision_read_on_the_page(
    stack: Stack, page: Page, projects: dict[str, SmallProject], tmp_path: Path
) -> None:
    chosen = projects[CHOSEN]
    nightshift(stack.folder, "nightly", CHOSEN, "--as-of", FIRST)
    chosen.write_rows(with_another_world(chosen.rows(), FIRST))

    open_form(page, stack, "nightly")
    page.get_by_role("button", name="Submit").click()
    parameter(page, "project").get_by_text("is a required property").wait_for()
    open_form(page, stack, "nightly")
    assert choose(page, "project", CHOSEN) == sorted(projects)
    set_day(page, "as_of", NIGHT)
    assert f"{NIGHT}T00:00:00Z" in parameter(page, "as_of").inner_text()
    page.screenshot(path=tmp_path / "nightly-form.png")
    page.get_by_role("button", name="Submit").click()

    page.wait_for_url(re.compile(r"/deployments/deployment/[\w-]+(\?.*)?$"))
    # It is the deployment's only run: the first night was no run of a deployment.
    page.locator('a[href*="/runs/flow-run/"]').first.click()
    page.wait_for_url("**/runs/flow-run/*")
    run = page.url.rsplit("/", 1)[-1].split("?")[0]
    assert finished(page, RUN_SECONDS) == "Completed"
    known = stack.ask(f"flow_runs/{run}")
    assert known["state"]["type"] == "COMPLETED"
    assert known["name"] == f"nightly {CHOSEN} {NIGHT}"
    assert known["parameters"] == {"project": CHOSEN, "as_of": f"{NIGHT}T00:00:00Z"}

    told = read_artifact(page, f"{CHOSEN}-decision", heading="Retrained: version 2")
    page.get_by_role("link", name=f"nightly {CHOSEN} {NIGHT}").wait_for()
    page.screenshot(path=tmp_path / "night.png")
    assert f"Night of {NIGHT}" in told
    assert "Retrain: the realised roc_auc" in told

    made = stack.ask("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
    assert {artifact["key"] for artifact in made} >= {
        f"{CHOSEN}-{what}" for what in ("decision", "drift", "predictions", "validation")
    }
