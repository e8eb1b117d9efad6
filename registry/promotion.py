"""Whether a candidate becomes champion: a pure decision, made before anything moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nightshift.evaluation.compare import Comparison
from nightshift.trained import Evaluation


@dataclass(frozen=True)
class Promotion:
    """What to do with a candidate, and why, in words a person reads."""

    promote: bool
    reasons: tuple[str, ...]


def decide(evaluation: Evaluation, champion_version: int | None, comparison: Comparison | None) -> Promotion:
    """Promote the first version, and any later one that is not worse than the champion by more than noise.

    Args:
        comparison: the candidate beside the champion on the same rows; None when the champion cannot score them.
    """
    name = evaluation.metric
    if champion_version is None:
        return Promotion(
            True, (f"first version: holdout {name} {_shown(evaluation.metrics['holdout'].get(name))}",)
        )
    if comparison is None:
        return Promotion(
            True, (f"the champion, version {champion_version}, cannot score this dataset any more",)
        )
    paired = comparison.paired
    if math.isnan(paired.ours):
        return Promotion(False, (f"{name} is undefined on this holdout",))
    if math.isnan(paired.theirs):
        return Promotion(True, (f"{name} of the champion is undefined on this holdout",))
    tolerated = 0.0 if math.isnan(paired.noise) else paired.noise
    is_not_worse = paired.gain >= -tolerated
    verdict = "worse" if not is_not_worse else "better" if paired.gain > tolerated else "not worse"
    return Promotion(is_not_worse, (f"{verdict}: {_compared(name, champion_version, comparison)}",))


def _compared(name: str, champion_version: int, comparison: Comparison) -> str:
    """Both values, on how many rows, and what chance alone would do."""
    paired = comparison.paired
    whose = "the evaluated model of the champion" if comparison.rival.is_evaluated else "the champion"
    noise = (
        f"too few rows ({paired.rows:,}) to tell noise from a difference"
        if math.isnan(paired.noise)
        else f"on {paired.rows:,} rows; chance alone makes differences of up to {paired.noise:.5f}"
    )
    learnt = (
        "" if comparison.is_unseen else "; the champion has learnt from these rows, the candidate has not"
    )
    return (
        f"holdout {name} {_shown(paired.ours)} against {_shown(paired.theirs)} of {whose}, "
        f"version {champion_version}, {noise}{learnt}"
    )


def _shown(value: float | None) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{value:.5f}"
