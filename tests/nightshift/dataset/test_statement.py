"""dataset.sql as DuckDB reads it: what follows the query, parameters, and what is no query."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.errors import RequestError
from tests.synthetic import World, days, rows_of, staged

BOUNDED = "select * from rows where seen_at >= $start and seen_at < $end"
QUERIES = {
    "semicolon": f"{BOUNDED};",
    "comment after the semicolon": f"{BOUNDED}; -- done",
    "long comment after the semicolon": f"{BOUNDED}; /* x; y */ ;;\n-- end",
    "comment without a line's end": f"{BOUNDED} -- last",
    "parameters in a comment": f"{BOUNDED} -- not $later",
    "parameters in a text": f"select *, '$other; --' as said from ({BOUNDED})",
    "no parameters": "select * from rows -- $start",
    "one parameter": "select * from rows where seen_at >= $start",
    "lines of Windows": f"{BOUNDED.replace(' where', chr(13) + chr(10) + 'where')};\r\n-- end\r\n",
    "a byte order mark": f"\ufeff{BOUNDED}",
    "brackets": f"({BOUNDED});",
    "with": f"with chosen as ({BOUNDED}) select * from chosen;",
    "from first": "from rows where seen_at >= $start;",
    "table": "table rows; -- all of them",
    "an order": f"{BOUNDED} order by x limit 1000000;",
    "dollar quotes": f"select *, $$a;b$$ as said from ({BOUNDED});",
    "letters of two bytes": f"select *, 'Köln; Brühl' as said from ({BOUNDED}); -- für später",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write(rows_of())
    return made


@pytest.mark.parametrize("sql", QUERIES.values(), ids=QUERIES)
def test_one_query_is_read_as_duckdb_reads_it(world: World, sql: str) -> None:
    assert staged(world, world.declare(sql), days(3, 5)).rows == 60


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "is: empty"),
        ("-- later;", "is: empty"),
        (";;", "is: empty"),
        (f"{BOUNDED}; {BOUNDED}", "is: SELECT, SELECT"),
        ("select 1; drop table rows", "is: SELECT, DROP"),
        ("create table t as select 1", "is: CREATE"),
        ("copy rows to 'x.csv'", "is: COPY"),
        ("explain select 1", "is: EXPLAIN"),
        ("set memory_limit = '1TB'", "is: SET"),
        ("insert into rows select * from rows returning *", "is: INSERT"),
        ("select * from rows) union all (select * from rows", "refuses"),
        ("select * from rows /* open", "refuses"),
        ("select * from rows where x > $least", "parameter \\$least"),
        ("select * from rows where x > ?", "parameter \\$1"),
    ],
)
def test_what_is_no_one_query_is_refused(world: World, sql: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        staged(world, world.declare(sql))
    assert "dataset.sql" in caught.value.where
    assert caught.value.remedy


def test_an_error_names_the_line_of_the_file(world: World) -> None:
    with pytest.raises(RequestError, match="LINE 4"):
        staged(world, world.declare("-- rows\n\nselect id\n  ,, x\nfrom rows;"))
