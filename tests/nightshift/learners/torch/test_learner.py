"""Networks: the same bytes from the same rows, also after a training was cut short; what is wrong is told."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml

from nightshift.checkpoints.keeper import Keeper
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Part, Task
from nightshift.learners.registry import learner
from nightshift.learners.train import MODEL, train
from nightshift.records import Candidate
from nightshift.scoring.scorer import Scorer
from nightshift.spec.learner import Torch
from nightshift.spec.load import read_project
from nightshift.spec.project import Kind, Project
from nightshift.spec.training import CheckpointPolicy
from nightshift.store.memory import MemoryStore
from tests.nightshift.learners.test_lightgbm_resume import CLASSES, ENCODER, part
from tests.synthetic import World, rows_of, snapshot

KINDS: tuple[Kind, ...] = get_args(Kind)
NETWORKS = ("mlp", "tabm")
every_network = pytest.mark.parametrize("network", NETWORKS)
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are trained soonest by one thread, beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Stopped(Exception):
    """Stands for a killed process."""


def declared(world: World, **changes: Any) -> Project:
    """The world's project with a network in the place of trees."""
    world.declare()
    file = world.settings.projects / world.name / "project.yaml"
    text = yaml.safe_load(file.read_text())
    text["learner"] = {"kind": "torch", "epochs": 3, "batch_size": 128, "rate": 0.01, **changes}
    file.write_text(yaml.safe_dump(text))
    return read_project(file)


def fit(folder: Path, kind: Kind, **changes: Any) -> Candidate:
    world = World(folder, kind=kind)
    world.write(rows_of(kind))
    project = declared(world, **changes)
    return train(project, snapshot(world, project), "mark", world.settings)


@every_network
@every_kind
def test_two_fits_in_two_homes_give_the_same_bytes_and_scores(
    tmp_path: Path, kind: Kind, network: str
) -> None:
    one, other = (fit(tmp_path / place, kind, network=network) for place in "ab")
    assert one.model_sha256 == other.model_sha256
    scores = Scorer.load(Path(one.path) / MODEL).score(pa.Table.from_pandas(rows_of(kind))).values
    assert scores.shape == ((1200, 3) if kind == "multiclass" else (1200,))
    assert np.isfinite(scores).all()
    if kind == "multiclass":
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    names = {path.suffix for path in (Path(one.path) / MODEL).iterdir()}
    assert names == {".json", ".safetensors"}


def test_it_learns(tmp_path: Path) -> None:
    candidate = fit(tmp_path, "binary", epochs=8)
    frame = rows_of("binary")
    scores = Scorer.load(Path(candidate.path) / MODEL).score(pa.Table.from_pandas(frame)).values
    truth = frame["y"].to_numpy()
    assert scores[truth == 1].mean() > scores[truth == 0].mean() + 0.3


def cut_at(moment: int) -> Any:
    """A budget that stands for a kill, at the so-manieth time that it is asked."""
    asked = 0

    def spent() -> str | None:
        nonlocal asked
        asked += 1
        if asked == moment:
            raise Stopped
        return None

    return spent


@every_network
@every_kind
def test_a_resumed_training_ends_with_the_same_bytes(kind: Kind, network: str, tmp_path: Path) -> None:
    recipe = Torch.model_validate(
        {"kind": "torch", "network": network, "epochs": 4, "batch_size": 64, "checkpoint": {"every": "1 epoch"},
         "params": {"dropout": 0.2}}
    )  # fmt: skip
    task = Task(kind, CLASSES[kind], ENCODER, part(kind, 1), part(kind, 2))
    whole = learner("torch").fit(task, recipe, Oversight())
    asked = Counter()
    learner("torch").fit(task, recipe, Oversight(spent=asked))
    store = MemoryStore()
    for share in (0.45, 0.6):
        kept = keeper(store)
        with pytest.raises(Stopped):
            learner("torch").fit(
                task, recipe, Oversight(kept, spent=cut_at(max(2, int(share * asked.times))))
            )
        kept.finish()
    again = learner("torch").fit(task, recipe, Oversight(keeper(store)))
    assert again.resumed_from is not None
    assert files_of(again, tmp_path / "again") == files_of(whole, tmp_path / "whole")
    assert (again.history, again.rounds, again.best_round) == (whole.history, whole.rounds, whole.best_round)


class Counter:
    """A budget without end that counts how often it is asked."""

    times = 0

    def __call__(self) -> str | None:
        self.times += 1
        return None


def keeper(store: MemoryStore) -> Keeper:
    return Keeper(store, "demo", "mark", "torch", CheckpointPolicy(every="1 epoch"))


def files_of(fitted: Fitted, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    fitted.model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_pickle_by_another_name_is_refused(tmp_path: Path) -> None:
    fitted = learner("torch").fit(
        Task("binary", ("0", "1"), ENCODER, part("binary", 1), None),
        Torch(kind="torch", epochs=1, early_stopping=None), Oversight(),
    )  # fmt: skip
    files_of(fitted, tmp_path / "model")
    (weights,) = (tmp_path / "model").glob("*.safetensors")
    weights.write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(DataRefusedError):
        learner("torch").load(tmp_path / "model")


def test_a_label_that_is_no_number_is_refused() -> None:
    good = part("regression", 1)
    label = good.label.copy()
    label[3] = np.nan
    broken = Task("regression", ("",), ENCODER, Part(good.features, label, None), None)
    with pytest.raises(DataRefusedError, match="label that is no number"):
        learner("torch").fit(broken, Torch(kind="torch", epochs=1), Oversight())


@pytest.mark.parametrize(
    "changes",
    [{"processes": 2}, {"phases": [{"train": "head"}]}, {"network": "mpl"}],
    ids=["ddp", "phases", "name"],
)
def test_what_there_is_not_is_refused_and_not_passed_over(changes: dict[str, Any]) -> None:
    task = Task("binary", ("0", "1"), ENCODER, part("binary", 1), None)
    with pytest.raises(RequestError):
        learner("torch").fit(
            task, Torch.model_validate({"kind": "torch", "epochs": 1, **changes}), Oversight()
        )
