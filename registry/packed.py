"""The code that scores, packed with a model: whoever loads it needs no Nightshift, and no certain version of it.

What is packed are the very modules that Nightshift scores with, under a name that tells their content: two models with
the same code share it in one process, and neither meets an installed Nightshift.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path, PurePosixPath

from nightshift.learners.artifact import sha256_of

CODE = "code"
_LIBRARY, _LOADER = "nightshift", "scoring.pyfunc"
# Of the other learners' halves, none is reached.
_OF_OTHERS = {"lightgbm": f"{_LIBRARY}.learners.torch", "torch": f"{_LIBRARY}.learners.lightgbm"}
_IMPORT = re.compile(rf"^(\s*(?:from|import)\s+){_LIBRARY}\b", re.MULTILINE)


def pack(learner: str, folder: Path) -> tuple[str, dict[str, str]]:
    """Write the code that scores with a model of this learner into `folder`, the root of a model's files.

    Returns:
        The module that MLflow is to load the model with, and the SHA-256 of each file by its name within `folder`.
    """
    modules = _reached(f"{_LIBRARY}.{_LOADER}", _OF_OTHERS[learner])
    content = hashlib.sha256(repr(sorted(modules.items())).encode()).hexdigest()
    package = f"{_LIBRARY}_scorer_{content[:12]}"
    written = {}
    for name, text in modules.items():
        place = PurePosixPath(CODE, package, *name.split(".")[1:])
        for parent in [place.parent, *place.parent.parents][:-2]:
            written[str(parent / "__init__.py")] = ""
        written[f"{place}.py"] = _IMPORT.sub(rf"\g<1>{package}", text)
    for name, text in written.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return f"{package}.{_LOADER}", {name: sha256_of(folder / name) for name in sorted(written)}


def _reached(root: str, without: str) -> dict[str, str]:
    """The text of each module of the library that `root` imports, directly or not, at any time; by name."""
    found: dict[str, str] = {}
    ahead = [root]
    while ahead:
        name = ahead.pop()
        if name in found or name.startswith(without):
            continue
        found[name] = _source(name).read_text(encoding="utf-8")
        ahead += _imported(ast.parse(found[name]))
    return found


def _source(module: str) -> Path:
    *packages, name = module.split(".")[1:]
    return Path(str(files(_LIBRARY).joinpath(*packages, f"{name}.py")))


def _imported(module: ast.AST) -> Iterator[str]:
    """The library's modules that are imported when the code runs: what is there for a type checker is left out."""
    for node in ast.iter_child_nodes(module):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{_LIBRARY}."):
            yield str(node.module)
        yield from _imported(node)
