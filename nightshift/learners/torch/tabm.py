"""The network `tabm`: many small networks in one, which share most of their weights.

Gorishniy et al., TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling, ICLR 2025, by its authors'
package. Each of the networks is trained by its own loss; their probabilities are averaged when rows are scored.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from tabm import EnsembleView, LinearEnsemble, make_tabm_backbone
from torch import nn

from nightshift.learners.torch.inputs import Inputs
from nightshift.learners.torch.layers import ColumnLayer, ColumnParams, Layered


class TabmParams(ColumnParams):
    """What `learner.params` may say.

    Attributes:
        networks: how many there are in one.
        blocks, width: of each of them.
    """

    numbers: Literal["quantile", "piecewise"] = "piecewise"
    networks: int = Field(default=16, ge=1)
    blocks: int = Field(default=2, ge=1)
    width: int = Field(default=256, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)


def build_tabm(inputs: Inputs, outputs: int, params: TabmParams) -> nn.Module:
    """A network with outputs (rows, networks, outputs)."""
    columns = ColumnLayer(inputs, params)
    backbone = make_tabm_backbone(
        d_in=columns.size,
        n_blocks=params.blocks,
        d_block=params.width,
        dropout=params.dropout,
        k=params.networks,
        start_scaling_init="normal" if params.numbers == "piecewise" else "random-signs",
        start_scaling_init_chunks=columns.pieces,
    )
    first, *others = backbone.blocks
    layers = [columns, nn.Sequential(EnsembleView(k=params.networks), first), *others]
    return Layered(layers, LinearEnsemble(params.width, outputs, k=params.networks))
