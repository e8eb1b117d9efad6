"""How MLflow loads a model: what `mlflow.pyfunc.load_model` calls, packed with the model. No pickle anywhere."""

from __future__ import annotations

from pathlib import Path

from nightshift.errors import DataRefusedError
from nightshift.learners.artifact import read_manifest, sha256_of
from nightshift.scoring.frames import FrameModel
from nightshift.scoring.scorer import Scorer


def _load_pyfunc(path: str) -> FrameModel:
    _verify_code(read_manifest(Path(path)).code)
    return FrameModel(Scorer.load(Path(path)))


def _verify_code(code: dict[str, str]) -> None:
    """This file and those beside it are the ones that were packed; in Nightshift itself there is nothing to compare.

    Raises:
        DataRefusedError: a file was changed, or is gone.
    """
    package = Path(__file__).parents[1]
    for name, mark in code.items():
        if Path(name).parts[1] != package.name:
            return
        file = package.parents[1] / name
        if not file.is_file() or sha256_of(file) != mark:
            raise DataRefusedError(
                f"the model's file {name!r} is not the one that was saved", where=str(file),
                remedy="restore the file, or train again",
            )  # fmt: skip
