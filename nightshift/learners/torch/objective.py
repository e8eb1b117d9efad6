"""What a network's outputs mean: the loss that is trained, the scores of rows, and the loss that is watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor
from torch.nn import functional

from nightshift.learners.model import Floats

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

_LEAST = 1e-15


@dataclass(frozen=True)
class Objective:
    """How outputs and labels go together. Outputs are (rows, outputs), or (rows, networks, outputs) of many in one.

    Attributes:
        outputs: numbers a row: one, or one a class.
        mean, scale: of a regression's training labels, which are standardised for training.
    """

    kind: Kind
    outputs: int
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, kind: Kind, classes: int, label: Floats) -> Objective:
        """The objective of training labels."""
        if kind != "regression":
            return cls(kind, classes if kind == "multiclass" else 1)
        # One row, or equal labels, have no spread to divide by.
        return cls(kind, 1, float(label.mean()), float(label.std()) or 1.0)

    @property
    def metric(self) -> str:
        """The name of the loss that is watched."""
        return "rmse" if self.kind == "regression" else "log_loss"

    def target(self, label: Floats) -> np.ndarray[Any, Any]:
        """Labels as the loss wants them."""
        if self.kind == "multiclass":
            return label.astype(np.int64)
        return ((label - self.mean) / self.scale).astype(np.float32)

    def losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The loss of each row, (rows,): of many networks in one the mean of their losses."""
        many = outputs if outputs.ndim == 3 else outputs.unsqueeze(1)
        many = many.float()
        if self.kind == "multiclass":
            each = target.unsqueeze(1).expand(-1, many.shape[1])
            return functional.cross_entropy(many.transpose(1, 2), each, reduction="none").mean(dim=1)
        one, wanted = many.squeeze(2), target.unsqueeze(1).expand(-1, many.shape[1])
        if self.kind == "binary":
            loss = functional.binary_cross_entropy_with_logits(one, wanted, reduction="none")
        else:
            loss = (one - wanted).square()
        return loss.mean(dim=1)

    def scores(self, outputs: Tensor) -> Floats:
        """Probabilities (rows,) or (rows, classes), or values (rows,), of float64: of many networks the mean."""
        many = (outputs if outputs.ndim == 3 else outputs.unsqueeze(1)).double()
        if self.kind == "multiclass":
            found = many.softmax(dim=2).mean(dim=1)
        elif self.kind == "binary":
            found = many.squeeze(2).sigmoid().mean(dim=1)
        else:
            found = many.squeeze(2).mean(dim=1) * self.scale + self.mean
        return np.asarray(found.cpu().numpy(), dtype=np.float64)

    def watched(self, scores: Floats, label: Floats) -> Floats:
        """Of each row what the watched loss is the mean of: minus log of the probability, or the squared error."""
        if self.kind == "regression":
            return np.asarray(np.square(scores - label), dtype=np.float64)
        if self.kind == "binary":
            told = np.where(label > 0.5, scores, 1 - scores)
        else:
            told = scores[np.arange(len(label)), label.astype(np.int64)]
        return np.asarray(-np.log(np.clip(told, _LEAST, 1.0)), dtype=np.float64)

    def whole(self, mean: float) -> float:
        """The watched loss of that mean: itself, or its root, in the label's unit."""
        return float(np.sqrt(mean)) if self.kind == "regression" else mean

    def trained(self, mean: float) -> float:
        """The mean of the trained loss, in the unit of the watched one."""
        return self.whole(mean * self.scale**2) if self.kind == "regression" else mean
