"""What the holdouts of the versions that made some predictions lead one to expect of them, and a loss against it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nightshift.findings import Family, Signal
from nightshift.metrics.declaration import Metric
from nightshift.metrics.registry import default_metric, metric
from nightshift.performance.reference import Part, Reference
from nightshift.performance.uncertainty import interval, p_value
from nightshift.records import Metrics
from nightshift.spec.project import Project

References = Mapping[int, Reference]

# The least loss that matters: two points of a score that ends at 1, or a twentieth of an error that has a unit.
_LEAST_POINTS, _LEAST_SHARE = 0.02, 0.05


@dataclass(frozen=True)
class Loss:
    """How much worse a metric is than expected, in its own unit, and how far that may be off by chance."""

    value: float
    error: float

    @property
    def shown(self) -> float | None:
        """The loss, or None where it is undefined."""
        return self.value if math.isfinite(self.value) else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval; None where it is undefined."""
        return interval(self.value, self.error)


@dataclass(frozen=True)
class Expected:
    """The holdout metrics of the versions behind some predictions, weighted by how many each of them made."""

    shares: Mapping[int, float]
    parts: Mapping[int, Part]

    @classmethod
    def of(cls, references: References, versions: npt.NDArray[np.int64], segment: str = "") -> Expected:
        """What to expect of rows scored by `versions`, shape (n,); of a segment, by what it was in the holdout."""
        names, counts = np.unique(versions, return_counts=True)
        found: dict[int, Part] = {}
        for name in (int(name) for name in names):
            reference = references.get(name)
            part = (
                None if reference is None else reference.segments.get(segment) if segment else reference.whole
            )
            if part is not None:
                found[name] = part
        weights = {
            int(name): int(count) for name, count in zip(names, counts, strict=True) if int(name) in found
        }
        total = sum(weights.values())
        return cls({name: weight / total for name, weight in weights.items()}, found)

    @property
    def metrics(self) -> Metrics:
        """Every metric; None where it is undefined for one of the versions, nothing where none has a reference."""
        names = dict.fromkeys(name for part in self.parts.values() for name in part.metrics)
        return {
            name: self._mean({one: part.metrics for one, part in self.parts.items()}, name) for name in names
        }

    def value(self, name: str) -> float:
        """One metric; NaN where it is undefined."""
        value = self.metrics.get(name)
        return math.nan if value is None else value

    def error(self, name: str) -> float:
        """The standard error of one metric, by that of each holdout."""
        squares = (np.square(share * self.parts[one].error(name)) for one, share in self.shares.items())
        return math.sqrt(sum(squares))

    def without_block(self, name: str, version: int, block: int) -> float:
        """One metric when a block of rows is left out of the holdout of one version; NaN where undefined."""
        metrics = {one: part.metrics for one, part in self.parts.items()}
        value = self._mean({**metrics, version: self.parts[version].spread[block]}, name)
        return math.nan if value is None else value

    def _mean(self, metrics: Mapping[int, Metrics], name: str) -> float | None:
        values = [(share, metrics[one].get(name)) for one, share in self.shares.items()]
        known = [share * value for share, value in values if value is not None]
        return sum(known) if known and len(known) == len(values) else None


def columns_of(references: References) -> tuple[str, ...]:
    """The columns that any of the references needs to estimate."""
    return tuple(dict.fromkeys(name for one in references.values() for name in one.columns))


def deciding(project: Project) -> Metric:
    """The metric that project.yaml names, or the default of the label's kind.

    Raises:
        RequestError: no metric of this name measures such labels.
    """
    kind, name = project.label.kind, project.evaluate.metric
    where = f"project {project.name}: evaluate.metric"
    return default_metric(kind) if name is None else metric(name, kind, where=where)


def least_loss(measure: Metric, expected: float | None) -> float:
    """The least loss that matters: 0.02 of a metric that is better when greater, else 5 % of what is expected.

    >>> from nightshift.metrics.registry import metric
    >>> least_loss(metric("roc_auc"), 0.7), least_loss(metric("rmse"), 12.0)
    (0.02, 0.6000000000000001)
    """
    if measure.greater_is_better or expected is None or not math.isfinite(expected):
        return _LEAST_POINTS
    return _LEAST_SHARE * abs(expected)


def loss_signal(
    family: Family, measure: Metric, segment: str, loss: Loss, floor: float, *, note: str
) -> Signal:
    """The loss as a signal. Its alarm is off: whoever has all the night's signals corrects for their number."""
    shown = loss.shown
    chance = None if shown is None else p_value(loss.value, loss.error)
    return Signal(
        name=measure.name, family=family, segment=segment, value=shown if chance is not None else None,
        effect_floor=floor, p_value=chance, alarm=False, note=note,
    )  # fmt: skip
