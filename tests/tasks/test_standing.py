"""Which version a night begins with: that of its own moment, one that it made itself aside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nightshift.monitoring.nights import Opening
from nightshift.monitoring.windows import NightWindows
from nightshift.trained import ModelVersion
from registry.served import Served
from tasks import score
from tests.synthetic import AS_OF, World, days

DAY = timedelta(days=1)


class Registry:
    """A registry in memory: versions by the day before `AS_OF` that they were trained as of; the last is champion."""

    def __init__(self, *versions: tuple[int, bool]) -> None:
        self.served = [
            Served(version=version(number, AS_OF - back * DAY, waits=waits), folder="")
            for number, (back, waits) in enumerate(versions, start=1)
        ]

    def standing(
        self, project: str, settings: Any, as_of: datetime | None = None, *, before: bool = False
    ) -> Served | None:
        if as_of is None:
            return self.served[-1] if self.served else None
        known = [
            one
            for one in self.served
            if one.version.as_of < as_of or (one.version.as_of == as_of and not before)
        ]
        return max(known, key=lambda one: one.version.as_of, default=None)


def version(number: int, as_of: datetime, *, waits: bool) -> ModelVersion:
    return ModelVersion(
        project="demo", version=number, run_id="", created_at=AS_OF, as_of=as_of, window=days(0, 40), data_table="",
        data_version=0, data_digest="", spec_hash="", commit="", seed=0, model_sha256="", metrics={}, baseline={},
        promoted=True, reasons=(), waits=waits,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("versions", "missed", "wanted"),
    [
        ((), False, None),
        (((3, False),), False, 1),
        # The night's own version stands aside, for the one before or for none.
        (((3, False), (0, False)), False, 1),
        (((0, False),), False, None),
        (((0, False),), True, None),
        # A person has made the night's own version champion, because the one before cannot score.
        (((3, False), (0, True)), False, 2),
        # Later versions have seen what this night may not know.
        (((3, False), (-2, False)), False, 1),
        (((3, False), (-2, False)), True, 1),
        (((3, False), (-2, True)), False, 1),
        (((-2, False),), False, None),
        # A missed night that is done later does with what there is.
        (((-2, False),), True, 1),
        (((3, False), (-2, True)), True, 2),
    ],
)
def test_the_version_that_a_night_begins_with(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    versions: tuple[tuple[int, bool], ...],
    missed: bool,
    wanted: int | None,
) -> None:
    monkeypatch.setattr(score, "registry_standing", Registry(*versions).standing)
    project = World(tmp_path).declare()
    opening = Opening(
        windows=NightWindows.of(project, AS_OF, AS_OF - DAY), nights=(), began_at=datetime.now(UTC),
        moment=AS_OF + 3 * DAY if missed else None,
    )  # fmt: skip
    found = score.standing_before.fn(project, opening)
    assert (None if found is None else found.version.version) == wanted
