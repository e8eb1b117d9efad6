"""Which rows keep to the types of those before them, and what is said when they do not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.errors import DataRefusedError
from nightshift.lake.tables import Lake
from nightshift.records import Snapshot
from tests.synthetic import START, World, days, snapshot

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
NAN = float("nan")


@dataclass(frozen=True)
class Deliveries:
    """A project whose source is a file of one day, replaced by the next day's."""

    world: World
    ending: str = "parquet"

    def take(self, place: int, values: pa.Array | list[Any], column: str = "v") -> Snapshot:
        """The rows of day `place`, with these values in `column`."""
        rows: dict[str, Any] = {
            "id": [place * 100 + row for row in range(len(values))],
            "seen_at": pa.array([days(place, place + 1).start] * len(values), pa.timestamp("us", "UTC")),
            "y": [0] * len(values),
        }
        path = self.world.folder / "data" / f"rows.{self.ending}"
        path.parent.mkdir(exist_ok=True)
        table = pa.table({**rows, column: values})
        if self.ending == "parquet":
            pq.write_table(table, path)
        else:
            names = ",".join(table.column_names)
            lines = [
                ",".join("" if one is None else str(one) for one in row.values()) for row in table.to_pylist()
            ]
            path.write_text("\n".join([names, *lines]) + "\n")
        project = self.world.declare(
            sources={"rows": {"kind": "files", "uri": str(path)}}, dataset={"exclude": [], "key": ["id"]}
        )
        return snapshot(self.world, project, days(place, place + 1), START.replace(year=2025))

    def stored(self, column: str = "v") -> tuple[str, list[Any]]:
        """The column's type in the dataset, and its values in the order of the ids."""
        lake = Lake.of(self.world.name, self.world.settings)
        version = lake.version("dataset")
        assert version is not None
        rows = lake.read("dataset", version).to_table().sort_by("id")
        return str(rows.schema.field(column).type), rows[column].to_pylist()


@pytest.fixture
def parquet(tmp_path: Path) -> Deliveries:
    return Deliveries(World(tmp_path))


@pytest.fixture
def text(tmp_path: Path) -> Deliveries:
    return Deliveries(World(tmp_path), "csv")


SAME: dict[str, tuple[pa.Array, pa.Array, str, list[Any]]] = {
    "empty": (pa.array([1, 2]), pa.nulls(2), "int64", [1, 2, None, None]),
    "empty text": (pa.array([0.5]), pa.array([None], pa.string()), "double", [0.5, None]),
    "empty times": (pa.array([NOON]), pa.nulls(1), "timestamp[us, tz=UTC]", [NOON, None]),
    "empty at first": (pa.nulls(1), pa.array([7]), "int64", [None, 7]),
    "empty at first, then text": (pa.nulls(1), pa.array(["a"]), "string", [None, "a"]),
    "empty at first, then times": (pa.nulls(1), pa.array([NOON]), "timestamp[us, tz=UTC]", [None, NOON]),
    "whole numbers with nulls": (pa.array([1]), pa.array([2.0, None]), "int64", [1, 2, None]),
    "whole numbers with NaN": (pa.array([1]), pa.array([2.0, NAN]), "int64", [1, 2, None]),
    "shorter": (pa.array([1]), pa.array([2], pa.int32()), "int64", [1, 2]),
    "longer, and it fits": (pa.array([1], pa.int32()), pa.array([2]), "int32", [1, 2]),
    "longer": (pa.array([1], pa.int32()), pa.array([2**40]), "int64", [1, 2**40]),
    "double": (pa.array([0.5], pa.float32()), pa.array([0.1]), "double", [0.5, 0.1]),
    "float": (pa.array([0.5]), pa.array([0.25], pa.float32()), "double", [0.5, 0.25]),
    "whole numbers among doubles": (pa.array([0.5]), pa.array([2]), "double", [0.5, 2.0]),
    "fractions": (pa.array([1]), pa.array([2.5]), "double", [1.0, 2.5]),
    "decimals": (pa.array([0.5]), pa.array([Decimal("2.5")]), "double", [0.5, 2.5]),
    "dictionary": (pa.array(["a"]), pa.array(["b"]).dictionary_encode(), "string", ["a", "b"]),
    "large text": (pa.array(["a"]).dictionary_encode(), pa.array(["b"], pa.large_string()), "string", ["a", "b"]),
    "text views": (pa.array(["a"], pa.string_view()), pa.array(["b"]), "string", ["a", "b"]),
    "days among times": (pa.array([NOON]), pa.array([NOON.date()]), "timestamp[us, tz=UTC]",
                         [NOON, NOON.replace(hour=0)]),
    "units of time": (pa.array([NOON], pa.timestamp("ns", "Asia/Tokyo")), pa.array([NOON], pa.timestamp("ms")),
                      "timestamp[us, tz=UTC]", [NOON, NOON]),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "kind", "values"), SAME.values(), ids=SAME)
def test_what_is_the_same_column_is_kept_without_loss(
    parquet: Deliveries, one: pa.Array, other: pa.Array, kind: str, values: list[Any]
) -> None:
    parquet.take(0, one)
    parquet.take(1, other)
    assert parquet.stored() == (kind, values)


CHANGED: dict[str, tuple[pa.Array, pa.Array, str, str]] = {
    "numbers to text": (pa.array([1]), pa.array(["a"]), "int64", "string"),
    "numbers to digits": (pa.array([1]), pa.array(["2"]), "int64", "string"),
    "text to numbers": (pa.array(["1"]), pa.array([2]), "string", "int64"),
    "text to times": (pa.array(["a"]), pa.array([NOON]), "string", "timestamp[us, tz=UTC]"),
    "times to numbers": (pa.array([NOON]), pa.array([1.5]), "timestamp[us, tz=UTC]", "double"),
    "days to times": (pa.array([NOON.date()]), pa.array([NOON]), "date32[day]", "timestamp[us, tz=UTC]"),
    "times without a zone": (pa.array([1]), pa.array([NOON.replace(tzinfo=None)], pa.timestamp("s")), "int64",
                             "timestamp[us, tz=UTC]"),
    "dictionaries": (pa.array([1]), pa.array(["a"]).dictionary_encode(), "int64", "string"),
    "booleans to numbers": (pa.array([True]), pa.array([1]), "bool", "int64"),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "was", "now"), CHANGED.values(), ids=CHANGED)
def test_a_true_change_says_both_types_and_the_file(
    parquet: Deliveries, one: pa.Array, other: pa.Array, was: str, now: str
) -> None:
    parquet.take(0, one)
    with pytest.raises(DataRefusedError) as caught:
        parquet.take(1, other)
    assert f"'v' changed its type: it was {was}, now it is {now} in " in caught.value.what
    assert "rows.parquet" in caught.value.what
    assert parquet.stored() == (was, one.to_pylist())


def test_a_key_is_widened_to_no_double(parquet: Deliveries) -> None:
    parquet.take(0, [1], column="id")
    parquet.take(1, [2.0], column="id")
    with pytest.raises(DataRefusedError, match="'id' changed its type: it was int64, now it is double"):
        parquet.take(2, [2.5], column="id")
    assert parquet.stored("id") == ("int64", [1, 2])


def test_a_text_file_of_an_empty_column_changes_nothing(text: Deliveries) -> None:
    text.take(0, [1, 0])
    text.take(1, [None, None])
    text.take(2, ["NA", "NA"])
    assert text.stored() == ("int64", [1, 0, None, None, None, None])
    with pytest.raises(DataRefusedError, match=r"it was int64, now it is string in .*rows.csv"):
        text.take(3, ["NA", "many"])


def test_ids_of_a_text_file_that_happen_to_be_numbers_stay_text(text: Deliveries) -> None:
    text.take(0, ["A1", "007"])
    text.take(1, ["17", "4"])
    assert text.stored() == ("string", ["A1", "007", "17", "4"])
    with pytest.raises(DataRefusedError, match="it was string, now it is double"):
        text.take(2, ["1.50"])


def test_a_column_that_comes_later_is_under_the_contract_from_then_on(parquet: Deliveries) -> None:
    parquet.take(0, [1])
    parquet.take(1, ["a"], column="w")
    assert parquet.stored("w") == ("string", [None, "a"])
    with pytest.raises(DataRefusedError, match="'w' changed its type"):
        parquet.take(2, [1], column="w")
