"""What can be wrong with rows, recipes, networks and files, and what is said of it."""

from __future__ import annotations

import builtins
import pickle
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from nightshift.dataset.encoder import Encoder, Feature
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.model import Floats
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Part, Task
from nightshift.learners.registry import learner
from nightshift.spec.project import Kind
from tests.nightshift.learners.torch.small import ENCODER, files_of, fit, part, recipe_of, task_of


def changed(columns: dict[str, Any]) -> pa.Table:
    features = part("binary").features
    made = {name: features[name] for name in features.column_names} | {
        name: pa.array(values, pa.float32()) for name, values in columns.items()
    }
    return pa.table(made)


@pytest.mark.parametrize("numbers", ["quantile", "piecewise"])
@pytest.mark.parametrize("network", ["mlp", "tabm"])
def test_columns_without_sense_do_no_harm(network: str, numbers: str) -> None:
    rows = 200
    wild = np.random.default_rng(3).normal(size=rows).astype(np.float32)
    wild[::5], wild[1::5], wild[2::5] = np.nan, np.inf, -np.inf
    features = changed({"a": wild, "gap": np.full(rows, np.nan), "city": np.full(rows, 1.0)})
    label = part("binary").label
    task = Task(
        "binary",
        ("0", "1"),
        ENCODER,
        Part(features, label, None),
        Part(features.slice(0, 50), label[:50], None),
    )
    small = {"layers": [8]} if network == "mlp" else {"networks": 2, "width": 8}
    fitted = fit(task, recipe_of(network, epochs=2, params={**small, "numbers": numbers}))
    assert np.isfinite(fitted.history["train"]["log_loss"]).all()
    assert fitted.notes == ()
    never_seen = changed({"a": np.full(rows, 3e38), "gap": np.full(rows, -3e38), "city": np.full(rows, 3.0)})
    assert np.isfinite(fitted.model.score(never_seen)).all()
    assert set(fitted.model.importance()) == {"a", "gap", "city"}
    assert fitted.model.importance()["gap"] == 0


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_one_row_can_be_learnt_from_watched_and_scored(norm: str) -> None:
    one = part("regression", 1)
    task = Task("regression", ("",), ENCODER, one, one)
    fitted = fit(task, recipe_of(epochs=1, params={"layers": [4], "norm": norm}))
    assert fitted.model.score(one.features).shape == (1,)
    assert fitted.model.score(one.features.slice(0, 0)).shape == (0,)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_one_class_in_validation_is_a_loss_like_any(kind: Kind) -> None:
    watched = part(kind, 60, 2)
    task = replace(task_of(kind), validate=replace(watched, label=np.zeros(60)))
    assert np.isfinite(fit(task, recipe_of(epochs=1)).history["validate"]["log_loss"]).all()


def test_a_hundred_thousand_categories() -> None:
    known, rows = 100_000, 300
    codes = np.random.default_rng(5).integers(0, known + 1, rows).astype(np.float32)
    encoder = Encoder((Feature("id", "category", "string", tuple(map(str, range(known)))),))
    label = (codes > known / 2).astype(float)
    given = Part(pa.table({"id": pa.array(codes)}), label, None)
    fitted = fit(
        Task("binary", ("0", "1"), encoder, given, None),
        recipe_of(epochs=1, batch_size=64, early_stopping=None, params={"layers": [8], "category_size": 2}),
    )
    assert np.isfinite(fitted.model.score(given.features)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("what", ["label", "weight"])
def test_labels_and_weights_must_be_numbers(what: str, value: float) -> None:
    good = task_of("regression")
    assert good.validate is not None
    values = np.ones(200)
    values[3] = value
    bad: dict[str, Floats] = {what: values}
    with pytest.raises(DataRefusedError, match=f"1 of 200 rows of train have a {what} that is no number"):
        fit(replace(good, train=replace(good.train, **bad)), recipe_of())


def test_weights_that_are_all_nothing_are_refused() -> None:
    good = task_of()
    with pytest.raises(DataRefusedError, match="weights of all rows of train are 0"):
        fit(replace(good, train=replace(good.train, weight=np.zeros(200))), recipe_of())


def test_a_loss_that_is_no_number_from_the_start_is_told() -> None:
    with pytest.raises(RequestError, match="no number from the first epoch on"):
        fit(task_of(), recipe_of(rate=1e38, clip=None, warm_up=0, params={"layers": [8], "norm": None}))


def test_divergence_goes_back_to_the_best_and_slows_down() -> None:
    recipe = recipe_of(
        rate=30.0, clip=None, warm_up=0, epochs=8, early_stopping=None,
        divergence={"factor": 1.01, "patience": 1, "max_recoveries": 1, "slow_down": 0.5},
    )  # fmt: skip
    fitted = fit(task_of(), recipe)
    assert fitted.ended.startswith("diverged: the validation loss was far above its best in epoch")
    assert len(fitted.notes) == 1
    assert "with the rate times 0.5" in fitted.notes[0]
    losses = fitted.history["validate"]["log_loss"]
    assert fitted.best_round == int(np.argmin(losses)) + 1
    task = task_of()
    assert task.validate is not None
    scores = fitted.model.score(task.validate.features)
    truth = task.validate.label
    again = -np.log(np.where(truth > 0.5, scores, 1 - scores)).mean()
    assert again == pytest.approx(min(losses), rel=1e-5)


def test_a_spent_budget_ends_in_the_middle_with_the_best() -> None:
    asked = []

    def spent(done: float) -> str | None:
        asked.append(1)
        return "the budget of 1 minute is spent" if len(asked) == 3 else None

    fitted = fit(task_of(), recipe_of(epochs=9), Oversight(spent=spent))
    assert fitted.ended == "the budget of 1 minute is spent"
    assert fitted.rounds == 2
    assert len(fitted.history["validate"]["log_loss"]) == 2


@pytest.mark.parametrize(("early_stopping", "kept"), [(None, 4), (9, 1)])
def test_a_spent_budget_keeps_all_epochs_unless_the_best_was_asked_for(
    early_stopping: int | None, kept: int
) -> None:
    """Of a training that gets worse from its second epoch on."""
    task = task_of()
    assert task.validate is not None
    worse = replace(task, validate=replace(task.validate, label=1 - task.validate.label))
    asked = []

    def spent(done: float) -> str | None:
        asked.append(1)
        return "the budget of 1 minute is spent" if len(asked) == 7 else None

    recipe = recipe_of(epochs=9, early_stopping=early_stopping, plateau=None, divergence={"factor": 100.0})
    fitted = fit(worse, recipe, Oversight(spent=spent))
    assert fitted.ended == "the budget of 1 minute is spent"
    assert (fitted.rounds, fitted.best_round) == (4, kept)


def test_who_is_told_of_a_look_may_end_the_training() -> None:
    class Enough(Exception):
        pass

    told: list[tuple[float, float]] = []

    def looked(done: float, loss: float) -> None:
        told.append((done, loss))
        if done == 2:
            raise Enough

    with pytest.raises(Enough):
        fit(task_of(), recipe_of(), Oversight(looked=looked))
    assert [done for done, _ in told] == [1.0, 2.0]


OWN = """
from torch import nn, cat

class Own(nn.Module):
    def __init__(self, width, outputs):
        super().__init__()
        self.linear = nn.Linear(width, outputs)

    def forward(self, numbers, categories):
        return self.linear(cat([numbers, categories.float()], dim=1))

def build(inputs, outputs, more=0):
    return Own(inputs.width + len(inputs.categories), outputs + more)

def text(inputs, outputs):
    return "network"
"""


def own(function: str = "build", params: Mapping[str, Any] | None = None, text: str = OWN) -> Any:
    recipe = recipe_of(f"projects.demo.nets:{function}", params=params or {})
    return recipe.model_copy(update={"network_text": text})


def test_a_users_network_is_trained_and_kept_with_its_source(tmp_path: Path) -> None:
    fitted = fit(task_of(), own())
    files = files_of(fitted, tmp_path / "model")
    assert files["network.py"].decode() == OWN
    loaded = learner("torch").load(tmp_path / "model")
    features = part("binary").features
    np.testing.assert_array_equal(loaded.score(features), fitted.model.score(features))


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (own(params={"more": 1}), r"outputs of shape \(3, 2\) for 3 rows"),
        (own("biuld"), "has no function 'biuld'"),
        (own("text"), "returned a str"),
        (own(params={"colour": 1}), "cannot be called"),
        (own(text="raise ValueError('no')"), "cannot be run: ValueError: no"),
        (own(text=OWN.replace("categories.float()", "missing")), "cannot be run on 3 rows: NameError"),
        (recipe_of("mpl"), "there is no network 'mpl'"),
        (recipe_of(params={"layer": [3]}), "knows no param 'layer'"),
        (recipe_of(params={"layers": [0]}), "greater than or equal to 1"),
        (recipe_of("no.such_package:build"), "names no module of an installed package"),
        (recipe_of("builtins:eval"), "names no module of an installed package"),
        (recipe_of("subprocess:Popen", params={"shell": True}), "names no module of an installed package"),
        (recipe_of("torch.hub:load"), "is no function that builds a network"),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_is_told_before_training(recipe: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        fit(task_of(), recipe, Oversight(spent=lambda done: pytest.fail("training began")))
    assert raised.value.remedy


def test_a_wrong_shape_says_which_ones_are_right() -> None:
    with pytest.raises(RequestError) as raised:
        fit(task_of("multiclass"), own(params={"more": 2}))
    assert raised.value.valid == ("(3, 3)", "(3, networks, 3)")


def test_files_that_are_none_of_ours_are_refused(tmp_path: Path) -> None:
    files_of(fit(task_of(), recipe_of(epochs=1)), tmp_path / "model")
    weights = tmp_path / "model" / "network.safetensors"
    good = weights.read_bytes()
    for content, said in (
        (pickle.dumps({"layers.0": 1}), "a pickle, which is never loaded"),
        (good[:-7], "cannot be read"),
        (b"", "something else"),
    ):
        weights.write_bytes(content)
        with pytest.raises(DataRefusedError, match=said):
            learner("torch").load(tmp_path / "model")


def test_a_missing_extra_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_tabm(name: str, *rest: Any, **more: Any) -> Any:
        if name == "tabm":
            raise ModuleNotFoundError("No module named 'tabm'", name="tabm")
        return real(name, *rest, **more)

    for module in [one for one in sys.modules if one.startswith("nightshift.learners.torch")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", without_tabm)
    with pytest.raises(RequestError) as raised:
        learner("torch")
    assert raised.value.remedy == "pip install 'nightshift[torch]'"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA")
@pytest.mark.parametrize("network", ["mlp", "tabm"])
def test_on_a_gpu_two_trainings_give_the_same_bytes(network: str, tmp_path: Path) -> None:
    one, other = (fit(task_of(), recipe_of(network, device="cuda")) for _ in range(2))
    assert files_of(one, tmp_path / "one") == files_of(other, tmp_path / "other")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_a_gpu_that_is_not_there_is_told() -> None:
    with pytest.raises(RequestError, match="there is no GPU"):
        fit(task_of(), recipe_of(device="cuda"))


def test_a_training_is_ended_again_where_its_budget_was_spent(tmp_path: Path) -> None:
    asked: list[float] = []

    def spent(done: float) -> str | None:
        asked.append(done)
        return "the budget of 1 minute is spent" if len(asked) == 3 else None

    recipe = recipe_of(epochs=9, early_stopping=None)
    fitted = fit(task_of(), recipe, Oversight(spent=spent))
    moment = fitted.spent_at
    assert moment is not None
    assert moment % 1 > 0
    again = fit(task_of(), recipe, Oversight(spent=lambda done: "spent" if done >= moment else None))
    assert files_of(fitted, tmp_path / "once") == files_of(again, tmp_path / "again")
