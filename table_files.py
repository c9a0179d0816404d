"""Tables on disk: read part by part, and written part by part.

A CSV file is cut into blocks at line ends. A block without quotes, which is most of them, goes to Arrow's reader: it refuses
a row with too few values, which polars fills up in silence, and takes half the time. Any other block is read by Python's own
reader, strictly.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from math import isfinite
from pathlib import Path
from struct import pack, unpack
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from .engine.knowledge.problems import Place, shown
from .shared import CSV, NDJSON, PARQUET, USAGE, Ended, table_kind

BLOCK = 1 << 23  # bytes of a CSV or NDJSON file that are read at once
ROWS = 50_000  # rows of a Parquet file that are read at once
LONGEST = 1 << 27  # bytes without the end of a row: a quote that is never closed
MOST_COLUMNS = 20_000  # of an NDJSON file, where each row may name others
MOST_CELLS = 10_000_000  # of an NDJSON file, read at once
SOUGHT = ("id", "urgency", "leading")  # columns of a result of which a Parquet file says what each group of rows holds
DICTIONARY = 1 << 23  # bytes of a Parquet column's different texts: which rules fired is long, and often the same
SEPARATORS = (",", ";", "\t")
BROKEN = "\x00broken"  # of the column that says why a line is no row; no header holds a NUL
_EPOCH = date(1970, 1, 1).toordinal()
_MOST_OF_HALF = 65504.0
_BOM = b"\xef\xbb\xbf"
csv.field_size_limit(LONGEST)  # a long value is as good beside a quote as in a block that polars reads


class Unreadable(Exception):
    """A file that is no table, or breaks off being one; what it says begins with the place."""

    def __init__(self, place: Place, message: str, help: str = "") -> None:
        super().__init__(f"{place}: error[unreadable-table]: {message}" + (f"\n      = help: {help}" if help else ""))


class ReaderGone(Ended):
    """Whoever read a pipe that is written has left."""

    exit_code = USAGE


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Faults of the system say which file they are about: a full disk does not by itself."""
    try:
        yield
    except BrokenPipeError as fault:  # of standard output it would be no fault
        raise ReaderGone(f"error: {name}: {fault.strerror}") from fault
    except OSError as fault:
        if fault.filename is None:
            fault.filename = name
        raise


class Source:
    """One table. `parts` gives data frames of texts, or of what a Parquet file holds; a part of an NDJSON file may have
    columns that those before it had not."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.kind = table_kind(path)
        self.size = path.stat().st_size
        self.done = 0  # bytes, or rows of a Parquet file
        self.total = self.size
        self.header: tuple[str, ...] = ()

    def place(self, line: int, column: int = 1) -> Place:
        return Place(self.name, line, column)

    def parts(self, wanted: Callable[[], Collection[str]]) -> Iterator[pl.DataFrame]:
        """The rows in order; of a Parquet file only the columns that are `wanted`, which is asked once `header` is set, and
        of which none bear one name. Raises `Unreadable`."""
        with named(self.name):
            if self.kind == PARQUET:
                yield from self._parquet(wanted)
            else:
                yield from self._csv() if self.kind == CSV else self._ndjson()

    # CSV

    def _csv(self) -> Iterator[pl.DataFrame]:
        with self.path.open("rb") as stream:
            blocks = _Blocks(stream, self)
            separator, rest, line = self._header(next(blocks, b""))
            while True:
                self.done = blocks.done
                if rest:
                    frame = self._block(rest, line, separator)
                    if frame.height:
                        yield frame
                    line += _line_ends(rest)
                following = next(blocks, None)
                if following is None:
                    return
                rest = following

    def separator(self) -> str:
        """That of a CSV file; `header` is set, and no row is read."""
        with named(self.name), self.path.open("rb") as stream:
            return self._header(next(_Blocks(stream, self), b""))[0]

    def _header(self, block: bytes) -> tuple[str, bytes, int]:
        """The separator, what follows the header, and its line number; `header` is set."""
        if not block:
            raise Unreadable(self.place(1), "the file is empty", "a table begins with the names of its columns")
        if block.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise Unreadable(self.place(1), "the file is written in UTF-16", "save it as UTF-8")
        if block.startswith(b"PK\x03\x04"):
            raise Unreadable(self.place(1), "this is a workbook or an archive", "save the sheet as CSV")
        if block.startswith(b"\x1f\x8b"):
            raise Unreadable(self.place(1), "the file is compressed", "unpack it with gunzip")
        block = block.removeprefix(_BOM)
        end = _end_of_row(block)
        head = self._text(block[:end], 1)
        separator = "\t" if self.path.suffix.lower() == ".tsv" else max(SEPARATORS, key=re.sub(r'"[^"]*"', "", head).count)
        rows = self._rows(head, 1, separator)
        if not rows or not any(name.strip() for name in rows[0]):
            raise Unreadable(self.place(1), "the first line names no column", "a table begins with the names of its columns")
        self.header = tuple(rows[0])
        return separator, block[end:], 1 + _line_ends(block[:end])

    def _block(self, block: bytes, line: int, separator: str) -> pl.DataFrame:
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        if not block.endswith(b"\n"):
            block += b"\n"
        width = len(self.header)
        odd = b'"' in block or b"\r" in block or b"\n\n" in block or block.startswith((b"\n", _BOM))
        text = self._text(block, line)
        if odd or width == 1:
            return self._slowly(text, line, separator)
        names = [f"c{n}" for n in range(width)]  # a header may name a column twice, which is told elsewhere
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(block),
                arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
                arrow_csv.ParseOptions(delimiter=separator, quote_char=False, ignore_empty_lines=False),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
                ),
            )
        except pa.ArrowInvalid:
            self._say_where(text, line, separator)
            raise
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
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
        self._check_quotes(text, line, separator)
        return rows

    def _check_quotes(self, text: str, line: int, separator: str) -> None:
        """That no value has a quote without beginning with one: readers disagree on what it is, and on where rows end."""
        value = rf'"(?:[^"]|"")*+"|[^"{separator}\r\n]*+'
        sound = re.compile(rf"(?:(?:{value})(?:[{separator}\r\n]|\Z))*+").match(text)
        if sound is not None and sound.end() < len(text):
            number = _line_ends(text[: sound.end()].encode())
            said = "a quote stands inside a value that does not begin with one"
            raise Unreadable(self.place(line + number), said, "put the value in quotes, and double those inside it")

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
            number = _line_ends(block[: block.index(b"\0")])
            raise Unreadable(self.place(line + number), "there is a NUL byte: this is no text file")
        try:
            return block.decode("utf-8")
        except UnicodeDecodeError as fault:
            number = _line_ends(block[: fault.start])
            raise Unreadable(self.place(line + number), "the text is not UTF-8", "save the table as UTF-8") from fault

    # NDJSON

    def _ndjson(self) -> Iterator[pl.DataFrame]:
        """Numbers are taken as they are written. A line that is no object becomes a row that says so."""
        names: dict[str, None] = {}
        with self.path.open("rb") as stream:
            line = 1
            blocks = _Blocks(stream, self, quotes=False)
            for block in blocks:
                rows = []
                for number, text in enumerate(self._text(block.removeprefix(_BOM), line).split("\n")):
                    if text.strip():
                        rows.append(_json_row(text, line + number))
                        names.update(dict.fromkeys(rows[-1]))
                self.header = tuple(name for name in names if name != BROKEN)
                if len(self.header) > MOST_COLUMNS:
                    said = f"the rows name more than {MOST_COLUMNS:,} columns"
                    raise Unreadable(self.place(line), said, "a table has the same keys in each row")
                if rows and not self.header and BROKEN in names:
                    raise Unreadable(self.place(line), f"no row can be read: {rows[0].get(BROKEN)}")
                line += block.count(b"\n")
                self.done = blocks.done
                at_once = max(1, MOST_CELLS // (len(self.header) + 1))
                for first in range(0, len(rows), at_once):
                    some = rows[first : first + at_once]
                    columns = {name: [row.get(name) for row in some] for name in (*self.header, BROKEN)}
                    yield pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        if not names:
            raise Unreadable(self.place(1), "the file is empty", "a table has one JSON object a line")

    # Parquet

    def _parquet(self, wanted: Callable[[], Collection[str]]) -> Iterator[pl.DataFrame]:
        try:
            file = pq.ParquetFile(self.path, memory_map=True, page_checksum_verification=True)
            self.total = file.metadata.num_rows
            self.header = tuple(file.schema_arrow.names)
            needed = wanted()
            fields = [field for field in file.schema_arrow if field.name in needed]
            for field in fields:
                if not _is_single(field.type):
                    said = f"column {shown(field.name)} holds {field.type}, not texts, numbers, yes-no or dates"
                    raise Unreadable(self.place(1), said, "write one such value a column, or leave the column out")
            names = [field.name for field in fields]
            for batch in file.iter_batches(batch_size=ROWS, columns=names):
                self.done += batch.num_rows
                yield self._from_arrow(batch.select(names))  # a name leads also to one that goes on after a point
            if self.done != self.total:
                raise pa.ArrowInvalid(f"it tells of {self.total:,} rows and holds {self.done:,}")
        except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as fault:
            said = str(fault).split("\n")[0].split(". ")[0]
            raise Unreadable(self.place(1), f"this is no whole Parquet file: {said}") from fault

    def _from_arrow(self, batch: pa.RecordBatch) -> pl.DataFrame:
        batch.validate(full=True)  # polars takes it on trust that a text is UTF-8
        columns: list[pl.Series] = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_timestamp(column.type) and re.fullmatch(r"[+-]\d\d:\d\d", column.type.tz or ""):
                column = column.cast(pa.timestamp(column.type.unit, "UTC"))  # the same moment; polars knows no such zones
            try:
                series = pl.Series(name, column)
            except pl.exceptions.ComputeError as fault:
                said = f"column {shown(name)} holds {column.type}, which cannot be read"
                raise Unreadable(self.place(1), said, "leave the column out") from fault
            if not _has_years(series):
                said = f"column {shown(name)} holds a date that is not of the years 1 to 9999"
                raise Unreadable(self.place(1), said, "write it as a text, or leave the column out")
            columns.append(_in_shortest(series))
        return pl.DataFrame(columns)


class _Blocks:
    """A file in blocks that end with a row."""

    def __init__(self, stream: BinaryIO, source: Source, quotes: bool = True) -> None:
        self.stream, self.source, self.quotes = stream, source, quotes
        self.rest = b""
        self.read = 0  # bytes; counted, for a pipe does not know
        self.lines = 1

    @property
    def done(self) -> int:
        """Bytes that have been handed out."""
        return self.read - len(self.rest)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while True:
            more = self.stream.read(BLOCK)
            self.read += len(more)
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


def _line_ends(block: bytes) -> int:
    """How many lines end in the block, be it with `\\n`, `\\r\\n` or `\\r`."""
    return block.count(b"\n") + (block.count(b"\r") - block.count(b"\r\n") if b"\r" in block else 0)


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


def _has_years(series: pl.Series) -> bool:
    """Whether every date can be written: its year is from 1 to 9999."""
    if not isinstance(series.dtype, (pl.Date, pl.Datetime)):
        return True
    unit = getattr(series.dtype, "time_unit", "d")
    a_day = {"d": 1, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}[unit]
    found = series.to_physical().drop_nulls()
    return bool(found.is_between(_DAYS[0] * a_day, _DAYS[1] * a_day, closed="left").all())


_DAYS = (date(1, 1, 1).toordinal() - _EPOCH, date(9999, 12, 31).toordinal() + 1 - _EPOCH)


def _in_shortest(series: pl.Series) -> pl.Series:
    """Short floats by the shortest text that means them: 3.1, and not 3.0999999046325684."""
    if series.dtype == pl.Float32:
        return series.cast(pl.String).cast(pl.Float64)
    if series.dtype == pl.Float16:
        exact = series.cast(pl.Float64)
        each = exact.drop_nulls().unique()
        return exact.replace_strict(each, [_shortest_half(x) for x in each], default=None, return_dtype=pl.Float64)
    return series


def _shortest_half(number: float) -> float:
    """The number with the fewest digits of which a float of 16 bits is made."""
    if not isfinite(number):
        return number
    texts = (f"{number:.{digits}g}" for digits in range(1, 17))
    return next(float(t) for t in texts if abs(float(t)) <= _MOST_OF_HALF and unpack("e", pack("e", float(t)))[0] == number)


def _is_single(kind: pa.DataType) -> bool:
    """Whether polars holds values of the type, each as one text, number, yes-no or date."""
    if pa.types.is_dictionary(kind):
        return _is_single(kind.value_type)
    types = pa.types
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    numbers = (types.is_integer, types.is_floating, types.is_decimal128)
    dates = (types.is_date, types.is_time, types.is_timestamp)
    return any(is_so(kind) for is_so in (types.is_null, types.is_boolean, *texts, *numbers, *dates))


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
        if not isinstance(row, dict):
            return {BROKEN: f"line {line} is no JSON object"}
        texts = {name: _json_text(value) for name, value in row.items()}
        if "\\u" in text:
            json.dumps(texts, ensure_ascii=False).encode()
    except _Twice:
        return {BROKEN: f"line {line} has a key twice"}
    except UnicodeEncodeError:
        return {BROKEN: f"line {line} has half a character, a surrogate without the other"}
    except (ValueError, RecursionError) as fault:
        said = f": {fault.msg}" if isinstance(fault, json.JSONDecodeError) else ""
        return {BROKEN: f"line {line} is no JSON{said}"}
    if any("\x00" in name for name in texts):
        return {BROKEN: f"line {line} has a NUL in a name"}
    return texts


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False)


# Writing --------------------------------------------------------------------------------------------------------------


class Sink:
    """Writes a table part by part; what is not closed in the end is no table, and need not be."""

    def __init__(self, stream: BinaryIO, kind: str) -> None:
        self.stream, self.kind = stream, kind
        self._parquet: pq.ParquetWriter | None = None
        self._first = True

    def add(self, frame: pl.DataFrame) -> None:
        if self.kind == CSV:
            # Nothing where there is nothing: an empty text would be written as two quotes.
            texts = pl.selectors.by_dtype(pl.String, pl.Enum).cast(pl.String).replace("", None)
            text = frame.with_columns(texts).write_csv(include_header=self._first)
            self.stream.write(text.encode())
        elif self.kind == NDJSON:
            self.stream.write(frame.write_ndjson().encode())
        else:
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            if self._parquet is None:
                # Without our own schema, by which readers would take texts for numbers of texts.
                self._parquet = pq.ParquetWriter(
                    self.stream,
                    table.schema,
                    compression="zstd",
                    store_schema=False,
                    write_statistics=[name for name in SOUGHT if name in table.schema.names],
                    dictionary_pagesize_limit=DICTIONARY,
                )
            self._parquet.write_table(table)
        self._first = False

    def close(self) -> None:
        """The table is whole, and out of our hands: what the disk cannot take is said now."""
        if self._parquet is not None:
            self._parquet.close()
        self.stream.flush()

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        if self._parquet is not None and self._parquet.is_open:
            with contextlib.suppress(Exception):  # whatever went wrong before is what is told
                self._parquet.close()
            self._parquet.is_open = False  # or it would be closed, and complain, once more when it is collected
