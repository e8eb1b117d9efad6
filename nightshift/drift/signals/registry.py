"""The signals of columns there are: found by name and by kind of column."""

from __future__ import annotations

from nightshift.drift.signals import distance, divergence, rates
from nightshift.drift.signals.declaration import ColumnKind, Measure
from nightshift.errors import RequestError, did_you_mean

_MEASURES = {row.name: row for row in (*divergence.MEASURES, *distance.MEASURES, *rates.MEASURES)}


def measure_names(kind: ColumnKind | None = None) -> tuple[str, ...]:
    """The names options may give, of one kind of column or of all.

    >>> measure_names("category")
    ('psi', 'jensen_shannon', 'chi_square', 'l_infinity', 'missing_rate', 'new_categories')
    """
    return tuple(name for name, row in _MEASURES.items() if kind is None or kind in row.kinds)


def measure(name: str) -> Measure:
    """The signal of that name.

    >>> measure("psi").effect_floor
    0.1

    Raises:
        RequestError: there is none; the valid names and the nearest one are in it.
    """
    if name in _MEASURES:
        return _MEASURES[name]
    remedy = did_you_mean(name, _MEASURES) or "name one of the valid signals"
    raise RequestError(f"there is no signal {name!r}", valid=measure_names(), remedy=remedy)


def measures_for(kind: ColumnKind, names: tuple[str, ...] | None = None) -> tuple[Measure, ...]:
    """Those of `names` that serve this kind of column; without names, its default ones.

    >>> [row.name for row in measures_for("numeric")]
    ['psi', 'wasserstein', 'missing_rate']
    """
    if names is None:
        return tuple(row for row in _MEASURES.values() if kind in row.default_for)
    return tuple(row for row in map(measure, names) if kind in row.kinds)
