"""`nightshift reproduce`: make a version again, and show whether it is the same model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from deployments.connect import connected
from deployments.screen import Screen
from nightshift.errors import DataRefusedError, RequestError
from nightshift.settings import Settings
from nightshift.spec.project import NAME_PATTERN

if TYPE_CHECKING:
    from nightshift.reproduction.compare import Reproduction

_LONGEST_NAME = 200  # of a folder, with what is put behind it
DIFFERENT = DataRefusedError.exit_code


def reproduce_version(screen: Screen, project: str, version: str) -> int:
    """Make a version again; the exit code: 0 when it is the same model, 3 when it is another one."""
    settings = Settings()
    # It need not be declared any more.
    if not re.fullmatch(NAME_PATTERN, project) or len(project) > _LONGEST_NAME:
        raise RequestError(
            f"{project!r} is no project name", where="the first argument",
            remedy="a project name has lower-case letters, digits and single dashes only",
        )  # fmt: skip
    with screen.steps() as steps, connected(settings, steps.waiting):
        from flows.reproduce import reproduce

        found = reproduce(project=project, version=version)
    _show(screen, found)
    screen.result(reproduce_report(found))
    return 0 if found.identical else DIFFERENT


def _show(screen: Screen, found: Reproduction) -> None:
    if found.identical:
        screen.say(f"Version {found.version} was made again, byte for byte.")
        return
    screen.table(
        f"{found.project} version {found.version} came out as another model",
        ["what", "then", "now"],
        [(one.what, one.then, one.now) for one in found.differences],
    )
    if found.max_score_difference is None:
        screen.say("They tell other classes apart, so their scores cannot be compared.")
    else:
        screen.say(
            f"The scores of {found.rows:,} rows of the holdout differ by up to {found.max_score_difference:.3g}."
        )
    screen.say(f"The model made again: {found.path}")


def reproduce_report(found: Reproduction) -> dict[str, Any]:
    """What became of making a version again; `differences` tell what was otherwise, then and now."""
    return {
        "project": found.project,
        "version": found.version,
        "identical": found.identical,
        "max_score_difference": found.max_score_difference,
        "rows": found.rows,
        "differences": [one.model_dump() for one in found.differences],
        "path": found.path or None,
    }
