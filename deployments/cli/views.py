"""Commands that look, and change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.app import Json, Project, app, screen


@app.command()
def projects(as_json: Json = False) -> None:
    """List the declared projects."""
    from deployments.commands import list_projects

    list_projects(screen(as_json))


@app.command()
def models(project: Project, as_json: Json = False) -> None:
    """List the versions of a project's model."""
    from deployments.commands import list_models

    list_models(screen(as_json), project)


@app.command()
def status(as_json: Json = False) -> None:
    """Show where the local servers are, and whether they answer."""
    from deployments.commands import stack_status

    stack_status(screen(as_json))


@app.command()
def report(
    project: Project,
    output: Annotated[
        Path | None,
        typer.Option(help="The file, or the folder it goes into. Default: under NIGHTSHIFT_HOME."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the nights of a project as one HTML file."""
    from deployments.report import report_nights

    report_nights(screen(as_json), project, output)
