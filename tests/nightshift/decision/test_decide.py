"""The decision: the whole policy as a table, and what holds whatever the nights bring."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from nightshift.decision.decide import decide
from nightshift.decision.evidence import Evidence, tripped
from nightshift.findings import Decision, Estimated, Family, Night, Realised, Signal
from nightshift.records import Window
from nightshift.spec.drift import Drift

NOW = datetime(2013, 9, 1, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def policy(**changes: Any) -> Drift:
    return Drift.model_validate(changes)


def signal(
    column: str = "temp", value: float | None = 0.3, *, family: Family = "feature", alarm: bool = True,
    weight: float = 0.2, segment: str = "", name: str = "psi",
) -> Signal:  # fmt: skip
    return Signal(
        name=name, family=family, column=column, segment=segment, value=value, effect_floor=0.1, p_value=1e-6,
        alarm=alarm, weight=weight,
    )  # fmt: skip


def realised(loss: float | None, low: float | None = None, *, begins: datetime = NOW - 8 * DAY) -> Realised:
    interval = None if low is None or loss is None else (low, 2 * loss - low)
    return Realised(
        window=Window(start=begins, end=begins + 7 * DAY), metric="roc_auc",
        metrics={"roc_auc": None if loss is None else 0.7 - loss}, expected={"roc_auc": 0.7},
        rows=1000, labelled=900, loss=loss, loss_interval=interval,
    )  # fmt: skip


def estimated(loss: float, low: float, error: float | None = None) -> Estimated:
    return Estimated(
        window=Window(start=NOW - 7 * DAY, end=NOW), metric="roc_auc", method="cbpe", assumption="no concept drift",
        metrics={"roc_auc": 0.7 - loss}, expected={"roc_auc": 0.7}, rows=1000, loss=loss,
        loss_interval=(low, 2 * loss - low), error=error,
    )  # fmt: skip


def night(
    days_ago: float, *causes: str, action: str = "watch", champion: int | None = 3, **changes: Any
) -> Night:
    """An earlier night, on which signals could be measured and `causes` stood at three times their floor."""
    numbers: dict[str, float | None] = {
        "signals": 10.0,
        "realised_loss_low": -0.01,
        "estimated_loss_low": -0.01,
    }
    numbers |= {f"effect:{cause}": 3.0 for cause in causes}
    as_of = NOW - days_ago * DAY
    values: dict[str, Any] = {
        "project": "demo", "as_of": as_of, "window": Window(start=as_of - 7 * DAY, end=as_of), "state": "done",
        "decision": Decision(action=action, reasons=("because",), causes=causes, numbers=numbers),  # type: ignore[arg-type]
        "champion": champion, "finished_at": as_of,
    }  # fmt: skip
    return Night(**(values | changes))


QUIET = Evidence(
    as_of=NOW, timezone="America/New_York", champion=3, champion_as_of=NOW - 10 * DAY, new_labels=5000,
    signals=(signal(alarm=False, value=0.02),), realised=realised(0.001, -0.01),
)  # fmt: skip
DRIFTS = replace(QUIET, signals=(signal(),))
CALIBRATION = replace(QUIET, signals=(signal("", family="realised", name="calibration"),))
BAD_SEGMENT = signal("", family="realised", name="roc_auc", segment="origin=JFK")
LOSES = replace(QUIET, realised=realised(0.05, 0.02))
STOOD = (night(1, "drift:temp"),)


@dataclass(frozen=True)
class Case:
    """One line of the policy."""

    name: str
    evidence: Evidence
    action: str
    says: str
    history: tuple[Night, ...] = ()
    policy: dict[str, Any] = field(default_factory=dict)
    trips: tuple[str, ...] | None = None


CASES = [
    Case("a quiet night", QUIET, "watch", "Nothing to do: 0 of 1 signals alarm, and version 3 is 10 days old"),
    Case("no champion yet", Evidence(as_of=NOW), "retrain", "there is no champion yet", trips=("first",)),
    Case("no champion, and no new labels", Evidence(as_of=NOW, new_labels=0), "retrain", "no champion yet"),
    Case("broken data", replace(DRIFTS, data_refused="no rows since Monday"), "hold", "no rows since Monday", STOOD),
    Case("broken data and no champion", Evidence(as_of=NOW, data_refused="no rows"), "hold", "Hold: "),
    # k of n
    Case("drift in 1 of 3 windows", DRIFTS, "watch", "in 1 of the newest 3 windows, and it takes 2"),
    Case("drift in 2 of 3 windows", DRIFTS, "retrain", "temp drifts: psi 0.3", STOOD, trips=("drift:temp",)),
    Case("drift with a gap", DRIFTS, "retrain", "Retrain: temp", (night(1), night(2, "drift:temp"))),
    Case("drift too long ago", DRIFTS, "watch", "1 of the newest 3", (night(1), night(2), night(3, "drift:temp"))),
    Case("another column", DRIFTS, "watch", "1 of the newest 3", (night(1, "drift:dewp"),)),
    Case("one window is enough", DRIFTS, "retrain", "temp", policy={"trips": {"windows": 1, "of": 1}}),
    Case(
        "a night that held says nothing", DRIFTS, "retrain", "temp",
        (night(1, "data", action="hold"), night(2), night(3, "drift:temp")),
    ),
    Case(
        "a night that failed before it looked says nothing", DRIFTS, "retrain", "temp",
        (night(1, state="failed", decision=Decision(action="watch", reasons=())), night(2), night(3, "drift:temp")),
    ),
    Case("windows against another champion", DRIFTS, "watch", "1 of the newest 3",
         (night(1, "drift:temp", champion=2),)),
    # what counts as drift
    Case("a column hardly used", replace(QUIET, signals=(signal(weight=0.001),)), "watch", "hardly uses", STOOD),
    Case("the same, with no least weight", replace(QUIET, signals=(signal(weight=0.001),)), "retrain", "temp", STOOD,
         {"min_weight": 0}),
    Case("a segment", replace(QUIET, signals=(signal(segment="origin=JFK"),)), "retrain", "where origin=JFK", STOOD),
    Case("drift is only watched", DRIFTS, "watch", "this is watched only", STOOD, {"feature_drift": "watch"}),
    Case("more rows than usual", replace(QUIET, signals=(signal("", 3.0, family="volume", name="rows"),)), "watch",
         "the number of rows is unusual", (night(1, "volume:rows"), night(2, "volume:rows"))),
    Case("labels drift", replace(QUIET, signals=(signal("late", family="label"),)), "retrain", "the label drifts",
         (night(1, "label"),)),
    Case("nothing could be measured", replace(QUIET, signals=(signal(value=None, alarm=False),)), "watch",
         "No signal could be measured"),
    # performance
    Case("a realised loss", LOSES, "retrain", "worse by 0.05", trips=("realised",)),
    Case("within the margin", replace(QUIET, realised=realised(0.013, 0.01)), "watch", "0.014 is borne"),
    Case("its interval holds nought", replace(QUIET, realised=realised(0.05, -0.01)), "watch", "Nothing to do"),
    Case("too few labels to tell", replace(QUIET, realised=realised(0.05)), "watch", "cannot be told on 900 of 1,000"),
    Case("undefined", replace(QUIET, realised=realised(float("nan"), 0.1)), "watch", "Nothing to do"),
    Case("a margin in the metric's unit", LOSES, "watch", "0.06 is borne", policy={
        "performance": {"margin": 0.06, "unit": "metric"}}),
    Case("an estimated loss", replace(QUIET, estimated=estimated(0.05, 0.02)), "retrain", "the estimated roc_auc"),
    Case("less than the estimate is off", replace(QUIET, estimated=estimated(0.05, 0.02, -0.04)), "watch", "0.054 is"),
    Case("estimates are only watched", replace(QUIET, estimated=estimated(0.05, 0.02)), "watch", "watched only",
         policy={"performance": {"estimated": "watch"}}),
    Case("retrained on performance alone", replace(LOSES, signals=(signal(),)), "retrain", "realised", STOOD,
         {"feature_drift": "watch"}, ("realised",)),
    Case("miscalibrated, whichever way", CALIBRATION, "retrain", "calibration 0.3 (floor 0.1",
         trips=("realised:calibration",)),
    Case("the same on rows from before the retrain", CALIBRATION, "watch", "answered it",
         (night(1, "realised:calibration"), night(5, "realised:calibration", action="retrain"))),
    Case("the same on newer rows", CALIBRATION, "retrain", "calibration",
         (night(1, "realised:calibration"), night(9, "realised:calibration", action="retrain"))),
    Case("a segment performs badly", replace(QUIET, signals=(BAD_SEGMENT,)), "watch", "1 of the newest 3"),
    Case("a segment performs badly again", replace(QUIET, signals=(BAD_SEGMENT,)), "retrain", "where origin=JFK",
         (night(1, "realised:origin=JFK"),)),
    # answered by a retrain
    Case("answered, and no worse", DRIFTS, "watch", "answered it, and it is no worse",
         (night(1, "drift:temp"), night(5, "drift:temp", action="retrain"))),
    Case("answered, and worse", replace(QUIET, signals=(signal(value=0.4),)), "retrain", "psi 0.4",
         (night(1, "drift:temp"), night(5, "drift:temp", action="retrain"))),
    Case("answered, gone, and back", DRIFTS, "retrain", "temp",
         (night(1, "drift:temp"), night(2), night(5, "drift:temp", action="retrain"))),
    Case("windows before a retrain do not count", DRIFTS, "watch", "in 1 of the newest 5",
         (night(1), night(5, action="retrain"), night(6, "drift:temp")), {"trips": {"windows": 2, "of": 5}}),
    Case("a loss on rows from before the retrain", LOSES, "watch", "answered it",
         (night(1, "realised"), night(5, "realised", action="retrain"))),
    Case("a loss on newer rows only", LOSES, "retrain", "realised",
         (night(1, "realised"), night(9, "realised", action="retrain"))),
    Case("a training that failed answers nothing", DRIFTS, "retrain", "temp",
         (night(1, "drift:temp", action="retrain", state="failed"), night(2, "drift:temp"))),
    # age
    Case("too old", replace(QUIET, champion_as_of=NOW - 30 * DAY), "retrain", "30 days ago", trips=("age",)),
    Case("old, but a candidate was refused lately", replace(QUIET, champion_as_of=NOW - 40 * DAY), "watch",
         "Nothing to do", (night(8, "age", action="retrain"),)),
    Case("no age limit", replace(QUIET, champion_as_of=NOW - 90 * DAY), "watch", "Nothing", policy={"max_age": None}),
    # brakes
    Case("too few new labels", replace(LOSES, new_labels=199), "watch", "199 new labels since the champion learnt"),
    Case("labels not counted", replace(LOSES, new_labels=None), "retrain", "realised"),
    Case("too old, and no labels ever came", replace(QUIET, champion_as_of=NOW - 99 * DAY, new_labels=0), "watch",
         "0 new labels"),
    Case("cooldown", LOSES, "watch", "the last training is 2 days ago, and the cooldown 3 days",
         (night(2, action="retrain"),)),
    Case("cooldown after a training by hand", replace(LOSES, champion_as_of=NOW - DAY), "watch", "1 day ago"),
    Case("the week's budget", LOSES, "watch", "2 of 2 retrains of this week",
         (night(4, action="retrain"), night(6, action="retrain"))),
    Case("last week's budget", LOSES, "retrain", "realised", (night(4, action="retrain"), night(7, action="retrain"))),
    Case("frozen", LOSES, "watch", "retraining is frozen until further notice", policy={"freeze": True}),
    Case("frozen before the first", Evidence(as_of=NOW), "watch", "frozen", policy={"freeze": True}),
    Case("frozen these days", LOSES, "watch", "from 2013-08-20 to 2013-09-01",
         policy={"freeze": [{"from": "2013-08-20", "to": "2013-09-01"}]}),
    Case("frozen on other days", LOSES, "retrain", "realised", policy={"freeze": [{"from": "2013-09-02"}]}),
    Case("quiet hours", LOSES, "watch", "quiet hours are 01:00 to 03:00, and it is 02:00 in America/New_York",
         policy={"quiet_hours": {"from": "01:00", "to": "03:00"}}),
    Case("quiet hours over midnight", LOSES, "watch", "quiet hours",
         policy={"quiet_hours": {"from": "22:00", "to": "06:00"}}),
    Case("quiet hours in another zone", replace(LOSES, timezone="UTC"), "retrain", "realised",
         policy={"quiet_hours": {"from": "01:00", "to": "03:00"}}),
    Case("a missed night done at noon", replace(LOSES, moment=NOW + timedelta(hours=10)), "watch", "it is 12:00",
         policy={"quiet_hours": {"from": "08:00", "to": "18:00"}}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_policy(case: Case) -> None:
    decision = decide(case.evidence, case.history, policy(**case.policy))
    assert decision.action == case.action, decision.reasons
    assert any(case.says in reason for reason in decision.reasons), decision.reasons
    assert all(reason.endswith(".") and reason[0].isupper() for reason in decision.reasons)
    if case.trips is not None:
        assert tripped(decision) == case.trips
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_the_weightiest_reason_comes_first() -> None:
    evidence = replace(
        LOSES, signals=(signal("dewp", 0.2), signal("temp", 0.5)), champion_as_of=NOW - 40 * DAY
    )
    decision = decide(evidence, (night(1, "drift:temp", "drift:dewp"),), policy())
    assert tripped(decision) == ("realised", "drift:temp", "drift:dewp", "age")
    assert decision.reasons[0].startswith("Retrain: the realised roc_auc")


def test_what_waits_stands_after_what_trips() -> None:
    evidence = replace(DRIFTS, champion_as_of=NOW - 40 * DAY)
    assert decide(evidence, (), policy()).causes == ("age", "drift:temp")


def test_the_first_reason_of_a_retrain_held_back_is_what_holds_it() -> None:
    decision = decide(replace(LOSES, new_labels=3), (), policy(freeze=True))
    assert decision.reasons[0] == (
        "A retrain is due and waits: retraining is frozen until further notice; "
        "3 new labels since the champion learnt, and it takes 200."
    )
    assert decision.reasons[1].startswith("It is due because the realised roc_auc")


def test_every_number_that_was_compared_is_kept() -> None:
    numbers = decide(
        replace(LOSES, signals=(signal(),), estimated=estimated(0.01, -0.1)), STOOD, policy()
    ).numbers
    assert numbers["champion_age_days"] == 10
    assert (numbers["new_labels"], numbers["min_labels"]) == (5000, 200)
    assert (numbers["realised_loss"], numbers["realised_loss_low"]) == (0.05, 0.02)
    assert numbers["realised_margin"] == pytest.approx(0.014)
    assert (numbers["windows:drift:temp"], numbers["tripped:drift:temp"]) == (2, 1)
    assert numbers["effect:drift:temp"] == pytest.approx(3)
    assert numbers["estimated"] == pytest.approx(0.69)


def test_days_are_counted_on_the_projects_clock() -> None:
    """Two in the morning in New York, three nights later: 71 hours when the clocks went forward in between."""
    trained, now = datetime(2024, 3, 9, 7, tzinfo=UTC), datetime(2024, 3, 12, 6, tzinfo=UTC)
    evidence = replace(LOSES, as_of=now, champion_as_of=trained)
    assert decide(evidence, (), policy()).action == "retrain"
    assert decide(replace(evidence, timezone="UTC"), (), policy()).action == "watch"


def test_a_night_done_again_does_not_see_itself() -> None:
    again = decide(LOSES, (night(0, "realised", action="retrain"), night(-1, action="retrain")), policy())
    assert again == decide(LOSES, (), policy())


@dataclass
class World:
    """Random nights of a project in which everything that can happen happens."""

    seed: int
    rules: Drift
    broken: float = 0.1

    def nights(self, count: int) -> list[Night]:
        random = np.random.default_rng(self.seed)
        history: list[Night] = []
        champion, champion_as_of = None, None
        for number in range(count):
            as_of = NOW + number * DAY
            evidence = self.evidence(random, as_of, champion, champion_as_of)
            order = random.permutation(len(history))
            decision = decide(evidence, [history[place] for place in order], self.rules)
            assert decision == decide(evidence, history[::-1], self.rules)
            assert (decision.action == "hold") == (evidence.data_refused is not None)
            failed = random.random() < 0.1
            trains = decision.action == "retrain" and not failed
            version = number + 1 if trains else None
            promoted = trains and random.random() < 0.5
            window = Window(start=as_of - 7 * DAY, end=as_of)
            done = Night(
                project="demo", as_of=as_of, window=window, state="done", decision=decision, finished_at=as_of
            )
            state = "failed" if failed else "done"
            changes = {"state": state, "champion": champion, "trained": version, "promoted": promoted}
            history.append(done.model_copy(update=changes))
            if promoted:
                champion, champion_as_of = version, as_of
        return history

    def evidence(
        self,
        random: np.random.Generator,
        as_of: datetime,
        champion: int | None,
        champion_as_of: datetime | None,
    ) -> Evidence:
        signals = tuple(
            signal(
                column,
                float(random.exponential(0.2)),
                alarm=bool(random.random() < 0.4),
                weight=random.random() / 5,
            )
            for column in ("temp", "dewp", "carrier")
        )
        loss = float(random.normal(0, 0.03))
        return Evidence(
            as_of=as_of, timezone="Europe/Berlin", champion=champion, champion_as_of=champion_as_of,
            new_labels=int(random.integers(0, 2000)), signals=signals,
            realised=realised(loss, loss - 0.02, begins=as_of - 8 * DAY),
            data_refused="no rows" if random.random() < self.broken else None,
        )  # fmt: skip


RULES = [
    {},
    {"per_week": 1, "cooldown": "1d"},
    {"per_week": 5, "cooldown": "12h", "trips": {"windows": 1, "of": 1}},
    {"cooldown": "9d", "trips": {"windows": 3, "of": 5, "worse": 1.01}},
    {"feature_drift": "watch", "max_age": None},
    {"freeze": [{"from": "2013-09-20", "to": "2013-10-10"}], "per_week": 7, "cooldown": "1d"},
]


@pytest.mark.parametrize("changes", RULES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_nights_bring(changes: dict[str, Any], seed: int) -> None:
    rules = policy(**changes)
    history = World(seed, rules).nights(120)
    trained = [night for night in history if night.trained is not None]
    assert trained, "a world without a retrain shows nothing"
    moments = [night.as_of.replace(tzinfo=None) for night in trained]
    for place, moment in enumerate(moments):
        assert sum(moment - 7 * DAY < other <= moment for other in moments) <= rules.per_week
        # Berlin's clocks go back in October, so a night may be an hour short of its days on the UTC clock.
        assert place == 0 or moment - moments[place - 1] >= rules.cooldown - timedelta(hours=1)
    for one in trained:
        assert not any(span.covers(one.as_of.date()) for span in rules.freeze)
        assert tripped(one.decision)
        if rules.feature_drift == "watch":
            assert set(tripped(one.decision)) <= {"first", "realised", "estimated"}
    assert all(one.decision.reasons for one in history)
    assert World(seed, rules).nights(30) == history[:30]


def test_a_cause_that_lasts_unchanged_leads_to_one_retrain_until_age_does() -> None:
    history: list[Night] = []
    for number in range(60):
        as_of = NOW + number * DAY
        evidence = replace(DRIFTS, as_of=as_of, champion_as_of=NOW - 10 * DAY)
        decision = decide(evidence, history, policy())
        history.append(night(-number, decision=decision))
    retrains = [
        (number, tripped(one.decision))
        for number, one in enumerate(history)
        if one.decision.action == "retrain"
    ]
    assert retrains == [(1, ("drift:temp",)), (31, ("age",))]


def test_a_champion_that_cannot_score_is_told_by_what_it_misses() -> None:
    found = decide(
        Evidence(as_of=NOW, champion=3, champion_as_of=NOW - DAY, lacking=("gap", "temp")), (), policy()
    )
    assert (found.action, found.causes) == ("watch", ("columns",))
    says = "Watched: version 3 cannot score these rows: they lack 'gap', 'temp', which it was trained on; "
    assert found.reasons[0].startswith(says)


def test_a_night_of_before_the_champion_says_which_version_it_looks_at() -> None:
    note = "Version 2 is used: the champion, version 5, has seen what came later"
    found = decide(Evidence(as_of=NOW, champion=2, champion_as_of=NOW - DAY, note=note), (), policy())
    assert f"{note}." in found.reasons
    none = decide(Evidence(as_of=NOW, later_champion=5), (), policy())
    assert (none.action, none.causes) == ("retrain", ("first",))
    assert "no version was promoted by then: the champion, version 5, was trained later" in none.reasons[0]


def test_no_champion_is_told_to_be_of_a_negative_age() -> None:
    later = decide(Evidence(as_of=NOW, champion=2, champion_as_of=NOW + DAY), (), policy())
    assert "version 2 stands" in later.reasons[0]
    assert later.numbers["champion_age_days"] == 0
