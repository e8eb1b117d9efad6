"""Which runs have a living process on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

_RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"
_CLOCK_TOLERANCE_SECONDS = 2.0


def process_tag() -> str:
    """What a run that has no worker carries as a tag: the machine and the process that it runs in."""
    return f"process:{platform.node()}:{os.getpid()}"


def tagged_process(tags: Iterable[str]) -> int | None:
    """The pid that a run's tags name on this machine, or None when they name none."""
    prefix = f"process:{platform.node()}:"
    for tag in tags:
        if tag.startswith(prefix) and tag.removeprefix(prefix).isdigit():
            return int(tag.removeprefix(prefix))
    return None


@dataclass(frozen=True)
class Present:
    """The processes of this machine, looked at once.

    Attributes:
        runs: the ids of the runs that a process of this user was started for.
        began: when each process began, in seconds since the epoch, by pid.
    """

    runs: frozenset[str]
    began: dict[int, float]

    def is_same(self, pid: int, since: datetime) -> bool:
        """Whether the process that had this pid at that moment still runs, and the pid went to no other."""
        began = self.began.get(pid)
        return began is not None and began <= since.timestamp() + _CLOCK_TOLERANCE_SECONDS


def look_around() -> Present:
    """Every process of this machine that is no zombie, and the run it was started for, if it says so."""
    import psutil

    runs, began = set(), {}
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            began[process.pid] = process.create_time()
            run = process.environ().get(_RUN_VARIABLE)
        except (psutil.Error, OSError):
            # Gone meanwhile, or somebody else's: no run of ours.
            continue
        if run:
            runs.add(run)
    return Present(frozenset(runs), began)
