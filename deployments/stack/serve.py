"""The program of both servers: Prefect's or MLflow's own application behind the door, on one loopback port."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from deployments.stack.access import Access
from deployments.stack.channel import App
from deployments.stack.door import Door
from deployments.stack.servers import HOST, MLFLOW, PREFECT
from deployments.stack.visitor import declared_hosts
from nightshift.settings import Settings


@dataclass(frozen=True)
class Served:
    """An application to put behind the door.

    Attributes:
        app: it.
        is_page: whether a path leads to a page, which a link from elsewhere may open.
        options: what uvicorn is told of it.
    """

    app: App
    is_page: Callable[[str], bool]
    options: dict[str, Any] = field(default_factory=dict)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("server", choices=sorted(_SERVED))
    arguments.add_argument("--port", type=int, required=True)
    given = arguments.parse_args()
    settings = Settings()
    served = _SERVED[given.server](settings)
    uvicorn.run(
        Door(served.app, Access(settings.home_path), served.is_page, declared_hosts(settings.hosts)),
        host=HOST,
        port=given.port,
        # Its lines hold whole addresses, and so the token of one that logs a browser in.
        access_log=False,
        # What a proxy adds of its own could be added by anyone; the door knows by the name how it was reached.
        proxy_headers=False,
        **served.options,
    )


def _prefect(settings: Settings) -> Served:
    """What `prefect server start` serves: with all its services, without which no schedule fires."""
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    server = get_current_settings().server
    options = {
        "log_level": server.logging_level.lower(),
        "timeout_keep_alive": server.api.keepalive_timeout,
        "ws_ping_interval": server.api.websocket_ping_interval,
        "ws_ping_timeout": server.api.websocket_ping_timeout,
    }
    return Served(create_app(final=True), lambda path: not path.startswith("/api/"), options)


def _mlflow(settings: Settings) -> Served:
    """What `mlflow server` serves, without the process of its own that watches over it."""
    from registry.pages import LOGGING, application

    # Its pages all have the address "/": what they show stands behind the #.
    return Served(
        application(settings),
        lambda path: path == "/",
        {"log_config": LOGGING, "timeout_graceful_shutdown": 5},
    )


_SERVED = {PREFECT.name: _prefect, MLFLOW.name: _mlflow}

if __name__ == "__main__":
    main()
