"""Which columns of a network are those of another one, and which of its weights belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nightshift.dataset.encoder import Encoder
from nightshift.learners.torch.inputs import Inputs, Number

PREFIX = "layers.0."
_BY_PIECES = f"{PREFIX}by_pieces."
_SIZE_OF_PIECES = f"{_BY_PIECES}linear0.weight"
Key = tuple[str, str]


@dataclass(frozen=True)
class ColumnMatch:
    """Two networks' columns, matched by name and kind.

    Attributes:
        before: of the network that is taken over; `now`: of the new one.
        rows: of each category that both know, and each row of its new embedding: the row of the old one.
        new_values: of such a category, how many values the old network never saw, where there are any.
    """

    before: Inputs
    now: Inputs
    rows: Mapping[str, tuple[int, ...]]
    new_values: Mapping[str, int]

    @classmethod
    def of(
        cls, before: Inputs, old: Encoder, learnt: Inputs, new: Encoder, weights: Mapping[str, Tensor]
    ) -> ColumnMatch:
        """Match columns; where both know one, the new network knows it as the old one did.

        Args:
            before: the old network's, whose vocabularies are in `old`.
            learnt: the new network's, from its training rows alone, whose vocabularies are in `new`.
            weights: the old network's.
        """
        words = [{one.name: one.vocabulary for one in encoder.features} for encoder in (old, new)]
        numbers = {one.name: one for one in before.numbers}
        places = {one.name: place for place, one in enumerate(before.categories)}
        rows, new_values = {}, {}
        categories = []
        for category in learnt.categories:
            embedding = weights.get(_embedding(places.get(category.name, -1)))
            if embedding is None:
                categories.append(category)
                continue
            categories.append(replace(category, width=embedding.shape[1]))
            known = {value: row for row, value in enumerate(words[0][category.name], start=1)}
            unseen = len(known) + 1
            values = words[1][category.name]
            rows[category.name] = (0, *(known.get(value, unseen) for value in values), unseen)
            if count := sum(value not in known for value in values):
                new_values[category.name] = count
        kept = tuple(_as_before(number, numbers.get(number.name)) for number in learnt.numbers)
        return cls(before, replace(learnt, numbers=kept, categories=tuple(categories)), rows, new_values)

    @property
    def is_the_same(self) -> bool:
        """Whether nothing differs: columns, their order, and their categories."""
        return _keys(self.before) == _keys(self.now) and all(
            rows == tuple(range(len(rows))) for rows in self.rows.values()
        )

    @property
    def words(self) -> str:
        """What is taken over, and what is not."""
        before = {name for kind, name in _keys(self.before) if kind != "told"}
        now = {name: kind for kind, name in _keys(self.now) if kind != "told"}
        # Of a category, only what has an embedding to take over is known.
        known = {name for kind, name in _keys(self.before) if kind != "category"} | self.rows.keys()
        fresh = sorted(now.keys() - known)
        said = [f"{len(now) - len(fresh)} of {len(now)} columns taken over"]
        if fresh:
            said.append(f"fresh: {', '.join(fresh)}")
        if gone := sorted(before - now.keys()):
            said.append(f"left out: {', '.join(gone)}")
        said += [f"{count} new values of {name}" for name, count in self.new_values.items()]
        return "; ".join(said)

    def of_layer(self, old: Mapping[str, Tensor], mine: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the layer that takes the columns, as far as the old network has them."""
        found = {}
        places = {one.name: place for place, one in enumerate(self.before.categories)}
        for place, category in enumerate(self.now.categories):
            if category.name in self.rows:
                before = old[_embedding(places[category.name])]
                found[_embedding(place)] = before[list(self.rows[category.name])]
        for name in ("linear0.weight", "linear0.bias", "linear.weight"):
            name = f"{_BY_PIECES}{name}"
            if name in old and name in mine:
                found[name] = self._by_pieces(old[name], mine[name])
        return found

    def of_first(self, name: str, old: Mapping[str, Tensor], mine: Mapping[str, Tensor]) -> Tensor:
        """A tensor of the first layer behind the columns, whose last dimension is that of the columns' vector.

        Columns that are new have the weight 0. Of tabm's scalings they keep those that were drawn: both 0 would never
        learn.
        """
        before, now = _slices(self.before, old, name), _slices(self.now, mine, name)
        found = mine[name].clone() if name.endswith(".r") else torch.zeros_like(mine[name])
        for key, place in now.items():
            if key in before:
                found[..., place] = old[name][..., before[key]]
        return found

    def _by_pieces(self, old: Tensor, mine: Tensor) -> Tensor:
        """A row a number. Of pieces, which are the middle dimension, the last one always stands at the end."""
        found, places = mine.clone(), {one.name: place for place, one in enumerate(self.before.numbers)}
        for place, number in enumerate(self.now.numbers):
            if number.name not in places:
                continue
            row = old[places[number.name]]
            if row.ndim == 1:
                found[place] = row
            else:
                most = min(len(row), mine.shape[1]) - 1
                found[place, :most], found[place, -1] = row[:most], row[-1]
        return found


def _as_before(number: Number, before: Number | None) -> Number:
    """A number in the old map: what the old network learnt of its values holds in that map."""
    if before is None:
        return number
    told = number.has_missing or before.has_missing
    return replace(number, knots=before.knots, marks=before.marks, has_missing=told)


def _slices(inputs: Inputs, weights: Mapping[str, Tensor], first: str) -> dict[Key, slice]:
    """Where each column lies in the vector that the layer named `first` is given."""
    each = weights[_SIZE_OF_PIECES].shape[1] if _SIZE_OF_PIECES in weights else 1
    embeddings = (weights[_embedding(place)].shape[1] for place in range(len(inputs.categories)))
    sizes = {"number": each, "told": 1}
    found, start = {}, 0
    for kind, name in _keys(inputs):
        if kind == "image":
            # The last ones, which share what is left of the vector.
            sizes.setdefault(kind, (weights[first].shape[-1] - start) // len(inputs.images))
        size = sizes[kind] if kind in sizes else next(embeddings)
        found[(kind, name)] = slice(start, start + size)
        start += size
    return found


def _keys(inputs: Inputs) -> list[Key]:
    """What a network is given, in the order of the vector: numbers, which of them are missing, categories, images."""
    return [
        *(("number", one.name) for one in inputs.numbers),
        *(("told", one.name) for one in inputs.numbers if one.has_missing),
        *(("category", one.name) for one in inputs.categories),
        *(("image", one.name) for one in inputs.images),
    ]


def _embedding(place: int) -> str:
    return f"{PREFIX}categories.{place}.weight"
