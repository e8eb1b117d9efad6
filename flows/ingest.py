"""The story of bringing a window's rows into the lake."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from flows.declared import as_of_run, declared, window_run_name
from flows.parameters import ProjectName
from nightshift.dataset.stage import fingerprint_of
from nightshift.locks import only_one
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import digest
from nightshift.windows import window_between
from tasks.ingest import ingest as ingest_rows
from tasks.validate import validate


@flow(name="ingest", flow_run_name=window_run_name)
def ingest(
    project: ProjectName,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
) -> Snapshot:
    """Replace a window of a project's dataset by what its sources hold now.

    Args:
        project: a folder under projects/.
        start: first event time of the window; by default a day before its end.
        end: end of the window, itself not in it; by default as-of.
        as_of: the moment the run pretends is now; by default the last full hour.
    """
    spec, now, settings = declared(project), as_of_run(as_of), Settings()
    window = window_between(start, end, now)
    with only_one("ingest", project, settings):
        rows = fingerprint_of(spec, window, settings)
        staged = ingest_rows(spec, window, mark=rows)
        return validate(spec, staged, now, mark=digest(rows, spec.spec_hash, now, settings.store_uri))
