"""The local stack, with real servers on real ports: up once, found again, and down to the last process."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from deployments.stack import Service, control, down, ensure_prefect, process, record, status, up
from deployments.stack.access import USER, Access
from nightshift.errors import OutsideError, TransientError
from nightshift.settings import Settings
from tests.conftest import auth_header

# The tests that need servers share two: let one worker have them all.

ROOT = Path(__file__).parents[2]

PRELUDE = """
import sys
from pathlib import Path
from nightshift.settings import Settings
settings = Settings(home=Path(sys.argv[1]), PREFECT_API_URL=None, MLFLOW_TRACKING_URI=None)
"""


def settings_at(home: Path, **addresses: str) -> Settings:
    """Settings that hear nothing of the servers that the tests' own environment may name."""
    named: dict[str, Any] = {"PREFECT_API_URL": None, "MLFLOW_TRACKING_URI": None}
    return Settings(home=home, **(named | addresses))


def spawn(code: str, settings: Settings) -> subprocess.Popen[str]:
    """A command of Nightshift, in a terminal session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code, str(settings.home)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def trees(settings: Settings) -> list[psutil.Process]:
    """The processes that `stack.json` names, and their children."""
    found = []
    for known in record.read(settings.home_path).values():
        if known.pid and psutil.pid_exists(known.pid):
            leader = psutil.Process(known.pid)
            found += [leader, *leader.children(recursive=True)]
    return found


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def kill(pid: int | None) -> None:
    doomed = psutil.Process(pid)
    doomed.kill()
    doomed.wait(10)


def pids(services: list[Service]) -> dict[str, int | None]:
    return {service.name: service.pid for service in services}


def get(url: str, settings: Settings, **headers: str) -> tuple[int, str]:
    """What a server of this home answers to somebody who knows its secret."""
    headers |= auth_header(f"{USER}:{Access(settings.home_path).secret()}")
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@contextmanager
def end_to(settings: Settings) -> Iterator[None]:
    """Whatever a test does or fails to do, end the servers of its home by their pids."""
    try:
        yield
    finally:
        for each in trees(settings):
            each.kill()


@contextmanager
def stranger() -> Iterator[int]:
    """The port of a server that is not ours, and that answers 200 to whatever it is asked."""

    class Yes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Yes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@dataclass(frozen=True)
class Home:
    settings: Settings
    pids_at_interrupt: dict[str, int | None]
    interrupted: int


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose first `up` was interrupted from the keyboard when both servers had just been started."""
    settings = settings_at(tmp_path_factory.mktemp("stack") / "home of a night")
    with end_to(settings):
        command = spawn("from deployments.stack import up; up(settings)", settings)
        deadline = time.monotonic() + 30
        while len(record.read(settings.home_path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(command.pid, signal.SIGINT)
        command.communicate(timeout=30)
        known = record.read(settings.home_path)
        yield Home(settings, {name: each.pid for name, each in known.items()}, command.returncode)


@pytest.fixture
def stack(home: Home) -> Settings:
    """The settings of a home where both servers are up."""
    up(home.settings)
    return home.settings


@pytest.mark.slow
def test_servers_outlive_the_command_and_the_next_one_waits_for_them(home: Home) -> None:
    assert home.interrupted != 0

    services = up(home.settings)

    assert [service.name for service in services] == ["prefect", "mlflow", "worker"]
    assert all(service.healthy for service in services)
    # The worker was not yet started when the command was interrupted.
    assert home.pids_at_interrupt.items() <= pids(services).items()


@pytest.mark.slow
def test_up_again_starts_nothing(stack: Settings) -> None:
    before = up(stack)
    told: list[str] = []

    assert up(stack, told.append) == before
    assert status(stack) == before
    assert told == []


@pytest.mark.slow
def test_a_running_prefect_is_found_without_loading_a_library(stack: Settings) -> None:
    code = """
import time
begin = time.perf_counter()
from deployments.stack import ensure_prefect
url = ensure_prefect(settings)
took = time.perf_counter() - begin
print(url, took, *({"prefect", "mlflow", "filelock", "httpx"} & set(sys.modules)))
"""
    answers = [spawn(code, stack).communicate(timeout=60)[0].split() for _ in range(3)]

    assert {answer[0] for answer in answers} == {status(stack)[0].url}
    assert all(answer[2:] == [] for answer in answers)
    # 25 ms on an idle machine.
    assert min(float(answer[1]) for answer in answers) < 0.2


@pytest.mark.slow
def test_a_worker_is_found_again_and_replaced_when_it_died_or_serves_another_address(stack: Settings) -> None:
    _, _, before = up(stack)
    assert pids(up(stack))["worker"] == before.pid
    kill(before.pid)
    assert not status(stack)[2].healthy

    second = up(stack)[2]

    assert second.healthy
    assert second.pid != before.pid
    known = record.read(stack.home_path)["worker"]
    record.write(stack.home_path, "worker", replace(known, url="http://127.0.0.1:9/api"))
    assert not status(stack)[2].healthy


@pytest.mark.slow
def test_the_worker_knows_its_home_wherever_its_runs_start(stack: Settings) -> None:
    up(stack)
    environment = psutil.Process(status(stack)[2].pid).environ()

    assert environment["NIGHTSHIFT_HOME"] == str(stack.home_path)
    assert Path(environment["NIGHTSHIFT_PROJECTS"]).is_absolute()
    assert environment["PREFECT_API_URL"] == ensure_prefect(stack)
    pool = json.loads(get(f"{ensure_prefect(stack)}/work_pools/nightshift", stack)[1])
    assert pool["type"] == "process"
    assert pool["base_job_template"]["variables"]["properties"] == {}
    assert Path(pool["base_job_template"]["job_configuration"]["working_dir"]).is_absolute()


@pytest.mark.slow
def test_prefect_lives_under_the_home_alone(stack: Settings) -> None:
    url = ensure_prefect(stack)
    own = stack.home_path / "prefect"

    now = json.loads(get(f"{url}/admin/settings", stack)[1])

    assert now["home"] == str(own)
    assert (own / "prefect.db").stat().st_size > 0
    assert own.stat().st_mode & 0o077 == 0
    assert now["server"]["memo_store_path"] == str(own / "memo_store.toml")
    assert now["server"]["ui"]["static_directory"] == str(own / "ui")
    # Of the page's own origin, whatever name or port it was opened by.
    assert now["server"]["ui"]["api_url"] == "/api"
    # What links in messages begin with.
    assert now["ui_url"] == url.removesuffix("/api")
    assert now["server"]["concurrency"]["lease_storage"].endswith("filesystem")
    assert now["server"]["services"]["scheduler"]["enabled"] is True
    assert now["server"]["analytics_enabled"] is False
    assert now["api"]["url"] is None
    assert get(f"{status(stack)[0].page}/", stack, Accept="text/html")[0] == 200
    log = (stack.home_path / "logs" / "prefect.log").read_text()
    assert not re.search("warning|error|traceback", log, re.IGNORECASE)


@pytest.mark.slow
def test_mlflow_shows_what_an_embedded_client_wrote(stack: Settings) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=stack.tracking_uri)
    location = stack.artifacts_path / "flights-delay"
    run = client.create_run(client.create_experiment("flights-delay", artifact_location=str(location)))
    client.log_text(run.info.run_id, "gain of dep_hour: 0.4", "notes/why.txt")
    url = status(stack)[1].url

    listed = get(f"{url}/ajax-api/2.0/mlflow/artifacts/list?run_id={run.info.run_id}&path=notes", stack)
    shown = get(f"{url}/get-artifact?run_id={run.info.run_id}&path=notes/why.txt", stack)

    assert [each["path"] for each in json.loads(listed[1])["files"]] == ["notes/why.txt"]
    assert shown == (200, "gain of dep_hour: 0.4")
    assert (location / run.info.run_id / "artifacts" / "notes" / "why.txt").exists()


def raw(port: int, *lines: str) -> int:
    """The status of the answer to a request that no client would send; 0 where the server just hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\nConnection: close\r\n\r\n").encode())
        words = connection.makefile("rb").readline().split()
    return int(words[1]) if words else 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_neither_server_answers_without_the_secret(stack: Settings, number: int) -> None:
    page, port = status(stack)[number].page, record.read(stack.home_path)[("prefect", "mlflow")[number]].port
    secret = f"{USER}:{Access(stack.home_path).secret()}"
    shown = f"Authorization: {auth_header(secret)['Authorization']}"
    own = f"Host: 127.0.0.1:{port}"
    for path in (
        "/", "/api/health", "/api/ready", "/api/admin/settings", "/ui-settings", "/docs", "/openapi.json", "/metrics",
        "/health", "/version", "/static-files/x", "/graphql", "/api/2.0/mlflow/experiments/search",
    ):  # fmt: skip
        assert raw(port, f"GET {path} HTTP/1.1", own) == 401
        assert raw(port, f"GET {path} HTTP/1.1", own, shown.replace("Basic ", "Basic x")) == 401
        assert raw(port, f"POST {path} HTTP/1.1", own, "Content-Length: 0") == 401
    assert raw(port, "GET /nightshift/login HTTP/1.1", own) == 200
    assert get(f"{page}/", stack)[0] == 200

    # What is asked by another name is refused, whoever asks.
    for host in ("evil.com", f"evil.com:{port}", "127.0.0.1.evil.com", "10.0.0.1", "localhost."):
        assert raw(port, "GET / HTTP/1.1", f"Host: {host}", shown) == 403
    assert raw(port, "GET / HTTP/1.1", own, shown) == 200
    assert raw(port, "GET / HTTP/1.1", own, "Host: evil.com", shown) in (400, 403)
    assert raw(port, "GET / HTTP/1.1", "Host: evil.com", own, shown) in (400, 403)
    assert raw(port, "GET / HTTP/1.1", shown) in (400, 403)
    assert raw(port, "GET / HTTP/1.0", shown) in (400, 403)
    assert raw(port, f"GET http://evil.com:{port}/ HTTP/1.1", "Host: evil.com", shown) == 403
    assert raw(port, f"GET http://127.0.0.1:{port}/api/health HTTP/1.1", own) == 401
    # Nor is a proxy believed that anybody could be.
    assert raw(port, "GET / HTTP/1.1", "Host: evil.com", "X-Forwarded-Host: 127.0.0.1", shown) == 403
    assert raw(port, "GET / HTTP/1.1", own, "X-Forwarded-For: 127.0.0.1", "Forwarded: host=127.0.0.1") == 401
    assert raw(port, "GET / HTTP/1.1", own, shown, "Origin: http://evil.com") == 403
    socket_lines = (
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    for more in (
        ["Origin: http://evil.com", shown],
        ["Origin: null", shown],
        [f"Origin: http://{own[6:]}"],
        [],
    ):
        lines = ["GET /api/events/in HTTP/1.1", own, *socket_lines, *more]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\nConnection: Upgrade\r\n\r\n").encode())
            assert connection.makefile("rb").readline().split()[1] in (b"403", b"401")


@pytest.mark.slow
def test_what_lets_somebody_in_is_written_nowhere_else_and_on_no_command_line(stack: Settings) -> None:
    access = Access(stack.home_path)
    login = access.logins.issue("browser")
    page = status(stack)[0].page
    urllib.request.urlopen(
        urllib.request.Request(f"{page}/nightshift/login", headers={"Accept": "text/html"})
    ).close()
    # Answered with a redirect to the page, which is then refused to a client without cookies.
    entered = get_anonymous(f"{page}/nightshift/login?token={login}", Accept="text/html")
    worker = psutil.Process(status(stack)[2].pid).environ()["PREFECT_API_AUTH_STRING"].partition(":")[2]
    secret = access.secret()
    assert entered == 401
    assert not access.logins.use(login)
    assert access.admits(worker)
    assert worker != secret

    told = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "up", "--json"],
        cwd=ROOT, env={**os.environ, "NIGHTSHIFT_HOME": str(stack.home)},
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    written = [
        path.read_text(errors="replace")
        for path in (record.path(stack.home_path), *(stack.home_path / "logs").iterdir())
    ]
    lines = [" ".join(each.cmdline()) for each in trees(stack)]
    for text in (told.stdout, told.stderr, *written, *lines):
        assert not {word for word in (secret or "?", worker, login, "token=") if word in text}
    for each in trees(stack):
        assert secret not in " ".join(each.environ().values())


def get_anonymous(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_is_refused_whatever_they_have_stolen(stack: Settings) -> None:
    code = """
import http.client, os, sys
for user in (0, 65534):
    os.setuid(user)
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
    connection.request("GET", "/", headers={"Authorization": sys.argv[2]})
    print(connection.getresponse().status)
"""
    shown = auth_header(f"{USER}:{Access(stack.home_path).secret()}")["Authorization"]
    for name in ("prefect", "mlflow"):
        port = str(record.read(stack.home_path)[name].port)
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code, port, shown],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.split() == ["200", "403"]


@pytest.mark.slow
def test_a_server_that_asks_for_no_secret_is_not_taken_for_one(stack: Settings) -> None:
    known = record.read(stack.home_path)["prefect"]
    assert status(stack)[0].healthy
    record.write(stack.home_path, "prefect", replace(known, is_guarded=False))  # as an older version wrote it
    try:
        assert not status(stack)[0].healthy
    finally:
        record.write(stack.home_path, "prefect", known)


@pytest.mark.slow
def test_the_workers_own_page_can_be_read_only(stack: Settings) -> None:
    port = record.read(stack.home_path)["worker"].port

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=10) as answer:
        offered = json.load(answer)["paths"]

    assert {path: set(methods) for path, methods in offered.items()} == {"/health": {"get"}}
    for method in ("POST", "PUT", "DELETE"):
        assert raw(port, f"{method} /health HTTP/1.1", f"Host: 127.0.0.1:{port}") == 405


@pytest.mark.slow
def test_other_programs_come_in_by_the_variables_that_are_printed(stack: Settings) -> None:
    code = """
import mlflow, prefect
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as client:
    print(client.read_work_pool("nightshift").name)
client = mlflow.MlflowClient()
run = client.create_run(client.create_experiment("mine", artifact_location="mlflow-artifacts:/mine"))
client.log_text(run.info.run_id, "uploaded", "a.txt")
print(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt"))
"""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))
    }
    line = f'eval "$({sys.executable} -m deployments.cli env)" && {sys.executable} -c {shlex.quote(code)}'
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env={**clean, "NIGHTSHIFT_HOME": str(stack.home)},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["nightshift", "uploaded"]


@pytest.mark.slow
@pytest.mark.parametrize(("host", "code"), [("127.0.0.1", 200), ("localhost", 200), ("10.example.com", 403)])
def test_mlflow_answers_to_loopback_names_only(stack: Settings, host: str, code: int) -> None:
    url = status(stack)[1].url

    answer = get(f"{url}/ajax-api/2.0/mlflow/experiments/get?experiment_id=0", stack, Host=f"{host}:5000")

    assert answer[0] == code


@pytest.mark.slow
def test_a_prefect_url_exported_for_other_clients_is_still_the_local_server(stack: Settings) -> None:
    exported = settings_at(stack.home, PREFECT_API_URL=ensure_prefect(stack))

    assert status(exported)[0] == status(stack)[0]
    assert ensure_prefect(exported) == exported.prefect_api_url


@pytest.mark.slow
def test_down_leaves_no_process_not_even_the_orphans_of_a_crash(stack: Settings) -> None:
    running = status(stack)
    marks = {f"{name}@{stack.home_path.resolve()}" for name in ("prefect", "mlflow", "worker")}
    of_mlflow = next(mark for mark in marks if mark.startswith("mlflow"))
    orphan = psutil.Popen(["sleep", "600"], env={process.MARK: of_mlflow})
    processes = [*trees(stack), psutil.Process(orphan.pid)]
    kill(running[1].pid)
    assert len(alive(processes)) >= 3
    assert not status(stack)[1].healthy

    stopped = down(stack)

    assert pids(stopped) == pids(running)
    assert alive(processes) == []
    assert process.family(marks) == []
    assert status(stack) == [replace(each, pid=None, healthy=False) for each in running]
    assert down(stack) == []


@pytest.mark.slow
def test_two_commands_at_once_start_one_server(home: Home) -> None:
    settings = home.settings
    down(settings)
    remembered = status(settings)[0].url
    code = "from deployments.stack import ensure_prefect; print(ensure_prefect(settings))"
    commands = [spawn(code, settings) for _ in range(2)]

    urls = [command.communicate(timeout=120)[0].strip() for command in commands]

    prefect, mlflow, worker = status(settings)
    assert [command.returncode for command in commands] == [0, 0]
    assert urls == [prefect.url] * 2
    # Nobody took the port meanwhile.
    assert prefect.url == remembered
    assert [each.pid for each in process.family({f"prefect@{settings.home_path.resolve()}"})] == [prefect.pid]
    assert (mlflow.pid, worker.pid) == (None, None)


@pytest.mark.slow
def test_a_stale_record_is_not_believed(home: Home) -> None:
    settings = home.settings
    ensure_prefect(settings)
    old = record.read(settings.home_path)["prefect"]
    kill(old.pid)
    bystander = psutil.Popen(["sleep", "600"])
    try:
        with stranger() as port:
            # Both the pid and the port went to others since; the port even answers as a healthy server would.
            stale = record.Record(port, f"http://127.0.0.1:{port}/api", old.log, bystander.pid, old.created)
            record.write(settings.home_path, "prefect", stale)
            assert not status(settings)[0].healthy

            url = ensure_prefect(settings)

            assert url != stale.url
            assert status(settings)[0].healthy
        down(settings)
        assert bystander.is_running()
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.slow
def test_a_server_that_dies_is_reported_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_at(tmp_path)
    monkeypatch.setenv("PREFECT_SERVER_LOGGING_LEVEL", "LOUD")

    with end_to(settings), pytest.raises(OutsideError, match="LOUD") as caught:
        ensure_prefect(settings)

    assert caught.value.where == str(tmp_path / "logs" / "prefect.log")
    assert "nightshift up" in caught.value.remedy
    assert not isinstance(caught.value, TransientError)
    assert alive(trees(settings)) == []
    assert not status(settings)[0].healthy


def test_logs_that_cannot_be_written_are_an_outside_error(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()

    with pytest.raises(OutsideError, match="cannot write") as caught:
        up(settings_at(tmp_path))

    # One error for both servers.
    assert caught.value.where == ", ".join(
        str(tmp_path / "logs" / f"{each}.log") for each in ("prefect", "mlflow")
    )
    assert record.read(tmp_path) == {}


def test_mlflow_is_prepared_before_it_is_started(tmp_path: Path) -> None:
    settings = settings_at(tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api")

    def prepare(given: Settings) -> None:
        raise OutsideError(f"no tables at {given.tracking_uri}")

    with pytest.raises(OutsideError, match="no tables at sqlite:"):
        up(settings, prepare_mlflow=prepare)

    assert record.read(tmp_path) == {}


def test_a_home_that_cannot_be_made_is_an_outside_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutsideError, match="cannot write"):
        ensure_prefect(settings_at(tmp_path / "file" / "home"))


def test_a_stack_held_by_another_command_is_a_transient_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "LOCK_SECONDS", 0.2)
    (tmp_path / "locks").mkdir()

    with FileLock(tmp_path / "locks" / "stack.lock"), pytest.raises(TransientError, match="another command"):
        ensure_prefect(settings_at(tmp_path))


def test_servers_of_somebody_else_are_listed_and_left_alone(tmp_path: Path) -> None:
    with stranger() as port:
        url = f"http://127.0.0.1:{port}"
        settings = settings_at(
            tmp_path / "home", PREFECT_API_URL=f"{url}/api", MLFLOW_TRACKING_URI="http://127.0.0.1:9/mlflow"
        )

        assert up(settings) == [
            Service("prefect", f"{url}/api", None, healthy=True),
            Service("mlflow", "http://127.0.0.1:9/mlflow", None, healthy=False),
        ]
        assert ensure_prefect(settings) == f"{url}/api"
        assert down(settings) == []

    assert not (tmp_path / "home").exists()


def test_a_home_without_a_stack_has_nothing_to_show_or_stop(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)

    assert [(each.name, each.url, each.page, each.pid, each.healthy) for each in status(settings)] == [
        (name, "", "", None, False) for name in ("prefect", "mlflow", "worker")
    ]
    assert down(settings) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"prefect": 1}', '{"prefect": {"pid": 1}}'])
def test_a_damaged_record_counts_as_none(tmp_path: Path, content: str) -> None:
    record.path(tmp_path).write_text(content)

    assert record.read(tmp_path) == {}


def test_a_daemon_starts_with_its_signals_restored_and_without_a_terminal(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    told = """
import os, signal, sys
print([signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)])
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), os.getsid(0) == os.getpid(), repr(sys.stdin.read()))
"""
    code = f"""
import signal
from deployments.stack import process
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
print(process.launch([sys.executable, "-I", "-S", "-c", {told!r}], {{}}, None, Path({str(log)!r})))
"""
    answer, errors = spawn(code, settings_at(tmp_path)).communicate(timeout=60)
    assert answer.strip().isdigit(), errors

    deadline = time.monotonic() + 10
    while not log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    lines = log.read_text()
    assert "default_int_handler" in lines
    assert "SIG_IGN" not in lines
    assert "set() False ''" in lines
