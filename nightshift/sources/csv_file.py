"""A CSV file as blocks of texts: every value as it is written, and null where nothing is."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pyarrow as pa
import pyarrow.csv
from pyarrow import fs

from nightshift.errors import DataRefusedError
from nightshift.sources.facts import NOTHING, Facts
from nightshift.sources.inference import converted, look
from nightshift.sources.text_file import TextStream, first_wrong_line, unreadable

# A few blocks are in memory at once. No line may be longer than the longest.
_BLOCK = 4 << 20
_LONGEST_LINE = 64 << 20
_HEADER = 1 << 20
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def csv_facts(filesystem: fs.FileSystem, path: str) -> dict[str, Facts]:
    """What is known of the columns after reading all of the file."""
    facts: dict[str, Facts] = {}
    with closing(csv_blocks(filesystem, path)) as blocks, ThreadPoolExecutor() as columns:
        for block in blocks:
            was = [facts.get(name, NOTHING) for name in block.schema.names]
            found = columns.map(look, block.columns, [one.kind for one in was])
            for name, old, new in zip(block.schema.names, was, found, strict=True):
                facts[name] = old.joined(new)
    return facts


def csv_rows(filesystem: fs.FileSystem, path: str, schema: pa.Schema) -> Generator[pa.RecordBatch]:
    """The rows of the file in the types of `schema`, which `csv_facts` allow."""
    with closing(csv_blocks(filesystem, path)) as blocks, ThreadPoolExecutor() as columns:
        for block in blocks:
            found = list(columns.map(converted, block.columns, schema.types))
            yield pa.RecordBatch.from_arrays(found, schema=schema)


def csv_blocks(filesystem: fs.FileSystem, path: str) -> Generator[pa.RecordBatch]:
    """The rows of the file, all columns as text; at least one block, so that the columns are known.

    Raises:
        DataRefusedError: the file is no CSV with one header, is not UTF-8, or ends in the middle.
    """
    rows, size = 0, _BLOCK
    while True:
        try:
            for block in _blocks(TextStream(filesystem, path), size, rows):
                rows += block.num_rows
                yield block
            return
        except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
            said = str(error)
            if "straddling" in said and size < _LONGEST_LINE:
                size = _LONGEST_LINE  # from the start again, without the rows that were given
                continue
            if "straddling" in said:
                error = pa.ArrowInvalid(
                    f"a line is longer than {_LONGEST_LINE >> 20} MB, or a quote is never closed"
                )
            if isinstance(error, UnicodeDecodeError) or "UTF8" in said:
                raise first_wrong_line(filesystem, path) or unreadable(path, error) from error
            raise unreadable(path, error) from error


def _blocks(stream: TextStream, size: int, skipped: int) -> Iterator[pa.RecordBatch]:
    """The rows behind the first `skipped`, in blocks of `size` bytes; before them a block without rows."""
    names = _header(stream)
    schema = pa.schema([(name, pa.string()) for name in names])
    yield pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in names], schema=schema)
    if not stream.start(size).strip():
        return
    last = None
    for block in _reader(stream, names, size):
        last = block if block.num_rows else last
        given = min(skipped, block.num_rows)
        skipped -= given
        yield pa.RecordBatch.from_arrays(block.slice(given).columns, schema=schema)
    if stream.quotes % 2 and last is not None and "\n" in (last.columns[-1][-1].as_py() or ""):
        raise DataRefusedError(
            "the file ends within quotes: a quote is opened and never closed", where=stream.path,
            remedy="write the file again, whole; a quote within a value is written twice",
        )  # fmt: skip


def _reader(stream: TextStream, names: list[str], size: int) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=size),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )


def _header(stream: TextStream) -> list[str]:
    """The names in the first line that is not blank; the stream goes on behind it."""
    lines: list[str] = []

    def each() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            lines.append(line)
            yield line

    text = codecs.getincrementaldecoder("utf-8")().decode(stream.start(_HEADER))
    names = next((row for row in csv.reader(each()) if row), None)
    if names is None:
        raise DataRefusedError(
            "the file is empty: it has not even a line of column names", where=stream.path,
            remedy="write it again, or remove it",
        )  # fmt: skip
    stream.skip(len("".join(lines).encode()))
    if len(names) == 1:
        for delimiter, words in _OTHER_DELIMITERS.items():
            if delimiter in names[0]:
                raise DataRefusedError(
                    f"the file has one column, {names[0]!r}: its values are parted by {words}", where=stream.path,
                    remedy="write it with commas between the values",
                )  # fmt: skip
    # pandas writes its index under no name; SQL has no such column, and DuckDB calls one so.
    names = [name if name.strip() else f"column{place}" for place, name in enumerate(names)]
    require_names_apart(names, stream.path)
    return names


def alike(name: str) -> str:
    """What names of one column have in common: SQL knows no case, and blanks at the ends are a matter of writing.

    >>> alike(" Price") == alike("price")
    True
    """
    return name.strip().casefold()


def require_names_apart(names: list[str], path: str) -> None:
    """Raise DataRefusedError when SQL could not tell two columns of a file apart."""
    seen: dict[str, str] = {}
    for name in names:
        if alike(name) in seen:
            raise DataRefusedError(
                f"the file has the column {seen[alike(name)]!r} twice, the second time as {name!r}", where=path,
                remedy="give every column a name of its own; case and blanks at the ends do not count",
            )  # fmt: skip
        seen[alike(name)] = name
