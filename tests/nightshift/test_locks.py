"""One at a time: refused at once by default, waited for where the settings say so, free when its holder dies."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nightshift.errors import TransientError
from nightshift.locks import only_one
from nightshift.settings import Settings

HOLD = """
import sys
from pathlib import Path
from nightshift.locks import only_one
from nightshift.settings import Settings
with only_one("train", "shop", Settings(home=Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that trains `shop` until a line is written to it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_one_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    impatient = Settings(home=tmp_path)
    with held(tmp_path) as process:
        told = f"process {process.pid} since"
        with pytest.raises(TransientError, match=told), only_one("train", "shop", impatient):
            pass
        with only_one("train", "other", impatient), only_one("predict", "shop", impatient):
            pass


def test_a_second_one_waits_for_its_turn(tmp_path: Path) -> None:
    patient = Settings(home=tmp_path, wait_seconds=-1)
    with held(tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        with only_one("train", "shop", patient):
            assert process.wait(10) == 0


def test_waiting_ends_when_the_first_one_is_killed(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        process.kill()
        with only_one("train", "shop", Settings(home=tmp_path, wait_seconds=10)):
            pass


def test_patience_has_an_end(tmp_path: Path) -> None:
    with held(tmp_path):
        begin = time.monotonic()
        patient = Settings(home=tmp_path, wait_seconds=0.6)
        with pytest.raises(TransientError, match="another train"), only_one("train", "shop", patient):
            pass
        assert time.monotonic() - begin >= 0.6


def test_what_has_another_mark_is_another_thing(tmp_path: Path) -> None:
    impatient = Settings(home=tmp_path)
    with only_one("train", "shop", impatient, mark="a"):
        with only_one("train", "shop", impatient, mark="b"), only_one("train", "shop", impatient):
            pass
        with (
            pytest.raises(TransientError, match="another train of 'shop' is running, with the same mark a"),
            only_one("train", "shop", impatient, mark="a"),
        ):
            pass
    left = {path.name for path in (tmp_path / "locks").iterdir()}
    assert left == {"shop.train.lock"}, "marks are many, and their files would pile up"


TAKE_TURNS = """
import sys
from pathlib import Path
from nightshift.locks import only_one
from nightshift.settings import Settings
home = Path(sys.argv[1])
for _ in range(40):
    with only_one("train", "shop", Settings(home=home, wait_seconds=-1), mark="a"):
        (home / "inside").mkdir()
        (home / "inside").rmdir()
"""


def test_waiting_for_a_lock_whose_file_goes_lets_no_two_in(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKE_TURNS, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ended = [(process.communicate(timeout=100)[1], process.returncode) for process in processes]
    assert ended == [("", 0)] * 3


def test_a_fault_within_is_not_taken_for_one_of_the_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), only_one("train", "shop", Settings(home=tmp_path)):
        (tmp_path / "missing").read_bytes()
