"""From a snapshot to what a learner is given: encoded windows, mapped from disk, with labels and weights."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa

from nightshift.dataset.encoder import Encoder, Feature, feature_kind
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import quote
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.protocol import Floats, Part
from nightshift.records import Window
from nightshift.spec.project import Project

logger = logging.getLogger(__name__)

LABEL, WEIGHT = "nightshift label", "nightshift weight"


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
    kind = "INTEGER" if project.label.kind == "binary" else "VARCHAR"
    try:
        counted = rows.connection.sql(
            f"SELECT CAST({label} AS {kind})::VARCHAR AS class, count(*) FROM snapshot "
            f"WHERE {rows.condition(window, labelled=True)} GROUP BY 1 ORDER BY 1"
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


def learn_encoder(rows: SnapshotRows, window: Window) -> Encoder:
    """The encoder whose vocabularies are the values of the training window."""
    where = f"project {rows.project.name}: {rows.project.dataset.sql}"
    kinds = {name: feature_kind(rows.schema.field(name), where) for name in rows.features}
    if not kinds:
        raise RequestError(
            "the dataset has no features",
            where=where,
            remedy="select more columns than key, event time and label",
        )
    found = rows.aggregate(
        window, [_values_or_nulls(name, kind) for name, kind in kinds.items()], labelled=True
    )
    return Encoder(
        tuple(
            _feature(rows.schema.field(name), kind, value)
            for (name, kind), value in zip(kinds.items(), found, strict=True)
        )
    )


def _values_or_nulls(name: str, kind: str) -> str:
    """Of a category its sorted values, of a number how many are null: SQL."""
    column = quote(name)
    return (
        f"list(DISTINCT {column} ORDER BY {column})" if kind == "category" else f"count(*) - count({column})"
    )


def _feature(column: pa.Field, kind: Literal["number", "category"], found: Any) -> Feature:
    if kind == "category":
        return Feature(
            column.name, kind, "string", tuple(value for value in found or () if value is not None)
        )
    # pandas keeps integers with nulls as floats, and so must whoever declares them to pandas users.
    arrow_type = "double" if found and pa.types.is_integer(column.type) else str(column.type)
    return Feature(column.name, kind, arrow_type)


def write_part(rows: SnapshotRows, window: Window, encoder: Encoder, target: Target, path: Path) -> None:
    """Encode a window's labelled rows, batch by batch, into an Arrow IPC file that can be mapped."""
    project = rows.project
    columns = [quote(name) for name in encoder.names]
    columns.append(f"{_label(project, target)} AS {quote(LABEL)}")
    weight = _weight(project, target)
    if weight:
        columns.append(f"{weight} AS {quote(WEIGHT)}")
    reader = rows.read(window, columns, labelled=True)
    extra = [(LABEL, pa.float64())] + ([(WEIGHT, pa.float64())] if weight else [])
    schema = pa.schema([(name, pa.float32()) for name in encoder.names] + extra)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in _encoded(reader, encoder, extra):
            writer.write_table(batch.cast(schema))


def read_part(path: Path, encoder: Encoder) -> Part:
    """What `write_part` wrote, mapped and not copied; rows of a class never seen in training left out."""
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    if table[LABEL].null_count:
        logger.warning(
            "train: %d rows of a class never seen in training are left out", table[LABEL].null_count
        )
        table = table.filter(table[LABEL].is_valid())
    weight = table[WEIGHT].to_numpy() if WEIGHT in table.column_names else None
    return Part(table.select(encoder.names), _floats(table[LABEL]), weight)


def _encoded(
    reader: pa.RecordBatchReader, encoder: Encoder, extra: list[tuple[str, pa.DataType]]
) -> Iterator[pa.Table]:
    for batch in reader:
        table = encoder.encode(batch).rows
        for name, kind in extra:
            table = table.append_column(pa.field(name, kind), batch[name].cast(kind))
        yield table


def _label(project: Project, target: Target) -> str:
    label = quote(project.label.column)
    if project.label.kind != "multiclass":
        return f"CAST({label} AS DOUBLE)"
    codes = json.dumps(list(target.classes), ensure_ascii=False).replace("'", "''")
    return f"(list_position(CAST('{codes}'::JSON AS VARCHAR[]), CAST({label} AS VARCHAR)) - 1)::DOUBLE"


def _weight(project: Project, target: Target) -> str | None:
    """Sample weight times class weight, as SQL; None when every row weighs the same."""
    factors = []
    if project.dataset.weight:
        factors.append(f"CAST({quote(project.dataset.weight)} AS DOUBLE)")
    weights = _class_weights(project, target)
    if weights:
        kind = "INTEGER" if project.label.kind == "binary" else "VARCHAR"
        label = f"CAST(CAST({quote(project.label.column)} AS {kind}) AS VARCHAR)"
        cases = " ".join(
            "WHEN '{}' THEN {!r}".format(name.replace("'", "''"), weight) for name, weight in weights.items()
        )
        factors.append(f"CASE {label} {cases} ELSE 1 END::DOUBLE")
    return " * ".join(factors) or None


def _class_weights(project: Project, target: Target) -> dict[str, float]:
    """A factor a class. `balanced` is n / (classes * n_class), so that all classes weigh the same in sum."""
    declared = project.learner.class_weights
    where = f"project {project.name}: learner.class_weights"
    if declared is None:
        return {}
    if project.label.kind == "regression":
        raise RequestError("a regression has no classes to weigh", where=where, remedy="use dataset.weight")
    if declared == "balanced":
        pairs = zip(target.classes, target.counts, strict=True)
        return {name: target.rows / (len(target.classes) * count) for name, count in pairs}
    unknown = sorted(set(declared) - set(target.classes))
    if unknown:
        raise RequestError(
            f"there is no class {unknown[0]!r}",
            where=where,
            valid=target.classes,
            remedy="name the label's classes",
        )
    return dict(declared)


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.to_numpy(), dtype=np.float64)
