"""What the worker may run: the entrypoints that prefect.yaml declares, whatever a deployment or an automation says."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import Abort
from prefect.flows import load_flow_from_entrypoint
from prefect.runner._flow_run_executor import FlowRunExecutorContext
from prefect.runner._starter_engine import EngineCommandStarter
from prefect.states import Failed
from prefect.utilities.engine import propose_state
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from deployments.schedule import FILE
from nightshift.errors import OutsideError, RequestError
from nightshift.spec.yaml_file import parse_yaml, read_text

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun
    from prefect.runner._process_manager import ProcessHandle


def job_template(folder: Path) -> dict[str, Any]:
    """The work pool's base job template: runs start in `folder`, and there is no variable that could be set.

    With it the server refuses a deployment, a run or an automation that names a command, an environment or a folder.
    """
    return {
        "job_configuration": {"working_dir": str(folder), "stream_output": True},
        "variables": {"type": "object", "properties": {}, "additionalProperties": False},
    }


def declared_entrypoints(path: Path) -> frozenset[str]:
    """The module entrypoints that prefect.yaml declares now.

    Raises:
        RequestError: there is no such file, or it is no YAML.
    """
    try:
        document = parse_yaml(read_text(path), path)
    except (RequestError, OutsideError) as error:
        raise RequestError(
            f"the worker cannot tell what it may run: {error.what}", where=str(path.absolute()),
            remedy="call `nightshift down` and `nightshift up` in the folder that holds prefect.yaml",
        ) from error  # fmt: skip
    deployments = document.get("deployments") if isinstance(document, dict) else None
    if not isinstance(deployments, list):
        return frozenset()
    found = (one.get("entrypoint") for one in deployments if isinstance(one, dict))
    return frozenset(one for one in found if isinstance(one, str) and ":" not in one)


def permitted(deployment: DeploymentResponse | None, declared: frozenset[str]) -> str:
    """The entrypoint of a deployment that may run.

    Args:
        deployment: as the server has it; None for a run that has none.

    Raises:
        RequestError: prefect.yaml does not declare the entrypoint, or the deployment brings steps of its own.
    """
    valid = sorted(declared)
    if deployment is None:
        raise RequestError(
            "the run belongs to no deployment",
            valid=valid,
            remedy="start one of the deployments of prefect.yaml",
        )
    where = f"deployment {deployment.name}"
    if deployment.entrypoint not in declared:
        raise RequestError(
            f"prefect.yaml does not declare the entrypoint {deployment.entrypoint!r}", where=where, valid=valid,
            remedy="declare it there and run `nightshift deploy`",
        )  # fmt: skip
    if deployment.pull_steps:
        raise RequestError(
            "the deployment has pull steps, and the worker runs none", where=where,
            remedy="leave `pull` out of prefect.yaml and run `nightshift deploy`: the code is installed",
        )  # fmt: skip
    return deployment.entrypoint


class DeclaredConfiguration(ProcessJobConfiguration):
    """How a run is started: the same for all, in the worker's own folder, with the worker's own environment."""

    @classmethod
    async def from_template_and_values(
        cls, base_job_template: dict[str, Any], values: dict[str, Any], client: Any = None
    ) -> Self:
        """The configuration; the pool's template and job variables are the server's word, and are not asked."""
        return cls(working_dir=Path.cwd())


# Prefect registers a worker class by its type, and would warn that this one takes ProcessWorker's place. It passes over
# classes that name ABC among their bases.
class DeclaredWorker(ProcessWorker, abc.ABC):
    """A process worker that runs the entrypoints of prefect.yaml alone."""

    job_configuration = DeclaredConfiguration

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[Any] | None = None,
    ) -> ProcessWorkerResult:
        """Run a flow in a process of its own, or end the run as failed when it is not declared."""
        reports: anyio.abc.TaskStatus[Any] = task_status or anyio.TASK_STATUS_IGNORED
        try:
            entrypoint = permitted(await self._deployment(flow_run), declared_entrypoints(FILE))
        except RequestError as error:
            await self._refuse(flow_run, error)
            reports.started(error)
            return ProcessWorkerResult(status_code=0, identifier="refused")
        return await _run(entrypoint, flow_run, configuration, reports)

    async def _deployment(self, flow_run: FlowRun) -> DeploymentResponse | None:
        if flow_run.deployment_id is None:
            return None
        return await self.client.read_deployment(flow_run.deployment_id)

    async def _refuse(self, flow_run: FlowRun, error: RequestError) -> None:
        logger = self.get_flow_run_logger(flow_run)
        logger.error("refused: %s", error)
        try:
            await propose_state(self.client, Failed(message=f"Refused: {error}"), flow_run_id=flow_run.id)
        except Abort as abort:  # somebody has ended the run meanwhile
            logger.info("the run was not set to failed: %s", abort)


async def _run(
    entrypoint: str,
    flow_run: FlowRun,
    configuration: ProcessJobConfiguration,
    reports: anyio.abc.TaskStatus[Any],
) -> ProcessWorkerResult:
    """What ProcessWorker.run does, but that the entrypoint is given and not asked of the server a second time."""

    async def flow_of(_: FlowRun) -> Flow[..., Any]:
        return await anyio.to_thread.run_sync(load_flow_from_entrypoint, entrypoint)

    async with FlowRunExecutorContext() as context:
        starter = EngineCommandStarter(
            entrypoint=entrypoint,
            cwd=configuration.working_dir,
            env=configuration.env,
            control_channel=context.control_channel,
            isolate_process_group=True,
            env_overrides_settings=True,
        )
        executor = context.create_executor(flow_run, starter, resolve_flow=flow_of, propose_submitting=False)
        ended = None

        async def execute(*, task_status: anyio.abc.TaskStatus[ProcessHandle]) -> None:
            nonlocal ended
            ended = await executor.submit(task_status=task_status)

        async with anyio.create_task_group() as group:
            handle = await group.start(execute)
            reports.started(handle.pid)
    if ended is None or ended.status_code is None:
        raise RuntimeError("the process of the run could not be started")
    return ProcessWorkerResult(status_code=ended.status_code, identifier=str(ended.handle.pid))
