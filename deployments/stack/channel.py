"""A websocket that was let in: it closes when what it was let in by is worth nothing any more."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from deployments.stack.access import USER

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

POLICY_VIOLATION = 1008
"""The code that a websocket is closed with when nobody may use it."""

INVALID = "Invalid token"
"""The reason that Prefect's own server gives, which its clients show."""


class Channel:
    """What the application behind the door is given of a websocket.

    Args:
        receive: the client's messages, after the one that asked to connect.
        send: where the application's go.
        may_stay: whether what it was let in by still counts.
        first: a message that was read already; then the websocket was accepted already, too.
    """

    def __init__(
        self, receive: Receive, send: Send, may_stay: Callable[[], bool], first: Message | None = None
    ) -> None:
        self._receive, self._send, self._may_stay = receive, send, may_stay
        self._read: list[Message] = [{"type": "websocket.connect"}, *([first] if first else [])]
        self._is_accepted = first is not None
        self._is_closed = False

    async def receive(self) -> Message:
        """The next message of the client."""
        if self._read:
            return self._read.pop(0)
        message = await self._receive()
        if message["type"] == "websocket.receive" and not await self._is_open():
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        return message

    async def send(self, message: Message) -> None:
        """Hand a message of the application on."""
        if message["type"] == "websocket.accept" and self._is_accepted:
            return
        if self._is_closed or (message["type"] == "websocket.send" and not await self._is_open()):
            return
        await self._send(message)

    async def _is_open(self) -> bool:
        if not self._is_closed and not self._may_stay():
            self._is_closed = True
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": INVALID})
        return not self._is_closed


def password_of(message: Message) -> bytes | None:
    """What some of Prefect's clients send first on a websocket: `{"type": "auth", "token": "NAME:PASSWORD"}`."""
    try:
        told = json.loads(message.get("text") or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("type") != "auth" or not isinstance(told.get("token"), str):
        return None
    name, colon, password = told["token"].partition(":")
    return password.encode(errors="replace") if colon and name == USER else None
