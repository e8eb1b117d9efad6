"""Step: from a night's rows and predictions to its signals."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from nightshift.monitoring.monitor import Monitored
from nightshift.monitoring.monitor import monitor as monitor_window
from nightshift.monitoring.nights import Opening
from nightshift.monitoring.standing import Standing
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from registry.served import Served
from tasks.policy import step


@task(name="monitor", **step())
def monitor(project: Project, snapshot: Snapshot, opening: Opening, model: Served | None) -> Monitored:
    """Compare the night's rows with the champion's, and its predictions with their labels."""
    if model is None:
        return Monitored()
    standing = Standing.load(
        model.version, Path(model.folder), None if model.monitoring is None else Path(model.monitoring)
    )
    return monitor_window(project, snapshot, opening, standing, Settings())
