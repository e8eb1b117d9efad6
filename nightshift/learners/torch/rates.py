"""How fast a network learns at each step."""

from __future__ import annotations

import math


def share_at(step: int, steps: int, warm_up: float) -> float:
    """The share of the greatest rate at `step` of `steps`: a rise over the warm-up, and then half a cosine.

    After Loshchilov and Hutter, SGDR, ICLR 2017, without restarts. No step has the rate 0.

    >>> [round(share_at(step, 10, 0.2), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    rise = math.floor(steps * warm_up)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1)))
