"""What `monitor` and `nightly` do once their arguments are read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from deployments.connect import connected
from deployments.reports import monitor_report, nightly_report
from deployments.screen import Screen, shown
from nightshift.errors import RequestError
from nightshift.records import format_time
from nightshift.settings import Settings
from nightshift.spec.load import load_project, project_names

if TYPE_CHECKING:
    from nightshift.findings import Estimated, Realised, Signal
    from nightshift.monitoring.nights import MonitorRun, NightRun

_MOST_SHOWN = 12


def monitor_project(screen: Screen, project: str, as_of: datetime | None) -> None:
    """MonitorRun at the newest rows and predictions, and show what changed."""
    settings = Settings()
    load_project(project, settings.projects)
    with screen.steps() as steps, connected(settings, steps.waiting):
        from flows.monitor import monitor

        look = monitor(project=project, as_of=as_of)
    _show_look(screen, look)
    screen.result(monitor_report(look))


def nightly_projects(screen: Screen, projects: Sequence[str], as_of: datetime | None, *, every: bool) -> None:
    """Do the nights of one project here, and of several in a process each: the failure of one is its own.

    Raises:
        RequestError: no project is named, or `--all` stands beside names.
        Exit: nights of some projects failed, and told why; the highest of their exit codes, once all were tried.
    """
    settings = Settings()
    if every == bool(projects):
        raise RequestError(
            "name the projects whose nights to do, or give --all", valid=project_names(settings.projects),
            remedy="nightshift nightly PROJECT",
        )  # fmt: skip
    names = list(projects) if projects else _scheduled(settings)
    if len(names) == 1:
        _nightly_project(screen, names[0], as_of)
        return
    results, failed = {}, []
    for name in names:
        done = _in_process(screen, name, as_of)
        if screen.as_json:
            results[name] = json.loads(done.stdout.strip().splitlines()[-1])
        if done.returncode:
            failed.append((done.returncode, name))
    screen.result({"projects": results, "failed": [name for _, name in failed]})
    if failed:
        raise typer.Exit(max(failed)[0])


def _scheduled(settings: Settings) -> list[str]:
    names = project_names(settings.projects)
    return [name for name in names if load_project(name, settings.projects).night is not None]


def _in_process(screen: Screen, project: str, as_of: datetime | None) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "deployments.cli", "nightly", project]
    words += [] if as_of is None else ["--as-of", as_of.isoformat()]
    if not screen.as_json:
        return subprocess.run(words, check=False, text=True)
    return subprocess.run([*words, "--json"], check=False, text=True, stdout=subprocess.PIPE)


def _nightly_project(screen: Screen, project: str, as_of: datetime | None) -> None:
    """Do the nights that are due, and show what each came to."""
    settings = Settings()
    load_project(project, settings.projects)
    with screen.steps() as steps, connected(settings, steps.waiting):
        from flows.nightly import nightly

        nights = nightly(project=project, as_of=as_of)
    for one in nights:
        _show_night(screen, one)
    if not nights:
        screen.say(f"{project}: every night up to now was done.")
    screen.result(nightly_report(project, nights))


def _show_look(screen: Screen, look: MonitorRun) -> None:
    _show_signals(screen, f"{look.project}, {look.windows.looked_at}", look.signals)
    _show_performance(screen, look.realised, look.estimated)
    screen.say(f"[bold]{look.decision.action}[/]: {' '.join(look.decision.reasons)}")


def _show_night(screen: Screen, run: NightRun) -> None:
    night = run.night
    when = format_time(night.as_of)
    if not run.is_new:
        screen.say(f"{night.project}, {when}: this night was done before; nothing was done now.")
        return
    screen.say(
        f"[bold]{night.project}, night of {when}[/]: {run.alarms} alarms among {run.signals:,} signals"
    )
    _show_performance(screen, run.realised, run.estimated)
    if run.scored is not None:
        scored = run.scored
        screen.say(
            f"predicted {scored.rows_scored:,} rows of {scored.window} with version {scored.model_version}; "
            f"{scored.rows_in:,} came in, {scored.rows_quarantined:,} are quarantined"
            + "".join(
                f", {rows:,} outside: {reason.replace('_', ' ')}"
                for reason, rows in scored.rows_outside.items()
            )
        )
    if run.trained is not None:
        fate = (
            "is champion" if night.promoted else "waits for a person" if night.waits else "was not promoted"
        )
        screen.say(f"trained version {run.trained.version}, which {fate}: {'; '.join(run.trained.reasons)}")
    screen.say(f"[bold]{night.decision.action}[/]: {' '.join(night.decision.reasons)}\n")


def _show_signals(screen: Screen, title: str, signals: Sequence[Signal]) -> None:
    told = [one for one in signals if one.value is not None]
    screen.table(
        f"{title}: {sum(one.alarm for one in signals)} alarms among {len(signals):,} signals",
        ["", "column", "segment", "measure", ">effect", ">matters from", ">p-value"],
        [
            (
                "ALARM" if one.alarm else "",
                one.column or "all rows",
                one.segment or "all",
                one.name,
                one.value,
                one.effect_floor,
                None if one.p_value is None else f"{one.p_value:.1e}",
            )
            for one in told[:_MOST_SHOWN]
        ],
    )


def _show_performance(screen: Screen, realised: Realised | None, estimated: Estimated | None) -> None:
    if realised is not None and realised.rows:
        value, expected = (found.get(realised.metric) for found in (realised.metrics, realised.expected))
        screen.say(
            f"realised {realised.metric} {shown(value)} where {shown(expected)} was expected, "
            f"on {realised.labelled:,} labels of {realised.rows:,} predictions in {realised.window}"
        )
    if estimated is not None and estimated.rows:
        value = estimated.metrics.get(estimated.metric)
        screen.say(
            f"estimated {estimated.metric} {shown(value)}, by {estimated.method}, in {estimated.window}"
        )
