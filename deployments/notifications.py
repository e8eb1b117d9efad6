"""Prefect automations that send what a night did by a Prefect block, and one that retrains on drift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from prefect.automations import AutomationCore, EventTrigger, Posture
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.events.actions import CallWebhook, RunDeployment, SendNotification
from prefect.events.schemas.automations import Automation
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from nightshift.errors import RequestError, did_you_mean
from nightshift.report.news import KINDS, Kind
from tasks.events import AS_OF_LABEL, resource_of

DEFAULT_KINDS: tuple[Kind, ...] = ("retrained", "refused", "data-refused", "failed", "recovered")
TRAIN_DEPLOYMENT = "train/train"
_NOTIFY, RETRAIN = "nightshift notify", "nightshift retrain on drift"
# Within this time the same news of the same night of the same project is sent once, however often it happens.
_ONCE = timedelta(days=7)
# Within this time drift retrains a project once, however many nights or windows report it.
_RETRAIN_DEBOUNCE = timedelta(hours=6)
_PROJECT_LABEL = "prefect.resource.id"
_PAGE = 200

_SUBJECT = "{{ event.payload.subject }}"
_BODY = "{{ event.payload.words }}\n(night of {{ event.payload.as_of }})"
# `text` alone is what Slack, Mattermost and Google Chat read; the rest is for programs.
_WEBHOOK = (
    '{"text": {{ (event.payload.subject ~ ": " ~ event.payload.words) | tojson }}, '
    '"event": {{ event.event | tojson }}, "payload": {{ event.payload | tojson }}}'
)


@dataclass(frozen=True)
class Installed:
    """An automation of Nightshift's, as a list shows it."""

    name: str
    event: str
    enabled: bool


def install(block: str, kinds: Sequence[str] = DEFAULT_KINDS) -> list[Installed]:
    """One automation for each kind of news that sends it by `block`; those there already are brought up to date.

    Args:
        block: `TYPE/NAME` of a saved Prefect block: a webhook, or one that can notify.
        kinds: of `nightshift.report.news.KINDS`.

    Raises:
        RequestError: there is no such block, it cannot send, or there is no such kind of news.
    """
    known = [_kind(one) for one in kinds]
    with get_client(sync_client=True) as client:
        action = _action(block, _document(client, block))
        wanted = [_notification(block, kind, action) for kind in known]
        _settle(client, wanted)
        return [_listed(one) for one in _ours(client) if one.name in {each.name for each in wanted}]


def retrain_on_drift(deployment: str = TRAIN_DEPLOYMENT) -> Installed:
    """An automation that runs `deployment` with the project and the moment of each drift event.

    Raises:
        RequestError: there is no such deployment.
    """
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except (ObjectNotFound, ValueError) as error:
            raise RequestError(
                f"there is no deployment {deployment!r}", where=str(client.api_url),
                remedy="deploy it first: prefect deploy --all",
            ) from error  # fmt: skip
        moment = {"project": "{{ event.payload.project }}", "as_of": "{{ event.payload.as_of }}"}
        wanted = AutomationCore(
            name=RETRAIN,
            description="Trains a candidate when a night reports drift that calls for it.",
            trigger=_trigger("drift", {_PROJECT_LABEL}, _RETRAIN_DEBOUNCE),
            actions=[RunDeployment(source="selected", deployment_id=found.id, parameters=moment)],
        )
        _settle(client, [wanted])
        return next(_listed(one) for one in _ours(client) if one.name == RETRAIN)


def installed() -> list[Installed]:
    """Every automation of ours, by name."""
    with get_client(sync_client=True) as client:
        return sorted((_listed(one) for one in _ours(client)), key=lambda one: one.name)


def remove(block: str | None = None) -> list[Installed]:
    """Delete the automations that send by `block`, or all of ours; returns those that were deleted."""
    gone = []
    with get_client(sync_client=True) as client:
        for one in list(_ours(client)):
            if block is None or one.name.startswith(f"{_NOTIFY} {block}: "):
                client.delete_automation(one.id)
                gone.append(_listed(one))
    return sorted(gone, key=lambda one: one.name)


def _kind(name: str) -> Kind:
    for kind in KINDS:
        if kind == name:
            return kind
    raise RequestError(
        f"there is no news of the kind {name!r}",
        where="--kind",
        valid=KINDS,
        remedy=did_you_mean(name, KINDS) or "choose one of these",
    )


def _document(client: SyncPrefectClient, block: str) -> BlockDocument:
    found = {_name(one): one for one in _blocks(client)}
    if block not in found:
        able = sorted(name for name, one in found.items() if _can_send(one))
        raise RequestError(
            f"there is no block {block!r}", valid=able, where=str(client.api_url),
            remedy=did_you_mean(block, able) or "make it in the Prefect UI, under Blocks: see docs/notifications.md",
        )  # fmt: skip
    return found[block]


def _blocks(client: SyncPrefectClient) -> Iterator[BlockDocument]:
    for offset in range(0, 10_000, _PAGE):
        # Secrets stay where they are: what is wanted is the block's id.
        page = client.read_block_documents(offset=offset, limit=_PAGE, include_secrets=False)
        yield from page
        if len(page) < _PAGE:
            return


def _name(document: BlockDocument) -> str:
    return f"{document.block_type.slug if document.block_type else ''}/{document.name}"


def _is_webhook(document: BlockDocument) -> bool:
    return document.block_type is not None and document.block_type.slug == "webhook"


def _can_send(document: BlockDocument) -> bool:
    able = document.block_schema.capabilities if document.block_schema else []
    return _is_webhook(document) or "notify" in able


def _action(block: str, document: BlockDocument) -> CallWebhook | SendNotification:
    if not _can_send(document):
        raise RequestError(
            f"the block {block!r} cannot send messages",
            remedy="use a webhook, or a notification block such as slack-webhook: see docs/notifications.md",
        )
    if _is_webhook(document):
        return CallWebhook(block_document_id=document.id, payload=_WEBHOOK)
    return SendNotification(block_document_id=document.id, subject=_SUBJECT, body=_BODY)


def _notification(block: str, kind: Kind, action: CallWebhook | SendNotification) -> AutomationCore:
    return AutomationCore(
        name=f"{_NOTIFY} {block}: {kind}",
        description=f"Sends `nightshift.{kind}` by {block}, once for each night of a project.",
        # A night has a count of its own: what was sent for one says nothing of the next.
        trigger=_trigger(kind, {_PROJECT_LABEL, AS_OF_LABEL}, _ONCE),
        actions=[action],
    )


def _trigger(kind: Kind, for_each: set[str], within: timedelta) -> EventTrigger:
    return EventTrigger(
        expect={f"nightshift.{kind}"},
        match=ResourceSpecification.model_validate({_PROJECT_LABEL: resource_of("*")}),
        for_each=for_each,
        posture=Posture.Reactive,
        threshold=1,
        within=within,
    )


def _settle(client: SyncPrefectClient, wanted: Iterable[AutomationCore]) -> None:
    """Make the automations that are missing, and change those that differ.

    What is as it should be is left alone: an automation that is written anew forgets what it has already sent.
    """
    present = {one.name: one for one in _ours(client)}
    for one in wanted:
        found = present.get(one.name)
        if found is None:
            client.create_automation(one)
        elif _meaning(found) != _meaning(one):
            # Somebody who paused it in the UI meant it.
            client.update_automation(found.id, one.model_copy(update={"enabled": found.enabled}))


def _meaning(automation: AutomationCore) -> dict[str, object]:
    return automation.model_dump(include={"description", "trigger", "actions"})


def _ours(client: SyncPrefectClient) -> Iterator[Automation]:
    for offset in range(0, 10_000, _PAGE):
        page = client.read_automations(offset=offset, limit=_PAGE)
        yield from (one for one in page if one.name == RETRAIN or one.name.startswith(f"{_NOTIFY} "))
        if len(page) < _PAGE:
            return


def _listed(automation: AutomationCore) -> Installed:
    trigger = automation.trigger
    events = sorted(trigger.expect) if isinstance(trigger, EventTrigger) else []
    return Installed(name=automation.name, event=", ".join(events), enabled=automation.enabled)
