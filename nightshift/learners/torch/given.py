"""What a training of a network is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nightshift.learners.oversight import Oversight
from nightshift.learners.torch.batches import Batches
from nightshift.learners.torch.group import Group
from nightshift.learners.torch.model import Whole
from nightshift.learners.torch.objective import Objective
from nightshift.learners.torch.plan import Plan
from nightshift.learners.torch.watch import Watch
from nightshift.spec.learner import Torch


@dataclass(frozen=True)
class Given:
    """What a training is made of.

    Attributes:
        watch: measures the validation loss; None when nothing is watched.
    """

    whole: Whole
    objective: Objective
    batches: Batches
    watch: Watch | None
    recipe: Torch
    plan: Plan
    device: torch.device
    group: Group
    oversight: Oversight
