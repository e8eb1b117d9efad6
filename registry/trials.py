"""A search in MLflow: one run for all of it, and a nested one for each trial. Doing it twice does it once."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from nightshift.records import format_time
from nightshift.settings import Settings
from nightshift.tuning.found import Found, Tried
from registry.search_plots import parallel_coordinates, search_history
from registry.tracking import experiment_id, mlflow_faults, open_client

STUDY, TRIAL = "nightshift.study", "nightshift.trial"
_PARENT = "mlflow.parentRunId"


class SearchRuns:
    """The runs of one search: opened once, and told of its trials as they end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: MlflowClient | None = None
        self._parent = ""
        self._logged: set[str] = set()

    def log_trials(self, found: Found) -> tuple[MlflowClient, str]:
        """Log the trials that are not there yet; the client, and the run of the whole search.

        Raises:
            OutsideError: MLflow or its storage failed.
        """
        client = self._client or open_client(self._settings)
        with mlflow_faults(self._settings):
            experiment = experiment_id(client, found.project, self._settings)
            if self._client is None:
                self._parent = _parent(client, experiment, found)
                self._logged = _logged(client, experiment, self._parent)
                self._client = client
            for tried in found.tried:
                if str(tried.trial) not in self._logged:
                    _log_trial(client, experiment, self._parent, found, tried)
                    self._logged.add(str(tried.trial))
        return client, self._parent


def log_search(found: Found, diff: str, settings: Settings) -> tuple[str, tuple[bytes, ...]]:
    """Log the trials that are not there yet, and the search with its plots and its diff.

    Returns:
        The run of the whole search, and its plots as PNG.

    Raises:
        OutsideError: MLflow or its storage failed; run it again, it goes on where it was.
    """
    client, parent = SearchRuns(settings).log_trials(found)
    with mlflow_faults(settings):
        now, best = int(time.time() * 1000), found.best
        client.log_batch(
            parent,
            [
                Metric(f"best_{found.metric}", best.value or 0.0, now, len(found.tried)),
                Metric(f"declared_{found.metric}", found.declared.value or 0.0, now, len(found.tried)),
                Metric("trials", float(len(found.tried)), now, len(found.tried)),
                Metric("pruned", float(found.count("pruned")), now, len(found.tried)),
            ],
            # Tags, for a parameter of MLflow is written once, and a search that goes on may find a better trial.
            tags=[RunTag(f"best.{name}", str(value)) for name, value in _told(best).items()],
        )
        plots = _log_files(client, parent, found, diff)
        client.set_terminated(parent)
    return parent, plots


def _parent(client: MlflowClient, experiment: str, found: Found) -> str:
    known = client.search_runs([experiment], f"tags.`{STUDY}` = '{found.study}'", max_results=1)
    if known:
        return str(known[0].info.run_id)
    run = client.create_run(
        experiment, run_name=f"tune {found.project} {format_time(found.as_of)}", tags={STUDY: found.study}
    )
    return str(run.info.run_id)


def _logged(client: MlflowClient, experiment: str, parent: str) -> set[str]:
    """The trials whose runs are complete; one that a kill left open is logged once more."""
    found: set[str] = set()
    token = None
    while True:
        page = client.search_runs(
            [experiment], f"tags.`{_PARENT}` = '{parent}' and attributes.status = 'FINISHED'",
            max_results=500, page_token=token,
        )  # fmt: skip
        found |= {run.data.tags[TRIAL] for run in page}
        token = page.token
        if not token:
            return found


def _log_trial(client: MlflowClient, experiment: str, parent: str, found: Found, tried: Tried) -> None:
    run = client.create_run(
        experiment,
        run_name=f"trial {tried.trial}" + (", as declared" if tried.trial == 0 else ""),
        tags={_PARENT: parent, TRIAL: str(tried.trial), "state": tried.state, "note": tried.note},
    )
    now = int(time.time() * 1000)
    metrics = [Metric("best_loss_by_tenth", loss, now, mark) for mark, loss in tried.losses.items()]
    metrics += [
        Metric(f"{found.metric}_by_fold", value, now, fold) for fold, value in enumerate(tried.values)
    ]
    metrics.append(Metric("seconds", tried.seconds, now, 0))
    if tried.value is not None:
        metrics.append(Metric(found.metric, tried.value, now, 0))
    client.log_batch(
        run.info.run_id, metrics, [Param(name, str(value)) for name, value in _told(tried).items()]
    )
    client.set_terminated(run.info.run_id)


def _told(tried: Tried) -> dict[str, object]:
    return {"learner": tried.learner, "trial": tried.trial, **tried.params}


def _log_files(client: MlflowClient, parent: str, found: Found, diff: str) -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plots = search_history(folder / "plots", found), parallel_coordinates(folder / "plots", found)
        (folder / "project.yaml.diff").write_text(diff, encoding="utf-8")
        client.log_artifacts(parent, name)
        return tuple(path.read_bytes() for path in plots)
