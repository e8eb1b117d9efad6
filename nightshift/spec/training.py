"""What project.yaml may say of any training: when it is checkpointed, what it may cost, and where it begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator, model_validator

from nightshift.spec.declaration import Column, Declaration, Number, Whole, check_factors

_EVERY = re.compile(r"(\d+)\s*(s|m|h|rounds?|epochs?)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(MB|GB|TB)", re.IGNORECASE)
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True)
class Every:
    """How often a checkpoint is written: by the clock, by progress, or as its cost allows.

    Attributes:
        unit: `auto`, `seconds`, `rounds` or `epochs`.
        count: how many of them; 0 for `auto`.
    """

    unit: Literal["auto", "seconds", "rounds", "epochs"]
    count: int

    @classmethod
    def read(cls, text: str) -> Every:
        """What `auto`, `30s`, `50 rounds` or `1 epoch` says.

        Raises:
            ValueError: it is none of these.

        >>> Every.read("2m")
        Every(unit='seconds', count=120)
        """
        if text.strip() == "auto":
            return cls("auto", 0)
        match = _EVERY.fullmatch(text.strip())
        if match is None or int(match.group(1)) == 0:
            raise ValueError(f"{text!r} is no interval; write auto, 30s, 5m, 50 rounds or 1 epoch")
        count, unit = int(match.group(1)), match.group(2)
        if unit in _SECONDS:
            return cls("seconds", count * _SECONDS[unit])
        return cls("rounds" if unit.startswith("round") else "epochs", count)


class CheckpointPolicy(Declaration):
    """When a training writes down where it is, and how many of these states are kept beside the best one."""

    every: str = "auto"
    keep: Whole = Field(default=3, ge=1)

    @field_validator("every")
    @classmethod
    def _is_an_interval(cls, every: str) -> str:
        Every.read(every)
        return every

    @property
    def interval(self) -> Every:
        """`every`, read."""
        return Every.read(self.every)


def _parse_size(text: object) -> int:
    """Bytes; an integer is returned as it is.

    Raises:
        ValueError: no number with a unit.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or float(match.group(1)) == 0:
        raise ValueError(f"{text!r} is no size; write a number and a unit, such as 500MB or 8GB")
    return int(float(match.group(1)) * _BYTES[match.group(2).upper()])


def _format_size(size: int) -> str:
    return f"{size / 10**9:g}GB" if size % 10**7 == 0 else f"{size / 10**6:g}MB"


Size = Annotated[
    int,
    BeforeValidator(_parse_size),
    PlainSerializer(_format_size, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _SIZE.pattern, "examples": ["500MB", "8GB"]}),
]


class Budget(Declaration):
    """What one training may take. When it is spent, training ends with the best state so far.

    Attributes:
        minutes: on the clock, over all the processes that a resumed training took.
        memory: the most physical memory of the training process.
    """

    minutes: Number | None = Field(default=None, gt=0)
    memory: Size | None = None


class ImageShape(Declaration):
    """What every image is brought to before a network sees it.

    Attributes:
        size: pixels a side.
        channels: 3 for colours, 1 for grey.
    """

    size: Whole = Field(default=224, ge=8, le=1024)
    channels: Literal[1, 3] = 3


class FromVersion(Declaration):
    """A registered version of a project, this one or another: its number or its alias."""

    project: str
    version: str = "champion"

    @field_validator("version", mode="before")
    @classmethod
    def _may_be_a_number(cls, version: object) -> object:
        return str(version) if isinstance(version, int) and not isinstance(version, bool) else version


class Reweight(Declaration):
    """How much the groups of a column weigh in training.

    Attributes:
        by: the column whose values are the groups.
        to: `uniform`, so that all groups weigh the same in sum; or a factor for each group that is named.
    """

    by: Column
    to: Annotated[Literal["uniform"] | dict[str, float], BeforeValidator(check_factors)] = "uniform"


class Divergence(Declaration):
    """When a training has gone wrong, and how often it is set right.

    A loss that is no number has gone wrong at once. A validation loss has when it lies above `factor` times the best
    one (or, below zero, as far above it) for `patience` looks in a row. Training then goes back to its best state: a
    network goes on from there with its rate times `slow_down`, trees end there. After `max_recoveries` it ends with
    the best state.
    """

    factor: Number = Field(default=2.0, gt=1)
    patience: Whole = Field(default=3, ge=1)
    slow_down: Number = Field(default=0.3, gt=0, lt=1)
    max_recoveries: Whole = Field(default=2, ge=0)

    def is_far(self, loss: float, best: float) -> bool:
        """Whether `loss` lies above `factor` times `best`; below zero, as far above it.

        >>> Divergence(factor=2).is_far(1.1, 0.5), Divergence(factor=2).is_far(-0.9, -1.0)
        (True, False)
        """
        return loss > best + (self.factor - 1) * abs(best)


class Plateau(Declaration):
    """The rate is multiplied by `factor` when the validation loss has not improved for `patience` looks."""

    patience: Whole = Field(default=2, ge=1)
    factor: Number = Field(default=0.5, gt=0, lt=1)
    least_rate: Number = Field(default=1e-6, gt=0)


class Phase(Declaration):
    """One stretch of a transfer: which layers learn, for how many epochs, and how fast.

    Attributes:
        train: `head`, and nothing else learns; or
        unfreeze: `all`, or `last:N`, the N layers of the backbone nearest the head, which learn with the head.
        rate: the share of the learner's rate, such as `0.1x`.
    """

    train: Literal["head"] | None = None
    unfreeze: str | None = None
    epochs: Whole = Field(default=3, ge=1)
    rate: str = "1x"

    @model_validator(mode="after")
    def _names_what_learns(self) -> Self:
        if (self.train is None) == (self.unfreeze is None):
            raise ValueError("a phase says either `train: head`, or `unfreeze: all` or `last:N`")
        if self.unfreeze not in (None, "all") and not re.fullmatch(r"last:[1-9]\d*", self.unfreeze or ""):
            raise ValueError(f"{self.unfreeze!r} names no layers; write all, or last:2")
        return self

    @field_validator("rate")
    @classmethod
    def _is_a_share(cls, rate: str) -> str:
        if not re.fullmatch(r"\d*\.?\d+x", rate) or float(rate[:-1]) == 0:
            raise ValueError(f"{rate!r} is no share of the rate; write 1x, 0.1x or 0.01x")
        return rate

    @property
    def share(self) -> float:
        """`rate` as a number."""
        return float(self.rate[:-1])

    @property
    def layers(self) -> int | None:
        """How many layers of the backbone learn, from the head backwards; None for all of them."""
        if self.train == "head":
            return 0
        return None if self.unfreeze == "all" else int(str(self.unfreeze).removeprefix("last:"))


def default_phases(epochs: int) -> tuple[Phase, ...]:
    """The phases of a transfer that declares none: the head, then the layers nearest to it, then all of them.

    The first two take 3 epochs each, or a third each of a shorter training; the last takes the rest.

    >>> [phase.epochs for phase in default_phases(30)], [phase.epochs for phase in default_phases(2)]
    ([3, 3, 24], [1, 1])
    """
    each = min(3, max(1, epochs // 3))
    phases = (
        Phase(train="head", epochs=each),
        Phase(unfreeze="last:2", epochs=each, rate="0.1x"),
        Phase(unfreeze="all", epochs=max(1, epochs - 2 * each), rate="0.01x"),
    )
    return phases[:epochs]
