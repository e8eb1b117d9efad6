"""Make again what is missing of a candidate's folder: scratch files may go at any time."""

from __future__ import annotations

from pathlib import Path

from nightshift.evaluation.evaluate import HOLDOUT, evaluate
from nightshift.evaluation.reference import MONITORING, PROFILE
from nightshift.learners.refit import REFIT, refit
from nightshift.learners.train import is_complete, restore_trained
from nightshift.performance.reference import PERFORMANCE
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import Candidate


def restore(project: Project, candidate: Candidate, snapshot: Snapshot, settings: Settings) -> None:
    """Train, evaluate and refit again, each only if what it made is gone; the same rows give the same files."""
    restore_trained(project, candidate, snapshot, settings)
    folder = Path(candidate.path)
    evaluated = (folder / HOLDOUT, folder / MONITORING / PROFILE, folder / MONITORING / PERFORMANCE)
    if not all(path.is_file() for path in evaluated):
        evaluate(project, candidate, snapshot, settings)
    if candidate.refit_goes_live and not is_complete(folder / REFIT):
        refit(project, candidate, snapshot, settings)
