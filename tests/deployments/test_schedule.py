"""Writing schedules into prefect.yaml: the wanted entry and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.schedule import schedule_project, scheduled, write_schedule
from deployments.screen import Screen
from nightshift.errors import RequestError
from tests.conftest import MakeProject

TEXT = """\
# Why this file is here.
name: 'nightshift'   # quoted, on purpose
pull: []

deployments:
  - name: train
    entrypoint: flows.train.train
    work_pool: {name: nightshift}

  # The nights.
  - name: nightly
    entrypoint: flows.nightly.nightly
    work_pool: {name: nightshift}
    schedules:
      # This one is asleep.
      - slug: other
        cron: "5 4 * * *"
        timezone: UTC
        active: false
        parameters: {project: other}
"""


def entry(name: str = "shop", cron: str = "0 2 * * *", timezone: str = "Europe/Berlin") -> dict[str, Any]:
    return {"slug": name, "cron": cron, "timezone": timezone, "parameters": {"project": name}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "prefect.yaml").write_text(TEXT)
    return tmp_path / "prefect.yaml"


def test_a_schedule_is_added_below_the_others_and_nothing_else_changes(path: Path) -> None:
    assert write_schedule(path, "shop", entry()) == "added"

    assert path.read_text() == TEXT + (
        "      - slug: shop\n"
        '        cron: "0 2 * * *"\n'
        "        timezone: Europe/Berlin\n"
        "        parameters: {project: shop}\n"
    )


def test_writing_again_changes_no_byte(path: Path) -> None:
    write_schedule(path, "shop", entry())
    before = path.read_bytes()

    assert write_schedule(path, "shop", entry()) == "unchanged"
    assert path.read_bytes() == before


def test_an_update_keeps_what_it_does_not_know(path: Path) -> None:
    assert write_schedule(path, "other", entry("other", cron="0 0 * * *")) == "updated"

    assert path.read_text() == TEXT.replace("5 4 * * *", "0 0 * * *").replace("UTC", "Europe/Berlin")
    assert scheduled(path)["other"]["active"] is False


def test_a_schedule_is_removed(path: Path) -> None:
    write_schedule(path, "shop", entry())

    assert write_schedule(path, "other", None) == "removed"
    assert write_schedule(path, "other", None) == "unchanged"
    assert list(scheduled(path)) == ["shop"]
    assert "# The nights." in path.read_text()


def test_a_deployment_without_schedules_gets_its_first(path: Path) -> None:
    path.write_text(TEXT[: TEXT.index("    schedules:")])

    assert write_schedule(path, "shop", entry()) == "added"
    assert yaml.safe_load(path.read_text())["deployments"][1]["schedules"] == [entry()]


def test_a_file_without_a_nightly_deployment_is_refused_with_what_to_add(path: Path) -> None:
    path.write_text(TEXT.replace("nightly", "weekly"))

    with pytest.raises(RequestError, match="nightly") as refused:
        write_schedule(path, "shop", entry())
    assert "flows.nightly.nightly" in refused.value.remedy


def test_the_declaration_decides(
    path: Path, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(path.parent)
    project = make_project(name="shop", night={"schedule": "30 1 * * 1-5", "timezone": "Asia/Kathmandu"})

    def told() -> dict[str, Any]:
        schedule_project(Screen(as_json=True), "shop")
        return dict(json.loads(capsys.readouterr().out))

    assert told()["change"] == "added"
    assert scheduled(path)["shop"] == entry(cron="30 1 * * 1-5", timezone="Asia/Kathmandu")
    assert told()["change"] == "unchanged"
    project.declare(night={"schedule": "31 1 * * 1-5"})
    assert told()["change"] == "updated"
    project.folder.rename(project.folder.with_name("gone"))
    (project.folder.with_name("gone") / "project.yaml").unlink()
    assert told()["change"] == "removed"
    with pytest.raises(RequestError, match="no project 'shop'"):
        told()
