"""MLflow's pages and its API for clients, as one ASGI application over the store that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow.server
from mlflow.environment_variables import _MLFLOW_SERVER_BOOT_ID, _MLFLOW_SGI_NAME
from mlflow.server import constants, handlers

from nightshift.settings import Settings, set_defaults

LOGGING = str(Path(mlflow.server.__file__).with_name("uvicorn_log_config.yaml"))
"""How MLflow has its server log."""


def application(settings: Settings) -> Any:
    """The application that `mlflow server` serves, with its tables made.

    It reads where everything is from variables, which `mlflow server` makes of its options for the process that it
    starts. This is that process, and needs no other one.

    Raises:
        OutsideError: the store cannot be reached.
    """
    from registry.tracking import mlflow_faults

    artifacts = settings.artifacts_path
    set_defaults(
        {
            constants.BACKEND_STORE_URI_ENV_VAR: settings.tracking_uri,
            constants.REGISTRY_STORE_URI_ENV_VAR: settings.tracking_uri,
            # For clients that upload over HTTP.
            constants.SERVE_ARTIFACTS_ENV_VAR: "true",
            constants.ARTIFACTS_DESTINATION_ENV_VAR: artifacts.as_uri(),
            # A plain folder and not mlflow-artifacts:, which embedded clients on the same database cannot read.
            constants.ARTIFACT_ROOT_ENV_VAR: artifacts.as_uri(),
            _MLFLOW_SERVER_BOOT_ID.name: uuid4().hex,
            _MLFLOW_SGI_NAME.name: "uvicorn",
        }
    )
    with mlflow_faults(settings):
        handlers.initialize_backend_stores(settings.tracking_uri, settings.tracking_uri, artifacts.as_uri())
    from mlflow.server.fastapi_app import app  # reads those variables

    return app
