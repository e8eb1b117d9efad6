"""Step: from a candidate to its metrics on rows it did not learn from."""

from __future__ import annotations

from prefect import task

from nightshift.evaluation.evaluate import evaluate as evaluate_candidate
from nightshift.learners.train import restore_trained
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import Candidate, Evaluation
from tasks.origin import with_origin
from tasks.policy import cached_step
from tasks.publish import publish_evaluation

_CODE = ("nightshift.evaluation", "nightshift.scoring", "nightshift.drift", "nightshift.performance")


@task(name="evaluate", **cached_step("evaluate", *_CODE))
def evaluate(project: Project, candidate: Candidate, snapshot: Snapshot, mark: str) -> Evaluation:
    """Measure the candidate and a trivial baseline, overall and by slice."""
    settings = Settings()
    candidate = with_origin(candidate, settings)
    restore_trained(project, candidate, snapshot, settings)
    evaluation = evaluate_candidate(project, candidate, snapshot, settings)
    publish_evaluation(project, snapshot, evaluation)
    return evaluation
