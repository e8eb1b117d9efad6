"""A home in which a champion already lives, copied for each test, and a look at all that may not change."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock

from tests.conftest import SmallProject, cli_command, cli_environment, declare_project
from tests.homes import readdress

_REGISTRY = {
    "model_versions": "SELECT name, version, run_id FROM model_versions ORDER BY 1, 2",
    "aliases": "SELECT name, alias, version FROM registered_model_aliases ORDER BY 1, 2",
    "tags": "SELECT name, version, key, value FROM model_version_tags ORDER BY 1, 2, 3",
}


def kept_state(home: Path, store: Path | None = None) -> dict[str, object]:
    """All that a refused command must leave alone: every table's commits and contract, versions and aliases."""
    lake = (store or home / "store") / "lake"
    files = sorted(
        path for pattern in ("*/*/_delta_log/*.json", "*/contract.json") for path in lake.glob(pattern)
    )
    found: dict[str, object] = {
        str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        return found | {name: database.execute(query).fetchall() for name, query in _REGISTRY.items()}


@pytest.fixture(scope="session")
def trained_place(shared_folder: Path, prefect_api: str, fresh_mlflow: Path) -> Path:
    """A folder with a home, a project and its data, in which one version was trained and has predicted."""
    place = shared_folder / "trained"
    with FileLock(shared_folder / "trained.lock"):
        if not place.exists():
            making = shared_folder / "trained.making"
            (making / "home").mkdir(parents=True)
            shutil.copy(fresh_mlflow, making / "home" / "mlflow.db")
            project = declare_project(making / "projects", making / "data", "binary", 800)
            for command in ("train", "predict"):
                subprocess.run(
                    cli_command(command, project.name, "--as-of", "2024-03-01"),
                    env=cli_environment(prefect_api, variables(making)), cwd=making, check=True,
                    capture_output=True, timeout=120,
                )  # fmt: skip
            for cache in ("scratch", "results"):  # what may go at any time, and knows its place
                shutil.rmtree(making / "home" / cache)
            _move(making, place)
    return place


@pytest.fixture
def trained(home: Path, trained_place: Path) -> SmallProject:
    """The trained project in this test's own home."""
    place = home.parent
    shutil.rmtree(home)
    (place / "projects").rmdir()
    for part in ("home", "projects", "data"):
        shutil.copytree(trained_place / part, place / part)
    readdress(home / "mlflow.db", trained_place, place)
    name = "small-binary"
    return SmallProject(name, "binary", place / "projects" / name, place / "data" / name)


def variables(place: Path) -> Mapping[str, str]:
    """The environment that makes `place` the place to work in."""
    return {
        "NIGHTSHIFT_HOME": str(place / "home"),
        "NIGHTSHIFT_PROJECTS": str(place / "projects"),
        "NIGHTSHIFT_DATA": str(place / "data"),
    }


def _move(old: Path, new: Path) -> None:
    readdress(old / "home" / "mlflow.db", old, new)
    old.rename(new)
