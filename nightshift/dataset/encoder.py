"""The one transform from rows to what a model sees: used alike in training, batch prediction and serving."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.errors import DataRefusedError, RequestError

FORMAT = 1


@dataclass(frozen=True)
class Feature:
    """One column as the model sees it.

    Attributes:
        vocabulary: of a category, the values seen in training, sorted; a value's code is its place. A value never
            seen gets the code `len(vocabulary)`, a bucket of its own; null stays missing.
    """

    name: str
    kind: Literal["number", "category"]
    arrow_type: str
    vocabulary: tuple[str, ...] = ()


@dataclass(frozen=True)
class Encoded:
    """Rows as float32 columns, and how many values of each category were never seen in training."""

    rows: pa.Table
    unseen: Mapping[str, int]


@dataclass(frozen=True)
class Encoder:
    """Turns rows into float32 columns, by vocabularies recorded in training."""

    features: tuple[Feature, ...]

    @property
    def names(self) -> list[str]:
        """The features' names, in the model's order."""
        return [feature.name for feature in self.features]

    @property
    def categories(self) -> list[int]:
        """The places of the features that are categories."""
        return [place for place, feature in enumerate(self.features) if feature.kind == "category"]

    def encode(self, rows: pa.Table | pa.RecordBatch) -> Encoded:
        """Encode `rows`; columns that are no features are left out.

        Raises:
            DataRefusedError: a feature's column is missing or of another kind.
        """
        unseen: Counter[str] = Counter()
        columns = []
        for feature in self.features:
            if feature.name not in rows.schema.names:
                raise DataRefusedError(
                    f"the rows lack the column {feature.name!r}, which the model was trained on",
                    valid=self.names, remedy="give the model the columns of its own dataset.sql",
                )  # fmt: skip
            columns.append(_encode(rows[feature.name], feature, unseen))
        return Encoded(pa.table(columns, names=self.names), dict(unseen))

    def to_json(self) -> str:
        """The encoder as text that `from_json` reads back."""
        features = [
            {"name": f.name, "kind": f.kind, "arrow_type": f.arrow_type, "vocabulary": list(f.vocabulary)}
            for f in self.features
        ]
        return json.dumps({"format": FORMAT, "features": features}, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Encoder:
        """The encoder that `to_json` wrote."""
        read = json.loads(text)
        if read["format"] != FORMAT:
            raise DataRefusedError(
                f"the encoder has format {read['format']}; this version of Nightshift reads format {FORMAT}",
                remedy="use the version of Nightshift that trained the model",
            )
        return cls(
            tuple(
                Feature(f["name"], f["kind"], f["arrow_type"], tuple(f["vocabulary"]))
                for f in read["features"]
            )
        )


def feature_kind(column: pa.Field, where: str) -> Literal["number", "category"]:
    """How a model sees a column of this type.

    Raises:
        RequestError: a time, or bytes: nothing a model can see as it is.
    """
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "category"
    raise RequestError(
        f"the column {column.name!r} is a {kind}, which a model cannot see as it is",
        where=where,
        valid=["numbers", "booleans", "text"],
        remedy=f"derive numbers from it in the SQL (hour, weekday, days since), or list {column.name!r} "
        "under dataset.exclude",
    )


def _encode(
    column: pa.ChunkedArray | pa.Array, feature: Feature, unseen: Counter[str]
) -> pa.ChunkedArray | pa.Array:
    if feature.kind == "number":
        try:
            return column.cast(pa.float32(), safe=False)
        except pa.ArrowException as error:
            raise _of_another_kind(column, feature) from error
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    if pa.types.is_null(column.type):
        return column.cast(pa.float32())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        try:
            column = column.cast(pa.string())
        except pa.ArrowException as error:
            raise _of_another_kind(column, feature) from error
    codes = pc.index_in(column, value_set=pa.array(feature.vocabulary, column.type))
    is_new = pc.and_(pc.is_null(codes), pc.is_valid(column))
    count = pc.sum(is_new).as_py() or 0
    if count:
        unseen[feature.name] += count
        codes = pc.if_else(is_new, pa.scalar(len(feature.vocabulary), pa.int32()), codes)
    return codes.cast(pa.float32())


def _of_another_kind(column: pa.ChunkedArray | pa.Array, feature: Feature) -> DataRefusedError:
    return DataRefusedError(
        f"the column {feature.name!r} is a {column.type}; the model was trained on {feature.arrow_type}",
        remedy=f"cast {feature.name!r} to the type it had in training",
    )
