"""From a network's name and its params to the network: those of the house, or a user's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from torch import nn

from nightshift.errors import RequestError, did_you_mean
from nightshift.learners.torch.image import build_image
from nightshift.learners.torch.inputs import Inputs
from nightshift.learners.torch.mlp import build_mlp
from nightshift.learners.torch.tabm import build_tabm
from nightshift.learners.torch.users import users_function
from nightshift.spec.declaration import RECORDED, Declaration
from nightshift.spec.networks import OWN, PARAMS_OF

NETWORKS: Mapping[str, Callable[[Inputs, int, Any], nn.Module]] = {
    "mlp": build_mlp, "tabm": build_tabm, "image": build_image,
}  # fmt: skip
"""What builds each network of the house; what it may be told stands in `nightshift.spec.networks`."""

_WHERE = "learner.params"


def build_network(
    name: str, params: Mapping[str, Any], source: str, inputs: Inputs, outputs: int
) -> nn.Module:
    """The network `name`, its weights drawn from torch's generator.

    Args:
        params: of `learner.params`.
        source: the text of the file of a user's own network; empty for one of the house, or of an installed package.
        outputs: how many numbers a row has in the end.

    Raises:
        RequestError: there is no such network, or it does not take these params.
    """
    if name in NETWORKS:
        if bool(inputs.images) != (name == "image"):
            raise _of_other_columns(name, inputs)
        return NETWORKS[name](inputs, outputs, _checked(PARAMS_OF[name], params))
    if ":" not in name:
        raise RequestError(
            f"there is no network {name!r}", where="learner.network", valid=[*NETWORKS, OWN],
            remedy=did_you_mean(name, NETWORKS) or "choose one of these",
        )  # fmt: skip
    return _built_by_user(name, users_function(name, source), params, inputs, outputs)


def _of_other_columns(name: str, inputs: Inputs) -> RequestError:
    if not inputs.images:
        return RequestError(
            "the network image needs a column of images, and no feature holds bytes", where="learner.network",
            remedy="select the bytes of the image files in the SQL, or write learner.network: mlp",
        )  # fmt: skip
    return RequestError(
        f"the network {name} sees no images, and the column {inputs.images[0].name!r} holds them",
        where="learner.network", remedy="write learner.network: image, or list the column under dataset.exclude",
    )  # fmt: skip


def _checked(kind: type[Declaration], params: Mapping[str, Any]) -> Declaration:
    try:
        # Checked when they were declared, maybe by rules of then.
        return kind.model_validate(dict(params), context=RECORDED)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            valid = sorted(kind.model_fields)
            raise RequestError(
                f"the network knows no param {place!r}", where=f"{_WHERE}.{place}", valid=valid,
                remedy=did_you_mean(place, valid) or "remove it",
            ) from error  # fmt: skip
        raise RequestError(
            f"{fault['msg']} (given: {fault['input']!r})",
            where=f"{_WHERE}.{place}",
            remedy="correct this value",
        ) from error


def _built_by_user(
    name: str, function: Callable[..., Any], params: Mapping[str, Any], inputs: Inputs, outputs: int
) -> nn.Module:
    try:
        inspect.signature(function).bind(inputs, outputs, **params)
    except TypeError as error:
        raise RequestError(
            f"{name} cannot be called with the inputs, the outputs and learner.params: {error}", where=_WHERE,
            remedy="the function is build(inputs, outputs, **params)",
        ) from error  # fmt: skip
    network = function(inputs, outputs, **params)
    if not isinstance(network, nn.Module):
        raise RequestError(
            f"{name} returned a {type(network).__name__}, and not a torch.nn.Module", where="learner.network",
            remedy="return the network that the function builds",
        )  # fmt: skip
    return network
