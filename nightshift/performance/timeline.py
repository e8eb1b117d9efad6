"""Realised and estimated metrics period by period: what a timeline is drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np

from nightshift.performance.estimated import estimated_metrics
from nightshift.performance.expected import Expected, References, columns_of, deciding
from nightshift.performance.observed import observe
from nightshift.performance.prediction_log import Look
from nightshift.performance.realised import measured
from nightshift.records import Metrics, Record, Window
from nightshift.settings import Settings
from nightshift.spec.project import Project


class Period(Record):
    """One point of a timeline.

    Attributes:
        metric: the one that decides.
        versions: the model versions whose predictions count, in their order.
        rows, labelled: predictions, and those of them with a label by now.
        realised: every metric on the labelled rows; empty when there are none.
        estimated: every metric as it was thought to be; empty when there is no estimate.
        expected: what the holdouts of the versions led to expect.
    """

    window: Window
    metric: str
    versions: tuple[int, ...]
    rows: int
    labelled: int
    realised: Metrics
    estimated: Metrics
    expected: Metrics

    @property
    def coverage(self) -> float:
        """The share of the predictions whose label is known."""
        return self.labelled / self.rows if self.rows else 0.0


def timeline(
    project: Project, settings: Settings, look: Look, references: References, step: timedelta
) -> list[Period]:
    """Cut the window into steps from its start on, the last one as long as what is left, and measure each.

    Periods without predictions are there too, with no rows. Raises as `review` does.
    """
    metric = deciding(project)
    columns = columns_of(references)
    periods = []
    for window in steps_of(look.window, step):
        seen = observe(project, settings, replace(look, window=window, columns=columns))
        periods.append(
            Period(
                window=window,
                metric=metric.name,
                versions=tuple(int(version) for version in np.unique(seen.versions)),
                rows=seen.rows,
                labelled=seen.labelled,
                realised=measured(seen.take(seen.known)),
                estimated=estimated_metrics(seen, references),
                expected=Expected.of(references, seen.versions).metrics,
            )
        )
    return periods


def steps_of(window: Window, step: timedelta) -> Iterator[Window]:
    """Windows of one length, end to end.

    >>> from datetime import UTC, datetime
    >>> week = Window(start=datetime(2013, 9, 1, tzinfo=UTC), end=datetime(2013, 9, 8, tzinfo=UTC))
    >>> [str(one) for one in steps_of(week, timedelta(days=5))]
    ['[2013-09-01, 2013-09-06)', '[2013-09-06, 2013-09-08)']
    """
    start = window.start
    while start < window.end:
        end = min(start + step, window.end)
        yield Window(start=start, end=end)
        start = end
