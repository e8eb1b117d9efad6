"""Step: from accepted rows to a trained candidate."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from threading import Thread

from prefect import task

from nightshift.learners.registry import learner
from nightshift.learners.train import train
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import Candidate, OriginModel
from tasks.policy import cached_step

logger = logging.getLogger(__name__)


@task(name="train", **cached_step("train", "nightshift.learners", "nightshift.dataset"))
def fit(
    project: Project, snapshot: Snapshot, mark: str, origin: OriginModel | None = None, fresh: bool = False
) -> Candidate:
    """Train the declared learner on the split before as-of, from where it was cut short unless it is to be fresh."""
    settings = Settings()
    # Its library is imported here, so that no two threads import the same modules.
    learner(project.learner.kind)
    # MLflow and the plots take a second and a half to import. The learner leaves the interpreter alone while it works.
    opened = _beside(lambda: _open_registry(settings))
    candidate = train(project, snapshot, mark, settings, origin, fresh=fresh)
    # Not waited for when training was interrupted: a signal in the middle of an import leaves the interpreter's
    # import lock with the main thread, and the other one would never end.
    if (error := opened.exception()) is not None:
        logger.info("train: the registry could not be opened yet, which is tried again: %s", error)
    return candidate


def _beside(work: Callable[[], None]) -> Future[None]:
    """Start `work` in a thread that nobody has to wait for."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
            done.set_result(None)
        except Exception as error:  # noqa: BLE001 - handed to whoever asks for the result
            done.set_exception(error)

    Thread(target=run, name="registry", daemon=True).start()
    return done


def _open_registry(settings: Settings) -> None:
    import_module("registry.register")
    import_module("matplotlib.backends.backend_agg")
    from registry.tracking import open_client

    open_client(settings)
