"""Find and read projects, and turn every mistake in a declaration into one clear error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from nightshift.errors import RequestError, did_you_mean
from nightshift.spec.declaration import REFUSED
from nightshift.spec.learner import Learner, Torch
from nightshift.spec.network_file import network_text
from nightshift.spec.project import NAME_PATTERN, Project
from nightshift.spec.yaml_file import read_text, read_yaml

FILE_NAME = "project.yaml"
# What tells the members of a union apart: values of `kind`, and never keys.
_TAGS = ("files", "delta", "lightgbm", "torch")


def project_names(projects: Path) -> list[str]:
    """The names of all declared projects under `projects`, sorted."""
    if not projects.is_dir():
        raise RequestError(
            "there is no folder of projects",
            where=str(projects),
            remedy="run this where your projects/ folder is, or set NIGHTSHIFT_PROJECTS",
        )
    return sorted(path.parent.name for path in projects.glob(f"*/{FILE_NAME}"))


def load_project(name: str, projects: Path) -> Project:
    """The declared project `name`.

    Raises:
        RequestError: no such project, or its declaration is wrong.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise RequestError(
            f"{name!r} is no project name",
            remedy="a project name has lower-case letters, digits and single dashes only",
        )
    names = project_names(projects)
    if name not in names:
        raise RequestError(
            f"there is no project {name!r}",
            where=str(projects),
            valid=names,
            remedy=did_you_mean(name, names) or "see `nightshift projects`",
        )
    return read_project(projects / name / FILE_NAME)


def read_project(path: Path) -> Project:
    """Read and check one project.yaml and the SQL file beside it."""
    declared = read_yaml(path, "see docs/project-yaml.md")
    try:
        project = Project.model_validate(declared)
    except ValidationError as error:
        raise _request_error(error, path) from error
    if project.name != path.parent.name:
        raise RequestError(
            f"the project is named {project.name!r} but lies in the folder {path.parent.name!r}",
            where=f"{path}: name",
            remedy="give both the same name",
        )
    read = {
        "sql_text": _read_sql(path.parent, project.dataset.sql, path),
        "learner": _with_network(project, path),
    }
    return project.model_copy(update=read)


def _with_network(project: Project, path: Path) -> Learner:
    """The learner with the text of the file of a user's own network."""
    if not isinstance(project.learner, Torch):
        return project.learner
    where = f"{path}: learner.network"
    if project.learner.network_text:
        raise RequestError(
            "unknown key 'network_text'", where=str(path), remedy="name the file: learner.network"
        )
    text = network_text(project.learner, path.parent.parent, where)
    return project.learner.model_copy(update={"network_text": text})


def _read_sql(folder: Path, name: str, path: Path) -> str:
    sql = (folder / name).resolve()
    if folder.resolve() not in sql.parents:
        raise RequestError(
            f"dataset.sql names a file outside the project: {name}", where=f"{path}: dataset.sql",
            remedy="keep the SQL file in the project's folder",
        )  # fmt: skip
    if not sql.is_file():
        raise RequestError(
            f"the SQL file {name!r} does not exist", where=str(sql),
            remedy="write it, or correct dataset.sql in project.yaml",
        )  # fmt: skip
    text = read_text(sql)
    if "\0" in text:
        raise RequestError("the SQL has a NUL in it", where=str(sql), remedy="take it out")
    return text


def _request_error(error: ValidationError, path: Path) -> RequestError:
    """The first fault pydantic found (unknown keys first), in our words."""
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    # pydantic puts a union's tag into the location; people look for the keys they wrote.
    location = [part for part in fault["loc"] if part not in _TAGS or part == fault["loc"][-1]]
    where = f"{path}: {'.'.join(str(part) for part in location)}"
    more = f"; {len(faults) - 1} more after this one" if len(faults) > 1 else ""
    if fault["type"] == REFUSED:
        refused = fault["ctx"]
        keys = [str(part) for part in fault["loc"] if part not in _TAGS]
        where = f"{path}: {'.'.join([*keys, *filter(None, [refused['key']])])}"
        return RequestError(
            refused["what"] + more, where=where, valid=map(str, refused["valid"]),
            remedy=refused["remedy"] or "correct this value",
        )  # fmt: skip
    if fault["type"] == "extra_forbidden":
        valid = _valid_keys(fault["loc"][:-1])
        unknown = str(fault["loc"][-1])
        remedy = did_you_mean(unknown, valid) or "remove it, or see docs/project-yaml.md"
        return RequestError(f"unknown key {unknown!r}{more}", where=where, valid=valid, remedy=remedy)
    if fault["type"] in ("union_tag_invalid", "literal_error"):
        valid = re.findall(
            r"'([^']+)'", str(fault.get("ctx", {}).get("expected_tags") or fault["ctx"]["expected"])
        )
        given = str(fault["ctx"].get("tag", fault["input"]))
        remedy = did_you_mean(given, valid) or "choose one of these"
        return RequestError(f"unknown value {given!r}{more}", where=where, valid=valid, remedy=remedy)
    if fault["type"] == "missing":
        return RequestError(f"the key {location[-1]!r} is missing{more}", where=where, remedy="add it")
    message = fault["msg"].removeprefix("Value error, ")
    return RequestError(
        f"{message} (given: {fault['input']!r}){more}", where=where, remedy="correct this value"
    )


def _valid_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the part of project.yaml at `location` knows."""
    models: list[type[BaseModel]] = [Project]
    for part in location:
        fields = [
            field
            for model in models
            for name, field in model.model_fields.items()
            if part in (name, field.alias)
        ]
        if fields:
            models = [model for field in fields for model in _models_in(field.annotation)]
            continue
        tagged = [model for model in models if part in get_args(model.model_fields["kind"].annotation)] \
            if all("kind" in model.model_fields for model in models) else []  # fmt: skip
        models = tagged or models
    names = {
        field.alias or name
        for model in models
        for name, field in model.model_fields.items()
        if field.repr  # without: what is read beside project.yaml
    }
    return sorted(names)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
