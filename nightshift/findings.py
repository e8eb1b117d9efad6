"""What monitoring finds and decides: frozen records, like those in `records`, that say how a window was."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from nightshift.records import Metrics, Record, Window

Family = Literal["feature", "prediction", "label", "volume", "multivariate", "realised", "estimated"]
Action = Literal["retrain", "watch", "hold"]


class Signal(Record):
    """One drift or performance measure of a window; a decision is made from signals.

    Attributes:
        name: the measure, such as `psi`.
        family: what it looks at.
        column: the column it looks at; empty for the window as a whole.
        segment: `origin=JFK`, or empty for all rows.
        value: the effect, in the measure's own unit; None when there are too few rows to say.
        effect_floor: the least effect that matters.
        p_value: how likely an effect of this size is without drift; None when there are too few rows.
        alarm: the effect is over its floor and its p-value survives the correction for many tests.
        weight: the column's share of the champion's importance, 0 to 1; 1 for what is no feature.
        note: why there is no value, or what to know about it, in words.
    """

    name: str
    family: Family
    column: str = ""
    segment: str = ""
    value: float | None
    effect_floor: float
    p_value: float | None
    alarm: bool
    weight: float = 1.0
    note: str = ""


class Realised(Record):
    """How good the predictions of a window turned out, as far as labels are known.

    Attributes:
        window: the predictions' event times.
        metric: the one that decides.
        metrics: every metric of the label's kind, on the rows with a label.
        expected: the same metrics on the holdouts of the versions that made the predictions.
        rows: predictions in the window.
        labelled: how many of them have a label by now.
        loss: how much worse than expected the deciding metric is, in its own unit; below zero when better.
        loss_interval: the 95 % interval of `loss`; None when there are too few labels to say.
    """

    window: Window
    metric: str
    metrics: Metrics
    expected: Metrics
    rows: int
    labelled: int
    loss: float | None
    loss_interval: tuple[float, float] | None

    @property
    def coverage(self) -> float:
        """The share of the predictions whose label is known."""
        return self.labelled / self.rows if self.rows else 0.0


class Estimated(Record):
    """How good predictions are thought to be while their labels are not known.

    Attributes:
        method: `cbpe` (binary, multiclass) or `dle` (regression).
        assumption: what has to hold for the estimate to be right, in words.
        loss: as in `Realised`, of the estimate.
        error: estimate less realised value of the deciding metric, where both are known by now; None before.
    """

    window: Window
    metric: str
    method: Literal["cbpe", "dle"]
    assumption: str
    metrics: Metrics
    expected: Metrics
    rows: int
    loss: float | None
    loss_interval: tuple[float, float] | None
    error: float | None = None


class Decision(Record):
    """What a night decided, and why.

    Attributes:
        action: train a candidate, look on, or touch nothing because the data cannot be trusted.
        reasons: sentences a person reads, the weightiest first.
        causes: what stood, as stable keys such as `drift:temp`, what tripped first; `decision.evidence.tripped` tells
            which.
        numbers: what was compared, by name.
    """

    action: Action
    reasons: tuple[str, ...]
    causes: tuple[str, ...] = ()
    numbers: dict[str, float | None] = Field(default_factory=dict)


class Night(Record):
    """One night of a project as its row in the lake's `decisions` says it: every night has one, also a quiet one.

    Attributes:
        as_of: the night's moment; with the project, its key.
        window: the event times it looked at.
        state: `done`, or `failed` with the error in one line and what to do.
        champion: the version that stood when the night began; None before the first.
        trained: the version trained this night, if one was.
        promoted: whether that became champion.
        rows_in: the rows that came in: `rows_scored`, `rows_quarantined` and `rows_outside` together, the last by why;
            None where nothing was predicted, and of nights of old.
        waits: whether that waits for a person, because it could not be compared with the champion.
        finished_at: the real clock's time, UTC.
    """

    project: str
    as_of: datetime
    window: Window
    state: Literal["done", "failed"]
    decision: Decision
    champion: int | None = None
    trained: int | None = None
    promoted: bool = False
    waits: bool = False
    rows_in: int | None = None
    rows_scored: int | None = None
    rows_quarantined: int | None = None
    rows_outside: dict[str, int] = Field(default_factory=dict)
    error: str = ""
    run_id: str = ""
    seconds: float = 0.0
    finished_at: datetime
