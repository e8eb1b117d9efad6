"""A store in a folder of a local file system."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nightshift.atomic import disk_faults, replacing
from nightshift.errors import OutsideError
from nightshift.store.protocol import About


@dataclass(frozen=True)
class LocalStore:
    """Files below `root`; written beside their place, synced to disk, and renamed."""

    root: Path

    def write(self, name: str, content: bytes) -> None:
        """See `Store.write`."""
        with replacing(self.root / name) as temporary:
            temporary.write_bytes(content)

    def read(self, name: str) -> bytes:
        """See `Store.read`."""
        path = self.root / name
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise KeyError(name) from error
        except OSError as error:
            raise OutsideError(f"cannot read: {error.strerror}", where=str(path)) from error

    def about(self, name: str) -> About:
        """See `Store.about`."""
        try:
            found = (self.root / name).stat()
            return About(found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
        except FileNotFoundError as error:
            raise KeyError(name) from error

    def names(self, folder: str) -> list[str]:
        """See `Store.names`; what a killed writer left half-written is no name."""
        found = (path for path in (self.root / folder).rglob("*") if path.is_file())
        return sorted(
            path.relative_to(self.root).as_posix() for path in found if not path.name.endswith(".partial")
        )

    def remove(self, name: str) -> None:
        """See `Store.remove`; folders that this leaves empty go with it."""
        path = self.root / name
        with disk_faults(path):
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self.root or not folder.is_dir() or any(folder.iterdir()):
                    break
                folder.rmdir()
