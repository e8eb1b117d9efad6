"""What the texts of a column are taken for, alone and joined with others."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import permutations

import pyarrow as pa
import pytest

from nightshift.sources.facts import NOTHING, Facts, Kind
from nightshift.sources.inference import converted, look

TEN = datetime(2024, 1, 1, 10, tzinfo=UTC)
NAIVE = TEN.replace(tzinfo=None)
DAY = date(2024, 1, 1)
READ = {
    "whole numbers": (["1", "-2", "0"], [1, -2, 0], "int64"),
    "blanks around numbers": ([" 1", "2 "], [1, 2], "int64"),
    "the largest of 64 bits": (["9223372036854775807"], [2**63 - 1], "int64"),
    "nothing and numbers": ([None, "1"], [None, 1], "int64"),
    "NA and numbers": (["NA", "nan", "None", "1"], [None, None, None, 1], "int64"),
    "fractions": (["1", "0.5", "-.5", "5."], [1.0, 0.5, -0.5, 5.0], "double"),
    "exponents": (["1e5", "2.5E-3"], [1e5, 2.5e-3], "double"),
    "signs in exponents": (["1e+05", "2"], [1e5, 2.0], "double"),
    "a negative zero": (["-0", "1"], [-0.0, 1.0], "double"),
    "infinities": (["inf", "-Infinity", "1"], [float("inf"), float("-inf"), 1.0], "double"),
    "nan and fractions": (["nan", "0.5"], [None, 0.5], "double"),
    "digits of a double": (["0.1234567890123456", "-0.12345678901234567"],
                           [0.1234567890123456, -0.12345678901234567], "double"),
    "zeros behind": (["1.500000000000000000"], [1.5], "double"),
    "more digits than a double has": (["12345678901234567.25", "0.5"],
                                      [Decimal("12345678901234567.25"), Decimal("0.5")], "decimal128(19, 2)"),
    "whole numbers that a double mixes up": (["9007199254740993.0", "0.5"],
                                             [Decimal("9007199254740993"), Decimal("0.5")], "decimal128(17, 1)"),
    "whole numbers and fractions": (["9007199254740993", "0.5"],
                                    [Decimal("9007199254740993"), Decimal("0.5")], "decimal128(17, 1)"),
    "large and broken numbers": (["12345678901234567890", "0.5"], [Decimal("12345678901234567890"), Decimal("0.5")],
                                 "decimal128(21, 1)"),
    "booleans": (["true", "False", None, "NULL"], [True, False, None, None], "bool"),
    "days": (["2024-01-01", "NaT"], [DAY, None], "date32[day]"),
    "days and times": (["2024-01-01", "2024-01-01T10:00"], [NAIVE.replace(hour=0), NAIVE], "timestamp[us]"),
    "zones": (["2024-01-01T10:00:00Z", "2024-01-01 12:00:00+02:00"], [TEN, TEN], "timestamp[us, tz=UTC]"),
    "nanoseconds that are none": (["2024-01-01 10:00:00.000000000"], [NAIVE], "timestamp[us]"),
    "times of day": (["12:00", "12:30:15"], [time(12), time(12, 30, 15)], "time32[s]"),
    "nothing": ([None, None], [None, None], "null"),
}  # fmt: skip
TEXTS = {
    "leading zeros": ["1", "007"],
    "zeros": ["00"],
    "leading zeros and a fraction": ["007.5"],
    "negative leading zeros": ["-05"],
    "20 digits": ["12345678901234567890", "1"],
    "19 digits beyond 64 bits": ["9999999999999999999"],
    "a plus": ["+1", "+49221"],
    "hexadecimal": ["0x10", "1"],
    "ids with an e among digits": ["12e4", "100"],
    "underscores": ["1_000"],
    "commas": ["1,5"],
    "beyond a double": ["1e400"],
    "numbers and words": ["1", "A1"],
    "NA and words": ["NA", "x"],
    "only NA": ["NA", "NA"],
    "only nan": ["nan", "nan"],
    "true and one": ["true", "1"],
    "yes": ["yes", "no"],
    "no such day": ["2024-02-30"],
    "times with and without a zone": ["2024-01-01T10:00:00Z", "2024-01-01T10:00:00"],
    "nanoseconds": ["2024-01-01 10:00:00.123456789"],
    "days of other countries": ["31.12.2024", "01.01.2025"],
    "blanks": ["  ", "1"],
}


@pytest.mark.parametrize(("texts", "values", "kind"), READ.values(), ids=READ)
def test_what_is_of_a_type_is_read_without_loss(
    texts: list[str | None], values: list[object], kind: str
) -> None:
    given = pa.array(texts, pa.string())
    facts = look(given)
    assert str(facts.arrow_type) == kind
    assert converted(given, facts.arrow_type).to_pylist() == values


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_what_would_change_stays_text(texts: list[str]) -> None:
    given = pa.array(texts)
    kind = look(given).arrow_type
    assert kind == pa.string()
    assert converted(given, kind).to_pylist() == texts


@pytest.mark.parametrize(
    "texts", [*(one for one, _, _ in READ.values()), *TEXTS.values()], ids=[*READ, *TEXTS]
)
def test_it_makes_no_difference_how_the_values_are_cut(texts: list[str | None]) -> None:
    whole = look(pa.array(texts, pa.string()))
    for order in permutations(texts[:3]):
        facts = NOTHING
        for text in [*order, *texts[3:]]:
            facts = facts.joined(look(pa.array([text], pa.string()), facts.kind))
        assert facts.arrow_type == whole.arrow_type


@pytest.mark.parametrize("expected", list(Kind))
def test_what_is_expected_decides_nothing(expected: Kind) -> None:
    for texts in (["1", "2"], ["0.5"], ["2024-01-01"]):
        given = pa.array(texts)
        facts = Facts(expected).joined(look(given, expected))
        assert facts.kind == Facts(expected).joined(look(given)).kind
