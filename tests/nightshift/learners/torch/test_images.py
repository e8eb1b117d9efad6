"""Networks that look at images: trained, resumed and carried over like any other."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import safetensors.torch
import torch

from nightshift.dataset.encoder import Encoder, Feature
from nightshift.errors import RequestError
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Origin, Part, Task
from nightshift.learners.registry import learner
from nightshift.learners.torch import batches as batches_module
from nightshift.learners.torch.batches import Batches
from nightshift.learners.torch.model import TorchModel
from nightshift.learners.torch.objective import Objective
from nightshift.learners.torch.prepare import Prepare
from nightshift.learners.torch.rows import NO_IMAGE, Rows
from nightshift.learners.torch.statistics import learn_inputs
from nightshift.store.memory import MemoryStore
from tests.nightshift.learners.torch import small
from tests.nightshift.learners.torch.pictures import (
    ENCODER,
    SIZE,
    decoded,
    origin_of,
    part_of,
    recipe_of,
    task_of,
)
from tests.nightshift.learners.torch.small import always_due, files_of, fit

OLD, NEW = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9)
FROM: dict[str, Any] = {"from_model": {"project": "first", "version": 1}}
PHASES = {"epochs": 3, "phases": [{"train": "head", "epochs": 1}, {"unfreeze": "last:1", "epochs": 1, "rate": "0.5x"},
                                  {"unfreeze": "all", "epochs": 1, "rate": "0.1x"}]}  # fmt: skip
BOTH = Encoder(
    (Feature("x", "number", "double"), *ENCODER.features, Feature("city", "category", "string", ("u", "v")))
)


def a_task() -> Task:
    """95 rows to learn from, and 50 to watch."""
    return task_of(OLD, part_of(OLD, each=19), part_of(OLD, slice(100, None), each=10))


def beside(part: Part, *, missing: int = 0) -> Part:
    """The same rows with a number and a category beside the image; every so-manieth image is missing."""
    rows, random = part.features.num_rows, np.random.default_rng(3)
    photo = part.features["photo"].combine_chunks()
    if missing:
        photo = pa.array(
            [None if place % missing == 0 else value for place, value in enumerate(photo.to_pylist())],
            photo.type,
        )
    columns = {
        "x": pa.array(random.normal(size=rows).astype(np.float32)),
        "photo": photo,
        "city": pa.array(random.integers(0, 2, rows).astype(np.float32)),
    }
    return Part(pa.table(columns), part.label, part.weight)


def right(fitted: Fitted, part: Part) -> float:
    return float((fitted.model.score(part.features).argmax(axis=1) == part.label).mean())


def test_what_a_network_knows_of_five_digits_helps_with_five_others(tmp_path: Path) -> None:
    params = {"widths": [32, 64]}
    pretrained = fit(task_of(OLD, part_of(OLD, each=120), None), recipe_of(params=params))
    assert right(pretrained, part_of(OLD)) > 0.95
    origin = origin_of(pretrained, tmp_path / "first", OLD)
    few, others = part_of(NEW, each=20), part_of(NEW, slice(60, None))
    short: dict[str, Any] = {"epochs": 5, "batch_size": 10, "early_stopping": None, "params": params}
    carried = recipe_of(**short, **FROM, phases=[{"unfreeze": "all", "epochs": 5}])
    transfer = fit(task_of(NEW, few, None, origin), carried)
    scratch = fit(task_of(NEW, few, None), recipe_of(**short))
    assert right(transfer, others) > max(0.9, right(scratch, others))
    assert "1 of 1 columns taken over" in " ".join(transfer.notes)


def test_a_saved_network_scores_as_it_did_in_any_batch(tmp_path: Path) -> None:
    fitted = fit(a_task(), recipe_of(epochs=1))
    files_of(fitted, tmp_path / "model")
    features = part_of(OLD, each=7).features
    loaded = learner("torch").load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score(features), fitted.model.score(features))
    alone = np.concatenate([loaded.score(features.slice(place, 1)) for place in range(features.num_rows)])
    np.testing.assert_allclose(alone, loaded.score(features), atol=1e-6)
    assert loaded.score(features.slice(0, 0)).shape == (0, 5)


class Killed(Exception):
    """Stands for a kill."""


def killed_at(moment: int) -> Any:
    asked = count(1)

    def spent(done: float) -> str | None:
        if next(asked) == moment:
            raise Killed
        return None

    return spent


@pytest.mark.parametrize(("moment", "begun"), [(4, False), (5, True)])
def test_cut_short_it_ends_with_the_same_bytes(moment: int, begun: bool, tmp_path: Path) -> None:
    task, recipe, store = a_task(), recipe_of(batch_size=5), MemoryStore()
    if begun:
        task = replace(task, origin=origin_of(fit(a_task(), recipe_of(epochs=1)), tmp_path / "first", OLD))
        recipe = recipe_of(batch_size=5, **FROM, **PHASES)
    kept = always_due(store)
    with pytest.raises(Killed):
        fit(task, recipe, Oversight(kept, spent=killed_at(moment)))
    kept.finish()
    again = fit(task, recipe, Oversight(always_due(store)))
    assert again.resumed_from is not None
    assert files_of(again, tmp_path / "again") == files_of(fit(task, recipe), tmp_path / "whole")


def test_layers_that_do_not_learn_keep_their_statistics(tmp_path: Path) -> None:
    first = fit(a_task(), recipe_of(epochs=1))
    origin = origin_of(first, tmp_path / "first", OLD)
    before = safetensors.torch.load_file(tmp_path / "first" / "network.safetensors")

    def changed(**changes: Any) -> set[str]:
        fitted = fit(replace(a_task(), origin=origin), recipe_of(**FROM, **changes, early_stopping=None))
        assert isinstance(fitted.model, TorchModel)
        after = fitted.model.whole.network.state_dict()
        return {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}

    assert all(name.startswith("head.") for name in changed(epochs=1, mode="feature_extraction"))
    last = changed(epochs=1, phases=[{"unfreeze": "last:1", "epochs": 1}])
    assert all(name.startswith(("head.", "layers.1.backbone.blocks.1.")) for name in last)
    assert any("running_mean" in name for name in last)
    everything = changed(epochs=1, phases=[{"unfreeze": "all", "epochs": 1}])
    assert any(
        name.startswith("layers.1.backbone.blocks.0.") and "running_mean" in name for name in everything
    )


def test_columns_stand_beside_images_and_some_images_are_missing(tmp_path: Path) -> None:
    task = Task("multiclass", tuple("01234"), BOTH, beside(part_of(OLD, each=19), missing=7), None)
    fitted = fit(task, recipe_of(epochs=2, early_stopping=None))
    assert list(fitted.model.importance()) == ["x", "photo", "city"]
    assert fitted.model.importance()["photo"] > 0
    origin = Origin("first version 1", "torch", "multiclass", tuple("01234"), BOTH, tmp_path / "first")
    files_of(fitted, tmp_path / "first")
    without_x = Encoder(BOTH.features[1:])
    part = Part(task.train.features.select(without_x.names), task.train.label, None)
    begun = fit(replace(task, encoder=without_x, train=part, origin=origin), recipe_of(epochs=1, **FROM))
    assert "2 of 2 columns taken over; left out: x" in " ".join(begun.notes)


def test_the_columns_own_weights_find_their_places_again(tmp_path: Path) -> None:
    """A network that begins with another's says what that one said, whatever the order of its columns."""
    train = beside(part_of(OLD, each=10))
    first = fit(
        Task("multiclass", tuple("01234"), BOTH, train, None), recipe_of(epochs=1, early_stopping=None)
    )
    files_of(first, tmp_path / "first")
    origin = Origin("first version 1", "torch", "multiclass", tuple("01234"), BOTH, tmp_path / "first")
    turned = Encoder(
        (BOTH.features[2], Feature("new", "number", "double"), BOTH.features[1], BOTH.features[0])
    )
    table = train.features.append_column("new", pa.array(np.ones(50, dtype=np.float32))).select(turned.names)
    task = Task("multiclass", tuple("01234"), turned, Part(table, train.label, None), None, origin)
    still = recipe_of(epochs=1, rate=1e-30, weight_decay=0.0, mode="feature_extraction", **FROM)
    begun = fit(task, still)
    assert isinstance(first.model, TorchModel)
    assert isinstance(begun.model, TorchModel)

    def before_head(model: TorchModel, features: pa.Table) -> torch.Tensor:
        found: list[torch.Tensor] = []
        hook = model.whole.network.head.register_forward_pre_hook(lambda _, given: found.append(given[0]))
        model.score(features)
        hook.remove()
        return found[0]

    torch.testing.assert_close(before_head(begun.model, table), before_head(first.model, train.features))


@pytest.mark.parametrize("resident", [True, False])
def test_batches_pick_each_rows_own_image(resident: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "RESIDENT_BYTES", 10**9 if resident else 0)
    monkeypatch.setattr(batches_module, "BLOCK_BYTES", 60 * SIZE**2)
    table = pa.concat_tables([decoded().slice(0, 37), decoded().slice(40, 60)])
    part = Part(table, np.arange(97, dtype=np.float64), None)
    prepare = Prepare(learn_inputs(ENCODER, Rows(table)))
    seen = 0
    for batch in Batches(part, Objective("regression", 1), prepare, 8, 0, torch.device("cpu")).of(1):
        for place, image in zip(batch.target.long().tolist(), batch.images[0], strict=True):
            assert image.shape == (1, SIZE, SIZE)
            assert image.numpy().tobytes() == table["photo"][place].as_py()
        seen += len(batch.target)
    assert seen == 97


def test_a_missing_image_is_plain() -> None:
    photo = decoded()["photo"].combine_chunks()
    table = pa.table({"photo": pa.array([photo[0].as_py(), None, photo[2].as_py()], photo.type)}).slice(1)
    first, second = Rows(table).images(np.arange(2))[0]
    assert (first == NO_IMAGE).all()
    assert second.tobytes() == photo[2].as_py()


@pytest.mark.parametrize(
    ("task", "recipe", "said"),
    [
        (a_task(), recipe_of(network="mlp", params={}), "network mlp sees no images, and the column 'photo'"),
        (small.task_of(), recipe_of(), "needs a column of images"),
    ],
)
def test_what_does_not_go_together_is_told_before_training(task: Task, recipe: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        fit(task, recipe, Oversight(spent=lambda done: pytest.fail("training began")))
    assert raised.value.remedy


@pytest.mark.parametrize(
    ("params", "said"),
    [({"backbone": "conv", "width": 3}, "knows no param 'width'"), ({"widths": []}, "at least 1 item")],
)
def test_parameters_that_the_network_does_not_take_are_refused_when_declared(
    params: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        recipe_of(params=params)


def test_another_backbone_is_refused_and_other_widths_start_fresh(tmp_path: Path) -> None:
    origin = origin_of(fit(a_task(), recipe_of(epochs=1)), tmp_path / "first", OLD)
    task = replace(a_task(), origin=origin)
    with pytest.raises(RequestError, match="has the backbone 'conv', and this recipe says 'resnet18'"):
        fit(task, recipe_of(**FROM, params={"backbone": "resnet18"}))
    begun = fit(task, recipe_of(epochs=1, **FROM, params={"widths": [8, 12]}))
    assert "but for layers.1.backbone.blocks.1, which start fresh" in " ".join(begun.notes)


OWN = """
from torch import nn

class Own(nn.Module):
    def __init__(self, shape, outputs):
        super().__init__()
        self.linear = nn.Linear(shape[0] * shape[1] * shape[2], outputs)

    def forward(self, numbers, categories, photo):
        return self.linear(photo.flatten(1) / 255)

def build(inputs, outputs):
    return Own(inputs.images[0].shape, outputs)
"""


def test_a_users_own_network_is_given_the_images() -> None:
    recipe = recipe_of(network="projects.demo.nets:build", params={}, epochs=8, rate=0.02)
    fitted = fit(a_task(), recipe.model_copy(update={"network_text": OWN}))
    assert right(fitted, part_of(OLD, slice(100, None), each=10)) > 0.7


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA")
def test_on_a_gpu_two_trainings_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = (fit(a_task(), recipe_of(device="cuda")) for _ in range(2))
    assert files_of(one, tmp_path / "one") == files_of(other, tmp_path / "other")


def test_other_channels_are_refused(tmp_path: Path) -> None:
    origin = origin_of(fit(a_task(), recipe_of(epochs=1)), tmp_path / "first", OLD)
    colours = Encoder((replace(ENCODER.features[0], channels=3),))
    pixels = pa.array(
        [value * 3 for value in part_of(OLD, each=3).features["photo"].to_pylist()], pa.binary(3 * SIZE**2)
    )
    part = Part(pa.table({"photo": pixels}), part_of(OLD, each=3).label, None)
    with pytest.raises(RequestError, match="images of 1 channels, and this recipe says 3"):
        fit(Task("multiclass", tuple("01234"), colours, part, None, origin), recipe_of(**FROM))


def test_one_row_of_one_pixel_can_be_learnt_from() -> None:
    one = part_of((0,), each=1)
    fitted = fit(
        Task("regression", ("",), ENCODER, one, one), recipe_of(epochs=1, params={"widths": [2] * 6})
    )
    assert fitted.model.score(one.features).shape == (1,)
