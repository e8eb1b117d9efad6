"""Which layers learn in which phase of a transfer; what does not learn keeps its statistics too."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from nightshift.errors import RequestError
from nightshift.learners.torch.layers import Staged
from nightshift.learners.torch.plan import Stretch
from nightshift.spec.training import Phase


@dataclass(frozen=True)
class Phases:
    """Stretches in which the head learns, and more and more of the backbone with it. The epoch tells the phase."""

    phases: tuple[Phase, ...]

    @property
    def epochs(self) -> int:
        """Of all phases together."""
        return sum(phase.epochs for phase in self.phases)

    def stretch(self, epoch: int) -> Stretch:
        """See `Plan.stretch`."""
        phase, first = self._at(epoch)
        return Stretch(first, phase.epochs, phase.share)

    def is_last(self, epoch: int) -> bool:
        """See `Plan.is_last`."""
        return self._at(epoch)[0] is self.phases[-1]

    def enter(self, network: nn.Module, epoch: int) -> None:
        """See `Plan.enter`. Frozen layers evaluate: batch norm keeps its statistics, and nothing is dropped."""
        backbone, head = parts_of(network)
        count = self._at(epoch)[0].layers
        free = len(backbone) if count is None else min(count, len(backbone))
        network.train()
        for parameter in network.parameters():
            parameter.requires_grad_(count is None)
        for layer in [*backbone[len(backbone) - free :], head]:
            for parameter in layer.parameters():
                parameter.requires_grad_(True)
        for layer in backbone[: len(backbone) - free]:
            layer.eval()

    def _at(self, epoch: int) -> tuple[Phase, int]:
        first = 0
        for phase in self.phases[:-1]:
            if epoch < first + phase.epochs:
                return phase, first
            first += phase.epochs
        return self.phases[-1], first


def parts_of(network: nn.Module) -> tuple[list[nn.Module], nn.Module]:
    """The layers of the backbone, from the columns on, and the head.

    Raises:
        RequestError: a user's own network does not tell them apart.
    """
    layers, head = getattr(network, "layers", None), getattr(network, "head", None)
    if not isinstance(layers, nn.ModuleList) or not isinstance(head, nn.Module):
        raise RequestError(
            f"a transfer needs to tell backbone and head apart, and {type(network).__name__} does not",
            where="learner.network",
            remedy="give the network the attributes `layers`, a torch.nn.ModuleList from the columns on, and `head`",
        )  # fmt: skip
    return [stage for layer in layers for stage in _stages_of(layer)], head


def _stages_of(layer: nn.Module) -> list[nn.Module]:
    return layer.stages() if isinstance(layer, Staged) else [layer]
