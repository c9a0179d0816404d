"""Malformed tables: `crampdx batch` names what is wrong, rejects what it must, and accepts no row that says something else.

`CRAMPDX_EXAMPLES` says how many random tables are damaged.
"""

from __future__ import annotations

import csv
import datetime
import fcntl
import io
import json
import os
import random
import resource
import shlex
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pexpect
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from planted import written
from test_bad_input import KNOWLEDGE, SMALL

from crampdx import populations, table_files, verification
from crampdx.cli import BAD_CASE, DONE, INTERRUPTED, NOTHING, USAGE, main
from crampdx.engine.inference.reasoner import Reasoner
from crampdx.engine.inference.reference import infer
from crampdx.engine.knowledge import yamltext
from crampdx.engine.knowledge.cases import read_findings
from crampdx.engine.knowledge.model import NOWHERE, Knowledge
from crampdx.engine.knowledge.problems import Place, Problems
from crampdx.engine.population.cells import Cells
from crampdx.engine.population.layout import Layout, layout_of
from crampdx.engine.population.tables import text_of

from small_worlds import Chooser, answers_by, dumped, small_knowledge, texts_by

EXAMPLES = int(os.environ.get("CRAMPDX_EXAMPLES", "100"))
LEAST = 200  # malformed tables in a run of these tests
SMALL_BLOCKS = (1, 7, 64)
HEADER = "id,calf_pain,potassium (mmol/L)\n"


@dataclass(frozen=True)
class Ran:
    """What a run of `crampdx batch` came to."""

    code: int
    said: tuple[str, ...]  # lines on standard error
    results: tuple[dict[str, Any], ...] | None  # None where there is no file
    rejects: tuple[dict[str, str], ...]

    @property
    def first(self) -> str:
        return self.said[0]

    @property
    def ids(self) -> list[Any] | None:
        return None if self.results is None else [row["id"] for row in self.results]

    @property
    def reasons(self) -> list[str]:
        return [f"{r['row']}: {r['column']}: {r['reason']}" for r in self.rejects]


def read_back(path: Path) -> tuple[dict[str, Any], ...] | None:
    if not path.exists():
        return None
    if path.suffix == ".parquet":
        return tuple(pl.read_parquet(path).to_dicts())
    if path.suffix == ".ndjson":
        return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    with path.open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream, strict=True))


@cache
def reasoner_of(knowledge_number: int) -> Reasoner:
    return Reasoner(world(knowledge_number))


@contextmanager
def knowing(number: int) -> Iterator[None]:
    """Knowledge and its Experta once for all runs: reading and building them is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(populations, "loaded", lambda _: world(number))
        patch.setattr(verification, "reasoner_for", lambda _: reasoner_of(number))
        yield


OUR_OWN = -1  # number of the knowledge base of `test_bad_input`


@cache
def world(number: int) -> Knowledge:
    """A small knowledge base, the random ones with a pair of findings that cannot hold together."""
    if number == OUR_OWN:
        return KNOWLEDGE
    dice = random.Random(number)
    texts = texts_by(Chooser(lambda _: dice.randrange(5040)))
    pair = {"title": "Never both", "when": {"all": ["ache", "bruise"]}}
    return small_knowledge({**texts, "facts/impossible.yaml": dumped({"ache-and-bruise": pair})})


def batch(file: Path | str, *options: str, output: str = "out.csv", number: int = OUR_OWN) -> Ran:
    """A run in the folder of the file."""
    at = Path(file)
    with knowing(number), pytest.MonkeyPatch.context() as patch:
        patch.chdir(at.parent)
        ran = CliRunner().invoke(main, ["batch", at.name, "--output", output, *options])
        rejects = read_back(Path(f"{output}.rejects.csv")) or ()
        said = tuple(ran.stderr.splitlines())
        assert ran.exit_code in (DONE, USAGE, BAD_CASE, NOTHING), (ran.exit_code, said, ran.exception)
        assert not any("Traceback" in line or "internal error" in line for line in said)
        assert not list(Path().glob(".*.part")), "a half-written file is left behind"
        return Ran(ran.exit_code, said, read_back(Path(output)), rejects)


def saved(folder: Path, name: str, data: str | bytes | Callable[[Path], object]) -> Path:
    path = folder / name
    if callable(data):
        data(path)
    else:
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


# Files that are no table: nothing is written ------------------------------------------------------------------------

ROW = '{"id":"a","calf_pain":"yes"}\n'
TABLE = HEADER + "a,yes,3.1\nb,no,4\n"
NO_ROW = "the row has {} where the header names 3 columns"


def parquet(**columns: Any) -> Callable[[Path], object]:
    return lambda path: pq.write_table(pa.table(columns), path)


def parquet_bytes(**columns: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


IDS = pa.array(["a", "b", "c"])
SOUND_PARQUET = parquet_bytes(id=IDS, calf_pain=["yes", "no", None])
NOT_UTF_8 = pa.Array.from_buffers(pa.string(), 3, [*IDS.buffers()[:2], pa.py_buffer(b"\xff\xfe\xc3")])
WRONG_TYPE = "1:1: error[unreadable-table]: column 'potassium' holds {}, not texts, numbers, yes-no or dates"
NOT_WHOLE = "1:1: error[unreadable-table]: this is no whole Parquet file: "

# Name of the test, the file, what is in it, the first line on standard error (after the name of the file)
DAMAGED: dict[str, tuple[str, Any, str]] = {
    "short-row": ("t.csv", HEADER + "a,yes\n", "2:1: error[unreadable-table]: " + NO_ROW.format("2 values")),
    "long-row": ("t.csv", HEADER + "a,yes,3,4\n", "2:1: error[unreadable-table]: " + NO_ROW.format("4 values")),
    "long-row-all-empty": ("t.csv", HEADER + "a,yes,3\n,,,\n", "3:1: error[unreadable-table]: " + NO_ROW.format("4 values")),
    "trailing-separator": ("t.csv", HEADER + "a,yes,3,\n", "2:1: error[unreadable-table]: " + NO_ROW.format("4 values")),
    "short-then-long": (
        "t.csv",
        HEADER + "a,yes\nb,yes,3,4\n",
        "2:1: error[unreadable-table]: " + NO_ROW.format("2 values"),
    ),
    "long-then-short": (
        "t.csv",
        HEADER + "a,yes,3,4\nb,yes\n",
        "2:1: error[unreadable-table]: " + NO_ROW.format("4 values"),
    ),
    "short-row-with-quotes": (
        "t.csv",
        HEADER + '"a",yes,3\n"b"\n',
        "3:1: error[unreadable-table]: " + NO_ROW.format("1 value"),
    ),
    "total-at-the-end": ("t.csv", TABLE + "total 2\n", "4:1: error[unreadable-table]: " + NO_ROW.format("1 value")),
    "spaces-only": ("t.csv", HEADER + "a,yes,3\n   \n", "3:1: error[unreadable-table]: " + NO_ROW.format("1 value")),
    "control-z-of-dos": ("t.csv", TABLE + "\x1a", "4:1: error[unreadable-table]: " + NO_ROW.format("1 value")),
    "width-changes-half-way": (
        "t.csv",
        HEADER + "a,yes,3\n" * 30 + "a,yes,3,4\n" * 30,
        "32:1: error[unreadable-table]: " + NO_ROW.format("4 values"),
    ),
    "mac-line-ends-long-row": (
        "t.csv",
        TABLE.replace("\n", "\r") + "c,no,4,5\r",
        "4:1: error[unreadable-table]: " + NO_ROW.format("4 values"),
    ),
    "separators-mixed": ("t.csv", HEADER + "a;yes;3\n", "2:1: error[unreadable-table]: " + NO_ROW.format("1 value")),
    "commas-in-a-tsv": (
        "t.tsv",
        HEADER,
        "1:1: error[unknown-column]: 1 column is no finding: 'id,calf_pain,potassium (mmol/L)'",
    ),
    "quote-never-closed": (
        "t.csv",
        HEADER + '"a,yes,3\nb,no,4\n',
        "2:1: error[unreadable-table]: this is no CSV: unexpected end of data",
    ),
    "quote-escaped-by-backslash": (
        "t.csv",
        HEADER + 'a,no,4\n"b \\" c",yes,3\n',
        "3:1: error[unreadable-table]: this is no CSV: ',' expected after '\"'",
    ),
    "text-after-a-quote": (
        "t.csv",
        HEADER + '"a"b,yes,3\n',
        "2:1: error[unreadable-table]: this is no CSV: ',' expected after '\"'",
    ),
    "one-quote-in-a-value": (
        "t.csv",
        HEADER + 'a,no,4\n5" b,yes,3\n',
        "3:1: error[unreadable-table]: a quote stands inside a value that does not begin with one",
    ),
    "two-quotes-in-a-value": (
        "t.csv",
        HEADER + '"a",no,4\nb "x" c,yes,3\n',
        "3:1: error[unreadable-table]: a quote stands inside a value that does not begin with one",
    ),
    "space-before-a-quote": (
        "t.csv",
        HEADER + 'a, "yes",3\n',
        "2:1: error[unreadable-table]: a quote stands inside a value that does not begin with one",
    ),
    "quote-in-the-header": (
        "t.csv",
        'i"d,calf_pain\na,yes\n',
        "1:1: error[unreadable-table]: a quote stands inside a value that does not begin with one",
    ),
    "nul-in-a-row": (
        "t.csv",
        HEADER + "a,no,4\nb,y\0es,3\n",
        "3:1: error[unreadable-table]: there is a NUL byte: this is no text file",
    ),
    "nul-in-the-header": (
        "t.csv",
        "i\0d,calf_pain\na,yes\n",
        "1:1: error[unreadable-table]: there is a NUL byte: this is no text file",
    ),
    "utf-16": ("t.csv", TABLE.encode("utf-16"), "1:1: error[unreadable-table]: the file is written in UTF-16"),
    "utf-16-without-mark": (
        "t.csv",
        TABLE.encode("utf-16-le"),
        "1:1: error[unreadable-table]: there is a NUL byte: this is no text file",
    ),
    "latin-1-in-a-row": (
        "t.csv",
        HEADER.encode() + b"a,no,4\nb\xe4,yes,3\n",
        "3:1: error[unreadable-table]: the text is not UTF-8",
    ),
    "latin-1-in-the-header": ("t.csv", b"id,calf_p\xe4in\na,yes\n", "1:1: error[unreadable-table]: the text is not UTF-8"),
    "character-cut-off": ("t.csv", (TABLE + "café").encode()[:-1], "4:1: error[unreadable-table]: the text is not UTF-8"),
    "surrogate-in-utf-8": (
        "t.csv",
        HEADER.encode() + b"\xed\xa0\x80,yes,3\n",
        "2:1: error[unreadable-table]: the text is not UTF-8",
    ),
    "workbook": ("t.csv", b"PK\x03\x04\x14\0", "1:1: error[unreadable-table]: this is a workbook or an archive"),
    "gzip": ("t.csv", b"\x1f\x8b\x08\0abc", "1:1: error[unreadable-table]: the file is compressed"),
    "png": ("t.csv", b"\x89PNG\r\n\x1a\n", "1:1: error[unreadable-table]: the text is not UTF-8"),
    "parquet-called-csv": (
        "t.csv",
        SOUND_PARQUET,
        "1:1: error[unreadable-table]: there is a NUL byte: this is no text file",
    ),
    "empty": ("t.csv", "", "1:1: error[unreadable-table]: the file is empty"),
    "byte-order-mark-alone": ("t.csv", "\ufeff", "1:1: error[unreadable-table]: the first line names no column"),
    "blank-lines-alone": ("t.csv", "\n\n\n", "1:1: error[unreadable-table]: the first line names no column"),
    "blank-line-first": ("t.csv", "\n" + TABLE, "1:1: error[unreadable-table]: the first line names no column"),
    "header-of-separators": ("t.csv", ",,,\na,b,c,d\n", "1:1: error[unreadable-table]: the first line names no column"),
    "line-for-excel": (
        "t.csv",
        "sep=;\nid;calf_pain\na;yes\n",
        "1:1: error[unknown-column]: 1 column is no finding: 'sep='",
    ),
    "name-twice": (
        "t.csv",
        "id,calf_pain,calf_pain\na,yes,no\n",
        "1:1: error[duplicate-column]: columns 2 and 3 are both called 'calf_pain'",
    ),
    "name-twice-but-for-spaces": (
        "t.csv",
        "id,calf_pain, calf_pain \na,yes,no\n",
        "1:1: error[duplicate-column]: columns 2 and 3 are both called 'calf_pain'",
    ),
    "finding-twice": (
        "t.csv",
        "calf_pain,calf_ache\nyes,no\n",
        "1:1: error[finding-given-twice]: 'calf_pain' is given by two columns, 'calf_pain', 'calf_ache'",
    ),
    "no-name": ("t.csv", ",calf_pain\n0,yes\n", "1:1: error[unnamed-column]: column 1 has no name"),
    "no-finding": ("t.csv", "id\na\n", "1:1: error[no-finding]: no column of the table is a finding"),
    "misspelt": (
        "t.csv",
        "id,calf_pian\na,yes\n",
        "1:1: error[unknown-column]: 1 column is no finding: 'calf_pian' (did you mean 'calf_pain'?)",
    ),
    "wrong-unit-in-the-header": (
        "t.csv",
        "potassium (mg)\n3\n",
        "1:1: error[unknown-unit]: 'potassium' is not measured in 'mg'",
    ),
    "escape-sequence-in-the-header": (
        "t.csv",
        "id,calf_pain,\x1b[31m\na,yes,x\n",
        "1:1: error[unknown-column]: 1 column is no finding: '?[31m'",
    ),
    "values-in-the-header": (
        "t.csv",
        "a,yes,3\nb,no,4\n",
        "1:1: error[unknown-column]: 3 columns are no findings: 'a'; 'yes'; '3'",
    ),
    # NDJSON
    "ndjson-empty": ("t.ndjson", "", "1:1: error[unreadable-table]: the file is empty"),
    "ndjson-blank": ("t.ndjson", "\n \n", "1:1: error[unreadable-table]: the file is empty"),
    "ndjson-nothing-in-it": ("t.ndjson", "{}\n{}\n", "1:1: error[no-finding]: no column of the table is a finding"),
    "ndjson-no-row": (
        "t.ndjson",
        '{"id":\n',
        "1:1: error[unreadable-table]: no row can be read: line 1 is no JSON: Expecting value",
    ),
    "ndjson-over-several-lines": (
        "t.ndjson",
        '{\n "id": "a"\n}\n',
        "1:1: error[unreadable-table]: no row can be read: line 1 is no JSON: Expecting property name enclosed in double quotes",
    ),
    "ndjson-late-misspelling": (
        "t.ndjson",
        ROW + '{"id":"b","calf_pian":"yes"}\n',
        "1:1: error[unknown-column]: 1 column is no finding: 'calf_pian' (did you mean 'calf_pain'?)",
    ),
    "ndjson-latin-1": ("t.ndjson", ROW.encode() + b'{"id":"\xe4"}\n', "2:1: error[unreadable-table]: the text is not UTF-8"),
    "ndjson-utf-16": (
        "t.ndjson",
        ROW.encode("utf-16"),
        "1:1: error[unreadable-table]: there is a NUL byte: this is no text file",
    ),
    "ndjson-empty-key": ("t.ndjson", '{"":1,"calf_pain":"yes"}\n', "1:1: error[unnamed-column]: column 1 has no name"),
    "ndjson-a-key-for-each-row": (
        "t.ndjson",
        "".join(f'{{"k{n}":1}}\n' for n in range(20_001)),
        "1:1: error[unreadable-table]: the rows name more than 20,000 columns",
    ),
    # Parquet
    "parquet-empty": ("t.parquet", b"", NOT_WHOLE + "Parquet file size is 0 bytes"),
    "parquet-of-one-byte": (
        "t.parquet",
        SOUND_PARQUET[:1],
        NOT_WHOLE + "Parquet file size is 1 bytes, smaller than the minimum file footer (8 bytes)",
    ),
    "parquet-cut-in-half": (
        "t.parquet",
        SOUND_PARQUET[: len(SOUND_PARQUET) // 2],
        NOT_WHOLE + "Parquet magic bytes not found in footer",
    ),
    "parquet-without-its-last-byte": (
        "t.parquet",
        SOUND_PARQUET[:-1],
        NOT_WHOLE + "Parquet magic bytes not found in footer",
    ),
    "parquet-of-text": ("t.parquet", TABLE, NOT_WHOLE + "Parquet magic bytes not found in footer"),
    "parquet-not-utf-8": (
        "t.parquet",
        parquet(id=NOT_UTF_8, calf_pain=["yes"] * 3),
        NOT_WHOLE + "In column 0: Invalid: Invalid UTF8 sequence at string index 0",
    ),
    "parquet-lists": ("t.parquet", parquet(potassium=[[3.1], [4.0]]), WRONG_TYPE.format("list<element: double>")),
    "parquet-structs": ("t.parquet", parquet(potassium=[{"a": 3}]), WRONG_TYPE.format("struct<a: int64>")),
    "parquet-binary": ("t.parquet", parquet(potassium=[b"3.1"]), WRONG_TYPE.format("binary")),
    "parquet-binary-of-a-size": (
        "t.parquet",
        parquet(potassium=pa.array([b"3.1"], pa.binary(3))),
        WRONG_TYPE.format("fixed_size_binary[3]"),
    ),
    "parquet-binary-view": (
        "t.parquet",
        parquet(potassium=pa.array([b"3.1"], pa.binary_view())),
        WRONG_TYPE.format("binary_view"),
    ),
    "parquet-durations": ("t.parquet", parquet(potassium=[datetime.timedelta(1)]), WRONG_TYPE.format("duration[us]")),
    "parquet-long-decimals": (
        "t.parquet",
        parquet(potassium=pa.array([Decimal("3.15")], pa.decimal256(50, 2))),
        WRONG_TYPE.format("decimal256(50, 2)"),
    ),
    "parquet-no-columns": ("t.parquet", parquet(), "1:1: error[no-finding]: no column of the table is a finding"),
    "parquet-name-twice": (
        "t.parquet",
        lambda path: pq.write_table(pa.table([IDS, IDS, IDS], names=["id", "id", "calf_pain"]), path),
        "1:1: error[duplicate-column]: columns 1 and 2 are both called 'id'",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_table_is_named_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    file, data, said = DAMAGED[name]
    ran = batch(saved(tmp_path, file, data))
    errors = [line for line in ran.said if ": warning[" not in line]
    assert errors[0] == f"{file}:{said}"
    assert (ran.code, ran.results, ran.rejects) == (BAD_CASE, None, ())


@pytest.mark.parametrize("name", [n for n, (file, _, _) in DAMAGED.items() if file == "t.csv"])
def test_where_a_block_ends_makes_no_difference_to_what_is_said(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, data, _ = DAMAGED[name]
    path = saved(tmp_path, file, data)
    whole = batch(path)
    for size in SMALL_BLOCKS:
        monkeypatch.setattr(table_files, "BLOCK", size)
        cut = batch(path)
        assert (cut.code, cut.first, cut.results) == (BAD_CASE, whole.first, None), size


# Cells, each beside a sound row ----------------------------------------------------------------------------------------

NO_NUMBER = "'potassium': {} is not a number with a unit; {}"
LIKE, DIGITS = "such as '10 mmol/L'", "at most 15 digits before and after the decimal point"
OUT = "'potassium': {} is outside the plausible 1 to 10 mmol/L; check the number and the unit; units: mmol/L, mEq/L"
NO_UNIT = "'potassium' is not measured in {}; units: mmol/L, mEq/L"
NO_EXPONENT, NO_THOUSANDS = (
    "write the number out, without an exponent",
    "write a decimal point, and no separators of thousands",
)

BAD_NUMBERS: dict[str, str] = {
    "1e5": NO_NUMBER.format("'1e5'", NO_EXPONENT),
    "3E0": NO_NUMBER.format("'3E0'", NO_EXPONENT),
    "inf": NO_NUMBER.format("'inf'", LIKE),
    "-Infinity": NO_NUMBER.format("'-Infinity'", LIKE),
    "nan": NO_NUMBER.format("'nan'", LIKE),
    "NaN": NO_NUMBER.format("'NaN'", LIKE),
    "None": NO_NUMBER.format("'None'", LIKE),
    "#DIV/0!": NO_NUMBER.format("'#DIV/0!'", LIKE),
    "1_000": NO_NUMBER.format("'1_000'", LIKE),
    "3,5": NO_NUMBER.format("'3,5'", NO_THOUSANDS),
    "5 000": NO_NUMBER.format("'5 000'", NO_THOUSANDS),
    "0x3": NO_UNIT.format("'x3'"),
    "0b1": NO_UNIT.format("'b1'"),
    "３": NO_NUMBER.format("'３'", LIKE),
    "٣": NO_NUMBER.format("'٣'", LIKE),
    "5.": NO_NUMBER.format("'5.'", LIKE),
    "+5.": NO_NUMBER.format("'+5.'", LIKE),
    ".5": NO_NUMBER.format("'.5'", LIKE),
    "3..1": NO_NUMBER.format("'3..1'", LIKE),
    "3.1.1": NO_NUMBER.format("'3.1.1'", LIKE),
    "3 .1": NO_UNIT.format("'.1'"),
    "--5": NO_NUMBER.format("'--5'", LIKE),
    "−5": NO_NUMBER.format("'−5'", LIKE),
    "=1+1": NO_NUMBER.format("'=1+1'", LIKE),
    "\u200b3": NO_NUMBER.format("'?3'", LIKE),
    "3.14159265358979323": NO_NUMBER.format("'3.14159265358979323'", DIGITS),
    "12345678901234567": NO_NUMBER.format("'12345678901234567'", DIGITS),
    "yes": NO_NUMBER.format("'yes'", LIKE),
    ">": NO_NUMBER.format("'>'", LIKE),
    "5 (1 to": NO_NUMBER.format("'5 (1 to'", LIKE),
    "3-4": NO_NUMBER.format("'3-4'", LIKE),
    "3.1 mg": NO_UNIT.format("'mg'"),
    "5%": NO_UNIT.format("'%'"),
    "3 mmol/L mmol/L": NO_UNIT.format("'mmol/L mmol/L'"),
    "-0": OUT.format("-0 mmol/L"),
    "99": OUT.format("99 mmol/L"),
    "-99": OUT.format("-99 mmol/L"),
    "0.94": OUT.format("0.94 mmol/L"),
    "> 20000": OUT.format("> 20000 mmol/L"),
    "3.1 mEq/L (133 to 146)": "'potassium': the interval in '3.1 mEq/L (133 to 146)' is implausible",
    "3.1 (5 to 4)": "'potassium': the interval in '3.1 mmol/L (5 to 4)' is empty",
}
GOOD_NUMBERS = (
    *("", " ", "unknown", "UNKNOWN", "NULL", "null"),
    *("3.1", " 3.1 ", "3\u00a0", "+5", "03.1", "5.0", "0.95", "10.04", "3.45", "3.449999999999", "3.14159265358979"),
    *("3.1mmol/L", "3.1 MMOL/L", "3.4 mEq/L", "> 3", "<5", "≥5", "<= 3.4", "3 (1 to 5)", "5(3 to 6)", ">3 mEq/L ( 3 to 5 )"),
)
BAD_WORDS = (
    "Y",
    "n",
    "1",
    "0",
    "yes!",
    "ja",
    "x",
    "-",
    "?",
    "3.1",
    "yes;no",
    "ye s",
    "y\u0435s",
    "=1",
    "None",
    "N/A",
    "false.",
)
GOOD_WORDS = ("", " ", "yes", "YES", " Yes ", "no", "No", "true", "TRUE", "False", "unknown", "Unknown", "null")
BAD_CHOICES = ("boy", "m", "1", "fe male", "male,", "male female", "FEMALE!")
GOOD_CHOICES = ("male", "Female", " MALE ", "unknown", "")


def layout_for(header: tuple[str, ...], knowledge: Knowledge) -> Layout | None:
    return layout_of(header, knowledge, problems=Problems(), place=Place("", 1, 1))


def meant(layout: Layout, row: Mapping[str, str], knowledge: Knowledge) -> dict[str, str] | None:
    """What must be concluded about a row, its cells read one by one and reasoned about by the reference; None where it must
    be rejected."""
    said: dict[str, yamltext.Scalar] = {}
    for column in layout.columns:
        cells = Cells(column, knowledge.findings[column.finding])
        text = row.get(column.name, "")
        if cells.of(text).fault:
            return None
        if words := cells.words(text):
            said[column.finding] = yamltext.Scalar(words, NOWHERE)
    problems = Problems()
    findings, _ = read_findings(said, knowledge, problems, NOWHERE)
    if problems.errors:
        return None
    expected = verification.expected(knowledge, infer(knowledge, findings))
    return {name: as_written(value) for name, value in expected.items()}


def as_written(value: Any) -> str:
    return "" if value is None else text_of(value)


def concluded(ran: Ran) -> list[dict[str, str]]:
    assert ran.results is not None
    return [{name: as_written(value) for name, value in row.items() if name not in ("id", "file")} for row in ran.results]


def alone(column: str, text: str) -> str:
    """A table with the cell between sound rows, written as CSV is."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(
        [["id", "calf_pain", column], ["a", "yes", ""], ["b", "no", text], ["c", "", ""]]
    )
    return stream.getvalue()


@pytest.mark.parametrize("text", BAD_NUMBERS)
def test_a_number_that_cannot_be_read_is_rejected_with_its_reason(text: str, tmp_path: Path) -> None:
    ran = batch(saved(tmp_path, "t.csv", alone("potassium (mmol/L)", text)))
    assert (ran.code, ran.ids) == (BAD_CASE, ["a", "c"])
    assert ran.reasons == [f"2: potassium (mmol/L): {BAD_NUMBERS[text]}"]
    assert ran.rejects[0]["value"] == text
    assert ran.first == "3 patients: 2 evaluated, 1 rejected"


@pytest.mark.parametrize(
    ("column", "text"),
    [("potassium", t) for t in GOOD_NUMBERS] + [("pregnant", t) for t in GOOD_WORDS] + [("sex", t) for t in GOOD_CHOICES],
)
def test_a_cell_that_can_be_read_means_what_it_means_in_a_case_file(column: str, text: str, tmp_path: Path) -> None:
    ran = batch(saved(tmp_path, "t.csv", alone(column, text)))
    layout = layout_for(("id", "calf_pain", column), KNOWLEDGE)
    assert layout is not None
    wanted = [
        meant(layout, {"calf_pain": pain, column: cell}, KNOWLEDGE) for pain, cell in (("yes", ""), ("no", text), ("", ""))
    ]
    assert (ran.code, ran.ids, concluded(ran)) == (DONE, ["a", "b", "c"], wanted)


@pytest.mark.parametrize(
    ("column", "text", "code"),
    [("pregnant", t, "wrong-kind") for t in BAD_WORDS] + [("sex", t, "unknown-choice") for t in BAD_CHOICES],
)
def test_a_word_that_cannot_be_read_is_rejected_or_unknown_or_stops(
    column: str, text: str, code: str, tmp_path: Path
) -> None:
    path = saved(tmp_path, "t.csv", alone(column, text))
    ran = batch(path)
    assert (ran.code, ran.ids, [r["code"] for r in ran.rejects]) == (BAD_CASE, ["a", "c"], [code])
    assert (ran.rejects[0]["row"], ran.rejects[0]["id"], ran.rejects[0]["value"]) == ("2", "b", text)
    unknown = batch(path, "--bad-value", "unknown")
    assert unknown.results is not None
    assert (unknown.code, unknown.ids, [r["taken_as"] for r in unknown.rejects]) == (DONE, ["a", "b", "c"], ["unknown"])
    assert [row["taken_as_unknown"] for row in unknown.results] == ["", column, ""]
    stopped = batch(path, "--bad-value", "stop", output="stopped.csv")
    assert (stopped.code, stopped.results) == (BAD_CASE, None)
    assert stopped.first == f"t.csv: row 2: {column}: {ran.rejects[0]['reason']}"


def test_answers_that_cannot_hold_together_reject_their_row(tmp_path: Path) -> None:
    header = "id,sex,pregnant,childbirth,left_calf (cm),right_calf (cm),calf_difference (cm)\n"
    rows = "a,male,yes,,,,\nb,male,,yes,,,\nc,female,yes,yes,,,\nd,,,,30,33.5,3.5\ne,,,,30,33.5,2\nf,,,,80,10,\ng,male,no,no,80,80,0\n"
    ran = batch(saved(tmp_path, "t.csv", header + rows))
    assert (ran.code, ran.ids) == (BAD_CASE, ["c", "d", "g"])
    assert [(r["id"], r["column"], r["value"], r["code"]) for r in ran.rejects] == sorted(
        (
            ("a", "", "sex, pregnant", "impossible"),
            ("b", "", "sex, childbirth", "impossible"),
            ("e", "", "calf_difference, left_calf, right_calf", "contradiction"),
            ("f", "", "left_calf, right_calf", "implausible"),
        )
    )


MAP = "id: who\nunknown: ['-99', NA]\nyes: ['1']\nno: ['0']\ncolumns:\n  K: potassium (mmol/L)\n  pain: calf_pain\n  S:\n    is: sex\n    values: {1: male, 2: female}\n"
CODED = [("a", 1, -99, 1), ("b", 0, 3, 2), ("c", -99, 4, -99), ("d", 2, 4, 1), ("e", 1, -98, 2), ("f", 0, 4, 3)]


@pytest.mark.parametrize("kind", ["text", "int", "float", "category", "ndjson", "csv", "csv-with-spaces"])
def test_codes_of_the_map_mean_the_same_in_columns_of_every_type(kind: str, tmp_path: Path) -> None:
    saved(tmp_path, "m.yaml", MAP)
    who, *columns = (list(column) for column in zip(*CODED, strict=True))
    if kind == "ndjson":
        rows = [dict(zip(("who", "pain", "K", "S"), row, strict=True)) for row in CODED]
        path = saved(tmp_path, "t.ndjson", "".join(json.dumps(row) + "\n" for row in rows))
    elif kind.startswith("csv"):
        comma = " , " if kind == "csv-with-spaces" else ","
        path = saved(
            tmp_path,
            "t.csv",
            "".join(comma.join(map(str, row)).replace("a ", "a") + "\n" for row in (("who", "pain", "K", "S"), *CODED)),
        )
    else:
        types = {"int": pa.int16(), "float": pa.float64()}
        arrays = [pa.array(c, types[kind]) if kind in types else pa.array(list(map(str, c))) for c in columns]
        arrays = [array.dictionary_encode() if kind == "category" else array for array in arrays]
        path = saved(tmp_path, "t.parquet", parquet(who=who, **dict(zip(("pain", "K", "S"), arrays, strict=True))))
    ran = batch(path, "--map", "m.yaml")
    assert [str(id).strip() for id in ran.ids or ()] == ["a", "b", "c"]
    assert [(r["row"], r["column"].strip(), r["code"]) for r in sorted(ran.rejects, key=lambda r: r["row"])] == [
        ("4", "pain", "wrong-kind"),
        ("5", "K", "implausible"),
        ("6", "S", "unknown-choice"),
    ]
    assert [row["red_flags"] for row in ran.results or ()] == ["", "low-potassium", ""]


# Sound tables, oddly written -------------------------------------------------------------------------------------------

ODD: dict[str, tuple[str, Any]] = {
    "semicolons": ("t.csv", TABLE.replace(",", ";")),
    "tabs": ("t.csv", TABLE.replace(",", "\t")),
    "tsv": ("t.tsv", TABLE.replace(",", "\t")),
    "byte-order-mark": ("t.csv", "\ufeff" + TABLE),
    "byte-order-mark-and-quotes": ("t.csv", "\ufeff" + TABLE.replace("id", '"id"')),
    "windows-line-ends": ("t.csv", TABLE.replace("\n", "\r\n")),
    "mac-line-ends": ("t.csv", TABLE.replace("\n", "\r")),
    "line-ends-mixed": ("t.csv", HEADER + "a,yes,3.1\r\nb,no,4\r"),
    "blank-lines": ("t.csv", HEADER + "\n\na,yes,3.1\n\nb,no,4\n\n\n"),
    "blank-lines-of-windows": ("t.csv", (HEADER + "\n\na,yes,3.1\n\nb,no,4\n\n\n").replace("\n", "\r\n")),
    "no-last-line-end": ("t.csv", TABLE.rstrip("\n")),
    "all-in-quotes": ("t.csv", "".join(",".join(f'"{v}"' for v in line.split(",")) + "\n" for line in TABLE.splitlines())),
    "names-in-spaces": ("t.csv", TABLE.replace("calf_pain", "  calf_pain ")),
    "values-in-spaces": ("t.csv", TABLE.replace("yes", " yes ").replace("3.1", " 3.1 ")),
    "former-name": ("t.csv", TABLE.replace("calf_pain", "calf_ache")),
    "ndjson": ("t.ndjson", '{"id":"a","calf_pain":"yes","potassium":3.1}\n{"id":"b","calf_pain":"no","potassium":4}\n'),
    "ndjson-mark-and-windows": (
        "t.jsonl",
        '\ufeff{"id":"a","calf_pain":true,"potassium":"3.1"}\r\n\r\n{"id":"b","calf_pain":false,"potassium":4.0}',
    ),
    "ndjson-keys-in-any-order": (
        "t.ndjson",
        '{"potassium":3.1,"id":"a","calf_pain":"yes"}\n{"calf_pain":"no","id":"b","potassium":4}\n',
    ),
    "parquet": ("t.parquet", parquet(id=["a", "b"], calf_pain=[True, False], potassium=[3.1, 4.0])),
    "parquet-float32": (
        "t.parquet",
        parquet(id=["a", "b"], calf_pain=["yes", "no"], potassium=pa.array([3.1, 4], pa.float32())),
    ),
    "parquet-decimals": (
        "t.parquet",
        parquet(id=["a", "b"], calf_pain=["yes", "no"], potassium=[Decimal("3.10"), Decimal("4.00")]),
    ),
    "parquet-noise": (
        "t.parquet",
        parquet(id=["a", "b"], calf_pain=["yes", "no"], potassium=[3.0000000000000004 + 0.1, 4.000000000000001]),
    ),
    "parquet-large-texts": (
        "t.parquet",
        parquet(id=["a", "b"], calf_pain=pa.array(["yes", "no"], pa.large_string()), potassium=["3.1", "4"]),
    ),
    "parquet-text-views": (
        "t.parquet",
        parquet(id=["a", "b"], calf_pain=pa.array(["yes", "no"], pa.string_view()), potassium=["3.1", "4"]),
    ),
    "parquet-categories": (
        "t.parquet",
        parquet(
            id=["a", "b"],
            calf_pain=pa.array(["yes", "no"]).dictionary_encode(),
            potassium=pa.array([3.1, 4]).dictionary_encode(),
        ),
    ),
}


@pytest.mark.parametrize("output", ["out.csv", "out.ndjson", "out.parquet"])
@pytest.mark.parametrize("name", ODD)
def test_a_table_oddly_written_says_the_same(name: str, output: str, tmp_path: Path) -> None:
    file, data = ODD[name]
    ran = batch(saved(tmp_path, file, data), output=output)
    assert (ran.code, ran.ids) == (DONE, ["a", "b"]), ran.said
    layout = layout_for(("calf_pain", "potassium"), KNOWLEDGE)
    assert layout is not None
    rows = ({"calf_pain": "yes", "potassium": "3.1"}, {"calf_pain": "no", "potassium": "4"})
    assert concluded(ran) == [meant(layout, row, KNOWLEDGE) for row in rows]


# Name of the test, the type of a Parquet column of potassium, and the reading: red flag, none, or `rejected`
TYPED: dict[str, tuple[Any, list[str]]] = {
    "float-ties": (pa.array([3.45, 3.35, 3.449999999999999]), ["", "low-potassium", "low-potassium"]),
    "float32-ties": (pa.array([3.45, 3.35, 3.4499], pa.float32()), ["", "low-potassium", "low-potassium"]),
    "nan-is-missing": (pa.array([float("nan"), 3, None]), ["", "low-potassium", ""]),
    "float16-ties": (pa.array(np.array([3.45, 3.35, np.inf], np.float16)), ["", "low-potassium", "rejected"]),
    "too-fine": (
        pa.array([Decimal("3.100000000000000000001"), Decimal("2.9"), None], pa.decimal128(38, 30)),
        ["rejected", "low-potassium", ""],
    ),
    "infinite": (pa.array([float("inf"), 3, float("-inf")]), ["rejected", "low-potassium", "rejected"]),
    "far-too-large": (pa.array([1e300, -1e300, 5e-324]), ["rejected"] * 3),
    "nulls-only": (pa.nulls(3), [""] * 3),
    "whole-numbers": (pa.array([3, 4, None]), ["low-potassium", "", ""]),
    "unsigned": (pa.array([3, 2**64 - 1, None], pa.uint64()), ["low-potassium", "rejected", ""]),
    "booleans": (pa.array([True, False, None]), ["rejected", "rejected", ""]),
    "dates": (pa.array([datetime.date(2026, 1, 1), None, None]), ["rejected", "", ""]),
    "moments": (pa.array([datetime.datetime(2026, 1, 1), None, None]), ["rejected", "", ""]),
    "times": (pa.array([datetime.time(3), None, None]), ["rejected", "", ""]),
    "texts": (pa.array(["", " 3.1 ", "> 4"]), ["", "low-potassium", ""]),
    "texts-half-numbers": (pa.array(["5.", ".5", "1e0"]), ["rejected"] * 3),
}


@pytest.mark.parametrize("name", TYPED)
def test_a_column_of_any_type_is_read_or_rejected(name: str, tmp_path: Path) -> None:
    column, wanted = TYPED[name]
    ran = batch(saved(tmp_path, "t.parquet", parquet(id=IDS, potassium=column)))
    found = {row["id"]: row["red_flags"] for row in ran.results or ()} | {r["id"]: "rejected" for r in ran.rejects}
    assert [found[id] for id in "abc"] == wanted
    assert ran.code == (BAD_CASE if "rejected" in wanted else DONE)


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pa.array([1, 0, None]), ["1", "0", ""]),
        (pa.array([1.0, 0.0, float("nan")]), ["1", "0", ""]),
        (pa.array([b"yes", b"no", None], pa.binary()).cast(pa.string()).dictionary_encode(), [None, None, None]),
        (pa.array([True, False, None]), [None, None, None]),
    ],
)
def test_numbers_are_yes_and_no_by_a_map_only(column: Any, wanted: list[str | None], tmp_path: Path) -> None:
    ran = batch(saved(tmp_path, "t.parquet", parquet(id=IDS, calf_pain=column)))
    assert [r["value"] for r in ran.rejects] == [text for text in wanted if text]
    assert len(ran.results or ()) + len(ran.rejects) == 3


FAR_DATES: dict[str, Any] = {
    "days": pa.array([1, 2932897, None], pa.int32()).cast(pa.date32()),
    "early-days": pa.array([-719163, None, 0], pa.int32()).cast(pa.date32()),
    "moments": pa.array([2**62, 0, None], pa.int64()).cast(pa.timestamp("us")),
}


@pytest.mark.parametrize("kind", FAR_DATES)
def test_dates_without_a_year_are_told_and_left_out_where_they_are_ignored(kind: str, tmp_path: Path) -> None:
    """What no calendar of Python holds; and of a column that is left out nothing is read."""
    path = saved(tmp_path, "t.parquet", parquet(id=IDS, calf_pain=["yes", "no", "x"], died=FAR_DATES[kind]))
    ran = batch(path, "--ignore", "died", "--verify", "3")
    assert (ran.ids, len(ran.rejects)) == (["a", "b"], 1)
    for role in ("--id", "--label"):
        ran = batch(path, role, "died", *(["--ignore", "id"] if role == "--id" else []), output="other.csv")
        assert (ran.code, ran.results) == (BAD_CASE, None)
        assert ran.first == (
            "t.parquet:1:1: error[unreadable-table]: column 'died' holds a date that is not of the years 1 to 9999"
        )


def test_dates_may_be_ids_in_any_zone(tmp_path: Path) -> None:
    """The last and the first day that there is, and an offset, which polars does not know as a zone."""
    days = pa.array([-719162, 2932896, 0], pa.int32()).cast(pa.date32())
    ran = batch(saved(tmp_path, "t.parquet", parquet(id=days, calf_pain=["yes"] * 3)), "--verify", "3")
    assert ran.ids == ["0001-01-01", "9999-12-31", "1970-01-01"]
    offset = pa.array([0, 1, None], pa.int64()).cast(pa.timestamp("s", "+05:30"))
    ran = batch(saved(tmp_path, "u.parquet", parquet(id=offset, calf_pain=["yes"] * 3)), "--verify", "3")
    assert ran.ids is not None and ran.ids[0].startswith("1970-01-01 00:00:00"), ran
    nowhere = pa.array([0, 1, None], pa.int64()).cast(pa.timestamp("s", "Foo/Bar"))
    ran = batch(saved(tmp_path, "v.parquet", parquet(id=nowhere, calf_pain=["yes"] * 3)))
    assert ran.first == (
        "v.parquet:1:1: error[unreadable-table]: column 'id' holds timestamp[ms, tz=Foo/Bar], which cannot be read"
    )


def test_a_column_may_have_the_name_of_a_part_of_another(tmp_path: Path) -> None:
    """A point in the name of a Parquet column also leads to a part of a column."""
    ran = batch(
        saved(tmp_path, "t.parquet", parquet(id=IDS, calf_pain=["yes"] * 3, **{"calf_pain.x": ["?"] * 3, "id.y": IDS})),
        *("--ignore", "calf_pain.x", "--ignore", "id.y"),
    )
    assert (ran.code, ran.ids) == (DONE, ["a", "b", "c"])
    path = saved(tmp_path, "u.parquet", parquet(calf_pain=["yes"] * 3, **{"id.y": IDS, "id": ["?"] * 3}))
    assert batch(path, "--id", "id.y", "--ignore", "id").ids == ["a", "b", "c"]


@pytest.mark.parametrize(("early", "late"), [("ID", "id"), ("", "id")])
def test_what_is_the_id_does_not_change_in_the_middle(
    early: str, late: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first rows tell: an id that comes later would make others nameless."""
    monkeypatch.setattr(table_files, "BLOCK", 64)
    first = {early: "m"} if early else {}
    rows = [{**first, "calf_pain": "yes"} for _ in range(20)] + [{**first, late: "x", "calf_pain": "no"}]
    ran = batch(saved(tmp_path, "t.ndjson", "".join(json.dumps(row) + "\n" for row in rows)))
    if early:
        assert ran.ids == ["m"] * 21
    else:
        assert (ran.code, ran.results) == (BAD_CASE, None)
        assert "error[late-column]: 'id' first appears after rows that went without it" in ran.first


def test_a_separator_inside_quotes_is_none(tmp_path: Path) -> None:
    text = 'id;calf_pain;"note, with, commas"\na;yes;\n'
    assert batch(saved(tmp_path, "t.csv", text), "--ignore", "note, with, commas").ids == ["a"]


IDENTITIES = ("a,b", "c\nd", 'e "f"', "\x1b[31m", "😀", "g\rh", " i ", "", "=1+1", "\u202ej", "null", "1e5", "007")


@pytest.mark.parametrize("output", ["out.csv", "out.ndjson", "out.parquet"])
def test_ids_are_handed_back_as_they_are(output: str, tmp_path: Path) -> None:
    rows = [{"id": id, "calf_pain": "yes"} for id in (*IDENTITIES, None, "007")]
    ran = batch(saved(tmp_path, "t.ndjson", "".join(json.dumps(row) + "\n" for row in rows)), output=output)
    wanted = [id or "" for id in (*IDENTITIES, None, "007")]
    assert (ran.code, [id or "" for id in ran.ids or ()]) == (DONE, wanted)
    bad = batch(
        saved(tmp_path, "t.ndjson", "".join(json.dumps({**row, "calf_pain": "x"}) + "\n" for row in rows)), output=output
    )
    assert [r["id"] for r in bad.rejects] == wanted


def test_ids_that_are_numbers_keep_their_digits(tmp_path: Path) -> None:
    ids = [1.0, 1.5, 1234567890123456.0, float("nan"), None]
    ran = batch(saved(tmp_path, "t.parquet", parquet(id=ids, calf_pain=["yes"] * 5)))
    assert ran.ids == ["1", "1.5", "1234567890123456", "", ""]


BROKEN_ROWS: dict[str, tuple[str, str]] = {
    "cut-off": ('{"id":"b","calf_pa', "is no JSON: Unterminated string starting at"),
    "no-json": ("hello", "is no JSON: Expecting value"),
    "two-objects": ("{} {}", "is no JSON: Extra data"),
    "array": ('["b","yes"]', "is no JSON object"),
    "number": ("3", "is no JSON object"),
    "null": ("null", "is no JSON object"),
    "key-twice": ('{"id":"b","calf_pain":"yes","calf_pain":"no"}', "has a key twice"),
    "key-twice-inside": ('{"id":{"x":1,"x":2}}', "has a key twice"),
    "half-a-character": ('{"id":"\\ud800","calf_pain":"yes"}', "has half a character, a surrogate without the other"),
    "half-a-character-in-a-key": ('{"\\udfff":"b"}', "has half a character, a surrogate without the other"),
    "half-a-character-inside": ('{"id":["\\ud800"]}', "has half a character, a surrogate without the other"),
    "nul-in-a-key": ('{"\\u0000broken":"b"}', "has a NUL in a name"),
    "far-too-deep": ('{"id":' + "[" * 100_000 + "]" * 100_000 + "}", "is no JSON"),
}


@pytest.mark.parametrize("size", [table_files.BLOCK, 64])
@pytest.mark.parametrize("name", BROKEN_ROWS)
def test_a_line_that_is_no_object_is_rejected_and_the_others_are_read(
    name: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, said = BROKEN_ROWS[name]
    monkeypatch.setattr(table_files, "BLOCK", size)
    ran = batch(saved(tmp_path, "t.ndjson", f"{ROW}{ROW}\n{ROW}{line}\n{ROW}"))
    assert (ran.code, ran.ids) == (BAD_CASE, ["a"] * 4)
    assert [(r["row"], r["code"], r["reason"]) for r in ran.rejects] == [("4", "not-a-row", f"line 5 {said}")]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("[1]", "wrong-kind"),
        ('{"a":{}}', "wrong-kind"),
        ("1e400", "wrong-kind"),
        ("NaN", "wrong-kind"),
        ("[" * 300 + "]" * 300, "wrong-kind"),
        ('"\\ud83d\\ude00"', "wrong-kind"),
        ('"a\\u0000b"', "wrong-kind"),
    ],
)
def test_a_value_of_json_that_is_no_answer_is_rejected(value: str, code: str, tmp_path: Path) -> None:
    ran = batch(saved(tmp_path, "t.ndjson", ROW + f'{{"id":"b","calf_pain":{value}}}\n'))
    assert (ran.ids, [(r["id"], r["code"]) for r in ran.rejects]) == (["a"], [("b", code)])


def test_a_parquet_file_of_results_holds_plain_texts(tmp_path: Path) -> None:
    """Whatever they are inside: no reader takes them for categories, of which it may have other ideas."""
    batch(saved(tmp_path, "t.csv", TABLE), output="out.parquet")
    types = pq.read_schema(tmp_path / "out.parquet")
    assert {str(types.field(name).type) for name in ("id", "urgency", "leading", *KNOWLEDGE.diagnoses)} == {"string"}


def test_a_key_may_appear_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ['{"calf_pain":"yes","id":"a"}', '{"id":"b","potassium":3}', "{}", '{"id":"d","potassium":99}']
    path = saved(tmp_path, "t.ndjson", "\n".join(lines))
    for size in (table_files.BLOCK, 1):
        monkeypatch.setattr(table_files, "BLOCK", size)
        ran = batch(path)
        assert ([id or "" for id in ran.ids or ()], [r["id"] for r in ran.rejects]) == (["a", "b", ""], ["d"]), size


def test_long_and_wide_tables_are_read(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    for cell in (long, f'"{long}"', f'"{long[:-2]}\n,"'):
        ran = batch(saved(tmp_path, "t.csv", f"{HEADER}{cell},yes,3\n"))
        assert (ran.code, [len(id) for id in ran.ids or ()]) == (DONE, [1_000_000])
    ran = batch(saved(tmp_path, "t.csv", f"{HEADER}a,{long},{'3' * 1_000_000}\n"), output="bad.csv")
    assert (ran.code, ran.ids, [len(r["value"]) for r in ran.rejects]) == (BAD_CASE, [], [1_000_000] * 2)
    names = ",".join(f"c{n}" for n in range(10_000))
    wide = saved(tmp_path, "wide.csv", f"calf_pain,{names}\nyes{',' * 10_000}\n")
    assert batch(wide, output="no.csv").first.startswith(
        "wide.csv:1:1: error[unknown-column]: 10000 columns are no findings: 'c0'; "
    )
    assert batch(wide, "--ignore-others").ids == ["1"]


def test_a_single_column_and_its_blank_lines(tmp_path: Path) -> None:
    ran = batch(saved(tmp_path, "t.csv", 'calf_pain\nyes\n\n""\nno\n'))
    assert (ran.code, ran.ids, [row["clot"] for row in ran.results or ()]) == (
        DONE,
        ["1", "2", "3"],
        ["undecided", "not assessed", "not assessed"],
    )


@pytest.mark.parametrize("output", ["out.csv", "out.ndjson", "out.parquet"])
@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("t.csv", HEADER),
        ("t.csv", HEADER.strip()),
        ("t.csv", HEADER + "\n\n"),
        ("t.parquet", parquet(id=pa.array([], pa.string()), calf_pain=pa.array([], pa.bool_()))),
    ],
)
def test_a_table_without_rows_has_results_without_rows(file: str, data: Any, output: str, tmp_path: Path) -> None:
    ran = batch(saved(tmp_path, file, data), output=output)
    assert (ran.code, ran.first, ran.results) == (NOTHING, "0 patients: 0 evaluated, 0 rejected", ())
    if output != "out.ndjson":
        names = list(verification.expected(KNOWLEDGE, infer(KNOWLEDGE, {})))
        read = pl.read_csv if output == "out.csv" else pl.read_parquet
        assert sorted(read(tmp_path / output).columns) == sorted(["id", *names])


# Blocks ----------------------------------------------------------------------------------------------------------------


def test_quotes_across_the_borders_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(20261123)
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\r\n")
    rows.writerow(["id", "calf_pain", "potassium"])
    for number in range(60):
        id = "".join(dice.choice('ab",\n é😀') for _ in range(dice.randrange(6)))
        rows.writerow([f"{number}{id}", dice.choice(["yes", "no", "", "x"]), dice.choice(["3", "4", "> 3", "99"])])
    path = saved(tmp_path, "t.csv", stream.getvalue())
    whole = batch(path)
    assert whole.results is not None and whole.rejects
    assert len(whole.results) + len({r["row"] for r in whole.rejects}) == 60
    for size in (1, 7, 33, 250):
        monkeypatch.setattr(table_files, "BLOCK", size)
        cut = batch(path)
        assert (cut.results, cut.rejects, cut.first) == (whole.results, whole.rejects, whole.first), size


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_quote_that_is_never_closed_ends_at_the_limit(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "BLOCK", 64)
    monkeypatch.setattr(table_files, "LONGEST", 1000)
    ran = batch(saved(tmp_path, "t.csv", TABLE + '"c' + f"xyz{end}" * 1000))
    assert (ran.code, ran.first, ran.results) == (BAD_CASE, "t.csv:4:1: error[unreadable-table]: the row never ends", None)


def test_a_short_and_a_long_row_far_apart_in_a_large_block(tmp_path: Path) -> None:
    for one, other in (("b,yes", "c,yes,3,4"), ("c,yes,3,4", "b,yes")):
        lines = ["a,yes,3"] * 200_000
        lines[70_000], lines[150_000] = one, other
        ran = batch(saved(tmp_path, "t.csv", HEADER + "\n".join(lines)))
        width = one.count(",") + 1
        assert ran.first == f"t.csv:70002:1: error[unreadable-table]: {NO_ROW.format(f'{width} values')}"
        assert ran.results is None


def test_a_mark_that_begins_a_block_is_a_character_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, "t.csv", HEADER + "\ufeffa,yes,3\n\ufeffb,no,4\n")
    for size in (table_files.BLOCK, 1):
        monkeypatch.setattr(table_files, "BLOCK", size)
        assert batch(path).ids == ["\ufeffa", "\ufeffb"]


# Damaged Parquet files -------------------------------------------------------------------------------------------------


def test_a_damaged_parquet_file_gives_all_its_rows_or_an_error(tmp_path: Path) -> None:
    dice = random.Random(20261123)
    for number in range(LEAST // 4):
        data = damaged(SOUND_PARQUET, dice, 1 + number % 3)
        ran = batch(saved(tmp_path, "t.parquet", data))
        if ran.results is not None:
            assert len(ran.results) + len({r["row"] for r in ran.rejects}) == 3, number
            (tmp_path / "out.csv").unlink()
        else:
            assert ran.code == BAD_CASE and "t.parquet:1:1: error[" in ran.first, number
        (tmp_path / "out.csv.rejects.csv").unlink(missing_ok=True)


def test_checksums_of_a_parquet_file_are_looked_at(tmp_path: Path) -> None:
    stream = io.BytesIO()
    pq.write_table(
        pa.table({"calf_pain": ["yes", "no", "unknown"]}),
        stream,
        write_page_checksum=True,
        compression="none",
        use_dictionary=False,
    )
    ran = batch(saved(tmp_path, "t.parquet", stream.getvalue().replace(b"unknown", b"unknowm")))
    assert ran.first.startswith("t.parquet:1:1: error[unreadable-table]: this is no whole Parquet file: ")


def damaged(data: bytes, dice: random.Random, times: int) -> bytes:
    """With bits flipped, bytes cut out, and such put in as a table must mind."""
    changed = bytearray(data)
    for _ in range(times):
        at = dice.randrange(len(changed) + 1)
        what = dice.randrange(4)
        if what == 0 and at < len(changed):
            changed[at] ^= 1 << dice.randrange(8)
        elif what == 1:
            del changed[at : at + dice.randrange(1, 9)]
        elif what == 2:
            changed[at:at] = dice.choice(MINDED)
        elif at > len(changed) // 2:
            del changed[at:]
    return bytes(changed)


MINDED = (
    b'"',
    b'""',
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b" ",
    b"7",
    b"{",
    b"}",
    b"\\",
    b"x",
)


# Random tables, damaged ------------------------------------------------------------------------------------------------

COLUMNS = ("ache", "bruise", "chill", "drowse", "gated", "colour", "level", "width", "sum_of_both")
CELLS = (
    *(
        "",
        "",
        "",
        "unknown",
        "Yes",
        "no ",
        "1",
        "-99",
        "x",
        "pale",
        "RED ",
        "re d",
        "=1+1",
        "nan",
        "inf",
        "NULL",
        "None",
        "\ufeffyes",
    ),
    *(
        "3",
        "-0",
        "+5",
        "5.",
        ".5",
        "3.05",
        "1e1",
        "1_0",
        "3,5",
        "0x1",
        "99",
        "1000",
        "3.0500000000000001",
        "12345678901234567",
        "３",
    ),
    *(
        "> 3",
        "<= 2 half",
        "3 shifted",
        "3.1 (1 to 4)",
        "3 (4 to 1)",
        "3 mg",
        'say "3"',
        "a\nb",
        "a;b",
        "a\tb",
        "a,b",
        " ",
        "\u200b",
    ),
)
SUFFIXES = (".csv", ".csv", ".tsv", ".ndjson", ".parquet")


@dataclass
class Drawn:
    """A table of a random world, and the damage that is done to it."""

    number: int
    file: str
    data: bytes
    options: tuple[str, ...]
    block: int


def drawn(dice: random.Random) -> Drawn:
    choose = Chooser(lambda _: dice.randrange(5040))
    columns = [c for c in COLUMNS if not choose.chance(5)] or ["ache"]
    units = {c: choose.one_of(("", " (u)", " (half)")) for c in ("level", "width", "sum_of_both")}
    header = ["id", *(c + units.get(c, "") for c in columns)]
    rows = []
    for number in range(choose.below(12)):
        given = answers_by(choose)
        row = [f"p{number}", *(given.get(c, "") for c in columns)]
        if choose.chance(3):
            row[choose.below(len(row))] = choose.one_of(CELLS)
        rows.append(row)
    suffix = choose.one_of(SUFFIXES)
    data = in_file(suffix, header, rows, choose)
    times = choose.below(4)
    options = ("--bad-value", "unknown") if choose.chance(4) else ()
    block = choose.one_of((1, 30, 1 << 23, 1 << 23)) if suffix in (".csv", ".tsv") else 1 << 23
    return Drawn(choose.below(12), f"t{suffix}", damaged(data, dice, times), options, block)


def in_file(suffix: str, header: list[str], rows: list[list[str]], choose: Chooser) -> bytes:
    if suffix == ".ndjson":
        objects = [
            {name: value for name, value in zip(header, row, strict=True) if value or choose.chance(2)} for row in rows
        ]
        return "".join(json.dumps(each, ensure_ascii=choose.chance(2)) + "\n" for each in objects).encode()
    if suffix == ".parquet":
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
        return parquet_bytes(**{name: pa.array(column, pa.string()) for name, column in zip(header, columns, strict=True)})
    stream = io.StringIO()
    comma = "\t" if suffix == ".tsv" else choose.one_of((",", ";", "\t"))
    quoting = choose.one_of((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    lines = csv.writer(stream, delimiter=comma, lineterminator=choose.one_of(("\n", "\n", "\r\n")), quoting=quoting)
    lines.writerows([header, *rows])
    return stream.getvalue().encode()


def plainly(data: bytes, tabs: bool) -> list[list[str]] | None:
    """The rows of a CSV file, character by character and by the standard (RFC 4180); None for what is none."""
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None
    if "\0" in text or data.startswith((b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff")):
        return None
    first = text.replace("\r", "\n").partition("\n")[0]
    assume(first.count('"') % 2 == 0)  # no line end within a name, which other tests are about
    comma = "\t" if tabs else max(",;\t", key=first.count)
    rows: list[list[str]] = [[]]
    at = 0
    while at < len(text):
        start, value = at, ""
        if text[at] == '"':
            at += 1
            while True:
                end = text.find('"', at)
                if end < 0:
                    return None
                value += text[at:end]
                at = end + 1
                if text[at : at + 1] != '"':
                    break
                value += '"'
                at += 1
        else:
            while at < len(text) and text[at] not in f'{comma}\r\n"':
                at += 1
            value = text[start:at]
        ends = at == len(text) or text[at] in "\r\n"
        if not (ends and at == start and not rows[-1]):  # an empty line is no row
            rows[-1].append(value)
        if at < len(text) and not ends and text[at] != comma:
            return None
        if ends:
            rows.append([])
        elif at + 1 == len(text):
            rows[-1].append("")
        at += 1
    if not first:
        return None
    found = [row for row in rows if row]
    return found if all(len(row) == len(found[0]) for row in found) else None


def as_objects(data: bytes) -> list[dict[str, str] | None] | None:
    """The rows of an NDJSON file, None for a line that is no object; None for what is no text."""
    rows: list[dict[str, str] | None] = []
    try:
        lines = data.removeprefix(b"\xef\xbb\xbf").decode().split("\n")
    except UnicodeDecodeError:
        return None
    for line in lines:
        if "\0" in line:
            return None
        if not line.strip():
            continue
        try:
            pairs = json.loads(line, object_pairs_hook=list, parse_float=str, parse_int=str, parse_constant=str)
            assert isinstance(pairs, list) and line.lstrip().startswith("{")
            assert len({name for name, _ in pairs}) == len(pairs)
            row = {name: value if isinstance(value, str) else "" if value is None else "[]" for name, value in pairs}
            assert not any("\0" in name for name in row)
            "".join((*row, *row.values())).encode()
            rows.append(row)
        except (ValueError, AssertionError):
            rows.append(None)
    return rows


def expected_of(drawn: Drawn, knowledge: Knowledge) -> tuple[int, dict[str, dict[str, str]]] | None:
    """How many rows there are, and what must be concluded about those that are sound, by their numbers; None where the file
    is no table, or its header cannot be understood."""
    rows: list[dict[str, str] | None]
    if drawn.file.endswith(".ndjson"):
        objects = as_objects(drawn.data)
        if objects is None:
            return None
        header = tuple(dict.fromkeys(name for row in objects for name in row or ()))
        rows = objects
    else:
        table = plainly(drawn.data, drawn.file.endswith(".tsv"))
        if table is None:
            return None
        header = tuple(table[0])
        rows = [dict(zip(header, row, strict=True)) for row in table[1:]]
    layout = layout_for(header, knowledge)
    if layout is None:
        return None
    found = {str(n): meant(layout, row, knowledge) for n, row in enumerate(rows, 1) if row is not None}
    return len(rows), {number: results for number, results in found.items() if results is not None}


@given(st.randoms(use_true_random=False))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_damaged_table_is_accounted_for_row_by_row(tmp_path_factory: pytest.TempPathFactory, dice: random.Random) -> None:
    case = drawn(dice)
    path = saved(tmp_path_factory.mktemp("damaged"), case.file, case.data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_files, "BLOCK", case.block)
        ran = batch(path, *case.options, "--verify", "3", number=case.number)
    rejected = {r["row"] for r in ran.rejects if r["taken_as"] == "rejected"}
    assert (ran.code == BAD_CASE) == (ran.results is None or bool(rejected)), ran.said
    if ran.results is not None:
        patients, _, counts = next(line for line in ran.said if " evaluated, " in line).partition(": ")
        evaluated = counts.partition(" ")[0]
        assert (int(evaluated), int(patients.split()[0])) == (len(ran.results), len(ran.results) + len(rejected))
    if case.file.endswith(".parquet"):
        return
    expected = expected_of(case, world(case.number))
    if expected is None:
        assert (ran.code, ran.results) == (BAD_CASE, None), ran.said
        return
    count, sound = expected
    assert ran.results is not None, ran.said
    assert len(ran.results) + len(rejected) == count, ran.said
    if not case.options:
        assert rejected == {str(n) for n in range(1, count + 1)} - sound.keys()
        assert concluded(ran) == list(sound.values())
        return
    taken = {r["row"] for r in ran.rejects}
    results = dict(zip((str(n) for n in range(1, count + 1) if str(n) not in rejected), concluded(ran), strict=True))
    for number, wanted in sound.items():
        assert number not in taken
        assert results[number] == {**wanted, "taken_as_unknown": ""}


def test_there_are_enough_malformed_tables() -> None:
    made = (DAMAGED, BAD_NUMBERS, BAD_WORDS, BAD_CHOICES, BROKEN_ROWS)
    assert sum(map(len, made)) + LEAST // 4 + EXAMPLES >= LEAST
    assert sum(map(len, made)) >= 100


# Files that cannot be written or read ----------------------------------------------------------------------------------

KINDS = ("csv", "ndjson", "parquet")


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_told_and_leaves_what_was_there(kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path, "t.csv", TABLE + "c,x,3\n")
    (tmp_path / f"full.{kind}").symlink_to("/dev/full")
    with knowing(OUR_OWN), pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        ran = CliRunner().invoke(main, ["batch", path.name, "--output", f"full.{kind}"])
    assert (ran.exit_code, ran.stderr) == (USAGE, f"error: full.{kind}: No space left on device\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"full.{kind}", "t.csv"]


def test_a_file_that_may_not_grow_leaves_what_was_there(tmp_path: Path) -> None:
    saved(tmp_path, "t.csv", TABLE + "c,x,3\n")
    earlier = saved(tmp_path, "out.parquet", "of an earlier run")
    ran = run_apart(tmp_path, "t.csv", "--output", "out.parquet", longest=200)
    assert (ran.code, ran.said) == (USAGE, ("error: out.parquet: File too large",))
    assert earlier.read_text() == "of an earlier run"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "t.csv"]


def test_a_full_disk_under_the_rejects_is_told_of_them(tmp_path: Path) -> None:
    path = saved(tmp_path, "t.csv", TABLE + "c,x,3\n")
    (tmp_path / "full.csv").symlink_to("/dev/full")
    ran = batch(path, "--rejects", "full.csv")
    assert (ran.code, ran.said) == (USAGE, ("error: full.csv: No space left on device",))
    assert not (tmp_path / "out.csv").exists()


# Name of the test, arguments after `t.csv`, the last line on standard error
REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "output-is-the-input": (("--output", "t.csv"), "Error: --output: t.csv is one of the inputs"),
    "output-is-the-input-by-a-link": (("--output", "link.csv"), "Error: --output: t.csv is one of the inputs"),
    "output-is-the-input-by-a-detour": (("--output", "folder/../t.csv"), "Error: --output: t.csv is one of the inputs"),
    "rejects-are-the-input": (("--output", "out.csv", "--rejects", "t.csv"), "Error: --rejects: t.csv is one of the inputs"),
    "rejects-are-the-output": (
        ("--output", "out.csv", "--rejects", "folder/../out.csv"),
        "Error: --rejects: out.csv is written by another option",
    ),
    "report-is-the-rejects": (
        ("--output", "out.csv", "--rejects", "x.html", "--report", "x.html"),
        "Error: --report: x.html is written by another option",
    ),
    "rejects-are-the-map": (
        ("--output", "out.csv", "--map", "m.yaml", "--rejects", "m.yaml"),
        "Error: --rejects: m.yaml is one of the inputs",
    ),
    "explained-with-a-report": (
        ("--explain-row", "a", "--report", "x.html"),
        "Error: --explain-row prints, without --report and --rejects",
    ),
    "report-of-no-kind": (("--output", "out.csv", "--report", "x.pdf"), "Error: x.pdf: a report is a .html or .htm file"),
    "output-in-no-folder": (("--output", "no/out.csv"), "Error: --output: there is no folder {}/no"),
    "report-in-no-folder": (("--output", "out.csv", "--report", "no/x.html"), "Error: --report: there is no folder {}/no"),
    "output-is-a-folder": (
        ("--output", "folder.csv"),
        "Error: Invalid value for '--output': File 'folder.csv' is a directory.",
    ),
    "output-unwritable": (("--output", "/proc/out.csv"), "error: /proc/.out.csv.{pid}.part: No such file or directory"),
    "output-of-no-kind": (("--output", "out.xlsx"), "Error: out.xlsx: a result is a .csv, .ndjson or .parquet file"),
    "output-without-suffix": (("--output", "out"), "Error: out: a result is a .csv, .ndjson or .parquet file"),
    "output-leads-to-itself": (("--output", "loop.csv"), "Error: loop.csv is a link that leads to itself"),
    "no-output": ((), "Error: say where to: --output FILE"),
    "no-such-input": (("no.csv", "--output", "out.csv"), "error: no.csv: No such file or directory"),
    "input-leads-to-itself": (("loop.csv", "--output", "out.csv"), "Error: loop.csv is a link that leads to itself"),
    "input-of-no-kind": (
        ("t.xlsx", "--output", "out.csv"),
        "Error: t.xlsx: the suffix says what a file is; one of .csv, .tsv, .ndjson, .jsonl, .parquet, .yaml, .yml, .json",
    ),
    "no-such-map": (("--output", "out.csv", "--map", "no.yaml"), "error: no.yaml: No such file or directory"),
    "no-such-id": (
        ("--output", "out.csv", "--id", "MRN"),
        "t.csv:1:1: error[missing-column]: --id 'MRN': no column is called so",
    ),
    "no-such-label": (
        ("--output", "out.csv", "--label", "dx"),
        "t.csv:1:1: error[missing-column]: --label 'dx': no column is called so",
    ),
    "map-no-yaml": (
        ("--output", "out.csv", "--map", "m.yaml"),
        "m.yaml:1:5: error[yaml-syntax]: this is not YAML: what opens here is never closed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_or_read_is_refused(name: str, tmp_path: Path) -> None:
    arguments, said = REFUSED[name]
    saved(tmp_path, "m.yaml", "id: [x\n")
    saved(tmp_path, "t.xlsx", b"PK\x03\x04")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    path = saved(tmp_path, "t.csv", TABLE)
    (tmp_path / "link.csv").symlink_to(path)
    before = sorted(tmp_path.rglob("*"))
    with knowing(OUR_OWN), pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        ran = CliRunner().invoke(main, ["batch", "t.csv", *arguments])
    assert said.format(tmp_path.resolve(), pid=os.getpid()) in ran.stderr.splitlines()
    assert ran.exit_code == (BAD_CASE if ": error[" in said else USAGE)
    assert path.read_text() == TABLE
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everywhere")
def test_files_without_permission_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path, "t.csv", TABLE)
    path.chmod(0)
    assert batch(path).said == ("error: t.csv: Permission denied",)
    path.chmod(0o600)
    (tmp_path / "folder").mkdir(mode=0o555)
    assert batch(path, output="folder/out.csv").first.endswith(": Permission denied")


def test_a_failed_run_keeps_the_results_of_an_earlier_one(tmp_path: Path) -> None:
    bad = saved(tmp_path, "bad.csv", TABLE + "c,x,3\n")
    earlier = batch(bad)
    assert (earlier.code, len(earlier.rejects)) == (BAD_CASE, 1)
    for data in (TABLE + "c\n", TABLE + '"c'):
        ran = batch(saved(tmp_path, "t.csv", data))
        assert (ran.code, ran.results, ran.rejects) == (BAD_CASE, earlier.results, earlier.rejects)
    ran = batch(bad, "--bad-value", "stop")
    assert (ran.code, ran.results, ran.rejects) == (BAD_CASE, earlier.results, earlier.rejects)


def test_rejects_of_an_earlier_run_do_not_stand_beside_later_results(tmp_path: Path) -> None:
    path = saved(tmp_path, "t.csv", TABLE + "c,x,3\n")
    assert batch(path).rejects
    ran = batch(saved(tmp_path, "t.csv", TABLE))
    assert (ran.code, ran.ids, ran.rejects) == (DONE, ["a", "b"], ())


def test_folders_empty_broken_and_hidden(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    saved(folder, ".hidden.csv", TABLE)
    saved(folder, "notes.txt", "no table")
    assert batch(folder, output="../out.csv").first.startswith("no table or case file there (")
    saved(folder, "one.yaml", "case: y\ngiven:\n  calf_pain: yes\n")
    saved(folder, "two.yaml", "given: [\n")
    ran = batch(folder, output="out.csv")
    assert ran.first == "in/two.yaml:1:8: error[yaml-syntax]: this is not YAML: did not find expected node content"
    assert (ran.code, ran.ids) == (BAD_CASE, ["y"])
    assert [(r["file"], r["row"], r["code"]) for r in ran.rejects] == [("in/two.yaml", "1", "yaml-syntax")]
    stopped = batch(folder, "--bad-value", "stop", output="stopped.csv")
    assert (stopped.code, stopped.results) == (BAD_CASE, None)


def test_nothing_in_a_folder_is_left_out_in_silence(tmp_path: Path) -> None:
    """Suffixes in capitals, a link that leads nowhere, and what is named twice."""
    (tmp_path / "in").mkdir()
    for name in ("a.yaml", "B.YAML", "c.Json"):
        saved(tmp_path, f"in/{name}", '{"case": "x", "given": {"calf_pain": "yes"}}')
    (tmp_path / "alias").symlink_to(tmp_path / "in")
    ran = run_apart(tmp_path, "in", "alias", "in/a.yaml", str(tmp_path / "in" / "a.yaml"), "--output", "out.csv")
    assert ran.said[0] == "3 patients: 3 evaluated, 0 rejected"
    (tmp_path / "in" / "d.yaml").symlink_to("gone.yaml")
    ran = run_apart(tmp_path, "in", "--output", "out.csv")
    assert ran.code == BAD_CASE
    assert "4 patients: 3 evaluated, 1 rejected" in ran.said
    assert run_apart(tmp_path, "", "--output", "out.csv").said[-1].startswith("Error: an input without a name")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everywhere")
def test_a_folder_that_cannot_be_looked_into_is_told(tmp_path: Path) -> None:
    saved(tmp_path, "t.csv", TABLE)
    (tmp_path / "sub").mkdir(mode=0)
    ran = run_apart(tmp_path, ".", "--output", "out.csv")
    assert (ran.code, ran.said) == (USAGE, ("error: sub: Permission denied",))


def test_a_full_disk_under_the_report_is_told_of_it(tmp_path: Path) -> None:
    saved(tmp_path, "t.csv", TABLE)
    (tmp_path / "full.html").symlink_to("/dev/full")
    assert run_apart(tmp_path, "t.csv", "--output", "out.csv", "--report", "full.html").said == (
        "error: full.html: No space left on device",
    )


def test_tables_beside_case_files_are_left_out_and_that_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    saved(folder, "one.yaml", "case: y\ngiven:\n  calf_pain: yes\n")
    saved(folder, "t.csv", TABLE)
    ran = batch(folder)
    assert ran.ids == ["y"]
    assert ran.first == "in holds case files: 1 table left out; name a table to have it read"


def test_several_tables_keep_their_rows_apart(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    saved(folder, "1.csv", TABLE)
    saved(folder, "2.ndjson", ROW + "x\n")
    saved(folder, "3.parquet", SOUND_PARQUET)
    ran = batch(folder)
    assert [(row["file"], row["id"]) for row in ran.results or ()] == [
        *(("in/1.csv", "a"), ("in/1.csv", "b"), ("in/2.ndjson", "a")),
        *(("in/3.parquet", id) for id in "abc"),
    ]
    assert [(r["file"], r["row"]) for r in ran.rejects] == [("in/2.ndjson", "2")]
    saved(folder, "4.csv", HEADER + "a\n")
    assert (batch(folder, output="new.csv").results, batch(folder, output="new.csv").code) == (None, BAD_CASE)


# Runs that are ended, side by side, or looked at from outside ------------------------------------------------------------


def command(folder: Path, *arguments: str) -> list[str]:
    knowledge = folder.parent / f"{folder.name}-knowledge"
    if not knowledge.exists():
        written(SMALL, knowledge)
    return [sys.executable, "-c", "from crampdx.cli import main; main()", "batch", *arguments, "--knowledge", str(knowledge)]


def run_apart(folder: Path, *arguments: str, longest: int | None = None) -> Ran:
    """A run of its own, in which no file may become longer than that."""

    def limited() -> None:
        if longest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (longest, longest))

    done = subprocess.run(
        command(folder, *arguments), cwd=folder, capture_output=True, text=True, timeout=60, preexec_fn=limited
    )
    return Ran(done.returncode, tuple(done.stderr.splitlines()), None, ())


def may_be_interrupted() -> None:
    """A run begun in the background of a shell is not, by itself."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def unread(pipe: Any) -> int:
    """Bytes in a pipe that nobody has taken yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@contextmanager
def half_read(folder: Path, output: str, rows: int) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """A run that waits in the middle of its table, which is a pipe, and the end to write to."""
    os.mkfifo(folder / "t.ndjson")
    arguments = command(folder, "t.ndjson", "--output", output)
    process = subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True, preexec_fn=may_be_interrupted)
    try:
        with (folder / "t.ndjson").open("w") as pipe:
            pipe.write(ROW * rows)
            pipe.flush()
            deadline = time.monotonic() + 30
            while unread(pipe) and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.3)  # until it waits for more
            yield process, pipe
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("end", "code", "kind"),
    [
        (signal.SIGINT, INTERRUPTED, "parquet"),
        (signal.SIGTERM, 128 + signal.SIGTERM, "csv"),
        (signal.SIGHUP, 128 + signal.SIGHUP, "ndjson"),
        (signal.SIGKILL, -signal.SIGKILL, "csv"),
    ],
)
def test_a_run_that_is_ended_leaves_no_results(end: signal.Signals, code: int, kind: str, tmp_path: Path) -> None:
    saved(tmp_path, f"out.{kind}", "of an earlier run")
    with half_read(tmp_path, f"out.{kind}", 10) as (process, pipe):
        for _ in range(3):  # as an impatient hand does
            process.send_signal(end)
            time.sleep(0.05)
        if end != signal.SIGKILL:
            pipe.close()  # polars has a read go on after an interrupt; what is noticed is noticed when it returns
        said = process.communicate(timeout=30)[1]
    assert process.returncode == code
    assert said.strip() == ("interrupted" if end != signal.SIGKILL else "")
    assert (tmp_path / f"out.{kind}").read_text() == "of an earlier run"
    if end != signal.SIGKILL:
        assert not list(tmp_path.glob(".*.part"))


def test_whoever_insists_is_obeyed(tmp_path: Path) -> None:
    """A run that waits for a pipe that says nothing ends all the same."""
    with half_read(tmp_path, "out.csv", 10) as (process, _):
        process.terminate()
        time.sleep(2.2)
        process.terminate()
        assert process.wait(timeout=30) == -signal.SIGTERM
    assert not (tmp_path / "out.csv").exists()


def test_a_reader_who_leaves_a_pipe_is_told(tmp_path: Path) -> None:
    """Otherwise part of the results would pass for all of them. Of standard output it is no fault."""
    saved(tmp_path, "t.csv", "id,calf_pain\n" + "x,yes\n" * 20_000)
    os.mkfifo(tmp_path / "out.csv")
    reader = subprocess.Popen(["head", "-c", "100", "out.csv"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    ran = run_apart(tmp_path, "t.csv", "--output", "out.csv")
    reader.wait()
    assert (ran.code, ran.said) == (USAGE, ("error: out.csv: Broken pipe",))


def test_rows_from_a_pipe_are_verified(tmp_path: Path) -> None:
    """Nobody knows how many there will be."""
    os.mkfifo(tmp_path / "t.csv")
    writer = subprocess.Popen(["sh", "-c", "printf 'id,calf_pain\na,yes\nb,no\n' > t.csv"], cwd=tmp_path)
    ran = run_apart(tmp_path, "t.csv", "--output", "out.csv", "--seed", "1")
    writer.wait()
    assert ran.code == DONE
    assert "2 rows verified through Experta (--seed 1)" in ran.said


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_run_without_standard_streams(closed: str, tmp_path: Path) -> None:
    saved(tmp_path, "t.csv", TABLE)
    words = " ".join(f"'{word}'" for word in command(tmp_path, "t.csv", "--output", "out.csv"))
    done = subprocess.run(f"{words} {closed}", shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == DONE, done.stderr
    assert "internal error" not in done.stderr
    assert read_back(tmp_path / "out.csv")


def test_what_ends_a_run_is_wrapped_between_words_in_a_terminal(tmp_path: Path) -> None:
    """And not in a pipe, where a line is a line."""
    names = [f"column_number_{n}" for n in range(20)]
    saved(tmp_path, "t.csv", ",".join(["id", "calf_pain", *names]) + "\n")
    program, *arguments = command(tmp_path, "t.csv", "--output", "out.csv")
    shown = pexpect.run(
        shlex.join([program, *arguments]), cwd=str(tmp_path), dimensions=(24, 60), env={**os.environ, "COLUMNS": "60"}
    )
    lines = bytes(shown).decode().rpartition("\x1b[2K")[2].splitlines()  # after the bar has been wiped off
    help = lines.pop()  # as a line of the source, it stays as it is
    assert help.startswith("      = help: --map FILE says")
    assert len(lines) > 7 and max(map(len, lines)) < 60
    assert all(f"'{name}'" in " ".join(lines) for name in names)
    (first, *_) = run_apart(tmp_path, "t.csv", "--output", "out.csv").said
    assert " ".join(" ".join(lines).split()) == first


def test_two_runs_into_one_file_leave_the_whole_of_one(tmp_path: Path) -> None:
    saved(tmp_path, "other.csv", "id,calf_pain\n" + "".join(f"o{n},yes\n" for n in range(500)))
    with half_read(tmp_path, "out.csv", 300) as (process, pipe):
        other = run_apart(tmp_path, "other.csv", "--output", "out.csv")
        first = read_back(tmp_path / "out.csv")
        assert other.code == DONE and first is not None and len(first) == 500
        pipe.write(ROW)
        pipe.close()
        said = process.communicate(timeout=60)[1]
    assert process.returncode == DONE, said
    second = read_back(tmp_path / "out.csv")
    assert second is not None and [row["id"] for row in second] == ["a"] * 301
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "out.csv", "t.ndjson"]


def test_a_failure_in_the_middle_of_a_parquet_file_is_told_once(tmp_path: Path) -> None:
    """An unfinished writer complains by itself when it is collected."""
    tables = [saved(tmp_path, f"{n}.csv", TABLE).name for n in range(5)]  # more than are evaluated at once
    saved(tmp_path, "u.csv", HEADER + "a\n")
    ran = run_apart(tmp_path, *tables, "u.csv", "--output", "out.parquet")
    assert ran.code == BAD_CASE
    assert ran.said == (
        "u.csv:2:1: error[unreadable-table]: " + NO_ROW.format("1 value"),
        "      = help: a value that holds a separator stands in quotes",
    )
