"""A user's own network: a function in a file of a project, or of a package that is installed."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from importlib.abc import InspectLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType
from typing import Any

from nightshift.errors import RequestError, did_you_mean
from nightshift.spec.network_file import check_installed

_WHERE = "learner.network"


class _Text(InspectLoader):
    """Loads a module from its text: a model's folder, or a project's, holds it, and no search path does."""

    def __init__(self, source: str) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str:
        """The text."""
        return self._source


def users_function(name: str, source: str) -> Callable[..., Any]:
    """The function that `name`, `package.module:function`, stands for.

    Args:
        source: the text of its file, which is run; empty for a module of a package that is installed.

    Raises:
        RequestError: there is no such module or function, or the file cannot be run.
    """
    place, _, function_name = name.partition(":")
    module = _module_of(place, source) if source else _installed(name, place)
    found = getattr(module, function_name, None)
    if not callable(found):
        valid = sorted(key for key, value in vars(module).items() if _is_its_own(value, module))
        raise RequestError(
            f"{place} has no function {function_name!r}", where=_WHERE, valid=valid,
            remedy=did_you_mean(function_name, valid) or "name a function that builds the network",
        )  # fmt: skip
    function: Callable[..., Any] = found
    return function


def _is_its_own(value: object, module: ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def _module_of(place: str, source: str) -> ModuleType:
    """The module that `source` makes, once in a process: its name tells its content."""
    unique = f"nightshift_network_{hashlib.sha256(source.encode()).hexdigest()[:24]}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = spec_from_loader(unique, _Text(source), origin=place)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Dataclasses and annotations look their module up while it is run.
    sys.modules[unique] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[unique]
        raise RequestError(
            f"the file of {place} cannot be run: {type(error).__name__}: {error}",
            where=_WHERE,
            remedy="mend it",
        ) from error
    return module


def _installed(name: str, place: str) -> ModuleType:
    # Also of a saved network, which nothing has declared: what it names is called.
    check_installed(name, where=_WHERE)
    try:
        return importlib.import_module(place)
    except ImportError as error:
        raise RequestError(
            f"{name} cannot be imported: {error}", where=_WHERE,
            remedy="name a file of a project, projects.NAME.FILE:FUNCTION, or install the package",
        ) from error  # fmt: skip
