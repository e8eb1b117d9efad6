"""What the environment says: the only module that reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nightshift.errors import RequestError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Settings(BaseSettings):
    """Where Nightshift keeps things and whom it talks to. Build it once, at the edge, and pass it on.

    Every field is an environment variable: NIGHTSHIFT_HOME, NIGHTSHIFT_PROJECTS, NIGHTSHIFT_STORE,
    NIGHTSHIFT_DATA, NIGHTSHIFT_MEMORY_LIMIT (what DuckDB may use before it spills to disk),
    NIGHTSHIFT_WAIT_SECONDS (how long a run waits for another one of its kind and project: by default not at
    all, with -1 until that one has ended, as the worker's runs do), NIGHTSHIFT_S3_*, NIGHTSHIFT_HOSTS (the names
    under which a proxy with TLS stands before the local servers),
    NIGHTSHIFT_TUNING_STORAGE (the URL of the database with the searches); and PREFECT_API_URL,
    MLFLOW_TRACKING_URI as everywhere else.
    """

    model_config = SettingsConfigDict(env_prefix="NIGHTSHIFT_", frozen=True, extra="ignore")

    home: Path = Path(".nightshift")
    projects: Path = Path("projects")
    store: str = ""
    data: str = ""
    memory_limit: str = "1GB"
    wait_seconds: float = 0.0
    tuning_storage: str = ""
    hosts: str = ""
    s3_endpoint: str | None = None
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_region: str | None = None
    prefect_api_url: str | None = Field(default=None, validation_alias="PREFECT_API_URL")
    mlflow_tracking_uri: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            fault = error.errors()[0]
            name = str(fault["loc"][-1]).upper()
            name = name if name.startswith(("PREFECT_", "MLFLOW_")) else f"NIGHTSHIFT_{name}"
            raise RequestError(
                f"{name} is {fault['input']!r}: {fault['msg']}", where=f"the environment variable {name}",
                remedy="correct it, or unset it",
            ) from error  # fmt: skip

    @field_validator("home", "projects", "store", "data")
    @classmethod
    def _is_a_path(cls, value: Path | str, info: ValidationInfo) -> Path | str:
        refuse_unprintable(str(value), where=f"NIGHTSHIFT_{str(info.field_name).upper()}")
        return value

    @property
    def home_path(self) -> Path:
        """NIGHTSHIFT_HOME, absolute."""
        return self.home.expanduser().absolute()

    @property
    def store_uri(self) -> str:
        """The storage root: NIGHTSHIFT_STORE, or a folder under the home."""
        return self.store or str(self.home_path / "store")

    @property
    def data_uri(self) -> str:
        """What `${NIGHTSHIFT_DATA}` stands for: the variable, or the folder the demo writes to."""
        return self.data or str(self.home_path / "data")

    @property
    def scratch_path(self) -> Path:
        """Local working files that may be deleted whenever nothing runs."""
        return self.home_path / "scratch"

    @property
    def tracking_uri(self) -> str:
        """Where MLflow keeps runs and versions: MLFLOW_TRACKING_URI, or SQLite under the home."""
        return self.mlflow_tracking_uri or sqlite_url(self.home_path / "mlflow.db")

    @property
    def tuning_uri(self) -> str:
        """Where searches keep their trials: NIGHTSHIFT_TUNING_STORAGE, or SQLite under the home."""
        return self.tuning_storage or sqlite_url(self.home_path / "tuning.db")

    @property
    def artifacts_path(self) -> Path:
        """Where the embedded MLflow keeps files."""
        return self.home_path / "mlartifacts"


def refuse_unprintable(path: str, *, where: str) -> None:
    """Refuse a path that no tool passes on unharmed.

    Raises:
        RequestError: it has a line break or a NUL in it.
    """
    if re.search(r"[\0\n\r\x0b\x0c\x85\u2028\u2029]", path):
        raise RequestError(
            f"a path has no line breaks and no NUL, and this one does: {path!r}", where=where,
            remedy="give the folder another name",
        )  # fmt: skip


def sqlite_url(database: Path, driver: str = "") -> str:
    """The URL by which SQLAlchemy opens a SQLite file, whatever characters its path has.

    To SQLAlchemy all that follows a question mark is options, and nothing else is special. SQLite itself can be given
    the path as a URI of its own, in which nothing is left that means something. (The driver is named then: MLflow
    takes what follows a bare `sqlite:///` for a path, and makes its folders.)

    >>> sqlite_url(Path("/my home/a.db")), sqlite_url(Path("/what?/a.db"))
    ('sqlite:////my home/a.db', 'sqlite+pysqlite:///file:/what%3F/a.db?uri=true')
    """
    if "?" not in str(database):
        return f"sqlite{driver and '+'}{driver}:///{database}"
    return f"sqlite+{driver or 'pysqlite'}:///file:{quote(str(database))}?uri=true"


def set_defaults(variables: Mapping[str, str]) -> None:
    """Give variables that are not set a value, for libraries that read their own when they are imported."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def change_variables(changes: Mapping[str, str | None]) -> None:
    """Give variables a value whatever they held, or unset those whose value is None, for the same libraries."""
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def exported(name: str) -> str | None:
    """What a variable holds that is a library's own."""
    return os.environ.get(name)


def expand(text: str, settings: Settings, *, where: str) -> str:
    """Replace every `${VAR}` of `text` by the environment's value.

    Raises:
        RequestError: a variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name == "NIGHTSHIFT_DATA":
            return settings.data_uri
        found = os.environ.get(name)
        if found is None:
            raise RequestError(
                f"the environment variable {name} is not set, and {text!r} needs it",
                where=where,
                remedy=f"set it, for example: export {name}=/path/to/data",
            )
        return found

    return _VARIABLE.sub(value, text)
