"""The services of the stack and its two servers: the command, the environment and the health check of each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.stack.process import MARK
from nightshift.errors import RequestError
from nightshift.settings import Settings, exported, sqlite_url

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Server:
    """How one service is started and recognised.

    Attributes:
        api_path: what follows host and port in the URL that clients are given.
        health_path: what follows host, port and `api_path`, and answers 200 when the service is ready.
        command: the command line, given the port.
        environment: what is set for it, given the port.
        keeps: which inherited variables whose name begins with `owns` it may see, by their beginning.
        owns: the beginning of the variables that configure this server or its clients.
        folder: the working directory; None for the caller's.
        refuses: inherited variables that it never sees.
        external: the URL of the server that the settings name instead of a local one.
        defaults: what is set for it unless the caller's environment sets it.
        works_for: the URL of the API that it takes its work from, for what is no server itself.
        page_path: what follows that server's address on the page that shows the service to a person.
    """

    name: str
    api_path: str
    health_path: str
    command: Callable[[Settings, int], list[str]]
    environment: Callable[[Settings, int], dict[str, str]]
    owns: tuple[str, ...]
    keeps: tuple[str, ...]
    folder: Callable[[Settings], Path | None]
    external: Callable[[Settings], str | None]
    refuses: tuple[str, ...] = ()
    defaults: Callable[[Settings], dict[str, str]] = lambda settings: {}
    works_for: Callable[[Settings], str] | None = None
    page_path: str = ""

    def url(self, settings: Settings, port: int) -> str:
        """The address clients are given; for what is no server itself, that of the API it works for."""
        return self.works_for(settings) if self.works_for else f"http://{HOST}:{port}{self.api_path}"

    def mark(self, settings: Settings) -> str:
        """What every process of this server carries in its environment, and no other process does."""
        return f"{self.name}@{settings.home_path.resolve()}"

    def log(self, settings: Settings) -> Path:
        """Where its stdout and stderr go."""
        return settings.home_path / "logs" / f"{self.name}.log"

    def full_environment(self, settings: Settings, port: int) -> dict[str, str]:
        """The caller's environment, less what configures clients, and what this service needs."""
        inherited: Mapping[str, str] = os.environ  # noqa: TID251 (handed on to a child, not read)
        kept = {
            name: value
            for name, value in inherited.items()
            if (not name.startswith(self.owns) or name.startswith(self.keeps)) and name not in self.refuses
        }
        # Safe path: `python -m` would put the working directory, with whatever modules lie there, first.
        common = {"DO_NOT_TRACK": "true", "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
        own = self.environment(settings, port) | {MARK: self.mark(settings)}
        return self.defaults(settings) | kept | common | own


def _command(name: str) -> Callable[[Settings, int], list[str]]:
    """The program that serves it; nothing on a command line is a secret, since every user of the machine reads it."""
    return lambda settings, port: [sys.executable, "-m", "deployments.stack.serve", name, "--port", str(port)]


def _prefect_home(settings: Settings) -> Path:
    return settings.home_path / "prefect"


def _prefect_database(settings: Settings) -> dict[str, str]:
    """Where Prefect keeps its runs, if the address that it makes of its home by itself would name another file."""
    database = _prefect_home(settings) / "prefect.db"
    if "?" not in str(database):
        return {}
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": sqlite_url(database, "aiosqlite")}


def _home(settings: Settings) -> dict[str, str]:
    """What the door reads: where the secret is, and what the server is called."""
    return {"NIGHTSHIFT_HOME": str(settings.home_path), "NIGHTSHIFT_HOSTS": settings.hosts}


def _names(settings: Settings) -> Iterable[str]:
    # Imported here: a command that finds the servers running has no need of it.
    from deployments.stack.visitor import declared_hosts

    return declared_hosts(settings.hosts)


def _prefect_environment(settings: Settings, port: int) -> dict[str, str]:
    home = _prefect_home(settings)
    _names(settings)  # an error there is told at once
    return {
        **_home(settings),
        # Its database, profiles, block memo and concurrency leases all go under this folder.
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": HOST,
        # --port is where it listens; this is what the UI and the server's own links are made of.
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_API_BASE_PATH": "/api",
        # Of the page's own origin, by whatever name and port it was reached.
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_UI_SERVE_BASE": "/",
        # What links in messages begin with, unless their readers reach the pages by another name.
        "PREFECT_UI_URL": exported("PREFECT_UI_URL") or f"http://{HOST}:{port}",
        # Or the UI is unpacked into site-packages, which may be read-only.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # The default is "*"; the door sends away pages of other origins, and this server would too.
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port},http://localhost:{port}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # In memory, which is the default, a restart of the server kills healthy runs and leaks slots.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }


def _mlflow_environment(settings: Settings, port: int) -> dict[str, str]:
    names = sorted(_names(settings))
    return {
        **_home(settings),
        # Here and not on the command line: it may hold a password.
        "MLFLOW_TRACKING_URI": _backend(settings, port),
        # By default "10.*" and the like pass too, which a rebound name such as 10.example.com matches.
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(
            [f"{HOST}:*", "localhost:*", "[[]::1]:*", HOST, "localhost", "[::1]", *names]
        ),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"https://{name}" for name in names),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_WORKSPACES": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _backend(settings: Settings, port: int) -> str:
    """Where MLflow's server keeps everything."""
    if settings.tracking_uri.startswith(("http://", "https://")):
        raise RequestError(
            "MLFLOW_TRACKING_URI names the local server, which does not run, and not the database that it serves",
            where=settings.tracking_uri,
            remedy="set it to that database's address, or unset it, then run: nightshift up",
        )
    return settings.tracking_uri


def _external_mlflow(settings: Settings) -> str | None:
    uri = settings.mlflow_tracking_uri or ""
    return uri if uri.startswith(("http://", "https://")) else None


PREFECT = Server(
    name="prefect",
    api_path="/api",
    health_path="/health",
    command=_command("prefect"),
    environment=_prefect_environment,
    defaults=_prefect_database,
    owns=("PREFECT_", "MLFLOW_TRACKING_"),
    keeps=("PREFECT_SERVER_",),
    # The door asks for the secret, and is the only one that does.
    refuses=("PREFECT_SERVER_API_AUTH_STRING",),
    # Prefect reads .env, prefect.toml and pyproject.toml of its working directory.
    folder=_prefect_home,
    external=lambda settings: settings.prefect_api_url,
)

MLFLOW = Server(
    name="mlflow",
    api_path="",
    health_path="/health",
    command=_command("mlflow"),
    environment=_mlflow_environment,
    owns=("MLFLOW_", "_MLFLOW_", "PREFECT_API_"),
    keeps=("MLFLOW_S3_", "MLFLOW_SQLALCHEMYSTORE_", "MLFLOW_LOGGING_LEVEL"),
    # A relative SQLite URI means the caller's directory, for the server as for clients.
    folder=lambda settings: None,
    external=_external_mlflow,
)
