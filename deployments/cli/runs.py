"""Commands that run a flow, or a step of one."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.cli.app import AsOf, End, Json, Project, Start, app, moment, screen


@app.command()
def ingest(
    project: Project, start: Start = None, end: End = None, as_of: AsOf = None, as_json: Json = False
) -> None:
    """Bring a window's rows from the sources into the lake."""
    from deployments.commands import ingest_window

    ingest_window(screen(as_json), project, moment(start), moment(end), moment(as_of))


@app.command()
def validate(
    project: Project, start: Start = None, end: End = None, as_of: AsOf = None, as_json: Json = False
) -> None:
    """Look at a window's rows as quality does, and write nothing."""
    from deployments.commands import validate_window

    validate_window(screen(as_json), project, moment(start), moment(end), moment(as_of))


@app.command()
def train(
    project: Project,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="The moment the run pretends is now, UTC: 2013-09-01, or 2013-09-01T02:00. "
            "Default: that of a training that was cut short within a day, else the last full hour.",
        ),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Begin at the beginning, whatever a training that was cut short has left."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a candidate, and promote it if it is not worse than the champion."""
    from deployments.commands import train_candidate

    train_candidate(screen(as_json), project, moment(as_of), fresh=fresh)


@app.command()
def predict(
    project: Project,
    start: Start = None,
    end: End = None,
    as_of: AsOf = None,
    version: Annotated[
        str | None, typer.Option(help="A version's number or alias. Default: the champion.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a window with the champion, and put the predictions into the lake."""
    from deployments.commands import predict_window

    predict_window(screen(as_json), project, moment(start), moment(end), moment(as_of), version)


@app.command()
def monitor(project: Project, as_of: AsOf = None, as_json: Json = False) -> None:
    """Compare the newest rows and predictions with what the champion learnt, and say what a night would do."""
    from deployments.nights import monitor_project

    monitor_project(screen(as_json), project, moment(as_of))


@app.command()
def nightly(
    projects: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PROJECT]...", help="Folders under projects/; see `nightshift projects`."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every project that declares a night.")] = False,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Do the night of this moment, UTC. Default: every night that is due."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Do the nights that are due: predict, look at what changed, decide, and retrain if need be."""
    from deployments.nights import nightly_projects

    nightly_projects(screen(as_json), projects or [], moment(as_of), every=every)


@app.command()
def tune(
    project: Project,
    budget: Annotated[
        str, typer.Option(help="How many trials, or how long: 20, 10m, 2h. What was tried before counts.")
    ] = "20",
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="The moment the search pretends is now, UTC. Default: the last midnight, so that it can go on.",
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", "--apply", help="Write the best parameters into project.yaml.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Search for better parameters, and show the change of project.yaml that they would be."""
    from deployments.tune import tune_project

    tune_project(screen(as_json), project, budget, moment(as_of), accept=accept)


@app.command()
def promote(
    project: Project,
    version: Annotated[str, typer.Argument(help="A version's number or alias; see `nightshift models`.")],
    by: Annotated[str, typer.Option(help="Who says so; kept in the audit.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")],
    as_json: Json = False,
) -> None:
    """Make a version champion on your word, whatever the gate said; the audit keeps who, when and why."""
    from deployments.promote import promote_version

    promote_version(screen(as_json), project, version, by, reason)


@app.command()
def reproduce(
    project: Project,
    version: Annotated[str, typer.Argument(help="A version's number or alias; see `nightshift models`.")],
    as_json: Json = False,
) -> None:
    """Train a version again from what it recorded, and compare. Exit code 0: the same model; 3: another one."""
    from deployments.reproduce import reproduce_version

    raise typer.Exit(reproduce_version(screen(as_json), project, version))
