"""Look back at a window's predictions: how good they turned out, how good they are thought to be, and where."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from nightshift.findings import Estimated, Family, Realised, Signal
from nightshift.performance.bias import bias_signals
from nightshift.performance.estimated import estimated_of, estimated_signals
from nightshift.performance.expected import References, columns_of, deciding
from nightshift.performance.observed import observe
from nightshift.performance.prediction_log import Look
from nightshift.performance.realised import realised_of, realised_signals
from nightshift.settings import Settings
from nightshift.spec.project import Project

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Review:
    """How a window's predictions did.

    Attributes:
        signals: the loss of the window and of its segments, families `realised` and `estimated`; alarms not yet set.
    """

    realised: Realised
    estimated: Estimated
    signals: tuple[Signal, ...]


def review(
    project: Project,
    settings: Settings,
    look: Look,
    references: References,
    margin: float | None = None,
    *,
    bias_floor: float | None = None,
    families: Collection[Family] = ("realised", "estimated"),
) -> Review:
    """Join late labels to the prediction log, and measure, estimate and compare in one read.

    Args:
        look: the window, as-of, and if need be the versions that count and the version of the dataset.
        references: by model version, what its holdout said: `Reference.load`, or `Reference.of_metrics` of a
            version that was registered without one.
        bias_floor: the least bias that matters; None for its own.
        families: whose signals are wanted; those of many segments take a while.
        margin: the least loss that matters, in the deciding metric's unit; None for `expected.least_loss`.

    Raises:
        RequestError: no such version of the dataset, or project.yaml names a metric that measures no such labels.
        OutsideError: the lake cannot be read.
    """
    started = time.perf_counter()
    metric = deciding(project)
    seen = observe(project, settings, replace(look, columns=columns_of(references)))
    lacking = sorted(set(np.unique(seen.versions).tolist()) - set(references))
    if lacking:
        logger.warning("performance: nothing is known of the holdouts of versions %s", lacking)
    signals: list[Signal] = []
    if "realised" in families:
        signals += realised_signals(seen, references, metric, margin)
        signals += bias_signals(seen, bias_floor)
    if "estimated" in families:
        signals += estimated_signals(seen, references, metric, margin)
    made = Review(
        realised_of(seen, references, metric),
        estimated_of(seen, references, metric),
        tuple(signals),
    )
    logger.info(
        "performance: %s of %s predictions in %s have a label, in %.1f s",
        f"{seen.labelled:,}", f"{seen.rows:,}", look.window, time.perf_counter() - started,
    )  # fmt: skip
    return made
