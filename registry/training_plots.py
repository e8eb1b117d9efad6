"""Draws what a training run did: the metric round by round, and the features it leant on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from registry.plot_style import BLUE, DASHED, GREEN, GREY, INK, ORANGE, PURPLE, drawing, say, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

History = Mapping[str, Mapping[str, Sequence[float]]]

MOST_FEATURES = 20


def learning_curve(
    folder: Path, history: History, best_round: int | None = None, *, subtitle: str, unit: str = "round"
) -> Path:
    """Each metric by round or epoch, one line a split, with the one whose model is kept."""
    metrics = list(dict.fromkeys(name for series in history.values() for name in series))[:3]
    path = folder / "learning_curve.png"
    with drawing(path, "Learning curve", subtitle) as figure:
        has_values = any(np.isfinite(values).any() for part in history.values() for values in part.values())
        if not has_values:
            say(figure, f"no {unit} was recorded")
            return path
        width = (0.90 - 0.08 * (len(metrics) - 1)) / len(metrics)
        for place, name in enumerate(metrics):
            axes = figure.add_axes((0.085 + place * (width + 0.075), 0.115, width - 0.01, 0.70))
            series = {split: values[name] for split, values in history.items() if name in values}
            _draw_rounds(axes, name, series, best_round, unit)
    return path


def _draw_rounds(
    axes: Axes, name: str, series: Mapping[str, Sequence[float]], best_round: int | None, unit: str
) -> None:
    from matplotlib.ticker import MaxNLocator

    colours = {"train": BLUE, "validate": ORANGE}
    spare = iter((GREEN, PURPLE, GREY, INK))
    for split, values in series.items():
        colour = colours.get(split) or next(spare, INK)
        rounds = np.arange(1, len(values) + 1)
        # A single value makes no line, so it gets a dot.
        axes.plot(rounds, values, color=colour, label=split, marker="o" if len(values) == 1 else "")
    label = unit
    if best_round is not None:
        axes.axvline(best_round, color=GREY, linewidth=1, linestyle=DASHED, zorder=1)
        judged = series.get("validate", next(iter(series.values())))
        label = f"{unit} ({best_round} kept)"
        if 1 <= best_round <= len(judged):
            value = judged[best_round - 1]
            axes.plot([best_round], [value], "o", color=ORANGE, markersize=6, zorder=5)
            label = f"{unit} ({best_round} kept: {value:.4g})"
    axes.set_title(name)
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.legend(loc="best")


def feature_importance(folder: Path, names: Sequence[str], gains: Sequence[float], *, subtitle: str) -> Path:
    """The twenty features that the model leans on most, as shares of the total importance."""
    path = folder / "feature_importance.png"
    values = np.nan_to_num(np.asarray(gains, dtype=np.float64), posinf=0.0)
    total = float(values.sum())
    with drawing(path, "Feature importance", subtitle) as figure:
        if total <= 0:
            say(figure, "no feature was used")
            return path
        order = np.argsort(-values, kind="stable")[:MOST_FEATURES]
        labels = [shortened(names[place], 32) for place in order]
        shares = 100 * values[order] / total
        left = 0.035 + 0.0098 * max(len(label) for label in labels)
        axes = figure.add_axes((left, 0.115, 0.975 - left, 0.70))
        rows = np.arange(order.size)
        bars = axes.barh(rows, shares, color=BLUE, height=0.72)
        axes.bar_label(bars, labels=[f"{share:.1f}" for share in shares], padding=3, size=8, color=GREY)
        axes.set_yticks(rows, labels, size=8.5, color=INK)
        axes.set_ylim(max(order.size, 6) - 0.5, -0.6)
        axes.set_xlim(0, 1.07 * float(shares.max()))
        axes.grid(False, axis="y")
        axes.set_xlabel("share of total importance (%)")
        shown = "all" if order.size == values.size else f"{order.size} of"
        axes.set_title(f"{shown} {values.size} features, {shares.sum():.1f} % of the importance", color=GREY)
    return path
