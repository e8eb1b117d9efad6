"""Messages between the processes of one training: a JSON object and contents, over a socket; nothing is unpickled."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

_LENGTH = struct.Struct("<Q")


def send(to: socket.socket, said: Mapping[str, Any], contents: Sequence[bytes] = ()) -> None:
    """Send one message."""
    text = json.dumps({**said, "contents": len(contents)}).encode()
    for piece in (text, *contents):
        to.sendall(_LENGTH.pack(len(piece)))
        to.sendall(piece)


def receive(of: socket.socket) -> tuple[dict[str, Any], list[bytes]]:
    """Wait for one message.

    Raises:
        EOFError: the other side has ended.
    """
    said: dict[str, Any] = json.loads(_piece(of))
    return said, [_piece(of) for _ in range(said.pop("contents"))]


def _piece(of: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(of, _LENGTH.size))
    return _exactly(of, length)


def _exactly(of: socket.socket, length: int) -> bytes:
    found = bytearray()
    while len(found) < length:
        piece = of.recv(min(length - len(found), 1 << 20))
        if not piece:
            raise EOFError("the other process has ended")
        found += piece
    return bytes(found)
