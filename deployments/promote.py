"""`nightshift promote`: make a version champion on the word of a person."""

from __future__ import annotations

from deployments.screen import Screen
from nightshift.settings import Settings
from nightshift.spec.load import load_project


def promote_version(screen: Screen, project: str, version: str, by: str, reason: str) -> None:
    """Move the aliases, write the audit, and show what became of it."""
    settings = Settings()
    load_project(project, settings.projects)
    from registry.promote import promote  # MLflow takes a second to import

    with screen.steps():
        done = promote(project, version, by, reason, settings)
    if not done.changed:
        screen.say(f"Version {done.version} of {project} is champion already; nothing was changed.")
    else:
        before = "" if done.from_version is None else f"; version {done.from_version} is `previous`"
        screen.say(f"Version {done.version} of {project} is champion now{before}.")
        screen.say(f"Written down in {done.audit}")
    screen.result(done.model_dump(mode="json"))
