"""What one pass over the rows of a window gathers beside the predictions themselves."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightshift.dataset.classes import Vocabulary, label_codes, listed
from nightshift.learners.model import Floats
from nightshift.metrics.registry import evaluate_all, finite
from nightshift.records import Metrics
from nightshift.scoring.scorer import Scores
from nightshift.spec.project import Project

logger = logging.getLogger(__name__)


@dataclass
class Gathered:
    """What one pass over the rows gathers beside the predictions themselves."""

    vocabulary: Vocabulary | None
    rows: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    beyond: Counter[str] = field(default_factory=Counter)
    nulls: Counter[str] = field(default_factory=Counter)
    learnt: int = 0
    truth: list[Floats] = field(default_factory=list)
    scores: list[Floats] = field(default_factory=list)

    def add(self, scores: Scores) -> None:
        """Count a batch's rows, and what of them the model has not seen before."""
        self.rows += len(scores.values)
        self.unseen.update(scores.unseen)
        self.beyond.update(scores.beyond)
        self.nulls.update(scores.nulls)

    def realise(self, labels: pa.Array, scores: Floats, is_learnt: npt.NDArray[np.bool_]) -> None:
        """Keep what is known by now of a batch, but for rows that the model has learnt from: of those it knows more."""
        truth = label_codes(self.vocabulary, labels)
        known = ~np.isnan(truth)
        self.learnt += int(np.count_nonzero(known & is_learnt))
        self.truth.append(truth[known & ~is_learnt])
        self.scores.append(scores[known & ~is_learnt])

    def realised(self, project: Project) -> tuple[Metrics, int]:
        """Metrics of the rows whose label is known by now, and how many they are.

        Rows of a class that the model does not know are among them: they are its mistakes.
        """
        known = np.concatenate(self.truth) if self.truth else np.empty(0)
        if known.size == 0:
            return {}, 0
        return finite(evaluate_all(project.label.kind, known, np.concatenate(self.scores))), int(known.size)

    def warn(self) -> None:
        """Tell what of the rows the model has not seen before."""
        if self.unseen:
            logger.warning("predict: categories never seen in training: %s", dict(self.unseen))
        if self.beyond:
            logger.warning("predict: numbers beyond float32, taken as infinite: %s", dict(self.beyond))
        if self.nulls:
            logger.warning("predict: nulls in columns that had none in training: %s", dict(self.nulls))
        if self.vocabulary is not None and self.vocabulary.unknown:
            unknown = listed(self.vocabulary.unknown)
            logger.warning("predict: rows of classes never seen in training count as mistakes: %s", unknown)
