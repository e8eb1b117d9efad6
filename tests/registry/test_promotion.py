"""Who becomes champion: the whole table of cases."""

from __future__ import annotations

import pytest

from nightshift.records import Evaluation
from registry.promotion import decide

NO_VERSION = object()


@pytest.mark.parametrize(
    ("greater_is_better", "ours", "theirs", "promoted", "said"),
    [
        (True, 0.8, NO_VERSION, True, "first version"),
        (True, None, NO_VERSION, True, "undefined"),
        (True, 0.8, 0.7, True, "not worse"),
        (True, 0.7, 0.7, True, "not worse"),
        (True, 0.6, 0.7, False, "worse"),
        (False, 0.6, 0.7, True, "not worse"),
        (False, 0.7, 0.7, True, "not worse"),
        (False, 0.8, 0.7, False, "worse"),
        (True, None, 0.7, False, "undefined"),
        (False, None, None, False, "undefined"),
        (False, 0.7, None, True, "of the champion is undefined"),
    ],
)
def test_the_decision(
    greater_is_better: bool, ours: float | None, theirs: float | None, promoted: bool, said: str
) -> None:
    evaluation = _evaluation(greater_is_better, ours)
    is_first = theirs is NO_VERSION
    decision = decide(evaluation, None if is_first else 3, None if is_first else {"score": theirs})
    assert decision.promote is promoted
    assert said in decision.reasons[0]


def test_a_champion_that_cannot_score_any_more_gives_way() -> None:
    decision = decide(_evaluation(True, 0.1), 3, None)
    assert decision.promote
    assert "cannot score" in decision.reasons[0]


def _evaluation(greater_is_better: bool, ours: float | None) -> Evaluation:
    return Evaluation(
        project="demo", metric="score", greater_is_better=greater_is_better, metrics={"holdout": {"score": ours}},
        baseline={}, slices={}, path="", seconds=0.0,
    )  # fmt: skip
