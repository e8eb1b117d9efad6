"""`latest_predictions`: what was published for each key, one row a key, made of `predictions` alone.

Its newest commit says up to which commit of `predictions` it goes. A run brings in what has come since, also what a run
that crashed in between has left to do; where the table is lost, or goes with another `predictions` (one of them came
back from a backup), it is made anew of all of them.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

import duckdb
import pyarrow as pa

from nightshift.engine import batch_rows, engine, quote, quote_all, quote_text
from nightshift.errors import TransientError
from nightshift.lake.log import Commit
from nightshift.lake.tables import Lake, Replacement
from nightshift.records import Window
from nightshift.scoring.columns import TABLE, PredictionColumns
from nightshift.scoring.published import CHAMPION, Publication, publications, segments
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest

logger = logging.getLogger(__name__)

LATEST = "latest_predictions"

_ATTEMPTS = 5
_RUNS = pa.schema(
    [
        ("start", pa.timestamp("us", "UTC")),
        ("end", pa.timestamp("us", "UTC")),
        ("version", pa.int64()),
        ("commit", pa.int64()),
    ]
)


def publish(project: Project, settings: Settings) -> int | None:
    """Bring `latest_predictions` up to the newest predictions; its version, or None where nothing was predicted yet.

    Raises:
        DataRefusedError: the table has a column of the same name with something else in it.
        OutsideError: the lake cannot be read or written.
    """
    lake = Lake.of(project.name, settings)
    for attempt in range(_ATTEMPTS):
        try:
            return _publish(project, lake, settings)
        except (
            TransientError
        ):  # another run has brought it up meanwhile: what is left to do is looked up again
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def is_published(project: Project, settings: Settings) -> bool:
    """Whether `latest_predictions` is there, whole, and goes with the newest predictions."""
    lake = Lake.of(project.name, settings)
    head = _head(lake)
    return head is not None and _is_up_to(lake, project, head)


def _head(lake: Lake) -> Commit | None:
    """The commit that changed the predictions last."""
    changes = (one for one in lake.commits(TABLE) if not one.is_housekeeping)
    return next(changes, None)


def _is_up_to(lake: Lake, project: Project, head: Commit) -> bool:
    version = lake.version(LATEST)
    if version is None or not _marks(project, head).items() <= _last(lake).items():
        return False
    return not lake.missing(LATEST, version)


def _last(lake: Lake) -> dict[str, str]:
    """What the newest commit of the table that brought it up says of itself."""
    found = (one.info for one in lake.commits(LATEST) if not one.is_housekeeping)
    return dict(next(found, {}))


def _marks(project: Project, head: Commit) -> dict[str, str]:
    names = [*project.dataset.key, project.dataset.event_time]
    return {"nightshift.source": head.identity, "nightshift.names": json.dumps(names)}


def _publish(project: Project, lake: Lake, settings: Settings) -> int | None:
    head = _head(lake)
    if head is None:
        return None
    if _is_up_to(lake, project, head):
        return lake.version(LATEST)
    window = _left_to_do(project, lake)
    with engine(settings) as connection:
        made = _Making.of(project, lake, connection)
        if window is not None and made.concerns_only(window):
            change = Replacement(
                window,
                project.dataset.event_time,
                digest(LATEST, head.identity),
                notes=_notes(project, head),
            )
            return lake.replace(LATEST, made.rows("fresh"), change)
        logger.info("predict: %s is made anew of all predictions", LATEST)
        made.gather(None)
        return lake.rebuild(LATEST, made.rows("fresh"), _notes(project, head))


def _notes(project: Project, head: Commit) -> dict[str, str]:
    return {name.removeprefix("nightshift."): value for name, value in _marks(project, head).items()}


def _left_to_do(project: Project, lake: Lake) -> Window | None:
    """The window in which the predictions have changed since; None where that cannot be told."""
    version, last = lake.version(LATEST), _last(lake)
    names = json.dumps([*project.dataset.key, project.dataset.event_time])
    if version is None or last.get("nightshift.names") != names or lake.missing(LATEST, version):
        return None
    touched: list[Window] = []
    for commit in lake.commits(TABLE):
        if commit.identity == last.get("nightshift.source"):
            return reduce(_around, touched) if touched else None
        if commit.is_housekeeping:
            continue
        window = commit.window(project.dataset.event_time)
        if window is None:
            return None
        touched.append(window)
    return None


def _around(one: Window, other: Window) -> Window:
    return Window(start=min(one.start, other.start), end=max(one.end, other.end))


@dataclass(frozen=True)
class _Making:
    """The rows of the table as the predictions of a version of theirs make them, on one DuckDB connection.

    `predictions` and, if it is there, `latest` are registered; `fresh` is what `gather` has found.
    """

    project: Project
    lake: Lake
    names: PredictionColumns
    columns: tuple[str, ...]
    connection: duckdb.DuckDBPyConnection

    @classmethod
    def of(cls, project: Project, lake: Lake, connection: duckdb.DuckDBPyConnection) -> _Making:
        """Open both tables."""
        newest = lake.version(TABLE)
        assert newest is not None  # it has commits
        rows = lake.read(TABLE, newest)
        names = PredictionColumns.of(project, rows.schema)
        connection.register("predictions", rows)
        version = lake.version(LATEST)
        if version is not None:
            connection.register("latest", lake.read(LATEST, version))
        columns = tuple(name for name in rows.schema.names if name != names.arm)
        return cls(project, lake, names, columns, connection)

    def rows(self, table: str) -> pa.RecordBatchReader:
        """The rows of a table in the order (event time, key)."""
        order = f"{quote(self.project.dataset.event_time)}, {quote_all(self.project.dataset.key)}"
        found = self.connection.sql(f"SELECT {quote_all(self.columns)} FROM {table} ORDER BY {order}")
        return found.to_arrow_reader(batch_rows(found))

    def gather(self, window: Window | None) -> None:
        """Find what was published for the moments of a window, or for all, and keep it as `fresh`.

        For a moment that is the answer of the champion's newest run over it. Where no commit tells of one, in a table
        that was written by others, that of the highest version. Rows without a key of today's are left out.
        """
        runs = segments(publications(self.lake, self.project.dataset.event_time), window)
        self.connection.register("runs", _table(runs))
        keys = [f"p.{quote(name)}" for name in self.project.dataset.key]
        time, version = (
            f"p.{quote(name)}" for name in (self.project.dataset.event_time, self.names.model_version)
        )
        is_told = f'({time} < r."end" AND {version} = r.version)'
        is_champion = (
            f"coalesce(p.{quote(self.names.arm)}, '{CHAMPION}') = '{CHAMPION}'" if self._has_arm else "true"
        )
        is_untold = f'((r."end" IS NULL OR {time} >= r."end") AND {is_champion})'
        within = "true" if window is None else self._within(window, "p.")
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT {', '.join(f'p.{quote(name)}' for name in self.columns)} "
            f'FROM predictions AS p ASOF LEFT JOIN runs AS r ON {time} >= r."start" '
            f"WHERE {within} AND ({is_told} OR {is_untold}) "
            f"AND ({' OR '.join(f'{key} IS NOT NULL' for key in keys)}) "
            f"QUALIFY row_number() OVER (PARTITION BY {', '.join(keys)} "
            f"ORDER BY r.commit DESC NULLS LAST, {time} DESC NULLS LAST, {version} DESC) = 1"
        )

    def concerns_only(self, window: Window) -> bool:
        """Whether what the window's rows come to changes nothing outside it: then it alone is to be replaced.

        It does where a key has moved from another time to one in the window, or back.
        """
        self.gather(window)
        if self.project.dataset.event_time in self.project.dataset.key:
            return True
        within, elsewhere = self._within(window), f"({self._within(window)}) IS NOT TRUE"
        keys = quote_all(self.project.dataset.key)
        if self._any(f"FROM latest WHERE {elsewhere} AND ({keys}) IN (SELECT ({keys}) FROM fresh)"):
            return False
        left = f"SELECT ({keys}) FROM latest WHERE {within} AND ({keys}) NOT IN (SELECT ({keys}) FROM fresh)"
        if not self._any(f"FROM ({left})"):
            return True
        return not self._any(f"FROM predictions WHERE {elsewhere} AND ({keys}) IN ({left})")

    @property
    def _has_arm(self) -> bool:
        return self.names.arm in self.connection.sql("SELECT * FROM predictions LIMIT 0").columns

    def _within(self, window: Window, of: str = "") -> str:
        time = f"{of}{quote(self.project.dataset.event_time)}"
        start, end = (f"TIMESTAMPTZ {quote_text(end.isoformat())}" for end in (window.start, window.end))
        return f"{time} >= {start} AND {time} < {end}"

    def _any(self, rows: str) -> bool:
        return bool(self.connection.sql(f"SELECT 1 {rows} LIMIT 1").fetchall())


def _table(runs: list[Publication]) -> pa.Table:
    rows: list[dict[str, int | datetime]] = [
        {"start": one.window.start, "end": one.window.end, "version": one.version, "commit": one.commit}
        for one in runs
    ]
    return pa.Table.from_pylist(rows, schema=_RUNS)
