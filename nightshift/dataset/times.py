"""Days and times that a calendar has: DuckDB knows infinite ones, which other readers of the lake take for others."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.errors import DataRefusedError

_EPOCH = date(1970, 1, 1)
_DAYS = ((date.min - _EPOCH).days, (date.max - _EPOCH).days)
_DAY = 86_400_000_000  # microseconds


def refuse_times_out_of_range(rows: pa.RecordBatch, where: str) -> None:
    """Raise DataRefusedError where a column has a day or a time that is infinite, or outside the years 1 to 9999."""
    for field, column in zip(rows.schema, rows.columns, strict=True):
        if pa.types.is_date32(field.type):
            numbers, (first, last) = column.view(pa.int32()), _DAYS
        elif pa.types.is_timestamp(field.type):
            numbers, first, last = column.view(pa.int64()), _DAYS[0] * _DAY, (_DAYS[1] + 1) * _DAY - 1
        else:
            continue
        ends = pc.min_max(numbers).as_py()
        if ends["min"] is not None and (ends["min"] < first or ends["max"] > last):
            raise DataRefusedError(
                f"the column {field.name!r} has a day or a time that is infinite or outside the years 1 to 9999",
                where=where, remedy=f"make it null in the SQL, for example: case when isfinite({field.name}) then "
                f"{field.name} end, or leave the row out",
            )  # fmt: skip
