"""A search on a small project, from the command line to a trained winner."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeProject, RunCli
from tests.flows.test_story import ask, last_run

AS_OF = ("--as-of", "2024-03-01")


@pytest.mark.timeout(300)
def test_search_go_on_accept_and_train_the_winner(
    make_project: MakeProject, run_cli: RunCli, prefect_api: str, home: Path
) -> None:
    project = make_project(
        "binary", name="tuned", learner={"params": {"num_leaves": 2, "learning_rate": 0.01}}
    )
    written = (project.folder / "project.yaml").read_text()

    first = run_cli("tune", project.name, "--budget", "4", *AS_OF)
    assert first.code == 0, first.stderr
    assert first.json.keys() >= {
        "project", "study", "trials", "pruned", "best", "declared", "metric", "diff", "applied",
    }  # fmt: skip
    assert (first.json["trials"], first.json["new"], first.json["applied"]) == (4, 4, False)
    assert first.json["best"]["value"] > first.json["declared"]["value"]
    assert (project.folder / "project.yaml").read_text() == written
    assert (home / "reports" / "tuned-tune.diff").read_text() == first.json["diff"]
    assert last_run(prefect_api, "tune tuned")["state"]["name"] == "Completed"
    artifacts = {one["key"] for one in ask(prefect_api, "artifacts", artifacts={"key": {"like_": "tuned-"}})}
    assert {"tuned-trials", "tuned-search"} <= artifacts

    second = run_cli("tune", project.name, "--budget", "4", *AS_OF, "--accept")
    assert second.code == 0, second.stderr
    assert (second.json["new"], second.json["applied"]) == (0, True)
    assert (second.json["best"], second.json["diff"]) == (first.json["best"], first.json["diff"])
    assert project.declaration["learner"]["params"].items() >= first.json["best"]["params"].items()

    trained = run_cli("train", project.name, *AS_OF)
    assert trained.code == 0, trained.stderr
    assert trained.json["metrics"]["validate"]["roc_auc"] == first.json["best"]["values"][0]


def test_a_budget_that_is_none_is_refused(make_project: MakeProject, run_cli: RunCli) -> None:
    project = make_project("binary", name="untuned")
    refused = run_cli("tune", project.name, "--budget", "plenty")
    assert (refused.code, refused.json["valid"]) == (2, ["20", "10m", "2h"])
