"""CSV files as people and programs write them: read as they are meant, or one error that says what to do."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pyarrow as pa
import pytest

from nightshift.errors import DataRefusedError
from nightshift.sources.files import Files
from nightshift.sources.location import locate
from tests.nightshift.sources.conftest import Read


def types(table: pa.Table) -> dict[str, str]:
    return {field.name: str(field.type) for field in table.schema}


LATE = {
    "nothing, then text": ("", "A1", "string"),
    "whole, then a fraction": ("1", "1.5", "double"),
    "whole, then text": ("1", "A1", "string"),
    "whole, then a leading zero": ("1", "01", "string"),
    "whole, then 20 digits": ("1", "12345678901234567890", "string"),
    "a day, then text": ("2024-01-01", "unknown", "string"),
    "a day, then a time": ("2024-01-01", "2024-01-01 10:00", "timestamp[us]"),
    "true, then text": ("true", "maybe", "string"),
    "nothing, then a number": ("", "7", "int64"),
}


@pytest.mark.parametrize(("early", "late", "kind"), LATE.values(), ids=LATE)
@pytest.mark.parametrize("where", ["in the same file", "in another file"])
def test_a_type_that_shows_late_is_the_type_of_all(
    read: Read, early: str, late: str, kind: str, where: str
) -> None:
    head, rows = "id,v\n", [f"{place},{early}" for place in range(40_000)]
    last = f"40000,{late}"
    if where == "in another file":
        table = read(a__csv=head + "\n".join(rows), b__csv=f"{head}{last}\n")
    else:
        table = read(a__csv=head + "\n".join([*rows, last]))
    assert types(table) == {"id": "int64", "v": kind}
    assert table.num_rows == 40_001
    assert table["v"].null_count == (40_000 if early == "" else 0)


def test_words_for_nothing_are_texts_among_texts_and_null_among_numbers(read: Read) -> None:
    table = read(a__csv='id,country,x\n1,NA,NA\n2,"NA",1\n3,DE,nan\n4,None,\n5,,2\n6,"",None\n')
    assert table["country"].to_pylist() == ["NA", "NA", "DE", "None", None, None]
    assert table["x"].to_pylist() == [None, 1, None, None, 2, None]


def test_ids_stay_what_they_are(read: Read) -> None:
    table = read(a__csv='zip,big,phone,code\n01067,12345678901234567890,+49221,1e\n50667,1,+4930,"2"\n')
    assert table.to_pydict() == {
        "zip": ["01067", "50667"],
        "big": ["12345678901234567890", "1"],
        "phone": ["+49221", "+4930"],
        "code": ["1e", "2"],
    }


def test_columns_are_found_by_name_whatever_their_order_case_and_blanks(read: Read) -> None:
    table = read(
        a__csv="Id,Price\n1,2.5\n", b__csv="price , ID\n3,4\n", c__csv="id\n5\n", d__csv="id,new\n6,x\n"
    )
    assert table.to_pydict() == {
        "Id": [1, 4, 5, 6],
        "Price": [2.5, 3.0, None, None],
        "new": [None, None, None, "x"],
    }


WRITTEN = {
    "a byte order mark": b"\xef\xbb\xbfid,v\n1,a\n2,b\n",
    "lines of Windows": b"id,v\r\n1,a\r\n2,b\r\n",
    "lines of old Macs": b"id,v\r1,a\r2,b\r",
    "blank lines": b"\n\nid,v\n1,a\n\n\n2,b\n\n",
    "no end of line": b"id,v\n1,a\n2,b",
    "everything in quotes": b'"id","v"\n"1","a"\n"2","b"\n',
    "a header of several lines": b'id,"v"\n1,a\n2,b\n',
}


@pytest.mark.parametrize("content", WRITTEN.values(), ids=WRITTEN)
def test_ways_of_writing_are_no_difference(read: Read, content: bytes) -> None:
    assert read(a__csv=content).to_pydict() == {"id": [1, 2], "v": ["a", "b"]}


def test_line_breaks_in_quotes_are_part_of_the_value_wherever_they_fall(read: Read) -> None:
    draw = random.Random(5)
    texts = ["\n".join(["ab" * draw.randint(0, 900)] * draw.randint(1, 5)) + ', "so"' for _ in range(4_000)]
    lines = "".join(f'{place},"{text.replace(chr(34), chr(34) * 2)}"\n' for place, text in enumerate(texts))
    assert len(lines) > 8 << 20, "more than a block"
    assert read(a__csv="id,v\n" + lines)["v"].to_pylist() == texts


def test_a_line_longer_than_a_block_is_read(read: Read) -> None:
    lines = [f"{place},{'ab' * (2_000_000 if place == 300_000 else 1)}\n" for place in range(400_000)]
    table = read(a__csv="id,v\n" + "".join(lines))
    assert table["id"].to_pylist() == list(range(400_000))
    assert len(table["v"][300_000].as_py()) == 4_000_000


def test_a_column_without_a_name_is_called_by_its_place(read: Read) -> None:
    assert read(a__csv=",v,\n0,a,\n1,b,\n").to_pydict() == {
        "column0": [0, 1],
        "v": ["a", "b"],
        "column2": [None, None],
    }


def test_files_without_rows_have_columns(read: Read) -> None:
    assert types(read(a__csv="id,v")) == {"id": "null", "v": "null"}
    assert read(a__csv="id,v\n", b__csv="id,v\n1,a\n").to_pydict() == {"id": [1], "v": ["a"]}


REFUSED: dict[str, tuple[bytes, str]] = {
    "Latin-1": ("id,v\n1,a\n2,Café\n".encode("latin-1"), r"not UTF-8 but looks like Latin-1.*line 3"),
    "a name in Latin-1": ("id,Café\n1,a\n".encode("latin-1"), r"not UTF-8.*line 1"),
    "a character cut short": ("id,v\n1,a\n2,Café".encode()[:-1], r"not UTF-8.*line 3"),
    "UTF-16": ("id,v\n1,a\n".encode("utf-16"), "looks like UTF-16"),
    "UTF-16 without a mark": ("id,v\n1,a\n".encode("utf-16-be"), "looks like UTF-16"),
    "UTF-32": ("id,v\n1,a\n".encode("utf-32"), "looks like UTF-32"),
    "gzip under another name": (gzip.compress(b"id,v\n1,a\n"), "packed by gzip"),
    "a spreadsheet": (b"PK\x03\x04" + b"\0" * 50, "a spreadsheet"),
    "Parquet": (b"PAR1" + b"\0" * 50, "the file is Parquet"),
    "zero bytes": (b"id,v\n1,a\n2,a\0b\n" + b"3,some more text\n" * 9, "zero bytes, the first in line 3"),
    "semicolons": (b"id;v\n1;a\n", "parted by semicolons"),
    "tabs": (b"id\tv\n1\ta\n", "parted by tabs"),
    "a short line": (b"id,v\n1,a\n2\n", "Expected 2 columns, got 1"),
    "a long line": (b"id,v\n1,a\n2,b,c\n", "Expected 2 columns, got 3"),
    "a name that is there twice": (b"id,id\n1,a\n", "'id' twice"),
    "names that differ by case": (b"id,ID\n1,a\n", "'id' twice, the second time as 'ID'"),
    "nothing at all": (b"", "the file is empty"),
    "nothing but blank lines": (b"\n\n", "the file is empty"),
    "an open quote": (b'id,v\n1,a\n2,"b\n3,c\n', "never closed"),
    "a quote that is open for long": (b'id,v\n1,"' + b"ab,\n" * (1 << 20), "never closed"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_by_file_with_what_to_do(
    read: Read, content: bytes, said: str
) -> None:
    with pytest.raises(DataRefusedError, match=said) as caught:
        read(a__csv="id,v\n1,a\n", b__csv=content)
    assert caught.value.where.endswith("b.csv")
    assert caught.value.remedy


@pytest.mark.parametrize("damage", ["cut short", "not packed"])
def test_a_packed_file_that_is_damaged_is_named(read: Read, damage: str) -> None:
    packed = gzip.compress(random.Random(1).randbytes(4_000).hex().encode() + b",v\n1,2\n")
    with pytest.raises(DataRefusedError) as caught:
        read(a__csv__gz=packed[:2_000] if damage == "cut short" else b"id,v\n1,2\n")
    assert caught.value.where.endswith("a.csv.gz")


def test_an_ending_in_capital_letters_is_the_same_ending(read: Read) -> None:
    assert read(A__CSV__GZ=gzip.compress(b"id,v\n1,a\n")).to_pydict() == {"id": [1], "v": ["a"]}


def test_unchanged_files_are_not_read_again(tmp_path: Path) -> None:
    folder, scratch = tmp_path / "data", tmp_path / "scratch"
    folder.mkdir()
    source = Files(locate(str(folder)), "auto", scratch)
    (folder / "a.csv").write_text("id,v\n1,1\n")
    source.open()
    made = {path: path.stat().st_ino for path in scratch.rglob("*") if path.is_file()}
    assert len(made) == 2
    (folder / "b.csv").write_text("id,v\n2,2\n")
    assert source.open().to_table()["v"].to_pylist() == [1, 2]
    assert all(path.stat().st_ino == number for path, number in made.items())
    (folder / "b.csv").write_text("id,v\n2,A1\n")
    assert source.open().to_table()["v"].to_pylist() == ["1", "A1"]
    (folder / "b.csv").unlink()
    assert source.open().to_table()["v"].to_pylist() == [1]


def test_folders_names_are_columns_of_text_files_too(tmp_path: Path) -> None:
    for city in ("Bonn", "Ulm"):
        (tmp_path / "data" / f"city={city}").mkdir(parents=True)
        (tmp_path / "data" / f"city={city}" / "a.csv").write_text("id\n01\n")
    table = Files(locate(str(tmp_path / "data")), "auto", tmp_path / "scratch").open().to_table()
    assert table.to_pydict() == {"id": ["01", "01"], "city": ["Bonn", "Ulm"]}
