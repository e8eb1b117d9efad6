"""The champion beside a candidate, on rows that neither has learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.dataset.classes import Vocabulary, label_codes
from nightshift.evaluation.evaluate import deciding_metric
from nightshift.evaluation.measure import labelled_rows
from nightshift.evaluation.paired import Answers, Paired, paired_gain
from nightshift.records import Snapshot
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import Candidate, ModelVersion


@dataclass(frozen=True)
class Rival:
    """Which of the champion's two models is compared: the live one, or the evaluated one behind a refit.

    Attributes:
        learnt_until: it has learnt from no row of this moment or later.
    """

    is_evaluated: bool
    learnt_until: datetime


@dataclass(frozen=True)
class Comparison:
    """A candidate and the champion on the same rows.

    Attributes:
        is_unseen: the champion's model has learnt from none of them.
    """

    paired: Paired
    rival: Rival
    is_unseen: bool


def fair_rival(project: Project, candidate: Candidate, champion: ModelVersion, holdout: datetime) -> Rival:
    """The champion's model that can be compared with a candidate on the holdout without an advantage to either.

    A refitted champion has learnt from newer rows than the candidate that is measured here, and maybe from the holdout
    itself; the candidate's own refit, which would go live, cannot be measured on any row. So refits are compared by
    their evaluated twins, which learnt equally long before the rows they are measured on. A candidate that goes live as
    it was evaluated meets the champion that is live, unless that has learnt from the holdout.

    Args:
        holdout: where the candidate's holdout begins.
    """
    # Records of old say nothing of what their model learnt from; none of those was refitted.
    evaluated = champion.evaluated_until or project.split_before(champion.as_of).validate_.end
    live = champion.learnt_until or evaluated
    if champion.is_refitted and (candidate.refit_goes_live or live > holdout):
        return Rival(True, evaluated)
    return Rival(False, live)


def compare(
    project: Project, ours: Scorer, theirs: Scorer, rival: Rival, snapshot: Snapshot, settings: Settings
) -> Comparison:
    """Measure the deciding metric of both models on the labelled holdout rows that the rival has not learnt from.

    Where the rival has learnt from all of them (as-of lies before the champion's), all are measured, to its advantage.
    Both are measured on the same rows, also on those of a class that only one of them has learnt, or neither: they are
    mistakes of a model that does not know their class.

    Args:
        ours: the candidate as it was evaluated.
        theirs: the rival.

    Raises:
        DataRefusedError: there are no such rows, or they lack a column that a model was trained on.
    """
    event_time = project.dataset.event_time
    columns = [event_time, *ours.encoder.names, *theirs.encoder.names]
    holdout = project.split_before(snapshot.as_of).holdout
    table = labelled_rows(project, columns, snapshot, holdout, settings)
    since = pa.scalar(rival.learnt_until, table.schema.field(event_time).type)
    unseen = table.filter(pc.greater_equal(table[event_time], since))
    rows = unseen if unseen.num_rows else table
    mine, other = (_answers(project, scorer, rows) for scorer in (ours, theirs))
    paired = paired_gain(deciding_metric(project), project.label.kind, mine, other)
    return Comparison(paired, rival, is_unseen=unseen.num_rows > 0)


def _answers(project: Project, scorer: Scorer, rows: pa.Table) -> Answers:
    truth = label_codes(
        Vocabulary.of(scorer.manifest.kind, scorer.manifest.classes), rows[project.label.column]
    )
    known = ~np.isnan(truth)  # NaN, where null is meant
    return Answers(truth[known], scorer.score(rows).values[known])
