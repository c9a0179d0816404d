"""`crampdx batch`: the answers of many patients in, a row for each of them out."""

from __future__ import annotations

import csv
import random
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import __version__
from .engine.report.words import counted, many
from .shared import (
    BAD_CASE,
    BAD_KNOWLEDGE,
    CASE_SUFFIXES,
    DONE,
    NOTHING,
    TABLE_SUFFIXES,
    bytes_of,
    case_files,
    files_in,
    knowledge_option,
    loaded,
    print_problems,
    reasoner_for,
    table_kind,
    written_whole,
)
from .terminal import Signalled, new_console, path_text, printable, signals_end, tell
from .verification import Sample, Verification

if TYPE_CHECKING:
    from .engine.knowledge.model import Knowledge
    from .engine.population.layout import Map
    from .engine.population.tally import Tally
    from .feeds import Feed, Options, Part

NEEDS = "tables need polars, narwhals and pyarrow: pip install 'crampdx[tables]'"
SPARK = "spark"
NEEDS_SPARK = "--engine spark needs pyspark: pip install 'crampdx[spark]'"
MOST_SHOWN = 5  # reasons in the summary
LONGEST = 30  # characters of a value in the summary
PAGE_SUFFIXES = (".html", ".htm")
AHEAD = 2  # parts that are evaluated at once
Thing = TypeVar("Thing")


@click.command(
    no_args_is_help=True,
    short_help="Evaluate tables and folders of cases, from one to millions.",
    epilog="\b\nExamples:\n  crampdx batch patients.csv --id MRN --output results.parquet\n"
    "  crampdx batch cases/ --output results.csv --report results.html\n"
    "  crampdx vocab --format header > template.csv    an empty table to fill",
)
@click.argument("inputs", nargs=-1, required=True, metavar="FILE-OR-FOLDER...")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to: a .csv, .ndjson or .parquet file. Needed, but for --explain-row.",
)
@click.option("--id", "id_column", default="", metavar="COLUMN", help="The column that names a patient; `id` by default.")
@click.option("--map", "map_file", type=click.Path(dir_okay=False), metavar="FILE", help="What your columns and codes mean.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column that is no finding; may be repeated.")
@click.option("--ignore-others", is_flag=True, help="Leave out every column that is no finding.")
@click.option(
    "--bad-value",
    type=click.Choice(["reject", "unknown", "stop"]),
    default="reject",
    show_default=True,
    help="What a value that cannot be read does: its row is rejected, it is taken as unknown, or the run stops.",
)
@click.option(
    "--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where they are listed; OUTPUT.rejects.csv."
)
@click.option(
    "--label",
    default="",
    metavar="COLUMN",
    help="The column with the true diagnosis, which the summary and the report compare.",
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="A page of HTML to look at.")
@click.option(
    "--verify", type=click.IntRange(0), default=100, show_default=True, help="How many rows are reasoned about once more."
)
@click.option("--seed", type=int, help="Draws the same rows again.")
@click.option("--explain-row", metavar="ID", help="Print the report of one row instead.")
@click.option(
    "--engine",
    type=click.Choice(["polars", SPARK]),
    default="polars",
    show_default=True,
    help="What computes; spark for tables that outgrow one machine.",
)
@click.option("--master", metavar="URL", help="Where Spark runs; local[*] by default.")
@knowledge_option
def batch(
    inputs: tuple[str, ...],
    output: Path | None,
    id_column: str,
    map_file: str | None,
    ignore: tuple[str, ...],
    ignore_others: bool,
    bad_value: str,
    rejects: Path | None,
    label: str,
    report: Path | None,
    verify: int,
    seed: int | None,
    explain_row: str | None,
    engine: str,
    master: str | None,
    folder: Path | None,
) -> int:
    """Evaluate every patient of tables (.csv, .tsv, .ndjson, .parquet) and case files (.yaml, .json), folders included.

    A table has a row for each patient, and columns named after findings, with the unit of their numbers:
    `serum_potassium (mmol/L)`. Empty means unknown. What cannot be read is rejected, and listed with its reason.

    A random sample is reasoned about once more, one patient at a time, through Experta; any difference stops the run.
    """
    if (output is None) == (explain_row is None):
        raise click.UsageError("say where to: --output FILE" if output is None else "--explain-row prints, without --output")
    if output is not None and not table_kind(output):
        raise click.UsageError(f"{path_text(output)}: a result is a .csv, .ndjson or .parquet file")
    if report is not None and report.suffix.lower() not in PAGE_SUFFIXES:
        raise click.UsageError(f"{path_text(report)}: a report is a {' or '.join(PAGE_SUFFIXES)} file")
    if explain_row is not None and (report or rejects):
        raise click.UsageError("--explain-row prints, without --report and --rejects")
    if engine == SPARK and (report or explain_row is not None):
        raise click.UsageError("--report and --explain-row are not with --engine spark")
    if engine != SPARK and master:
        raise click.UsageError("--master is for --engine spark")
    found = input_files(inputs)
    files = list(found.values())
    if not files:
        click.echo("no table or case file there (.csv, .tsv, .ndjson, .jsonl, .parquet, .yaml, .yml, .json)", err=True)
        return NOTHING
    listed = rejects or (output and output.with_name(f"{output.name}.rejects.csv"))
    if map_file:
        found.setdefault(_resolved(Path(map_file)), Path(map_file))
    _check_apart(found, [("--output", output), ("--rejects", listed), ("--report", report)])
    knowledge = loaded(folder)
    chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
    sample = Sample(verify if output is not None and engine != SPARK else 0, chosen)
    verification = Verification(knowledge, sample)  # before polars is imported: it starts threads
    try:
        from . import feeds, table_files
        from .engine.population.steps import TooWide
    except ImportError as fault:
        raise click.UsageError(NEEDS) from fault

    options = feeds.Options(
        map=read_map_file(map_file, knowledge) if map_file else None,
        map_file=map_file or "",
        id=id_column,
        label=label,
        ignore=ignore,
        ignore_others=ignore_others,
        bad_value=bad_value,
        detail=report is not None,
    )
    try:
        with signals_end(signal.SIGINT):
            if engine == SPARK:
                try:
                    from . import spark_run
                except ImportError as fault:
                    raise click.UsageError(NEEDS_SPARK) from fault
                assert output is not None and listed is not None
                asked = spark_run.Asked(output, listed, master or "local[*]", verify, chosen)
                return spark_run.run(files, knowledge, options, asked)
            each = feeds_of(files, knowledge, options)
            if explain_row is not None:
                return _explain(each, explain_row, knowledge)
            assert output is not None and listed is not None
            run = _Run(knowledge, options, verification, several=len(files) > 1 or isinstance(each[0], feeds.CaseFeed))
            run.write(each, output, listed, report)
            if report is not None:
                run.picture(files, output, report)
            return run.end(output, listed, report)
    except Signalled as signalled:
        click.echo("interrupted", err=True)
        return 128 + signalled.number
    except table_files.Unreadable as fault:
        click.echo("\n".join(map(printable, str(fault).split("\n"))), err=True)
        return BAD_CASE
    except TooWide as fault:
        click.echo(f"error: {fault}", err=True)
        return BAD_KNOWLEDGE


# What is read ---------------------------------------------------------------------------------------------------------


def input_files(inputs: tuple[str, ...]) -> dict[Path, Path]:
    """Files as named, folders searched for case files, and where they hold none for tables; each once, under where it is."""
    files: dict[Path, Path] = {}
    for given in inputs:
        if not given:
            raise click.UsageError("an input without a name: is a variable empty?")
        path = Path(given)
        found = case_files((given,))
        if path.is_dir():
            tables = [p for p in files_in(path, TABLE_SUFFIXES) if not p.name.startswith(".")]
            if not found:
                found = tables
            elif tables:
                left_out = f"{counted(len(tables), 'table')} left out"
                tell(f"{path_text(path)} holds case files: {left_out}; name a table to have it read")
        elif not path.is_dir() and path.suffix.lower() not in (*TABLE_SUFFIXES, *CASE_SUFFIXES):
            kinds = ", ".join((*TABLE_SUFFIXES, *CASE_SUFFIXES))
            raise click.UsageError(f"{path_text(path)}: the suffix says what a file is; one of {kinds}")
        for file in found:
            files.setdefault(_resolved(file), file)
    return files


def feeds_of(files: list[Path], knowledge: Knowledge, options: Options) -> list[Feed]:
    """Case files together, each table by itself."""
    from .feeds import CaseFeed, TableFeed

    cases = [file for file in files if not table_kind(file)]
    found: list[Feed] = [CaseFeed(cases, knowledge, options)] if cases else []
    return [*found, *(TableFeed(file, knowledge, options) for file in files if table_kind(file))]


def read_map_file(path: str, knowledge: Knowledge) -> Map:
    from .engine.knowledge.problems import InvalidInput, Problems
    from .engine.knowledge.yamltext import decode
    from .engine.population.layout import read_map

    problems = Problems()
    name = path_text(path)
    text = decode(bytes_of(path), name, problems)
    found = None if text is None else read_map(text, name, knowledge, problems)
    print_problems(problems.warnings, problems.texts)
    if found is None:
        raise InvalidInput(problems)
    return found


def _check_apart(read: Mapping[Path, Path], written: list[tuple[str, Path | None]]) -> None:
    """What is written is no input, nor written twice."""
    taken = {where: f"{path_text(file)} is one of the inputs" for where, file in read.items()}
    for option, path in written:
        if path is not None:
            where = _resolved(path)
            if where in taken:
                raise click.UsageError(f"{option}: {taken[where]}")
            taken[where] = f"{path_text(path)} is written by another option"
            if not where.parent.is_dir():
                raise click.UsageError(f"{option}: there is no folder {path_text(where.parent)}")


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError as fault:  # what Python says up to 3.12
        raise click.UsageError(f"{path_text(path)} is a link that leads to itself") from fault


# The run --------------------------------------------------------------------------------------------------------------


class _Run:
    """One run: writes the results and the rejects, keeps the counts."""

    def __init__(self, knowledge: Knowledge, options: Options, verification: Verification, several: bool) -> None:
        from .engine.population.tally import Tally

        self.knowledge, self.options, self.verification, self.several = knowledge, options, verification, several
        self.tally = Tally()
        self.assumed: set[str] = set()

    def write(self, each: list[Feed], output: Path, listed: Path, report: Path | None) -> None:
        """Both files, whole or not at all; `listed` only where there is something to list."""
        from .feeds import Stopped
        from .table_files import Sink, named

        with named(path_text(output)), ExitStack() as stack:
            stream = stack.enter_context(written_whole(output, binary=True))
            sink = stack.enter_context(Sink(stream, table_kind(output)))
            lines = _Rejects(stack, listed)
            stack.enter_context(self.verification)
            for part, share in evaluated(each):
                self.tally.add(part.tally)
                self.assumed |= part.assumed
                for reject in part.rejects:
                    if self.options.bad_value == "stop":
                        raise Stopped(reject.told())
                    lines.add(reject)
                    self.tally.refuse(reject.column, reject.code, reject.value)
                for number in self.verification.sample.drawn(part.results.height, share):
                    self.verification.add(part.results.row(number, named=True), part.findings(number))
                with named(path_text(output)):
                    sink.add(self._columns(part))
            with named(path_text(output)):
                sink.close()
            self.verification.end()
            lines.close()

    def _columns(self, part: Part) -> Any:
        from .engine.population.tables import ROW, TAKEN
        from .feeds import FILE

        results = part.results.drop(ROW if self.several else [ROW, FILE])
        if self.options.bad_value == "unknown":
            return results.rename({TAKEN: "taken_as_unknown"})
        return results.drop(TAKEN)

    def picture(self, files: list[Path], output: Path, report: Path) -> None:
        from .engine.population.page import About, page
        from .table_files import named

        about = About(
            inputs=tuple(map(path_text, files)),
            version=__version__,
            output=path_text(output),
            options=(
                *self.options.said,
                *(("--document-only",) if self.knowledge.is_document_only else ()),
            ),
            read_as_unknown=tuple(t for t, m in self.options.map.codes.items() if m == "unknown")
            if self.options.map
            else (),
            verified=len(self.verification.patients),
            seed=self.verification.sample.seed,
            notices=tuple(assumed_units(self.knowledge, self.assumed)),
        )
        with named(path_text(report)), written_whole(report) as stream:
            stream.write(page(self.knowledge, self.tally, about))

    def end(self, output: Path, listed: Path, report: Path | None) -> int:
        """Prints the summary; the exit code."""
        verified = len(self.verification.patients), self.verification.sample.seed
        return sum_up(self.knowledge, self.tally, self.assumed, output, listed, verified, report)


class _Rejects:
    """A CSV file that is begun with the first reject."""

    def __init__(self, stack: ExitStack, path: Path) -> None:
        self.stack, self.path = stack, path
        self.stream: Any = None
        self.lines: Any = None
        self.quoted: Any = None

    def add(self, reject: tuple[Any, ...]) -> None:
        if self.lines is None:
            self._begin()
        # Python's writer leaves a lone carriage return without quotes, where every reader ends the row.
        (self.quoted if any("\r" in text for text in reject if isinstance(text, str)) else self.lines).writerow(reject)

    def close(self) -> None:
        """All are in the file's hands; where there are none, what an earlier run listed is replaced."""
        if self.lines is None and self.path.is_file():
            self._begin()
        if self.lines is not None:
            self.stream.flush()

    def _begin(self) -> None:
        from .feeds import Reject
        from .table_files import named

        self.stack.enter_context(named(path_text(self.path)))
        self.stream = self.stack.enter_context(written_whole(self.path))
        self.lines = csv.writer(self.stream, lineterminator="\n")
        self.quoted = csv.writer(self.stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self.lines.writerow(Reject._fields)


def evaluated(each: Sequence[Feed]) -> Iterator[tuple[Part, float]]:
    """The parts of all feeds, in order, and the share of each in what was still to come, by bytes; several of them at work
    at once, while the next is read. With a bar where somebody watches."""
    waiting: list[tuple[Future[Part], float, float]] = []

    def first() -> tuple[Part, float]:
        future, before, reached = waiting.pop(0)
        part = future.result()
        show(part.tally.rows, reached)
        return part, (reached - before) / (1 - before) if before < 1 else 1.0

    with ThreadPoolExecutor(AHEAD) as pool, _bar() as show:
        try:
            before = 0.0
            for work, reached in _made_ahead(_works(each)):
                waiting.append((pool.submit(work), before, reached))
                before = reached
                if len(waiting) > AHEAD:
                    yield first()
            while waiting:
                yield first()
        finally:
            for future, *_ in waiting:
                future.cancel()


def _works(each: Sequence[Feed]) -> Iterator[tuple[Callable[[], Part], float]]:
    """What makes each part, and how much will have been read with it, from 0 to 1."""
    size = sum(feed.size for feed in each) or 1
    before = 0
    for feed in each:
        for work in feed.parts():
            yield work, min(1.0, (before + feed.size * feed.progress()) / size)
        before += feed.size


def _made_ahead(things: Iterator[Thing]) -> Iterator[Thing]:
    """The same; each is made while use is made of the one before."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming: Future[Any] = pool.submit(next, things, end)
        while (thing := coming.result()) is not end:
            coming = pool.submit(next, things, end)
            yield thing


@contextmanager
def _bar() -> Iterator[Callable[[int, float], None]]:
    """Shows how far the run is, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda rows, done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.fields[rows]} patients"),
        BarColumn(),
        TextColumn("{task.fields[rate]}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=1.0, rows="0", rate="")
        count = 0

        def show(rows: int, done: float) -> None:
            nonlocal count
            count += rows
            passed = progress.tasks[0].elapsed or 1e-9
            progress.update(task, completed=done, rows=f"{count:,}", rate=f"{count / passed:,.0f}")

        yield show


# What is said ---------------------------------------------------------------------------------------------------------


def summary(knowledge: Knowledge, tally: Tally) -> Iterator[str]:
    """What a run has come to, in a few lines."""
    from .engine.knowledge.model import URGENCIES

    yield f"{many(tally.rows, 'patient')}: {tally.evaluated:,} evaluated, {tally.rejected:,} rejected"
    if tally.evaluated:
        yield "urgency: " + ", ".join(f"{tally.urgency[u]:,} {u}" for u in reversed(URGENCIES) if tally.urgency[u])
        leading = [(n, d) for d, n in tally.leading.items()]
        yield "leading: " + ", ".join(f"{n:,} {d or 'none'}" for n, d in sorted(leading, key=lambda x: (-x[0], x[1])))
    if tally.unusual.total():
        names = ", ".join(f"{name} {n:,}" for name, n in tally.unusual.most_common(MOST_SHOWN) if n)
        yield f"outside the usual range, taken as given: {names}"
    reasons = tally.bad.most_common()
    for (column, code), number in reasons[:MOST_SHOWN]:
        value = _shortened(tally.examples.get((column, code), ""))
        example = f", as {value!r}" if value else ""
        yield f"cannot be used: {number:,} x {code}{f' in {column}' if column else ''}{example}"
    if reasons[MOST_SHOWN:]:
        rest = sum(number for _, number in reasons[MOST_SHOWN:])
        yield f"cannot be used: {rest:,} more, of {counted(len(reasons) - MOST_SHOWN, 'other kind')}"
    if any(code == "wrong-kind" for _, code in tally.bad):
        yield "--map FILE says what codes such as 1, N or -99 mean"
    yield from _labelled(knowledge, tally)


def _shortened(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}..."


def _labelled(knowledge: Knowledge, tally: Tally) -> Iterator[str]:
    """How often the label leads, and which labels are no diagnoses."""
    from .engine.population.tally import agreement, confusion

    agreed = agreement(knowledge, tally)
    if agreed.of:
        yield f"labels: of {agreed.of:,} that are a diagnosis here, {agreed.number:,} lead"
    matrix = confusion(knowledge, tally)
    if matrix.foreign:
        names = ", ".join(f"{_shortened(label)} {sum(matrix.row(label)):,}" for label in matrix.foreign[:MOST_SHOWN])
        more = f" and {len(matrix.foreign) - MOST_SHOWN:,} others" if matrix.foreign[MOST_SHOWN:] else ""
        yield f"labels that are no diagnosis here: {names}{more}"


def assumed_units(knowledge: Knowledge, assumed: Collection[str]) -> Iterator[str]:
    """In what numbers were read beside which nothing names a unit."""
    if assumed:
        scales = ((name, knowledge.findings[name].scale) for name in sorted(assumed))
        units = ", ".join(f"{name} {scale.unit}" for name, scale in scales if scale is not None)
        yield f"numbers without a unit were read in: {units}"


def sum_up(
    knowledge: Knowledge,
    tally: Tally,
    assumed: Collection[str],
    output: Path,
    listed: Path,
    verified: tuple[int, int],
    report: Path | None = None,
) -> int:
    """Prints what a run has come to, with how many rows were verified and by which seed; the exit code."""
    for line in (*summary(knowledge, tally), *assumed_units(knowledge, assumed)):
        tell(printable(line))
    if tally.bad.total():
        click.echo(f"{many(tally.bad.total(), 'fault')} listed in {printable(path_text(listed))}", err=True)
    number, seed = verified
    if number:
        click.echo(f"{counted(number, 'row')} verified through Experta (--seed {seed})", err=True)
    alone = ", by the diagnoses of the document alone" if knowledge.is_document_only else ""
    click.echo(f"-> {printable(path_text(output))}{alone}", err=True)
    if report is not None:
        click.echo(f"-> {printable(path_text(report))}", err=True)
    if not tally.rows:
        click.echo("there was no row to read", err=True)
        return NOTHING
    return BAD_CASE if tally.rejected else DONE


def _explain(each: list[Feed], id: str, knowledge: Knowledge) -> int:
    """Prints the report of the first patient of that id."""
    from .engine.report.text import print_outcome
    from .feeds import ID

    reasoner = None
    for part, _ in evaluated(each):
        refused = [reject for reject in part.rejects if reject.id == id]
        for reject in refused:
            click.echo(reject.told(), err=True)
        for number in part.results[ID].eq_missing(id).arg_true():
            reasoner = reasoner or reasoner_for(knowledge)
            print_outcome(new_console(), id, reasoner.conclude(part.findings(number)), __version__, ())
            return DONE
        if refused:
            return BAD_CASE
    click.echo(f"no patient is called {printable(id)}", err=True)
    return NOTHING
