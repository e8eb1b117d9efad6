"""What becomes of a run whose process is gone: told from the run and the processes of this machine alone."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psutil
import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from deployments.stack.presence import Present, look_around, process_tag, tagged_process
from deployments.stack.reconcile import true_state

NOW = datetime.now(UTC)
NOBODY = Present(runs=frozenset(), began={})


def run_in(state: StateType, **fields: Any) -> FlowRun:
    return FlowRun(
        **({"id": uuid4(), "flow_id": uuid4(), "state": State(type=state), "start_time": NOW} | fields)
    )


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        (StateType.RUNNING, StateType.CRASHED),
        (StateType.CANCELLING, StateType.CANCELLED),
        (StateType.PENDING, StateType.SCHEDULED),
    ],
)
def test_a_run_of_the_pool_without_a_process_gets_its_true_state(
    state: StateType, becomes: StateType
) -> None:
    run = run_in(state, work_pool_name="nightshift")

    found = true_state(run, "nightshift", NOBODY)

    assert found is not None
    assert found.type == becomes
    assert true_state(run, "nightshift", Present(frozenset({str(run.id)}), {})) is None


@pytest.mark.parametrize("state", [StateType.RUNNING, StateType.PENDING])
def test_runs_of_others_are_left_alone(state: StateType) -> None:
    assert true_state(run_in(state, work_pool_name="somebody's"), "nightshift", NOBODY) is None
    assert true_state(run_in(state, tags=["process:another-machine:1"]), "nightshift", NOBODY) is None
    assert true_state(run_in(state), "nightshift", NOBODY) is None


def test_a_command_that_was_killed_has_crashed() -> None:
    run = run_in(StateType.RUNNING, tags=[f"process:{platform.node()}:4711"])
    before, after = (NOW + timedelta(hours=hours) for hours in (-1, 1))

    crashed = true_state(run, "nightshift", NOBODY)

    assert crashed is not None
    assert crashed.type == StateType.CRASHED
    assert true_state(run, "nightshift", Present(frozenset(), {4711: before.timestamp()})) is None
    # The pid went to another process since.
    assert true_state(run, "nightshift", Present(frozenset(), {4711: after.timestamp()})) is not None


def test_the_tag_names_this_process() -> None:
    assert tagged_process(["one", process_tag()]) == os.getpid()
    assert tagged_process(["process:elsewhere:12", f"process:{platform.node()}:x"]) is None
    assert look_around().is_same(os.getpid(), datetime.now(UTC))


def test_a_process_started_for_a_run_is_seen_until_it_ends() -> None:
    run = str(uuid4())
    environment = os.environ | {"PREFECT__FLOW_RUN_ID": run}
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment)
    try:
        deadline = time.monotonic() + 10
        while run not in look_around().runs and time.monotonic() < deadline:
            time.sleep(0.05)
        assert run in look_around().runs
        child.kill()
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert run not in look_around().runs
    finally:
        child.kill()
        child.wait()
