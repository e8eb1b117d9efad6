"""A user's own network is found by its place, is part of the declaration, and is never run when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nightshift.errors import RequestError
from nightshift.spec.learner import Torch
from nightshift.spec.load import read_project
from nightshift.spec.project import Project
from tests.synthetic import World

TEXT = "raise SystemExit\n\ndef build(inputs, outputs):\n    return None\n\nclass Net:\n    pass\n"


def read(folder: Path, network: str, text: str = TEXT, **more: str) -> Project:
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


@pytest.mark.parametrize("network", ["mlp", "some.package:build"])
def test_others_have_no_text(tmp_path: Path, network: str) -> None:
    learner = read(tmp_path, network).learner
    assert isinstance(learner, Torch)
    assert learner.network_text == ""


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
