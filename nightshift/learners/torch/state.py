"""A training's tensors, into a checkpoint and out of it: weights, the optimizer's moments, random states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from nightshift.learners.torch.group import Group

FILE = "state.safetensors"
_WEIGHTS = "weights."
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
_RANDOM = "random."


def capture(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Copies of all weights and of all moments, by name."""
    found = {f"{_WEIGHTS}{name}": tensor.detach().clone() for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for moment in _MOMENTS:
            held = optimizer.state.get(parameter, {}).get(moment)
            if held is not None:
                found[f"{moment}.{name}"] = held.detach().clone()
    return found


def restore(network: nn.Module, optimizer: torch.optim.Optimizer, held: Mapping[str, Tensor]) -> None:
    """Give a network and its optimizer what `capture` took of them."""
    network.load_state_dict(weights_of(held))
    names = {parameter: name for name, parameter in network.named_parameters()}
    ordered = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for place, parameter in enumerate(ordered):
        name = names[parameter]
        found = {moment: held.get(f"{moment}.{name}") for moment in _MOMENTS}
        if found["step"] is not None:
            state[place] = {key: tensor.clone() for key, tensor in found.items() if tensor is not None}
    # The state dictionary knows where each kind of optimizer keeps what.
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def weights_of(held: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights alone, by the network's own names."""
    return {name.removeprefix(_WEIGHTS): tensor for name, tensor in held.items() if name.startswith(_WEIGHTS)}


def fits(network: nn.Module, held: Mapping[str, Tensor]) -> bool:
    """Whether the weights are those of this network, by name and shape."""
    mine = {name: tensor.shape for name, tensor in network.state_dict().items()}
    return mine == {name: tensor.shape for name, tensor in weights_of(held).items()}


def capture_random(device: torch.device, group: Group) -> dict[str, Tensor]:
    """The states of torch's generators, of every process of the group."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return {
        f"{_RANDOM}{kind}.{rank}": one
        for kind, state in states.items()
        for rank, one in enumerate(group.gather(state))
    }


def restore_random(device: torch.device, group: Group, held: Mapping[str, Tensor]) -> None:
    """Go on drawing where `capture_random` was."""
    torch.set_rng_state(held[f"{_RANDOM}cpu.{group.rank}"].cpu())
    drawn = held.get(f"{_RANDOM}cuda.{group.rank}")
    if device.type == "cuda" and drawn is not None:
        torch.cuda.set_rng_state(drawn.cpu(), device)


def packed(held: Mapping[str, Tensor]) -> bytes:
    """Tensors as the content of a safetensors file; the same tensors give the same bytes."""
    return safetensors.torch.save({name: tensor.cpu().contiguous() for name, tensor in sorted(held.items())})


def unpacked(content: bytes, device: torch.device) -> dict[str, Tensor]:
    """The tensors that `packed` packed; random states stay with the processor."""
    read = safetensors.torch.load(content)
    return {name: tensor if name.startswith(_RANDOM) else tensor.to(device) for name, tensor in read.items()}


def optimizer_of(
    named: Iterable[tuple[str, nn.Parameter]], rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019).

    Vectors, which are biases and scales, do not decay.
    """
    parameters = [parameter for _, parameter in named]
    groups = [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": weight_decay},
        {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate, fused=True)
