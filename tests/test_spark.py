"""`crampdx batch --engine spark` gives the rows and the rejects of the polars engine, with nothing but Spark on the workers.

One session serves all tests here, on two threads of this machine; without Java they are skipped.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result
from planted import written

import crampdx
from crampdx.cli import BAD_CASE, DONE, INTERNAL, NOTHING, USAGE, main
from crampdx.engine.knowledge.cases import Case

from small_worlds import Chooser, answers_by, dumped, texts_by

pytest.importorskip("pyspark", reason="pyspark is not installed")

from crampdx import spark_run

if not spark_run.java_is_there():
    pytest.skip("Spark needs Java", allow_module_level=True)

SEED = 3
SHORT = {"spark.sql.shuffle.partitions": "2"}
Rows = list[dict[str, str]]


@pytest.fixture(scope="module", name="spark")
def _spark() -> Iterator[Any]:
    """The session of all tests here. What runs for seconds is not worth the compiler's best."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        for name, value in SHORT.items():
            patch.setitem(spark_run.SETTINGS, name, value)
        with spark_run.session("local[2]") as spark:
            yield spark
    assert spark.sparkContext._jsc is None  # stopped


@pytest.fixture(name="plans")
def _plans(spark: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs take the session of all tests; what is written says how, into this list."""

    @contextmanager
    def shared(master: str) -> Iterator[Any]:
        assert master == "local[2]"
        yield spark

    def noted(frame: Any, kind: str, folder: Path) -> None:
        seen.append(frame._jdf.queryExecution().toString())
        write(frame, kind, folder)

    seen: list[str] = []
    write = spark_run._write
    monkeypatch.setattr(spark_run, "session", shared)
    monkeypatch.setattr(spark_run, "_write", noted)
    return seen


class _Seeded(Chooser):
    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.number = lambda: chance.randrange(5040)


@pytest.fixture(name="base")
def _base(tmp_path: Path) -> Path:
    """A folder with a small knowledge base, in which red and blue things do not ache, and `map.yaml`."""
    never = {"title": "What is blue does not ache", "when": {"all": ["colour is blue", "ache"]}}
    texts = texts_by(_Seeded(SEED)) | {"facts/impossible.yaml": dumped({"blue-ache": never})}
    written(texts, tmp_path / "base")
    (tmp_path / "map.yaml").write_text(dumped({"yes": ["1"], "no": ["0"], "unknown": ["-99"]}), "utf-8")
    return tmp_path


HEADER = ("id", "ache", "bruise", "chill", "drowse", "gated", "colour", "level (u)", "width (half)", "sum_of_both", "a.b`c")
ODD: dict[str, Sequence[str]] = {
    "ache": ("1", "0", "Yes", " no ", "unknown", "-99", "maybe", "ja"),
    "colour": ("Pale", "RED", "green", "-99", "unknown"),
    "level (u)": (
        "3.05",
        "3.04",
        "-0.05",
        "> 3",
        "<= 4 u",
        "2 (1 to 4)",
        "8 half",
        "-99",
        "61",
        "1e1",
        "5.",
        "x",
        "nan",
        "3.1\t",
    ),
    "width (half)": ("3.1", "3.3", "0.9", "+1", "-40.0", "1e300", "> 2 shifted", "123456789012345.5", "7" * 40, "\u0663"),
}


def patients(count: int) -> Rows:
    """As plain as most tables, with odd cells, answers that cannot hold together, and ids that stand twice."""
    choose, chance = _Seeded(SEED + 1), random.Random(SEED)
    rows: Rows = []
    for number in range(count):
        given = answers_by(choose)
        plain = {name: given.get(name.split(" ")[0], "") for name in HEADER}
        plain |= {"level (u)": chance.choice(("", "2", "4.5", "6")), "width (half)": chance.choice(("", "3", "-1.5"))}
        plain |= {"id": f"p{number - number % 20 // 19}", "a.b`c": "a, \"quoted\" 'thing'"}
        plain["sum_of_both"] = "" if chance.randrange(8) else "4.5"
        for name, texts in ODD.items():
            if chance.randrange(6) == 0:
                plain[name] = chance.choice(texts)
        rows.append(plain)
    return rows


def as_csv(path: Path, rows: Rows, separator: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    return path


def crampdx_batch(base: Path | None, out: Path, *more: str | Path, spark: bool = False) -> Result:
    known = () if base is None else ("--knowledge", base / "base")
    engine = ("--engine", "spark", "--master", "local[2]") if spark else ()
    return CliRunner().invoke(main, [str(a) for a in ("batch", *more, "--id", "id", "--output", out, *known, *engine)])


def rows_in(path: Path) -> Rows:
    """A file, or a folder of parts, as texts in any order."""
    found: Rows = []
    for part in sorted(path.glob("part-*")) if path.is_dir() else [path]:
        if path.suffix == ".parquet":
            found += pl.read_parquet(part).to_dicts()
        elif path.suffix == ".ndjson":
            found += map(json.loads, part.read_text("utf-8").splitlines())
        else:
            with part.open(encoding="utf-8", newline="") as stream:
                found += csv.DictReader(stream)
    return [{name: "" if value is None else str(value) for name, value in row.items()} for row in found]


def in_any_order(rows: Rows) -> Counter[tuple[tuple[str, str], ...]]:
    return Counter(tuple(row.items()) for row in rows)


def rejected(path: Path) -> Counter[tuple[str, ...]]:
    listed = path.with_name(f"{path.name}.rejects.csv")
    return Counter(tuple(row[c] for c in spark_run.REJECT_COLUMNS) for row in (rows_in(listed) if listed.exists() else []))


def summary(ran: Result) -> list[str]:
    """What was said, but for names of files and the order of equal counts."""
    return sorted(line for line in ran.stderr.splitlines() if not line.startswith(("->", "cannot be used")))


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def check_alike(base: Path | None, tmp_path: Path, suffix: str, *more: str | Path) -> Result:
    """Both engines give the same rows, the same rejects and the same summary."""
    there, here = tmp_path / f"spark{suffix}", tmp_path / f"polars{suffix}"
    by_polars = crampdx_batch(base, here, *more, "--seed", "1")
    by_spark = crampdx_batch(base, there, *more, "--seed", "1", spark=True)
    assert by_spark.exit_code == by_polars.exit_code, by_spark.output
    assert rows_in(there)
    assert in_any_order(rows_in(there)) == in_any_order(rows_in(here))
    assert rejected(there) == rejected(here)
    said, wanted = ([line.replace("spark.", "polars.") for line in summary(ran)] for ran in (by_spark, by_polars))
    assert said == wanted
    assert not [name for name in left_in(tmp_path) if name.startswith(".")]
    return by_spark


@pytest.mark.parametrize(("suffix", "separator"), [(".parquet", ","), (".csv", ";"), (".ndjson", "\t")])
def test_a_table_of_texts(base: Path, plans: list[str], tmp_path: Path, suffix: str, separator: str) -> None:
    rows = patients(160)
    half = [as_csv(tmp_path / f"patients [{n}].csv", part, separator) for n, part in enumerate((rows[:90], rows[90:]))]
    one = as_csv(tmp_path / "patients.csv", rows, separator)
    more = ("--map", tmp_path / "map.yaml", "--ignore", "a.b`c")
    ran = check_alike(base, tmp_path, suffix, one, *more)
    assert ran.exit_code == BAD_CASE
    assert {code for *_, code, _ in rejected(tmp_path / f"spark{suffix}")} >= {
        *("impossible", "contradiction", "implausible", "wrong-kind", "unknown-choice", "not-a-quantity")
    }
    assert plans
    assert not [plan for plan in plans if "python" in plan.lower()]
    if suffix == ".parquet":
        shutil.rmtree(tmp_path / "spark.parquet")
        shutil.rmtree(tmp_path / "spark.parquet.rejects.csv")
        crampdx_batch(base, tmp_path / "spark.parquet", *half, *more, spark=True)
        wanted = in_any_order(rows_in(tmp_path / "polars.parquet"))
        assert in_any_order(rows_in(tmp_path / "spark.parquet")) == wanted


def test_a_table_of_numbers_and_truths(base: Path, plans: list[str], tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "id": [1, 2, 3, 4, 5, 6],
            "ache": [True, False, None, True, False, None],
            "bruise": ["yes", "no", None, "1", "", "no"],
            "colour": pl.Series(["blue", "pale", None, "red", "pale", "red"], dtype=pl.Categorical),
            "level (u)": [1.0, 3.05, float("nan"), None, -99.0, 1e10],
            "width (half)": [1, 3, -99, None, 1000, -2],
        }
    )
    frame.write_parquet(tmp_path / "patients.parquet")
    ran = check_alike(base, tmp_path, ".parquet", tmp_path / "patients.parquet", "--map", tmp_path / "map.yaml")
    assert ran.exit_code == BAD_CASE
    assert {(id, code) for id, _, _, code, _ in rejected(tmp_path / "spark.parquet")} == {
        *(("1", "impossible"), ("5", "implausible"), ("6", "implausible"))
    }


def test_lines_of_json_whose_keys_differ(base: Path, plans: list[str], tmp_path: Path) -> None:
    lines = ('{"id": 1, "ache": true}', '{"id": "2", "level (u)": 3.05, "ache": null}', '{"id": 3, "width (half)": "> 2"}')
    (tmp_path / "patients.ndjson").write_text("\n".join(lines), "utf-8")
    assert check_alike(base, tmp_path, ".ndjson", tmp_path / "patients.ndjson").exit_code == DONE


def test_the_regression_cases(plans: list[str], tmp_path: Path, all_cases: tuple[Case, ...]) -> None:
    cases = random.Random(SEED).sample(all_cases, 300)
    given = Counter(name for case in cases for name in case.given)
    names = sorted(name for name, number in given.items() if number >= 5)  # the plan is what takes long
    rows = [{"id": c.name} | {name: c.given[name].text if name in c.given else "" for name in names} for c in cases]
    ran = check_alike(None, tmp_path, ".parquet", as_csv(tmp_path / "cases.csv", rows))
    assert ran.exit_code == DONE
    assert "100 rows verified through Experta" in ran.stderr
    assert plans
    assert not [plan for plan in plans if "python" in plan.lower()]


BROKEN = {
    "a row that is too short": "id,ache,bruise\n1,yes,no\n2,yes\n",
    "a row that is too long": "id,ache,bruise\n1,yes,no\n2,yes,no,no\n",
    "a quote that is never closed": 'id,ache,bruise\n1,yes,no\n2,yes,"no\n3,"no,yes\n',
    "a line end within quotes": 'id,ache,bruise\n1,yes,no\n"2\n3",yes,no\n',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_table_is_refused_whole(base: Path, plans: list[str], tmp_path: Path, text: str) -> None:
    (tmp_path / "patients.csv").write_text(text, "utf-8")
    before = left_in(tmp_path)
    ran = crampdx_batch(base, tmp_path / "out.csv", tmp_path / "patients.csv", spark=True)
    assert ran.exit_code == BAD_CASE
    assert ran.stderr.startswith("error[unreadable-table]: a row cannot be read")
    assert len(ran.stderr.splitlines()) == 1
    assert left_in(tmp_path) == before


def test_a_table_without_rows(base: Path, plans: list[str], tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("id,ache\n", "utf-8")
    ran = crampdx_batch(base, tmp_path / "out.csv", tmp_path / "patients.csv", spark=True)
    assert ran.exit_code == NOTHING, ran.output
    assert ran.stderr.startswith("0 patients: 0 evaluated, 0 rejected")


def test_a_value_that_cannot_be_read_stops_the_run_where_asked(base: Path, plans: list[str], tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("id,ache\n1,yes\n2,maybe\n", "utf-8")
    before = left_in(tmp_path)
    ran = crampdx_batch(base, tmp_path / "out.csv", tmp_path / "patients.csv", "--bad-value", "stop", spark=True)
    assert (ran.exit_code, left_in(tmp_path)) == (BAD_CASE, before)
    assert ran.stderr == ("patient 2: ache: 'ache' is yes or no, not 'maybe'; yes, no or unknown; nothing was written\n")


def test_a_column_of_free_text_is_refused(
    base: Path, plans: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_run, "MOST_ODD", 3)
    (tmp_path / "patients.csv").write_text("id,ache,level (u)\n1,a,1\n2,b,> 2\n3,c,2\n4,d,4\n", "utf-8")
    ran = crampdx_batch(base, tmp_path / "out.csv", tmp_path / "patients.csv", spark=True)
    assert ran.exit_code == BAD_CASE
    assert ran.stderr.startswith("error[too-large]: more than 3 different texts are no plain answers, most of them in ache;")


def test_a_disagreement_with_experta_stops_the_run(
    base: Path, plans: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = spark_run.expected
    monkeypatch.setattr(spark_run, "expected", lambda *of: told(*of) | {"alpha_points": 77})
    (tmp_path / "patients.csv").write_text("id,ache\n1,yes\n", "utf-8")
    before = left_in(tmp_path)
    ran = crampdx_batch(base, tmp_path / "out.csv", tmp_path / "patients.csv", spark=True)
    assert (ran.exit_code, left_in(tmp_path)) == (INTERNAL, before)
    assert ran.stderr.startswith("patient 1: 'alpha_points' is ")
    assert "by Spark and 77 by Experta; this is a bug, and nothing was written" in ran.stderr


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "a report": (("--report", "out.html"), "--report and --explain-row are not with --engine spark"),
    "unknown where bad": (("--bad-value", "unknown"), "--bad-value unknown is not with --engine spark: reject or stop"),
    "case files": (("case.yaml",), "case files are not for --engine spark: it reads .csv, .tsv, .ndjson and .parquet"),
    "two kinds": (("more.ndjson",), "with --engine spark all tables are of one kind: csv, ndjson"),
    "a hidden name": (("_more.csv",), "_more.csv: Spark leaves out files whose names begin with _"),
    "another header": (
        ("other.csv",),
        "other.csv:1:1: error[unreadable-table]: the header differs from that of patients.csv",
    ),
    "a result that is there": (
        ("--rejects", "other.csv"),
        "other.csv is there already; with --engine spark nothing is replaced",
    ),
}


@pytest.mark.parametrize(("more", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_with_spark(
    base: Path, plans: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {"patients.csv": "id,ache\n1,yes\n", "case.yaml": "given:\n  ache: yes\n", "more.ndjson": '{"id": 1}\n'}
    for name, text in (texts | {"_more.csv": "id,ache\n", "other.csv": "id,chill\n"}).items():
        Path(name).write_text(text, "utf-8")
    ran = crampdx_batch(base, Path("out.csv"), "patients.csv", *more, spark=True)
    assert ran.exit_code in (USAGE, BAD_CASE)
    assert said in ran.stderr
    assert not Path("out.csv").exists()


def test_rows_need_a_name(base: Path, plans: list[str], tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("ache\nyes\n", "utf-8")
    arguments = ("batch", tmp_path / "patients.csv", "--output", tmp_path / "out.csv", "--knowledge", base / "base")
    ran = CliRunner().invoke(main, [*map(str, arguments), "--engine", "spark", "--master", "local[2]"])
    assert ran.exit_code == USAGE
    assert "--engine spark needs --id COLUMN: its rows have no numbers" in ran.stderr


def test_what_is_lacking_is_named(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "patients.csv").write_text("id,ache\n1,yes\n", "utf-8")

    def said(spark: bool, *more: str) -> str:
        ran = crampdx_batch(base, tmp_path / "out.csv", tmp_path / "patients.csv", *more, spark=spark)
        assert ran.exit_code == USAGE
        return ran.stderr.splitlines()[-1]

    assert said(False, "--master", "local[2]") == "Error: --master is for --engine spark"
    monkeypatch.setenv("JAVA_HOME", os.devnull)
    assert said(True) == "Error: Spark needs Java, version 17 or later; JAVA_HOME says where it is"
    monkeypatch.setitem(sys.modules, "crampdx.spark_run", None)
    monkeypatch.delattr(crampdx, "spark_run")
    assert said(True) == "Error: --engine spark needs pyspark: pip install 'crampdx[spark]'"
