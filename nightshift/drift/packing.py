"""Numbers in few characters of plain text, inside which whole numbers stay exact and sums keep seven digits."""

from __future__ import annotations

import struct
from base64 import b85decode, b85encode
from dataclasses import dataclass, field

import numpy as np

from nightshift.drift.profile import Counts, Floats

# Beyond these a sum does not fit a float32; it is then kept whole.
_LARGEST, _SMALLEST = 1e38, 1e-30


@dataclass
class Packer:
    """Gathers bytes; `text` gives them in base 85, which needs no escapes in JSON."""

    data: bytearray = field(default_factory=bytearray)

    def whole(self, *numbers: int) -> None:
        """Non-negative whole numbers, 7 bits a byte, least first, the 8th saying that more follow (LEB128)."""
        for number in numbers:
            while number > 0x7F:
                self.data.append(number & 0x7F | 0x80)
                number >>= 7
            self.data.append(number)

    def floats(self, *numbers: float) -> None:
        """Eight bytes each."""
        self.data += struct.pack(f"<{len(numbers)}d", *numbers)

    def sums(self, sums: Floats, counts: Counts) -> None:
        """The sums of buckets that have a count, four bytes each where that holds them."""
        some = sums[counts > 0]
        size = np.abs(some[some != 0])
        fits = bool(np.all((size < _LARGEST) & (size > _SMALLEST)))
        self.whole(int(fits))
        self.data += some.astype("<f4" if fits else "<f8").tobytes()

    @property
    def text(self) -> str:
        """All of it."""
        return b85encode(bytes(self.data)).decode()


class Unpacker:
    """Reads what a `Packer` wrote, in the same order.

    Raises:
        ValueError, from any method: the text is not whole.
    """

    def __init__(self, text: str) -> None:
        self._data = b85decode(text)
        self._at = 0

    def whole(self) -> int:
        """One whole number."""
        number = shift = 0
        while True:
            byte = self._take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def counts(self, size: int) -> Counts:
        """Whole numbers, shape (size,)."""
        return np.array([self.whole() for _ in range(size)], dtype=np.int64)

    def floats(self, size: int) -> Floats:
        """Shape (size,)."""
        return np.frombuffer(self._take(8 * size), dtype="<f8").astype(np.float64)

    def sums(self, counts: Counts) -> Floats:
        """The sums that go with `counts`, of the same shape."""
        kind = np.dtype("<f4" if self.whole() else "<f8")
        some = counts > 0
        sums = np.zeros(counts.size)
        sums[some] = np.frombuffer(self._take(kind.itemsize * int(some.sum())), dtype=kind)
        return sums

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise ValueError(f"{len(self._data) - self._at} bytes too many")

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise ValueError("bytes are missing")
        self._at += size
        return taken
