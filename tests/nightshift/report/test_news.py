"""What is told of a night: only what changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nightshift.findings import Night
from nightshift.report.news import news_of
from tests.nightshift.report.story import night

QUIET = night(1)
FAILED = night(1, state="failed", error="the source is missing; restore it")
HELD = night(1, "hold", ("half of x is missing",))


def told(after: Night, before: Night | None) -> list[str]:
    return [one.kind for one in news_of(after, before)]


@pytest.mark.parametrize(
    ("before", "changes", "kinds"),
    [
        (None, {}, []),
        (QUIET, {}, []),
        (QUIET, {"causes": ("drift:x",)}, []),
        (QUIET, {"state": "failed", "error": "no"}, ["failed"]),
        (None, {"state": "failed", "error": "no"}, ["failed"]),
        (FAILED, {"state": "failed", "error": "another"}, []),
        (FAILED, {}, ["recovered"]),
        (FAILED, {"action": "hold"}, ["data-refused"]),
        (HELD, {"action": "hold"}, []),
        (HELD, {"state": "failed", "error": "no"}, ["failed"]),
        (HELD, {}, ["recovered"]),
        (QUIET, {"action": "retrain"}, ["drift"]),
        (QUIET, {"action": "retrain", "trained": 3, "promoted": True}, ["drift", "retrained", "promoted"]),
        (QUIET, {"action": "retrain", "trained": 3}, ["drift", "refused"]),
        (FAILED, {"action": "retrain", "trained": 3}, ["recovered", "drift", "refused"]),
    ],
)
def test_only_changes_are_told(before: Night | None, changes: dict[str, Any], kinds: list[str]) -> None:
    assert told(night(2, **changes), before) == kinds


def test_a_month_of_failures_is_told_once_and_its_end_once() -> None:
    month = [night(0), *(night(place, state="failed", error="no") for place in range(1, 29)), night(29)]

    pairs = zip(month[1:], month, strict=False)

    assert [kind for after, before in pairs for kind in told(after, before)] == ["failed", "recovered"]


def test_the_words_say_what_and_why_and_fit_a_message() -> None:
    (news,) = news_of(night(2, "hold", ("Hold: the data cannot be trusted: half of x is missing.",)), QUIET)

    assert news.event == "nightshift.data-refused"
    assert news.payload["subject"] == "flights-delay: data refused"
    assert news.words == "Hold: the data cannot be trusted: half of x is missing."
    assert "\n" not in news.words
    assert len(json.dumps(news.payload)) < 1000


def test_refused_data_that_ended_the_night_says_so_and_what_to_do() -> None:
    (news,) = news_of(
        night(2, "hold", ("The data cannot be trusted: no rows",), state="failed", error="no rows; wait"),
        QUIET,
    )

    assert news.kind == "data-refused"
    assert news.words == "On hold: the data cannot be trusted, so nothing was touched. no rows; wait"


def test_an_error_of_any_length_makes_a_short_message() -> None:
    (news,) = news_of(night(2, state="failed", error="a\n" * 50_000), QUIET)

    assert news.words.startswith("The night failed. a a a")
    assert "\n" not in news.words
    assert len(news.words) < 450


def test_a_version_that_waits_for_a_person_is_told_with_what_to_do() -> None:
    reasons = (
        "Retrain: x drifts.",
        "Version 3: the champion cannot score. To make it champion: nightshift promote",
    )
    (_, news) = news_of(night(2, "retrain", reasons, trained=3, waits=True), QUIET)

    assert news.kind == "refused"
    assert "version 3 waits for a person" in news.words
    assert news.words.endswith(reasons[1])
