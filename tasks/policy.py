"""How steps are run: when they are tried again, and when they are not run at all because nothing changed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, TypedDict, TypeVar, cast

from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.results import ResultStore
from prefect.tasks import Task, exponential_backoff
from prefect.utilities.annotations import quote

from nightshift.errors import NightshiftError
from tasks.results import RecordSerializer, read_records_only

logger = logging.getLogger("nightshift.policy")

RETRIES = 3

T = TypeVar("T")
IsThere = Callable[[Any, dict[str, Any]], bool]


class StepOptions(TypedDict):
    """Keyword arguments of a Prefect task."""

    retries: int
    retry_delay_seconds: Callable[[int], list[float]]
    retry_jitter_factor: float
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], bool]


class CachedStepOptions(StepOptions):
    """Keyword arguments of a Prefect task whose result is kept."""

    cache_key_fn: Callable[[TaskRunContext, dict[str, Any]], str | None]
    result_serializer: RecordSerializer
    persist_result: bool


def step() -> StepOptions:
    """Run every time; try again, with growing delays, after an error that may pass."""
    return StepOptions(
        retries=RETRIES,
        retry_delay_seconds=exponential_backoff(backoff_factor=2),
        retry_jitter_factor=0.2,
        retry_condition_fn=_may_pass,
    )


def cached_step(name: str, *packages: str, is_there: IsThere | None = None) -> CachedStepOptions:
    """Like `step`, but not run again while its argument `mark` and the code of `packages` are what they were.

    Args:
        is_there: whether what a kept result speaks of is still there, given the result and the step's arguments: a
            table may have gone, or an older one come back from a backup. Without it the step's output is its result
            alone, or whoever uses the rest makes it again.
    """

    def key(context: TaskRunContext, arguments: dict[str, Any]) -> str | None:
        own = f"{name}-{arguments['mark'][:32]}-{code_mark(packages)[:16]}"
        return (
            own if is_there is None else _key_of_what_is_there(own, context.result_store, is_there, arguments)
        )

    read_records_only()
    return CachedStepOptions(
        **step(), cache_key_fn=key, result_serializer=RecordSerializer(), persist_result=True
    )


def _key_of_what_is_there(key: str, store: ResultStore, is_there: IsThere, arguments: dict[str, Any]) -> str:
    """The first of the keys KEY, KEY-again-1, … with a result whose output is there, or with none yet.

    So a result whose output has gone is left where it is, and counts again if the output comes back.
    """
    for again in count():
        own = f"{key}-again-{again}" if again else key
        if not store.exists(own):
            return own
        try:
            if is_there(store.read(own).result, arguments):
                return own
        except NightshiftError as error:
            logger.info("what %s made cannot be looked at: %s", own, error.what)
        logger.info("what %s made is not there any more: it is made again", own)
    raise AssertionError("there is always a next key")


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
