"""The processes that train one network together, as a training sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn


class Group(Protocol):
    """One or several processes; all of them come to the same decisions at the same moments."""

    rank: int
    ranks: int

    def wrap(self, network: nn.Module) -> nn.Module:
        """A network whose gradients are the mean of those of all processes."""
        ...

    def total(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        ...

    def decide(self, ask: Callable[[], str | None]) -> str | None:
        """What the first process is answered, told to all."""
        ...

    def gather(self, value: Tensor) -> list[Tensor]:
        """The value of each process, a tensor of one size, in the first process's memory."""
        ...


class Alone:
    """A process on its own."""

    rank = 0
    ranks = 1

    def wrap(self, network: nn.Module) -> nn.Module:
        """See `Group.wrap`."""
        return network

    def total(self, value: Tensor) -> Tensor:
        """See `Group.total`."""
        return value

    def decide(self, ask: Callable[[], str | None]) -> str | None:
        """See `Group.decide`."""
        return ask()

    def gather(self, value: Tensor) -> list[Tensor]:
        """See `Group.gather`."""
        return [value]
