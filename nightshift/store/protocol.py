"""What every kind of store can do with small and middling files: whole or not at all, and durable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class About:
    """What a store knows of a name: the bytes of its content, and when it was written last, UTC."""

    bytes: int
    written_at: datetime


class Store(Protocol):
    """Named contents under one root. A name is a relative path with `/` between its parts."""

    def write(self, name: str, content: bytes) -> None:
        """Put `content` at `name`, replacing what was there: readers see the old or the new, also after a kill.

        Raises:
            OutsideError: it cannot be written; what was there before still is.
        """
        ...

    def read(self, name: str) -> bytes:
        """What lies at `name`.

        Raises:
            KeyError: there is nothing.
            OutsideError: it cannot be read.
        """
        ...

    def about(self, name: str) -> About:
        """How large `name` is, and when it was written; its content is not read.

        Raises:
            KeyError: there is nothing.
        """
        ...

    def names(self, folder: str) -> list[str]:
        """The names below `folder`, at any depth, sorted; none when there is no such folder."""
        ...

    def remove(self, name: str) -> None:
        """Take `name` away; nothing happens when it is not there."""
        ...
