"""Two processes train one network as one would, also after a cut, and they end with the process that oversees them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from nightshift.errors import RequestError
from nightshift.learners.oversight import Oversight
from nightshift.store.memory import MemoryStore
from tests.nightshift.learners.torch.small import always_due, fit, part, recipe_of, task_of
from tests.nightshift.learners.torch.test_resume import Killed, KilledAt, assert_same

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_two_do_what_one_does(tmp_path: Path) -> None:
    task = replace(task_of(), train=replace(part("binary"), weight=np.linspace(1, 2, 200)))
    quiet = {"params": {"layers": [8], "dropout": 0.0}}
    alone, both = fit(task, recipe_of(**quiet)), fit(task, recipe_of(**quiet, processes=2))
    assert both.history["validate"]["log_loss"] == pytest.approx(
        alone.history["validate"]["log_loss"], rel=1e-4
    )
    assert both.history["train"]["log_loss"] == pytest.approx(alone.history["train"]["log_loss"], rel=1e-4)
    features = task.train.features
    np.testing.assert_allclose(both.model.score(features), alone.model.score(features), atol=1e-4)


def test_two_that_are_cut_short_end_with_the_same_bytes(tmp_path: Path) -> None:
    task, recipe, store = task_of(), recipe_of(processes=2), MemoryStore()
    keeper = always_due(store)
    with pytest.raises(Killed):
        fit(task, recipe, Oversight(keeper, spent=KilledAt(3)))
    keeper.finish()
    again = fit(task, recipe, Oversight(always_due(store)))
    assert again.resumed_from is not None
    assert_same(fit(task, recipe), again, tmp_path)


def test_what_one_of_them_finds_is_told() -> None:
    with pytest.raises(RequestError, match="knows no param 'layer'") as raised:
        fit(task_of(), recipe_of(processes=2, params={"layer": [3]}))
    assert "layers" in raised.value.valid


def test_they_end_with_who_oversees_them(tmp_path: Path) -> None:
    script = (
        "from tests.nightshift.learners.torch.small import fit, recipe_of, task_of\n"
        "fit(task_of(), recipe_of(processes=2, epochs=100000, early_stopping=None))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    children: list[psutil.Process] = []
    until = time.monotonic() + 60
    while len(children) < 3 and time.monotonic() < until:
        children = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.1)
    time.sleep(3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert len(children) >= 3
    assert alive == []
