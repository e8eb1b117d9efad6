"""What the browser's tests share: the browser that the system has, and commands that a user gives."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
STRANGER = "stranger.test"
"""A name of the net that leads to this machine, as one does that was bound anew."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser that Debian ships."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, f"none of {', '.join(BROWSERS)} is on PATH; as root: apt-get install chromium"
    rules = f"--host-resolver-rules=MAP {STRANGER} 127.0.0.1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", rules], headless=True
        )
        yield browser
        browser.close()


@contextmanager
def confined(page: Page | BrowserContext) -> Iterator[None]:
    """Let the page ask this machine and nobody else; that it tried to fails the test."""
    from playwright.sync_api import Route

    elsewhere: list[str] = []

    def refuse(route: Route) -> None:
        elsewhere.append(route.request.url)
        route.abort()

    page.route(re.compile(rf"^https?://(?!(127\.0\.0\.1|localhost|{re.escape(STRANGER)})[:/])"), refuse)
    yield
    assert elsewhere == []


def nightshift(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON of a command that a user gives in this folder."""
    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli", *words, "--json"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done
    return dict(json.loads(done.stdout))
