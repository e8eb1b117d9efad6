"""`nightshift report` on a real journal, and on a real version whose profiles are counted again."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from deployments.report import report_nights
from deployments.screen import Screen
from nightshift.decision.journal import Journal
from nightshift.errors import RequestError
from nightshift.findings import Decision, Night
from nightshift.records import Window
from nightshift.settings import Settings
from tests.conftest import AS_OF, MakeProject, RunCli
from tests.nightshift.report.story import signal


def a_night(project: str, days_ago: int, **changes: object) -> Night:
    """A night of a week's window, so many days before as-of."""
    as_of = AS_OF - timedelta(days=days_ago)
    values = {
        "project": project, "as_of": as_of, "window": Window.until(as_of, timedelta(days=7)), "state": "done",
        "decision": Decision(action="watch", reasons=("Nothing to do: 0 of 12 signals alarm.",)),
        "finished_at": as_of + timedelta(minutes=5),
    }  # fmt: skip
    return Night.model_validate({**values, **changes})


def test_the_nights_of_the_journal_are_on_the_page(
    make_project: MakeProject, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project().name
    journal = Journal.of(project, Settings())
    numbers = {
        "realised": 0.71, "realised_expected": 0.72, "realised_rows": 90.0, "realised_labelled": 60.0,
        "realised_loss": 0.01,
    }  # fmt: skip
    told = Decision(action="retrain", reasons=("Retrain: x drifted.",), causes=("drift:x",), numbers=numbers)
    journal.record(a_night(project, 2))
    journal.record(a_night(project, 1, state="failed", error="no rows; wait"))
    journal.record(a_night(project, 0, decision=told))
    alarm = signal("psi", "x", 0.4, 0.1, 0.001, alarm=True)
    journal.record_signals(AS_OF, Window.until(AS_OF, timedelta(days=7)), None, [alarm])

    path = report_nights(Screen(as_json=True), project)

    page = path.read_text()
    said = json.loads(capsys.readouterr().out)
    assert path == home / "reports" / f"{project}.html"
    assert said == {"project": project, "path": str(path), "nights": 3, "headline": "Time to retrain."}
    for words in ("Retrain: x drifted.", "no rows; wait", "Nothing to do", "1 alarm in 1", "60 of 90 labels"):
        assert words in page
    assert page.count("<svg ") == 1, "a timeline, and no pictures without a version"


def test_a_project_without_nights_gets_a_page_that_says_so(
    make_project: MakeProject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project().name
    (tmp_path / "out").mkdir()

    path = report_nights(Screen(as_json=False), project, tmp_path / "out")

    assert path == tmp_path / "out" / f"{project}.html"
    assert "No night has run yet." in path.read_text()
    assert f"nightshift nightly {project}" in capsys.readouterr().out


def test_an_unknown_project_is_refused(home: Path) -> None:
    with pytest.raises(RequestError, match="nowhere"):
        report_nights(Screen(as_json=False), "nowhere")


@pytest.mark.slow
def test_what_drifted_is_counted_again_and_drawn(make_project: MakeProject, run_cli: RunCli) -> None:
    project = make_project().name
    done = run_cli("train", project, "--as-of", (AS_OF - timedelta(days=1)).isoformat())
    assert done.code == 0, done.stderr
    assert run_cli("ingest", project, "--as-of", AS_OF.isoformat()).code == 0
    journal = Journal.of(project, Settings())
    journal.record(a_night(project, 0, champion=1))
    alarms = [signal("psi", name, 0.4, 0.1, 0.001, alarm=True) for name in ("x", "shop")]
    journal.record_signals(AS_OF, Window.until(AS_OF, timedelta(days=7)), 1, alarms)

    page = report_nights(Screen(as_json=True), project).read_text()

    assert 'aria-label="Distribution of x"' in page
    assert 'aria-label="Distribution of shop"' in page
    assert "champion" in page
