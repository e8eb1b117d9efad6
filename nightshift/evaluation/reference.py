"""What monitoring measures later windows against, made of a candidate's own rows when it is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from nightshift.atomic import replacing
from nightshift.dataset.image_sizes import size_of, sizes
from nightshift.dataset.rows import SnapshotRows
from nightshift.drift.build import profile
from nightshift.drift.codec import to_json
from nightshift.drift.layout import Layout, lay_out
from nightshift.drift.profile import Profile, Role
from nightshift.engine import engine, quote
from nightshift.evaluation.measure import Measured
from nightshift.performance.reference import PERFORMANCE, Reference
from nightshift.records import Snapshot, Window
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import Project

MONITORING, PROFILE = "monitoring", "profile.json"
_WEIGHTIEST = 12


def save_references(
    project: Project, scorer: Scorer, holdout: Measured, snapshot: Snapshot, folder: Path, settings: Settings
) -> None:
    """Write `profile.json` and `performance.json` into the folder `monitoring` below a candidate's.

    Args:
        scorer: the model that is evaluated.
        holdout: its labels and scores on the holdout.

    Raises:
        DataRefusedError: the train window has no rows.
        RequestError: a column is of a kind that has no profile.
    """
    with replacing(folder / MONITORING) as temporary, engine(settings) as connection:
        temporary.mkdir()
        rows = SnapshotRows(project, snapshot, settings, connection)
        (temporary / PROFILE).write_text(to_json(reference_profile(rows, scorer)), encoding="utf-8")
        reference_performance(project, scorer, holdout).save(temporary / PERFORMANCE)


def reference_profile(rows: SnapshotRows, scorer: Scorer) -> Profile:
    """Features and labels of the train window, and the evaluated model's scores on the holdout.

    In the place of an image stands how many bytes it has. The scores are those of rows that the model has not learnt
    from: on its own training rows a model is surer than it will ever be again. So a column's own counts say how many
    rows it is made of; `rows` are the train window's.
    """
    project = rows.project
    split = project.split_before(rows.snapshot.as_of)
    roles: dict[str, Role] = dict.fromkeys(scorer.encoder.names, "feature")
    roles[project.label.column] = "label"
    images = _images(scorer)
    columns = [size_of(name) if name in images else quote(name) for name in _wanted(rows, scorer)]
    layout = lay_out(rows.read(split.train, columns), roles, project.evaluate.slices)
    learnt = profile(rows.read(split.train, columns), layout)
    of_scores: dict[str, Role] = dict.fromkeys(_named(rows, scorer).values(), "score")
    kept = list(dict.fromkeys([*of_scores, *project.evaluate.slices]))
    # Held in memory, as the holdout was to measure the model on: scoring takes longer than all else here.
    scored = [batch.select(kept) for batch in profiled_rows(rows, scorer, split.holdout)]
    # The same segments as the features have.
    told = profile(scored, Layout(lay_out(scored, of_scores).columns, layout.segments))
    return _joined(learnt, told)


def reference_performance(project: Project, scorer: Scorer, holdout: Measured) -> Reference:
    """How the evaluated model did on the holdout, and how sure its scores are by the columns that matter most to it."""
    gains = dict(zip(scorer.encoder.names, scorer.model.importance().values(), strict=True))
    # How many bytes an image has says nothing of how sure a model is of it.
    told = gains.keys() - _images(scorer)
    weightiest = sorted(told, key=lambda name: (-gains[name], scorer.encoder.names.index(name)))[:_WEIGHTIEST]
    slices = project.evaluate.slices
    columns = holdout.rows.select(list(dict.fromkeys([*slices, *weightiest])))
    return Reference.fit(project.label.kind, holdout.truth, holdout.scores, columns, slices)


def profiled_rows(rows: SnapshotRows, scorer: Scorer, window: Window) -> Iterator[pa.RecordBatch]:
    """A window's rows, with or without a label, as a version's profile looks at them: features, label, slices, scores.

    Batches are in the order (event time, key). The label is null where it is not known yet, and in the place of an
    image stands how many bytes it has. A feature that the rows lack is not there, and the profile counts it as null;
    then there are no scores either.
    """
    wanted = _wanted(rows, scorer)
    images = _images(scorer)
    is_whole = set(scorer.encoder.names) <= set(wanted)
    for batch in rows.read(window, [quote(name) for name in wanted]):
        columns = {name: sizes(batch[name]) if name in images else batch[name] for name in wanted}
        if is_whole:
            told = scorer.columns(scorer.score(batch).values)
            columns |= {score: told[name] for name, score in _named(rows, scorer).items()}
        yield pa.RecordBatch.from_pydict(columns)


def _named(rows: SnapshotRows, scorer: Scorer) -> dict[str, str]:
    """From the columns of the lake's `predictions` to what the profile calls them: the same, unless the rows have
    such a column.

    A binary label's `prediction` says nothing that its `score` does not say better, and is left out.
    """
    match scorer.manifest.kind:
        case "binary":
            names = ["score"]
        case "regression":
            names = ["prediction"]
        case "multiclass":
            names = ["prediction", *(f"score_{name}" for name in scorer.manifest.classes)]
    taken = _wanted(rows, scorer)
    return {name: f"model's {name}" if name in taken else name for name in names}


def _wanted(rows: SnapshotRows, scorer: Scorer) -> list[str]:
    project = rows.project
    names = [*scorer.encoder.names, project.label.column, *project.evaluate.slices]
    return [name for name in dict.fromkeys(names) if name in rows.schema.names]


def _images(scorer: Scorer) -> set[str]:
    return {feature.name for feature in scorer.encoder.images}


def _joined(one: Profile, other: Profile) -> Profile:
    """The columns of both, in the segments of the first."""
    return replace(
        one,
        columns={**one.columns, **other.columns},
        segments={name: _joined(segment, other.segments[name]) for name, segment in one.segments.items()},
    )
