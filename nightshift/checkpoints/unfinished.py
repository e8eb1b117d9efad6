"""The training of a project that has begun and not ended: whoever trains next goes on with it, as of its own moment.

As-of is by default the hour of the run. A training that was cut short late in one hour and is started again in the next
would look at other rows, and begin at the beginning. What was asked for as of a moment is not on record here: it would
have whoever asks for no moment train as of that one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from nightshift.errors import DataRefusedError, RequestError
from nightshift.records import Record, format_time
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.store.open import open_store

logger = logging.getLogger(__name__)

FOLDER = "unfinished"
GIVEN_UP_AFTER = timedelta(days=1)
"""An older one is not gone on with: its rows are no longer those that a run of today would be about."""


class Unfinished(Record):
    """A training that was begun: as of which moment, by which declaration, and when."""

    as_of: datetime
    spec_hash: str
    since: datetime


@contextmanager
def under_way(project: Project, as_of: datetime, settings: Settings) -> Iterator[None]:
    """Have it on record that the training in this block is not done, until it is, or can never be as it is declared."""
    store, name = open_store(settings), _name(project)
    before = unfinished(project, settings)
    begun = Unfinished(as_of=as_of, spec_hash=project.spec_hash, since=datetime.now(UTC))
    if before is not None and before.as_of == as_of:
        logger.info("train: going on as of %s, where a training was cut short", format_time(as_of))
        begun = before
    store.write(name, begun.model_dump_json().encode())
    try:
        yield
    except (RequestError, DataRefusedError):
        store.remove(name)
        raise
    store.remove(name)


def unfinished(project: Project, settings: Settings) -> Unfinished | None:
    """The training by this very declaration that was begun within the last day and cut short, if there is one."""
    try:
        found = Unfinished.model_validate_json(open_store(settings).read(_name(project)))
    except (KeyError, ValidationError):  # none, or of another version of Nightshift
        return None
    is_given_up = datetime.now(UTC) - found.since > GIVEN_UP_AFTER
    return None if is_given_up or found.spec_hash != project.spec_hash else found


def _name(project: Project) -> str:
    return f"{FOLDER}/{project.name}.json"
