"""Who becomes champion: the whole table of cases."""

from __future__ import annotations

import math

import pytest

from nightshift.evaluation.compare import Comparison, Rival
from nightshift.evaluation.paired import Paired
from nightshift.trained import Evaluation
from registry.promotion import Promotion, cannot_score, decide
from tests.synthetic import START

NAN = math.nan


@pytest.mark.parametrize(
    ("gain", "noise", "promoted", "said"),
    [
        (0.1, 0.01, True, "better"),
        (0.005, 0.01, True, "not worse"),
        (0.0, 0.01, True, "not worse"),
        (-0.01, 0.01, True, "not worse"),
        (-0.011, 0.01, False, "worse"),
        (0.0, 0.0, True, "not worse"),
        (-0.001, 0.0, False, "worse"),
        (0.001, NAN, True, "better"),
        (0.0, NAN, True, "not worse"),
        (-0.001, NAN, False, "worse"),
    ],
)
def test_a_difference_within_its_noise_is_none(gain: float, noise: float, promoted: bool, said: str) -> None:
    decision = decide(evaluation(0.7 + gain), 3, comparison(0.7 + gain, 0.7, gain=gain, noise=noise))
    assert decision.promote is promoted
    assert decision.reasons[0].startswith(
        f"{said}: holdout score {0.7 + gain:.5f} against 0.70000 of the champion"
    )
    assert ("too few rows (500)" in decision.reasons[0]) is math.isnan(noise)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (NAN, 0.7, "score is undefined on this holdout; it waits for a person"),
        (NAN, NAN, "score is undefined on this holdout; it waits for a person"),
        (0.7, NAN, "score of the champion, version 3, is undefined on this holdout; it waits for a person"),
    ],
)
def test_what_cannot_be_measured_waits_for_a_person(ours: float, theirs: float, said: str) -> None:
    decision = decide(evaluation(None), 3, comparison(ours, theirs, gain=NAN, noise=NAN))
    assert decision == Promotion(False, (said,), waits=True)


@pytest.mark.parametrize(("score", "said"), [(0.8, "0.80000"), (None, "undefined")])
def test_the_first_version_is_promoted(score: float | None, said: str) -> None:
    decision = decide(evaluation(score), None, None)
    assert decision.promote
    assert decision.reasons == (f"first version: holdout score {said}",)


def test_a_champion_that_cannot_score_any_more_does_not_open_the_gate() -> None:
    decision = decide(evaluation(0.9), 3, None, cannot_score(3, "the rows lack the column 'gap'"))
    assert (decision.promote, decision.waits) == (False, True)
    assert decision.reasons == (
        "the champion, version 3, cannot score the holdout: the rows lack the column 'gap'; it waits for a person",
    )


def test_the_reason_says_which_model_was_compared_and_on_which_rows() -> None:
    reason = decide(
        evaluation(0.8), 3, comparison(0.8, 0.7, gain=0.1, noise=0.02, is_evaluated=True)
    ).reasons[0]
    assert "0.70000 of the evaluated model of the champion, version 3, on 500 rows" in reason
    assert "0.02000" in reason
    reason = decide(evaluation(0.8), 3, comparison(0.8, 0.7, gain=0.1, noise=0.02, is_unseen=False)).reasons[
        0
    ]
    assert "the champion has learnt from these rows" in reason


def comparison(
    ours: float,
    theirs: float,
    *,
    gain: float,
    noise: float,
    is_evaluated: bool = False,
    is_unseen: bool = True,
) -> Comparison:
    return Comparison(Paired(ours, theirs, gain, noise, 500), Rival(is_evaluated, START), is_unseen)


def evaluation(score: float | None) -> Evaluation:
    return Evaluation(
        project="demo", metric="score", greater_is_better=True, metrics={"holdout": {"score": score}},
        baseline={}, slices={}, path="", seconds=0.0,
    )  # fmt: skip
