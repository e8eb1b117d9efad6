"""One self-contained HTML page about a project's nights: no address outside it, no script, light and dark."""

from __future__ import annotations

from nightshift.findings import Night, Signal
from nightshift.report.data import ReportData
from nightshift.report.distribution import distribution_chart, distribution_words
from nightshift.report.template import PAGE, environment
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
    tone,
)
from nightshift.trained import ModelVersion

_MOST_SIGNALS, _MOST_NIGHTS = 20, 60


def render(report: ReportData) -> str:
    """The page as HTML text; whatever came from data or a declaration is escaped."""
    tonight = report.tonight
    signals = ranked(report.signals)
    first = max(_MOST_SIGNALS, sum(one.alarm for one in signals))
    nights = [_night(one) for one in reversed(report.nights)]
    return environment().from_string(PAGE).render(
        report=report,
        tonight=tonight,
        headline="No night has run yet." if tonight is None else headline(tonight),
        tone="quiet" if tonight is None else tone(tonight),
        reasons=() if tonight is None else reasons(tonight),
        facts=_facts(report),
        performance=[
            (name, performance(found), basis(found))
            for name, found in (("Realised", report.realised), ("Estimated", report.estimated))
            if found is not None
        ],
        timeline=timeline_chart(report.timeline, report.nights, report.metric) if report.timeline else "",
        signals=[_signal(one) for one in signals[:first]],
        more_signals=[_signal(one) for one in signals[first:]],
        alarms=sum(one.alarm for one in signals),
        pictures=[
            (name, distribution_words(*both), distribution_chart(*both))
            for name, both in report.pictured.items()
        ],
        nights=nights[:_MOST_NIGHTS],
        more_nights=nights[_MOST_NIGHTS:],
        versions=[_version(one, report.metric) for one in report.versions],
        day=day,
    )  # fmt: skip


def _facts(report: ReportData) -> list[tuple[str, str]]:
    tonight = report.tonight
    if tonight is None:
        return []
    facts = [("night", day(tonight.as_of)), ("rows looked at", str(tonight.window))]
    if tonight.champion is not None:
        facts.append(("champion before", f"version {tonight.champion}"))
    if tonight.seconds:
        facts.append(("took", f"{tonight.seconds:.1f} s"))
    return facts


def _signal(one: Signal) -> dict[str, str | bool]:
    return {
        "alarm": one.alarm,
        "column": subject(one),
        "segment": one.segment,
        "name": one.name,
        "family": one.family,
        "value": "too few" if one.value is None else number(one.value),
        "floor": number(one.effect_floor),
        "p": probability(one.p_value),
        "weight": share(one.weight, 1) if one.family == "feature" else "",
        "note": one.note,
    }


def _night(one: Night) -> dict[str, str | tuple[str, ...]]:
    why = reasons(one) or ("Nothing to do.",)
    if one.trained is None:
        model = f"v{one.champion}" if one.champion is not None else "-"
    else:
        model = f"v{one.trained} {'promoted' if one.promoted else 'refused'}"
    return {
        "day": day(one.as_of),
        "tone": tone(one),
        "came_to": _came_to(one),
        "why": why[0],
        "more": why[1:],
        "model": model,
        "seconds": f"{one.seconds:.1f} s" if one.seconds else "",
    }


def _came_to(one: Night) -> str:
    if one.state == "failed" and one.decision.action != "hold":
        return "failed"
    return "quiet" if tone(one) == "quiet" else one.decision.action


def _version(one: ModelVersion, metric: str) -> dict[str, str]:
    return {
        "number": str(one.version),
        "aliases": ", ".join(one.aliases),
        "as_of": day(one.as_of),
        "holdout": number(one.metrics.get("holdout", {}).get(metric)),
        "baseline": number(one.baseline.get(metric)),
        "why": "; ".join(one.reasons),
        "commit": one.commit[:8],
        "data": f"version {one.data_version}",
    }
