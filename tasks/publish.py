"""What a step shows in the Prefect UI: tables and plots beside the run."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from nightshift.evaluation.evaluate import deciding_metric
from nightshift.findings import Decision, Night
from nightshift.quality.validate import Report
from nightshift.records import Metrics, Scored, Snapshot
from nightshift.report.chart import standalone
from nightshift.report.data import ReportData
from nightshift.report.distribution import distribution_chart, distribution_words
from nightshift.report.periods import periods_of
from nightshift.report.timeline import timeline_chart
from nightshift.report.words import (
    basis,
    day,
    headline,
    number,
    performance,
    probability,
    ranked,
    reasons,
    share,
    subject,
)
from nightshift.spec.project import Project
from nightshift.trained import Evaluation

if TYPE_CHECKING:
    from nightshift.monitoring.monitor import Monitored
    from nightshift.monitoring.nights import Opening

_MOST_SIGNALS = 100


def publish_validation(project: Project, snapshot: Snapshot, report: Report) -> None:
    """What was accepted, what was refused by which rule, and what each column holds."""
    refused = "\n".join(f"| {one.rule} | {one.rows:,} |" for one in report.refused_by) or "| none | 0 |"
    columns = "\n".join(
        f"| {one.name} | {one.type} | {one.null_share:.1%} | {one.minimum} | {one.maximum} |"
        for one in report.columns
    )
    create_markdown_artifact(
        key=_key(project.name, "validation"),
        description=f"Rows of {snapshot.window}",
        markdown=(
            f"## {project.name}, {snapshot.window}\n\n"
            f"**{snapshot.rows:,}** rows accepted, **{snapshot.quarantined:,}** quarantined, "
            f"dataset version {snapshot.version}.\n\n"
            f"| rule that refused | rows |\n|---|---:|\n{refused}\n\n"
            f"| column | type | null | least | greatest |\n|---|---|---:|---|---|\n{columns}\n"
        ),
    )


def publish_evaluation(project: Project, snapshot: Snapshot, evaluation: Evaluation) -> None:
    """The candidate's metrics beside the trivial baseline's, and the deciding metric by slice."""
    parts: dict[str, Metrics] = {**evaluation.metrics, "baseline on holdout": evaluation.baseline}
    holdout = project.split_before(snapshot.as_of).holdout
    create_table_artifact(
        key=_key(project.name, "metrics"),
        description=f"Holdout {holdout}; {evaluation.metric} decides",
        table=[
            {"metric": name, **{part: _shown(metrics.get(name)) for part, metrics in parts.items()}}
            for name in evaluation.baseline
        ],
    )
    rows = [
        {
            "column": column,
            "value": value,
            "rows": int(metrics["rows"] or 0),
            evaluation.metric: _shown(metrics[evaluation.metric]),
        }
        for column, values in evaluation.slices.items()
        for value, metrics in values.items()
    ]
    if rows:
        create_table_artifact(
            key=_key(project.name, "slices"), description=f"Holdout {holdout} by slice", table=rows
        )


def publish_plots(project: Project, plots: tuple[Path, ...]) -> None:
    """The version's plots, in one page."""
    if not plots:
        return
    images = "\n\n".join(
        f"![{path.stem}](data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()})"
        for path in plots
    )
    create_markdown_artifact(
        key=_key(project.name, "plots"), markdown=images, description="Plots of the new version"
    )


def publish_scored(project: Project, scored: Scored) -> None:
    """Where the rows went, and how good the predictions turned out as far as labels are known."""
    table = [
        {"measure": "rows in", "value": f"{scored.rows_in:,}"},
        {"measure": "rows scored", "value": f"{scored.rows_scored:,}"},
        {"measure": "rows quarantined", "value": f"{scored.rows_quarantined:,}"},
        *(
            {"measure": f"rows outside: {reason.replace('_', ' ')}", "value": f"{count:,}"}
            for reason, count in scored.rows_outside.items()
        ),
        {"measure": "rows with a known label", "value": f"{scored.realised_rows:,}"},
        {"measure": "rows that the version has learnt from", "value": f"{scored.realised_learnt:,}"},
        *({"measure": f"realised {name}", "value": _shown(value)} for name, value in scored.realised.items()),
        *(
            {"measure": f"values of {name} never seen in training", "value": f"{count:,}"}
            for name, count in scored.unseen_categories.items()
        ),
        *(
            {"measure": f"values of {name} beyond float32, taken as infinite", "value": f"{count:,}"}
            for name, count in scored.beyond_float32.items()
        ),
        *(
            {"measure": f"nulls of {name}, which had none in training", "value": f"{count:,}"}
            for name, count in scored.unlearnt_nulls.items()
        ),
    ]
    create_table_artifact(
        key=_key(project.name, "predictions"),
        description=f"{scored.window} by version {scored.model_version}",
        table=table,
    )


def publish_night(project: Project, opening: Opening, night: Night, monitored: Monitored) -> None:
    """Everything a person may want to see of a night, from what its steps have at hand."""
    nights = (*(one for one in reversed(opening.nights) if one.as_of != night.as_of), night)
    metric = deciding_metric(project).name
    publish_monitoring(
        ReportData(
            project=project.name,
            metric=metric,
            nights=nights,
            written_at=night.finished_at,
            signals=monitored.signals,
            realised=monitored.realised,
            estimated=monitored.estimated,
            timeline=periods_of(nights, metric),
            reference=monitored.reference,
            window=monitored.window,
        )
    )


def publish_look(project: Project, opening: Opening, monitored: Monitored, decision: Decision) -> None:
    """The same of a look that no night is made of: nothing was trained, and nothing was written down."""
    windows = opening.windows
    night = Night(
        project=project.name,
        as_of=windows.as_of,
        window=windows.looked_at,
        state="done",
        decision=decision,
        finished_at=datetime.now(UTC),
    )
    publish_night(project, opening, night, monitored)


def publish_monitoring(report: ReportData) -> None:
    """Tonight's decision in words, the signals by effect, what drifted, and the performance timeline.

    A quiet night writes two or three small artifacts; pictures are drawn only of what drifted.
    """
    _publish_decision(report)
    if report.signals:
        _publish_signals(report)
    if report.timeline:
        create_markdown_artifact(
            key=_key(report.project, "timeline"),
            description=f"{report.metric}: realised against estimated, with retrains",
            markdown=_image(timeline_chart(report.timeline, report.nights, report.metric), "timeline"),
        )
    pictures = [
        f"### {name}\n\n{distribution_words(*both)}\n\n{_image(distribution_chart(*both), name)}"
        for name, both in report.pictured.items()
    ]
    if pictures:
        create_markdown_artifact(
            key=_key(report.project, "drifted"),
            description="Columns that drifted: the window against the reference",
            markdown="\n\n".join(pictures),
        )


def _publish_decision(report: ReportData) -> None:
    tonight = report.tonight
    if tonight is None:
        return
    lines = [f"## {headline(tonight)}", "", *(f"- {reason}" for reason in reasons(tonight)), ""]
    lines.append(f"Night of {day(tonight.as_of)}, rows of {tonight.window}.")
    for name, found in (("Realised", report.realised), ("Estimated", report.estimated)):
        if found is not None:
            lines += ["", f"**{name}**: {performance(found)}.", "", f"*{basis(found)}*"]
    create_markdown_artifact(
        key=_key(report.project, "decision"), description=headline(tonight), markdown="\n".join(lines)
    )


def _publish_signals(report: ReportData) -> None:
    signals = ranked(report.signals)
    alarms = sum(one.alarm for one in signals)
    shown = f"; the first {_MOST_SIGNALS}" if len(signals) > _MOST_SIGNALS else ""
    create_table_artifact(
        key=_key(report.project, "drift"),
        description=f"{alarms} alarms in {len(signals)} signals, by effect{shown}",
        table=[
            {
                "alarm": "ALARM" if one.alarm else "",
                "column": subject(one),
                "segment": one.segment,
                "measure": one.name,
                "effect": "too few" if one.value is None else number(one.value),
                "matters from": number(one.effect_floor),
                "p-value": probability(one.p_value),
                "importance": share(one.weight, 1) if one.family == "feature" else "",
                "note": one.note,
            }
            for one in signals[:_MOST_SIGNALS]
        ],
    )


def _image(drawing: str, name: str) -> str:
    return f"![{name}](data:image/svg+xml;base64,{base64.b64encode(standalone(drawing).encode()).decode()})"


def _key(project: str, what: str) -> str:
    """Prefect takes lower-case letters, digits and dashes."""
    return f"{project}-{what}".replace("_", "-")


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.5f}"
