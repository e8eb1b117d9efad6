"""Where a network is trained, and how: the processor or a GPU, its precision, and its determinism."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import torch

from nightshift.errors import RequestError
from nightshift.settings import set_defaults
from nightshift.spec.learner import Torch

COMPILES_FROM = 2_000
"""Steps of a training for which compiling pays: it takes about a minute."""


def device_of(recipe: Torch, place: int = 0) -> torch.device:
    """The device that the recipe asks for.

    Args:
        place: which GPU, of several processes.

    Raises:
        RequestError: it asks for a GPU, and there is none.
    """
    there = torch.cuda.is_available()
    if recipe.device == "cuda" and not there:
        raise RequestError(
            "there is no GPU that torch can use", where="learner.device",
            remedy="write device: auto, or install a build of torch for CUDA",
        )  # fmt: skip
    if recipe.device == "cpu" or not there:
        return torch.device("cpu")
    return torch.device("cuda", place % torch.cuda.device_count())


def precision_of(recipe: Torch, device: torch.device) -> torch.dtype:
    """The type in which products are computed."""
    if recipe.precision == "auto":
        fits = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fits else torch.float32
    return torch.bfloat16 if recipe.precision == "bf16" else torch.float32


def compiles(recipe: Torch, device: torch.device, steps: int) -> bool:
    """Whether the network is compiled: when told to, or on a GPU for a training that is long enough."""
    if isinstance(recipe.compile, bool):
        return recipe.compile
    return device.type == "cuda" and steps >= COMPILES_FROM and find_spec("triton") is not None


@contextlib.contextmanager
def set_up(device: torch.device, seed: int, *, deterministic: bool) -> Iterator[None]:
    """Draw from `seed` and compute deterministically within; afterwards torch is as it was.

    Dropout draws from torch's one generator of a device and takes no other.
    """
    devices = [device] if device.type == "cuda" else []
    if devices and deterministic:
        # Read by cuBLAS when it is first used.
        set_defaults({"CUBLAS_WORKSPACE_CONFIG": ":4096:8"})
    was = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark,
    )
    with torch.random.fork_rng(devices=devices):
        seed_all(device, seed)
        try:
            if deterministic:
                _be_deterministic(True, False, False, False)
            yield
        finally:
            _be_deterministic(*was)


def seed_all(device: torch.device, seed: int) -> None:
    """Draw anew from `seed` on the processor, and on the device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def be_deterministic_when_compiled() -> None:
    """Tell the compiler too, when it is about to be used."""
    on = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(on, warn_only=torch.is_deterministic_algorithms_warn_only_enabled())


def _be_deterministic(on: bool, warn_only: bool, fill: bool, benchmark: bool) -> None:
    if "torch._inductor" in sys.modules:
        torch.use_deterministic_algorithms(on, warn_only=warn_only)
    else:
        # As the public function does, which imports the compiler to tell it: 1.2 s for nothing where none is used.
        torch._C._set_deterministic_algorithms(on, warn_only=warn_only)
    # Filling finds reads of what was never written. It is for those who write kernels, and costs time.
    deterministic: Any = torch.utils.deterministic
    deterministic.fill_uninitialized_memory = fill
    torch.backends.cudnn.benchmark = benchmark
