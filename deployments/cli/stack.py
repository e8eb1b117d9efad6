"""Commands that govern where and when things run."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.cli.app import Json, Project, app, screen


@app.command()
def up(as_json: Json = False) -> None:
    """Start the local Prefect server, MLflow's pages and a worker, on free loopback ports."""
    from deployments.commands import stack_up

    stack_up(screen(as_json))


@app.command()
def down(as_json: Json = False) -> None:
    """Stop what `up` started."""
    from deployments.commands import stack_down

    stack_down(screen(as_json))


@app.command("open")
def open_(
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Only print the address: for a browser elsewhere.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Open the pages of the local servers in a browser, and log it in."""
    from deployments.entry import open_pages

    open_pages(screen(as_json), with_browser=browser)


@app.command()
def env(as_json: Json = False) -> None:
    """Print what Prefect's and MLflow's own commands and notebooks need: eval "$(nightshift env)"."""
    from deployments.entry import print_variables

    print_variables(screen(as_json))


@app.command()
def secret(
    rotate: Annotated[
        bool,
        typer.Option("--rotate", help="Make a new one. The old one, and every browser, is let in no more."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say where the secret of the local servers is, or make a new one."""
    from deployments.entry import show_secret

    show_secret(screen(as_json), rotate=rotate)


@app.command()
def gc(
    projects: Annotated[
        list[str] | None, typer.Argument(metavar="[PROJECT]...", help="Default: all that have left anything.")
    ] = None,
    older_than: Annotated[str, typer.Option(help="What was used more recently stays: 12h, 7d, 4w.")] = "7d",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go, and remove nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove rows that no model version was made of, checkpoints that were given up, and old working files."""
    from deployments.gc import clean_projects

    clean_projects(screen(as_json), projects or [], older_than, dry_run=dry_run)


@app.command()
def schedule(project: Project, as_json: Json = False) -> None:
    """Write a project's schedule into prefect.yaml, from its declaration."""
    from deployments.schedule import schedule_project

    schedule_project(screen(as_json), project)


@app.command()
def deploy(as_json: Json = False) -> None:
    """Bring prefect.yaml's deployments and schedules to the server."""
    from deployments.deploy import deploy_all

    deploy_all(screen(as_json))


@app.command()
def notify(
    block: Annotated[
        str | None,
        typer.Option(help="A notification block of the Prefect pages, such as slack-webhook/team."),
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Which news to send. Default: what a person should know."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the automations away again.")] = False,
    retrain_on_drift: Annotated[
        bool, typer.Option("--retrain-on-drift", help="Train whenever `nightshift.drift` is sent.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Have news of the nights sent by a Prefect block; without options, list what is installed."""
    from deployments.notify import notify as install

    install(screen(as_json), block, kinds or [], remove=remove, retrain_on_drift=retrain_on_drift)


@app.command()
def demo(as_json: Json = False) -> None:
    """Run everything on the flights out of New York in 2013."""
    from deployments.demo import run_demo

    run_demo(screen(as_json))
