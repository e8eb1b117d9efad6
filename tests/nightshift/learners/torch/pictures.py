"""The handwritten digits of scikit-learn as image files, and trainings on them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image
from sklearn.datasets import load_digits

from nightshift.dataset.encoder import Encoder, Feature
from nightshift.learners.protocol import Fitted, Origin, Part, Task
from nightshift.spec.learner import Torch
from tests.nightshift.learners.torch.small import files_of

SIZE = 16
ENCODER = Encoder((Feature("photo", "image", "binary", size=SIZE, channels=1),))


def picture(pixels: npt.NDArray[Any], form: str = "PNG") -> bytes:
    """An image file."""
    written = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(written, form)
    return written.getvalue()


@cache
def digits() -> tuple[list[bytes], npt.NDArray[np.int64]]:
    """1,797 files and the digit that each shows."""
    read = load_digits()
    return [picture(pixels * 15.9) for pixels in read.images], read.target


@cache
def decoded() -> pa.Table:
    """All of them as the encoder of this module makes them."""
    return ENCODER.encode(pa.table({"photo": pa.array(digits()[0], pa.binary())})).rows


def part_of(shown: Sequence[int], rows: slice = slice(None), each: int | None = None) -> Part:
    """Rows that show one of these digits, or the first `each` of every one of them; labels are places in `shown`."""
    target = digits()[1]
    chosen = [np.flatnonzero(target == digit)[rows][:each] for digit in shown]
    places = np.sort(np.concatenate(chosen))
    label = np.searchsorted(np.array(shown), target[places]).astype(np.float64)
    return Part(decoded().take(pa.array(places)).combine_chunks(), label, None)


def task_of(shown: Sequence[int], train: Part, validate: Part | None, origin: Origin | None = None) -> Task:
    """To tell these digits apart."""
    return Task("multiclass", tuple(map(str, shown)), ENCODER, train, validate, origin)


def recipe_of(**changes: Any) -> Torch:
    """A short training of a small network."""
    given: dict[str, Any] = {
        "network": "image", "epochs": 3, "batch_size": 32, "rate": 3e-3, "params": {"widths": [8, 16]},
        "images": {"size": SIZE, "channels": 1},
    }  # fmt: skip
    return Torch.model_validate({"kind": "torch", **given, **changes})


def origin_of(fitted: Fitted, folder: Path, shown: Sequence[int]) -> Origin:
    """A trained network, as it lies in a version's folder."""
    files_of(fitted, folder)
    return Origin("first version 1", "torch", "multiclass", tuple(map(str, shown)), ENCODER, folder)
