"""What Prefect's and MLflow's clients are told wherever a flow runs: in a command's process or in the worker's."""

from __future__ import annotations

from nightshift.settings import Settings


def client_defaults(settings: Settings) -> dict[str, str]:
    """The variables that every process which runs flows starts with, unless its user set them otherwise."""
    return {
        "PREFECT_HOME": str(settings.home_path / "prefect"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(settings.home_path / "results"),
        # What the steps log is shown with their runs.
        "PREFECT_LOGGING_EXTRA_LOGGERS": "nightshift,registry",
        "PREFECT_LOGGING_HANDLERS_API_LEVEL": "INFO",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        # LightGBM's threads wait for each other at every step of every tree. By default they spin for long, which
        # makes training many times slower as soon as anything else runs on the machine; this is what the OpenMP
        # library itself takes when it knows that it shares its processors.
        "GOMP_SPINCOUNT": "1000",
        # The same of numpy's threads; what is left to them here is small.
        "OPENBLAS_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
