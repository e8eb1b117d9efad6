"""The timeline that nights leave: from the numbers a real decision was made on."""

from __future__ import annotations

from nightshift.decision.decide import decide
from nightshift.decision.evidence import Evidence
from nightshift.findings import Night
from nightshift.records import Window
from nightshift.report.periods import MOST_PERIODS, periods_of
from nightshift.report.timeline import timeline_chart
from nightshift.spec.drift import Drift
from tests.nightshift.report.story import STEP, night, story


def decided(place: int) -> Night:
    """A night whose decision was made by the real rule, on the story's performance."""
    told = story()
    evidence = Evidence(
        as_of=night(place).as_of, champion=1, champion_as_of=night(0).as_of, new_labels=5000,
        signals=(), realised=told.realised, estimated=told.estimated,
    )  # fmt: skip
    return night(place).model_copy(update={"decision": decide(evidence, (), Drift())})


def test_what_a_night_knew_is_what_the_timeline_shows() -> None:
    (one,) = periods_of([decided(3)], "roc_auc")

    assert one.realised == {"roc_auc": 0.703}
    assert one.estimated == {"roc_auc": 0.699}
    assert one.expected == {"roc_auc": 0.718}
    assert (one.rows, one.labelled) == (6321, 5689)
    assert one.versions == (1,)


def test_nights_that_know_nothing_leave_gaps_and_overlaps_are_cut() -> None:
    nights = [decided(0), night(1), decided(2)]
    wide = nights[2].model_copy(update={"window": Window.until(nights[2].as_of, 3 * STEP)})

    found = periods_of([*nights[:2], wide], "roc_auc")

    assert [bool(one.realised) for one in found] == [True, False, True]
    assert [one.window.end - one.window.start for one in found] == [STEP] * 3
    assert "nan" not in timeline_chart(found, nights, "roc_auc")


def test_only_the_newest_nights_are_shown() -> None:
    nights = [night(place) for place in range(MOST_PERIODS + 20)]

    found = periods_of(nights, "roc_auc")

    assert len(found) == MOST_PERIODS
    assert found[-1].window.end == nights[-1].as_of
    assert found[0].window.end - found[0].window.start == STEP
    assert periods_of([], "roc_auc") == ()
