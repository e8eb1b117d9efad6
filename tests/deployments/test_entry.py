"""The ways in that commands give: an address for a browser, variables for other clients, and a new secret."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.commands import stack_status
from deployments.entry import login_address, open_pages, print_variables, show_secret
from deployments.screen import Screen
from deployments.stack import Service, record
from deployments.stack.access import USER, Access
from deployments.stack.clients import admitted, hear_of_own_mlflow
from nightshift.errors import OutsideError
from nightshift.settings import Settings
from tests.conftest import ROOT

API, PAGES = "http://127.0.0.1:24001/api", "http://127.0.0.1:24002"
ELSEWHERE = "http://prefect.example.com/api"


@pytest.fixture
def settings(home: Path) -> Iterator[Settings]:
    """A home where both servers were started, by what is recorded; what the test exports is gone afterwards."""
    for name, port, url in (("prefect", 24001, API), ("mlflow", 24002, PAGES)):
        started = record.Record(port, url, "", os.getpid(), is_guarded=True, is_embedded=True)
        record.write(home, name, started)
    before = dict(os.environ)
    yield Settings()
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def services(**changes: Any) -> list[Service]:
    return [
        Service("prefect", API, 7, healthy=True),
        Service("mlflow", PAGES, changes.get("pid", 8), healthy=True),
    ]


def test_an_address_is_new_each_time_and_for_a_server_of_this_home(settings: Settings) -> None:
    first, second = (login_address(services(), settings) for _ in range(2))

    assert first != second
    page, _, token = first.partition("?token=")
    assert page == "http://127.0.0.1:24001/nightshift/login"
    access = Access(settings.home_path)
    assert token != access.secret()
    assert access.logins.use(token)
    assert login_address(services()[1:], settings).startswith(PAGES)
    for other in (
        Service("prefect", ELSEWHERE, None, healthy=True),
        Service("prefect", API, None, healthy=False),
        Service("prefect", ELSEWHERE, 7, healthy=True),
    ):
        assert login_address([other], settings) == ""


def test_a_browser_is_shown_a_file_and_not_the_address(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    browser = tmp_path / "browser.sh"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    monkeypatch.setattr("deployments.entry.status", lambda settings: services())

    open_pages(Screen(as_json=True))

    told = json.loads(capsys.readouterr().out)
    assert told["opened"]
    given = seen.read_text().strip()
    page = Path(given.removeprefix("file://"))
    assert given == page.as_uri()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    shown = page.read_text().partition("url=")[2].partition('"')[0]
    assert shown.startswith("http://127.0.0.1:24001/nightshift/login?token=")
    assert told["address"] != shown
    access = Access(settings.home_path)
    assert all(access.logins.use(each.partition("=")[2]) for each in (shown, told["address"]))


def test_without_a_browser_or_a_server_it_says_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OutsideError, match="no local server is up") as caught:
        open_pages(Screen(as_json=False))
    assert "nightshift up" in caught.value.remedy

    monkeypatch.setattr("deployments.entry.status", lambda settings: services())
    open_pages(Screen(as_json=False), with_browser=False)
    assert "/nightshift/login?token=" in capsys.readouterr().out


def test_the_variables_are_for_a_shell_and_for_servers_that_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OutsideError, match="the local prefect is not up"):
        print_variables(Screen(as_json=False))
    assert capsys.readouterr().out == ""

    monkeypatch.setattr("deployments.entry.status", lambda settings: services())
    print_variables(Screen(as_json=False))

    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("export ") and len(shlex.split(line)) == 2 for line in lines)
    told = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    secret = Access(settings.home_path).secret()
    assert told == {
        "PREFECT_API_URL": API,
        "PREFECT_API_AUTH_STRING": f"{USER}:{secret}",
        "MLFLOW_TRACKING_URI": PAGES,
        "MLFLOW_TRACKING_USERNAME": USER,
        "MLFLOW_TRACKING_PASSWORD": secret,
    }
    print_variables(Screen(as_json=True))
    assert json.loads(capsys.readouterr().out) == {"variables": told}


def test_of_somebody_elses_server_the_address_alone_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = [
        Service("prefect", "http://x.example.com/$(reboot) 'a'", None, healthy=True),
        Service("mlflow", "http://m.example.com", None, healthy=False),
    ]
    monkeypatch.setattr("deployments.entry.status", lambda settings: foreign)

    print_variables(Screen(as_json=False))

    told = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert told == [
        ["export", "PREFECT_API_URL=http://x.example.com/$(reboot) 'a'"],
        ["export", "MLFLOW_TRACKING_URI=http://m.example.com"],
    ]


def test_own_clients_show_a_pass_to_the_own_server_and_nothing_to_another(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Access(settings.home_path)
    exported = f"{USER}:{access.make_secret()}"
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", exported)

    with admitted(settings, API + "/"):
        shown = os.environ["PREFECT_API_AUTH_STRING"]
        assert shown != exported
        access.rotate()  # in another terminal
        assert access.admits(shown.partition(":")[2])
    assert not access.admits(shown.partition(":")[2])

    # What the shell had of `nightshift env` is not sent to another server that is named later.
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", f"{USER}:{access.secret()}")
    for elsewhere in (ELSEWHERE, "http://127.0.0.1:24009/api", PAGES):
        with admitted(settings, elsewhere):
            assert "PREFECT_API_AUTH_STRING" not in os.environ
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", f"{USER}:{access.secret()}")
    # That of its own user is.
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "somebody:else")
    with admitted(settings, ELSEWHERE):
        assert os.environ["PREFECT_API_AUTH_STRING"] == "somebody:else"


def test_an_exported_mlflow_address_means_the_homes_own_store(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "old")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", PAGES + "/")

    hear_of_own_mlflow()

    assert Settings().tracking_uri.startswith("sqlite:///")
    assert "MLFLOW_TRACKING_PASSWORD" not in os.environ

    # Another database, which only the server knows: through the server, with a pass and not with what is old.
    known = record.read(settings.home_path)["mlflow"]
    record.write(settings.home_path, "mlflow", record.Record(**{**vars(known), "is_embedded": False}))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", PAGES)
    hear_of_own_mlflow()
    assert Settings().tracking_uri == PAGES
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == USER
    assert Access(settings.home_path).admits(os.environ["MLFLOW_TRACKING_PASSWORD"])

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://m.example.com")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "theirs")
    hear_of_own_mlflow()
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "theirs"


def test_the_commands_say_where_the_secret_is_and_never_what_it_is(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_secret(Screen(as_json=True))
    made = json.loads(capsys.readouterr().out)
    first = Access(home).secret() or "?"
    assert made == {"path": str(home / "access" / "secret"), "made": made["made"], "rotated": False}

    rotated = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "secret", "--rotate"], cwd=home.parent, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, timeout=100, check=True,
    )  # fmt: skip
    second = Access(home).secret() or "?"
    show_secret(Screen(as_json=False))
    stack_status(Screen(as_json=True))

    said = rotated.stdout + rotated.stderr + "".join(capsys.readouterr())
    assert str(home / "access" / "secret") in said.replace("\n", "")
    assert first != second
    assert first not in said
    assert second not in said
    Access(home).path.chmod(0o644)
    with pytest.raises(OutsideError, match="other users") as caught:
        show_secret(Screen(as_json=False))
    assert "nightshift secret --rotate" in caught.value.remedy
    show_secret(Screen(as_json=False), rotate=True)
    assert Access(home).secret() not in (first, second)
