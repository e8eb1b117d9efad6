"""A search's trials in Optuna's database: found again by another process, whatever became of the one before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from nightshift.atomic import disk_faults
from nightshift.errors import DataRefusedError, RequestError, TransientError
from nightshift.settings import Settings
from nightshift.tuning.found import Tried

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.samplers import BaseSampler

RECORD = "nightshift"
_STARTUP_TRIALS = 8


@contextmanager
def storage_faults(settings: Settings) -> Iterator[None]:
    """Turn what the database raises into errors that say where and what to do."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    where = settings.tuning_uri.rpartition("@")[2]  # what stands before it may be a password
    try:
        yield
    except (ArgumentError, ImportError) as error:
        raise RequestError(
            f"searches cannot be kept there: {error}", where=where,
            remedy="correct NIGHTSHIFT_TUNING_STORAGE, or leave it out",
        ) from error  # fmt: skip
    except (StorageInternalError, SQLAlchemyError) as error:
        raise TransientError(
            f"the database of searches failed: {str(error).splitlines()[0]}", where=where,
            remedy="look at the database, then run the same command again: the search goes on",
        ) from error  # fmt: skip


def found_study(name: str, *, greater_is_better: bool, settings: Settings) -> tuple[Study, list[Tried]]:
    """The study of this name, see `open_study`, and its trials that came to an end.

    Raises:
        DataRefusedError: what the database holds is no search: Optuna keeps JSON, and believes it.
    """
    try:
        study = open_study(name, greater_is_better=greater_is_better, settings=settings)
        return study, tried_in(study)
    except (ValueError, KeyError, TypeError) as error:
        raise DataRefusedError(
            f"the database of searches holds what is no search: {type(error).__name__}: {str(error).splitlines()[0]}",
            where=settings.tuning_uri.rpartition("@")[2],
            remedy="restore the database, or move it away: searches begin anew",
        ) from error  # fmt: skip


def open_study(name: str, *, greater_is_better: bool, settings: Settings) -> Study:
    """The study of this name, made on first use; trials that a killed process left are put back into the queue.

    Only one process works on a project's search at a time: see `nightshift.locks.only_one`.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with disk_faults(settings.home_path):
        settings.home_path.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=settings.tuning_uri,
        study_name=name,
        direction="maximize" if greater_is_better else "minimize",
        load_if_exists=True,
    )
    for left in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(left.number, state=optuna.trial.TrialState.FAIL)
        if left.params:
            study.enqueue_trial(left.params)
    return study


def tried_in(study: Study) -> list[Tried]:
    """The trials that came to an end, in order."""
    ended = (
        one.user_attrs.get(RECORD) for one in study.get_trials(deepcopy=False) if one.state.is_finished()
    )
    return [Tried.model_validate(record) for record in ended if record is not None]


def end(study: Study, trial: Trial, tried: Tried) -> None:
    """Write down what came of a trial; what is cut short in between counts as not tried."""
    from optuna.trial import TrialState

    trial.set_user_attr(RECORD, tried.model_dump(mode="json"))
    if tried.state == "complete":
        study.tell(trial, tried.value)
    else:
        study.tell(trial, state=TrialState.PRUNED if tried.state == "pruned" else TrialState.FAIL)


def sampler(seed: int, place: int) -> BaseSampler:
    """What draws the trial at this place: the same trials come, in however many processes the search is done.

    Bergstra et al., Algorithms for Hyper-Parameter Optimization, NIPS 2011: the tree-structured Parzen estimator.
    """
    from optuna.samplers import TPESampler

    drawn = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
    return TPESampler(seed=drawn, n_startup_trials=_STARTUP_TRIALS, multivariate=False)
