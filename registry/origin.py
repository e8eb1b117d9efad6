"""The version that a training begins with: looked up once, by alias or number, and from then on known by its number."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from nightshift.errors import RequestError, did_you_mean
from nightshift.learners.artifact import read_manifest
from nightshift.learners.origin import open_origin, origin_file
from nightshift.records import format_time
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.spec.training import FromVersion
from nightshift.trained import Candidate, ModelVersion, OriginModel
from registry.served import CHAMPION
from registry.tracking import mlflow_faults
from registry.versions import Versions

logger = logging.getLogger(__name__)


def find_origin(project: Project, as_of: datetime, settings: Settings) -> OriginModel | None:
    """The model that `learner.from_model` names, verified and fit for the project; None when it names none.

    A project may begin with its own champion; until it has one, it begins with nothing.

    Raises:
        RequestError: there is no such version, it is of another task, or it has learnt from the holdout of as-of.
        DataRefusedError: its files are damaged, or are no safetensors.
    """
    wanted = project.learner.from_model
    if wanted is None:
        return None
    if isinstance(wanted, str):
        found = origin_file(project, wanted, settings)
    else:
        version = _version(project, wanted, settings)
        if version is None:
            logger.info("origin: %s has no %s yet, and begins with nothing", project.name, wanted.version)
            return None
        _refuse_knowledge_of_holdout(project, version, as_of)
        found = _found(version, settings)
    open_origin(project, found)
    logger.info("origin: training begins with %s", found)
    return found


def origin_again(found: OriginModel, settings: Settings) -> OriginModel:
    """The same model, where its files are now: a version is asked for by its number."""
    if not found.project or Path(found.path).is_dir():
        return found
    return _found(Versions.of(found.project, settings).chosen(str(found.version)), settings)


def with_origin(candidate: Candidate, settings: Settings) -> Candidate:
    """The candidate, with the files of the model that its training began with at hand."""
    if candidate.origin is None:
        return candidate
    return candidate.model_copy(update={"origin": origin_again(candidate.origin, settings)})


def _version(project: Project, wanted: FromVersion, settings: Settings) -> ModelVersion | None:
    versions = Versions.of(wanted.project, settings)
    is_own = wanted.project == project.name
    with mlflow_faults(settings):
        known = sorted(model.name for model in versions.client.search_registered_models(max_results=1000))
    if wanted.project not in known and not is_own:
        raise RequestError(
            f"no model of a project {wanted.project!r} is registered",
            where=f"project {project.name}: learner.from_model.project", valid=known,
            remedy=did_you_mean(wanted.project, known) or f"train one: nightshift train {wanted.project}",
        )  # fmt: skip
    if is_own and wanted.version == CHAMPION:
        return versions.champion()
    return versions.chosen(wanted.version)


def _found(version: ModelVersion, settings: Settings) -> OriginModel:
    """The model of `version` that was evaluated: a refitted one has learnt from rows that others are measured on."""
    folder = Versions.of(version.project, settings).evaluated_folder(version)
    return OriginModel(
        project=version.project, version=version.version, path=str(folder),
        sha256=version.evaluated_checksum or read_manifest(folder).model_sha256,
    )  # fmt: skip


def _refuse_knowledge_of_holdout(project: Project, version: ModelVersion, as_of: datetime) -> None:
    holdout, known = project.split_before(as_of).holdout, version.evaluated_until
    if version.project == project.name and known is not None and known > holdout.start:
        raise RequestError(
            f"version {version.version} has learnt from rows until {format_time(known)}, and the holdout, which must "
            f"be new to the model, begins at {format_time(holdout.start)}",
            where=f"project {project.name}: learner.from_model",
            remedy="begin with an earlier version, by its number, or choose a later as-of",
        )  # fmt: skip
