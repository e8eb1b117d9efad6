"""Look at a night's window: what changed in the rows, and how the predictions did."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from datetime import datetime

from nightshift.dataset.rows import SnapshotRows
from nightshift.drift.alarms import benjamini_hochberg
from nightshift.drift.profile import Profile
from nightshift.engine import engine
from nightshift.findings import Estimated, Family, Realised, Signal
from nightshift.monitoring.comparison import floor_of, signals_of
from nightshift.monitoring.nights import Opening
from nightshift.monitoring.profiles import Comparable
from nightshift.monitoring.standing import Standing
from nightshift.monitoring.windows import NightWindows
from nightshift.performance.bias import NAME as BIAS
from nightshift.performance.prediction_log import Look
from nightshift.performance.review import Review, review
from nightshift.records import Snapshot, Window
from nightshift.settings import Settings
from nightshift.spec.project import Project

logger = logging.getLogger(__name__)

_WHOLE_LEVEL = 0.05


@dataclass(frozen=True)
class Monitored:
    """What a night saw.

    Attributes:
        champion: the version that was looked at; None before the first.
        signals: all of them, alarms first, then by effect.
        new_labels: rows whose label is known by now and that the champion has not learnt from.
        lacking: columns that the champion was trained on and the rows have no more: it cannot score them.
        reference, window: what was compared; None when the champion was registered without a profile.
    """

    champion: int | None = None
    signals: tuple[Signal, ...] = ()
    realised: Realised | None = None
    estimated: Estimated | None = None
    new_labels: int | None = None
    lacking: tuple[str, ...] = ()
    reference: Profile | None = field(default=None, repr=False)
    window: Profile | None = field(default=None, repr=False)


def monitor(
    project: Project, snapshot: Snapshot, opening: Opening, standing: Standing, settings: Settings
) -> Monitored:
    """Compare the newest rows with the reference, and the newest predictions with their labels.

    Args:
        snapshot: holds all of the night's windows.

    Raises:
        RequestError: project.yaml names a signal that there is not.
        OutsideError: the lake cannot be read.
    """
    started = time.perf_counter()
    found, windows = Monitored(), opening.windows
    with engine(settings) as connection:
        rows = SnapshotRows(project, snapshot, settings, connection)
        if standing.profile is None:
            logger.warning(
                "monitor: version %d was registered without a profile; drift is told from the next training on",
                standing.version.version,
            )
        else:
            found = _compared(Comparable(rows, standing, standing.profile, settings), opening)
        lacking = tuple(name for name in standing.scorer.encoder.names if name not in rows.schema.names)
        if lacking:
            logger.warning(
                "monitor: version %d cannot score these rows: they lack %s", standing.version.version,
                ", ".join(map(repr, lacking)),
            )  # fmt: skip
        found = replace(found, new_labels=_new_labels(rows, standing, windows.as_of), lacking=lacking)
    seen = _reviewed(project, windows, standing, snapshot, settings)
    performance = _with_alarms(seen.signals, project.drift.false_discovery)
    signals = sorted((*found.signals, *performance), key=lambda signal: not signal.alarm)
    logger.info(
        "monitor: %d alarms among %d signals, in %.1f s",
        sum(signal.alarm for signal in signals), len(signals), time.perf_counter() - started,
    )  # fmt: skip
    return replace(
        found,
        champion=standing.version.version,
        signals=tuple(signals),
        realised=seen.realised,
        estimated=seen.estimated,
    )


def _compared(of: Comparable, opening: Opening) -> Monitored:
    looked_at = opening.windows.looked_at
    reference, window = of.reference(looked_at, opening.nights), of.profile(looked_at)
    return Monitored(signals=signals_of(of, reference, window, looked_at), reference=reference, window=window)


def _reviewed(
    project: Project, windows: NightWindows, standing: Standing, snapshot: Snapshot, settings: Settings
) -> Review:
    """The standing version's predictions: those whose labels can be known, and the newest ones."""
    version = standing.version.version
    references, learnt = {version: standing.performance}, standing.version.learnt_until

    def look(window: Window, *families: Family) -> Review:
        at = Look(
            _since(standing, window), windows.as_of, (version,), snapshot.version,
            learnt_until={} if learnt is None else {version: learnt},
        )  # fmt: skip
        floor = floor_of(project.drift, BIAS)
        return review(project, settings, at, references, bias_floor=floor, families=families)

    if windows.looked_at == windows.reviewed:
        return look(windows.reviewed, "realised", "estimated")
    known, newest = look(windows.reviewed, "realised"), look(windows.looked_at, "estimated")
    estimated = newest.estimated.model_copy(update={"error": known.estimated.error})
    return Review(known.realised, estimated, known.signals + newest.signals)


def _since(standing: Standing, window: Window) -> Window:
    """The part of the window that the standing version can have predicted, so that its findings are its own."""
    start = max(window.start, standing.version.as_of)
    return Window(start=start, end=window.end) if start < window.end else window


def _with_alarms(signals: tuple[Signal, ...], false_discovery: float) -> list[Signal]:
    """Performance alarms where an effect is over its floor and more than chance would do.

    Of all rows there are three measures only, and a false alarm of theirs costs a training and no quality: each is
    judged by itself. The many segments are corrected for their number.
    """
    of_all = {id(one) for one in signals if not one.segment and _is_beyond(one, _WHOLE_LEVEL)}
    of_parts = _alarming([one for one in signals if one.segment], false_discovery)
    return [one.model_copy(update={"alarm": id(one) in of_all | of_parts}) for one in signals]


def _is_beyond(signal: Signal, level: float) -> bool:
    value, chance = signal.value, signal.p_value
    return value is not None and chance is not None and value > signal.effect_floor and chance <= level


def _alarming(signals: list[Signal], level: float) -> set[int]:
    told = [(one, one.value, one.p_value) for one in signals]
    judged = [(one, value, chance) for one, value, chance in told if value is not None and chance is not None]
    significant = benjamini_hochberg([chance for *_, chance in judged], level)
    return {
        id(one) for (one, value, _), is_one in zip(judged, significant, strict=True)
        if is_one and value > one.effect_floor
    }  # fmt: skip


def _new_labels(rows: SnapshotRows, standing: Standing, as_of: datetime) -> int | None:
    since = standing.version.learnt_until
    if since is None or since >= as_of:
        return None if since is None else 0
    (count,) = rows.aggregate(Window(start=since, end=as_of), ["count(*)"], labelled=True)
    assert isinstance(count, int)
    return count
