"""From NIGHTSHIFT_STORE to a store: the only list of their kinds."""

from __future__ import annotations

from pathlib import Path

from nightshift.settings import Settings
from nightshift.sources.location import locate
from nightshift.store.local import LocalStore
from nightshift.store.protocol import Store


def open_store(settings: Settings) -> Store:
    """The store that the settings name.

    Raises:
        RequestError: its scheme is not supported.
    """
    return LocalStore(Path(locate(settings.store_uri).path))
