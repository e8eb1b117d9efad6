"""The story of a training run."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime

from prefect import flow

from flows.declared import as_of_training, declared, training_run_name
from flows.parameters import ProjectName
from nightshift.checkpoints.unfinished import under_way
from nightshift.dataset.stage import fingerprint_of
from nightshift.evaluation.evaluate import deciding_metric
from nightshift.locks import only_one
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest
from nightshift.trained import ModelVersion
from tasks.evaluate import evaluate
from tasks.fit import fit
from tasks.ingest import ingest
from tasks.origin import find_origin
from tasks.refit import refit
from tasks.register import register
from tasks.validate import validate


@flow(name="train", flow_run_name=training_run_name)
def train(
    project: ProjectName, as_of: datetime | None = None, fresh: bool = False
) -> tuple[ModelVersion, bool]:
    """Train a candidate of a project on what was known at as-of, and promote it if it earned it.

    Args:
        project: a folder under projects/.
        as_of: the moment the run pretends is now; by default that of a training that was cut short, else the last full
            hour.
        fresh: begin at the beginning, whatever an earlier training that was cut short has left.
    """
    spec = declared(project)
    now = as_of_training(spec, as_of, fresh=fresh)
    with nullcontext() if as_of is not None else under_way(spec, now, Settings()):
        return train_as_of(spec, now, fresh=fresh)


def train_as_of(spec: Project, now: datetime, *, fresh: bool = False) -> tuple[ModelVersion, bool]:
    """The steps of a training, for any flow that comes to one: the version, and whether it was made just now."""
    deciding_metric(spec)
    settings, window = Settings(), spec.split_before(now).whole
    with only_one("train", spec.name, settings):
        origin = find_origin(spec, now)
        rows = fingerprint_of(spec, window, settings)
        staged = ingest(spec, window, mark=rows)
        accepted = validate(spec, staged, now, mark=digest(rows, spec.spec_hash, now, settings.store_uri))
        begins = () if origin is None else (origin.sha256,)
        recipe = digest(accepted.digest, accepted.version, spec.spec_hash, now, *begins)
        step = fit.with_options(refresh_cache=True) if fresh else fit
        candidate = step(spec, accepted, mark=recipe, origin=origin, fresh=fresh)
        evaluation = evaluate(spec, candidate, accepted, mark=digest(recipe, candidate.model_sha256))
        live = refit(spec, candidate, accepted, mark=digest(recipe, candidate.model_sha256))
        return register(spec, live, evaluation, accepted)
