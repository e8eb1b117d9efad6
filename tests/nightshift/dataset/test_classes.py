"""One text for one class, whatever type the label is of, in DuckDB and in Arrow; and the codes of classes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from nightshift.dataset.classes import Vocabulary, class_sql, class_texts, number_codes
from nightshift.errors import DataRefusedError

LABELS = {
    "float64": pa.array([0.0, 1.0, 2.0, -0.0, 0.5, 0.1, 1e-7, 1.5e16, 1e20, 9e18, float("inf"), float("nan"), None]),
    "float32": pa.array([0.0, 1.0, 0.5, 0.1, 1e-7, 16777217.0, 3e38, None], pa.float32()),
    "float32 read as float64": pa.array([0.1, 0.7], pa.float32()).cast(pa.float64()),
    "int": pa.array([0, 1, 2, -3, 2**53 + 1, None]),
    "bool": pa.array([True, False, None]),
    "decimal": pa.array([Decimal("1.00"), Decimal("1.50"), Decimal("-0.00"), Decimal("100.00"), Decimal("-0.05")]),
    "whole decimal": pa.array([Decimal(100), Decimal(0)]),
    "text": pa.array(["1", "1.0", " 1", "yes", "Yes", "caf\u00e9", "cafe\u0301", "", "NaN", None]),
    "date": pa.array([date(2024, 1, 31)]),
    "moment": pa.array(
        [datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 1, 31, 5, 6, 7, 120_000, tzinfo=UTC)],
        pa.timestamp("us", tz="UTC"),
    ),
    "bytes": pa.array([b"yes", b"\x00a'b\\"]),
}  # fmt: skip


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_sql_and_arrow_write_a_class_alike(labels: pa.Array) -> None:
    assert class_texts(labels).to_pylist() == in_sql(labels)


def test_sql_and_arrow_write_any_number_alike() -> None:
    random = np.random.default_rng(11)
    wild = random.integers(0, 2**63, 4000, dtype=np.int64).view(np.float64)
    wild = wild[np.isfinite(wild)]
    tame = np.round(random.normal(0, 1000, 4000), 3)
    with np.errstate(over="ignore"):
        narrow = random.integers(0, 2**31, 4000, dtype=np.int32).view(np.float32)
    for labels in (pa.array(np.concatenate([wild, tame])), pa.array(narrow[np.isfinite(narrow)])):
        assert class_texts(labels).to_pylist() == in_sql(labels)


def in_sql(labels: pa.Array) -> list[str | None]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rows", pa.table({"y": labels, "place": range(len(labels))}))
        found = connection.sql(f"SELECT {class_sql('y', labels.type)} FROM rows ORDER BY place").fetchall()
    return [text for (text,) in found]


@pytest.mark.parametrize(
    "labels",
    [
        pa.array([0, 1, 2, None]),
        pa.array([0, 1, 2, None], pa.int8()),
        pa.array([0.0, 1.0, 2.0, None]),
        pa.array([0.0, 1.0, 2.0, None], pa.float32()),
        pa.array([-0.0, 1.0, 2.0, float("nan")]),
        pa.array([Decimal("0.00"), Decimal("1.00"), Decimal("2.00"), None]),
        pa.array([0, 1, 2, None]).dictionary_encode(),
    ],
    ids=str,
)
@pytest.mark.parametrize("classes", [("0", "1", "2"), ("0.0", "1.0", "2.0"), ("0.00", "1.00", "2.00")])
def test_a_number_is_one_class_whatever_way_its_name_is_written(
    labels: pa.Array, classes: tuple[str, ...]
) -> None:
    vocabulary = Vocabulary(classes)
    assert np.array_equal(vocabulary.codes(labels), [0, 1, 2, np.nan], equal_nan=True)
    assert vocabulary.unknown == ()


def test_a_boolean_is_known_by_its_name_or_by_its_number() -> None:
    labels = pa.array([True, False, None])
    for classes in (("false", "true"), ("0", "1"), ("0.0", "1.0")):
        assert np.array_equal(Vocabulary(classes).codes(labels), [1, 0, np.nan], equal_nan=True)
    assert np.array_equal(Vocabulary(("false", "true")).codes(pa.array([0.0, 1.0])), [0, 1])


def test_texts_are_one_class_only_where_they_are_the_same() -> None:
    texts = ["1", "1.0", " 1", "Yes", "yes", "yes ", "caf\u00e9", "cafe\u0301"]
    vocabulary = Vocabulary(texts)
    assert vocabulary.codes(pa.array(texts)).tolist() == list(range(len(texts)))
    assert vocabulary.unknown == ()
    assert Vocabulary(("1",)).codes(pa.array(["1.0"])).tolist() == [1]


def test_classes_that_a_model_does_not_know_have_codes_of_their_own_from_batch_to_batch() -> None:
    vocabulary = Vocabulary(("a", "b"))
    assert vocabulary.codes(pa.array(["a", "new", None, "newer"]))[[0, 1, 3]].tolist() == [0, 2, 3]
    assert vocabulary.codes(pa.chunked_array([["newer"], ["b", "new"]])).tolist() == [3, 1, 2]
    assert vocabulary.unknown == ("new", "newer")
    assert vocabulary.codes(pa.array([], pa.string())).tolist() == []
    assert np.isnan(vocabulary.codes(pa.nulls(2))).all()


def test_texts_of_a_binary_label_are_read_as_numbers() -> None:
    assert np.array_equal(number_codes(pa.array(["0", "1", " 1.0", None])), [0, 1, 1, np.nan], equal_nan=True)
    assert number_codes(pa.array([True, False])).tolist() == [1, 0]
    with pytest.raises(DataRefusedError, match="'yes' is no number"):
        number_codes(pa.array(["1", "yes"]))
