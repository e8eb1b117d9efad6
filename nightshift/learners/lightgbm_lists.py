"""Parameters of LightGBM's that are lists: they count the features, which are known only when rows are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nightshift.errors import RequestError
from nightshift.learners.protocol import Task
from nightshift.spec.lightgbm_params import PARAMS

_ONE_EACH = (
    "monotone_constraints", "feature_contri", "max_bin_by_feature", "cegb_penalty_feature_lazy",
    "cegb_penalty_feature_coupled",
)  # fmt: skip
_MOST_NAMED = 12


def check_lists(params: Mapping[str, Any], task: Task) -> None:
    """Refuse lists that are longer or shorter than there are features, and places where there is none.

    Raises:
        RequestError: one of them; it says which features there are, in their order.
    """
    features = task.encoder.names
    for name in _ONE_EACH:
        key, values = _given(params, name)
        if values is not None and len(values) != len(features):
            raise _error(key, f"has {len(values)} numbers, and there are {len(features)} features", features)
    key, values = _given(params, "monotone_constraints")
    bound = [
        features[place] for place in task.encoder.categories if values is not None and int(values[place])
    ]
    if bound:
        raise _error(key, f"binds {bound[0]!r}, which is a category and has no order", features)
    key, groups = _given(params, "interaction_constraints")
    places = [int(place) for group in groups or () for place in group]
    if places and max(places) >= len(features):
        raise _error(
            key, f"names the place {max(places)}, and the last of {len(features)} features has {len(features) - 1}",
            features,
        )  # fmt: skip
    key, values = _given(params, "auc_mu_weights")
    if values is not None and len(values) != len(task.classes) ** 2:
        raise _error(
            key, f"has {len(values)} numbers, and {len(task.classes)} classes squared are wanted", ()
        )


def _given(params: Mapping[str, Any], name: str) -> tuple[str, list[Any] | None]:
    """Under which name a list is given, and the list; None where it is not."""
    key = next((key for key in (name, *PARAMS[name].aliases) if key in params), name)
    value = params.get(key)
    if not isinstance(value, str):
        return key, None if value is None else list(value)
    if PARAMS[name].kind == "groups":
        return key, [group.split(",") for group in re.findall(r"\[([\d,]+)\]", value)]
    return key, value.split(",")


def _error(name: str, said: str, features: list[str] | tuple[str, ...]) -> RequestError:
    shown = [f"{place}: {one}" for place, one in enumerate(features[:_MOST_NAMED])]
    if len(features) > _MOST_NAMED:
        shown.append(f"and {len(features) - _MOST_NAMED} more")
    return RequestError(
        f"params.{name} {said}", where=f"learner.params.{name}", valid=shown,
        remedy="count the features in the order of dataset.sql's columns, or leave it out",
    )  # fmt: skip
