"""The JSON that other programs read, one function a command. Contracts: keys are added, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nightshift.findings import Estimated, Realised, Signal
from nightshift.records import Cost, Outside, Scored, Snapshot, Window
from nightshift.trained import ModelVersion

if TYPE_CHECKING:
    from nightshift.monitoring.nights import MonitorRun, NightRun
    from nightshift.quality.validate import Report

_STEPS = ("ingest", "validate", "predict", "monitor", "decide", "train", "report")


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
        "learnt_until": None if version.learnt_until is None else version.learnt_until.isoformat(),
        "refit": None if version.refit is None else version.refit.model_dump(mode="json"),
        "origin": None if version.origin is None else version.origin.model_dump(mode="json"),
        "ended": version.ended,
        "notes": list(version.notes),
        "checkpoint": version.checkpoint,
        "resumed_from": None
        if version.resumed_from is None
        else version.resumed_from.model_dump(mode="json"),
        "checkpoints": version.checkpoints,
        "cost": _cost(version.cost),
        "run_id": version.run_id,
        "promoted": version.promoted,
        "waits": version.waits,
        "reasons": list(version.reasons),
    }


def train_report(version: ModelVersion, *, is_new: bool) -> dict[str, Any]:
    """What `train` did; `new` is false when nothing had changed and this version was there before."""
    return {"project": version.project, "new": is_new, **version_report(version)}


def models_report(
    project: str, versions: Sequence[ModelVersion], others: Sequence[dict[str, object]] = ()
) -> dict[str, Any]:
    """A project's versions, newest first, its champion or null, and versions that Nightshift can do nothing with."""
    champion = next((one for one in versions if "champion" in one.aliases), None)
    return {
        "project": project,
        "champion": None if champion is None else version_report(champion),
        "versions": [version_report(one) for one in versions],
        "others": list(others),
    }


def predict_report(scored: Scored) -> dict[str, Any]:
    """Where the rows of a prediction went."""
    return {
        "project": scored.project,
        "window": window_report(scored.window),
        "rows_in": scored.rows_in,
        "rows_scored": scored.rows_scored,
        "rows_quarantined": scored.rows_quarantined,
        "rows_outside": scored.rows_outside,
        "unseen_categories": scored.unseen_categories,
        "beyond_float32": scored.beyond_float32,
        "unlearnt_nulls": scored.unlearnt_nulls,
        "model_version": scored.model_version,
        "run_id": scored.run_id,
        "arm": scored.arm,
        "table": scored.table,
        "table_version": scored.table_version,
        "latest_table": scored.latest_table,
        "latest_version": scored.latest_version,
        "realised": scored.realised,
        "realised_rows": scored.realised_rows,
        "realised_learnt": scored.realised_learnt,
        "cost": _cost(scored.cost),
    }


def ingest_report(snapshot: Snapshot) -> dict[str, Any]:
    """What an ingested window put into the lake."""
    return {
        "project": snapshot.project,
        "window": window_report(snapshot.window),
        "rows_in": snapshot.rows_in,
        "rows_accepted": snapshot.rows,
        "rows_quarantined": snapshot.quarantined,
        "rows_outside": snapshot.outside,
        "refused_by": {one.rule: one.rows for one in snapshot.refused_by},
        "table": snapshot.table,
        "table_version": snapshot.version,
        "cost": _cost(snapshot.cost),
    }


def validate_report(project: str, window: Window, report: Report, outside: Outside) -> dict[str, Any]:
    """What quality found in a window, without anything being written."""
    return {
        "project": project,
        "window": window_report(window),
        "rows_in": report.rows + sum(outside.values()),
        "rows_accepted": report.rows - report.refused,
        "rows_refused": report.refused,
        "rows_outside": outside,
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


def monitor_report(look: MonitorRun) -> dict[str, Any]:
    """What a look found, and what a night would decide on it."""
    return {
        "project": look.project,
        "as_of": look.windows.as_of.isoformat(),
        "window": window_report(look.windows.looked_at),
        "champion": look.champion,
        "decision": look.decision.action,
        "reasons": list(look.decision.reasons),
        "causes": list(look.decision.causes),
        "numbers": look.decision.numbers,
        "signals": [_signal(one) for one in look.signals],
        "realised": _performance(look.realised),
        "estimated": _performance(look.estimated),
    }


def nightly_report(project: str, runs: Sequence[NightRun]) -> dict[str, Any]:
    """The newest of the nights that were due, with all of them under `nights`; none are due when all were done."""
    nights = [night_report(one) for one in runs]
    return {
        "project": project,
        **(nights[-1] if nights else {"state": "done", "new": False}),
        "nights": nights,
    }


def night_report(run: NightRun) -> dict[str, Any]:
    """One night: what became of each step, and what was decided. `new` is false when it had been done before."""
    night = run.night
    return {
        "project": night.project,
        "as_of": night.as_of.isoformat(),
        "window": window_report(night.window),
        "new": run.is_new,
        "state": night.state,
        "decision": night.decision.action,
        "reasons": list(night.decision.reasons),
        "causes": list(night.decision.causes),
        "champion": night.champion,
        "trained": night.trained,
        "promoted": night.promoted,
        "waits": night.waits,
        "steps": _steps(run),
        "realised": _performance(run.realised),
        "estimated": _performance(run.estimated),
        "predictions": None if run.scored is None else predict_report(run.scored),
    }


def _cost(cost: Cost | None) -> dict[str, Any] | None:
    return None if cost is None else cost.model_dump(mode="json")


def _steps(run: NightRun) -> dict[str, dict[str, Any]]:
    if not run.is_new:
        return {name: {"state": "done before"} for name in _STEPS}
    steps: dict[str, dict[str, Any]] = {name: {"state": "done"} for name in _STEPS}
    steps["monitor"] |= {"signals": run.signals, "alarms": run.alarms}
    if run.scored is None:
        steps["predict"] = {"state": "skipped"}
    else:
        steps["predict"] |= {"rows": run.scored.rows_scored, "version": run.scored.model_version}
        steps["predict"] |= {"rows_outside": run.scored.rows_outside}
    if run.trained is None:
        steps["train"] = {"state": "skipped"}
    else:
        steps["train"] |= {"version": run.trained.version, "promoted": run.night.promoted}
    return steps


def _signal(signal: Signal) -> dict[str, Any]:
    return signal.model_dump(mode="json")


def _performance(found: Realised | Estimated | None) -> dict[str, Any] | None:
    if found is None:
        return None
    told = found.model_dump(mode="json", exclude={"window"})
    coverage = {"coverage": found.coverage} if isinstance(found, Realised) else {}
    return {**told, **coverage, "window": window_report(found.window)}
