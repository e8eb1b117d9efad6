"""Step: from sources to staged rows."""

from __future__ import annotations

from prefect import task

from nightshift.dataset.stage import stage
from nightshift.records import Staged, Window
from nightshift.settings import Settings
from nightshift.spec.project import Project
from tasks.policy import cached_step


@task(name="ingest", **cached_step("ingest", "nightshift.dataset", "nightshift.sources"))
def ingest(project: Project, window: Window, mark: str) -> Staged:
    """Run the project's SQL over its sources and put the window's rows, ordered, on local disk."""
    return stage(project, window, mark, Settings())
