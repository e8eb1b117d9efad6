"""What `nightshift notify` does once its arguments are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployments.connect import connected
from deployments.screen import Screen
from nightshift.errors import RequestError, did_you_mean
from nightshift.report.news import KINDS
from nightshift.settings import Settings

if TYPE_CHECKING:
    from deployments.notifications import Installed


def notify(
    screen: Screen,
    block: str | None,
    kinds: Sequence[str],
    *,
    remove: bool = False,
    retrain_on_drift: bool = False,
) -> None:
    """Install the automations that are asked for, or remove them; with neither, list those there are.

    Raises:
        RequestError: kinds of news without a block to send them by, or removal together with something to install.
    """
    if block is not None and not re.fullmatch(r"[^/]+/[^/]+", block):
        raise RequestError(
            f"{block!r} names no block", where="--block", remedy="write TYPE/NAME, such as slack-webhook/team"
        )
    for kind in kinds:
        if kind not in KINDS:
            raise RequestError(
                f"there is no news of the kind {kind!r}", where="--kind", valid=KINDS,
                remedy=did_you_mean(kind, KINDS) or "choose one of these",
            )  # fmt: skip
    if kinds and not block:
        raise RequestError("--kind says what to send, and nothing says how", remedy="add --block TYPE/NAME")
    if remove and (kinds or retrain_on_drift):
        raise RequestError(
            "--remove goes with --block at most", remedy="nightshift notify --remove [--block TYPE/NAME]"
        )
    with screen.steps() as steps, connected(Settings(), steps.waiting):
        from deployments import notifications

        if remove:
            _show(screen, "removed", notifications.remove(block))
            return
        made = []
        if block:
            made += notifications.install(block, kinds or notifications.DEFAULT_KINDS)
        if retrain_on_drift:
            made.append(notifications.retrain_on_drift())
        if made:
            _show(screen, "installed", made)
        else:
            _show(screen, "automations", notifications.installed())


def _show(screen: Screen, title: str, found: Sequence[Installed]) -> None:
    if found:
        rows = [(one.name, one.event, "yes" if one.enabled else "paused") for one in found]
        screen.table(title, ["automation", "event", "on"], rows)
    else:
        screen.say(f"{title}: none")
    screen.result(
        {
            title: [
                {"name": one.name, "event": one.event, "enabled": one.enabled} for one in found
            ]
        }
    )  # fmt: skip
