"""Charts: the numbers behind them against numpy's own histogram, and drawings that say what they must."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest

from nightshift.report.chart import dates, standalone, ticks
from nightshift.report.distribution import binned, distribution_chart, distribution_words
from nightshift.report.timeline import timeline_chart
from tests.nightshift.report.story import category, night, nights, numeric, profiles, timeline


@pytest.mark.parametrize("shape", ["normal", "skew", "pile", "tail"])
def test_shares_are_those_of_the_values_themselves(shape: str) -> None:
    random = np.random.default_rng(8)
    reference = random.normal(50, 10, 50_000)
    values = {
        "normal": random.normal(50, 10, 20_000),
        "skew": 30 + random.gamma(2, 8, 20_000),
        "pile": np.concatenate([np.full(10_000, 50.0), random.normal(50, 10, 10_000)]),
        "tail": np.concatenate([random.normal(50, 10, 18_000), random.uniform(120, 140, 2_000)]),
    }[shape]
    ends = np.linspace(15, 145, 14)

    shares = binned(numeric("x", reference, values), ends)

    truth = np.histogram(values, ends)[0] / values.size
    # Buckets hold a twentieth of the reference each; what is inside one is taken to be even.
    assert np.abs(shares - truth).max() < 0.05
    assert shares.sum() == pytest.approx(truth.sum(), abs=0.03)


def test_constant_columns_empty_windows_and_outliers_are_drawn() -> None:
    constant, outlier = np.full(500, 3.0), np.concatenate([np.random.default_rng(2).normal(size=999), [1e9]])
    usual = np.random.default_rng(2).normal(size=1000)
    empty = numeric("x", usual, usual)
    empty.counts[:] = 0
    empty.sums[:] = 0

    for reference, window in (
        (numeric("x", constant, constant), numeric("x", constant, constant)),
        (numeric("x", constant, constant), numeric("x", constant, usual)),
        (numeric("x", usual, usual), empty),
        (empty, empty),
        (numeric("x", usual, usual), numeric("x", usual, outlier)),
        (category("x", {}), category("x", {})),
        (category("x", {"a": 1}, nulls=9), category("x", {"a": 0}, others=2, new=3)),
    ):
        drawing = distribution_chart(reference, window)
        ElementTree.fromstring(drawing)
        assert "nan" not in drawing
        assert "inf" not in drawing


def test_one_outlier_does_not_squeeze_the_rest() -> None:
    random = np.random.default_rng(2)
    usual = random.normal(size=10_000)
    outlier = np.concatenate([usual, [1e9]])

    drawing = distribution_chart(numeric("x", usual, usual), numeric("x", usual, outlier))

    assert "1,000,000" not in drawing
    assert len(re.findall('class="fill-first half"', drawing)) > 20


def test_words_tell_what_a_picture_cannot() -> None:
    reference, window = profiles()

    assert distribution_words(reference.columns["temp"], window.columns["temp"]).startswith(
        "mean 52.07 → 73.24"
    )
    distance = distribution_words(reference.columns["distance"], window.columns["distance"])
    assert "missing 0.1 % → 3.8 %" in distance
    assert (
        distribution_words(reference.columns["carrier"], window.columns["carrier"])
        == "10 % values the reference had not"
    )


def test_numbers_and_categories_are_not_compared() -> None:
    usual = np.random.default_rng(2).normal(size=100)

    with pytest.raises(ValueError, match="numbers on one side"):
        distribution_chart(numeric("x", usual, usual), category("x", {"a": 1}))


def test_retrains_are_marked_and_lines_stop_where_nothing_is_known() -> None:
    drawing = timeline_chart(timeline(), nights(), "roc_auc")

    ElementTree.fromstring(drawing)
    assert [label in drawing for label in (">v2<", ">v3<", ">v4<")] == [True] * 3
    assert "refused (dashed)" in drawing
    # Week 11 has neither labels nor an estimate: two stretches of each line.
    assert len(re.findall('<path [^>]*class="line first"', drawing)) == 2
    assert len(re.findall('<path [^>]*class="line second dashed"', drawing)) == 2
    assert drawing.count("labels of") == 30


def test_crowded_retrains_keep_their_marks_and_lose_some_labels() -> None:
    every = [night(place, "retrain", trained=place + 2, promoted=True) for place in range(30)]

    drawing = timeline_chart(timeline(), every, "roc_auc")

    assert drawing.count('class="line third"') == 30
    assert 5 < len(re.findall(">v[0-9]+<", drawing)) < 30


def test_a_timeline_without_any_value_says_so() -> None:
    nothing = [one.model_copy(update={"realised": {}, "estimated": {}, "expected": {}}) for one in timeline()]

    assert "no performance is known yet" in timeline_chart(nothing, (), "roc_auc")
    ElementTree.fromstring(timeline_chart(timeline()[:1], (), "roc_auc"))


def test_a_standalone_drawing_brings_its_colours() -> None:
    drawing = standalone(timeline_chart(timeline(), nights(), "roc_auc"))

    root = ElementTree.fromstring(drawing)
    assert root.tag.endswith("svg")
    assert "--first: #0072b2" in drawing


@pytest.mark.parametrize(
    ("low", "high"), [(0.48, 0.55), (0, 1), (-3e-7, 4e-7), (1, 1e6), (99.9, 100.1), (-5, -4.99)]
)
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)

    assert 1 <= len(found) <= 5
    assert all(low - 1e-12 <= value <= high + 1e-12 for value in found)
    steps = np.diff(found)
    assert steps == pytest.approx(np.full(steps.size, steps[0])) if steps.size else True


@pytest.mark.parametrize("days", [1, 2, 6, 7, 30, 400, 4000])
def test_dates_are_few_and_inside(days: int) -> None:
    start = datetime(2024, 2, 27, 5, tzinfo=UTC)
    found = dates(start, start + timedelta(days=days))

    assert 1 <= len(found) <= 7
    assert all(start <= moment <= start + timedelta(days=days) for moment, _ in found)
