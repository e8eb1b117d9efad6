"""What a trained model can do, whichever learner made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]


class Model(Protocol):
    """A trained model: scores encoded rows, and is kept in files that hold no code."""

    def score(self, features: pa.Table) -> Floats:
        """Scores of float32 columns: (n,) probabilities or values, (n, classes) for multiclass."""
        ...

    def unlearnt_nulls(self, features: pa.Table) -> Mapping[str, int]:
        """How many values are null in columns that had no null in training, as far as the model can tell, by column.

        They are missing, and never a value: to trees both sides of a split on such a column count, by their shares of
        the training rows; a network takes the median of a number, and the middle of all categories.
        """
        ...

    def importance(self) -> Mapping[str, float]:
        """How much each feature contributed, in the learner's own unit."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""
        ...
