"""Point Prefect's client at Nightshift's own server, before Prefect is first imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deployments.stack import ensure_prefect
from nightshift.settings import Settings, set_defaults


@contextmanager
def connected(settings: Settings, on_progress: Callable[[str], None]) -> Iterator[None]:
    """Run flows in this process: start the local Prefect server if there is need, and set what its clients read.

    Prefect takes its settings from the environment when it is imported, so this comes first. What a user
    has set stays as it is.
    """
    assert "prefect" not in sys.modules, "Prefect reads its settings when it is imported: connect before"
    url = ensure_prefect(settings, on_progress)
    defaults = {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(settings.home_path / "prefect"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(settings.home_path / "results"),
        # What the steps log is shown with their runs; the terminal has its own, shorter view.
        "PREFECT_LOGGING_EXTRA_LOGGERS": "nightshift,registry",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_HANDLERS_API_LEVEL": "INFO",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        # LightGBM's threads wait for each other at every step of every tree. By default they spin for long, which
        # makes training many times slower as soon as anything else runs on the machine; this is what the OpenMP
        # library itself takes when it knows that it shares its processors.
        "GOMP_SPINCOUNT": "1000",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    set_defaults(defaults)
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # Heartbeats tell a server of runs whose worker died. This run has no worker but a person or a cron job,
    # and ending the thread that sends them would take every command a second more.
    with _without_scikit_learn(), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
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
