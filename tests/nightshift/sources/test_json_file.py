"""JSON lines: late keys, values of several types, and numbers with all their digits."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from nightshift.errors import DataRefusedError
from tests.nightshift.sources.conftest import Read

TEN = datetime(2024, 1, 1, 10, tzinfo=UTC)
READ = {
    "whole, then a fraction": (["1", "1.5"], [1.0, 1.5], "double"),
    "a fraction that is whole": (["1", "1.0"], [1.0, 1.0], "double"),
    "a number, then text": (["1.50", '"1"'], ["1.50", "1"], "string"),
    "20 digits": (["12345678901234567890", "1"], ["12345678901234567890", "1"], "string"),
    "true, then a number": (["true", "1"], ["true", "1"], "string"),
    "nothing, then text": (["null", '"x"'], [None, "x"], "string"),
    "a day, then text": (['"2024-01-01"', '"x"'], ["2024-01-01", "x"], "string"),
    "a day, then a time": (['"2024-01-01"', '"2024-01-01T10:00"'],
                           [TEN.replace(hour=0, tzinfo=None), TEN.replace(tzinfo=None)], "timestamp[us]"),
    "days": (['"2024-01-01"', "null"], [date(2024, 1, 1), None], "date32[day]"),
    "zones": (['"2024-01-01T10:00:00Z"', '"2024-01-01T12:00:00+02:00"'], [TEN, TEN], "timestamp[us, tz=UTC]"),
    "times with and without a zone": (['"2024-01-01T10:00:00Z"', '"2024-01-01T10:00:00"'],
                                      ["2024-01-01T10:00:00Z", "2024-01-01T10:00:00"], "string"),
    "texts of digits": (['"01"', '"2"'], ["01", "2"], "string"),
    "NA among texts": (['"NA"', '"x"'], ["NA", "x"], "string"),
    "NA among numbers": (['"NA"', "1", "NaN"], [None, 1, None], "int64"),
    "objects": (['{"n":1}', '{"n":2.5,"t":"2024-01-01"}'], [{"n": 1.0, "t": None}, {"n": 2.5, "t": "2024-01-01"}],
                "struct<n: double, t: string>"),
    "lists": (["[1,2]", "[]", "null"], [[1, 2], [], None], None),
    "an object, then a list": (['{"n":1.50}', "[1]"], ['{"n":1.5}', "[1]"], "string"),
    "an object, then text": (['{"n":{}}', '"x"'], ['{"n":{}}', "x"], "string"),
    "empty objects": (["{}", "{}"], ["{}", "{}"], "string"),
    "nothing": (["null", "null"], [None, None], "null"),
}  # fmt: skip


@pytest.mark.parametrize(("values", "expected", "kind"), READ.values(), ids=READ)
@pytest.mark.parametrize("where", ["in one file", "in several files"])
def test_values_are_read_under_one_type(
    read: Read, values: list[str], expected: list[object], kind: str | None, where: str
) -> None:
    lines = [f'{{"id":{place},"v":{value}}}\n' for place, value in enumerate(values)]
    if where == "in one file":
        table = read(a__jsonl="".join(lines))
    else:
        table = read(**{f"{chr(97 + place)}__jsonl": line for place, line in enumerate(lines)})
    assert table["v"].to_pylist() == expected
    assert kind is None or str(table.schema.field("v").type) == kind


def test_a_key_first_seen_late_is_a_column(read: Read) -> None:
    text = "x" * 200
    rows = [json.dumps({"id": place, "text": text}) for place in range(50_000)]
    table = read(a__jsonl="\n".join([*rows, '{"id":50000,"late":"A1"}']))
    assert sum(map(len, rows)) > 8 << 20, "more than a block"
    assert table.num_rows == 50_001
    assert table["late"].null_count == 50_000
    assert table["late"].to_pylist()[-1] == "A1"


def test_a_type_that_shows_late_is_the_type_of_all(read: Read) -> None:
    text = "x" * 200
    rows = [json.dumps({"id": place, "text": text, "v": place / 4}) for place in range(50_000)]
    table = read(a__jsonl="\n".join([*rows, '{"id":50000,"v":"A1"}']))
    assert table.schema.field("v").type == pa.string()
    assert table["v"].to_pylist()[1:3] == ["0.25", "0.5"]


def test_names_that_differ_by_case_are_one_column_between_files(read: Read) -> None:
    assert read(a__jsonl='{"Id":1}\n', b__jsonl='{"id":2}\n').to_pydict() == {"Id": [1, 2]}


def test_blank_lines_are_no_rows(read: Read) -> None:
    assert read(a__jsonl='\ufeff{"id":1}\r\n\r\n  \n{"id":2}').to_pydict() == {"id": [1, 2]}


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "an array": ('[{"id":1},\n{"id":2}]', "one JSON array"),
    "a line that is none": ('{"id":1}\nnot json\n', "line 2 is no JSON object"),
    "nothing": ("null\n", "line 1 is no JSON object"),
    "nothing in a later line": ('{"id":1}\n null \n', "line 2 is no JSON object"),
    "nothing behind an object": ('{"id":1} null\n', "line 1 is no JSON object"),
    "a comma behind an object": ('{"id":1},\n{"id":2}\n', "line 1 is no JSON object"),
    "a number": ('{"id":1}\n7\n', "line 2 is no JSON object"),
    "a line cut short": ('{"id":1}\n{"id":', "line 2 is no JSON object"),
    "a key that is there twice": ('{"id":1,"id":2}\n', "the key 'id' is there twice"),
    "keys that differ by case": ('{"id":1,"ID":2}\n', "'id' twice"),
    "half a character": ('{"id":"\\ud800"}\n', "line 1 is no JSON object"),
    "deep nesting": ('{"id":' * 5_000, "line 1 is no JSON object"),
    "Latin-1": ('{"id":"é"}\n'.encode("latin-1"), "not UTF-8"),
    "UTF-16": ('{"id":"é"}\n'.encode("utf-16"), "UTF-16"),
    "no rows": ("", "no file has a row"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_by_file_with_what_to_do(
    read: Read, content: str | bytes, said: str
) -> None:
    with pytest.raises(DataRefusedError, match=said) as caught:
        read(a__jsonl=content)
    assert "data" in caught.value.where
    assert caught.value.remedy
