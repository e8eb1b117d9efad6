"""Make the small homes of this folder with the code as it is: `python -m tests.data.make [KIND ...]`.

A home that is there is never made again: it shows that what older code wrote is still read. New formats get new kinds.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from nightshift.settings import Settings
from tests.conftest import ROOT, SmallProject, cli_command, cli_environment, declare_project, small_rows
from tests.homes import PLACE, readdress

HERE = Path(__file__).parent
SCORED = 40
"""How many of a project's newest rows have their scores written down."""

_LARGEST = 200_000
# What may go at any time, what only a person looks at, and what belongs to the server.
_LEFT_OUT = ("scratch", "results", "locks", "logs", "plots", "prefect", "reports")
_QUALITY = {"rules": ["x > -2.3"]}


@dataclass(frozen=True)
class Making:
    """A home that is being made: where it lies, and how commands are run on it."""

    place: Path
    api: str

    def declare(self, kind: str, rows: int, **changes: Any) -> SmallProject:
        """A small project of this home."""
        return declare_project(self.place / "projects", self.place / "data", kind, rows, **changes)

    def run(self, *arguments: str) -> dict[str, Any]:
        """`nightshift ARGUMENTS` on this home."""
        done = subprocess.run(
            cli_command(*arguments), cwd=self.place, env=cli_environment(self.api, _variables(self.place)),
            capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(
                f"nightshift {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}{done.stdout}"
            )
        return dict(json.loads(done.stdout))


def _variables(place: Path) -> Mapping[str, str]:
    return {
        "NIGHTSHIFT_HOME": str(place / "home"),
        "NIGHTSHIFT_PROJECTS": str(place / "projects"),
        "NIGHTSHIFT_DATA": str(place / "data"),
    }


def _binary(making: Making) -> None:
    """Two versions, nights with decisions and signals, refused rows, and a project that begins with the first one."""
    project = making.declare("binary", 600, quality=_QUALITY)
    making.run("train", project.name, "--as-of", "2024-02-24")
    for day in ("2024-02-25", "2024-02-26", "2024-02-27"):
        making.run("nightly", project.name, "--as-of", day)
    project.declare(learner={"rounds": 9, "params": {"bagging_fraction": 0.7, "bagging_freq": 1}})
    making.run("train", project.name, "--as-of", "2024-03-01")
    making.run("predict", project.name, "--as-of", "2024-03-01")
    heir = making.declare(
        "binary", 600, name="heir", learner={"rounds": 4, "from_model": {"project": project.name}}
    )
    making.run("train", heir.name, "--as-of", "2024-03-01")
    making.run("predict", heir.name, "--as-of", "2024-03-01")


def _trees(kind: str, **changes: Any) -> Callable[[Making], None]:
    def make(making: Making) -> None:
        project = making.declare(kind, 600, quality=_QUALITY, **changes)
        making.run("train", project.name, "--as-of", "2024-02-27")
        making.run("nightly", project.name, "--as-of", "2024-02-28")
        making.run("predict", project.name, "--as-of", "2024-03-01")

    return make


def _network(kind: str, network: str, params: Mapping[str, Any], text: str = "") -> Callable[[Making], None]:
    def make(making: Making) -> None:
        project = making.declare(kind, 400, quality=_QUALITY)
        if text:
            (project.folder / "nets.py").write_text(text, encoding="utf-8")
        _learn_with(project, network, params)
        making.run("train", project.name, "--as-of", "2024-02-27")
        making.run("nightly", project.name, "--as-of", "2024-02-28")
        making.run("predict", project.name, "--as-of", "2024-03-01")

    return make


def _learn_with(project: SmallProject, network: str, params: Mapping[str, Any], **more: Any) -> None:
    project.declare(learner=None)  # the keys of another kind are not merged with these
    project.declare(
        learner={
            "kind": "torch", "network": network, "epochs": 3, "batch_size": 32, "rate": 0.01, "device": "cpu",
            "params": dict(params), **more,
        }
    )  # fmt: skip


def _image(making: Making) -> None:
    """Twelve handwritten digits, again and again, with a number beside them."""
    from tests.nightshift.learners.torch.pictures import digits

    project = making.declare("multiclass", 160)
    files, target = digits()
    chosen = np.resize(np.flatnonzero(target < 3)[:12], 160)
    rows = small_rows("multiclass", 160, seed=7).select(["id", "sold_at", "x"])
    rows = rows.append_column("photo", pa.array([files[one] for one in chosen], pa.binary()))
    project.write_rows(rows.append_column("grade", pa.array(target[chosen].astype(str))))
    project.write_sql("select * from events where sold_at >= $start and sold_at < $end\n")
    project.declare(evaluate={"slices": []})
    _learn_with(project, "image", {"widths": [4, 8]}, images={"size": 8, "channels": 1})
    making.run("train", project.name, "--as-of", "2024-02-27")
    making.run("predict", project.name, "--as-of", "2024-03-01")


_NETWORK_FILE = '''"""A network of this project's own."""

import torch
from torch import nn


class Own(nn.Module):
    """The numbers through one hidden layer."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.hidden = nn.Linear(inputs.width, width)
        self.head = nn.Linear(width, outputs)

    def forward(self, numbers, categories):
        return self.head(torch.relu(self.hidden(numbers)))


def build(inputs, outputs, width=6):
    """As learner.network names it."""
    return Own(inputs, outputs, width)
'''

KINDS: dict[str, Callable[[Making], None]] = {
    "binary": _binary,
    "multiclass": _trees("multiclass"),
    "regression": _trees("regression"),
    "refit": _trees("binary", name="refitted", refit=True),
    "mlp": _network("binary", "mlp", {"layers": [8], "dropout": 0.2}),
    "tabm": _network("regression", "tabm", {"networks": 3, "width": 8, "bins": 4}),
    "image": _image,
    "own-network": _network(
        "multiclass", "projects.small_multiclass.nets:build", {"width": 5}, _NETWORK_FILE
    ),
}


def make(kind: str, api: str) -> None:
    """Make one home, write down what it holds, and pack it."""
    packed = HERE / f"{kind}.tar.xz"
    if packed.exists():
        raise SystemExit(f"{packed} is there: what older code wrote is kept as it is")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / kind
        (place / "home").mkdir(parents=True)
        KINDS[kind](Making(place, api))
        (HERE / f"{kind}.json").write_text(json.dumps(_held(place), indent=1) + "\n", encoding="utf-8")
        _shrink(place)
        content = _packed(place)
    if len(content) > _LARGEST:
        raise SystemExit(f"{kind} takes {len(content):,} bytes, more than {_LARGEST:,}")
    packed.write_bytes(content)
    sys.stdout.write(f"{packed.name}: {len(content):,} bytes\n")


def cpu_of_torch() -> str:
    """What torch's kernels are chosen by: on another one, sums of a network's layers may differ in their last bits."""
    import torch

    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def _held(place: Path) -> dict[str, Any]:
    """What is in a home: tables with their rows; versions with their digests, and their scores of the newest rows."""
    import pyarrow.parquet as pq

    from registry.lineage import environment
    from registry.versions import Versions

    names: dict[str, Any] = {"PREFECT_API_URL": None, "MLFLOW_TRACKING_URI": None}
    settings = Settings(
        home=place / "home", projects=place / "projects", data=str(place / "data"), store="", **names
    )
    lake = place / "home" / "store" / "lake"
    projects: dict[str, Any] = {}
    for name in sorted(path.name for path in (place / "projects").iterdir()):
        rows = pq.read_table(place / "data" / name / "rows.parquet")
        versions = Versions.of(name, settings)
        projects[name] = {
            "tables": {
                path.name: DeltaTable(path).to_pyarrow_table().num_rows
                for path in sorted((lake / name).iterdir()) if (path / "_delta_log").is_dir()
            },
            "versions": {
                str(one.version): {
                    "aliases": list(one.aliases),
                    "model_sha256": one.model_sha256,
                    "scores": versions.scorer(one).score(rows.slice(rows.num_rows - SCORED)).values.tolist(),
                }
                for one in reversed(versions.all())
            },
        }  # fmt: skip
    made_with = {name: value for name, value in environment().items() if name not in ("system", "processors")}
    return {"commit": _commit(), "cpu": cpu_of_torch(), "environment": made_with, "projects": projects}


def _commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def _shrink(place: Path) -> None:
    """Take out what is not kept, and let the database name no folder of this machine."""
    for path in sorted(place.rglob("*")):
        if path.is_dir() and path.name in _LEFT_OUT:
            shutil.rmtree(path)
    for path in place.rglob("*.lock"):
        path.unlink()
    for path in place.rglob("evaluation.json"):  # names a scratch file
        path.write_text(path.read_text(encoding="utf-8").replace(str(place), str(PLACE)), encoding="utf-8")
    database = place / "home" / "mlflow.db"
    readdress(database, place, PLACE)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM")


def _packed(place: Path) -> bytes:
    """All files as one compressed archive, in the order of their names and without anything of this machine."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for path in sorted(path for path in place.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(str(path.relative_to(place)))
            entry.size, entry.mode = path.stat().st_size, 0o644
            entry.mtime = 1_700_000_000
            with path.open("rb") as content:
                archive.addfile(entry, content)
    return lzma.compress(written.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def main() -> None:
    """Make the kinds that are asked for, by default all that are not there."""
    from deployments.stack import down, ensure_prefect

    for name in [name for name in os.environ if name.startswith(("NIGHTSHIFT_", "PREFECT_", "MLFLOW_"))]:
        del os.environ[name]
    wanted = sys.argv[1:] or [kind for kind in KINDS if not (HERE / f"{kind}.tar.xz").exists()]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        api = ensure_prefect(settings)
        try:
            for kind in wanted:
                make(kind, api)
        finally:
            down(settings)


if __name__ == "__main__":
    main()
