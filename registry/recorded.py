"""Read back what a version recorded of how it was made, and tell what has changed around it since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.artifact import verified
from nightshift.reproduction.recorded import Difference, Recorded, declaration_of
from nightshift.settings import Settings
from nightshift.spec.learner import Torch
from nightshift.spec.load import load_project, project_names
from nightshift.spec.project import Project
from nightshift.trained import ModelVersion
from registry.lineage import CHANGES, code_commit, environment
from registry.origin import origin_again
from registry.run import DECLARATION, ENVIRONMENT, SQL
from registry.versions import Versions

_ABSENT = "not there"
_REMEDY = "restore the file among the artifacts of the version's run"
NETWORK_FILE = "network.py"


def recorded(project: str, wanted: str, settings: Settings) -> Recorded:
    """What the version `wanted` (a number or an alias) of `project` recorded, its files verified.

    The project need not be declared any more.

    Raises:
        RequestError: there is no such version.
        DataRefusedError: a recorded file is missing or is not understood.
    """
    versions = Versions.of(project, settings)
    version = versions.chosen(wanted)
    then = _json(versions, version, ENVIRONMENT)
    declared = declaration_of(
        _json(versions, version, DECLARATION), _text(versions, version, SQL),
        where=f"run {version.run_id}: {DECLARATION}",
    )  # fmt: skip
    evaluated, live = versions.evaluated_folder(version), versions.folder(version)
    if version.evaluated_checksum is not None:
        verified(evaluated, version.evaluated_checksum)
    verified(live, version.model_sha256)
    _refuse_another_network(version, declared, evaluated)
    origin = None if version.origin is None else origin_again(version.origin, settings)
    return Recorded(
        version,
        declared,
        origin,
        evaluated,
        live,
        (*_of_environment(then), *_of_code(version, settings), *_of_declaration(version, declared.spec_hash, settings)),
    )  # fmt: skip


def _json(versions: Versions, version: ModelVersion, name: str) -> dict[str, Any]:
    try:
        found = json.loads(_text(versions, version, name))
    except (ValueError, RecursionError) as error:
        raise _damaged(version, name, str(error)) from error
    if not isinstance(found, dict):
        raise _damaged(version, name, f"it holds a {type(found).__name__}")
    return found


def _damaged(version: ModelVersion, name: str, fault: str) -> DataRefusedError:
    return DataRefusedError(
        f"the version's {name}, which says how it was made, is damaged: {fault}", where=f"run {version.run_id}",
        remedy=_REMEDY,
    )  # fmt: skip


def _text(versions: Versions, version: ModelVersion, name: str) -> str:
    if not versions.has(version, name):
        raise DataRefusedError(
            f"the version has no {name}, which says how it was made", where=f"run {version.run_id}",
            remedy=_REMEDY,
        )  # fmt: skip
    path = versions.artifact(version, name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(version, name, str(error)) from error


def _refuse_another_network(version: ModelVersion, declared: Project, evaluated: Path) -> None:
    """Refuse to run another text of a user's own network than the one whose checksum is on record with the model."""
    learner = declared.learner
    text = learner.network_text if isinstance(learner, Torch) else ""
    kept = evaluated / NETWORK_FILE
    trained = kept.read_text(encoding="utf-8") if kept.is_file() else ""
    if text != trained:
        raise DataRefusedError(
            "the recorded declaration holds another network than the one that was trained",
            where=f"run {version.run_id}: {DECLARATION}", remedy=_REMEDY,
        )  # fmt: skip


def _of_environment(then: dict[str, Any]) -> list[Difference]:
    now = environment()
    return [
        Difference(what=name, then=then.get(name, _ABSENT), now=now.get(name, _ABSENT))
        for name in dict.fromkeys([*then, *now])
        if then.get(name) != now.get(name)
    ]


def _of_code(version: ModelVersion, settings: Settings) -> list[Difference]:
    then, now = version.commit, code_commit(settings.projects.absolute())
    if then == now and not now.endswith(CHANGES):
        return []
    perhaps = ", perhaps other ones" if then == now else ""
    return [Difference(what="commit", then=_short(then), now=f"{_short(now)}{perhaps}")]


def _short(commit: str) -> str:
    return commit.replace(CHANGES, "")[:12] + (CHANGES if commit.endswith(CHANGES) else "")


def _of_declaration(version: ModelVersion, recorded_hash: str, settings: Settings) -> list[Difference]:
    """The declaration may have changed since, and is not looked at; how it is read may have changed too."""
    then, now = version.spec_hash, _declared_now(version.project, settings)
    told = [
        Difference(what="what the recorded declaration means (SHA-256)", then=then[:16], now=recorded_hash[:16]),
        Difference(what="project.yaml and its SQL (SHA-256)", then=then[:16], now=now[:16]),
    ]  # fmt: skip
    return [one for one in told if one.then != one.now]


def _declared_now(project: str, settings: Settings) -> str:
    try:
        if project not in project_names(settings.projects):
            return "not declared"
        return load_project(project, settings.projects).spec_hash
    except RequestError as error:
        return f"wrong: {error.what}"
