"""Small projects made of known rows: what tests declare, stage, train and score."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from nightshift.dataset.stage import fingerprint_of, stage
from nightshift.quality.validate import validate
from nightshift.records import Snapshot, Staged, Window
from nightshift.settings import Settings
from nightshift.spec.load import read_project
from nightshift.spec.project import Kind, Project

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 40
AS_OF = START + timedelta(days=DAYS)
CITIES = ("Bonn", "Köln", "Ulm")
SQL = "select * from rows"


def rows_of(kind: Kind = "binary", *, days: int = DAYS, per_day: int = 30, seed: int = 1) -> pd.DataFrame:
    """Rows with a number, a number with nulls, a whole number, a category with nulls, and a label they explain."""
    rng = np.random.default_rng(seed)
    size = days * per_day
    city = rng.choice(np.array(CITIES, dtype=object), size)
    frame = pd.DataFrame(
        {
            "id": np.arange(size),
            "seen_at": pd.date_range(START, periods=size, freq=timedelta(days=1) / per_day).as_unit("us"),
            "x": rng.normal(size=size),
            "gap": np.where(rng.random(size) < 0.1, np.nan, rng.normal(size=size)),
            "n": rng.integers(0, 9, size),
            "city": np.where(rng.random(size) < 0.05, None, city),
            "weight": rng.integers(1, 4, size).astype(float),
        }
    )
    signal = frame["x"] + 0.3 * frame["n"] + np.where(city == "Ulm", 1.0, 0.0) + rng.normal(0, 0.5, size)
    if kind == "binary":
        frame["y"] = (signal > signal.median()).astype(int)
    elif kind == "multiclass":
        frame["y"] = np.array(["low", "mid", "top"])[np.digitize(signal, signal.quantile([0.4, 0.8]))]
    else:
        frame["y"] = signal
    return frame


@dataclass(frozen=True)
class World:
    """One project in a folder of its own: its declaration, its source and where its store lies."""

    folder: Path
    kind: Kind = "binary"
    name: str = "demo"
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        home = self.folder / "home"
        made = Settings(
            home=home, projects=self.folder / "projects", data=str(self.folder / "data"), store=""
        )
        object.__setattr__(self, "settings", made)

    @property
    def source(self) -> Path:
        """The file that the project reads."""
        return self.folder / "data" / "rows.parquet"

    def write(self, frame: pd.DataFrame) -> None:
        """Put rows where the project looks for them."""
        self.source.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(self.source)

    def declare(self, sql: str = SQL, **changes: Any) -> Project:
        """Write project.yaml and dataset.sql, with top-level keys merged one level deep, and read them back."""
        declared: dict[str, Any] = {
            "name": self.name,
            "purpose": "To be tested.",
            "owner": "tests",
            "sources": {"rows": {"kind": "files", "uri": "${NIGHTSHIFT_DATA}/rows.parquet"}},
            "dataset": {
                "key": ["id"],
                "event_time": "seen_at",
                "label": {"column": "y", "kind": self.kind},
                "exclude": ["weight"],
            },
            "split": {"train": "28d", "validate": "6d", "holdout": "6d"},
            "learner": {
                "kind": "lightgbm",
                "rounds": 12,
                "early_stopping": 4,
                "params": {"num_leaves": 7, "num_threads": 1},
            },
        }
        if changes.get("learner", {}).get("kind", "lightgbm") != "lightgbm":
            del declared["learner"]  # other kinds have other keys
        for key, value in changes.items():
            declared[key] = {**declared.get(key, {}), **value} if isinstance(value, dict) else value
        folder = self.settings.projects / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "project.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
        (folder / "dataset.sql").write_text(sql, encoding="utf-8")
        return read_project(folder / "project.yaml")


def whole(days: int = DAYS) -> Window:
    """All days."""
    return Window(start=START, end=START + timedelta(days=days))


def days(first: int, last: int) -> Window:
    """From day `first` up to day `last`, which is not in it."""
    return Window(start=START + timedelta(days=first), end=START + timedelta(days=last))


def staged(world: World, project: Project, window: Window | None = None) -> Staged:
    """The window's rows on local disk."""
    window = window or whole()
    return stage(project, window, fingerprint_of(project, window, world.settings), world.settings)


def snapshot(
    world: World, project: Project, window: Window | None = None, as_of: datetime = AS_OF
) -> Snapshot:
    """The window's accepted rows in the lake."""
    return validate(project, staged(world, project, window), as_of, world.settings)[0]
