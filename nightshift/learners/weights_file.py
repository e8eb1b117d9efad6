"""Whether a file of weights is what its name says, before anything in it is believed."""

from __future__ import annotations

import json
from pathlib import Path

from nightshift.errors import DataRefusedError

_MOST_HEADER = 100_000_000


def check_safetensors(file: Path) -> None:
    """Refuse what is no safetensors file by its first bytes: nothing of a pickle is ever read.

    The format begins with the length of a JSON object as 8 bytes, little end first, and the object itself.

    Raises:
        DataRefusedError: it is something else.
    """
    with file.open("rb") as opened:
        start = opened.read(8)
        length = int.from_bytes(start, "little")
        text = opened.read(length) if len(start) == 8 and length <= _MOST_HEADER else b""
    try:
        is_one = len(text) == length and isinstance(json.loads(text), dict)
    except ValueError:
        is_one = False
    if not is_one:
        what = (
            "a pickle, which is never loaded"
            if start[:2] == b"PK" or start[:1] == b"\x80"
            else "something else"
        )
        raise DataRefusedError(
            f"{file.name} is no safetensors file but {what}", where=str(file),
            remedy="save the weights with safetensors.torch.save_file",
        )  # fmt: skip
