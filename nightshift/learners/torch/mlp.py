"""The network `mlp`: columns, then layers of the same form, then a head."""

from __future__ import annotations

from torch import Tensor, nn

from nightshift.learners.torch.inputs import Inputs
from nightshift.learners.torch.layers import ColumnLayer, Layered
from nightshift.spec.networks import MlpParams


class BatchNorm(nn.BatchNorm1d):
    """As torch's; of a batch of one row, which has no spread, nothing is learnt, and what is known is used."""

    def forward(self, input: Tensor) -> Tensor:
        """(rows, size) normalised."""
        if self.training and len(input) == 1:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(input)


def build_mlp(inputs: Inputs, outputs: int, params: MlpParams) -> nn.Module:
    """A network whose layers are linear, normalised, cut off at zero, and dropped from."""
    columns = ColumnLayer(inputs, params)
    layers: list[nn.Module] = [columns]
    size = columns.size
    for width in params.layers:
        layers.append(_layer(size, width, params))
        size = width
    return Layered(layers, nn.Linear(size, outputs))


def _layer(size: int, width: int, params: MlpParams) -> nn.Module:
    parts: list[nn.Module] = [nn.Linear(size, width)]
    if params.norm is not None:
        parts.append(nn.LayerNorm(width) if params.norm == "layer" else BatchNorm(width))
    parts.append(nn.ReLU())
    if params.dropout:
        parts.append(nn.Dropout(params.dropout))
    return nn.Sequential(*parts)
