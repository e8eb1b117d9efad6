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
def train(project: Project, as_of: AsOf = None, as_json: Json = False) -> None:
    """Train a candidate, and promote it if it is not worse than the champion."""
    from deployments.commands import train_candidate

    train_candidate(screen(as_json), project, moment(as_of))


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
