"""The story of a batch prediction."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from flows.declared import as_of_run, declared, window_run_name
from flows.parameters import ProjectName
from nightshift.dataset.stage import fingerprint_of
from nightshift.locks import only_one
from nightshift.records import Scored
from nightshift.scoring.published import arm_of
from nightshift.settings import Settings
from nightshift.spec.project import digest
from nightshift.windows import window_between
from tasks.ingest import ingest
from tasks.score import champion, score
from tasks.validate import validate


@flow(name="predict", flow_run_name=window_run_name)
def predict(
    project: ProjectName,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
    version: str | None = None,
) -> Scored:
    """Score a window of a project with its champion, and put the predictions into the lake.

    Args:
        project: a folder under projects/.
        start: first event time of the window; by default a day before its end.
        end: end of the window, itself not in it; by default as-of.
        as_of: the moment the run pretends is now: labels known later are not seen; by default the last full hour.
        version: a version's number or alias; by default the champion, or with as-of the newest promoted version that
            was trained as of then or before.
    """
    spec, now, settings = declared(project), as_of_run(as_of), Settings()
    window = window_between(start, end, now)
    with only_one("predict", project, settings):
        model = champion(spec, version, as_of and now)
        rows = fingerprint_of(spec, window, settings)
        staged = ingest(spec, window, mark=rows)
        accepted = validate(spec, staged, now, mark=digest(rows, spec.spec_hash, now, settings.store_uri))
        arm = arm_of(version, model.version)
        mark = digest(
            accepted.digest, accepted.version, model.version.run_id, model.version.model_sha256, now, arm
        )
        return score(spec, accepted, model, mark=mark, arm=arm)
