"""What Prefect's and MLflow's clients are told wherever a flow runs: in a command's process or in the worker's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployments.stack import record
from deployments.stack.access import USER, Access
from deployments.stack.servers import MLFLOW, PREFECT
from deployments.stack.tokens import this_process
from nightshift.errors import OutsideError
from nightshift.settings import Settings, change_variables, exported

_AUTH = "PREFECT_API_AUTH_STRING"
_MLFLOW = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


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
        # Nothing of ours loads a model through MLflow. If something else in this process does, then none by pickle.
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }


@contextmanager
def admitted(settings: Settings, url: str) -> Iterator[None]:
    """Let Prefect's clients in at `url` if it is the local server's; nobody else's is shown anything of ours.

    To be entered before Prefect is imported, which then reads its variables. What they show is a pass of this
    process, which a new secret leaves as it is, and not what the shell may have had of `nightshift env` long ago.
    """
    access = Access(settings.home_path)
    if not _is(url, PREFECT.name, settings):
        if _would_admit(access, (exported(_AUTH) or "").partition(":")[2]):
            change_variables({_AUTH: None})
        yield
        return
    change_variables({_AUTH: f"{USER}:{access.passes.issue(this_process())}"})
    try:
        yield
    finally:
        access.passes.withdraw(this_process())


def hear_of_own_mlflow() -> None:
    """Take a MLFLOW_TRACKING_URI that was exported for other clients for what it means here: the home's own store.

    Commands open the database under the home by themselves. Another one, of which only the server knows by now, they
    reach through the server, with a pass.
    """
    uri = exported("MLFLOW_TRACKING_URI") or ""
    if not uri.startswith("http://"):
        return
    settings = Settings()
    if not _is(uri, MLFLOW.name, settings):
        return
    if record.read(settings.home_path)[MLFLOW.name].is_embedded:
        change_variables(dict.fromkeys(("MLFLOW_TRACKING_URI", *_MLFLOW)))
    else:
        password = Access(settings.home_path).passes.issue(this_process())
        change_variables(dict(zip(_MLFLOW, (USER, password), strict=True)))


def _would_admit(access: Access, password: str) -> bool:
    try:
        return access.admits(password)
    except OutsideError:  # a secret that nobody can read admits nobody, and is of no concern elsewhere
        return False


def _is(url: str, name: str, settings: Settings) -> bool:
    known = record.read(settings.home_path).get(name)
    return known is not None and url.rstrip("/") == known.url
