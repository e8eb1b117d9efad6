"""The versions of a registered model: those with a record of ours, and apart from them what others left there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mlflow.entities.model_registry
from pydantic import ValidationError

from nightshift.trained import ModelVersion

RECORD, MARK, SETTLED = "nightshift.record", "nightshift.mark", "nightshift.settled"
# For people who look at MLflow's pages, and for versions that a person promoted later.
PROMOTED = "promoted"
_DATA_VERSION = "data_version"

Found = mlflow.entities.model_registry.ModelVersion


@dataclass(frozen=True)
class OtherVersion:
    """A version in a project's registered model that Nightshift can do nothing with.

    Attributes:
        why: in words that go on from "version 3".
        is_ours: Nightshift made it, and its record cannot be read any more, or not yet.
        data_version: of the dataset's table, as far as a tag still tells.
    """

    version: int
    aliases: tuple[str, ...]
    why: str
    is_ours: bool = False
    data_version: int | None = None

    def as_dict(self) -> dict[str, object]:
        """The version as `--json` shows it."""
        return {"version": self.version, "aliases": list(self.aliases), "why": self.why}


@dataclass(frozen=True)
class Listing:
    """All versions of a project's registered model, newest first."""

    versions: tuple[ModelVersion, ...]
    others: tuple[OtherVersion, ...]

    @property
    def data_versions(self) -> frozenset[int] | None:
        """The versions of the dataset's table that these were made of; None when one of them does not tell.

        A version of another tool was made of none.
        """
        ours = [one.data_version for one in self.others if one.is_ours]
        known = [one for one in ours if one is not None]
        if len(known) < len(ours):
            return None
        return frozenset([*known, *(one.data_version for one in self.versions)])


def read_record(found: Found, project: str, aliases: Mapping[str, int]) -> ModelVersion | OtherVersion:
    """The record kept in a version's tag, with what only the registry knows."""
    number = int(found.version)
    held = tuple(sorted(alias for alias, version in aliases.items() if version == number))
    text = found.tags.get(RECORD)
    if text is None:
        is_ours = MARK in found.tags or any(tag.startswith("nightshift.") for tag in found.tags)
        why = (
            "has lost its record" if is_ours else "was made by another tool: it has no record of Nightshift's"
        )
        return OtherVersion(number, held, why, is_ours, _data_version(found) if is_ours else None)
    try:
        record = ModelVersion.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        why = (
            f"has a record that cannot be read ({place}: {fault['msg']})" if place else "has a damaged record"
        )
        if any(one["type"] == "extra_forbidden" for one in error.errors()):
            why = f"has a record of a later version of Nightshift ({place})"
        return OtherVersion(number, held, why, True, _data_version(found))
    if record.project != project:
        why = f"was copied from the project {record.project!r}"
        return OtherVersion(number, held, why)
    promoted = record.promoted or found.tags.get(PROMOTED) == "true"
    return record.model_copy(update={"version": number, "aliases": held, "promoted": promoted})


def _data_version(found: Found) -> int | None:
    text = str(found.tags.get(_DATA_VERSION, ""))
    return int(text) if text.isdecimal() else None
