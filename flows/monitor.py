"""The story of a look at a project's newest rows and predictions: nothing is trained, and nothing is predicted."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from flows.declared import as_of_run, declared, night_run_name
from flows.parameters import ProjectName
from nightshift.dataset.stage import fingerprint_of
from nightshift.locks import only_one
from nightshift.monitoring.nights import MonitorRun
from nightshift.settings import Settings
from nightshift.spec.project import digest
from tasks.decide import decide
from tasks.ingest import ingest
from tasks.monitor import monitor as monitor_window
from tasks.night import open_night, show
from tasks.policy import as_it_is
from tasks.score import standing
from tasks.validate import validate


@flow(name="monitor", flow_run_name=night_run_name)
def monitor(project: ProjectName, as_of: datetime | None = None) -> MonitorRun:
    """Compare a project's newest rows with its champion's, its predictions with their labels, and say what to do.

    Args:
        project: a folder under projects/.
        as_of: the moment the run pretends is now; by default the last full hour.
    """
    spec, now, settings = declared(project), as_of_run(as_of), Settings()
    with only_one("monitor", project, settings):
        opening, model = open_night(spec, now), standing(spec, as_of and now)
        windows = opening.windows
        rows = fingerprint_of(spec, windows.whole, settings)
        staged = ingest(spec, windows.whole, mark=rows)
        accepted = validate(spec, staged, now, mark=digest(rows, spec.spec_hash, now, settings.store_uri))
        monitored = as_it_is(monitor_window(spec, accepted, as_it_is(opening), model))
        decision = decide(spec, as_it_is(opening), model, monitored)
        return show(spec, as_it_is(opening), monitored, decision)
