"""Clean up after a project: rows that no model version was made of, trainings given up, working files."""

from __future__ import annotations

import logging
import shutil
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nightshift.atomic import disk_faults
from nightshift.checkpoints.keeper import FOLDER as CHECKPOINTS
from nightshift.lake.audit import AUDIT
from nightshift.lake.tables import Lake
from nightshift.lake.vacuum import Freed, tables_of, vacuum
from nightshift.locks import only_one
from nightshift.records import Record
from nightshift.settings import Settings
from nightshift.store.open import open_store

logger = logging.getLogger(__name__)

# What keeps working files open for long, and rows that no version names yet.
_LONG_RUNS = ("train", "tune", "reproduce")


class Cleaned(Record):
    """What was taken away of a project, or would be: by table of the lake, and of `checkpoints` and `scratch`.

    Attributes:
        kept_versions: how many versions of the dataset stay because model versions were made of them; None when no
            model version is known, so that nothing of the dataset was looked at.
    """

    project: str
    freed: dict[str, Freed]
    kept_versions: int | None

    @property
    def total(self) -> Freed:
        """All of it together."""
        return sum(self.freed.values(), Freed())


def known_projects(settings: Settings) -> list[str]:
    """Every project that has left anything in the store or among the working files, declared or not."""
    roots = (Path(Lake.of("", settings).root) / "lake", settings.scratch_path)
    found = {path.name for root in roots if root.is_dir() for path in root.iterdir() if path.is_dir()}
    found |= {name.split("/")[1] for name in open_store(settings).names(CHECKPOINTS)}
    return sorted(found - {"spill"})


def clean(
    project: str,
    needed: frozenset[int] | None,
    older_than: timedelta,
    settings: Settings,
    *,
    dry_run: bool = False,
) -> Cleaned:
    """Remove what nobody needs any more of a project; nothing that was used more recently than `older_than`.

    Args:
        needed: the versions of the dataset that model versions were made of; none when the registry knows none, which
            may as well mean that it is another registry, and None when a version cannot be read: then the dataset is
            left alone.

    Raises:
        TransientError: a training, a search or a reproduction of the project is running.
        OutsideError: something cannot be removed.
    """
    lake = Lake.of(project, settings)
    tables = tables_of(lake)
    with ExitStack() as held:
        for activity in _LONG_RUNS:
            held.enter_context(only_one(activity, project, settings))
        freed = {
            table: vacuum(
                lake, table, (needed or ()) if table == "dataset" else (), older_than, dry_run=dry_run
            )
            for table in tables
            if table != AUDIT and (needed or table != "dataset")
        }
        freed["checkpoints"] = _checkpoints(project, older_than, settings, dry_run=dry_run)
        freed["scratch"] = _scratch(project, older_than, settings, dry_run=dry_run)
    if not needed and "dataset" in tables:
        why = "some version of %s cannot be read" if needed is None else "no version of %s is registered"
        logger.warning(f"gc: {why} in %s: all rows of its dataset are kept", project, settings.tracking_uri)
    cleaned = Cleaned(project=project, freed=freed, kept_versions=len(needed) if needed else None)
    logger.info("gc: %s: %d files", project, cleaned.total.files)
    return cleaned


def _checkpoints(project: str, older_than: timedelta, settings: Settings, *, dry_run: bool) -> Freed:
    """Those of trainings that nobody has gone on with."""
    store, freed = open_store(settings), Freed()
    runs: dict[str, list[str]] = {}
    for name in store.names(f"{CHECKPOINTS}/{project}"):
        runs.setdefault(name.rpartition("/")[0], []).append(name)
    for names in runs.values():
        found = [store.about(name) for name in names]
        if _is_old(max(one.written_at for one in found), older_than):
            freed += Freed(files=len(names), bytes=sum(one.bytes for one in found))
            for name in names if not dry_run else ():
                store.remove(name)
    return freed


def _scratch(project: str, older_than: timedelta, settings: Settings, *, dry_run: bool) -> Freed:
    """Working files, which can all be made again."""
    freed = Freed()
    for path in (settings.scratch_path / project).glob("*/*"):
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        stats = [file.stat() for file in files]
        newest = max((stat.st_mtime for stat in stats), default=path.stat().st_mtime)
        if _is_old(datetime.fromtimestamp(newest, UTC), older_than):
            freed += Freed(files=len(files), bytes=sum(stat.st_size for stat in stats))
            if not dry_run:
                _remove(path)
    return freed


def _is_old(moment: datetime, older_than: timedelta) -> bool:
    return datetime.now(UTC) - moment > older_than


def _remove(path: Path) -> None:
    with disk_faults(path):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
