"""Rows and declarations that only a training can find to be wrong: asked for by the command alone, with a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from tests.malformed.place import NAME, NETWORK, Case, Place, changed, parquet, rows

TRAIN = ("train", NAME, "--as-of", "2024-03-01")


def _column(name: str, values: Any) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        table = rows()
        place.file("x.parquet", parquet(table.set_column(table.schema.get_field_index(name), name, values)))

    return prepare


def _rows(start: int, stop: int) -> Callable[[Place], None]:
    return lambda place: _ignore(place.file("x.parquet", parquet(rows().slice(start, stop - start))))


def _declared(key: tuple[str, ...], value: Any) -> Callable[[Place], None]:
    return lambda place: place.declare(changed(key, value))


COUNT = rows().num_rows
FAULTS: Mapping[str, tuple[Callable[[Place], None], int]] = {
    "labels that are null": (_column("late", pa.nulls(COUNT, pa.int32())), 3),
    "labels that are NaN": (_column("late", pa.array([np.nan] * COUNT)), 3),
    "labels of one class": (_column("late", pa.array([1] * COUNT, pa.int32())), 3),
    "weights of nothing": (_column("weight", pa.array([0.0] * COUNT)), 3),
    "no rows to hold out": (_rows(0, 170), 3),
    "no rows to train on": (_rows(130, COUNT), 3),
    "one row": (_rows(0, 1), 3),
    "a group that there is not": (_declared(("learner", "reweight"), {"by": "price", "to": "uniform"}), 2),
    "a class that there is not": (_declared(("learner", "class_weights"), {"late": 2.0}), 2),
    "a model of no project": (_declared(("learner", "from_model"), {"project": "other"}), 2),
    "a model in no file": (_declared(("learner",), {**NETWORK, "from_model": "none.safetensors"}), 2),
    "a network for images": (_declared(("learner",), {**NETWORK, "network": "image", "params": {}}), 2),
    "a split before all rows": (_declared(("split",), {"train": "1d", "validate": "500w", "holdout": "7d"}), 3),
}  # fmt: skip


def cases(random: Random) -> Iterator[Case]:
    """All of them."""
    for name, (prepare, code) in FAULTS.items():
        words = (
            "late",
            "label",
            "weight",
            "window",
            "price",
            "class",
            "other",
            "none.safetensors",
            "image",
            "rows",
        )
        yield Case(f"a training with {name}", TRAIN, (code,), words, prepare, served=True)


def _ignore(_: object) -> None:
    pass
