"""A user's own network: found by its place among projects or installed packages, read as text, and never run here.

Whatever `learner.network` names is called in every training. So it must be a function that says it builds a network: it
takes the inputs, the outputs, and what `learner.params` holds.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from nightshift.errors import RequestError, did_you_mean
from nightshift.spec.learner import Torch
from nightshift.spec.networks import OWN, PARAMS_OF

_IN_PROJECT = re.compile(r"projects\.([^.:]+)\.([A-Za-z_]\w*):([A-Za-z_]\w*)")
_REMEDY = "the function is build(inputs, outputs, **params)"

Definition = ast.FunctionDef | ast.ClassDef


def network_text(learner: Torch, projects: Path, where: str) -> str:
    """The text of the file that `projects.NAME.FILE:FUNCTION` names; empty for any other network.

    The text is part of the declaration: another text is another model.

    Args:
        projects: the folder of all projects.

    Raises:
        RequestError: there is no such project, file or function, the file is no Python or lies elsewhere, or the
            function builds no network with these params.
    """
    network = learner.network
    if network in PARAMS_OF:
        return ""
    if not network.startswith("projects."):
        check_installed(network, where, learner.params)
        return ""
    match = _IN_PROJECT.fullmatch(network)
    if match is None:
        raise RequestError(
            f"{network!r} names no function of a project", where=where,
            remedy=f"write {OWN}, for the function FUNCTION of NAME/FILE.py",
        )  # fmt: skip
    path = _file_of(match.group(1), match.group(2), projects, where)
    text, defined = _read(path, str(path))
    function = match.group(3)
    if function not in defined:
        raise _missing(f"function in {path.name}:", function, defined, where)
    _check_call(network, defined[function], learner.params, where)
    return text


def check_installed(network: str, where: str, params: Mapping[str, Any] | None = None) -> None:
    """Refuse `package.module:function` unless an installed package defines a function that builds a network.

    Nothing of the package is imported: its file is found and read. Functions of Python's own library build none.

    Args:
        params: what it is to be called with, where that is known.

    Raises:
        RequestError: it does not.
    """
    place, _, function = network.partition(":")
    path = _installed_file(place)
    if path is None:
        raise RequestError(
            f"learner.network names no module of an installed package: {place}", where=where, valid=[*PARAMS_OF, OWN],
            remedy="name a file of a project, or install the package",
        )  # fmt: skip
    _, defined = _read(path, f"{where}: {path}")
    building = {name: one for name, one in defined.items() if _takes_inputs_and_outputs(one)}
    if function not in building:
        raise RequestError(
            f"{network} is no function that builds a network", where=where, valid=[*PARAMS_OF, OWN, *building],
            remedy=did_you_mean(function, building) or f"{_REMEDY}, defined in the module that is named",
        )  # fmt: skip
    if params is not None:
        _check_call(network, building[function], params, where)


def _file_of(name: str, file: str, projects: Path, where: str) -> Path:
    # A project's name may have dashes, which no dotted path has.
    folders = sorted(path.name for path in projects.iterdir() if path.is_dir())
    folder = next((one for one in folders if name in (one, one.replace("-", "_"))), None)
    if folder is None:
        raise _missing("project", name, folders, where)
    files = sorted(path.stem for path in (projects / folder).glob("*.py"))
    if file not in files:
        raise _missing(f"file {folder}/", f"{file}.py", [f"{one}.py" for one in files], where)
    path = projects / folder / f"{file}.py"
    if (projects / folder).resolve() not in path.resolve().parents:
        raise RequestError(
            f"learner.network names a file outside the project: {path.resolve()}", where=where,
            remedy="keep the file itself in the project's folder, and no link to it",
        )  # fmt: skip
    return path


def _installed_file(place: str) -> Path | None:
    """The file of a module, found without importing it or any package that it lies in."""
    first, *rest = place.split(".")
    if first in sys.stdlib_module_names or first in sys.builtin_module_names:
        return None
    try:
        spec = find_spec(first)
    except ValueError:  # of what is running there may be no spec
        return None
    name = first
    for part in rest:
        name = f"{name}.{part}"
        spec = None if spec is None else PathFinder.find_spec(name, spec.submodule_search_locations or [])
    return _source_of(spec)


def _source_of(spec: ModuleSpec | None) -> Path | None:
    if spec is None or not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
        return None
    return Path(spec.origin)


def _read(path: Path, where: str) -> tuple[str, dict[str, Definition]]:
    """A file's text, and what can be called among the names that it defines itself."""
    try:
        text = path.read_text(encoding="utf-8")
        module = ast.parse(text)
    except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RequestError(f"this is no Python: {error}", where=where, remedy="mend the file") from error
    return text, {node.name: node for node in module.body if isinstance(node, Definition)}


def _takes_inputs_and_outputs(defined: Definition) -> bool:
    signature = _signature(defined)
    return signature is not None and [*signature.parameters][:2] == ["inputs", "outputs"]


def _check_call(network: str, defined: Definition, params: Mapping[str, Any], where: str) -> None:
    """Refuse what cannot be called with the inputs, the outputs and the params."""
    signature = _signature(defined)
    if signature is None:
        return
    try:
        signature.bind(None, None, **params)
    except TypeError as error:
        raise RequestError(
            f"{network} cannot be called with the inputs, the outputs and learner.params: {error}", where=where,
            remedy=_REMEDY,
        ) from error  # fmt: skip


def _signature(defined: Definition) -> Signature | None:
    """How a function, or a class, is called; None where its text does not tell: it is decorated, or inherits that."""
    if defined.decorator_list:
        return None
    if isinstance(defined, ast.FunctionDef):
        return _of_arguments(defined.args, skipped=0)
    made = [node for node in defined.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    return _of_arguments(made[-1].args, skipped=1) if made and not made[-1].decorator_list else None


def _of_arguments(given: ast.arguments, *, skipped: int) -> Signature:
    placed = [
        *((one.arg, Parameter.POSITIONAL_ONLY) for one in given.posonlyargs),
        *((one.arg, Parameter.POSITIONAL_OR_KEYWORD) for one in given.args),
    ]
    without = len(placed) - len(given.defaults)
    found = [
        Parameter(name, kind, default=Parameter.empty if place < without else None)
        for place, (name, kind) in enumerate(placed)
    ][skipped:]
    if given.vararg:
        found.append(Parameter(given.vararg.arg, Parameter.VAR_POSITIONAL))
    for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        found.append(
            Parameter(one.arg, Parameter.KEYWORD_ONLY, default=Parameter.empty if default is None else None)
        )
    if given.kwarg:
        found.append(Parameter(given.kwarg.arg, Parameter.VAR_KEYWORD))
    return Signature(found)


def _missing(what: str, name: str, there: Iterable[str], where: str) -> RequestError:
    there = list(there)
    return RequestError(
        f"learner.network names a {what} that is not there: {name}", where=where, valid=there,
        remedy=did_you_mean(name, there) or "correct learner.network",
    )  # fmt: skip
