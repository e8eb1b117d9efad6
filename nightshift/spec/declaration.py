"""What every part of project.yaml is: frozen, and strict about its keys and its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

Column = Annotated[str, Field(min_length=1)]

RECORDED: dict[str, bool] = {"recorded": True}
"""The context to read a version's own record of its declaration in: what was once trained is read as it was declared,
also where it would be refused today."""

REFUSED = "nightshift_refused"


class Declaration(BaseModel):
    """A part of project.yaml: frozen, and refusing keys it does not know and numbers that are infinite or none."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, given: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number is wanted: they would be read as 1 and 0."""
        if not isinstance(given, Mapping) or is_recorded(info):
            return given
        for name, field in cls.model_fields.items():
            key = field.alias or name
            if isinstance(given.get(key), bool):
                wanted = _types_in(field.annotation)
                if wanted & {int, float} and bool not in wanted:
                    raise refused(f"{given[key]!r} is no number", key=key, remedy="write a number")
        return given


def _types_in(annotation: Any) -> set[Any]:
    """The plain types of an annotation such as `int | None`; not what a list or a mapping holds."""
    if not get_args(annotation) or get_origin(annotation) in (dict, list, tuple):
        return {annotation}
    return {one for part in get_args(annotation) for one in _types_in(part)}


def is_recorded(info: ValidationInfo) -> bool:
    """Whether a version's own record is read, and no declaration of today."""
    return isinstance(info.context, dict) and bool(info.context.get("recorded"))


def refused(what: str, *, key: str = "", valid: Iterable[str] = (), remedy: str = "") -> PydanticCustomError:
    """The error of a validator that knows more than what is wrong: the key below its own, what is valid, what to do."""
    context: dict[str, Any] = {"what": what, "key": key, "valid": tuple(valid), "remedy": remedy}
    return PydanticCustomError(REFUSED, "{what}", context)


def remedy_for_text(value: object) -> str:
    """What to write for a number that was declared as text: one in quotes.

    >>> remedy_for_text("1e-3")
    'write the number, without quotes: 0.001'
    """
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        return "write a number"
    digits = f"{number:.12f}".rstrip("0").rstrip(".")
    return f"write the number, without quotes: {digits if float(digits) == number else number}"


def _no_text(value: object, info: ValidationInfo) -> object:
    """Refuse what pydantic would make a number of: text, and true or false."""
    if isinstance(value, bool | str) and not is_recorded(info):
        raise refused(f"{value!r} is no number", remedy=remedy_for_text(value))
    return value


def check_factors(value: object, info: ValidationInfo) -> object:
    """Refuse factors by name that are no numbers greater than 0; what is no such mapping is left to its own check."""
    if isinstance(value, dict) and not is_recorded(info):
        for name, factor in value.items():
            is_number = isinstance(factor, int | float) and not isinstance(factor, bool)
            if not is_number or not 0 < factor < math.inf:
                raise refused(
                    f"{name}: a weight is a finite number greater than 0 (given: {factor!r})", key=str(name),
                    remedy=remedy_for_text(factor),
                )  # fmt: skip
    return value


Number = Annotated[float, BeforeValidator(_no_text)]
Whole = Annotated[int, BeforeValidator(_no_text)]
