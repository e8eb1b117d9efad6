"""From columns as they lie in a table to what a network is given: no NaN, no infinity, no code it does not know."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nightshift.learners.torch.inputs import Inputs, Number


class Prepare(nn.Module):
    """Makes numbers normally distributed, tells which are missing, and makes codes whole numbers.

    Images are only put into their shape: each network has its own way with bytes. It learns nothing: all it knows is
    in `Inputs`, and nothing of it is among the weights.
    """

    knots: Tensor
    marks: Tensor
    slopes: Tensor
    numbers: Tensor
    told: Tensor
    categories: Tensor
    last: Tensor

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self._shapes = [image.shape for image in inputs.images]
        knots, marks, slopes = _table(inputs.numbers)
        told = [place for place, number in enumerate(inputs.numbers) if number.has_missing]
        for name, tensor in {
            "knots": knots,
            "marks": marks,
            "slopes": slopes,
            "numbers": torch.tensor([number.place for number in inputs.numbers], dtype=torch.long),
            "told": torch.tensor(told, dtype=torch.long),
            "categories": torch.tensor([one.place for one in inputs.categories], dtype=torch.long),
            "last": torch.tensor([[one.size - 1] for one in inputs.categories], dtype=torch.long),
        }.items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers (rows, width) and the codes (rows, categories) of float32 columns (columns, rows)."""
        raw = columns.index_select(0, self.numbers)
        missing = raw.isnan()
        numbers = torch.where(missing, 0.0, self._normal(raw))
        if len(self.told):
            numbers = torch.cat([numbers, missing.index_select(0, self.told).to(numbers.dtype)])
        codes = columns.index_select(0, self.categories).nan_to_num(nan=-1.0).long() + 1
        codes = torch.minimum(codes.clamp_min(0), self.last) if len(self.categories) else codes
        return numbers.T.contiguous(), codes.T.contiguous()

    def shaped(self, images: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Of each column of images (rows, channels, size, size), of (rows, bytes)."""
        return tuple(image.view(-1, *shape) for image, shape in zip(images, self._shapes, strict=True))

    def _normal(self, raw: Tensor) -> Tensor:
        if len(self.numbers) == 0:
            return raw
        held = torch.maximum(torch.minimum(raw, self.knots[:, -1:]), self.knots[:, :1])
        held = torch.where(held.isnan(), self.knots[:, :1], held).contiguous()
        place = (torch.searchsorted(self.knots, held, right=True) - 1).clamp_min(0)
        beyond = held - self.knots.gather(1, place)
        return self.marks.gather(1, place) + beyond * self.slopes.gather(1, place)


def _table(numbers: tuple[Number, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Knots, marks and slopes, each (numbers, most knots); short rows are filled with their last knot."""
    most = max((len(number.knots) for number in numbers), default=1)
    knots = torch.zeros(len(numbers), most, dtype=torch.float64)
    marks = torch.zeros(len(numbers), most, dtype=torch.float64)
    for row, number in enumerate(numbers):
        rest = most - len(number.knots)
        knots[row] = torch.tensor([*number.knots, *[number.knots[-1]] * rest], dtype=torch.float64)
        marks[row] = torch.tensor([*number.marks, *[number.marks[-1]] * rest], dtype=torch.float64)
    slopes = torch.zeros_like(knots)
    rise = marks.diff(dim=1) / knots.diff(dim=1)
    slopes[:, :-1] = torch.where(rise.isfinite(), rise, 0.0)
    # A slope that float32 cannot hold belongs to two knots that it can hardly tell apart.
    slopes = torch.where(slopes.abs() < torch.finfo(torch.float32).max, slopes, 0.0)
    return knots.float(), marks.float(), slopes.float()
