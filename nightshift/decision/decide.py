"""The decision of a night: a pure function of what was found, the nights before, and the policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from nightshift.decision.brakes import brakes
from nightshift.decision.causes import AGE, FIRST, Cause, is_beyond, is_light, margin_of, standing
from nightshift.decision.evidence import EFFECT, TRIPPED, Evidence, Past
from nightshift.decision.numbers import finite, numbers_of
from nightshift.findings import Action, Decision, Estimated, Night, Realised
from nightshift.spec.drift import Drift

_DAY = timedelta(days=1)
_SHOWN = 3


@dataclass(frozen=True)
class _Verdict:
    """A cause, in how many windows it stood and of how many, and why it does not trip; empty when it does."""

    cause: Cause
    windows: int
    of: int
    waits: str

    @property
    def trips(self) -> bool:
        return not self.waits


def decide(evidence: Evidence, history: Iterable[Night], policy: Drift) -> Decision:
    """What to do tonight: train a candidate, look on, or touch nothing because the data cannot be trusted.

    A cause trips when the policy lets it act, when it stood in `trips.windows` of the newest `trips.of` windows
    (performance, age and a first model at once), and when no retrain has answered it before. One cause that trips
    is enough, unless a brake holds: freeze, quiet hours, cooldown, the week's budget, too few new labels.

    Args:
        history: earlier nights of the project; those at or after as-of are left out of account.
    """
    past = Past.before(evidence.as_of, history)
    numbers = numbers_of(evidence, past, policy)
    if evidence.data_refused is not None:
        reason = f"Hold: the data cannot be trusted: {evidence.data_refused}"
        return Decision(action="hold", reasons=(_sentence(reason),), causes=("data",), numbers=numbers)
    verdicts = [_judge(cause, evidence, past, policy) for cause in standing(evidence, past, policy)]
    verdicts.sort(key=lambda verdict: not verdict.trips)
    for verdict in verdicts:
        key = verdict.cause.key
        numbers |= {
            f"{EFFECT}{key}": finite(verdict.cause.effect),
            f"windows:{key}": float(verdict.windows),
            f"{TRIPPED}{key}": float(verdict.trips),
        }
    action, reasons = _conclude(verdicts, brakes(evidence, past, policy))
    return Decision(
        action=action,
        reasons=tuple(_sentence(reason) for reason in (*reasons, *_asides(evidence, policy, bool(verdicts)))),
        causes=tuple(verdict.cause.key for verdict in verdicts),
        numbers=numbers,
    )


def _judge(cause: Cause, evidence: Evidence, past: Past, policy: Drift) -> _Verdict:
    """Whether a cause trips, or what it waits for."""
    trips = policy.trips
    windows = 1 + past.windows_with(cause.key, evidence.champion, trips.of - 1)
    waits = ""
    if not cause.acts:
        waits = "this is watched only"
    elif not cause.at_once and windows < trips.windows:
        waits = f"in {windows} of the newest {trips.of} windows, and it takes {trips.windows}"
    elif (answer := past.answer_to(cause.key)) is not None and not _is_news(cause, answer, evidence, policy):
        waits = f"the retrain of {answer.as_of:%Y-%m-%d} answered it, and it is no worse"
    return _Verdict(cause, windows, trips.of, waits)


def _is_news(cause: Cause, answer: Night, evidence: Evidence, policy: Drift) -> bool:
    """Whether a cause that stood through a retrain is worth another one.

    It is when all of its evidence is newer than the retrain (for performance), or when the cooldown is over and its
    effect is `trips.worse` times what the retrain answered.
    """
    if cause.key in (FIRST, AGE):
        return True  # and a missing champion are measured from the last training as it is
    if cause.seen_from is not None and cause.seen_from >= answer.as_of:
        return True
    then = answer.decision.numbers.get(f"{EFFECT}{cause.key}")
    is_over = evidence.since(answer.as_of) >= policy.cooldown
    return is_over and then is not None and cause.effect >= policy.trips.worse * then


def _conclude(verdicts: list[_Verdict], held_by: tuple[str, ...]) -> tuple[Action, list[str]]:
    tripping = [verdict for verdict in verdicts if verdict.trips]
    waiting = [f"Watched: {verdict.cause.says}; {verdict.waits}" for verdict in verdicts if verdict.waits]
    causes = [_told(verdict) for verdict in tripping]
    if not tripping:
        return "watch", waiting
    if held_by:
        held = [f"A retrain is due and waits: {'; '.join(held_by)}"]
        return "watch", held + [f"It is due because {cause}" for cause in causes] + waiting
    return "retrain", [f"Retrain: {cause}" for cause in causes] + waiting


def _told(verdict: _Verdict) -> str:
    cause = verdict.cause
    if cause.at_once:
        return cause.says
    return f"{cause.says}; in {verdict.windows} of the newest {verdict.of} windows"


def _asides(evidence: Evidence, policy: Drift, anything: bool) -> Iterator[str]:
    """What else a person should know, and the sentence of a night on which nothing stands."""
    alarms = [signal for signal in evidence.signals if signal.alarm]
    if not anything:
        measured = sum(signal.value is not None for signal in evidence.signals)
        since = evidence.champion_as_of
        # A night that is done later may look at a version that was trained after it.
        is_older = since is not None and since <= evidence.as_of
        age = (
            f"is {evidence.since(since) / _DAY:.3g} days old" if since is not None and is_older else "stands"
        )
        yield (
            f"Nothing to do: {len(alarms)} of {measured:,} signals alarm, and version {evidence.champion} {age}"
        )
    if evidence.note:
        yield evidence.note
    for key, found in (("realised", evidence.realised), ("estimated", evidence.estimated)):
        if found is not None:
            yield from _performance_in_words(key, found, policy)
    light = sorted({signal.column for signal in alarms if is_light(signal, policy)})
    if light:
        more = f" and {len(light) - _SHOWN} more" if len(light) > _SHOWN else ""
        yield (
            f"Passed over: {', '.join(light[:_SHOWN])}{more} drift, but the model hardly uses them "
            f"(less than {policy.min_weight:.1%} of its importance each)"
        )
    if evidence.signals and all(signal.value is None for signal in evidence.signals):
        yield f"No signal could be measured: {evidence.signals[0].note or 'too few rows'}"


def _performance_in_words(key: str, found: Realised | Estimated, policy: Drift) -> Iterator[str]:
    known = f" on {found.labelled:,} of {found.rows:,} rows" if isinstance(found, Realised) else ""
    if found.loss is None or found.loss_interval is None:
        yield f"The {key} {found.metric} cannot be told{known}"
        return
    margin = margin_of(found, policy)
    if margin is None or is_beyond(found, margin):
        return  # nothing to compare it with, or told as a cause already
    better = "better" if found.loss < 0 else "worse"
    yield (
        f"The {key} {found.metric} is {better} than expected by {abs(found.loss):.3g}{known}; {margin:.3g} is borne"
    )


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
