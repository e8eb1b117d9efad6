"""One run at a time of one kind for one project: a lock that dies with its process."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from nightshift.atomic import disk_faults
from nightshift.errors import TransientError
from nightshift.settings import Settings

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.5


@contextmanager
def only_one(activity: str, project: str, settings: Settings, mark: str = "") -> Iterator[None]:
    """Hold the right to do `activity` on `project`, waiting for it as long as the settings say.

    Args:
        mark: of what is done; what has another mark may be done at the same time. Without one nothing may.

    Raises:
        TransientError: another process is doing it now, and still was when the time was up; the error says which
            and since when.
    """
    path = settings.home_path / "locks" / f"{project}.{activity}{mark and '-'}{mark}.lock"
    running = f"another {activity} of {project!r} is running{mark and f', with the same mark {mark}'}"
    holder = path.with_suffix(".holder")
    lock = FileLock(path)
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _acquire(lock, running, holder, settings.wait_seconds)
        except Timeout as error:
            raise TransientError(
                f"{running} ({_told_by(holder)})",
                where=str(path),
                remedy="wait until it ends, or stop it, then run this again",
            ) from error
    try:
        with disk_faults(path):
            holder.write_text(f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        yield
    finally:
        with disk_faults(path):
            holder.unlink(missing_ok=True)
            if mark:
                # Marks are many. Whoever waits finds that the file it has locked has no name any more, and tries again.
                path.unlink(missing_ok=True)
            lock.release()


def _acquire(lock: FileLock, reason: str, holder: Path, seconds: float) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not seconds:
            raise
        logger.info("%s (%s): waiting for it to end", reason, _told_by(holder))
        lock.acquire(timeout=seconds, poll_interval=_POLL_SECONDS)


def _told_by(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "it started just now"
