"""The JSON that other programs read, one function a command. Contracts: keys are added, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nightshift.quality.validate import Report
from nightshift.records import ModelVersion, Scored, Snapshot, Window


def window_report(window: Window) -> dict[str, str]:
    """A window's ends."""
    return {"start": window.start.isoformat(), "end": window.end.isoformat()}


def version_report(version: ModelVersion) -> dict[str, Any]:
    """One model version, with all that leads back from it."""
    return {
        "version": version.version,
        "aliases": list(version.aliases),
        "metrics": {**version.metrics, "baseline": version.baseline},
        "data_table": version.data_table,
        "data_version": version.data_version,
        "window": window_report(version.window),
        "as_of": version.as_of.isoformat(),
        "created_at": version.created_at.isoformat(),
        "commit": version.commit,
        "spec_hash": version.spec_hash,
        "seed": version.seed,
        "model_sha256": version.model_sha256,
        "run_id": version.run_id,
        "promoted": version.promoted,
        "reasons": list(version.reasons),
    }


def train_report(version: ModelVersion, *, is_new: bool) -> dict[str, Any]:
    """What `train` did; `new` is false when nothing had changed and this version was there before."""
    return {"project": version.project, "new": is_new, **version_report(version)}


def models_report(project: str, versions: Sequence[ModelVersion]) -> dict[str, Any]:
    """A project's versions, newest first, and its champion or null."""
    champion = next((one for one in versions if "champion" in one.aliases), None)
    return {
        "project": project,
        "champion": None if champion is None else version_report(champion),
        "versions": [version_report(one) for one in versions],
    }


def predict_report(scored: Scored) -> dict[str, Any]:
    """Where the rows of a prediction went."""
    return {
        "project": scored.project,
        "window": window_report(scored.window),
        "rows_in": scored.rows_in,
        "rows_scored": scored.rows_scored,
        "rows_quarantined": scored.rows_quarantined,
        "unseen_categories": scored.unseen_categories,
        "model_version": scored.model_version,
        "run_id": scored.run_id,
        "table": scored.table,
        "table_version": scored.table_version,
        "realised": scored.realised,
        "realised_rows": scored.realised_rows,
    }


def ingest_report(snapshot: Snapshot) -> dict[str, Any]:
    """What an ingested window put into the lake."""
    return {
        "project": snapshot.project,
        "window": window_report(snapshot.window),
        "rows_in": snapshot.rows_in,
        "rows_accepted": snapshot.rows,
        "rows_quarantined": snapshot.quarantined,
        "refused_by": {one.rule: one.rows for one in snapshot.refused_by},
        "table": snapshot.table,
        "table_version": snapshot.version,
    }


def validate_report(project: str, window: Window, report: Report) -> dict[str, Any]:
    """What quality found in a window, without anything being written."""
    return {
        "project": project,
        "window": window_report(window),
        "rows_in": report.rows,
        "rows_accepted": report.rows - report.refused,
        "rows_refused": report.refused,
        "refused_by": {one.rule: one.rows for one in report.refused_by},
        "newest": report.newest.isoformat(),
        "columns": [
            {
                "name": one.name,
                "type": one.type,
                "null_share": one.null_share,
                "min": one.minimum,
                "max": one.maximum,
            }
            for one in report.columns
        ],
    }
