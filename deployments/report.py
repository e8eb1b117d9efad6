"""What `nightshift report` does: read a project's nights back, and write them as one HTML file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.screen import Screen
from nightshift.atomic import replacing
from nightshift.errors import DataRefusedError, RequestError
from nightshift.settings import Settings
from nightshift.spec.load import load_project
from nightshift.spec.project import Project

if TYPE_CHECKING:
    from nightshift.drift.profile import Profile
    from nightshift.findings import Night, Signal
    from nightshift.records import Snapshot, Window
    from nightshift.report.data import ReportData

logger = logging.getLogger(__name__)

_MOST_NIGHTS = 400


def report_nights(screen: Screen, project: str, output: Path | None = None) -> Path:
    """Write the page about a project's nights, and say where it is.

    Args:
        output: the file, or the folder that it goes into; by default `reports/PROJECT.html` under NIGHTSHIFT_HOME.

    Raises:
        RequestError: there is no such project.
        OutsideError: the lake cannot be read, or the file cannot be written.
    """
    from nightshift.report.words import headline

    settings = Settings()
    spec = load_project(project, settings.projects)
    with screen.steps() as steps:
        steps.waiting("reading the nights")
        path, report = write_page(spec, settings, output)
    tonight = report.tonight
    if tonight is None:
        screen.say(f"no night of {project} has run yet: nightshift nightly {project}")
    else:
        screen.say(headline(tonight))
    screen.say(f"report: {path}")
    screen.result(
        {
            "project": project,
            "path": str(path),
            "nights": len(report.nights),
            "headline": None if tonight is None else headline(tonight),
        }
    )
    return path


def write_page(project: Project, settings: Settings, output: Path | None = None) -> tuple[Path, ReportData]:
    """Write the page about a project's nights: where it is, and what is in it."""
    from nightshift.report.page import render

    report = read_report(project, settings)
    path = (output or settings.home_path / "reports" / f"{project.name}.html").expanduser().absolute()
    if path.is_dir():
        path /= f"{project.name}.html"
    with replacing(path) as temporary:
        temporary.write_text(render(report), encoding="utf-8")
    return path, report


def read_report(project: Project, settings: Settings) -> ReportData:
    """Everything the page shows, from the lake's journal and the registry."""
    from nightshift.decision.journal import Journal
    from nightshift.evaluation.evaluate import deciding_metric
    from nightshift.report.data import ReportData
    from nightshift.report.periods import estimated_of, periods_of, realised_of
    from registry.versions import Versions

    journal = Journal.of(project, settings)
    nights = tuple(reversed(journal.nights(limit=_MOST_NIGHTS)))
    tonight = nights[-1] if nights else None
    signals = () if tonight is None else journal.signals(tonight.as_of)
    reference, window = (None, None) if tonight is None else profiles(project, tonight, signals, settings)
    return ReportData(
        project=project.name,
        metric=deciding_metric(project).name,
        nights=nights,
        written_at=datetime.now(UTC),
        purpose=project.purpose,
        owner=project.owner,
        signals=signals,
        realised=None if tonight is None else realised_of(project, tonight),
        estimated=None if tonight is None else estimated_of(project, tonight),
        timeline=periods_of(nights, deciding_metric(project).name),
        versions=tuple(Versions.of(project.name, settings).all()),
        reference=reference,
        window=window,
    )


def profiles(
    project: Project, night: Night, signals: Sequence[Signal], settings: Settings
) -> tuple[Profile | None, Profile | None]:
    """The reference and the night's window, counted again, when there is something in them to look at.

    The night keeps no profiles. Its rows are read as the lake holds them now.
    """
    if night.champion is None or not any(one.alarm and one.column for one in signals):
        return None, None
    from nightshift.dataset.rows import SnapshotRows
    from nightshift.engine import engine
    from nightshift.monitoring.profiles import Comparable
    from nightshift.monitoring.standing import Standing
    from registry.served import served

    try:
        model = served(project.name, str(night.champion), settings)
    except (
        RequestError,
        DataRefusedError,
    ) as error:  # deleted in MLflow since: the page says what the night did
        logger.warning("report: no distributions: %s", error.what)
        return None, None
    monitoring = None if model.monitoring is None else Path(model.monitoring)
    standing = Standing.load(model.version, Path(model.folder), monitoring)
    snapshot = _newest_rows(project, night.window, night.as_of, settings)
    if standing.profile is None or snapshot is None:
        return None, None
    with engine(settings) as connection:
        rows = SnapshotRows(project, snapshot, settings, connection)
        of = Comparable(rows, standing, standing.profile, settings)
        return of.reference(night.window, ()), of.profile(night.window)


def _newest_rows(project: Project, window: Window, as_of: datetime, settings: Settings) -> Snapshot | None:
    from nightshift.lake.tables import Lake
    from nightshift.records import Snapshot

    lake = Lake.of(project.name, settings)
    version = lake.version("dataset")
    if version is None:
        return None
    return Snapshot(
        project=project.name, table=lake.uri("dataset"), version=version, window=window, as_of=as_of,
        rows=0, rows_in=0, quarantined=0,
    )  # fmt: skip
