"""The backbone `conv`: a few blocks of convolutions of our own, for small images and where timm is not installed."""

from __future__ import annotations

from torch import Tensor, nn

from nightshift.learners.torch.layers import Staged


class BatchNorm2d(nn.BatchNorm2d):
    """As torch's; of one pixel of one row, which has no spread, nothing is learnt, and what is known is used."""

    def forward(self, input: Tensor) -> Tensor:
        """(rows, channels, height, width) normalised."""
        if self.training and input.numel() == input.shape[1]:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(input)


class Conv(Staged):
    """Blocks of two 3 x 3 convolutions, each block at half the resolution of the one before it.

    Attributes:
        size: how many numbers it makes of an image.
    """

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            _block(before, width) for before, width in zip((channels, *widths), widths, strict=False)
        )
        self.size = widths[-1]

    def stages(self) -> list[nn.Module]:
        """See `Staged.stages`."""
        return list(self.blocks)

    def forward(self, images: Tensor) -> Tensor:
        """(rows, size) of images (rows, channels, height, width)."""
        for place, block in enumerate(self.blocks):
            # Pooled between blocks, as far as there is something to pool.
            if place and min(images.shape[2:]) > 1:
                images = nn.functional.max_pool2d(images, 2)
            images = block(images)
        # A plain mean: an adaptive pooling learns in another order on each run on a GPU.
        return images.mean(dim=(2, 3))


def _block(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, 3, padding=1, bias=False), BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, bias=False), BatchNorm2d(width), nn.ReLU(),
    )  # fmt: skip
