"""Tables on disk: read part by part, and written part by part.

A CSV file is cut into blocks at line ends. A block without quotes, which is most of them, goes to polars, once its
separators have been counted: a row with too few would otherwise be filled up in silence. Any other block is read by
Python's own reader, strictly.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from .engine.knowledge.problems import Place, shown

CSV, NDJSON, PARQUET = "csv", "ndjson", "parquet"
SUFFIXES = {".csv": CSV, ".tsv": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON, ".parquet": PARQUET}
BLOCK = 1 << 23  # bytes of a CSV or NDJSON file that are read at once
ROWS = 50_000  # rows of a Parquet file that are read at once
LONGEST = 1 << 27  # bytes without the end of a row: a quote that is never closed
SEPARATORS = (",", ";", "\t")
BROKEN = "\x00broken"  # of the column that says why a line is no row; no header holds a NUL


class Unreadable(Exception):
    """A file that is no table, or breaks off being one; what it says begins with the place."""

    def __init__(self, place: Place, message: str, help: str = "") -> None:
        super().__init__(f"{place}: error[unreadable-table]: {message}" + (f"\n      = help: {help}" if help else ""))


def kind_of(path: Path) -> str:
    """`csv`, `ndjson` or `parquet`, by the suffix; '' for anything else."""
    return SUFFIXES.get(path.suffix.lower(), "")


class Source:
    """One table. `parts` gives data frames of texts, or of what a Parquet file holds; a part of an NDJSON file may have
    columns that those before it had not."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.kind = kind_of(path)
        self.size = path.stat().st_size
        self.done = 0  # bytes, or rows of a Parquet file
        self.total = self.size
        self.header: tuple[str, ...] = ()

    def place(self, line: int, column: int = 1) -> Place:
        return Place(self.name, line, column)

    def parts(self) -> Iterator[pl.DataFrame]:
        """The rows in order. Raises `Unreadable`."""
        readers = {CSV: self._csv, NDJSON: self._ndjson, PARQUET: self._parquet}
        yield from readers[self.kind]()

    # CSV

    def _csv(self) -> Iterator[pl.DataFrame]:
        with self.path.open("rb") as stream:
            blocks = _Blocks(stream, self)
            first = next(blocks, None)
            if first is None:
                raise Unreadable(self.place(1), "the file is empty", "a table begins with the names of its columns")
            separator, rest, line = self._header(first)
            while True:
                if rest:
                    frame = self._block(rest, line, separator)
                    if frame.height:
                        yield frame
                    line += rest.count(b"\n")
                self.done = stream.tell()
                following = next(blocks, None)
                if following is None:
                    return
                rest = following

    def _header(self, block: bytes) -> tuple[str, bytes, int]:
        """The separator, what follows the header, and its line number; `header` is set."""
        if block.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise Unreadable(self.place(1), "the file is written in UTF-16", "save it as UTF-8")
        if block.startswith(b"PK\x03\x04"):
            raise Unreadable(self.place(1), "this is a workbook or an archive", "save the sheet as CSV")
        block = block.removeprefix(b"\xef\xbb\xbf")
        end = _end_of_row(block)
        head = self._text(block[:end], 1)
        separator = "\t" if self.path.suffix.lower() == ".tsv" else max(SEPARATORS, key=head.count)
        rows = self._rows(head, 1, separator)
        if not rows or not any(name.strip() for name in rows[0]):
            raise Unreadable(self.place(1), "the first line names no column", "a table begins with the names of its columns")
        self.header = tuple(rows[0])
        return separator, block[end:], 1 + block[:end].count(b"\n")

    def _block(self, block: bytes, line: int, separator: str) -> pl.DataFrame:
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        if not block.endswith(b"\n"):
            block += b"\n"
        width = len(self.header)
        simple = not (b'"' in block or b"\r" in block or b"\n\n" in block or block.startswith(b"\n")) and width > 1
        text = self._text(block, line)
        if not simple:
            return self._slowly(text, line, separator)
        if block.count(separator.encode()) != block.count(b"\n") * (width - 1):
            self._say_where(text, line, separator)
        names = [f"c{n}" for n in range(width)]  # a header may name a column twice, which is told elsewhere
        try:
            frame = pl.read_csv(
                block,
                has_header=False,
                new_columns=names,
                schema=dict.fromkeys(names, pl.String),
                separator=separator,
                quote_char=None,
                infer_schema=False,
            )
        except pl.exceptions.PolarsError:
            self._say_where(text, line, separator)
            raise
        return _named(frame, self.header)

    def _slowly(self, text: str, line: int, separator: str) -> pl.DataFrame:
        """A block with quotes, or with empty lines, which are no rows."""
        rows = self._rows(text, line, separator)
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self.header)
        series = [pl.Series(f"c{n}", [v or None for v in column], dtype=pl.String) for n, column in enumerate(columns)]
        return _named(pl.DataFrame(series), self.header)

    def _rows(self, text: str, line: int, separator: str) -> list[list[str]]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows: list[list[str]] = []
        before = 0
        try:
            for row in reader:
                if row and self.header and len(row) != len(self.header):
                    self._wrong_width(line + before, len(row))
                before = reader.line_num
                if row:
                    rows.append(row)
        except csv.Error as fault:
            said = str(fault).replace("field larger than field limit", "a value is longer than")
            raise Unreadable(
                self.place(line + before), f"this is no CSV: {said}", "a quote inside a text is doubled"
            ) from fault
        return rows

    def _say_where(self, text: str, line: int, separator: str) -> None:
        for number, row in enumerate(text.split("\n")[:-1]):
            width = row.count(separator) + 1
            if width != len(self.header):
                self._wrong_width(line + number, width)

    def _wrong_width(self, line: int, width: int) -> None:
        said = f"the row has {width} value{'' if width == 1 else 's'} where the header names {len(self.header)} columns"
        raise Unreadable(self.place(line), said, "a value that holds a separator stands in quotes")

    def _text(self, block: bytes, line: int) -> str:
        if b"\0" in block:
            number = block[: block.index(b"\0")].count(b"\n")
            raise Unreadable(self.place(line + number), "there is a NUL byte: this is no text file")
        try:
            return block.decode("utf-8")
        except UnicodeDecodeError as fault:
            number = block[: fault.start].count(b"\n")
            raise Unreadable(self.place(line + number), "the text is not UTF-8", "save the table as UTF-8") from fault

    # NDJSON

    def _ndjson(self) -> Iterator[pl.DataFrame]:
        """Numbers are taken as they are written. A line that is no object becomes a row that says so."""
        names: dict[str, None] = {}
        with self.path.open("rb") as stream:
            line = 1
            for block in _Blocks(stream, self, quotes=False):
                rows = []
                for number, text in enumerate(self._text(block.removeprefix(b"\xef\xbb\xbf"), line).split("\n")):
                    if text.strip():
                        rows.append(_json_row(text, line + number))
                        names.update(dict.fromkeys(rows[-1]))
                line += block.count(b"\n")
                self.done = stream.tell()
                self.header = tuple(name for name in names if name != BROKEN)
                if rows:
                    columns = {name: [row.get(name) for row in rows] for name in (*self.header, BROKEN)}
                    yield pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        if not names:
            raise Unreadable(self.place(1), "the file is empty", "a table has one JSON object a line")

    # Parquet

    def _parquet(self) -> Iterator[pl.DataFrame]:
        try:
            file = pq.ParquetFile(self.path, memory_map=True)
            self.total = file.metadata.num_rows
            self.header = tuple(file.schema_arrow.names)
            for field in file.schema_arrow:
                if pa.types.is_nested(field.type) or pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
                    said = f"column {shown(field.name)} holds {field.type}, not single values"
                    raise Unreadable(self.place(1), said, "write one value a column")
            for batch in file.iter_batches(batch_size=ROWS):
                self.done += batch.num_rows
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame
        except (pa.ArrowException, OSError, EOFError) as fault:
            said = str(fault).split("\n")[0].split(". ")[0]
            raise Unreadable(self.place(1), f"this is no whole Parquet file: {said}") from fault


class _Blocks:
    """A file in blocks that end with a row."""

    def __init__(self, stream: BinaryIO, source: Source, quotes: bool = True) -> None:
        self.stream, self.source, self.quotes = stream, source, quotes
        self.rest = b""
        self.lines = 1

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while True:
            more = self.stream.read(BLOCK)
            block = self.rest + more
            if not more:
                if not block:
                    raise StopIteration
                self.rest = b""
                return block
            end = _last_row(block) if self.quotes else block.rfind(b"\n") + 1
            if end:
                self.rest = block[end:]
                self.lines += block.count(b"\n", 0, end)
                return block[:end]
            if len(block) > LONGEST:
                raise Unreadable(self.source.place(self.lines), "the row never ends", "is a quote left open?")
            self.rest = block


def _last_row(block: bytes) -> int:
    """Where the last whole row of the block ends: at a line end with an even number of quotes before it; 0 for none."""
    end = block.rfind(b"\n") + 1
    if b'"' not in block:
        return end
    odd = block.count(b'"', 0, end) % 2
    while end and odd:
        before = block.rfind(b"\n", 0, end - 1) + 1
        odd = (odd + block.count(b'"', before, end)) % 2
        end = before
    return end


def _end_of_row(block: bytes) -> int:
    """Where the first row of the block ends."""
    end = quotes = 0
    while True:
        start, end = end, block.find(b"\n", end) + 1
        if not end:
            return block.find(b"\r") + 1 or len(block)
        quotes += block.count(b'"', start, end)
        if quotes % 2 == 0:
            alone = re.search(rb"\r(?!\n)", block[:end])
            return alone.end() if alone else end


def _named(frame: pl.DataFrame, header: Sequence[str]) -> pl.DataFrame:
    """The frame under the names of the header; whether these can be told apart is judged where the header is read."""
    return frame.rename(dict(zip(frame.columns, header, strict=True))) if len(set(header)) == len(header) else frame


class _Twice(Exception):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _json_row(text: str, line: int) -> dict[str, str | None]:
    try:
        row = json.loads(text, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_pairs)
    except _Twice:
        return {BROKEN: f"line {line} has a key twice"}
    except (ValueError, RecursionError) as fault:
        said = f": {fault.msg}" if isinstance(fault, json.JSONDecodeError) else ""
        return {BROKEN: f"line {line} is no JSON{said}"}
    if not isinstance(row, dict):
        return {BROKEN: f"line {line} is no JSON object"}
    if any("\x00" in name for name in row):
        return {BROKEN: f"line {line} has a NUL in a name"}
    return {name: _json_text(value) for name, value in row.items()}


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False)


# Writing --------------------------------------------------------------------------------------------------------------


class Sink:
    """Writes a table part by part."""

    def __init__(self, stream: BinaryIO, kind: str) -> None:
        self.stream, self.kind = stream, kind
        self._parquet: pq.ParquetWriter | None = None
        self._first = True

    def add(self, frame: pl.DataFrame) -> None:
        if self.kind == CSV:
            # Nothing where there is nothing: an empty text would be written as two quotes.
            text = frame.with_columns(pl.col(pl.String).replace("", None)).write_csv(include_header=self._first)
            self.stream.write(text.encode())
        elif self.kind == NDJSON:
            self.stream.write(frame.write_ndjson().encode())
        else:
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(self.stream, table.schema, compression="zstd")
            self._parquet.write_table(table)
        self._first = False

    def close(self) -> None:
        if self._parquet is not None:
            self._parquet.close()
