"""Every signal that arrives is known, whoever handles it, and one that asks for the end gets it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

GRACE_SECONDS = 15.0
"""How long a run may take to end by itself: to tell the server, and to take its temporary files away."""

_ENDING = {signal.SIGTERM: 143, signal.SIGINT: 130}
_ASKED = b"\0"


@contextmanager
def put_off() -> Iterator[None]:
    """Handle signals that ask for the end only when this block is left: short work that takes any error for its own.

    Only the main thread's handlers can be put off; in another thread this does nothing, and none arrives there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = {number: signal.signal(number, lambda number, _: arrived.append(number)) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])


class Signals:
    """Watches the process's signals from a thread of its own.

    A handler runs in the main thread, between two steps of the interpreter. While a library computes there, or waits
    for a lock that an interrupted step still holds, that moment never comes. So a process that was told to end is
    told once more after a while, and then ended from here: everything it writes is complete or not there.
    """

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self._grace = grace
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._seen = b""
        self._is_ending = False
        self._answered = threading.Event()

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._writer)
        threading.Thread(target=self._watch, name="signals", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)

    def arrived(self) -> bytes:
        """The numbers of all signals so far."""
        self._answered.clear()
        os.write(self._writer, _ASKED)
        self._answered.wait()
        return self._seen

    def _watch(self) -> None:
        while numbers := os.read(self._reader, 1024):
            self._seen += numbers.replace(_ASKED, b"")
            told = [number for number in _ENDING if number in numbers]
            if told and not self._is_ending:
                self._is_ending = True
                threading.Thread(target=_end, args=(told[0], self._grace), name="end", daemon=True).start()
            if _ASKED in numbers:
                self._answered.set()


def _end(number: signal.Signals, grace: float) -> None:
    # The kernel ends the process if even this thread is not let to run.
    signal.setitimer(signal.ITIMER_REAL, grace + 5)
    threading.Event().wait(grace / 3)
    # What the handler raised may have been lost in a library that takes any error for its own.
    main = threading.main_thread().ident
    assert main is not None  # it was started, or nothing would run
    signal.pthread_kill(main, number)
    threading.Event().wait(2 * grace / 3)
    sys.stderr.write(
        f"did not end within {grace:.0f} s of {number.name}, and was ended; run it again to carry on\n"
    )
    sys.stderr.flush()
    os._exit(_ENDING[number])
