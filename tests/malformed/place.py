"""What the malformed inputs start from: a small project that is right, in a folder of its own, and ways to spoil it."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

NAME = "shop"
START = datetime(2024, 2, 1, tzinfo=UTC)
WINDOW = ("--start", "2024-02-01", "--end", "2024-03-01", "--as-of", "2024-03-01")
VALIDATE = ("validate", NAME, *WINDOW)
SQL = "select * from events\nwhere sold_at >= $start and sold_at < $end\n"
URI = "${NIGHTSHIFT_DATA}/*.parquet"

DECLARED: dict[str, Any] = {
    "name": NAME,
    "purpose": "Say which sales are late.",
    "owner": "tests",
    "sources": {"events": {"kind": "files", "uri": URI}},
    "dataset": {
        "sql": "dataset.sql",
        "key": ["id"],
        "event_time": "sold_at",
        "label": {"column": "late", "kind": "binary", "known_after": "1d"},
        "exclude": ["note"],
        "weight": "weight",
        "units": {"x": "mile"},
    },
    "quality": {"freshness": "4w", "rules": ["x > -100"], "max_refused": 0.5},
    "split": {"train": "14d", "validate": "7d", "holdout": "7d"},
    "learner": {
        "kind": "lightgbm", "rounds": 5, "early_stopping": 3, "reseed_every": 50, "seed": 1, "half_life": "90d",
        "class_weights": {"0": 1.0, "1": 2.0}, "reweight": {"by": "city", "to": {"Ulm": 2.0}},
        "checkpoint": {"every": "auto", "keep": 3}, "budget": {"minutes": 5.0, "memory": "8GB"},
        "divergence": {"factor": 2.0, "patience": 3, "slow_down": 0.3, "max_recoveries": 2},
        "params": {"num_leaves": 7, "min_data_in_leaf": 5, "learning_rate": 0.1},
    },
    "evaluate": {"metric": "roc_auc", "slices": ["city"]},
    "refit": False,
    "gates": {},
    "drift": {
        "window": "7d", "reference": "training", "segments": ["city"], "false_discovery": 0.01, "min_weight": 0.01,
        "signals": {"psi": {"enabled": True, "floor": 0.1}}, "feature_drift": "retrain",
        "trips": {"windows": 2, "of": 3, "worse": 1.25},
        "performance": {"margin": 0.02, "unit": "share", "realised": "retrain", "estimated": "retrain"},
        "max_age": "30d", "min_labels": 200, "cooldown": "3d", "per_week": 2,
        "quiet_hours": {"from": "08:00", "to": "18:00"}, "freeze": [{"from": "2023-12-20", "to": "2023-12-31"}],
    },
    "tune": {
        "learners": ["lightgbm"], "folds": 2, "seed": 0,
        "ranges": {"lightgbm": {"num_leaves": {"low": 7, "high": 63}, "extra_trees": None}},
    },
    "night": {"schedule": "0 2 * * *", "timezone": "Europe/Berlin", "catch_up": 14},
}  # fmt: skip
NETWORK: dict[str, Any] = {
    "kind": "torch", "network": "mlp", "epochs": 2, "early_stopping": 2, "batch_size": 32, "rate": 0.01,
    "weight_decay": 0.01, "warm_up": 0.05, "plateau": {"patience": 2, "factor": 0.5, "least_rate": 1.0e-6},
    "clip": 1.0, "device": "cpu", "processes": 1, "precision": "float32", "compile": False, "deterministic": True,
    "images": {"size": 8, "channels": 1}, "params": {"layers": [8], "dropout": 0.1},
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A folder with a home, a project and its data."""

    folder: Path

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.folder / "projects" / NAME

    @property
    def data(self) -> Path:
        """The folder that the source reads."""
        return self.folder / "data"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a command that works here; a Prefect server is not to be reached from it."""
        return {
            "NIGHTSHIFT_HOME": str(self.folder / "home"),
            "NIGHTSHIFT_PROJECTS": str(self.folder / "projects"),
            "NIGHTSHIFT_DATA": str(self.data),
        }

    def make(self) -> None:
        """Write what is right."""
        for folder in (self.project, self.data, self.folder / "home"):
            folder.mkdir(parents=True)
        self.declare(DECLARED)
        self.sql(SQL)
        (self.data / "rows.parquet").write_bytes(parquet(rows()))

    def declare(self, declared: Mapping[str, Any]) -> None:
        """Write project.yaml."""
        self.text(yaml.dump(dict(declared), Dumper=_Plain, sort_keys=False))

    def text(self, text: str | bytes, file: str = "project.yaml") -> None:
        """Write a file of the project as it is."""
        (self.project / file).write_bytes(text.encode() if isinstance(text, str) else text)

    def sql(self, text: str) -> None:
        """Write dataset.sql."""
        self.text(text, "dataset.sql")

    def source(self, **changes: Any) -> None:
        """Change what the source declares."""
        self.declare(changed(("sources", "events"), {**DECLARED["sources"]["events"], **changes}))

    def file(self, name: str, content: bytes | str, *, alone: bool = True) -> Path:
        """Put a file among the data, alone or beside the rows."""
        if alone:
            (self.data / "rows.parquet").unlink(missing_ok=True)
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


class _Plain(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):
    """Writes a value that stands twice twice, and not as an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _nothing(place: Place) -> None:
    pass


@dataclass(frozen=True)
class Case:
    """One malformed input.

    Attributes:
        name: of the case, unlike any other's.
        arguments: of the command line.
        codes: the exit codes that are right.
        names: words of which the error must have at least one: the key, file, column or value concerned.
        served: the fault is found by a run, for which a Prefect server must be there.
    """

    name: str
    arguments: tuple[str, ...]
    codes: tuple[int, ...]
    names: tuple[str, ...]
    prepare: Callable[[Place], None] = _nothing
    env: Mapping[str, str] = field(default_factory=dict)
    served: bool = False


def changed(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """What is right, but for the value at one place of the declaration."""
    declared = copy.deepcopy(DECLARED)
    part: Any = declared
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    return declared


@cache
def rows(count: int = 240) -> pa.Table:
    """What the source holds: 28 days of sales."""
    random = np.random.default_rng(5)
    step = timedelta(days=28) / count
    x = random.normal(size=count)
    return pa.table(
        {
            "id": [f"s{place:04d}" for place in range(count)],
            "sold_at": pa.array([START + place * step for place in range(count)], pa.timestamp("us", "UTC")),
            "x": x,
            "n": random.integers(0, 9, count),
            "city": random.choice(["Bonn", "Köln", "Ulm"], count),
            "note": ["as usual"] * count,
            "weight": random.integers(1, 4, count).astype(float),
            "late": (x + random.normal(size=count) > 0).astype(np.int32),
        }
    )


def parquet(table: pa.Table, **options: Any) -> bytes:
    """A table as the bytes of a Parquet file."""
    written = io.BytesIO()
    pq.write_table(table, written, **options)
    return written.getvalue()
