"""Rows that no night predicts: counted by why, so that whoever adds up misses none.

- `no_event_time`: the event time is null or infinite, so that the row is in no window.
- `before_first_night`: older than the first window that was predicted; counted once, by the first night.
- `late`: of a window that an earlier run has predicted, and come after it. Counted for as long as a night looks at
  them: `nightshift predict --start --end` over the window predicts them.
"""

from __future__ import annotations

import logging

from nightshift.dataset.rows import SnapshotRows
from nightshift.dataset.stage import NO_EVENT_TIME, count_before
from nightshift.engine import engine, quote, quote_text
from nightshift.lake.tables import Lake
from nightshift.records import Outside, Snapshot, Window, format_time
from nightshift.scoring.columns import TABLE, PredictionColumns
from nightshift.scoring.published import publications, segments
from nightshift.settings import Settings
from nightshift.spec.project import Project

__all__ = ["BEFORE_FIRST_NIGHT", "LATE", "NO_EVENT_TIME", "with_outside"]

logger = logging.getLogger(__name__)

BEFORE_FIRST_NIGHT, LATE = "before_first_night", "late"


def with_outside(project: Project, snapshot: Snapshot, night: Snapshot, settings: Settings) -> Snapshot:
    """A night's new rows, with the count of those that neither it nor a night before predicts.

    Args:
        snapshot: all rows that the night looks at.
        night: those of them that it predicts.
    """
    found = {**night.outside, **_not_predicted(project, snapshot, night.window, settings)}
    more = sum(found.values()) - sum(night.outside.values())
    return night.model_copy(update={"outside": found, "rows_in": night.rows_in + more})


def _not_predicted(project: Project, snapshot: Snapshot, night: Window, settings: Settings) -> Outside:
    lake = Lake.of(project.name, settings)
    event_time = project.dataset.event_time
    if next(publications(lake, event_time), None) is None:
        older = count_before(project, night.start, settings)
        if older:
            logger.info(
                "predict: %s rows are older than the first night, which begins at %s",
                f"{older:,}",
                format_time(night.start),
            )
        return {BEFORE_FIRST_NIGHT: older} if older else {}
    if snapshot.window.start >= night.start:
        return {}
    before = Window(start=snapshot.window.start, end=night.start)
    predicted = [one.window for one in segments(publications(lake, event_time), before)]
    # What the night itself has predicted, before it was cut short, is none of the windows before.
    late = _late(project, snapshot, [part for one in predicted if (part := one.shared(before))], settings)
    if late:
        logger.warning(
            "predict: %s rows of %s came after it was predicted, and have no prediction", f"{late:,}", before
        )
    return {LATE: late} if late else {}


def _late(project: Project, snapshot: Snapshot, windows: list[Window], settings: Settings) -> int:
    """How many rows of windows that were predicted have no prediction."""
    lake = Lake.of(project.name, settings)
    version = lake.version(TABLE)
    if version is None or not windows:
        return 0
    time = quote(project.dataset.event_time)
    within = " OR ".join(
        f"({{0}}{time} >= TIMESTAMPTZ {quote_text(one.start.isoformat())} "
        f"AND {{0}}{time} < TIMESTAMPTZ {quote_text(one.end.isoformat())})"
        for one in windows
    )
    with engine(settings) as connection:
        SnapshotRows(project, snapshot, settings, connection)
        predictions = lake.read(TABLE, version)
        connection.register("predictions", predictions)
        names = PredictionColumns.of(project, predictions.schema)
        same = " AND ".join(f"p.{quote(name)} = s.{quote(name)}" for name in names.identity)
        query = (
            f"SELECT count(*) FROM snapshot AS s WHERE ({within.format('s.')}) AND NOT EXISTS "
            f"(SELECT 1 FROM predictions AS p WHERE ({within.format('p.')}) AND {same})"
        )
        return int(connection.sql(query).fetchall()[0][0])
