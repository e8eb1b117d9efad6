"""Runs that Prefect believes alive though their process is gone: each gets the state it is really in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from deployments.stack.presence import Present, look_around, tagged_process

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun, State

logger = logging.getLogger(__name__)

_PAGE = 200


def reconcile(client: SyncPrefectClient, pool: str) -> list[FlowRun]:
    """Give every run without a process its true state, and return those that got another one.

    A run that had begun has crashed, one that was being cancelled is cancelled, and one that was handed to a
    worker but never began is scheduled again. Whatever concurrency slots they held go back with the state.
    To be called before a worker of `pool` starts. Looks only at runs of that pool, and at those that a command
    of this machine ran by itself.
    """
    present = look_around()
    mended = []
    for run in _unfinished(client):
        state = true_state(run, pool, present)
        if state is not None:
            # By force for what was pending: its worker's claim on it is what must be overruled.
            client.set_flow_run_state(run.id, state, force=state.is_scheduled())
            logger.warning("reconcile: %s was %s and is now %s", run.name, _name(run), state.name)
            mended.append(run)
    return mended


def true_state(run: FlowRun, pool: str, present: Present) -> State | None:
    """The state that an unfinished run should be in, or None when it is in it, or is none of our business."""
    from prefect.states import Cancelled, Crashed, Scheduled

    if run.state is None or _is_alive(run, pool, present):
        return None
    if run.state.is_cancelling():
        return Cancelled(message="Its process is gone.")
    if run.state.is_pending() and run.work_pool_name == pool:
        return Scheduled(message="Its worker ended before it began.")
    return Crashed(message="Its process is gone: it was killed, or the machine stopped.")


def _is_alive(run: FlowRun, pool: str, present: Present) -> bool:
    """Whether the run has a process, or is one of which this machine cannot tell."""
    if run.work_pool_name == pool:
        return str(run.id) in present.runs
    pid = tagged_process(run.tags)
    if pid is None:
        return True
    return present.is_same(pid, run.start_time or run.expected_start_time or run.state.timestamp)  # type: ignore[union-attr]


def _unfinished(client: SyncPrefectClient) -> list[FlowRun]:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType

    types = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)))
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(flow_run_filter=wanted, limit=_PAGE, offset=len(found))
        found += page
        if len(page) < _PAGE:
            return found


def _name(run: FlowRun) -> str:
    return str(run.state.name) if run.state else "without a state"
