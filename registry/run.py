"""The MLflow run of a candidate: its parameters, metrics, tags, data and files."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from nightshift.errors import DataRefusedError
from nightshift.evaluation.reference import MONITORING
from nightshift.learners.artifact import read_manifest
from nightshift.learners.refit import REFIT
from nightshift.learners.train import MODEL, STATE, read_training
from nightshift.metrics.curves import curves_of
from nightshift.metrics.sample import Sample
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.trained import HowTrained, ModelVersion
from registry.lineage import code_commit, environment
from registry.mlmodel import save_mlmodel
from registry.plots import draw_all
from registry.promotion import Promotion
from registry.submission import Submission
from registry.tracking import experiment_id

MODEL_ARTIFACT, EVALUATED_ARTIFACT = "model", "evaluated"
# How the version was made: all that is needed to make it again.
DECLARATION, SQL, ENVIRONMENT = "project.json", "dataset.sql", "environment.json"


def log_run(
    submission: Submission, decision: Promotion, client: MlflowClient, settings: Settings
) -> tuple[ModelVersion, tuple[Path, ...]]:
    """Log everything about a candidate to a new run, and leave it running.

    Returns:
        The record of the version that is to be made of it, numbered 0, and its plots.
    """
    name = submission.project.name
    experiment = experiment_id(client, name, settings)
    run = client.create_run(experiment, run_name=f"train {name} {submission.snapshot.as_of:%Y-%m-%d}")
    run_id = run.info.run_id
    record = record_of(submission, decision, run_id, settings)
    client.log_batch(run_id, _metrics(submission), _params(submission), _tags(record, submission))
    client.log_inputs(run_id, [_dataset_input(submission.snapshot)])
    return record, _log_files(submission, client, run_id)


def record_of(submission: Submission, decision: Promotion, run_id: str, settings: Settings) -> ModelVersion:
    snapshot, candidate = submission.snapshot, submission.candidate
    return ModelVersion(
        project=submission.project.name,
        version=0,
        run_id=run_id,
        created_at=datetime.now(UTC),
        as_of=snapshot.as_of,
        window=snapshot.window,
        data_table=snapshot.table,
        data_version=snapshot.version,
        data_digest=snapshot.digest,
        spec_hash=candidate.spec_hash,
        commit=code_commit(settings.projects.absolute()),
        seed=candidate.seed,
        model_sha256=candidate.live_sha256,
        metrics=submission.evaluation.metrics,
        baseline=submission.evaluation.baseline,
        promoted=decision.promote,
        reasons=(*decision.reasons, *(candidate.refit.reasons if candidate.refit else ())),
        learnt_until=candidate.live_until,
        evaluated_until=candidate.learnt_until,
        evaluated_sha256=candidate.model_sha256,
        refit=candidate.refit,
        waits=decision.waits,
        **{name: getattr(candidate, name) for name in HowTrained.model_fields if name != "cost"},
        cost=candidate.whole_cost,
    )


def _metrics(submission: Submission) -> list[Metric]:
    now = int(time.time() * 1000)
    training = read_training(Path(submission.candidate.path))
    rounds = [
        Metric(f"{part}_{name}_by_{submission.project.learner.unit}", value, now, step)
        for part, metrics in training["history"].items()
        for name, values in metrics.items()
        for step, value in enumerate(values, start=1)
    ]
    parts = {**submission.evaluation.metrics, "baseline": submission.evaluation.baseline}
    final = [
        Metric(f"{part}_{name}", value, now, 0)
        for part, metrics in parts.items()
        for name, value in metrics.items()
        if value is not None
    ]
    timings = {
        "train_seconds": submission.candidate.seconds,
        "evaluate_seconds": submission.evaluation.seconds,
    }
    counts = {f"{part}_rows": rows for part, rows in submission.candidate.rows.items()}
    refit = submission.candidate.refit
    if refit is not None:
        timings["refit_seconds"] = refit.seconds
        counts["refit_rows"] = refit.rows
    cost = submission.candidate.whole_cost
    costs = {} if cost is None else {f"cost_{name}": value for name, value in cost.model_dump().items()}
    numbers = {**timings, **counts, **costs, "checkpoints": submission.candidate.checkpoints}
    return final + rounds + [Metric(name, float(value), now, 0) for name, value in numbers.items()]


def _params(submission: Submission) -> list[Param]:
    learner = submission.project.learner.model_dump(mode="json")
    split = submission.project.split.model_dump(mode="json", by_alias=True)
    given = {
        **{name: value for name, value in learner.items() if name not in ("params", "network_text")},
        **learner["params"],
        **{f"split_{name}": value for name, value in split.items()},
        "rounds_kept": submission.candidate.best_round,
        "features": len(submission.candidate.features),
    }
    return [Param(name, str(value)[:6000]) for name, value in given.items()]


def _tags(record: ModelVersion, submission: Submission) -> list[RunTag]:
    tags = {
        **plain_tags(record),
        "owner": submission.project.owner,
        "mlflow.note.content": submission.project.purpose,
        "mlflow.source.git.commit": record.commit,
        "mlflow.source.name": "nightshift train",
    }
    return [RunTag(name, value) for name, value in tags.items()]


def plain_tags(record: ModelVersion) -> dict[str, str]:
    """Lineage in words, for the people who look at MLflow's pages."""
    return {
        "as_of": record.as_of.isoformat(),
        "data_table": record.data_table,
        "data_version": str(record.data_version),
        "data_window": str(record.window),
        "spec_hash": record.spec_hash,
        "commit": record.commit,
        "seed": str(record.seed),
        "model_sha256": record.model_sha256,
        "promoted": str(record.promoted).lower(),
        "refitted": str(record.is_refitted).lower(),
        "ended": record.ended,
        "checkpoint": record.checkpoint,
        **({"origin": str(record.origin)} if record.origin else {}),
        **({"learnt_until": record.learnt_until.isoformat()} if record.learnt_until else {}),
    }


def _dataset_input(snapshot: Snapshot) -> DatasetInput:
    source = json.dumps({"path": snapshot.table, "delta_table_version": snapshot.version})
    dataset = Dataset(
        name=f"{snapshot.project} {snapshot.window}",
        digest=snapshot.digest[:8],
        source_type="delta_table",
        source=source,
        profile=json.dumps({"num_rows": snapshot.rows}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _log_files(submission: Submission, client: MlflowClient, run_id: str) -> tuple[Path, ...]:
    """Log the model, the plots, the declaration and the environment; returns the plots."""
    folder = Path(submission.candidate.path)
    plots = folder / "plots"
    drawn = _draw(submission, plots)
    with tempfile.TemporaryDirectory() as name:
        staging = Path(name)
        metadata = {"project": submission.project.name, "purpose": submission.project.purpose}
        live = folder / REFIT / MODEL if submission.candidate.refit_goes_live else folder / MODEL
        save_mlmodel(live, staging / MODEL_ARTIFACT, metadata)
        if submission.candidate.refit_goes_live:
            shutil.copytree(folder / MODEL, staging / EVALUATED_ARTIFACT)
        shutil.copytree(folder / MONITORING, staging / MONITORING)
        if (folder / STATE).is_file():
            shutil.copyfile(folder / STATE, staging / STATE)
        declared = submission.project.model_dump(mode="json", by_alias=True)
        (staging / DECLARATION).write_text(json.dumps(declared, indent=1))
        (staging / SQL).write_text(submission.project.sql_text)
        (staging / ENVIRONMENT).write_text(json.dumps(environment(), indent=1))
        (staging / "evaluation.json").write_text(submission.evaluation.model_dump_json(indent=1))
        client.log_artifacts(run_id, name)
        client.log_artifacts(run_id, str(plots), "plots")
    return tuple(drawn)


def _draw(submission: Submission, folder: Path) -> list[Path]:
    training = read_training(Path(submission.candidate.path))
    path = submission.evaluation.path
    try:
        with np.load(path, allow_pickle=False) as kept:
            sample = Sample.of(submission.project.label.kind, kept["truth"], kept["scores"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataRefusedError(
            f"the scores of the holdout cannot be read: {error}", where=path,
            remedy=f"remove the folder {Path(path).parent}, and run the same command again: it is made anew",
        ) from error  # fmt: skip
    classes = read_manifest(Path(submission.candidate.path) / MODEL).classes
    return draw_all(
        folder,
        curves_of(sample, classes),
        subtitle=submission.subtitle,
        history=training["history"],
        best_round=submission.candidate.best_round,
        importance=training["importance"],
        unit=submission.project.learner.unit,
    )
