"""How much a trained network leans on each column."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nightshift.learners.model import Floats
from nightshift.learners.protocol import Part
from nightshift.learners.torch.inputs import Inputs
from nightshift.learners.torch.model import Whole
from nightshift.learners.torch.objective import Objective
from nightshift.learners.torch.rows import NO_IMAGE, Rows

MOST_ROWS, MOST_SCORED = 2048, 400_000


def importance_of(whole: Whole, objective: Objective, inputs: Inputs, part: Part) -> dict[str, float]:
    """How far the scores move, in the mean over training rows, when a column is not told.

    Not told is the median of a number (where it mostly is missing: that it is), the commonest value of a category,
    and a plain image. The unit is that of a score: a change of the probability, of a regression of its value.
    Evenly spaced rows, and one pass a column: nothing is drawn.

    Args:
        whole: on any device; put into evaluation.
    """
    rows = Rows(part.features)
    most = min(MOST_ROWS, inputs.rows_at_once)
    count = min(rows.count, most, max(64, MOST_SCORED // max(1, inputs.columns)))
    places = np.unique(np.linspace(0, rows.count - 1, count).astype(np.int64))
    columns = torch.from_numpy(rows.gather(places))
    images = [torch.from_numpy(one) for one in rows.images(places)]
    untold = {one.place: float(np.interp(0.0, one.marks, one.knots)) for one in inputs.numbers}
    untold |= {one.place: np.nan for one in inputs.numbers if columns[one.place].isnan().float().mean() > 0.5}
    # The code of what is missing is none at all; the others begin at 1.
    untold |= {one.place: float(one.typical - 1) if one.typical else np.nan for one in inputs.categories}
    names = {one.place: one.name for one in inputs.numbers}
    names |= {one.place: one.name for one in inputs.categories}
    device = next(iter(whole.network.state_dict().values())).device
    whole.eval()
    found = {}

    def scores(columns: Tensor, images: list[Tensor]) -> Floats:
        return objective.scores(whole(columns.to(device), *(one.to(device) for one in images)))

    with torch.inference_mode():
        told = scores(columns, images)
        for place, name in sorted(names.items()):
            changed = columns.clone()
            changed[place] = untold[place]
            found[name] = float(np.abs(scores(changed, images) - told).mean())
        for image in inputs.images:
            plain = [*images]
            plain[image.place] = torch.full_like(images[image.place], NO_IMAGE)
            found[image.name] = float(np.abs(scores(columns, plain) - told).mean())
    return found
