"""Pickles that run something when they are loaded, and that test nothing else: a file is made where one was."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cloudpickle
import numpy as np


class _Touch:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch '{self.file}'",)


@dataclass(frozen=True)
class Bomb:
    """A pickle, and the file that is there once it was loaded."""

    trace: Path

    @property
    def has_gone_off(self) -> bool:
        """Whether it was loaded."""
        return self.trace.exists()

    def pickle(self) -> bytes:
        """As pickle writes it."""
        return pickle.dumps(_Touch(self.trace))

    def cloudpickle(self) -> bytes:
        """As cloudpickle writes it, by its class and not by its module's name."""
        return bytes(cloudpickle.dumps(_Touch(self.trace)))

    def npz(self) -> bytes:
        """As numpy writes arrays of objects."""
        written = io.BytesIO()
        held = np.array([_Touch(self.trace)], dtype=object)
        np.savez(written, truth=held, scores=held, allow_pickle=True)
        return written.getvalue()

    def torch(self) -> bytes:
        """As torch.save writes it: a zip with a pickle in it."""
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            archive.writestr("archive/data.pkl", self.pickle())
            archive.writestr("archive/version", "3\n")
        return written.getvalue()
