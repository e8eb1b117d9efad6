"""What a replay came to, month by month: managed by Nightshift beside never and always retrained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightshift.engine import engine, quote, quote_all
from nightshift.lake.tables import Lake
from nightshift.metrics.registry import evaluate_all, finite, metric
from nightshift.records import Metrics, Window
from nightshift.replay.unmanaged import ALWAYS, NEVER, TRUTH
from nightshift.scoring.columns import TABLE, PredictionColumns
from nightshift.settings import Settings
from nightshift.spec.project import Project

MANAGED = "managed"
STRATEGIES = (NEVER, ALWAYS, MANAGED)

Floats = npt.NDArray[np.float64]

_RESAMPLES = 2_000


@dataclass(frozen=True)
class Outcome:
    """The same rows, predicted by three ways to run a model.

    Attributes:
        days: of the event time, in UTC, days since 1970, shape (n,).
        months: `2013-06`, shape (n,).
        truth: labels, shape (n,).
        scores: by strategy, shape (n,).
    """

    project: Project
    days: npt.NDArray[np.int64]
    months: npt.NDArray[np.str_]
    truth: Floats
    scores: dict[str, Floats]

    @classmethod
    def read(cls, project: Project, window: Window, unmanaged: Path, settings: Settings) -> Outcome:
        """Put the lake's predictions of the window beside what `write_unmanaged` wrote.

        A row that several versions scored counts with the version that was live last.
        """
        lake = Lake.of(project.name, settings)
        version = lake.version(TABLE)
        assert version is not None  # the replay has predicted
        names = PredictionColumns.of(project, lake.schema(TABLE))
        score = names.score if project.label.kind == "binary" else names.prediction
        event_time, both = quote(project.dataset.event_time), quote_all(names.identity)
        query = (
            f"SELECT floor(epoch({event_time}) / 86400)::BIGINT AS day, strftime({event_time}, '%Y-%m') AS month, "
            f"{TRUTH}, {NEVER}, {ALWAYS}, {MANAGED} FROM unmanaged JOIN (SELECT {both}, "
            f"arg_max({quote(score)}, {quote(names.model_version)}) AS {MANAGED} "
            f"FROM predictions GROUP BY ALL) USING ({both}) "
            f"WHERE {event_time} >= $start AND {event_time} < $end ORDER BY {both}"
        )
        with engine(settings) as connection:
            connection.register("predictions", lake.read(TABLE, version))
            connection.register("unmanaged", pa.ipc.open_file(pa.memory_map(str(unmanaged))).read_all())
            rows = connection.sql(query, params={"start": window.start, "end": window.end}).to_arrow_table()
        columns = {name: rows[name].to_numpy() for name in (TRUTH, *STRATEGIES)}
        return cls(
            project, rows["day"].to_numpy(), np.array(rows["month"].to_pylist()),
            columns[TRUTH], {name: columns[name] for name in STRATEGIES},
        )  # fmt: skip

    def metrics(self, strategy: str) -> Metrics:
        """Every metric of the label's kind over the whole replay."""
        return finite(evaluate_all(self.project.label.kind, self.truth, self.scores[strategy]))

    def by_month(self) -> Iterator[tuple[str, int, dict[str, Metrics]]]:
        """Each month, its rows, and every metric of each strategy."""
        for month in np.unique(self.months):
            rows = self.months == month
            found = {
                name: finite(evaluate_all(self.project.label.kind, self.truth[rows], scores[rows]))
                for name, scores in self.scores.items()
            }
            yield str(month), int(rows.sum()), found

    def margin(self, name: str, better: str, worse: str, seed: int = 0) -> tuple[float, float, float]:
        """How much better a strategy is by a metric that is a mean over rows, with its 95 % interval.

        Whole days are resampled: the flights of a day share its weather [Künsch 1989, "The jackknife and the bootstrap
        for general stationary observations"].
        """
        losses = _LOSSES[name](self.truth, self.scores[worse]) - _LOSSES[name](
            self.truth, self.scores[better]
        )
        _, day = np.unique(self.days, return_inverse=True)
        sums, counts = np.bincount(day, weights=losses), np.bincount(day)
        drawn = np.random.default_rng(seed).integers(len(sums), size=(_RESAMPLES, len(sums)))
        means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        return float(losses.mean()), float(low), float(high)

    def share_kept(self, name: str) -> float | None:
        """The share of what retraining at every step gains over never retraining that managing keeps."""
        never, always, managed = (self.metrics(strategy)[name] for strategy in STRATEGIES)
        if never is None or always is None or managed is None:
            return None
        room = metric(name).gain(always, over=never)
        return metric(name).gain(managed, over=never) / room if room > 0 else None


def _log_losses(truth: Floats, scores: Floats) -> Floats:
    likely = np.clip(np.where(truth == 1, scores, 1 - scores), 1e-15, 1)
    return np.asarray(-np.log(likely), dtype=np.float64)


def _squares(truth: Floats, scores: Floats) -> Floats:
    return np.asarray(np.square(truth - scores), dtype=np.float64)


_LOSSES = {"log_loss": _log_losses, "brier": _squares}
