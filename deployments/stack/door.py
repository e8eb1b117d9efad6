"""The door before Prefect's and MLflow's servers: a layer of ASGI that lets in who shows a secret, and nobody else.

What is asked of a request, in this order; the first that it lacks is the answer:

1. it names this server: `Host` is a loopback name, or one that is declared;
2. no page of another origin sent it: `Origin` is this server's own, and `Sec-Fetch-Site` too, but for links to pages;
3. no other user of this machine sent it, as far as the system tells;
4. it shows the secret or a pass by Basic authentication, or the cookie of a browser that was logged in.

The answers tell browsers that no other origin may read, frame or embed them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection

from deployments.stack import login
from deployments.stack.access import Access
from deployments.stack.channel import (
    INVALID,
    POLICY_VIOLATION,
    App,
    Channel,
    Message,
    Receive,
    Send,
    password_of,
)
from deployments.stack.login import Answer
from deployments.stack.neighbours import is_another_users
from deployments.stack.visitor import Headers, Visitor
from nightshift.errors import OutsideError

logger = logging.getLogger(__name__)

_AUTH_SECONDS = 10.0
_SUBPROTOCOL = "prefect"
_ANSWER_HEADERS = {
    # And the pages' own scripts speak to nobody else: one of Prefect's would tell a service of each visit.
    b"content-security-policy": b"frame-ancestors 'self'; connect-src 'self' blob: data:",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"same-origin",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"SAMEORIGIN",
}
_NOT_FOR_APPS = (b"authorization", b"cookie")


class Door:
    """An ASGI application that answers for another one, and hands on what may come in.

    Args:
        app: the application behind it.
        access: what lets somebody in.
        is_page: whether a path leads to a page, which a link from elsewhere may open.
        hosts: the names under which a proxy with TLS stands before this server.
    """

    def __init__(
        self, app: App, access: Access, is_page: Callable[[str], bool], hosts: Collection[str] = ()
    ) -> None:
        self._app = app
        self._access = access
        self._is_page = is_page
        self._hosts = hosts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request or websocket, or hand it on."""
        match scope["type"]:
            case "lifespan":
                await self._app(scope, receive, send)
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        visitor = Visitor(scope["method"], Headers.of(scope["headers"]), self._hosts)
        is_login = scope["path"] == login.PATH
        if reason := self._foreign(scope, visitor, is_page=is_login or self._is_page(scope["path"])):
            await _answer(send, _refusal(403, reason))
        elif is_login:
            await _answer(send, await self._login(scope, visitor, receive))
        elif self._admits(visitor):
            await self._app(self._inside(scope, visitor), receive, _closed_to_others(send))
        elif visitor.wants_page:
            await _answer(send, login.page())
        else:
            await _answer(send, _refusal(401, 'nobody without the secret: eval "$(nightshift env)" for clients, '
                                              "`nightshift open` for browsers"))  # fmt: skip

    async def _login(self, scope: Message, visitor: Visitor, receive: Receive) -> Answer:
        try:
            if scope["method"] == "GET":
                return login.by_address(self._access, visitor, scope["query_string"])
            if scope["method"] == "POST":
                body = await _body(receive, login.MOST_BYTES)
                return (
                    _refusal(413, "too much") if body is None else login.by_form(self._access, visitor, body)
                )
        except OutsideError as error:
            logger.warning("nobody can log in: %s", error.what)
            return _refusal(503, "the secret cannot be read: see `nightshift status`")
        return _refusal(405, "this page knows GET and POST")

    async def _websocket(self, scope: Message, receive: Receive, send: Send) -> None:
        visitor = Visitor("WEBSOCKET", Headers.of(scope["headers"]), self._hosts)
        await receive()  # the request to connect
        if self._foreign(scope, visitor, is_page=False):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        elif self._admits(visitor):
            channel = Channel(receive, send, lambda: self._admits(visitor))
            await self._app(self._inside(scope, visitor), channel.receive, channel.send)
        elif _SUBPROTOCOL in scope.get("subprotocols", ()) and not visitor.headers.all("origin"):
            await self._by_first_message(scope, visitor, receive, send)
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})

    async def _by_first_message(self, scope: Message, visitor: Visitor, receive: Receive, send: Send) -> None:
        """Take the secret from the first message, as some of Prefect's clients send it; the app sees nothing before."""
        await send({"type": "websocket.accept", "subprotocol": _SUBPROTOCOL})
        try:
            first = await asyncio.wait_for(receive(), _AUTH_SECONDS)
        except TimeoutError:
            first = {}
        password = password_of(first)
        if password is None or not self._is_admitted(password):
            if first.get("type") != "websocket.disconnect":
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": INVALID})
            return
        channel = Channel(receive, send, lambda: self._is_admitted(password), first)
        await self._app(self._inside(scope, visitor), channel.receive, channel.send)

    @staticmethod
    def _foreign(scope: Message, visitor: Visitor, *, is_page: bool) -> str:
        """Why it is refused whatever it shows; empty if it need not be."""
        if reason := visitor.foreign(is_page):
            return reason
        # A proxy with TLS may well be a user of its own.
        if visitor.scheme == "http" and is_another_users(scope.get("client"), scope.get("server")):
            return "another user of this machine may not ask"
        return ""

    def _admits(self, visitor: Visitor) -> bool:
        password = visitor.password()
        if password is not None and self._is_admitted(password):
            return True
        cookies = visitor.cookies(self._access.cookie_name)
        if not cookies or not visitor.may_use_cookie():
            return False
        try:
            return any(map(self._access.is_cookie, cookies))
        except OutsideError as error:
            logger.warning("no cookie counts: %s", error.what)
            return False

    def _is_admitted(self, password: bytes) -> bool:
        try:
            return self._access.admits(password)
        except OutsideError as error:
            logger.warning("no secret counts: %s", error.what)
            return False

    def _inside(self, scope: Message, visitor: Visitor) -> Message:
        """What the application is given: the request less its credentials, and the scheme that browsers see."""
        kept = [pair for pair in scope["headers"] if pair[0].lower() not in _NOT_FOR_APPS]
        others = _other_cookies(visitor.headers, self._access.cookie_name)
        secure = {"http": "https", "ws": "wss"} if visitor.scheme == "https" else {}
        return {
            **scope,
            "headers": kept + ([(b"cookie", others)] if others else []),
            "scheme": secure.get(scope["scheme"], scope["scheme"]),
        }


def _closed_to_others(send: Send) -> Send:
    """The same, with headers that keep the answer from pages of other origins."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                pair for pair in message.get("headers", ())
                if not pair[0].lower().startswith(b"access-control-")
                and (pair[0].lower() not in _ANSWER_HEADERS or pair[0].lower() == b"content-security-policy")
            ]  # fmt: skip
            message = {**message, "headers": [*headers, *_ANSWER_HEADERS.items()]}
        await send(message)

    return guarded


def _refusal(status: int, reason: str) -> Answer:
    # `message` is where MLflow's clients look, `exception_message` where Prefect's do.
    body = {"error_code": "PERMISSION_DENIED", "message": reason, "exception_message": reason}
    return Answer(status, json.dumps(body), {"content-type": "application/json", "cache-control": "no-store"})


async def _answer(send: Send, answer: Answer) -> None:
    body = answer.body.encode()
    headers = {name.decode(): value.decode() for name, value in _ANSWER_HEADERS.items()}
    headers |= answer.headers | {"content-length": str(len(body))}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive, most: int) -> bytes | None:
    """The whole body, or None of one that is longer than it may be."""
    body = b""
    while len(body) <= most:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body if len(body) <= most else None
    return None


def _other_cookies(headers: Headers, own: str) -> bytes:
    each = (one.strip() for line in headers.all("cookie") for one in line.split(";"))
    return "; ".join(one for one in each if one and one.partition("=")[0].strip() != own).encode("latin-1")
