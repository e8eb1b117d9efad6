"""A network that has learnt five handwritten digits, given twenty examples of each of the five others.

On scikit-learn's digits (1,797 images of 8 x 8 pixels), as files through the encoder and the learner. A small network
learns 0 to 4 from all their images. Then 5 to 9 are learnt from twenty images each: by that network with a new head and
all layers learning, and by the same network from scratch, both with the same recipe. Which twenty, and all that is
drawn, changes with the seed; both are measured on images that no seed may draw from.

The claim is of short trainings: what is known already saves steps. It is not of the long one, which is told beside
them: where there are steps enough, a hundred examples of such simple images teach as much.

    .venv/bin/python benchmarks/transfer_images.py [--quick] [--runs N]
"""

from __future__ import annotations

import io
import statistics
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness import finish, options, show, stopped

OLD, NEW = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9)
EXAMPLES, DRAWN_FROM, SIZE = 20, 90, 16
SHORT, LONG = (3, 5), 30
BEYOND = 2.0


def main() -> None:
    """Print accuracies of both over the seeds, and whether the short transfers are ahead by two standard errors."""
    given = options(__doc__, runs=5)
    seeds = range(1 if given.quick else max(2, given.runs))
    figures: dict[str, Any] = {"seeds": len(seeds), "examples": EXAMPLES}
    gains: dict[int, list[float]] = {}
    for epochs in SHORT[:1] if given.quick else (*SHORT, LONG):
        pairs = [_both(seed, epochs) for seed in seeds]
        for name, values in zip(("transfer", "scratch"), zip(*pairs, strict=True), strict=True):
            show(f"{epochs} epochs: {name} {_shown(values)}")
            figures[f"{name}_{epochs}"] = statistics.mean(values)
            figures[f"{name}_{epochs}_sd"] = statistics.stdev(values) if len(values) > 1 else None
        gains[epochs] = [transfer - scratch for transfer, scratch in pairs]
        show(f"{epochs} epochs: gain {_shown(gains[epochs])}")
        figures[f"gain_{epochs}"] = statistics.mean(gains[epochs])
    met = len(seeds) > 1 and all(_is_ahead(gains[epochs]) for epochs in SHORT)
    finish("transfer_images", **figures, met=met)


def _is_ahead(gains: Sequence[float]) -> bool:
    """Whether the mean is greater than so many of its standard errors, the gains being paired by their seed."""
    return statistics.mean(gains) > BEYOND * statistics.stdev(gains) / len(gains) ** 0.5


def _shown(values: Sequence[float]) -> str:
    spread = f" +- {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}"


def _both(seed: int, epochs: int) -> tuple[float, float]:
    """The accuracy on the digits 5 to 9 of the network that knows the others, and of one that knows nothing."""
    import numpy as np

    from nightshift.learners.protocol import Origin

    with tempfile.TemporaryDirectory() as name:
        _model(OLD, _rows(OLD, slice(None), seed), seed, 3).save(Path(name))
        origin = Origin(
            "the digits 0 to 4", "torch", "multiclass", tuple(map(str, OLD)), _encoder(), Path(name)
        )
        few, measured = (
            _rows(NEW, slice(DRAWN_FROM), seed, EXAMPLES),
            _rows(NEW, slice(DRAWN_FROM, None), seed),
        )
        found = []
        for begins in (origin, None):
            scores = _model(NEW, few, seed, epochs, begins).score(measured.features)
            found.append(float(np.mean(scores.argmax(axis=1) == measured.label)))
        return found[0], found[1]


def _model(shown: Sequence[int], part: Any, seed: int, epochs: int, origin: Any = None) -> Any:
    import torch

    from nightshift.learners.oversight import Oversight
    from nightshift.learners.protocol import Task
    from nightshift.learners.torch.learner import TorchLearner
    from nightshift.spec.learner import Torch

    torch.set_num_threads(1)
    begins = {} if origin is None else {
        "from_model": {"project": "digits"}, "phases": [{"unfreeze": "all", "epochs": epochs}],
    }  # fmt: skip
    recipe = Torch.model_validate({
        "kind": "torch", "network": "image", "epochs": epochs, "early_stopping": None, "seed": seed, "rate": 3e-3,
        "batch_size": 10 if shown == NEW else 32, "images": {"size": SIZE, "channels": 1},
        "params": {"backbone": "conv", "widths": [32, 64]}, **begins,
    })  # fmt: skip
    task = Task("multiclass", tuple(map(str, shown)), _encoder(), part, None, origin)
    return TorchLearner().fit(task, recipe, Oversight()).model


def _rows(shown: Sequence[int], within: slice, seed: int, each: int | None = None) -> Any:
    """The images of these digits, or so many drawn of each; labels are places in `shown`."""
    import numpy as np
    import pyarrow as pa

    from nightshift.learners.protocol import Part

    table, target = _digits()
    random = np.random.default_rng(seed)
    chosen = [np.flatnonzero(target == digit)[within] for digit in shown]
    if each is not None:
        chosen = [random.choice(places, each, replace=False) for places in chosen]
    places = np.sort(np.concatenate(chosen))
    label = np.searchsorted(np.array(shown), target[places]).astype(np.float64)
    return Part(table.take(pa.array(places)).combine_chunks(), label, None)


def _encoder() -> Any:
    from nightshift.dataset.encoder import Encoder, Feature

    return Encoder((Feature("image", "image", "binary", size=SIZE, channels=1),))


@cache
def _digits() -> Any:
    """All images, encoded, and what they show."""
    import numpy as np
    import pyarrow as pa
    from PIL import Image
    from sklearn.datasets import load_digits

    read = load_digits()
    files = []
    for pixels in read.images:
        file = io.BytesIO()
        Image.fromarray((pixels * 15.9).astype(np.uint8)).save(file, "PNG")
        files.append(file.getvalue())
    return _encoder().encode(pa.table({"image": pa.array(files, pa.binary())})).rows, read.target


if __name__ == "__main__":
    stopped(main)
