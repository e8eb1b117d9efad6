"""A model scores where no Nightshift is, with the very scores of Nightshift, whatever pandas calls a type."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from nightshift.errors import NightshiftError
from nightshift.learners.artifact import read_manifest, sha256_of
from nightshift.learners.train import MODEL, train
from nightshift.scoring.scorer import Scorer
from registry.mlmodel import MODEL_DATA, save_mlmodel
from registry.packed import CODE, pack
from tests.registry.alone import HIDDEN
from tests.synthetic import World, rows_of, snapshot

LIGHTGBM: dict[str, Any] = {"kind": "lightgbm", "rounds": 5, "params": {"num_threads": 1}}
TORCH: dict[str, Any] = {"kind": "torch", "epochs": 1, "params": {"layers": [4]}}
MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "binary": ("binary", LIGHTGBM),
    "multiclass": ("multiclass", LIGHTGBM),
    "regression": ("regression", LIGHTGBM),
    "network": ("binary", TORCH),
    "images": (
        "binary",
        {**TORCH, "network": "image", "params": {"widths": [2]}, "images": {"size": 8, "channels": 1}},
    ),
}
# Of images and of other people's backbones a model without them needs nothing; pydantic brings its core.
OPTIONAL = {"PIL", "timm", "torchvision", "huggingface_hub", "pydantic_core"}
ALONE = Path(__file__).with_name("alone.py")


def frame_of(kind: Any) -> pd.DataFrame:
    frame = rows_of(kind)
    frame["flag"] = frame["x"] > 0.5
    frame["whole"] = np.arange(len(frame)) % 100
    return frame


def made(folder: Path, name: str) -> Path:
    """A trained model of this name, and what is to be scored with it."""
    kind, learner = MODELS[name]
    world, frame = World(folder / "world", kind=kind), frame_of(kind)
    if name == "images":
        from tests.nightshift.learners.torch.pictures import digits

        frame = frame.head(len(digits()[0]))[["id", "seen_at", "y", "weight"]].assign(
            photo=digits()[0][: len(frame)]
        )
    world.write(frame)
    project = world.declare(learner=learner)
    model = Path(train(project, snapshot(world, project), "mark", world.settings).path) / MODEL
    save_mlmodel(model, folder / "kept", {})
    frame.tail(40).to_parquet(folder / "frame.parquet")
    return model


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models that an interpreter without Nightshift has scored with."""
    folder = tmp_path_factory.mktemp("alone") / "models"
    for name, (_, learner) in MODELS.items():
        if learner is LIGHTGBM or _has_torch():
            made(folder / name, name)
    ended = subprocess.run(
        [sys.executable, "-I", str(ALONE), str(folder)], cwd="/", capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return folder


def _has_torch() -> bool:
    return find_spec("torch") is not None


@pytest.mark.parametrize("name", MODELS)
def test_the_scores_are_nightshifts_own_in_every_type(alone: Path, name: str) -> None:
    if not (alone / name).is_dir():
        pytest.skip("there is no torch")
    frame = pd.read_parquet(alone / name / "frame.parquet")
    scorer = Scorer.load(alone / name / "kept" / MODEL_DATA)
    wanted = scorer.score(pa.Table.from_pandas(frame)).values
    with np.load(alone / name / "scores.npz") as scores:
        assert len(scores) > (60 if "n" in frame else 0)
        for variant, found in scores.items():
            np.testing.assert_array_equal(found, wanted, err_msg=variant)


def test_nothing_of_nightshift_was_there(alone: Path) -> None:
    modules = json.loads((alone / "modules.json").read_text())
    assert not {name for name in modules if name.partition(".")[0] in HIDDEN}
    packages = {name.partition(".")[0] for name in modules if name.startswith("nightshift_scorer_")}
    assert len(packages) == (2 if _has_torch() else 1), "models of one learner share their code"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("lacking", "DataRefusedError: the rows lack the columns 'x', 'city'"),
        ("texts for numbers", "DataRefusedError: the column 'x' is a "),
        ("times for numbers", "DataRefusedError: the column 'x' is a timestamp"),
        ("a name twice", "DataRefusedError: the frame has several columns 'x'"),
        ("lists", "DataRefusedError: the column 'city' is a list"),
        ("mixed", "DataRefusedError: the column 'city' of object cannot be read"),
        ("no table", "RequestError: a int is no table"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_name(alone: Path, name: str, what: str) -> None:
    said = json.loads((alone / "binary" / "refused.json").read_text())
    assert said[name].startswith(what)
    assert "remedy" in said[name]


def test_packed_code_is_small_and_its_checksums_are_in_the_manifest(alone: Path) -> None:
    kept = alone / "binary" / "kept"
    code = read_manifest(kept / MODEL_DATA).code
    assert code == {
        str(path.relative_to(kept)): sha256_of(path) for path in sorted((kept / CODE).rglob("*.py"))
    }
    assert sum((kept / name).stat().st_size for name in code) < 80_000
    described = yaml.safe_load((kept / "MLmodel").read_text())
    flavor = described["flavors"]["python_function"]
    assert (flavor["code"], flavor["data"]) == (CODE, MODEL_DATA)
    assert flavor["loader_module"].endswith(".scoring.pyfunc")
    assert described["metadata"]["columns"] == {
        "x": "double", "gap": "double", "n": "int64", "city": "string", "flag": "bool", "whole": "int64",
    }  # fmt: skip


def test_packed_code_names_no_package_but_those_required(alone: Path) -> None:
    for name in ("binary", "network"):
        kept = alone / name / "kept"
        if not kept.is_dir():
            continue
        required = {
            line.partition("==")[0].replace("-", "_")
            for line in (kept / "requirements.txt").read_text().split()
        }
        allowed = required | set(sys.stdlib_module_names) | OPTIONAL
        for path in (kept / CODE).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
                for one in names:
                    root = one.partition(".")[0]
                    assert root in allowed or root.startswith("nightshift_scorer_"), (path, one)


@pytest.mark.parametrize("change", ["changed", "gone"])
def test_code_that_is_not_what_was_packed_is_refused(tmp_path: Path, change: str) -> None:
    made(tmp_path, "binary")
    # As other code of Nightshift would be packed: the name tells the content, and so no other test has loaded it.
    code = next((tmp_path / "kept" / CODE).iterdir())
    renamed = code.rename(code.with_name(f"nightshift_scorer_{change}"))
    manifest = tmp_path / "kept" / MODEL_DATA / "manifest.json"
    for path in [*renamed.rglob("*.py"), manifest, tmp_path / "kept" / "MLmodel"]:
        path.write_text(path.read_text().replace(code.name, renamed.name))
    read = json.loads(manifest.read_text())
    read["code"] = {name: sha256_of(tmp_path / "kept" / name) for name in read["code"]}
    manifest.write_text(json.dumps(read))
    assert mlflow.pyfunc.load_model(str(tmp_path / "kept")).predict(rows_and_more()).shape == (5,)
    victim = renamed / "errors.py" if change == "changed" else renamed / "learners" / "lightgbm_linear.py"
    if change == "changed":
        victim.write_text(victim.read_text() + "\n# more\n")
    else:
        victim.unlink()
    with pytest.raises(Exception, match="is not the one that was saved") as caught:
        mlflow.pyfunc.load_model(str(tmp_path / "kept"))
    assert type(caught.value).__name__ == "DataRefusedError"
    assert not isinstance(caught.value, NightshiftError), "it is the packed code that looks"


def rows_and_more() -> pd.DataFrame:
    return frame_of("binary").tail(5)


def test_the_name_tells_the_content(tmp_path: Path) -> None:
    first, _ = pack("lightgbm", tmp_path / "a")
    again, _ = pack("lightgbm", tmp_path / "b")
    other, _ = pack("torch", tmp_path / "c")
    assert first == again != other


def test_nightshift_itself_never_loads_models_through_pyfunc() -> None:
    root = Path(__file__).parents[2]
    for package in ("nightshift", "registry", "tasks", "flows", "deployments"):
        for path in (root / package).rglob("*.py"):
            assert "pyfunc.load_model(" not in path.read_text(encoding="utf-8"), path
