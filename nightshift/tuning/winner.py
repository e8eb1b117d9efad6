"""The best trial as a change of project.yaml: shown as a diff, and written when a person accepts it."""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightshift.atomic import replacing
from nightshift.errors import RequestError
from nightshift.settings import Settings
from nightshift.spec.learner import Recipe
from nightshift.spec.load import FILE_NAME, read_project
from nightshift.spec.project import Project
from nightshift.spec.ranges import Choice, ranges_of
from nightshift.tuning.found import Found, Tried
from nightshift.tuning.space import learner_name

_BLOCK = re.compile(r"^learner\s*:", re.MULTILINE)
_NEXT_KEY = re.compile(r"^[^\s#-]", re.MULTILINE)


@dataclass(frozen=True)
class Change:
    """What project.yaml would say of the best trial.

    Attributes:
        diff: unified; empty when nothing that was tried is better than what is declared.
    """

    path: Path
    text: str
    diff: str


def change_of(project: Project, found: Found, settings: Settings) -> Change:
    """The change that makes the best trial the declaration. All but the learner's lines stays as it is written.

    Raises:
        RequestError: the file cannot be changed by a program.
    """
    path = settings.projects / project.name / FILE_NAME
    text = path.read_text(encoding="utf-8")
    best = found.best
    changed = text if best.trial == 0 else _with_learner(text, project, best, path)
    lines = difflib.unified_diff(
        text.splitlines(keepends=True), changed.splitlines(keepends=True),
        fromfile=f"a/{project.name}/{FILE_NAME}", tofile=f"b/{project.name}/{FILE_NAME}",
    )  # fmt: skip
    return Change(path, changed, "".join(lines))


def keep(change: Change, found: Found, settings: Settings) -> Path:
    """Write the diff where reports lie; where that is."""
    path = settings.home_path / "reports" / f"{found.project}-tune.diff"
    with replacing(path) as temporary:
        temporary.write_text(change.diff, encoding="utf-8")
    return path


def accept(change: Change) -> bool:
    """Write the change into project.yaml; whether there was one.

    Raises:
        OutsideError: the file cannot be written.
    """
    if not change.diff:
        return False
    with replacing(change.path) as temporary:
        temporary.write_text(change.text, encoding="utf-8")
    read_project(change.path)
    return True


def _with_learner(text: str, project: Project, best: Tried, path: Path) -> str:
    """The text with the trial's learner in the place of the declared one, comments and order kept."""
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError

    start, end = _block(text)
    try:
        document = _yaml().load(text[start:end]) or CommentedMap()
    except YAMLError as error:
        raise RequestError(
            f"the learner's lines cannot be changed by themselves: {error}", where=str(path),
            remedy="write the best trial's parameters by hand",
        ) from error  # fmt: skip
    if learner_name(project.learner) != best.learner:
        document["learner"] = CommentedMap(_of_another(document.get("learner") or {}, best.learner))
    learner = document.setdefault("learner", CommentedMap(kind=project.learner.kind))
    _put(learner, best.params, best.learner)
    written = io.StringIO()
    _yaml().dump(document, written)
    before = text[:start] if not text[:start] or text[:start].endswith("\n") else text[:start] + "\n"
    return before + written.getvalue() + text[end:]


def _block(text: str) -> tuple[int, int]:
    """Where the learner's lines begin and end; the end of the text when there are none."""
    begins = _BLOCK.search(text)
    if begins is None:
        return len(text), len(text)
    ends = _NEXT_KEY.search(text, begins.end())
    return begins.start(), ends.start() if ends else len(text)


def _of_another(written: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Another learner's beginning, with the keys that all learners share kept as they are written."""
    kind = {"kind": "lightgbm"} if name == "lightgbm" else {"kind": "torch", "network": name}
    return {**kind, **{key: value for key, value in written.items() if key in Recipe.model_fields}}


def _put(learner: Any, params: Mapping[str, Choice], name: str) -> None:
    from ruamel.yaml.comments import CommentedMap

    rows = ranges_of(name)
    for key, value in params.items():
        part = learner
        if rows[key].is_param:
            if learner.get("params") is None:
                learner["params"] = CommentedMap()
                learner["params"].fa.set_flow_style()
            part = learner["params"]
        part[key] = value
        for beside, needed in rows[key].along:
            part.setdefault(beside, needed)


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    # Left to itself it writes nothing for null.
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml
