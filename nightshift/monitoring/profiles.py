"""Profiles of a project's rows in the buckets of a version: tonight's window, and what it is compared with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import reduce

from nightshift.dataset.rows import SnapshotRows
from nightshift.drift.build import profile
from nightshift.drift.layout import layout_of
from nightshift.drift.merge import merge
from nightshift.drift.profile import Profile
from nightshift.evaluation.reference import profiled_rows
from nightshift.findings import Night
from nightshift.monitoring.standing import Standing
from nightshift.records import Window

logger = logging.getLogger(__name__)

_WEEK = timedelta(days=7)
_WEEKS_BACK = 4
_HISTORY = 8


class Comparable:
    """Profiles of any window of a project, in the buckets of the version that stands."""

    def __init__(self, rows: SnapshotRows, standing: Standing, trained_on: Profile) -> None:
        self._rows = rows
        self._scorer = standing.scorer
        self._layout = layout_of(trained_on)
        self._trained_on = trained_on
        project = rows.project
        self._learnt = project.split_before(standing.version.as_of).train

    def profile(self, window: Window) -> Profile:
        """The window's rows, and what the standing model says of them."""
        return profile(profiled_rows(self._rows, self._scorer, window), self._layout)

    def reference(self, window: Window, nights: Sequence[Night]) -> Profile:
        """What `drift.reference` says the window is compared with; the training window where that is not there yet.

        Args:
            nights: earlier ones, newest first.
        """
        match self._rows.project.drift.reference:
            case "last_good":
                good = next(
                    (night for night in nights if night.state == "done" and not night.decision.causes), None
                )
                found = None if good is None else self.profile(good.window)
            case "weekday":
                back = (_shifted(window, -weeks * _WEEK) for weeks in range(1, _WEEKS_BACK + 1))
                found = reduce(merge, (self.profile(one) for one in back))
            case _:
                return self._trained_on
        if found is None or found.rows == 0:
            logger.info("monitor: there are no rows to compare with yet but those of training")
            return self._trained_on
        return found

    def history(self, length: timedelta) -> list[Profile]:
        """The newest windows of this length that the standing model learnt from: how far clean windows stray."""
        ends = (self._learnt.end - place * length for place in range(_HISTORY))
        windows = [Window.until(end, length) for end in ends if end - length >= self._learnt.start]
        return [found for found in map(self.profile, windows) if found.rows]


def _shifted(window: Window, by: timedelta) -> Window:
    return Window(start=window.start + by, end=window.end + by)
