"""The house's style of figures: one size, one palette, a title that says what it is about, a PNG file."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

SIZE_INCHES, DPI = (8.0, 5.0), 110

# Okabe & Ito's palette, which people who see fewer colours tell apart as well.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
INK, GREY, PALE = "#222222", "#6B6B6B", "#E4E4E4"
DASHED = (0, (4, 3))
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    # Fixed: left to itself, matplotlib lays out all ticks once more to find room for the title.
    "axes.titley": 1.0,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "grid.color": PALE,
    "grid.linewidth": 0.7,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.color": INK,
    # A dollar sign in the name of a class or a column is a dollar sign, not the start of a formula.
    "text.parse_math": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
}
# matplotlib's style is one global table, and a flow may draw for several models at a time.
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def drawing(path: Path, title: str, subtitle: str) -> Iterator[Figure]:
    """A figure in the house's style, saved as a PNG file when the block is left."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        # A first import writes a font cache and says so; nobody who reads a run's log needs to know.
        logger.setLevel(logging.ERROR)
        # A letter the font lacks is drawn as a box, which tells as much as a warning.
        warnings.filterwarnings("ignore", message="Glyph")
        import matplotlib
        from matplotlib.figure import Figure

        try:
            with matplotlib.rc_context(_STYLE):
                figure = Figure(figsize=SIZE_INCHES, dpi=DPI)
                figure.text(0.02, 0.94, title, size=13, weight="bold")
                figure.text(0.02, 0.893, shortened(subtitle, 120), size=9.5, color=GREY)
                yield figure
                path.parent.mkdir(parents=True, exist_ok=True)
                # Without the version of the drawing library in it, the same numbers make the same file.
                figure.savefig(path, format="png", metadata={"Software": None})
        finally:
            logger.setLevel(level)


def say(figure: Figure, text: str) -> None:
    """Write in the middle of the figure why there is nothing else in it."""
    figure.text(0.5, 0.45, text, ha="center", va="center", size=12, color=GREY)


def count_axis(axis: Axis) -> None:
    """Write the numbers of an axis as counts: 500, 20k, 1.5M."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: as_count(value)))


def as_count(value: float) -> str:
    """A count in few letters, so that it fits the margin.

    >>> as_count(500), as_count(20_000), as_count(1_500_000)
    ('500', '20k', '1.5M')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def shortened(text: str, most: int) -> str:
    """The text, or its two ends around an ellipsis: features differ at either end of their names."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"
