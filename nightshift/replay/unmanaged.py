"""What would have been without anyone deciding: a model that is never trained again, and one trained at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from nightshift.atomic import replacing
from nightshift.dataset.classes import number_codes
from nightshift.dataset.rows import SnapshotRows
from nightshift.dataset.stage import fingerprint_of, stage
from nightshift.engine import engine, quote
from nightshift.learners.refit import fit_known, refit
from nightshift.learners.train import MODEL, train
from nightshift.quality.validate import validate
from nightshift.records import Snapshot, Window
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest

TRUTH, NEVER, ALWAYS = "truth", "never", "always"


@dataclass(frozen=True)
class Replay:
    """Steps of a replayed stretch of time: at each of `moments` a night, the last one's rows ending at `end`."""

    moments: Sequence[datetime]
    end: datetime

    @property
    def windows(self) -> list[Window]:
        """What the model of each moment predicts."""
        ends = [*self.moments[1:], self.end]
        return [Window(start=start, end=end) for start, end in zip(self.moments, ends, strict=True)]


def write_unmanaged(
    project: Project, replay: Replay, path: Path, settings: Settings, report: Callable[[int, float], None]
) -> None:
    """Write the scores of both, a row a labelled row of the dataset, to an Arrow file.

    Columns: the key, the event time, `truth`, and `never` and `always`: the probability of 1, or the prediction of a
    regression.

    Args:
        settings: with a home of its own, since its lake and its candidates are not the project's.
        report: told how many steps are done, and how many seconds their trainings took.

    Raises:
        NightshiftError: as ingesting, validating and training raise.
    """
    everything = _everything(project, replay, settings)
    first: Scorer | None = None
    spent = 0.0
    with replacing(path) as temporary:
        writer: pa.ipc.RecordBatchFileWriter | None = None
        for place, (moment, window) in enumerate(zip(replay.moments, replay.windows, strict=True), start=1):
            newest, seconds = _trained(project, everything, moment, settings)
            first, spent = first or newest, spent + seconds
            for batch in _scored(project, everything, window, (first, newest), settings):
                writer = writer or pa.ipc.new_file(str(temporary), batch.schema)
                writer.write_batch(batch)
            report(place, spent)
        if writer is not None:
            writer.close()


def _everything(project: Project, replay: Replay, settings: Settings) -> Snapshot:
    """All rows from the first training on, with every label."""
    window = Window(start=project.split_before(replay.moments[0]).whole.start, end=replay.end)
    staged = stage(project, window, fingerprint_of(project, window, settings), settings)
    later = replay.end if project.label.known_after is None else replay.end + project.label.known_after
    return validate(project, staged, later, settings)[0]


def _trained(
    project: Project, everything: Snapshot, moment: datetime, settings: Settings
) -> tuple[Scorer, float]:
    """The model as it would have been trained at `moment`, and how long that took."""
    window = project.split_before(moment).whole
    known = everything.model_copy(update={"window": window, "as_of": moment})
    mark = digest("unmanaged", str(window))
    if project.refit and project.learner.early_stopping is None:
        # The rounds are declared: what would be evaluated has no say in what would go live.
        folder = settings.scratch_path / project.name / "unmanaged" / mark[:24]
        found = fit_known(project, known, project.learner.length, folder, settings)
        return Scorer.load(found.folder), found.seconds
    candidate = train(project, known, mark, settings)
    if not project.refit:
        return Scorer.load(Path(candidate.path) / MODEL), candidate.seconds
    refitted = refit(project, candidate, known, settings)
    return Scorer.load(refitted.folder), candidate.seconds + refitted.seconds


def _scored(
    project: Project, everything: Snapshot, window: Window, scorers: tuple[Scorer, Scorer], settings: Settings
) -> Iterator[pa.RecordBatch]:
    identity = list(dict.fromkeys([*project.dataset.key, project.dataset.event_time]))
    features = dict.fromkeys(name for scorer in scorers for name in scorer.encoder.names)
    wanted = list(dict.fromkeys([*identity, *features, project.label.column]))
    with engine(settings) as connection:
        rows = SnapshotRows(project, everything, settings, connection)
        for batch in rows.read(window, [quote(name) for name in wanted], labelled=True):
            columns = {name: batch[name] for name in identity}
            columns[TRUTH] = pa.array(number_codes(batch[project.label.column]))
            for name, scorer in zip((NEVER, ALWAYS), scorers, strict=True):
                columns[name] = pa.array(np.asarray(scorer.score(batch).values, dtype=np.float64))
            yield pa.RecordBatch.from_pydict(columns)
