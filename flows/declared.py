"""What every flow starts from: the declared project, and the name of its run."""

from __future__ import annotations

from typing import Any

from prefect.runtime import flow_run

from nightshift.errors import RequestError
from nightshift.records import format_time
from nightshift.settings import Settings
from nightshift.spec.load import load_project
from nightshift.spec.project import Project
from nightshift.windows import moment, window_between


def declared(project: str) -> Project:
    """The declared project of this name."""
    return load_project(project, Settings().projects)


def training_run_name() -> str:
    """`train PROJECT WINDOW`, as the Prefect UI lists it."""
    given = _given()
    try:
        window = declared(given["project"]).split_before(moment(given.get("as_of"))).whole
    except RequestError:  # the flow itself tells what is wrong, and better
        return f"train {given['project']}"
    return f"train {given['project']} {window}"


def window_run_name() -> str:
    """`FLOW PROJECT WINDOW`, as the Prefect UI lists it."""
    given = _given()
    name = f"{flow_run.get_flow_name()} {given['project']}"
    try:
        return f"{name} {window_between(given.get('start'), given.get('end'), given.get('as_of'))}"
    except RequestError:  # the flow itself tells what is wrong, and better
        return name


def night_run_name() -> str:
    """`FLOW PROJECT AS-OF`, as the Prefect UI lists it."""
    given = _given()
    as_of = given.get("as_of")
    return f"{flow_run.get_flow_name()} {given['project']}" + (
        "" if as_of is None else f" {format_time(moment(as_of))}"
    )


def _given() -> dict[str, Any]:
    return dict(flow_run.get_parameters())
