"""What a person's YAML may be: plain values read one way, and one error with its line for all else, in no time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from nightshift.errors import NightshiftError, RequestError
from nightshift.spec.load import read_project
from nightshift.spec.yaml_file import LONGEST, parse_yaml, read_yaml
from tests.synthetic import World

HERE = Path("project.yaml")
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join(['*' + before] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, -2, +3, 0, 0x1F]", [1, -2, 3, 0, 31]),
        ("[1.5, .5, 2., 1e3, 1E-3, -0.0]", [1.5, 0.5, 2.0, 1000.0, 0.001, -0.0]),
        ("[true, False, NULL, ~, '', null]", [True, False, None, None, "", None]),
        ("[18:00, 1:30, 2024-01-01, 2024-01-01T02:00:00Z, 1.2.3, y, n, =]",
         ["18:00", "1:30", "2024-01-01", "2024-01-01T02:00:00Z", "1.2.3", "y", "n", "="]),
        ("['012', \"yes\", '.inf', '1_000', '<<']", ["012", "yes", ".inf", "1_000", "<<"]),
        ("{'<<': 1, 'true': 2, '1': 3}", {"<<": 1, "true": 2, "1": 3}),
        ("x: &x {a: 1}\ny: [*x, *x]", {"x": {"a": 1}, "y": [{"a": 1}, {"a": 1}]}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("%YAML 1.2\n---\na: é\n...\n", {"a": "é"}),
        ("", None),
        ("# nothing but a comment\n", None),
    ],
)  # fmt: skip
def test_plain_values_are_read_as_yaml_1_2_says(text: str, value: Any) -> None:
    assert parse_yaml(text, HERE) == value


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' stands twice, first in line 1"),
        ("a:\n  b: 1\n  'b': 2\n", 3, "the key 'b' stands twice"),
        ("x: {a: 1, a: 1}\n", 1, "stands twice"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n", 3, "merge key"),
        ("<<: {a: 1}\n", 1, "merge key"),
        ("a: !!python/object/apply:os.system ['true']\n", 1, "python/object/apply:os.system"),
        ("a: 1\nb: !!str 5\n", 2, "tag"),
        ("a: ! b\n", 1, "tag"),
        ("!!map {a: 1}\n", 1, "tag"),
        ("a: !!set {b, c}\n", 1, "tag"),
        ("a: !!binary aGk=\n", 1, "tag"),
        ("1: a\n", 1, "the key 1 is no text"),
        ("a: 1\ntrue: a\n", 2, "is no text"),
        ("null: a\n", 1, "is no text"),
        (": a\n", 1, "no YAML"),
        ("1.5: a\n", 1, "is no text"),
        ("? [a, b]\n: c\n", 1, "a key is no text"),
        ("{[a]: b}\n", 1, "a key is no text"),
        ("? {a: b}\n: c\n", 1, "a key is no text"),
        ("&k a: 1\n*k : 2\n", 2, "no text"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\n...\n---\nb: 2\n", 3, "second document"),
        ("a: 1\nb: *nowhere\n", 2, "nowhere"),
        ("a: &a [1, *a]\n", 1, "*a names no value before it"),
        ("a: &a {b: *a}\n", 1, "*a names no value before it"),
        ("a: 012\n", 1, "012"),
        ("a: -007\n", 1, "-007"),
        ("a: 0o17\n", 1, "0o17"),
        ("a: 0b11\n", 1, "0b11"),
        ("a: 1_000\n", 1, "1_000"),
        ("a: 1_000.5\n", 1, "1_000.5"),
        ("a: [yes]\n", 1, "true or false"),
        ("a: No\n", 1, "true or false"),
        ("on: 1\n", 1, "true or false"),
        ("a: OFF\n", 1, "true or false"),
        ("a: .inf\n", 1, "no finite number"),
        ("a: -.INF\n", 1, "no finite number"),
        ("a: .nan\n", 1, "no finite number"),
        ("a: 1e999\n", 1, "too great a number"),
        ("a: 9223372036854775808\n", 1, "too great a number"),
        ("a: -9223372036854775809\n", 1, "too great a number"),
        (f"a: {'9' * 5000}\n", 1, "too great a number"),
        (f"a: 0x{'f' * 5000}\n", 1, "too great a number"),
        ("a: b\x00c\n", 1, "U+0000"),
        ('a: 1\nb: "x\\0y"\n', 2, "U+0000"),
        ('a: "\\e[31m"\n', 1, "U+001B"),
        ("a: 1\nb: \x07\n", 2, "U+0007"),
        ("a: [1\nb: 2\n", 2, ""),
        ("a:\n\t- b\n", 2, ""),
        ("a: 'unclosed\n", 1, ""),
        ("a: b: c\n", 1, ""),
        ("a: @b\n", 1, ""),
        ("a: %b\n", 1, ""),
        ("a: [" + "[" * 100_000, 1, ""),
        ("a: " + "[" * 60 + "]" * 60, 1, "nested deeper"),
        ("a: " + "{a: " * 60 + "1" + "}" * 60, 1, "nested deeper"),
        ("".join(" " * depth + "a:\n" for depth in range(600)), 52, "nested deeper"),
        ("- " * 2000 + "a", 1, "nested deeper"),
        ("? " * 2000 + "a", 1, "a key is no text"),
        (BOMB, 5, "too many"),
        ("a: &a " + "x" * 50_000 + "\nb: [" + ", ".join(["*a"] * 50) + "]\n", 2, "too many"),
        ("a: [" + "1, " * 80_000 + "1]\n", 1, "too many"),
    ],
)
def test_everything_else_is_one_error_that_names_the_line_in_under_a_second(
    text: str, line: int, said: str
) -> None:
    started = time.process_time()
    with pytest.raises(RequestError) as raised:
        parse_yaml(text, HERE)
    assert time.process_time() - started < 1
    assert said in raised.value.what
    assert f"line {line}" in str(raised.value), raised.value
    assert "project.yaml" in raised.value.where
    assert raised.value.remedy
    assert len(raised.value.what) < 400


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb: caf\xe9\n", "line 2"),
        ("name: é".encode("utf-16"), "line 1"),
        (b"PK\x03\x04\x00\x00", "U+0003"),
        (b"a: " + b"x" * LONGEST, "longer than 256 kB"),
        (b"", "declares nothing"),
        (b"- a\n", "declares nothing"),
        (b"just text\n", "declares nothing"),
        (b"42\n", "declares nothing"),
    ],
)
def test_files_that_are_no_declaration(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "project.yaml"
    path.write_bytes(content)
    with pytest.raises(RequestError) as raised:
        read_yaml(path, "see docs/project-yaml.md")
    assert said in str(raised.value)
    assert str(path) in raised.value.where


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "project.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: [x]\r\n")
    assert read_yaml(path, "") == {"a": 1, "b": ["x"]}


def test_a_folder_of_that_name_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        read_yaml(tmp_path, "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learner": {"rounds": True}}, "True is no number"),
        ({"learner": {"early_stopping": False}}, "False is no number"),
        ({"quality": {"max_refused": True}}, "True is no number"),
        ({"drift": {"freeze": [{"from": 20241220}]}}, "20241220 is no day"),
    ],
)
def test_a_value_of_another_kind_is_not_taken_for_one(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(NightshiftError) as raised:
        World(tmp_path).declare(**changes)
    assert said in raised.value.what


def test_a_declaration_is_read_through_the_same_door(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.declare()
    path = world.settings.projects / world.name / "project.yaml"
    path.write_text(path.read_text() + "refit: false\nrefit: true\n")
    with pytest.raises(RequestError, match="'refit' stands twice"):
        read_project(path)
