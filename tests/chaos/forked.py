"""Trainings in forked processes that are killed: what both learners' tests of kills share."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from nightshift.atomic import replacing
from nightshift.learners.protocol import Fitted
from nightshift.store.local import LocalStore


@dataclass(frozen=True)
class SlowStore(LocalStore):
    """A local store on a disk so slow that a kill finds it writing."""

    def write(self, name: str, content: bytes) -> None:
        piece = max(1, len(content) // 8)
        with replacing(self.root / name) as temporary, temporary.open("wb") as file:
            for place in range(0, len(content), piece):
                file.write(content[place : place + piece])
                file.flush()
                time.sleep(0.004)


def end_with(fitted: Fitted, place: Path) -> None:
    """Write the model and whether it was resumed, whole or not at all, and end this process."""
    with replacing(place / "model") as folder:
        folder.mkdir()
        fitted.model.save(folder)
        (folder / "resumed").write_text(str(fitted.resumed_from is not None))
    os._exit(0)


def started(train: Callable[[Path], None], place: Path) -> BaseProcess:
    """A process that trains, forked so that nothing is imported anew.

    The process that forks never computes anything itself, for OpenMP does not survive a fork.
    """
    process = multiprocessing.get_context("fork").Process(target=train, args=(place,))
    process.start()
    return process


def is_writing(process: BaseProcess, place: Path) -> bool:
    """Whether this very process has a checkpoint that is not whole yet; an earlier one's may lie there too."""
    return any((place / "store").rglob(f"*.{process.pid}@*.partial"))


def kill(process: BaseProcess, place: Path, after: float, *, in_write: bool) -> bool:
    """Kill at a moment, or at the next one at which a checkpoint is being written; whether it was writing then."""
    time.sleep(after)
    while in_write and process.is_alive() and not is_writing(process, place):
        time.sleep(0.0005)
    assert process.pid is not None
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return is_writing(process, place)
