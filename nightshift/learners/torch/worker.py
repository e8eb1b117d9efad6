"""One of the processes that train a network together; torchrun starts it as `-m nightshift.learners.torch.worker`."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nightshift.checkpoints.checkpoint import Checkpoint
from nightshift.checkpoints.keeper import NOTHING_KEPT, Keeper, Kept
from nightshift.dataset.encoder import Encoder
from nightshift.errors import NightshiftError
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Task
from nightshift.learners.torch.device import device_of
from nightshift.learners.torch.frames import receive, send
from nightshift.learners.torch.learner import fit_in
from nightshift.learners.torch.together import SOCKET, TASK, read_part, write_error, write_fitted
from nightshift.spec.declaration import RECORDED
from nightshift.spec.learner import Torch

_MOST_WORDS = 1024


class Together:
    """The processes that torchrun started, as `Group` sees them."""

    def __init__(self, device: torch.device) -> None:
        self.rank = torch.distributed.get_rank()
        self.ranks = torch.distributed.get_world_size()
        self._device = device

    def wrap(self, network: nn.Module) -> nn.Module:
        """See `Group.wrap`."""
        devices = [self._device] if self._device.type == "cuda" else None
        # Unused ones are looked for, because else the order of sums changes after the first step, and with it the last
        # bits: a training that goes on would end with others.
        return DistributedDataParallel(network, device_ids=devices, find_unused_parameters=True)

    def total(self, value: Tensor) -> Tensor:
        """See `Group.total`."""
        found = value.clone()
        torch.distributed.all_reduce(found)
        return found

    def decide(self, ask: Callable[[], str | None]) -> str | None:
        """See `Group.decide`."""
        words = torch.zeros(_MOST_WORDS, dtype=torch.uint8)
        said = (ask() if self.rank == 0 else None) or ""
        text = said.encode()[:_MOST_WORDS]
        words[: len(text)] = torch.tensor(list(text), dtype=torch.uint8)
        words = words.to(self._device)
        torch.distributed.broadcast(words, src=0)
        return bytes(words.cpu().tolist()).rstrip(b"\0").decode(errors="replace") or None

    def gather(self, value: Tensor) -> list[Tensor]:
        """See `Group.gather`."""
        mine = value.to(self._device)
        found = [torch.empty_like(mine) for _ in range(self.ranks)]
        torch.distributed.all_gather(found, mine)
        return [one.cpu() for one in found]


class Asked:
    """The oversight, which is another process's."""

    def __init__(self, place: Path) -> None:
        self._to = socket.socket(socket.AF_UNIX)
        self._to.connect(str(place))

    def __call__(self, ask: str, contents: tuple[bytes, ...] = (), **more: Any) -> tuple[Any, list[bytes]]:
        """What is answered."""
        send(self._to, {"ask": ask, **more}, contents)
        said, pieces = receive(self._to)
        return said.get("said"), pieces

    def oversight(self, run: str | None) -> Oversight:
        """As a learner sees it."""
        return Oversight(
            keeper=None if run is None else _KeeperElsewhere(run, self),
            spent=lambda done: self("spent", done=done)[0],
            looked=lambda done, loss: self._tell("looked", done=done, loss=loss),
            took_gpu=lambda seconds, peak_mb: self._tell("gpu", seconds=seconds, peak_mb=peak_mb),
        )

    def _tell(self, ask: str, **more: Any) -> None:
        self(ask, **more)


class _KeeperElsewhere(Keeper):
    """The keeper of the process that oversees."""

    def __init__(self, run: str, asked: Asked) -> None:
        self._run = run
        self._asked = asked
        self._best: Checkpoint | None = None

    def newest(self) -> Checkpoint | None:
        """See `Keeper.newest`."""
        _, found = self._asked("newest")
        if not found:
            return None
        newest, self._best = (Checkpoint.from_bytes(content) for content in found)
        return newest

    def best_of(self, checkpoint: Checkpoint) -> Checkpoint | None:
        """See `Keeper.best_of`."""
        return self._best

    def is_due(self, done: float) -> bool:
        """See `Keeper.is_due`."""
        return bool(self._asked("due", done=done)[0])

    def keep(self, take: Callable[[], Checkpoint], best: Checkpoint | None = None) -> None:
        """See `Keeper.keep`."""
        assert best is not None
        self._asked("keep", (take().to_bytes(), best.to_bytes()))

    def finish(self) -> Kept:
        """See `Keeper.finish`."""
        return NOTHING_KEPT


def main() -> None:
    """Train as the process that torchrun says this is."""
    folder = Path(sys.argv[1])
    _end_with(folder / SOCKET)
    told = json.loads((folder / TASK).read_text(encoding="utf-8"))
    recipe = Torch.model_validate(told["recipe"], context=RECORDED)
    try:
        device = device_of(recipe)
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        device = device_of(recipe, torch.distributed.get_rank())
        group = Together(device)
        fitted = fit_in(group, _task(folder, told), recipe, Asked(folder / SOCKET).oversight(told["run"]))
    except NightshiftError as error:
        write_error(folder, error)
        sys.exit(error.exit_code)
    if group.rank == 0:
        write_fitted(folder, fitted)
    torch.distributed.destroy_process_group()


def _task(folder: Path, told: dict[str, Any]) -> Task:
    encoder = Encoder.from_json(told["encoder"])
    train = read_part(folder / "train.arrow", encoder.names)
    assert train is not None
    validate = read_part(folder / "validate.arrow", encoder.names)
    return Task(told["kind"], tuple(told["classes"]), encoder, train, validate)


def _end_with(place: Path) -> None:
    """End when the process that oversees does, at whatever this one is then."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(place))

    def wait() -> None:
        line.recv(1)
        os._exit(1)

    Thread(target=wait, name="lifeline", daemon=True).start()


if __name__ == "__main__":
    main()
