"""A file of JSON lines: one object a line, with columns that may come late and values of several types.

pyarrow reads a block at a time, quickly, as long as every column of it is of one type. Where one is not, or where a
number has more digits than a double keeps, the block is read value by value.
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from pyarrow import fs

from nightshift.errors import DataRefusedError
from nightshift.sources.csv_file import require_names_apart
from nightshift.sources.facts import NOTHING, Facts, Kind, type_text
from nightshift.sources.inference import converted, look
from nightshift.sources.json_values import array_of, facts_of, objects
from nightshift.sources.text_file import TextStream, first_wrong_line, unreadable

_BLOCK = 8 << 20
_LONGEST_LINE = 64 << 20
_TIMES = (Kind.DATE, Kind.TIME, Kind.MOMENT)
# A null in the place of an object: pyarrow does not refuse it, the process dies of it.
_NULL_ROW = re.compile(rb"(?:\A|[\n}])\s*null")
# Doubles from here on may have been whole numbers of more digits.
_EXACT = float(2**53)
_MOST = 1e40


def json_facts(filesystem: fs.FileSystem, path: str) -> dict[str, Facts]:
    """What is known of the columns after reading all of the file."""
    facts: dict[str, Facts] = {}
    texts: set[str] = set()
    for line, block in _blocks(filesystem, path):
        table = _table(block, texts)
        if table is None or _may_lose_digits(table):
            found = facts_of(objects(block, line, path))
        else:
            found = {name: _facts(table[name].combine_chunks()) for name in table.column_names}
        for name, one in found.items():
            facts[name] = facts.get(name, NOTHING).joined(one)
    require_names_apart(list(facts), path)
    return facts


def json_rows(filesystem: fs.FileSystem, path: str, schema: pa.Schema) -> Generator[pa.RecordBatch]:
    """The rows of the file in the types of `schema`, which `json_facts` allow."""
    for line, block in _blocks(filesystem, path):
        table = _typed(block, schema)
        if table is None:
            rows = objects(block, line, path)
            table = pa.table(
                [array_of([row.get(one.name) for row in rows], one.type) for one in schema], schema=schema
            )
        yield from table.to_batches()


def _typed(block: bytes, schema: pa.Schema) -> pa.Table | None:
    """The block as pyarrow reads it, or None where that is not what the columns are."""
    nested = [one for one in schema if pa.types.is_nested(one.type)]
    texts = [one for one in schema if _is_text(one.type)]
    explicit = pa.schema([*nested, *(one.with_type(pa.string()) for one in texts)])
    table = _read(block, explicit)
    if table is None:
        return None
    columns = []
    for one in schema:
        values = (
            table[one.name].combine_chunks() if one.name in table.column_names else pa.nulls(table.num_rows)
        )
        try:
            values = (
                converted(values, one.type) if pa.types.is_string(values.type) else _cast(values, one.type)
            )
        except pa.ArrowInvalid:
            return None
        columns.append(values)
    return pa.table(columns, schema=schema)


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return values if values.type == kind else pc.cast(values, kind)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_temporal(kind))


def _table(block: bytes, texts: set[str]) -> pa.Table | None:
    """The block as pyarrow reads it, with texts as they are: it takes those that look like times for times."""
    table = _read(block, pa.schema([(name, pa.string()) for name in texts]))
    if table is None:
        return None
    explicit = pa.schema(
        [one.with_type(_as_text(one.type)) for one in table.schema if one.type != _as_text(one.type)]
    )
    if not explicit:
        return table
    texts.update(one.name for one in explicit if pa.types.is_string(one.type))
    known = [pa.field(name, pa.string()) for name in texts if name not in explicit.names]
    return _read(block, pa.schema([*explicit, *known]))


def _as_text(kind: pa.DataType) -> pa.DataType:
    """The type with texts in place of the times in it."""
    if pa.types.is_temporal(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_as_text(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([one.with_type(_as_text(one.type)) for one in kind])
    return kind


def _read(block: bytes, explicit: pa.Schema) -> pa.Table | None:
    if b"null" in block and _NULL_ROW.search(block):
        return None
    try:
        return pyarrow.json.read_json(
            io.BytesIO(block),
            read_options=pyarrow.json.ReadOptions(block_size=len(block) + 1),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=explicit),
        )
    except pa.ArrowInvalid:
        return None


def _facts(values: pa.Array) -> Facts:
    kind = values.type
    if pa.types.is_floating(kind):
        values = values.filter(pc.invert(pc.is_nan(values)))
    if values.null_count == len(values):
        return NOTHING
    if pa.types.is_string(kind):
        return look(values, kinds=_TIMES)
    if pa.types.is_boolean(kind):
        return Facts(Kind.BOOLEAN)
    if pa.types.is_integer(kind):
        return Facts(Kind.INTEGER)
    if pa.types.is_floating(kind):
        return Facts(Kind.NUMBER, scientific=True, pointed=True)
    return Facts(Kind.NESTED, nested=type_text(kind))


def _may_lose_digits(table: pa.Table) -> bool:
    for column in table.columns:
        if pa.types.is_floating(column.type):
            size = pc.abs(column)
            if pc.any(pc.and_(pc.greater_equal(size, _EXACT), pc.less(size, _MOST))).as_py():
                return True
    return False


def _blocks(filesystem: fs.FileSystem, path: str) -> Iterator[tuple[int, bytes]]:
    """The file in pieces of whole lines, each with the number of its first line."""
    try:
        stream = TextStream(filesystem, path)
        if stream.start(_BLOCK).lstrip().startswith(b"["):
            raise DataRefusedError(
                "the file is one JSON array, not one object a line", where=path,
                remedy="write an object a line, for example: jq -c '.[]' array.json > rows.jsonl",
            )  # fmt: skip
        line, rest = 1, b""
        while found := stream.read(_BLOCK):
            end = found.rfind(b"\n") + 1
            if not end:
                rest += found
                if len(rest) > _LONGEST_LINE:
                    raise unreadable(path, ValueError(f"line {line} is longer than {_LONGEST_LINE >> 20} MB"))
                continue
            block, rest = rest + found[:end], found[end:]
            block.decode()
            yield line, block
            line += block.count(b"\n")
        rest.decode()
        if rest.strip():
            yield line, rest
    except UnicodeDecodeError as error:
        raise first_wrong_line(filesystem, path) or unreadable(path, error) from error
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
