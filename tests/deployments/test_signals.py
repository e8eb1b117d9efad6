"""A process that was told to end does end, also when its main thread never comes to hear of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DEAF = """
import signal, time
from deployments.signals import Signals
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: None)  # as a library that swallows what arrives
with Signals(grace=0.5):
    print("ready", flush=True)
    time.sleep(60)
"""

TOLD = """
import os, signal
from deployments.signals import Signals
signal.signal(signal.SIGTERM, lambda *_: None)
with Signals() as signals:
    before = signals.arrived()
    os.kill(os.getpid(), signal.SIGTERM)
    print(list(before), list(signals.arrived()), flush=True)
    os._exit(0)
"""


PATIENT = """
import os, signal
from deployments.signals import put_off
def stop(*_):
    raise SystemExit("stopped")
signal.signal(signal.SIGTERM, stop)
with put_off():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        print("undisturbed", flush=True)
    except BaseException as error:
        print("taken for its own:", error, flush=True)
print("went on", flush=True)
"""


def test_a_signal_that_is_put_off_comes_afterwards() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PATIENT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("undisturbed\n", "stopped\n", 1)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_deaf_process_is_ended(sent: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DEAF], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(sent)
        _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert sent.name in told


def test_what_arrived_is_known_whoever_handled_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TOLD], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"[] [{signal.SIGTERM.value}]\n"
