"""What it is worth to begin with another network: LaGuardia's flights, learnt from 1 % of them.

The network of the project flights-delay-nn learns from the flights out of Newark and JFK, and is then carried over to
LaGuardia, where it is given 1 % of the training rows. Held against it, on the very same rows: the same network from
fresh weights (scratch), and trees. All are stopped early on the same validate window, whose labels are all known, and
measured on all of LaGuardia's holdout. A seed chooses the 1 % and draws the weights, also those of the network that is
carried over; gains are paired by seed. Target: a mean gain over fresh weights of more than twice its standard error.

Rates, batch sizes and the sizes of trees were chosen by the holdout that ends on 1 July (`--as-of 2013-07-01`, seeds 0
to 4 and 10 to 19), among 16 recipes from scratch, 9 of trees and 21 of a transfer; they are measured on the one that
ends on 1 September. The transfer goes through the default phases. Beside it: the same with its head learning alone, or
beginning with a new one; and the other airports' network as it is, which has seen nothing of LaGuardia.
"""

from __future__ import annotations

import logging
import math
import statistics
import tempfile
import time
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import ROOT, finish, show, stopped
from pydantic import TypeAdapter

from deployments.flights import write_flights
from nightshift.dataset.stage import fingerprint_of, stage
from nightshift.evaluation.measure import measure
from nightshift.learners.train import MODEL, train
from nightshift.quality.validate import validate
from nightshift.records import Snapshot
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.learner import Learner
from nightshift.spec.load import load_project
from nightshift.spec.project import Project, digest
from nightshift.trained import Candidate, OriginModel

PROJECT = "flights-delay-nn"
ELSEWHERE, HERE = "flights-delay-elsewhere", "flights-delay-here"
AS_OF = datetime(2013, 9, 1, tzinfo=UTC)
TIMES = 2
FROM = {
    "from_model": {"project": ELSEWHERE, "version": 1},
    "epochs": 60,
    "early_stopping": 10,
    "batch_size": 64,
}
# What differs from the declared network where there are some hundred rows.
ARMS: dict[str, dict[str, Any]] = {
    "transfer": {**FROM, "head": "keep"},
    "head_alone": {**FROM, "head": "keep", "mode": "feature_extraction"},
    "new_head": {**FROM, "epochs": 100, "rate": 0.01},
    "scratch": {"epochs": 100, "early_stopping": 20, "batch_size": 32, "rate": 0.005},
    "lightgbm": {
        "kind": "lightgbm",
        "rounds": 1000,
        "early_stopping": 50,
        "params": {"num_leaves": 4, "learning_rate": 0.1, "min_data_in_leaf": 20, "feature_fraction": 0.7},
    },
}
AS_IS = "as_it_is"


class World:
    """The declared project over some of its airports, at one moment, in a home of its own."""

    def __init__(self, home: Path, as_of: datetime, epochs: int | None) -> None:
        self.settings = Settings(
            home=home, projects=ROOT / "projects", store=str(home / "store"), data=str(home / "data")
        )
        self.as_of = as_of
        declared = load_project(PROJECT, self.settings.projects)
        self.declared = declared if epochs is None else with_learner(declared, {"epochs": epochs})
        self.split = declared.split_before(as_of)
        write_flights(home / "data")

    def rows(self, name: str, condition: str) -> tuple[Project, Snapshot]:
        """The project's accepted rows that satisfy `condition`, under a name of their own."""
        sql = f"SELECT * FROM (\n{self.declared.sql_text}\n) WHERE {condition}"
        project = self.declared.model_copy(update={"name": name, "sql_text": sql})
        mark = fingerprint_of(project, self.split.whole, self.settings)
        staged = stage(project, self.split.whole, mark, self.settings)
        return project, validate(project, staged, self.as_of, self.settings)[0]

    def elsewhere(self) -> tuple[Project, Snapshot]:
        """Every row of the two airports that are learnt from first."""
        return self.rows(ELSEWHERE, "origin IN ('EWR', 'JFK')")

    def here(self, seed: int) -> tuple[Project, Snapshot]:
        """LaGuardia: 1 % of the rows to train on, chosen by the seed, and all of the two later windows."""
        later = f"departs_at >= TIMESTAMPTZ '{self.split.validate_.start.isoformat()}'"
        chosen = f"md5_number_lower(concat(flight_id, '/', {seed})) % 100 = 0"
        return self.rows(HERE, f"origin = 'LGA' AND ({later} OR {chosen})")

    def fit(self, project: Project, snapshot: Snapshot, origin: OriginModel | None = None) -> Candidate:
        """Train the project's learner, as the train flow's step does."""
        begins = () if origin is None else (origin.sha256,)
        mark = digest(snapshot.digest, snapshot.version, project.spec_hash, self.as_of, *begins)
        return train(project, snapshot, mark, self.settings, origin)

    def area(self, project: Project, snapshot: Snapshot, candidate: Candidate) -> float:
        """The holdout's ROC AUC."""
        scorer = Scorer.load(Path(candidate.path) / MODEL)
        seen = measure(project, scorer, snapshot, self.split.holdout, self.settings)
        return float(seen.metrics(project)["roc_auc"] or math.nan)


def with_learner(project: Project, changes: dict[str, Any]) -> Project:
    """The project with some of its learner's keys changed, or with a learner of another kind."""
    kept = project.learner.model_dump(mode="json", exclude_unset=True)
    same = changes.get("kind", project.learner.kind) == project.learner.kind
    learner: Any = TypeAdapter(Learner).validate_python({**kept, **changes} if same else changes)
    return project.model_copy(update={"learner": learner})


def main() -> None:
    """Measure every arm with every seed, and end with one line of JSON."""
    given = _options()
    logging.getLogger("nightshift").setLevel(logging.ERROR)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-") as folder:
        world = World(Path(folder), given.as_of, 1 if given.quick else None)
        seeds = 2 if given.quick else given.seeds
        found = _measured(world, range(given.first_seed, given.first_seed + seeds))
    _report(found)
    gain, error = _gain(found["transfer"], found["scratch"])
    finish(
        "transfer", quick=given.quick, as_of=f"{given.as_of:%Y-%m-%d}", seeds=len(found["transfer"]),
        seconds=time.perf_counter() - started, metric="roc_auc",
        means={arm: round(statistics.mean(areas), 4) for arm, areas in found.items()},
        sds={arm: round(statistics.stdev(areas), 4) for arm, areas in found.items()},
        gain=gain, standard_error=error, ratio=gain / error, met=None if given.quick else gain > TIMES * error,
    )  # fmt: skip


def _options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="two seeds, one epoch elsewhere: does it work at all?"
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many (default 5)")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument(
        "--as-of", type=lambda day: datetime.fromisoformat(day).replace(tzinfo=UTC), default=AS_OF,
        help=f"the end of the holdout (default {AS_OF:%Y-%m-%d})",
    )  # fmt: skip
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error("a standard error takes two seeds or more")
    return given


def _measured(world: World, seeds: range) -> dict[str, list[float]]:
    """The holdout's ROC AUC of each arm, one a seed."""
    found: dict[str, list[float]] = {arm: [] for arm in (*ARMS, AS_IS)}
    elsewhere, rows = world.elsewhere()
    for seed in seeds:
        first = world.fit(with_learner(elsewhere, {"seed": seed}), rows)
        begins = OriginModel(
            project=ELSEWHERE, version=1, path=str(Path(first.path) / MODEL), sha256=first.model_sha256
        )
        here, few = world.here(seed)
        found[AS_IS].append(world.area(here, few, first))
        for arm, changes in ARMS.items():
            project = with_learner(here, {**changes, "seed": seed})
            fitted = world.fit(project, few, begins if "from_model" in changes else None)
            found[arm].append(world.area(project, few, fitted))
        shown = ", ".join(f"{arm} {areas[-1]:.4f}" for arm, areas in found.items())
        show(f"seed {seed}: {first.rows['train']:,} rows elsewhere, {fitted.rows['train']:,} here: {shown}")
    return found


def _gain(areas: list[float], others: list[float]) -> tuple[float, float]:
    """The mean of paired differences, and its standard error."""
    gains = [one - other for one, other in zip(areas, others, strict=True)]
    return statistics.mean(gains), statistics.stdev(gains) / math.sqrt(len(gains))


def _report(found: dict[str, list[float]]) -> None:
    show("\nROC AUC of LaGuardia's holdout    mean      sd    gain over scratch, and its standard error")
    for arm, areas in found.items():
        line = f"  {arm.replace('_', ' '):<30}{statistics.mean(areas):8.4f}{statistics.stdev(areas):8.4f}"
        if arm != "scratch":
            gain, error = _gain(areas, found["scratch"])
            line += f"{gain:+10.4f}{error:8.4f}   {gain / error:.1f} times"
        show(line)


if __name__ == "__main__":
    stopped(main)
