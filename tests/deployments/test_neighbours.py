"""Whose process is at the other end of a connection, told from real ones."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deployments.stack import neighbours
from deployments.stack.neighbours import is_another_users

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="told by Linux alone")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
NOBODY = 65534


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)
        yield listening


def accepted(server: socket.socket) -> bool:
    """Whether the next connection is another user's."""
    connection, client = server.accept()
    with connection:
        return is_another_users(client, connection.getsockname())


def test_a_process_of_this_user_is_none(server: socket.socket) -> None:
    with socket.create_connection(server.getsockname()):
        assert not accepted(server)


def test_one_that_speaks_ipv6_is_none_either(server: socket.socket) -> None:
    with socket.socket(socket.AF_INET6) as client:
        client.connect((f"::ffff:{server.getsockname()[0]}", server.getsockname()[1]))
        assert not accepted(server)


@AS_ROOT
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_another_users_process_is_told(server: socket.socket, family: str) -> None:
    code = (
        f"import os, socket, sys; os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        f"host = '::ffff:127.0.0.1' if '{family}' == 'AF_INET6' else '127.0.0.1'\n"
        f"one = socket.socket(socket.{family}); one.connect((host, {server.getsockname()[1]})); sys.stdin.read()"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as other:
        try:
            assert accepted(server)
        finally:
            other.kill()


@AS_ROOT
@pytest.mark.parametrize("abruptly", [True, False])
def test_one_that_has_closed_its_end_cannot_be_told_and_is_refused(
    server: socket.socket, abruptly: bool
) -> None:
    with socket.create_connection(server.getsockname()) as client:
        client.sendall(b"POST / HTTP/1.1\r\n\r\n")
        if abruptly:  # by a reset, which leaves nothing to be looked up
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert accepted(server)


def test_where_nobody_tells_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_another_users(None, None)
    assert is_another_users(("127.0.0.1", 1), ("127.0.0.1", 2))
    for table in ("/nowhere", "/dev/null"):
        monkeypatch.setattr(neighbours, "_TABLES", (neighbours.Path(table),) * 2)
        neighbours._is_told.cache_clear()
        assert not is_another_users(("127.0.0.1", 1), ("127.0.0.1", 2))
    neighbours._is_told.cache_clear()
