"""How steps are run: when they are tried again, and when they are not run at all because nothing changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypedDict, TypeVar, cast

from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import Task, exponential_backoff
from prefect.utilities.annotations import quote

from nightshift.errors import NightshiftError

RETRIES = 3

T = TypeVar("T")


class StepOptions(TypedDict):
    """Keyword arguments of a Prefect task."""

    retries: int
    retry_delay_seconds: Callable[[int], list[float]]
    retry_jitter_factor: float
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], bool]


class CachedStepOptions(StepOptions):
    """Keyword arguments of a Prefect task whose result is kept."""

    cache_key_fn: Callable[[TaskRunContext, dict[str, Any]], str | None]
    result_serializer: str
    persist_result: bool


def step() -> StepOptions:
    """Run every time; try again, with growing delays, after an error that may pass."""
    return StepOptions(
        retries=RETRIES,
        retry_delay_seconds=exponential_backoff(backoff_factor=2),
        retry_jitter_factor=0.2,
        retry_condition_fn=_may_pass,
    )


def cached_step(name: str, *packages: str) -> CachedStepOptions:
    """Like `step`, but not run again while its argument `mark` and the code of `packages` are what they were."""

    def key(_: TaskRunContext, arguments: dict[str, Any]) -> str | None:
        return f"{name}-{arguments['mark'][:32]}-{code_mark(packages)[:16]}"

    return CachedStepOptions(**step(), cache_key_fn=key, result_serializer="json", persist_result=True)


def code_mark(packages: tuple[str, ...]) -> str:
    """SHA-256 of the source of these packages."""
    mark = hashlib.sha256()
    for package in packages:
        for path in _sources(package):
            mark.update(path.read_bytes())
    return mark.hexdigest()


def _sources(package: str) -> list[Path]:
    spec = find_spec(package)
    assert spec is not None  # named in our own code, so it is there
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if folders:
        return sorted(path for folder in folders for path in folder.rglob("*.py"))
    return [Path(spec.origin)] if spec.origin else []


def as_it_is(value: T) -> T:
    """Hand a value to a step as it is: Prefect would look for futures in every number of it, and take long."""
    return cast(T, quote(value))


def _may_pass(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    error = state.data if isinstance(state.data, BaseException) else state.result(raise_on_failure=False)
    return isinstance(error, NightshiftError) and error.retryable
