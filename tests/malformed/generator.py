"""All malformed inputs: some written down, some drawn, the same ones for the same seed."""

from __future__ import annotations

from functools import cache
from random import Random

from tests.malformed import declarations, files, options, queries, trainings
from tests.malformed.place import Case

SEED = 20240301


@cache
def all_cases(seed: int = SEED) -> tuple[Case, ...]:
    """Every case, with names that none shares."""
    random = Random(seed)
    found = [
        case for part in (declarations, queries, options, files, trainings) for case in part.cases(random)
    ]
    return tuple({case.name: case for case in found}.values())
