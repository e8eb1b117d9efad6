"""Whether a candidate becomes champion: a pure decision, made before anything moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from nightshift.evaluation.compare import Comparison
from nightshift.records import format_time
from nightshift.trained import Evaluation, ModelVersion


@dataclass(frozen=True)
class Promotion:
    """What to do with a candidate, and why, in words a person reads.

    Attributes:
        waits: nothing can be told by comparison, so that a person has to say it.
    """

    promote: bool
    reasons: tuple[str, ...]
    waits: bool = False


def decide(
    evaluation: Evaluation,
    champion_version: int | None,
    comparison: Comparison | None,
    obstacle: str = "",
) -> Promotion:
    """Promote the first version, and any later one that is not worse than the champion by more than noise.

    Where the two cannot be compared, the champion stays, and the candidate waits for a person: a gate that cannot see
    is closed.

    Args:
        comparison: the candidate beside the champion on the same rows; None when that could not be.
        obstacle: why it could not be, in one sentence.
    """
    name = evaluation.metric
    if champion_version is None:
        return Promotion(
            True, (f"first version: holdout {name} {_shown(evaluation.metrics['holdout'].get(name))}",)
        )
    if comparison is None:
        return _waiting(obstacle)
    paired = comparison.paired
    if math.isnan(paired.ours):
        return _waiting(f"{name} is undefined on this holdout")
    if math.isnan(paired.theirs):
        return _waiting(f"{name} of the champion, version {champion_version}, is undefined on this holdout")
    tolerated = 0.0 if math.isnan(paired.noise) else paired.noise
    is_not_worse = paired.gain >= -tolerated
    verdict = "worse" if not is_not_worse else "better" if paired.gain > tolerated else "not worse"
    return Promotion(is_not_worse, (f"{verdict}: {_compared(name, champion_version, comparison)}",))


def cannot_score(champion_version: int, fault: str) -> str:
    """The obstacle of a champion that the rows do not fit any more."""
    return f"the champion, version {champion_version}, cannot score the holdout: {fault}"


def is_older(champion: ModelVersion, as_of: datetime) -> str:
    """The obstacle of a training as of a moment before the champion's: what both can be compared on says nothing."""
    return (
        f"it is as of {format_time(as_of)}, and the champion, version {champion.version}, as of "
        f"{format_time(champion.as_of)}: a training of an earlier day never takes its place by itself"
    )


def _waiting(obstacle: str) -> Promotion:
    return Promotion(False, (f"{obstacle}; it waits for a person",), waits=True)


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
