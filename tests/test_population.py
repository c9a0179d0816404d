"""The columns are held equal to the reference meaning, over random knowledge bases, random patients and random numbers.

`CRAMPDX_WORLDS`, `CRAMPDX_PATIENTS`, `CRAMPDX_EXPERTA` and `CRAMPDX_SEED` say how many knowledge bases, patients in each and
patients in all that Experta reasons about, too, and from where the random choices begin.
"""

from __future__ import annotations

import csv
import json
import math
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import narwhals as nw
import pandas as pd
import polars as pl
import pytest
import yaml
from click.testing import CliRunner, Result
from planted import written

from crampdx import feeds, populations, table_files, verification
from crampdx.cli import main
from crampdx.engine.inference.forward import build_engine, run
from crampdx.engine.inference.outcome import Outcome, outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.inference.weighing import Inference, leading_of, urgency_of
from crampdx.engine.knowledge import yamltext
from crampdx.engine.knowledge.cases import Case, derived_value, read_answer, read_findings, units_of
from crampdx.engine.knowledge.model import (
    NOWHERE,
    QUANTITY,
    URGENCIES,
    YES_NO,
    Derivation,
    Finding,
    Findings,
    Knowledge,
    Scale,
    Weighing,
    leaves,
)
from crampdx.engine.knowledge.problems import InvalidInput, Problems
from crampdx.engine.knowledge.quantities import Interval, plain, rounded
from crampdx.engine.population import columnar
from crampdx.engine.population.columnar import points_of
from crampdx.engine.population.evaluation import FAULTS, evaluate
from crampdx.engine.population.layout import Layout, Map, heading, layout_of
from crampdx.engine.population.steps import (
    FAR,
    OPPOSITE,
    conversion,
    derived_steps,
    ends,
    half_steps,
    limit_in_steps,
    surely,
    surely_to,
)
from crampdx.engine.population.tables import ROW, TAKEN, Batch, Table, concluded, of_cases
from crampdx.engine.population.tally import Tally
from crampdx.shared import BAD_CASE, BAD_KNOWLEDGE, INTERNAL

from at_hand import ROOT
from small_worlds import COLOURS, OPERATORS, THEN, Chooser, answers_by, dumped, small_knowledge, texts_by

WORLDS = int(os.environ.get("CRAMPDX_WORLDS", "10"))
PATIENTS = int(os.environ.get("CRAMPDX_PATIENTS", "1000"))
EXPERTA = int(os.environ.get("CRAMPDX_EXPERTA", "200"))
SEED = int(os.environ.get("CRAMPDX_SEED", "20261123"))
print(f"{WORLDS} random knowledge bases x {PATIENTS} patients, {EXPERTA} of them through Experta, seed {SEED}")


# Worlds with more in them: every way to derive, chains of these, gates behind gates -------------------------------------


class Finer(Chooser):
    """Choices of a random generator; multiples of limits lie between two values of a finding, too."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(lambda _: chance.randrange(5040))

    def leaf(self, names: dict[str, str]) -> str:
        name = self.one_of(list(names))
        operator = self.one_of(OPERATORS)
        if names[name] != "quantity":
            return super().leaf({name: names[name]})
        if name in HAVE_REFERENCE and self.chance(2):
            factor = self.one_of(("0.5", "1", "1.25", "2", "3.3"))
            return self.one_of(
                (f"{name} below range", f"{name} above range", f"{name} {operator} {factor} times upper limit")
            )
        decimals = int(DERIVED.get(name, {}).get("decimals", "1"))
        number = Decimal(self.below(12) - 4) + Decimal(self.one_of(("0", "0.5", "0.05", "0.125")))
        return f"{name} {operator} {plain(rounded(number, decimals))} u"


HAVE_REFERENCE = ("level", "gap")
DERIVED: dict[str, dict[str, Any]] = {
    "sum_of_both": {},  # small_worlds has it
    "gap": {"decimals": "2", "derived": {"difference": ["level", "width"]}, "reference": "-1 to 3"},
    "apart": {"derived": {"absolute_difference": ["level", "width"]}},
    "share": {"decimals": "3", "derived": {"ratio": ["level", "width"]}},
    "least": {"derived": {"smaller_of": ["level", "width", "sum_of_both"]}},
    "most": {"derived": {"larger_of": ["gap", "apart"]}, "plausible": "-20 to 8"},
    "mixed": {"decimals": "0", "derived": {"linear": {"share": "1.5", "level": "-0.25", "constant": "0.125"}}},
    "last": {"derived": {"difference": ["most", "amount_later"]}, "usual": "-1 to 2"},
}
MORE_YES_NO = ("gated_again", "asked_later")


def wide_texts(choose: Finer) -> dict[str, str]:
    """The files of a small knowledge base and more."""
    texts = texts_by(choose)
    facts = yaml.safe_load(texts["facts/all.yaml"])
    names = {name: entry["kind"] for name, entry in facts.items()}
    concepts = yaml.safe_load(texts.get("rules/concepts.yaml", "{}"))
    names |= dict.fromkeys(concepts, "concept")
    names |= dict.fromkeys(yaml.safe_load(texts["rules/most_likely/alpha.yaml"]).get("scores", {}), "score")
    for name, more in DERIVED.items():
        source = {"reference_source": "expert"} if "reference" in more else {}
        facts.setdefault(name, {**facts["width"], **more, **source})
        names[name] = "quantity"
    facts["amount_later"] = {**facts["width"], "ask_when": "gated"}
    names["amount_later"] = "quantity"
    facts["gated_again"] = {**facts["gated"], "ask_when": choose.condition(names, 1)}
    # Whether it is asked for waits for what is not asked for while `gated` is no.
    facts["asked_later"] = {
        **facts["ache"],
        "ask_when": {choose.one_of(("all", "any")): ["amount_later > 1 u", choose.leaf(names)]},
    }
    names |= dict.fromkeys(MORE_YES_NO, "yes-no")
    findings = {name: names[name] for name in facts}
    together = [
        choose.condition(findings, 1),
        choose.leaf({"level": "quantity"}),
        choose.leaf({"width": "quantity"}),
        "bruise",
    ]
    texts["facts/all.yaml"] = dumped(facts)
    texts["facts/impossible.yaml"] = dumped({"not-both": {"title": "Both at once", "when": {"all": together}}})
    for number in (8, 9):
        concepts[f"idea_{number}"] = {"title": "An idea", "when": choose.condition(names), "source": "expert"}
        names[f"idea_{number}"] = "concept"
    texts["rules/concepts.yaml"] = dumped(concepts)
    for file in ("rules/most_likely/alpha.yaml", "rules/do_not_miss/beta.yaml"):
        entry = yaml.safe_load(texts[file])
        for number in range(3):
            then = choose.one_of([then for then in THEN if then != "excludes"])
            rule = {"title": "A rule", "when": choose.condition(names), "then": then, "source": "expert"}
            entry["rules"][f"{Path(file).stem}-more-{number}"] = rule
        waiting = {"all": [choose.leaf(names), "asked_later"]}
        entry["rules"][f"{Path(file).stem}-later"] = {
            "title": "A rule",
            "when": waiting,
            "then": "supports",
            "source": "expert",
        }
        texts[file] = dumped(entry)
    return texts


@dataclass(frozen=True)
class World:
    """A knowledge base, and its random choices from here on."""

    knowledge: Knowledge
    choose: Finer

    def patient(self) -> dict[str, str]:
        """What a case file gives of one patient, who may not be possible."""
        choose, given = self.choose, answers_by(self.choose)
        for name in MORE_YES_NO:
            given[name] = choose.one_of(("", "", "yes", "no"))
        if choose.chance(2):
            given["amount_later"] = (
                f"{choose.one_of(('', '', '> '))}{choose.one_of(('1', '2.05', '-3'))} {choose.one_of(('u', 'half'))}"
            )
        if choose.chance(3):
            self._state(given, choose.one_of(list(DERIVED)))
        return {name: words for name, words in given.items() if words}

    def _state(self, given: dict[str, str], name: str) -> None:
        """A derived quantity that is given as well: as it is, as less than is derived, or as anything."""
        findings, _ = read({n: w for n, w in given.items() if w}, self.knowledge)
        own = " (0 to 2)" if name == "gap" and self.choose.chance(2) else ""
        derived = findings[name].quantity if name in findings else None
        number = self.choose.one_of(("-1.5", "0", "2.25", "5"))
        if derived is not None and not self.choose.chance(4):
            assert derived.low is not None
            number = plain(derived.low)
        given[name] = f"{self.choose.one_of(('', '>= ', '<= ', '< ', '> '))}{number} u{own}"


def read(given: Mapping[str, str], knowledge: Knowledge) -> tuple[Findings, Problems]:
    """What a case file's words say, and what is wrong with them."""
    problems = Problems()
    scalars = {name: yamltext.Scalar(words, NOWHERE) for name, words in given.items()}
    return read_findings(scalars, knowledge, problems, NOWHERE)[0], problems


@cache
def world(number: int) -> World:
    choose = Finer(random.Random(SEED * 1_000 + number))
    return World(small_knowledge(wide_texts(choose) if number % 4 else texts_by(choose)), choose)


def fresh(number: int, what: str) -> World:
    """The knowledge base with choices of its own for this use, so that no test depends on another."""
    knowledge = world(number).knowledge
    made = World(knowledge, Finer(random.Random(f"{SEED}/{number}/{what}")))
    if "gap" in knowledge.findings:
        return made
    return _Narrow(knowledge, made.choose)


class _Narrow(World):
    def patient(self) -> dict[str, str]:
        return answers_by(self.choose)


# What is compared ----------------------------------------------------------------------------------------------------


def meant(knowledge: Knowledge, inference: Inference) -> dict[str, Any]:
    """The columns of a result where this follows."""
    flags = sorted(inference.red_flags, key=lambda f: (-URGENCIES.index(knowledge.red_flags[f].urgency), f))
    fired = {rule for c in inference.conclusions.values() for rule in c.fired}
    row: dict[str, Any] = {
        "urgency": urgency_of(knowledge, inference),
        "red_flags": ";".join(flags),
        "leading": leading_of(knowledge, inference),
        "rules": ";".join(rule for rule in knowledge.rules if rule in fired),
    }
    for conclusion in inference.conclusions.values():
        row[conclusion.diagnosis] = conclusion.level
        row[points_of(conclusion.diagnosis)] = conclusion.points
    return row


def outcomes_of(knowledge: Knowledge, patients: Iterable[Findings]) -> list[Outcome]:
    return [outcome(knowledge, findings, infer(knowledge, findings)) for findings in patients]


def check_same(results: pl.DataFrame, outcomes: Sequence[Outcome], patients: Sequence[Any] = ()) -> None:
    """Every row is what the reference meaning says."""
    rows = results.to_dicts()
    assert len(rows) == len(outcomes)
    for number, (row, each) in enumerate(zip(rows, outcomes, strict=True)):
        wanted = meant(each.knowledge, each.inference)
        found = {name: value for name, value in row.items() if name in wanted}
        assert found == wanted, patients[number] if patients else each.valuation.findings


def check_counted(tally: Tally, outcomes: Sequence[Outcome]) -> None:
    """The counts are those of the outcomes one by one."""
    wanted = Tally()
    for each in outcomes:
        wanted.count(each)
    assert tally.evaluated == wanted.evaluated
    for name in ("urgency", "leading", "levels", "red_flags", "rules", "known", "waiting"):
        assert +getattr(tally, name) == +getattr(wanted, name), name


def numbers(count: int) -> pl.Series:
    return pl.int_range(1, count + 1, eager=True)


# Random knowledge bases x random patients ----------------------------------------------------------------------------


def case_of(findings: Findings) -> Case:
    return Case("", findings, {}, NOWHERE)


@pytest.mark.parametrize("number", range(WORLDS))
def test_patients_as_columns_are_concluded_as_the_reference_does(number: int) -> None:
    """Answers that are read already, and every possible patient: urgency, leading, levels, points, flags, rules, and the counts of
    all that a report shows. Experta is asked about some of them, too."""
    here = fresh(number, "columns")
    knowledge = here.knowledge
    read_each = [read(here.patient(), knowledge) for _ in range(PATIENTS)]
    patients = [findings for findings, problems in read_each if not problems.errors]
    assert len(patients) > PATIENTS // 2
    outcomes = outcomes_of(knowledge, patients)
    batch, plan = of_cases(knowledge, [case_of(f) for f in patients], numbers(len(patients)), waiting=True)
    assert not any(batch.frame[fault.column].any() for fault in plan.faults)
    results, tally = concluded(plan, batch.frame)
    check_same(results, outcomes)
    check_counted(tally, outcomes)
    engine = build_engine(knowledge)
    for findings, row in list(zip(patients, results.to_dicts(), strict=True))[: -(-EXPERTA // WORLDS)]:
        wanted = meant(knowledge, run(engine, findings))
        assert {name: row[name] for name in wanted} == wanted


@pytest.mark.parametrize("own", ["", " (0 to 1)", " (3 to 4)"])
def test_a_derived_quantity_keeps_the_interval_of_the_laboratory_that_measured_it(own: str) -> None:
    """Where the measurement says less than what is derived, so that its number is given up."""
    choose = Finer(random.Random(SEED))
    texts = wide_texts(choose)
    entry = yaml.safe_load(texts["rules/most_likely/alpha.yaml"])
    for side in ("below", "above"):
        entry["rules"][f"alpha-{side}"] = {
            "title": "A rule",
            "when": f"gap {side} range",
            "then": "supports",
            "source": "expert",
        }
    knowledge = small_knowledge({**texts, "rules/most_likely/alpha.yaml": dumped(entry)})
    given = [{"level": "4 u", "width": "2 u", "gap": f">= 1 u{own}"}, {"level": "4 u", "width": "2 u"}]
    outcomes = outcomes_of(knowledge, (read(words, knowledge)[0] for words in given))
    fired = {rule for rule in outcomes[0].inference.conclusions["alpha"].fired if rule in ("alpha-below", "alpha-above")}
    assert fired == {"": set(), " (0 to 1)": {"alpha-above"}, " (3 to 4)": {"alpha-below"}}[own]
    batch, plan = of_cases(knowledge, [case_of(each.valuation.findings) for each in outcomes], numbers(2))
    check_same(concluded(plan, batch.frame)[0], outcomes)
    layout = layout_of(("level", "width", "gap"), knowledge, problems=Problems(), place=NOWHERE)
    assert layout is not None
    raw = pl.DataFrame([{name: words.get(name) for name in ("level", "width", "gap")} for words in given])
    check_same(evaluated(Table(knowledge, layout), raw)[1], outcomes)


BAD = MappingProxyType(
    {
        "yes-no": ("maybe", "2", "yes no", "0.0", "ja"),
        "choice": ("green", "pale, blue", "yes", "1"),
        "quantity": (
            *("999 u", "-99.0", "3 parsecs", "much", "5 u (4 to 2)", "+-1", "nan", "inf"),
            *("1e1", "3,5", "1 2", "1_0", "0x3", "3.", ".5", "3.1234567890123456", "0000000000000003"),
        ),
    }
)
CODES = Map(codes=MappingProxyType({"1": "yes", "0": "no", "-99": "unknown"}))
UNITS = {"level": " (half)", "width": " (u)"}


class Sheet:
    """A table of texts as an analyst has it, and beside each row what it says as a case file would."""

    def __init__(self, here: World, rows: int, columns: Sequence[str] | None = None) -> None:
        self.here = here
        self.choose, self.knowledge = here.choose, here.knowledge
        self.findings = list(self.knowledge.findings) if columns is None else list(columns)
        self.unit = {name: UNITS.get(name, "") for name in self.findings}
        self.header = {name: f"{self.choose.one_of(('', ' '))}{name}{self.unit[name]}" for name in self.findings}
        self.said: list[dict[str, str]] = []
        self._outcomes: dict[tuple[tuple[str, str], ...], Outcome] = {}
        cells: dict[str, list[str | None]] = {name: [] for name in self.findings}
        for _ in range(rows):
            patient = here.patient()
            self.said.append({})
            for name in self.findings:
                text, words = self._cell(name, patient.get(name, ""))
                cells[name].append(text)
                if words:
                    self.said[-1][name] = words
        columns_ = {self.header[name]: pl.Series(cells[name], dtype=pl.String) for name in self.findings}
        self.raw = pl.DataFrame({"id": [f"p{n}" for n in range(rows)], **columns_})

    def _cell(self, name: str, words: str) -> tuple[str | None, str]:
        """What stands in a cell, and what that is in the words of a case file."""
        choose, kind = self.choose, self.knowledge.findings[name].kind
        if choose.below(150) == 0:
            text = choose.one_of(BAD[kind])
            return text, text
        if not words:
            return choose.one_of((None, None, "", " ", "unknown", "Unknown", "-99")), ""
        if kind == YES_NO:
            others = {"yes": ("yes", "Yes", "TRUE", "1", " 1 "), "no": ("no", " no", "False", "0")}
            return choose.one_of((words, *others[words])), words
        if kind != QUANTITY:
            return choose.one_of((words, words, words.upper(), f" {words}")), words
        unit = self.unit[name].strip(" ()") or "u"
        if f" {unit}" in words and not choose.chance(4):
            without = words.replace(f" {unit}", "", 1)
            return choose.one_of((without, without, f" {without} ")), words
        return words, words

    def outcome(self, said: Mapping[str, str]) -> Outcome:
        """What follows where a case file says this; worked out once."""
        key = tuple(said.items())
        if key not in self._outcomes:
            (self._outcomes[key],) = outcomes_of(self.knowledge, [read(said, self.knowledge)[0]])
        return self._outcomes[key]

    def layout(self) -> Layout:
        problems = Problems()
        found = layout_of(self.raw.columns, self.knowledge, CODES, problems=problems, place=NOWHERE)
        assert found is not None, problems.errors
        return found


def at_fault(given: Mapping[str, str], knowledge: Knowledge) -> set[str]:
    """The findings that a case file of these words is at fault in, when it is read once, and all that they are derived from."""
    found: set[str] = set()
    for problem in read(given, knowledge)[1].errors:
        if problem.code == "impossible":
            fault = next(f for f in knowledge.impossible.values() if problem.message.endswith(f.title))
            names = {leaf.name for leaf in leaves(fault.when)}
        else:
            names = {problem.message.split("'")[1]}
        for name in names:
            found |= {name, *rests_on(name, knowledge)}
    return found & given.keys()


def rests_on(name: str, knowledge: Knowledge) -> set[str]:
    """What a derived quantity is derived from, directly or not."""
    scale = knowledge.findings[name].scale
    inputs = scale.derived.inputs if scale is not None and scale.derived is not None else ()
    return set(inputs).union(*(rests_on(i, knowledge) for i in inputs))


def without_faults(given: Mapping[str, str], knowledge: Knowledge) -> tuple[dict[str, str], set[str]]:
    """The words that remain once all that is at fault is left out, again and again; and what was left out."""
    given, left_out = dict(given), set[str]()
    if not read(given, knowledge)[1].errors:
        return given, left_out
    unreadable = {n for n, words in given.items() if read({n: words}, knowledge)[1].errors}
    while wrong := unreadable or at_fault(given, knowledge):
        left_out |= wrong
        given = {name: words for name, words in given.items() if name not in wrong}
        unreadable = set()
    return given, left_out


def evaluated(table: Table, raw: pl.DataFrame) -> tuple[Batch, pl.DataFrame, Tally]:
    batch, plan = table.read(raw, numbers(raw.height))
    results, tally = concluded(plan, batch.frame)
    return batch, results, tally


def check_rejecting(sheet: Sheet, raw: pl.DataFrame) -> None:
    """Rows that a case file of their words would be refused for are rejected, no others; the others are right."""
    knowledge = sheet.knowledge
    batch, results, tally = evaluated(Table(knowledge, sheet.layout(), waiting=True), raw)
    each = [read(said, knowledge) for said in sheet.said]
    sound = [n for n, (_, problems) in enumerate(each, 1) if not problems.errors]
    assert results[ROW].to_list() == sound
    assert {bad.row for bad in batch.bad} == set(range(1, raw.height + 1)) - set(sound)
    outcomes = [sheet.outcome(sheet.said[n - 1]) for n in sound]
    check_same(results, outcomes, [sheet.said[n - 1] for n in sound])
    check_counted(tally, outcomes)


def check_taking_as_unknown(sheet: Sheet, raw: pl.DataFrame) -> None:
    """What is at fault is left out, and told; nothing else is."""
    knowledge = sheet.knowledge
    table = Table(knowledge, sheet.layout(), unknown_where_bad=True, waiting=True)
    batch, results, tally = evaluated(table, raw)
    each = [without_faults(said, knowledge) for said in sheet.said]
    assert results[ROW].to_list() == list(range(1, raw.height + 1))
    assert [set(filter(None, taken.split(";"))) for taken in results[TAKEN]] == [left_out for _, left_out in each]
    assert {bad.row for bad in batch.bad} == {n for n, (_, left_out) in enumerate(each, 1) if left_out}
    outcomes = [sheet.outcome(given) for given, _ in each]
    check_same(results, outcomes, sheet.said)
    check_counted(tally, outcomes)
    for number in range(0, raw.height, 50):
        assert (
            table.findings(raw.row(number, named=True), results[TAKEN][number].split(";"))
            == outcomes[number].valuation.findings
        )


@pytest.mark.parametrize("number", range(WORLDS))
def test_tables_of_texts_are_concluded_as_the_reference_does(number: int) -> None:
    """Cells as people write them, some that cannot be read, and rows that cannot be: rejected, or taken as unknown."""
    sheet = Sheet(fresh(number, "texts"), PATIENTS)
    check_rejecting(sheet, sheet.raw)
    check_taking_as_unknown(sheet, sheet.raw)


@pytest.mark.parametrize("number", range(0, WORLDS, 3))
def test_tables_of_few_columns_rows_and_answers(number: int) -> None:
    """One column, some columns, no row, nothing known: what has no column is unknown, and what nobody knows is never no."""
    here = fresh(number, "few")
    names = list(here.knowledge.findings)
    some = sorted({here.choose.one_of(names) for _ in range(4)})
    for columns, rows in (([here.choose.one_of(names)], 50), (some, 50), (some, 0), (names, 0)):
        sheet = Sheet(here, rows, columns)
        check_rejecting(sheet, sheet.raw)
        check_taking_as_unknown(sheet, sheet.raw)
    sheet = Sheet(here, 5)
    sheet.said = [{}] * 5
    for nothing in (None, "", "unknown"):
        blank = sheet.raw.with_columns(pl.lit(nothing, pl.String).alias(name) for name in sheet.header.values())
        check_rejecting(sheet, blank)
    untyped = sheet.raw.with_columns(pl.lit(None).alias(name) for name in sheet.header.values())
    check_rejecting(sheet, untyped)


@pytest.mark.parametrize("number", range(0, WORLDS, 3))
def test_a_table_that_says_nothing(number: int) -> None:
    """Rows without any finding, and no rows at all, are concluded as a patient is of whom nothing is known."""
    knowledge = world(number).knowledge
    for rows in (0, 3):
        outcomes = outcomes_of(knowledge, [MappingProxyType({})] * rows)
        _, results, tally = evaluated(Table(knowledge, Layout((), "id"), waiting=True), pl.DataFrame({"id": ["a"] * rows}))
        check_same(results, outcomes)
        check_counted(tally, outcomes)
        batch, plan = of_cases(knowledge, [case_of(MappingProxyType({}))] * rows, numbers(rows), waiting=True)
        results, tally = concluded(plan, batch.frame)
        check_same(results, outcomes)
        check_counted(tally, outcomes)


# Typed columns of any table ------------------------------------------------------------------------------------------

BY_TYPE = {"yes-no": (True, False, True, False, None), "choice": (*COLOURS, None, None)}


class Typed:
    """Columns of Python values, None where missing, and beside each row what it says in the words of a case file."""

    def __init__(self, here: World, rows: int, blanked: int) -> None:
        self.knowledge, self.choose = here.knowledge, here.choose
        self.values: list[dict[str, Any]] = [self._row(here) for _ in range(rows)]
        for name, finding in self.knowledge.findings.items():
            if finding.kind == YES_NO:
                told = [row for row in self.values[:rows] if row[name] is False][:blanked]
                self.values += [{**row, name: None} for row in told]
        self.said = [self._words(row) for row in self.values]

    def _row(self, here: World) -> dict[str, Any]:
        given = here.patient()
        return {name: self._value(name, given.get(name, "")) for name in self.knowledge.findings}

    def _value(self, name: str, words: str) -> Any:
        choose, kind = self.choose, self.knowledge.findings[name].kind
        if kind == YES_NO:
            return {"yes": True, "no": False, "": None}[words]
        if choose.below(150) == 0:
            return "green" if kind != QUANTITY else choose.one_of((999.0, -999.5, math.inf, -math.inf, 1e300))
        if kind != QUANTITY:
            return words or None
        return float(words.lstrip("<>= ").split(" ")[0]) if words else choose.one_of((None, math.nan))

    def _words(self, row: Mapping[str, Any]) -> dict[str, str]:
        said: dict[str, str] = {}
        for name, value in row.items():
            if isinstance(value, bool):
                said[name] = "yes" if value else "no"
            elif isinstance(value, float) and not math.isnan(value):
                number = plain(Decimal(repr(value))) if abs(value) < 1e9 else "9999"
                said[name] = f"{number} {UNITS.get(name, ' (u)').strip(' ()')}"
            elif isinstance(value, str):
                said[name] = value
        return said

    def columns(self, kind: str) -> Iterable[tuple[str, list[Any]]]:
        """The columns of findings of this kind under their headings."""
        for name, finding in self.knowledge.findings.items():
            if finding.kind == kind:
                yield f"{name}{UNITS.get(name, '')}", [row[name] for row in self.values]


def as_polars(typed: Typed, words: bool = False) -> pl.DataFrame:
    truth = {True: "Yes", False: "no", None: None}
    columns = {"id": pl.int_range(len(typed.values), eager=True)}
    for name, values in typed.columns(YES_NO):
        texts = pl.Series([truth[v] for v in values], dtype=pl.String)
        columns[name] = texts if words else pl.Series(values, dtype=pl.Boolean)
    for name, values in typed.columns("choice"):
        columns[name] = pl.Series(values, dtype=pl.Categorical if words else pl.String)
    for name, values in typed.columns(QUANTITY):
        columns[name] = pl.Series(values, dtype=pl.Float64)
    return pl.DataFrame(columns)


def as_pandas(typed: Typed, truth: str, text: str, number: str) -> pd.DataFrame:
    columns: dict[str, Any] = {"id": range(len(typed.values))}
    for kind, dtype in ((YES_NO, truth), ("choice", text), (QUANTITY, number)):
        for name, values in typed.columns(kind):
            columns[name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(columns)


Rows = list[dict[str, Any]]


def pandas_rows(frame: pd.DataFrame) -> Rows:
    return [{k: None if pd.isna(v) else v for k, v in row.items()} for row in frame.to_dict("records")]


WAYS: Mapping[str, Callable[[Typed, Knowledge], Rows]] = {
    "polars": lambda t, k: evaluate(as_polars(t), k).to_dicts(),
    "polars, words": lambda t, k: evaluate(as_polars(t, words=True), k).to_dicts(),
    "polars, lazy": lambda t, k: evaluate(as_polars(t).lazy(), k).collect().to_dicts(),
    "pandas, object": lambda t, k: pandas_rows(evaluate(as_pandas(t, "object", "object", "float64"), k)),
    "pandas, nullable": lambda t, k: pandas_rows(evaluate(as_pandas(t, "boolean", "str", "Float64"), k)),
    "pandas, category": lambda t, k: pandas_rows(evaluate(as_pandas(t, "object", "category", "Float64"), k)),
    "pyarrow": lambda t, k: evaluate(as_polars(t).to_arrow(), k).to_pylist(),
}


def faults_in(said: Mapping[str, str], knowledge: Knowledge) -> set[str]:
    """What is wrong with a row, as the column of faults names it."""
    wrong = {name for name, words in said.items() if read({name: words}, knowledge)[1].errors}
    found = {f"{'implausible' if knowledge.findings[name].kind == QUANTITY else 'unreadable'}:{name}" for name in wrong}
    for problem in read({name: words for name, words in said.items() if name not in wrong}, knowledge)[1].errors:
        if problem.code == "impossible":
            found |= {f"impossible:{f.id}" for f in knowledge.impossible.values() if problem.message.endswith(f.title)}
        else:
            found.add(f"{problem.code}:{problem.message.split(chr(39))[1]}")
    return found


@pytest.mark.parametrize("number", range(WORLDS))
def test_typed_columns_say_the_same_in_every_kind_of_table(number: int) -> None:
    """Booleans, texts and numbers, nullable or not: a missing value and a number that is none are unknown and never no, what is at
    fault is named and concludes nothing, and the rest is what the reference says."""
    knowledge = world(number).knowledge
    typed = Typed(fresh(number, "typed"), PATIENTS // 10, 10)
    faults = [faults_in(said, knowledge) for said in typed.said]
    inferences = [infer(knowledge, read(said, knowledge)[0]) for said in typed.said]
    nothing = dict.fromkeys(meant(knowledge, inferences[0]))
    first, *others = WAYS
    for way in (first, others[number % len(others)], others[(number + 3) % len(others)]):
        rows = WAYS[way](typed, knowledge)
        assert [row.pop("id") for row in rows] == list(range(len(typed.said))), way
        for row, said, wrong, inference in zip(rows, typed.said, faults, inferences, strict=True):
            assert set(filter(None, row.pop(FAULTS).split(";"))) == wrong, (way, said)
            assert row == (nothing if wrong else meant(knowledge, inference)), (way, said)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("ache", [0, 1]),
        pl.Series("ache", [0.0, 1.0]),
        pl.Series("colour", [1, 2]),
        pl.Series("colour", [True, None]),
        pl.Series("level", [True, False]),
        pl.Series("level", [["1"], ["2"]]),
        pl.Series("width", ["2026-01-01", None]).str.to_date(),
    ],
    ids=lambda column: f"{column.name} {column.dtype}",
)
@pytest.mark.parametrize("kind", [pl.DataFrame, lambda series: pl.LazyFrame(series), lambda s: pl.DataFrame(s).to_arrow()])
def test_a_column_of_the_wrong_type_is_refused(column: pl.Series, kind: Callable[[list[pl.Series]], Any]) -> None:
    """By name, before anything is computed: an analyst's 0 may be no, or grade 0."""
    with pytest.raises(InvalidInput) as refused:
        evaluate(kind([pl.Series("bruise", [True, None]), column]), world(0).knowledge)
    (problem,) = refused.value.problems
    assert problem.code == "wrong-type"
    assert column.name in problem.message


def test_numbers_in_a_column_of_texts_are_a_fault_and_never_unknown_in_silence() -> None:
    """pandas has such columns where all is missing; there, nothing is at fault."""
    knowledge = world(0).knowledge
    for frame in (pl.DataFrame({"level": ["3", None, "unknown", ""]}), pd.DataFrame({"level": ["3", None, "unknown", ""]})):
        table = nw.from_native(evaluate(frame, knowledge))
        assert table[FAULTS].to_list() == ["unreadable:level", "", "", ""]


# The built-in knowledge ----------------------------------------------------------------------------------------------


def sheet_of(cases: Sequence[Case]) -> pl.DataFrame:
    """What the cases give, as a table of texts."""
    names = sorted({name for case in cases for name in case.given})
    texts = {name: [case.given[name].text if name in case.given else None for case in cases] for name in names}
    return pl.DataFrame({"id": [case.name for case in cases], **texts}, schema_overrides=dict.fromkeys(names, pl.String))


def test_the_regression_cases_are_concluded_alike_as_answers_and_as_a_table_of_texts(
    knowledge: Knowledge, all_cases: tuple[Case, ...]
) -> None:
    """All of tests/cases: every level and clause of the built-in knowledge is exercised by them."""
    wanted = [meant(knowledge, infer(knowledge, case.findings)) for case in all_cases]
    raw = sheet_of(all_cases)
    layout = layout_of(raw.columns, knowledge, problems=Problems(), place=NOWHERE)
    assert layout is not None
    batch, results, _ = evaluated(Table(knowledge, layout), raw)
    assert batch.bad == []
    answers, plan = of_cases(knowledge, all_cases, numbers(len(all_cases)))
    for found in (results, concluded(plan, answers.frame)[0]):
        for row, want, case in zip(found.drop(ROW, TAKEN).to_dicts(), wanted, all_cases, strict=True):
            assert row == want, case.name


@pytest.mark.parametrize("count", [0, 1, 64, 65, 1_000])
@pytest.mark.parametrize("library", [pl, pd])
def test_the_first_true_of_however_many(count: int, library: Any) -> None:
    """Row n is true from mask n on, and at every other one before; the last row nowhere. A thousand diagnoses may lead."""
    masks = [[k >= n or (n % 2 == 1 and k % 7 == 3) for n in range(count)] + [False] for k in range(count)]
    columns: dict[str, list[Any]] = {"row": list(range(count + 1)), **{f"mask {k}": mask for k, mask in enumerate(masks)}}
    frame = nw.from_native(library.DataFrame(columns))
    of = [(nw.col(f"mask {k}"), nw.lit(f"text {k}")) for k in range(count)]
    found = frame.with_columns(found=columnar.first_true(of, nw.lit("none")))["found"].to_list()
    assert found == [next((f"text {k}" for k in range(count) if masks[k][n]), "none") for n in range(count + 1)]


def test_the_counts_are_right_on_the_built_in_knowledge(knowledge: Knowledge, all_cases: tuple[Case, ...]) -> None:
    """With what is known and what is waited for."""
    cases = random.Random(SEED).sample(all_cases, 100)
    batch, plan = of_cases(knowledge, cases, numbers(len(cases)), waiting=True)
    check_counted(concluded(plan, batch.frame)[1], outcomes_of(knowledge, (case.findings for case in cases)))


# What does not fit into columns ---------------------------------------------------------------------------------------


def with_points(knowledge: Knowledge, times: int) -> Knowledge:
    """Every strength and threshold so many times what it is."""
    numbers_ = {field.name: getattr(knowledge.weighing, field.name) * times for field in fields(knowledge.weighing)}
    return replace(knowledge, weighing=Weighing(**numbers_))


def scaled(finding: Finding, **changes: Any) -> Finding:
    assert finding.scale is not None
    return replace(finding, scale=replace(finding.scale, **changes))


def with_findings(knowledge: Knowledge, *changed: Finding) -> Knowledge:
    return replace(knowledge, findings=MappingProxyType({**knowledge.findings, **{f.name: f for f in changed}}))


def with_score(knowledge: Knowledge, name: str, points: str) -> Knowledge:
    """The first item of the score gives so much."""
    score = knowledge.scores[name]
    changed = replace(score, items=(replace(score.items[0], points=Decimal(points)), *score.items[1:]))
    return replace(knowledge, scores=MappingProxyType({**knowledge.scores, name: changed}))


@pytest.mark.parametrize("times", [30, 10_000, 500_000])
def test_points_of_any_size_rank_alike(times: int, knowledge: Knowledge, all_cases: tuple[Case, ...]) -> None:
    """In columns of 32 bits or more: a thousand times the knowledge sums up to as much."""
    larger, cases = with_points(knowledge, times), random.Random(SEED).sample(all_cases, 200)
    batch, plan = of_cases(larger, cases, numbers(len(cases)))
    check_same(concluded(plan, batch.frame)[0], outcomes_of(larger, [case.findings for case in cases]))


SCORE, RATIO = "zulewski", "free_light_chain_ratio"
UNFIT: Mapping[str, tuple[Callable[[Knowledge], Knowledge], str]] = {
    "points": (lambda k: with_points(k, 10**7), "the points of all rules together"),
    "quantity": (
        lambda k: with_findings(
            k, scaled(k.findings["serum_potassium"], decimals=9, plausible=(Decimal(0), Decimal(10**12)))
        ),
        "the plausible values of 'serum_potassium'",
    ),
    "unit": (
        lambda k: with_findings(
            k, scaled(k.findings["serum_potassium"], decimals=6, plausible=(Decimal(0), Decimal(10**8)))
        ),
        "the plausible values of 'serum_potassium' in mmol/L",
    ),
    "derived": (
        lambda k: with_findings(k, scaled(k.findings[RATIO], decimals=9)),
        f"'{RATIO}', which is derived",
    ),
    "score, large": (lambda k: with_score(k, SCORE, "999999999999999.5"), f"the points of '{SCORE}'"),
    "score, fine": (lambda k: with_score(k, SCORE, "10.000000000000001"), f"the points of '{SCORE}'"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_what_does_not_fit_into_columns_is_refused_by_name(
    what: str, knowledge: Knowledge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never wrapped round in silence, nor reported as a bug."""
    change, said = UNFIT[what]
    wide = change(knowledge)
    table = tmp_path / "t.csv"
    columns = [f for f in knowledge.findings.values() if not (f.scale is not None and f.scale.derived is not None)]
    table.write_text(",".join(heading(f) for f in columns) + "\n" + "," * (len(columns) - 1) + "\n", "utf-8")
    monkeypatch.setattr(populations, "loaded", lambda folder: wide)
    ran = crampdx("batch", table, "--output", tmp_path / "out.csv")
    assert (ran.exit_code, ran.output) == (
        BAD_KNOWLEDGE,
        f"error: {said}: too large, or with too many decimals, for the columns of a table\n",
    )
    assert list(tmp_path.iterdir()) == [table]


# The command ---------------------------------------------------------------------------------------------------------


def crampdx(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(name="base")
def _base(tmp_path: Path) -> Path:
    """A folder with a small knowledge base, `patients.csv`, some of whom are at fault, and `map.yaml`, which reads them."""
    written(wide_texts(Finer(random.Random(SEED))), tmp_path / "base")
    base_sheet().raw.write_csv(tmp_path / "patients.csv")
    (tmp_path / "map.yaml").write_text(dumped({"yes": ["1"], "no": ["0"], "unknown": ["-99"]}), "utf-8")
    return tmp_path


@cache
def base_sheet() -> Sheet:
    return Sheet(World(small_knowledge(wide_texts(Finer(random.Random(SEED)))), Finer(random.Random(SEED + 1))), 120)


def batch(base: Path, out: Path, *more: str, file: str = "patients.csv") -> Result:
    return crampdx("batch", base / file, "--map", base / "map.yaml", "--output", out, "--knowledge", base / "base", *more)


def rows_in(path: Path) -> Rows:
    """A result, as text."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            return [dict(row) for row in csv.DictReader(stream)]
    if path.suffix == ".ndjson":
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    else:
        rows = pl.read_parquet(path).to_dicts()
    return [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]


def test_every_way_in_and_out_gives_the_same_rows(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CSV, NDJSON and Parquet in, CSV, NDJSON and Parquet out, part by part; and the reference says so."""
    raw = pl.read_csv(base / "patients.csv", infer_schema=False)
    (base / "patients.ndjson").write_text(raw.write_ndjson(), "utf-8")
    raw.write_parquet(base / "patients.parquet")
    monkeypatch.setattr(table_files, "BLOCK", 4000)
    monkeypatch.setattr(table_files, "ROWS", 50)
    found = []
    for ways in ("csv csv", "csv ndjson", "csv parquet", "ndjson csv", "parquet csv"):
        before, after = ways.split()
        out = base / f"{before}.result.{after}"
        done = batch(base, out, "--verify", "5", file=f"patients.{before}")
        assert done.exit_code == BAD_CASE, done.output
        rejects = rows_in(out.with_name(f"{out.name}.rejects.csv"))
        found.append((rows_in(out), sorted((r["row"], r["id"], r["column"], r["value"], r["reason"]) for r in rejects)))
    results, rejected = found[0]
    sheet = base_sheet()
    said = {id: read(words, sheet.knowledge) for id, words in zip(raw["id"], sheet.said, strict=True)}
    wanted = {
        id: {n: str(value) for n, value in meant(sheet.knowledge, infer(sheet.knowledge, findings)).items()}
        for id, (findings, problems) in said.items()
        if not problems.errors
    }
    assert {row["id"]: {n: value for n, value in row.items() if n != "id"} for row in results} == wanted
    assert {id for _, id, *_ in rejected} == said.keys() - wanted.keys()
    for others in found[1:]:
        assert others == found[0]


def test_what_only_later_rows_name_leaves_the_columns_of_the_results_alike(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To Parquet, which takes one kind of column for all parts: also where the first rows give no rule anything to fire on."""
    raw = pl.read_csv(base / "patients.csv", infer_schema=False)
    rows = [{n: v for n, v in row.items() if v is not None} for row in raw.iter_rows(named=True)]
    known = [name for name in raw.columns if name != "id"]
    first = [{"id": f"first {n}", known[0]: row[known[0]]} for n, row in enumerate(rows) if known[0] in row]
    (base / "late.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in [*first, *rows]), "utf-8")
    monkeypatch.setattr(table_files, "BLOCK", 500)
    done = batch(base, base / "late.parquet", "--verify", "0", file="late.ndjson")
    assert done.exit_code == BAD_CASE and "this is a bug" not in done.output, done.output
    late = {row["id"]: row for row in rows_in(base / "late.parquet")}
    batch(base, base / "all.csv", "--verify", "0")
    assert {row["id"]: row for row in rows_in(base / "all.csv")}.items() <= late.items() and len(first) > 20


@pytest.mark.parametrize("index", [0, 700])
def test_explain_row_prints_what_diagnose_prints(index: int, tmp_path: Path, all_cases: tuple[Case, ...]) -> None:
    """Line for line, for the patient of that id; from the table and from a file of cases."""
    case = next(case for case in all_cases[index:] if len(case.findings) > 8 and not case.warnings)
    sheet_of([*all_cases[:5], case]).write_csv(tmp_path / "patients.csv")
    given = {name: scalar.text for name, scalar in case.given.items()}
    (tmp_path / "patient.yaml").write_text(dumped({"case": case.name, "given": given}), "utf-8")
    wanted = crampdx("diagnose", tmp_path / "patient.yaml").stdout
    assert len(wanted.splitlines()) > 30
    for file in ("patients.csv", "patient.yaml"):
        done = crampdx("batch", tmp_path / file, "--explain-row", case.name)
        assert (done.exit_code, done.stdout) == (0, wanted)


def test_the_same_seed_verifies_the_same_rows(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which rows Experta reasons about follows from the seed; without one the rows differ, and the seed is told."""
    drawn: list[list[str]] = []
    end = verification.Verification.end

    def noted(self: Any) -> None:
        drawn.append(self.patients)
        end(self)

    monkeypatch.setattr(verification.Verification, "end", noted)
    for seed in (("--seed", "5"), ("--seed", "5"), ("--seed", "6"), (), ()):
        done = batch(base, base / "out.csv", "--verify", "10", *seed)
        assert "10 rows verified through Experta (--seed " in done.stderr
    assert len(drawn[0]) == len(set(drawn[0])) == 10
    assert drawn[0] == drawn[1]
    assert len({tuple(each) for each in drawn}) == 4
    told = done.stderr.split("(--seed ")[1].split(")")[0]
    batch(base, base / "out.csv", "--verify", "10", "--seed", told)
    assert drawn[-1] == drawn[-2]


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_a_planted_disagreement_stops_the_run_and_nothing_is_written(
    kind: str, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One patient and one column are enough; what was there before stays as it was."""
    real = feeds.concluded

    def planted(plan: Any, frame: pl.DataFrame) -> tuple[pl.DataFrame, Tally]:
        results, tally = real(plan, frame)
        points = pl.when(pl.col(ROW) == results[ROW].max()).then(pl.col("beta_points") + 1).otherwise(pl.col("beta_points"))
        return results.with_columns(points.alias("beta_points")), tally

    out = base / f"out.{kind}"
    assert batch(base, out, "--verify", "5").exit_code == BAD_CASE
    before = {path: path.read_bytes() for path in base.iterdir() if path.is_file()}
    monkeypatch.setattr(feeds, "concluded", planted)
    done = batch(base, out, "--verify", "1000")
    assert done.exit_code == INTERNAL
    assert "'beta_points' is " in done.stderr and "Experta" in done.stderr
    assert {path: path.read_bytes() for path in base.iterdir() if path.is_file()} == before
    for path in base.glob("out*"):
        path.unlink()
    assert batch(base, out, "--verify", "1000").exit_code == INTERNAL
    assert not list(base.glob("*out*"))


def test_a_fault_in_the_columns_is_found_by_the_sample(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst one: where what is not known to be yes is taken for no."""
    real = columnar.Compiler._of_finding

    def blind(self: Any, leaf: Any, wanted: bool) -> Any:
        return real(self, leaf, True) if wanted else columnar.but_not(real(self, leaf, True))

    monkeypatch.setattr(columnar.Compiler, "_of_finding", blind)
    out = base / "out.csv"
    done = batch(base, out, "--verify", "1000")
    assert done.exit_code == INTERNAL, done.output
    assert not out.exists()


# What a run is said to come to -----------------------------------------------------------------------------------------


def said_of(folder: Path, table: str, *options: object) -> list[str]:
    """The lines on standard error about a table of this text, by the built-in knowledge."""
    (folder / "t.csv").write_text(table, "utf-8")
    return crampdx("batch", folder / "t.csv", "--output", folder / "out.csv", *options).stderr.splitlines()


UNUSUAL = (
    "id,serum_creatinine (umol/L),calf_pain,pregnant,sex\n1,900,x,,\n2,> 900,x,,\n3,900,yes,,\n4,80,yes,,\n5,900,,yes,male\n"
)


@pytest.mark.parametrize(("option", "evaluated", "count"), [("reject", 2, 1), ("unknown", 5, 4)])
def test_unusual_values_are_counted_of_those_that_are_taken_as_given(
    option: str, evaluated: int, count: int, tmp_path: Path
) -> None:
    """Not of rows that are rejected, for another value or as a whole."""
    said = said_of(tmp_path, UNUSUAL, "--bad-value", option, "--report", tmp_path / "x.html")
    assert f"5 patients: {evaluated} evaluated, {5 - evaluated} rejected" in said
    assert f"outside the usual range, taken as given: serum_creatinine {count}" in said
    assert said[-1] == f"-> {tmp_path / 'x.html'}"


def test_a_value_that_is_itself_refused_is_not_counted_as_unusual(tmp_path: Path) -> None:
    """Where what cannot hold together is taken as unknown, its numbers are not taken as given."""
    table = "id,serum_calcium (mmol/L),serum_albumin (g/L),adjusted_calcium (mmol/L)\n1,3.9,40,1.0\n2,2.4,40,\n"
    said = said_of(tmp_path, table, "--bad-value", "unknown")
    assert any(line.startswith("cannot be used: 1 x contradiction") for line in said), said
    assert not any("outside the usual range" in line for line in said), said


def test_the_summary_says_what_a_label_and_a_code_come_to(tmp_path: Path) -> None:
    """Of labels what leads and what is no diagnosis; of each kind of fault a value, and how many kinds are left."""
    names = ["calf_pain", "leg_cramps", "leg_swelling", "leg_redness", "pregnant", "dark_urine"]
    rows = [f"{n},{'z' * 40},{','.join('Q' * 5)},gout" for n in range(2)]
    rows += [f"{n},yes,no,no,no,no,no,{'gout' if n % 2 else 'dehydration_electrolyte_imbalance'}" for n in range(2, 6)]
    said = said_of(tmp_path, "\n".join([f"MRN,{','.join(names)},truth", *rows]) + "\n", "--label", "truth")
    assert any("rows are numbered; --id may name one of 'MRN'" in line for line in said), said
    assert f"cannot be used: 2 x wrong-kind in calf_pain, as '{'z' * 30}...'" in said
    assert "cannot be used: 2 more, of 1 other kind" in said
    assert "--map FILE says what codes such as 1, N or -99 mean" in said
    assert "labels: of 2 that are a diagnosis here, 0 lead" in said
    assert "labels that are no diagnosis here: gout 2" in said


def test_a_table_without_rows_is_told(tmp_path: Path) -> None:
    assert said_of(tmp_path, "id,calf_pain\n")[-1] == "there was no row to read"


# Numbers -------------------------------------------------------------------------------------------------------------

QUANTITIES = pytest.mark.parametrize("part", range(4))


def units_in(knowledge: Knowledge, part: int) -> Iterable[tuple[Finding, Scale, str]]:
    """A quarter of the built-in quantities, in each of their units."""
    scales = [(f, f.scale) for f in knowledge.findings.values() if f.scale is not None]
    for finding, scale in scales[part::4]:
        for unit in units_of(scale):
            yield finding, scale, unit


def some_numbers(chance: random.Random, scale: Scale, unit: str, count: int) -> list[str]:
    """Plausible ones and others near to them, in the unit; of any precision, and halfway between two steps."""
    linear = units_of(scale)[unit]
    low, high = ((end - linear.offset) / linear.factor for end in scale.plausible)
    width = high - low
    texts: list[str] = []
    while len(texts) < count:
        if chance.randrange(3):
            number = low + width * Decimal(chance.uniform(-0.1, 1.1))
            number = rounded(number, chance.choice((0, 1, 2, scale.decimals + 1, scale.decimals + 2, 7)))
        else:
            steps = (
                Decimal(chance.randrange(10_000)) / 10_000 * (scale.plausible[1] - scale.plausible[0]) + scale.plausible[0]
            )
            halfway = rounded(steps, scale.decimals) + Decimal(5).scaleb(-scale.decimals - 1)
            number = (halfway - linear.offset) / linear.factor
            number = rounded(number, 15) if linear(rounded(number, 15)) == halfway else rounded(number, scale.decimals + 1)
        text = plain(number)
        if len(text.replace("-", "").partition(".")[0]) <= 15:
            texts.append(text)
    return texts


@QUANTITIES
def test_numbers_are_converted_and_rounded_as_in_a_case_file(part: int, knowledge: Knowledge) -> None:
    """Every unit of the built-in vocabulary: each number that floats can round safely is rounded right, each that lies halfway is
    in doubt, and what is not plausible is told."""
    chance = random.Random(f"{SEED}/convert/{part}")
    for finding, scale, unit in units_in(knowledge, part):
        convert = conversion(finding, unit)
        texts = some_numbers(chance, scale, unit, 250)
        linear = units_of(scale)[unit]
        frame = pl.DataFrame({"x": [float(text) for text in texts]})
        within = frame.with_columns(pl.when(pl.col("x").abs() <= convert.largest).then(pl.col("x")).otherwise(0.0))
        x, steps = nw.col("x"), nw.col("steps")
        told: list[list[tuple[int, bool, bool]]] = []
        for native in (within, within.to_pandas(), within.to_arrow()):
            done = nw.from_native(native).with_columns(steps=convert.steps(x), doubt=convert.in_doubt(x))
            done = done.with_columns(fits=convert.is_plausible(steps))
            told.append(list(zip(*(done[column].to_list() for column in ("steps", "doubt", "fits")), strict=True)))
        assert told[0] == told[1] == told[2], (finding.name, unit)
        for text, number, (found, doubt, fits) in zip(texts, frame["x"], told[0], strict=True):
            where = (finding.name, text, unit)
            exact = linear(Decimal(text)).scaleb(scale.decimals)
            answer = read_answer(finding, f"{text} {unit}", NOWHERE, Problems(), [])
            if abs(number) > convert.largest:
                assert answer is None, where
            elif doubt:
                assert abs(abs(exact % 1) - Decimal("0.5")) < Decimal("0.001"), where
            else:
                assert abs(exact % 1) != Decimal("0.5"), where
                assert found == 2 * rounded(exact, 0), where
                assert fits == (answer is not None), where


@QUANTITIES
def test_columns_of_numbers_say_what_their_texts_say(part: int) -> None:
    """As texts and as floats, those halfway between two steps among them; what a case file would refuse is refused."""
    knowledge = measuring()
    chance = random.Random(f"{SEED}/columns/{part}")
    tables: dict[int, dict[str, tuple[Finding, Scale, str]]] = {}  # a finding has one column, so that its units stand apart
    for finding, scale, unit in units_in(knowledge, part):
        here = tables.setdefault(list(units_of(scale)).index(unit), {})
        here[f"{finding.name} ({unit})"] = (finding, scale, unit)
    assert sum(check_numbers(knowledge, of_unit, chance) for of_unit in tables.values()) > 100


@cache
def measuring() -> Knowledge:
    """A knowledge base with all built-in quantities, and nothing that holds between them."""
    texts = texts_by(Finer(random.Random(SEED)))
    facts = yaml.safe_load(texts["facts/all.yaml"])
    del facts["sum_of_both"]["derived"]
    for file in sorted((ROOT / "facts").glob("*.yaml")):
        for name, entry in yaml.load(file.read_text("utf-8"), yaml.BaseLoader).items():
            if entry.get("kind") == QUANTITY:
                kept = {key: value for key, value in entry.items() if key in SCALE_KEYS}
                facts[name] = {**facts["width"], "units": {}, **kept}
                if not facts[name]["units"]:
                    del facts[name]["units"]
    return small_knowledge({**texts, "facts/all.yaml": dumped(facts)})


SCALE_KEYS = ("unit", "units", "decimals", "plausible", "usual")


def check_numbers(knowledge: Knowledge, of_unit: Mapping[str, tuple[Finding, Scale, str]], chance: random.Random) -> int:
    """How many of the numbers lie halfway between two steps."""
    each = {name: some_numbers(chance, scale, unit, 100) for name, (_, scale, unit) in of_unit.items()}
    layout = layout_of(tuple(of_unit), knowledge, problems=Problems(), place=NOWHERE)
    assert layout is not None
    table = Table(knowledge, layout, unknown_where_bad=True)
    ties = 0
    for kind in (str, float):
        batch, _ = table.read(pl.DataFrame({name: [kind(t) for t in texts] for name, texts in each.items()}), numbers(100))
        bad = {(b.row, b.column) for b in batch.bad}
        for name, (finding, scale, unit) in of_unit.items():
            texts = [plain(Decimal(repr(kind(t)))) if kind is float else t for t in each[name]]
            answers = [read_answer(finding, f"{text} {unit}", NOWHERE, Problems(), []) for text in texts]
            wanted = [(-FAR, FAR) if a is None or a.quantity is None else ends(a.quantity, scale.decimals) for a in answers]
            low, high = (batch.frame[c] for c in batch.frame.columns if re.fullmatch(rf"{finding.name}\W(low|high)", c))
            assert list(zip(low, high, strict=True)) == wanted, name
            assert {row for row, column in bad if column == name} == {n for n, a in enumerate(answers, 1) if a is None}, name
            exact = [units_of(scale)[unit](Decimal(t)).scaleb(scale.decimals) for t in texts]
            ties += sum(1 for steps in exact if abs(steps % 1) == Decimal("0.5"))
    return ties


HOW = ("difference", "absolute_difference", "ratio", "smaller_of", "larger_of", "linear")


@pytest.mark.parametrize("how", HOW)
def test_derived_quantities_are_those_of_a_case_file(how: str) -> None:
    """Of inputs and results with any number of decimals, signs and all; in polars and in pandas."""
    chance = random.Random(f"{SEED}/{how}")
    for _ in range(12):
        count = chance.choice((2, 3)) if how in ("smaller_of", "larger_of", "linear") else 2
        decimals = [chance.randrange(3) for _ in range(count)]
        factors = tuple(Decimal(chance.choice(("1", "-1", "0.5", "-0.25", "2.2", "0.333"))) for _ in range(count))
        rule = Derivation(
            how, tuple("abc"[:count]), *((factors, Decimal(chance.choice(("0", "3", "-0.125")))) if how == "linear" else ())
        )
        scale = Scale("u", (), chance.randrange(4), (Decimal(-(10**6)), Decimal(10**6)), derived=rule)
        values = [[rounded(Decimal(chance.uniform(-30, 30)), d) for d in decimals] for _ in range(150)]
        values += [[rounded(Decimal(chance.randrange(-3, 4)), d) for d in decimals] for _ in range(50)]
        if how == "ratio":
            values = [pair for pair in values if pair[1]]
        frame = pl.DataFrame({name: [int(v[n].scaleb(decimals[n])) for v in values] for n, name in enumerate(rule.inputs)})
        wanted = [half_steps(value, scale.decimals) for each in values if (value := derived_value(scale, each)) is not None]
        for native in (frame, frame.to_pandas(), frame.to_arrow()):
            columns = [nw.col(name) for name in rule.inputs]
            steps = derived_steps("x", scale, columns, decimals, [31 * 10**d for d in decimals])
            assert nw.from_native(native).with_columns(steps=steps)["steps"].to_list() == wanted, (rule, scale.decimals)


def some_interval(chance: random.Random, decimals: int) -> Interval:
    """A value, what lies beyond one, or what lies between two; with ends that belong to it, or do not."""
    low = rounded(Decimal(chance.randrange(-60, 60)) / 10, decimals)
    if chance.randrange(3) == 0:
        return Interval(low, low)
    high = low + Decimal(chance.randrange(1, 40)).scaleb(-decimals)
    opened = [chance.random() < 0.5 for _ in range(2)]
    ends_of = chance.choice(((low, None), (None, high), (low, high)))
    return Interval(*ends_of, *(is_open and end is not None for is_open, end in zip(opened, ends_of, strict=True)))


@pytest.mark.parametrize("decimals", [0, 1, 2])
@pytest.mark.parametrize("operator", OPERATORS)
def test_comparisons_decide_what_intervals_decide(operator: str, decimals: int) -> None:
    """Surely yes, surely no, or neither: with limits of any fineness, and with multiples of a laboratory's own limit."""
    chance = random.Random(f"{SEED}/{operator}/{decimals}")
    each = [some_interval(chance, decimals) for _ in range(400)]
    both_ends = [ends(interval, decimals) for interval in each]
    own = [rounded(Decimal(chance.randrange(-50, 50)) / 10, decimals) for _ in each]
    frame = nw.from_native(
        pl.DataFrame(
            {
                "low": [low for low, _ in both_ends],
                "high": [high for _, high in both_ends],
                "own": [half_steps(end, decimals) for end in own],
            }
        )
    )
    low, high = nw.col("low"), nw.col("high")
    seen: Counter[bool | None] = Counter()
    for number in range(60):
        limit = Decimal(chance.randrange(-50, 50)).scaleb(-chance.randrange(4))
        factor = Decimal(chance.choice(("0.5", "1", "1.25", "2", "3.3", "0.01", "10")))
        steps = limit_in_steps(limit, decimals)
        assert steps == Fraction(limit) * 10**decimals
        masks = frame.select(
            yes=surely(low, high, operator, steps),
            no=surely(low, high, OPPOSITE[operator], steps),
            yes_own=surely_to(low, high, operator, nw.col("own"), factor),
            no_own=surely_to(low, high, OPPOSITE[operator], nw.col("own"), factor),
        )
        for interval, end, row in zip(each, own, masks.iter_rows(named=True), strict=True):
            for truth, limit_, which in (
                (interval.compared(operator, limit), limit, ""),
                (interval.compared(operator, factor * end), factor * end, "_own"),
            ):
                said = True if row[f"yes{which}"] else False if row[f"no{which}"] else None
                assert said is truth, (interval, operator, limit_, number)
                seen[truth] += 1
                assert not (row[f"yes{which}"] and row[f"no{which}"])
    assert min(seen.values()) > 1000
    assert len(seen) == 3
