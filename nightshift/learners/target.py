"""What the label's values mean: the classes there are to tell apart, and how often each occurs."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from nightshift.dataset.classes import class_sql
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import quote
from nightshift.errors import DataRefusedError, RequestError
from nightshift.records import Window


@dataclass(frozen=True)
class Target:
    """What the label's values mean: classes in sorted order, and how often each occurs in training."""

    classes: tuple[str, ...]
    counts: tuple[int, ...]
    unlabelled: int

    @property
    def rows(self) -> int:
        """Labelled training rows."""
        return sum(self.counts)


def class_of_label(rows: SnapshotRows) -> str:
    """The text of a binary or multiclass label's class, as SQL; see `dataset.classes`."""
    label = rows.project.label
    if label.kind == "binary":
        return f"CAST(CAST({quote(label.column)} AS INTEGER) AS VARCHAR)"
    return class_sql(quote(label.column), rows.schema.field(label.column).type)


def look_at_label(rows: SnapshotRows, window: Window) -> Target:
    """The classes of the training window; a regression has one, "".

    Raises:
        DataRefusedError: no label is known, or there is nothing to tell apart.
    """
    project = rows.project
    where = f"project {project.name}: the label {project.label.column!r} in {window}"
    label = quote(project.label.column)
    total, known = (int(str(n)) for n in rows.aggregate(window, ["count(*)", f"count({label})"]))
    if total == 0:
        raise DataRefusedError(
            "the training window has no rows",
            where=where,
            remedy="choose a later as-of, or a shorter split.train",
        )
    if known == 0:
        raise DataRefusedError(
            f"all {total:,} labels are null or were not known yet",
            where=where,
            remedy="look at the label in the SQL and at label.known_after, or choose a later as-of",
        )
    if project.label.kind == "regression":
        low, high = rows.aggregate(window, [f"min({label})", f"max({label})"], labelled=True)
        if low == high:
            raise DataRefusedError(
                f"all {known:,} labels are {low}", where=where, remedy="look at the label in the SQL"
            )
        return Target(("",), (known,), total - known)
    try:
        counted = rows.connection.sql(
            f"SELECT {class_of_label(rows)} AS class, count(*) FROM snapshot "
            f"WHERE {rows.condition(window, labelled=True)} GROUP BY 1 HAVING class IS NOT NULL ORDER BY 1"
        ).fetchall()
    except duckdb.ConversionException as error:
        raise RequestError(
            f"a binary label is 0 or 1: {error}",
            where=where,
            remedy="cast it in the SQL, or declare kind: multiclass",
        ) from error
    if len(counted) < 2:
        raise DataRefusedError(
            f"all {known:,} labels are {counted[0][0]!r}: there is nothing to tell apart",
            where=where,
            remedy="look at the label in the SQL, or choose a window in which both kinds occur",
        )
    return Target(tuple(row[0] for row in counted), tuple(int(row[1]) for row in counted), total - known)
