"""Step: from accepted rows to a trained candidate."""

from __future__ import annotations

from prefect import task

from nightshift.learners.train import train
from nightshift.records import Candidate, Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from tasks.policy import cached_step


@task(name="train", **cached_step("train", "nightshift.learners", "nightshift.dataset"))
def fit(project: Project, snapshot: Snapshot, mark: str) -> Candidate:
    """Train the declared learner on the split before as-of."""
    return train(project, snapshot, mark, Settings())
