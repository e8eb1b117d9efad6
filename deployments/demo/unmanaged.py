"""A process beside the replay: what would have been had nobody decided. `python -m deployments.demo.unmanaged ...`."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from nightshift.replay.unmanaged import Replay, write_unmanaged
from nightshift.settings import Settings
from nightshift.spec.load import load_project


def main() -> None:
    """Read the replay from the command line, write the scores, and print a line a step: steps done, and seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("project")
    parser.add_argument(
        "home", type=Path, help="of its own: its lake and its candidates are not the project's"
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("end", type=datetime.fromisoformat)
    parser.add_argument("moments", type=datetime.fromisoformat, nargs="+")
    given = parser.parse_args()
    shared = Settings()
    own = {"home": given.home, "store": str(given.home / "store"), "data": shared.data_uri}
    settings = shared.model_copy(update=own)
    project = load_project(given.project, settings.projects)

    def report(done: int, seconds: float) -> None:
        sys.stdout.write(f"{done} {seconds:.3f}\n")
        sys.stdout.flush()

    write_unmanaged(project, Replay(given.moments, given.end), given.output, settings, report)


if __name__ == "__main__":
    main()
