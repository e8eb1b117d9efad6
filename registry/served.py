"""The version to score with, and where its files are: read from MLflow, or remembered while MLflow is as it was.

Importing MLflow and opening its database takes longer than scoring a day's rows. So the champion is remembered
together with a mark of the embedded database's file, taken before it was read: any write to the registry since
then changes the mark, and the registry is asked again.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from nightshift.atomic import replacing
from nightshift.errors import RequestError
from nightshift.records import Record, format_time
from nightshift.settings import Settings
from nightshift.trained import ModelVersion

if TYPE_CHECKING:
    from registry.versions import Versions

logger = logging.getLogger(__name__)

CHAMPION = "champion"


class Served(Record):
    """A model version and the local folders with its model and with what monitoring measures it against.

    Attributes:
        monitoring: None of a version that was made without.
        note: why this is not the champion, where that was asked for; a sentence.
    """

    version: ModelVersion
    folder: str
    monitoring: str | None = None
    note: str = ""


class _Remembered(Record):
    mark: str
    served: Served


def served(project: str, wanted: str | None, settings: Settings, as_of: datetime | None = None) -> Served:
    """The version `wanted` (a number or an alias) of `project`, by default the champion.

    Args:
        as_of: when none is wanted by name: the newest promoted version that was trained as of then or before.

    Raises:
        RequestError: there is no such version, or none was trained so early.
    """
    if wanted is None and as_of is not None:
        found = standing(project, settings, as_of)
        if found is None and (champion := standing(project, settings)) is not None:
            raise _too_early(champion.version, as_of)
    else:
        found = standing(project, settings) if wanted in (None, CHAMPION) else None
    if found is not None:
        return found
    from registry.versions import Versions  # imports MLflow

    versions = Versions.of(project, settings)
    return _served(versions, versions.chosen(wanted))


def standing(
    project: str, settings: Settings, as_of: datetime | None = None, *, before: bool = False
) -> Served | None:
    """The champion of `project`, or None before the first.

    Args:
        as_of: a moment that a run pretends is now: then the newest promoted version that was trained as of it or
            before, because a later one has seen what was not known then.
        before: leave out a version that was trained as of that very moment.
    """
    found = _champion(project, settings)
    if as_of is None or found is None or found.version.as_of < as_of:
        return found
    if found.version.as_of == as_of and not before:
        return found
    from registry.versions import Versions  # imports MLflow

    versions = Versions.of(project, settings)
    older = versions.promoted_by(as_of, before=before)
    if older is None:
        return None
    note = (
        f"Version {older.version} is used, trained as of {format_time(older.as_of)}: the champion, version "
        f"{found.version.version}, is as of {format_time(found.version.as_of)}, and has seen what came later"
    )
    logger.info("champion: %s", note)
    return _served(versions, older).model_copy(update={"note": note})


def _champion(project: str, settings: Settings) -> Served | None:
    mark = _mark(settings)
    remembered = _recall(project, settings) if mark else None
    if remembered is not None and remembered.mark == mark and _is_there(remembered.served):
        return remembered.served
    from registry.promote import finish  # imports MLflow
    from registry.versions import Versions

    versions = Versions.of(project, settings)
    finish(versions)
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


def _too_early(champion: ModelVersion, as_of: datetime) -> RequestError:
    name = champion.project
    return RequestError(
        f"no promoted version of {name!r} was trained as of {format_time(as_of)} or before: the champion, version "
        f"{champion.version}, is as of {format_time(champion.as_of)}",
        where=f"project {name}",
        remedy=f"name the version to use (--version {champion.version}), or train one as of then: "
        f"nightshift train {name} --as-of {format_time(as_of)}, and promote it",
    )  # fmt: skip


def _is_there(found: Served) -> bool:
    """Whether its folders are; what holds code is asked of the registry each time, for it is run as it lies there."""
    if any(Path(found.folder).glob("*.py")):
        return False
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
        return _Remembered.model_validate_json(_path(project, settings).read_bytes())
    except (FileNotFoundError, ValidationError):  # never written, or by another version of Nightshift
        return None


def _path(project: str, settings: Settings) -> Path:
    return settings.scratch_path / project / "champion.json"
