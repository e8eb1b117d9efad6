"""The demo's flights, or the year repeated into the past: a process of its own, whose memory counts nowhere.

`python -m benchmarks.years FOLDER 10` writes 2013 and nine copies before it. Each copy lies 364 days earlier than the
one after it, so that weekdays stay what they were, and lacks its 31 December, on whose date the next one begins: keys
stay unique, and no hour of weather is there twice.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from deployments.flights import write_flights

# Local dates, not UTC: those are what make a copy end where the next one begins.
_SHIFTED = """
SELECT * EXCLUDE (day_then) REPLACE (
    year(day_then) AS year, month(day_then) AS month, day(day_then) AS day,
    time_hour - to_days({days}) AS time_hour
)
FROM (SELECT *, make_date(year, month, day) - {days} AS day_then FROM read_parquet('{path}'))
WHERE NOT (month(day_then + {days}) = 12 AND day(day_then + {days}) = 31)
"""


def write_years(folder: Path, years: int) -> None:
    """Write `flights/*.parquet`, one file a year, and `weather.parquet` under `folder`."""
    write_flights(folder)
    if years == 1:
        return
    once = folder / "weather-2013.parquet"
    (folder / "weather.parquet").rename(once)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for copy in range(1, years):
            rows = _SHIFTED.format(days=364 * copy, path=folder / "flights" / "2013.parquet")
            connection.execute(f"COPY ({rows}) TO '{folder}/flights/{2013 - copy}.parquet'")
        weather = [_SHIFTED.format(days=364 * copy, path=once) for copy in range(1, years)]
        every = " UNION ALL ".join([f"SELECT * FROM read_parquet('{once}')", *weather])
        connection.execute(f"COPY ({every}) TO '{folder}/weather.parquet'")
    once.unlink()


if __name__ == "__main__":
    write_years(Path(sys.argv[1]), int(sys.argv[2]))
