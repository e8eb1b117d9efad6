"""The columns as a network is given them: what is known of each from the training rows, and nothing from others."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Number:
    """A numeric column, and the map that makes its training values normally distributed.

    Attributes:
        place: among the encoder's columns.
        knots: values, ascending; between two the map is linear, outside it is that of the nearest.
        marks: what the knots become: quantiles of the standard normal distribution.
        has_missing: some training rows lack a value; the network is told which.
    """

    name: str
    place: int
    knots: tuple[float, ...]
    marks: tuple[float, ...]
    has_missing: bool


@dataclass(frozen=True)
class Category:
    """A column of codes.

    Attributes:
        size: how many different values the network knows: 0 is missing, then the vocabulary, and last what was never
            seen in training.
        typical: the commonest of them in training.
        width: of its embedding, where another model's was taken over; 0 for what suits the size.
    """

    name: str
    place: int
    size: int
    typical: int
    width: int = 0


@dataclass(frozen=True)
class Inputs:
    """What a network is given of a row: `width` numbers that are never NaN, and one code a category."""

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]

    @property
    def width(self) -> int:
        """The numeric columns, and behind them one 0 or 1 for each that has missing values."""
        return len(self.numbers) + sum(number.has_missing for number in self.numbers)

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return len(self.numbers) + len(self.categories)

    def as_dict(self) -> dict[str, Any]:
        """The inputs as a JSON-ready mapping."""
        return asdict(self)

    @classmethod
    def from_dict(cls, read: dict[str, Any]) -> Inputs:
        """What `as_dict` wrote."""
        numbers = (
            Number(**{**one, "knots": tuple(one["knots"]), "marks": tuple(one["marks"])})
            for one in read["numbers"]
        )
        return cls(tuple(numbers), tuple(Category(**one) for one in read["categories"]))
