"""Whether a server is up: its process is ours and alive, it is the one that listens, and it answers."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from deployments.stack import process
from deployments.stack.record import Record
from deployments.stack.servers import HOST, Server
from nightshift.settings import Settings

if TYPE_CHECKING:
    import psutil

_ANSWER_SECONDS = 2.0
_FAR_ANSWER_SECONDS = 5.0


def find(server: Server, settings: Settings, known: Record | None) -> psutil.Process | None:
    """The process of the server that the record speaks of, unless it has ended."""
    if known is None or known.pid is None:
        return None
    return process.find(known.pid, known.created, server.mark(settings))


def is_current(server: Server, settings: Settings, known: Record) -> bool:
    """Whether it was started as it would be now: a worker polls one address, and its server may move."""
    return known.is_guarded and known.url == server.url(settings, known.port)


def is_up(server: Server, settings: Settings, known: Record | None) -> bool:
    """Whether the recorded server runs and answers."""
    running = find(server, settings, known)
    # The port may have gone to a server of another home, which would answer as well.
    return (
        known is not None
        and running is not None
        and is_current(server, settings, known)
        and _answers(known.port, server.api_path + server.health_path)
        and process.listens(running, known.port)
    )


def answers(url: str) -> bool:
    """Whether a server that somebody else looks after answers, be it to say that we may not ask."""
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_FAR_ANSWER_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        return error.code < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
    try:
        # Without the secret: whoever has taken the port of a server that died must not learn it.
        connection.request("GET", path)
        return connection.getresponse().status in (http.client.OK, http.client.UNAUTHORIZED)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
