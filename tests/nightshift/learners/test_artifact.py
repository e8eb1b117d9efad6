"""A model's folder is read whole or refused: a manifest that is damaged, of a later format, or of another learner."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from nightshift.errors import DataRefusedError
from nightshift.learners.artifact import MANIFEST, load_model, read_manifest

GOOD: dict[str, Any] = {
    "learner": "lightgbm",
    "kind": "binary",
    "classes": ["0", "1"],
    "files": {},
    "format": 1,
}

ENCODER = '{"format": 1, "features": []}'
ENCODER_SHA256 = hashlib.sha256(ENCODER.encode()).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        json.dumps({**GOOD, "invented_later": 1}),
        json.dumps({name: value for name, value in GOOD.items() if name != "classes"}),
        json.dumps({**GOOD, "classes": None}),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(DataRefusedError, match="no readable manifest") as caught:
        read_manifest(tmp_path)
    assert caught.value.where == str(tmp_path / MANIFEST)


def test_a_learner_that_is_not_known_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(
        json.dumps({**GOOD, "learner": "forest", "files": {"encoder.json": ENCODER_SHA256}})
    )
    (tmp_path / "encoder.json").write_text(ENCODER)
    with pytest.raises(DataRefusedError, match="a learner that is not known here: forest"):
        load_model(tmp_path)


def test_a_manifest_of_a_model_without_packed_code_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps(GOOD))
    assert read_manifest(tmp_path).code == {}
