"""What networks are built of: layers from the columns to the head, so that a transfer can name the last ones."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import torch
from rtdl_num_embeddings import PiecewiseLinearEmbeddings
from torch import Tensor, nn

from nightshift.learners.torch.inputs import Category, Inputs, Number
from nightshift.spec.networks import ColumnParams


class Staged(nn.Module):
    """A layer that is a network itself, whose stages a transfer counts one by one."""

    def stages(self) -> list[nn.Module]:
        """From the input on; what stands in none of them learns only when all layers do."""
        raise NotImplementedError


class Layered(nn.Module):
    """Layers one behind the other, the first of which takes the columns, and a head.

    Attributes:
        layers: the backbone, numbered from the columns to the head.
        head: from the last layer to the outputs.
        behind_columns: the first layer that is given the vector of the columns; none where only the head is.
    """

    behind_columns: int | None = 1

    def __init__(self, layers: Iterable[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.head = head

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """Outputs of prepared columns: (rows, outputs), or (rows, networks, outputs) of many in one."""
        found: Tensor = self.layers[0](numbers, categories)
        for layer in self.layers[1:]:
            found = layer(found)
        outputs: Tensor = self.head(found)
        return outputs


class ColumnLayer(nn.Module):
    """Makes one vector of a row's columns.

    Numbers are made linear by pieces after Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep
    Learning, NeurIPS 2022, in the form of Gorishniy et al., TabM, ICLR 2025 (version B).

    Attributes:
        pieces: how many of the vector's numbers come of each column, in order.
    """

    def __init__(self, inputs: Inputs, params: ColumnParams) -> None:
        super().__init__()
        count, told = len(inputs.numbers), inputs.width - len(inputs.numbers)
        self.count = count
        self.by_pieces: nn.Module | None = None
        if count and params.numbers == "piecewise":
            bins = [_bins(number, params.bins) for number in inputs.numbers]
            with warnings.catch_warnings():
                # A column of two values has one piece, and that is as it should be.
                warnings.filterwarnings("ignore", ".*has just two bin edges")
                self.by_pieces = PiecewiseLinearEmbeddings(
                    bins, params.number_size, activation=False, version="B"
                )
        self.categories = nn.ModuleList(
            _embedding(category, params.category_size) for category in inputs.categories
        )
        sizes = [int(one.embedding_dim) for one in self.categories if isinstance(one, nn.Embedding)]
        each = params.number_size if self.by_pieces is not None else 1
        self.pieces: list[int] = [each] * count + [1] * told + sizes

    @property
    def size(self) -> int:
        """The size of the vector."""
        return sum(self.pieces)

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """(rows, size) of numbers (rows, width) and codes (rows, categories)."""
        found = [numbers]
        if self.by_pieces is not None:
            found = [self.by_pieces(numbers[:, : self.count]).flatten(1), numbers[:, self.count :]]
        found += [embed(categories[:, place]) for place, embed in enumerate(self.categories)]
        return torch.cat(found, dim=1)


def _embedding(category: Category, most: int) -> nn.Embedding:
    """Vectors of a category's values; of what is missing or was never seen, they begin at zero, the middle of all.

    The size grows as 1.6 n^0.56, as fast.ai found it to do well.
    """
    size = category.width or min(most, round(1.6 * category.size**0.56))
    embedding = nn.Embedding(category.size, size)
    nn.init.uniform_(embedding.weight, -(size**-0.5), size**-0.5)
    with torch.no_grad():
        embedding.weight[0] = 0.0
        embedding.weight[-1] = 0.0
    return embedding


def _bins(number: Number, most: int) -> Tensor:
    """The edges of at most `most` pieces that hold about as many training rows each."""
    chosen = np.linspace(0, len(number.marks) - 1, min(most + 1, len(number.marks))).round().astype(int)
    edges = np.unique(np.array(number.marks, dtype=np.float32)[chosen])
    return torch.from_numpy(edges if len(edges) > 1 else np.array([edges[0], edges[0] + 1]))
