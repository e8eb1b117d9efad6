"""The rows of an epoch in an order of their own, batch by batch, in bounded memory.

An epoch's order is drawn from the seed and the epoch's number, so that it needs no state: whoever knows how many steps
were done goes on in the middle. Rows are picked and prepared block by block. The places of a block's rows are sorted
first, so that the disk is read forward, and batches are cut from the block in the drawn order. Memory beside the mapped
file: 4 bytes a row for the order, 4 to 8 for the label, 4 for a weight, and blocks of about BLOCK_BYTES; or, of a table
that is not larger than RESIDENT_BYTES (on a GPU: than a quarter of its free memory), all its rows, prepared once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nightshift.learners.model import Floats
from nightshift.learners.protocol import Part
from nightshift.learners.torch.objective import Objective
from nightshift.learners.torch.prepare import Prepare
from nightshift.learners.torch.rows import Places, Rows

BLOCK_BYTES = 16_000_000
RESIDENT_BYTES = 64_000_000
PREPARED_AT_ONCE = 65_536


@dataclass(frozen=True)
class Batch:
    """Rows on the device: numbers (rows, width), codes (rows, categories), target (rows,), and a weight a row if any.
    Of each column of images (rows, channels, size, size), bytes.

    Attributes:
        rows: how many the whole batch has, over all processes.
    """

    numbers: Tensor
    codes: Tensor
    target: Tensor
    weight: Tensor | None
    rows: int
    images: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class _Block:
    """Prepared rows on the device, with target and weight."""

    numbers: Tensor
    codes: Tensor
    target: Tensor
    weight: Tensor | None
    images: tuple[Tensor, ...]

    def batch(self, places: Tensor, rows: int) -> Batch:
        """Some of these rows."""
        weight = None if self.weight is None else self.weight.index_select(0, places)
        return Batch(
            self.numbers.index_select(0, places), self.codes.index_select(0, places).long(),
            self.target.index_select(0, places), weight, rows,
            tuple(image.index_select(0, places) for image in self.images),
        )  # fmt: skip


class Batches:
    """The batches of a training part. The mean weight of all rows is 1, so that weights do not change the rate."""

    def __init__(
        self, part: Part, objective: Objective, prepare: Prepare, size: int, seed: int, device: torch.device,
        rank: int = 0, ranks: int = 1,
    ) -> None:  # fmt: skip
        self._rows = Rows(part.features)
        self._target = torch.from_numpy(objective.target(part.label))
        self._weight = None if part.weight is None else torch.from_numpy(_of_mean_one(part.weight))
        self._prepare, self._device = prepare, device
        self._size, self._seed = size, seed
        self._rank, self._ranks = rank, ranks
        self.count = self._rows.count
        self._resident: _Block | None = None
        if self.count * self._rows.row_bytes <= _most_resident(device):
            self._resident = self._block(np.arange(self.count))

    @property
    def steps(self) -> int:
        """Batches of an epoch. A last row alone joins the batch before it: some layers need two."""
        whole, rest = divmod(self.count, self._size)
        return whole + (rest > 1 or whole == 0)

    def of(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` (from 0), from step `first` on."""
        order: Places = np.arange(self.count, dtype=np.int32 if self.count < 2**31 else np.int64)
        np.random.default_rng([self._seed, epoch]).shuffle(order)
        if self._resident is not None:
            yield from self._from_memory(self._resident, order, first)
        else:
            yield from self._from_disk(order, first)

    def _bounds(self, step: int) -> tuple[int, int]:
        begin = step * self._size
        return begin, self.count if step == self.steps - 1 else begin + self._size

    def _share(self, step: int) -> tuple[int, int]:
        """This process's rows of a batch: from where to where in the order."""
        begin, end = self._bounds(step)
        rows = end - begin
        return begin + rows * self._rank // self._ranks, begin + rows * (self._rank + 1) // self._ranks

    def _rows_of(self, step: int) -> int:
        begin, end = self._bounds(step)
        return end - begin

    def _from_memory(self, block: _Block, order: Places, first: int) -> Iterator[Batch]:
        places = torch.from_numpy(order).to(self._device)
        for step in range(first, self.steps):
            begin, end = self._share(step)
            yield block.batch(places[begin:end], self._rows_of(step))

    def _from_disk(self, order: Places, first: int) -> Iterator[Batch]:
        at_once = max(1, BLOCK_BYTES // (self._rows.row_bytes * max(1, self._size // self._ranks)))
        for start in range(first, self.steps, at_once):
            shares = [self._share(step) for step in range(start, min(start + at_once, self.steps))]
            drawn = np.concatenate([order[begin:end] for begin, end in shares])
            turn = np.argsort(drawn, kind="stable")
            back = np.empty(len(drawn), dtype=np.int64)
            back[turn] = np.arange(len(drawn))
            block, where = self._block(drawn[turn]), torch.from_numpy(back).to(self._device)
            done = 0
            for step, (begin, end) in enumerate(shares, start=start):
                yield block.batch(where[done : done + end - begin], self._rows_of(step))
                done += end - begin

    def _block(self, places: Places) -> _Block:
        """The rows at these ascending places, prepared; at no moment is more than a part of them there twice."""
        numbers, codes = [], []
        for start in range(0, len(places), PREPARED_AT_ONCE):
            columns = torch.from_numpy(self._rows.gather(places[start : start + PREPARED_AT_ONCE]))
            with torch.no_grad():
                made = self._prepare(columns.to(self._device))
            numbers.append(made[0])
            codes.append(made[1].int())
        chosen = torch.from_numpy(places.astype(np.int64))
        weight = None if self._weight is None else self._weight.index_select(0, chosen).to(self._device)
        target = self._target.index_select(0, chosen).to(self._device)
        images = self._prepare.shaped(
            [torch.from_numpy(one).to(self._device) for one in self._rows.images(places)]
        )
        return _Block(torch.cat(numbers), torch.cat(codes), target, weight, images)


def _of_mean_one(weight: Floats) -> npt.NDArray[np.float32]:
    return np.asarray(weight / weight.mean(), dtype=np.float32)


def _most_resident(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 4
    return RESIDENT_BYTES
