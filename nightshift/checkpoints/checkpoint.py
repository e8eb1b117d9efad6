"""A state of a training from which it can go on, as one file that tells whether it is whole and whose it is.

The file is a plain zip: `checkpoint.json` first, then the learner's own files, none of them code. The SHA-256 of every
file, and of the header itself, is verified before anything in it is believed.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1
_HEADER, _MARK = "checkpoint.json", "checkpoint.sha256"
# The moment in a zip's own clock: the same state gives the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


class UnusableCheckpointError(ValueError):
    """A file that is no checkpoint of ours, or no whole one; says what is wrong with it."""


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        done: rounds, or epochs; a fraction in the middle of an epoch.
        total: at most so many.
        unit: `round` or `epoch`.
    """

    done: float
    total: int
    unit: str

    def __str__(self) -> str:
        return f"{self.unit} {self.done:g} of {self.total}"


@dataclass(frozen=True)
class Checkpoint:
    """A state of a training.

    Attributes:
        run: the mark of the training: data version, declaration, seed and as-of. Another training's is not used.
        learner: the kind of learner that wrote it.
        loss: the validation loss here, less is better; None when nothing is watched.
        best: `done` of the best state so far, where that is a checkpoint of its own; None where this one holds it.
        cost: what training took up to here, over all its processes: the fields of a `Cost`, or nothing.
        state: JSON-ready: metrics so far, early stopping, the rate's schedule, random states.
        files: content by name: weights, the optimizer's moments, trees.
    """

    run: str
    learner: str
    progress: Progress
    loss: float | None
    state: Mapping[str, Any]
    files: Mapping[str, bytes]
    best: float | None = None
    cost: Mapping[str, float] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The checkpoint as a file's content; the same state gives the same bytes."""
        marks = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.files.items())}
        header = {
            "format": FORMAT, "run": self.run, "learner": self.learner, "progress": asdict(self.progress),
            "loss": self.loss, "best": self.best, "state": self.state, "files": marks,
            "cost": dict(self.cost),
        }  # fmt: skip
        text = json.dumps(header, separators=(",", ":")).encode()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            _add(archive, _HEADER, text)
            _add(archive, _MARK, hashlib.sha256(text).hexdigest().encode())
            for name in marks:
                _add(archive, name, self.files[name])
        return packed.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Checkpoint:
        """The checkpoint that `to_bytes` packed.

        Raises:
            UnusableCheckpointError: it is torn, changed, foreign, or of a later format.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                text = archive.read(_HEADER)
                whole = archive.read(_MARK).decode() == hashlib.sha256(text).hexdigest()
                header = json.loads(text)
                if not isinstance(header, dict) or "format" not in header:
                    raise UnusableCheckpointError("it is no checkpoint of Nightshift's")
                if header["format"] != FORMAT:
                    raise UnusableCheckpointError(
                        f"it has format {header['format']}, and this version of Nightshift reads format {FORMAT}"
                    )
                files = {name: archive.read(name) for name in header["files"]}
        except UnusableCheckpointError:
            raise
        # What a changed byte makes of a zip or of JSON is told in many ways, all of which mean the same.
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError, OSError, NotImplementedError,
                RuntimeError) as error:  # fmt: skip
            raise UnusableCheckpointError(f"it is torn, or no checkpoint: {error}") from error
        changed = [
            name for name, mark in header["files"].items() if hashlib.sha256(files[name]).hexdigest() != mark
        ]
        if changed or not whole:
            raise UnusableCheckpointError(f"its {changed[0] if changed else _HEADER} was changed")
        progress = Progress(**header["progress"])
        return cls(
            header["run"],
            header["learner"],
            progress,
            header["loss"],
            header["state"],
            files,
            header["best"],
            header["cost"],
        )


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, date_time=_EPOCH), content)
