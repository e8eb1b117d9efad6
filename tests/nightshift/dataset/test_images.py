"""Image files become pixels of one shape; what is no image is refused by name."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from nightshift.dataset import encoder as encoder_module
from nightshift.dataset.encoder import Encoder, Feature, feature_kind
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.train import train
from tests.synthetic import World, rows_of, snapshot

GREY = Feature("photo", "image", "binary", size=8, channels=1)
COLOURS = Feature("photo", "image", "binary", size=8, channels=3)
RED = np.zeros((8, 8, 3), dtype=np.uint8) + np.array([200, 10, 0], dtype=np.uint8)


def written(pixels: np.ndarray[Any, Any], form: str = "PNG", **more: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **more)
    return file.getvalue()


def decoded(feature: Feature, *files: bytes | None) -> np.ndarray[Any, Any]:
    """(rows, channels, size, size)."""
    rows = Encoder((feature,)).encode(pa.table({"photo": pa.array(files, pa.binary())})).rows
    values = [np.frombuffer(value, dtype=np.uint8) for value in rows["photo"].to_pylist()]
    return np.stack(values).reshape(-1, feature.channels, feature.size, feature.size)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(5), pa.binary_view()])
def test_bytes_are_images(kind: pa.DataType) -> None:
    assert feature_kind(pa.field("photo", kind), "dataset.sql") == "image"


def test_colours_are_planes_and_grey_is_one() -> None:
    np.testing.assert_array_equal(decoded(COLOURS, written(RED))[0], np.moveaxis(RED, 2, 0))
    grey = decoded(GREY, written(RED))
    assert grey.shape == (1, 1, 8, 8)
    assert (grey == Image.fromarray(RED).convert("L").getpixel((0, 0))).all()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_every_size_and_format_comes_to_one_shape(form: str) -> None:
    pixels = np.kron(RED, np.ones((5, 2, 1), dtype=np.uint8))
    np.testing.assert_allclose(decoded(COLOURS, written(pixels, form))[0, 0], 200, atol=8)


def test_two_bytes_a_pixel_and_a_turned_photo() -> None:
    deep = np.full((8, 8), 40_000, dtype=np.uint16)
    assert (decoded(GREY, written(deep)) == 40_000 >> 8).all()
    half = np.zeros((8, 8), dtype=np.uint8)
    half[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    assert decoded(GREY, written(half, exif=exif))[0, 0, 0, 0] == 0


def test_null_stays_null_and_other_columns_stand_beside() -> None:
    both = Encoder((Feature("x", "number", "double"), GREY))
    rows = both.encode(
        pa.table({"photo": pa.array([None, written(RED)], pa.binary()), "x": [1.0, None]})
    ).rows
    assert rows.schema.types == [pa.float32(), pa.binary(64)]
    assert rows["photo"].is_null().to_pylist() == [True, False]
    nothing = both.encode(pa.table({"photo": pa.nulls(2), "x": pa.nulls(2)})).rows
    assert nothing["photo"].null_count == 2


def test_an_encoder_with_images_survives_json() -> None:
    both = Encoder((Feature("x", "number", "double"), COLOURS))
    assert Encoder.from_json(both.to_json()) == both
    assert "size" not in Encoder(both.features[:1]).to_json()


@pytest.mark.parametrize("content", [b"", b"no image", written(RED)[:-30], written(RED, "JPEG")[:80]])
def test_what_is_no_image_is_refused_by_the_name_of_its_row(content: bytes) -> None:
    rows = pa.table({"photo": pa.array([written(RED), None, content], pa.binary()), "id": [7, 8, 9]})
    with pytest.raises(DataRefusedError, match="no image") as raised:
        Encoder((GREY,)).encode(rows, key=["id"])
    assert raised.value.where == "column 'photo', id 9"
    assert "leave the row out" in raised.value.remedy
    with pytest.raises(DataRefusedError) as raised:
        Encoder((GREY,)).encode(rows)
    assert raised.value.where == "column 'photo', row 3"


def test_rows_are_decoded_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pa.table({"photo": pa.array([written(RED)] * 7, pa.binary())})
    monkeypatch.setattr(encoder_module, "AT_ONCE_BYTES", 3 * 64)
    assert [piece.num_rows for piece in Encoder((GREY,)).pieces(rows)] == [3, 3, 1]
    assert [piece.num_rows for piece in Encoder(()).pieces(rows)] == [7]
    assert [piece.num_rows for piece in Encoder((GREY,)).pieces(rows.slice(0, 0))] == [0]


def test_what_images_need_is_loaded_with_the_first_image() -> None:
    code = (
        "import sys, nightshift.dataset.encoder, nightshift.learners.train\n"
        "from nightshift.learners.registry import learner\n"
        "{}\nprint([name for name in {} if name in sys.modules])"
    )
    asked = {
        "learner('lightgbm')": ["torch", "PIL", "timm"],
        "learner('torch')": ["PIL", "timm", "torchvision"],
    }
    for what, names in asked.items():
        done = subprocess.run(
            [sys.executable, "-c", code.format(what, names)], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"


def test_trees_see_no_images(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of(per_day=3).assign(photo=written(RED)))
    project = world.declare()
    with pytest.raises(RequestError, match="'photo' holds bytes") as raised:
        train(project, snapshot(world, project), "mark", world.settings)
    assert "network: image" in raised.value.remedy
    assert "dataset.exclude" in raised.value.remedy
