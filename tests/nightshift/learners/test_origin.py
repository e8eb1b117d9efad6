"""The file that a training begins with: found from the project's folder on, and refused when it is none."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.origin import open_origin, origin_file
from nightshift.spec.learner import Torch
from nightshift.spec.project import Project
from tests.synthetic import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def project(world: World) -> Project:
    learner = Torch(kind="torch", from_model="weights.safetensors")
    return world.declare().model_copy(update={"learner": learner})


def file_of(world: World, project: Project) -> Path:
    return world.settings.projects / project.name / "weights.safetensors"


def test_a_file_is_found_from_the_projects_folder_on(world: World, project: Project) -> None:
    path = file_of(world, project)
    safetensors.numpy.save_file({"head.weight": np.zeros((1, 2), np.float32)}, path)
    found = origin_file(project, "weights.safetensors", world.settings)
    assert str(found) == found.path == str(path.absolute())
    opened = open_origin(project, found)
    assert (opened.learner, opened.kind, opened.encoder, opened.folder) == (
        "torch",
        "binary",
        None,
        path.absolute(),
    )
    safetensors.numpy.save_file({"head.weight": np.ones((1, 2), np.float32)}, path)
    with pytest.raises(DataRefusedError, match="not those that training began with"):
        open_origin(project, found)


def test_a_pickle_by_that_name_is_never_loaded(world: World, project: Project) -> None:
    path = file_of(world, project)
    path.write_bytes(pickle.dumps({"head.weight": [0.0]}))
    with pytest.raises(DataRefusedError, match="but a pickle, which is never loaded") as caught:
        origin_file(project, "weights.safetensors", world.settings)
    assert "safetensors.torch.save_file" in caught.value.remedy
    with zipfile.ZipFile(path, "w") as archive:  # as torch.save writes them
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    with pytest.raises(DataRefusedError, match="but a pickle, which is never loaded"):
        origin_file(project, "weights.safetensors", world.settings)


@pytest.mark.parametrize(
    "content", [b"", b"\x08", b"{}", b"\xff" * 20, b"\x02\0\0\0\0\0\0\0[]", b"\x09\0\0\0\0\0\0\0{}"]
)
def test_what_is_no_safetensors_file_is_refused(world: World, project: Project, content: bytes) -> None:
    file_of(world, project).write_bytes(content)
    with pytest.raises(DataRefusedError, match="is no safetensors file but something else"):
        origin_file(project, "weights.safetensors", world.settings)


def test_a_file_that_is_not_there_and_a_variable_that_is_not_set(world: World, project: Project) -> None:
    with pytest.raises(RequestError, match=r"no file 'weight\.safetensors'"):
        origin_file(project, "weight.safetensors", world.settings)
    with pytest.raises(RequestError, match="NIGHTSHIFT_TEST_NOWHERE is not set"):
        origin_file(project, "${NIGHTSHIFT_TEST_NOWHERE}/weights.safetensors", world.settings)


@pytest.mark.parametrize("params", [{}, {"backbone": "conv"}])
def test_the_hub_has_weights_for_models_of_timm_alone(world: World, params: dict[str, str]) -> None:
    learner = Torch(kind="torch", network="image", from_model="hub", params=params)
    project = world.declare().model_copy(update={"learner": learner})
    with pytest.raises(RequestError, match="for the models of timm alone") as caught:
        origin_file(project, "hub", world.settings)
    assert "backbone: NAME" in caught.value.remedy


def test_trees_begin_with_a_version_only(world: World) -> None:
    with pytest.raises(RequestError, match="begins with a registered version"):
        origin_file(world.declare(), "weights.safetensors", world.settings)
