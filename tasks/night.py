"""Steps: begin a night, and write down what it came to, also when it failed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import task
from prefect.runtime import flow_run

from nightshift.decision.calendar import due_nights, night_window
from nightshift.decision.decide import decide
from nightshift.decision.evidence import Evidence
from nightshift.decision.journal import Journal
from nightshift.errors import DataRefusedError, NightshiftError
from nightshift.findings import Decision, Night, Signal
from nightshift.monitoring.comparison import check_names
from nightshift.monitoring.monitor import Monitored
from nightshift.monitoring.nights import MonitorRun, NightRun, Opening
from nightshift.monitoring.windows import NightWindows
from nightshift.records import Scored
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import ModelVersion
from nightshift.windows import moment
from tasks.events import announce
from tasks.policy import step
from tasks.publish import publish_look, publish_night

logger = logging.getLogger("nightshift.night")

_NIGHTS_BACK = 400


def due(project: Project, as_of: datetime | None, otherwise: datetime) -> Sequence[datetime]:
    """The moment asked for; or every night that is due by now, in order; or `otherwise` if nights are not declared."""
    if as_of is not None:
        return [moment(as_of)]
    if project.night is None:
        return [otherwise]
    found = due_nights(project, Journal.of(project, Settings()), datetime.now(UTC))
    if found.note:
        logger.warning("night: %s", found.note)
    if not found.nights:
        logger.info("night: every night up to now was done")
    return found.nights


@task(name="open", **step())
def open_night(project: Project, as_of: datetime, moment: datetime | None = None) -> Opening:
    """The night's windows, the nights before it, and whether it was done.

    Args:
        moment: the real one, when the night may be a missed one.

    Raises:
        RequestError: the policy names a signal that there is not; nothing has been written by then.
    """
    check_names(project)
    journal = Journal.of(project, Settings())
    nights = journal.nights(before=as_of, limit=_NIGHTS_BACK)
    done = next((night.as_of for night in nights if night.state == "done"), None)
    window = night_window(project, as_of, done)
    found = journal.find(as_of)
    return Opening(
        windows=NightWindows.of(project, as_of, window.start),
        nights=tuple(nights),
        moment=moment,
        began_at=datetime.now(UTC),
        done=found if found is not None and found.state == "done" else None,
    )


@task(name="report", **step())
def close(
    project: Project,
    opening: Opening,
    monitored: Monitored,
    decision: Decision,
    trained: tuple[ModelVersion, bool] | None,
    scored: Scored | None,
) -> NightRun:
    """Write the night down, tell what is new about it, and show it."""
    version = None if trained is None else trained[0]
    promoted = version is not None and "champion" in version.aliases
    waits = version is not None and version.waits and not promoted
    if version is not None and waits:
        why = (
            f"Version {version.version}: {version.reasons[0]}. To make it champion: {version.how_to_promote}"
        )
        decision = decision.model_copy(update={"reasons": (*decision.reasons, why)})
    night = Night(
        project=project.name,
        as_of=opening.windows.as_of,
        window=opening.windows.looked_at,
        state="done",
        decision=decision,
        champion=monitored.champion,
        trained=None if version is None else version.version,
        promoted=promoted,
        rows_in=None if scored is None else scored.rows_in,
        rows_scored=None if scored is None else scored.rows_scored,
        rows_quarantined=None if scored is None else scored.rows_quarantined,
        rows_outside={} if scored is None else scored.rows_outside,
        waits=waits,
        run_id=str(flow_run.get_id() or ""),
        seconds=(datetime.now(UTC) - opening.began_at).total_seconds(),
        finished_at=datetime.now(UTC),
    )
    _write_down(project, opening, night, monitored.signals)
    publish_night(project, opening, night, monitored)
    return NightRun(
        night=night,
        signals=len(monitored.signals),
        alarms=sum(signal.alarm for signal in monitored.signals),
        realised=monitored.realised,
        estimated=monitored.estimated,
        scored=scored,
        trained=version,
    )


@task(name="report", **step())
def show(project: Project, opening: Opening, monitored: Monitored, decision: Decision) -> MonitorRun:
    """Show what a look found, and write nothing down."""
    publish_look(project, opening, monitored, decision)
    return MonitorRun(
        project=project.name,
        windows=opening.windows,
        champion=monitored.champion,
        signals=monitored.signals,
        realised=monitored.realised,
        estimated=monitored.estimated,
        decision=decision,
    )


def fail(project: Project, opening: Opening, error: Exception) -> None:
    """Write down that the night failed, why, and what to do, in one line."""
    told = error if isinstance(error, NightshiftError) else None
    what = (
        told.what if told else f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    )
    if isinstance(error, DataRefusedError):
        evidence = Evidence(as_of=opening.windows.as_of, moment=opening.moment, data_refused=what)
        decision = decide(evidence, opening.nights, project.drift)
    else:
        decision = Decision(action="watch", reasons=(f"The night failed: {what}.",), causes=("failure",))
    night = Night(
        project=project.name,
        as_of=opening.windows.as_of,
        window=opening.windows.looked_at,
        state="failed",
        decision=decision,
        error=f"{what}; {told.remedy}" if told and told.remedy else what,
        run_id=str(flow_run.get_id() or ""),
        seconds=(datetime.now(UTC) - opening.began_at).total_seconds(),
        finished_at=datetime.now(UTC),
    )
    _write_down(project, opening, night, ())
    publish_night(project, opening, night, Monitored())


def _write_down(project: Project, opening: Opening, night: Night, signals: Sequence[Signal]) -> None:
    journal = Journal.of(project, Settings())
    before = journal.find(night.as_of) or opening.before
    if signals:
        journal.record_signals(night.as_of, night.window, night.champion, signals)
    journal.record(night)
    announce(night, before)
