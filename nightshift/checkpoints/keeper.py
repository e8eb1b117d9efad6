"""Keeps the checkpoints of one training in the store: when one is due, which are kept, and which can be used."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from nightshift.checkpoints.checkpoint import Checkpoint, UnusableCheckpointError
from nightshift.checkpoints.interval import seconds_between
from nightshift.cost.meter import Meter
from nightshift.errors import OutsideError
from nightshift.spec.training import CheckpointPolicy
from nightshift.store.protocol import Store

logger = logging.getLogger(__name__)

FOLDER = "checkpoints"


@dataclass(frozen=True)
class Kept:
    """What was written of checkpoints: how many, and the seconds for which they held training up or wrote."""

    count: int = 0
    seconds: float = 0.0


NOTHING_KEPT = Kept()


class Keeper:
    """The checkpoints of one training.

    Writing is another thread's work: training goes on meanwhile. A store that fails is told of, and is no reason to
    stop: the last good checkpoint stays.
    """

    def __init__(
        self, store: Store, project: str, run: str, learner: str, policy: CheckpointPolicy,
        clock: Callable[[], float] = time.monotonic, meter: Meter | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._folder = f"{FOLDER}/{project}/{run[:24]}"
        self._run = run
        self._learner = learner
        self._policy = policy
        self._clock = clock
        self._meter = meter or Meter()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._writing: Future[float] | None = None
        self._kept = Kept()
        self._cost: float | None = None
        self._last = clock()
        self._last_done = 0.0
        self._best_written: float | None = None
        self._fault = ""

    @property
    def run(self) -> str:
        """The mark of the training."""
        return self._run

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that can be used; what is torn or another training's is skipped with a warning."""
        for name in reversed(self._names("at-")):
            checkpoint = self._usable(name)
            if checkpoint is not None and (checkpoint.best is None or self.best_of(checkpoint) is not None):
                self._last_done = checkpoint.progress.done
                self._meter.go_on_from(checkpoint.cost)
                return checkpoint
        return None

    def best_of(self, checkpoint: Checkpoint) -> Checkpoint | None:
        """The best state that `checkpoint` knew of: itself, or one of its own; None when that cannot be used."""
        return (
            checkpoint
            if checkpoint.best is None
            else self._usable(_name(self._folder, "best", checkpoint.best))
        )

    def is_due(self, done: float) -> bool:
        """Whether a checkpoint is due at this progress; asked at every moment at which one could be taken."""
        every = self._policy.interval
        if every.unit in ("rounds", "epochs"):
            return done // every.count > self._last_done // every.count
        if self._writing is not None and not self._writing.done():
            return False
        self._settle()
        return self._clock() - self._last >= seconds_between(every, self._cost)

    def keep(self, take: Callable[[], Checkpoint], best: Checkpoint | None = None) -> None:
        """Take a checkpoint now and write it while training goes on.

        Args:
            take: gives the state; what it holds must not change afterwards.
            best: the state that its `best` names; written once.
        """
        self._settle()
        started = self._clock()
        spent = self._meter.so_far(checkpoint_s=self._kept.seconds).model_dump()
        checkpoint = replace(take(), cost=spent)
        held_up = self._clock() - started
        self._writing = self._writer.submit(self._write, checkpoint, best)
        self._kept = replace(self._kept, seconds=self._kept.seconds + held_up)
        self._cost = held_up
        self._last, self._last_done = self._clock(), checkpoint.progress.done

    def finish(self) -> Kept:
        """Wait for what is being written; what was written of this process's checkpoints."""
        self._settle()
        self._writer.shutdown()
        return self._kept

    def forget(self) -> None:
        """Take all of them away: the training has ended, and its model is kept."""
        try:
            for name in self._names(""):
                self._store.remove(name)
        except OutsideError as error:
            logger.warning(
                "checkpoint: those that are no longer needed stay: %s (%s)", error.what, error.where
            )

    def _settle(self) -> None:
        """Wait for the write under way, and count it; a fault is told once, and not again while it lasts."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        try:
            seconds = writing.result()
        except OutsideError as error:
            if error.what != self._fault:
                logger.warning(
                    "checkpoint: it could not be written, and training goes on without: %s (%s)",
                    error.what,
                    error.where,
                )
            self._fault = error.what
            return
        if self._fault:
            logger.info("checkpoint: they can be written again")
            self._fault = ""
        self._cost = (self._cost or 0.0) + seconds
        self._kept = Kept(self._kept.count + 1, self._kept.seconds + seconds)

    def _write(self, checkpoint: Checkpoint, best: Checkpoint | None) -> float:
        started = self._clock()
        if best is not None and best.progress.done != self._best_written:
            self._store.write(_name(self._folder, "best", best.progress.done), best.to_bytes())
            self._best_written = best.progress.done
        self._store.write(_name(self._folder, "at", checkpoint.progress.done), checkpoint.to_bytes())
        self._prune(checkpoint)
        return self._clock() - started

    def _prune(self, newest: Checkpoint) -> None:
        """Keep the newest few, and the best states from the newest one's on."""
        for name in self._names("at-")[: -self._policy.keep]:
            self._store.remove(name)
        if newest.best is not None:
            for name in self._names("best-")[: -self._policy.keep - 1]:
                self._store.remove(name)

    def _names(self, prefix: str) -> list[str]:
        return [
            name for name in self._store.names(self._folder) if name.startswith(f"{self._folder}/{prefix}")
        ]

    def _usable(self, name: str) -> Checkpoint | None:
        try:
            checkpoint = Checkpoint.from_bytes(self._store.read(name))
        except KeyError:
            reason = "it is not there"
        except (UnusableCheckpointError, OutsideError) as error:
            reason = str(error)
        else:
            if (checkpoint.run, checkpoint.learner) == (self._run, self._learner):
                return checkpoint
            reason = "it is another training's"
        logger.warning("checkpoint: %s is not used: %s", name, reason)
        return None


def _name(folder: str, kind: str, done: float) -> str:
    return f"{folder}/{kind}-{done:014.6f}.checkpoint"
