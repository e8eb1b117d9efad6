"""A kept answer is used only while what it speaks of is there: tables and files may go, and come back from backups."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable
from prefect.filesystems import LocalFileSystem
from prefect.results import ResultStore

from nightshift.dataset.stage import is_readable
from nightshift.errors import OutsideError
from nightshift.lake.tables import Lake
from nightshift.learners.train import MODEL, is_complete, restore_trained
from nightshift.quality.validate import is_kept as are_rows_kept
from nightshift.quality.validate import validate
from nightshift.records import RuleCount, Scored, Snapshot, Staged, Window
from nightshift.scoring.batch import is_kept, predict
from nightshift.spec.project import Project
from tasks.policy import cached_step
from tasks.results import RecordSerializer
from tests.nightshift.scoring.test_batch import Trained
from tests.synthetic import AS_OF, World, days, rows_of, snapshot, staged


class Made:
    """What the steps of a prediction made and told: rows on disk, in the lake, and predictions."""

    def __init__(self, folder: Path, trained: Trained) -> None:
        frame = rows_of()
        frame.loc[[1100, 1110], "x"] = -500.0
        self.trained = trained
        self.world = World(folder)
        self.world.write(frame)
        self.project: Project = self.world.declare(quality={"rules": ["x > -100"]})
        self.window: Window = days(34, 40)
        self.lake = Lake.of(self.project.name, self.world.settings)
        self.run()

    def run(self) -> tuple[Staged, Snapshot, Scored]:
        self.staged = staged(self.world, self.project, self.window)
        self.snapshot = validate(self.project, self.staged, AS_OF, self.world.settings)[0]
        settings = self.world.settings
        version = self.trained.version()
        self.scored = predict(self.project, self.snapshot, version, self.trained.scorer, settings)
        return self.staged, self.snapshot, self.scored

    def told(self) -> tuple[bool, bool]:
        """Whether the accepted rows and the predictions are still there."""
        settings = self.world.settings
        return (
            are_rows_kept(self.project, self.snapshot, settings),
            is_kept(self.project, self.scored, settings),
        )

    def predictions(self) -> int:
        return self.lake.read("predictions", self.lake.version("predictions") or 0).count_rows()

    def table(self, name: str) -> Path:
        return Path(self.lake.uri(name))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A trained model, for all tests here."""
    return Trained(tmp_path_factory.mktemp("trained"), "binary")


@pytest.fixture
def made(tmp_path: Path, trained: Trained) -> Made:
    """A predicted window."""
    return Made(tmp_path, trained)


def remove_commit(made: Made, name: str) -> None:
    newest = made.lake.version(name)
    (made.table(name) / "_delta_log" / f"{newest:020d}.json").unlink()


def remove_file(made: Made, name: str) -> None:
    handle = made.lake.read(name, made.lake.version(name) or 0)
    for file in handle.files:
        Path(made.table(name), Path(file).name).unlink()


LOSSES: list[tuple[str, Callable[[Made], None], tuple[bool, bool]]] = [
    ("nothing", lambda made: None, (True, True)),
    ("the lake", lambda made: shutil.rmtree(made.table("")), (False, False)),
    ("the dataset", lambda made: shutil.rmtree(made.table("dataset")), (False, True)),
    ("the quarantine", lambda made: shutil.rmtree(made.table("quarantine")), (False, True)),
    ("the predictions", lambda made: shutil.rmtree(made.table("predictions")), (True, False)),
    ("the contract", lambda made: made.table("contract.json").unlink(), (False, True)),
    ("the dataset's log", lambda made: shutil.rmtree(made.table("dataset") / "_delta_log"), (False, True)),
    ("a file of the dataset", lambda made: remove_file(made, "dataset"), (False, True)),
    ("a file of the predictions", lambda made: remove_file(made, "predictions"), (True, False)),
    ("the dataset's last commit", lambda made: remove_commit(made, "dataset"), (False, True)),
    ("the predictions' last commit", lambda made: remove_commit(made, "predictions"), (True, False)),
]


@pytest.mark.parametrize(("lost", "lose", "told"), LOSSES, ids=[one[0] for one in LOSSES])
def test_what_is_gone_is_noticed_and_made_again(
    made: Made, lost: str, lose: Callable[[Made], None], told: tuple[bool, bool]
) -> None:
    lose(made)
    assert made.told() == told, lost
    made.run()
    assert made.told() == (True, True)
    assert made.predictions() == made.scored.rows_scored == 178
    assert made.snapshot.quarantined == 2


def test_another_windows_rows_are_no_reason_to_write_again(made: Made) -> None:
    before = made.snapshot, made.scored
    made.window = days(20, 34)
    made.run()
    made.snapshot, made.scored = before
    assert made.told() == (True, True)
    # And later rows of the same window are right to stand where its own were.
    made.window = days(30, 40)
    made.run()
    made.snapshot, made.scored = before
    assert made.told() == (True, True)


@pytest.mark.parametrize("deed", ["deleted", "restored"])
def test_what_another_tool_did_to_the_rows_is_noticed_behind_another_windows(made: Made, deed: str) -> None:
    before, window = (made.snapshot, made.scored), made.window
    handle = DeltaTable(str(made.table("predictions")))
    handle.delete()
    if deed == "restored":
        handle.restore(0)
        handle.delete()
    made.window = days(20, 34)
    made.run()
    made.snapshot, made.scored = before
    assert made.told() == (True, False)
    made.window = window
    made.run()
    rows = made.lake.read("predictions", made.lake.version("predictions") or 0)
    found = rows.count_rows(filter=pc.field("seen_at") >= pa.scalar(window.start))
    assert found == made.scored.rows_scored == 178


def test_a_lake_of_before_does_not_hold_what_came_after(made: Made, tmp_path: Path) -> None:
    backup = shutil.copytree(made.table(""), tmp_path / "backup")
    made.window = days(20, 30)
    made.run()
    assert made.told() == (True, True)
    shutil.rmtree(made.table(""))
    shutil.copytree(backup, made.table(""))
    assert made.told() == (False, False)
    # A version of the same number, of other rows.
    kept = made.snapshot, made.scored
    made.window = days(10, 15)
    made.run()
    assert (made.snapshot.version, made.scored.table_version) == (kept[0].version, kept[1].table_version)
    made.snapshot, made.scored = kept
    assert made.told() == (False, False)


def test_staged_rows_that_are_gone_or_cut_short_are_noticed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    one = staged(world, world.declare())
    assert is_readable(one)
    content = Path(one.path).read_bytes()
    Path(one.path).write_bytes(content[: len(content) // 2])
    assert not is_readable(one)
    Path(one.path).unlink()
    assert not is_readable(one)


def test_a_candidate_whose_files_are_gone_is_trained_again(trained: Trained) -> None:
    folder = Path(trained.candidate.path)
    made = snapshot(trained.world, trained.project)
    for path in [*sorted((folder / MODEL).iterdir()), folder / "training.json"]:
        path.unlink()
        restore_trained(trained.project, trained.candidate, made, trained.world.settings)
        assert path.is_file()
        assert is_complete(folder)


def test_a_key_leads_to_the_first_answer_whose_output_is_there(tmp_path: Path) -> None:
    store = ResultStore(result_storage=LocalFileSystem(basepath=str(tmp_path)), serializer=RecordSerializer())
    there: set[int] = set()

    def answer(number: int) -> RuleCount:
        return RuleCount(rule="some", rows=number)

    def is_there(result: RuleCount, arguments: dict[str, object]) -> bool:
        if arguments.get("broken"):
            raise OutsideError("the store does not answer")
        return result.rows in there

    context = type("Context", (), {"result_store": store})()

    def key(**arguments: object) -> str:
        made = cached_step("some", "tasks", is_there=is_there)["cache_key_fn"]
        found = made(context, {"mark": "m", **arguments})
        assert found is not None
        return found

    plain = cached_step("some", "tasks")["cache_key_fn"](context, {"mark": "m"})
    assert key() == plain
    store.write(answer(1), key=key())
    assert key() == f"{plain}-again-1", "it is gone"
    there.add(1)
    assert key() == plain, "it came back"
    there.clear()
    store.write(answer(2), key=key())
    assert key() == f"{plain}-again-2"
    there.add(2)
    assert key() == f"{plain}-again-1"
    assert key(broken=True) == f"{plain}-again-2", "what cannot be looked at counts as gone"
