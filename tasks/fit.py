"""Step: from accepted rows to a trained candidate."""

from __future__ import annotations

from importlib import import_module
from threading import Thread

from prefect import task

from nightshift.learners.registry import learner
from nightshift.learners.train import train
from nightshift.records import Candidate, Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from tasks.policy import cached_step


@task(name="train", **cached_step("train", "nightshift.learners", "nightshift.dataset"))
def fit(project: Project, snapshot: Snapshot, mark: str) -> Candidate:
    """Train the declared learner on the split before as-of."""
    settings = Settings()
    # Its library is imported here, so that no two threads import the same modules.
    learner(project.learner.kind)
    # MLflow and the plots take a second and a half to import. The learner leaves the interpreter alone while it
    # works. Whatever fails here fails again, and is told, in the step that registers.
    beside = Thread(target=_open_registry, args=(settings,), name="registry", daemon=True)
    beside.start()
    candidate = train(project, snapshot, mark, settings)
    # Not waited for when training was interrupted: a signal in the middle of an import leaves the interpreter's
    # import lock with the main thread, and the other one would never end.
    beside.join()
    return candidate


def _open_registry(settings: Settings) -> None:
    import_module("registry.register")
    import_module("matplotlib.backends.backend_agg")
    from registry.tracking import open_client

    open_client(settings)
