"""Nights and predictions of before the champion, and a champion that cannot score: from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from tests.conftest import MakeProject, RunCli, SmallProject

pytestmark = pytest.mark.slow


def made(make_project: MakeProject) -> SmallProject:
    return make_project(
        rows=2400,
        drift={"window": "3d"},
        night={"schedule": "0 2 * * *"},
        split={"train": "12d", "validate": "3d", "holdout": "3d"},
    )


@pytest.mark.timeout(900)
def test_a_backfill_uses_what_stood_then_and_takes_nothing_over(
    make_project: MakeProject, run_cli: RunCli, home: Path
) -> None:
    project = made(make_project)
    for as_of in ("2024-02-15", "2024-02-25"):
        assert run_cli("train", project.name, "--as-of", as_of).code == 0
    if run_cli("models", project.name).json["champion"]["version"] != 2:
        words = ("promote", project.name, "2", "--by", "tests", "--reason", "to have two")
        assert run_cli(*words).code == 0
    days = ("--start", "2024-02-18", "--end", "2024-02-20")
    then = run_cli("predict", project.name, *days, "--as-of", "2024-02-20")
    assert (then.code, then.json["model_version"], then.json["realised_learnt"]) == (0, 1, 0)
    assert "Version 1 is used" in then.stderr
    now = run_cli("predict", project.name, *days, "--as-of", "2024-02-25", "--version", "2")
    assert (now.json["realised_rows"], now.json["realised_learnt"]) == (0, 120)
    early = run_cli("predict", project.name, "--as-of", "2024-02-10")
    assert early.code == 2
    assert "--version 2" in early.json["remedy"]
    night = run_cli("nightly", project.name, "--as-of", "2024-02-22")
    assert night.json["predictions"]["model_version"] == 1
    assert any("version 2, is as of 2024-02-25" in reason for reason in night.json["reasons"])
    older = run_cli("train", project.name, "--as-of", "2024-02-20")
    assert (older.json["promoted"], older.json["waits"]) == (False, True)
    assert run_cli("models", project.name).json["champion"]["version"] == 2


@pytest.mark.timeout(900)
def test_a_champion_that_cannot_score_gives_way_to_the_word_of_a_person_alone(
    make_project: MakeProject, run_cli: RunCli, home: Path
) -> None:
    project = made(make_project)
    assert run_cli("nightly", project.name, "--as-of", "2024-02-20").json["promoted"]
    project.write_sql(
        "select id, sold_at, x, shop, late from events where sold_at >= $start and sold_at < $end"
    )
    blind = run_cli("nightly", project.name, "--as-of", "2024-02-22")
    assert blind.code == 3
    assert "'z'" in blind.json["error"]
    assert "nightshift promote" in blind.json["remedy"]
    look = run_cli("monitor", project.name, "--as-of", "2024-02-22")
    assert look.json["causes"][0] == "columns"
    candidate = run_cli("train", project.name, "--as-of", "2024-02-22").json
    assert (candidate["version"], candidate["promoted"], candidate["waits"]) == (2, False, True)
    assert "'z'" in candidate["reasons"][0]
    word = ("--by", "ada", "--reason", "z is gone for good")
    assert run_cli("promote", project.name, "2", *word).json["changed"]
    again = run_cli("nightly", project.name, "--as-of", "2024-02-22")
    assert again.code == 0, again
    assert again.json["predictions"]["model_version"] == 2
    rows = DeltaTable(str(home / "store" / "lake" / project.name / "audit")).to_pandas().sort_values("at")
    assert rows[["version", "by"]].values.tolist() == [[1, "nightly"], [2, "ada"]]
