"""Bring the stack up, say how it is, take it down: one lock for all that changes it, none for looking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain

from deployments.stack import health, process, record
from deployments.stack.access import Access
from deployments.stack.record import Record
from deployments.stack.servers import MLFLOW, PREFECT, Server
from deployments.stack.worker import HOLDER, WORKER
from nightshift.atomic import disk_faults
from nightshift.errors import OutsideError, TransientError
from nightshift.settings import Settings

LOCK_SECONDS = 120.0
"""How long to wait for another command that starts or stops the stack."""

_POLL_SECONDS = 0.1

_SERVICES = (PREFECT, MLFLOW, WORKER)

Report = Callable[[str], None]
Prepare = Callable[[Settings], object]


@dataclass(frozen=True)
class Service:
    """One service of the stack, as it is now.

    Attributes:
        name: `prefect`, `mlflow` or `worker`.
        url: what clients are given (PREFECT_API_URL, MLFLOW_TRACKING_URI), for the worker the API that it takes
            runs from; empty if it was never started.
        pid: None if it does not run, or is somebody else's.
        healthy: whether it answers.
        page_path: what follows the server's address on the page that shows the service.
    """

    name: str
    url: str
    pid: int | None
    healthy: bool
    page_path: str = ""

    @property
    def page(self) -> str:
        """The address to open in a browser."""
        return self.url and self.url.removesuffix("/").removesuffix("/api") + self.page_path


def up(
    settings: Settings, on_progress: Report = lambda message: None, *, prepare_mlflow: Prepare | None = None
) -> list[Service]:
    """Start what does not run, both servers at once and the worker after its server; return when all answer.

    Args:
        settings: whose home the stack belongs to, and which servers are somebody else's.
        on_progress: told what is being waited for.
        prepare_mlflow: called before an MLflow server is started. A fresh SQLite that a server and its
            clients open at the same moment crashes one of them: creating its tables, under the lock that
            clients take for it, belongs here.

    Raises:
        OutsideError: one died or did not answer in time; the others are left running.
        TransientError: another command holds the stack.
    """
    known = record.read(settings.home_path)
    local = {server.name for server in _SERVICES if not _external(server, settings, known)}
    lines = [[server for server in line if server.name in local] for line in ((PREFECT, WORKER), (MLFLOW,))]
    if local:
        with _held(settings):
            _bring_up([line for line in lines if line], settings, on_progress, prepare_mlflow)
            Access(settings.home_path).make_secret()  # of servers that run, and whose file was removed
    return status(settings)


def down(settings: Settings) -> list[Service]:
    """Stop the worker and both servers with all their children, and return those that ran.

    Raises:
        OutsideError: a process survived even SIGKILL.
        TransientError: another command holds the stack.
    """
    home = settings.home_path
    if not home.exists():
        return []
    with _held(settings):
        known = record.read(home)
        running = [server for server in _SERVICES if process.family({server.mark(settings)})]
        # The worker first: its runs tell the server how they ended.
        for group in ([WORKER], [PREFECT, MLFLOW]):
            process.stop({server.mark(settings) for server in group if server in running})
        stopped = []
        for server in running:
            last = known.get(server.name) or Record(port=0, url="", log=str(server.log(settings)))
            stopped.append(Service(server.name, last.url, last.pid, healthy=False))
            if server.name in known:
                record.write(home, server.name, replace(last, pid=None, created=None))
        Access(home).passes.withdraw(HOLDER)
    return stopped


def status(settings: Settings) -> list[Service]:
    """Every service as it is now, without a worker where the server is somebody else's, who has his own.

    Starts nothing, and waits for nothing but their answers.
    """
    known = record.read(settings.home_path)
    shown = (PREFECT, MLFLOW) if _external(WORKER, settings, known) else _SERVICES
    return [_look(server, settings, known) for server in shown]


def ensure_prefect(settings: Settings, on_progress: Report = lambda message: None) -> str:
    """The URL of the Prefect API to use: the one that is set, or the local server's, started if need be.

    Args:
        settings: whose home the server belongs to, and whether it is somebody else's.
        on_progress: told what is being waited for, if anything is.

    Raises:
        OutsideError: the server died or did not answer in time.
        TransientError: another command holds the stack.
    """
    records = record.read(settings.home_path)
    if external := _external(PREFECT, settings, records):
        return external
    known = records.get(PREFECT.name)
    if known and health.is_up(PREFECT, settings, known):
        return known.url
    with _held(settings):
        _bring_up([[PREFECT]], settings, on_progress, None)
        return record.read(settings.home_path)[PREFECT.name].url


def is_own(url: str, settings: Settings) -> bool:
    """Whether this is the address of one of the local servers of this home, as they were last started."""
    known = record.read(settings.home_path)
    return url.rstrip("/") in {known[each.name].url for each in (PREFECT, MLFLOW) if each.name in known}


def _external(server: Server, settings: Settings, records: Mapping[str, Record]) -> str | None:
    """The URL that the settings name, unless it is the local server's own, exported for other clients."""
    url = server.external(settings)
    own = records.get((PREFECT if server is WORKER else server).name)
    is_own = own is not None and url is not None and url.rstrip("/") == own.url
    return None if is_own else url


def _look(server: Server, settings: Settings, records: Mapping[str, Record]) -> Service:
    known = records.get(server.name)
    if external := _external(server, settings, records):
        answers = health.answers(external.rstrip("/") + server.health_path)
        return Service(server.name, external, None, healthy=answers)
    running = health.find(server, settings, known)
    return Service(
        server.name,
        url=known.url if known else "",
        pid=running.pid if running else None,
        healthy=health.is_up(server, settings, known),
        page_path=server.page_path,
    )


@contextmanager
def _held(settings: Settings) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path = settings.home_path / "locks" / "stack.lock"
    lock = FileLock(path)
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout as error:
            raise TransientError(
                f"another command has held the local stack for {LOCK_SECONDS:.0f} seconds",
                where=str(path),
                remedy="wait for it to end and try again; see what runs with: nightshift status",
            ) from error
    try:
        yield
    finally:
        lock.release()


def _bring_up(
    lines: Iterable[Sequence[Server]], settings: Settings, report: Report, prepare_mlflow: Prepare | None
) -> None:
    """Take each line's services, one after the other, through their steps, until all are up or have failed."""
    # Imported here: a call that finds the server running needs none of it.
    from deployments.stack import start

    pending = {
        line[0].name: chain.from_iterable(
            start.bring_up(server, settings, report, prepare_mlflow if server is MLFLOW else None)
            for server in line
        )
        for line in lines
    }
    failures: list[OutsideError] = []
    while pending:
        for name, steps in list(pending.items()):
            try:
                next(steps)
            except StopIteration:
                del pending[name]
            except OutsideError as error:
                del pending[name]
                failures.append(error)
        if pending:
            time.sleep(_POLL_SECONDS)
    if len(failures) > 1:
        raise OutsideError(
            "\n".join(dict.fromkeys(failure.what for failure in failures)),
            where=", ".join(dict.fromkeys(failure.where for failure in failures)),
            remedy=failures[0].remedy,
        )
    if failures:
        raise failures[0]
