"""What DuckDB's types become in the lake: numbers that a model can see, and keys with every digit they have."""

from __future__ import annotations

import re

# Anything that is not here has no place in a table of features. Numbers wider than 64 bits are rounded to doubles: a
# model sees 32 bits of them.
_CASTS = {
    "HUGEINT": "DOUBLE",
    "UHUGEINT": "DOUBLE",
    "BIGNUM": "DOUBLE",
    "DECIMAL": "DOUBLE",
    "UTINYINT": "SMALLINT",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "UBIGINT": "BIGINT",
    "ENUM": "VARCHAR",
    "UUID": "VARCHAR",
    "JSON": "VARCHAR",
    "TIMESTAMP": "TIMESTAMPTZ",
    "TIMESTAMP_S": "TIMESTAMPTZ",
    "TIMESTAMP_MS": "TIMESTAMPTZ",
    "TIMESTAMP_NS": "TIMESTAMPTZ",
    "TIMESTAMPTZ_NS": "TIMESTAMPTZ",
    "NULL": "VARCHAR",
}
_KEPT = {
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "DATE", "BLOB",
    "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ",
}  # fmt: skip
# A key is there to be found again: as a double it would lose digits. Numbers of 39 digits fit no decimal.
_KEY_CASTS = {
    "HUGEINT": "DECIMAL(38,0)",
    "UHUGEINT": "VARCHAR",
    "BIGNUM": "VARCHAR",
    "UBIGINT": "DECIMAL(20,0)",
}

_DIGITS_OF_DOUBLE = 15

VALID = ("numbers", "text", "booleans", "dates", "timestamps")


def is_wide(kind: str) -> bool:
    """Whether numbers of DuckDB's type `kind` may have more digits than a double holds.

    >>> [is_wide(kind) for kind in ("HUGEINT", "DECIMAL(20,0)", "DECIMAL(10,2)", "UBIGINT", "BIGINT", "DOUBLE")]
    [True, True, False, False, False, False]
    """
    if kind.startswith("DECIMAL("):
        return int(kind.removeprefix("DECIMAL(").partition(",")[0]) > _DIGITS_OF_DOUBLE
    return kind in ("HUGEINT", "UHUGEINT", "BIGNUM")


def lake_type(kind: str, *, is_key: bool = False) -> str | None:
    """The type that a column of DuckDB's type `kind` is kept as, or None when there is none.

    >>> lake_type("DECIMAL(18,3)"), lake_type("DECIMAL(18,3)", is_key=True), lake_type("INTEGER[]")
    ('DOUBLE', 'DECIMAL(38,3)', None)
    """
    if kind.endswith("]"):
        return None
    base = re.sub(r"\(.*\)$", "", kind, flags=re.DOTALL).strip('"')
    if is_key and base == "DECIMAL":
        # Of one width whatever the file's, so that wider numbers to come are no other type.
        return f"DECIMAL(38,{kind.rstrip(')').rpartition(',')[2]})"
    if is_key and base in _KEY_CASTS:
        return _KEY_CASTS[base]
    return kind if base in _KEPT else _CASTS.get(base)
