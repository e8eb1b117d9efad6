"""A user's own network is found by its place, is part of the declaration, and is never run when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nightshift.errors import RequestError
from nightshift.spec.learner import Torch
from nightshift.spec.load import read_project
from nightshift.spec.project import Project
from tests.synthetic import World

TEXT = "raise SystemExit\n\ndef build(inputs, outputs):\n    return None\n\nclass Net:\n    pass\n"


def read(folder: Path, network: str, text: str = TEXT, **more: Any) -> Project:
    world = World(folder, name="my-demo")
    world.declare()
    place = world.settings.projects / world.name
    (place / "nets.py").write_text(text)
    file = place / "project.yaml"
    declared = yaml.safe_load(file.read_text()) | {"learner": {"kind": "torch", "network": network, **more}}
    file.write_text(yaml.safe_dump(declared))
    return read_project(file)


@pytest.mark.parametrize("name", ["my_demo", "my-demo"])
def test_its_text_is_read_and_makes_another_declaration(tmp_path: Path, name: str) -> None:
    network = f"projects.{name}.nets:build"
    one, other = read(tmp_path, network), read(tmp_path, network, TEXT + "\n# another\n")
    assert isinstance(one.learner, Torch)
    assert one.learner.network_text == TEXT
    assert one.spec_hash != other.spec_hash
    assert Project.model_validate(one.model_dump(mode="json", by_alias=True)).learner == one.learner


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package whose modules end the process when they are imported."""
    folder = tmp_path / "installed" / "somebodys" / "deep"
    folder.mkdir(parents=True)
    for file in (folder.parent / "__init__.py", folder / "__init__.py"):
        file.write_text("raise SystemExit\n")
    (folder / "nets.py").write_text(
        TEXT + "def other(x, y):\n    pass\n\nclass Kind:\n    def __init__(self, inputs, outputs, size=1):\n"
        "        pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    return "somebodys.deep.nets"


def test_others_have_no_text_and_are_not_imported(tmp_path: Path, package: str) -> None:
    for network in ("mlp", f"{package}:build", f"{package}:Kind"):
        learner = read(tmp_path / network, network).learner
        assert isinstance(learner, Torch)
        assert learner.network_text == ""


@pytest.mark.parametrize(
    ("network", "said"),
    [
        *((name, "is the name of no network") for name in (
            "eval", "os.system", "", ":", "mlp:", ":eval", "a b:c", "__import__('os').system:x", "../nets:build",
            "/tmp/nets.py:build", "projects", "mlp\n", "projects:x.y")),
        *((name, "names no module of an installed package") for name in (
            "builtins:eval", "builtins:exec", "os:system", "subprocess:Popen", "importlib:import_module",
            "pickle:loads",
            "runpy:run_path", "code:interact", "no_such.package:build", "json.decoder:JSONDecoder", "sys:exit")),
        ("projects.my_demo.nets:Net.pop", "names no function of a project"),
        ("torch.hub:load", "is no function that builds a network"),
        ("torch.nn:Linear", "is no function that builds a network"),
        ("numpy:load", "is no function that builds a network"),
        ("somebodys.deep.nets:other", "is no function that builds a network"),
        ("somebodys.deep.nets:biuld", "is no function that builds a network"),
        ("somebodys.deep.net:build", "names no module of an installed package"),
    ],
)  # fmt: skip
def test_what_is_no_network_is_refused_when_declared(
    tmp_path: Path, package: str, network: str, said: str
) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        read(tmp_path, network)
    assert {"mlp", "tabm", "image"} <= set(raised.value.valid) or network.startswith("projects.")
    assert "learner.network" in raised.value.where


@pytest.mark.parametrize(
    ("text", "params", "said"),
    [
        ("def build(inputs):\n    pass\n", {}, "too many positional arguments"),
        ("def build(inputs, outputs, size):\n    pass\n", {}, "'size'"),
        ("def build(inputs, outputs, *, size):\n    pass\n", {"siez": 3}, "'size'"),
        ("def build(inputs, outputs, size=1):\n    pass\n", {"siez": 3}, "'siez'"),
        (
            "class build:\n    def __init__(self, inputs):\n        pass\n",
            {},
            "too many positional arguments",
        ),
    ],
)
def test_what_cannot_be_called_is_refused_when_declared(
    tmp_path: Path, text: str, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(RequestError, match="cannot be called") as raised:
        read(tmp_path, "projects.my_demo.nets:build", text, params=params)
    assert said in raised.value.what


@pytest.mark.parametrize(
    "text",
    [
        "def build(inputs, outputs, **params):\n    pass\n",
        "def build(*given, size):\n    pass\n",
        "def build(inputs, outputs, /, size=1):\n    pass\n",
        "import functools\n@functools.cache\ndef build(one):\n    pass\n",
        "class build:\n    def __init__(self, inputs, outputs, size):\n        pass\n",
    ],
)
def test_what_can_be_called_is_taken(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, "projects.my_demo.nets:build", text, params={"size": 3}).learner.params == {
        "size": 3
    }


def test_a_file_that_lies_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(TEXT)
    project = read(tmp_path, "projects.my_demo.nets:build")
    file = tmp_path / "projects" / project.name / "nets.py"
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(RequestError, match="a file outside the project"):
        read_project(file.with_name("project.yaml"))


@pytest.mark.parametrize(
    ("network", "said", "remedy"),
    [
        ("projects.my_dmeo.nets:build", "a project that is not there: my_dmeo", "did you mean 'my-demo'?"),
        ("projects.my_demo.net:build", r"a file my-demo/ that is not there: net.py", "did you mean 'nets.py'?"),
        ("projects.my_demo.nets:biuld", r"a function in nets.py: that is not there: biuld", "did you mean 'build'?"),
        ("projects.my_demo.nets", "names no function of a project", "write projects.NAME.FILE:FUNCTION"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_what_is(tmp_path: Path, network: str, said: str, remedy: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        read(tmp_path, network)
    assert raised.value.remedy.startswith(remedy)


def test_no_python_and_a_text_that_is_declared_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="this is no Python"):
        read(tmp_path, "projects.my_demo.nets:build", "def build(:\n")
    with pytest.raises(RequestError, match="unknown key 'network_text'"):
        read(tmp_path, "mlp", network_text="x")
    with pytest.raises(RequestError) as raised:
        read(tmp_path, "mlp", network_txt="x")
    assert "network_text" not in raised.value.valid
