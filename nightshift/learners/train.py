"""Train a candidate: from a snapshot to a folder with a model in it."""

from __future__ import annotations

import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from nightshift.atomic import keep_newest, replacing
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import engine
from nightshift.errors import DataRefusedError
from nightshift.json_files import read_json_object
from nightshift.learners.artifact import read_manifest, save_model
from nightshift.learners.encoded import EncodedRows, encode_once
from nightshift.learners.origin import begun_encoder, open_origin
from nightshift.learners.overseen import Overseen
from nightshift.learners.protocol import ALL_EPOCHS, ALL_ROUNDS, Origin, Part, Task
from nightshift.learners.registry import learner
from nightshift.learners.target import Target
from nightshift.locks import only_one
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import Candidate, OriginModel, Resumed

logger = logging.getLogger(__name__)

MODEL, TRAINING, STATE = "model", "training.json", "state.checkpoint"
# Of a project; those that mattered are in the registry.
_KEPT_CANDIDATES = 4


def candidate_path(project: str, mark: str, settings: Settings) -> Path:
    """Where the candidate with this mark is, or would be, on local disk."""
    return settings.scratch_path / project / "candidates" / mark[:24]


def is_complete(folder: Path) -> bool:
    """Whether a candidate was trained to its end here, and its model's files are as they were saved."""
    try:
        read_manifest(folder / MODEL)
    except DataRefusedError:
        return False
    return True


def train(
    project: Project,
    snapshot: Snapshot,
    mark: str,
    settings: Settings,
    origin: OriginModel | None = None,
    *,
    fresh: bool = False,
    spent_at: float | None = None,
) -> Candidate:
    """Train the declared learner on the snapshot's train window, watching its validate window.

    A training with this mark that was cut short is gone on with, from its newest checkpoint. While another process is
    at it, this one waits as long as the settings say.

    Args:
        mark: a digest of everything the model depends on; names the candidate's folder.
        origin: the model to begin with.
        fresh: begin at the beginning, whatever checkpoints there are.
        spent_at: the rounds or epochs after which the budget of the same training was spent before.

    Raises:
        DataRefusedError: the label cannot be learnt from.
        RequestError: the learner refuses its parameters.
        TransientError: another process trains with this mark, and still did when the time was up.
    """
    with only_one("train", project.name, settings, mark=mark[:24]):
        return _train(project, snapshot, mark, settings, origin, fresh=fresh, spent_at=spent_at)


def _train(
    project: Project,
    snapshot: Snapshot,
    mark: str,
    settings: Settings,
    origin: OriginModel | None,
    *,
    fresh: bool,
    spent_at: float | None,
) -> Candidate:
    started = time.perf_counter()
    split = project.split_before(snapshot.as_of)
    folder = candidate_path(project.name, mark, settings)
    encoded = settings.scratch_path / project.name / "encoded" / mark[:24]
    overseen = Overseen.of(project, mark, settings, spent_at)
    if fresh:
        overseen.keeper.forget()
        shutil.rmtree(encoded, ignore_errors=True)
    begins = None if origin is None else open_origin(project, origin)
    with replacing(folder) as temporary, engine(settings) as connection:
        temporary.mkdir()
        rows = encode_once(
            encoded,
            split,
            lambda: SnapshotRows(project, snapshot, settings, connection),
            lambda learnt: begun_encoder(learnt, begins),
        )
        candidate = _fit(project, rows, begins, overseen, temporary)
    # From here on the model is kept: what it would have taken to go on is no longer needed.
    overseen.keeper.forget()
    shutil.rmtree(encoded, ignore_errors=True)
    keep_newest((path for path in folder.parent.iterdir() if is_complete(path)), _KEPT_CANDIDATES)
    candidate = candidate.model_copy(
        update={
            "path": str(folder),
            "origin": origin,
            "learnt_until": split.validate_.end,
            "seconds": time.perf_counter() - started,
        }
    )
    _tell(candidate)
    return candidate


def read_training(folder: Path) -> dict[str, Any]:
    """What a candidate's folder tells of its training: metrics by round, importance, and what knowing nothing says.

    Raises:
        DataRefusedError: the file is missing, or holds something else.
    """
    path = folder / TRAINING
    remedy = f"remove the folder {folder}, and run the same command again: it is made anew"
    found = read_json_object(path, remedy)
    if found.keys() != {"history", "importance", "prior"}:
        raise DataRefusedError("this is no record of a training", where=str(path), remedy=remedy)
    return found


def restore_trained(project: Project, candidate: Candidate, snapshot: Snapshot, settings: Settings) -> None:
    """Train a candidate again if its folder is gone: scratch files may go at any time, and these can be made again."""
    folder = Path(candidate.path)
    if not is_complete(folder) or not (folder / TRAINING).is_file():
        train(project, snapshot, folder.name, settings, candidate.origin, spent_at=candidate.spent_at)


def _fit(
    project: Project, rows: EncodedRows, origin: Origin | None, overseen: Overseen, folder: Path
) -> Candidate:
    task = Task(
        kind=project.label.kind,
        classes=rows.target.classes,
        encoder=rows.encoder,
        train=rows.train,
        validate=rows.validate,
        origin=origin,
        scratch=rows.folder,
    )
    fitted = learner(project.learner.kind).fit(task, project.learner, overseen.oversight)
    manifest = save_model(
        folder / MODEL, project.learner.kind, project.label.kind, rows.target.classes, rows.encoder, fitted.model
    )  # fmt: skip
    training = {
        "history": fitted.history,
        "importance": dict(fitted.model.importance()),
        "prior": _prior(project, rows.target, rows.train),
    }
    (folder / TRAINING).write_text(json.dumps(training))
    if fitted.state is not None:
        (folder / STATE).write_bytes(fitted.state.to_bytes())
    return Candidate(
        project=project.name,
        path="",
        model_sha256=manifest.model_sha256,
        spec_hash=project.spec_hash,
        seed=project.learner.seed,
        rounds=fitted.rounds,
        best_round=fitted.best_round,
        rows={"train": len(rows.train.label), "validate": len(rows.validate.label)},
        unlabelled=rows.target.unlabelled,
        features=tuple(rows.encoder.names),
        seconds=0.0,
        ended=fitted.ended,
        spent_at=fitted.spent_at,
        notes=fitted.notes,
        resumed_from=None if fitted.resumed_from is None else Resumed(
            checkpoint=f"{overseen.keeper.run[:24]}, {fitted.resumed_from.progress}",
            progress=str(fitted.resumed_from.progress),
        ),
        checkpoints=fitted.kept.count,
        checkpoint="" if fitted.state is None else str(fitted.state.progress),
        cost=overseen.cost(fitted, len(rows.train.label)),
    )  # fmt: skip


def _tell(candidate: Candidate) -> None:
    logger.info(
        "train: %d of %d rounds kept, on %s rows, in %.1f s",
        candidate.best_round, candidate.rounds, f"{candidate.rows['train']:,}", candidate.seconds,
    )  # fmt: skip
    if candidate.ended not in (ALL_ROUNDS, ALL_EPOCHS):
        logger.info("train: %s", candidate.ended)


def _prior(project: Project, target: Target, train: Part) -> list[float]:
    """What a model that learnt nothing would say: the class shares of the training labels, or their mean."""
    if project.label.kind == "regression":
        return [float(train.label.mean())]
    shares = [count / target.rows for count in target.counts]
    return shares if project.label.kind == "multiclass" else shares[1:]
