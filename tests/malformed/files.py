"""Files that are no rows, or no rows that can be had: cut short, of another kind, ragged, at odds with each other."""

from __future__ import annotations

# ruff: noqa: E501 - tables of cases
import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from deltalake import write_deltalake

from tests.malformed.place import VALIDATE, Case, Place, changed, parquet, rows


def _csv_text(table: pa.Table | None = None) -> str:
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(rows() if table is None else table, sink)
    return str(sink.getvalue().to_pybytes().decode())


def _json_text() -> str:
    found = rows().set_column(1, "sold_at", pc.strftime(rows()["sold_at"], "%Y-%m-%dT%H:%M:%S"))
    return "".join(json.dumps(row, default=str) + "\n" for row in found.to_pylist())


def _lines(text: str, change: Callable[[list[str]], list[str]]) -> str:
    return "\n".join(change(text.splitlines())) + "\n"


CSV = _csv_text()
JSON = _json_text()
PARQUET = parquet(rows())

# By ending: what is in the file, and what is right to say of it.
CONTENTS: Mapping[str, tuple[str, bytes | str]] = {
    "nothing in Parquet": ("x.parquet", b""),
    "four bytes of Parquet": ("x.parquet", b"PAR1"),
    "eight bytes of Parquet": ("x.parquet", b"PAR1PAR1"),
    "text in Parquet": ("x.parquet", "no rows\n" * 50),
    "CSV in Parquet": ("x.parquet", CSV),
    "zipped Parquet": ("x.parquet", gzip.compress(PARQUET)),
    "encrypted Parquet": ("x.parquet", b"PARE" + PARQUET[4:-4] + b"PARE"),
    "Parquet without its end": ("x.parquet", PARQUET[:-8]),
    "Parquet without its beginning": ("x.parquet", PARQUET[200:]),
    "Parquet with a long footer": ("x.parquet", PARQUET[:-8] + b"\xff\xff\xff\x7f" + PARQUET[-4:]),
    "nothing in CSV": ("x.csv", b""),
    "a line end in CSV": ("x.csv", "\n"),
    "a short line": ("x.csv", CSV + "1,2,3\n"),
    "a long line": ("x.csv", CSV + ",".join("1" * 12) + "\n"),
    "an unclosed quote": ("x.csv", CSV + '"s9999,2024-02-02 00:00:00Z,1,1,Ulm,x,1,0\n'),
    "another delimiter": ("x.csv", CSV.replace(",", ";")),
    "tabs": ("x.csv", CSV.replace(",", "\t")),
    "Latin-1 in CSV": ("x.csv", CSV.replace("Bonn", "Köln").encode("latin-1")),
    "UTF-16 in CSV": ("x.csv", CSV.encode("utf-16")),
    "NULs in CSV": ("x.csv", b"\0" * 500),
    "binary in CSV": ("x.csv", PARQUET),
    "a header twice": ("x.csv", _lines(CSV, lambda lines: [lines[0].replace('"note"', '"city"'), *lines[1:]])),
    "an empty header": ("x.csv", _lines(CSV, lambda lines: [lines[0].replace('"id"', '""'), *lines[1:]])),
    "headers only": ("x.csv", CSV.splitlines()[0] + "\n"),
    "no header": ("x.csv", _lines(CSV, lambda lines: lines[1:])),
    "dates of another order": ("x.csv", CSV.replace("2024-02-", "30/02/2024 ")),
    "HTML in CSV": ("x.csv", "<html><body>Please log in</body></html>\n"),
    "gz that is none": ("x.csv.gz", CSV),
    "gz cut short": ("x.csv.gz", gzip.compress(CSV.encode())[:-200]),
    "nothing in JSON lines": ("x.jsonl", b""),
    "a broken line": ("x.jsonl", JSON + '{"id": "s9", "x": \n'),
    "JSON cut short": ("x.jsonl", JSON[:-30]),
    "a list in JSON lines": ("x.jsonl", "[" + JSON.replace("\n", ",\n")[:-2] + "]"),
    "numbers in JSON lines": ("x.jsonl", "1\n2\n3\n"),
    "text in JSON lines": ("x.jsonl", "no rows\n" * 9),
    "words behind JSON": ("x.jsonl", JSON + "that was all\n"),
    "single quotes in JSON": ("x.jsonl", JSON.replace('"', "'")),
    "Latin-1 in JSON": ("x.jsonl", JSON.encode() + '{"id": "Köln"}\n'.encode("latin-1")),
    "UTF-16 in JSON": ("x.jsonl", JSON.encode("utf-16")),
    "lists for numbers in JSON": ("x.jsonl", JSON + '{"id": "s9", "x": [1, 2]}\n'),
    "an unknown ending": ("x.xlsx", b"PK\x03\x04"),
    "no ending": ("x", CSV),
    "a zip": ("x.csv.zip", b"PK\x03\x04"),
    "ORC": ("x.orc", b"ORC"),
}  # fmt: skip

# Columns of a Parquet file that make all of it, or most, no rows of this project.
TABLES: Mapping[str, Callable[[pa.Table], pa.Table]] = {
    "no columns": lambda table: table.select([]),
    "no rows": lambda table: table.slice(0, 0),
    "no key": lambda table: table.drop_columns(["id"]),
    "no event time": lambda table: table.drop_columns(["sold_at"]),
    "no label": lambda table: table.drop_columns(["late"]),
    "columns in capitals": lambda table: table.rename_columns([name.upper() + "_" for name in table.column_names]),
    "two columns of one name": lambda table: table.append_column("id", table["id"]),
    "null keys": lambda table: _set(table, "id", pa.nulls(table.num_rows, pa.string())),
    "one key": lambda table: _set(table, "id", pa.array(["a"] * table.num_rows)),
    "null times": lambda table: _set(table, "sold_at", pa.nulls(table.num_rows, pa.timestamp("us", "UTC"))),
    "times of text": lambda table: _set(table, "sold_at", pa.array(["long ago"] * table.num_rows)),
    "times of numbers": lambda table: _set(table, "sold_at", pa.array(range(table.num_rows))),
    "times of year 1": lambda table: _set(table, "sold_at", pa.array([-62135596800000000] * table.num_rows, pa.timestamp("us", "UTC"))),
    "times beyond year 9999": lambda table: _set(table, "sold_at", pa.array([10**18] * table.num_rows, pa.timestamp("us", "UTC"))),
    "times in the future": lambda table: _set(table, "sold_at", pc.add(table["sold_at"], pa.scalar(10**14, pa.duration("us")))),
    "labels of three": lambda table: _set(table, "late", table["n"]),
    "labels of text": lambda table: _set(table, "late", table["city"]),
    "labels without end": lambda table: _set(table, "late", pa.array([np.inf] * table.num_rows)),
    "labels of lists": lambda table: _set(table, "late", pa.array([[1]] * table.num_rows)),
    "weights of text": lambda table: _set(table, "weight", table["city"]),
    "weights that are NaN": lambda table: _set(table, "weight", pa.array([np.nan] * table.num_rows)),
    "negative weights": lambda table: _set(table, "weight", pa.array([-1.0] * table.num_rows)),
    "a column of lists": lambda table: _set(table, "x", pa.array([[1.0]] * table.num_rows)),
    "a column of structs": lambda table: _set(table, "x", pa.array([{"a": 1}] * table.num_rows)),
    "a column of durations": lambda table: _set(table, "x", pa.array([1] * table.num_rows, pa.duration("s"))),
}  # fmt: skip


def _set(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def cases(random: Random) -> Iterator[Case]:
    """Contents, tables, cuts and flips drawn at random, files at odds, folders, and Delta tables."""
    for name, (file, content) in CONTENTS.items():
        yield _case(name, _alone(file, content), (file, "events", "sold_at", "dataset.sql", "rule 'x"))
    for name, change in TABLES.items():
        yield _case(f"Parquet with {name}", _alone("x.parquet", parquet(change(rows()))), (
            "x.parquet", "events", "shop", "dataset.sql", "dataset."))  # fmt: skip
    for number in range(30):
        cut = random.randrange(5, len(PARQUET) - 1)
        yield _case(f"Parquet cut at {cut} ({number})", _alone("x.parquet", PARQUET[:cut]), ("x.parquet",))
    for number in range(20):
        yield _case(
            f"noise {number}",
            _alone("x.parquet", random.randbytes(random.randrange(1, 3000))),
            ("x.parquet",),
        )
    for number in range(20):
        ending = random.choice(["csv", "jsonl"])
        yield _case(f"noise as {ending} {number}", _alone(f"x.{ending}", b"\x80" + random.randbytes(random.randrange(20, 3000))), (
            f"x.{ending}", "events", "dataset.sql", "dataset."))  # fmt: skip
    yield from _at_odds()
    yield from _folders()
    yield from _delta(random)


def _case(name: str, prepare: Callable[[Place], None], names: tuple[str, ...]) -> Case:
    return Case(f"files: {name}", VALIDATE, (2, 3), names, prepare)


def _alone(file: str, content: bytes | str) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        place.source(uri=f"${{NIGHTSHIFT_DATA}}/{file}")
        place.file(file, content)

    return prepare


def _at_odds() -> Iterator[Case]:
    """A second file that does not go with the first."""
    seconds: Mapping[str, Callable[[pa.Table], pa.Table]] = {
        "text for numbers": lambda table: _set(table, "x", table["city"]),
        "numbers for times": lambda table: _set(table, "sold_at", pa.array(range(table.num_rows))),
        "lists for numbers": lambda table: _set(table, "x", pa.array([[1.0]] * table.num_rows)),
        "times for text": lambda table: _set(table, "city", table["sold_at"]),
        "the same keys": lambda table: table,
    }
    for name, change in seconds.items():

        def prepare(place: Place, change: Callable[[pa.Table], pa.Table] = change) -> None:
            place.file("z.parquet", parquet(change(rows())), alone=False)

        yield _case(f"a second one with {name}", prepare, ("z.parquet", "x", "sold_at", "city", "id"))
    for name, content in {
        "nothing": b"",
        "text": b"no rows",
        "half of it": PARQUET[: len(PARQUET) // 2],
    }.items():
        yield _case(f"a second one with {name} in it", lambda place, content=content: _ignore(
            place.file("z.parquet", content, alone=False)), ("z.parquet",))  # type: ignore[misc]  # fmt: skip


def _folders() -> Iterator[Case]:
    def mixed(place: Place) -> None:
        place.source(uri="${NIGHTSHIFT_DATA}/")
        place.file("x.csv", CSV, alone=False)

    def empty(place: Place) -> None:
        place.source(uri="${NIGHTSHIFT_DATA}/empty")
        (place.data / "empty").mkdir()

    def deep(place: Place) -> None:
        place.source(uri="${NIGHTSHIFT_DATA}/empty")
        (place.data / "empty" / "a" / "b").mkdir(parents=True)

    def pipe(place: Place) -> None:
        place.source(uri="${NIGHTSHIFT_DATA}/x.parquet")
        os.mkfifo(place.data / "x.parquet")

    def hidden(place: Place) -> None:
        place.source(uri="${NIGHTSHIFT_DATA}/only")
        place.file("only/_SUCCESS", b"")
        place.file("only/.rows.parquet", PARQUET)

    def named_like_a_file(place: Place) -> None:
        place.source(uri="${NIGHTSHIFT_DATA}/x.parquet")
        (place.data / "x.parquet").mkdir()

    def loop(place: Place) -> None:
        place.source(uri="${NIGHTSHIFT_DATA}/x.parquet")
        (place.data / "x.parquet").symlink_to(place.data / "x.parquet")

    def dangling(place: Place) -> None:
        place.source(uri="${NIGHTSHIFT_DATA}/x.parquet")
        (place.data / "x.parquet").symlink_to(place.data / "gone.parquet")

    def partitions_at_odds(place: Place) -> None:
        place.source(uri="${NIGHTSHIFT_DATA}/parts")
        place.file("parts/city=Ulm/x.parquet", PARQUET)
        place.file("parts/n=5/x.parquet", PARQUET)

    for name, prepare in {
        "mixed": mixed, "empty": empty, "empty below": deep, "of hidden files": hidden, "named like a file": named_like_a_file,
        "a loop": loop, "a dangling link": dangling, "a pipe": pipe, "partitions at odds": partitions_at_odds,
    }.items():  # fmt: skip
        yield _case(f"a folder: {name}", prepare, ("events", "x.parquet", "empty", "only", "parts", "data"))


def _delta(random: Random) -> Iterator[Case]:
    def with_table(spoil: Callable[[Place], None], **source: Any) -> Callable[[Place], None]:
        def prepare(place: Place) -> None:
            write_deltalake(place.data / "table", rows())
            declared = {"kind": "delta", "uri": "${NIGHTSHIFT_DATA}/table", **source}
            place.declare(changed(("sources", "events"), declared))
            spoil(place)

        return prepare

    def log(place: Place) -> Any:
        return place.data / "table" / "_delta_log" / "00000000000000000000.json"

    def without(part: str) -> Callable[[Place], None]:
        def spoil(place: Place) -> None:
            lines = log(place).read_text().splitlines()
            log(place).write_text("\n".join(line for line in lines if f'"{part}"' not in line[:20]) + "\n")

        return spoil

    def spoilt(change: Callable[[str], str]) -> Callable[[Place], None]:
        return lambda place: _ignore(log(place).write_text(change(log(place).read_text())))

    def no_data(place: Place) -> None:
        for path in (place.data / "table").glob("*.parquet"):
            path.unlink()

    def cut_data(place: Place) -> None:
        for path in (place.data / "table").glob("*.parquet"):
            path.write_bytes(path.read_bytes()[: random.randrange(10, 900)])

    spoils: Mapping[str, Callable[[Place], None]] = {
        "no log": lambda place: shutil.rmtree(place.data / "table" / "_delta_log"),
        "an empty log": lambda place: log(place).unlink(),
        "nothing in its log": spoilt(lambda text: ""),
        "noise in its log": spoilt(lambda text: "no log\n"),
        "half of its log": spoilt(lambda text: text[: len(text) // 2]),
        "no protocol": without("protocol"),
        "no schema": without("metaData"),
        "a protocol of tomorrow": spoilt(lambda text: text.replace('"minReaderVersion":1', '"minReaderVersion":99')),
        "a type that is none": spoilt(lambda text: text.replace('\\"type\\":\\"double\\"', '\\"type\\":\\"nonesuch\\"')),
        "no data": no_data,
        "data cut short": cut_data,
        "a checkpoint that is none": lambda place: _ignore(
            (place.data / "table" / "_delta_log" / "_last_checkpoint").write_text('{"version": 9, "size": 1}')
            + log(place).with_name("00000000000000000009.checkpoint.parquet").write_bytes(b"none")
        ),
        "no rows": lambda place: write_deltalake(place.data / "table", rows().slice(0, 0), mode="overwrite"),
    }  # fmt: skip
    for name, spoil in spoils.items():
        yield _case(f"a Delta table with {name}", with_table(spoil), ("events", "table", "shop"))
    for version in (1, 99, 2**62):
        yield _case(
            f"a Delta table at version {version}", with_table(_ignore, version=version), ("version", "events")
        )
    for value in (-1, 1.5, "newest", True, [1]):
        yield _case(f"a Delta table at version {value!r}", with_table(_ignore, version=value), ("version",))
    yield _case("a file for a Delta table", lambda place: place.declare(changed(
        ("sources", "events"), {"kind": "delta", "uri": "${NIGHTSHIFT_DATA}/rows.parquet"})), ("events", "rows.parquet"))  # fmt: skip


def _ignore(_: object) -> None:
    pass
