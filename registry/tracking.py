"""Open MLflow: embedded in SQLite under the home, or the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from nightshift.atomic import disk_faults
from nightshift.errors import NightshiftError, OutsideError, TransientError
from nightshift.settings import Settings, set_defaults, sqlite_url

logger = logging.getLogger(__name__)

_QUIET = ("alembic", "mlflow")
# Without it, MLflow's pages show the experiment as one of language-model evaluations.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
# MLflow's own seven retries take minutes to say that a server is down; a step is tried again as a whole.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
_BUSY = ("database is locked", "Connection refused", "Max retries exceeded", "timed out", "status code 5")


@contextmanager
def mlflow_faults(settings: Settings, absent: NightshiftError | None = None) -> Iterator[None]:
    """Turn what MLflow raises into errors that say where and what to do.

    Args:
        absent: what to raise where MLflow says that there is no such thing.
    """
    try:
        yield
    except MlflowException as error:
        if absent is not None and error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise absent from error
        text = str(error).splitlines()[0]
        if any(mark in str(error) for mark in _BUSY):
            raise TransientError(
                f"MLflow did not answer: {text}",
                where=settings.tracking_uri,
                remedy="see `nightshift status`",
            ) from error
        raise OutsideError(
            f"MLflow refused: {text}", where=settings.tracking_uri,
            remedy="see `nightshift status`; a read-only or full disk under NIGHTSHIFT_HOME is a usual cause",
        ) from error  # fmt: skip


def open_client(settings: Settings) -> MlflowClient:
    """A client of the tracking store and the model registry, made ready when it is new.

    Raises:
        OutsideError: the store cannot be made or reached.
    """
    prepare(settings)
    set_defaults(_PATIENCE)
    with mlflow_faults(settings):
        return MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)


def prepare(settings: Settings) -> None:
    """Create the embedded database once, under a lock: two processes that migrate it together break it."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    if settings.mlflow_tracking_uri is not None:
        return
    database = settings.home_path / "mlflow.db"
    if _is_ready(database):
        return
    with disk_faults(settings.home_path):
        settings.home_path.mkdir(parents=True, exist_ok=True)
        settings.artifacts_path.mkdir(parents=True, exist_ok=True)
        with FileLock(settings.home_path / "mlflow.lock"):
            if not _is_ready(database):
                _create(database, settings)


def experiment_id(client: MlflowClient, project: str, settings: Settings) -> str:
    """The project's experiment, made on first use with its files where they belong.

    One that was deleted is restored: MLflow keeps its name, and the runs in it, which versions were made by.
    """
    found = client.get_experiment_by_name(project)
    if found is not None:
        if found.lifecycle_stage != LifecycleStage.ACTIVE:
            client.restore_experiment(found.experiment_id)
            logger.warning("MLflow's experiment %s had been deleted, and is restored with its runs", project)
        return str(found.experiment_id)
    location = None
    if settings.mlflow_tracking_uri is None:
        location = (settings.artifacts_path / project).as_uri()
    try:
        return str(client.create_experiment(project, artifact_location=location, tags=_EXPERIMENT_TAGS))
    except MlflowException as error:
        # Another process was faster.
        found = client.get_experiment_by_name(project)
        if found is None:
            raise OutsideError(
                f"MLflow cannot make the experiment {project!r}: {str(error).splitlines()[0]}",
                where=settings.tracking_uri, remedy="look at MLflow's own log",
            ) from error  # fmt: skip
        return str(found.experiment_id)


def local_folder(uri: str, settings: Settings, absent: NightshiftError | None = None) -> Path:
    """The artifacts at `uri` as a local folder: where they are, when they are local, else a copy.

    Args:
        absent: what to raise where there are none.
    """
    with mlflow_faults(settings, absent):
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, tracking_uri=settings.tracking_uri))


def _is_ready(database: Path) -> bool:
    """Whether the last step of creating the database was reached."""
    if not database.exists():
        return False
    with sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'registered_model_aliases'")
        is_made = tables.fetchone() is not None
    connection.close()
    return is_made


def _create(database: Path, settings: Settings) -> None:
    """Migrate beside and rename: a process killed in the middle leaves nothing that looks ready."""
    temporary = database.with_name(f"{database.name}.{os.getpid()}.partial")
    temporary.unlink(missing_ok=True)
    uri = sqlite_url(temporary)
    with mlflow_faults(settings):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
    temporary.replace(database)
