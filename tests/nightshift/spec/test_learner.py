"""What a learner's declaration refuses."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from nightshift.spec.learner import LightGBM, Torch


def test_checkpoints_are_counted_in_what_the_learner_counts_in() -> None:
    with pytest.raises(ValidationError, match="trees are trained in rounds"):
        LightGBM.model_validate({"kind": "lightgbm", "checkpoint": {"every": "1 epoch"}})
    with pytest.raises(ValidationError, match="networks are trained in epochs"):
        Torch.model_validate({"kind": "torch", "checkpoint": {"every": "50 rounds"}})
    for every in ("auto", "30s", "5m"):
        LightGBM.model_validate({"kind": "lightgbm", "checkpoint": {"every": every}})
        Torch.model_validate({"kind": "torch", "checkpoint": {"every": every}})


@pytest.mark.parametrize("name", ["bagging_freq", "subsample_freq"])
def test_bags_begin_at_boundaries(name: str) -> None:
    with pytest.raises(ValidationError, match=f"multiple of params.{name}"):
        LightGBM.model_validate({"kind": "lightgbm", "reseed_every": 10, "params": {name: 3}})
    LightGBM.model_validate({"kind": "lightgbm", "reseed_every": 9, "params": {name: 3}})
