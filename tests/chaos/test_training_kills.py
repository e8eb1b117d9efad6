"""Kill a LightGBM training at any moment, in the middle of a checkpoint too: it ends with the very same model."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nightshift.atomic import replacing

pytestmark = pytest.mark.chaos

SEED, KILLS, ROUNDS = 20240711, 100, 120
ROOT = Path(__file__).resolve().parents[2]
_SLOWLY = 0.02


def train(folder: Path) -> None:
    """What the killed process runs: a training with its checkpoints in `folder`, and its model's text at the end."""
    from nightshift.checkpoints.keeper import Keeper
    from nightshift.learners.lightgbm import FILE_NAME, LightGBMLearner
    from nightshift.learners.oversight import Oversight
    from nightshift.spec.training import CheckpointPolicy
    from nightshift.store.local import LocalStore
    from tests.nightshift.learners.test_lightgbm_resume import RANDOM, recipe, task

    class SlowStore(LocalStore):
        """Writes in two halves with a pause between, so that kills hit writes."""

        def write(self, name: str, content: bytes) -> None:
            with replacing(self.root / name) as temporary, temporary.open("wb") as file:
                file.write(content[: len(content) // 2])
                file.flush()
                time.sleep(_SLOWLY)
                file.write(content[len(content) // 2 :])

    policy = CheckpointPolicy(every="4 rounds")
    keeper = Keeper(SlowStore(folder / "store"), "demo", "mark", "lightgbm", policy)
    declared = recipe(rounds=ROUNDS, params=RANDOM)
    watched = Oversight(keeper, looked=lambda done, loss: time.sleep(_SLOWLY / 4))
    fitted = LightGBMLearner().fit(task("binary"), declared, watched)
    made = folder / "made"
    made.mkdir(exist_ok=True)
    fitted.model.save(made)
    (made / FILE_NAME).replace(folder / FILE_NAME)


def start(folder: Path) -> subprocess.Popen[bytes]:
    code = f"from pathlib import Path; from tests.chaos.test_training_kills import train; train(Path({str(folder)!r}))"
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)


def is_writing(folder: Path) -> bool:
    return any((folder / "store").rglob("*.partial"))


def kill_at_random(process: subprocess.Popen[bytes], folder: Path, moment: float, *, in_write: bool) -> bool:
    """Kill the process; whether it was in the middle of a write then."""
    begun = time.monotonic()
    while process.poll() is None and time.monotonic() - begun < 30:
        if in_write and time.monotonic() - begun >= moment and is_writing(folder):
            break
        if not in_write and time.monotonic() - begun >= moment:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    return is_writing(folder)


def test_a_hundred_kills_change_no_byte_of_the_model(tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    began = time.monotonic()
    process = start(undisturbed)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told.decode()
    seconds = time.monotonic() - began
    wanted = (undisturbed / "model.txt").read_bytes()
    draw, kills, writes, trainings = random.Random(SEED), 0, 0, 0
    while kills < KILLS:
        folder = tmp_path / str(trainings)
        folder.mkdir()
        trainings += 1
        for _ in range(draw.randint(1, 5)):
            in_write = kills % 2 == 0
            process = start(folder)
            writes += kill_at_random(process, folder, draw.uniform(0.3, 0.9) * seconds, in_write=in_write)
            kills += process.returncode == -signal.SIGKILL
        if not (folder / "model.txt").exists():
            process = start(folder)
            _, told = process.communicate(timeout=60)
            assert process.returncode == 0, told.decode()
        assert (folder / "model.txt").read_bytes() == wanted
    assert writes >= KILLS // 4
