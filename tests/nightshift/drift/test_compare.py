"""A window compared with its reference: which signals there are, and which of them are alarms."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from nightshift.drift.compare import Options, compare
from nightshift.drift.profile import Profile
from nightshift.errors import RequestError
from nightshift.findings import Signal
from tests.nightshift.drift.columns import (
    category_pair,
    edges_on,
    numeric,
    numeric_pair,
    numeric_profiles,
    profile,
)


def tables(rows: int, columns: int = 5, seed: int = 0, moved: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A reference, and a window whose column 1 is moved."""
    random = np.random.default_rng(seed)
    reference, window = random.normal(size=(5000, columns)), random.normal(size=(rows, columns))
    window[:, 1] += moved
    return reference, window


def alarms(signals: Iterable[Signal]) -> set[tuple[str, str, str]]:
    """Name, column and segment of each alarm."""
    return {(each.name, each.column, each.segment) for each in signals if each.alarm}


def test_the_column_that_moved_is_the_one_that_alarms() -> None:
    signals = compare(*numeric_profiles(*tables(2000, moved=0.5)))
    assert {column for _, column, _ in alarms(signals)} == {"x1"}
    assert ("wasserstein", "x1", "") in alarms(signals)
    first = signals[0]
    assert (first.column, first.family, first.weight) == ("x1", "feature", 1.0)


def test_the_largest_effects_in_units_of_their_floors_stand_first() -> None:
    signals = compare(*numeric_profiles(*tables(2000, moved=0.5)))
    effects = [each.value / each.effect_floor for each in signals if each.value is not None]
    assert effects == sorted(effects, reverse=True)
    assert len(signals) == 5 * 3


def test_under_200_rows_nothing_has_a_value_and_nothing_alarms() -> None:
    signals = compare(*numeric_profiles(*tables(199, moved=5.0)))
    assert signals
    assert all((each.value, each.p_value, each.alarm) == (None, None, False) for each in signals)
    assert all(each.note == "too few rows in the window: 199 of at least 200" for each in signals)
    assert alarms(compare(*numeric_profiles(*tables(200, moved=5.0))))


def test_an_empty_window_says_nothing() -> None:
    reference, _ = tables(10)
    signals = compare(*numeric_profiles(reference, np.empty((0, 5))))
    assert all(each.value is None for each in signals)


def test_a_column_with_few_values_is_judged_by_what_is_missing_only() -> None:
    reference, window = tables(1000)
    window[150:, 2] = np.nan
    signals = {(each.name, each.column): each for each in compare(*numeric_profiles(reference, window))}
    assert signals["missing_rate", "x2"].alarm
    assert signals["missing_rate", "x2"].value == pytest.approx(0.85)
    assert signals["psi", "x2"].value is None
    assert "too few values" in signals["psi", "x2"].note


def test_a_significant_shift_that_is_small_is_no_alarm() -> None:
    random = np.random.default_rng(1)
    reference, window = random.normal(size=200_000), random.normal(0.03, 1, 200_000)
    before, after = numeric_pair(reference, window)
    names = ("kolmogorov_smirnov", "wasserstein", "psi")
    signals = compare(profile(before), profile(after), Options(signals=names))
    assert all(each.p_value is not None and each.p_value < 1e-6 for each in signals)
    assert not alarms(signals)
    lower = Options(signals=names, floors={"wasserstein": 0.01})
    assert alarms(compare(profile(before), profile(after), lower)) == {("wasserstein", "x", "")}


def test_a_large_effect_that_chance_explains_is_no_alarm() -> None:
    found = compare(*numeric_profiles(*tables(200, columns=50)))
    assert any(each.value is not None and each.value > each.effect_floor for each in found)
    assert not alarms(found)


@pytest.mark.parametrize("rows", [200, 1000])
def test_nights_without_drift_are_quiet(rows: int) -> None:
    """A small run of benchmarks/false_alarms.py."""
    random = np.random.default_rng(rows)
    reference = random.normal(size=(5000, 20))
    nights = [
        bool(alarms(compare(*numeric_profiles(reference, random.normal(size=(rows, 20)))))) for _ in range(30)
    ]
    assert sum(nights) <= 2


def test_categories_alarm_by_share_and_by_news() -> None:
    random = np.random.default_rng(2)
    words = random.choice(["a", "b", "c", "d"], 4000, p=[0.4, 0.3, 0.2, 0.1]).tolist()
    changed = random.choice(["a", "b", "c", "d", "new"], 1000, p=[0.2, 0.3, 0.2, 0.2, 0.1]).tolist()
    before, after = category_pair(words, changed)
    found = alarms(compare(profile(before), profile(after)))
    assert {"psi", "chi_square", "new_categories"} <= {name for name, _, _ in found}
    same = category_pair(words, random.choice(["a", "b", "c", "d"], 1000, p=[0.4, 0.3, 0.2, 0.1]).tolist())
    assert not alarms(compare(profile(same[0]), profile(same[1])))


def test_scores_and_labels_are_families_of_their_own_and_always_weigh_1() -> None:
    random = np.random.default_rng(3)
    scores = random.random(3000)
    edges = edges_on(scores)
    before = profile(numeric(scores, edges, "score", role="score"), numeric(scores, edges, "x"))
    moved = scores**2
    after = profile(numeric(moved, edges, "score", role="score"), numeric(moved, edges, "x"))
    signals = compare(before, after, Options(importance={"x": 0.25, "y": 0.75}))
    assert {(each.column, each.family, each.weight) for each in signals} == {
        ("score", "prediction", 1.0),
        ("x", "feature", 0.25),
    }


def test_drift_in_one_segment_is_found_there() -> None:
    reference, window = tables(2000)
    before, after = numeric_profiles(reference, window)
    moved = window[:300] + 0.8
    within = {
        "origin=JFK": numeric_profiles(reference[:1000], moved, 8),
        "origin=EWR": numeric_profiles(reference[1000:2000], window[300:600], 8),
        "origin=LGA": numeric_profiles(reference[2000:2500], window[:50], 8),
    }
    found = compare(
        Profile(before.rows, before.columns, {name: pair[0] for name, pair in within.items()}),
        Profile(after.rows, after.columns, {name: pair[1] for name, pair in within.items()}),
    )
    assert {segment for _, _, segment in alarms(found)} == {"origin=JFK"}
    assert {each.note for each in found if each.segment == "origin=LGA"} == {
        "too few rows in the window: 50 of at least 200"
    }


def test_a_segment_that_the_window_lacks_has_no_rows() -> None:
    before, after = numeric_profiles(*tables(500))
    with_segment = Profile(before.rows, before.columns, {"origin=JFK": before})
    found = [each for each in compare(with_segment, after) if each.segment]
    assert len(found) == 15
    assert all(each.value is None and "0 of at least 200" in each.note for each in found)


def test_the_same_seed_gives_the_same_signals_whatever_else_is_compared() -> None:
    reference, window = tables(600, moved=0.2)
    profiles = numeric_profiles(reference, window)
    assert compare(*profiles) == compare(*profiles)
    options = Options(signals=("wasserstein",), false_discovery=0.2)
    alone = tuple(Profile(each.rows, {"x1": each.columns["x1"]}, {}) for each in profiles)
    whole = next(each for each in compare(*profiles, options) if each.column == "x1")
    assert compare(*alone, options)[0].p_value == pytest.approx(whole.p_value, rel=0.5)


def test_history_tells_how_far_clean_windows_stray() -> None:
    random = np.random.default_rng(5)
    reference = random.normal(size=20_000) + np.repeat(random.normal(0, 0.2, 40), 500)
    edges = edges_on(reference)

    def day() -> Profile:
        return profile(numeric(random.normal(random.normal(0, 0.2), 1, 2000), edges))

    before, history = profile(numeric(reference, edges)), [day() for _ in range(8)]
    windows = [day() for _ in range(40)]
    blind = sum(bool(alarms(compare(before, window))) for window in windows)
    told = [compare(before, window, history=history) for window in windows]
    assert blind > 10
    assert sum(bool(alarms(signals)) for signals in told) <= 2
    assert any("clean windows stray" in each.note for each in told[0])
    far = profile(numeric(random.normal(2.0, 1, 2000), edges))
    assert alarms(compare(before, far, history=history))


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"signals": ("psy",)}, "no signal 'psy'"),
        ({"floors": {"wasserstien": 0.1}}, "no signal 'wasserstien'"),
        ({"false_discovery": 0.0}, "cannot be"),
        ({"fewest_rows": 0}, "fewest_rows"),
    ],
)
def test_options_that_cannot_be_are_refused(changed: dict[str, object], fault: str) -> None:
    with pytest.raises(RequestError, match=fault):
        Options(**changed)  # type: ignore[arg-type]


def test_a_profile_in_other_buckets_is_refused() -> None:
    reference, window = tables(500)
    before, _ = numeric_profiles(reference, window)
    other, _ = numeric_profiles(window, window)
    with pytest.raises(RequestError, match="buckets") as caught:
        compare(before, other)
    assert "x0" in caught.value.where
    fewer = Profile(500, {"x0": before.columns["x0"]}, {})
    with pytest.raises(RequestError, match="lacks a column"):
        compare(before, fewer)


def test_one_absurd_value_raises_no_alarm() -> None:
    reference, window = tables(10_000)
    window[0, :] = 1e6
    assert not alarms(compare(*numeric_profiles(reference, window)))
