"""What training makes, as frozen records: a candidate, its evaluation, and the version that is made of both."""

from __future__ import annotations

from datetime import datetime

from nightshift.records import Cost, Metrics, Record, Window


class Refit(Record):
    """The evaluated recipe trained once more on every row known at as-of, and whether it agrees with that model.

    Attributes:
        model_sha256: of the refitted model.
        learnt_until: end of the event times of the rows it learnt from.
        rows: how many they are.
        rounds: as many as the evaluated model keeps.
        goes_live: it agrees with the evaluated model; else the evaluated model goes live.
        reasons: the comparison in words.
        numbers: what was compared, on the holdout rows, by name.
    """

    model_sha256: str
    learnt_until: datetime
    rows: int
    rounds: int
    goes_live: bool
    reasons: tuple[str, ...]
    numbers: Metrics
    seconds: float
    cost: Cost | None = None


class Resumed(Record):
    """Where a training went on that was cut short: the checkpoint's name, and how far it was."""

    checkpoint: str
    progress: str


class OriginModel(Record):
    """The model that a training begins with, as it was found.

    Attributes:
        project, version: of a registered version, its number; empty and 0 of a file.
        path: the folder with the model's files, or the file.
        sha256: of the model.
    """

    project: str = ""
    version: int = 0
    path: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.project} version {self.version}" if self.project else self.path


class HowTrained(Record):
    """How a training went: what a candidate has of it, and the version that is made of the candidate.

    Attributes:
        ended: why training ended, in words.
        spent_at: the rounds or epochs after which the budget was spent, where that is what ended it.
        notes: what a person should know of the training: recoveries, what was taken over from another model.
        resumed_from: where it went on, if it had been cut short.
        checkpoints: how many were written.
        checkpoint: the state that the model is of: `round 120 of 500`.
        origin: the model that training began with, if any.
        cost: None in records of old.
    """

    ended: str = ""
    spent_at: float | None = None
    notes: tuple[str, ...] = ()
    resumed_from: Resumed | None = None
    checkpoints: int = 0
    checkpoint: str = ""
    origin: OriginModel | None = None
    cost: Cost | None = None


class Candidate(HowTrained):
    """A trained model's folder, not yet a version.

    Attributes:
        model_sha256: of the model that is evaluated.
        learnt_until: end of the event times whose labels had a part in it; those of `validate` chose its rounds.
        refit: the model trained once more on all that is known, if the project asks for it.
    """

    project: str
    path: str
    model_sha256: str
    spec_hash: str
    seed: int
    rounds: int
    best_round: int
    rows: dict[str, int]
    unlabelled: int
    features: tuple[str, ...]
    seconds: float
    learnt_until: datetime | None = None
    refit: Refit | None = None

    @property
    def whole_cost(self) -> Cost | None:
        """What training and refitting took together."""
        if self.cost is None or self.refit is None or self.refit.cost is None:
            return self.cost
        return self.cost.followed_by(self.refit.cost)

    @property
    def refit_goes_live(self) -> bool:
        """Whether the refitted model, and not the evaluated one, is what will be served."""
        return self.refit is not None and self.refit.goes_live

    @property
    def live_sha256(self) -> str:
        """The SHA-256 of the model that will be served."""
        return (
            self.refit.model_sha256 if self.refit is not None and self.refit.goes_live else self.model_sha256
        )

    @property
    def live_until(self) -> datetime | None:
        """End of the event times whose labels had a part in the model that will be served."""
        return (
            self.refit.learnt_until if self.refit is not None and self.refit.goes_live else self.learnt_until
        )


class Evaluation(Record):
    """A candidate's and a trivial baseline's metrics by part (`train`, `validate`, `holdout`)."""

    project: str
    metric: str
    greater_is_better: bool
    metrics: dict[str, Metrics]
    baseline: Metrics
    slices: dict[str, dict[str, Metrics]]
    path: str
    seconds: float


class ModelVersion(HowTrained):
    """A registered version of a project's model, and all that leads back from it.

    Attributes:
        model_sha256: of the live model, the one that is served.
        metrics: of the evaluated model, on rows it did not learn from.
        learnt_until: end of the event times whose labels had a part in the live model; None in records of old.
        evaluated_until: the same of the evaluated model.
        evaluated_sha256: of the evaluated model; the live one's unless a refitted model went live.
        promoted: it was made champion, by the gate or by a person.
        refit: how the refit went, if the project asks for it.
        waits: no gate could tell whether it may be champion: a person has to, or, where it is champion, has said so.
    """

    project: str
    version: int
    run_id: str
    aliases: tuple[str, ...] = ()
    created_at: datetime
    as_of: datetime
    window: Window
    data_table: str
    data_version: int
    data_digest: str
    spec_hash: str
    commit: str
    seed: int
    model_sha256: str
    metrics: dict[str, Metrics]
    baseline: Metrics
    promoted: bool
    reasons: tuple[str, ...]
    learnt_until: datetime | None = None
    evaluated_until: datetime | None = None
    evaluated_sha256: str = ""
    refit: Refit | None = None
    waits: bool = False

    @property
    def evaluated_checksum(self) -> str | None:
        """The SHA-256 of the evaluated model; None of a refitted version that is too old to have recorded it."""
        return self.evaluated_sha256 or (None if self.is_refitted else self.model_sha256)

    @property
    def is_refitted(self) -> bool:
        """Whether a refitted model is live, with the evaluated one kept beside it."""
        return self.refit is not None and self.refit.goes_live

    @property
    def how_to_promote(self) -> str:
        """The command that makes it champion."""
        return f"nightshift promote {self.project} {self.version} --by WHO --reason WHY"
