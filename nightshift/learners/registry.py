"""From a declared learner to one that can train: the only list of learner kinds."""

from __future__ import annotations

from nightshift.learners.protocol import Learner


def learner(kind: str) -> Learner:
    """The learner of `kind`; its library is imported here and not before."""
    match kind:
        case "lightgbm":
            from nightshift.learners.lightgbm import LightGBMLearner

            return LightGBMLearner()
        case _:
            raise AssertionError(f"the spec let an unknown learner through: {kind}")
