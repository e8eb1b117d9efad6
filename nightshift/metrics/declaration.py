"""The row a metric is declared by, and the decorator that makes it of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from nightshift.metrics.sample import Sample

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

Needs = Literal["scores", "probabilities", "labels", "values"]


@dataclass(frozen=True)
class Metric:
    """One way to measure predictions; call it as `metric(y_true, y_score, weight=None)`.

    Attributes:
        name: what project.yaml calls it.
        kinds: the kinds of label it serves.
        greater_is_better: its direction.
        needs: what of the predictions it looks at: the order of scores, calibrated probabilities, the
            labels that follow from them, or predicted values.
        measure: the formula, on a sample that has rows and is finite.
        default_for: the kinds that are judged by it unless project.yaml says otherwise.
    """

    name: str
    kinds: tuple[Kind, ...]
    greater_is_better: bool
    needs: Needs
    measure: Callable[[Sample], float]
    default_for: tuple[Kind, ...] = ()

    def __call__(self, y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> float:
        """Measure arrays; scores of shape (n, K) are multiclass. NaN where the metric is undefined."""
        is_multiclass = np.ndim(y_score) == 2
        for kind in self.kinds:
            if (kind == "multiclass") == is_multiclass:
                return self.of(Sample.of(kind, y_true, y_score, weight))
        kinds = " and ".join(self.kinds)
        raise ValueError(f"{self.name} measures {kinds} labels, not scores of shape {np.shape(y_score)}")

    def of(self, sample: Sample) -> float:
        """Measure a sample. NaN for no rows, for any NaN or infinity in it, and where undefined."""
        if not sample.is_measurable:
            return float("nan")
        # Squares of finite numbers may overflow: infinity, or NaN, is then the answer.
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.measure(sample))

    def gain(self, value: float, over: float) -> float:
        """How much better `value` is than `over`: positive when better, whatever the direction; NaN stays."""
        return value - over if self.greater_is_better else over - value


def declare(
    *,
    kinds: tuple[Kind, ...],
    greater_is_better: bool,
    needs: Needs,
    default_for: tuple[Kind, ...] = (),
) -> Callable[[Callable[[Sample], float]], Metric]:
    """Make a function on a sample a metric that is named like it and callable on arrays."""

    def row(measure: Callable[[Sample], float]) -> Metric:
        return Metric(measure.__name__, kinds, greater_is_better, needs, measure, default_for)

    return row


def declared_in(module: Mapping[str, object]) -> tuple[Metric, ...]:
    """The metrics among a module's names, in the order of the file."""
    return tuple(row for row in module.values() if isinstance(row, Metric))
