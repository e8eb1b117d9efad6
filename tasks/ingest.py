"""Step: from sources to staged rows."""

from __future__ import annotations

from typing import Any

from prefect import task

from nightshift.dataset.stage import is_readable, stage
from nightshift.records import Staged, Window
from nightshift.settings import Settings
from nightshift.spec.project import Project
from tasks.policy import cached_step


def _is_there(staged: Staged, _: dict[str, Any]) -> bool:
    return is_readable(staged)


@task(name="ingest", **cached_step("ingest", "nightshift.dataset", "nightshift.sources", is_there=_is_there))
def ingest(project: Project, window: Window, mark: str) -> Staged:
    """Run the project's SQL over its sources and put the window's rows, ordered, on local disk."""
    return stage(project, window, mark, Settings())
