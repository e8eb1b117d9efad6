"""What every flow starts from: the declared project, and the name of its run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect.runtime import flow_run

from nightshift.checkpoints.unfinished import unfinished
from nightshift.errors import RequestError
from nightshift.records import format_time
from nightshift.settings import Settings
from nightshift.spec.load import load_project
from nightshift.spec.project import Project
from nightshift.windows import moment, window_between


def declared(project: str) -> Project:
    """The declared project of this name."""
    return load_project(project, Settings().projects)


def as_of_run(as_of: datetime | None) -> datetime:
    """As-of of the flow run; by default the last full hour before it was due.

    A run that crashed and is tried again the next day is still due when it was: it looks at the same rows, repeats no
    step that was done, and goes on with the training that was cut short.
    """
    return moment(as_of, flow_run.get_scheduled_start_time())


def as_of_training(project: Project, as_of: datetime | None, *, fresh: bool) -> datetime:
    """As-of of a training; by default that of one that was cut short within the last day, else that of the run."""
    begun = None if as_of is not None or fresh else unfinished(project, Settings())
    return as_of_run(as_of) if begun is None else begun.as_of


def training_run_name() -> str:
    """`train PROJECT WINDOW`, as the Prefect UI lists it."""
    given = _given()
    try:
        spec = declared(given["project"])
        now = as_of_training(spec, given.get("as_of"), fresh=given.get("fresh", False))
    except RequestError:  # the flow itself tells what is wrong, and better
        return f"train {given['project']}"
    return f"train {given['project']} {spec.split_before(now).whole}"


def window_run_name() -> str:
    """`FLOW PROJECT WINDOW`, as the Prefect UI lists it."""
    given = _given()
    name = f"{flow_run.get_flow_name()} {given['project']}"
    try:
        return f"{name} {window_between(given.get('start'), given.get('end'), as_of_run(given.get('as_of')))}"
    except RequestError:  # the flow itself tells what is wrong, and better
        return name


def night_run_name() -> str:
    """`FLOW PROJECT AS-OF`, as the Prefect UI lists it."""
    given = _given()
    as_of = given.get("as_of")
    return f"{flow_run.get_flow_name()} {given['project']}" + (
        "" if as_of is None else f" {format_time(as_of_run(as_of))}"
    )


def _given() -> dict[str, Any]:
    return dict(flow_run.get_parameters())
