"""Steps: from a version to what it recorded, to a model made again, to whether it is the same."""

from __future__ import annotations

from prefect import task
from prefect.artifacts import create_markdown_artifact

from nightshift.reproduction import compare as comparison
from nightshift.reproduction import reproduce
from nightshift.reproduction.compare import Reproduction
from nightshift.reproduction.recorded import Recorded
from nightshift.settings import Settings
from nightshift.trained import Candidate
from tasks.policy import step


@task(name="recall", **step())
def recall(project: str, version: str) -> Recorded:
    """Read what the version recorded of how it was made."""
    from registry.recorded import recorded  # MLflow takes a second to import

    return recorded(project, version, Settings())


@task(name="train", **step())
def train_again(recorded: Recorded) -> Candidate:
    """Train the recorded declaration on the recorded rows."""
    return reproduce.train_again(recorded, Settings())


@task(name="compare", **step())
def compare(recorded: Recorded, again: Candidate) -> Reproduction:
    """Say whether the same model came out, and how far apart they are if not."""
    found = comparison.compare(recorded, again, Settings())
    _publish(found)
    return found


def _publish(found: Reproduction) -> None:
    said = "byte for byte the same" if found.identical else "another model"
    rows = "\n".join(f"| {one.what} | {one.then} | {one.now} |" for one in found.differences)
    apart = "" if found.identical else f"Largest difference of scores: {found.max_score_difference}.\n\n"
    create_markdown_artifact(
        key=f"{found.project}-reproduction".replace("_", "-"),
        description=f"Version {found.version}, made again: {said}",
        markdown=f"## {found.project} version {found.version}, made again: {said}\n\n{apart}"
        + (f"| what differs | then | now |\n|---|---|---|\n{rows}\n" if rows else ""),
    )
