"""The one transform from rows to what a model sees: used alike in training, batch prediction and serving."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.dataset.float32 import count_beyond
from nightshift.dataset.images import AT_ONCE_BYTES, decode
from nightshift.errors import DataRefusedError, RequestError

FORMAT = 1
FeatureKind = Literal["number", "category", "image"]


@dataclass(frozen=True)
class Feature:
    """One column as the model sees it.

    Attributes:
        vocabulary: of a category, the values seen in training, sorted; a value's code is its place. A value never
            seen gets the code `len(vocabulary)`, a bucket of its own; null stays missing.
        size, channels: of an image, pixels a side, and 1 for grey or 3 for colours: the shape that all are brought to.
    """

    name: str
    kind: FeatureKind
    arrow_type: str
    vocabulary: tuple[str, ...] = ()
    size: int = 0
    channels: int = 0

    @property
    def encoded_type(self) -> pa.DataType:
        """What it becomes: float32, or the pixels of an image."""
        return pa.binary(self.channels * self.size**2) if self.kind == "image" else pa.float32()

    def as_dict(self) -> dict[str, Any]:
        """The feature as a JSON-ready mapping."""
        told = {name: getattr(self, name) for name in ("name", "kind", "arrow_type")}
        told["vocabulary"] = list(self.vocabulary)
        return told | ({"size": self.size, "channels": self.channels} if self.kind == "image" else {})


@dataclass(frozen=True)
class Encoded:
    """Rows as float32 columns (images: as pixels), and what was noticed of their values, by column.

    Attributes:
        unseen: how many values of a category were never seen in training.
        beyond: how many finite numbers are beyond the range of float32, and so are as infinite ones.
    """

    rows: pa.Table
    unseen: Mapping[str, int]
    beyond: Mapping[str, int]


@dataclass(frozen=True)
class Encoder:
    """Turns rows into float32 columns, by vocabularies recorded in training, and images into pixels of one shape."""

    features: tuple[Feature, ...]

    @property
    def names(self) -> list[str]:
        """The features' names, in the model's order."""
        return [feature.name for feature in self.features]

    @property
    def categories(self) -> list[int]:
        """The places of the features that are categories."""
        return [place for place, feature in enumerate(self.features) if feature.kind == "category"]

    @property
    def images(self) -> list[Feature]:
        """The features that are images."""
        return [feature for feature in self.features if feature.kind == "image"]

    @property
    def sized(self) -> Encoder:
        """The encoder of the same columns where an image is the number of its bytes, as `size_of` reads it."""
        return Encoder(
            tuple(
                Feature(one.name, "number", "int64") if one.kind == "image" else one for one in self.features
            )
        )

    def pieces(self, rows: pa.Table | pa.RecordBatch) -> Iterator[pa.Table | pa.RecordBatch]:
        """`rows` in pieces that can be encoded at once: all of them, unless decoded images would fill the memory."""
        width = sum(feature.encoded_type.byte_width for feature in self.images)
        most = max(1, AT_ONCE_BYTES // width) if width else max(1, rows.num_rows)
        for start in range(0, max(1, rows.num_rows), most):
            yield rows.slice(start, most)

    def encode(self, rows: pa.Table | pa.RecordBatch, key: Sequence[str] = ()) -> Encoded:
        """Encode `rows`; columns that are no features are left out.

        Args:
            key: columns that name a row, so that one that is refused can be found.

        Raises:
            DataRefusedError: a feature's column is missing or of another kind, or a value is no image.
        """
        unseen: Counter[str] = Counter()
        beyond: Counter[str] = Counter()
        self._refuse_lacking(rows)
        columns = []
        for feature in self.features:
            column = rows[feature.name]
            match feature.kind:
                case "image":
                    columns.append(_decode(rows, feature, key))
                case "number":
                    columns.append(_as_float32(column, feature, beyond))
                case "category":
                    columns.append(_encode(column, feature, unseen))
        return Encoded(pa.table(columns, names=self.names), dict(unseen), dict(beyond))

    def _refuse_lacking(self, rows: pa.Table | pa.RecordBatch) -> None:
        lacking = [name for name in self.names if name not in rows.schema.names]
        if lacking:
            named = ", ".join(repr(name) for name in lacking)
            raise DataRefusedError(
                f"the rows lack the column{'s' * (len(lacking) > 1)} {named}, which the model was trained on",
                valid=self.names, remedy="give the model the columns of its own dataset.sql",
            )  # fmt: skip

    def to_json(self) -> str:
        """The encoder as text that `from_json` reads back."""
        features = [feature.as_dict() for feature in self.features]
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
            tuple(Feature(**{**told, "vocabulary": tuple(told["vocabulary"])}) for told in read["features"])
        )


def feature_kind(column: pa.Field, where: str) -> FeatureKind:
    """How a model sees a column of this type. Bytes are images.

    Raises:
        RequestError: a time: nothing a model can see as it is.
    """
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "category"
    if _is_binary(kind):
        return "image"
    raise RequestError(
        f"the column {column.name!r} is a {kind}, which a model cannot see as it is",
        where=where,
        valid=["numbers", "booleans", "text", "images"],
        remedy=f"derive numbers from it in the SQL (hour, weekday, days since), or list {column.name!r} "
        "under dataset.exclude",
    )


def _is_binary(kind: pa.DataType) -> bool:
    found = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return bool(found or pa.types.is_fixed_size_binary(kind))


def _decode(rows: pa.Table | pa.RecordBatch, feature: Feature, key: Sequence[str]) -> pa.Array:
    column = rows[feature.name]
    if not (_is_binary(column.type) or pa.types.is_null(column.type)):
        raise _of_another_kind(column, feature)

    def row(place: int) -> str:
        names = {name: rows[name][place].as_py() for name in key}
        told = ", ".join(f"{name} {value!r}" for name, value in names.items()) or f"row {place + 1}"
        return f"column {feature.name!r}, {told}"

    return decode(column, feature.size, feature.channels, row)


def _as_float32(
    column: pa.ChunkedArray | pa.Array, feature: Feature, beyond: Counter[str]
) -> pa.ChunkedArray | pa.Array:
    try:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        rounded = column.cast(pa.float32(), safe=False)
    except pa.ArrowException as error:
        raise _of_another_kind(column, feature) from error
    count = count_beyond(column, rounded)
    if count:
        beyond[feature.name] += count
    return rounded


def _encode(
    column: pa.ChunkedArray | pa.Array, feature: Feature, unseen: Counter[str]
) -> pa.ChunkedArray | pa.Array:
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
