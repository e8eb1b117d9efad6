"""The encoder against a plain dictionary, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.dataset.encoder import Encoder, Feature, feature_kind
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import engine
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.parts import learn_encoder
from tests.synthetic import World, days, rows_of, snapshot

repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=100)
words = st.text(max_size=4)
CITY = Feature("city", "category", "string", ("Bonn", "Ulm"))
X = Feature("x", "number", "double")


def same(found: list[float | None], wanted: list[float]) -> bool:
    got = [math.nan if value is None else value for value in found]
    return np.array_equal(np.array(got, float), np.array(wanted, float), equal_nan=True)


@given(
    vocabulary=st.sets(words, max_size=6),
    values=st.lists(st.none() | words, max_size=30),
    kind=st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]),
)
@repeatable
def test_categories_are_coded_as_a_dictionary_would(
    vocabulary: set[str], values: list[str | None], kind: pa.DataType
) -> None:
    known = sorted(vocabulary)
    place = {value: code for code, value in enumerate(known)}
    wanted = [math.nan if value is None else place.get(value, len(known)) for value in values]
    unseen = sum(value is not None and value not in place for value in values)
    feature = Feature("city", "category", "string", tuple(known))
    encoded = Encoder((feature,)).encode(pa.table({"city": pa.array(values, pa.string()).cast(kind)}))
    assert same(encoded.rows["city"].to_pylist(), wanted)
    assert encoded.unseen == ({"city": unseen} if unseen else {})
    assert encoded.rows.schema.field("city").type == pa.float32()


@given(values=st.lists(st.none() | st.floats(width=32), max_size=30))
@repeatable
def test_numbers_stay_and_null_stays_missing(values: list[float | None]) -> None:
    encoded = Encoder((X,)).encode(pa.table({"x": pa.array(values, pa.float64())}))
    assert same(encoded.rows["x"].to_pylist(), [math.nan if v is None else v for v in values])


@given(vocabulary=st.lists(words, max_size=6))
@repeatable
def test_an_encoder_survives_json(vocabulary: list[str]) -> None:
    encoder = Encoder((X, Feature("city", "category", "string", tuple(vocabulary))))
    assert Encoder.from_json(encoder.to_json()) == encoder


def test_the_order_of_features_is_the_models_and_not_the_rows() -> None:
    rows = pa.table({"city": ["Ulm"], "more": [1], "x": [2.0]})
    encoded = Encoder((X, CITY)).encode(rows)
    assert encoded.rows.to_pydict() == {"x": [2.0], "city": [1.0]}
    assert Encoder((X, CITY)).categories == [1]


def test_a_column_of_nulls_alone_is_missing_values() -> None:
    rows = pa.table({"city": pa.nulls(2), "x": pa.nulls(2)})
    assert Encoder((X, CITY)).encode(rows).rows.to_pydict() == {"x": [None, None], "city": [None, None]}


def test_a_missing_column_is_refused() -> None:
    with pytest.raises(DataRefusedError, match="lack the column 'city'"):
        Encoder((X, CITY)).encode(pa.table({"x": [1.0]}))


@pytest.mark.parametrize(
    ("feature", "column"),
    [(X, pa.array(["one"])), (CITY, pa.array([[1]])), (X, pa.array([{"a": 1}]))],
)
def test_a_column_of_another_kind_is_refused(feature: Feature, column: pa.Array) -> None:
    with pytest.raises(DataRefusedError, match="the model was trained on"):
        Encoder((feature,)).encode(pa.table({feature.name: column}))


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(DataRefusedError, match="format 99"):
        Encoder.from_json('{"format": 99, "features": []}')


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.date32(), pa.list_(pa.int8())])
def test_what_a_model_cannot_see_is_no_feature(kind: pa.DataType) -> None:
    with pytest.raises(RequestError, match="cannot see") as caught:
        feature_kind(pa.field("when", kind), "dataset.sql")
    assert "dataset.exclude" in caught.value.remedy


def test_the_vocabulary_is_what_the_training_window_holds(tmp_path: Path) -> None:
    world = World(tmp_path)
    frame = rows_of()
    frame.loc[frame.index[-10:], "city"] = "Zug"
    world.write(frame)
    project = world.declare()
    made = snapshot(world, project)
    with engine(world.settings) as connection:
        encoder = learn_encoder(SnapshotRows(project, made, world.settings, connection), days(0, 30))
    assert encoder.names == ["x", "gap", "n", "city"]
    assert encoder.features[3].vocabulary == ("Bonn", "Köln", "Ulm")
    assert encoder.encode(pa.Table.from_pandas(frame)).unseen == {"city": 10}
