"""What several kinds of test share: a home, small declared projects, one local Prefect server, the command line."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from filelock import FileLock

from nightshift.settings import Settings

ROOT = Path(__file__).parents[1]
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 40
"""Rows of a small project lie in the days before AS_OF, evenly."""

# None of the variables that a test's own home is without.
_AUTH_STRING = "SESSION_PREFECT_AUTH_STRING"
_LABELS = {"binary": "late", "multiclass": "grade", "regression": "cost"}
_METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


@dataclass(frozen=True)
class SmallProject:
    """A declared project that can be edited: its folder, and the folder that its source reads."""

    name: str
    kind: str
    folder: Path
    data: Path

    @property
    def declaration(self) -> dict[str, Any]:
        """What project.yaml says now."""
        return dict(yaml.safe_load((self.folder / "project.yaml").read_text()))

    def declare(self, **changes: Any) -> None:
        """Merge `changes` into project.yaml, part by part."""
        text = yaml.safe_dump(_merged(self.declaration, changes), sort_keys=False)
        (self.folder / "project.yaml").write_text(text)

    def write_sql(self, text: str) -> None:
        """Replace dataset.sql."""
        (self.folder / "dataset.sql").write_text(text)

    def rows(self) -> pa.Table:
        """The rows of the source."""
        return pq.read_table(self.data / "rows.parquet")

    def write_rows(self, rows: pa.Table) -> None:
        """Replace the rows of the source."""
        self.data.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, self.data / "rows.parquet")


class MakeProject(Protocol):
    """Declares a project under NIGHTSHIFT_PROJECTS, with its rows under NIGHTSHIFT_DATA."""

    def __call__(
        self, kind: str = "binary", rows: int = 800, *, name: str = "", seed: int = 7, **overrides: Any
    ) -> SmallProject: ...


@dataclass(frozen=True)
class Done:
    """What a run of the command line left: its exit code, what it wrote, and its JSON if that was JSON."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        return dict(json.loads(self.stdout))


class RunCli(Protocol):
    """`nightshift ARGUMENTS --json` as a process of its own."""

    def __call__(
        self, *arguments: str, env: Mapping[str, str] | None = None, within: tuple[str, ...] = ()
    ) -> Done: ...


def small_rows(kind: str, rows: int, seed: int) -> pa.Table:
    """Rows that a model can learn something from: an id, a moment, two numbers, a category and the label."""
    random = np.random.default_rng(seed)
    step = timedelta(days=DAYS) / rows
    x, z = random.normal(size=rows), random.normal(size=rows)
    shop = random.choice(["east", "north", "west"], size=rows)
    signal = x + (shop == "east") + 0.5 * random.normal(size=rows)
    label: Any
    match kind:
        case "binary":
            label = (signal > 0.5).astype(np.int32)
        case "multiclass":
            label = np.array(["bad", "fair", "good"])[np.digitize(signal, [-0.3, 0.9])]
        case _:
            label = 30 + 10 * signal
    return pa.table(
        {
            "id": [f"{seed}-{place:06d}" for place in range(rows)],
            "sold_at": pa.array(
                [AS_OF - timedelta(days=DAYS) + place * step for place in range(rows)],
                pa.timestamp("us", tz="UTC"),
            ),
            "x": x,
            "z": z,
            "shop": shop,
            _LABELS[kind]: label,
        }
    )


def declare_project(
    projects: Path, data: Path, kind: str, rows: int, *, name: str = "", seed: int = 7, **overrides: Any
) -> SmallProject:
    """Write the files of a small project; `overrides` are merged into its declaration."""
    name = name or f"small-{kind}"
    project = SmallProject(name, kind, projects / name, data / name)
    project.folder.mkdir(parents=True)
    declaration = {
        "name": name,
        "purpose": "Try the house out.",
        "owner": "tests",
        "sources": {"events": {"kind": "files", "uri": f"${{NIGHTSHIFT_DATA}}/{name}/*.parquet"}},
        "dataset": {"key": ["id"], "event_time": "sold_at", "label": {"column": _LABELS[kind], "kind": kind}},
        "quality": {"rules": ["x > -100"]},
        "split": {"train": "28d", "validate": "5d", "holdout": "5d"},
        "learner": {"kind": "lightgbm", "rounds": 12, "params": {"num_leaves": 7, "min_data_in_leaf": 10}},
        "evaluate": {"metric": _METRICS[kind], "slices": ["shop"]},
    }
    (project.folder / "project.yaml").write_text(yaml.safe_dump(declaration, sort_keys=False))
    project.declare(**overrides)
    project.write_sql(
        f"select id, sold_at, x, z, shop, {_LABELS[kind]}\nfrom events\nwhere sold_at >= $start and sold_at < $end\n"
    )
    project.write_rows(small_rows(kind, rows, seed))
    return project


def cli_command(*arguments: str, within: tuple[str, ...] = ()) -> list[str]:
    """The command line as a list of words, started by `within`."""
    return [*within, sys.executable, "-m", "deployments.cli", *arguments, "--json"]


def cli_environment(prefect_api: str, changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment as a run of the command line should see it."""
    shown = {"PREFECT_API_URL": prefect_api, "PREFECT_API_AUTH_STRING": auth_string()}
    return {**os.environ, "PYTHONPATH": str(ROOT), **shown, **(changes or {})}


def auth_string() -> str:
    """What the session's Prefect server wants of its clients."""
    return os.environ[_AUTH_STRING]


def auth_header(shown: str | None = None) -> dict[str, str]:
    """The same, for clients that are not Prefect's; or what another server wants."""
    encoded = base64.b64encode((shown or auth_string()).encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


@contextmanager
def speaking_to(prefect_api: str) -> Iterator[None]:
    """Have Prefect's clients in this process speak to the session's server."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: prefect_api, PREFECT_API_AUTH_STRING: auth_string()}):
        yield


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test session see."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "shared"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture(scope="session")
def prefect_api(shared_folder: Path) -> Iterator[str]:
    """The URL of one local Prefect server, shared by the session's processes; the last of them stops it."""
    from deployments.stack import down, ensure_prefect
    from deployments.stack.access import USER, Access

    names: dict[str, Any] = {"PREFECT_API_URL": None, "MLFLOW_TRACKING_URI": None}
    settings = Settings(home=shared_folder / "prefect-home", **names)
    users = shared_folder / "prefect-users"
    lock = FileLock(shared_folder / "prefect.lock")
    me = users / str(os.getpid())
    with lock:
        users.mkdir(exist_ok=True)
        me.touch()
        url = ensure_prefect(settings)
    os.environ[_AUTH_STRING] = f"{USER}:{Access(settings.home_path).secret()}"
    yield url
    with lock:
        me.unlink()
        if not any(users.iterdir()):
            down(settings)


@pytest.fixture(scope="session")
def fresh_mlflow(shared_folder: Path) -> Path:
    """An MLflow database in which nothing was logged yet: creating one takes seconds, copying it none."""
    from registry.tracking import prepare

    names: dict[str, Any] = {"PREFECT_API_URL": None, "MLFLOW_TRACKING_URI": None}
    settings = Settings(home=shared_folder / "fresh-mlflow", **names)
    with FileLock(shared_folder / "mlflow.lock"):
        prepare(settings)
    return settings.home_path / "mlflow.db"


@pytest.fixture
def home(tmp_path: Path, fresh_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A NIGHTSHIFT_HOME of this test's own, named in the environment with its projects and its data."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(fresh_mlflow, folder / "mlflow.db")
    for name in [name for name in os.environ if name.startswith(("NIGHTSHIFT_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "projects").mkdir()
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(folder))
    monkeypatch.setenv("NIGHTSHIFT_PROJECTS", str(tmp_path / "projects"))
    monkeypatch.setenv("NIGHTSHIFT_DATA", str(tmp_path / "data"))
    return folder


@pytest.fixture
def make_project(home: Path) -> MakeProject:
    """Declare small projects, and write their rows."""

    def make(
        kind: str = "binary", rows: int = 800, *, name: str = "", seed: int = 7, **overrides: Any
    ) -> SmallProject:
        place = home.parent
        return declare_project(
            place / "projects", place / "data", kind, rows, name=name, seed=seed, **overrides
        )

    return make


@pytest.fixture
def run_cli(home: Path, prefect_api: str) -> RunCli:
    """Run the real command line on this test's home, against the session's Prefect server."""

    def run(*arguments: str, env: Mapping[str, str] | None = None, within: tuple[str, ...] = ()) -> Done:
        done = subprocess.run(
            cli_command(*arguments, within=within),
            cwd=home.parent,
            env=cli_environment(prefect_api, env),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(old)
    for name, value in new.items():
        was = both.get(name)
        both[name] = _merged(was, value) if isinstance(value, Mapping) and isinstance(was, Mapping) else value
    return both
