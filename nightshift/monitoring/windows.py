"""The windows of one night: what it predicts, what it looks at for drift, and whose labels have come in."""

from __future__ import annotations

from datetime import datetime

from nightshift.records import Record, Window
from nightshift.spec.project import Project


class NightWindows(Record):
    """The windows of the night at `as_of`, in event time.

    Attributes:
        predicted: rows since the night before, to be scored.
        looked_at: the newest `drift.window` of rows, compared with the reference.
        reviewed: the newest `drift.window` of predictions whose labels can be known by now.
    """

    as_of: datetime
    predicted: Window
    looked_at: Window
    reviewed: Window

    @classmethod
    def of(cls, project: Project, as_of: datetime, since: datetime) -> NightWindows:
        """The windows of the night at `as_of`, when the one before was at `since`."""
        looked_at = Window.until(as_of, project.drift.window)
        known_after = project.label.known_after
        reviewed_until = as_of if known_after is None else as_of - known_after
        return cls(
            as_of=as_of,
            predicted=Window(start=since, end=as_of),
            looked_at=looked_at,
            reviewed=Window.until(reviewed_until, project.drift.window),
        )

    @property
    def whole(self) -> Window:
        """All of them: late labels too come in with the rows they belong to."""
        start = min(self.predicted.start, self.looked_at.start, self.reviewed.start)
        return Window(start=start, end=self.as_of)
