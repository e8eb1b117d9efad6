"""How MLflow loads a Nightshift model: the loader that `mlflow.pyfunc.load_model` calls. No pickle anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from nightshift.scoring.scorer import Scorer

if TYPE_CHECKING:
    import pandas as pd

    from nightshift.learners.model import Floats


class PyfuncModel:
    """A model as MLflow wants it: pandas in, scores out."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> Floats:
        """Scores of raw dataset rows: (n,) probabilities of 1 or values, (n, classes) for multiclass."""
        columns = [name for name in self.scorer.encoder.names if name in frame.columns]
        return self.scorer.score(pa.Table.from_pandas(frame[columns], preserve_index=False)).values


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(Scorer.load(Path(path)))
