"""Run dataset.sql and put its rows, ordered, on local disk: the step before quality looks at them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from nightshift.atomic import replacing
from nightshift.cost.meter import Meter
from nightshift.dataset.query import DatasetQuery
from nightshift.dataset.times import refuse_times_out_of_range
from nightshift.engine import engine, reaches_out, refused_sql
from nightshift.errors import DataRefusedError, NightshiftError, OutsideError
from nightshift.records import Staged, Window
from nightshift.settings import Settings
from nightshift.sources.registry import fingerprints, located
from nightshift.spec.project import Project, digest

logger = logging.getLogger(__name__)

_KEPT_FILES = 4

NO_EVENT_TIME = "no_event_time"
"""Why a row is outside every window; see `Outside`."""


def fingerprint_of(project: Project, window: Window, settings: Settings) -> str:
    """A mark of everything that the window's rows depend on: sources, SQL, declaration and window; reads no rows.

    Raises:
        RequestError: a source is not there.
    """
    declared = project.dataset.model_dump(mode="json")
    return digest(declared, project.sql_text, fingerprints(project, settings), str(window))


def staged_path(project: str, fingerprint: str, settings: Settings) -> Path:
    """Where the rows with this fingerprint are, or would be, on local disk."""
    return settings.scratch_path / project / "staged" / f"{fingerprint[:24]}.arrow"


def is_readable(staged: Staged) -> bool:
    """Whether the staged rows are where they were put, whole."""
    try:
        with pa.memory_map(staged.path) as file:
            return int(pa.ipc.open_file(file).num_record_batches) > 0
    except (OSError, pa.ArrowInvalid):
        return False


def stage(project: Project, window: Window, fingerprint: str, settings: Settings) -> Staged:
    """Write the window's rows to an Arrow IPC file, streamed and in the order (event time, key).

    Args:
        fingerprint: a mark of everything the rows depend on; names the file.

    Raises:
        RequestError: a source, the SQL or a declared column is wrong.
        DataRefusedError: a file cannot be read, the SQL fails on a value, or the window has no rows.
        OutsideError: the disk failed.
    """
    meter = Meter()
    path = staged_path(project.name, fingerprint, settings)
    with engine(settings) as connection:
        query = DatasetQuery(project, settings, connection)
        with replacing(path) as temporary:
            try:
                rows, timeless = _write(query, window, temporary)
                timeless = max(timeless, query.count_dropped())
            except (duckdb.Error, pa.ArrowException) as error:
                raise _explained(error, query, window) from error
            if rows == 0:
                raise _no_rows(query, window)
    _forget_older(path)
    cost = meter.so_far(rows=rows)
    logger.info("ingest: %s rows of %s in %.1f s", f"{rows:,}", window, cost.wall_s)
    if timeless:
        logger.warning("ingest: %s rows have no event time, and so are in no window", f"{timeless:,}")
    return Staged(
        project=project.name,
        window=window,
        fingerprint=fingerprint,
        path=str(path),
        rows=rows,
        outside={NO_EVENT_TIME: timeless} if timeless else {},
        seconds=cost.wall_s,
        cost=cost,
    )


def count_before(project: Project, moment: datetime, settings: Settings) -> int:
    """How many rows the sources have of event times before `moment`.

    Raises:
        RequestError: a source or the SQL is wrong.
        DataRefusedError: a file cannot be read, or the SQL fails on a value.
    """
    window = Window(start=datetime(1, 1, 2, tzinfo=UTC), end=moment)
    with engine(settings) as connection:
        query = DatasetQuery(project, settings, connection)
        try:
            return query.count(window)
        except (duckdb.Error, pa.ArrowException) as error:
            raise _explained(error, query, window) from error


def open_staged(staged: Staged) -> pa.ipc.RecordBatchFileReader:
    """Staged rows, mapped and unread.

    Raises:
        DataRefusedError: the file is gone, or holds something else.
    """
    try:
        return pa.ipc.open_file(pa.memory_map(staged.path))
    except (OSError, pa.ArrowException) as error:
        raise DataRefusedError(
            f"the staged rows cannot be read: {error}", where=staged.path,
            remedy="remove the file, and run the same command again: it is made anew",
        ) from error  # fmt: skip


def _write(query: DatasetQuery, window: Window, path: Path) -> tuple[int, int]:
    """Write the window's rows; how many they are, and how many others have no event time."""
    rows = timeless = 0
    reader, event_time = query.rows(window), query.project.dataset.event_time
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, reader.schema) as writer:
        for batch in reader:
            nulls = batch[event_time].null_count
            if nulls:
                timeless += nulls
                batch = batch.filter(batch[event_time].is_valid())
            if not batch.num_rows:
                continue
            refuse_times_out_of_range(batch, query.where)
            writer.write_batch(batch)
            rows += batch.num_rows
            logger.debug("ingest: %s rows", f"{rows:,}", extra={"step": "ingest", "done": rows})
    return rows, timeless


def _explained(error: Exception, query: DatasetQuery, window: Window) -> NightshiftError:
    """What a failure in mid-stream means: a file that cannot be read, too little disk or memory, or a value."""
    if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException):
        return OutsideError(
            f"DuckDB ran out of room: {error}",
            where="NIGHTSHIFT_MEMORY_LIMIT and the scratch folder",
            remedy="free some disk space, or raise NIGHTSHIFT_MEMORY_LIMIT",
        )
    if isinstance(error, duckdb.Error) and reaches_out(error):
        return refused_sql(
            error, "the SQL", where=f"project {query.project.name}: {query.project.dataset.sql}", remedy=""
        )
    for name, source in query.sources.items():
        fault = source.fault()
        if fault is not None:
            return located(fault, query.project, name)
    return query.misfit(window) or DataRefusedError(
        f"the SQL fails on a value of the sources: {error}",
        where=f"project {query.project.name}: {query.project.dataset.sql}",
        remedy="use try_cast, or a where clause that leaves such rows out",
    )


def _no_rows(query: DatasetQuery, window: Window) -> DataRefusedError:
    extent = query.extent()
    if extent is None:
        remedy = "the dataset is empty: look at the sources and at the SQL's where clause"
    else:
        remedy = f"the dataset has rows from {extent[0]} to {extent[1]}: choose a window or an as-of in it"
    return DataRefusedError(
        f"the window {window} has no rows", where=f"project {query.project.name}", remedy=remedy
    )


def _forget_older(path: Path) -> None:
    """Keep only the newest few staged files of a project: they can all be made again."""
    files = sorted(path.parent.glob("*.arrow"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for old in files[_KEPT_FILES:]:
        old.unlink(missing_ok=True)
