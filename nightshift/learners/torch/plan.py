"""Which layers of a network learn in which epoch, and how fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn


@dataclass(frozen=True)
class Stretch:
    """Epochs over which the rate rises and falls once.

    Attributes:
        first: its first epoch, from 0.
        share: of the recipe's rate.
    """

    first: int
    epochs: int
    share: float = 1.0


class Plan(Protocol):
    """The stretches of a training, and what learns in each."""

    def stretch(self, epoch: int) -> Stretch:
        """The stretch that `epoch`, from 0, belongs to."""
        ...

    def is_last(self, epoch: int) -> bool:
        """Whether no stretch comes after that of `epoch`: only then may training stop early."""
        ...

    def enter(self, network: nn.Module, epoch: int) -> None:
        """Put the network into training, and make those layers learn that are to learn in `epoch`."""
        ...


@dataclass(frozen=True)
class Everything:
    """One stretch, in which all layers learn."""

    epochs: int

    def stretch(self, epoch: int) -> Stretch:
        """See `Plan.stretch`."""
        return Stretch(0, self.epochs)

    def is_last(self, epoch: int) -> bool:
        """See `Plan.is_last`."""
        return True

    def enter(self, network: nn.Module, epoch: int) -> None:
        """See `Plan.enter`."""
        network.train()
