"""Automations on a real Prefect server, and messages that arrive at a real HTTP server on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from prefect.automations import AutomationCore
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.blocks.system import Secret
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter
from prefect.events.worker import EventsWorker

from deployments import notifications
from nightshift.errors import RequestError
from nightshift.report.news import KINDS
from tasks.events import announce, emit
from tests.conftest import speaking_to
from tests.nightshift.report.story import night

NIGHT = datetime(2013, 9, 1, tzinfo=UTC)


@dataclass
class Sink:
    """An HTTP server that keeps what it is sent."""

    url: str
    received: list[dict[str, Any]] = field(default_factory=list)

    def words(self) -> list[str]:
        """The texts that came, in order of their arrival."""
        return [one["text"] for one in self.received]

    def wait(self, count: int, seconds: float = 20.0) -> None:
        """Wait until that many messages came, or until it is clear that they do not."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.05)


@contextmanager
def sink() -> Iterator[Sink]:
    found = Sink("")

    class Keep(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keep)
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def api(prefect_api: str) -> Iterator[None]:
    """This process speaks to the session's Prefect server; what it installs there is removed."""
    with speaking_to(prefect_api):
        yield
        notifications.remove()
        EventsWorker.drain_all()


def saved(block: Any, kind: str) -> str:
    """Save the block under a name of its own, and say how it is called."""
    name = f"team-{uuid4().hex[:8]}"
    block.save(name)
    return f"{kind}/{name}"


def project() -> str:
    """A name that no other test tells of."""
    return f"shop-{uuid4().hex[:8]}"


def payload(words: str, as_of: datetime = NIGHT) -> dict[str, Any]:
    return {"as_of": as_of.isoformat(), "subject": "shop: failed", "words": words}


def written(block: str) -> list[tuple[str, str]]:
    """The id of each automation of `block`, and when it was last written."""
    with get_client(sync_client=True) as client:
        every = client.request("POST", "/automations/filter", json={}).json()
    return [(one["id"], one["updated"]) for one in every if block in one["name"]]


def test_a_webhook_is_called_once_for_the_same_news_of_the_same_night(api: None) -> None:
    one, other = project(), project()
    with sink() as found:
        notifications.install(saved(Webhook(url=found.url), "webhook"), ["failed"])

        emit("failed", one, payload('"first" & <b>'))
        # The server may take two events of the same moment in either order.
        EventsWorker.drain_all()
        found.wait(1)
        emit("failed", one, payload("again"))
        emit("failed", other, payload("of another project"))
        emit("recovered", one, payload("not asked for"))
        emit("failed", one, payload("the next night", datetime(2013, 9, 2, tzinfo=UTC)))
        EventsWorker.drain_all()
        found.wait(3)
        time.sleep(1.0)

    assert sorted(found.words()) == [
        'shop: failed: "first" & <b>',
        "shop: failed: of another project",
        "shop: failed: the next night",
    ]
    assert {one["event"] for one in found.received} == {"nightshift.failed"}
    assert {one["payload"]["project"] for one in found.received} == {one, other}


def test_installing_again_changes_nothing_and_forgets_nothing(api: None) -> None:
    name = project()
    with sink() as found:
        block = saved(Webhook(url=found.url), "webhook")
        notifications.install(block, ["failed"])
        emit("failed", name, payload("first"))
        EventsWorker.drain_all()
        found.wait(1)

        before = written(block)
        again = notifications.install(block, ["failed"])
        emit("failed", name, payload("again"))
        EventsWorker.drain_all()
        time.sleep(1.5)
        after = written(block)

    assert [one.name for one in again] == [f"nightshift notify {block}: failed"]
    assert before == after
    assert len(before) == 1
    assert found.words() == ["shop: failed: first"]


def test_a_notification_block_gets_the_subject_and_the_words(api: None) -> None:
    told = night(3, state="failed", error="the source is missing; restore it")
    told = told.model_copy(update={"project": project()})
    with sink() as found:
        custom = CustomWebhookNotificationBlock(
            name="chat", url=found.url, json_data={"text": "{{subject}} | {{body}}"}
        )
        notifications.install(saved(custom, "custom-webhook"))
        announce(told, night(2))
        announce(told, told)
        EventsWorker.drain_all()
        found.wait(1)
        time.sleep(0.5)

    assert found.words() == [
        f"{told.project}: failed | The night failed. the source is missing; restore it\n"
        f"(night of {told.as_of.isoformat()})"
    ]


def test_what_is_paused_stays_paused_and_what_differs_is_mended(api: None) -> None:
    block = saved(Webhook(url="http://127.0.0.1:9/"), "webhook")
    notifications.install(block, ["failed", "refused"])
    with get_client(sync_client=True) as client:
        (found,) = client.read_automations_by_name(f"nightshift notify {block}: failed")
        client.pause_automation(found.id)
        changed = found.model_dump(exclude={"id", "owner_resource"}) | {
            "description": "mine",
            "enabled": False,
        }
        client.update_automation(found.id, AutomationCore(**changed))

    notifications.install(block, ["failed", "refused"])

    assert {one.name.rpartition(" ")[2]: one.enabled for one in notifications.installed()} == {
        "failed": False,
        "refused": True,
    }
    with get_client(sync_client=True) as client:
        (mended,) = client.read_automations_by_name(f"nightshift notify {block}: failed")
    assert mended.id == found.id
    assert mended.description != "mine"


def test_only_what_was_asked_for_is_removed(api: None) -> None:
    blocks = [saved(Webhook(url="http://127.0.0.1:9/"), "webhook") for _ in range(2)]
    for block in blocks:
        notifications.install(block)

    gone = notifications.remove(blocks[0])

    assert len(gone) == len(notifications.DEFAULT_KINDS)
    assert all(blocks[1] in one.name for one in notifications.installed())
    assert len(notifications.remove()) == len(notifications.DEFAULT_KINDS)
    assert notifications.installed() == []


def test_a_block_that_is_not_there_or_cannot_send_is_refused(api: None) -> None:
    able = saved(
        SlackWebhook(url=f"https://hooks.slack.com/services/A{8 * '1'}/B{8 * '1'}/{24 * 'c'}"),
        "slack-webhook",
    )
    secret = saved(Secret(value="quiet"), "secret")

    with pytest.raises(RequestError, match="no block 'slack-webhook/nobody'") as missing:
        notifications.install("slack-webhook/nobody")
    assert able in missing.value.valid
    assert secret not in missing.value.valid
    with pytest.raises(RequestError, match="cannot send"):
        notifications.install(secret)
    with pytest.raises(RequestError, match="no news of the kind 'fialed'") as misspelt:
        notifications.install(able, ["fialed"])
    assert misspelt.value.valid == KINDS
    assert "'failed'" in misspelt.value.remedy
    assert notifications.installed() == []


def test_an_endpoint_that_is_down_stops_nobody(api: None) -> None:
    notifications.install(saved(Webhook(url="http://127.0.0.1:9/"), "webhook"), ["failed"])

    began = time.monotonic()
    emit("failed", project(), payload("nobody listens"))
    EventsWorker.drain_all()

    assert time.monotonic() - began < 5.0


def test_drift_retrains_once_with_the_project_and_the_moment(api: None) -> None:
    name, flow_name = project(), f"train-{uuid4().hex[:8]}"
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow_from_name(flow_name)
        deployment = client.create_deployment(flow_id=flow_id, name="train")
    assert notifications.retrain_on_drift(f"{flow_name}/train").event == "nightshift.drift"

    for place in (6, 6, 7):
        announce(night(place, "retrain", ("temp drifted",), project=name), night(place - 1, project=name))
    EventsWorker.drain_all()

    deadline = time.monotonic() + 20
    runs: list[Any] = []
    with get_client(sync_client=True) as client:
        while not runs and time.monotonic() < deadline:
            time.sleep(0.2)
            runs = client.read_flow_runs(deployment_filter=DeploymentFilter(id={"any_": [deployment]}))
        time.sleep(1.0)
        runs = client.read_flow_runs(deployment_filter=DeploymentFilter(id={"any_": [deployment]}))
    assert [one.parameters for one in runs] == [{"project": name, "as_of": night(6).as_of.isoformat()}]


def test_a_deployment_that_is_not_there_is_refused(api: None) -> None:
    with pytest.raises(RequestError, match="no deployment 'train/nowhere'"):
        notifications.retrain_on_drift("train/nowhere")
