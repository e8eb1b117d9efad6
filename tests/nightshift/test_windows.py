"""Moments and windows: of any kind of moment, plain ones in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from prefect.types._datetime import DateTime, now

from nightshift.errors import RequestError
from nightshift.windows import in_utc, moment, window_between


def test_the_moment_that_prefect_says_a_run_was_due_makes_a_window() -> None:
    due: DateTime = now("America/New_York")
    as_of = moment(None, due)
    assert type(as_of) is datetime
    assert as_of <= due < as_of + timedelta(hours=1)
    assert window_between(None, None, as_of).length == timedelta(days=1)
    assert window_between(None, None, moment(due)).end == due


@pytest.mark.parametrize(
    "wild",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))),
        datetime(1899, 12, 31, tzinfo=UTC),
        datetime(2200, 1, 1, tzinfo=UTC),
    ],
)
def test_moments_of_no_data_are_refused(wild: datetime) -> None:
    with pytest.raises(RequestError, match="outside the years 1900 to 2200"):
        in_utc(wild)
