"""Score a window in one streaming pass and put the predictions into the lake in one commit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.cost.meter import Meter
from nightshift.dataset.classes import Vocabulary
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import engine, quote
from nightshift.errors import DataRefusedError
from nightshift.lake.tables import Lake, Replacement
from nightshift.records import Arm, Scored, Snapshot, Window
from nightshift.scoring.columns import TABLE, PredictionColumns
from nightshift.scoring.gathered import Gathered
from nightshift.scoring.latest import LATEST, is_published, publish
from nightshift.scoring.published import CHAMPION, publications, segments
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest
from nightshift.trained import ModelVersion

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Run:
    """A version's predictions of a snapshot's window, on their way into the table.

    Attributes:
        names, scores: what the columns are called, and those with each class's scores.
        published: the parts of the window in which this version's answer was published.
    """

    project: Project
    snapshot: Snapshot
    version: ModelVersion
    scorer: Scorer
    names: PredictionColumns
    scores: dict[str, str]
    arm: Arm
    published: tuple[Window, ...]
    gathered: Gathered

    @classmethod
    def of(
        cls, project: Project, snapshot: Snapshot, version: ModelVersion, scorer: Scorer, lake: Lake, arm: Arm
    ) -> _Run:
        """Prepare for the table as it is now."""
        table = lake.schema(TABLE)
        names = PredictionColumns.of(project, table)
        names.check(project, table, lake.uri(TABLE))
        vocabulary = Vocabulary.of(scorer.manifest.kind, scorer.manifest.classes)
        scores = names.scores(() if vocabulary is None else scorer.manifest.classes, table)
        found = () if arm == CHAMPION else segments(
            publications(lake, project.dataset.event_time), snapshot.window
        )  # fmt: skip
        published = tuple(one.window for one in found if one.version == version.version)
        return cls(project, snapshot, version, scorer, names, scores, arm, published, Gathered(vocabulary))

    @property
    def change(self) -> Replacement:
        """The rows that these replace: this version's in the window."""
        version, told = self.version, () if self.arm == CHAMPION else (self.arm,)
        return Replacement(
            self.snapshot.window,
            self.project.dataset.event_time,
            digest(self.snapshot.digest, self.snapshot.version, version.model_sha256, version.version, *told),
            {self.names.model_version: version.version},
            {"arm": self.arm},
        )

    def batches(self, rows: SnapshotRows) -> Iterator[pa.RecordBatch]:
        """Key, event time, prediction, scores and lineage."""
        label, event_time, scorer = self.project.label.column, self.project.dataset.event_time, self.scorer
        inputs = (name for name in scorer.encoder.names if name in rows.schema.names)
        wanted = list(dict.fromkeys([*self.names.identity, *inputs, label]))
        for batch in rows.read(self.snapshot.window, [quote(name) for name in wanted]):
            scores = scorer.score(batch, self.project.dataset.key)
            self.gathered.add(scores)
            self.gathered.realise(batch[label], scores.values, self._is_learnt(batch[event_time]))
            logger.debug("predict: %s rows", f"{self.gathered.rows:,}", extra={
                "step": "predict", "done": self.gathered.rows, "total": self.snapshot.rows})  # fmt: skip
            columns = {name: batch[name] for name in self.names.identity}
            columns |= self.names.renamed(scorer.columns(scores.values), self.scores)
            yield pa.RecordBatch.from_pydict(columns | self._lineage(batch))

    def _lineage(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        rows, names, version = batch.num_rows, self.names, self.version
        return {
            names.model_version: pa.array(np.full(rows, version.version, dtype=np.int32)),
            names.run_id: pa.array([version.run_id] * rows, pa.string()),
            names.dataset_version: pa.array(np.full(rows, self.snapshot.version, dtype=np.int64)),
            names.arm: self._arms(batch[self.project.dataset.event_time]),
        }

    def _is_learnt(self, times: pa.Array) -> npt.NDArray[np.bool_]:
        """Which rows are of a time that the version has learnt from; none where that is not known."""
        if self.version.learnt_until is None:
            return np.zeros(len(times), dtype=bool)
        is_before = pc.less(times, pa.scalar(self.version.learnt_until, times.type))
        return np.asarray(is_before.to_numpy(zero_copy_only=False), dtype=bool)

    def _arms(self, times: pa.Array) -> pa.Array:
        """Whose answers these are. What this version had published as champion stays the champion's."""
        is_published = pa.array(np.zeros(len(times), dtype=bool))
        for window in self.published:
            start, end = (pa.scalar(end, times.type) for end in (window.start, window.end))
            within = pc.and_(pc.greater_equal(times, start), pc.less(times, end))
            is_published = pc.or_(is_published, within)
        return pc.if_else(is_published, CHAMPION, self.arm)


def predict(
    project: Project,
    snapshot: Snapshot,
    version: ModelVersion,
    scorer: Scorer,
    settings: Settings,
    arm: Arm = CHAMPION,
) -> Scored:
    """Score every row of the snapshot's window and replace the window's predictions of this model version.

    Args:
        arm: whose answer it is; only the champion's is published.

    Raises:
        DataRefusedError: there are no rows, they lack a column that the model was trained on, or do not fit the table.
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
    run = _Run.of(project, snapshot, version, scorer, lake, arm)
    with engine(settings) as connection:
        rows = SnapshotRows(project, snapshot, settings, connection)
        _require_columns(project, rows, version, scorer)
        batches = run.batches(rows)
        first = next(batches)
        reader = pa.RecordBatchReader.from_batches(first.schema, _chain(first, batches))
        table_version = lake.replace(TABLE, reader, run.change)
        # A window that holds these predictions already is not written, and so not read; the counts still are.
        for _ in batches:
            pass
    gathered = run.gathered
    scored = _scored(run, (lake.uri(TABLE), table_version))
    accounted = scored.rows_scored + scored.rows_quarantined + sum(scored.rows_outside.values())
    assert scored.rows_in == accounted, f"{scored.rows_in} rows came in, and {accounted} are accounted for"
    latest = publish(project, settings)
    cost = meter.so_far(rows=gathered.rows)
    scored = scored.model_copy(
        update={
            "seconds": cost.wall_s,
            "cost": cost,
            "latest_table": lake.uri(LATEST),
            "latest_version": latest,
        }
    )
    logger.info(
        "predict: %s rows of %s scored by version %d, predictions version %d, in %.1f s",
        f"{gathered.rows:,}", snapshot.window, version.version, table_version, scored.seconds,
    )  # fmt: skip
    gathered.warn()
    return scored


def is_kept(project: Project, scored: Scored, settings: Settings) -> bool:
    """Whether the lake has what `predict` put there, or what later runs have put in its place."""
    lake = Lake.of(project.name, settings)
    names = PredictionColumns.of(project, lake.schema(TABLE))
    where = {names.model_version: scored.model_version}
    change = Replacement(scored.window, project.dataset.event_time, scored.digest, where)
    return lake.has_held(TABLE, change) and is_published(project, settings)


def _scored(run: _Run, table: tuple[str, int]) -> Scored:
    snapshot, gathered = run.snapshot, run.gathered
    realised, realised_rows = gathered.realised(run.project)
    return Scored(
        project=run.project.name,
        window=snapshot.window,
        model_version=run.version.version,
        run_id=run.version.run_id,
        arm=run.arm,
        rows_in=snapshot.rows_in,
        rows_scored=gathered.rows,
        rows_quarantined=snapshot.quarantined,
        rows_outside=snapshot.outside,
        unseen_categories=dict(gathered.unseen),
        beyond_float32=dict(gathered.beyond),
        unlearnt_nulls=dict(gathered.nulls),
        table=table[0],
        table_version=table[1],
        digest=run.change.digest,
        realised=realised,
        realised_rows=realised_rows,
        realised_learnt=gathered.learnt,
        seconds=0.0,
    )


def _require_columns(project: Project, rows: SnapshotRows, version: ModelVersion, scorer: Scorer) -> None:
    lacking = [name for name in scorer.encoder.names if name not in rows.schema.names]
    if lacking:
        raise DataRefusedError(
            f"version {version.version} cannot score these rows: they lack the column{'s' * (len(lacking) > 1)} "
            f"{', '.join(map(repr, lacking))}, which it was trained on",
            where=f"project {project.name}",
            remedy="bring the columns back; or train a version without them and make it champion: "
            f"nightshift train {project.name}, then nightshift promote {project.name} VERSION --by WHO --reason WHY",
        )


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest
