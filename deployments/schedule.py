"""The schedules in prefect.yaml: one a project, written from the project's own declaration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from deployments.screen import Screen
from nightshift.atomic import replacing
from nightshift.errors import RequestError
from nightshift.settings import Settings
from nightshift.spec.load import load_project, project_names
from nightshift.spec.project import Project
from nightshift.spec.yaml_file import parse_yaml, read_text

FILE = Path("prefect.yaml")
"""Where Prefect looks for deployments: in the folder that a command is called from."""

NIGHTLY = "nightly"
"""The deployment that holds the projects' schedules."""

Change = Literal["added", "updated", "removed", "unchanged"]


def schedule_project(screen: Screen, project: str) -> None:
    """Bring the project's schedule in prefect.yaml into step with its declaration.

    A project that declares no night, or that is no longer there, loses its schedule.
    """
    settings = Settings()
    if project not in project_names(settings.projects) and project in scheduled(FILE):
        wanted = None
    else:
        wanted = wanted_schedule(load_project(project, settings.projects))
    change = write_schedule(FILE, project, wanted)
    screen.say(_told(project, wanted, change))
    if change != "unchanged":
        screen.say("The server learns of it with: nightshift deploy")
    screen.result({"project": project, "change": change, "schedule": wanted})


def wanted_schedule(project: Project) -> dict[str, Any] | None:
    """The schedule that a project's `night` asks for, as prefect.yaml writes it; None without a night."""
    if project.night is None:
        return None
    return {
        "slug": project.name,
        "cron": project.night.schedule,
        "timezone": project.night.timezone,
        "parameters": {"project": project.name},
    }


def write_schedule(path: Path, slug: str, wanted: Mapping[str, Any] | None) -> Change:
    """Put one schedule into the file, or take it out when it is None; all else in the file stays as it is.

    Keys of the schedule that `wanted` does not name, such as `active`, stay too.

    Raises:
        RequestError: there is no such file, it is no YAML, or it has no `nightly` deployment.
    """
    document = _read(path)
    schedules = _schedules(document, path)
    known = next((entry for entry in schedules if entry.get("slug") == slug), None)
    change: Change
    match known, wanted:
        case None, None:
            return "unchanged"
        case None, _:
            schedules.append(_as_written(wanted or {}))
            change = "added"
        case _, None:
            schedules.remove(known)
            change = "removed"
        case _:
            assert known is not None
            assert wanted is not None
            news = differing(known, wanted)
            if not news:
                return "unchanged"
            known.update(_as_written(news))
            change = "updated"
    with replacing(path) as draft:
        _yaml().dump(document, draft)
    return change


def differing(entry: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """What must change in a schedule for it to be the wanted one: the keys with their values, or nothing.

    Further parameters, and keys such as `active`, are the user's own.

    >>> differing({"cron": "0 2 * * *", "active": False}, {"cron": "0 3 * * *"})
    {'cron': '0 3 * * *'}
    """
    if wanted is None:
        return dict(entry or {})
    held = dict(entry or {})
    merged = dict(wanted)
    if "parameters" in wanted:
        merged["parameters"] = {**(held.get("parameters") or {}), **wanted["parameters"]}
    return {key: value for key, value in merged.items() if held.get(key) != value}


def scheduled(path: Path) -> dict[str, dict[str, Any]]:
    """The schedules that the file holds now, by slug."""
    return {str(entry.get("slug")): dict(entry) for entry in _schedules(_read(path), path)}


def _schedules(document: Any, path: Path) -> Any:
    """The list of the nightly deployment's schedules, as it stands in the document."""
    for deployment in _mappings(document.get("deployments") if isinstance(document, Mapping) else None, path):
        if deployment.get("name") == NIGHTLY:
            if not deployment.get("schedules"):
                deployment["schedules"] = []
            return _mappings(deployment["schedules"], path)
    raise RequestError(
        f"there is no deployment named {NIGHTLY!r}", where=str(path),
        remedy=f"add it: - {{name: {NIGHTLY}, entrypoint: flows.nightly.nightly, work_pool: {{name: nightshift}}}}",
    )  # fmt: skip


def _mappings(value: Any, path: Path) -> Any:
    """A list of mappings as it stands in the document; nothing for none."""
    if value and not (isinstance(value, list) and all(isinstance(one, Mapping) for one in value)):
        raise RequestError(
            "deployments and schedules are lists of mappings, and one of them is not", where=str(path),
            remedy="see docs/deployments.md; `nightshift deploy` says which",
        )  # fmt: skip
    return [] if value is None else value


def require_file(path: Path) -> None:
    """Refuse a folder without prefect.yaml."""
    if not path.exists():
        raise RequestError(
            "there is no prefect.yaml here", where=str(path.absolute()),
            remedy="run this in the folder that holds it",
        )  # fmt: skip


def _read(path: Path) -> Any:
    """The document with all that is no value in it: comments, quotes and order."""
    require_file(path)
    text = read_text(path)
    parse_yaml(text, path)  # refuses what may not stand in it, which the reader below would take
    return _yaml().load(text)


def _yaml() -> Any:
    from ruamel.yaml import YAML

    # Round trip: comments, order, quotes and the indentation of this repository's YAML stay.
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _as_written(entry: Mapping[str, Any]) -> Any:
    """The entry in the style of the file: the cron line in quotes, the parameters on one line."""
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    written = CommentedMap(entry)
    if "cron" in written:
        written["cron"] = DoubleQuotedScalarString(written["cron"])
    if "parameters" in written:
        parameters = CommentedMap(written["parameters"])
        parameters.fa.set_flow_style()
        written["parameters"] = parameters
    return written


def _told(project: str, wanted: Mapping[str, Any] | None, change: Change) -> str:
    when = f"{wanted['cron']} {wanted['timezone']}" if wanted else ""
    match change:
        case "unchanged":
            return f"{project}: nothing to change ({when or 'it has no night'})"
        case "removed":
            return f"{project}: schedule removed, since it has no night"
        case _:
            return f"{project}: schedule {change}, {when}"
