"""Point Prefect's client at Nightshift's own server, before Prefect is first imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deployments.signals import put_off
from deployments.stack import ensure_prefect
from deployments.stack.clients import admitted, client_defaults
from deployments.stack.presence import process_tag
from nightshift.settings import Settings, set_defaults


@contextmanager
def connected(settings: Settings, on_progress: Callable[[str], None]) -> Iterator[None]:
    """Run flows in this process: start the local Prefect server if there is need, and set what its clients read.

    Prefect takes its settings from the environment when it is imported, so this comes first. What a user
    has set stays as it is.
    """
    assert "prefect" not in sys.modules, "Prefect reads its settings when it is imported: connect before"
    url = ensure_prefect(settings, on_progress)
    set_defaults(
        {
            "PREFECT_API_URL": url,
            # The terminal has its own, shorter view of what the steps log.
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
            **client_defaults(settings),
        }
    )
    with admitted(settings, url), _flows_here():
        yield


@contextmanager
def _flows_here() -> Iterator[None]:
    with put_off():  # what a handler raises in the middle of it, Prefect would log as a fault of a plugin
        from prefect import tags
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # Heartbeats tell a server of runs whose worker died. This run has no worker but a person or a cron job,
    # and ending the thread that sends them would take every command a second more.
    # The tag is how `nightshift up` finds out that its process is gone.
    quiet = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with _without_scikit_learn(), quiet, tags(process_tag()):
        yield


@contextmanager
def _without_scikit_learn() -> Iterator[None]:
    """Hide scikit-learn for a while: LightGBM imports it, where it is installed, for wrappers unused here.

    That is most of LightGBM's own import, and more than the scoring of a day's rows takes. Only the program
    does this, to its own process; whoever imports the library has LightGBM whole.
    """
    if "sklearn" in sys.modules:
        yield
        return
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # how Python marks a module as not to be found
    try:
        yield
    finally:
        del sys.modules["sklearn"]
