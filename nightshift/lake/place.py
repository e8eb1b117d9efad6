"""Where a store's tables lie, for delta-rs: it cannot work below a folder whose name holds some characters.

See `nightshift.sources.addressable`. The tables of a store below such a folder lie beside the first folder with such a
name, and where they would have been is a link.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path

from nightshift.atomic import disk_faults
from nightshift.sources.addressable import is_addressable

logger = logging.getLogger(__name__)

LAKE = "lake"


def lay_out(root: Path) -> None:
    """Make `lake` below a store's root a link to a folder that delta-rs can work in, if it cannot work there.

    Raises:
        OutsideError: the link or the folder cannot be made.
    """
    lake = root / LAKE
    if is_addressable(root) or lake.exists():
        return
    place = _beside(root)
    with disk_faults(lake):
        place.mkdir(parents=True, exist_ok=True)
        root.mkdir(parents=True, exist_ok=True)
        try:
            lake.symlink_to(os.path.relpath(place, root), target_is_directory=True)
        except FileExistsError:  # another process was faster
            return
    logger.warning(
        "lake: tables cannot lie below a folder with [ ] | ^ \\ or %%XX in its name, and those of %s lie in %s: "
        "move and back up both together",
        root, place,
    )  # fmt: skip


def _beside(root: Path) -> Path:
    """A folder beside the first part of a path that cannot be addressed."""
    parts = root.absolute().parts
    first = next(place for place, part in enumerate(parts) if not is_addressable(part))
    plain = re.sub(r"[^\w.-]+", "-", parts[first]).strip("-.")
    mark = hashlib.sha256("/".join(parts[first:]).encode(errors="surrogateescape")).hexdigest()[:8]
    return Path(*parts[:first]) / f"{plain}-{mark}.nightshift-lake"
