"""What older code wrote: homes of every kind, packed when they were made, load, score and train to the same bits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from nightshift.dataset.stage import fingerprint_of, stage
from nightshift.decision.journal import Journal
from nightshift.evaluation.agreement import check_refit
from nightshift.evaluation.evaluate import evaluate
from nightshift.learners.refit import refit
from nightshift.learners.train import train
from nightshift.quality.validate import validate
from nightshift.records import Snapshot, Window
from nightshift.reproduction.compare import Reproduction, compare
from nightshift.reproduction.reproduce import train_again
from nightshift.scoring.batch import predict
from nightshift.settings import Settings
from nightshift.spec.load import load_project
from nightshift.spec.project import Project, digest
from nightshift.trained import ModelVersion
from registry.origin import find_origin
from registry.recorded import recorded
from registry.register import register
from registry.submission import Submission
from registry.versions import Versions
from tests.homes import PACKED, unpack

KINDS = sorted(path.name.removesuffix(".tar.xz") for path in PACKED.glob("*.tar.xz"))
UNSEEN = Window(start=datetime(2024, 2, 28, tzinfo=UTC), end=datetime(2024, 2, 29, tzinfo=UTC))
"""A day whose rows are in every source, and that no run has looked at when the homes were made."""
LATEST = datetime(2024, 2, 29, tzinfo=UTC)


class Home:
    """A home that was unpacked, and what was written down of it when it was made."""

    def __init__(self, kind: str, place: Path) -> None:
        unpack(kind, place)
        self.place = place
        self.made: dict[str, Any] = json.loads((PACKED / f"{kind}.json").read_text(encoding="utf-8"))
        self.settings = Settings(home=place / "home", projects=place / "projects", data=str(place / "data"))

    @property
    def projects(self) -> dict[str, Any]:
        """Name by name, the tables and the versions that there were."""
        return dict(self.made["projects"])

    @cached_property
    def is_to_the_bit(self) -> bool:
        """Whether torch computes here as it did there: its kernels are chosen by the processor."""
        from tests.data.make import cpu_of_torch

        return bool(self.made["cpu"] == cpu_of_torch())

    def source(self, project: str) -> pa.Table:
        """All rows of a project's source."""
        return pq.read_table(self.place / "data" / project / "rows.parquet")

    def rows_of(self, project: str, table: str) -> list[dict[str, Any]]:
        """The rows of a table of the lake as it is now."""
        folder = Path(self.settings.store_uri) / "lake" / project / table
        rows: list[dict[str, Any]] = DeltaTable(folder).to_pyarrow_table().to_pylist()
        return rows

    def snapshot(self, project: Project, window: Window, as_of: datetime) -> Snapshot:
        """The window's accepted rows in the lake."""
        found = stage(project, window, fingerprint_of(project, window, self.settings), self.settings)
        return validate(project, found, as_of, self.settings)[0]


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Each packed home in a folder of this test's own."""
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "NIGHTSHIFT_STORE", "NIGHTSHIFT_DATA"):
        monkeypatch.delenv(name, raising=False)
    return Home(request.param, tmp_path / "elsewhere")


def test_every_kind_was_packed() -> None:
    assert {"binary", "multiclass", "regression", "refit", "mlp", "tabm", "image", "own-network"} <= set(
        KINDS
    )
    assert max(path.stat().st_size for path in PACKED.glob("*.tar.xz")) < 200_000


def test_versions_are_listed_and_score_as_they_did_and_tables_are_read(home: Home) -> None:
    for name, held in home.projects.items():
        versions, rows = Versions.of(name, home.settings), home.source(name)
        assert [str(one.version) for one in versions.all()] == list(held["versions"])[::-1]
        for number, was in held["versions"].items():
            version = versions.chosen(number)
            assert (list(version.aliases), version.model_sha256) == (was["aliases"], was["model_sha256"])
            scores = versions.scorer(version).score(rows.slice(rows.num_rows - len(was["scores"])))
            if "model.txt" in scorer_files(versions, version) or home.is_to_the_bit:
                assert scores.values.tolist() == was["scores"]
            np.testing.assert_allclose(scores.values, was["scores"], rtol=1e-5, atol=1e-6)
        for table, count in held["tables"].items():
            assert len(home.rows_of(name, table)) == count, table
        nights = Journal.of(load_project(name, home.settings.projects), home.settings).nights()
        assert len(nights) == held["tables"].get("decisions", 0)
        assert {night.state for night in nights} <= {"done"}


def test_every_version_is_made_again_byte_for_byte(home: Home) -> None:
    for name, held in home.projects.items():
        for number in held["versions"]:
            found = made_again(home, name, number)
            if found.identical:
                continue
            assert not home.is_to_the_bit, found
            assert found.max_score_difference is not None
            assert found.max_score_difference < 1e-4


def test_old_homes_are_worked_with_as_before_and_nothing_of_theirs_is_lost(home: Home) -> None:
    for name, held in home.projects.items():
        project = load_project(name, home.settings.projects)
        before = {table: home.rows_of(name, table) for table in held["tables"]}
        versions = Versions.of(name, home.settings)
        champion = versions.champion()
        assert champion is not None

        taken = home.snapshot(project, UNSEEN, UNSEEN.end)
        scored = predict(project, taken, champion, versions.scorer(champion), home.settings)
        assert scored.rows_scored > 0
        again = predict(project, taken, champion, versions.scorer(champion), home.settings)
        assert again.table_version == scored.table_version, "predictions that are there are not written again"

        made = trained(home, project)
        assert made.version == 1 + max(map(int, held["versions"]))
        assert {str(one.version) for one in versions.all()} == {*held["versions"], str(made.version)}
        for table, rows in before.items():
            assert not lost(rows, home.rows_of(name, table)), table
        assert len(home.rows_of(name, "predictions")) == len(before["predictions"]) + scored.rows_scored


def scorer_files(versions: Versions, version: ModelVersion) -> set[str]:
    """Names of the files of a version's model."""
    return {path.name for path in versions.folder(version).rglob("*")}


def made_again(home: Home, project: str, version: str) -> Reproduction:
    """What `nightshift reproduce` does, without Prefect."""
    then = recorded(project, version, home.settings)
    return compare(then, train_again(then, home.settings), home.settings)


def trained(home: Home, project: Project) -> ModelVersion:
    """What `nightshift train` does, without Prefect."""
    settings = home.settings
    taken = home.snapshot(project, project.split_before(LATEST).whole, LATEST)
    candidate = train(
        project, taken, digest(project.spec_hash), settings, find_origin(project, LATEST, settings)
    )
    evaluation = evaluate(project, candidate, taken, settings)
    if project.refit:
        live = check_refit(project, candidate, refit(project, candidate, taken, settings), taken, settings)
        candidate = candidate.model_copy(update={"refit": live})
    return register(Submission(project, taken, candidate, evaluation), settings).version


def lost(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Counter[str]:
    """Rows that were there and are not any more, whatever columns have been added to them."""
    names = list(before[0]) if before else []
    text: Callable[[dict[str, Any]], str] = lambda row: repr([row[name] for name in names])  # noqa: E731
    return Counter(map(text, before)) - Counter(map(text, after))
