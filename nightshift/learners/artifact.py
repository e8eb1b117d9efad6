"""A trained model's folder: encoder, model files, and a manifest whose checksums are verified first."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nightshift.dataset.encoder import Encoder
from nightshift.errors import DataRefusedError
from nightshift.learners.loading import load_files
from nightshift.learners.model import Model

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

MANIFEST = "manifest.json"
ENCODER = "encoder.json"
FORMAT = 1
_REMEDY = "restore the model's files, or train again"


@dataclass(frozen=True)
class Manifest:
    """What lies in a model's folder, with the SHA-256 of each file.

    Attributes:
        code: the SHA-256 of each file of code that is packed with the model in MLflow, by its name beside the folder.
    """

    learner: str
    kind: Kind
    classes: tuple[str, ...]
    files: dict[str, str]
    format: int = FORMAT
    code: dict[str, str] = field(default_factory=dict)

    @property
    def model_sha256(self) -> str:
        """The SHA-256 of the model's own file, or of its files' checksums when there are several."""
        own = {name: mark for name, mark in sorted(self.files.items()) if name != ENCODER}
        return next(iter(own.values())) if len(own) == 1 else hashlib.sha256(repr(own).encode()).hexdigest()


def save_model(
    folder: Path, learner_kind: str, kind: Kind, classes: tuple[str, ...], encoder: Encoder, model: Model
) -> Manifest:
    """Write everything that scoring needs into a new folder."""
    folder.mkdir(parents=True)
    model.save(folder)
    (folder / ENCODER).write_text(encoder.to_json(), encoding="utf-8")
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    manifest = Manifest(learner=learner_kind, kind=kind, classes=classes, files=files)
    write_manifest(folder, manifest)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a model's folder."""
    written = {name: value for name, value in asdict(manifest).items() if name != "code" or value}
    (folder / MANIFEST).write_text(json.dumps(written, indent=1), encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a model's folder, with every file's checksum verified.

    Raises:
        DataRefusedError: a file is missing or is not the one that was saved.
    """
    path = folder / MANIFEST
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(**{**read, "classes": tuple(read["classes"]), "files": dict(read["files"])})
    # None, damaged, or of a later format.
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataRefusedError(
            f"the model has no readable manifest: {error}", where=str(path), remedy=_REMEDY
        ) from error
    there = {file.name for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")}
    foreign = sorted(there - manifest.files.keys() - {MANIFEST})
    if foreign:
        raise DataRefusedError(
            f"the model's folder holds a file {foreign[0]!r} that was not saved with it", where=str(folder),
            remedy="look at where it comes from, and move it away",
        )  # fmt: skip
    for name, mark in manifest.files.items():
        file = folder / name
        if not file.is_file() or sha256_of(file) != mark:
            raise DataRefusedError(
                f"the model's file {name!r} is not the one that was saved", where=str(file),
                remedy=_REMEDY,
            )  # fmt: skip
    return manifest


def verified(folder: Path, sha256: str) -> Manifest:
    """The manifest of a model's folder, if its model is the one that is on record elsewhere.

    A folder's own checksums only tell that it is whole. Whoever can write there can write them too.

    Args:
        sha256: of the model, as a version or a candidate recorded it.

    Raises:
        DataRefusedError: it is another model, or a file is missing or not the one that was saved.
    """
    manifest = read_manifest(folder)
    if manifest.model_sha256 != sha256:
        raise DataRefusedError(
            f"the model is not the one on record: its SHA-256 is {manifest.model_sha256[:16]}, and was {sha256[:16]}",
            where=str(folder), remedy=_REMEDY,
        )  # fmt: skip
    return manifest


def load_model(folder: Path, sha256: str | None = None) -> tuple[Manifest, Encoder, Model]:
    """Everything in a model's folder, verified before any of it is used: a user's own network is code.

    Args:
        sha256: of the model, where that is on record elsewhere; see `verified`.
    """
    manifest = read_manifest(folder) if sha256 is None else verified(folder, sha256)
    encoder = Encoder.from_json((folder / ENCODER).read_text(encoding="utf-8"))
    return manifest, encoder, load_files(manifest.learner, folder)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
