"""project.yaml: what is read, what is refused and with which remedy, and what its hash stands for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nightshift.errors import RequestError
from nightshift.spec.durations import format_duration, parse_duration
from nightshift.spec.load import load_project, project_names, read_project
from nightshift.spec.project import Project

EXAMPLE = """
name: flights-delay
purpose: Tell ground crews, hours ahead, which departures will land more than 15 minutes late.
owner: ground-ops
sources:
  flights: {kind: files, uri: "${NIGHTSHIFT_DATA}/flights/*.parquet"}
  weather: {kind: files, uri: "${NIGHTSHIFT_DATA}/weather.parquet"}
dataset:
  sql: dataset.sql              # DuckDB SQL over the sources; $start and $end bound the window
  key: [flight_id]
  event_time: departs_at
  label: {column: late, kind: binary, known_after: 1d}     # binary | multiclass | regression
  units: {temp: degF, distance: mile, wind_speed: mph}
quality:                        # beside what is inferred: see the quality chapter of each issue
  freshness: 2d
  rules: ["distance > 0", "dep_hour between 0 and 23"]
split: {train: 180d, validate: 14d, holdout: 14d}          # in time, before as-of, never random
learner: {kind: lightgbm, rounds: 500, early_stopping: 30, params: {num_leaves: 63}}
evaluate:
  metric: roc_auc
  slices: [origin, carrier]
gates: {}                       # sensible gates are on by default; this only changes them
drift: {}                       # likewise
night: {schedule: "0 2 * * *", timezone: America/New_York}
"""

Declare = Callable[[str], Path]
repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=100)


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """Writes a declaration and its SQL where they belong; returns the path of project.yaml."""

    def write(text: str, *, sql: str = "select 1", folder: str = "flights-delay") -> Path:
        path = tmp_path / folder / "project.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        (path.parent / "dataset.sql").write_text(sql, encoding="utf-8")
        return path

    return write


def changed(path: str, value: object) -> str:
    """The example with one value set; None removes the key."""
    declared = yaml.safe_load(EXAMPLE)
    *parents, last = path.split(".")
    place = declared
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return yaml.safe_dump(declared)


def test_the_example_is_read_as_written(declare: Declare) -> None:
    project = read_project(declare(EXAMPLE))
    assert project.sources["flights"].uri == "${NIGHTSHIFT_DATA}/flights/*.parquet"
    assert project.dataset.key == ("flight_id",)
    assert project.label.known_after == timedelta(days=1)
    assert project.dataset.units == {"temp": "degF", "distance": "mile", "wind_speed": "mph"}
    assert project.quality.freshness == timedelta(days=2)
    assert project.quality.rules == ("distance > 0", "dep_hour between 0 and 23")
    assert project.split.train == timedelta(days=180)
    assert project.learner.params == {"num_leaves": 63}
    assert project.evaluate.slices == ("origin", "carrier")
    assert project.night is not None
    assert project.night.timezone == "America/New_York"
    assert project.sql_text == "select 1"


def test_a_project_cannot_be_changed(declare: Declare) -> None:
    project = read_project(declare(EXAMPLE))
    with pytest.raises(ValidationError, match="frozen"):
        project.name = "other"
    with pytest.raises(ValidationError, match="frozen"):
        project.dataset.label.kind = "regression"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("lerner", "learner"),
        ("dataset.lable", "label"),
        ("dataset.label.colum", "column"),
        ("dataset.event_tme", "event_time"),
        ("quality.freshnes", "freshness"),
        ("split.hold_out", "holdout"),
        ("split.validation", "validate"),
        ("learner.round", "rounds"),
        ("evaluate.slice", "slices"),
        ("night.timezon", "timezone"),
        ("sources.weather.url", "uri"),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_was_meant(
    declare: Declare, path: str, meant: str
) -> None:
    with pytest.raises(RequestError) as caught:
        read_project(declare(changed(path, 1)))
    error = caught.value
    assert error.what.startswith(f"unknown key {path.split('.')[-1]!r}")
    assert error.remedy == f"did you mean {meant!r}?"
    assert meant in error.valid
    assert path in error.where


@pytest.mark.parametrize(
    ("path", "given", "meant"),
    [
        ("dataset.label.kind", "binry", "binary"),
        ("sources.flights.kind", "file", "files"),
        ("sources.flights.format", "parket", "parquet"),
    ],
)
def test_an_unknown_value_is_refused_with_the_one_that_was_meant(
    declare: Declare, path: str, given: str, meant: str
) -> None:
    with pytest.raises(RequestError) as caught:
        read_project(declare(changed(path, given)))
    assert repr(given) in caught.value.what
    assert caught.value.remedy == f"did you mean {meant!r}?"
    assert meant in caught.value.valid


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("owner", None, "'owner' is missing"),
        ("dataset.key", [], "at least 1"),
        ("dataset.event_time", "late", "more than one role"),
        ("split.train", "180", "is no duration"),
        ("split.train", "0d", "is no duration"),
        ("dataset.label.known_after", "soon", "is no duration"),
        ("learner.rounds", 0, "greater than or equal to 1"),
        ("learner.kind", "xgboost", "unknown value .xgboost."),
        ("learner.params", {"seed": 3}, "params.seed is set by learner.seed"),
        ("learner.params", {"num_class": 3}, "params.num_class is set by"),
        ("learner.params", {"num_leafs": 3}, "LightGBM has no such parameter"),
        ("learner.params", {"objective": "poisson"}, "params.objective cannot be changed for a binary label"),
        ("learner.params", {"metric": "multi_error"}, "multi_error says nothing of a binary label"),
        ("learner.rounds", True, "True is no number"),
        ("learner.rounds", "10", "'10' is no number"),
        ("learner.seed", 2**31, "31 bits"),
        ("learner.class_weights", {"1": 0}, "1: a weight is a finite number greater than 0"),
        ("learner.class_weights", {"1": float("inf")}, "no finite number"),
        ("learner.class_weights", {"1": "2"}, "1: a weight is a finite number greater than 0"),
        ("learner.reweight", {"by": "x", "to": {"a": float("nan")}}, "no finite number"),
        ("learner", {"kind": "torch", "rate": "0.001"}, "'0.001' is no number"),
        ("learner", {"kind": "torch", "rate": float("inf")}, "finite number"),
        ("learner", {"kind": "torch", "params": {"lr": 0.1}}, "params.lr is set by learner.rate"),
        ("learner", {"kind": "torch", "params": {"droput": 0.1}}, "the network knows no param 'droput'"),
        ("learner", {"kind": "torch", "params": {"layers": [0]}}, "params.layers.0: Input should be greater"),
        ("learner", {"kind": "torch", "params": {"layers": ["8"]}}, "params.layers.0: '8' is no number"),
        ("learner", {"kind": "torch", "params": {"dropout": float("nan")}}, "no finite number"),
        ("learner", {"kind": "torch", "network": "builtins:eval"}, "no module of an installed package"),
        (
            "learner",
            {"kind": "torch", "network": "image", "params": {"backbone": "local-dir:/etc"}},
            "params.backbone",
        ),
        ("quality.max_refused", 1.5, "less than or equal to 1"),
        ("name", "Flights Delay", "is no project name"),
        ("name", "other", "lies in the folder 'flights-delay'"),
        ("dataset.sql", "../elsewhere.sql", "outside the project"),
        ("dataset.sql", "missing.sql", "does not exist"),
        ("sources", {}, "at least 1"),
    ],
)
def test_a_wrong_value_is_refused_in_words(declare: Declare, path: str, value: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        read_project(declare(changed(path, value)))
    assert caught.value.exit_code == 2
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["", "- a\n- b", "name: [unclosed", "just words"])
def test_what_is_no_declaration_is_refused(declare: Declare, text: str) -> None:
    with pytest.raises(RequestError):
        read_project(declare(text))


def test_projects_are_found_by_name(declare: Declare, tmp_path: Path) -> None:
    declare(EXAMPLE)
    declare(EXAMPLE.replace("flights-delay", "airtime"), folder="airtime")
    assert project_names(tmp_path) == ["airtime", "flights-delay"]
    assert load_project("airtime", tmp_path).name == "airtime"
    with pytest.raises(RequestError, match="no project 'airtme'") as caught:
        load_project("airtme", tmp_path)
    assert caught.value.remedy == "did you mean 'airtime'?"
    with pytest.raises(RequestError, match="no folder of projects"):
        project_names(tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["../flights-delay", "a b", "", "A"])
def test_a_name_that_could_be_a_path_is_refused(declare: Declare, tmp_path: Path, name: str) -> None:
    declare(EXAMPLE)
    with pytest.raises(RequestError, match="is no project name"):
        load_project(name, tmp_path)


@given(count=st.integers(1, 5000), unit=st.sampled_from("mhdw"))
@repeatable
def test_a_duration_survives_being_written(count: int, unit: str) -> None:
    seconds = {"m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    length = parse_duration(f"{count}{unit}")
    assert length.total_seconds() == count * seconds
    assert parse_duration(format_duration(length)) == length
    assert parse_duration(length) is length


@pytest.mark.parametrize("given", ["", "d", "1.5d", "-1d", "1 year", "1d2h", 7, None, True])
def test_what_is_no_duration_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(given)


def test_the_hash_does_not_depend_on_key_order_or_on_the_machine(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = read_project(declare(EXAMPLE)).spec_hash
    shuffled = dict(reversed(yaml.safe_load(EXAMPLE).items()))
    shuffled["dataset"] = dict(reversed(shuffled["dataset"].items()))
    monkeypatch.setenv("NIGHTSHIFT_DATA", "/somewhere/else")
    assert read_project(declare(yaml.safe_dump(shuffled, sort_keys=False))).spec_hash == one


@pytest.mark.parametrize(
    ("path", "value"),
    [("learner.seed", 1), ("split.train", "90d"), ("dataset.exclude", ["x"]), ("quality.rules", ["a > 1"])],
)
def test_the_hash_changes_with_the_declaration(declare: Declare, path: str, value: object) -> None:
    one = read_project(declare(EXAMPLE)).spec_hash
    assert read_project(declare(changed(path, value))).spec_hash != one


def test_the_hash_changes_with_the_sql(declare: Declare) -> None:
    one = read_project(declare(EXAMPLE)).spec_hash
    path = declare(EXAMPLE)
    path.with_name("dataset.sql").write_text("select 2", encoding="utf-8")
    assert read_project(path).spec_hash != one


@given(
    train=st.integers(1, 400),
    validate=st.integers(1, 60),
    holdout=st.integers(1, 60),
    as_of=st.integers(0, 3_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
)
@repeatable
def test_the_windows_abut_and_end_at_as_of(train: int, validate: int, holdout: int, as_of: datetime) -> None:
    declared = yaml.safe_load(EXAMPLE)
    declared["split"] = {"train": f"{train}d", "validate": f"{validate}h", "holdout": f"{holdout}m"}
    split = Project.model_validate(declared).split_before(as_of)
    assert split.holdout.end == as_of
    assert split.holdout.start == split.validate_.end
    assert split.validate_.start == split.train.end
    assert split.train.end - split.train.start == timedelta(days=train)
    assert split.validate_.end - split.validate_.start == timedelta(hours=validate)
    assert split.holdout.end - split.holdout.start == timedelta(minutes=holdout)
    assert (split.whole.start, split.whole.end) == (split.train.start, as_of)
