"""Nights on a small project: the first, a quiet one, one on which the world changed, and one whose data are refused."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from tests.conftest import Done, MakeProject, RunCli, SmallProject

ROWS = 8_000  # 200 a day
SPLIT = {"train": "14d", "validate": "3d", "holdout": "3d"}
STEPS = ["ingest", "validate", "predict", "monitor", "decide", "train", "report"]
SIGNAL = {"name", "column", "segment", "value", "effect_floor", "p_value", "alarm"}


def made(make_project: MakeProject, name: str = "nights", **overrides: Any) -> SmallProject:
    return make_project("binary", ROWS, name=name, split=SPLIT, night={"schedule": "0 0 * * *"}, **overrides)


def table(home: Path, project: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        DeltaTable(home / "store" / "lake" / project / name).to_pyarrow_table().to_pylist()
    )
    return rows


def night(run_cli: RunCli, project: SmallProject, day: str) -> Done:
    return run_cli("nightly", project.name, "--as-of", day)


def is_from(rows: pa.Table, day: str) -> pa.ChunkedArray:
    """Whether each row is of that day or later."""
    return pc.greater_equal(rows["sold_at"], pa.scalar(datetime.fromisoformat(f"{day}T00:00+00:00")))


def with_another_world(rows: pa.Table, since: str) -> pa.Table:
    """From a day on the label answers to the opposite of x, and x lies elsewhere."""
    moved = is_from(rows, since).to_numpy()
    x, late = rows["x"].to_numpy(), rows["late"].to_numpy()
    changed = {"x": np.where(moved, x + 2, x), "late": np.where(moved, 1 - late, late).astype(np.int32)}
    for name, values in changed.items():
        rows = rows.set_column(rows.schema.names.index(name), name, pa.array(values))
    return rows


@pytest.mark.timeout(600)
def test_nights_from_the_first_to_a_retrain(make_project: MakeProject, run_cli: RunCli, home: Path) -> None:
    project = made(make_project)
    before = run_cli("monitor", project.name, "--as-of", "2024-02-10")
    assert before.code == 0, before
    assert (before.json["decision"], before.json["causes"]) == ("retrain", ["first"])

    first = night(run_cli, project, "2024-02-10")
    assert first.code == 0, first
    assert list(first.json["steps"]) == STEPS
    assert (first.json["decision"], first.json["trained"], first.json["promoted"]) == ("retrain", 1, True)
    assert first.json["steps"]["train"] == {"state": "done", "version": 1, "promoted": True}
    assert first.json["predictions"]["rows_scored"] == 200

    quiet = night(run_cli, project, "2024-02-17")
    assert quiet.code == 0, quiet
    assert (quiet.json["decision"], quiet.json["trained"]) == ("watch", None)
    assert quiet.json["steps"]["train"] == {"state": "skipped"}
    # All that came since the night before is predicted, by the version that stood.
    assert quiet.json["predictions"]["rows_scored"] == 1400
    assert quiet.json["realised"]["labelled"] == quiet.json["realised"]["rows"] == 1400
    again = night(run_cli, project, "2024-02-17")
    assert (again.code, again.json["new"]) == (0, False)

    look = run_cli("monitor", project.name, "--as-of", "2024-02-17")
    assert look.code == 0, look
    assert all(signal.keys() >= SIGNAL for signal in look.json["signals"])
    assert {signal["family"] for signal in look.json["signals"]} >= {
        "feature",
        "prediction",
        "label",
        "realised",
    }
    assert {signal["segment"] for signal in look.json["signals"]} >= {"", "shop=east"}

    project.write_rows(with_another_world(project.rows(), "2024-02-17"))
    changed = night(run_cli, project, "2024-02-24")
    assert changed.code == 0, changed
    assert (changed.json["decision"], changed.json["trained"]) == ("retrain", 2)
    assert any(cause.startswith("realised") for cause in changed.json["causes"])
    assert changed.json["realised"]["loss"] > 0.2

    nights = table(home, project.name, "decisions")
    assert sorted(str(row["as_of"].date()) for row in nights) == ["2024-02-10", "2024-02-17", "2024-02-24"]
    assert {row["state"] for row in nights} == {"done"}
    predictions = table(home, project.name, "predictions")
    assert len({row["id"] for row in predictions}) == len(predictions) == 200 + 1400 + 1400


@pytest.mark.timeout(600)
def test_a_night_whose_data_are_refused_holds_and_is_done_once_they_are_mended(
    make_project: MakeProject, run_cli: RunCli, home: Path
) -> None:
    project = made(make_project, quality={"freshness": "1d"})
    assert night(run_cli, project, "2024-02-20").code == 0
    rows = project.rows()
    early = rows.filter(pc.invert(is_from(rows, "2024-02-24")))
    project.write_rows(early)
    stale = night(run_cli, project, "2024-02-27")
    assert stale.code == 3, stale
    assert "Traceback" not in stale.stderr
    assert stale.json["remedy"]
    (failed,) = [row for row in table(home, project.name, "decisions") if row["state"] == "failed"]
    assert failed["action"] == "hold"
    assert failed["error"]
    assert "\n" not in failed["error"]
    assert len(table(home, project.name, "predictions")) == 200

    project.write_rows(rows)
    mended = night(run_cli, project, "2024-02-27")
    assert mended.code == 0, mended
    assert mended.json["predictions"]["rows_scored"] == 1400
    assert {row["state"] for row in table(home, project.name, "decisions")} == {"done"}


@pytest.mark.timeout(600)
def test_one_projects_failure_is_its_own(make_project: MakeProject, run_cli: RunCli, home: Path) -> None:
    broken, sound = made(make_project, "a-broken"), made(make_project, "b-sound")
    broken.write_sql("select nonsense from events")
    done = run_cli("nightly", "--all", "--as-of", "2024-02-20")
    assert done.code == 2, done
    assert done.json["failed"] == [broken.name]
    assert done.json["projects"][sound.name]["state"] == "done"
    assert len(table(home, sound.name, "decisions")) == 1


@pytest.mark.timeout(600)
def test_a_version_without_a_profile_is_still_watched_by_its_labels(
    make_project: MakeProject, run_cli: RunCli, home: Path
) -> None:
    project = made(make_project)
    assert night(run_cli, project, "2024-02-20").code == 0
    (folder,) = (home / "mlartifacts").glob("**/monitoring")
    shutil.rmtree(folder)
    (home / "scratch" / project.name / "champion.json").unlink()
    quiet = night(run_cli, project, "2024-02-23")
    assert quiet.code == 0, quiet
    assert "without a profile" in quiet.stderr
    assert quiet.json["realised"]["labelled"] > 0


def test_nights_are_asked_for_by_name_or_all_together(make_project: MakeProject, run_cli: RunCli) -> None:
    project = made(make_project)
    for words in ((), (project.name, "--all")):
        refused = run_cli("nightly", *words)
        assert refused.code == 2
        assert refused.json["valid"] == [project.name]
