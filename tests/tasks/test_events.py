"""Events as Prefect's clients would send them, kept in memory instead of sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.events.clients import AssertingEventsClient
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.events import announce, emit
from tests.nightshift.report.story import night


@pytest.fixture
def sent() -> Iterator[type[AssertingEventsClient]]:
    """Prefect's own stand-in for its events client, which keeps what it is given."""
    EventsWorker.drain_all()
    EventsWorker.set_client_override(AssertingEventsClient)
    AssertingEventsClient.reset()
    # An address, or Prefect would start a server of its own for the client that it does not use here.
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        yield AssertingEventsClient
        EventsWorker.drain_all()
    EventsWorker.set_client_override(None)
    AssertingEventsClient.reset()


def test_an_event_names_its_project_and_its_night(sent: type[AssertingEventsClient]) -> None:
    emit("failed", "shop", {"as_of": "2013-09-01T00:00:00+00:00", "words": "no rows"})
    EventsWorker.drain_all()

    (event,) = [event for client in sent.all for event in client.events]
    assert event.event == "nightshift.failed"
    assert event.resource.id == "nightshift.project.shop"
    assert event.resource["nightshift.as-of"] == "2013-09-01T00:00:00+00:00"
    assert event.payload == {"project": "shop", "as_of": "2013-09-01T00:00:00+00:00", "words": "no rows"}


def test_a_night_announces_what_is_new_and_a_quiet_one_nothing(sent: type[AssertingEventsClient]) -> None:
    announce(night(2), night(1))
    announce(night(3, "retrain", ("x drifted",), trained=2, promoted=True, causes=("drift:x",)), night(2))
    EventsWorker.drain_all()

    events = [event for client in sent.all for event in client.events]
    assert [event.event for event in events] == [
        "nightshift.drift", "nightshift.retrained", "nightshift.promoted",
    ]  # fmt: skip
    assert events[0].payload["causes"] == ["drift:x"]
    assert events[1].payload["version"] == 2
    assert events[1].payload["words"] == "Retrained: version 2 is the new champion. x drifted"
