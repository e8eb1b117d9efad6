"""The validation loss, of all validation rows, by the scores that a user would be given."""

from __future__ import annotations

import numpy as np
import torch

from nightshift.learners.model import Floats
from nightshift.learners.protocol import Part
from nightshift.learners.torch.group import Group
from nightshift.learners.torch.model import Whole
from nightshift.learners.torch.objective import Objective
from nightshift.learners.torch.rows import Rows


class Watch:
    """Measures the loss on rows that are not learnt from; each process of a group measures its share."""

    def __init__(self, part: Part, objective: Objective, device: torch.device, at_once: int) -> None:
        self._rows = Rows(part.features)
        self._label = part.label
        self._weight = part.weight
        self._objective = objective
        self._device = device
        self._at_once = at_once

    def loss(self, whole: Whole, group: Group) -> float:
        """The weighted mean over all rows; NaN when the network gives what is no number."""
        count = self._rows.count
        first, last = count * group.rank // group.ranks, count * (group.rank + 1) // group.ranks
        losses = weights = 0.0
        whole.eval()
        with torch.inference_mode():
            for start in range(first, last, self._at_once):
                places = np.arange(start, min(start + self._at_once, last))
                scores = self._objective.scores(whole.of_rows(self._rows, places))
                each = self._objective.watched(scores, self._label[places])
                weight = self._weight_of(places)
                losses, weights = losses + float((each * weight).sum()), weights + float(weight.sum())
        sums = torch.tensor([losses, weights], dtype=torch.float64, device=self._device)
        total, whole_weight = group.total(sums).tolist()
        return self._objective.whole(total / whole_weight)

    def _weight_of(self, places: np.ndarray) -> Floats:
        return np.ones(len(places)) if self._weight is None else self._weight[places]
