"""The story of a night: predict, look at what the world did, decide whether the model still fits, retrain if not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import flow

from flows.declared import as_of_run, declared, night_run_name
from flows.parameters import ProjectName
from flows.train import train_as_of
from nightshift.dataset.stage import fingerprint_of
from nightshift.errors import DataRefusedError
from nightshift.locks import only_one
from nightshift.monitoring.nights import NightRun, Opening
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest
from tasks.decide import decide
from tasks.ingest import ingest
from tasks.monitor import monitor
from tasks.night import close, due, fail, open_night
from tasks.policy import as_it_is
from tasks.score import score_night, standing, standing_before
from tasks.validate import validate


@flow(name="nightly", flow_run_name=night_run_name)
def nightly(project: ProjectName, as_of: datetime | None = None) -> list[NightRun]:
    """Do the nights of a project that are due, in order: predict, look, decide, and retrain if need be.

    Args:
        project: a folder under projects/.
        as_of: the moment of one night, to do that one; by default all nights that are due by now.
    """
    spec = declared(project)
    with only_one("nightly", project, Settings()):
        return _each(spec, due(spec, as_of, as_of_run(None)), None if as_of else datetime.now(UTC))


def _each(spec: Project, nights: Sequence[datetime], moment: datetime | None) -> list[NightRun]:
    """Every night in turn. One whose data are refused does not keep the later ones from being done."""
    runs: list[NightRun] = []
    refused: list[DataRefusedError] = []
    for as_of in nights:
        try:
            runs.append(do_night(spec, as_of, moment))
        except DataRefusedError as error:
            refused.append(error)
    if refused:
        raise refused[-1]
    return runs


def do_night(spec: Project, as_of: datetime, moment: datetime | None = None) -> NightRun:
    """One night, written down whatever becomes of it; a night that was done is not done again."""
    opening = open_night(spec, as_of, moment)
    if opening.done is not None:
        return NightRun(night=opening.done, is_new=False)
    try:
        return _steps(spec, opening)
    except Exception as error:
        fail(spec, opening, error)
        raise


def _steps(spec: Project, opening: Opening) -> NightRun:
    settings, windows, model = Settings(), opening.windows, standing_before(spec, as_it_is(opening))
    rows = fingerprint_of(spec, windows.whole, settings)
    staged = ingest(spec, windows.whole, mark=rows)
    mark = digest(rows, spec.spec_hash, windows.as_of, settings.store_uri)
    accepted = validate(spec, staged, windows.as_of, mark=mark)
    # Predictions go out first: no training keeps them waiting, and no model scores rows whose labels it has learnt.
    scored = score_night(spec, accepted, windows, model) if model else None
    monitored = as_it_is(monitor(spec, accepted, as_it_is(opening), model))
    decision = decide(spec, as_it_is(opening), model, monitored)
    trained = train_as_of(spec, windows.as_of) if decision.action == "retrain" else None
    first = scored or score_night(spec, accepted, windows, standing(spec, windows.as_of))
    return close(spec, as_it_is(opening), monitored, decision, trained, first)
