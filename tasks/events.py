"""Tell Prefect's event stream what a night did, for automations and whoever else listens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event

from nightshift.findings import Night
from nightshift.report.news import Kind, news_of

AS_OF_LABEL = "nightshift.as-of"


def resource_of(project: str) -> str:
    """The id under which a project's events are found.

    >>> resource_of("flights-delay")
    'nightshift.project.flights-delay'
    """
    return f"nightshift.project.{project}"


def emit(kind: Kind, project: str, payload: Mapping[str, Any]) -> None:
    """Send the event `nightshift.KIND` about a project. Nothing waits for it, and nothing fails by it.

    Args:
        kind: one of `nightshift.report.news.KINDS`.
        payload: small and JSON-ready: `as_of`, a `subject` and one line of `words` for messages, and plain details.
    """
    # Automations tell nights apart by a label: what is said in the payload they cannot count by.
    resource = {
        "prefect.resource.id": resource_of(project),
        "prefect.resource.name": project,
        AS_OF_LABEL: str(payload.get("as_of", "")),
    }
    emit_event(f"nightshift.{kind}", resource=resource, payload={"project": project, **payload})


def announce(night: Night, before: Night | None) -> None:
    """Send what is new about a night, knowing the one before it; of a quiet night, nothing."""
    for news in news_of(night, before):
        emit(news.kind, news.project, news.payload)
