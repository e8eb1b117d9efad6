"""Charts as SVG text: they need no drawing library, are sharp on any screen, and follow the page's light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

# Okabe & Ito's palette, which people who see fewer colours tell apart as well.
LIGHT = {
    "ink": "#222222",
    "muted": "#666666",
    "grid": "#e4e4e4",
    "paper": "#ffffff",
    "first": "#0072b2",
    "second": "#d55e00",
    "third": "#00805e",
    "past": "#b4b4b4",
}
DARK = {
    "ink": "#e8e8e8",
    "muted": "#a3a3a3",
    "grid": "#3a3f46",
    "paper": "#1b1f24",
    "first": "#56b4e9",
    "second": "#f0954a",
    "third": "#2fc79a",
    "past": "#6d747d",
}
RULES = """
svg.chart { font: 13px system-ui, sans-serif; }
svg.chart text { fill: var(--ink); }
svg.chart .muted { fill: var(--muted); }
svg.chart .grid { stroke: var(--grid); stroke-width: 1; }
svg.chart .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
svg.chart .first { stroke: var(--first); } svg.chart .second { stroke: var(--second); }
svg.chart .third { stroke: var(--third); } svg.chart .past { stroke: var(--past); }
svg.chart .dashed { stroke-dasharray: 6 4; }
svg.chart .fill-first { fill: var(--first); } svg.chart .fill-second { fill: var(--second); }
svg.chart .fill-third { fill: var(--third); } svg.chart .fill-past { fill: var(--past); }
svg.chart .faint { fill-opacity: .22; } svg.chart .half { fill-opacity: .6; }
""".strip()


@dataclass(frozen=True)
class Scale:
    """A straight line from values to places on the drawing.

    >>> Scale(0, 10, 100, 200)(5)
    150.0
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of `value`."""
        span = self.high - self.low
        return self.start + (self.end - self.start) * ((value - self.low) / span if span else 0.5)


def variables(colours: dict[str, str]) -> str:
    """A palette as CSS variables."""
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    """A drawing that is as wide as the page lets it, with a title for those who hear the page."""
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def standalone(drawing: str) -> str:
    """The same drawing with its colours inside, on paper of its own: for where no page gives them.

    It is always light. The reader of an image cannot know what the page around it looks like.
    """
    style = f"<style>svg.chart {{ {variables(LIGHT)} }} {RULES}</style>"
    opening, rest = drawing.split(">", 1)
    # With a size of its own it is not blown up to the width of a page.
    _, _, width, height = opening.split('viewBox="')[1].split('"')[0].split()
    opening += f' width="{width}" height="{height}"'
    return f'{opening}>{style}<rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>{rest}'


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text, its start, middle or end at `x`."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def box(x: float, y: float, width: float, height: float, kind: str, hint: str = "") -> str:
    """A filled rectangle; `hint` shows when a pointer rests on it."""
    inner = f"<title>{escape(hint)}</title>" if hint else ""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect {place} class="{kind}">{inner}</rect>'


def dot(x: float, y: float, kind: str, hint: str) -> str:
    """A point; `hint` shows when a pointer rests on it."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" class="{kind}"><title>{escape(hint)}</title></circle>'


def path(points: Sequence[tuple[float, float]], kind: str) -> str:
    """A line through the points."""
    steps = " ".join(f"{'L' if place else 'M'}{x:.1f} {y:.1f}" for place, (x, y) in enumerate(points))
    return f'<path d="{steps}" class="line {kind}"/>'


def legend(x: float, y: float, entries: Sequence[tuple[str, str]]) -> list[str]:
    """A row of coloured squares with what they stand for."""
    parts = []
    for kind, name in entries:
        parts += [box(x, y - 10, 11, 11, kind), text(x + 16, y, name, "muted")]
        x += 34 + 6.6 * len(name)
    return parts


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers in `[low, high]`, at most `most` of them, a step of 1, 2 or 5 times a power of ten apart.

    >>> ticks(0.48, 0.55)
    [0.48, 0.5, 0.52, 0.54]
    """
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    step = 10 ** math.floor(math.log10(span / most))
    step = next(step * times for times in (1, 2, 5, 10, 20) if span / (step * times) <= most - 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(place * step, digits) for place in range(first, last + 1)]


def dates(start: datetime, end: datetime, most: int = 6) -> list[tuple[datetime, str]]:
    """UTC days in `[start, end]` an even number of days apart, with how they are written."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    if first < start:
        first += timedelta(days=1)
    days = max((end - first).days, 0)
    step = max(1, math.ceil(days / most))
    form = "%-d %b" if start.year == end.year else "%-d %b %Y"
    found = [first + timedelta(days=place) for place in range(0, days + 1, step)]
    return [(moment, moment.strftime(form)) for moment in found if moment <= end]
