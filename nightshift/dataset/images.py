"""From the bytes of image files to pixels of one shape: the same in training, batch prediction and serving."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightshift.errors import DataRefusedError, RequestError

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]

AT_ONCE_BYTES = 64_000_000
"""Of decoded images: rows are decoded in pieces of about this size."""

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def decode(
    column: pa.Array | pa.ChunkedArray, size: int, channels: int, row: Callable[[int], str]
) -> pa.FixedSizeBinaryArray:
    """Encoded images as pixels, `channels` planes of `size` x `size` bytes each; null stays null.

    Each is turned as its EXIF data says, made grey or coloured, and stretched to the shape: nothing is cut off.

    Args:
        row: names the row at a place, for people.

    Raises:
        DataRefusedError: a value is no image.
        RequestError: Pillow is not installed.
    """
    pillow = _pillow()
    values = pa.chunked_array(column) if isinstance(column, pa.Array) else column
    values = values.cast(pa.large_binary()).combine_chunks()
    there = values.is_valid().to_numpy(zero_copy_only=False)
    found = np.zeros((len(values), channels, size, size), dtype=np.uint8)

    def fill(places: npt.NDArray[np.intp]) -> None:
        for place in places:
            try:
                found[place] = _pixels(pillow, values[int(place)].as_buffer(), size, channels)
            # What a decoder raises of broken bytes is anything, and it is told of which row.
            except Exception as error:
                raise DataRefusedError(
                    f"the bytes are no image: {type(error).__name__}: {error}", where=row(int(place)),
                    valid=_FORMATS, remedy="leave the row out in the SQL, or write null where there is no image",
                ) from error  # fmt: skip

    # Pillow decodes without holding the interpreter's lock.
    parts = np.array_split(np.flatnonzero(there), pa.cpu_count())
    with ThreadPoolExecutor(len(parts)) as pool:
        for _ in pool.map(fill, parts):
            pass
    width = channels * size * size
    bits = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(pa.binary(width), len(values), [bits, pa.py_buffer(found)])


def _pixels(pillow: Any, content: pa.Buffer, size: int, channels: int) -> Pixels:
    """(channels, size, size)."""
    mode = "L" if channels == 1 else "RGB"
    with pillow.open(io.BytesIO(content)) as opened:
        # A JPEG can be decoded at a fraction of its size, which takes a fraction of the time.
        opened.draft(mode, (size, size))
        opened.load()
        image = _upright(_of_bytes(pillow, opened)).convert(mode)
    image = image.resize((size, size), pillow.Resampling.BILINEAR)
    made: Pixels = np.asarray(image, dtype=np.uint8)
    return made[None] if channels == 1 else np.moveaxis(made, 2, 0)


def _of_bytes(pillow: Any, image: Image.Image) -> Image.Image:
    """An image of two bytes a pixel with the greater one alone: Pillow itself would cut all off that is above 255."""
    if not image.mode.startswith("I"):
        return image
    made: Image.Image = pillow.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return made


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    turned: Image.Image = ImageOps.exif_transpose(image)
    return turned


def _pillow() -> Any:
    """Pillow, imported when the first image is decoded and not before."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise RequestError(
            "images are decoded by Pillow, which is not installed", where="a column of images",
            remedy='pip install "nightshift[vision]"',
        ) from error  # fmt: skip
    return Image
