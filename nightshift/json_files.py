"""What JSON files of ours hold, or one clear error: whatever lies there instead is told, and never run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nightshift.errors import DataRefusedError


def read_json_object(path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        DataRefusedError: the file is missing, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataRefusedError(f"the file cannot be read: {error}", where=str(path), remedy=remedy) from error
    if not isinstance(found, dict):
        raise DataRefusedError("the file holds no JSON object", where=str(path), remedy=remedy)
    return found
