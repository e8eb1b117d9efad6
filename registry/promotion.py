"""Whether a candidate becomes champion: a pure decision, made before anything moves."""

from __future__ import annotations

from dataclasses import dataclass

from nightshift.records import Evaluation, Metrics


@dataclass(frozen=True)
class Promotion:
    """What to do with a candidate, and why, in words a person reads."""

    promote: bool
    reasons: tuple[str, ...]


def decide(evaluation: Evaluation, champion_version: int | None, champion: Metrics | None) -> Promotion:
    """Promote the first version, and any later one that is not worse on the same holdout rows.

    Args:
        champion: the champion's metrics on the candidate's holdout; None when it cannot score it.
    """
    name = evaluation.metric
    ours = evaluation.metrics["holdout"].get(name)
    if champion_version is None:
        return Promotion(True, (f"first version: holdout {name} {_shown(ours)}",))
    if champion is None:
        return Promotion(
            True, (f"the champion, version {champion_version}, cannot score this dataset any more",)
        )
    theirs = champion.get(name)
    compared = (
        f"holdout {name} {_shown(ours)} against {_shown(theirs)} of the champion, version {champion_version}"
    )
    if ours is None:
        return Promotion(False, (f"{name} is undefined on this holdout",))
    if theirs is None:
        return Promotion(True, (f"{name} of the champion is undefined on this holdout",))
    is_not_worse = ours >= theirs if evaluation.greater_is_better else ours <= theirs
    return Promotion(is_not_worse, (f"{'not worse' if is_not_worse else 'worse'}: {compared}",))


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.5f}"
