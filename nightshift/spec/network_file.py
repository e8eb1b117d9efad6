"""The file of a user's own network: found by its place among the projects, read as text, and never run here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from nightshift.errors import RequestError, did_you_mean

_IN_PROJECT = re.compile(r"projects\.([^.:]+)\.([A-Za-z_]\w*):([A-Za-z_]\w*)")


def network_text(network: str, projects: Path, where: str) -> str:
    """The text of the file that `projects.NAME.FILE:FUNCTION` names; empty for any other network.

    The text is part of the declaration: another text is another model.

    Args:
        projects: the folder of all projects.

    Raises:
        RequestError: there is no such project, file or function, or the file is no Python.
    """
    if not network.startswith("projects."):
        return ""
    match = _IN_PROJECT.fullmatch(network)
    if match is None:
        raise RequestError(
            f"{network!r} names no function of a project", where=where,
            remedy="write projects.NAME.FILE:FUNCTION, for the function FUNCTION of NAME/FILE.py",
        )  # fmt: skip
    name, file, function = match.groups()
    # A project's name may have dashes, which no dotted path has.
    folders = sorted(path.name for path in projects.iterdir() if path.is_dir())
    folder = next((one for one in folders if name in (one, one.replace("-", "_"))), None)
    if folder is None:
        raise _missing("project", name, folders, where)
    files = sorted(path.stem for path in (projects / folder).glob("*.py"))
    if file not in files:
        raise _missing(f"file {folder}/", f"{file}.py", [f"{one}.py" for one in files], where)
    path = projects / folder / f"{file}.py"
    try:
        text = path.read_text(encoding="utf-8")
        functions = _functions(ast.parse(text))
    except (UnicodeDecodeError, SyntaxError, ValueError) as error:
        raise RequestError(f"this is no Python: {error}", where=str(path), remedy="mend the file") from error
    if function not in functions:
        raise _missing(f"function in {path.name}:", function, functions, where)
    return text


def _functions(module: ast.Module) -> list[str]:
    """What can be called among the names that a module defines itself."""
    return [node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def _missing(what: str, name: str, there: list[str], where: str) -> RequestError:
    return RequestError(
        f"learner.network names a {what} that is not there: {name}", where=where, valid=there,
        remedy=did_you_mean(name, there) or "correct learner.network",
    )  # fmt: skip
