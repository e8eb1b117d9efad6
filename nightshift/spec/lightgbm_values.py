"""Whether `learner.params` of trees are parameters of LightGBM's with values that it takes: before anything is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from pydantic_core import PydanticCustomError

from nightshift.errors import nearest
from nightshift.spec.declaration import refused, remedy_for_text
from nightshift.spec.lightgbm_params import ABSOLUTE, BY_ANY_NAME, CLASS_METRICS, METRICS, PARAMS, Param

LabelKind = Literal["binary", "multiclass", "regression"]

_INT32 = 2**31
# What other interfaces to LightGBM call what is declared elsewhere.
_ELSEWHERE = {
    "class_weight": "learner.class_weights",
    "eval_metric": "learner.params.metric",
    "init_model": "learner.from_model",
    "categorical_features": "the SQL: columns of text are categories",
}
_GROUPS = re.compile(r"\[\d+(?:,\d+)*\](?:,\[\d+(?:,\d+)*\])*")


def check_params(params: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Refuse what LightGBM does not know, what is set elsewhere, and values that it does not take.

    Args:
        keys: those of `learner` itself.

    Raises:
        PydanticCustomError: one of them; it says what to write instead.
    """
    given: dict[str, str] = {}
    for name, value in params.items():
        row = _row(name, keys)
        if row.name in given:
            raise refused(
                f"params.{given[row.name]} and params.{name} are two names of one parameter",
                key=f"params.{name}", remedy=f"write {row.name} once",
            )  # fmt: skip
        if row.name == "objective" != name:
            raise refused(
                f"params.{name} is another name of objective",
                key=f"params.{name}",
                remedy="write params.objective",
            )
        given[row.name] = name
        _CHECKS[row.kind](row, name, value)
    _check_together({row: params[name] for row, name in given.items()})


def check_of_label(params: Mapping[str, Any], kind: LabelKind) -> None:
    """Refuse a loss, and metrics, that are of another kind of label.

    Raises:
        PydanticCustomError: one of them is.
    """
    if "objective" in params and kind != "regression":
        raise refused(
            f"params.objective cannot be changed for a {kind} label", key="learner.params.objective",
            remedy="leave it out: dataset.label.kind decides",
        )  # fmt: skip
    for alias in ("metric", *PARAMS["metric"].aliases):
        for word in words_of(params.get(alias, ())):
            if not _measures(word, kind):
                valid = [one for one in PARAMS["metric"].words if _measures(one, kind)]
                raise refused(
                    f"params.{alias}: {word} says nothing of a {kind} label",
                    key=f"learner.params.{alias}", valid=valid, remedy="choose one of these, or leave it out",
                )  # fmt: skip


def _measures(metric: str, kind: LabelKind) -> bool:
    """Whether a metric can be computed of a kind of label: some want classes, and some labels above 0."""
    if kind == "multiclass":
        return metric in CLASS_METRICS
    return metric in METRICS and not (kind == "binary" and metric in ("gamma", "gamma_deviance"))


def words_of(value: Any) -> list[str]:
    """The words of a list, or of a text with commas and nothing else between them: LightGBM ends a value at a space.

    >>> words_of("auc,binary_logloss"), words_of(["auc"])
    (['auc', 'binary_logloss'], ['auc'])
    """
    parts = value.split(",") if isinstance(value, str) else value
    return [str(part) for part in parts]


def _row(name: str, keys: Iterable[str]) -> Param:
    row = BY_ANY_NAME.get(name)
    if row is None:
        raise _unknown(name, keys)
    if not row.owner:
        return row
    also = "" if name == row.name else f" (LightGBM's {row.name})"
    if " " in row.owner:
        raise refused(f"params.{name}{also} {row.owner}", key=f"params.{name}", remedy="leave it out")
    raise refused(
        f"params.{name}{also} is set by {row.owner}", key=f"params.{name}", remedy=f"write {row.owner}"
    )


def _unknown(name: str, keys: Iterable[str]) -> PydanticCustomError:
    own, keys = sorted(row.name for row in PARAMS.values() if not row.owner), tuple(keys)
    what = f"params.{name}: LightGBM has no such parameter"
    if name in keys or name in _ELSEWHERE:
        where = f"learner.{name}" if name in keys else _ELSEWHERE[name]
        return refused(what, key=f"params.{name}", remedy=f"it is set by {where}")
    found = nearest(name.lower(), [*BY_ANY_NAME, *keys])
    row = BY_ANY_NAME.get(found or "")
    meant = found if row is None else row.name if " " in row.owner else row.owner or row.name
    if meant is not None and row is None:
        meant = f"learner.{meant}"
    remedy = f"did you mean {meant!r}?" if meant else "remove it; see LightGBM's own list of parameters"
    return refused(what, key=f"params.{name}", valid=own, remedy=remedy)


def _wrong(
    name: str, said: str, value: object, *, valid: Iterable[str] = (), remedy: str
) -> PydanticCustomError:
    return refused(
        f"params.{name} {said} (given: {value!r})", key=f"params.{name}", valid=valid, remedy=remedy
    )


def _switch(_: Param, name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise _wrong(name, "is true or false", value, valid=["true", "false"], remedy="write one of these")


def _number(row: Param, name: str, value: Any) -> None:
    _check_number(row, name, value, whole=row.kind == "int")


def _check_number(row: Param, name: str, value: Any, *, whole: bool) -> None:
    said = "is a whole number" if whole else "is a number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, said, value, remedy=remedy_for_text(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(name, f"{said}, and finite", value, remedy="write a finite number")
    if whole and not isinstance(value, int):
        raise _wrong(name, said, value, remedy=f"write {round(value)}")
    if isinstance(value, int) and not -_INT32 <= value < _INT32 and (whole or abs(value) > 1e300):
        raise _wrong(name, f"{said} of 32 bits", value, remedy="write a smaller one")
    ends = [
        (row.least is not None and value < row.least, "at least", row.least),
        (row.above is not None and value <= row.above, "greater than", row.above),
        (row.most is not None and value > row.most, "at most", row.most),
        (row.below is not None and value >= row.below, "less than", row.below),
    ]
    if any(broken for broken, _, _ in ends):
        bounds = " and ".join(f"{words} {end:g}" for _, words, end in ends if end is not None)
        raise _wrong(name, f"is {bounds}", value, remedy=f"write a number that is {bounds}")


def _word(row: Param, name: str, value: Any) -> None:
    if not isinstance(value, str) or value not in row.words:
        found = nearest(value, row.words) if isinstance(value, str) else None
        remedy = f"did you mean {found!r}?" if found else "choose one of these"
        raise _wrong(name, "has another value than it may have", value, valid=row.words, remedy=remedy)


def _words(row: Param, name: str, value: Any) -> None:
    parts = words_of(value) if isinstance(value, str | list | tuple) else [value]
    for part in parts or [value]:
        _word(row, name, part)


def _numbers(row: Param, name: str, value: Any) -> None:
    """A list of numbers; also as LightGBM's own files write it: 1,0,-1."""
    whole = row.kind == "ints"
    parts = value
    if isinstance(value, str):
        try:
            parts = [int(part) if whole else float(part) for part in value.split(",")]
        except ValueError:
            parts = None
    if not isinstance(parts, list | tuple) or not parts:
        example = "[1, 0, -1]" if row.least == -1 else "[1.0, 0.5]"
        raise _wrong(
            name, "is a list of numbers, one for each feature", value, remedy=f"write one, such as {example}"
        )
    for part in parts:
        _check_number(row, name, part, whole=whole)


def _groups(row: Param, name: str, value: Any) -> None:
    """Lists of features by their places; also as LightGBM's own files write it: [0,1],[2]."""
    if isinstance(value, str) and _GROUPS.fullmatch(value):
        return
    if (
        not isinstance(value, list | tuple)
        or not value
        or not all(isinstance(one, list | tuple) and one for one in value)
    ):
        raise _wrong(
            name, "is a list of lists of features, by their places from 0", value,
            remedy="write one, such as [[0, 1], [2]]",
        )  # fmt: skip
    for group in value:
        for place in group:
            _check_number(row, name, place, whole=True)


_CHECKS: Mapping[str, Callable[[Param, str, Any], None]] = {
    "bool": _switch,
    "int": _number,
    "float": _number,
    "word": _word,
    "words": _words,
    "ints": _numbers,
    "floats": _numbers,
    "groups": _groups,
}


def _check_together(params: Mapping[str, Any]) -> None:
    """Refuse what LightGBM takes one by one and not together; it says so only when it trains."""
    boosting, strategy = params.get("boosting", "gbdt"), params.get("data_sample_strategy", "bagging")
    bagged = params.get("bagging_freq", 0) > 0 and params.get("bagging_fraction", 1.0) < 1
    is_goss = "goss" in (boosting, strategy)
    if (
        boosting in ("rf", "random_forest")
        and not is_goss
        and not bagged
        and params.get("feature_fraction", 1.0) >= 1
    ):
        raise refused(
            "params.boosting: a random forest draws rows or columns for each tree, and here it draws neither",
            key="params.boosting", remedy="write bagging_freq: 1 and bagging_fraction: 0.7, or feature_fraction: 0.7",
        )  # fmt: skip
    if is_goss and params.get("top_rate", 0.2) + params.get("other_rate", 0.1) > 1:
        raise refused(
            "params.top_rate and params.other_rate are shares of the same rows, and are more than 1 together",
            key="params.top_rate", remedy="lower one of them",
        )  # fmt: skip
    if is_goss and bagged:
        raise refused(
            "params.bagging_freq: goss draws rows by itself, and does not go with bagging",
            key="params.bagging_freq", remedy="leave bagging_freq and bagging_fraction out",
        )  # fmt: skip
    if params.get("is_unbalance") and params.get("scale_pos_weight", 1.0) != 1:
        raise refused(
            "params.is_unbalance and params.scale_pos_weight both weigh the classes",
            key="params.scale_pos_weight", remedy="leave one of them out",
        )  # fmt: skip
    if params.get("objective") == "quantile" and params.get("alpha", 0.9) >= 1:
        raise refused(
            f"params.alpha is the quantile to tell, less than 1 (given: {params['alpha']!r})",
            key="params.alpha", remedy="write a share, such as 0.9",
        )  # fmt: skip
    if params.get("linear_tree") and (params.get("objective") in ABSOLUTE or params.get("zero_as_missing")):
        raise refused(
            "params.linear_tree goes neither with an objective of absolute errors, nor with zero_as_missing",
            key="params.linear_tree", remedy="leave one of them out",
        )  # fmt: skip
