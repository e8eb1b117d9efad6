"""What `open`, `env` and `secret` do: the ways in to the local servers, for a browser and for other clients."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from deployments.screen import Screen
from deployments.stack import Service, is_own, status
from deployments.stack.access import LOGIN_SECONDS, USER, Access
from deployments.stack.login import PATH
from deployments.stack.tokens import private_file, private_folder
from nightshift.atomic import disk_faults
from nightshift.errors import OutsideError
from nightshift.records import format_time
from nightshift.settings import Settings

_UP = "start it with: nightshift up"


def login_address(services: Sequence[Service], settings: Settings) -> str:
    """An address that logs one browser in, once, to both local servers; empty where neither is up.

    A browser sends what it was given to every port of the machine, so that one visit is enough.
    """
    for one in services:
        if one.pid and one.healthy and is_own(one.url, settings):
            return f"{_server(one)}{PATH}?token={Access(settings.home_path).logins.issue('browser')}"
    return ""


def open_pages(screen: Screen, *, with_browser: bool = True) -> None:
    """Print an address that logs a browser in, and have this machine's browser go there, if it has one.

    Raises:
        OutsideError: no local server is up.
    """
    settings = Settings()
    address = login_address(status(settings), settings)
    if not address:
        raise OutsideError("no local server is up", where=str(settings.home_path), remedy=_UP)
    opened = with_browser and _opened(address, Access(settings.home_path).folder)
    if opened:
        # Of its own: the one that the browser was sent to is worth nothing once it has arrived.
        address = login_address(status(settings), settings)
        screen.say("The browser shows the pages. Another one is logged in by this address, once:")
    else:
        screen.say(f"Log a browser in by this address, once, within {LOGIN_SECONDS // 60} minutes:")
    screen.line(f"  {address}")
    screen.result({"address": address, "opened": opened})


def print_variables(screen: Screen) -> None:
    """Print the variables by which other programs reach the servers, as a shell reads them.

    Raises:
        OutsideError: a local server does not run, so that its port may be anybody's.
    """
    variables = _variables(Settings())
    if not screen.as_json:
        for name, value in variables.items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    screen.result({"variables": variables})


def show_secret(screen: Screen, *, rotate: bool = False) -> None:
    """Say where the secret is and since when, or make a new one."""
    access = Access(Settings().home_path)
    if rotate:
        access.rotate()
    access.make_secret()
    with disk_faults(access.path):
        made = datetime.fromtimestamp(access.path.stat().st_mtime, UTC)
    if rotate:
        screen.say("There is a new secret. What runs goes on; log browsers in with: nightshift open")
        screen.line('In every other shell and notebook: eval "$(nightshift env)"')
    screen.line(f"{access.path}, made {format_time(made)}")
    screen.result({"path": str(access.path), "made": made.isoformat(), "rotated": rotate})


def _variables(settings: Settings) -> dict[str, str]:
    prefect, mlflow, *_ = services = status(settings)
    for one in services:
        if not one.healthy and (one.url == "" or is_own(one.url, settings)):
            raise OutsideError(f"the local {one.name} is not up", where=one.url, remedy=_UP)
    secret = Access(settings.home_path).make_secret()
    variables = {"PREFECT_API_URL": prefect.url}
    if is_own(prefect.url, settings):
        variables["PREFECT_API_AUTH_STRING"] = f"{USER}:{secret}"
    variables["MLFLOW_TRACKING_URI"] = mlflow.url
    if is_own(mlflow.url, settings):
        variables |= {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": secret}
    return variables


def _opened(address: str, folder: Path) -> bool:
    """Whether a browser was started. It is shown a file: every user of the machine can read its command line."""
    import webbrowser

    with disk_faults(folder):
        page = folder / "open.html"
        text = (
            f'<!doctype html><meta http-equiv="refresh" content="0; url={address}"><title>Nightshift</title>'
        )
        private_file(private_folder(folder), text).replace(page)
    try:
        return webbrowser.open(page.as_uri())
    except webbrowser.Error:
        return False


def _server(service: Service) -> str:
    return service.url.removesuffix("/api")
