"""What holds back a retrain that a cause calls for: each brake is a sentence that says until when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from nightshift.decision.causes import trained_at
from nightshift.decision.evidence import Evidence, Past
from nightshift.spec.drift import Drift

WEEK = timedelta(days=7)


def brakes(evidence: Evidence, past: Past, policy: Drift) -> tuple[str, ...]:
    """Why nothing may be trained now, the firmest first; empty when it may."""
    return (
        *_freeze(evidence, policy),
        *_quiet_hours(evidence, policy),
        *_cooldown(evidence, past, policy),
        *_budget(evidence, past, policy),
        *_labels(evidence, policy),
    )


def retrains_in_a_week(evidence: Evidence, past: Past) -> int:
    """How many versions were trained in the seven days before as-of."""
    return sum(evidence.since(night.as_of) < WEEK for night in past.retrains)


def _freeze(evidence: Evidence, policy: Drift) -> Iterator[str]:
    for span in policy.freeze:
        if span.covers(evidence.local.date()):
            yield f"retraining is frozen {span}"
            return


def _quiet_hours(evidence: Evidence, policy: Drift) -> Iterator[str]:
    quiet, local = policy.quiet_hours, evidence.local
    if quiet is not None and quiet.covers(local.time()):
        yield (
            f"quiet hours are {quiet.start:%H:%M} to {quiet.end:%H:%M}, and it is {local:%H:%M} "
            f"in {evidence.timezone}"
        )


def _cooldown(evidence: Evidence, past: Past, policy: Drift) -> Iterator[str]:
    trained = trained_at(evidence, past)
    if trained is None:
        return
    age = evidence.since(trained)
    if age < policy.cooldown:
        yield f"the last training is {_days(age)} ago, and the cooldown {_days(policy.cooldown)}"


def _budget(evidence: Evidence, past: Past, policy: Drift) -> Iterator[str]:
    count = retrains_in_a_week(evidence, past)
    if count >= policy.per_week:
        yield f"{count} of {policy.per_week} retrains of this week are used up"


def _labels(evidence: Evidence, policy: Drift) -> Iterator[str]:
    """Too few new labels to learn from; the first training has no champion whose labels could be old."""
    if evidence.champion is None or evidence.new_labels is None:
        return
    if evidence.new_labels < policy.min_labels:
        yield (
            f"{evidence.new_labels:,} new labels since the champion learnt, and it takes {policy.min_labels:,}"
        )


def _days(length: timedelta) -> str:
    days = length / timedelta(days=1)
    return f"{days:.3g} day{'' if days == 1 else 's'}"
