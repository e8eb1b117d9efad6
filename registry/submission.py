"""Everything that a model version is made of."""

from __future__ import annotations

from dataclasses import dataclass

from nightshift.records import Snapshot
from nightshift.spec.project import Project, digest
from nightshift.trained import Candidate, Evaluation


@dataclass(frozen=True)
class Submission:
    """Everything that a version is made of."""

    project: Project
    snapshot: Snapshot
    candidate: Candidate
    evaluation: Evaluation

    @property
    def mark(self) -> str:
        """The same candidate from the same data and declaration has the same mark, and is registered once."""
        return digest(
            self.candidate.model_sha256,
            self.candidate.live_sha256,
            self.candidate.spec_hash,
            self.snapshot.digest,
            self.snapshot.as_of.isoformat(),
        )

    @property
    def subtitle(self) -> str:
        """What its plots are about."""
        return f"{self.project.name}, holdout {self.project.split_before(self.snapshot.as_of).holdout}"
