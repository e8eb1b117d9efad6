"""A network that begins with another one's backbone: columns are matched by name and kind, and the head is new or kept.

A number that both know keeps the old map to a normal distribution, since the backbone learnt what its values mean in
that map. A category that both know keeps the old embedding of each value that both know. What is new to the network
begins with weight 0 in the first layer, so that the backbone says at first what it said without it. A head that is
kept says at first what the other network says, of a regression in that one's unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from nightshift.dataset.classes import same_classes
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.protocol import Origin, Task
from nightshift.learners.torch.columns import PREFIX, ColumnMatch
from nightshift.learners.torch.image import BACKBONE, CONV
from nightshift.learners.torch.inputs import Inputs
from nightshift.learners.torch.layers import ColumnLayer, Layered
from nightshift.learners.torch.model import DESCRIPTION, SOURCE, WEIGHTS, Description
from nightshift.learners.torch.objective import Objective
from nightshift.learners.torch.phases import parts_of
from nightshift.learners.torch.timm_backbone import weights_for
from nightshift.spec.learner import Torch

_WHERE = "learner.from_model"
_OF_HEAD = "learner.head"
_HEAD, _OURS = "head.", "layers.1."
# The params that say what becomes of a number.
_OF_NUMBERS = ("numbers", "bins", "number_size")


@dataclass(frozen=True)
class Transfer:
    """What a training takes over from its origin.

    Attributes:
        weights: the origin's, by name.
        columns: what is taken over of the columns; None when nothing is known of the origin's.
        inputs: of the new network.
        objective: what the origin's head tells, where that is kept; None for a new head.
    """

    name: str
    weights: Mapping[str, Tensor]
    columns: ColumnMatch | None
    inputs: Inputs
    objective: Objective | None = None

    @classmethod
    def of(cls, origin: Origin, recipe: Torch, task: Task, learnt: Inputs) -> Transfer:
        """What `origin` gives to the network of a task.

        Args:
            recipe: of the network to be trained.
            learnt: what is known of the columns from the training rows.

        Raises:
            RequestError: it is another network's.
            DataRefusedError: its files cannot be read.
        """
        if origin.encoder is None:
            return cls(origin.name, _of_file(origin, recipe, learnt), None, learnt)
        described = _description(origin)
        _refuse_another(origin, described, recipe)
        weights = _read(origin.folder / WEIGHTS)
        _refuse_other_channels(origin, described.inputs, learnt)
        match = ColumnMatch.of(described.inputs, origin.encoder, learnt, task.encoder, weights)
        if recipe.head == "new":
            return cls(origin.name, weights, match, match.now)
        _refuse_other_classes(origin, task)
        return cls(origin.name, weights, match, match.now, described.objective)

    def take_over(self, network: nn.Module) -> tuple[str, ...]:
        """Put the origin's backbone into `network`, and its head if that is kept; what was taken over, in words.

        Raises:
            RequestError: nothing of the backbone fits, or a head that is to be kept does not.
        """
        parts_of(network)
        mine = network.state_dict()
        found = {
            name: tensor
            for name, tensor in self.weights.items()
            if not name.startswith(_HEAD) and name in mine and mine[name].shape == tensor.shape
        }
        if self.columns is not None:
            found = {name: tensor for name, tensor in found.items() if not name.startswith(PREFIX)}
            found |= self._of_columns(network, mine)
        if self.objective is not None:
            found |= self._head(mine)
        backbone = [name for name in mine if not name.startswith(_HEAD)]
        if not any(name in found for name in backbone if mine[name].is_floating_point()):
            raise RequestError(
                f"nothing of {self.name} fits this network: no layer has the same name and size", where=_WHERE,
                remedy="use the params that it was trained with, or another model",
            )  # fmt: skip
        network.load_state_dict({**mine, **found})
        learnt = {name for name, _ in network.named_parameters()}
        fresh = sorted({_layer_of(name) for name in backbone if name in learnt and name not in found})
        what = "backbone" if self.objective is None else "backbone and the head"
        layers = f"the {what} of {self.name} was taken over" + (
            f", but for {', '.join(fresh)}, which start fresh" if fresh else ""
        )
        return layers, self._words()

    def _of_columns(self, network: nn.Module, mine: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors whose places are those of columns, as far as the origin has them."""
        assert self.columns is not None
        if not isinstance(network, Layered) or not isinstance(network.layers[0], ColumnLayer):
            if self.columns.is_the_same:
                return {}
            raise RequestError(
                f"the columns differ from those of {self.name}, and only the networks of the house can match them",
                where=_WHERE, remedy="select the same columns, with the same categories",
            )  # fmt: skip
        found = self.columns.of_layer(self.weights, mine)
        if network.behind_columns is None:
            return found
        first = _first_of(network, network.behind_columns)
        for name in (f"{first}.weight", f"{first}.r"):
            if name in mine and name in self.weights and len(mine[name]) == len(self.weights[name]):
                found[name] = self.columns.of_first(name, self.weights, mine)
        return found

    def _head(self, mine: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {name: tensor for name, tensor in self.weights.items() if name.startswith(_HEAD)}
        wanted = {name: tensor.shape for name, tensor in mine.items() if name.startswith(_HEAD)}
        if {name: tensor.shape for name, tensor in found.items()} != wanted:
            raise RequestError(
                f"the head of {self.name} does not fit this network: its size is another", where=_OF_HEAD,
                remedy="use the params that it was trained with, or write head: new",
            )  # fmt: skip
        return found

    def _words(self) -> str:
        if self.columns is None and all(name.startswith(BACKBONE) for name in self.weights):
            return "a file of a backbone says nothing of other columns"
        if self.columns is None:
            return "a file says nothing of columns: they are taken to be the same, in the same order"
        return self.columns.words


def _first_of(network: Layered, behind: int) -> str:
    """The name of the first module behind the columns that has weights: the one whose inputs are columns."""
    for name, module in network.layers[behind].named_modules(prefix=f"layers.{behind}"):
        if next(module.parameters(recurse=False), None) is not None:
            return str(name)
    raise AssertionError("a layer without weights")


def _refuse_another(origin: Origin, described: Description, recipe: Torch) -> None:
    if described.name != recipe.network:
        raise RequestError(
            f"{origin.name} is a network {described.name!r}, and the one to be trained is {recipe.network!r}",
            where=_WHERE, remedy=f"write learner.network: {described.name}, or begin with another model",
        )  # fmt: skip
    backbones = [one.get("backbone", CONV) for one in (described.params, recipe.params)]
    if recipe.network == "image" and backbones[0] != backbones[1]:
        raise RequestError(
            f"{origin.name} has the backbone {backbones[0]!r}, and this recipe says {backbones[1]!r}",
            where="learner.params.backbone", remedy=f"write {backbones[0]}, or begin with another model",
        )  # fmt: skip
    for param in _OF_NUMBERS:
        before, now = described.params.get(param), recipe.params.get(param)
        if before != now:
            raise RequestError(
                f"{origin.name} was trained with params.{param} = {before}, and this recipe says {now}",
                where=f"learner.params.{param}",
                remedy="numbers are taken over in the form that the backbone knows: write the same",
            )


def _refuse_other_channels(origin: Origin, before: Inputs, now: Inputs) -> None:
    if before.images and now.images and before.images[0].channels != now.images[0].channels:
        raise RequestError(
            f"{origin.name} was trained on images of {before.images[0].channels} channels, and this recipe says "
            f"{now.images[0].channels}",
            where="learner.images.channels", remedy="write the same",
        )  # fmt: skip


def _refuse_other_classes(origin: Origin, task: Task) -> None:
    if not same_classes(origin.classes, task.classes):
        raise RequestError(
            f"the head of {origin.name} tells other classes than those of the training rows", where=_OF_HEAD,
            valid=origin.classes, remedy="write head: new, which learns what to tell from these rows",
        )  # fmt: skip


def _layer_of(name: str) -> str:
    """Of a backbone, the stage."""
    return ".".join(name.split(".")[: 5 if name.startswith(BACKBONE) else 2])


def _description(origin: Origin) -> Description:
    source = origin.folder / SOURCE
    try:
        return Description.from_json(
            (origin.folder / DESCRIPTION).read_text(encoding="utf-8"),
            source.read_text(encoding="utf-8") if source.is_file() else "",
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(origin.folder, error) from error


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return dict(safetensors.torch.load_file(file))
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise _unreadable(file, error) from error


def _of_file(origin: Origin, recipe: Torch, learnt: Inputs) -> dict[str, Tensor]:
    """The weights of a bare file: of a network of ours, or of a model of timm, which names them in its own way."""
    weights = _read(origin.folder)
    backbone = recipe.params.get("backbone", CONV)
    if recipe.network != "image" or backbone == CONV or any(name.startswith(_OURS) for name in weights):
        return weights
    channels, size, _ = learnt.images[0].shape
    found = weights_for(backbone, channels, size, weights, origin.name)
    return {f"{BACKBONE}{name}": tensor for name, tensor in found.items()}


def _unreadable(where: Path, error: Exception) -> DataRefusedError:
    return DataRefusedError(
        f"the model to begin with cannot be read: {error}", where=str(where), remedy="restore its files"
    )
