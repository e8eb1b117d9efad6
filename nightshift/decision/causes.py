"""What stands against the champion tonight: each cause with its size and the sentence that tells of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from nightshift.decision.evidence import Evidence, Past
from nightshift.findings import Estimated, Realised, Signal
from nightshift.spec.drift import Drift

FIRST, COLUMNS, AGE = "first", "columns", "age"


@dataclass(frozen=True)
class Cause:
    """Something that speaks for a retrain, or that a person should know.

    Attributes:
        key: stable from night to night, such as `drift:temp`.
        rank: the lower, the weightier.
        effect: how large, times its floor or margin.
        says: the sentence, without its full stop.
        acts: whether the policy lets it lead to a retrain.
        at_once: it needs not stand in several windows.
        seen_from: when the evidence begins, where new evidence may trip it anew; None where it may not.
    """

    key: str
    rank: int
    effect: float
    says: str
    acts: bool = True
    at_once: bool = False
    seen_from: datetime | None = None


def standing(evidence: Evidence, past: Past, policy: Drift) -> tuple[Cause, ...]:
    """All causes that stand tonight, the weightiest first."""
    found = [
        *_first(evidence),
        *_columns(evidence),
        *_performance("realised", 1, evidence.realised, policy),
        *_performance("estimated", 2, evidence.estimated, policy),
        *_alarms(evidence, policy),
        *_age(evidence, past, policy),
    ]
    return tuple(sorted(found, key=lambda cause: (cause.rank, -cause.effect, cause.key)))


def trained_at(evidence: Evidence, past: Past) -> datetime | None:
    """When a version was last trained, whether it became champion or not; None before the first."""
    moments = [night.as_of for night in past.retrains[:1]]
    if evidence.champion_as_of is not None:
        moments.append(evidence.champion_as_of)
    return max(moments, default=None)


def margin_of(found: Realised | Estimated, policy: Drift) -> float | None:
    """The loss that is borne, in the metric's unit; None when nothing was expected.

    What the estimate was off by, when that could last be told, is borne too.
    """
    expected = found.expected.get(found.metric)
    if expected is None:
        return None
    error = found.error if isinstance(found, Estimated) else None
    return policy.performance.borne(expected) + abs(error or 0.0)


def is_beyond(found: Realised | Estimated, margin: float) -> bool:
    """Whether the loss is more than is borne, and its interval leaves nought out; a loss that is NaN never is."""
    if found.loss is None or found.loss_interval is None:
        return False
    return found.loss > margin and found.loss_interval[0] > 0


def is_light(signal: Signal, policy: Drift) -> bool:
    """Whether the champion hardly uses the column."""
    return signal.family == "feature" and signal.weight < policy.min_weight


def describe(signal: Signal) -> str:
    """One signal with its numbers.

    >>> describe(Signal(name="psi", family="feature", column="temp", segment="origin=JFK", value=0.31,
    ...                 effect_floor=0.1, p_value=1e-9, alarm=True))
    'psi 0.31 (floor 0.1, p 1e-09) where origin=JFK'
    """
    value = "unknown" if signal.value is None else f"{signal.value:.3g}"
    p_value = "" if signal.p_value is None else f", p {signal.p_value:.2g}"
    where = f" where {signal.segment}" if signal.segment else ""
    if signal.family in ("realised", "estimated") and signal.name != "calibration":
        value = f"worse by {value}"
    return f"{signal.name} {value} (floor {signal.effect_floor:.3g}{p_value}){where}"


def effect_of(signal: Signal) -> float:
    """The signal's effect, times its floor; the plain effect when the floor is nought."""
    value = abs(signal.value or 0.0)
    if math.isnan(value):
        return 0.0
    return value / signal.effect_floor if signal.effect_floor > 0 else value


def _first(evidence: Evidence) -> Iterator[Cause]:
    if evidence.champion is None:
        says = "there is no champion yet"
        if evidence.later_champion is not None:
            later = f"the champion, version {evidence.later_champion}, was trained later"
            says = f"no version was promoted by then: {later}"
        yield Cause(FIRST, 0, 1.0, says, at_once=True)


def _columns(evidence: Evidence) -> Iterator[Cause]:
    """A champion that cannot score the rows: whether that is a fault of the data or meant, a person has to say."""
    if evidence.lacking:
        columns = ", ".join(map(repr, evidence.lacking))
        says = f"version {evidence.champion} cannot score these rows: they lack {columns}, which it was trained on"
        yield Cause(COLUMNS, 0, 1.0, says, acts=False)


def _performance(key: str, rank: int, found: Realised | Estimated | None, policy: Drift) -> Iterator[Cause]:
    """A loss beyond its margin whose interval leaves nought out."""
    if found is None or found.loss is None or found.loss_interval is None:
        return
    margin = margin_of(found, policy)
    low, high = found.loss_interval
    if margin is None or not is_beyond(found, margin):
        return
    answer = policy.performance.realised if key == "realised" else policy.performance.estimated
    value, expected = found.metrics.get(found.metric), found.expected.get(found.metric)
    shown = "unknown" if value is None else f"{value:.4g}"
    yield Cause(
        key, rank, found.loss / margin if margin > 0 else found.loss,
        f"the {key} {found.metric} of {found.window} is {shown} where {expected:.4g} was expected: worse by "
        f"{found.loss:.3g} (95 % interval {low:.3g} to {high:.3g}), and {margin:.3g} is borne",
        acts=answer == "retrain", at_once=True, seen_from=found.window.start,
    )  # fmt: skip


def _alarms(evidence: Evidence, policy: Drift) -> Iterator[Cause]:
    """One cause for each column, or kind of signal, however many signals and segments tell of it."""
    together: dict[tuple[str, int], list[Signal]] = defaultdict(list)
    for signal in evidence.signals:
        if signal.alarm and not is_light(signal, policy):
            together[_key_of(signal)].append(signal)
    for (key, rank), signals in together.items():
        worst = max(signals, key=effect_of)
        at_once = _is_of_all_rows(worst)
        yield Cause(
            key, rank, effect_of(worst), _sentence(worst, len(signals)), acts=_may_act(worst, policy),
            at_once=at_once, seen_from=_begins(worst, evidence) if at_once else None,
        )  # fmt: skip


def _is_of_all_rows(signal: Signal) -> bool:
    """Whether it tells how good all predictions are, such as calibration: that need not be seen twice."""
    return signal.family in ("realised", "estimated") and not signal.segment


def _begins(signal: Signal, evidence: Evidence) -> datetime | None:
    found = evidence.realised if signal.family == "realised" else evidence.estimated
    return None if found is None else found.window.start


def _key_of(signal: Signal) -> tuple[str, int]:
    match signal.family:
        case "feature":
            return f"drift:{signal.column}", 4
        case "realised" | "estimated":
            return f"{signal.family}:{signal.segment or signal.name}", 3
        case "label":
            return "label", 5
        case "prediction":
            return "prediction", 6
        case "multivariate":
            return "multivariate", 7
        case "volume":
            return f"volume:{signal.name}", 9


def _may_act(signal: Signal, policy: Drift) -> bool:
    match signal.family:
        case "volume":
            return False  # more or fewer rows are for a person to explain: a new model would not mend them
        case "realised":
            return policy.performance.realised == "retrain"
        case "estimated":
            return policy.performance.estimated == "retrain"
        case _:
            return policy.feature_drift == "retrain"


def _sentence(worst: Signal, count: int) -> str:
    subject = {
        "feature": f"{worst.column} drifts",
        "prediction": "the predictions drift",
        "label": "the label drifts",
        "multivariate": "the columns together drift",
        "volume": "the number of rows is unusual",
        "realised": "the realised performance alarms",
        "estimated": "the estimated performance alarms",
    }[worst.family]
    more = f" and {count - 1} more alarm{'s' if count > 2 else ''}" if count > 1 else ""
    share = f", {worst.weight:.1%} of the model's importance" if worst.family == "feature" else ""
    return f"{subject}: {describe(worst)}{more}{share}"


def _age(evidence: Evidence, past: Past, policy: Drift) -> Iterator[Cause]:
    trained = trained_at(evidence, past)
    if policy.max_age is None or trained is None or evidence.champion is None:
        return
    age = evidence.since(trained)
    if age >= policy.max_age:
        days, limit = age / timedelta(days=1), policy.max_age / timedelta(days=1)
        says = f"the last training is {days:.3g} days ago, and {limit:.3g} is the limit"
        yield Cause(AGE, 8, age / policy.max_age, says, at_once=True)
