"""The networks that `learner.network` may name, and what each may be told: checked before torch is ever imported."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from nightshift.errors import nearest
from nightshift.spec.declaration import REFUSED, Declaration, Number, Whole, refused

OWN = "projects.NAME.FILE:FUNCTION"
INSTALLED = "PACKAGE.MODULE:FUNCTION"
_USERS = re.compile(r"[A-Za-z_]\w*(?:\.[\w-]+)+:[A-Za-z_]\w*|[A-Za-z_]\w*:[A-Za-z_]\w*")
# What other libraries call keys of `learner`.
_ELSEWHERE = {
    "lr": "rate", "learning_rate": "rate", "eta": "rate", "n_epochs": "epochs", "num_epochs": "epochs",
    "max_epochs": "epochs", "patience": "early_stopping", "random_state": "seed", "random_seed": "seed",
    "batch": "batch_size", "l2": "weight_decay", "class_weight": "class_weights", "max_grad_norm": "clip",
}  # fmt: skip


class ColumnParams(Declaration):
    """How columns become one vector.

    Attributes:
        numbers: `quantile`: a number as it is prepared; `piecewise`: an embedding that is linear by pieces.
        bins, number_size: the pieces of such an embedding, at most, and its size.
        category_size: the size of a category's embedding, at most.
    """

    numbers: Literal["quantile", "piecewise"] = "quantile"
    bins: Whole = Field(default=16, ge=2)
    number_size: Whole = Field(default=8, ge=1)
    category_size: Whole = Field(default=16, ge=1)


class MlpParams(ColumnParams):
    """What `learner.params` may say of the network `mlp`.

    Attributes:
        layers: the width of each.
    """

    layers: tuple[Annotated[Whole, Field(ge=1)], ...] = (256, 256)
    dropout: Number = Field(default=0.1, ge=0, lt=1)
    norm: Literal["layer", "batch"] | None = "layer"


class TabmParams(ColumnParams):
    """What `learner.params` may say of the network `tabm`.

    Attributes:
        networks: how many there are in one.
        blocks, width: of each of them.
    """

    numbers: Literal["quantile", "piecewise"] = "piecewise"
    networks: Whole = Field(default=16, ge=1)
    blocks: Whole = Field(default=2, ge=1)
    width: Whole = Field(default=256, ge=1)
    dropout: Number = Field(default=0.1, ge=0, lt=1)


class ImageParams(ColumnParams):
    """What `learner.params` may say of the network `image`.

    Attributes:
        backbone: `conv`, or the name of a model of timm: no address, and no path.
        widths: of the blocks of `conv`.
        layers: the widths of those over images and columns together; by default one where there are columns beside
            the images, else none.
        dropout: before the head, and in these layers.
    """

    backbone: str = Field(default="conv", pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?$")
    widths: tuple[Annotated[Whole, Field(ge=1)], ...] = Field(default=(32, 64, 128), min_length=1)
    layers: tuple[Annotated[Whole, Field(ge=1)], ...] | None = None
    dropout: Number = Field(default=0.1, ge=0, lt=1)


PARAMS_OF: Mapping[str, type[Declaration]] = MappingProxyType(
    {"mlp": MlpParams, "tabm": TabmParams, "image": ImageParams}
)
"""The networks of the house, and what each may be told."""


def check_network(network: str, params: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Refuse what is the name of no network, and params that it does not know or that are no values of theirs.

    Of a user's own network what its file says is not looked at here: see `network_file`.

    Args:
        keys: those of `learner` itself.

    Raises:
        PydanticCustomError: one of them; it says what to write instead.
    """
    valid = (*PARAMS_OF, OWN, INSTALLED)
    # What follows `projects.` is looked up by whoever knows where projects lie.
    if network not in PARAMS_OF and not network.startswith("projects.") and not _USERS.fullmatch(network):
        found = nearest(network, PARAMS_OF)
        raise refused(
            f"{network!r} is the name of no network", key="network", valid=valid,
            remedy=f"did you mean {found!r}?" if found else "choose one of these",
        )  # fmt: skip
    if network in PARAMS_OF:
        _check_params(PARAMS_OF[network], params, tuple(keys))
    for name, value in params.items():
        if not _is_finite(value):
            raise refused(
                f"params.{name} holds a number that is infinite or none (given: {value!r})",
                key=f"params.{name}", remedy="write a finite number",
            )  # fmt: skip


def _check_params(kind: type[Declaration], params: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    try:
        kind.model_validate(dict(params))
    except ValidationError as error:
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        fault = faults[0]
        place = ".".join(str(part) for part in fault["loc"])
        key = f"params.{place}"
        if fault["type"] == "extra_forbidden":
            raise _unknown(place, kind, keys) from error
        context = fault.get("ctx", {})
        if fault["type"] == REFUSED:
            raise refused(f"{key}: {context['what']}", key=key, remedy=context["remedy"]) from error
        raise refused(
            f"{key}: {fault['msg']} (given: {fault['input']!r})", key=key, remedy="correct this value"
        ) from error


def _unknown(name: str, kind: type[Declaration], keys: tuple[str, ...]) -> Exception:
    owner = name if name in keys else _ELSEWHERE.get(name)
    if owner is not None:
        return refused(
            f"params.{name} is set by learner.{owner}", key=f"params.{name}", remedy=f"write learner.{owner}"
        )
    valid = sorted(kind.model_fields)
    found = nearest(name, valid)
    return refused(
        f"params.{name}: the network knows no param {name!r}", key=f"params.{name}", valid=valid,
        remedy=f"did you mean {found!r}?" if found else "remove it",
    )  # fmt: skip


def _is_finite(value: Any) -> bool:
    """Whether no number in a value, however deep, is infinite or none."""
    if isinstance(value, Mapping):
        return all(_is_finite(one) for one in value.values())
    if isinstance(value, list | tuple):
        return all(_is_finite(one) for one in value)
    return not isinstance(value, float) or math.isfinite(value)
