"""The worker runs what prefect.yaml declares and nothing else, whatever a deployment or an automation asks for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import PrefectHTTPStatusError

from deployments.stack.declared import DeclaredWorker, declared_entrypoints, job_template, permitted
from nightshift.errors import RequestError
from tests.conftest import speaking_to

TRAIN = "flows.train.train"


def deployment(**fields: Any) -> DeploymentResponse:
    return DeploymentResponse(
        **({"id": uuid4(), "name": "train", "flow_id": uuid4(), "entrypoint": TRAIN} | fields)
    )


def declare(folder: Path, *entrypoints: str) -> None:
    deployments = [{"name": f"d{place}", "entrypoint": one} for place, one in enumerate(entrypoints)]
    (folder / "prefect.yaml").write_text(yaml.safe_dump({"deployments": deployments}))


def test_what_prefect_yaml_declares_may_run(tmp_path: Path) -> None:
    declare(tmp_path, TRAIN, "flows/train.py:train")

    declared = declared_entrypoints(tmp_path / "prefect.yaml")

    # The path form imports a file of the working directory: it is no declared module.
    assert declared == {TRAIN}
    assert permitted(deployment(), declared) == TRAIN


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (None, "no deployment"),
        (deployment(entrypoint="os.system"), "does not declare the entrypoint 'os.system'"),
        (deployment(entrypoint="/tmp/evil.py:main"), "does not declare"),
        (deployment(entrypoint=None), "does not declare"),
        (deployment(entrypoint=TRAIN.upper()), "does not declare"),
        (deployment(pull_steps=[{"prefect.deployments.steps.run_shell_script": {"script": "id"}}]), "pull"),
    ],
)
def test_anything_else_is_refused_and_told_what_is_valid(
    asked: DeploymentResponse | None, words: str
) -> None:
    with pytest.raises(RequestError, match=words) as refused:
        permitted(asked, frozenset({TRAIN}))
    assert refused.value.remedy


@pytest.mark.parametrize("text", ["- 1", "deployments: 3", "deployments: [3, {entrypoint: 3}]", ""])
def test_a_file_that_declares_nothing_lets_nothing_run(text: str, tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").write_text(text)

    assert declared_entrypoints(tmp_path / "prefect.yaml") == frozenset()


@pytest.mark.parametrize("text", [None, b"a: [", b"a: \xff"])
def test_a_file_that_cannot_be_read_is_named(text: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "prefect.yaml"
    if text is not None:
        path.write_bytes(text)

    with pytest.raises(RequestError, match="cannot tell what it may run") as refused:
        declared_entrypoints(path)
    assert refused.value.where == str(path)


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with speaking_to(prefect_api), get_client(sync_client=True) as one:
        yield one


@pytest.fixture
def pool(client: SyncPrefectClient, tmp_path: Path) -> Iterator[WorkPool]:
    made = client.create_work_pool(
        WorkPoolCreate(
            name=f"declared-{uuid4().hex[:8]}", type="process", base_job_template=job_template(tmp_path)
        )
    )
    yield made
    client.delete_work_pool(made.name)


def deploy(client: SyncPrefectClient, pool: WorkPool, **fields: Any) -> Any:
    flow = client.create_flow_from_name(f"declared-{uuid4().hex[:8]}")
    return client.create_deployment(flow, f"one-{uuid4().hex[:8]}", work_pool_name=pool.name, **fields)


VARIABLES = [{"command": "touch x"}, {"env": {"LD_PRELOAD": "x.so"}}, {"working_dir": "/"}, {"env.A": "b"}]


@pytest.mark.parametrize("variables", VARIABLES, ids=lambda each: next(iter(each)))
def test_no_deployment_run_or_automation_sets_a_job_variable(
    variables: dict[str, Any], client: SyncPrefectClient, pool: WorkPool
) -> None:
    with pytest.raises(PrefectHTTPStatusError, match=r"4\d\d"):
        deploy(client, pool, entrypoint=TRAIN, job_variables=variables)
    right = deploy(client, pool, entrypoint=TRAIN)
    with pytest.raises(PrefectHTTPStatusError, match=r"4\d\d"):
        client.create_flow_run_from_deployment(right, job_variables=variables)
    trigger = EventTrigger(expect={"x"}, posture=Posture.Reactive, threshold=1)
    action = RunDeployment(source="selected", deployment_id=right, job_variables=variables)
    with pytest.raises(PrefectHTTPStatusError, match=r"4\d\d"):
        client.create_automation(AutomationCore(name="evil", trigger=trigger, actions=[action]))


def worked(client: SyncPrefectClient, pool: WorkPool, run: FlowRun) -> FlowRun:
    """The run after a worker has taken up what the pool holds."""
    asyncio.run(DeclaredWorker(work_pool_name=pool.name).start(run_once=True))
    return client.read_flow_run(run.id)


def evil(folder: Path) -> str:
    """Flow code that leaves a file behind as soon as it is imported."""
    path = folder / "evil.py"
    path.write_text(
        f"import pathlib; pathlib.Path({str(folder / 'ran')!r}).touch()\n"
        "from prefect import flow\n@flow\ndef main(): pass\n"
    )
    return f"{path}:main"


def test_the_worker_fails_a_run_of_another_entrypoint_and_imports_nothing(
    client: SyncPrefectClient, pool: WorkPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    declare(tmp_path, TRAIN)
    made = deploy(client, pool, entrypoint=evil(tmp_path))

    ended = worked(client, pool, client.create_flow_run_from_deployment(made))

    assert ended.state is not None
    assert ended.state.type.value == "FAILED"
    assert "does not declare the entrypoint" in str(ended.state.message)
    assert not (tmp_path / "ran").exists()


def test_a_pool_that_was_changed_on_the_server_changes_nothing(
    client: SyncPrefectClient, pool: WorkPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shipped.py").write_text(
        "import os, pathlib\nfrom prefect import flow\n"
        "@flow\ndef main():\n    pathlib.Path('ran').write_text(os.environ.get('PLANTED', 'clean'))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    declare(tmp_path, "shipped.main")
    planted = {
        "job_configuration": {
            "command": f"{sys.executable} -c \"open('{tmp_path}/command', 'w')\"",
            "env": {"PLANTED": "yes", "PREFECT__FLOW_ENTRYPOINT": evil(tmp_path)},
            "working_dir": "/",
        },
        "variables": {"type": "object", "properties": {}},
    }
    client.update_work_pool(pool.name, WorkPoolUpdate(base_job_template=planted))
    made = deploy(client, pool, entrypoint="shipped.main")

    ended = worked(client, pool, client.create_flow_run_from_deployment(made))

    assert ended.state is not None
    assert ended.state.type.value == "COMPLETED", ended.state.message
    assert (tmp_path / "ran").read_text() == "clean"
    assert not (tmp_path / "command").exists()
