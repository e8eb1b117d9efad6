"""The worker's program: puts Prefect's side in order, then takes up runs until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import logging
import platform
import signal
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import prefect.logging
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from deployments.stack.declared import DeclaredWorker, job_template
from deployments.stack.reconcile import reconcile
from deployments.stack.worker import HEARTBEAT_SECONDS, LOGGING, POOL
from nightshift.atomic import replacing
from nightshift.settings import Settings

ZOMBIES = "nightshift: a run whose heartbeat stopped has crashed"
"""The name of the automation that ends runs whose process and worker died together."""

_MISSED_HEARTBEATS = 4


def main() -> None:
    """Run the worker until SIGTERM or SIGINT; runs that are under way then are told to end by who stops it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--limit", type=int, required=True, help="how many runs at once")
    limit = arguments.parse_args().limit
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    write_logging(Settings().home_path / LOGGING)
    with get_client(sync_client=True) as client:
        ensure_pool(client, folder=Path.cwd())
        ensure_automation(client, zombie_automation())
        reconcile(client, POOL)
    with suppress(KeyboardInterrupt):
        asyncio.run(_work(limit))


def write_logging(path: Path) -> None:
    """Write Prefect's own logging configuration, and that the steps' closing lines are logged too.

    Prefect hands the loggers that it is told of to its pages, but leaves them at the level of warnings.
    """
    config = yaml.safe_load(
        Path(prefect.logging.__file__).with_name("logging.yml").read_text(encoding="utf-8")
    )
    for name in get_current_settings().logging.extra_loggers or ():
        config["loggers"][name] = {"level": "INFO", "handlers": ["console"], "propagate": False}
    with replacing(path) as draft:
        draft.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def ensure_pool(client: SyncPrefectClient, folder: Path) -> None:
    """Make the work pool, or see to it that its runs start in `folder` and that nothing else of them can be set."""
    template = job_template(folder)
    try:
        known = client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(
            WorkPoolCreate(
                name=POOL, type=DeclaredWorker.type, base_job_template=template,
                description="Runs of Nightshift's deployments, as processes of this machine.",
            )
        )  # fmt: skip
        return
    if known.base_job_template != template:
        client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))


def zombie_automation() -> AutomationCore:
    """A run that has sent a heartbeat and then neither another one nor its end has crashed."""
    heartbeat = "prefect.flow-run.heartbeat"
    ends = ("Completed", "Failed", "Crashed", "Cancelled", "Paused", "Suspended", "AwaitingRetry")
    return AutomationCore(
        name=ZOMBIES,
        description="Kept by `nightshift up`.",
        trigger=EventTrigger(
            after={heartbeat},
            expect={heartbeat, *(f"prefect.flow-run.{end}" for end in ends)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=_MISSED_HEARTBEATS * HEARTBEAT_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, message="No sign of life: its process and its worker are gone."
            )
        ],
    )


def ensure_automation(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """Make the automation unless it is there as it should be; one that was switched off stays off."""
    found = client.read_automations_by_name(wanted.name)
    if not found:
        client.create_automation(wanted)
        return
    known, *doubles = found
    for double in doubles:
        client.delete_automation(double.id)
    changed = wanted.model_copy(update={"enabled": known.enabled})
    if AutomationCore(**{name: getattr(known, name) for name in AutomationCore.model_fields}) != changed:
        client.update_automation(known.id, changed)


async def _work(limit: int) -> None:
    worker = DeclaredWorker(
        work_pool_name=POOL, name=f"{POOL}@{platform.node()}", limit=limit, create_pool_if_not_found=False
    )
    task = asyncio.current_task()
    assert task is not None  # inside a coroutine
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        await worker.start(with_healthcheck=True)


if __name__ == "__main__":
    main()
