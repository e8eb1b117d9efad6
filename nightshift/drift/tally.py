"""What laying buckets needs of the reference in bounded memory: a sample of its rows, and counts of its values."""

from __future__ import annotations

import heapq

import numpy as np

from nightshift.drift.marks import digest, fold, mark, wanted_bits
from nightshift.drift.profile import Floats
from nightshift.drift.values import Codes

SAMPLE_ROWS = 65_536
MOST_VALUES = 200_000
MOST_BITS = 17


class Sample:
    """Rows drawn without replacement: each gets a random key, and those with the least keys stay.

    Source: D. Knuth, "The Art of Computer Programming", volume 2, section 3.4.2, reservoir sampling by random keys. The
    rows drawn depend on the seed and on their order, not on the batches they come in.
    """

    def __init__(self, seed: int, size: int = SAMPLE_ROWS) -> None:
        self.size = size
        self._random = np.random.default_rng(seed)
        self._keys = np.empty(0)
        self._bound = 1.0
        self._columns: dict[str, list[Floats]] = {}
        self._ends: dict[str, tuple[float, float]] = {}

    def draw(self, rows: int) -> Codes:
        """Which of the next `rows` rows are to be put in."""
        keys = self._random.random(rows)
        keys = np.where(keys <= self._bound, keys, np.inf)
        both = np.append(self._keys, keys)
        if np.isfinite(both).sum() > 2 * self.size:
            self._bound = float(np.partition(both, self.size - 1)[self.size - 1])
        drawn = np.flatnonzero(keys <= self._bound)
        self._keys = np.append(self._keys, keys[drawn])
        return drawn

    def put(self, name: str, values: Floats, drawn: Codes) -> None:
        """Put in the drawn rows of a column, shape (n,), and look at all of them for the least and the greatest."""
        values = np.where(np.isinf(values), np.nan, values) if np.isinf(values).any() else values
        self._columns.setdefault(name, []).append(values[drawn])
        low, high = self.ends(name)
        self._ends[name] = (
            float(np.fmin.reduce(values, initial=low)),
            float(np.fmax.reduce(values, initial=high)),
        )

    def prune(self) -> None:
        """Let go of rows that are too many; call it when all columns of a block are in."""
        kept = np.flatnonzero(self._keys <= self._bound)
        if kept.size < self._keys.size:
            self._keys = self._keys[kept]
            for name in self._columns:
                self._columns[name] = [self._all(name)[kept]]

    def values(self, name: str) -> Floats:
        """The finite values of a column in the sample, at most `size` of them."""
        values = self._all(name)
        if values.size > self.size:
            values = values[np.argpartition(self._keys, self.size)[: self.size]]
        finite: Floats = values[~np.isnan(values)]
        return finite

    def ends(self, name: str) -> tuple[float, float]:
        """The least and greatest finite value of a column, in all of its rows; NaN when there are none."""
        return self._ends.get(name, (float("nan"), float("nan")))

    def _all(self, name: str) -> Floats:
        return np.concatenate(self._columns[name])


class Tally:
    """How often each value of a column occurs; the rarer half is let go, but for its marks, when they are too many."""

    def __init__(self, limit: int = MOST_VALUES) -> None:
        self.limit = limit
        self._counts: dict[str, int] = {}
        self._lost: list[bytes] = []

    def add(self, codes: Codes, values: list[str | None]) -> None:
        """Count coded values, shape (n,); -1 is null."""
        seen = np.bincount(codes + 1, minlength=len(values) + 1)[1:]
        for value, count in zip(values, seen.tolist(), strict=True):
            if count and value is not None:
                self._counts[value] = self._counts.get(value, 0) + count
        if len(self._counts) > self.limit:
            self._prune()

    @property
    def different(self) -> int:
        """How many values are still counted."""
        return len(self._counts)

    def commonest(self, most: int) -> tuple[str, ...]:
        """The commonest values, ties by name."""
        commonest = heapq.nsmallest(most, self._counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(value for value, _ in commonest)

    def wanted_bits(self, apart: int) -> int:
        """The power of two of bits that marks of all but the `apart` commonest values take."""
        if self._lost:
            return MOST_BITS
        return min(wanted_bits(self.different - apart), MOST_BITS) if self.different > apart else 0

    def marks(self, apart: tuple[str, ...], log2_bits: int) -> bytes:
        """Marks of all values but those `apart`, in 2^`log2_bits` bits."""
        digests = (digest(value) for value in self._counts.keys() - set(apart))
        if not self._lost:
            return mark(digests, log2_bits)
        return fold([*self._lost, mark(digests, MOST_BITS, hashes=1)], log2_bits)

    def _prune(self) -> None:
        kept = dict(heapq.nlargest(self.limit // 2, self._counts.items(), key=lambda item: item[1]))
        lost = mark(map(digest, self._counts.keys() - kept.keys()), MOST_BITS, hashes=1)
        self._lost = [fold([*self._lost, lost], MOST_BITS)]
        self._counts = kept
