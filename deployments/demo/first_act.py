"""The demo's first act: models of other kinds, trained and used once, with no line of pipeline code of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from deployments.reports import predict_report, train_report
from deployments.screen import Screen, shown
from nightshift.records import Scored
from nightshift.settings import Settings
from nightshift.spec.load import load_project
from nightshift.trained import ModelVersion

PROJECTS = ("flights-airtime", "flights-carrier-class")
AS_OF = datetime(2013, 9, 1, tzinfo=UTC)
MONTH = (AS_OF, datetime(2013, 10, 1, tzinfo=UTC))


class FirstAct:
    """What was trained and predicted."""

    def __init__(self) -> None:
        self.trained: list[tuple[ModelVersion, bool]] = []
        self.scored: list[Scored] = []

    def play(self, screen: Screen) -> None:
        """Train each project as of 1 September 2013, and predict that September."""
        from flows.predict import predict
        from flows.train import train

        for name in PROJECTS:
            screen.say(f"[bold]{name}[/]: train, and predict September")
            self.trained.append(train(project=name, as_of=AS_OF))
            self.scored.append(predict(project=name, start=MONTH[0], end=MONTH[1]))

    def show(self, screen: Screen, settings: Settings) -> None:
        """Holdout and realised metrics beside the trivial baseline's."""
        from nightshift.evaluation.evaluate import deciding_metric

        rows = []
        for (version, _), scored in zip(self.trained, self.scored, strict=True):
            metric = deciding_metric(load_project(version.project, settings.projects)).name
            rows.append(
                (
                    version.project,
                    metric,
                    version.metrics["holdout"][metric],
                    version.baseline[metric],
                    shown(scored.realised.get(metric)),
                    scored.rows_scored,
                    scored.rows_quarantined,
                )
            )
        screen.table(
            "Trained as of 2013-09-01, and September predicted. Baseline: class shares, or the mean",
            ["project", "metric", ">holdout", ">baseline", ">Sept.", ">scored", ">refused"],
            rows,
        )

    def report(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "as_of": AS_OF.isoformat(),
            "trained": [train_report(version, is_new=is_new) for version, is_new in self.trained],
            "predicted": [predict_report(one) for one in self.scored],
        }
