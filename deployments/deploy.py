"""Bring prefect.yaml to the server: the deployments, and when each project's nights begin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from deployments.schedule import FILE
from deployments.screen import Screen
from deployments.stack import ensure_prefect, status, up
from deployments.stack.clients import admitted, client_defaults
from nightshift.errors import OutsideError, RequestError
from nightshift.settings import Settings, set_defaults

_SECONDS = 300
_LAST_LINES = 20


def deploy_all(screen: Screen) -> None:
    """Check prefect.yaml, see to it that there is a server and a worker, and run `prefect deploy --all`.

    Raises:
        RequestError: something in prefect.yaml is wrong; nothing was deployed.
        OutsideError: the server or its worker did not start, or Prefect refused a deployment.
    """
    settings = Settings()
    with screen.steps() as steps:
        url = ensure_prefect(settings, steps.waiting)
        # Before the first import of Prefect, which reads them then; its own command line inherits them.
        set_defaults({"PREFECT_API_URL": url, **client_defaults(settings)})
        with admitted(settings, url):
            from deployments.prefect_yaml import check

            steps.waiting("reading prefect.yaml")
            deployments = check(FILE, settings)
            _ensure_worker(settings, steps.waiting)
            steps.waiting("deploying")
            _prefect_deploy()
            _remove_schedules([one for one in deployments if not one.get("schedules")])
    _show(screen, deployments, url)


def _ensure_worker(settings: Settings, report: Any) -> None:
    """Start the stack unless its worker runs; where the server is somebody else's, workers are too."""
    worker = next((service for service in status(settings) if service.name == "worker"), None)
    if worker is None:
        return
    if not worker.healthy:
        from registry.tracking import prepare

        up(settings, report, prepare_mlflow=prepare)
    elif worker.pid is not None:
        _require_folder(worker.pid)


def _require_folder(worker: int) -> None:
    """See to it that the worker reads the same prefect.yaml: it runs only what the one of its own folder declares."""
    import psutil

    try:
        folder = Path(psutil.Process(worker).cwd())
    except psutil.NoSuchProcess:  # ended meanwhile; `status` tells
        return
    if folder != Path.cwd():
        raise RequestError(
            "the worker was started in another folder, and runs what the prefect.yaml there declares",
            where=str(folder), remedy="deploy from there, or call `nightshift down` first",
        )  # fmt: skip


def _prefect_deploy() -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(FILE)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise OutsideError(
            f"`prefect deploy` did not end within {_SECONDS} seconds", where="PREFECT_API_URL",
            remedy="see `nightshift status`, then run this again",
        ) from error  # fmt: skip
    if done.returncode:
        lines = (done.stdout + done.stderr).rstrip().splitlines()[-_LAST_LINES:]
        raise OutsideError(
            "`prefect deploy` failed; the end of what it said:\n"
            + "\n".join(f"    {line}" for line in lines),
            where=str(FILE.absolute()),
            remedy="see `nightshift status`; a server of your own needs the pool first: "
            "prefect work-pool create nightshift --type process",
        )


def _remove_schedules(deployments: list[dict[str, Any]]) -> None:
    """Take the schedules off deployments that have none in the file: Prefect takes none to mean as before."""
    from prefect.client.orchestration import get_client
    from prefect.flows import Flow, load_flow_from_entrypoint

    with get_client(sync_client=True) as client:
        for one in deployments:
            flow: Flow[..., Any] = load_flow_from_entrypoint(one["entrypoint"])
            held = client.read_deployment_by_name(f"{flow.name}/{one['name']}")
            for schedule in held.schedules:
                client.delete_deployment_schedule(held.id, schedule.id)


def _show(screen: Screen, deployments: list[dict[str, Any]], url: str) -> None:
    page = url.removesuffix("/").removesuffix("/api") + "/deployments"
    rows = []
    for one in deployments:
        schedules = one.get("schedules") or [{}]
        rows += [
            (one["name"] if first else "", each.get("slug"), each.get("cron"), each.get("timezone"))
            for first, each in ((each is schedules[0], each) for each in schedules)
        ]
    screen.table("", ["deployment", "schedule", "cron", "time zone"], rows)
    screen.say(f"Start and watch runs at {page}")
    screen.result({"page": page, "api": url, "deployments": deployments})
