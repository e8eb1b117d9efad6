"""A part of a validated window, with its own counts."""

from __future__ import annotations

from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import engine, quote_text
from nightshift.lake.tables import Lake
from nightshift.records import Snapshot, Window
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest


def narrowed(project: Project, snapshot: Snapshot, window: Window, settings: Settings) -> Snapshot:
    """The rows of `snapshot` in `window`: the same table and version, a shorter window.

    Rows without an event time belong to no part, and are outside of each.

    Args:
        window: within the snapshot's.
    """
    if window == snapshot.window:
        return snapshot
    assert snapshot.window.start <= window.start < window.end <= snapshot.window.end
    lake = Lake.of(project.name, settings)
    with engine(settings) as connection:
        (rows,) = SnapshotRows(project, snapshot, settings, connection).aggregate(window, ["count(*)"])
        refused = 0
        version = lake.version("quarantine")
        if snapshot.quarantined and version is not None:
            connection.register("refused", lake.read("quarantine", version))
            ends = [f"TIMESTAMPTZ {quote_text(end.isoformat())}" for end in (window.start, window.end)]
            query = f"SELECT count(*) FROM refused WHERE event_time >= {ends[0]} AND event_time < {ends[1]}"
            refused = int(connection.sql(query).fetchall()[0][0])
    assert isinstance(rows, int)
    return snapshot.model_copy(
        update={
            "window": window,
            "rows": rows,
            "rows_in": rows + refused + sum(snapshot.outside.values()),
            "quarantined": refused,
            "refused_by": (),
            "digest": digest(snapshot.digest, str(window)),
        }
    )
