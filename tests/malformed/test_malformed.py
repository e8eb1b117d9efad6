"""Malformed inputs by the hundred: one clear error each, exit code 2 or 3, nothing written, no traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random

import pytest

from deployments.cli.app import app, moment
from deployments.cli.program import outcome
from deployments.commands import validate_window
from deployments.screen import Screen
from tests.conftest import cli_command, cli_environment
from tests.malformed.generator import SEED, all_cases
from tests.malformed.place import NAME, VALIDATE, Case, Place

CASES = all_cases()
BY_COMMAND, PARTS = 500, 10
IN_PROCESS = [case for case in CASES if not case.served]
OFTEN = {case.name for case in Random(SEED).sample(IN_PROCESS, 700)}
"""Those that `make test` asks for; `make test-all` asks for every one."""


def test_there_are_enough_of_each_kind() -> None:
    assert len(CASES) >= 500


def told(case: Case, code: int, out: str, err: str) -> None:
    """One JSON object that says what, where, and what helps; and nothing that looks like a bug."""
    assert code in case.codes, (case.name, code, out[-1500:], err[-3000:])
    (line,) = out.splitlines()
    error = json.loads(line)
    assert error["exit_code"] == code
    assert error["error"].strip()
    assert error["remedy"].strip()
    text = " ".join([error["error"], error["where"], *error["valid"], error["remedy"]])
    assert any(word in text for word in case.names), (case.names, error)
    assert len(error["error"]) < 2000, error["error"]
    for noise in ("Traceback", "bug", "leaked"):
        assert noise not in err, err


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[] if case.name in OFTEN else [pytest.mark.slow])
        for case in IN_PROCESS
    ],
)
def test_a_malformed_input_is_one_clear_error(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path)
    place.make()
    case.prepare(place)
    for name in ("NIGHTSHIFT_STORE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    # What is malformed is refused before a server is asked: at this address there is none.
    for name, value in {**place.variables, "PREFECT_API_URL": "http://127.0.0.1:9/api", **case.env}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    before = kept(place)
    code = outcome(partial(asked, case.arguments), as_json=True)
    told(case, code, *capsys.readouterr())
    assert kept(place) == before


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_command_says_so_too(part: int, tmp_path: Path, prefect_api: str, fresh_mlflow: Path) -> None:
    served = [case for case in CASES if case.served]
    drawn = Random(SEED).sample(IN_PROCESS, BY_COMMAND - len(served))
    mine = [*served, *drawn][part::PARTS]

    def ask(place: Place, case: Case) -> None:
        place.make()
        shutil.copy(fresh_mlflow, place.folder / "home" / "mlflow.db")
        case.prepare(place)
        env = cli_environment(prefect_api, {**place.variables, **case.env})
        done = subprocess.run(
            cli_command(*case.arguments[:1], "--json", *case.arguments[1:])[:-1], cwd=place.folder, env=env,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        told(case, done.returncode, done.stdout, done.stderr)

    with ThreadPoolExecutor(2) as pool:
        places = [Place(tmp_path / str(number)) for number in range(len(mine))]
        assert len(list(pool.map(ask, places, mine))) == len(mine)


def asked(arguments: tuple[str, ...]) -> int | None:
    """What the command line does: of the many that are asked to validate, without reading each time how it may be."""
    if arguments == VALIDATE:
        start, end, as_of = (moment(arguments[place]) for place in (3, 5, 7))
        validate_window(Screen(as_json=True), NAME, start, end, as_of)
        return 0
    sys.argv = ["nightshift", *arguments[:1], "--json", *arguments[1:]]
    found: int | None = app(standalone_mode=False)
    return found


def kept(place: Place) -> dict[str, bytes]:
    """All that a refused command leaves alone: the project, and the store."""
    return {
        str(path.relative_to(place.folder)): path.read_bytes()
        for folder in (place.project, place.folder / "home" / "store")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
