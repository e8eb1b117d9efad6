"""Every number that a decision compares, by name, so that a person can check it and later nights can use it."""

from __future__ import annotations

import math
from datetime import timedelta

from nightshift.decision.brakes import retrains_in_a_week
from nightshift.decision.causes import effect_of, margin_of, trained_at
from nightshift.decision.evidence import Evidence, Past
from nightshift.findings import Estimated, Realised
from nightshift.records import Metrics
from nightshift.spec.drift import Drift

_DAY = timedelta(days=1)


def numbers_of(evidence: Evidence, past: Past, policy: Drift) -> Metrics:
    """What was compared tonight; docs/drift-policy.md says what each name stands for."""
    trained = trained_at(evidence, past)
    # A missed night may have a champion that was trained after it: no age is below zero.
    ages = {"champion_age_days": evidence.champion_as_of, "trained_days_ago": trained}
    effects = [effect_of(signal) for signal in evidence.signals]
    return {
        **{name: None if at is None else max(evidence.since(at) / _DAY, 0.0) for name, at in ages.items()},
        "max_age_days": None if policy.max_age is None else policy.max_age / _DAY,
        "cooldown_days": policy.cooldown / _DAY,
        "new_labels": finite(evidence.new_labels),
        "min_labels": float(policy.min_labels),
        "retrains_in_7_days": float(retrains_in_a_week(evidence, past)),
        "per_week": float(policy.per_week),
        "signals": float(sum(signal.value is not None for signal in evidence.signals)),
        "alarms": float(sum(signal.alarm for signal in evidence.signals)),
        "greatest_effect": finite(max(effects, default=None)),
        "trips_windows": float(policy.trips.windows),
        "trips_of": float(policy.trips.of),
        "min_weight": policy.min_weight,
        **_performance("realised", evidence.realised, policy),
        **_performance("estimated", evidence.estimated, policy),
    }


def finite(value: float | None) -> float | None:
    """The value, or None where JSON has no word for it.

    >>> finite(3), finite(float("inf"))
    (3.0, None)
    """
    return float(value) if value is not None and math.isfinite(value) else None


def _performance(key: str, found: Realised | Estimated | None, policy: Drift) -> Metrics:
    if found is None:
        return {}
    low, high = found.loss_interval or (None, None)
    numbers: dict[str, float | None] = {
        "": found.metrics.get(found.metric),
        "_expected": found.expected.get(found.metric),
        "_loss": found.loss,
        "_loss_low": low,
        "_loss_high": high,
        "_margin": margin_of(found, policy),
        "_rows": float(found.rows),
    }
    if isinstance(found, Realised):
        numbers |= {"_labelled": float(found.labelled), "_coverage": found.coverage}
    else:
        numbers |= {"_error": found.error}
    return {f"{key}{name}": finite(value) for name, value in numbers.items()}
