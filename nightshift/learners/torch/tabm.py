"""The network `tabm`: many small networks in one, which share most of their weights.

Gorishniy et al., TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling, ICLR 2025, by its authors'
package. Each of the networks is trained by its own loss; their probabilities are averaged when rows are scored.
"""

from __future__ import annotations

from tabm import EnsembleView, LinearEnsemble, make_tabm_backbone
from torch import nn

from nightshift.learners.torch.inputs import Inputs
from nightshift.learners.torch.layers import ColumnLayer, Layered
from nightshift.spec.networks import TabmParams


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
