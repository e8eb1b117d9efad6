"""Signals that compare shares, group by group: of numbers in tenths of the reference, of categories by value."""

from __future__ import annotations

import numpy as np

from nightshift.drift.profile import Floats
from nightshift.drift.signals.declaration import Shape, declared_in, shape
from nightshift.drift.signals.pairs import Pairs


@shape(
    kinds=("numeric", "category"), effect_floor=0.1, power=1, default_for=("numeric", "category"), budget=0.5
)
def psi(pairs: Pairs) -> Floats:
    """Population stability index, the symmetric Kullback-Leibler divergence in nats.

    PSI = sum_g (q_g - p_g) ln(q_g / p_g), p the reference's shares and q the window's [Jeffreys 1946,
    An invariant form for the prior probability in estimation problems; Siddiqi 2006, Credit Risk Scorecards].
    Without drift PSI is about (1/n + 1/m) chi2(groups - 1), n and m the rows of each side [Yurdakul & Naranjo
    2020, Statistical properties of the population stability index]. A group that is empty on one side
    counts as half a row.

    >>> psi.measure(Pairs.counted([50, 50], [25, 75])).round(4).tolist()
    [0.2747]
    """
    p, q = pairs.filled_group_shares
    total: Floats = np.sum((q - p) * (_log(q) - _log(p)), axis=-1)
    return total


@shape(kinds=("numeric", "category"), effect_floor=0.1, power=2)
def jensen_shannon(pairs: Pairs) -> Floats:
    """Jensen-Shannon distance in base 2: from 0, the same shares, to 1, nothing in common.

    JS = sqrt((KL(p | m) + KL(q | m)) / 2), m = (p + q) / 2, KL with logarithms of base 2 [Lin 1991, Divergence
    measures based on the Shannon entropy; Endres & Schindelin 2003, A new metric for probability
    distributions]. It is the distance, not the divergence, which is its square.

    >>> jensen_shannon.measure(Pairs.counted([100, 0], [0, 100])).round(2).tolist()
    [1.0]
    """
    p, q = pairs.group_shares
    middle = _log((p + q) / 2)
    nats = np.sum(p * (_log(p) - middle) + q * (_log(q) - middle), axis=-1) / 2
    distance: Floats = np.sqrt(np.maximum(nats, 0.0) / np.log(2))
    return distance


@shape(kinds=("numeric", "category"), effect_floor=0.1, power=2, default_for=("category",))
def chi_square(pairs: Pairs) -> Floats:
    """Cramér's V of the table (reference, window) by group, from 0 to 1.

    V^2 = sum_g (q_g - p_g)^2 / (2 (p_g + q_g)): chi-square over the number of rows, of the table whose two
    lines are scaled to the same total, so that V does not shrink as the reference grows [Pearson 1900, On the
    criterion...; Cramér 1946, Mathematical Methods of Statistics, ch. 21].

    >>> chi_square.measure(Pairs.counted([50, 50], [25, 75])).round(4).tolist()
    [0.2582]
    """
    p, q = pairs.group_shares
    squares = np.square(q - p) / np.maximum(2 * (p + q), 1e-300)
    v: Floats = np.sqrt(np.sum(squares, axis=-1))
    return v


@shape(kinds=("numeric", "category"), effect_floor=0.1, power=2)
def l_infinity(pairs: Pairs) -> Floats:
    """The greatest change of any one group's share: max_g |q_g - p_g|.

    The Chebyshev distance, as [Breck et al. 2019, Data validation for machine learning] use it for
    categories.

    >>> l_infinity.measure(Pairs.counted([50, 30, 20], [50, 10, 40])).round(2).tolist()
    [0.2]
    """
    p, q = pairs.group_shares
    greatest: Floats = np.max(np.abs(q - p), axis=-1)
    return greatest


def _log(shares: Floats) -> Floats:
    # A share of zero is only ever multiplied by zero: its group is empty on both sides.
    return np.log(np.maximum(shares, 1e-300))


MEASURES = declared_in(globals())
__test__ = {row.name: row.measure for row in MEASURES if isinstance(row, Shape)}
