"""A page of another origin, open in a browser that is logged in, against both servers; and the user's own pages."""

from __future__ import annotations

import html
import json
import os
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployments.stack import down
from nightshift.settings import Settings
from tests.conftest import auth_header
from tests.ui.conftest import STRANGER, confined, nightshift

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

PATIENCE_MS = 60_000
ELSEWHERE = ("127.0.0.1", "localhost", STRANGER)
"""Names under which the hostile page is served: of the servers' own site, of another, and from the net."""


@dataclass(frozen=True)
class Write:
    """A request that changes something, if it comes from somebody who may."""

    server: str
    method: str
    path: str
    body: Any
    answer: int = 200


AUTOMATION = {
    "name": "planted",
    "trigger": {
        "type": "event", "posture": "Reactive", "threshold": 1, "within": 0,
        "expect": ["prefect.flow-run.Completed"], "match": {"prefect.resource.id": "prefect.flow-run.*"},
    },
    "actions": [
        {"type": "run-deployment", "source": "selected", "deployment_id": "00000000-0000-0000-0000-000000000000",
         "job_variables": {"command": "touch planted"}}
    ],
}  # fmt: skip
WRITES = [
    Write("prefect", "POST", "/api/automations/", AUTOMATION, 404),  # there is no such deployment
    Write("prefect", "POST", "/api/automations/", AUTOMATION | {"actions": [{"type": "do-nothing"}]}, 201),
    Write("prefect", "POST", "/api/flows/", {"name": "planted"}, 201),
    Write("prefect", "POST", "/api/variables/", {"name": "planted", "value": "x"}, 201),
    Write("prefect", "POST", "/api/work_pools/", {"name": "planted", "type": "process"}, 201),
    Write("prefect", "POST", "/api/events", [], 204),
    Write("mlflow", "POST", "/api/2.0/mlflow/experiments/create", {"name": "planted"}),
    Write("mlflow", "POST", "/ajax-api/2.0/mlflow/registered-models/create", {"name": "planted"}),
    Write("mlflow", "PUT", "/api/2.0/mlflow-artifacts/artifacts/planted/file.txt", "planted"),
    Write("mlflow", "POST", "/graphql", {"query": "{ __typename }", "operationName": "planted"}),
]
READS = {
    "prefect": ["/", "/api/health", "/api/admin/settings", "/ui-settings", "/api/flow_runs/filter"],
    "mlflow": [
        "/",
        "/health",
        "/version",
        "/ajax-api/2.0/mlflow/experiments/search?max_results=9",
        "/get-artifact",
    ],
}


@dataclass(frozen=True)
class Servers:
    """Both servers of a home that is up."""

    folder: Path
    pages: dict[str, str]
    environment: dict[str, str]

    def command(self, *words: str) -> dict[str, Any]:
        return nightshift(self.folder, *words, env=self.environment)

    def ask(self, method: str, server: str, path: str, body: Any = None) -> tuple[int, Any]:
        """What a client that knows the secret is answered."""
        shown = self.command("env")["variables"]["PREFECT_API_AUTH_STRING"]
        sent = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **auth_header(shown)}
        request = urllib.request.Request(f"{self.pages[server]}{path}", sent, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def held(self) -> dict[str, Any]:
        """Everything that an attack could have made, on both servers and on the disk."""
        filters = (
            "automations",
            "flows",
            "flow_runs",
            "deployments",
            "variables",
            "work_pools",
            "block_documents",
        )
        found: dict[str, Any] = {
            name: sorted(str(one["id"]) for one in self.ask("POST", "prefect", f"/api/{name}/filter", {})[1])
            for name in filters
        }
        experiments = self.ask("GET", "mlflow", "/api/2.0/mlflow/experiments/search?max_results=99")[1]
        models = self.ask("GET", "mlflow", "/api/2.0/mlflow/registered-models/search")[1]
        artifacts = self.folder / "home" / "mlartifacts"
        return found | {
            "experiments": experiments,
            "models": models,
            "files": sorted(str(path) for path in artifacts.rglob("*")),
        }


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("hostile")
    environment = {"NIGHTSHIFT_HOME": str(folder / "home"), "NIGHTSHIFT_PROJECTS": str(folder)}
    try:
        told = nightshift(folder, "up", env=environment)["services"]
        pages = {name: told[name]["page"] for name in ("prefect", "mlflow")}
        yield Servers(folder, pages, environment)
    finally:
        names: dict[str, Any] = {"PREFECT_API_URL": None, "MLFLOW_TRACKING_URI": None}
        down(Settings(home=folder / "home", **names))


@pytest.fixture(scope="module")
def hostile() -> Iterator[ThreadingHTTPServer]:
    """A server of somebody else's, which shows the page that it was last given."""

    class Show(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(getattr(self.server, "shown", "").encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Show) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def browser(servers: Servers, chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that was logged in to both servers, by the address for 127.0.0.1 and by the form for localhost."""
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE_MS)
    with confined(context):
        log_in(context, servers)
        page = context.new_page()
        page.goto(servers.pages["prefect"].replace("127.0.0.1", "localhost"))
        page.get_by_label("Secret").fill((servers.folder / "home" / "access" / "secret").read_text().strip())
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("Work Pools").first.wait_for()
        yield context
    context.close()


def log_in(context: BrowserContext, servers: Servers) -> Page:
    page = context.new_page()
    page.goto(servers.command("open", "--no-browser")["address"])
    page.wait_for_url(re.compile(rf"^{re.escape(servers.pages['prefect'])}/(?!nightshift)"))
    return page


def show(hostile: ThreadingHTTPServer, page: Page, name: str, content: str) -> None:
    hostile.shown = f"<!doctype html><title>hostile</title>{content}"  # type: ignore[attr-defined]
    page.goto(f"http://{name}:{hostile.server_port}/")


def targets(servers: Servers) -> list[tuple[Write, str]]:
    """Every write with its address, under both names of the servers."""
    return [
        (write, servers.pages[write.server].replace("127.0.0.1", name) + write.path)
        for write in WRITES
        for name in ("127.0.0.1", "localhost")
    ]


FETCHES = """
async (writes) => {
    const told = [];
    for (const [method, url, body] of writes) {
        for (const mode of ["cors", "no-cors"]) {
            for (const type of ["text/plain", "application/json"]) {
                const options = {method, mode, credentials: "include", headers: {"Content-Type": type}};
                if (!["GET", "HEAD"].includes(method)) options.body = body;
                try {
                    const answer = await fetch(url, options);
                    if (answer.type !== "opaque") told.push([url, mode, answer.status]);
                } catch (error) {}
            }
        }
        navigator.sendBeacon(url, body);
    }
    return told;
}
"""

SOCKETS = """
async (urls) => {
    const opened = [];
    for (const url of urls) for (const protocols of [[], ["prefect"]]) {
        await new Promise((done) => {
            const socket = new WebSocket(url, protocols);
            socket.onopen = () => {
                opened.push(url);
                socket.send(JSON.stringify({type: "auth", token: null}));
                socket.close();
            };
            socket.onclose = socket.onerror = done;
        });
    }
    return opened;
}
"""

EMBEDS = """
async (urls) => {
    const loaded = [];
    const load = (tag, attribute, url, more) => new Promise((done) => {
        const element = Object.assign(document.createElement(tag), more || {});
        element.onload = () => { loaded.push([tag, url]); done(); };
        element.onerror = done;
        element[attribute] = url;
        document.body.append(element);
        setTimeout(done, 1500);
    });
    for (const url of urls) {
        await Promise.all([
            load("img", "src", url), load("script", "src", url), load("link", "href", url, {rel: "stylesheet"}),
        ]);
    }
    return loaded;
}
"""


def test_each_attack_would_do_harm_if_it_were_let_in(servers: Servers) -> None:
    made = [servers.ask(write.method, write.server, write.path, write.body)[0] for write in WRITES]

    assert made == [write.answer for write in WRITES]
    assert servers.ask("DELETE", "prefect", "/api/work_pools/planted")[0] == 204
    assert servers.ask("DELETE", "prefect", "/api/variables/name/planted")[0] == 204
    assert (
        servers.ask("DELETE", "mlflow", "/api/2.0/mlflow/registered-models/delete", {"name": "planted"})[0]
        == 200
    )


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_script_of_another_origin_changes_or_reads_anything(
    servers: Servers, browser: BrowserContext, hostile: ThreadingHTTPServer, name: str
) -> None:
    before, page = servers.held(), browser.new_page()
    writes = [
        (write.method, url, write.body if isinstance(write.body, str) else json.dumps(write.body))
        for write, url in targets(servers)
    ]
    reads = [
        ("GET", servers.pages[server].replace("127.0.0.1", own) + path, "")
        for server, paths in READS.items()
        for path in paths
        for own in ("127.0.0.1", "localhost")
    ]
    show(hostile, page, name, "")

    assert page.evaluate(FETCHES, writes + reads) == []
    assert page.evaluate(EMBEDS, [url for _, url, _ in reads]) == []
    sockets = [
        servers.pages["prefect"].replace("http", "ws").replace("127.0.0.1", own) + path
        for own in ("127.0.0.1", "localhost")
        for path in (
            "/api/events/in",
            "/api/events/out",
            "/api/logs/out",
            "/api/task_runs/subscriptions/scheduled",
        )
    ]
    assert page.evaluate(SOCKETS, sockets) == []
    assert servers.held() == before


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_form_of_another_origin_changes_anything(
    servers: Servers, browser: BrowserContext, hostile: ThreadingHTTPServer, name: str
) -> None:
    before = servers.held()
    forms = []
    for write, url in targets(servers):
        # A form that is sent as text can hold any JSON: its name is the beginning, its value the end.
        text = json.dumps(write.body)
        forms += [
            f'<form method="{method}" action="{html.escape(url)}" enctype="{encoding}" target="frame">'
            f'<input name="{html.escape(text[:-1])}" value="{html.escape(text[-1:])}"></form>'
            for encoding in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
            for method in ("post", "get")
        ]
    page = browser.new_page()
    show(hostile, page, name, f'<iframe name="frame"></iframe>{"".join(forms)}')
    refused: list[int] = []
    page.on("response", lambda response: refused.append(response.status))

    for number in range(len(forms)):
        page.evaluate("number => document.forms[number].submit()", number)
        page.wait_for_timeout(10)
    until(lambda: len(refused) > 0, page)
    assert set(refused) <= {403}

    # And in a window of its own, where a browser sends more.
    for number in range(0, len(forms), 6):
        show(hostile, page, name, forms[number].replace('target="frame"', ""))
        with page.expect_navigation() as navigation:
            page.evaluate("document.forms[0].submit()")
        assert navigation.value.status == 403
    assert servers.held() == before


@pytest.mark.parametrize("server", ["prefect", "mlflow"])
def test_a_name_that_was_bound_anew_gets_nothing(
    servers: Servers, browser: BrowserContext, server: str
) -> None:
    before, page = servers.held(), browser.new_page()
    rebound = servers.pages[server].replace("127.0.0.1", STRANGER)

    for path in READS[server]:
        answer = page.goto(rebound + path)
        assert answer is not None
        assert answer.status == 403
    # The page's own origin now is the server's address, so that all it sends is of its own origin.
    writes = [
        (write.method, rebound + write.path, json.dumps(write.body))
        for write in WRITES
        if write.server == server
    ]
    assert {status for _, _, status in page.evaluate(FETCHES, writes)} == {403}
    assert page.evaluate(SOCKETS, [rebound.replace("http", "ws") + "/api/events/in"]) == []
    assert servers.held() == before


@pytest.mark.parametrize("server", ["prefect", "mlflow"])
def test_no_page_of_another_origin_frames_the_pages(
    servers: Servers, browser: BrowserContext, hostile: ThreadingHTTPServer, server: str
) -> None:
    page = browser.new_page()
    show(hostile, page, "127.0.0.1", f'<iframe src="{servers.pages[server]}/"></iframe>')
    page.wait_for_timeout(2000)

    assert [frame.title() for frame in page.frames[1:] if "chrome-error" not in frame.url] in ([], [""])


def test_a_link_in_a_message_opens_its_page_in_a_browser_that_is_logged_in(
    servers: Servers, browser: BrowserContext, hostile: ThreadingHTTPServer
) -> None:
    page = browser.new_page()
    for server, path, seen in (
        ("prefect", "/work-pools", "nightshift"),
        ("mlflow", "/#/experiments", "Experiments"),
    ):
        show(hostile, page, STRANGER, f'<a href="{servers.pages[server]}{path}">the run</a>')
        page.get_by_text("the run").click()
        page.get_by_text(seen).first.wait_for()


def test_the_pages_own_scripts_read_and_write_as_before(servers: Servers, browser: BrowserContext) -> None:
    page = browser.new_page()
    own = """async ([method, url, body]) => {
        const answer = await fetch(url, {method, body, headers: {"Content-Type": "application/json"}});
        return answer.status;
    }"""
    for server, path, body in (
        ("prefect", "/api/variables/", {"name": "own", "value": 1}),
        ("mlflow", "/ajax-api/2.0/mlflow/experiments/create", {"name": f"own-{os.getpid()}"}),
    ):
        page.goto(servers.pages[server])
        assert page.evaluate(own, ["POST", path, json.dumps(body)]) in (200, 201)
    opened = page.goto(servers.pages["prefect"])
    assert opened is not None
    assert opened.status == 200
    socket = servers.pages["prefect"].replace("http", "ws") + "/api/events/in"
    assert page.evaluate(SOCKETS, [socket]) == [socket, socket]


def test_one_visit_logs_in_to_both_servers_until_there_is_a_new_secret(
    servers: Servers, chromium: Browser
) -> None:
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE_MS)
    with confined(context):
        page = context.new_page()
        for server in ("prefect", "mlflow"):
            page.goto(servers.pages[server])
            page.get_by_text("This browser is not logged in").wait_for()
        address = servers.command("open", "--no-browser")["address"]
        page.goto(address)
        page.get_by_text("Work Pools").first.wait_for()
        assert "token" not in page.url
        page.goto(servers.pages["mlflow"])
        page.get_by_text("Experiments").first.wait_for()
        (cookie,) = [one for one in context.cookies() if one["name"].startswith("nightshift-")]
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"

        context.clear_cookies()
        page.goto(address)
        page.get_by_text("That address was used before").wait_for()

        log_in(context, servers)
        servers.command("secret", "--rotate")
        for server in ("prefect", "mlflow"):
            page.goto(servers.pages[server])
            page.get_by_text("This browser is not logged in").wait_for()
        # What it started goes on: the worker has come back to ask for work since.
        assert all(one["healthy"] for one in servers.command("status")["services"].values())
        page.get_by_label("Secret").fill("something else")
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("That is not the secret").wait_for()
        log_in(context, servers)
    context.close()


def until(condition: Any, page: Page, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        page.wait_for_timeout(100)
