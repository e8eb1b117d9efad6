"""From a snapshot to what a learner is given: encoded windows, mapped from disk, with labels and weights."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nightshift.dataset.encoder import Encoder, Feature, FeatureKind, feature_kind
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import quote
from nightshift.errors import RequestError
from nightshift.learners.model import Floats
from nightshift.learners.protocol import Part
from nightshift.learners.target import Target, class_of_label
from nightshift.learners.weights import taught_weight, watched_weight
from nightshift.records import Window
from nightshift.spec.learner import Torch
from nightshift.spec.project import Project
from nightshift.spec.training import ImageShape

logger = logging.getLogger(__name__)

LABEL, WEIGHT = "nightshift label", "nightshift weight"


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
    shape = _image_shape(rows.project, [name for name, kind in kinds.items() if kind == "image"], where)
    found = rows.aggregate(
        window, [_values_or_nulls(name, kind) for name, kind in kinds.items()], labelled=True
    )
    return Encoder(
        tuple(
            _feature(rows.schema.field(name), kind, value, shape)
            for (name, kind), value in zip(kinds.items(), found, strict=True)
        )
    )


def _values_or_nulls(name: str, kind: str) -> str:
    """Of a category its sorted values, of a number how many are null: SQL."""
    column = quote(name)
    return (
        f"list(DISTINCT {column} ORDER BY {column})" if kind == "category" else f"count(*) - count({column})"
    )


def _image_shape(project: Project, images: list[str], where: str) -> ImageShape:
    """The shape that images are brought to.

    Raises:
        RequestError: there are images, and the learner is one that sees none.
    """
    if isinstance(project.learner, Torch):
        return project.learner.images
    if images:
        raise RequestError(
            f"a {project.learner.kind} learner sees no images, and the column {images[0]!r} holds bytes", where=where,
            remedy="write learner: {kind: torch, network: image}, or list the column under dataset.exclude",
        )  # fmt: skip
    return ImageShape()


def _feature(column: pa.Field, kind: FeatureKind, found: Any, shape: ImageShape) -> Feature:
    if kind == "image":
        return Feature(column.name, kind, "binary", size=shape.size, channels=shape.channels)
    if kind == "category":
        return Feature(
            column.name, kind, "string", tuple(value for value in found or () if value is not None)
        )
    # pandas keeps integers with nulls as floats, and so must whoever declares them to pandas users.
    arrow_type = "double" if found and pa.types.is_integer(column.type) else str(column.type)
    return Feature(column.name, kind, arrow_type)


def write_part(
    rows: SnapshotRows, window: Window, encoder: Encoder, target: Target, path: Path, *, watched: bool = False
) -> None:
    """Encode a window's labelled rows, batch by batch, into an Arrow IPC file that can be mapped.

    Args:
        watched: these rows are not learnt from: their age and their group weigh nothing.
    """
    project = rows.project
    columns = [quote(name) for name in encoder.names]
    columns.append(f"{_label(rows, target)} AS {quote(LABEL)}")
    weight = watched_weight(rows, target) if watched else taught_weight(rows, window, target)
    if weight:
        columns.append(f"{weight} AS {quote(WEIGHT)}")
    key = tuple(name for name in project.dataset.key if encoder.images)
    columns += [quote(name) for name in key if name not in encoder.names]
    reader = rows.read(window, columns, labelled=True)
    extra = [(LABEL, pa.float64())] + ([(WEIGHT, pa.float64())] if weight else [])
    schema = pa.schema([(feature.name, feature.encoded_type) for feature in encoder.features] + extra)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        beyond: Counter[str] = Counter()
        for batch in _encoded(reader, encoder, extra, key, beyond):
            writer.write_table(batch.cast(schema))
    if beyond:
        logger.warning("train: numbers beyond float32, taken as infinite: %s", dict(beyond))


def write_windows(
    rows: SnapshotRows, train: Window, validate: Window, encoder: Encoder, target: Target, folder: Path
) -> None:
    """Encode what is learnt from and what is watched into an existing folder, for `read_windows`."""
    write_part(rows, train, encoder, target, folder / "train.arrow")
    write_part(rows, validate, encoder, target, folder / "validate.arrow", watched=True)


def read_windows(folder: Path, encoder: Encoder) -> tuple[Part, Part]:
    """The parts `train` and `validate` that `write_windows` wrote, mapped."""
    return read_part(folder / "train.arrow", encoder), read_part(folder / "validate.arrow", encoder)


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
    reader: pa.RecordBatchReader,
    encoder: Encoder,
    extra: list[tuple[str, pa.DataType]],
    key: tuple[str, ...],
    beyond: Counter[str],
) -> Iterator[pa.Table]:
    for batch in reader:
        for piece in encoder.pieces(batch):
            encoded = encoder.encode(piece, key)
            beyond.update(encoded.beyond)
            table = encoded.rows
            for name, kind in extra:
                table = table.append_column(pa.field(name, kind), piece[name].cast(kind))
            yield table


def _label(rows: SnapshotRows, target: Target) -> str:
    label = rows.project.label
    if label.kind != "multiclass":
        return f"CAST({quote(label.column)} AS DOUBLE)"
    codes = json.dumps(list(target.classes), ensure_ascii=False).replace("'", "''")
    return f"(list_position(CAST('{codes}'::JSON AS VARCHAR[]), {class_of_label(rows)}) - 1)::DOUBLE"


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.to_numpy(), dtype=np.float64)
