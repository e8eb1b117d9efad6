"""The rows of a Delta table as a dataset that can be filtered.

delta-rs tells pyarrow of each file what its columns lie between. Of a column that a file does not have, since it came
later, it says `column >= null`, by which pyarrow takes every row for one with a value: `IS NOT NULL` lets nulls
through. Here pyarrow is told only what a file's statistics know.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

# A table's statistics have no microseconds.
_CUT_OFF = timedelta(milliseconds=1)


def delta_rows(table: DeltaTable) -> ds.Dataset:
    """The table's rows at its version, unread."""
    whole = table.to_pyarrow_dataset()
    files: list[dict[str, Any]] = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    known = {unquote(file["path"]): file for file in files}
    partitions = set(table.metadata().partition_columns)
    fragments = []
    for one in whole.get_fragments():
        values = ds.get_partition_keys(one.partition_expression)
        told = [_equals(name, values.get(name), whole.schema) for name in partitions]
        told += _between(known.get(unquote(one.path), {}), whole.schema)
        fragments.append(
            whole.format.make_fragment(one.path, filesystem=whole.filesystem, partition_expression=_all(told))
        )
    return ds.FileSystemDataset(fragments, whole.schema, whole.format, whole.filesystem)


def _equals(name: str, value: object, schema: pa.Schema) -> pc.Expression:
    if value is None:
        return pc.field(name).is_null()
    return pc.field(name) == pa.scalar(value, schema.field(name).type)


def _between(file: Mapping[str, Any], schema: pa.Schema) -> list[pc.Expression]:
    """The ends of whole numbers and times: those of texts may be cut off, and no float's ends are about NaN."""
    told = []
    for column in schema:
        least, most = (file.get(f"{end}.{column.name}") for end in ("min", "max"))
        kind = column.type
        is_exact = pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind)
        if not is_exact or least is None or most is None:
            continue
        if pa.types.is_timestamp(kind):
            most += _CUT_OFF
        within = (pc.field(column.name) >= pa.scalar(least, kind)) & (
            pc.field(column.name) <= pa.scalar(most, kind)
        )
        told.append(
            within if file.get(f"null_count.{column.name}") == 0 else within | pc.field(column.name).is_null()
        )
    return told


def _all(told: list[pc.Expression]) -> pc.Expression | None:
    found = None
    for one in told:
        found = one if found is None else found & one
    return found
