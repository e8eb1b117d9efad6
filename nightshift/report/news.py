"""What of a night is worth telling: only what changed, so that one trouble is told once, and its end once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args

from pydantic import Field

from nightshift.findings import Night
from nightshift.records import Record
from nightshift.report.words import headline, reasons

Kind = Literal["drift", "retrained", "promoted", "refused", "data-refused", "failed", "recovered"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class News(Record):
    """One thing to tell of a project's night.

    Attributes:
        kind: what happened; the event is called `nightshift.KIND`.
        as_of: the night's moment; the same news of the same night is sent once.
        words: one line for a person.
        details: small and plain: versions, causes.
    """

    kind: Kind
    project: str
    as_of: datetime
    words: str
    details: dict[str, Any] = Field(default_factory=dict)

    @property
    def event(self) -> str:
        """The event's name."""
        return f"nightshift.{self.kind}"

    @property
    def payload(self) -> dict[str, Any]:
        """What listeners get: small, and JSON-ready."""
        return {
            "project": self.project,
            "as_of": self.as_of.isoformat(),
            "subject": f"{self.project}: {self.kind.replace('-', ' ')}",
            "words": self.words,
            **self.details,
        }


def news_of(night: Night, before: Night | None) -> tuple[News, ...]:
    """What to tell of a night, knowing the one before it, or an earlier attempt at the same night.

    Drift is told when a retrain is decided for it; a failure, or refused data, when the night before had not the
    same trouble; and a recovery on the first good night after. A retrain ends in either `retrained` and `promoted`,
    or `refused`.
    """
    kinds: list[Kind] = []
    trouble, was = _trouble(night), _trouble(before)
    if trouble is not None and trouble != was:
        kinds.append(trouble)
    if trouble is None and was is not None:
        kinds.append("recovered")
    if trouble is None and night.decision.action == "retrain":
        kinds.append("drift")
    if night.trained is not None:
        kinds += ["retrained", "promoted"] if night.promoted else ["refused"]
    return tuple(_told(kind, night) for kind in kinds)


def _trouble(night: Night | None) -> Literal["failed", "data-refused"] | None:
    if night is None:
        return None
    if night.decision.action == "hold":
        return "data-refused"
    return "failed" if night.state == "failed" else None


def _told(kind: Kind, night: Night) -> News:
    details: dict[str, Any] = {"causes": list(night.decision.causes), "champion": night.champion}
    if night.trained is not None:
        details["version"] = night.trained
    return News(
        kind=kind, project=night.project, as_of=night.as_of, words=_line(kind, night), details=details
    )


def _line(kind: Kind, night: Night) -> str:
    why = reasons(night)
    match kind:
        case "refused" if night.waits:
            return " ".join((headline(night), *why[-1:]))  # what to do comes last
        case "recovered":
            return "The night went well again."
        case "drift" | "data-refused" if why and night.state == "done":
            return why[0]  # a decision says by itself what it is
        case _:
            return " ".join((headline(night), *why[:1]))
