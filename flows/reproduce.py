"""The story of making a version again: nothing is registered, and nothing that serves is touched."""

from __future__ import annotations

from prefect import flow

from flows.parameters import ProjectName
from nightshift.locks import only_one
from nightshift.reproduction.compare import Reproduction
from nightshift.settings import Settings
from tasks.policy import as_it_is
from tasks.reproduce import compare, recall, train_again


@flow(name="reproduce", flow_run_name="reproduce {project} {version}")
def reproduce(project: ProjectName, version: str = "champion") -> Reproduction:
    """Train a version of a project again, from what it recorded, and say whether the same model comes out.

    Args:
        project: a folder under projects/, or one that was there when the version was made.
        version: its number or alias.
    """
    with only_one("reproduce", project, Settings()):
        recorded = recall(project, version)
        again = train_again(as_it_is(recorded))
        return compare(as_it_is(recorded), again)
