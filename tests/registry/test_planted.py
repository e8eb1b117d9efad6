"""A pickle in the place of every file that is read back: nothing of it is run, and an error says what is wrong."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from nightshift.checkpoints.checkpoint import Checkpoint, Progress, UnusableCheckpointError
from nightshift.checkpoints.unfinished import under_way, unfinished
from nightshift.cleaning.clean import clean
from nightshift.errors import DataRefusedError, NightshiftError
from nightshift.evaluation.evaluate import evaluate
from nightshift.lake.tables import Lake
from nightshift.lake.vacuum import tables_of
from nightshift.learners.train import train
from nightshift.monitoring.standing import Standing
from nightshift.quality.contract import Contract
from nightshift.quality.validate import validate
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import digest
from nightshift.store.open import open_store
from nightshift.tuning.found import Tried
from nightshift.tuning.study import found_study, open_study, storage_faults
from registry import served as serving
from registry.recorded import recorded
from registry.register import register
from registry.served import served
from registry.submission import Submission
from registry.versions import Versions
from tests.bombs import Bomb
from tests.homes import unpack
from tests.synthetic import AS_OF, World, rows_of, snapshot, staged

NAMES = {"binary": "small-binary", "own-network": "small-multiclass"}


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "NIGHTSHIFT_STORE", "NIGHTSHIFT_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bomb(tmp_path: Path) -> Bomb:
    return Bomb(tmp_path / "it went off")


def settings_of(place: Path) -> Settings:
    return Settings(home=place / "home", projects=place / "projects", data=str(place / "data"))


def readers(name: str, settings: Settings) -> dict[str, Callable[[], object]]:
    """What reads which file of a home, by the file's name or its ending."""
    versions, lake = Versions.of(name, settings), Lake.of(name, settings)
    champion = versions.chosen("champion")
    folder, monitoring = versions.folder(champion), versions.monitoring_files(champion)
    checkpoint = versions.artifact(champion, "state.checkpoint")

    def score() -> object:
        return Scorer.load(folder, champion.model_sha256)

    def stand() -> object:
        return Standing.load(champion, folder, monitoring)

    def recall() -> object:
        return recorded(name, "champion", settings)

    def read_tables() -> None:
        for table in tables_of(lake):
            lake.read(table, lake.version(table) or 0).to_table()
        clean(name, frozenset({champion.data_version}), timedelta(0), settings, dry_run=True)

    return {
        "manifest.json": score, "encoder.json": score, "model.txt": score, "network.py": score, "network.json": score,
        "network.safetensors": score, "profile.json": stand, "performance.json": stand, "project.json": recall,
        "environment.json": recall, "contract.json": lambda: Contract.recorded(lake),
        "state.checkpoint": lambda: Checkpoint.from_bytes(checkpoint.read_bytes()),
        ".parquet": read_tables, "0.json": read_tables,
    }  # fmt: skip


@pytest.mark.parametrize("kind", NAMES)
def test_a_pickle_in_the_place_of_what_a_home_holds_is_refused(kind: str, tmp_path: Path, bomb: Bomb) -> None:
    unpack(kind, tmp_path)
    planted = set()
    for ending, read in readers(NAMES[kind], settings_of(tmp_path)).items():
        read()
        good = {path: path.read_bytes() for path in (tmp_path / "home").rglob(f"*{ending}")}
        for content in (bomb.pickle(), bomb.torch()) if good else ():
            for path in good:
                path.write_bytes(content)
            # A checkpoint's own error is a ValueError, of which training makes a warning; the lake's may be Arrow's.
            with pytest.raises((NightshiftError, UnusableCheckpointError, pa.ArrowException)):
                read()
            assert not bomb.has_gone_off, ending
            planted.add(ending)
        for path, content in good.items():
            path.write_bytes(content)
    assert len(planted) >= 11


def resealed(folder: Path) -> None:
    """Write a manifest that fits the files as they are now, as whoever changes them would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    files = [path for path in folder.iterdir() if path.name != "manifest.json"]
    manifest["files"] = {path.name: sha256(path.read_bytes()).hexdigest() for path in files}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def code_of(bomb: Bomb) -> str:
    return f"open({str(bomb.trace)!r}, 'w')\n"


def model_folder(place: Path) -> Path:
    return next((place / "home" / "mlartifacts").rglob("manifest.json")).parent


def test_a_network_that_was_changed_is_never_run_though_its_folder_is_sealed_anew(
    tmp_path: Path, bomb: Bomb
) -> None:
    unpack("own-network", tmp_path)
    name, settings = NAMES["own-network"], settings_of(tmp_path)
    folder = model_folder(tmp_path)
    (folder / "network.py").write_text(code_of(bomb) + (folder / "network.py").read_text())
    resealed(folder)
    versions = Versions.of(name, settings)
    version = versions.chosen("champion")
    for look in (
        lambda: versions.scorer(version),
        lambda: versions.evaluated_scorer(version),
        lambda: recorded(name, "champion", settings),
        lambda: Standing.load(version, folder, None),
    ):
        with pytest.raises(DataRefusedError, match="is not the one on record"):
            look()
    assert not bomb.has_gone_off


def test_a_recorded_declaration_with_another_network_is_not_run(tmp_path: Path, bomb: Bomb) -> None:
    unpack("own-network", tmp_path)
    file = model_folder(tmp_path).parents[2] / "project.json"
    declared = json.loads(file.read_text())
    declared["learner"]["network_text"] = code_of(bomb) + declared["learner"]["network_text"]
    file.write_text(json.dumps(declared))
    with pytest.raises(DataRefusedError, match="another network than the one that was trained"):
        recorded(NAMES["own-network"], "champion", settings_of(tmp_path))
    assert not bomb.has_gone_off


def test_a_remembered_champion_with_another_network_is_not_run(tmp_path: Path, bomb: Bomb) -> None:
    unpack("own-network", tmp_path)
    name, settings = NAMES["own-network"], settings_of(tmp_path)
    found = served(name, None, settings)
    forged = tmp_path / "forged"
    shutil.copytree(found.folder, forged)
    (forged / "network.py").write_text(code_of(bomb) + (forged / "network.py").read_text())
    resealed(forged)
    remembered = serving._path(name, settings)
    told = json.loads(remembered.read_text())
    told["served"]["folder"] = str(forged)
    remembered.write_text(json.dumps(told))
    assert served(name, None, settings).folder == found.folder
    assert not bomb.has_gone_off


@pytest.mark.parametrize("file", ["network.py", "model.pkl", "python_model.pkl", "loader.py"])
def test_a_file_that_was_put_beside_a_model_is_refused(tmp_path: Path, bomb: Bomb, file: str) -> None:
    unpack("binary", tmp_path)
    versions = Versions.of(NAMES["binary"], settings_of(tmp_path))
    (model_folder(tmp_path) / file).write_text(code_of(bomb))
    with pytest.raises(DataRefusedError, match="was not saved with it"):
        versions.scorer(versions.chosen("champion"))
    assert not bomb.has_gone_off


def test_what_mlmodel_names_as_loader_is_not_imported(
    tmp_path: Path, bomb: Bomb, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack("binary", tmp_path)
    described = model_folder(tmp_path).parents[1] / "MLmodel"
    (tmp_path / "bomb_on_import.py").write_text(code_of(bomb))
    monkeypatch.syspath_prepend(str(tmp_path))
    described.write_text(
        described.read_text().replace("loader_module: registry.pyfunc", "loader_module: bomb_on_import")
    )
    assert "bomb_on_import" in described.read_text()
    (described.parent / "python_model.pkl").write_bytes(bomb.cloudpickle())
    for read in readers(NAMES["binary"], settings_of(tmp_path)).values():
        read()
    assert not bomb.has_gone_off


@pytest.fixture
def world(tmp_path: Path, fresh_mlflow: Path) -> World:
    made = World(tmp_path)
    made.settings.home.mkdir()
    shutil.copy(fresh_mlflow, made.settings.home / "mlflow.db")
    made.write(rows_of(per_day=10))
    return made


def test_a_pickle_in_the_place_of_working_files_is_refused_or_replaced(world: World, bomb: Bomb) -> None:
    project = world.declare(learner={"rounds": 12, "early_stopping": None})
    rows = staged(world, project)
    Path(rows.path).write_bytes(bomb.pickle())
    with pytest.raises(DataRefusedError, match="staged rows cannot be read"):
        validate(project, rows, AS_OF, world.settings)

    taken = snapshot(world, project)
    mark = digest(project.spec_hash, AS_OF)
    encoded = world.settings.scratch_path / project.name / "encoded" / mark[:24]
    encoded.mkdir(parents=True)
    for name in ("target.json", "encoder.json", "train.arrow", "validate.arrow"):
        (encoded / name).write_bytes(bomb.pickle())
    candidate = train(project, taken, mark, world.settings)
    training = Path(candidate.path) / "training.json"
    good = training.read_bytes()
    training.write_bytes(bomb.pickle())
    with pytest.raises(DataRefusedError, match="cannot be read"):
        evaluate(project, candidate, taken, world.settings)
    training.write_bytes(good)

    evaluation = evaluate(project, candidate, taken, world.settings)
    good = Path(evaluation.path).read_bytes()
    for content in (bomb.pickle(), bomb.npz()):
        Path(evaluation.path).write_bytes(content)
        with pytest.raises(DataRefusedError, match="scores of the holdout cannot be read"):
            register(Submission(project, taken, candidate, evaluation), world.settings)
    Path(evaluation.path).write_bytes(good)
    register(Submission(project, taken, candidate, evaluation), world.settings)

    serving._path(project.name, world.settings).write_bytes(bomb.pickle())
    assert served(project.name, None, world.settings).version.model_sha256 == candidate.model_sha256
    assert not bomb.has_gone_off


def test_a_candidate_that_was_changed_is_never_run(world: World) -> None:
    project = world.declare(learner={"rounds": 12, "early_stopping": None})
    taken = snapshot(world, project)
    candidate = train(project, taken, digest(project.spec_hash, AS_OF), world.settings)
    folder = Path(candidate.path) / "model"
    text = (folder / "model.txt").read_text()
    (folder / "model.txt").write_text(text.replace("leaf_value=", "leaf_value=9", 1))
    resealed(folder)
    with pytest.raises(DataRefusedError, match="is not the one on record"):
        evaluate(project, candidate, taken, world.settings)


def test_a_pickle_in_what_says_that_a_training_is_under_way(world: World, bomb: Bomb) -> None:
    project, store = world.declare(), open_store(world.settings)
    with under_way(project, AS_OF, world.settings):
        (name,) = store.names("unfinished")
        store.write(name, bomb.pickle())
        assert unfinished(project, world.settings) is None
    assert not bomb.has_gone_off


@pytest.mark.parametrize("part", ["checkpoint.json", "checkpoint.sha256", "model.txt"])
def test_a_checkpoint_with_a_pickle_in_it_is_refused(part: str, bomb: Bomb) -> None:
    good = Checkpoint("run", "lightgbm", Progress(1, 2, "round"), None, {}, {"model.txt": b"tree"}).to_bytes()
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, bomb.pickle() if name == part else old.read(name))
    with pytest.raises(ValueError, match=r"changed|torn"):
        Checkpoint.from_bytes(changed.getvalue())
    assert not bomb.has_gone_off


def test_arrow_files_that_name_a_pickled_type_are_read_as_what_they_store(tmp_path: Path, bomb: Bomb) -> None:
    marks: dict[Any, Any] = {
        b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": bomb.pickle(),
    }  # fmt: skip
    schema = pa.schema([pa.field("x", pa.int64(), metadata=marks)])
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(pa.table({"x": [1]}, schema=schema))
    rows = pa.ipc.open_file(pa.memory_map(str(tmp_path / "rows.arrow"))).read_all()
    assert rows["x"].to_pylist() == [1]
    assert not bomb.has_gone_off


def test_a_search_database_with_pickles_in_it(world: World, bomb: Bomb) -> None:
    with storage_faults(world.settings):
        study = open_study("demo", greater_is_better=True, settings=world.settings)
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        record = Tried(trial=0, learner="lightgbm", params={}, state="refused")
        trial.set_user_attr("nightshift", record.model_dump(mode="json"))
        study.tell(trial, 1.0)
    database = world.settings.home_path / "tuning.db"
    good = database.read_bytes()
    for table, column in (
        ("trial_user_attributes", "value_json"), ("trial_params", "distribution_json"),
        ("trial_params", "param_value"), ("study_user_attributes", "value_json"),
    ):  # fmt: skip
        with sqlite3.connect(database) as connection:
            connection.execute(f"UPDATE {table} SET {column} = ?", (bomb.pickle(),))
        connection.close()
        with suppress(NightshiftError):  # what nobody asks for is not looked at
            look_at_search(world.settings)
        assert not bomb.has_gone_off, column
        database.write_bytes(good)
    database.write_bytes(bomb.pickle())
    with pytest.raises(NightshiftError):
        look_at_search(world.settings)
    assert not bomb.has_gone_off


def look_at_search(settings: Settings) -> None:
    with storage_faults(settings):
        found_study("demo", greater_is_better=True, settings=settings)
