"""A disk that fails under a training: it goes on, says so once, and ends with the model of an undisturbed one."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from nightshift.checkpoints.keeper import Keeper
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted
from nightshift.spec.training import CheckpointPolicy
from nightshift.store.local import LocalStore
from tests.nightshift.learners import trees

pytestmark = pytest.mark.timeout(180)

LEARNERS = ("lightgbm", "torch")
EVERY = {"lightgbm": "4 rounds", "torch": "1 epoch"}
# When the disk fails, in rounds or epochs: after two checkpoints, of which more are still to come.
FAILS_AT = {"lightgbm": 11, "torch": 2}
IS_MOUNTED = "is_mounted"


def fit(
    learner: str, place: Path, looked: Callable[[float, float], None] = lambda done, loss: None
) -> Fitted:
    """Train with checkpoints and scratch below `place`."""
    keeper = Keeper(
        LocalStore(place / "store"), "demo", "mark", learner, CheckpointPolicy(every=EVERY[learner])
    )
    oversight = Oversight(keeper, looked=looked)
    if learner == "lightgbm":
        from nightshift.learners.lightgbm import LightGBMLearner

        return LightGBMLearner().fit(trees.task("binary", place / "scratch"), trees.recipe(), oversight)
    import torch

    from tests.nightshift.learners.torch import small

    torch.set_num_threads(1)
    task = replace(small.task_of(), scratch=place / "scratch")
    return small.fit(task, small.recipe_of(epochs=5, early_stopping=None), oversight)


def files_of(fitted: Fitted) -> dict[str, bytes]:
    """The model's files."""
    with tempfile.TemporaryDirectory() as folder:
        fitted.model.save(Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def files_too_large(place: Path) -> None:
    """No file may grow beyond a few bytes, as on a disk without room."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))


def full(place: Path) -> None:
    """Take every byte that is left."""
    with suppress(OSError), (place / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))


def read_only(place: Path) -> None:
    """Nothing below `place` can be written any more."""
    if not (place / IS_MOUNTED).exists():
        for folder, _, _ in os.walk(place):
            Path(folder).chmod(0o555)
        return
    # Refused for as long as a file is being written.
    while subprocess.run(
        ["mount", "-o", "remount,ro", str(place)], capture_output=True, check=False
    ).returncode:
        time.sleep(0.05)


FAULTS = {"files too large": files_too_large, "full": full, "read-only": read_only}


class Said(logging.Handler):
    """All warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def disturbed(learner: str, place: Path, fault: str, at: int, parent: Connection) -> None:
    """Train in this process, on a disk that fails at a round or epoch (0: from the start), and tell how it went."""
    said = Said()
    logging.getLogger("nightshift").addHandler(said)

    def looked(done: float, loss: float) -> None:
        if done == at:
            FAULTS[fault](place)

    looked(0, 0.0)
    fitted = fit(learner, place, looked)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    parent.send((files_of(fitted), fitted.rounds, fitted.kept.count, said.messages))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder: a small file system of its own where one can be mounted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", name]
        is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        for inner in ([IS_MOUNTED] if is_mounted else []) + ["scratch", "store"]:
            (folder / inner).mkdir()
        yield folder
        if is_mounted:
            subprocess.run(["umount", name], check=True)


def mend(place: Path, fault: str) -> None:
    """Whatever was done to the disk is undone."""
    if fault == "full":
        (place / "ballast").unlink()
    elif fault == "read-only" and (place / IS_MOUNTED).exists():
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
    elif fault == "read-only":
        for folder, _, _ in os.walk(place):
            Path(folder).chmod(0o755)


@pytest.mark.parametrize("from_the_start", [False, True], ids=["later", "from the start"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_training_goes_on_when_the_disk_fails(
    learner: str, fault: str, from_the_start: bool, place: Path, tmp_path: Path
) -> None:
    if not (place / IS_MOUNTED).exists() and (
        fault == "full" or (fault == "read-only" and os.geteuid() == 0)
    ):
        pytest.skip("no file system can be mounted here")
    (tmp_path / "scratch").mkdir()
    whole = fit(learner, tmp_path)
    here, there = multiprocessing.Pipe()
    at = 0 if from_the_start else FAILS_AT[learner]
    child = multiprocessing.get_context("spawn").Process(
        target=disturbed, args=(learner, place, fault, at, there)
    )
    child.start()
    there.close()
    files, rounds, kept, said = here.recv()
    child.join()
    assert files == files_of(whole)
    assert rounds == whole.rounds
    of_checkpoints = [line for line in said if "training goes on without" in line]
    of_bins = [line for line in said if "the binned rows could not be kept" in line]
    assert len(of_checkpoints) == 1
    assert len(of_bins) == (from_the_start and learner == "lightgbm")
    of_scores = [line for line in said if "scores could not be kept" in line]
    assert len(of_scores) == (learner == "lightgbm")
    assert len(said) == len(of_checkpoints) + len(of_bins) + len(of_scores)
    left = list((place / "store").rglob("at-*.checkpoint"))
    assert len(left) == kept
    assert (kept == 0) == from_the_start
    mend(place, fault)
    again = fit(learner, place)
    assert (again.resumed_from is None) == from_the_start
    assert files_of(again) == files_of(whole)
