"""Step: from a night's findings and the nights before to a decision."""

from __future__ import annotations

import logging

from prefect import task

from nightshift.decision.decide import decide as decide_night
from nightshift.decision.evidence import Evidence
from nightshift.findings import Decision
from nightshift.monitoring.monitor import Monitored
from nightshift.monitoring.nights import Opening
from nightshift.settings import Settings
from nightshift.spec.project import Project
from registry.served import Served, standing
from tasks.policy import step

logger = logging.getLogger("nightshift.decide")


@task(name="decide", **step())
def decide(project: Project, opening: Opening, model: Served | None, monitored: Monitored) -> Decision:
    """Retrain, look on, or touch nothing, and why."""
    later = None if model is not None else standing(project.name, Settings())
    evidence = Evidence(
        as_of=opening.windows.as_of,
        moment=opening.moment,
        timezone="UTC" if project.night is None else project.night.timezone,
        champion=None if model is None else model.version.version,
        champion_as_of=None if model is None else model.version.as_of,
        new_labels=monitored.new_labels,
        signals=monitored.signals,
        realised=monitored.realised,
        estimated=monitored.estimated,
        lacking=monitored.lacking,
        note="" if model is None else model.note,
        later_champion=None if later is None else later.version.version,
    )
    decision = decide_night(evidence, opening.nights, project.drift)
    logger.info("decide: %s: %s", decision.action, decision.reasons[0])
    return decision
