"""From a trained model's files to the model: all that scoring needs of a learner, and nothing of training."""

from __future__ import annotations

from pathlib import Path

from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.model import Model


def load_files(learner: str, folder: Path) -> Model:
    """The model that a learner of this kind saved; its library is imported here and not before.

    Raises:
        DataRefusedError: the files cannot be read.
        RequestError: the learner's library is not installed.
    """
    match learner:
        case "lightgbm":
            from nightshift.learners.lightgbm_model import load_model as load_trees

            return load_trees(folder)
        case "torch":
            try:
                from nightshift.learners.torch.model import load_model as load_network
            except ModuleNotFoundError as error:
                raise not_installed(error) from error
            return load_network(folder)
        case _:
            raise DataRefusedError(
                f"the model is of a learner that is not known here: {learner}", where=str(folder),
                valid=["lightgbm", "torch"], remedy="use the version of Nightshift that trained the model",
            )  # fmt: skip


def not_installed(error: ModuleNotFoundError) -> RequestError:
    """Of our own modules none is missing: it is a package of the extra."""
    return RequestError(
        f"a torch learner needs the package {error.name!r}, which is not installed", where="learner.kind",
        remedy="pip install 'nightshift[torch]'",
    )  # fmt: skip
