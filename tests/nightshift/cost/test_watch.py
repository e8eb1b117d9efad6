"""The budget is looked at a few times a second, over all processes, and what is spent stays spent."""

from __future__ import annotations

from nightshift.cost.meter import Meter
from nightshift.cost.reading import Reading
from nightshift.cost.watch import SECONDS_BETWEEN_LOOKS, Watch
from nightshift.spec.training import Budget


class Machine:
    """A process whose clock and memory a test sets."""

    def __init__(self) -> None:
        self.seconds, self.memory_mb, self.looks = 0.0, 100.0, 0

    def clock(self) -> float:
        return self.seconds

    def read(self) -> Reading:
        self.looks += 1
        return Reading(self.seconds, 0, self.memory_mb + 50, self.memory_mb, self.memory_mb + 50)

    def watch(self, earlier: dict[str, float] | None = None, **budget: object) -> Watch:
        meter = Meter(self.read)
        meter.go_on_from(earlier or {})
        return Watch(Budget.model_validate(budget), meter, self.clock)


def test_minutes_are_counted_over_all_processes() -> None:
    machine = Machine()
    watch = machine.watch({"wall_s": 60, "cpu_s": 1, "peak_mb": 1}, minutes=1.5)
    machine.seconds = 29
    assert watch.spent() is None
    machine.seconds = 31
    assert watch.spent() == "the budget of 1.5 minutes was spent"


def test_memory_is_the_process_own_and_once_spent_stays_spent() -> None:
    machine = Machine()
    watch = machine.watch(memory="500MB")
    machine.seconds, machine.memory_mb = 1, 499
    assert watch.spent() is None
    machine.seconds, machine.memory_mb = 2, 501
    assert watch.spent() == "the budget of 500 MB of memory was spent"
    machine.seconds, machine.memory_mb = 3, 100
    assert watch.spent() is not None


def test_between_two_looks_nothing_is_asked() -> None:
    machine = Machine()
    watch = machine.watch(minutes=5)
    assert watch.spent() is None
    looks = machine.looks
    for _ in range(1000):
        machine.seconds += SECONDS_BETWEEN_LOOKS / 2000
        assert watch.spent() is None
    assert machine.looks == looks
    machine.seconds += SECONDS_BETWEEN_LOOKS
    watch.spent()
    assert machine.looks > looks


def test_without_a_budget_nothing_is_ever_spent() -> None:
    machine = Machine()
    watch = machine.watch()
    machine.seconds, machine.memory_mb = 1e9, 1e9
    assert watch.spent() is None
