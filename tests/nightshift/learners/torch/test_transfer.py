"""A network that begins with another one's: what it takes over, which layers learn when, and what is refused."""

from __future__ import annotations

import pickle
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
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Origin, Part, Task
from nightshift.learners.torch.model import load_model
from nightshift.spec.learner import Torch
from nightshift.spec.project import Kind
from nightshift.store.memory import MemoryStore
from tests.nightshift.learners.torch.small import (
    CLASSES,
    ENCODER,
    always_due,
    files_of,
    fit,
    recipe_of,
    task_of,
)

every_network = pytest.mark.parametrize("network", ["mlp", "tabm"])
FROM: dict[str, Any] = {"from_model": {"project": "first", "version": 1}}
LONG = {"phases": [{"train": "head", "epochs": 1}, {"unfreeze": "last:1", "epochs": 1, "rate": "0.5x"},
                   {"unfreeze": "all", "epochs": 2, "rate": "0.1x"}], "epochs": 4}  # fmt: skip


class Stopped(Exception):
    """Stands for a killed process."""


def origin_in(
    folder: Path, network: str = "mlp", encoder: Encoder = ENCODER, kind: Kind = "binary"
) -> Origin:
    """A trained network, as it lies in a version's folder."""
    files_of(fit(task_of(kind), recipe_of(network)), folder)
    return Origin("first version 1", "torch", kind, CLASSES[kind], encoder, folder)


def weights(files: dict[str, bytes]) -> dict[str, torch.Tensor]:
    """The tensors of a saved network."""
    (name,) = (name for name in files if name.endswith(".safetensors"))
    return dict(safetensors.torch.load(files[name]))


def begun(origin: Origin) -> Task:
    """A task of the same columns, to begin with `origin`."""
    return replace(task_of(), origin=origin)


@every_network
def test_a_head_alone_leaves_the_backbone_as_it_was(network: str, tmp_path: Path) -> None:
    origin = origin_in(tmp_path / "first", network)
    recipe = recipe_of(network, mode="feature_extraction", **FROM)
    fitted = fit(begun(origin), recipe)
    before = safetensors.torch.load_file(next((tmp_path / "first").glob("*.safetensors")))
    after = weights(files_of(fitted, tmp_path / "second"))
    assert before.keys() == after.keys()
    for name, tensor in after.items():
        if name.startswith("head."):
            assert not torch.equal(tensor, before[name]), name
        else:
            assert torch.equal(tensor, before[name]), name
    assert any("taken over" in note for note in fitted.notes)


@every_network
def test_all_layers_learn_in_the_last_phase(network: str, tmp_path: Path) -> None:
    origin = origin_in(tmp_path / "first", network)
    fitted = fit(begun(origin), recipe_of(network, early_stopping=None, **LONG, **FROM))
    before = safetensors.torch.load_file(next((tmp_path / "first").glob("*.safetensors")))
    after = weights(files_of(fitted, tmp_path / "second"))
    assert any(not torch.equal(after[name], before[name]) for name in after if not name.startswith("head."))
    assert fitted.rounds == 4


@every_network
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_head_that_is_kept_says_at_first_what_it_said_elsewhere(
    network: str, kind: Kind, tmp_path: Path
) -> None:
    origin = origin_in(tmp_path / "first", network, kind=kind)
    given = task_of(kind)
    # Labels that lie elsewhere: in their own unit, the head would say something else.
    moved = replace(given.train, label=given.train.label * 3 + 7) if kind == "regression" else given.train
    task = replace(given, train=moved, validate=None, origin=origin)
    still = {"epochs": 1, "rate": 1e-12, "weight_decay": 0.0, "mode": "feature_extraction"}
    kept = fit(task, recipe_of(network, head="keep", **still, **FROM))
    fresh = fit(task, recipe_of(network, **still, **FROM))
    said = load_model(tmp_path / "first").score(given.train.features)
    assert kept.model.score(given.train.features) == pytest.approx(said, abs=1e-5)
    assert fresh.model.score(given.train.features) != pytest.approx(said, abs=1e-2)
    assert "the backbone and the head of first version 1" in kept.notes[0]


def test_a_head_that_is_kept_goes_on_learning(tmp_path: Path) -> None:
    origin = origin_in(tmp_path / "first")
    fitted = fit(begun(origin), recipe_of(mode="feature_extraction", head="keep", **FROM))
    before = safetensors.torch.load_file(next((tmp_path / "first").glob("*.safetensors")))
    after = weights(files_of(fitted, tmp_path / "second"))
    assert not torch.equal(after["head.weight"], before["head.weight"])


def test_a_head_of_other_classes_or_of_another_size_is_not_kept(tmp_path: Path) -> None:
    origin = origin_in(tmp_path / "first", kind="multiclass")
    other = replace(task_of("multiclass"), classes=("a", "b", "d"), origin=origin)
    with pytest.raises(RequestError, match="tells other classes"):
        fit(other, recipe_of(head="keep", **FROM))
    wider = {"layers": [8, 9], "dropout": 0.2}
    with pytest.raises(RequestError, match="does not fit this network"):
        fit(replace(task_of("multiclass"), origin=origin), recipe_of(head="keep", params=wider, **FROM))


def cut(at: int) -> Any:
    asked = count(1)

    def spent(done: float) -> str | None:
        if next(asked) == at:
            raise Stopped
        return None

    return spent


@every_network
def test_cut_short_in_any_phase_it_ends_with_the_same_bytes(network: str, tmp_path: Path) -> None:
    origin = origin_in(tmp_path / "first", network)
    recipe = recipe_of(network, **LONG, **FROM)
    asked = count()
    whole = fit(begun(origin), recipe, Oversight(spent=lambda done: [None, next(asked)][0]))
    store = MemoryStore()
    times = next(asked)
    for share in (0.3, 0.45):
        kept = always_due(store)
        with pytest.raises(Stopped):
            fit(begun(origin), recipe, Oversight(kept, spent=cut(max(2, int(share * times)))))
        kept.finish()
    again = fit(begun(origin), recipe, Oversight(always_due(store)))
    assert again.resumed_from is not None
    assert files_of(again, tmp_path / "again") == files_of(whole, tmp_path / "whole")


def test_columns_are_matched_by_name_and_the_rest_starts_fresh(tmp_path: Path) -> None:
    origin = origin_in(tmp_path / "first")
    given = task_of()
    encoder = Encoder((Feature("new", "number", "double"), *ENCODER.features))

    def widened(part: Part) -> Part:
        extra = np.random.default_rng(5).normal(size=part.features.num_rows).astype(np.float32)
        table = part.features.append_column("new", pa.array(extra)).select(encoder.names)
        return Part(table, part.label, part.weight)

    assert given.validate is not None
    task = replace(
        given, encoder=encoder, train=widened(given.train), validate=widened(given.validate), origin=origin
    )
    fitted = fit(task, recipe_of(**FROM))
    told = " ".join(fitted.notes)
    assert "3 of 4 columns" in told
    assert "new" in told


def test_from_a_file_of_weights(tmp_path: Path) -> None:
    origin_in(tmp_path / "first")
    file = next((tmp_path / "first").glob("*.safetensors"))
    bare = Origin(str(file), "torch", "binary", (), None, file)
    fitted = fit(begun(bare), recipe_of(from_model=str(file)))
    assert any("a file says nothing of columns" in note for note in fitted.notes)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    origin = origin_in(tmp_path / "first")
    with pytest.raises(RequestError, match="is a network 'mlp'"):
        fit(begun(origin), recipe_of("tabm", **FROM))
    file = tmp_path / "weights.safetensors"
    file.write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(DataRefusedError, match="cannot be read"):
        fit(begun(Origin("file", "torch", "binary", (), None, file)), recipe_of(from_model=str(file)))


@pytest.mark.parametrize(
    "changes",
    [
        {"phases": [{"train": "head"}]},
        {"mode": "feature_extraction"},
        {**FROM, "mode": "feature_extraction", "phases": [{"train": "head"}]},
        {**FROM, "phases": [{"train": "head", "epochs": 9}]},
        {**FROM, "processes": 2},
        {"head": "keep"},
        {"from_model": "weights.safetensors", "head": "keep"},
    ],
)
def test_contradictions_are_refused_before_anything_runs(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"from_model|phases"):
        Torch.model_validate({"kind": "torch", "epochs": 3, **changes})
