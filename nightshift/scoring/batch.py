"""Score a window in one streaming pass and put the predictions into the lake in one commit."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.cost.meter import Meter
from nightshift.dataset.classes import Vocabulary, label_codes, listed
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import engine, quote
from nightshift.errors import DataRefusedError
from nightshift.lake.tables import Lake, Replacement
from nightshift.learners.model import Floats
from nightshift.metrics.registry import evaluate_all, finite
from nightshift.records import Metrics, Scored, Snapshot
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest
from nightshift.trained import ModelVersion

logger = logging.getLogger(__name__)

TABLE = "predictions"


@dataclass
class _Pass:
    """What one pass over the rows gathers beside the predictions themselves."""

    vocabulary: Vocabulary | None
    rows: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    beyond: Counter[str] = field(default_factory=Counter)
    nulls: Counter[str] = field(default_factory=Counter)
    learnt: int = 0
    truth: list[Floats] = field(default_factory=list)
    scores: list[Floats] = field(default_factory=list)

    def realise(self, labels: pa.Array, scores: Floats, is_learnt: npt.NDArray[np.bool_]) -> None:
        """Keep what is known by now of a batch, but for rows that the model has learnt from: of those it knows more."""
        truth = label_codes(self.vocabulary, labels)
        known = ~np.isnan(truth)
        self.learnt += int(np.count_nonzero(known & is_learnt))
        self.truth.append(truth[known & ~is_learnt])
        self.scores.append(scores[known & ~is_learnt])

    def realised(self, project: Project) -> tuple[Metrics, int]:
        """Metrics of the rows whose label is known by now, and how many they are.

        Rows of a class that the model does not know are among them: they are its mistakes.
        """
        known = np.concatenate(self.truth) if self.truth else np.empty(0)
        if known.size == 0:
            return {}, 0
        return finite(evaluate_all(project.label.kind, known, np.concatenate(self.scores))), int(known.size)


def predict(
    project: Project, snapshot: Snapshot, version: ModelVersion, scorer: Scorer, settings: Settings
) -> Scored:
    """Score every row of the snapshot's window and replace the window's predictions of this model version.

    Raises:
        DataRefusedError: there are no rows, or they lack a column that the model was trained on.
        OutsideError: the lake cannot be written.
    """
    if snapshot.rows == 0:
        raise DataRefusedError(
            f"every row of {snapshot.window} was quarantined",
            where=f"project {project.name}",
            remedy=f"see them: nightshift validate {project.name}",
        )
    meter = Meter()
    lake = Lake.of(project.name, settings)
    gathered = _Pass(Vocabulary.of(scorer.manifest.kind, scorer.manifest.classes))
    change = Replacement(
        snapshot.window,
        project.dataset.event_time,
        digest(snapshot.digest, snapshot.version, version.model_sha256, version.version),
        {"model_version": version.version},
    )
    with engine(settings) as connection:
        rows = SnapshotRows(project, snapshot, settings, connection)
        batches = _predictions(project, rows, snapshot, version, scorer, gathered)
        first = next(batches)
        reader = pa.RecordBatchReader.from_batches(first.schema, _chain(first, batches))
        table_version = lake.replace(TABLE, reader, change)
        # A window that holds these predictions already is not written, and so not read; the counts still are.
        for _ in batches:
            pass
    scored = _scored(project, snapshot, version, gathered, (lake.uri(TABLE), table_version))
    cost = meter.so_far(rows=gathered.rows)
    scored = scored.model_copy(update={"seconds": cost.wall_s, "cost": cost})
    logger.info(
        "predict: %s rows of %s scored by version %d, predictions version %d, in %.1f s",
        f"{gathered.rows:,}", snapshot.window, version.version, table_version, scored.seconds,
    )  # fmt: skip
    _warn(gathered)
    return scored


def _warn(gathered: _Pass) -> None:
    if gathered.unseen:
        logger.warning("predict: categories never seen in training: %s", dict(gathered.unseen))
    if gathered.beyond:
        logger.warning("predict: numbers beyond float32, taken as infinite: %s", dict(gathered.beyond))
    if gathered.nulls:
        logger.warning("predict: nulls in columns that had none in training: %s", dict(gathered.nulls))
    if gathered.vocabulary is not None and gathered.vocabulary.unknown:
        unknown = listed(gathered.vocabulary.unknown)
        logger.warning("predict: rows of classes never seen in training count as mistakes: %s", unknown)


def _scored(
    project: Project, snapshot: Snapshot, version: ModelVersion, gathered: _Pass, table: tuple[str, int]
) -> Scored:
    realised, realised_rows = gathered.realised(project)
    return Scored(
        project=project.name,
        window=snapshot.window,
        model_version=version.version,
        run_id=version.run_id,
        rows_in=snapshot.rows_in,
        rows_scored=gathered.rows,
        rows_quarantined=snapshot.quarantined,
        unseen_categories=dict(gathered.unseen),
        beyond_float32=dict(gathered.beyond),
        unlearnt_nulls=dict(gathered.nulls),
        table=table[0],
        table_version=table[1],
        realised=realised,
        realised_rows=realised_rows,
        realised_learnt=gathered.learnt,
        seconds=0.0,
    )


def _predictions(
    project: Project,
    rows: SnapshotRows,
    snapshot: Snapshot,
    version: ModelVersion,
    scorer: Scorer,
    gathered: _Pass,
) -> Iterator[pa.RecordBatch]:
    """Batches of key, event time, prediction, scores and lineage."""
    dataset = project.dataset
    label = project.label.column
    identity = [*dataset.key, dataset.event_time]
    wanted = list(
        dict.fromkeys([*identity, *(n for n in scorer.encoder.names if n in rows.schema.names), label])
    )
    for batch in rows.read(snapshot.window, [quote(name) for name in wanted]):
        scores = scorer.score(batch, dataset.key)
        gathered.rows += batch.num_rows
        gathered.unseen.update(scores.unseen)
        gathered.beyond.update(scores.beyond)
        gathered.nulls.update(scores.nulls)
        gathered.realise(batch[label], scores.values, _is_learnt(batch[dataset.event_time], version))
        logger.debug("predict: %s rows", f"{gathered.rows:,}", extra={
            "step": "predict", "done": gathered.rows, "total": snapshot.rows})  # fmt: skip
        columns = {name: batch[name] for name in identity}
        columns |= scorer.columns(scores.values)
        columns |= {
            "model_version": pa.array(np.full(batch.num_rows, version.version, dtype=np.int32)),
            "run_id": pa.array([version.run_id] * batch.num_rows, pa.string()),
            "dataset_version": pa.array(np.full(batch.num_rows, snapshot.version, dtype=np.int64)),
        }
        yield pa.RecordBatch.from_pydict(columns)


def _is_learnt(event_time: pa.Array, version: ModelVersion) -> npt.NDArray[np.bool_]:
    """Which rows are of a time that the version has learnt from; none where that is not known."""
    if version.learnt_until is None:
        return np.zeros(len(event_time), dtype=bool)
    is_before = pc.less(event_time, pa.scalar(version.learnt_until, event_time.type))
    return np.asarray(is_before.to_numpy(zero_copy_only=False), dtype=bool)


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest
