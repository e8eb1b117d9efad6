"""Marks of the values that the reference had beside its commonest, in few bytes: was this one there or is it new?"""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Digests = npt.NDArray[np.uint64]

_LEAST_BITS = 6
_MOST_HASHES = 8
_BITS_A_VALUE = 16


def digest(value: str) -> int:
    """64 bits of a text, the same in every process and on every machine.

    >>> digest("JFK") == digest("JFK") != digest("LGA")
    True
    """
    return int.from_bytes(blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def wanted_bits(values: int) -> int:
    """The power of two of bits that keeps false answers under 1 in 1,000: at least 16 a value.

    >>> wanted_bits(1000)
    14
    """
    return max(_LEAST_BITS, math.ceil(math.log2(max(values, 1) * _BITS_A_VALUE)))


def mark(digests: Iterable[int], log2_bits: int, *, hashes: int | None = None) -> bytes:
    """A Bloom filter of digests in 2^`log2_bits` bits: never a false no, seldom a false yes.

    Byte 0 is k, the number of bits that each value sets; the bitmap follows. The bits of a value are
    `(low + i * high) mod 2^log2_bits` for i < k, with the halves of its digest.

    Source: B. H. Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970; k = bits / values * ln 2.
    A. Kirsch and M. Mitzenmacher, "Less hashing, same performance: building a better Bloom filter", 2006.
    """
    values = np.fromiter(digests, dtype=np.uint64)
    if not values.size:
        return b""
    size = 1 << log2_bits
    hashes = hashes or min(max(round(size / values.size * math.log(2)), 1), _MOST_HASHES)
    bits = np.zeros(size, dtype=bool)
    bits[_positions(values, hashes, size)] = True
    return bytes([hashes]) + np.packbits(bits, bitorder="little").tobytes()


def fold(known: Iterable[bytes], log2_bits: int) -> bytes:
    """Several marks of one bit a value as one, in 2^`log2_bits` bits, no more than the smallest of them has."""
    bits = np.zeros(1 << log2_bits, dtype=bool)
    for part in filter(None, known):
        bits |= _bits(part).reshape(-1, bits.size).any(axis=0)
    return b"\x01" + np.packbits(bits, bitorder="little").tobytes()


def holds(known: bytes, values: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Whether each of `values` was among those marked; wrong for some that were not: see `false_positive_rate`.

    >>> known = mark([digest("JFK"), digest("LGA")], 10)
    >>> holds(known, ["LGA", "EWR"]).tolist()
    [True, False]
    """
    asked = np.fromiter((digest(value) for value in values), dtype=np.uint64)
    if not known:
        return np.zeros(asked.size, dtype=bool)
    bitmap = np.frombuffer(known, dtype=np.uint8, offset=1)
    positions = _positions(asked, known[0], bitmap.size * 8)
    found: npt.NDArray[np.bool_] = ((bitmap[positions >> 3] >> (positions & 7)) & 1).all(axis=0)
    return found


def false_positive_rate(known: bytes) -> float:
    """The share of new values that are taken for known ones: the share of bits set, to the power of k.

    >>> false_positive_rate(mark(map(digest, "abc"), 10)) < 1e-6
    True
    """
    if not known:
        return 0.0
    return float(_bits(known).mean()) ** known[0]


def _bits(known: bytes) -> npt.NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(known, dtype=np.uint8, offset=1), bitorder="little").astype(bool)


def _positions(digests: Digests, hashes: int, size: int) -> npt.NDArray[np.intp]:
    low = digests & np.uint64(0xFFFFFFFF)
    # Odd, so that the steps reach different bits whatever the size.
    high = (digests >> np.uint64(32)) | np.uint64(1)
    steps = np.arange(hashes, dtype=np.uint64)[:, None]
    return ((low + steps * high) & np.uint64(size - 1)).astype(np.intp)
