"""Measures what a piece of work takes, from one moment to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nightshift.cost.reading import Reading, read_process
from nightshift.records import Cost

NOTHING = Cost(wall_s=0.0, cpu_s=0.0, peak_mb=0.0)


class Meter:
    """Runs from the moment it is made; begins with what earlier processes took, when it is told.

    The peak of memory is that of the process while the meter runs. The system only knows the one since the process
    began: when an earlier step needed more, the peak is the most that was seen at the moments of looking.
    """

    def __init__(self, read: Callable[[], Reading] = read_process) -> None:
        self._read = read
        self._began = read()
        self._seen_mb = self._began.memory_mb
        self._earlier = NOTHING
        self._gpu_s = self._gpu_peak_mb = 0.0

    def go_on_from(self, earlier: Mapping[str, float]) -> None:
        """Count what earlier processes took of the same work, as `so_far` of theirs said it."""
        self._earlier = Cost.model_validate(dict(earlier)) if earlier else NOTHING

    def took_gpu(self, seconds: float, peak_mb: float) -> None:
        """Note what a GPU has done for this process up to now; only who uses one can tell."""
        self._gpu_s, self._gpu_peak_mb = seconds, max(self._gpu_peak_mb, peak_mb)

    def look(self) -> Reading:
        """What this process takes at this moment."""
        now = self._read()
        self._seen_mb = max(self._seen_mb, now.memory_mb)
        return now

    @property
    def minutes(self) -> float:
        """On the clock, earlier processes included."""
        return (self.look().wall_s - self._began.wall_s + self._earlier.wall_s) / 60

    def so_far(self, *, checkpoint_s: float = 0.0, rows: int = 0) -> Cost:
        """What the work took up to now, over all its processes.

        Args:
            checkpoint_s: of this process.
            rows: learnt from or scored, over all processes.
        """
        now, began = self.look(), self._began
        here = Cost(
            wall_s=now.wall_s - began.wall_s,
            cpu_s=now.cpu_s - began.cpu_s,
            peak_mb=now.peak_mb if now.peak_mb > began.peak_mb else self._seen_mb,
            checkpoint_s=checkpoint_s,
            gpu_s=self._gpu_s,
            gpu_peak_mb=self._gpu_peak_mb,
            read_mb=now.read_mb - began.read_mb,
            written_mb=now.written_mb - began.written_mb,
        )
        return self._earlier.followed_by(here).model_copy(update={"rows": rows})
