"""What is wrong in prefect.yaml: Prefect itself ignores a key that it does not know, and says nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from prefect.cli.deploy._models import PrefectYamlModel
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.deployment_triggers import DeploymentTriggerTypes
from prefect.exceptions import MissingFlowError, ParameterTypeError, ScriptError
from prefect.flows import load_flow_from_entrypoint
from pydantic import BaseModel, TypeAdapter, ValidationError

from deployments.schedule import FILE, NIGHTLY, differing, require_file, wanted_schedule
from deployments.stack.worker import POOL
from nightshift.errors import RequestError, did_you_mean
from nightshift.settings import Settings
from nightshift.spec.load import load_project, project_names
from nightshift.spec.yaml_file import read_yaml

if TYPE_CHECKING:
    from prefect import Flow

_TRIGGERS: TypeAdapter[BaseModel] = TypeAdapter(DeploymentTriggerTypes)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: what, at which place of the file, and what would be right."""

    what: str
    where: str
    valid: tuple[str, ...] = ()
    remedy: str = ""


def check(path: Path, settings: Settings) -> list[dict[str, Any]]:
    """The deployments of prefect.yaml, when nothing is wrong with it.

    Raises:
        RequestError: something is; all faults are told at once.
    """
    document = _read(path)
    faults = list(find_faults(document, settings))
    if not faults:
        return [dict(deployment) for deployment in document.get("deployments") or []]
    if len(faults) == 1:
        one = faults[0]
        raise RequestError(one.what, where=f"{path}: {one.where}", valid=one.valid, remedy=one.remedy)
    raise RequestError(
        f"{len(faults)} things are wrong:\n"
        + "\n".join(f"    {one.where}: {one.what} {one.remedy}".rstrip() for one in faults),
        where=str(path),
        remedy="correct them, then run this again",
    )


def find_faults(document: Mapping[str, Any], settings: Settings) -> Iterator[Fault]:
    """Everything that is wrong, from keys that nobody reads to schedules that no project asks for."""
    structure = list(_unknown_keys(document, PrefectYamlModel, ""))
    yield from structure
    try:
        PrefectYamlModel.model_validate(document)
    except ValidationError as error:
        if not structure:
            yield from (Fault(one["msg"] + ".", ".".join(map(str, one["loc"]))) for one in error.errors()[:1])
        return
    names = project_names(settings.projects)
    deployments = [one for one in document.get("deployments") or [] if isinstance(one, Mapping)]
    yield from _pull_faults(document, "pull")
    seen: set[str] = set()
    for place, deployment in enumerate(deployments):
        name = str(deployment.get("name") or "")
        where = f"deployments.{name or place}"
        if not name or name in seen:
            yield Fault("two deployments have this name." if name else "the key 'name' is missing.", where)
        seen.add(name)
        yield from _deployment_faults(deployment, where, names)
        if name == NIGHTLY:
            yield from _out_of_step(deployment, where, names, settings)


def _unknown_keys(value: Any, model: type[BaseModel], where: str) -> Iterator[Fault]:
    """Keys that Prefect's own model does not have, here and below."""
    if not isinstance(value, Mapping):
        return
    hints = get_type_hints(model)
    kinds = {field.alias or name: hints[name] for name, field in model.model_fields.items()}
    yield from _unknown(value, tuple(kinds), where)
    for key, kind in kinds.items():
        place = f"{where}.{key}" if where else key
        inner = _first_model(kind)
        for ending, part in _parts(value.get(key)):
            below = place + ending
            if key == "triggers":
                yield from _trigger_faults(part, below)
            elif key == "job_variables":
                yield from _job_variable_faults(part, below)
            elif inner is not None:
                yield from _unknown_keys(part, inner, below)


def _job_variable_faults(variables: Mapping[str, Any], where: str) -> Iterator[Fault]:
    for name in variables:
        yield Fault(
            f"the job variable {name!r} cannot be set:", f"{where}.{name}",
            remedy="runs start in the worker's folder with its environment; set it before `nightshift up`",
        )  # fmt: skip


def _unknown(value: Any, valid: tuple[str, ...], where: str) -> Iterator[Fault]:
    if isinstance(value, Mapping):
        for key in value:
            if key not in valid:
                remedy = did_you_mean(str(key), valid) or "remove it"
                yield Fault(f"unknown key {key!r};", where or "top level", valid, remedy)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """The mappings that a key holds, its own or those of its list, each with what comes after the key's place."""
    if isinstance(value, Mapping):
        yield "", value
    elif isinstance(value, list):
        for place, part in enumerate(value):
            name = part.get("name") or part.get("slug") if isinstance(part, Mapping) else None
            yield f".{name or place}", part


def _first_model(annotation: Any) -> type[BaseModel] | None:
    """The model that a field's mappings are read with; of several, the one that Prefect tries first."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_first_model(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _trigger_faults(trigger: Any, where: str) -> Iterator[Fault]:
    try:
        model = type(_TRIGGERS.validate_python(trigger))
    except ValidationError as error:
        yield Fault(f"{error.errors()[0]['msg']}.", where)
        return
    yield from _unknown(trigger, tuple(model.model_fields), where)


def _pull_faults(section: Mapping[str, Any], where: str) -> Iterator[Fault]:
    if section.get("pull"):
        yield Fault("the worker runs no pull steps;", where, remedy="leave it empty: the code is installed")


def _deployment_faults(deployment: Mapping[str, Any], where: str, names: list[str]) -> Iterator[Fault]:
    yield from _pull_faults(deployment, f"{where}.pull")
    pool = (deployment.get("work_pool") or {}).get("name")
    if pool != POOL:
        yield Fault(
            f"its work pool is {pool!r};", f"{where}.work_pool.name", (POOL,), f"name the pool {POOL!r}"
        )
    limit = deployment.get("concurrency_limit")
    strategy = limit.get("collision_strategy") if isinstance(limit, Mapping) else None
    strategies = tuple(each.value for each in ConcurrencyLimitStrategy)
    if strategy is not None and strategy not in strategies:
        yield Fault(
            f"unknown value {strategy!r};", f"{where}.concurrency_limit", strategies, "choose one of these"
        )
    try:
        flow = _flow(deployment.get("entrypoint"))
    except (ImportError, MissingFlowError, ScriptError, ValueError) as error:
        yield Fault(
            f"the flow cannot be loaded: {error};", f"{where}.entrypoint", remedy="write flows.NAME.NAME"
        )
        return
    given = deployment.get("parameters") or {}
    yield from _parameter_faults(flow, given, given, f"{where}.parameters", names)
    slugs: set[str] = set()
    for place, schedule in enumerate(deployment.get("schedules") or []):
        slug = str(schedule.get("slug") or "")
        below = f"{where}.schedules.{slug or place}"
        if not slug or slug in slugs:
            yield Fault("two schedules have this slug." if slug else "the key 'slug' is missing.", below)
        slugs.add(slug)
        yield from _schedule_faults(schedule, below)
        own = schedule.get("parameters") or {}
        place_of_parameters = f"{below}.parameters"
        yield from _parameter_faults(flow, own, {**given, **own}, place_of_parameters, names, whole=True)


def _flow(entrypoint: Any) -> Flow[..., Any]:
    if not isinstance(entrypoint, str) or ":" in entrypoint or "." not in entrypoint:
        # The path form puts flows/ first among the places of modules, and imports the flow under another name.
        raise ValueError(f"{entrypoint!r} is no module path")
    return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)


def _parameter_faults(
    flow: Flow[..., Any],
    own: Mapping[str, Any],
    all_given: Mapping[str, Any],
    where: str,
    names: list[str],
    *,
    whole: bool = False,
) -> Iterator[Fault]:
    """Parameters that the flow does not have, that it would refuse, or that a run by schedule would lack."""
    known = tuple(flow.parameters.properties)
    unknown = list(_unknown(own, known, where))
    missing = [each for each in flow.parameters.required if each not in all_given] if whole else []
    yield from unknown
    yield from (Fault(f"the parameter {each!r} is missing.", where) for each in missing)
    project = own.get("project")
    if project is not None and project not in names:
        remedy = did_you_mean(str(project), names) or f"take it out with: nightshift schedule {project}"
        yield Fault(f"there is no project {project!r};", f"{where}.project", tuple(names), remedy)
    if whole and not unknown and not missing:
        try:
            flow.validate_parameters(dict(all_given))
        except ParameterTypeError as error:
            yield Fault(f"the flow refuses them: {error}.", where)


def _schedule_faults(schedule: Mapping[str, Any], where: str) -> Iterator[Fault]:
    if "cron" not in schedule:
        return
    try:
        CronSchedule(cron=schedule["cron"], timezone=schedule.get("timezone"))
    except ValidationError as error:
        yield Fault(f"{error.errors()[0]['msg']}.", f"{where}.cron")


def _out_of_step(
    deployment: Mapping[str, Any], where: str, names: list[str], settings: Settings
) -> Iterator[Fault]:
    """Projects whose schedule is not the one that they declare."""
    held = {str(each.get("slug")): each for each in deployment.get("schedules") or []}
    for name in names:
        wanted, entry = wanted_schedule(load_project(name, settings.projects)), held.get(name)
        if differing(entry, wanted):
            yield Fault(
                "this is not what project.yaml declares as `night`;", f"{where}.schedules.{name}",
                remedy=f"run: nightshift schedule {name}",
            )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    require_file(path)
    return read_yaml(path, "see docs/deployments.md")


def main() -> int:
    """Check prefect.yaml of this folder: the exit code is 0 when nothing is wrong."""
    try:
        deployments = check(FILE, Settings())
    except RequestError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{FILE}: {len(deployments)} deployments, nothing wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
