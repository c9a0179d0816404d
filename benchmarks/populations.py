"""How fast tables of patients are evaluated, against every other way of getting the same answers.

    python benchmarks/populations.py [--quick] [--parts PART ...] [--patients N ...] [--rules N ...] [--pool N]

Each engine runs in a process of its own over the same patients and rules: column expressions, over columns that are read
already and over texts; our Experta; Experta as it comes; CLIPS; and the meaning in plain Python. Their answers are compared
first; a difference ends the run. Then the command from a CSV file to a Parquet file, against polars merely reading the one
and writing the other. Nothing is held to seconds, only to ratios within the run.

A patient is made of regression cases, with a tenth of the answers blanked. Two tables: `wide` has a column for every finding
that any such case gives, and three cases to a patient, so that few of its cells are filled; `narrow` has the 25 findings
that cases give most, and thirty cases to a patient, so that most are. A pool of such patients is drawn with a fixed seed,
and a table draws its rows from the pool. Slow engines take the first rows of a table, as many as each can in some seconds.

Ten times the rules are ten renamed copies of all rules, concepts, scores, red flags, notes, advice and diagnoses over the
same findings, so that patients stay the same, and there is ten times as much to conclude about each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mutate import RENAMED, renamed

from crampdx.engine.knowledge.cases import Case, read_cases, read_findings
from crampdx.engine.knowledge.loader import BUILT_IN, load
from crampdx.engine.knowledge.model import NOWHERE, Answer, Finding, Findings, Knowledge, Tier
from crampdx.engine.knowledge.problems import Problems
from crampdx.engine.knowledge.yamltext import Scalar
from crampdx.engine.population.layout import Column, cell_words, heading, layout_of

TESTS = Path(__file__).resolve().parents[1] / "tests"
COMMAND = "from crampdx.cli import main; main()"  # what the installed entry point does
SHARED = ("findings", "impossible")  # what ten times the rules have in common
PIECE = 100_000  # rows of a table that are drawn, or evaluated in memory, at once
BLANKED = 0.1
RUNS, LONG, LONGER = 5, 10.0, 60.0  # runs of what takes less than LONG seconds; 3 of what takes more, 1 beyond LONGER
COLUMNS, TEXTS, OURS, STOCK, CLIPS, REFERENCE = "columns", "texts", "experta", "stock", "clips", "reference"
NAMES = {
    COLUMNS: "columns in memory",
    TEXTS: "columns from texts",
    OURS: "Experta, our matcher",
    STOCK: "Experta as it comes",
    CLIPS: "CLIPS",
    REFERENCE: "plain Python",
}
AT_ONCE = {OURS: 100, STOCK: 10, CLIPS: 1_000, REFERENCE: 200}  # patients, of the slow engines
PARTS = ("answers", "engines", "growth", "rules", "files")
Concluded = dict[str, Any]  # about one patient, the same from every engine


# Patients -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A kind of table: how many columns it has at most, and of how many cases a patient is made."""

    name: str
    columns: int
    merged: int


KINDS = (Kind("narrow", 25, 30), Kind("wide", 10_000, 3))


def cases_of(knowledge: Knowledge) -> list[Case]:
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in sorted((TESTS / "cases").glob("*.yaml"))]
    return [case for name, text in texts for case in read_cases(text, name, knowledge, Problems())]


def pool_of(knowledge: Knowledge, cases: Sequence[Case], kind: Kind, size: int) -> dict[str, Any]:
    """The columns of a table, and patients as the texts of their cells; of those whose answers can hold together."""
    uses = Counter(name for case in cases for name in case.given)
    columns = sorted(name for name, _ in uses.most_common(kind.columns))
    chance = random.Random(f"pool {kind.name}")
    patients: list[dict[str, str]] = []
    while len(patients) < size:
        given: dict[str, Scalar] = {}
        for case in chance.sample(cases, kind.merged):
            for name, scalar in case.given.items():
                given.setdefault(name, scalar)
        given = {n: given[n] for n in columns if n in given and chance.random() >= BLANKED}
        problems = Problems()
        findings, _ = read_findings(given, knowledge, problems, NOWHERE)
        if not problems.errors:
            patients.append(
                {n: _cell(knowledge.findings[n], findings[n], s.text) for n, s in given.items() if n in findings}
            )
    return {"columns": columns, "patients": patients}


def _cell(finding: Finding, answer: Answer, text: str) -> str:
    """As an analyst's table has it: a number in the unit of the header, where it is one."""
    interval = answer.quantity
    plain = interval is not None and interval.low is not None and interval.low == interval.high
    if interval is None or not plain or finding.scale is None or answer.reference != finding.scale.reference:
        return text
    return format(interval.low, "f")


def drawn(pool: int, rows: int) -> Iterator[list[int]]:
    """Which of the pool the rows of a table are, piece by piece: a shorter table is the beginning of a longer one."""
    for piece in range(0, rows, PIECE):
        yield random.Random(f"rows {piece}").choices(range(pool), k=PIECE)[: rows - piece]


def texts_of(knowledge: Knowledge, pool: Mapping[str, Any]) -> Any:
    """The pool as a table of texts, under the header that an analyst would have."""
    import polars as pl

    names = pool["columns"]
    heads = {name: heading(knowledge.findings[name]) for name in names}
    columns = {heads[name]: [patient.get(name) for patient in pool["patients"]] for name in names}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def findings_of(knowledge: Knowledge, pool: Mapping[str, Any], rows: int) -> list[Findings]:
    """What the first rows say, each read as a case file is."""
    read: dict[int, Findings] = {}
    found: list[Findings] = []
    for number in (n for piece in drawn(len(pool["patients"]), rows) for n in piece):
        if number not in read:
            read[number] = _read(knowledge, pool["patients"][number])
        found.append(read[number])
    return found


def _read(knowledge: Knowledge, patient: Mapping[str, str]) -> Findings:
    words = {n: cell_words(text, Column(n, n), knowledge.findings[n]) for n, text in patient.items()}
    problems = Problems()
    findings, _ = read_findings({n: Scalar(w, NOWHERE) for n, w in words.items()}, knowledge, problems, NOWHERE)
    assert not problems.errors, problems.errors
    return findings


def more_rules(knowledge: Knowledge, copies: int) -> Knowledge:
    """So many times everything but the findings; the first of each under its own name."""
    shelves = [shelf for shelf in RENAMED if shelf not in SHARED]
    names = {name for shelf in shelves for name in getattr(knowledge, shelf)}
    endings = ["", *(f"_{number}" for number in range(1, copies))]
    changes: Any = {
        shelf: MappingProxyType(
            {n + e: renamed(thing, names, e) for e in endings for n, thing in getattr(knowledge, shelf).items()}
        )
        for shelf in shelves
    }
    tiers = tuple(Tier(t.id, t.heading, tuple(d + e for e in endings for d in t.diagnoses)) for t in knowledge.tiers)
    return replace(knowledge, tiers=tiers, **changes)


# Engines, each in a process of its own --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Engine:
    """Ready to conclude: `work` does it for all its patients, `answers` says what came out of the first ones."""

    work: Callable[[], Any]
    answers: Callable[[int], list[Concluded]]
    patients: int


def one_by_one(name: str, knowledge: Knowledge, patients: list[Findings]) -> Engine:
    """An engine that takes patient after patient."""
    if name == CLIPS:
        sys.path.insert(0, str(TESTS))
        from clips_oracle import Clips

        conclude: Callable[[Findings], Any] = Clips(knowledge).conclude
        return Engine(lambda: list(map(conclude, patients)), lambda n: [_of_clips(conclude(p)) for p in patients[:n]], 0)
    if name == REFERENCE:
        from crampdx.engine.inference.reference import infer

        def conclude(findings: Findings) -> Any:
            return infer(knowledge, findings)
    else:
        conclude = _experta(knowledge, ours=name == OURS)
    return Engine(
        lambda: list(map(conclude, patients)), lambda n: [_of_inference(knowledge, conclude(p)) for p in patients[:n]], 0
    )


def _experta(knowledge: Knowledge, ours: bool) -> Callable[[Findings], Any]:
    from matcher import as_it_comes

    from crampdx.engine.inference.forward import build_engine, run

    engine = build_engine(knowledge) if ours else as_it_comes(build_engine(knowledge))
    return lambda findings: run(engine, findings)


def by_columns(name: str, knowledge: Knowledge, pool: Mapping[str, Any], rows: int) -> Engine:
    """Column expressions, over columns that are read already or over texts, as many pieces of the table at a time as the
    command has at work."""
    import narwhals as nw
    import polars as pl

    from crampdx.engine.population.columnar import Compiler
    from crampdx.engine.population.rows import columns_of
    from crampdx.engine.population.tables import ROW, TAKEN, Table, concluded
    from crampdx.populations import AHEAD

    pieces = list(drawn(len(pool["patients"]), rows))
    numbers = [pl.int_range(1, len(piece) + 1, eager=True) for piece in pieces]
    if name == TEXTS:
        whole = texts_of(knowledge, pool)
        layout = layout_of(tuple(whole.columns), knowledge, problems=Problems(), place=NOWHERE)
        assert layout is not None
        table = Table(knowledge, layout)
        tables = [whole[piece] for piece in pieces]

        def evaluated(number: int) -> Any:
            batch, plan = table.read(tables[number], numbers[number])
            assert not batch.bad, batch.bad[0]
            return concluded(plan, batch.frame)[0]
    else:
        columns, present = columns_of(knowledge, [_read(knowledge, patient) for patient in pool["patients"]])
        whole = pl.DataFrame(columns, infer_schema_length=None)
        plan = Compiler(knowledge, present).plan()
        added = pl.lit("").alias(TAKEN)
        tables = [whole[p].with_columns(n.alias(ROW), added) for p, n in zip(pieces, numbers, strict=True)]

        def evaluated(number: int) -> Any:
            return concluded(plan, plan.derived(nw.from_native(tables[number])).to_native())[0]

    def answers(count: int) -> list[Concluded]:
        results = evaluated(0).head(count)
        return [_of_row(knowledge, row) for row in results.iter_rows(named=True)]

    def work() -> None:
        with ThreadPoolExecutor(AHEAD) as pool:
            assert sum(pool.map(lambda number: evaluated(number).height, range(len(pieces)))) == rows

    return Engine(work, answers, rows)


def _of_row(knowledge: Knowledge, row: Mapping[str, Any]) -> Concluded:
    from crampdx.engine.population.columnar import JOINT, points_of

    return {
        "urgency": row["urgency"],
        "leading": row["leading"],
        "red flags": sorted(filter(None, row["red_flags"].split(JOINT))),
        "rules": sorted(filter(None, row["rules"].split(JOINT))),
        "diagnoses": {d: [row[d], row[points_of(d)]] for d in knowledge.diagnoses},
    }


def _of_inference(knowledge: Knowledge, inference: Any) -> Concluded:
    from crampdx.engine.inference.weighing import leading_of, urgency_of

    conclusions = inference.conclusions.values()
    return {
        "urgency": urgency_of(knowledge, inference),
        "leading": leading_of(knowledge, inference),
        "red flags": sorted(inference.red_flags),
        "rules": sorted(rule for conclusion in conclusions for rule in conclusion.fired),
        "diagnoses": {c.diagnosis: [c.level, c.points] for c in conclusions},
    }


def _of_clips(concluded: Any) -> Concluded:
    return {
        "urgency": concluded.urgency,
        "leading": concluded.leading,
        "red flags": sorted(concluded.red_flags),
        "rules": sorted(concluded.fired),
        "diagnoses": {diagnosis: list(found) for diagnosis, found in concluded.levels.items()},
    }


def run_engine(asked: Mapping[str, Any]) -> None:
    """In a process of its own: prints the answers about the first patients, or the seconds that each of some runs took."""
    knowledge = load(BUILT_IN)
    start = time.perf_counter()
    knowledge = more_rules(knowledge, asked["copies"])
    pool = json.loads(Path(asked["pool"]).read_text(encoding="utf-8"))
    name, rows = asked["engine"], asked["patients"]
    if name in (COLUMNS, TEXTS):
        engine = by_columns(name, knowledge, pool, rows)
    else:
        engine = one_by_one(name, knowledge, findings_of(knowledge, pool, rows))
    told: dict[str, Any] = {"ready": time.perf_counter() - start}
    if asked["answers"]:
        told["answers"] = engine.answers(rows)
    else:
        told["seconds"] = repeated(lambda: _timed(engine.work), asked["runs"])
    print(json.dumps(told))


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def repeated(run: Callable[[], float], runs: int) -> list[float]:
    """The seconds of each run; of the first, which warms the caches, only where it is too long for another."""
    first = run()
    if first > LONGER:
        return [first]
    return [run() for _ in range(runs if first < LONG else min(runs, 3))]


# Processes and what they take -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Process:
    """A process that has ended well."""

    seconds: float
    cpu: float  # seconds, of all its threads
    peak: int  # bytes of memory
    printed: str


def process(*arguments: str) -> Process:
    """Runs Python with these arguments."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complained:
        child = subprocess.Popen([sys.executable, *arguments], stdout=printed, stderr=complained)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        complained.seek(0)
        if child.returncode:
            raise SystemExit(f"{' '.join(arguments)[:200]}: {complained.read().decode()[-1_500:]}")
        return Process(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, printed.read().decode())


@dataclass(frozen=True)
class Measured:
    """How long so many patients took, in the median."""

    patients: int
    seconds: float
    runs: int
    peak: int
    ready: float = 0.0  # seconds before the first patient
    cpu: float = 0.0  # seconds, of all threads, of a whole process

    @property
    def rate(self) -> float:
        return self.patients / self.seconds

    def line(self, what: str, against: str = "") -> str:
        size = f"{self.patients:>11,}  {self.seconds:>9.3f} s  {self.runs} runs  {self.rate:>12,.0f}/s"
        return f"{what:<34}{size}  {self.peak / 2**20:>7,.0f} MiB  {against}"


class Benchmark:
    """One run of everything."""

    def __init__(self, folder: Path, asked: argparse.Namespace) -> None:
        self.folder, self.asked = folder, asked
        self.knowledge = load(BUILT_IN)
        cases = cases_of(self.knowledge)
        self.pools = {kind.name: pool_of(self.knowledge, cases, kind, asked.pool) for kind in KINDS}
        for name, pool in self.pools.items():
            self._pool_file(name).write_text(json.dumps(pool), encoding="utf-8")
        self.misses: list[str] = []

    def _pool_file(self, kind: str) -> Path:
        return self.folder / f"{kind}.json"

    def _engine(self, name: str, kind: str, patients: int, copies: int = 1, answers: bool = False) -> tuple[Any, Process]:
        asked = {"engine": name, "pool": str(self._pool_file(kind)), "patients": patients, "copies": copies}
        asked |= {"answers": answers, "runs": self.asked.runs}
        done = process(__file__, "--engine", json.dumps(asked))
        return json.loads(done.printed), done

    def measured(self, name: str, kind: str, patients: int, copies: int = 1) -> Measured:
        told, done = self._engine(name, kind, patients, copies)
        seconds = told["seconds"]
        return Measured(patients, statistics.median(seconds), len(seconds), done.peak, told["ready"])

    def held(self, what: str, value: float, limit: float, least: bool = False) -> None:
        """Prints a ratio and what it is held to."""
        good = value >= limit if least else value <= limit
        if not good:
            self.misses.append(what)
        words = "at least" if least else "at most"
        print(f"{what:<62}{value:>10,.2f}   held to {words} {limit:,g}{'' if good else '   MISSED'}")

    # What is measured

    def describe(self) -> None:
        kinds = self.knowledge
        print(f"{len(kinds.rules)} rules, {len(kinds.concepts)} concepts, {len(kinds.diagnoses)} diagnoses")
        for name, pool in self.pools.items():
            cells = statistics.mean(map(len, pool["patients"]))
            print(
                f"{name:<8}{len(pool['columns'])} columns, {cells:.1f} of them filled, {len(pool['patients']):,} in the pool"
            )

    def compare(self) -> None:
        """Ends the run where any two engines differ."""
        for kind in self.pools:
            expected, _ = self._engine(REFERENCE, kind, self.asked.compared, answers=True)
            for name in NAMES:
                # Experta as it comes takes a second or more for each.
                count = self.asked.stock if name == STOCK else self.asked.compared
                found, _ = self._engine(name, kind, count, answers=True)
                for number, (a, b) in enumerate(zip(found["answers"], expected["answers"], strict=False)):
                    if a != b:
                        raise SystemExit(f"{NAMES[name]} differs on patient {number + 1} of {kind}: {_difference(a, b)}")
                assert len(found["answers"]) == count
                print(f"{kind:<8}{NAMES[name]:<26}{count} patients: the same")

    def engines(self, rows: int) -> None:
        for kind in self.pools:
            print(f"\n{kind}: in memory")
            clips = self.measured(CLIPS, kind, self._at_once(CLIPS))
            print(clips.line(NAMES[CLIPS]))
            rates = {CLIPS: clips.rate}
            for name in (STOCK, OURS, REFERENCE, TEXTS, COLUMNS):
                found = self.measured(name, kind, self._at_once(name, rows))
                rates[name] = found.rate
                print(found.line(NAMES[name], f"{found.rate / clips.rate:,.2f} x CLIPS"))
            print(
                f"our Experta / CLIPS {rates[OURS] / clips.rate:.3f}, our Experta / stock {rates[OURS] / rates[STOCK]:.1f}"
            )
            self.held(f"{kind}: columns in memory / CLIPS", rates[COLUMNS] / clips.rate, 1_000, least=True)

    def _at_once(self, name: str, rows: int = 0) -> int:
        return rows if name in (COLUMNS, TEXTS) else max(2, AT_ONCE[name] // self.asked.fewer)

    def growth(self, sizes: Sequence[int]) -> None:
        """In memory, by patients: the slow engines over what they can take."""
        print("\nnarrow: by patients, in memory")
        for name in NAMES:
            most = max(sizes) if name in (COLUMNS, TEXTS) else self._at_once(name)
            steps = [n for n in sizes if n < most] if name in (COLUMNS, TEXTS) else [max(1, most // 10)]
            each = [self.measured(name, "narrow", n) for n in sorted({*steps, most})]
            for found in each:
                print(found.line(NAMES[name], f"{found.seconds / found.patients * 1e6:,.2f} us a patient"))

    def rules(self, copies: int, rows: int) -> None:
        """In memory, by rules."""
        for kind in self.pools:
            print(f"\n{kind}: {copies} times the rules, in memory")
            for name in NAMES:
                patients = rows if name in (COLUMNS, TEXTS) else max(2, self._at_once(name) // copies)
                if name == CLIPS and copies > 3:
                    print(f"{NAMES[name]:<34}has too few saliences for so many rules")
                    continue
                once = self.measured(name, kind, patients)
                many = self.measured(name, kind, patients, copies)
                ratio = many.seconds / once.seconds
                print(
                    many.line(NAMES[name], f"{ratio:.2f} x the time; compiled in {many.ready:.1f} s, once {once.ready:.1f}")
                )
                if name in (COLUMNS, TEXTS):
                    self.held(f"{kind}: {NAMES[name]}, {copies} times the rules", ratio, 1.2 * copies)

    def end_to_end(self, kind: str, sizes: Sequence[int]) -> None:
        """From a CSV file to a Parquet file, by the command, and by polars alone."""
        print(f"\n{kind}: from CSV to Parquet")
        before: Measured | None = None
        for rows in sizes:
            found, bare, floor = self._command_and_floor(kind, rows)
            ratio = found.seconds / floor.seconds
            print(found.line("crampdx batch", _compared(found, floor)))
            print(bare.line("crampdx batch --verify 0", _compared(bare, floor)))
            print(floor.line("polars, reading and writing"))
            if before is not None:
                more = (found.seconds / before.seconds) / (found.patients / before.patients)
                print(f"{'':<34}a patient takes {more:.2f} times as long as in the table before")
            before = found
            if rows >= 1_000_000:
                self.held(f"{kind}: crampdx / polars, {rows:,} patients", ratio, 3)
            if rows >= 10_000_000:
                self.held(f"{kind}: GiB for {rows:,} patients", found.peak / 2**30, 2)

    def _command_and_floor(self, kind: str, rows: int) -> tuple[Measured, Measured, Measured]:
        """The command, the same without its sample through Experta, and polars alone."""
        table, results = self.folder / "table.csv", self.folder / "results.parquet"
        self._write(kind, rows, table)
        command = ("-c", COMMAND, "batch", str(table), "--output", str(results), "--seed", "1")
        floors = [("-c", FLOOR, str(table), str(results), str(self.folder / "out.parquet"), inferred) for inferred in "01"]
        found = self._processes(rows, command)
        bare = self._processes(rows, (*command, "--verify", "0"))
        floor = min((self._processes(rows, floor) for floor in floors), key=lambda measured: measured.seconds)
        for path in (table, results):
            path.unlink()
        return found, bare, floor

    def _processes(self, rows: int, arguments: Sequence[str]) -> Measured:
        """What such a process takes, without the seconds that it prints itself."""
        done: list[Process] = []

        def run() -> float:
            done.append(process(*arguments))
            return done[-1].seconds - float(done[-1].printed or 0)

        seconds = repeated(run, self.asked.runs)
        last = done[-len(seconds) :]
        cpu = statistics.median(each.cpu - float(each.printed or 0) for each in last)
        return Measured(rows, statistics.median(seconds), len(seconds), max(each.peak for each in last), cpu=cpu)

    def _write(self, kind: str, rows: int, path: Path) -> None:
        """A piece at a time: a large table is larger than the memory."""
        import polars as pl

        whole = texts_of(self.knowledge, self.pools[kind])
        first = 1
        with path.open("wb") as stream:
            for piece in drawn(whole.height, rows):
                ids = pl.int_range(first, first + len(piece), eager=True).alias("id")
                whole[piece].insert_column(0, ids).write_csv(stream, include_header=first == 1)
                first += len(piece)


# Reads the table whole, as texts or as polars takes it by itself; then writes the results, which it must have at hand, and
# prints how long it took to get them, which is not its task. In parts, so that the results of ten million need not fit.
FLOOR = f"""
import sys, time
import polars as pl
table, results, output, inferred = sys.argv[1:]
if int(inferred):
    frame = pl.read_csv(table, infer_schema_length=1_000, ignore_errors=True)
else:
    frame = pl.read_csv(table, infer_schema=False)
rows = frame.height
aside = 0.0
for first in range(0, rows, {PIECE * 5}):
    start = time.perf_counter()
    part = pl.scan_parquet(results).slice(first, {PIECE * 5}).collect()
    aside += time.perf_counter() - start
    part.write_parquet(output)
print(aside)
"""


def _compared(found: Measured, floor: Measured) -> str:
    return f"{found.seconds / floor.seconds:.2f} x polars, {found.cpu / floor.cpu:.2f} x in seconds of all threads"


def _difference(a: Concluded, b: Concluded) -> str:
    for key in b:
        if a[key] != b[key]:
            if isinstance(b[key], dict):
                return ", ".join(f"{d}: {a[key].get(d)} and {b[key][d]}" for d in b[key] if a[key].get(d) != b[key][d])
            return f"{key}: {a[key]} and {b[key]}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all of it works")
    parser.add_argument("--patients", type=int, nargs="+", metavar="N", help="sizes of the tables from CSV to Parquet")
    parser.add_argument("--rules", type=int, nargs="+", metavar="N", help="how many times the rules; 10")
    parser.add_argument("--pool", type=int, metavar="N", help="different patients")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure; all")
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.engine:
        run_engine(json.loads(asked.engine))
        return
    quick = asked.quick
    sizes = asked.patients or ([1_000, 20_000] if quick else [10**n for n in range(3, 8)])
    asked.pool = asked.pool or (500 if quick else 5_000)
    asked.compared, asked.stock = (50, 5) if quick else (500, 60)
    asked.runs, asked.fewer = (3, 10) if quick else (RUNS, 1)
    rows = 50_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        run = Benchmark(Path(folder), asked)
        run.describe()
        if "answers" in asked.parts:
            run.compare()
        if "engines" in asked.parts:
            run.engines(rows)
        if "growth" in asked.parts:
            run.growth([1_000, rows] if quick else [10**n for n in range(3, 7)])
        if "rules" in asked.parts:
            for copies in asked.rules or [10]:
                run.rules(copies, rows // 10)
        if "files" in asked.parts:
            run.end_to_end("narrow", sizes)
            run.end_to_end("wide", [2_000] if quick else [10**n for n in range(3, 7)])
    if run.misses:
        raise SystemExit(f"missed: {'; '.join(run.misses)}")


if __name__ == "__main__":
    main()
