"""Step: from a night's rows and predictions to its signals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect import task

from nightshift.findings import Night
from nightshift.monitoring.monitor import Monitored
from nightshift.monitoring.monitor import monitor as monitor_window
from nightshift.monitoring.standing import Standing
from nightshift.monitoring.windows import NightWindows
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from registry.served import Served
from tasks.policy import step


@task(name="monitor", **step())
def monitor(
    project: Project, snapshot: Snapshot, windows: NightWindows, model: Served | None, nights: Sequence[Night]
) -> Monitored:
    """Compare the night's rows with the champion's, and its predictions with their labels."""
    if model is None:
        return Monitored()
    standing = Standing.load(
        model.version, Path(model.folder), None if model.monitoring is None else Path(model.monitoring)
    )
    return monitor_window(project, snapshot, windows, standing, nights, Settings())
