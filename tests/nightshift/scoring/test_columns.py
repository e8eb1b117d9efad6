"""The names of the columns of predictions: no key is hidden, and no class has another's scores."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from nightshift.errors import DataRefusedError
from nightshift.scoring.columns import PredictionColumns, class_of
from nightshift.spec.project import Kind, Project
from tests.synthetic import World

OURS = ("prediction", "score", "model_version", "run_id", "dataset_version", "arm")
AT = pa.timestamp("us", "UTC")


def declared(folder: Path, *key: str, kind: Kind = "binary", event_time: str = "seen_at") -> Project:
    return World(folder, kind=kind).declare(dataset={"key": list(key), "event_time": event_time})


def schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


def test_without_a_clash_the_names_are_plain(tmp_path: Path) -> None:
    names = PredictionColumns.of(declared(tmp_path, "id"))
    assert tuple(getattr(names, one) for one in OURS) == OURS
    assert names.identity == ("id", "seen_at")


@pytest.mark.parametrize("name", [*OURS, "Run_ID", "SCORE", "\N{LATIN SMALL LETTER LONG S}core"])
def test_a_key_keeps_its_name_and_ours_gives_way(tmp_path: Path, name: str) -> None:
    for project in (declared(tmp_path, name), declared(tmp_path, "id", event_time=name)):
        names = PredictionColumns.of(project)
        made = [getattr(names, one) for one in OURS]
        assert name in names.identity
        assert len({one.casefold() for one in (*names.identity, *made)}) == len(made) + 2
        assert f"nightshift_{name.casefold()}" in made
        # A key that is called otherwise later does not bring the old names back: keys are in that column.
        table = schema(**dict.fromkeys((*names.identity, *made), pa.int64()))
        ours = name.casefold()
        assert getattr(PredictionColumns.of(declared(tmp_path, "id"), table), ours) == f"nightshift_{ours}"


def test_a_key_may_have_the_other_name_too(tmp_path: Path) -> None:
    names = PredictionColumns.of(declared(tmp_path, "run_id", "nightshift_run_id"))
    assert names.run_id == "nightshift_nightshift_run_id"


def test_the_event_time_may_be_part_of_the_key(tmp_path: Path) -> None:
    assert PredictionColumns.of(declared(tmp_path, "seen_at", "id")).identity == ("seen_at", "id")


def test_a_key_that_earlier_rows_hold_something_else_in_is_refused(tmp_path: Path) -> None:
    project = declared(tmp_path, "run_id")
    table = schema(id=pa.int64(), run_id=pa.string(), arm=pa.string())
    with pytest.raises(DataRefusedError, match="'run_id' is part of the key") as caught:
        PredictionColumns.of(project, table).check(project, table, "here")
    assert "row_run_id" in caught.value.remedy
    written = schema(run_id=pa.string(), nightshift_run_id=pa.string())
    PredictionColumns.of(project, written).check(project, written, "here")
    PredictionColumns.of(project).check(project, None, "here")


def test_a_label_of_another_kind_has_its_predictions_in_another_column(tmp_path: Path) -> None:
    numbers, texts = schema(prediction=pa.int32()), schema(prediction=pa.string())
    binary, multiclass = declared(tmp_path, "id"), declared(tmp_path, "id", kind="multiclass")
    assert PredictionColumns.of(binary, numbers).prediction == "prediction"
    assert PredictionColumns.of(multiclass, texts).prediction == "prediction"
    assert PredictionColumns.of(multiclass, numbers).prediction == "prediction_class"
    assert PredictionColumns.of(binary, texts).prediction == "prediction_value"


CLASHES = [
    ("Yes", "yes", "NO"),
    ("ß", "ẞ", "ss", "SS"),
    ("İ", "i̇", "I", "\N{LATIN SMALL LETTER DOTLESS I}", "i"),
    ("K", "\N{KELVIN SIGN}", "k"),
    (
        "\N{LATIN SMALL LETTER E WITH ACUTE}",
        "\N{LATIN CAPITAL LETTER E WITH ACUTE}",
        "e\N{COMBINING ACUTE ACCENT}",
    ),
    ("", " ", "\t", "\n"),
    ("a.b", "a,b;{}()=", "`a`", '"a"', "a b"),
    ("x" * 5_000, "X" * 5_000),
    ("yes", "yes_8a798890"),
    ("A", "a", "score_a", "_a"),
    ("1", "1.0", "01"),
]


@pytest.mark.parametrize("classes", CLASHES)
def test_classes_have_columns_of_their_own_that_lead_back_to_them(
    tmp_path: Path, classes: tuple[str, ...]
) -> None:
    names = PredictionColumns.of(declared(tmp_path, "id", kind="multiclass"))
    columns = names.scores(classes)
    assert list(columns) == list(classes)
    assert len({one.casefold() for one in columns.values()}) == len(classes)
    assert [class_of(one) for one in columns.values()] == list(classes)
    table = schema(id=pa.int64(), **dict.fromkeys(columns.values(), pa.float64()))
    assert names.classes(table) == dict(sorted(columns.items()))


@pytest.mark.parametrize("classes", CLASHES)
def test_later_versions_keep_the_columns_of_the_earlier_ones(
    tmp_path: Path, classes: tuple[str, ...]
) -> None:
    names = PredictionColumns.of(declared(tmp_path, "id", kind="multiclass"))
    columns: dict[str, str] = {}
    for count in range(1, len(classes) + 1):
        table = schema(id=pa.int64(), **dict.fromkeys(columns.values(), pa.float64()))
        later = names.scores(classes[count - 1 :: -1], table)
        assert {one: later[one] for one in columns} == columns
        columns |= later
    assert len({one.casefold() for one in columns.values()}) == len(classes)


def test_a_key_hides_no_class(tmp_path: Path) -> None:
    project = declared(tmp_path, "score_low", kind="multiclass")
    names = PredictionColumns.of(project)
    columns = names.scores(("low", "top"))
    assert columns["top"] == "score_top"
    assert columns["low"].startswith("score_low_")
    table = schema(score_low=pa.string(), **dict.fromkeys(columns.values(), pa.float64()))
    assert names.classes(table) == columns
    # A column that was a key once holds no scores.
    assert PredictionColumns.of(declared(tmp_path, "id", kind="multiclass"), table).classes(table) == columns
