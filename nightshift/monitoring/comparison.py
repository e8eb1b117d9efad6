"""The signals of a night's rows: column by column, and of the window as a whole, as the policy wants them."""

from __future__ import annotations

from nightshift.drift.compare import Options, compare
from nightshift.drift.profile import Profile
from nightshift.drift.signals.classifier import domain_classifier
from nightshift.drift.signals.registry import measure, measure_names
from nightshift.drift.signals.volume import duplicates, volume
from nightshift.errors import RequestError, did_you_mean
from nightshift.findings import Signal
from nightshift.monitoring.profiles import Comparable
from nightshift.performance.bias import NAME as BIAS
from nightshift.records import Window
from nightshift.spec.drift import Drift
from nightshift.spec.project import Project

VOLUME, DUPLICATES, CLASSIFIER = "volume", "duplicates", "domain_classifier"


def signals_of(of: Comparable, reference: Profile, window: Profile, looked_at: Window) -> tuple[Signal, ...]:
    """Every signal of a window that needs no label.

    Raises:
        RequestError: the policy names a signal that there is not.
    """
    drift = of.project.drift
    check_names(of.project)
    history = of.history(looked_at.length)
    floors = {name: change.floor for name, change in drift.signals.items() if change.floor is not None}
    options = Options(
        signals=_names(drift),
        floors={name: floor for name, floor in floors.items() if name in measure_names()},
        false_discovery=drift.false_discovery,
        importance=of.importance,
    )
    # The newest labels are not known yet: that they are missing says nothing.
    columns = (
        one
        for one in compare(reference, window, options, history)
        if one.family != "label" or one.name != "missing_rate"
    )
    whole = []
    if history and _is_on(drift, VOLUME, by_default=True):
        whole.append(volume(window.rows, [one.rows for one in history]))
    if _is_on(drift, DUPLICATES, by_default=True):
        before = of.trained_window(looked_at.length)
        whole.append(duplicates(*of.repeated(looked_at), *of.repeated(before)))
    if of.is_whole and _is_on(drift, CLASSIFIER, by_default=False):
        before = of.trained_window(looked_at.length)
        whole.append(domain_classifier(of.encoded(before), of.encoded(looked_at)))
    return (*(_with_floor(one, floors.get(one.name)) for one in whole), *columns)


def check_names(project: Project) -> None:
    """Refuse the name of a signal that there is not.

    Raises:
        RequestError: with the valid names and the nearest one.
    """
    valid = (*measure_names(), VOLUME, DUPLICATES, CLASSIFIER, BIAS)
    for name in project.drift.signals:
        if name not in valid:
            raise RequestError(
                f"there is no signal {name!r}",
                where=f"project {project.name}: drift.signals",
                valid=valid,
                remedy=did_you_mean(name, valid) or "name one of the valid signals",
            )


def floor_of(drift: Drift, name: str) -> float | None:
    """The least effect that the policy gives a signal; None for the signal's own."""
    change = drift.signals.get(name)
    return None if change is None else change.floor


def _names(drift: Drift) -> tuple[str, ...] | None:
    """The columns' signals that the policy wants; None for those that are on by default."""
    changes = {name: change.enabled for name, change in drift.signals.items() if name in measure_names()}
    if not changes:
        return None
    wanted = {name for name in measure_names() if changes.get(name, bool(measure(name).default_for))}
    return tuple(sorted(wanted))


def _is_on(drift: Drift, name: str, *, by_default: bool) -> bool:
    change = drift.signals.get(name)
    return by_default if change is None else change.enabled


def _with_floor(signal: Signal, floor: float | None) -> Signal:
    """The signal judged by the policy's floor."""
    if floor is None or signal.value is None:
        return signal
    return signal.model_copy(update={"effect_floor": floor, "alarm": signal.alarm and signal.value > floor})
