"""The parts of a training, each against a plain computation of the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats
import torch
from torch.nn import functional

from nightshift.learners.protocol import Part
from nightshift.learners.torch import batches as batches_module
from nightshift.learners.torch.batches import Batches
from nightshift.learners.torch.inputs import Inputs
from nightshift.learners.torch.model import TorchModel, Whole
from nightshift.learners.torch.objective import Objective
from nightshift.learners.torch.prepare import Prepare
from nightshift.learners.torch.rows import Rows
from nightshift.learners.torch.standing import Standing, Verdict
from nightshift.learners.torch.statistics import learn_inputs, normal_map
from tests.nightshift.learners.torch.small import ENCODER, fit, part, recipe_of, task_of

CPU = torch.device("cpu")


def chunked(tmp_path: Path, rows: int = 1000) -> pa.Table:
    """Columns as they lie on disk: mapped, in several stretches, with nulls, and cut at odd places."""
    table = part("binary", rows).features
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=130)
    return pa.ipc.open_file(pa.memory_map(str(tmp_path / "rows.arrow"))).read_all().slice(13, rows - 20)


def test_rows_are_picked_as_pandas_picks_them(tmp_path: Path) -> None:
    table = chunked(tmp_path)
    places = np.sort(np.random.default_rng(2).choice(table.num_rows, 300, replace=False))
    wanted = table.to_pandas().to_numpy()[places].T
    np.testing.assert_array_equal(Rows(table).gather(places), wanted)
    np.testing.assert_array_equal(Rows(table).column(1, places), wanted[1])
    assert Rows(table).gather(np.arange(0)).shape == (3, 0)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("ranks", [1, 3])
def test_an_epoch_has_every_row_once_in_an_order_of_its_own(
    resident: bool, ranks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "RESIDENT_BYTES", 10**9 if resident else 0)
    monkeypatch.setattr(batches_module, "BLOCK_BYTES", 4 * 3 * 100)
    table = chunked(tmp_path)
    count = table.num_rows
    label = np.arange(count, dtype=np.float64)
    given = Part(table, label, np.linspace(1, 3, count))
    objective = Objective("regression", 1, 0.0, 1.0)
    prepare = Prepare(learn_inputs(ENCODER, Rows(table)))
    made = [Batches(given, objective, prepare, 32, 5, CPU, rank, ranks) for rank in range(ranks)]
    epochs = [[list(one.of(epoch)) for one in made] for epoch in (0, 1)]
    seen = [
        np.concatenate([each.target.numpy() for step in zip(*of, strict=True) for each in step])
        for of in epochs
    ]
    for order in seen:
        np.testing.assert_array_equal(np.sort(order), label)
    assert (seen[0] != seen[1]).any()
    numbers, codes = prepare(torch.from_numpy(Rows(table).gather(np.arange(count))))
    for of in epochs[0]:
        for batch in of:
            assert torch.equal(batch.numbers, numbers[batch.target.long()])
            assert torch.equal(batch.codes, codes[batch.target.long()])
            assert batch.weight is not None
            np.testing.assert_allclose(batch.weight, (given.weight / 2)[batch.target.long()], rtol=1e-6)
    later = list(made[0].of(0, first=7))
    assert len(later) == made[0].steps - 7
    for one, other in zip(later, epochs[0][0][7:], strict=True):
        assert torch.equal(one.target, other.target)


def test_what_lies_on_disk_is_drawn_as_what_lies_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Part(chunked(tmp_path), np.arange(980, dtype=np.float64), None)
    objective = Objective("regression", 1, 0.0, 1.0)
    prepare = Prepare(learn_inputs(ENCODER, Rows(given.features)))
    near = list(Batches(given, objective, prepare, 64, 1, CPU).of(3))
    monkeypatch.setattr(batches_module, "RESIDENT_BYTES", 0)
    for one, other in zip(near, Batches(given, objective, prepare, 64, 1, CPU).of(3), strict=True):
        assert torch.equal(one.target, other.target)
        assert torch.equal(one.numbers, other.numbers)
        assert torch.equal(one.codes, other.codes)


@pytest.mark.parametrize(("rows", "steps"), [(1, 1), (8, 1), (9, 1), (10, 2), (16, 2), (17, 2)])
def test_no_batch_is_one_row_unless_there_is_only_one(rows: int, steps: int) -> None:
    given = part("binary", rows)
    prepare = Prepare(learn_inputs(ENCODER, Rows(given.features)))
    made = Batches(given, Objective("binary", 1), prepare, 8, 0, CPU)
    assert made.steps == steps
    assert sum(len(batch.target) for batch in made.of(0)) == rows


def test_numbers_become_normally_distributed() -> None:
    values = np.random.default_rng(0).lognormal(size=20_000).astype(np.float32)
    knots, marks = normal_map(values)
    made = np.interp(values, knots, marks)
    ranks = scipy.stats.norm.ppf((scipy.stats.rankdata(values) - 0.5) / len(values))
    inside = np.abs(ranks) < 2
    np.testing.assert_allclose(made[inside], ranks[inside], atol=0.03)


def test_ties_get_the_middle_of_their_ranks() -> None:
    knots, marks = normal_map(np.array([0.0] * 50 + [1.0] * 50, dtype=np.float32))
    assert knots == (0.0, 1.0)
    np.testing.assert_allclose(marks, scipy.stats.norm.ppf([0.25, 0.75]), atol=0.02)
    assert normal_map(np.array([np.nan, np.inf], dtype=np.float32)) == ((0.0,), (0.0,))


def test_what_is_prepared_is_what_the_map_says(tmp_path: Path) -> None:
    table = chunked(tmp_path)
    rows = Rows(table)
    inputs = Inputs.from_dict(learn_inputs(ENCODER, rows).as_dict())
    assert [number.has_missing for number in inputs.numbers] == [False, True]
    columns = rows.gather(np.arange(rows.count))
    numbers, codes = Prepare(inputs)(torch.from_numpy(columns))
    assert numbers.shape == (rows.count, inputs.width == 3 and 3)
    for place, number in enumerate(inputs.numbers):
        wanted = np.nan_to_num(np.interp(columns[place], number.knots, number.marks))
        np.testing.assert_allclose(numbers[:, place], wanted, atol=1e-5)
    np.testing.assert_array_equal(numbers[:, 2], np.isnan(columns[1]))
    np.testing.assert_array_equal(codes[:, 0], np.nan_to_num(columns[2], nan=-1) + 1)


def test_the_forward_of_an_mlp_is_what_it_says() -> None:
    model = fit(task_of(), recipe_of(params={"layers": [8, 4], "dropout": 0.5})).model
    assert isinstance(model, TorchModel)
    whole: Whole = model.whole
    features = part("binary").features
    numbers, codes = whole.prepare(torch.from_numpy(Rows(features).gather(np.arange(200))))
    weights = whole.network.state_dict()
    found = torch.cat([numbers, weights["layers.0.categories.0.weight"][codes[:, 0]]], dim=1)
    for layer, size in ((1, 8), (2, 4)):
        found = found @ weights[f"layers.{layer}.0.weight"].T + weights[f"layers.{layer}.0.bias"]
        scale, shift = weights[f"layers.{layer}.1.weight"], weights[f"layers.{layer}.1.bias"]
        found = functional.layer_norm(found, (size,), scale, shift).clamp_min(0)
    found = found @ weights["head.weight"].T + weights["head.bias"]
    np.testing.assert_allclose(model.score(features), torch.sigmoid(found)[:, 0], atol=1e-6)


@pytest.mark.parametrize("network", ["mlp", "tabm"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_scores_depend_on_no_batch(kind: str, network: str) -> None:
    model = fit(task_of(kind), recipe_of(network, epochs=1)).model  # type: ignore[arg-type]
    features = part("binary").features
    scores = model.score(features)
    alone = np.concatenate([model.score(features.slice(place, 1)) for place in range(0, 200, 7)])
    unit = 5.0 if kind == "regression" else 1.0
    np.testing.assert_allclose(alone, scores[::7], atol=1e-6 * unit)
    if kind == "multiclass":
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-12)


def test_many_networks_are_trained_each_and_scored_together() -> None:
    outputs = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 1, 0, 1])
    objective = Objective("multiclass", 2)
    each = torch.stack([functional.cross_entropy(outputs[:, k], target, reduction="none") for k in range(3)])
    torch.testing.assert_close(objective.losses(outputs, target), each.mean(dim=0))
    np.testing.assert_allclose(objective.scores(outputs), outputs.double().softmax(2).mean(1))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_weight_of_two_is_a_row_twice(kind: str) -> None:
    objective = Objective(kind, 3 if kind == "multiclass" else 1, 2.0, 3.0)  # type: ignore[arg-type]
    outputs = torch.randn(4, objective.outputs, generator=torch.Generator().manual_seed(1))
    label = np.array([0.0, 1.0, 1.0, 0.0])
    target = torch.from_numpy(objective.target(label))
    weight = torch.tensor([1.0, 2.0, 1.0, 2.0])
    twice = torch.tensor([0, 1, 1, 2, 3, 3])
    weighed = (objective.losses(outputs, target) * weight).sum()
    torch.testing.assert_close(weighed, objective.losses(outputs[twice], target[twice]).sum())


def test_looks_lower_the_rate_and_then_end() -> None:
    recipe = recipe_of(early_stopping=4, plateau={"patience": 1, "factor": 0.5})
    standing = Standing()
    losses = [1.0, 0.9, 0.95, 0.95, 0.95, 0.95]
    verdicts = []
    for loss in losses:
        standing.epoch += 1
        verdicts.append(standing.look(loss, recipe))
    assert verdicts == [Verdict.BEST] * 2 + [Verdict.ON] * 4
    assert standing.slowed == 0.25
    assert "has not improved for 4 epochs" in standing.ended
    assert (standing.best_loss, standing.best_epoch) == (0.9, 2)


def test_a_loss_far_off_for_long_has_gone_wrong() -> None:
    recipe = recipe_of(
        divergence={"factor": 2, "patience": 2, "max_recoveries": 1}, early_stopping=None, plateau=None
    )
    standing = Standing()
    assert [standing.look(loss, recipe) for loss in (1.0, 2.5, 1.5, 2.5, 2.5)] == [
        Verdict.BEST, Verdict.ON, Verdict.ON, Verdict.ON, Verdict.WRONG,
    ]  # fmt: skip
    assert standing.recover("it went wrong", recipe)
    assert standing.slowed == 0.3
    assert standing.look(float("nan"), recipe) is Verdict.WRONG
    assert not standing.recover("it went wrong", recipe)
    assert standing.ended.startswith("diverged: it went wrong")
