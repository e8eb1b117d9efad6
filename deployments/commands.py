"""What each command does once its arguments are read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from deployments.connect import connected
from deployments.reports import (
    ingest_report,
    models_report,
    predict_report,
    train_report,
    validate_report,
)
from deployments.screen import Screen
from nightshift.errors import RequestError
from nightshift.records import Cost, Outside, Scored, Snapshot, format_time
from nightshift.settings import Settings
from nightshift.spec.load import load_project, project_names
from nightshift.spec.project import Project
from nightshift.trained import ModelVersion
from nightshift.windows import moment, window_between


def list_projects(screen: Screen) -> None:
    """Every declared project; a broken declaration is told after the others are shown."""
    settings = Settings()
    found, broken = [], []
    for name in project_names(settings.projects):
        try:
            found.append(load_project(name, settings.projects))
        except RequestError as error:
            broken.append(error)
    screen.table(
        "",
        ["project", "label", "learner", "schedule", "owner", "purpose"],
        [
            (
                one.name,
                one.label.kind,
                one.learner.kind,
                one.night.schedule if one.night else None,
                one.owner,
                one.purpose,
            )
            for one in found
        ],
    )
    if broken:
        raise broken[0]
    screen.result(
        {
            "projects": [
                {
                    "name": one.name,
                    "kind": one.label.kind,
                    "learner": one.learner.kind,
                    "owner": one.owner,
                    "purpose": one.purpose,
                    "schedule": one.night.schedule if one.night else None,
                    "spec_hash": one.spec_hash,
                }
                for one in found
            ]
        }
    )


def _asked_for(project: str, settings: Settings) -> Project:
    """The declared project, refused where its metric is none: before a server is started for it, or a row read."""
    from nightshift.evaluation.evaluate import deciding_metric

    spec = load_project(project, settings.projects)
    deciding_metric(spec)
    return spec


def ingest_window(
    screen: Screen, project: str, start: datetime | None, end: datetime | None, as_of: datetime | None
) -> None:
    """Bring a window into the lake, and say where its rows went."""
    settings = Settings()
    _asked_for(project, settings)
    window_between(start, end, as_of)
    with screen.steps() as steps, connected(settings, steps.waiting):
        from flows.ingest import ingest

        snapshot = ingest(project=project, start=start, end=end, as_of=as_of)
    _show_snapshot(screen, snapshot)
    screen.result(ingest_report(snapshot))


def validate_window(
    screen: Screen, project: str, start: datetime | None, end: datetime | None, as_of: datetime | None
) -> None:
    """Judge a window's rows, and write nothing but scratch."""
    from nightshift.dataset.stage import fingerprint_of, stage
    from nightshift.quality.validate import inspected

    settings = Settings()
    spec, now = _asked_for(project, settings), moment(as_of)
    window = window_between(start, end, now)
    with screen.steps():
        staged = stage(spec, window, fingerprint_of(spec, window, settings), settings)
        with inspected(spec, staged, now, settings) as (_, report):
            pass
    screen.table(
        f"{project}, {window}: {report.rows - report.refused:,} of {report.rows:,} rows accepted",
        ["column", "type", ">null", "least", "greatest"],
        [(one.name, one.type, f"{one.null_share:.1%}", one.minimum, one.maximum) for one in report.columns],
    )
    if report.refused_by:
        screen.table("refused", ["rule", ">rows"], [(one.rule, one.rows) for one in report.refused_by])
    if staged.outside:
        screen.table("in no window", ["", ">rows"], outside_rows(staged.outside))
    screen.result(validate_report(project, window, report, staged.outside))


def train_candidate(screen: Screen, project: str, as_of: datetime | None, *, fresh: bool = False) -> None:
    """Train, and show how the candidate did and what became of it."""
    settings = Settings()
    _asked_for(project, settings)
    with screen.steps() as steps, connected(settings, steps.waiting):
        from flows.train import train

        version, is_new = train(project=project, as_of=as_of, fresh=fresh)
    show_version(screen, version, is_new=is_new)
    screen.result(train_report(version, is_new=is_new))


def predict_window(
    screen: Screen,
    project: str,
    start: datetime | None,
    end: datetime | None,
    as_of: datetime | None,
    version: str | None,
) -> None:
    """Score a window, and show where its rows went."""
    settings = Settings()
    _asked_for(project, settings)
    window_between(start, end, as_of)
    with screen.steps() as steps, connected(settings, steps.waiting):
        from flows.predict import predict

        scored = predict(project=project, start=start, end=end, as_of=as_of, version=version)
    show_scored(screen, scored)
    screen.result(predict_report(scored))


def list_models(screen: Screen, project: str) -> None:
    """A project's versions, newest first."""
    settings = Settings()
    spec = load_project(project, settings.projects)
    from nightshift.evaluation.evaluate import deciding_metric
    from registry.versions import Versions

    listing = Versions.of(project, settings).listed()
    versions = listing.versions
    metric = deciding_metric(spec).name
    if not versions:
        screen.say(f"{project} has no versions yet: nightshift train {project}")
    else:
        screen.table(
            f"{project}",
            [">version", "alias", "as of", f">holdout {metric}", ">baseline", "data", "model"],
            [
                (
                    one.version,
                    ", ".join(one.aliases) or "-",
                    format_time(one.as_of),
                    one.metrics["holdout"].get(metric),
                    one.baseline.get(metric),
                    f"version {one.data_version}",
                    one.model_sha256[:8],
                )
                for one in versions
            ],
        )
        for one in versions:
            screen.say(f"version {one.version}: {'; '.join(one.reasons)} (commit {one.commit[:8]})")
    for other in listing.others:
        held = f" (alias {', '.join(other.aliases)})" if other.aliases else ""
        screen.say(f"version {other.version}{held} {other.why}")
    screen.result(models_report(project, versions, [one.as_dict() for one in listing.others]))


def stack_up(screen: Screen) -> None:
    """Start both servers and the worker, and show where they are and how to log in."""
    from deployments.entry import login_address
    from deployments.stack import up
    from registry.tracking import prepare

    settings = Settings()
    with screen.steps() as steps:
        services = up(settings, steps.waiting, prepare_mlflow=prepare)
    stack_status(screen)
    if screen.as_json:  # what a program reads, it may also keep
        return
    if address := login_address(services, settings):
        screen.say("Log your browser in, once (`nightshift open` makes another such address):")
        screen.line(f"  {address}")
    screen.say("For Prefect's and MLflow's own commands, and for notebooks:")
    screen.line('  eval "$(nightshift env)"')


def stack_down(screen: Screen) -> None:
    """Stop the worker and both servers."""
    from deployments.stack import down

    stopped = [service.name for service in down(Settings())]
    screen.say(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    screen.result({"stopped": stopped})


def stack_status(screen: Screen) -> None:
    """Where the servers and the worker are, and whether they answer."""
    from deployments.stack import status

    services = status(Settings())
    screen.table(
        "",
        ["service", "page", "answers", "process"],
        [(one.name, one.page or "-", one.healthy, str(one.pid or "-")) for one in services],
    )
    screen.result(
        {
            "services": {
                one.name: {"url": one.url, "page": one.page, "healthy": one.healthy, "pid": one.pid}
                for one in services
            }
        }
    )


def show_version(screen: Screen, version: ModelVersion, *, is_new: bool) -> None:
    """A version's metrics beside the baseline's, and what became of it."""
    holdout = version.metrics["holdout"]
    screen.table(
        f"{version.project} version {version.version}, as of {format_time(version.as_of)}",
        ["metric", ">validate", ">holdout", ">baseline"],
        [
            (name, version.metrics["validate"].get(name), value, version.baseline.get(name))
            for name, value in holdout.items()
        ],
    )
    if not is_new:
        screen.say(f"Nothing has changed since version {version.version} was trained; it stands as it is.")
    for line in (*version.notes, *_training_lines(version)):
        screen.say(line)
    fate = "is champion" if "champion" in version.aliases else "is not champion"
    screen.say(f"Version {version.version} {fate}: {'; '.join(version.reasons)}.")
    if version.waits and "champion" not in version.aliases:
        screen.say(f"To make it champion: {version.how_to_promote}")


def _training_lines(version: ModelVersion) -> list[str]:
    """How the training went on, and what it took."""
    lines = []
    if version.resumed_from is not None:
        lines.append(f"The training had been cut short, and went on at {version.resumed_from.progress}.")
    if version.cost is not None:
        written = f"{version.checkpoints} checkpoints in {version.cost.checkpoint_s:.1f} s"
        lines.append(f"{_cost_line(version.cost)}, {written}.")
    return lines


def _cost_line(cost: Cost) -> str:
    gpu = f", {cost.gpu_s:.1f} s of a GPU with {cost.gpu_peak_mb:,.0f} MB" if cost.gpu_s else ""
    return f"Cost: {cost.wall_s:.1f} s on the clock, {cost.cpu_s:.1f} s of processors, {cost.peak_mb:,.0f} MB{gpu}"


def show_scored(screen: Screen, scored: Scored) -> None:
    """Where the rows of a prediction went, and how good it turned out so far."""
    screen.table(
        f"{scored.project}, {scored.window}, by version {scored.model_version}",
        ["", ">value"],
        [
            ("rows in", scored.rows_in),
            ("rows scored", scored.rows_scored),
            ("rows quarantined", scored.rows_quarantined),
            *outside_rows(scored.rows_outside),
            ("labels known by now", scored.realised_rows),
            *(
                [("  and known to the version, left out", scored.realised_learnt)]
                if scored.realised_learnt
                else []
            ),
            *((f"realised {name}", value) for name, value in scored.realised.items()),
            *((f"{name} never seen in training", count) for name, count in scored.unseen_categories.items()),
            *((f"{name} beyond float32", count) for name, count in scored.beyond_float32.items()),
            *((f"{name} null, never so in training", count) for name, count in scored.unlearnt_nulls.items()),
        ],
    )
    screen.say(f"Predictions: {_place(scored.table)} (version {scored.table_version})")
    if scored.latest_table:
        screen.say(f"Published, one row a key: {_place(scored.latest_table)}")
    if scored.cost is not None:
        screen.say(f"{_cost_line(scored.cost)}.")


def outside_rows(outside: Outside) -> list[tuple[str, int]]:
    """The rows that no window predicts, by why."""
    return [(f"rows outside: {reason.replace('_', ' ')}", rows) for reason, rows in outside.items()]


def _show_snapshot(screen: Screen, snapshot: Snapshot) -> None:
    screen.table(
        f"{snapshot.project}, {snapshot.window}",
        ["", ">rows"],
        [
            ("in", snapshot.rows_in),
            ("accepted", snapshot.rows),
            ("quarantined", snapshot.quarantined),
            *outside_rows(snapshot.outside),
            *((f"  refused by: {one.rule}", one.rows) for one in snapshot.refused_by),
        ],
    )
    screen.say(f"Dataset: {_place(snapshot.table)} (version {snapshot.version})")
    if snapshot.cost is not None:
        screen.say(f"{_cost_line(snapshot.cost)}.")


def _place(path: str) -> str:
    """A path as short as it can be from here."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
