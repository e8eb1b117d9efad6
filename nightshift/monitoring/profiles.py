"""Profiles of a project's rows in the buckets of a version: tonight's window, and what it is compared with."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import reduce

import numpy as np
import pyarrow as pa

from nightshift.atomic import replacing
from nightshift.dataset.image_sizes import size_of
from nightshift.dataset.rows import SnapshotRows
from nightshift.drift.build import profile
from nightshift.drift.codec import from_json, to_json
from nightshift.drift.layout import layout_of
from nightshift.drift.merge import merge
from nightshift.drift.profile import Floats, Profile
from nightshift.engine import quote
from nightshift.errors import NightshiftError
from nightshift.evaluation.reference import profiled_rows
from nightshift.findings import Night
from nightshift.monitoring.standing import Standing
from nightshift.records import Window
from nightshift.settings import Settings

logger = logging.getLogger(__name__)

_WEEK = timedelta(days=7)
_WEEKS_BACK = 4
_HISTORY = 8
_SAMPLE = 2_000


class Comparable:
    """Any window of a project's rows, in the buckets of the version that stands."""

    def __init__(
        self, rows: SnapshotRows, standing: Standing, trained_on: Profile, settings: Settings
    ) -> None:
        self.project = rows.project
        self.importance = standing.importance
        self._rows = rows
        self._scorer = standing.scorer
        self._layout = layout_of(trained_on)
        self._trained_on = trained_on
        self._kept = settings.scratch_path / rows.project.name / "history"
        self._mark = standing.version.model_sha256[:16]
        self._learnt = rows.project.split_before(standing.version.as_of).train

    def profile(self, window: Window) -> Profile:
        """The window's rows, and what the standing model says of them."""
        return profile(profiled_rows(self._rows, self._scorer, window), self._layout)

    def reference(self, window: Window, nights: Sequence[Night]) -> Profile:
        """What `drift.reference` says the window is compared with; the training window where that is not there yet.

        Args:
            nights: earlier ones, newest first.
        """
        match self.project.drift.reference:
            case "last_good":
                good = next(
                    (night for night in nights if night.state == "done" and not night.decision.causes), None
                )
                found = None if good is None else self.profile(good.window)
            case "weekday":
                back = (_shifted(window, -weeks * _WEEK) for weeks in range(1, _WEEKS_BACK + 1))
                found = reduce(merge, (self.profile(one) for one in back))
            case _:
                return self._trained_on
        if found is None or found.rows == 0:
            logger.info("monitor: there are no rows to compare with yet but those of training")
            return self._trained_on
        return found

    def history(self, length: timedelta) -> list[Profile]:
        """The newest windows of this length that the standing model learnt from: how far clean windows stray.

        They are the same every night of a champion, and kept in scratch.
        """
        path = self._kept / f"{self._mark}-{length.total_seconds():.0f}.json"
        if path.exists():
            try:
                return [from_json(text, where=str(path)) for text in json.loads(path.read_bytes())]
            except (ValueError, TypeError, RecursionError, NightshiftError) as error:
                logger.warning("monitor: %s is not used, and made anew: %s", path, error)
        ends = (self._learnt.end - place * length for place in range(_HISTORY))
        windows = [Window.until(end, length) for end in ends if end - length >= self._learnt.start]
        found = [one for one in map(self.profile, windows) if one.rows]
        with replacing(path) as temporary:
            temporary.write_text(json.dumps([to_json(one) for one in found]))
        for old in self._kept.glob("*.json"):
            if not old.name.startswith(self._mark):
                old.unlink(missing_ok=True)
        return found

    @property
    def is_whole(self) -> bool:
        """Whether the rows have every column that the standing model was trained on."""
        return set(self._scorer.encoder.names) <= set(self._rows.schema.names)

    def trained_window(self, length: timedelta) -> Window:
        """The newest window of this length that the standing model learnt from, or all of it when that is shorter."""
        return Window(start=max(self._learnt.start, self._learnt.end - length), end=self._learnt.end)

    def repeated(self, window: Window) -> tuple[int, int]:
        """How many rows have the inputs of an earlier row of the window, and how many rows there are."""
        names = [name for name in self._scorer.encoder.names if name in self._rows.schema.names]
        inputs = f"hash({', '.join(quote(name) for name in names)})"
        rows, different = self._rows.aggregate(window, ["count(*)", f"count(DISTINCT {inputs})"])
        assert isinstance(rows, int)
        assert isinstance(different, int)
        return rows - different, rows

    def encoded(self, window: Window) -> Floats:
        """The inputs of up to 2,000 rows, evenly spaced, as the model gets them: (rows, features), NaN for null.

        In the place of an image stands how many bytes it has.
        """
        encoder = self._scorer.encoder
        images = {feature.name for feature in encoder.images}
        asked = [size_of(name) if name in images else quote(name) for name in encoder.names]
        table = self._rows.read(window, asked).read_all()
        places = np.linspace(0, max(table.num_rows - 1, 0), min(table.num_rows, _SAMPLE)).astype(np.int64)
        encoded = encoder.sized.encode(table.take(pa.array(places))).rows
        columns = [np.asarray(column.to_numpy(), dtype=np.float64) for column in encoded.columns]
        return np.column_stack(columns)


def _shifted(window: Window, by: timedelta) -> Window:
    return Window(start=window.start + by, end=window.end + by)
