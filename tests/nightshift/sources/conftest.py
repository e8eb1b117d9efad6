"""What the tests of sources share: files as bytes, read as one source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from nightshift.sources.files import Files
from nightshift.sources.location import locate

Read = Callable[..., pa.Table]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write files of these names and contents, and read them as one source."""

    def read_files(*, form: str = "auto", **files: str | bytes) -> pa.Table:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            path = folder / name.replace("__", ".")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Files(locate(str(folder)), form, tmp_path / "scratch").open().to_table()

    return read_files
