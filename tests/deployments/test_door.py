"""The door without a server: which request comes in, by which headers, and what the others are told."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deployments.stack.access import USER, Access
from deployments.stack.channel import Message
from deployments.stack.door import Door
from deployments.stack.login import MOST_BYTES, PATH
from deployments.stack.tokens import this_process
from deployments.stack.visitor import declared_hosts
from nightshift.errors import RequestError

HOST = "127.0.0.1:4242"
OWN = f"http://{HOST}"
PROXIED = "night.example.com"
HERE = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
TYPED = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
LINK = TYPED | {"sec-fetch-site": "cross-site"}
"""A link in a message of another site, clicked on."""

Pairs = list[tuple[str, str]]


class Behind:
    """An application that says yes to everything, and remembers what reached it."""

    def __init__(self) -> None:
        self.reached: list[Message] = []
        self.heard: list[Message] = []

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        self.reached.append(scope)
        if scope["type"] == "http":
            headers = [
                (b"access-control-allow-origin", b"*"),
                (b"x-frame-options", b"ALLOWALL"),
                (b"vary", b"Origin"),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"yes"})
            return
        self.heard.append(await receive())
        await send({"type": "websocket.accept", "subprotocol": "prefect"})
        while (message := await receive())["type"] != "websocket.disconnect":
            self.heard.append(message)
            await send({"type": "websocket.send", "text": "heard"})


@dataclass
class Answered:
    """What the door sent back."""

    sent: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> Pairs:
        return [(name.decode(), value.decode()) for name, value in self.sent[0]["headers"]]

    @property
    def body(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent[1:]).decode()

    @property
    def kinds(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]


class Visit:
    """A door, an application behind it, and requests to make."""

    def __init__(self, home: Path) -> None:
        self.access = Access(home)
        self.secret = self.access.make_secret()
        self.app = Behind()
        self.door = Door(
            self.app, self.access, lambda path: not path.startswith("/api/"), declared_hosts(PROXIED)
        )

    @property
    def cookie(self) -> dict[str, str]:
        return {"cookie": f"{self.access.cookie_name}={self.access.cookie()}"}

    @property
    def basic(self) -> dict[str, str]:
        return basic(f"{USER}:{self.secret}")

    def __call__(
        self, method: str, path: str, headers: dict[str, str] | Pairs, body: bytes = b"", query: str = ""
    ) -> Answered:
        answered = Answered()
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode(), "scheme": "http",
            "headers": encoded(headers),
        }  # fmt: skip
        chunks = [body[start : start + 1000] for start in range(0, len(body), 1000)] or [b""]

        async def receive() -> Message:
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        async def send(message: Message) -> None:
            answered.sent.append(message)

        asyncio.run(self.door(scope, receive, send))
        return answered

    def socket(
        self, headers: dict[str, str] | Pairs, *texts: str, subprotocols: tuple[str, ...] = ("prefect",),
        before_last: Any = lambda: None,
    ) -> Answered:  # fmt: skip
        """Open a websocket, send these texts and leave."""
        answered = Answered()
        messages: list[Message] = [{"type": "websocket.connect"}]
        messages += [{"type": "websocket.receive", "text": text} for text in texts]
        messages += [{"type": "websocket.disconnect", "code": 1000}]
        scope = {
            "type": "websocket", "path": "/api/events/in", "query_string": b"", "scheme": "ws",
            "headers": encoded(headers), "subprotocols": list(subprotocols),
        }  # fmt: skip

        async def receive() -> Message:
            if len(messages) == 2:
                before_last()
            return messages.pop(0)

        async def send(message: Message) -> None:
            answered.sent.append(message)

        asyncio.run(self.door(scope, receive, send))
        return answered


def encoded(headers: dict[str, str] | Pairs) -> list[tuple[bytes, bytes]]:
    """As a server hands them over; with a Host, unless there is one."""
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    if not any(name == "host" for name, _ in pairs):
        pairs = [("host", HOST), *pairs]
    return [(name.encode(), value.encode("latin-1")) for name, value in pairs if value != "(none)"]


def basic(text: str | bytes) -> dict[str, str]:
    raw = text.encode() if isinstance(text, str) else text
    return {"authorization": f"Basic {base64.b64encode(raw).decode()}"}


@pytest.fixture
def visit(tmp_path: Path) -> Visit:
    return Visit(tmp_path)


@pytest.mark.parametrize(
    "path", ["/", "/api/health", "/api/flows/filter", "/health", "/version", "/api", "//api/x"]
)
@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "ODD"]
)
def test_nobody_is_answered_without_the_secret(visit: Visit, method: str, path: str) -> None:
    for headers in ({}, TYPED, HERE | {"origin": OWN}):
        assert visit(method, path, headers).status == 401

    assert visit.app.reached == []
    assert visit(method, path, visit.basic).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.evil.com", "evil.com", "evil.com:4242", "localhost.evil.com", "127.0.0.1:4242.evil.com",
        "127.0.0.1.", "localhost.", "127.0.0.2", "127.1", "2130706433", "0.0.0.0:4242", "10.0.0.1", "[::2]:80",
        "::1", "127.0.0.1:",
        "127.0.0.1:x", "127.0.0.1:4242 evil.com", "user@127.0.0.1", "127.0.0.1@evil.com", "http://127.0.0.1", "",
        "(none)", "night.example.com.evil.com", "xnight.example.com", "night.example.com:80", "localhost:123456",
        "127.0.0.1:4242,evil.com", "\xb9\xb27.0.0.1",
    ],
)  # fmt: skip
def test_a_name_that_is_not_this_servers_gets_nothing(visit: Visit, host: str) -> None:
    for headers in (visit.basic, visit.cookie | HERE, visit.cookie | TYPED):
        answered = visit("GET", "/api/flows/1", headers | {"host": host})
        assert answered.status == 403
        assert host == "" or host == "(none)" or host not in answered.body
        assert visit.socket(headers | {"host": host}).kinds == ["close"]
    assert visit("GET", PATH, TYPED | {"host": host}).status == 403
    assert visit.app.reached == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        HOST,
        "localhost:1",
        "LOCALHOST:8080",
        "[::1]:4242",
        "[::1]",
        PROXIED,
        "Night.Example.COM:443",
    ],
)
def test_a_loopback_name_on_any_port_is_this_servers_and_so_is_a_declared_one(
    visit: Visit, host: str
) -> None:
    assert visit("GET", "/api/flows/1", visit.basic | {"host": host}).status == 200
    scheme = "https" if "xample" in host else "http"
    own = f"{scheme}://{host.lower().removesuffix(':443')}"
    assert visit("POST", "/api/flows/1", visit.cookie | HERE | {"host": host, "origin": own}).status == 200
    assert visit.app.reached[-1]["scheme"] == scheme


def test_two_hosts_are_none(visit: Visit) -> None:
    pairs = [("host", HOST), ("host", "evil.com"), *visit.basic.items()]

    assert visit("GET", "/", pairs).status == 403
    assert visit("GET", "/", [("host", HOST), ("host", HOST), *visit.basic.items()]).status == 403


@pytest.mark.parametrize(
    "origin",
    [
        "null", "http://evil.com", "http://127.0.0.1:4243", "http://localhost:4242", f"https://{HOST}", "http://127.0.0.1",
        f"http://{HOST}.evil.com", f"http://evil.com/{HOST}", f"http://{HOST}/", f"HTTP://{HOST}", "file://", "", "*",
        f"http://{HOST} http://evil.com", f"http://user@{HOST}", "chrome-extension://abc",
    ],
)  # fmt: skip
def test_a_page_of_another_origin_gets_nothing_whatever_it_brings(visit: Visit, origin: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        for shown in (visit.cookie | HERE, visit.cookie, visit.basic, {}):
            answered = visit(method, "/api/flows/1", shown | {"origin": origin})
            assert answered.status == 403
            assert not [name for name, _ in answered.headers if name.startswith("access-control-")]
    assert visit.socket(visit.cookie | {"origin": origin}).kinds == ["close"]
    assert visit.socket(visit.basic | {"origin": origin}).kinds == ["close"]
    assert visit("POST", PATH, {"origin": origin}, f"secret={visit.secret}".encode()).status == 403
    assert visit.app.reached == []


def test_two_origins_are_a_foreign_one(visit: Visit) -> None:
    pairs = [("origin", OWN), ("origin", "http://evil.com"), *visit.cookie.items(), *HERE.items()]

    assert visit("POST", "/api/flows/1", pairs).status == 403
    assert visit.socket(pairs).kinds == ["close"]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd", ""])
@pytest.mark.parametrize(
    ("method", "path", "mode", "dest", "status"),
    [
        ("GET", "/", "navigate", "document", 200),  # a link in a message
        ("GET", "/runs/flow-run/1", "navigate", "document", 200),
        ("GET", "/api/flows/1", "navigate", "document", 403),
        ("GET", "/", "navigate", "iframe", 403),
        ("GET", "/", "no-cors", "image", 403),
        ("GET", "/assets/x.js", "no-cors", "script", 403),
        ("GET", "/", "cors", "empty", 403),
        ("GET", "/", "navigate", "object", 403),
        ("HEAD", "/", "navigate", "document", 403),
        ("POST", "/", "navigate", "document", 403),
        ("POST", "/api/flows/", "no-cors", "empty", 403),
        ("DELETE", "/api/flows/1", "no-cors", "empty", 403),
    ],
)
def test_a_page_elsewhere_may_open_pages_and_nothing_else(
    visit: Visit, site: str, method: str, path: str, mode: str, dest: str, status: int
) -> None:
    told = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}

    assert visit(method, path, visit.cookie | told).status == status
    # Nor with what a browser may remember of an address with a password in it.
    assert visit(method, path, visit.basic | told).status == status


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", HERE, 200),
        ("GET", TYPED, 200),
        ("HEAD", HERE, 200),
        ("POST", HERE | {"origin": OWN}, 200),
        ("POST", {"origin": OWN}, 200),
        ("GET", {"origin": OWN}, 200),
        ("GET", {}, 401),  # a browser that does not say where from
        ("POST", {}, 401),
        ("POST", HERE, 401),
        ("POST", TYPED, 401),
        ("DELETE", HERE, 401),
        ("OPTIONS", HERE, 401),
    ],
)
def test_a_cookie_counts_for_the_servers_own_pages(
    visit: Visit, method: str, headers: dict[str, str], status: int
) -> None:
    assert visit(method, "/api/flows/1", visit.cookie | headers).status == status


def test_one_good_cookie_of_several_is_enough(visit: Visit) -> None:
    name, good = visit.access.cookie_name, visit.access.cookie()
    for line, status in [
        (f"a=1; {name}=bad; {name}={good}; b=2", 200),
        (f"{name}={good};{name}=", 200),
        (f"{name}=bad", 401),
        (f"{name}-x={good}", 401),
        (f"x{name}={good}", 401),
        (f"{name.upper()}={good}", 401),
        (f'{name}="{good}"', 401),
        ("; ;=;" * 2000, 401),
    ]:
        assert visit("GET", "/api/flows/1", HERE | {"cookie": line}).status == status
    lines = [("cookie", "a=1"), ("cookie", f"{name}={good}"), *HERE.items()]
    assert visit("GET", "/api/flows/1", lines).status == 200


def test_basic_authentication_takes_the_secret_or_a_pass_and_the_name(visit: Visit) -> None:
    mine = visit.access.passes.issue(this_process())
    for shown, status in [
        (basic(f"{USER}:{visit.secret}"), 200),
        (basic(f"{USER}:{mine}"), 200),
        ({"authorization": basic(f"{USER}:{mine}")["authorization"].replace("Basic", "bAsIc")}, 200),
        (basic(f"other:{visit.secret}"), 401),
        (basic(f":{visit.secret}"), 401),
        (basic(visit.secret), 401),
        (basic(f"{USER}:"), 401),
        (basic(f"{USER}:{visit.secret} "), 401),
        (basic(f"{USER}:{visit.secret[:-1]}"), 401),
        (basic(f"{USER}:{visit.secret}:x"), 401),
        (basic(f"{USER}:../secret"), 401),
        (basic(f"{USER}:\u00fc\u4e2d\u0000"), 401),
        (basic(f"{USER}:".encode() + b"\xff\xfe\x00"), 401),
        (basic(f"{USER}:" + "x" * 60_000), 401),
        ({"authorization": "Basic"}, 401),
        ({"authorization": "Basic !!!"}, 401),
        ({"authorization": "Basic \xfc"}, 401),
        ({"authorization": f"Bearer {visit.secret}"}, 401),
        ({"authorization": visit.secret}, 401),
    ]:
        assert visit("POST", "/api/flows/1", shown).status == status, shown
    twice = [*visit.basic.items(), *visit.basic.items()]
    assert visit("GET", "/api/flows/1", twice).status == 401


def test_no_answer_makes_a_browser_ask_for_a_password_or_tells_one(visit: Visit) -> None:
    for answered in (
        visit("GET", "/", TYPED),
        visit("GET", "/api/x", {}),
        visit("GET", "/", {"host": "evil.com"}),
    ):
        names = [name for name, _ in answered.headers]
        assert "www-authenticate" not in names
        assert "set-cookie" not in names
        assert visit.secret not in answered.body


def test_what_comes_in_carries_no_credential_and_what_goes_out_is_for_nobody_else(visit: Visit) -> None:
    cookie = {"cookie": f"a=1; {visit.cookie['cookie']}; prefect_ui_version=v1"}

    answered = visit("GET", "/", visit.basic | cookie | HERE)

    inside = {name.decode(): value.decode() for name, value in visit.app.reached[-1]["headers"]}
    assert "authorization" not in inside
    assert inside["cookie"] == "a=1; prefect_ui_version=v1"
    assert inside["host"] == HOST
    out = dict(answered.headers)
    assert answered.body == "yes"
    assert not [name for name in out if name.startswith("access-control-")]
    assert out["x-frame-options"] == "SAMEORIGIN"
    assert out["cross-origin-resource-policy"] == "same-origin"
    assert out["content-security-policy"] == "frame-ancestors 'self'; connect-src 'self' blob: data:"
    assert out["vary"] == "Origin"
    assert len(answered.headers) == len(out)


def test_the_printed_address_logs_in_once_and_leaves_the_address_bar(visit: Visit) -> None:
    query = f"token={visit.access.logins.issue('browser')}"
    # What fetches in advance, or shows it in a frame, is no visit.
    for told in (TYPED | {"sec-purpose": "prefetch;prerender"}, HERE, TYPED | {"sec-fetch-dest": "iframe"}):
        assert visit("GET", PATH, told, query=query).status == 403
    assert visit("HEAD", PATH, TYPED, query=query).status == 405

    answered = visit("GET", PATH, LINK, query=query)

    out = dict(answered.headers)
    assert (answered.status, out["location"], answered.body) == (303, "/", "")
    assert out["referrer-policy"] == "no-referrer"
    assert out["cache-control"] == "no-store"
    cookie, *flags = out["set-cookie"].split("; ")
    assert {*flags} == {"Path=/", f"Max-Age={30 * 24 * 3600}", "HttpOnly", "SameSite=Lax"}
    assert visit("GET", "/", HERE | {"cookie": cookie}).status == 200
    again = visit("GET", PATH, TYPED, query=query)
    assert again.status == 403
    assert "used before" in again.body
    assert visit("GET", PATH, TYPED | {"cookie": cookie}, query=query).status == 303
    assert "set-cookie" not in dict(again.headers)


@pytest.mark.parametrize(
    "query",
    [
        "token=x&next=//evil.com", "token=<script>alert(1)</script>", "next=http://evil.com", "token=",
        "token=a&token=b", "\xff",
    ],
)  # fmt: skip
def test_the_page_shows_nothing_of_what_was_asked_and_sends_nobody_elsewhere(
    visit: Visit, query: str
) -> None:
    answered = visit("GET", PATH, TYPED, query=query)

    assert answered.status in (200, 403)
    assert "evil" not in answered.body
    assert "<script" not in answered.body
    out = dict(answered.headers)
    assert "location" not in out
    assert out["cache-control"] == "no-store"
    assert out["x-frame-options"] == "DENY"
    assert "default-src 'none'" in out["content-security-policy"]
    assert "frame-ancestors 'none'" in out["content-security-policy"]


def test_the_form_takes_the_secret_from_its_own_page(visit: Visit) -> None:
    form = (
        {"origin": OWN, "content-type": "application/x-www-form-urlencoded"}
        | TYPED
        | {"sec-fetch-site": "same-origin"}
    )
    body = f"secret={quote(visit.secret)}".encode()

    answered = visit("POST", PATH, form, body + b"&next=//evil.com")

    assert (answered.status, dict(answered.headers)["location"]) == (303, "/")
    for refused in (
        b"secret=wrong",
        b"secret=",
        b"",
        b"\xff",
        b"secret=a&" + body,
        b"&" * 100,
        b"secret=%00",
    ):
        again = visit("POST", PATH, form, refused)
        assert again.status == 403
        assert "set-cookie" not in dict(again.headers)
    # A pass is for clients, an address is opened.
    assert visit("POST", PATH, form, f"secret={visit.access.passes.issue('worker')}".encode()).status == 403
    assert visit("POST", PATH, form, b"secret=" + b"x" * (MOST_BYTES + 1)).status == 413
    assert visit("POST", PATH, {}, body).status == 403
    assert visit("PUT", PATH, form, body).status == 405


def test_behind_tls_the_cookie_is_secure(visit: Visit) -> None:
    form = {"origin": f"https://{PROXIED}", "host": PROXIED}

    answered = visit("POST", PATH, form, f"secret={visit.secret}".encode())

    assert dict(answered.headers)["set-cookie"].endswith("; Secure")
    assert (
        visit("POST", PATH, form | {"origin": f"http://{PROXIED}"}, f"secret={visit.secret}".encode()).status
        == 403
    )


def test_a_new_secret_is_taken_at_once_and_the_old_one_refused(visit: Visit) -> None:
    old, cookie = visit.basic, visit.cookie | HERE
    mine = basic(f"{USER}:{visit.access.passes.issue(this_process())}")
    assert [visit("GET", "/api/x", shown).status for shown in (old, cookie, mine)] == [200] * 3

    Access(visit.access.folder.parent).rotate()

    assert [visit("GET", "/api/x", shown).status for shown in (old, cookie, mine)] == [401, 401, 200]
    new = basic(f"{USER}:{visit.access.secret()}")
    assert visit("GET", "/api/x", new).status == 200


def test_a_secret_that_cannot_be_read_lets_nobody_in_and_passes_go_on(visit: Visit) -> None:
    mine = basic(f"{USER}:{visit.access.passes.issue(this_process())}")
    address = visit.access.logins.issue("browser")
    shown, cookie = visit.basic, visit.cookie | HERE
    visit.access.path.chmod(0o644)

    assert [visit("GET", "/api/x", each).status for each in (shown, cookie, mine)] == [401, 401, 200]
    assert visit("GET", PATH, TYPED, query=f"token={address}").status == 503


def auth(text: Any) -> str:
    return json.dumps({"type": "auth", "token": text})


def test_a_websocket_comes_in_by_header_by_cookie_of_an_own_page_or_by_its_first_message(
    visit: Visit,
) -> None:
    own = visit.cookie | {"origin": OWN}
    for headers in (visit.basic, own, visit.cookie | {"origin": OWN, "sec-fetch-site": "same-origin"}):
        assert visit.socket(headers, "hello").kinds == ["accept", "send"]
    assert visit.app.heard[-2:] == [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "hello"},
    ]

    first = auth(f"{USER}:{visit.secret}")
    assert visit.socket({}, first, "hello").kinds == ["accept", "send", "send"]
    assert [message.get("text") for message in visit.app.heard[-3:]] == [None, first, "hello"]


@pytest.mark.parametrize(
    "first",
    [
        auth(None), auth(""), auth("nightshift:"), auth("nightshift:wrong"), auth(7), auth(["nightshift:x"]),
        "{", "[]", "7", "[" * 100_000, json.dumps({"type": "subscribe"}), auth("\ud800:x"), auth(f"{USER}:\ud800"), "",
    ],
)  # fmt: skip
def test_a_first_message_without_the_secret_reaches_nothing(visit: Visit, first: str) -> None:
    assert visit.socket({}, first, "hello").kinds == ["accept", "close"]
    assert visit.app.reached == []


def test_a_websocket_without_anything_is_closed_before_it_opens(visit: Visit) -> None:
    first = auth(f"{USER}:{visit.secret}")
    for headers in (
        {"origin": OWN},  # a page without a cookie has no other way in
        visit.cookie,  # no browser leaves the origin out
        visit.cookie | HERE,
        {"origin": OWN, "cookie": f"{visit.access.cookie_name}=bad"},
    ):
        assert visit.socket(headers, first, subprotocols=()).kinds == ["close"]
        assert visit.socket(headers | {"origin": OWN + "x"}, first).kinds == ["close"]
    assert visit.socket({"origin": OWN}, first).kinds == ["close"]
    assert visit.socket({}, subprotocols=("other",)).sent[0]["code"] == 1008
    assert visit.socket({}).kinds == ["accept"]  # and left without a word
    assert visit.app.reached == []


@pytest.mark.parametrize("way", ["header", "cookie", "message"])
def test_an_open_websocket_closes_when_the_secret_changes(visit: Visit, way: str) -> None:
    headers = {"header": visit.basic, "cookie": visit.cookie | {"origin": OWN}, "message": {}}[way]
    first = [auth(f"{USER}:{visit.secret}")] if way == "message" else []

    answered = visit.socket(headers, *first, "before", "after", before_last=visit.access.rotate)

    assert answered.kinds == ["accept", *["send"] * (len(first) + 1), "close"]
    assert "after" not in [message.get("text") for message in visit.app.heard]


def test_an_open_websocket_of_a_process_at_work_stays(visit: Visit) -> None:
    mine = basic(f"{USER}:{visit.access.passes.issue(this_process())}")

    answered = visit.socket(mine, "before", "after", before_last=visit.access.rotate)

    assert answered.kinds == ["accept", "send", "send"]


@pytest.mark.parametrize(
    "text", ["https://night.example.com", "*", "night.example.com/x", "a b/c", "*.example.com", "[::1]"]
)
def test_a_declared_host_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="no host name") as caught:
        declared_hosts(text)
    assert caught.value.where == "NIGHTSHIFT_HOSTS"
