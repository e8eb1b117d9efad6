"""`nightshift gc`: remove what nobody needs any more, and show how much it was."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from deployments.screen import Screen
from nightshift.cleaning.clean import Cleaned, clean, known_projects
from nightshift.errors import RequestError, did_you_mean
from nightshift.lake.vacuum import Freed
from nightshift.settings import Settings
from nightshift.spec.durations import format_duration, parse_duration

if TYPE_CHECKING:
    from registry.listing import Listing


def clean_projects(screen: Screen, projects: list[str], older_than: str, *, dry_run: bool) -> None:
    """Clean up after the projects named, or all that have left anything."""
    settings, age = Settings(), _age(older_than)
    known = known_projects(settings)
    for name in projects:
        if name not in known:
            raise RequestError(
                f"no project {name!r} has left anything", where=str(settings.home_path), valid=known,
                remedy=did_you_mean(name, known) or "name one of these, or none for all of them",
            )  # fmt: skip
    from registry.versions import Versions  # MLflow takes a second to import

    with screen.steps():
        listings = {name: Versions.of(name, settings).listed() for name in dict.fromkeys(projects or known)}
        cleaned = [
            clean(name, listing.data_versions, age, settings, dry_run=dry_run)
            for name, listing in listings.items()
        ]
    _show(screen, cleaned, dry_run=dry_run)
    for name, listing in listings.items():
        for other in listing.others:
            screen.say(f"{name}: version {other.version} {other.why}.")
    screen.result(
        {
            "dry_run": dry_run,
            "older_than": format_duration(age),
            "bytes": sum(one.total.bytes for one in cleaned),
            "projects": {one.project: _report(one, listings[one.project]) for one in cleaned},
        }
    )


def _age(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise RequestError(
            str(error), where="--older-than", valid=["12h", "7d", "4w"], remedy="write it as one of these"
        ) from error


def _show(screen: Screen, cleaned: list[Cleaned], *, dry_run: bool) -> None:
    rows = [
        (one.project, what, freed.files, _size(freed))
        for one in cleaned
        for what, freed in one.freed.items()
        if freed.files
    ]
    if not rows:
        screen.say("There is nothing to remove.")
        return
    screen.table("would be removed" if dry_run else "removed", ["project", "what", ">files", ">size"], rows)
    for one in cleaned:
        if one.kept_versions is not None:
            screen.say(
                f"{one.project}: {one.kept_versions} versions of the dataset stay, for the models made of them."
            )


def _size(freed: Freed) -> str:
    return f"{freed.bytes / 1e6:,.1f} MB"


def _report(one: Cleaned, listing: Listing) -> dict[str, Any]:
    return {
        "kept_versions": one.kept_versions,
        "other_versions": [other.as_dict() for other in listing.others],
        "removed": {what: freed.model_dump() for what, freed in one.freed.items()},
    }
