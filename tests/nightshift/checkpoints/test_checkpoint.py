"""A checkpoint comes back as it was, or is refused: whatever byte is changed and wherever it is torn."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.checkpoints.checkpoint import FORMAT, Checkpoint, Progress, UnusableCheckpointError

WHOLE = Checkpoint(
    run="mark",
    learner="lightgbm",
    progress=Progress(12, 50, "round"),
    loss=0.25,
    state={"history": {"validate": {"rmse": [0.1, 1 / 3]}}, "best_round": 11},
    files={"model.txt": b"tree\n" * 40, "empty": b""},
    best=11,
    cost={"wall_s": 1.5},
)
BYTES = WHOLE.to_bytes()


def test_it_comes_back_as_it_was() -> None:
    assert Checkpoint.from_bytes(BYTES) == WHOLE
    assert WHOLE.to_bytes() == BYTES
    assert str(WHOLE.progress) == "round 12 of 50"


@given(st.integers(0, len(BYTES) - 1))
def test_a_torn_one_is_refused(length: int) -> None:
    with pytest.raises(UnusableCheckpointError):
        Checkpoint.from_bytes(BYTES[:length])


@given(st.integers(0, len(BYTES) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_nothing(place: int, change: int) -> None:
    changed = bytearray(BYTES)
    changed[place] ^= change
    try:
        found = Checkpoint.from_bytes(bytes(changed))
    except UnusableCheckpointError:
        return
    # A zip holds bytes that say nothing: dates, attributes, which system made it.
    assert found == WHOLE


def packed(header: object, **files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("checkpoint.json", json.dumps(header))
        archive.writestr("checkpoint.sha256", "0" * 64)
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "torn, or no checkpoint"),
        (b"\x80\x04\x95 a pickle", "torn, or no checkpoint"),
        (packed({"some": "zip"}), "no checkpoint of Nightshift's"),
        (packed({"format": FORMAT + 1}), f"format {FORMAT + 1}"),
    ],
)
def test_what_is_foreign_or_of_the_future_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(UnusableCheckpointError, match=said):
        Checkpoint.from_bytes(content)
