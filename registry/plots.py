"""Draws the figures of one model version as PNG files: what its page in the MLflow UI shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from registry.plot_style import BLUE, DASHED, GREY, INK, ORANGE, count_axis, drawing, say, shortened
from registry.training_plots import History, feature_importance, learning_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nightshift.metrics.curves import (
        Calibration,
        ConfusionMatrix,
        Curves,
        PrecisionRecallCurve,
        RocCurve,
    )
    from nightshift.metrics.residuals import Residuals

__all__ = [
    "calibration",
    "confusion",
    "draw_all",
    "feature_importance",
    "learning_curve",
    "residuals",
    "roc_pr",
]


def draw_all(
    folder: Path,
    curves: Curves,
    *,
    subtitle: str,
    history: History | None = None,
    best_round: int | None = None,
    importance: Mapping[str, float] | None = None,
    unit: str = "round",
) -> list[Path]:
    """Draw every figure that there is something to show in, and say where they are.

    Args:
        folder: where the PNG files go; made when missing.
        curves: what `nightshift.metrics.curves.curves_of` made of the evaluated rows.
        subtitle: which project, window and rows this is about; stands in every figure.
        history: per split ("train", "validate") and metric, the value after each round.
        best_round: the round, counted from 1, whose model is kept.
        importance: by feature, in the learner's own measure.
        unit: what training is counted in: `round` or `epoch`.
    """
    drawn = []
    if curves.roc is not None and curves.precision_recall is not None:
        drawn.append(roc_pr(folder, curves.roc, curves.precision_recall, subtitle=subtitle))
    if curves.calibration is not None:
        drawn.append(calibration(folder, curves.calibration, subtitle=subtitle))
    if curves.confusion is not None:
        drawn.append(confusion(folder, curves.confusion, subtitle=subtitle))
    if curves.residuals is not None:
        drawn.append(residuals(folder, curves.residuals, subtitle=subtitle))
    if history is not None:
        drawn.append(learning_curve(folder, history, best_round, subtitle=subtitle, unit=unit))
    if importance is not None:
        names, gains = list(importance), list(importance.values())
        drawn.append(feature_importance(folder, names, gains, subtitle=subtitle))
    return drawn


def roc_pr(folder: Path, roc: RocCurve, precision_recall: PrecisionRecallCurve, *, subtitle: str) -> Path:
    """The ROC and the precision-recall curve beside each other, each with what no skill looks like."""
    path = folder / "roc_pr.png"
    with drawing(path, "ROC and precision-recall", subtitle) as figure:
        if roc.true_positive_rate.size == 0:
            say(figure, "not defined: there are no rows of both classes")
            return path
        left = figure.add_axes((0.085, 0.115, 0.395, 0.70))
        left.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DASHED)
        left.plot(roc.false_positive_rate, roc.true_positive_rate, color=BLUE)
        left.fill_between(
            roc.false_positive_rate, roc.true_positive_rate, color=BLUE, alpha=0.08, linewidth=0
        )
        left.set(xlabel="false positive rate", ylabel="true positive rate (recall)")
        left.set_title(f"ROC: area {roc.area:.4f}")
        left.text(0.97, 0.04, "dashed: no skill", ha="right", color=GREY, size=8.5)

        right = figure.add_axes((0.585, 0.115, 0.395, 0.70))
        recall, precision = precision_recall.recall, precision_recall.precision
        right.axhline(precision_recall.base_rate, color=GREY, linewidth=1, linestyle=DASHED)
        right.plot(recall, precision, color=BLUE, drawstyle="steps-pre", linewidth=1.4)
        right.fill_between(recall, precision, step="pre", color=BLUE, alpha=0.08, linewidth=0)
        right.set(xlabel="recall", ylabel="precision")
        right.set_title(f"Precision-recall: average precision {precision_recall.average_precision:.4f}")
        _note_base_rate(right, precision_recall)
        for axes in (left, right):
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    return path


def _note_base_rate(axes: Axes, precision_recall: PrecisionRecallCurve) -> None:
    """Name the dashed line where the curve is not: in the corner above a poor one, below a good one."""
    base_rate = precision_recall.base_rate
    is_good = precision_recall.average_precision > 0.75
    axes.text(
        0.03 if is_good else 0.98,
        (base_rate + 0.02 if base_rate < 0.5 else 0.04) if is_good else 0.99,
        f"dashed: base rate {base_rate:.3g}",
        ha="left" if is_good else "right",
        va="bottom" if is_good else "top",
        color=GREY,
        size=8.5,
    )


def calibration(folder: Path, made: Calibration, *, subtitle: str) -> Path:
    """Predicted probability against observed rate with 95 % intervals, above a histogram of the scores."""
    path = folder / "calibration.png"
    with drawing(path, "Calibration", subtitle) as figure:
        if made.mean_score.size == 0:
            say(figure, "no rows")
            return path
        low = float(min(made.histogram_edges[0], made.mean_score[0]))
        high = float(max(made.histogram_edges[-1], made.mean_score[-1]))
        margin = 0.02 * (high - low)
        above = figure.add_axes((0.095, 0.345, 0.885, 0.47))
        above.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DASHED, label="perfect")
        above.errorbar(
            made.mean_score,
            made.observed,
            yerr=np.maximum((made.observed - made.low, made.high - made.observed), 0.0),
            color=BLUE,
            marker="o",
            markersize=5,
            elinewidth=1.2,
            capsize=3,
            label="observed, 95 % interval",
        )
        reach = max(high, float(made.high.max()))
        above.set(xlim=(low - margin, high + margin), ylim=(min(0.0, low), 1.03 * reach))
        above.set_ylabel("observed rate")
        above.set_title(
            f"Expected calibration error {made.error:.4f}, {made.mean_score.size} bins of equal count"
        )
        above.tick_params(labelbottom=False)
        above.legend(loc="upper left")
        below = figure.add_axes((0.095, 0.115, 0.885, 0.17), sharex=above)
        below.stairs(made.histogram, made.histogram_edges, fill=True, color=BLUE, alpha=0.55)
        below.set(xlabel="predicted probability", ylabel="rows")
        count_axis(below.yaxis)
        for axes in (above, below):
            axes.yaxis.set_label_coords(-0.075, 0.5)
    return path


def confusion(folder: Path, matrix: ConfusionMatrix, *, subtitle: str) -> Path:
    """Share of each class that was predicted as each class, with counts while they are legible."""
    path = folder / "confusion.png"
    with drawing(path, "Confusion", subtitle) as figure:
        if not np.any(matrix.counts > 0):
            say(figure, "no rows")
            return path
        size = len(matrix.classes)
        totals = matrix.counts.sum(axis=1, keepdims=True)
        shares = np.divide(matrix.counts, totals, out=np.zeros_like(matrix.counts), where=totals > 0)
        names = [shortened(name, 18) for name in matrix.classes]
        left = 0.06 + 0.0095 * max(len(name) for name in names)
        is_slanted = sum(len(name) for name in names) > 60 or size > 8
        bottom = 0.115 + (0.012 * max(len(name) for name in names) if is_slanted else 0.0)
        axes = figure.add_axes((left, bottom, 0.885 - left, 0.845 - bottom))
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.grid(False)
        axes.set(xlabel="predicted class", ylabel="true class")
        axes.set_xticks(
            range(size), names, rotation=45 if is_slanted else 0, ha="right" if is_slanted else "center"
        )
        axes.set_yticks(range(size), names)
        if size <= 12:
            _write_cells(axes, shares, matrix.counts, with_counts=size <= 8)
        bar = figure.colorbar(image, cax=figure.add_axes((0.905, bottom, 0.018, 0.845 - bottom)))
        bar.set_label("share of the true class")
        bar.outline.set_visible(False)
    return path


def _write_cells(axes: Axes, shares: np.ndarray, counts: np.ndarray, *, with_counts: bool) -> None:
    for (row, column), share in np.ndenumerate(shares):
        text = f"{share:.2f}" + (f"\n{counts[row, column]:,.0f}" if with_counts else "")
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            size=8.5,
            color="white" if share > 0.55 else INK,
        )


def residuals(folder: Path, made: Residuals, *, subtitle: str) -> Path:
    """Predicted against actual as a density, beside the histogram of the residuals."""
    path = folder / "residuals.png"
    with drawing(path, "Residuals", subtitle) as figure:
        if made.edges.size == 0:
            say(figure, "no rows that can be shown")
            return path
        from matplotlib.colors import LogNorm

        left = figure.add_axes((0.085, 0.115, 0.37, 0.70))
        bar_axes = figure.add_axes((0.465, 0.115, 0.014, 0.70))
        counts = np.ma.masked_less_equal(made.counts, 0)
        top = max(float(made.counts.max()), 1.0)
        least = float(counts.min()) if counts.count() else 1.0
        norm = LogNorm(min(least, top / 10), top)
        mesh = left.pcolormesh(made.edges, made.edges, counts, cmap="YlGnBu", norm=norm, rasterized=True)
        ends = (float(made.edges[0]), float(made.edges[-1]))
        left.plot(ends, ends, color=ORANGE, linewidth=1.2)
        left.set(xlabel="predicted", ylabel="actual", xlim=ends, ylim=ends)
        left.set_title(f"{made.outside:.2%} of the rows lie outside", size=9, color=GREY)
        bar = figure.colorbar(mesh, cax=bar_axes)
        bar.set_label("rows a cell (log scale)")
        bar.outline.set_visible(False)
        bar_axes.minorticks_off()
        count_axis(bar_axes.yaxis)

        right = figure.add_axes((0.655, 0.115, 0.325, 0.70))
        right.stairs(made.residual_counts, made.residual_edges, fill=True, color=BLUE, alpha=0.55)
        by_level = dict(zip(made.levels.tolist(), made.quantiles.tolist(), strict=True))
        right.axvline(0, color=INK, linewidth=1)
        for level in (0.05, 0.5, 0.95):
            right.axvline(by_level[level], color=ORANGE, linewidth=1.2, linestyle=DASHED)
        right.set(xlabel="residual (actual - predicted)", ylabel="rows")
        low, middle, high = (by_level[level] for level in (0.05, 0.5, 0.95))
        right.set_title(f"dashed, 5/50/95 %: {low:.3g} / {middle:.3g} / {high:.3g}", size=9, color=GREY)
        count_axis(right.yaxis)
    return path
