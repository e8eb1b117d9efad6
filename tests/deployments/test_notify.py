"""`nightshift notify` as a process of its own: it lists, installs and removes, and says what it cannot do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.blocks.webhook import Webhook

from deployments.notify import notify
from deployments.screen import Screen
from nightshift.errors import RequestError
from nightshift.report.news import KINDS
from tests.conftest import ROOT, cli_environment, speaking_to


def run(prefect_api: str, *calls: str) -> list[dict[str, Any]]:
    """Call `notify` in a new process, as the command line does; what it printed as JSON, call by call."""
    found = []
    for call in calls:
        imports = "from deployments.notify import notify; from deployments.screen import Screen"
        code = f"{imports}; notify(Screen(as_json=True), {call})"
        done = subprocess.run(
            [sys.executable, "-c", code], env=cli_environment(prefect_api),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    return found


def test_it_installs_lists_and_removes(home: Path, prefect_api: str) -> None:
    name = f"team-{uuid4().hex[:8]}"
    with speaking_to(prefect_api):
        Webhook(url="http://127.0.0.1:9/").save(name)

    block = f"'webhook/{name}'"
    installed, listed, removed = run(
        prefect_api, f"{block}, ['failed']", "None, ()", f"{block}, (), remove=True"
    )

    told = {
        "name": f"nightshift notify webhook/{name}: failed",
        "event": "nightshift.failed",
        "enabled": True,
    }
    assert installed == {"installed": [told]}
    assert told in listed["automations"]
    assert removed == {"removed": [told]}


def test_contradictions_are_refused_before_anything_is_asked() -> None:
    with pytest.raises(RequestError, match="nothing says how"):
        notify(Screen(as_json=False), None, ["failed"])
    with pytest.raises(RequestError, match="--remove goes with"):
        notify(Screen(as_json=False), None, (), remove=True, retrain_on_drift=True)


def test_the_guide_knows_every_event() -> None:
    guide = (ROOT / "docs" / "notifications.md").read_text()

    for kind in KINDS:
        assert f"| `nightshift.{kind}` |" in guide
