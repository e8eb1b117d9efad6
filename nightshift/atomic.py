"""Files that are there whole or not at all, and disk faults told as what they are."""

from __future__ import annotations

import errno
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from nightshift.errors import OutsideError

_REMEDIES = {
    errno.ENOSPC: "free some space, then run the same command again; nothing was changed",
    errno.EDQUOT: "free some of your quota, then run the same command again; nothing was changed",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), then run the same command again",
    errno.EROFS: "use a store that can be written: set NIGHTSHIFT_HOME or NIGHTSHIFT_STORE",
    errno.EACCES: "give this user the right to write there, or set NIGHTSHIFT_HOME or NIGHTSHIFT_STORE",
    errno.ENOTDIR: "name a folder, not a place below a file: set NIGHTSHIFT_HOME or NIGHTSHIFT_STORE",
    errno.EPERM: "give this user the right to write there, or set NIGHTSHIFT_HOME or NIGHTSHIFT_STORE",
}


@contextmanager
def disk_faults(where: Path | str) -> Iterator[None]:
    """Turn an OSError from writing at `where` into an OutsideError with its remedy."""
    try:
        yield
    except OSError as error:
        raise disk_fault(error, where) from error


def disk_fault(error: OSError, where: Path | str) -> OutsideError:
    """The OutsideError that tells what a failed write means."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    remedy = _REMEDIES.get(error.errno or 0, "look at the disk, then run the same command again")
    return OutsideError(f"cannot write: {reason}", where=str(where), remedy=remedy)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on leaving without an error it takes `path`'s place, synced to disk.

    A folder written under the temporary name replaces a folder. After an error nothing is left behind; a killed
    process leaves a file named `*.partial`, which no reader looks at, and which the next write beside it removes.
    """
    temporary, retired = (
        path.with_name(f".{path.name}.{uuid4().hex[:8]}.{os.getpid()}@{platform.node()}.partial")
        for _ in range(2)
    )
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        try:
            yield temporary
            _sync(temporary)
            if path.is_dir():
                # A folder cannot take another's place, so that one makes way: what takes long comes afterwards.
                path.replace(retired)
            temporary.replace(path)
        finally:
            _remove(temporary)
            _remove(retired)


class Behind:
    """Writes files whose way to the disk is another thread's work: that is what takes long."""

    def __init__(self) -> None:
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk")
        self._under_way: Future[None] | None = None

    def write(self, path: Path, fill: Callable[[Path], None]) -> None:
        """Have `fill` write to a temporary name now; synced to disk, it takes `path`'s place later.

        Raises:
            OutsideError: it cannot be written. Of what was written before, `settle` tells.
        """
        with ExitStack() as writing:
            fill(writing.enter_context(replacing(path)))
            self._under_way = self._disk.submit(writing.pop_all().close)

    def settle(self) -> None:
        """Wait until what was written is in its place.

        Raises:
            OutsideError: it could not be put there; what was there before still is.
        """
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def finish(self) -> None:
        """Let the thread go; see `settle`."""
        try:
            self.settle()
        finally:
            self._disk.shutdown()


def _sweep(folder: Path) -> None:
    """Remove what processes of this machine left half-written in `folder` when they were killed."""
    left = list(folder.glob(f".*@{platform.node()}.partial"))
    if not left:
        return
    import psutil  # only now: most folders hold nothing half-written

    for path in left:
        pid = path.name.removesuffix(f"@{platform.node()}.partial").rpartition(".")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            with suppress(FileNotFoundError):  # another process is at it too
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def keep_newest(folders: Iterable[Path], most: int) -> None:
    """Remove all but the `most` folders that were changed last."""
    for old in sorted(folders, key=lambda path: path.stat().st_mtime_ns, reverse=True)[most:]:
        shutil.rmtree(old)


def _sync(path: Path) -> None:
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
