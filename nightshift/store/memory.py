"""A store that forgets all with its process: for tests and dry runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from nightshift.store.protocol import About


@dataclass(frozen=True)
class MemoryStore:
    """Contents by name, in a dictionary."""

    contents: dict[str, bytes] = field(default_factory=dict)
    moments: dict[str, datetime] = field(default_factory=dict)

    def write(self, name: str, content: bytes) -> None:
        """See `Store.write`."""
        self.contents[name] = bytes(content)
        self.moments[name] = datetime.now(UTC)

    def read(self, name: str) -> bytes:
        """See `Store.read`."""
        return self.contents[name]

    def about(self, name: str) -> About:
        """See `Store.about`."""
        return About(len(self.contents[name]), self.moments[name])

    def names(self, folder: str) -> list[str]:
        """See `Store.names`."""
        return sorted(name for name in self.contents if name.startswith(f"{folder.rstrip('/')}/"))

    def remove(self, name: str) -> None:
        """See `Store.remove`."""
        self.contents.pop(name, None)
