"""How much a row weighs in training: its own weight, its class, its group and its age, as one SQL expression.

What a row weighs by itself and by its class is part of the loss, and holds in the validation loss too. What it weighs
by its age and its group is about which rows teach: the validate window is taken as the world gave it.
"""

from __future__ import annotations

import pyarrow as pa

from nightshift.dataset.classes import number_text
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import quote, quote_text
from nightshift.errors import RequestError, did_you_mean
from nightshift.learners.target import Target, class_of_label
from nightshift.records import Window
from nightshift.spec.project import Project
from nightshift.spec.training import Reweight

_GROUPS = "weight_of_group"
_MOST_SHOWN = 20


def watched_weight(rows: SnapshotRows, target: Target) -> str | None:
    """A row's weight in the validation loss: sample weight times class weight; None when all rows weigh the same.

    Raises:
        RequestError: a class is named that is not there.
    """
    return " * ".join(_of_the_loss(rows, target)) or None


def taught_weight(rows: SnapshotRows, window: Window, target: Target) -> str | None:
    """A row's weight among the labelled rows of the window learnt from; None when all rows weigh the same.

    Raises:
        RequestError: a class, a group or a column is named that is not there.
    """
    recipe = rows.project.learner
    factors = _of_the_loss(rows, target)
    if recipe.half_life is not None:
        factors.append(_by_age(rows.project, window))
    if recipe.reweight is not None:
        factors.append(_by_group(rows, window, recipe.reweight))
    return " * ".join(factors) or None


def _of_the_loss(rows: SnapshotRows, target: Target) -> list[str]:
    project, factors = rows.project, []
    if project.dataset.weight:
        factors.append(f"CAST({quote(project.dataset.weight)} AS DOUBLE)")
    weights = _class_weights(rows, target)
    if weights:
        cases = " ".join(f"WHEN {quote_text(name)} THEN {weight!r}" for name, weight in weights.items())
        factors.append(f"CASE {class_of_label(rows)} {cases} ELSE 1 END::DOUBLE")
    return factors


def _by_age(project: Project, window: Window) -> str:
    """0.5 ** (age / half-life), the age counted back from the window's end."""
    half_life = project.learner.half_life
    assert half_life is not None
    end = f"epoch_us(TIMESTAMPTZ {quote_text(window.end.isoformat())})"
    age = f"({end} - epoch_us({quote(project.dataset.event_time)}))"
    return f"pow(0.5, {age} / {half_life.total_seconds() * 1e6!r})"


def _by_group(rows: SnapshotRows, window: Window, reweight: Reweight) -> str:
    """The factor of a row's group, looked up in a table of as many rows as there are groups."""
    where = f"project {rows.project.name}: learner.reweight"
    if reweight.by not in rows.schema.names:
        raise RequestError(
            f"there is no column {reweight.by!r}", where=f"{where}.by", valid=rows.schema.names,
            remedy=did_you_mean(reweight.by, rows.schema.names) or "name a column that dataset.sql selects",
        )  # fmt: skip
    column = quote(reweight.by)
    counted = dict(
        rows.connection.sql(
            f"SELECT CAST({column} AS VARCHAR), count(*) FROM snapshot "
            f"WHERE {rows.condition(window, labelled=True)} GROUP BY 1 ORDER BY 1"
        ).fetchall()
    )
    factors = _group_factors(counted, reweight, f"{where}.to")
    table = pa.table({"name": pa.array(list(factors), pa.string()), "factor": list(factors.values())})
    rows.connection.register(_GROUPS, table)
    same = f"{_GROUPS}.name IS NOT DISTINCT FROM CAST(snapshot.{column} AS VARCHAR)"
    return f"(SELECT factor FROM {_GROUPS} WHERE {same})"


def _group_factors(counted: dict[str | None, int], reweight: Reweight, where: str) -> dict[str | None, float]:
    """A factor a group; rows without a value are a group of their own.

    `uniform` is n / (groups * n_group), so that all groups weigh the same in sum.
    """
    if reweight.to == "uniform":
        total = sum(counted.values())
        return {name: total / (len(counted) * count) for name, count in counted.items()}
    there = sorted(name for name in counted if name is not None)
    unknown = sorted(set(reweight.to) - set(there))
    if unknown:
        shown = (
            there
            if len(there) <= _MOST_SHOWN
            else [*there[:_MOST_SHOWN], f"and {len(there) - _MOST_SHOWN} more"]
        )
        raise RequestError(
            f"no labelled row of the window learnt from has {reweight.by} = {unknown[0]!r}",
            where=where, valid=shown,
            remedy=did_you_mean(unknown[0], there) or f"name values that {reweight.by!r} has, or leave it out",
        )  # fmt: skip
    return {name: reweight.to.get(name, 1.0) if name is not None else 1.0 for name in counted}


def _class_weights(rows: SnapshotRows, target: Target) -> dict[str, float]:
    """A factor a class. `balanced` is n / (classes * n_class), so that all classes weigh the same in sum."""
    project = rows.project
    declared = project.learner.class_weights
    where = f"project {project.name}: learner.class_weights"
    if declared is None:
        return {}
    if project.label.kind == "regression":
        raise RequestError("a regression has no classes to weigh", where=where, remedy="use dataset.weight")
    if declared == "balanced":
        pairs = zip(target.classes, target.counts, strict=True)
        return {name: target.rows / (len(target.classes) * count) for name, count in pairs}
    if not pa.types.is_string(rows.schema.field(project.label.column).type):
        # A class that is a number may be named 1 or 1.0.
        known = {number_text(name): name for name in target.classes}
        declared = {known.get(number_text(name), name): weight for name, weight in declared.items()}
    unknown = sorted(set(declared) - set(target.classes))
    if unknown:
        raise RequestError(
            f"there is no class {unknown[0]!r}",
            where=where,
            valid=target.classes,
            remedy="name the label's classes",
        )
    return dict(declared)
