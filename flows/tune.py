"""The story of a search for better parameters: no version is made, and the holdout is not looked at."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from flows.declared import as_of_run, declared, night_run_name
from flows.parameters import ProjectName
from nightshift.dataset.stage import fingerprint_of
from nightshift.locks import only_one
from nightshift.settings import Settings
from nightshift.spec.project import digest
from nightshift.tuning.budget import SearchBudget
from nightshift.tuning.tune import midnight
from tasks.ingest import ingest
from tasks.policy import as_it_is
from tasks.tune import Tuned, show
from tasks.tune import tune as search
from tasks.validate import validate


@flow(name="tune", flow_run_name=night_run_name)
def tune(
    project: ProjectName, budget: str = "20", as_of: datetime | None = None, accept: bool = False
) -> Tuned:
    """Search for better parameters of a project's learner, going on with a search that was cut short.

    Args:
        project: a folder under projects/.
        budget: how many trials, or how long: 20, 10m, 2h. What was tried before counts.
        as_of: the moment the run pretends is now; by default the last midnight UTC, so that a search can go on.
        accept: write the best trial's parameters into project.yaml, if they are better than those there.
    """
    spec, now, limit, settings = (
        declared(project),
        midnight(as_of, as_of_run(None)),
        SearchBudget.read(budget),
        Settings(),
    )
    window = spec.split_before(now).whole
    with only_one("tune", project, settings):
        rows = fingerprint_of(spec, window, settings)
        staged = ingest(spec, window, mark=rows)
        accepted = validate(spec, staged, now, mark=digest(rows, spec.spec_hash, now, settings.store_uri))
        found = search(spec, accepted, limit)
        return show(spec, as_it_is(found), accept)
