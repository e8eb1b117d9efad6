"""Paths that delta-rs can work with, and a way to read tables at those that it cannot.

It makes an address of a table's real path, links resolved, and some characters have no place in that address: it
panics, or looks at another folder.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

_UNADDRESSABLE = re.compile(r"[\[\]|^\\\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}")


def is_addressable(path: Path | str) -> bool:
    """Whether delta-rs can work on a table at this path.

    >>> is_addressable("/data/my home #1 (100%)"), is_addressable("/data/home [a]")
    (True, False)
    """
    return _UNADDRESSABLE.search(str(path)) is None


def readable_path(table: Path) -> Path:
    """A path by which delta-rs can read a table: its own, or that of a folder of links to all that the table has.

    The folder is this process's, and goes with it.
    """
    if is_addressable(table.resolve()):
        return table
    view = _view(table)
    for entry in table.iterdir():
        link = view / entry.name
        if not link.is_symlink():
            link.symlink_to(entry.absolute())
    return view


@cache
def _view(table: Path) -> Path:
    chosen = tempfile.gettempdir()
    made = Path(
        tempfile.mkdtemp(prefix="nightshift-table-", dir=chosen if is_addressable(chosen) else "/tmp")
    )
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
