"""The forms of the flows: what Prefect's pages are told of their parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema
from pydantic import TypeAdapter

from flows.ingest import ingest
from flows.monitor import monitor
from flows.nightly import nightly
from flows.parameters import ProjectName
from flows.predict import predict
from flows.reproduce import reproduce
from flows.train import train
from flows.tune import tune
from tests.conftest import MakeProject, RunCli

FLOWS = [ingest, train, predict, monitor, nightly, reproduce, tune]


def schema() -> dict[str, Any]:
    return TypeAdapter(ProjectName).json_schema()


def test_the_choice_is_that_of_the_moment(make_project: MakeProject) -> None:
    make_project(name="one")
    assert schema()["enum"] == ["one"]

    make_project(name="another")
    assert schema()["enum"] == ["another", "one"]


@pytest.mark.parametrize("exists", [False, True])
def test_without_projects_any_text_may_be_given(
    exists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_PROJECTS", str(tmp_path if exists else tmp_path / "none"))

    assert schema() == {"type": "string"}


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: str(flow.name))
def test_every_parameter_of_a_form_is_explained_and_of_its_kind(flow: Any, make_project: MakeProject) -> None:
    make_project(name="one")
    form = parameter_schema(flow)

    assert form.required == ["project"]
    assert form.properties["project"]["enum"] == ["one"]
    for name, shown in form.properties.items():
        assert shown["description"], name
        if name in ("as_of", "start", "end"):
            assert {"type": "string", "format": "date-time"} in shown["anyOf"]


def test_a_wrong_name_is_the_flows_to_refuse(make_project: MakeProject, run_cli: RunCli) -> None:
    make_project(name="one")

    assert train.validate_parameters({"project": "two"})["project"] == "two"
    refused = run_cli("train", "two")
    assert refused.code == 2
    assert refused.json["valid"] == ["one"]
