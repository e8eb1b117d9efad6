"""Which rows quality refuses, under which rule's name, and when it refuses a window as a whole."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightshift.errors import DataRefusedError, RequestError
from nightshift.lake.tables import Lake
from nightshift.records import Snapshot
from tests.synthetic import AS_OF, World, days, rows_of, snapshot


def table(world: World, name: str) -> pd.DataFrame:
    lake = Lake.of(world.name, world.settings)
    version = lake.version(name)
    return pd.DataFrame() if version is None else lake.read(name, version).to_table().to_pandas()


def counts(made: Snapshot) -> dict[str, int]:
    return {one.rule: one.rows for one in made.refused_by}


@pytest.mark.parametrize(
    ("column", "bad", "dataset", "rule"),
    [
        ("x", -500.0, {}, "x > -100"),
        ("y", 2, {}, "y is 0 or 1"),
        ("weight", -1.0, {"weight": "weight", "exclude": []}, "weight is a weight"),
        ("weight", np.nan, {"weight": "weight", "exclude": []}, "weight is a weight"),
        ("city", None, {"key": ["id", "city"]}, "city is not null"),
    ],
)
def test_refused_rows_are_quarantined_under_their_rules_name(
    tmp_path: Path, column: str, bad: object, dataset: dict[str, object], rule: str
) -> None:
    world = World(tmp_path)
    frame = rows_of()
    frame["city"] = frame["city"].fillna("Ulm")
    chosen = frame.sample(17, random_state=4).index
    frame.loc[chosen, column] = bad
    world.write(frame)
    made = snapshot(world, world.declare(quality={"rules": ["x > -100"]}, dataset=dataset))
    assert counts(made) == {rule: 17}
    assert (made.rows_in, made.rows, made.quarantined) == (len(frame), len(frame) - 17, 17)
    quarantine = table(world, "quarantine")
    assert set(quarantine["rules"]) == {rule}
    assert {json.loads(row)["id"] for row in quarantine["row"]} == set(frame.loc[chosen, "id"])
    assert {json.loads(key)["id"] for key in quarantine["key"]} == set(frame.loc[chosen, "id"])
    assert set(table(world, "dataset")["id"]) == set(frame.drop(chosen)["id"])


def test_a_label_that_is_no_finite_number_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, kind="regression")
    frame = rows_of("regression")
    frame.loc[[3, 5], "y"] = np.inf
    world.write(frame)
    assert counts(snapshot(world, world.declare())) == {"y is a finite number": 2}


def test_a_row_that_breaks_two_rules_names_both_and_counts_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    frame = rows_of()
    frame.loc[7, ["x", "y"]] = [-500.0, 5]
    world.write(frame)
    made = snapshot(world, world.declare(quality={"rules": ["x > -100"]}))
    assert counts(made) == {"y is 0 or 1": 1, "x > -100": 1}
    assert made.quarantined == 1
    assert table(world, "quarantine")["rules"].tolist() == ["y is 0 or 1; x > -100"]


def test_null_passes_a_declared_rule_and_a_missing_label(tmp_path: Path) -> None:
    world = World(tmp_path)
    frame = rows_of()
    frame["gap"] = frame["gap"].clip(-50, 50)
    frame["y"] = frame["y"].astype("Int64").where(frame["id"] % 5 > 0)
    world.write(frame)
    made = snapshot(world, world.declare(quality={"rules": ["gap >= -50 and gap <= 50"]}))
    assert made.quarantined == 0
    stored = table(world, "dataset")
    assert stored["gap"].isna().sum() == frame["gap"].isna().sum() > 0
    assert stored["y"].isna().sum() == frame["y"].isna().sum() > 0


def test_mended_rows_leave_the_quarantine(tmp_path: Path) -> None:
    world = World(tmp_path)
    frame = rows_of()
    world.write(frame.assign(x=frame["x"].where(frame["id"] != 9, -500)))
    project = world.declare(quality={"rules": ["x > -100"]})
    assert snapshot(world, project).quarantined == 1
    world.write(frame)
    assert snapshot(world, project).quarantined == 0
    assert table(world, "quarantine").empty


def test_the_same_rows_again_are_the_same_version(tmp_path: Path) -> None:
    world = World(tmp_path)
    frame = rows_of()
    frame.loc[7, "y"] = 5
    world.write(frame)
    project = world.declare()
    first, second = snapshot(world, project), snapshot(world, project)
    assert (first.version, first.digest) == (second.version, second.digest)
    assert len(table(world, "quarantine")) == 1


def refused(world: World, said: str, as_of_days: int = 0, **changes: object) -> DataRefusedError:
    before = table(world, "dataset")
    with pytest.raises(DataRefusedError, match=said) as caught:
        snapshot(world, world.declare(**changes), as_of=AS_OF + timedelta(days=as_of_days))
    assert table(world, "dataset").equals(before), "what was stored before is untouched"
    return caught.value


def test_duplicate_keys_are_refused_with_examples(tmp_path: Path) -> None:
    world = World(tmp_path)
    frame = rows_of()
    world.write(pd.concat([frame, frame.iloc[[3, 8]]]))
    error = refused(world, r"2 keys occur more than once \(4 rows\)")
    assert "3 (2 rows)" in error.what


def test_a_column_that_changes_its_type_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    snapshot(world, world.declare())
    world.write(rows_of().assign(x=lambda frame: frame["x"].astype(str)))
    refused(world, "'x' changed its type: it was double, now it is string")


def test_new_sql_makes_a_new_contract(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    snapshot(world, world.declare())
    made = snapshot(world, world.declare("select * replace (x::varchar as x) from rows"))
    assert made.version == 1
    assert set(table(world, "dataset")["x"].map(type)) == {str}


def test_whole_numbers_are_kept_as_the_doubles_they_were(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    project = world.declare()
    snapshot(world, project)
    frame = rows_of().assign(x=lambda frame: frame["x"].round().astype("int64"))
    world.write(frame)
    snapshot(world, project)
    stored = table(world, "dataset")
    assert str(stored["x"].dtype) == "float64"
    assert stored.sort_values("id")["x"].tolist() == frame["x"].tolist()
    assert len(table(world, "dataset")) == len(frame)


def test_stale_rows_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    frame = rows_of()
    world.write(frame[frame["seen_at"] < days(0, 37).end])
    assert "2d" in refused(world, "the newest row is from 2024-02-06", quality={"freshness": "2d"}).what
    assert snapshot(world, world.declare(quality={"freshness": "4d"})).rows == 37 * 30


@pytest.mark.parametrize(("share", "passes"), [(0.3, False), (0.5, True)])
def test_too_many_refused_rows_refuse_the_window(tmp_path: Path, share: float, passes: bool) -> None:
    world = World(tmp_path)
    frame = rows_of()
    frame["x"] = np.where(frame["id"] % 5 < 2, -500.0, frame["x"])
    world.write(frame)
    quality = {"rules": ["x > -100"], "max_refused": share}
    if passes:
        assert snapshot(world, world.declare(quality=quality)).quarantined == len(frame) * 2 // 5
    else:
        assert "x > -100" in refused(world, r"\(40%\) break a rule", quality=quality).what


@pytest.mark.parametrize("rule", ["x >", "nowhere > 1", "x + 1", "count(*) > 1"])
def test_what_is_no_rule_is_a_wrong_request(tmp_path: Path, rule: str) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    with pytest.raises(RequestError, match="the rule") as caught:
        snapshot(world, world.declare(quality={"rules": [rule]}))
    assert "quality.rules" in caught.value.where


def test_rows_without_a_key_are_quarantined_however_many_there_are(tmp_path: Path) -> None:
    world = World(tmp_path)
    frame = rows_of()
    frame["city"] = frame["city"].fillna("Ulm")
    frame.loc[[3, 4, 5], "city"] = None
    frame.loc[[4, 5], "id"] = 4
    world.write(frame)
    made = snapshot(world, world.declare(dataset={"key": ["id", "city"]}))
    assert counts(made) == {"city is not null": 3}
    assert (made.rows_in, made.rows) == (len(frame), len(frame) - 3)


def test_rows_that_the_table_refuses_leave_no_trace_in_the_quarantine(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    snapshot(world, world.declare(), days(0, 20))
    world.write(rows_of().assign(y=lambda frame: frame["y"].where(frame["id"] != 700, 5)))
    project = world.declare("select * replace (x::varchar as x) from rows")
    with pytest.raises(DataRefusedError, match="'x' is double in the rows that the table holds, and string"):
        snapshot(world, project, days(20, 40))
    assert table(world, "quarantine").empty
    assert len(table(world, "dataset")) == 600
