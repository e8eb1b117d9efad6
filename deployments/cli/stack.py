"""Commands that govern where and when things run."""

from __future__ import annotations

from deployments.cli.app import Json, app, screen


@app.command()
def up(as_json: Json = False) -> None:
    """Start the local Prefect server and MLflow's pages, on free loopback ports."""
    from deployments.commands import stack_up

    stack_up(screen(as_json))


@app.command()
def down(as_json: Json = False) -> None:
    """Stop what `up` started."""
    from deployments.commands import stack_down

    stack_down(screen(as_json))


@app.command()
def demo(as_json: Json = False) -> None:
    """Run everything on the flights out of New York in 2013."""
    from deployments.demo import run_demo

    run_demo(screen(as_json))
