"""The steps that take one service from wherever it is to answering, or to an error with its last words."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Generator
from pathlib import Path

from deployments.stack import health, process, record
from deployments.stack.access import Access
from deployments.stack.record import Record
from deployments.stack.servers import HOST, Server
from nightshift.atomic import disk_faults
from nightshift.errors import OutsideError
from nightshift.settings import Settings

START_SECONDS = 90.0
"""How long a server may take until it answers."""

_BUSY_SECONDS = 30.0
_REPORT_SECONDS = 10.0
# Below what systems hand out to outgoing connections: no client may take the port of a server that is down.
_PORTS = range(20000, 32768)
_LAST_LINES = 15

Steps = Generator[None, None, bool]


def bring_up(
    server: Server,
    settings: Settings,
    report: Callable[[str], None],
    prepare: Callable[[Settings], object] | None,
) -> Generator[None, None, None]:
    """Find the server or start it, yielding while there is nothing to do but wait. To be run under the lock.

    Raises:
        OutsideError: it died or did not answer in time, and was stopped.
    """
    known = record.read(settings.home_path).get(server.name)
    if health.is_up(server, settings, known):
        return
    if known and health.is_current(server, settings, known) and health.find(server, settings, known):
        # Still starting, because the command that started it was interrupted; or alive and very busy.
        patience = max((known.created or 0.0) + START_SECONDS - time.time(), _BUSY_SECONDS)
        if (yield from _until_up(server, settings, known, patience, report)):
            return
        report(f"{server.name}: does not answer, restarting it")
    # Also what a crash has left of it: children that outlived it, or a server whose record was lost.
    process.stop({server.mark(settings)})
    if prepare:
        prepare(settings)
    started = _launch(server, settings, known)
    report(f"{server.name}: starting on port {started.port}")
    if not (yield from _until_up(server, settings, started, START_SECONDS, report)):
        failure = _failure(server, settings, started)
        process.stop({server.mark(settings)})
        raise failure


def _launch(server: Server, settings: Settings, known: Record | None) -> Record:
    log = server.log(settings)
    port = _free_port(settings, known)
    folder = server.folder(settings)
    with disk_faults(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
    if folder:
        with disk_faults(folder):
            # A database in it may hold secrets.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Access(settings.home_path).make_secret()
    pid = process.launch(server.command(settings, port), server.full_environment(settings, port), folder, log)
    started = Record(
        port, server.url(settings, port), str(log), pid, process.created(pid),
        is_guarded=True, is_embedded=settings.mlflow_tracking_uri is None,
    )  # fmt: skip
    # Written before it answers: a command that is interrupted from here on leaves a server that is known.
    record.write(settings.home_path, server.name, started)
    return started


def _until_up(
    server: Server, settings: Settings, started: Record, patience: float, report: Callable[[str], None]
) -> Steps:
    """Yield until the server is up (True), has ended, or has used up the seconds of patience (False)."""
    begin = time.monotonic()
    next_report = begin + _REPORT_SECONDS
    while not health.is_up(server, settings, started):
        now = time.monotonic()
        if now - begin > patience or health.find(server, settings, started) is None:
            return False
        if now > next_report:
            report(f"{server.name}: not ready after {now - begin:.0f} s, waiting")
            next_report = now + _REPORT_SECONDS
        yield
    report(f"{server.name}: up after {time.monotonic() - begin:.1f} s at {started.url}")
    return True


def _failure(server: Server, settings: Settings, started: Record) -> OutsideError:
    died = health.find(server, settings, started) is None
    what, remedy = (
        (f"the local {server.name} died at its start", "mend what its log complains of")
        if died
        else (
            f"the local {server.name} did not answer within {START_SECONDS:.0f} seconds",
            "see whether the machine is overloaded",
        )
    )
    lines = Path(started.log).read_text(errors="replace").rstrip().splitlines()
    last_words = "\n".join(f"    {line}" for line in lines[-_LAST_LINES:])
    return OutsideError(
        f"{what}; the end of its log:\n{last_words}" if lines else f"{what}, and wrote nothing to its log",
        where=started.log,
        remedy=f"{remedy}, then run: nightshift up",
    )


def _free_port(settings: Settings, known: Record | None) -> int:
    """The port it had before if nobody has taken it, or one that is free and not the other server's."""
    taken = {each.port for each in record.read(settings.home_path).values()}
    if known and _is_free(known.port):
        return known.port
    for port in random.sample(_PORTS, len(_PORTS)):
        if port not in taken and _is_free(port):
            return port
    raise OutsideError(
        f"no port of {HOST} between {_PORTS.start} and {_PORTS.stop - 1} is free",
        remedy="end what uses them, or set PREFECT_API_URL and MLFLOW_TRACKING_URI to other servers",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port whose last connections are still closing is free to them.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
