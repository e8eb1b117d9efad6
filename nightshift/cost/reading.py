"""What the operating system says of this process: the only module that asks it."""

from __future__ import annotations

import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_MB = 1e6


@dataclass(frozen=True)
class Reading:
    """What this process has taken up to now, since it began unless told otherwise.

    Attributes:
        wall_s: a clock in seconds, of which only differences say something.
        cpu_s: of all its threads, and of its children that have ended.
        memory_mb: physical memory now, in MB.
        own_mb: the part of it that is no mapped file: pages of files go when memory runs short.
        peak_mb: the most physical memory since it began.
        read_mb, written_mb: through its file handles; what is read from a mapped file is not in it.
    """

    wall_s: float
    cpu_s: float
    memory_mb: float
    own_mb: float
    peak_mb: float
    read_mb: float = 0.0
    written_mb: float = 0.0


def read_process() -> Reading:
    """The reading of this moment."""
    import psutil  # only now: most commands measure nothing

    process = psutil.Process()
    memory, times = process.memory_info(), os.times()
    # The BSDs and macOS keep no such counters.
    counters = process.io_counters() if hasattr(process, "io_counters") else None
    return Reading(
        wall_s=time.monotonic(),
        cpu_s=times.user + times.system + times.children_user + times.children_system,
        memory_mb=memory.rss / _MB,
        own_mb=(memory.rss - getattr(memory, "shared", 0)) / _MB,
        peak_mb=max(_peak(), memory.rss) / _MB,
        read_mb=getattr(counters, "read_chars", 0) / _MB,
        written_mb=getattr(counters, "write_chars", 0) / _MB,
    )


def _peak() -> int:
    """In bytes. Linux's `ru_maxrss` would be that of the process which started this one, when that was larger."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
