"""From a declared source to one that can be read: the only list of source kinds."""

from __future__ import annotations

from nightshift.errors import NightshiftError
from nightshift.settings import Settings, expand
from nightshift.sources.delta import Delta
from nightshift.sources.files import Files
from nightshift.sources.protocol import Source
from nightshift.spec.project import DeltaSource, FilesSource, Project


def open_source(name: str, project: Project, settings: Settings) -> Source:
    """The source `name` of `project`, with `${VAR}` read now."""
    spec = project.sources[name]
    uri = expand(spec.uri, settings, where=f"project {project.name}: sources.{name}.uri")
    match spec:
        case FilesSource():
            return Files.declared(spec, uri, settings.scratch_path / project.name / "text" / name)
        case DeltaSource():
            return Delta.declared(spec, uri)


def sources_of(project: Project, settings: Settings) -> dict[str, Source]:
    """Every source of `project`, by the name that dataset.sql uses."""
    return {name: open_source(name, project, settings) for name in project.sources}


def fingerprints(project: Project, settings: Settings) -> dict[str, str]:
    """A mark for each source that changes when its rows do.

    Raises:
        NightshiftError: a source is not there; the error names the source.
    """
    marks = {}
    for name, source in sources_of(project, settings).items():
        try:
            marks[name] = source.fingerprint()
        except NightshiftError as error:
            raise located(error, project, name) from error
    return marks


def located(error: NightshiftError, project: Project, name: str) -> NightshiftError:
    """The same error, saying which source of which project it is about."""
    declared = project.sources[name].uri
    where = f"project {project.name}: sources.{name}: {error.where}"
    if declared != error.where and "${" in declared:
        where += f" (declared as {declared})"
    return type(error)(error.what, where=where, valid=error.valid, remedy=error.remedy)
