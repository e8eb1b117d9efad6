"""dataset.sql and rules in every way that they may be wrong: no SQL, not one query, files, columns, types, values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from tests.malformed.place import SQL, VALIDATE, Case, Place, changed

# SQL that is refused before a row is read.
BROKEN: Mapping[str, str] = {
    "nothing": "",
    "blanks": " \n\t\n",
    "a comment": "-- later\n",
    "a block comment": "/* later */",
    "semicolons": ";;;",
    "no SQL": "give me all rows",
    "a typo": "selct * from events",
    "a comma too many": "select id,, x from events",
    "a trailing comma before from": "select id x y from events",
    "unclosed brackets": "select (id from events",
    "unclosed quotes": "select 'id from events",
    "an unclosed comment": "select * from events /* and",
    "a NUL": "select * from events \0",
    "no source": "select * from event",
    "a source of another schema": "select * from main.other.events",
    "an unknown column": "select idd, sold_at, late from events",
    "an unknown column in where": "select * from events where cty = 'Ulm'",
    "an unknown function": "select *, shout(city) as z from events",
    "an aggregate in where": "select * from events where sum(x) > 0",
    "an ungrouped column": "select id, count(*) from events",
    "a wrong number of columns in union": "select * from events union all select 1",
    "types that do not compare": "select * from events where sold_at > 5",
    "an unknown parameter": "select * from events where sold_at >= $begin",
    "a positional parameter": "select * from events where sold_at >= ?",
    "a numbered parameter": "select * from events where sold_at >= $1",
    "two queries": "select * from events; select * from events",
    "a query and a copy": "select * from events; copy events to 'x.csv'",
    "create": "create table t as select * from events",
    "insert": "insert into events select * from events",
    "delete": "delete from events",
    "update": "update events set x = 1",
    "drop": "drop view events",
    "explain": "explain select * from events",
    "set": "set memory_limit = '9GB'",
    "pragma": "pragma database_list",
    "attach": "attach 'x.db' as x",
    "install": "install httpfs",
    "load": "load httpfs",
    "export": "export database 'x'",
    "call": "call pragma_version()",
    "begin": "begin",
    "vacuum": "vacuum",
    "prepare": "prepare p as select 1",
    "update extensions": "update extensions",
    "a file": "select * from 'rows.parquet'",
    "an absolute file": "select * from '/etc/passwd'",
    "read_csv": "select * from read_csv('/etc/passwd')",
    "read_text": "select * from read_text('/etc/passwd')",
    "read_parquet": "select * from read_parquet('/tmp/*.parquet')",
    "glob": "select * from glob('/etc/*')",
    "a web page": "select * from 'https://example.com/x.csv'",
    "a bucket": "select * from 's3://bucket/x.parquet'",
    "a database": "select * from sqlite_scan('x.db', 't')",
    "a spatial function": "select *, st_point(1, 2) as z from events",
    "brackets in brackets": "select " + "(" * 3000 + "1" + ")" * 3000,
    "queries in queries": "select * from (" * 3000 + "select 1" + ")" * 3000,
    "a very long text": "select '" + "x" * 300_000 + "' from events",
    "another dialect": "SELECT TOP 5 * FROM [events]",
    "a template": "select * from {{ ref('events') }}",
    "a shell variable": "select * from ${TABLE}",
    "JSON": '{"select": "*"}',
    "Python": "import os\nos.getcwd()",
    "no key": "select sold_at, x, city, late from events",
    "no event time": "select * exclude (sold_at) from events",
    "no label": "select * exclude (late) from events",
    "no weight": "select * exclude (weight) from events",
    "a key of another case": 'select * rename (id as "Id ") from events',
    "an event time of text": "select * replace (city as sold_at) from events",
    "an event time of numbers": "select * replace (n as sold_at) from events",
    "an event time of clocks": "select * replace (sold_at::time as sold_at) from events",
    "two columns that differ by case": 'select *, x as "X" from events',
    "a column without a name": 'select *, 1 as "" from events',
    "a column of lists": "select *, [x] as z from events",
    "a column of arrays": "select *, [x, x]::double[2] as z from events",
    "a column of structs": "select *, {'a': x} as z from events",
    "a column of maps": "select *, map {'a': x} as z from events",
    "a column of unions": "select *, union_value(a := x) as z from events",
    "a column of intervals": "select *, interval 1 day as z from events",
    "a column of clocks": "select *, sold_at::time as z from events",
    "a column of bits": "select *, '101'::bit as z from events",
    "a key of lists": "select * replace ([id] as id) from events",
    "a label of text": "select * replace (city || now()::varchar as late), [1] as z from events",
}  # fmt: skip

# SQL that fails on a value, or gives rows that are refused.
FAILING: Mapping[str, str] = {
    "a cast of text": "select *, city::int as z from events",
    "a cast of dates": "select *, city::date as z from events",
    "a number too great": "select *, (n + 300)::tinyint as z from events",
    "a product too great": "select *, (9223372036854775807 + n + 1) as z from events",
    "an error": "select *, error('no such luck') as z from events",
    "a scalar query of many rows": "select *, (select x from events) as z from events",
    "a regular expression": "select *, regexp_matches(city, '(') as z from events",
    "no rows at all": "select * from events where false",
    "no rows of the window": "select * replace (sold_at + interval 5 year as sold_at) from events",
    "event times that are null": "select * replace (null::timestamp as sold_at) from events",
    "event times beyond the calendar": "select * replace ('infinity'::timestamptz as sold_at) from events",
    "keys that are null": "select * replace (null::varchar as id) from events",
    "keys that stand twice": "select * replace ('a' as id) from events",
    "every row twice": "select * from events union all select * from events",
    "a join that matches twice": "select e.* from events e join events f on e.city = f.city",
    "labels of three": "select * replace (n as late) from events",
    "labels of text": "select * replace (city as late) from events",
    "labels below nothing": "select * replace (-1 as late) from events",
    "weights below nothing": "select * replace (-1.0 as weight) from events",
    "weights that are null": "select * replace (null::double as weight) from events",
    "weights without end": "select * replace ('inf'::double as weight) from events",
    "old rows only": "select * from events where sold_at < '2024-02-02'",
}  # fmt: skip

RULES: Mapping[str, tuple[str, int]] = {
    "nothing": ("", 2),
    "a comment": ("-- x > 0", 2),
    "no SQL": ("x is great", 2),
    "no end": ("x >", 2),
    "a number": ("x + 1", 2),
    "text": ("city", 2),
    "an aggregate": ("sum(x) > 0", 2),
    "a window": ("row_number() over () > 0", 2),
    "an unknown column": ("price > 0", 2),
    "an unknown function": ("is_fine(x)", 2),
    "two conditions": ("x > -100, n >= 0", 2),
    "two statements": ("x > 0; drop view staged", 2),
    "a bracket too many": ("x > 0)", 2),
    "brackets that open out": ("x > 0) or (true", 2),
    "an unclosed comment": ("x > 0 /*", 2),
    "an unclosed text": ("city = 'Ulm", 2),
    "a query": ("select true", 2),
    "a file": ("exists (select * from read_text('/etc/passwd'))", 2),
    "a directory": ("exists (select * from glob('/etc/*'))", 2),
    "a setting": ("set memory_limit = '9GB'", 2),
    "an attachment": ("attach 'x.db'", 2),
    "a parameter": ("sold_at >= $start", 2),
    "a source": ("exists (select * from events)", 2),
    "types that do not compare": ("sold_at > 5", 2),
    "a list": ("[x > 0]", 2),
    "deep brackets": ("(" * 3000 + "x > 0" + ")" * 3000, 2),
    "a cast that fails": ("city::int > 0", 3),
    "an error": ("error('no such luck')", 2),
    "what no row keeps": ("x > 1000", 3),
    "what most rows break": ("city = 'Ulm'", 3),
    "false": ("false", 3),
}  # fmt: skip


def cases(random: Random) -> Iterator[Case]:
    """All of them, and queries out of which a token is taken."""
    for name, sql in BROKEN.items():
        yield Case(f"SQL: {name}", VALIDATE, (2,), ("dataset.sql", "sql"), _with_sql(sql))
    for name, sql in FAILING.items():
        yield Case(
            f"SQL that gives {name}",
            VALIDATE,
            (2, 3),
            ("dataset.sql", "shop", "sold_at", "late"),
            _with_sql(sql),
        )
    for name, (rule, code) in RULES.items():
        yield Case(f"a rule of {name}", VALIDATE, (code,), ("quality.", "rules"), _with_rule(rule))
    for number, sql in enumerate(_mutilated(random, 25)):
        yield Case(f"SQL mutilated {number}: {sql[:40]!r}", VALIDATE, (2,), ("dataset.sql",), _with_sql(sql))
    yield Case(
        "SQL in Latin-1",
        VALIDATE,
        (2,),
        ("UTF-8",),
        lambda place: place.text(b"select '\xe9'", "dataset.sql"),
    )
    yield Case(
        "SQL in UTF-16",
        VALIDATE,
        (2,),
        ("UTF-8",),
        lambda place: place.text(SQL.encode("utf-16"), "dataset.sql"),
    )
    yield Case(
        "no SQL file",
        VALIDATE,
        (2,),
        ("dataset.sql",),
        lambda place: (place.project / "dataset.sql").unlink(),
    )
    yield Case("a folder for SQL", VALIDATE, (2,), ("dataset.sql",), _folder_for_sql)


def _mutilated(random: Random, count: int) -> Iterator[str]:
    """Queries that miss a word without which there is no query."""
    words = [
        "select",
        "id",
        ",",
        "sold_at",
        ",",
        "x",
        ",",
        "city",
        ",",
        "note",
        ",",
        "weight",
        ",",
        "late",
        "from",
        "events",
        "where",
        "x",
        ">",
        "0",
        "and",
        "(",
        "n",
        "<",
        "5",
        "or",
        "city",
        "=",
        "'Ulm'",
        ")",
    ]
    needed = [
        place
        for place, word in enumerate(words)
        if word in ("from", "events", ">", "(", ")", "<", "=", "0", "5", "or", "and")
    ]
    for _ in range(count):
        place = random.choice(needed)
        junk = random.choice(["", "%%", "from from", "( (", "where where", "select select", "'"])
        yield " ".join([*words[:place], *([junk] if junk else []), *words[place + (0 if junk else 1) :]])


def _with_sql(sql: str) -> Any:
    def prepare(place: Place) -> None:
        place.sql(sql)

    return prepare


def _with_rule(rule: str) -> Any:
    def prepare(place: Place) -> None:
        place.declare(changed(("quality", "rules"), [rule]))

    return prepare


def _folder_for_sql(place: Place) -> None:
    (place.project / "dataset.sql").unlink()
    (place.project / "dataset.sql").mkdir()
