"""Artifacts of a night on a real Prefect server, read back as the UI reads them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from nightshift.report.data import ReportData
from tasks.publish import publish_monitoring
from tests.conftest import speaking_to
from tests.nightshift.report.story import night, signal, story


@pytest.fixture
def api(prefect_api: str) -> Iterator[None]:
    """This process speaks to the session's Prefect server."""
    with speaking_to(prefect_api):
        yield


def published(report: ReportData) -> dict[str, Any]:
    """Publish under a name of its own, and read back: what each key's artifact holds."""
    name = f"shop_{uuid4().hex[:8]}"
    flow(publish_monitoring, validate_parameters=False)(replace(report, project=name))
    prefix = name.replace("_", "-")
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(like_=f"{prefix}-%"))
        )
    return {str(one.key).removeprefix(f"{prefix}-"): one for one in found}


def test_a_night_of_drift_is_shown_in_words_tables_and_pictures(api: None) -> None:
    found = published(story())

    assert set(found) == {"decision", "drift", "timeline", "drifted"}
    decision = str(found["decision"].data)
    assert decision.startswith("## Retrained: version 4 is the new champion.")
    assert "Retrain: temp drifted (PSI 0.61" in decision
    assert "0.015 worse (95 %: 0.004 to 0.026)" in decision
    assert "scores stay calibrated" in decision
    table = json.loads(str(found["drift"].data))
    assert [row["alarm"] for row in table] == ["ALARM"] * 4 + [""] * 33
    assert (table[0]["column"], table[0]["effect"], table[0]["p-value"]) == ("carrier", "0.1", "< 0.001")
    assert str(found["drifted"].data).count("data:image/svg+xml") == 3
    for key in ("timeline", "drifted"):
        for image in re.findall(r"base64,([A-Za-z0-9+/=]+)", str(found[key].data)):
            assert ElementTree.fromstring(base64.b64decode(image)).tag.endswith("svg")


def test_a_quiet_night_draws_no_distributions(api: None) -> None:
    quiet = story(nights=(night(3),), signals=(signal("psi", "x", 0.01, 0.1, 0.7),))

    found = published(quiet)

    assert set(found) == {"decision", "drift", "timeline"}
    assert "All quiet" in str(found["decision"].data)
    assert found["drift"].description == "0 alarms in 1 signals, by effect"


def test_a_failed_night_without_signals_has_only_its_decision(api: None) -> None:
    failed = night(
        3, state="failed", error="the source is missing; restore it, then run: nightshift nightly shop"
    )

    found = published(
        story(nights=(failed,), signals=(), timeline=(), realised=None, estimated=None, reference=None)
    )

    assert set(found) == {"decision"}
    assert "nightshift nightly shop" in str(found["decision"].data)
