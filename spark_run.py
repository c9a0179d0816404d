"""`crampdx batch --engine spark`: the same expressions as a plan of Spark, for tables that outgrow one machine.

On the workers there is nothing but Spark. What only Python can read, an odd text such as `> 20000`, is collected once for
all cells that say it, read here as a case file is, and goes back into the plan as a table of what each text means.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sys
import tempfile
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import narwhals as nw
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from .engine.knowledge.model import CHOICE, QUANTITY, YES_NO, Finding, Knowledge
from .engine.knowledge.problems import Place
from .engine.knowledge.quantities import NUMBER
from .engine.population.cells import Cell, Cells
from .engine.population.columnar import Compiler, Plan, either
from .engine.population.layout import Layout
from .engine.population.rows import columns_for
from .engine.population.steps import FAR, Conversion, conversion, half_steps
from .engine.population.tables import EXACT_DIGITS, Table, text_of
from .engine.population.tally import Tally
from .feeds import STOP, UNKNOWN, Options, Stopped, layout_for
from .populations import sum_up
from .shared import CSV, INTERNAL, NDJSON, reasoner_for, table_kind
from .table_files import Source
from .terminal import path_text, printable
from .verification import Disagreement, expected

NEEDS_JAVA = "Spark needs Java, version 17 or later; JAVA_HOME says where it is"
MOST_ODD = 100_000  # texts that are read here
SETTINGS = {
    "spark.app.name": "crampdx",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.caseSensitive": "true",
    # A row with too few or too many values is only noticed where all of them are read.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    # Hundreds of expressions a step: as Java source they take minutes to compile, and run unoptimised, being too long.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # Deep expressions, and long plans, which nobody reads.
    "spark.driver.extraJavaOptions": "-Xss32m",
    "spark.executor.extraJavaOptions": "-Xss32m",
    "spark.sql.subexpressionElimination.enabled": "false",
    "spark.sql.maxPlanStringLength": "4096",
}
LOCAL = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}  # nobody else connects to it
# A line end inside quotes is not read: a file could not be shared out then.
CSV_READ = {"mode": "FAILFAST", "quote": '"', "escape": '"', "unescapedQuoteHandling": "RAISE_ERROR", "maxColumns": "100000"}
CSV_WRITTEN = {"header": "true", "quote": '"', "escape": '"', "emptyValue": "", "nullValue": ""}
ID, REJECTED, FAULTS = "id", "row/rejected", "row/faults"  # no finding's name holds a slash
REJECT_COLUMNS = ("id", "column", "value", "code", "reason")
_UNSEEN = ("changed", "the text was not there a moment ago: the table is being written to")
_BUCKET = 8  # texts that are compared one by one


@dataclass(frozen=True)
class Asked:
    """What is written, and how much of it is verified."""

    output: Path
    rejects: Path
    master: str
    verify: int
    seed: int


def run(files: Sequence[Path], knowledge: Knowledge, options: Options, asked: Asked) -> int:
    """The results and the rejects as folders of parts, whole or not at all; the exit code."""
    kind = _kind(files)
    if options.bad_value == UNKNOWN:
        raise click.UsageError("--bad-value unknown is not with --engine spark: reject or stop")
    for path in (asked.output, asked.rejects):
        if path.exists():
            raise click.UsageError(f"{path_text(path)} is there already; with --engine spark nothing is replaced")
    with session(asked.master) as spark, _told_plainly():
        raw, header = _read(spark, files, kind)
        layout = layout_for(header, knowledge, options, Place(path_text(files[0]), 1, 1), set())
        if not layout.id:
            raise click.UsageError("--engine spark needs --id COLUMN: its rows have no numbers")
        return _Run(spark, raw, header, knowledge, layout, options, asked).end()


class Failed(click.ClickException):
    """What Spark says of itself, and not of the tables."""

    exit_code = INTERNAL


# A session ------------------------------------------------------------------------------------------------------------


@contextmanager
def session(master: str) -> Iterator[SparkSession]:
    """A session in which only faults are heard of, and these from us; it ends with the block."""
    if not java_is_there():
        raise click.UsageError(NEEDS_JAVA)
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)
    builder = SparkSession.builder.master(master)
    for name, value in (SETTINGS | (LOCAL if master.startswith("local") else {})).items():
        builder = builder.config(name, value)
    with _unheard() as said:
        try:
            spark = builder.getOrCreate()
        except (PySparkException, Py4JError) as fault:
            if getattr(fault, "getCondition", str)() == "JAVA_GATEWAY_EXITED":
                raise click.UsageError(f"{NEEDS_JAVA}. {_last_line(said)}") from fault
            raise click.UsageError(f"--master {printable(master)}: {_first_line(fault)}") from fault
    try:
        spark.sparkContext.setLogLevel("OFF")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="pyspark")  # of pandas, which is not used
            yield spark
    finally:
        spark.stop()


def java_is_there() -> bool:
    """Whether Spark will find Java, of whatever version."""
    home = os.environ.get("JAVA_HOME")
    return Path(home, "bin", "java").is_file() if home else shutil.which("java") is not None


@contextmanager
def _unheard() -> Iterator[Any]:
    """What a program that is started meanwhile says on stderr, for as long as it runs, goes to this file."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as said:
            os.dup2(said.fileno(), 2)
            yield said
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _last_line(said: Any) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").split("\n")
    return printable(next((line for line in reversed(lines) if line.strip()), ""))


def _first_line(fault: BaseException) -> str:
    """What a fault of Spark says, without the trace of Java."""
    java = getattr(fault, "java_exception", None)
    said = str(fault) if java is None else str(java.getMessage() or java)
    return printable(said.split("\n")[0][:500])


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Faults of a job of Spark, as ours."""
    try:
        yield
    except (PySparkException, Py4JError) as fault:
        said = str(fault)
        if "MALFORMED" in said or "Malformed" in said:
            found = re.search(r"in record parsing: (.*)", said)
            row = f": {printable(found[1][:200])}" if found else ""
            raise Stopped(
                f"error[unreadable-table]: a row cannot be read, or has not as many values as the header{row}"
            ) from fault
        if "FAILED_READ_FILE" in said or "CANNOT_READ_FILE" in said or "PATH_NOT_FOUND" in said:
            raise Stopped(f"error[unreadable-table]: {_first_line(fault)}") from fault
        raise Failed(f"Spark failed: {_first_line(fault)}") from fault


# What is read ---------------------------------------------------------------------------------------------------------


def _kind(files: Sequence[Path]) -> str:
    """Of tables that are read as one."""
    kinds = {table_kind(path) for path in files}
    if "" in kinds:
        raise click.UsageError("case files are not for --engine spark: it reads .csv, .tsv, .ndjson and .parquet")
    if len(kinds) > 1:
        raise click.UsageError("with --engine spark all tables are of one kind: " + ", ".join(sorted(kinds)))
    for path in files:
        if path.name.startswith("_"):
            raise click.UsageError(f"{path_text(path)}: Spark leaves out files whose names begin with _")
    return kinds.pop()


def _read(spark: SparkSession, files: Sequence[Path], kind: str) -> tuple[DataFrame, tuple[str, ...]]:
    """The tables as one, its columns called by their numbers; and their names."""
    paths = [_for_spark(path) for path in files]
    if kind == CSV:
        header, separator = _csv_header(files)
        schema = ", ".join(f"`{_raw(n)}` string" for n in range(len(header)))
        reader = spark.read.options(**CSV_READ, header="true", sep=separator).schema(schema)
        return reader.csv(paths), header
    if kind == NDJSON:
        frame = spark.read.options(mode="FAILFAST", primitivesAsString="true").json(paths)
    else:
        frame = spark.read.options(mergeSchema="true").parquet(*paths)
    return frame.toDF(*map(_raw, range(len(frame.columns)))), tuple(frame.columns)


def _raw(number: int) -> str:
    return f"raw/{number}"


def _for_spark(path: Path) -> str:
    """A path that is not taken for a pattern."""
    return "file://" + re.sub(r"([\[\]{}*?\\,])", r"\\\1", str(path.resolve()))


def _csv_header(files: Sequence[Path]) -> tuple[tuple[str, ...], str]:
    first: tuple[tuple[str, ...], str] | None = None
    for path in files:
        source = Source(path, path_text(path))
        found = source.separator(), source.header
        if any("\n" in name or "\r" in name for name in source.header):
            raise Stopped(f"{source.place(1)}: error[unreadable-table]: with --engine spark the header is one line")
        first = first or (found[1], found[0])
        if (found[1], found[0]) != first:
            raise Stopped(
                f"{source.place(1)}: error[unreadable-table]: the header differs from that of {path_text(files[0])}"
            )
    assert first is not None
    return first


# Columns as a plan reads them -----------------------------------------------------------------------------------------


@dataclass
class _Given:
    """One column of the table, and what has been learnt of its odd texts."""

    finding: Finding
    cells: Cells
    raw: str
    type: str
    convert: Conversion | None = None
    odd: dict[str, Cell] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.finding.name

    @property
    def own(self) -> bool:
        """Whether rows bring a reference interval of their own."""
        scale = self.finding.scale
        return scale is not None and any(
            c.answer is not None and c.answer.reference != scale.reference for c in self.odd.values()
        )

    def learn(self, text: str) -> None:
        """Reads a text as Spark writes it."""
        self.odd[text] = self.cells.of(self._digits(text))

    def _digits(self, text: str) -> str:
        """As we write it: Spark gives a float an exponent."""
        if self.type in ("float", "double"):
            return text_of(float(text))
        return text_of(Decimal(text)) if self.type.startswith("decimal") else text

    # Expressions

    def text(self) -> Column:
        value = F.col(f"`{self.raw}`")
        if self.type == "string":
            return value
        if self.type == "boolean":
            return F.when(value, "yes").when(~value, "no")
        return (F.when(~F.isnan(value), value) if self.type in ("float", "double") else value).cast("string")

    def plain(self) -> Column:
        """Where the text is a plain number: of a quantity."""
        assert self.convert is not None
        text, codes = self._text, list(self.cells.column.codes)
        number = text.try_cast("double")
        sound = F.abs(number) <= self.convert.largest
        if self.type == "string":
            sound &= text.rlike(rf"^{NUMBER}\z") & (F.length(text) <= EXACT_DIGITS)
        if codes:
            whole = F.regexp_replace(text, r"\.0\z", "") if self.type in ("float", "double") else text
            sound &= ~F.trim(whole).isin(codes)
        return F.coalesce(sound, F.lit(False))

    def number(self) -> Column:
        """The number where it is plain, and 0 elsewhere: nothing that is computed from it is missing."""
        return F.when(F.col(f"{self.name}/plain"), self._text.try_cast("double")).otherwise(0.0)

    @property
    def _text(self) -> Column:
        return F.col(f"{self.name}/text")

    def usual_texts(self) -> dict[str, Cell]:
        """Those that need not be collected."""
        words = {YES_NO: ["yes", "no", ""], CHOICE: ["", *(c for c, _ in self.finding.choices)], QUANTITY: [""]}
        found = {word: self.cells.of(word) for word in words[self.finding.kind]}
        return {word: cell for word, cell in found.items() if not cell.fault}

    def is_odd(self) -> Column:
        odd = self._text.isNotNull() & ~self._text.isin(list(self.usual_texts()))
        return F.coalesce(odd & ~F.col(f"{self.name}/fits") if self.convert is not None else odd, F.lit(False))

    def bad(self) -> Column:
        """Where nothing can be read, a text that has not been seen before among them."""
        sound = [text for text, cell in self.odd.items() if not cell.fault]
        odd = F.col(f"{self.name}/odd")
        return odd & ~self._text.isin(sound) if sound else odd

    def fault(self) -> Column:
        """Value, code and reason of what cannot be read."""
        faults = {text: [self._digits(text), cell.code, cell.fault] for text, cell in self.odd.items() if cell.fault}
        unseen = F.array(self._text, *map(F.lit, _UNSEEN))
        return F.coalesce(looked_up(self._text, faults, "array<string>"), unseen) if faults else unseen

    def columns(self) -> dict[str, Column]:
        """Those that a plan reads; unknown where nothing can be read."""
        if self.finding.kind == QUANTITY:
            return self._ends()
        meant = {text: cell.answer for text, cell in {**self.usual_texts(), **self.odd}.items() if cell.answer is not None}
        if self.finding.kind == YES_NO:
            said = {truth: [t for t, answer in meant.items() if answer.truth is truth] for truth in (True, False)}
            return {f"{self.name}/yes": self._is_one_of(said[True]), f"{self.name}/no": self._is_one_of(said[False])}
        found = F.lit(None).cast("string")
        for choice, _ in self.finding.choices:
            texts = [text for text, answer in meant.items() if answer.choice == choice]
            found = F.when(self._is_one_of(texts), choice).otherwise(found)
        return {self.name: found}

    def _is_one_of(self, texts: list[str]) -> Column:
        return F.coalesce(self._text.isin(texts), F.lit(False)) if texts else F.lit(False)

    def _ends(self) -> dict[str, Column]:
        scale = self.finding.scale
        assert scale is not None
        fits, steps = F.col(f"{self.name}/fits"), F.col(f"{self.name}/steps")
        ends = {"low": (steps, -FAR), "high": (steps, FAR)}
        if self.own:
            assert scale.reference is not None
            usual = [half_steps(end, scale.decimals) for end in scale.reference]
            ends |= {"from": (F.lit(usual[0]).cast("bigint"), usual[0]), "to": (F.lit(usual[1]).cast("bigint"), usual[1])}
        answers = columns_for(self.finding, [cell.answer for cell in self.odd.values()], self.own)
        numbers = zip(*(answers[f"{self.name}/{end}"] for end in ends), strict=True)
        meant = {text: list(each) for text, each in zip(self.odd, numbers, strict=True)}
        found = F.when(F.col(f"{self.name}/odd"), looked_up(self._text, meant, "array<bigint>")) if meant else None
        columns: dict[str, Column] = {}
        for place, (end, (plain, unknown)) in enumerate(ends.items()):
            other = F.lit(unknown).cast("bigint")
            if found is not None:
                other = F.coalesce(F.element_at(found, place + 1), other)
            columns[f"{self.name}/{end}"] = F.when(fits, plain).otherwise(other)
        return columns

    def told(self) -> Column:
        """Where anything is known, by the columns that a plan reads."""
        if self.finding.kind == YES_NO:
            return F.col(f"{self.name}/yes") | F.col(f"{self.name}/no")
        if self.finding.kind == CHOICE:
            return F.col(self.name).isNotNull()
        return (F.col(f"{self.name}/low") != -FAR) | (F.col(f"{self.name}/high") != FAR)

    def unusual(self) -> Column | None:
        """Where a number is outside the usual range; None where nothing is."""
        scale = self.finding.scale
        if scale is None or scale.usual is None:
            return None
        least, most = (half_steps(end, scale.decimals) for end in scale.usual)
        plain = F.col(f"{self.name}/fits") & ~F.col(f"{self.name}/steps").between(least, most)
        texts = [text for text, cell in self.odd.items() if cell.unusual]
        return plain | (F.col(f"{self.name}/odd") & self._is_one_of(texts)) if texts else plain


def looked_up(text: Column, meant: Mapping[str, list[Any]], type: str) -> Column:
    """What a text means, null for any other: by a table within the expression. Spark searches a map from end to end, so it
    is cut into many, by a checksum that Spark and Python know alike."""
    buckets: list[dict[str, list[Any]]] = [{} for _ in range(len(meant) // _BUCKET + 1)]
    for each, means in meant.items():
        buckets[zlib.crc32(each.encode()) % len(buckets)][each] = means
    table = F.from_json(F.lit(json.dumps(buckets)), f"array<map<string,{type}>>")
    number = (F.crc32(text.cast("binary")) % len(buckets) + 1).cast("int")
    return F.element_at(F.element_at(table, number), text)


def _cut(spark: SparkSession, frame: DataFrame) -> DataFrame:
    """The same rows, from which the optimiser cannot look back: the time it takes grows with the square of what it sees."""
    return DataFrame(spark._jsparkSession.createDataFrame(frame._jdf.toJavaRDD(), frame._jdf.schema()), spark)


# The run --------------------------------------------------------------------------------------------------------------


class _Run:
    """One run: the table is read once to collect odd texts, once to count faults, and once for the results."""

    def __init__(
        self,
        spark: SparkSession,
        raw: DataFrame,
        header: tuple[str, ...],
        knowledge: Knowledge,
        layout: Layout,
        options: Options,
        asked: Asked,
    ) -> None:
        self.spark, self.knowledge, self.layout, self.options, self.asked = spark, knowledge, layout, options, asked
        self.table = Table(knowledge, layout)
        self.raw_id = _raw(header.index(layout.id))
        types = dict(raw.dtypes)
        self.given: list[_Given] = []
        for column in layout.columns:
            finding, place = knowledge.findings[column.finding], _raw(header.index(column.name))
            if types[place].startswith(("struct", "array", "map", "binary")):
                raise Stopped(f"column {printable(column.name)} holds {types[place].split('<')[0]}, not single values")
            convert = None if finding.scale is None else conversion(finding, column.unit)
            self.given.append(_Given(finding, self.table.cells[finding.name], place, types[place], convert))
        self.read = self._odd_marked(raw)
        self.tally = Tally()
        self.assumed: set[str] = set()

    def end(self) -> int:
        self._learn()
        plan = Compiler(self.knowledge, {g.name: g.own for g in self.given}).plan()
        rows = self._with_faults(plan)
        self._count(rows)
        with _folders(self.asked.output, self.asked.rejects) as (output, rejects):
            if self.tally.rejected:
                self._reject(rows, plan, rejects)
            _write(self.results(rows, plan), table_kind(self.asked.output), output)
            written = self._written(output)
            self._sum_up(written)
            verified = self._verify(rows, written)
        asked = self.asked
        return sum_up(self.knowledge, self.tally, self.assumed, asked.output, asked.rejects, (verified, asked.seed))

    # Reading

    def _odd_marked(self, raw: DataFrame) -> DataFrame:
        frame = raw.withColumns({f"{g.name}/text": g.text() for g in self.given})
        numbers = [g for g in self.given if g.convert is not None]
        if numbers:
            frame = frame.withColumns({f"{g.name}/plain": g.plain() for g in numbers})
            frame = frame.withColumns({f"{g.name}/x": g.number() for g in numbers})
            steps: dict[str, nw.Expr] = {}
            fits: dict[str, nw.Expr] = {}
            for g in numbers:
                assert g.convert is not None
                number, doubt, step = nw.col(f"{g.name}/x"), f"{g.name}/doubt", f"{g.name}/steps"
                steps |= {step: g.convert.steps(number), doubt: g.convert.in_doubt(number)}
                fits[f"{g.name}/fits"] = nw.col(f"{g.name}/plain") & g.convert.is_plausible(nw.col(step)) & ~nw.col(doubt)
            frame = nw.from_native(frame).with_columns(**steps).with_columns(**fits).to_native()
        return _cut(self.spark, frame.withColumns({f"{g.name}/odd": g.is_odd() for g in self.given}))

    def _learn(self) -> None:
        """Collects the odd texts of all columns, each once, and reads them."""
        pairs = (
            F.when(F.col(f"{g.name}/odd"), F.struct(F.lit(n).alias("n"), F.col(f"{g.name}/text").alias("text")))
            for n, g in enumerate(self.given)
        )
        each = self.read.select(F.explode(F.array_compact(F.array(*pairs))).alias("pair")).select("pair.n", "pair.text")
        found = each.distinct().limit(MOST_ODD + 1).collect()
        if len(found) > MOST_ODD:
            name, _ = Counter(self.given[row.n].cells.column.name for row in found).most_common(1)[0]
            raise Stopped(
                f"error[too-large]: more than {MOST_ODD:,} different texts are no plain answers, most of them in "
                f"{printable(name)}; is it a column of free text?"
            )
        for row in sorted(found):
            self.given[row.n].learn(row.text)

    def _with_faults(self, plan: Plan) -> DataFrame:
        """The columns of a plan with what is derived; REJECTED, where anything is at fault."""
        columns: dict[str, Column] = {f"{g.name}/bad": g.bad() for g in self.given}
        for g in self.given:
            columns |= g.columns()
        frame = plan.derived(nw.from_native(self.read.withColumns(columns)))
        at_fault = either([*(nw.col(f"{g.name}/bad") for g in self.given), *(nw.col(f.column) for f in plan.faults)])
        return _cut(self.spark, frame.with_columns(**{REJECTED: at_fault}).to_native())

    def _count(self, rows: DataFrame) -> None:
        masks = {REJECTED: F.col(REJECTED)}
        for g in self.given:
            unusual = g.unusual()
            if unusual is not None:
                masks[f"{g.name}/unusual"] = unusual & ~F.col(REJECTED)
            if g.convert is not None and not g.cells.column.unit:
                masks[f"{g.name}/fits"] = F.col(f"{g.name}/fits")
        sums = [F.coalesce(F.sum(mask.cast("bigint")), F.lit(0)).alias(name) for name, mask in masks.items()]
        counted = rows.select(F.count(F.lit(1)).alias("rows"), *sums).collect()[0].asDict()
        self.tally.rows, self.tally.rejected = counted["rows"], counted[REJECTED]
        for g in self.given:
            self.tally.unusual[g.name] = counted.get(f"{g.name}/unusual", 0)
            if counted.get(f"{g.name}/fits"):
                self.assumed.add(g.name)

    # Faults

    def _reject(self, rows: DataFrame, plan: Plan, folder: Path) -> None:
        """Writes a line for each fault, or stops at the first."""
        lines = self.rejects(rows, plan)
        if self.options.bad_value == STOP:
            line = lines.first()
            assert line is not None
            said = ": ".join(filter(None, (f"patient {line['id']}", line["column"], line["reason"])))
            raise Stopped(f"{printable(said)}; nothing was written")
        _write(lines, CSV, folder)
        listed = self.spark.read.options(**CSV_READ, header="true", nullValue="").csv(f"file://{folder}")
        counts = listed.groupBy("column", "code").agg(F.count("*").alias("number"), F.min("value").alias("value"))
        for line in counts.collect():
            kind = line["column"] or "", line["code"]
            self.tally.bad[kind] = line["number"]
            self.tally.examples[kind] = line["value"] or ""

    def rejects(self, rows: DataFrame, plan: Plan) -> DataFrame:
        """Each value that cannot be read, and each row whose answers cannot hold together."""
        faults: list[Column] = []

        def fault(where: Column, column: str, what: Column) -> None:
            parts = (F.lit(column), *(F.element_at(what, place) for place in (1, 2, 3)))
            named = (part.alias(name) for part, name in zip(parts, REJECT_COLUMNS[1:], strict=True))
            faults.append(F.when(where, F.struct(*named)))

        for g in self.given:
            fault(F.col(f"{g.name}/bad"), g.cells.column.name, g.fault())
        of = {g.name: g for g in self.given}
        for each in plan.faults:
            stated = F.concat_ws(", ", *(F.when(of[name].told(), name) for name in each.names if name in of))
            fault(F.col(each.column), "", F.array(stated, F.lit(each.code), F.lit(each.message)))
        marked = rows.filter(F.col(REJECTED)).withColumn(FAULTS, F.array_compact(F.array(*faults)))
        return marked.select(self._id(), F.explode(FAULTS).alias("fault")).select(ID, "fault.*")

    # Results

    def results(self, rows: DataFrame, plan: Plan) -> DataFrame:
        """The rows that have none."""
        sound = rows.filter(~F.col(REJECTED)).withColumn(ID, self._id())
        decided = plan.decided(nw.from_native(sound))
        results: DataFrame = decided.select(nw.col(ID), **plan.results).to_native()
        return results

    def _id(self) -> Column:
        return F.col(f"`{self.raw_id}`").cast("string").alias(ID)

    def _written(self, folder: Path) -> DataFrame:
        """What has been written, read once more: neither is it computed twice, nor is anything said of what is not there."""
        path, kind = f"file://{folder}", table_kind(self.asked.output)
        if kind == CSV:
            return self.spark.read.options(**CSV_READ, header="true").csv(path)
        return self.spark.read.json(path) if kind == NDJSON else self.spark.read.parquet(path)

    def _sum_up(self, written: DataFrame) -> None:
        for row in written.groupBy("urgency", "leading").count().collect():
            self.tally.urgency[row["urgency"]] += row["count"]
            self.tally.leading[row["leading"] or ""] += row["count"]
            self.tally.evaluated += row["count"]
        if self.tally.evaluated + self.tally.rejected != self.tally.rows:
            raise Stopped(
                f"{self.tally.rows:,} rows were read, but {self.tally.evaluated:,} evaluated and {self.tally.rejected:,} "
                "rejected: the tables changed meanwhile; nothing was written"
            )

    def _verify(self, rows: DataFrame, written: DataFrame) -> int:
        """How many rows, drawn by a checksum of the seed and all they say, are verified. Raises `Disagreement`."""
        raw = [F.col(f"`{g.raw}`") for g in self.given]
        chance = F.xxhash64(F.lit(self.asked.seed), F.col(f"`{self.raw_id}`"), *raw)
        sound = rows.filter(~F.col(REJECTED)).select(self._id(), *raw, chance.alias("chance"))
        drawn = sound.orderBy("chance").limit(self.asked.verify).collect() if self.asked.verify else []
        if not drawn:
            return 0
        ids = sorted({row[ID] for row in drawn if row[ID] is not None})
        named = F.col(ID).isin(ids) | F.col(ID).isNull() if ids else F.col(ID).isNull()
        lines: dict[str, list[dict[str, Any]]] = {}
        for line in written.filter(named).collect():
            lines.setdefault(line[ID] or "", []).append(line.asDict())
        reasoner = reasoner_for(self.knowledge)
        for row in drawn:
            findings = self.table.findings({g.cells.column.name: row[g.raw] for g in self.given})
            self._compare(row[ID] or "", expected(self.knowledge, reasoner.infer(findings)), lines.get(row[ID] or "", []))
        return len(drawn)

    @staticmethod
    def _compare(id: str, wanted: dict[str, Any], lines: list[dict[str, Any]]) -> None:
        """One of the lines under this id says what is wanted."""
        differing = [[n for n, value in wanted.items() if _as_text(line[n]) != _as_text(value)] for line in lines]
        if [] in differing:
            return
        nearest = min(zip(differing, lines, strict=True), key=lambda pair: len(pair[0]), default=None)
        said = "is missing"
        if nearest is not None:
            name = nearest[0][0]
            said = f"'{name}' is {nearest[1][name]!r} by Spark and {wanted[name]!r} by Experta"
        raise Disagreement(f"patient {printable(id)}: {said}; this is a bug, and nothing was written")


# What is written ------------------------------------------------------------------------------------------------------


@contextmanager
def _folders(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Folders beside these names, which get them when all is written; nothing is left of them otherwise."""
    beside = tuple(path.resolve().with_name(f".{path.name}.{os.getpid()}.part") for path in paths)
    try:
        yield beside
        for part, path in zip(beside, paths, strict=True):
            if part.exists():
                part.rename(path)
    finally:
        for part in beside:
            shutil.rmtree(part, ignore_errors=True)


def _as_text(value: Any) -> str:
    """As CSV has it."""
    return "" if value is None else str(value)


def _write(frame: DataFrame, kind: str, folder: Path) -> None:
    path = f"file://{folder}"
    if kind == CSV:
        frame.write.options(**CSV_WRITTEN).csv(path)
    elif kind == NDJSON:
        frame.write.option("ignoreNullFields", "false").json(path)
    else:
        frame.write.option("compression", "zstd").parquet(path)
