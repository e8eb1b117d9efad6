"""Draws what a search did: trial by trial, and which values went with which result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nightshift.spec.ranges import ranges_of
from nightshift.tuning.found import Found, Tried
from registry.plot_style import BLUE, DASHED, GREY, INK, ORANGE, drawing, say, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_AXES = 8


def search_history(folder: Path, found: Found) -> Path:
    """Each trial's value, the best so far, and what the declared recipe reaches."""
    path = folder / "search_history.png"
    direction = "more" if found.greater_is_better else "less"
    subtitle = f"{found.project}: mean {found.metric} over {found.folds} folds, {direction} is better"
    with drawing(path, "Search", subtitle) as figure:
        axes = figure.add_axes((0.1, 0.115, 0.87, 0.70))
        measured = [one for one in found.tried if one.value is not None]
        places = [one.trial for one in measured]
        values = np.array([one.value for one in measured], dtype=np.float64)
        axes.plot(places, values, "o", color=BLUE, markersize=5, label="trial")
        best = (np.maximum if found.greater_is_better else np.minimum).accumulate(values)
        axes.step(places, best, where="post", color=ORANGE, label="best so far")
        axes.axhline(values[0], color=GREY, linewidth=1, linestyle=DASHED, label="as declared")
        given_up = [one.trial for one in found.tried if one.value is None]
        if given_up:
            floor = np.full(len(given_up), 0.02)
            axes.plot(given_up, floor, "x", color=GREY, markersize=5, transform=axes.get_xaxis_transform(),
                      label="given up")  # fmt: skip
        axes.set_xlabel(f"trial (best: {found.best.trial}, {found.best.value:.5g})")
        axes.set_ylabel(found.metric)
        axes.legend(loc="best")
    return path


def parallel_coordinates(folder: Path, found: Found) -> Path:
    """One line a trial of the best trial's learner through the values of its parameters; the best one stands out."""
    path = folder / "parallel_coordinates.png"
    ranked = [one for one in found.ranked() if one.params]
    learner = ranked[0].learner if ranked else found.declared.learner
    shown = [one for one in ranked if one.learner == learner]
    with drawing(
        path, "Parameters", f"{found.project}: {learner}, {len(shown)} trials by {found.metric}"
    ) as figure:
        if len(shown) < 2:
            say(figure, "too few trials were measured")
            return path
        names = list(shown[0].params)[:_MOST_AXES]
        axes = figure.add_axes((0.06, 0.13, 0.90, 0.68))
        _draw_lines(axes, shown, names, learner)
        axes.set_xticks(range(len(names) + 1), [*(shortened(name, 18) for name in names), found.metric])
        axes.tick_params(axis="x", labelsize=8, labelcolor=INK)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        axes.set_xlim(-0.3, len(names) + 0.4)
        axes.set_ylim(-0.12, 1.08)
    return path


def _draw_lines(axes: Axes, shown: Sequence[Tried], names: Sequence[str], learner: str) -> None:
    columns = [_scaled(shown, name, learner) for name in names]
    results = np.array([one.value for one in shown], dtype=np.float64)
    columns.append((_between(results), f"{results.min():.4g}", f"{results.max():.4g}"))
    heights = np.column_stack([column for column, _, _ in columns])
    for rank in reversed(range(len(shown))):
        is_best = rank == 0
        axes.plot(
            range(heights.shape[1]), heights[rank], color=ORANGE if is_best else BLUE,
            alpha=1.0 if is_best else 0.15 + 0.45 * (1 - rank / len(shown)),
            linewidth=2.4 if is_best else 1.1, zorder=3 if is_best else 2,
        )  # fmt: skip
    for place, (_, low, high) in enumerate(columns):
        axes.text(place, -0.04, low, ha="center", va="top", size=8, color=GREY)
        axes.text(place, 1.03, high, ha="center", va="bottom", size=8, color=GREY)


def _scaled(shown: Sequence[Tried], name: str, learner: str) -> tuple[np.ndarray, str, str]:
    """A parameter's values between 0 and 1, with what stands at either end."""
    values = [one.params[name] for one in shown]
    if any(isinstance(value, bool | str) for value in values):
        kinds = sorted({str(value) for value in values})
        places = np.array([kinds.index(str(value)) for value in values], dtype=np.float64)
        return _between(places), kinds[0], kinds[-1]
    numbers = np.array(values, dtype=np.float64)
    ends = f"{numbers.min():.3g}", f"{numbers.max():.3g}"
    return _between(np.log(numbers) if ranges_of(learner)[name].log and numbers.min() > 0 else numbers), *ends


def _between(values: np.ndarray) -> np.ndarray:
    spread = values.max() - values.min()
    return (values - values.min()) / spread if spread > 0 else np.full(len(values), 0.5)
