"""Step: from staged rows to accepted ones in the lake."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import task

from nightshift.dataset.stage import is_readable, stage
from nightshift.quality.validate import is_kept
from nightshift.quality.validate import validate as validate_rows
from nightshift.records import Snapshot, Staged
from nightshift.settings import Settings
from nightshift.spec.project import Project
from tasks.policy import cached_step
from tasks.publish import publish_validation


def _is_there(snapshot: Snapshot, arguments: dict[str, Any]) -> bool:
    return is_kept(arguments["project"], snapshot, Settings())


@task(name="validate", **cached_step("validate", "nightshift.quality", "nightshift.lake", is_there=_is_there))
def validate(project: Project, staged: Staged, as_of: datetime, mark: str) -> Snapshot:
    """Part accepted from refused rows, and put each in its table of the lake."""
    settings = Settings()
    if not is_readable(staged):  # scratch files may go at any time, and can be made again
        staged = stage(project, staged.window, staged.fingerprint, settings)
    snapshot, report = validate_rows(project, staged, as_of, settings)
    publish_validation(project, snapshot, report)
    return snapshot
