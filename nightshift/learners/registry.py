"""From a declared learner to one that can train: the only list of learner kinds."""

from __future__ import annotations

from nightshift.learners.loading import not_installed
from nightshift.learners.protocol import Learner


def learner(kind: str) -> Learner:
    """The learner of `kind`; its library is imported here and not before."""
    match kind:
        case "lightgbm":
            from nightshift.learners.lightgbm import LightGBMLearner

            return LightGBMLearner()
        case "torch":
            return _torch()
        case _:
            raise AssertionError(f"the spec let an unknown learner through: {kind}")


def _torch() -> Learner:
    try:
        from nightshift.learners.torch.learner import TorchLearner
    except ModuleNotFoundError as error:
        raise not_installed(error) from error
    return TorchLearner()
