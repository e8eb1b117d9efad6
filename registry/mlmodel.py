"""A trained model as MLflow keeps it: our own files, described so that `mlflow.pyfunc.load_model` finds the loader."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import mlflow.pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from nightshift.dataset.encoder import Encoder
from nightshift.learners.artifact import ENCODER, Manifest, read_manifest, write_manifest
from registry.packed import CODE, pack

# Where the native model lies in the folder that is logged.
MODEL_DATA = "data/model"
# What loading a model and scoring with it needs, by learner.
_REQUIREMENTS = {
    "lightgbm": ("mlflow", "lightgbm", "pandas", "pyarrow", "numpy"),
    "torch": (
        "mlflow", "torch", "safetensors", "tabm", "rtdl-num-embeddings", "pydantic", "pandas", "pyarrow", "numpy",
    ),
}  # fmt: skip


def save_mlmodel(model: Path, path: Path, metadata: dict[str, str]) -> None:
    """Copy the native `model` into `path` and describe it there, with its columns and the code that scores with it.

    Written field by field: `mlflow.pyfunc.save_model` would look through every installed package first.
    """
    encoder = Encoder.from_json((model / ENCODER).read_text(encoding="utf-8"))
    shutil.copytree(model, path / MODEL_DATA)
    manifest = read_manifest(model)
    loader, code = pack(manifest.learner, path)
    write_manifest(path / MODEL_DATA, replace(manifest, code=code))
    requirements = "".join(
        f"{name}=={version(name).partition('+')[0]}\n" for name in _needed(manifest, encoder, model)
    )
    (path / "requirements.txt").write_text(requirements)
    described = Model(
        signature=_signature(manifest),
        metadata={**metadata, "columns": {one.name: one.arrow_type for one in encoder.features}},
    )
    mlflow.pyfunc.add_to_model(described, loader_module=loader, data=MODEL_DATA, code=CODE)
    described.save(str(path / "MLmodel"))


def _needed(manifest: Manifest, encoder: Encoder, model: Path) -> list[str]:
    """What loading the model and scoring with it needs."""
    needed = [*_REQUIREMENTS[manifest.learner]]
    if encoder.images:
        needed.append("pillow")
        described = json.loads((model / "network.json").read_text(encoding="utf-8"))
        is_timms = described["network"] == "image" and described["params"].get("backbone", "conv") != "conv"
        needed += ["timm"] if is_timms else []
    return needed


def _signature(manifest: Manifest) -> ModelSignature:
    """What comes out. Of what goes in there is none: MLflow would refuse a whole number for a double, a category for a
    text, and whatever else pandas has for the same values. The columns stand in the metadata.
    """
    if manifest.kind == "multiclass":
        return ModelSignature(
            outputs=Schema([ColSpec("double", f"score_{name}") for name in manifest.classes])
        )
    return ModelSignature(outputs=Schema([ColSpec("double")]))
