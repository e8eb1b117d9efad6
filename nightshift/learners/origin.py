"""The model that a training begins with: found, verified, and fit for the task before anything is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nightshift.dataset.encoder import Encoder, Feature
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.artifact import ENCODER, read_manifest, sha256_of
from nightshift.learners.protocol import Origin
from nightshift.learners.weights_file import check_safetensors
from nightshift.settings import Settings, expand
from nightshift.spec.learner import Torch
from nightshift.spec.project import Project
from nightshift.trained import OriginModel

HUB = "hub"


def origin_file(project: Project, path: str, settings: Settings) -> OriginModel:
    """The safetensors file that `learner.from_model` names: by a path from the project's folder on, or `hub`.

    Raises:
        RequestError: there is no such file, or the learner cannot begin with one.
        DataRefusedError: it is no safetensors file.
        OutsideError: the hub cannot be reached.
    """
    if path == HUB:
        return _found(_file_of_hub(project))
    where = _where(project)
    file = (
        settings.projects.absolute() / project.name / Path(expand(path, settings, where=where)).expanduser()
    )
    if project.learner.kind != "torch":
        raise RequestError(
            f"a {project.learner.kind} learner begins with a registered version, and not with a file", where=where,
            remedy="write from_model: {project: NAME, version: champion}",
        )  # fmt: skip
    if not file.is_file():
        raise RequestError(
            f"there is no file {path!r}", where=f"{where}: {file}",
            remedy="correct the path; it begins at the project's folder",
        )  # fmt: skip
    return _found(file)


def open_origin(project: Project, found: OriginModel) -> Origin:
    """The model behind `found`, its files verified.

    Raises:
        RequestError: it is another learner's, or tells another kind of label.
        DataRefusedError: its files are not those that were found.
    """
    path = Path(found.path)
    if not found.project:
        if not path.is_file() or sha256_of(path) != found.sha256:
            raise _changed(project, found)
        return Origin(str(found), project.learner.kind, project.label.kind, (), None, path)
    manifest = read_manifest(path)
    if manifest.model_sha256 != found.sha256:
        raise _changed(project, found)
    if manifest.learner != project.learner.kind:
        raise RequestError(
            f"{found} is a model of the learner {manifest.learner}, and this project's is {project.learner.kind}",
            where=_where(project), remedy="begin with a model of the same kind of learner",
        )  # fmt: skip
    if manifest.kind != project.label.kind:
        raise RequestError(
            f"{found} tells a {manifest.kind} label, and {project.label.column!r} is {project.label.kind}",
            where=_where(project), remedy="begin with a model of the same kind of label",
        )  # fmt: skip
    encoder = Encoder.from_json((path / ENCODER).read_text(encoding="utf-8"))
    return Origin(str(found), manifest.learner, manifest.kind, manifest.classes, encoder, path)


def begun_encoder(learnt: Encoder, origin: Origin | None) -> Encoder:
    """The encoder of a training that begins with `origin`: `learnt`, or for trees the origin's own, grown.

    Trees hold codes of categories. So the old values keep theirs, and new ones are appended: to the old trees they are
    what they were when they were scored, values never seen. Networks hold weights by value, and move them.

    Raises:
        RequestError: trees are to go on with other columns than they have.
    """
    if origin is None or origin.encoder is None or origin.learner != "lightgbm":
        return learnt
    now = {feature.name: feature for feature in learnt.features}
    before = {feature.name: feature.kind for feature in origin.encoder.features}
    differing = sorted(
        name for name in now.keys() | before.keys() if name not in now or before.get(name) != now[name].kind
    )
    if differing:
        raise RequestError(
            f"trees go on with the columns that they have, and {', '.join(differing)} differ from those of "
            f"{origin.name}",
            where="learner.from_model", valid=[f"{name} ({kind})" for name, kind in before.items()],
            remedy="select the same columns, or leave from_model out",
        )  # fmt: skip
    return Encoder(tuple(_grown(feature, now[feature.name]) for feature in origin.encoder.features))


def _found(file: Path) -> OriginModel:
    check_safetensors(file)
    return OriginModel(path=str(file), sha256=sha256_of(file))


def _file_of_hub(project: Project) -> Path:
    """The published weights of the backbone that `learner.params.backbone` names."""
    learner = project.learner
    backbone = learner.params.get("backbone", "conv") if isinstance(learner, Torch) else "conv"
    if not isinstance(learner, Torch) or learner.network != "image" or backbone == "conv":
        raise RequestError(
            "the hub has weights for the models of timm alone", where=_where(project),
            remedy="write network: image and params: {backbone: NAME}, with a name of timm, or leave from_model out",
        )  # fmt: skip
    # Imported here: whoever begins with nothing of the hub needs neither torch nor timm for this.
    from nightshift.learners.torch.timm_backbone import hub_weights

    return hub_weights(str(backbone))


def _grown(old: Feature, new: Feature) -> Feature:
    known = set(old.vocabulary)
    return replace(
        new, vocabulary=(*old.vocabulary, *(value for value in new.vocabulary if value not in known))
    )


def _where(project: Project) -> str:
    return f"project {project.name}: learner.from_model"


def _changed(project: Project, found: OriginModel) -> DataRefusedError:
    return DataRefusedError(
        f"the files of {found} are not those that training began with", where=f"{_where(project)}: {found.path}",
        remedy="restore them, or train again",
    )  # fmt: skip
