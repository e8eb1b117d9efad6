"""What a piece of work took is what came on top while it was done, with what earlier processes took of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from nightshift.cost.meter import Meter
from nightshift.cost.reading import Reading, read_process
from nightshift.records import Cost


def told(*readings: Reading) -> Callable[[], Reading]:
    """Readings one after the other; the last one for ever."""
    left: Sequence[Reading] = list(readings)

    def read() -> Reading:
        nonlocal left
        first, left = left[0], left[1:] or left
        return first

    return read


BEGAN = Reading(wall_s=100, cpu_s=7, memory_mb=200, own_mb=150, peak_mb=500, read_mb=30, written_mb=4)


def test_only_what_came_on_top_counts() -> None:
    later = Reading(wall_s=103, cpu_s=12, memory_mb=300, own_mb=200, peak_mb=900, read_mb=31, written_mb=6)
    meter = Meter(told(BEGAN, later))
    meter.took_gpu(1.5, 80)
    found = meter.so_far(checkpoint_s=0.25, rows=1000)
    assert found == Cost(
        wall_s=3, cpu_s=5, peak_mb=900, checkpoint_s=0.25, gpu_s=1.5, gpu_peak_mb=80, read_mb=1, written_mb=2,
        rows=1000,
    )  # fmt: skip


def test_a_peak_of_an_earlier_step_is_not_the_works_own() -> None:
    high = Reading(wall_s=101, cpu_s=8, memory_mb=320, own_mb=200, peak_mb=500)
    low = Reading(wall_s=102, cpu_s=9, memory_mb=250, own_mb=200, peak_mb=500)
    meter = Meter(told(BEGAN, high, low))
    meter.look()
    assert meter.so_far().peak_mb == 320


def test_earlier_processes_count() -> None:
    later = Reading(wall_s=160, cpu_s=8, memory_mb=300, own_mb=200, peak_mb=900)
    meter = Meter(told(BEGAN, later))
    meter.go_on_from({"wall_s": 60.0, "cpu_s": 10.0, "peak_mb": 1000.0, "checkpoint_s": 1.0})
    assert meter.minutes == 2
    found = meter.so_far(checkpoint_s=0.5)
    assert (found.wall_s, found.cpu_s, found.peak_mb, found.checkpoint_s) == (120, 11, 1000, 1.5)


def test_a_real_process_is_measured() -> None:
    meter = Meter()
    began = time.perf_counter()
    block = np.ones(30_000_000)
    total = 0.0
    until = time.perf_counter() + 0.2
    while time.perf_counter() < until:
        total += float(block[:1_000_000].sum())
    found = meter.so_far()
    assert total > 0
    assert found.wall_s == pytest.approx(time.perf_counter() - began, abs=0.15)
    assert found.cpu_s > 0.05
    assert found.peak_mb >= 240
    assert read_process().own_mb >= 240
