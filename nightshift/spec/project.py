"""The declaration of one model: what project.yaml may say, frozen and strict."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from nightshift.records import Split, Window
from nightshift.spec.declaration import Column, Declaration, is_recorded
from nightshift.spec.drift import Drift
from nightshift.spec.durations import Duration
from nightshift.spec.learner import Learner, LightGBM
from nightshift.spec.lightgbm_values import check_of_label
from nightshift.spec.night import Night
from nightshift.spec.tune import Tune

Kind = Literal["binary", "multiclass", "regression"]
NAME_PATTERN = r"[a-z0-9]+(?:[-_][a-z0-9]+)*"


class FilesSource(Declaration):
    """Parquet, CSV or JSON-lines files: a path, a folder, or a glob, with hive partitions as columns."""

    kind: Literal["files"]
    uri: str
    format: Literal["auto", "parquet", "csv", "jsonl"] = "auto"


class DeltaSource(Declaration):
    """A Delta table, at its newest version or at a fixed one."""

    kind: Literal["delta"]
    uri: str
    version: int | None = Field(default=None, ge=0)


Source = Annotated[FilesSource | DeltaSource, Field(discriminator="kind")]


class Label(Declaration):
    """What the model learns to tell, and how long after the event it is known."""

    column: Column
    kind: Kind
    known_after: Duration | None = None


class Dataset(Declaration):
    """How rows are made: one row a prediction."""

    sql: str = "dataset.sql"
    key: tuple[Column, ...] = Field(min_length=1)
    event_time: Column
    label: Label
    exclude: tuple[Column, ...] = ()
    weight: Column | None = None
    units: dict[str, str] = Field(default_factory=dict)


class Quality(Declaration):
    """What rows must satisfy, beside what is inferred from the key, the event time and the label."""

    freshness: Duration | None = None
    rules: tuple[str, ...] = ()
    max_refused: float = Field(default=0.5, gt=0, le=1)
    beyond_float32: Literal["clip", "quarantine"] = "clip"

    @model_serializer(mode="wrap")
    def _without_what_is_new(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A declaration that does not name a key that came later keeps its digest, and so its rows and versions."""
        written: dict[str, Any] = serialize(self)
        if self.beyond_float32 == "clip":
            del written["beyond_float32"]
        return written


class SplitSpec(Declaration):
    """Lengths of the three windows before as-of, in time order."""

    train: Duration = Field(default="180d", validate_default=True)
    validate_: Duration = Field(default="14d", validate_default=True, alias="validate")
    holdout: Duration = Field(default="14d", validate_default=True)


class Evaluate(Declaration):
    """The metric that decides, and the columns whose values are looked at one by one."""

    metric: str | None = None
    slices: tuple[Column, ...] = ()


class Gates(Declaration):
    """Changes to the gates that are on by default."""


class Project(Declaration):
    """One declared model: project.yaml together with the text of its SQL file."""

    name: str
    purpose: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    sources: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Source] = Field(min_length=1)
    dataset: Dataset
    quality: Quality = Quality()
    split: SplitSpec = SplitSpec()
    learner: Learner = LightGBM(kind="lightgbm")
    evaluate: Evaluate = Evaluate()
    refit: bool = False
    gates: Gates = Gates()
    drift: Drift = Drift()
    tune: Tune = Tune()
    night: Night | None = None
    sql_text: str = Field(default="", exclude=True, repr=False)

    @field_validator("name")
    @classmethod
    def _is_a_plain_name(cls, name: str) -> str:
        if not re.fullmatch(NAME_PATTERN, name):
            raise ValueError(
                f"{name!r} is no project name: lower-case letters, digits and single dashes only"
            )
        return name

    @model_validator(mode="after")
    def _columns_have_one_role(self) -> Self:
        # The event time may be part of the key: one row a customer and day.
        roles = [*dict.fromkeys([*self.dataset.key, self.dataset.event_time]), self.dataset.label.column]
        roles += [name for name in self.dataset.key if self.dataset.key.count(name) > 1]
        if self.dataset.weight:
            roles.append(self.dataset.weight)
        twice = {column for column in roles if roles.count(column) > 1}
        if twice:
            raise ValueError(
                f"column {min(twice)!r} has more than one role among key, event_time, label and weight"
            )
        return self

    @model_validator(mode="after")
    def _parameters_fit_the_label(self, info: ValidationInfo) -> Self:
        if isinstance(self.learner, LightGBM) and not is_recorded(info):
            check_of_label(self.learner.params, self.label.kind)
        return self

    @model_validator(mode="after")
    def _some_night_may_train(self) -> Self:
        quiet = self.drift.quiet_hours
        if self.night and quiet and all(quiet.covers(at) for at in self.night.times_of_day()):
            raise ValueError(
                f"every night of {self.night.schedule!r} begins in drift.quiet_hours "
                f"({quiet.start:%H:%M} to {quiet.end:%H:%M}), so none could ever retrain"
            )
        return self

    @property
    def label(self) -> Label:
        """The declared label."""
        return self.dataset.label

    @property
    def segments(self) -> tuple[str, ...]:
        """The columns by whose values a night is looked at: `drift.segments`, by default `evaluate.slices`."""
        return self.evaluate.slices if self.drift.segments is None else self.drift.segments

    @property
    def spec_hash(self) -> str:
        """SHA-256 of the declaration and its SQL, with `${VAR}` left as written: the same on every machine.

        Without `tune`: how a search is done says nothing of the model, and changing it trains nothing again.
        """
        return digest(self.model_dump(mode="json", by_alias=True, exclude={"tune"}), self.sql_text)

    def split_before(self, as_of: datetime) -> Split:
        """The train, validate and holdout windows that end at `as_of`."""
        holdout = Window.until(as_of, self.split.holdout)
        validate = Window.until(holdout.start, self.split.validate_)
        return Split(
            train=Window.until(validate.start, self.split.train), validate_=validate, holdout=holdout
        )

    def feature_columns(self, columns: list[str]) -> list[str]:
        """Those of `columns` that the model sees: all without another role."""
        roles = {*self.dataset.key, self.dataset.event_time, self.label.column, *self.dataset.exclude}
        return [column for column in columns if column not in roles and column != self.dataset.weight]


def digest(*parts: object) -> str:
    """SHA-256 of JSON-ready values, independent of key order."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
