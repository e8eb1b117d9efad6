"""The demo: real flights, three models, from raw files to champions and a month of predictions."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployments.connect import connected
from deployments.flights import write_flights
from deployments.reports import predict_report, train_report
from deployments.screen import Screen, shown
from nightshift.records import ModelVersion, Scored
from nightshift.settings import Settings
from nightshift.spec.load import load_project

PROJECTS = ("flights-delay", "flights-airtime", "flights-carrier-class")
AS_OF = datetime(2013, 9, 1, tzinfo=UTC)
MONTH = (AS_OF, datetime(2013, 10, 1, tzinfo=UTC))
_NEXT = (
    ("up", "Prefect and MLflow in your browser"),
    ("models flights-delay", "see the versions of a model"),
    ("down", "stop every server again"),
)


def run_demo(screen: Screen) -> None:
    """Train every demo project as of 1 September 2013, predict that September, and show how it went."""
    started = time.perf_counter()
    settings = Settings()
    metrics = {name: _deciding(name, settings) for name in PROJECTS}
    screen.say(
        "[bold]Nightshift demo[/]: every flight out of New York in 2013, with its weather; three models.\n"
    )
    trained: list[tuple[ModelVersion, bool]] = []
    scored: list[Scored] = []
    with screen.steps() as steps, _prepared(screen, settings, steps.waiting):
        from flows.predict import predict
        from flows.train import train

        for name in PROJECTS:
            screen.say(f"[bold]{name}[/]")
            trained.append(train(project=name, as_of=AS_OF))
            scored.append(predict(project=name, start=MONTH[0], end=MONTH[1]))
    _show(screen, metrics, trained, scored)
    screen.say(
        f"Done in {time.perf_counter() - started:.0f} s. Everything is under {settings.home}; now type:\n"
    )
    program = _program()
    for command, purpose in _NEXT:
        screen.say(f"  [bold]{program + ' ' + command:<42}[/] {purpose}")
    screen.result(_report(trained, scored))


def _program() -> str:
    """What to type for `nightshift` here: its name, or where it lies when the environment is not active."""
    if shutil.which("nightshift"):
        return "nightshift"
    path = Path(sys.argv[0]).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _deciding(name: str, settings: Settings) -> str:
    from nightshift.evaluation.evaluate import deciding_metric

    return deciding_metric(load_project(name, settings.projects)).name


@contextmanager
def _prepared(screen: Screen, settings: Settings, waiting: Callable[[str], None]) -> Iterator[None]:
    """Data, tracking database and Prefect server: independent of each other, and each takes seconds."""
    from registry.tracking import prepare

    waiting("starting the local Prefect server")
    with ThreadPoolExecutor() as pool:
        database = pool.submit(prepare, settings)
        data = pool.submit(write_flights, Path(settings.data_uri))
        with connected(settings, waiting):
            database.result()
            said = "written to" if data.result() else "found in"
            screen.say(f"[dim]  data: {said} {settings.data_uri}[/]")
            yield


def _show(
    screen: Screen, metrics: dict[str, str], trained: list[tuple[ModelVersion, bool]], scored: list[Scored]
) -> None:
    screen.say("")
    screen.table(
        "Trained as of 2013-09-01. Holdout: 18 to 31 August. Baseline: class shares, or mean",
        ["project", ">version", "metric", ">holdout", ">baseline", "champion"],
        [
            (
                version.project,
                version.version,
                metrics[version.project],
                version.metrics["holdout"][metrics[version.project]],
                version.baseline[metrics[version.project]],
                "champion" in version.aliases,
            )
            for version, _ in trained
        ],
    )
    screen.table(
        "Predicted: September 2013, and how it turned out",
        ["project", ">rows in", ">scored", ">quarantined", ">realised"],
        [
            (
                one.project,
                one.rows_in,
                one.rows_scored,
                one.rows_quarantined,
                f"{metrics[one.project]} {shown(one.realised.get(metrics[one.project]))}",
            )
            for one in scored
        ],
    )


def _report(trained: list[tuple[ModelVersion, bool]], scored: list[Scored]) -> dict[str, Any]:
    return {
        "as_of": AS_OF.isoformat(),
        "trained": [train_report(version, is_new=is_new) for version, is_new in trained],
        "predicted": [predict_report(one) for one in scored],
    }
