"""Backbones of timm, where it is installed, and what is said where it or its hub is not there."""

from __future__ import annotations

import builtins
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from nightshift.errors import OutsideError, RequestError
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Origin
from nightshift.learners.registry import learner
from nightshift.learners.torch.model import TorchModel
from nightshift.learners.torch.phases import parts_of
from tests.nightshift.learners.torch.pictures import part_of, recipe_of, task_of
from tests.nightshift.learners.torch.small import files_of, fit

SHOWN = (0, 1, 2)
# Its authors' own smallest ResNet, made for tests.
SMALL: dict[str, Any] = {"params": {"backbone": "test_resnet"}}
FROM: dict[str, Any] = {"from_model": "weights.safetensors"}


@pytest.fixture
def timm() -> Any:
    """The package, imported as the learner imports it."""
    if find_spec("timm") is None:
        pytest.skip("timm is not installed: pip install 'nightshift[vision]'")
    from nightshift.learners.torch import timm_backbone

    return timm_backbone._timm()


def some(origin: Origin | None = None) -> Any:
    return task_of(SHOWN, part_of(SHOWN, each=12), None, origin)


def file_of(folder: Path, timm: Any, name: str = "test_resnet", **more: Any) -> Origin:
    """Weights as the hub has them: of three channels, with a classifier of a thousand classes."""
    torch.manual_seed(5)
    path = folder / "weights.safetensors"
    safetensors.torch.save_file(timm.create_model(name, num_classes=1000, **more).state_dict(), path)
    return Origin(str(path), "torch", "multiclass", (), None, path)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "test_efficientnet"])
def test_a_model_of_timm_is_trained_and_kept(backbone: str, timm: Any, tmp_path: Path) -> None:
    fitted = fit(some(), recipe_of(epochs=1, params={"backbone": backbone}))
    files_of(fitted, tmp_path / "model")
    features = part_of(SHOWN, each=5).features
    loaded = learner("torch").load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score(features), fitted.model.score(features))
    assert isinstance(loaded, TorchModel)
    assert len(parts_of(loaded.whole.network)[0]) > 4


def test_two_trainings_give_the_same_bytes(timm: Any, tmp_path: Path) -> None:
    one, other = (fit(some(), recipe_of(epochs=1, **SMALL)) for _ in range(2))
    assert files_of(one, tmp_path / "one") == files_of(other, tmp_path / "other")


def test_a_file_of_weights_is_brought_to_the_images(timm: Any, tmp_path: Path) -> None:
    origin = file_of(tmp_path, timm)
    recipe = recipe_of(epochs=1, mode="feature_extraction", **FROM, **SMALL)
    fitted = fit(some(origin), recipe)
    assert isinstance(fitted.model, TorchModel)
    now = fitted.model.whole.network.state_dict()
    given = safetensors.torch.load_file(origin.folder)
    for name, tensor in given.items():
        if name.startswith(("fc.", "head.")):
            continue
        kept = now[f"layers.1.backbone.{name}"]
        if kept.shape == tensor.shape:
            assert torch.equal(kept, tensor), name
        else:  # colours become grey: the sum over channels
            torch.testing.assert_close(kept, tensor.sum(dim=1, keepdim=True))
    assert fitted.notes[0] == f"the backbone of {origin.name} was taken over"


def test_a_file_of_another_model_is_refused(timm: Any, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="does not hold the weights of test_vit"):
        fit(some(file_of(tmp_path, timm)), recipe_of(**FROM, params={"backbone": "test_vit"}))


@pytest.mark.parametrize(
    ("backbone", "said", "remedy"),
    [
        ("resnet81", "timm knows no model 'resnet81'", "resnet18"),
        ("inception_v3", "cannot be run on images", "299"),
    ],
)
def test_a_backbone_that_cannot_be_is_told(timm: Any, backbone: str, said: str, remedy: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        fit(
            some(),
            recipe_of(params={"backbone": backbone}),
            Oversight(spent=lambda done: pytest.fail("it began")),
        )
    assert remedy in raised.value.remedy


def test_the_hub_is_asked_for_safetensors(timm: Any, tmp_path: Path) -> None:
    from nightshift.learners.torch.timm_backbone import hub_weights

    asked = []

    def download(**what: str) -> str:
        asked.append(what)
        return str(tmp_path / "model.safetensors")

    assert hub_weights("resnet18", download) == tmp_path / "model.safetensors"
    assert asked == [{"repo_id": "timm/resnet18.a1_in1k", "filename": "model.safetensors"}]


def test_a_hub_that_cannot_be_reached_is_one_clear_error(timm: Any) -> None:
    from nightshift.learners.torch.timm_backbone import hub_weights

    def download(**what: str) -> str:
        raise ConnectionError("Name or service not known")

    with pytest.raises(
        OutsideError, match="weights of resnet18 cannot be fetched: Name or service"
    ) as raised:
        hub_weights("resnet18", download)
    assert "FILE.safetensors" in raised.value.remedy
    assert "random" in raised.value.remedy


def test_a_missing_extra_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_timm(name: str, *rest: Any, **more: Any) -> Any:
        if name in ("timm", "torchvision"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_timm)
    with pytest.raises(RequestError) as raised:
        fit(some(), recipe_of(**SMALL))
    assert 'pip install "nightshift[vision]"' in raised.value.remedy
