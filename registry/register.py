"""Make a version of a candidate: its run in MLflow, its files, and its place among the aliases."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException

from nightshift.errors import DataRefusedError
from nightshift.evaluation.compare import Comparison, compare, fair_rival
from nightshift.evaluation.restore import restore
from nightshift.learners.train import MODEL
from nightshift.locks import only_one
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.trained import ModelVersion
from registry.listing import OtherVersion
from registry.origin import with_origin
from registry.promote import ACTIVITY, PROMOTING, Move, carry_out, finish
from registry.promotion import Promotion, cannot_score, decide, is_older
from registry.run import MODEL_ARTIFACT, log_run, plain_tags
from registry.served import CHAMPION, served
from registry.submission import Submission
from registry.tracking import mlflow_faults
from registry.versions import MARK, RECORD, SETTLED, Versions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registration:
    """A version, whether it was made just now, and the folder with its plots (empty when it was there before)."""

    version: ModelVersion
    is_new: bool
    plots: tuple[Path, ...]


def register(submission: Submission, settings: Settings, by: str = "train") -> Registration:
    """Make a version of a candidate and promote it when it is not worse than the champion. Doing it twice does it once.

    Args:
        by: the flow that asks for it, for the audit.

    Raises:
        OutsideError: MLflow or its storage failed; run it again, it goes on where it was.
    """
    name = submission.project.name
    versions = Versions.of(name, settings)
    finish(versions)
    # Held from the comparison on: the champion that the candidate is compared with is the one that gives way.
    with only_one(ACTIVITY, name, settings), mlflow_faults(settings):
        known = _find(versions, submission.mark)
        if known is not None:
            _settle(versions, known, by)
            logger.info("register: version %d was registered before", known.version)
            return Registration(versions.chosen(str(known.version)), False, ())
        started = time.perf_counter()
        candidate = with_origin(submission.candidate, settings)
        restore(submission.project, candidate, submission.snapshot, settings)
        decision = _compare(submission, versions, settings)
        version, plots = _create(submission, decision, by, versions, settings)
        _settle(versions, version, by)
        logger.info(
            "register: version %d %s: %s, in %.1f s",
            version.version, _fate(decision),
            "; ".join(decision.reasons), time.perf_counter() - started,
        )  # fmt: skip
        _remember(versions, settings)
        return Registration(versions.chosen(str(version.version)), True, plots)


def _fate(decision: Promotion) -> str:
    if decision.promote:
        return "is champion"
    return "waits for a person" if decision.waits else "is kept, not promoted"


def _remember(versions: Versions, settings: Settings) -> None:
    """Look the champion up once more, so that predicting need not ask MLflow."""
    if not isinstance(versions.holder(CHAMPION), ModelVersion):
        return
    try:
        served(versions.project, CHAMPION, settings)
    except DataRefusedError as error:  # its files are gone, which predicting will say; what was made stands
        logger.warning("register: the champion cannot be served: %s (%s)", error.what, error.where)


def _find(versions: Versions, mark: str) -> ModelVersion | None:
    found = versions.client.search_model_versions(
        f"name = '{versions.project}' AND tags.`{MARK}` = '{mark}'", max_results=1
    )
    # One whose record was damaged since is made again.
    known = versions.read(found[0], {}) if found else None
    return known if isinstance(known, ModelVersion) else None


def _compare(submission: Submission, versions: Versions, settings: Settings) -> Promotion:
    """Measure the champion beside the candidate, on holdout rows that neither has learnt from, and decide."""
    champion = versions.holder(CHAMPION)
    if champion is None:
        return decide(submission.evaluation, None, None)
    if isinstance(champion, OtherVersion):
        obstacle = f"the champion, version {champion.version}, {champion.why}"
        return decide(submission.evaluation, champion.version, None, obstacle)
    project, candidate, snapshot = submission.project, submission.candidate, submission.snapshot
    if snapshot.as_of < champion.as_of:
        return decide(submission.evaluation, champion.version, None, is_older(champion, snapshot.as_of))
    rival = fair_rival(project, candidate, champion, project.split_before(snapshot.as_of).holdout.start)
    ours = Scorer.load(Path(candidate.path) / MODEL, candidate.model_sha256)
    comparison: Comparison | None = None
    obstacle = ""
    try:
        theirs = versions.evaluated_scorer(champion) if rival.is_evaluated else versions.scorer(champion)
        comparison = compare(project, ours, theirs, rival, snapshot, settings)
    except DataRefusedError as error:
        obstacle = cannot_score(champion.version, error.what)
        logger.warning("register: %s", obstacle)
    return decide(submission.evaluation, champion.version, comparison, obstacle)


def _create(
    submission: Submission, decision: Promotion, by: str, versions: Versions, settings: Settings
) -> tuple[ModelVersion, tuple[Path, ...]]:
    client, project = versions.client, submission.project
    record, plots = log_run(submission, decision, client, settings)
    try:
        client.create_registered_model(
            project.name, description=f"{project.purpose}\n\nOwner: {project.owner}"
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # The version carries from its first moment on what is meant with it.
    meant = {PROMOTING: _move(versions, record, by).model_dump_json()} if decision.promote else {}
    made = client.create_model_version(
        project.name,
        f"runs:/{record.run_id}/{MODEL_ARTIFACT}",
        run_id=record.run_id,
        tags={RECORD: record.model_dump_json(), MARK: submission.mark, **plain_tags(record), **meant},
        description="; ".join(decision.reasons),
    )
    client.set_terminated(record.run_id)
    return record.model_copy(update={"version": int(made.version)}), plots


def _settle(versions: Versions, version: ModelVersion, by: str) -> None:
    """Promote what is to be promoted, once; safe to repeat after a kill between any two of its calls."""
    client, name, number = versions.client, versions.project, str(version.version)
    tags = client.get_model_version(name, number).tags
    if tags.get(SETTLED) == "true":
        return
    if not version.promoted:
        client.set_model_version_tag(name, number, SETTLED, "true")
        return
    meant = tags.get(PROMOTING)
    carry_out(versions, version, Move.model_validate_json(meant) if meant else _move(versions, version, by))


def _move(versions: Versions, version: ModelVersion, by: str) -> Move:
    return Move.meant(versions.holder(CHAMPION), by, "; ".join(version.reasons))
