"""The processes of the stack: started as daemons, known by pid, start time and mark, stopped to the last."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nightshift.atomic import disk_faults
from nightshift.errors import OutsideError

if TYPE_CHECKING:
    import psutil

MARK = "NIGHTSHIFT_STACK"
"""The environment variable that says whose server a process is; its children inherit it."""

_TERM_GRACE_SECONDS = 10.0
_KILL_GRACE_SECONDS = 5.0
_CLOCK_TOLERANCE_SECONDS = 1.0


def launch(command: Sequence[str], environment: Mapping[str, str], folder: Path | None, log: Path) -> int:
    """Start `command` in a session of its own, detached, and return its pid.

    Raises:
        OutsideError: the log cannot be written or the process cannot be made.
    """
    # -I and -S: the script needs nothing but the standard library, and starts in a few milliseconds.
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), *command]
    with disk_faults(log), log.open("ab") as output:
        try:
            done = subprocess.run(
                launcher,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise OutsideError(
                f"no process could be started ({error}) for: {' '.join(command)}",
                where=str(log),
                remedy="read the log, and see whether the limit on processes is reached: ulimit -u",
            ) from error
    return int(done.stdout)


def find(pid: int, created: float | None, mark: str) -> psutil.Process | None:
    """The process that was started as `pid` at `created`, if it still runs and its pid went to no other."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        same_start = created is not None and abs(process.create_time() - created) < _CLOCK_TOLERANCE_SECONDS
        # Start times are told from the wall clock, and all move when it is set; the mark does not.
        return process if same_start or _mark(process) == mark else None
    except psutil.Error:
        # Gone, or somebody else's.
        return None


def created(pid: int) -> float | None:
    """When the process began, in seconds since the epoch; None if it is gone."""
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def listens(process: psutil.Process, port: int) -> bool:
    """Whether the process or one of its children is the one that listens on `port`."""
    import psutil

    try:
        return _has_listener(process, port) or any(
            _has_listener(child, port) for child in process.children(recursive=True)
        )
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        # Some systems show nobody's sockets; there the answer on the port has to do.
        return True


def family(marks: Collection[str]) -> list[psutil.Process]:
    """Every process that carries one of the marks, and all their children, orphans among them."""
    import psutil

    marked = [process for process in psutil.process_iter() if _mark(process) in marks]
    found = {process.pid: process for process in marked}
    for process in marked:
        with suppress(psutil.NoSuchProcess):
            found |= {child.pid: child for child in process.children(recursive=True)}
    return [process for process in found.values() if not _is_gone(process)]


def stop(marks: Collection[str]) -> None:
    """End every process that carries one of the marks: SIGTERM, and SIGKILL for what is left after a grace.

    Raises:
        OutsideError: a process survived both.
    """
    import psutil

    members = family(marks)
    for end, grace in (
        (psutil.Process.terminate, _TERM_GRACE_SECONDS),
        (psutil.Process.kill, _KILL_GRACE_SECONDS),
    ):
        for member in members:
            with suppress(psutil.NoSuchProcess):
                end(member)
        deadline = time.monotonic() + grace
        while members and time.monotonic() < deadline:
            time.sleep(0.05)
            members = [member for member in members if not _is_gone(member)]
        # Asked anew: a server may have started a child while it was being stopped.
        members = family(marks)
        if not members:
            return
    raise OutsideError(
        "these processes of the local stack did not end: " + ", ".join(str(member.pid) for member in members),
        remedy="end them by hand: kill -9 " + " ".join(str(member.pid) for member in members),
    )


def _mark(process: psutil.Process) -> str | None:
    import psutil

    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        # Somebody else's process, or one that has just ended: neither is ours.
        return None


def _has_listener(process: psutil.Process, port: int) -> bool:
    import psutil

    return any(
        connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        for connection in process.net_connections(kind="tcp4")
    )


def _is_gone(process: psutil.Process) -> bool:
    import psutil

    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
