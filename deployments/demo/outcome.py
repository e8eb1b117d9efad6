"""The demo's last act: a table by month, a picture and a page, and the same for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.demo.nights import PROJECT, Nights
from deployments.screen import Screen
from nightshift.records import Window, format_time
from nightshift.settings import Settings
from nightshift.spec.load import load_project

if TYPE_CHECKING:
    from nightshift.records import Metrics
    from nightshift.replay.outcome import Outcome

SHOWN = ("log_loss", "roc_auc")
_TITLES = {"never": "never retrained", "always": "every step", "managed": "Nightshift"}
# The same in the order of the table, short enough for 80 columns.
_COLUMNS = ("never", "always", "managed")


def read(played: Nights, settings: Settings) -> Outcome:
    """Every row of the replay, predicted in the three ways."""
    from nightshift.replay.outcome import Outcome

    project = load_project(PROJECT, settings.projects)
    window = Window(start=played.replay.moments[0], end=played.replay.end)
    return Outcome.read(project, window, played.unmanaged, settings)


def show(screen: Screen, played: Nights, outcome: Outcome) -> None:
    """Realised metrics by month, what managing was worth, and why it retrained."""
    rows = [(month, count, *_cells(found)) for month, count, found in outcome.by_month()]
    whole = {name: outcome.metrics(name) for name in _TITLES}
    rows.append(("all", len(outcome.truth), *_cells(whole)))
    screen.table(
        f"{PROJECT}, realised by month: log-loss (less is better) and ROC AUC",
        ["month", ">flights", *(f">{title}" for title in _COLUMNS), *(">AUC" for _ in _COLUMNS)],
        rows,
    )
    margin, low, high = outcome.margin("log_loss", "managed", "never")
    kept = outcome.share_kept("log_loss")
    retrains, every = retrained(played), len(played.replay.moments) - 1
    screen.say(
        f"Nightshift retrained [bold]{len(retrains)}[/] times where every step would be {every}, and kept "
        f"[bold]{'-' if kept is None else f'{kept:.0%}'}[/] of what that gains. It beats never retraining by "
        f"[bold]{margin:.4f}[/] of log-loss (95 % interval {low:.4f} to {high:.4f}).\n"
    )


def draw(played: Nights, outcome: Outcome, path: Path) -> Path:
    """The same by month, as a picture; triangles are retrains."""
    from registry.plot_style import BLUE, GREEN, GREY, drawing

    colours = {"never": GREY, "always": GREEN, "managed": BLUE}
    months = list(outcome.by_month())
    window = Window(start=played.replay.moments[0], end=played.replay.end)
    with drawing(path, f"{PROJECT}: realised log-loss", f"flights of {window}, less is better") as figure:
        axes = figure.add_axes((0.09, 0.11, 0.88, 0.70))
        for name, title in _TITLES.items():
            values = [found[name]["log_loss"] or float("nan") for *_, found in months]
            axes.plot(range(len(months)), values, color=colours[name], label=title, marker="o")
        axes.set_xticks(range(len(months)), [month for month, *_ in months])
        counts = {month: 0 for month, *_ in months}
        for one in retrained(played):
            counts[one["as_of"][:7]] += 1
        low, _ = axes.get_ylim()
        for place, count in enumerate(counts.values()):
            if count:
                axes.annotate(f"{count} retrained", (place, low), ha="center", va="bottom", color=BLUE)
        axes.legend()
    return path


def retrained(played: Nights) -> list[dict[str, Any]]:
    """The retrains after the first training that could still matter: when, why, and what became of each."""
    return [
        {
            "as_of": run.night.as_of.isoformat(),
            "promoted": run.night.promoted,
            "causes": list(run.night.decision.causes),
            "reasons": list(run.night.decision.reasons),
        }
        for run in played.runs[1:-1]
        if run.night.trained is not None
    ]


def report(played: Nights, outcome: Outcome) -> dict[str, Any]:
    """What `demo --json` says of the replay."""
    margin, low, high = outcome.margin("log_loss", "managed", "never")
    retrains = retrained(played)
    found = {name: _shown(outcome.metrics(name)) for name in _TITLES}
    return {
        "project": PROJECT,
        "window": f"{format_time(played.replay.moments[0])} to {format_time(played.replay.end)}",
        "months": [
            {"month": month, "rows": rows, **{name: _shown(metrics) for name, metrics in by.items()}}
            for month, rows, by in outcome.by_month()
        ],
        "never": {**found["never"], "retrains": 0},
        "always": {
            **found["always"],
            "retrains": len(played.replay.moments) - 1,
            "seconds": played.always_seconds,
        },
        "managed": {
            **found["managed"],
            "retrains": len(retrains),
            "promoted": sum(one["promoted"] for one in retrains),
            "reasons": retrains,
            "nights": len(played.runs),
            "seconds": played.seconds,
        },
        "margin": {"log_loss": margin, "interval": [low, high]},
        "kept": outcome.share_kept("log_loss"),
    }


def _cells(found: dict[str, Metrics]) -> list[float | None]:
    return [found[name][metric] for metric in SHOWN for name in _TITLES]


def _shown(metrics: Metrics) -> dict[str, float | None]:
    return {name: metrics[name] for name in SHOWN}
