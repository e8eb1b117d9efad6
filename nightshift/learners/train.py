"""Train a candidate: from a snapshot to a folder with a model in it."""

from __future__ import annotations

import json
import logging
import shutil
import time
from pathlib import Path

from nightshift.atomic import replacing
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import engine
from nightshift.errors import DataRefusedError
from nightshift.learners.artifact import MANIFEST, Manifest, save_model
from nightshift.learners.oversight import Oversight
from nightshift.learners.parts import learn_encoder, read_part, write_part
from nightshift.learners.protocol import Part, Task
from nightshift.learners.registry import learner
from nightshift.learners.target import Target, look_at_label
from nightshift.records import Candidate, Snapshot, Split
from nightshift.settings import Settings
from nightshift.spec.project import Project

logger = logging.getLogger(__name__)

MODEL, TRAINING = "model", "training.json"
_KEPT_CANDIDATES = 4


def candidate_path(project: str, mark: str, settings: Settings) -> Path:
    """Where the candidate with this mark is, or would be, on local disk."""
    return settings.scratch_path / project / "candidates" / mark[:24]


def is_complete(folder: Path) -> bool:
    """Whether a candidate was trained to its end here."""
    return (folder / MODEL / MANIFEST).is_file()


def train(project: Project, snapshot: Snapshot, mark: str, settings: Settings) -> Candidate:
    """Train the declared learner on the snapshot's train window, watching its validate window.

    Args:
        mark: a digest of everything the model depends on; names the candidate's folder.

    Raises:
        DataRefusedError: the label cannot be learnt from.
        RequestError: the learner refuses its parameters.
    """
    started = time.perf_counter()
    split = project.split_before(snapshot.as_of)
    folder = candidate_path(project.name, mark, settings)
    with replacing(folder) as temporary, engine(settings) as connection:
        temporary.mkdir()
        rows = SnapshotRows(project, snapshot, settings, connection)
        target = look_at_label(rows, split.train)
        candidate, manifest = _fit(project, rows, split, target, temporary)
    _forget_older(folder)
    candidate = candidate.model_copy(
        update={
            "path": str(folder),
            "model_sha256": manifest.model_sha256,
            "seconds": time.perf_counter() - started,
        }
    )
    logger.info(
        "train: %d of %d rounds kept, on %s rows, in %.1f s",
        candidate.best_round, candidate.rounds, f"{candidate.rows['train']:,}", candidate.seconds,
    )  # fmt: skip
    return candidate


def restore_trained(project: Project, candidate: Candidate, snapshot: Snapshot, settings: Settings) -> None:
    """Train a candidate again if its folder is gone: scratch files may go at any time, and these can be made again."""
    folder = Path(candidate.path)
    if not is_complete(folder):
        train(project, snapshot, folder.name, settings)


def _fit(
    project: Project, rows: SnapshotRows, split: Split, target: Target, folder: Path
) -> tuple[Candidate, Manifest]:
    encoder = learn_encoder(rows, split.train)
    parts = {}
    for name, window in (("train", split.train), ("validate", split.validate_)):
        path = folder / f"{name}.arrow"
        write_part(rows, window, encoder, target, path, watched=name == "validate")
        parts[name] = read_part(path, encoder)
    if len(parts["validate"].label) == 0:
        raise DataRefusedError(
            f"the validate window {split.validate_} has no labelled rows",
            where=f"project {project.name}: split.validate",
            remedy="choose another as-of, or a longer split.validate",
        )
    task = Task(
        kind=project.label.kind,
        classes=target.classes,
        encoder=encoder,
        train=parts["train"],
        validate=parts["validate"],
    )
    fitted = learner(project.learner.kind).fit(task, project.learner, Oversight())
    manifest = save_model(
        folder / MODEL, project.learner.kind, project.label.kind, target.classes, encoder, fitted.model
    )
    training = {
        "history": fitted.history,
        "importance": dict(fitted.model.importance()),
        "prior": _prior(project, target, parts["train"]),
    }
    (folder / TRAINING).write_text(json.dumps(training))
    counts = {name: len(part.label) for name, part in parts.items()}
    for name in parts:
        (folder / f"{name}.arrow").unlink()
    candidate = Candidate(
        project=project.name,
        path="",
        model_sha256="",
        spec_hash=project.spec_hash,
        seed=project.learner.seed,
        rounds=fitted.rounds,
        best_round=fitted.best_round,
        rows=counts,
        unlabelled=target.unlabelled,
        features=tuple(encoder.names),
        seconds=0.0,
        learnt_until=split.validate_.end,
    )
    return candidate, manifest


def _prior(project: Project, target: Target, train: Part) -> list[float]:
    """What a model that learnt nothing would say: the class shares of the training labels, or their mean."""
    if project.label.kind == "regression":
        return [float(train.label.mean())]
    shares = [count / target.rows for count in target.counts]
    return shares if project.label.kind == "multiclass" else shares[1:]


def _forget_older(folder: Path) -> None:
    """Keep only the newest few candidates of a project: those that mattered are in the registry."""
    folders = [path for path in folder.parent.iterdir() if is_complete(path)]
    for old in sorted(folders, key=lambda path: path.stat().st_mtime_ns, reverse=True)[_KEPT_CANDIDATES:]:
        shutil.rmtree(old)
