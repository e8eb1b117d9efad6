"""Backbones of the package timm, and weights for them, of a file or of the hub: safetensors, never a pickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor, nn

from nightshift.errors import OutsideError, RequestError, did_you_mean

_WHERE = "learner.params.backbone"
_REMEDY = 'pip install "nightshift[vision]"'
_MISSING_OPERATORS = ("nms", "qnms")
# The file of weights in each of timm's repositories on the hub.
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Backbone:
    """A model without its classifier.

    Attributes:
        size: how many numbers it makes of an image.
        mean, scale: of each channel of the images that it was made for, from 0 to 1.
    """

    network: nn.Module
    size: int
    mean: tuple[float, ...]
    scale: tuple[float, ...]


def build_backbone(name: str, channels: int, size: int) -> Backbone:
    """The model `name` for images of this shape, its weights drawn from torch's generator.

    Raises:
        RequestError: timm is not installed, knows no such model, or the model takes no images of this shape.
    """
    network = _created(name, channels, size)
    config = network.pretrained_cfg
    mean, scale = (tuple(config[key]) for key in ("mean", "std"))
    if channels != len(mean):
        mean, scale = ((sum(each) / len(each),) * channels for each in (mean, scale))
    network.eval()
    try:
        with torch.no_grad():
            found = network(torch.zeros(1, channels, size, size))
    except Exception as error:
        raise RequestError(
            f"{name} cannot be run on images of {size} pixels a side: {error}", where="learner.images.size",
            remedy=f"write the size that it was made for: {config['input_size'][-1]}",
        ) from error  # fmt: skip
    return Backbone(network.train(), int(found.shape[1]), mean, scale)


def weights_for(
    name: str, channels: int, size: int, weights: Mapping[str, Tensor], origin: str
) -> dict[str, Tensor]:
    """A file's weights as the model `name` has them for images of this shape, without its classifier.

    Args:
        weights: by timm's own names.
        origin: where they come from, for people.

    Raises:
        RequestError: they are those of another model.
    """
    overlay = {"state_dict": dict(weights), "custom_load": False}
    try:
        fresh = _drawn(name, channels, size)
        loaded = _drawn(name, channels, size, pretrained=True, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError) as error:
        raise _of_another_model(name, origin, str(error)) from error
    # timm passes over in silence what it does not find, for some models: it is still as it was drawn then.
    missing = [key for key, one in fresh.items() if one.ndim > 1 and torch.equal(one, loaded[key])]
    if missing:
        raise _of_another_model(name, origin, f"it has none for {', '.join(missing[:3])}")
    return loaded


def _drawn(name: str, channels: int, size: int, **more: Any) -> dict[str, Tensor]:
    """The weights of a model, as it begins by one seed; torch's generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return dict(_created(name, channels, size, **more).state_dict())


def _of_another_model(name: str, origin: str, why: str) -> RequestError:
    return RequestError(
        f"{origin} does not hold the weights of {name}: {why}", where="learner.from_model",
        remedy=f"name a file that was saved of {name}, or name its model: {_WHERE}",
    )  # fmt: skip


def hub_weights(name: str, download: Callable[..., str] | None = None) -> Path:
    """The file of the weights that are published for the model `name`: out of the hub's cache, or downloaded.

    Args:
        download: by default `huggingface_hub.hf_hub_download`.

    Raises:
        RequestError: none are published.
        OutsideError: the hub cannot be reached.
    """
    timm = _timm()
    _require(timm, name)
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise RequestError(
            f"no weights are published for {name}", where="learner.from_model",
            remedy="name a file of weights, or leave from_model out: the weights are random then",
        )  # fmt: skip
    file = PurePosixPath(config.hf_hub_filename or _WEIGHTS).with_suffix(".safetensors")
    try:
        return Path((download or _download())(repo_id=config.hf_hub_id, filename=str(file)))
    # What fails on the way to a server is anything: names, sockets, certificates, answers.
    except Exception as error:
        raise OutsideError(
            f"the weights of {name} cannot be fetched: {error}", where=f"hub: {config.hf_hub_id}/{file}",
            remedy="give a file: from_model: FILE.safetensors; or leave from_model out: the weights are random then",
        ) from error  # fmt: skip


def _created(name: str, channels: int, size: int, **more: Any) -> Any:
    timm = _timm()
    _require(timm, name)
    config = timm.get_pretrained_cfg(name)
    # Transformers are built for one size of images; the others take any.
    if config is not None and config.fixed_input_size:
        more["img_size"] = size
    return timm.create_model(name, in_chans=channels, num_classes=0, **more)


def _require(timm: Any, name: str) -> None:
    if not timm.is_model(name):
        there = timm.list_models()
        raise RequestError(
            f"timm knows no model {name!r}", where=_WHERE,
            remedy=did_you_mean(name, ["conv", *there]) or "write conv, or a name of timm.list_models()",
        )  # fmt: skip


def _download() -> Callable[..., str]:
    from huggingface_hub import hf_hub_download

    found: Callable[..., str] = hf_hub_download
    return found


def _timm() -> Any:
    """The package, imported when the first backbone of it is built and not before."""
    try:
        _import_torchvision()
        import timm
    except ModuleNotFoundError as error:
        raise RequestError(
            f"a backbone of timm needs the package {error.name!r}, which is not installed", where=_WHERE,
            remedy=f"{_REMEDY}, or write backbone: conv",
        ) from error  # fmt: skip
    return timm


def _import_torchvision() -> None:
    """Import torchvision, which timm imports.

    The one on PyPI holds its operators in a library for GPUs, which a CPU build of torch cannot load; its import then
    ends at the first of them that it describes. No model of timm uses these: that they are declared is enough.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        for name in _MISSING_OPERATORS:
            torch.library.define(
                f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        import torchvision  # noqa: F401
