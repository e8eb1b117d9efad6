"""The version to score with, and where its files are: read from MLflow, or remembered while MLflow is as it was.

Importing MLflow and opening its database takes longer than scoring a day's rows. So the champion is remembered
together with a mark of the embedded database's file, taken before it was read: any write to the registry since
then changes the mark, and the registry is asked again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from nightshift.atomic import replacing
from nightshift.records import Record
from nightshift.settings import Settings
from nightshift.trained import ModelVersion

if TYPE_CHECKING:
    from registry.versions import Versions

CHAMPION = "champion"


class Served(Record):
    """A model version and the local folders with its model and with what monitoring measures it against.

    `monitoring` is None of a version that was made without.
    """

    version: ModelVersion
    folder: str
    monitoring: str | None = None


class _Remembered(Record):
    mark: str
    served: Served


def served(project: str, wanted: str | None, settings: Settings) -> Served:
    """The version `wanted` (a number or an alias) of `project`, by default the champion.

    Raises:
        RequestError: there is no such version.
    """
    if wanted in (None, CHAMPION) and (found := standing(project, settings)) is not None:
        return found
    from registry.versions import Versions  # imports MLflow

    versions = Versions.of(project, settings)
    return _served(versions, versions.chosen(wanted))


def standing(project: str, settings: Settings) -> Served | None:
    """The champion of `project`, or None before the first."""
    mark = _mark(settings)
    remembered = _recall(project, settings) if mark else None
    if remembered is not None and remembered.mark == mark and _is_there(remembered.served):
        return remembered.served
    from registry.versions import Versions  # imports MLflow

    versions = Versions.of(project, settings)
    champion = versions.champion()
    if champion is None:
        return None
    found = _served(versions, champion)
    if mark:
        with replacing(_path(project, settings)) as temporary:
            temporary.write_text(_Remembered(mark=mark, served=found).model_dump_json())
    return found


def _served(versions: Versions, version: ModelVersion) -> Served:
    return Served(
        version=version,
        folder=str(versions.folder(version)),
        monitoring=str(versions.monitoring_files(version)) if versions.is_monitored(version) else None,
    )


def _is_there(found: Served) -> bool:
    return all(Path(folder).is_dir() for folder in (found.folder, found.monitoring) if folder is not None)


def _mark(settings: Settings) -> str:
    """What changes with every write to the embedded database; empty when there is none to look at."""
    database = settings.home_path / "mlflow.db"
    if settings.mlflow_tracking_uri is not None or not database.exists():
        return ""
    files = [path for path in (database, database.with_name("mlflow.db-wal")) if path.exists()]
    return " ".join(
        f"{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}" for stat in (path.stat() for path in files)
    )


def _recall(project: str, settings: Settings) -> _Remembered | None:
    try:
        return _Remembered.model_validate_json(_path(project, settings).read_text())
    except (FileNotFoundError, ValidationError):  # never written, or by another version of Nightshift
        return None


def _path(project: str, settings: Settings) -> Path:
    return settings.scratch_path / project / "champion.json"
