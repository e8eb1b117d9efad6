"""Make a version of a candidate: its run in MLflow, its files, and its place among the aliases."""

from __future__ import annotations

import json
import logging
import tempfile
import time
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import mlflow.pyfunc
import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from nightshift.dataset.encoder import Encoder
from nightshift.errors import DataRefusedError
from nightshift.evaluation.evaluate import measure
from nightshift.learners.artifact import read_manifest
from nightshift.learners.train import MODEL, TRAINING
from nightshift.metrics.curves import curves_of
from nightshift.metrics.sample import Sample
from nightshift.records import Candidate, Evaluation, Metrics, ModelVersion, Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest
from registry.lineage import code_commit, environment
from registry.plots import draw_all
from registry.promotion import Decision, decide
from registry.served import CHAMPION
from registry.tracking import experiment_id, mlflow_faults
from registry.versions import MARK, MODEL_ARTIFACT, PREVIOUS, RECORD, SETTLED, Versions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registration:
    """A version, whether it was made just now, and the folder with its plots (empty when it was there before)."""

    version: ModelVersion
    is_new: bool
    plots: tuple[Path, ...]


@dataclass(frozen=True)
class Submission:
    """Everything that a version is made of."""

    project: Project
    snapshot: Snapshot
    candidate: Candidate
    evaluation: Evaluation

    @property
    def mark(self) -> str:
        """The same candidate from the same data and declaration has the same mark, and is registered once."""
        return digest(
            self.candidate.model_sha256,
            self.candidate.spec_hash,
            self.snapshot.digest,
            self.snapshot.as_of.isoformat(),
        )

    @property
    def subtitle(self) -> str:
        """What its plots are about."""
        return f"{self.project.name}, holdout {self.project.split_before(self.snapshot.as_of).holdout}"


def register(submission: Submission, settings: Settings) -> Registration:
    """Make a version of a candidate and promote it when it is not worse than the champion. Doing it twice does it once.

    Raises:
        OutsideError: MLflow or its storage failed; run it again, it goes on where it was.
    """
    versions = Versions.of(submission.project.name, settings)
    with mlflow_faults(settings):
        known = _find(versions, submission.mark)
        if known is not None:
            _settle(versions, known)
            logger.info("register: version %d was registered before", known.version)
            return Registration(versions.chosen(str(known.version)), False, ())
        started = time.perf_counter()
        decision = _compare(submission, versions, settings)
        version, plots = _create(submission, decision, versions, settings)
        _settle(versions, version)
        logger.info(
            "register: version %d %s: %s, in %.1f s",
            version.version, "is champion" if decision.promote else "is kept, not promoted",
            "; ".join(decision.reasons), time.perf_counter() - started,
        )  # fmt: skip
        return Registration(versions.chosen(str(version.version)), True, plots)


def _find(versions: Versions, mark: str) -> ModelVersion | None:
    found = versions.client.search_model_versions(
        f"name = '{versions.project}' AND tags.`{MARK}` = '{mark}'", max_results=1
    )
    return versions.chosen(str(found[0].version)) if found else None


def _compare(submission: Submission, versions: Versions, settings: Settings) -> Decision:
    """Score the champion on the candidate's own holdout rows, and decide."""
    champion = versions.champion()
    if champion is None:
        return decide(submission.evaluation, None, None)
    holdout = submission.project.split_before(submission.snapshot.as_of).holdout
    theirs: Metrics | None
    try:
        measured = measure(
            submission.project, versions.scorer(champion), submission.snapshot, holdout, settings
        )
        theirs = measured.metrics(submission.project)
    except DataRefusedError as error:
        logger.warning("register: the champion cannot score the holdout: %s", error.what)
        theirs = None
    return decide(submission.evaluation, champion.version, theirs)


def _create(
    submission: Submission, decision: Decision, versions: Versions, settings: Settings
) -> tuple[ModelVersion, tuple[Path, ...]]:
    client, project = versions.client, submission.project
    experiment = experiment_id(client, project.name, settings)
    run = client.create_run(experiment, run_name=f"train {project.name} {submission.snapshot.as_of:%Y-%m-%d}")
    run_id = run.info.run_id
    record = _record(submission, decision, run_id, settings)
    client.log_batch(run_id, _metrics(submission), _params(submission), _tags(record, submission))
    client.log_inputs(run_id, [_dataset_input(submission.snapshot)])
    plots = _log_files(submission, versions, run_id)
    try:
        client.create_registered_model(
            project.name, description=f"{project.purpose}\n\nOwner: {project.owner}"
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {RECORD: record.model_dump_json(), MARK: submission.mark, **_plain_tags(record)}
    made = client.create_model_version(
        project.name,
        f"runs:/{run_id}/{MODEL_ARTIFACT}",
        run_id=run_id,
        tags=tags,
        description="; ".join(decision.reasons),
    )
    client.set_terminated(run_id)
    return record.model_copy(update={"version": int(made.version)}), plots


def _settle(versions: Versions, version: ModelVersion) -> None:
    """Move the aliases once; safe to repeat after a kill between any two of its calls."""
    client, name, number = versions.client, versions.project, str(version.version)
    if client.get_model_version(name, number).tags.get(SETTLED) == "true":
        return
    if version.promoted:
        champion = versions.champion()
        if champion is not None and champion.version != version.version:
            client.set_registered_model_alias(name, PREVIOUS, str(champion.version))
        client.set_registered_model_alias(name, CHAMPION, number)
    client.set_model_version_tag(name, number, SETTLED, "true")


def _record(submission: Submission, decision: Decision, run_id: str, settings: Settings) -> ModelVersion:
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
        model_sha256=candidate.model_sha256,
        metrics=submission.evaluation.metrics,
        baseline=submission.evaluation.baseline,
        promoted=decision.promote,
        reasons=decision.reasons,
    )


def _metrics(submission: Submission) -> list[Metric]:
    now = int(time.time() * 1000)
    training = json.loads((Path(submission.candidate.path) / TRAINING).read_text())
    rounds = [
        Metric(f"{part}_{name}_by_round", value, now, step)
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
    return (
        final + rounds + [Metric(name, float(value), now, 0) for name, value in {**timings, **counts}.items()]
    )


def _params(submission: Submission) -> list[Param]:
    learner = submission.project.learner.model_dump(mode="json")
    split = submission.project.split.model_dump(mode="json", by_alias=True)
    given = {
        **{name: value for name, value in learner.items() if name != "params"},
        **learner["params"],
        **{f"split_{name}": value for name, value in split.items()},
        "rounds_kept": submission.candidate.best_round,
        "features": len(submission.candidate.features),
    }
    return [Param(name, str(value)[:6000]) for name, value in given.items()]


def _tags(record: ModelVersion, submission: Submission) -> list[RunTag]:
    tags = {
        **_plain_tags(record),
        "owner": submission.project.owner,
        "mlflow.note.content": submission.project.purpose,
        "mlflow.source.git.commit": record.commit,
        "mlflow.source.name": "nightshift train",
    }
    return [RunTag(name, value) for name, value in tags.items()]


def _plain_tags(record: ModelVersion) -> dict[str, str]:
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


def _log_files(submission: Submission, versions: Versions, run_id: str) -> tuple[Path, ...]:
    """Log the model, the plots, the declaration and the environment; returns the plots."""
    folder = Path(submission.candidate.path)
    plots = folder / "plots"
    drawn = _draw(submission, plots)
    with tempfile.TemporaryDirectory() as name:
        staging = Path(name)
        _save_pyfunc(submission, folder / MODEL, staging / MODEL_ARTIFACT)
        declared = submission.project.model_dump(mode="json", by_alias=True)
        (staging / "project.json").write_text(json.dumps(declared, indent=1))
        (staging / "dataset.sql").write_text(submission.project.sql_text)
        (staging / "environment.json").write_text(json.dumps(environment(), indent=1))
        (staging / "evaluation.json").write_text(submission.evaluation.model_dump_json(indent=1))
        versions.client.log_artifacts(run_id, name)
        versions.client.log_artifacts(run_id, str(plots), "plots")
    return tuple(drawn)


def _draw(submission: Submission, folder: Path) -> list[Path]:
    training = json.loads((Path(submission.candidate.path) / TRAINING).read_text())
    with np.load(submission.evaluation.path, allow_pickle=False) as kept:
        sample = Sample.of(submission.project.label.kind, kept["truth"], kept["scores"])
    classes = read_manifest(Path(submission.candidate.path) / MODEL).classes
    return draw_all(
        folder,
        curves_of(sample, classes),
        subtitle=submission.subtitle,
        history=training["history"],
        best_round=submission.candidate.best_round,
        importance=training["importance"],
    )


def _save_pyfunc(submission: Submission, model: Path, path: Path) -> None:
    encoder = Encoder.from_json((model / "encoder.json").read_text(encoding="utf-8"))
    kind = submission.project.label.kind
    output = Schema([ColSpec("double", f"score_{name}") for name in read_manifest(model).classes])
    with warnings.catch_warnings():
        # The signature comes from the training data itself; an example would only repeat it.
        warnings.filterwarnings("ignore", message=".*input example was not provided")
        _save(
            submission, model, path, encoder, output if kind == "multiclass" else Schema([ColSpec("double")])
        )


def _save(submission: Submission, model: Path, path: Path, encoder: Encoder, output: Schema) -> None:
    versions = environment()
    mlflow.pyfunc.save_model(
        str(path),
        loader_module="registry.pyfunc",
        data_path=str(model),
        signature=ModelSignature(inputs=_input_schema(encoder), outputs=output),
        pip_requirements=[f"{name}=={versions[name]}" for name in ("lightgbm", "pyarrow", "numpy")],
        metadata={"project": submission.project.name, "purpose": submission.project.purpose},
    )


def _input_schema(encoder: Encoder) -> Schema:
    """Column types as pandas has them. Integers with nulls are floats in pandas, and so double here."""
    types = {"int8": "integer", "int16": "integer", "int32": "integer", "int64": "long", "float": "float"}
    types |= {"double": "double", "bool": "boolean", "string": "string"}
    return Schema([ColSpec(types[one.arrow_type], one.name, required=False) for one in encoder.features])
