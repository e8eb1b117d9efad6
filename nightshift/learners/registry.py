"""From a declared learner to one that can train: the only list of learner kinds."""

from __future__ import annotations

from nightshift.errors import RequestError
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
        # Of our own modules none is missing: it is a package of the extra.
        raise RequestError(
            f"a torch learner needs the package {error.name!r}, which is not installed", where="learner.kind",
            remedy="pip install 'nightshift[torch]'",
        ) from error  # fmt: skip
    return TorchLearner()
