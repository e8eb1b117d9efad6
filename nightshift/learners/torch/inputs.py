"""The columns as a network is given them: what is known of each from the training rows, and nothing from others."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MOST_ROWS, MOST_PIXELS = 8192, 2_000_000


@dataclass(frozen=True)
class Number:
    """A numeric column, and the map that makes its training values normally distributed.

    Attributes:
        place: among the encoder's columns that are no images.
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
class Image:
    """A column of images: `channels` planes of `size` x `size` bytes each.

    Attributes:
        place: among the encoder's columns that are images.
    """

    name: str
    place: int
    size: int
    channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image."""
        return self.channels, self.size, self.size


@dataclass(frozen=True)
class Inputs:
    """What a network is given of a row: `width` numbers that are never NaN, one code a category, and images."""

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    images: tuple[Image, ...] = ()

    @property
    def width(self) -> int:
        """The numeric columns, and behind them one 0 or 1 for each that has missing values."""
        return len(self.numbers) + sum(number.has_missing for number in self.numbers)

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return len(self.numbers) + len(self.categories) + len(self.images)

    @property
    def rows_at_once(self) -> int:
        """How many rows a network is run on when nothing is learnt: what it makes of images takes memory."""
        pixels = sum(image.size**2 for image in self.images)
        return max(1, MOST_ROWS if pixels == 0 else min(MOST_ROWS, MOST_PIXELS // pixels))

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
        categories = (Category(**one) for one in read["categories"])
        return cls(tuple(numbers), tuple(categories), tuple(Image(**one) for one in read.get("images", ())))
