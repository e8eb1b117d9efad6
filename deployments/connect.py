"""Point Prefect's client at Nightshift's own server, before Prefect is first imported."""

from __future__ import annotations

import sys
from collections.abc import Callable

from deployments.stack import ensure_prefect
from nightshift.settings import Settings, set_defaults


def connect(settings: Settings, on_progress: Callable[[str], None]) -> str:
    """Start the local Prefect server if there is need, and set what its clients read; returns the API's URL.

    Prefect takes its settings from the environment when it is imported, so this comes first. What a user
    has set stays as it is.
    """
    assert "prefect" not in sys.modules, "connect before Prefect is imported: it reads its settings then"
    url = ensure_prefect(settings, on_progress)
    defaults = {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(settings.home_path / "prefect"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(settings.home_path / "results"),
        # What the steps log is shown with their runs; the terminal has its own, shorter view.
        "PREFECT_LOGGING_EXTRA_LOGGERS": "nightshift,registry",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "100",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    set_defaults(defaults)
    return url
