"""Make a version the champion: the aliases and the audit move together, whenever the process dies.

What is meant is first written down beside the version, in one tag. Then the aliases are moved, the audit gets its row,
and the tag goes. Each of these may be repeated, so whoever finds such a tag can finish what it says: every run that
looks up the champion does.
"""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime

from nightshift.errors import RequestError
from nightshift.lake.audit import Audit, AuditEntry
from nightshift.lake.tables import Lake
from nightshift.locks import only_one
from nightshift.records import Record
from nightshift.settings import Settings
from nightshift.trained import ModelVersion
from registry.listing import OtherVersion
from registry.served import CHAMPION
from registry.tracking import mlflow_faults
from registry.versions import PREVIOUS, PROMOTED, SETTLED, Versions

logger = logging.getLogger(__name__)

PROMOTING = "nightshift.promoting"
ACTIVITY = "promote"


class Move(Record):
    """A promotion that is meant: all that the audit will say of it but the version, which carries it.

    Attributes:
        from_version: the champion that gives way; None when there is none.
    """

    id: str
    at: datetime
    from_version: int | None
    by: str
    reason: str

    @classmethod
    def meant(cls, champion: ModelVersion | OtherVersion | None, by: str, reason: str) -> Move:
        """A promotion that begins now."""
        from_version = None if champion is None else champion.version
        return cls(id=uuid.uuid4().hex, at=datetime.now(UTC), from_version=from_version, by=by, reason=reason)


class Promoted(Record):
    """What `promote` did.

    Attributes:
        changed: false when the version was champion already; then nothing was moved, and nothing written.
        audit: where the table lies that says so.
    """

    project: str
    version: int
    from_version: int | None
    by: str
    reason: str
    changed: bool
    audit: str


def promote(project: str, wanted: str, by: str, reason: str, settings: Settings) -> Promoted:
    """Make a version champion on the word of a person. Doing it twice does it once.

    Args:
        wanted: a version's number or alias.
        by, reason: who says so, and why; the audit keeps both.

    Raises:
        RequestError: there is no such version, or nobody or no reason is named.
        DataRefusedError: a file of the version is missing, or is not the one that was saved.
    """
    by, reason = (_said(name, text) for name, text in (("--by", by), ("--reason", reason)))
    versions = Versions.of(project, settings)
    finish(versions)
    with only_one(ACTIVITY, project, settings), mlflow_faults(settings):
        version, champion = versions.chosen(wanted), versions.holder(CHAMPION)
        changed = champion is None or champion.version != version.version
        if changed:
            versions.scorer(version)  # a version that cannot be loaded serves nobody
            move = Move.meant(champion, by, reason)
            begin(versions, version.version, move)
            carry_out(versions, version, move)
            logger.info("promote: version %d is champion, by %s: %s", version.version, by, reason)
    return Promoted(
        project=project,
        version=version.version,
        from_version=None if champion is None else champion.version,
        by=by,
        reason=reason,
        changed=changed,
        audit=Audit(Lake.of(project, settings)).uri,
    )


def begin(versions: Versions, number: int, move: Move) -> None:
    """Write down beside the version what is meant: from here on, any run can finish it."""
    versions.client.set_model_version_tag(versions.project, str(number), PROMOTING, move.model_dump_json())


def carry_out(versions: Versions, version: ModelVersion, move: Move) -> None:
    """Do what is meant, or what is left of it; the caller holds the lock `promote` of the project."""
    client, name, number = versions.client, versions.project, str(version.version)
    audit = Audit(Lake.of(name, versions.settings))
    if not audit.has(move.id):  # the last but one to be done: then the aliases may have moved on since
        if move.from_version is not None and move.from_version != version.version:
            client.set_registered_model_alias(name, PREVIOUS, str(move.from_version))
        client.set_registered_model_alias(name, CHAMPION, number)
        audit.append(_entry(version, move))
    client.set_model_version_tag(name, number, PROMOTED, "true")
    client.set_model_version_tag(name, number, SETTLED, "true")
    client.delete_model_version_tag(name, number, PROMOTING)


def finish(versions: Versions) -> None:
    """Carry out the promotions that were begun and, because their process died, not finished."""
    with mlflow_faults(versions.settings):
        if not _begun(versions):
            return
        with only_one(ACTIVITY, versions.project, versions.settings):
            for version, move in _begun(versions):  # looked up again: another process may have been faster
                logger.info("promote: what was begun of version %d is finished", version.version)
                carry_out(versions, version, move)


def _begun(versions: Versions) -> list[tuple[ModelVersion, Move]]:
    """Promotions that are not finished, in the order in which they were begun."""
    found = versions.client.search_model_versions(
        f"name = '{versions.project}' AND tags.`{PROMOTING}` LIKE '{{%'"
    )
    begun = []
    for one in found:
        version = versions.read(one, {})
        if isinstance(version, OtherVersion):
            logger.warning(
                "promote: what was begun cannot be finished: version %d %s", version.version, version.why
            )
        else:
            begun.append((version, Move.model_validate_json(one.tags[PROMOTING])))
    return sorted(begun, key=lambda both: both[1].at)


def _entry(version: ModelVersion, move: Move) -> AuditEntry:
    return AuditEntry(
        id=move.id,
        at=move.at,
        project=version.project,
        version=version.version,
        from_version=move.from_version,
        by=move.by,
        reason=move.reason,
        as_of=version.as_of,
        run_id=version.run_id,
    )


def _said(option: str, text: str) -> str:
    if not text.strip():
        raise RequestError(
            f"{option} is empty", where="nightshift promote",
            remedy="say who promotes the version, and why: --by WHO --reason WHY",
        )  # fmt: skip
    return text.strip()
