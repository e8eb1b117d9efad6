"""A model for those who have a pandas frame: every type that pandas has for the same values gives the same scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from nightshift.errors import DataRefusedError, RequestError

if TYPE_CHECKING:
    import pandas as pd

    from nightshift.dataset.encoder import Feature
    from nightshift.learners.model import Floats
    from nightshift.scoring.scorer import Scorer

# What cannot be had as an Arrow column says so in one of these ways.
_NO_COLUMN = (pa.ArrowException, TypeError, ValueError, OverflowError)


class FrameModel:
    """A model as MLflow wants it: pandas in, scores out."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> Floats:
        """Scores of raw dataset rows: (n,) probabilities of 1 or values, (n, classes) for multiclass.

        Columns may stand in any order, and others beside them.

        Args:
            frame: or an Arrow table, or what pandas makes a frame of: a mapping of columns, a list of rows.

        Raises:
            DataRefusedError: a column is missing or of another kind.
            RequestError: this is no table.
        """
        return self.scorer.score(table_of(frame, self.scorer.encoder.features)).values


def table_of(frame: object, features: Sequence[Feature]) -> pa.Table:
    """Those of `features` that a frame has, as Arrow columns; the encoder says which are missing.

    Raises:
        DataRefusedError: there are two columns of one name, or one whose values are of several kinds.
        RequestError: this is no table.
    """
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return frame
    rows = _as_frame(frame)
    columns = {one.name: _column(rows, one) for one in features if one.name in rows.columns}
    return pa.table(columns)


def _as_frame(given: object) -> pd.DataFrame:
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        return given
    if isinstance(given, Mapping | list):
        try:
            return pd.DataFrame(given)
        except ValueError as error:
            raise _no_table(given) from error
    raise _no_table(given)


def _no_table(given: object) -> RequestError:
    return RequestError(
        f"a {type(given).__name__} is no table", where="predict",
        valid=["a pandas DataFrame", "an Arrow table", "a mapping of columns", "a list of rows"],
        remedy="give the rows with the names of their columns",
    )  # fmt: skip


def _column(rows: pd.DataFrame, feature: Feature) -> pa.Array | pa.ChunkedArray:
    values: Any = rows[feature.name]
    if values.ndim > 1:
        raise DataRefusedError(
            f"the frame has several columns {feature.name!r}", remedy="keep the one that the model is to see"
        )
    if str(values.dtype).startswith("Sparse"):
        values = values.sparse.to_dense()
    try:
        return pa.array(values, from_pandas=True)
    except _NO_COLUMN as error:
        numbers = _as_numbers(values) if feature.kind == "number" else None
        if numbers is None:
            raise DataRefusedError(
                f"the column {feature.name!r} of {values.dtype} cannot be read: {error}",
                remedy=f"make it {feature.arrow_type}, as it was in training",
            ) from error
        return numbers


def _as_numbers(values: Any) -> pa.Array | None:
    """A column of Python's own numbers of several types; None where there are others among them."""
    found: list[float | None] = []
    for value, is_missing in zip(values, values.isna(), strict=True):
        if is_missing:
            found.append(None)
        elif isinstance(value, Real | Decimal):
            found.append(float(value))
        else:
            return None
    return pa.array(found, pa.float64())
