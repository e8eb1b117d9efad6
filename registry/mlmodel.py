"""A trained model as MLflow keeps it: our own files, described so that `mlflow.pyfunc.load_model` finds the loader."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import mlflow.pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from nightshift.dataset.encoder import Encoder
from nightshift.learners.artifact import ENCODER, Manifest, read_manifest

# Where the native model lies in the folder that is logged.
MODEL_DATA = "data/model"
_LOADER = "registry.pyfunc"
# What loading a model and scoring with it needs, by learner.
_REQUIREMENTS = {
    "lightgbm": ("lightgbm", "pyarrow", "numpy"),
    "torch": ("torch", "safetensors", "tabm", "rtdl-num-embeddings", "pyarrow", "numpy"),
}
# Column types as pandas has them.
_TYPES = {
    "bool": "boolean",
    "int8": "integer",
    "int16": "integer",
    "int32": "integer",
    "int64": "long",
    "float": "float",
    "double": "double",
    "string": "string",
    "binary": "binary",
}


def save_mlmodel(model: Path, path: Path, metadata: dict[str, str]) -> None:
    """Copy the native `model` into `path` and describe it there, with the types of its columns.

    Written field by field: `mlflow.pyfunc.save_model` would look through every installed package first.
    """
    encoder = Encoder.from_json((model / ENCODER).read_text(encoding="utf-8"))
    shutil.copytree(model, path / MODEL_DATA)
    manifest = read_manifest(model)
    requirements = "".join(
        f"{name}=={version(name).partition('+')[0]}\n" for name in _needed(manifest, encoder, model)
    )
    (path / "requirements.txt").write_text(requirements)
    described = Model(signature=_signature(encoder, manifest), metadata=metadata)
    mlflow.pyfunc.add_to_model(described, loader_module=_LOADER, data=MODEL_DATA)
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


def _signature(encoder: Encoder, manifest: Manifest) -> ModelSignature:
    inputs = Schema([ColSpec(_TYPES[one.arrow_type], one.name, required=False) for one in encoder.features])
    if manifest.kind == "multiclass":
        return ModelSignature(
            inputs, Schema([ColSpec("double", f"score_{name}") for name in manifest.classes])
        )
    return ModelSignature(inputs, Schema([ColSpec("double")]))
