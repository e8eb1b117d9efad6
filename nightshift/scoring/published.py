"""Which run's answer was published for a moment: that of the champion's newest run over it, as the commits tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nightshift.lake.log import Commit
from nightshift.lake.tables import Lake
from nightshift.records import Arm, Window
from nightshift.scoring.columns import TABLE
from nightshift.trained import ModelVersion

CHAMPION: Arm = "champion"


def arm_of(asked: str | None, version: ModelVersion) -> Arm:
    """Whose answers a run of `predict` makes.

    Args:
        asked: the version that was asked for, by its number or an alias; None for whoever is champion.
    """
    if asked is None or CHAMPION in version.aliases:
        return CHAMPION
    return "challenger" if "challenger" in version.aliases else "version"


@dataclass(frozen=True)
class Publication:
    """A run of the champion: the window whose predictions it put into the lake.

    Attributes:
        commit: the version of `predictions` that it made.
        version: the model version that was champion.
    """

    commit: int
    window: Window
    version: int


def publications(lake: Lake, event_time: str) -> Iterator[Publication]:
    """The champion's runs over windows of `event_time`, newest first."""
    for commit in lake.commits(TABLE):
        found = publication_of(commit, event_time)
        if found is not None:
            yield found


def publication_of(commit: Commit, event_time: str) -> Publication | None:
    """The run that made a commit; None where it was no run of the champion's.

    Commits of old say nothing of the arm: at that time, whatever was scored was meant to be used.
    """
    window = commit.window(event_time)
    if window is None or commit.info.get("nightshift.arm", CHAMPION) != CHAMPION:
        return None
    (version,) = json.loads(commit.info["nightshift.where"]).values() or (0,)
    return Publication(commit.version, window, int(version))


def segments(runs: Iterable[Publication], within: Window | None = None) -> list[Publication]:
    """The runs' windows without what a newer run covers: no two overlap, and together they cover the same.

    Args:
        runs: newest first.
        within: look at this window alone; runs are asked for only until it is covered.
    """
    found: list[Publication] = []
    bare = None if within is None else [within]
    for run in runs:
        parts = [run.window] if bare is None else [part for one in bare if (part := one.shared(run.window))]
        for newer in found if bare is None else ():
            parts = [rest for part in parts for rest in part.without(newer.window)]
        found += [Publication(run.commit, part, run.version) for part in parts]
        if bare is not None:
            bare = [rest for one in bare for rest in one.without(run.window)]
            if not bare:
                break
    return found
