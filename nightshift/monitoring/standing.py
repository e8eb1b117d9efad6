"""The model version that stands, with what it is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nightshift.drift.codec import from_json
from nightshift.drift.profile import Profile
from nightshift.evaluation.reference import PROFILE
from nightshift.performance.reference import PERFORMANCE, Reference
from nightshift.scoring.scorer import Scorer
from nightshift.trained import ModelVersion


@dataclass(frozen=True)
class Standing:
    """A model version, ready to score, and how its rows and its scores were when it was made.

    Attributes:
        profile: of the rows it learnt from and of its scores; None of a version that was made without one.
        performance: how it did on its holdout, overall and by segment.
    """

    version: ModelVersion
    scorer: Scorer
    profile: Profile | None
    performance: Reference

    @classmethod
    def load(cls, version: ModelVersion, folder: Path, monitoring: Path | None) -> Standing:
        """Read a version's files.

        Args:
            folder: its live model.
            monitoring: its profile and its performance; None of a version that was made without them.

        Raises:
            DataRefusedError: a file is missing or is not the one that was saved.
        """
        scorer = Scorer.load(folder, version.model_sha256)
        if monitoring is None:
            return cls(version, scorer, None, Reference.of_metrics(version.metrics["holdout"]))
        path = monitoring / PROFILE
        profile = from_json(path.read_bytes(), where=str(path)) if path.exists() else None
        return cls(version, scorer, profile, Reference.load(monitoring / PERFORMANCE))

    @property
    def importance(self) -> dict[str, float]:
        """Each feature's share of the model's importance; all equal in a model that uses none."""
        found = {name: max(value, 0.0) for name, value in self.scorer.model.importance().items()}
        total = sum(found.values())
        return {name: value / total if total else 1 / len(found) for name, value in found.items()}
