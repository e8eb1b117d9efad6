"""The network `image`: a backbone that looks at images, the columns beside them, and layers over both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nightshift.learners.torch.conv import Conv
from nightshift.learners.torch.inputs import Inputs
from nightshift.learners.torch.layers import ColumnLayer, Layered, Staged
from nightshift.learners.torch.timm_backbone import build_backbone
from nightshift.spec.networks import ImageParams

CONV = "conv"
BACKBONE = "layers.1.backbone."
"""What the names of a backbone's own weights begin with, among those of the network."""

_BESIDE_COLUMNS = (128,)


class ImageBackbone(Staged):
    """A backbone behind the step from bytes to numbers.

    Attributes:
        mean, scale: of each channel, as the backbone is used to; kept with the weights.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, backbone: nn.Module, mean: tuple[float, ...], scale: tuple[float, ...]) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("scale", torch.tensor(scale).view(1, -1, 1, 1))

    def stages(self) -> list[nn.Module]:
        """See `Staged.stages`."""
        return self.backbone.stages() if isinstance(self.backbone, Staged) else stages_of(self.backbone)

    def forward(self, images: Tensor) -> Tensor:
        """(rows, size) of bytes (rows, channels, height, width)."""
        found: Tensor = self.backbone((images.float() / 255 - self.mean) / self.scale)
        return found


class ImageNetwork(Layered):
    """One backbone for all columns of images; what it sees in each stands behind the vector of the other columns."""

    def __init__(
        self, columns: ColumnLayer, backbone: ImageBackbone, over: list[nn.Module], head: nn.Module
    ) -> None:
        super().__init__([columns, backbone, *over], head)
        self.behind_columns = 2 if over else None

    def forward(self, numbers: Tensor, categories: Tensor, *images: Tensor) -> Tensor:
        """(rows, outputs) of prepared columns, and of each column of images bytes (rows, channels, height, width)."""
        columns, backbone, *over = self.layers
        found: Tensor = torch.cat(
            [columns(numbers, categories), *(backbone(image) for image in images)], dim=1
        )
        for layer in over:
            found = layer(found)
        outputs: Tensor = self.head(found)
        return outputs


def build_image(inputs: Inputs, outputs: int, params: ImageParams) -> nn.Module:
    """A network over the columns of images and all others."""
    columns = ColumnLayer(inputs, params)
    size_each, backbone = _backbone(inputs, params)
    size = columns.size + size_each * len(inputs.images)
    default = _BESIDE_COLUMNS if columns.size else ()
    over: list[nn.Module] = []
    for width in default if params.layers is None else params.layers:
        over.append(
            nn.Sequential(nn.Linear(size, width), nn.LayerNorm(width), nn.ReLU(), nn.Dropout(params.dropout))
        )
        size = width
    return ImageNetwork(
        columns, backbone, over, nn.Sequential(nn.Dropout(params.dropout), nn.Linear(size, outputs))
    )


def stages_of(network: nn.Module) -> list[nn.Module]:
    """The parts of a network that hold weights, in the order they stand in; of a sequence, its members."""
    found: list[nn.Module] = []
    for part in network.children():
        is_sequence = isinstance(part, nn.Sequential | nn.ModuleList)
        found += stages_of(part) if is_sequence else [part] if any(True for _ in part.parameters()) else []
    return found


def _backbone(inputs: Inputs, params: ImageParams) -> tuple[int, ImageBackbone]:
    """How many numbers it makes of an image, and the backbone."""
    channels, size, _ = inputs.images[0].shape
    if params.backbone != CONV:
        found = build_backbone(params.backbone, channels, size)
        return found.size, ImageBackbone(found.network, found.mean, found.scale)
    conv = Conv(channels, params.widths)
    return conv.size, ImageBackbone(conv, (0.5,) * channels, (0.5,) * channels)
