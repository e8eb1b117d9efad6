"""Score rows with a trained model: the one way from a row to a prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from nightshift.dataset.encoder import Encoder
from nightshift.learners.artifact import Manifest, load_model
from nightshift.learners.model import Floats, Model


@dataclass(frozen=True)
class Scores:
    """Scores of some rows, and what was noticed of their values, by column.

    Attributes:
        unseen: how many values of a category the model had never seen.
        beyond: how many finite numbers are beyond the range of float32, and so are as infinite ones.
        nulls: how many values are missing that no training row lacked; see `Model.unlearnt_nulls`.
    """

    values: Floats
    unseen: Mapping[str, int]
    beyond: Mapping[str, int]
    nulls: Mapping[str, int]


@dataclass(frozen=True)
class Scorer:
    """A trained model with the encoder it was trained with."""

    manifest: Manifest
    encoder: Encoder
    model: Model

    @classmethod
    def load(cls, folder: Path, sha256: str | None = None) -> Scorer:
        """The model in `folder`, its checksums verified.

        Args:
            sha256: of the model, where that is on record elsewhere: as a version's or a candidate's is.

        Raises:
            DataRefusedError: a file is missing or is not the one that was saved.
        """
        manifest, encoder, model = load_model(folder, sha256)
        return cls(manifest, encoder, model)

    def score(self, rows: pa.Table | pa.RecordBatch, key: Sequence[str] = ()) -> Scores:
        """Binary: the probability of 1, (n,). Multiclass: probabilities, (n, classes). Regression: values, (n,).

        Args:
            key: columns that name a row, so that one that is refused can be found; those that are not there count not.

        Raises:
            DataRefusedError: a column is missing or of another kind, or a value is no image.
        """
        unseen: Counter[str] = Counter()
        beyond: Counter[str] = Counter()
        nulls: Counter[str] = Counter()
        found = []
        for piece in self.encoder.pieces(rows):
            encoded = self.encoder.encode(piece, [name for name in key if name in rows.schema.names])
            unseen.update(encoded.unseen)
            beyond.update(encoded.beyond)
            nulls.update(self.model.unlearnt_nulls(encoded.rows))
            found.append(self.model.score(encoded.rows))
        values = found[0] if len(found) == 1 else np.concatenate(found)
        return Scores(values, dict(unseen), dict(beyond), dict(nulls))

    def columns(self, values: Floats) -> dict[str, pa.Array]:
        """Scores as the columns of a prediction: `prediction`, and the probabilities behind it.

        Binary: `prediction` is 1 from a score of 0.5 up, and `score` the probability of 1. Multiclass: the likeliest
        class, and `score_<class>` for each. Regression: the value.
        """
        match self.manifest.kind:
            case "regression":
                return {"prediction": pa.array(values, pa.float64())}
            case "binary":
                return {
                    "prediction": pa.array((values >= 0.5).astype(np.int32)),
                    "score": pa.array(values, pa.float64()),
                }
            case "multiclass":
                classes = np.array(self.manifest.classes)
                scores = {f"score_{name}": pa.array(values[:, place]) for place, name in enumerate(classes)}
                return {"prediction": pa.array(classes[values.argmax(axis=1)], pa.string()), **scores}
