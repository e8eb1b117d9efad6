"""The linter of prefect.yaml: this repository's own file passes, and every kind of mistake is found where it stands."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.prefect_yaml import check
from nightshift.errors import RequestError
from nightshift.settings import Settings
from tests.conftest import ROOT, declare_project

RIGHT: dict[str, Any] = {
    "pull": [],
    "deployments": [
        {"name": "train", "entrypoint": "flows.train.train", "work_pool": {"name": "nightshift"}},
        {
            "name": "nightly",
            "entrypoint": "flows.train.train",
            "work_pool": {"name": "nightshift", "job_variables": {}},
            "concurrency_limit": {"limit": 4, "collision_strategy": "ENQUEUE"},
            "schedules": [
                {
                    "slug": "shop",
                    "cron": "0 2 * * *",
                    "timezone": "Asia/Kolkata",
                    "parameters": {"project": "shop"},
                }
            ],
        },
    ],
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("declared")
    night = {"schedule": "0 2 * * *", "timezone": "Asia/Kolkata"}
    declare_project(folder / "projects", folder / "data", "binary", 10, name="shop", night=night)
    declare_project(folder / "projects", folder / "data", "binary", 10, name="quiet")
    return Settings(home=folder / "home", projects=folder / "projects")


def refusal(document: object, settings: Settings, folder: Path) -> RequestError:
    path = folder / "prefect.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    with pytest.raises(RequestError) as refused:
        check(path, settings)
    return refused.value


def changed(*place: str | int, **values: Any) -> dict[str, Any]:
    """What is right, but for some values at one place; None takes the key out."""
    document = copy.deepcopy(RIGHT)
    part: Any = document
    for step in place:
        part = part[step]
    part.update(values)
    for name in [name for name, value in values.items() if value is None]:
        del part[name]
    return document


NIGHTLY = ("deployments", 1)
NIGHT = (*NIGHTLY, "schedules", 0)


def test_this_repositorys_file_is_right_and_in_step_with_its_projects() -> None:
    deployments = check(ROOT / "prefect.yaml", Settings(projects=ROOT / "projects"))

    assert {one["name"] for one in deployments} == {
        "train",
        "predict",
        "monitor",
        "nightly",
        "reproduce",
        "tune",
    }
    schedules = {each["slug"] for one in deployments for each in one.get("schedules", ())}
    declared = {
        path.parent.name: yaml.safe_load(path.read_text())
        for path in (ROOT / "projects").glob("*/project.yaml")
    }
    assert schedules == {name for name, text in declared.items() if "night" in text} >= {"flights-delay"}


def test_what_is_right_is_accepted(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(RIGHT))

    assert [one["name"] for one in check(tmp_path / "prefect.yaml", settings)] == ["train", "nightly"]


@pytest.mark.parametrize(
    ("document", "where", "meant"),
    [
        (changed(deploymets=[]), "top level", "deployments"),
        (changed(*NIGHTLY, entry_point="x"), "deployments.nightly", "entrypoint"),
        (changed(*NIGHTLY, "work_pool", pool="x"), "deployments.nightly.work_pool", ""),
        (
            changed(*NIGHTLY, "concurrency_limit", colision_strategy="x"),
            "deployments.nightly.concurrency_limit",
            "collision_strategy",
        ),
        (changed(*NIGHT, time_zone="UTC"), "deployments.nightly.schedules.shop", "timezone"),
        (
            changed(*NIGHT, "parameters", projekt="x"),
            "deployments.nightly.schedules.shop.parameters",
            "project",
        ),
        (
            changed(*NIGHTLY, triggers=[{"expect": ["nightshift.drift"], "mach": {}}]),
            "deployments.nightly.triggers.0",
            "match",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_valid_one(
    document: dict[str, Any], where: str, meant: str, settings: Settings, tmp_path: Path
) -> None:
    error = refusal(document, settings, tmp_path)

    assert "unknown key" in error.what
    assert error.where == f"{tmp_path / 'prefect.yaml'}: {where}"
    assert meant in error.valid or not meant
    assert (f"'{meant}'" if meant else "remove") in error.remedy


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (changed(*NIGHT, cron="0 25 * * *"), ["schedules.shop", "cron"]),
        (changed(*NIGHT, timezone="Asia/Kalkutta"), ["schedules.shop", "timezone"]),
        (changed(*NIGHT, cron=None), ["schedules"]),
        (changed(*NIGHT, slug=None), ["slug"]),
        (changed(*NIGHT, "parameters", project="shpo"), ["no project 'shpo'", "did you mean 'shop'"]),
        (changed(*NIGHT, parameters=None), ["parameter 'project' is missing"]),
        (changed(*NIGHT, cron="0 3 * * *"), ["not what project.yaml declares", "nightshift schedule shop"]),
        (changed(*NIGHTLY, schedules=[]), ["not what project.yaml declares", "nightshift schedule shop"]),
        (changed(*NIGHT, "parameters", as_of="tomorrow"), ["refuses", "as_of"]),
        (changed(*NIGHTLY, entrypoint="flows/train.py:train"), ["no module path"]),
        (changed(*NIGHTLY, entrypoint="flows.trian.train"), ["cannot be loaded", "flows.trian"]),
        (changed(*NIGHTLY, entrypoint="flows.train.trian"), ["cannot be loaded", "trian"]),
        (changed(*NIGHTLY, entrypoint="flows.train.moment"), ["cannot be loaded"]),
        (changed(*NIGHTLY, name="train"), ["this name"]),
        (changed(*NIGHTLY, "work_pool", name="other"), ["work pool is 'other'"]),
        (changed(*NIGHTLY, "concurrency_limit", collision_strategy="QUEUE"), ["QUEUE", "ENQUEUE"]),
        (
            changed(*NIGHTLY, "work_pool", "job_variables", env={"A": "b"}),
            ["nightly.work_pool.job_variables.env", "cannot be set", "before `nightshift up`"],
        ),
        (
            changed(pull=[{"prefect.deployments.steps.run_shell_script": {"script": "id"}}]),
            ["pull", "no pull"],
        ),
        (
            changed(*NIGHTLY, pull=[{"prefect.deployments.steps.set_working_directory": {"directory": "/"}}]),
            ["deployments.nightly.pull", "no pull steps"],
        ),
        (changed(deployments=3), ["deployments"]),
        ("- 1\n", ["declares nothing"]),
        ("a: [\n", ["no YAML"]),
        ("name: a\nname: b\n", ["line 2", "'name' stands twice"]),
    ],
)
def test_every_other_mistake_is_named(
    document: object, words: list[str], settings: Settings, tmp_path: Path
) -> None:
    error = refusal(document, settings, tmp_path)

    for word in words:
        assert word in str(error)


def test_all_mistakes_are_told_at_once(settings: Settings, tmp_path: Path) -> None:
    document = changed(*NIGHTLY, entry_point="x")
    document["deployments"][0]["work_pool"]["nane"] = "nightshift"

    error = refusal(document, settings, tmp_path)

    assert error.what.startswith("2 things are wrong")
    assert "deployments.train.work_pool: unknown key 'nane'" in error.what


def test_no_file_is_told_as_such(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no prefect\.yaml"):
        check(tmp_path / "prefect.yaml", settings)
