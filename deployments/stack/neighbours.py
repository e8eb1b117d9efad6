"""Whether the other end of a loopback connection is a process of the user whose server this is.

Another user of the machine can steal what lets somebody in: a server of theirs, on a port that ours has just left, is
sent the passwords of clients, and on any port the cookies of each browser that comes by. In their own processes that is
worth nothing. Linux tells whose a socket is; where it does not, on another system or across the border of a container,
nobody is refused.
"""

from __future__ import annotations

import os
import socket
import struct
from functools import cache
from pathlib import Path

from deployments.stack.servers import HOST

Address = tuple[str, int]

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_MAPPED = "0000000000000000FFFF0000"
"""How the second table begins an address of IPv4."""

_ESTABLISHED = b"01"
_STATE, _USER = 3, 7
_ROOT = 0
# The tables are read piece by piece while connections come and go: one may be passed over once.
_TRIES = 3


def is_another_users(client: Address | None, server: Address | None) -> bool:
    """Whether a connection comes from a process of another user, or its other end is closed so that none can tell.

    Args:
        client: the address of the other end.
        server: that of this end.
    """
    if client is None or server is None or not _is_told():
        return False
    return not any(_may_stay(client, server) for _ in range(_TRIES))


@cache
def _is_told() -> bool:
    """Whether this system tells whose sockets are, as a connection of this process to itself shows."""
    try:
        with (
            socket.create_server((HOST, 0)) as listening,
            socket.create_connection(listening.getsockname()) as client,
            listening.accept()[0],
        ):
            return any(_may_stay(client.getsockname(), listening.getsockname()) for _ in range(_TRIES))
    except OSError:  # no Linux, or one that keeps it to itself
        return False


def _may_stay(client: Address, server: Address) -> bool:
    table = _TABLES[0].read_bytes()
    theirs, ours = _entry(table, client, server), _entry(table, server, client)
    if not theirs and _TABLES[1].exists():  # a program that speaks both, in one socket
        theirs = _entry(_TABLES[1].read_bytes(), client, server, _MAPPED)
    if not theirs:
        # Of no process that this one could see; but a socket that was closed at once leaves no end at all.
        return bool(ours) and ours[_STATE] == _ESTABLISHED
    # One that was closed is nobody's, and is shown as root's.
    return theirs[_STATE] == _ESTABLISHED and int(theirs[_USER]) in (os.geteuid(), _ROOT)


def _entry(table: bytes, local: Address, remote: Address, prefix: str = "") -> list[bytes]:
    """The fields of the socket with these ends; none where there is no such socket."""
    found = table.find(f" {prefix}{_written(local)} {prefix}{_written(remote)} ".encode())
    return table[table.rfind(b"\n", 0, found) + 1 :].split(b"\n", 1)[0].split() if found >= 0 else []


def _written(address: Address) -> str:
    host, port = address
    return f"{struct.unpack('=I', socket.inet_aton(host))[0]:08X}:{port:04X}"
