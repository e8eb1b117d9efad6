"""The worker of the stack: the process that takes up the runs of the work pool, on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deployments.stack import record
from deployments.stack.access import USER, Access
from deployments.stack.clients import client_defaults
from deployments.stack.servers import HOST, PREFECT, Server
from nightshift.settings import Settings

POOL = "nightshift"
"""The work pool that the deployments of prefect.yaml name."""

HOLDER = "worker"
"""Whose pass it is that the worker and its runs show to the server."""

HEARTBEAT_SECONDS = 30
"""How often a run that the worker started says that it lives."""

LOGGING = Path("prefect", "worker-logging.yml")
"""What the worker's runs log, and where to: a file under the home, which the worker writes."""

_QUERY_SECONDS = 5
_FOR_EVER = "-1"


def _command(settings: Settings, port: int) -> list[str]:
    # More runs at once than processors only slow each other down; one more slot lets a short run pass a long one.
    limit = max(2, os.cpu_count() or 1)
    return [sys.executable, "-m", "deployments.stack.work", "--limit", str(limit)]


def _environment(settings: Settings, port: int) -> dict[str, str]:
    passes = Access(settings.home_path).passes
    # The worker before it and all its runs have ended.
    passes.withdraw(HOLDER)
    return {
        # Not the secret: a new one must not end the runs that are under way.
        "PREFECT_API_AUTH_STRING": f"{USER}:{passes.issue(HOLDER)}",
        # Absolute, since a run may start in another folder than the command that reads them did.
        "NIGHTSHIFT_HOME": str(settings.home_path),
        "NIGHTSHIFT_PROJECTS": str(settings.projects.expanduser().absolute()),
        **({"NIGHTSHIFT_STORE": _absolute(settings.store)} if settings.store else {}),
        **({"NIGHTSHIFT_DATA": _absolute(settings.data)} if settings.data else {}),
        # A run that nobody looks at waits for its turn instead of being refused.
        "NIGHTSHIFT_WAIT_SECONDS": _FOR_EVER,
        "PREFECT_API_URL": _api(settings),
        "PREFECT_WORKER_WEBSERVER_HOST": HOST,
        "PREFECT_WORKER_WEBSERVER_PORT": str(port),
        "PREFECT_WORKER_QUERY_SECONDS": str(_QUERY_SECONDS),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_LOGGING_SETTINGS_PATH": str(settings.home_path / LOGGING),
    }


def _api(settings: Settings) -> str:
    known = record.read(settings.home_path).get(PREFECT.name)
    return known.url if known else ""


def _absolute(place: str) -> str:
    return place if "://" in place else str(Path(place).expanduser().absolute())


WORKER = Server(
    name="worker",
    api_path="",
    health_path="/health",
    command=_command,
    environment=_environment,
    # It runs what a user would run: with all that the user has set.
    owns=(),
    keeps=(),
    # Where `up` was called: what a project's paths and the tracking URI are relative to.
    folder=lambda settings: None,
    external=lambda settings: settings.prefect_api_url,
    defaults=client_defaults,
    works_for=_api,
    page_path="/work-pools",
)
