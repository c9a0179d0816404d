"""The schemas for editors: they accept what is shipped, refuse what is broken, and know the same keys as the reader."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match

from crampdx.cli import main
from crampdx.engine.authoring.schema import FILES, FOLDER, kind_of, modeline, schema, schema_text
from crampdx.engine.knowledge import yamltext
from crampdx.engine.knowledge.cases import read_cases
from crampdx.engine.knowledge.guarantees import read_guarantees
from crampdx.engine.knowledge.loader import GUARANTEES, from_texts
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import Problems

from at_hand import ROOT, built_in
from small_worlds import dumped

SHIPPED = sorted([*(ROOT / "facts").glob("*.yaml"), *(ROOT / "rules").rglob("*.yaml")])
CASE_FILES = sorted([*(ROOT / "tests" / "cases").glob("*.yaml"), *(ROOT / "examples").glob("*.yaml")])


@cache
def validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(schema(kind, built_in()))


def as_an_editor_reads(node: yamltext.Node) -> Any:
    """A node by YAML's core schema, in which `yes` is a text and `3` a number."""
    if isinstance(node, yamltext.Mapping):
        return {key.text: as_an_editor_reads(value) for key, value in node.entries}
    if isinstance(node, yamltext.Sequence):
        return [as_an_editor_reads(item) for item in node.items]
    if node.quoted:
        return node.text
    if node.text in ("", "~", "null"):
        return None
    if node.text in ("true", "false"):
        return node.text == "true"
    if re.fullmatch(r"[-+]?[0-9]+", node.text):
        return int(node.text)
    return float(node.text) if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", node.text) else node.text


def as_text(node: yamltext.Node) -> Any:
    """A node as the project reads it: every scalar a text."""
    if isinstance(node, yamltext.Mapping):
        return {key.text: as_text(value) for key, value in node.entries}
    return [as_text(item) for item in node.items] if isinstance(node, yamltext.Sequence) else node.text


def read(text: str) -> yamltext.Node:
    problems = Problems()
    node = yamltext.read_yaml(text, "a.yaml", problems)
    assert node is not None and not problems.found
    return node


def said(fault: ValidationError | None) -> str:
    return "" if fault is None else f"{list(fault.absolute_path)}: {fault.message[:300]}"


def test_schemas_are_schemas() -> None:
    """Each is valid by its own dialect, the same each time, and its patterns are such as JavaScript reads, too."""
    for kind in FILES:
        made = schema(kind, built_in())
        Draft202012Validator.check_schema(made)
        assert schema_text(kind, built_in()) == schema_text(kind, built_in())
        assert json.loads(schema_text(kind, built_in())) == made
        for pattern in patterns(made):
            re.compile(pattern)
            assert not re.search(r"\\[AZ]|\(\?[P<a-z]|\\[-_ /%#&~,;:'\"<>=@!`]", pattern), pattern


def patterns(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "pattern" and isinstance(value, str):
                yield value
            yield from patterns(value)
    elif isinstance(part, list):
        for item in part:
            yield from patterns(item)


@pytest.mark.parametrize("path", [*SHIPPED, *CASE_FILES], ids=lambda p: p.name)
def test_what_is_shipped_is_valid(path: Any) -> None:
    """Whether scalars are taken as text, as here, or as an editor takes them."""
    kind = kind_of(path.relative_to(ROOT).as_posix()) or "case"
    assert (kind == "case") == (path in CASE_FILES)
    node = read(path.read_text(encoding="utf-8")) if path.name != "reviews.yaml" else None  # comments, so far
    for data in (as_an_editor_reads(node), as_text(node)) if node is not None else (None,):
        assert not said(best_match(validator(kind).iter_errors(data)))


@pytest.mark.parametrize("path", [p for p in [*SHIPPED, *CASE_FILES] if p.parent.name != "examples"], ids=lambda p: p.name)
def test_an_editor_finds_the_schema_by_the_first_line(path: Path) -> None:
    """The line names a schema that is there, and it is the one for this kind of file."""
    file = path.relative_to(ROOT).as_posix()
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    assert first == modeline(file), f"{file} should begin with this line"
    named = (path.parent / first.split("$schema=")[1]).resolve()
    assert named == ROOT / FOLDER / f"{kind_of(file) or 'case'}.json" and named.is_file()


def test_the_schemas_at_hand_are_those_of_today(tmp_path: Path) -> None:
    """All of docs/schema is what the command writes, and nothing else lies there."""
    done = CliRunner().invoke(main, ["schema", "--all", str(tmp_path / "new" / "folder")])
    assert done.exit_code == 0 and not done.stdout
    made = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new" / "folder").iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / FOLDER).iterdir()}
    assert set(made) == {f"{kind}.json" for kind in FILES}
    assert json.loads(made["case.json"]) == schema("case", built_in())
    stale = sorted(name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))
    assert not stale, f"not as the knowledge is now: {', '.join(stale)}; run `crampdx schema --all {FOLDER}`"


@pytest.mark.parametrize("arguments", [[], ["case", "--all", "there"]])
def test_one_schema_or_all_of_them(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither and both are refused, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["schema", *arguments])
    assert done.exit_code == 2 and "either a KIND or --all FOLDER" in done.stderr
    assert not list(tmp_path.iterdir())


# A small knowledge base with every key there is ------------------------------------------------------------------------

_SOURCED = {"source": ["paper", "expert"], "evidence": ["IC01"]}
WORLD: dict[str, Any] = {
    "facts/a.yaml": {
        "ache": {
            **{"title": "An ache", "ask": "Does it ache?", "kind": "yes-no", "known_by": "patient"},
            **{"also_called": ["pain"], "confirmatory": "yes", "fixed": "yes", "was": ["hurt"]},
        },
        "gated": {
            **{"title": "A gated thing", "ask": "Is it?", "kind": "yes-no", "known_by": "patient"},
            **{"ask_when": "ache", "when_closed": "no"},
        },
        "colour": {
            **{"title": "Colour", "ask": "Which?", "kind": "choice", "known_by": "examiner"},
            "choices": {"pale": "Pale", "deep_red": "Deep red"},
        },
        "level": {
            **{"title": "A level", "ask": "How much?", "kind": "quantity", "known_by": "laboratory"},
            **{"unit": "mmol/L", "units": {"mEq/L": "0.5", "odd unit": "times 2 plus -1"}, "decimals": "1"},
            **{"plausible": "0 to 90", "usual": "1 to 80", "reference": "2 to 5", "reference_source": "paper"},
        },
        "width": {
            **{"title": "A width", "ask": "How wide?", "kind": "quantity", "known_by": "patient"},
            **{"unit": "cm", "decimals": "0", "plausible": "0 to 90"},
        },
        "double": {
            **{"title": "A sum", "kind": "quantity", "known_by": "patient", "unit": "cm", "decimals": "0"},
            **{"plausible": "-90 to 90", "derived": {"difference": ["width", "level"]}},
        },
    },
    "facts/recorded.yaml": {
        "kept": {"title": "Kept", "kind": "yes-no", "known_by": "patient"},
        "kept_ratio": {
            **{"title": "Kept, too", "kind": "quantity", "known_by": "patient", "unit": "ratio", "decimals": "1"},
            **{"plausible": "0 to 90", "derived": {"linear": {"width": "2", "constant": "1"}}},
        },
    },
    "facts/impossible.yaml": {"both-at-once": {"title": "Both", "when": {"all": ["ache", "colour is pale"]}}},
    "rules/document.yaml": {
        tier: {"heading": tier, "diagnoses": ["illness"] if tier == "rare" else []}
        for tier in ("most_likely", "other_likely", "do_not_miss", "rare")
    },
    "rules/weighing.yaml": {
        "points": {"weak": "1", "moderate": "3", "strong": "6"},
        "levels": {"possible": "3", "likely": "6", "unlikely": "-3"},
    },
    "rules/sources.yaml": {
        "paper": {"citation": "A paper", "doi": "10.1/x", "pmid": "123", "ref": "R1", "checked": "verified"},
    },
    "rules/evidence.yaml": {
        "IC01": {"finding": "A row", "strength": "W to M-", "refs": ["R1"]},
        "IC02": {"finding": "Another", "not_coded": "Why not"},
    },
    "rules/concepts.yaml": {"trouble": {"title": "Trouble", "when": {"not": "ache"}, **_SOURCED}},
    "rules/red_flags.yaml": {
        "big-trouble": {"title": "T", "when": {"at least 2 of": ["ache", "trouble", "not gated"]}}
        | {"urgency": "same day", "action": "Go", **_SOURCED},
    },
    "rules/notes.yaml": {
        "notes": {"a-note": {"title": "T", "about": "something", "when": "ache", "text": "X", **_SOURCED}},
        "scope": {"a-scope": {"title": "T", "when": "level above range", "text": "X", **_SOURCED}},
    },
    "rules/links.yaml": {
        "a-link": {"title": "T", "cause": "illness", "effect": "trouble", "when": "ache", **_SOURCED},
    },
    "rules/interview.yaml": {
        "first-topic": {"title": "T", "panels": [{"title": "P", "findings": ["ache", "gated"], "alone": "yes"}]},
    },
    "rules/guarantees.yaml": {
        "a-guarantee": {
            "title": "Title",
            "hazard": "What could happen",
            "whenever": {"all": ["ache"]},
            "then": "urgency at least emergency",
        }
    },
    "rules/reviews.yaml": {"a-rule": {"digest": "0123456789ab", "date": "2026-02-28", "role": "community nurse"}},
    "rules/rare/illness.yaml": {
        **{"title": "Illness", "summary": "S", "icd10": "X1", "origin": "document", "next_steps": ["Look"]},
        **{"urgency": {"possible": "soon", "likely": "soon", "established": "emergency"}},
        **{"needs": "ache", "likely_needs": "level >= 5 times upper limit"},
        "advice": {"rest-now": {"text": "X", "when": "ache", "unless": "gated", "withheld": "Y", **_SOURCED}},
        "scores": {
            "tally": {"title": "Tally", "points": {"ache": "1", "width > 3 cm": "-0.5"}}
            | {"one_of": [{"colour is one of pale, deep_red": "2"}], "asserted_only": {"gated": "1"}, **_SOURCED},
        },
        "rules": {
            "a-rule": {"title": "T", "when": {"any": ["ache", "tally >= 2 points"]}, "then": "supports"}
            | {"cluster": "one-cause", **_SOURCED},
            "another-rule": {"title": "T", "when": "ache", "then": "excludes", "scope": "All", **_SOURCED},
        },
    },
}
CASE: dict[str, Any] = {
    **{"case": "A patient", "from": "evidence", "source": "Paper", "about": "Someone"},
    **{"diagnosis": "illness", "alternatives": ["illness"], "judged_urgency": "soon"},
    "given": {"ache": "yes", "colour": "deep red", "level": "> 3 mmol/L (2 to 6)"},
    "expect": {"illness": "at least possible", "because": ["a-rule"], "urgency": "at least soon", "leading": "illness"}
    | {"trouble": "no", "tally": "1 to 2 points", "a-note": "fires", "rest-now": "shown"},
}


def parsed(files: dict[str, Any]) -> tuple[Knowledge | None, Problems]:
    return from_texts({name: dumped(data) for name, data in files.items()}, Problems(), doubts=False)


@cache
def world() -> Knowledge:
    knowledge, problems = parsed(WORLD)
    assert knowledge is not None and not problems.errors, problems.errors
    return knowledge


def reader_says(file: str, data: Any) -> Problems:
    problems = Problems()
    if file == GUARANTEES:
        read_guarantees(dumped(data), file, world(), problems)
        return problems
    if file == "case":
        read_cases(dumped(data), "case", world(), problems)
        return problems
    return parsed({**WORLD, file: data})[1]


def closed_mappings(part: Any, data: Any, root: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Where the data has a mapping with a fixed set of keys, by the schema: its path, and the schema of it."""
    while isinstance(part, dict) and "$ref" in part:
        part = root["$defs"][part["$ref"].rsplit("/", 1)[1]]
    if not isinstance(part, dict):
        return
    for inner in (*part.get("anyOf", ()), *(part[k] for k in ("then", "else") if k in part)):
        yield from closed_mappings(inner, data, root, path)
    if isinstance(data, list) and "items" in part:
        for number, item in enumerate(data):
            yield from closed_mappings(part["items"], item, root, (*path, number))
    if isinstance(data, dict) and "object" in part.get("type", ()):
        if part.get("additionalProperties") is False and "patternProperties" not in part:
            yield path, part
        for key, value in data.items():
            inner = part.get("properties", {}).get(key, part.get("additionalProperties"))
            yield from closed_mappings(inner, value, root, (*path, key))


def closed_in(part: Any) -> Iterator[tuple[str, ...]]:
    """The keys of every mapping with a fixed set of keys in a schema."""
    if isinstance(part, dict):
        if part.get("type") and part.get("additionalProperties") is False and "patternProperties" not in part:
            yield tuple(part["properties"])
        for inner in part.values():
            yield from closed_in(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from closed_in(inner)


def changed(data: Any, path: tuple[Any, ...], change: Any) -> Any:
    """A copy in which the mapping at the path is otherwise."""
    made = copy.deepcopy(data)
    at = made
    for step in path:
        at = at[step]
    change(at)
    return made


EVERYTHING: dict[str, Any] = {**WORLD, "case": CASE}


@pytest.mark.parametrize("file", EVERYTHING)
def test_the_schema_knows_the_keys_that_the_reader_knows(file: str) -> None:
    """For each mapping with fixed keys: the reader names the same keys, needs the same ones and does without the same."""
    data = EVERYTHING[file]
    made: Any = schema(kind_of(file) or "case", world())
    validates = Draft202012Validator(made)
    assert not said(best_match(validates.iter_errors(data)))
    assert not reader_says(file, data).errors
    found = list(closed_mappings(made, data, made))
    assert {tuple(part["properties"]) for _, part in found} == set(closed_in(made))  # none has been left out
    for path, part in found:
        keys = part["properties"]
        if path[-1:] not in (("given",), ("expect",)):
            unknown = changed(data, path, lambda at: at.update(qqqqqqqq="1"))
            helps = [p.help for p in reader_says(file, unknown).found if p.code == "unknown-key"]
            assert [set(h.removeprefix("its keys: ").split(", ")) for h in helps] == [set(keys)], path
            refused = [e for e in validates.iter_errors(unknown) if e.validator == "additionalProperties"]
            assert [list(e.absolute_path) for e in refused] == [list(path)]
        there = data
        for step in path:
            there = there[step]
        for key in there:
            without = changed(data, path, lambda at, key=key: at.pop(key))
            wanted = [
                p.message for p in reader_says(file, without).found if p.code in ("missing-key", "excludes-without-scope")
            ]
            refused = [e.message for e in validates.iter_errors(without) if e.validator == "required"]
            assert bool(wanted) == bool(refused), (path, key, wanted, refused)


def test_values_are_taken_as_the_reader_takes_them() -> None:
    """Of each kind of finding, what the reader of cases takes and what it refuses."""
    tried = {
        "ache": ["yes", "No", "TRUE", "unknown", "~", "maybe", "3 cm", "ye"],
        "colour": ["pale", "Deep red", "deep_red", "unknown", "green", "yes"],
        "level": [
            *("3 mmol/L", "3 MMOL/l", "<= 3.5 mEq/L (2 to 7)", "6 odd  unit", "≥3 mmol/L", "unknown"),
            *("3", "3 mg", "3,5 mmol/L", "1e1 mmol/L", "3 mmol/L (2 - 6)", "three mmol/L"),
        ],
        "width": ["3 cm", "3 cm (2 to 4)", "3cm", "3 mm", "cm"],
    }
    validates = Draft202012Validator(schema("case", world()))
    for name, values in tried.items():
        for value in values:
            case = {"given": {name: value}}
            assert validates.is_valid(case) == (not reader_says("case", case).errors), (name, value)


def test_clauses_are_taken_as_the_reader_takes_them() -> None:
    """Of each form of a leaf and of a tree, what the reader takes and what it refuses."""
    clauses: list[Any] = [
        *("ache", "not ache", "trouble", "not trouble", "hurt", "not hurt", "not  not ache", "nothing", "kept"),
        *("level", "level >= 3 mmol/L", "not level<3 mEq/L", "level ≥ 3 odd unit", "level >= 3", "level >= 3 cm"),
        *("level below range", "width below range", "level > 2 times upper limit", "width > 2 times upper limit"),
        *("colour is pale", "colour is green", "colour is one of pale, deep_red", "colour is one of pale, green", "colour"),
        *("tally >= 2 points", "tally > 1 point", "tally", "tally >= 2 cm", "ache >= 2 points", "level > 1e1 mmol/L"),
        *({"all": ["ache"]}, {"any": []}, {"all": "ache"}, {"not": {"not": "ache"}}, {"at least 1 of": ["ache", "gated"]}),
        *({"at least two of": ["ache"]}, {"at least 0 of": ["ache"]}, {"all": ["ache"], "any": ["ache"]}, ["ache"], {}),
    ]
    validates = Draft202012Validator(schema("concepts", world()))
    outcomes = []
    for clause in clauses:
        file = {"trouble": {"title": "T", "when": "ache", "source": "expert"}, "other": {"title": "T", "when": clause}}
        file["other"]["source"] = "expert"
        taken = not reader_says("rules/concepts.yaml", file).errors
        if clause in ("trouble", "not trouble"):
            assert taken
        assert validates.is_valid(file) == taken, clause
        outcomes.append(taken)
    assert 12 < sum(outcomes) < len(outcomes) - 12


BROKEN = [
    ("facts", "a: {title: T, kind: yes-no, known_by: patient}", ["a"], "ask"),
    ("facts", "a: {title: T, ask: 'Q?', kind: yesno, known_by: patient}", ["a", "kind"], "yesno"),
    ("facts", "a: {title: T, ask: Q, kind: yes-no, known_by: patient}", ["a", "ask"], "Q"),
    (
        "facts",
        "a: {title: T, ask: 'Q?', kind: yes-no, known_by: patient, unit: cm}",
        ["a"],
        "False",
    ),  # jsonschema loses the last step to a `false`
    ("facts", "a: {title: T, ask: 'Q?', kind: choice, known_by: patient, choices: {b: B}}", ["a", "choices"], "enough"),
    ("facts", "A-B: {title: T, ask: 'Q?', kind: yes-no, known_by: patient}", [], "A-B"),
    ("sources", "a: {citation: C, checked: yes}", ["a", "checked"], "yes"),
    ("evidence", "IC1: {finding: F}", [], "IC1"),
    ("evidence", "IC01: {finding: F, strength: Q}", ["IC01", "strength"], "Q"),
    (
        "red_flags",
        "a: {title: T, when: {all: [qqqq]}, urgency: soon, action: A, source: expert}",
        ["a", "when", "all", 0],
        "qqqq",
    ),
    ("red_flags", "a: {title: T, when: {al: [qqqq]}, urgency: soon, action: A, source: expert}", ["a", "when"], "al"),
    ("red_flags", "expert: {title: T}", [], "expert"),
    ("notes", "nots: {}", [], "nots"),
    ("interview", "a: {title: T, panels: [{title: P, findings: [qqqq]}]}", ["a", "panels", 0, "findings", 0], "qqqq"),
    ("reviews", "qqqq: {digest: 0123456789ab, date: 2026-01-31, role: author}", [], "qqqq"),
    (
        "reviews",
        "hypokalaemia: {digest: 0123456789ab, date: 2026-13-31, role: author}",
        ["hypokalaemia", "date"],
        "2026-13-31",
    ),
    ("weighing", "{points: {weak: 1, moderate: 3, strong: 6}, levels: {possible: 3, likely: 6}}", ["levels"], "unlikely"),
    ("rules", "{title: T, summary: S, rules: {a: {title: T, then: excludes, source: expert}}}", ["rules", "a"], "required"),
    ("rules", "{title: T, summary: S, urgency: {likely: now}, rules: {}}", ["urgency", "likely"], "now"),
    ("case", "- given: {qqqq: yes}", [0, "given"], "qqqq"),
    ("case", "{case: C, expect: {}}", [], "given"),
    ("case", "{given: {}, expect: {leading: qqqq}}", ["expect", "leading"], "qqqq"),
    ("case", "[]", [], "[]"),
]


@pytest.mark.parametrize(("kind", "text", "path", "word"), BROKEN, ids=[f"{kind}-{word}" for kind, _, _, word in BROKEN])
def test_what_is_broken_is_refused_at_its_place(kind: str, text: str, path: list[Any], word: str) -> None:
    """Of the built-in names, so that an editor's mark stands where the fault is."""
    fault = best_match(validator(kind).iter_errors(as_an_editor_reads(read(text))))
    assert fault is not None
    assert list(fault.absolute_path) == path, said(fault)
    assert word in fault.message, said(fault)


def test_editors_are_told_what_things_are() -> None:
    """Every key of every mapping is described; a finding has its title and its question, and a quantity its units."""
    for kind in FILES:
        made: Any = schema(kind, built_in())
        for path, part in closed_mappings(
            made, EVERYTHING[next(f for f in EVERYTHING if (kind_of(f) or "case") == kind)], made
        ):
            assert all(p.get("description") or p.get("title") for p in part["properties"].values()), (kind, path)
    given: Any = schema("case", world())
    given = given["$defs"]["case"]["properties"]["given"]["properties"]
    assert given["level"]["title"] == "A level"
    assert "How much?" in given["level"]["description"] and "mmol/L, mEq/L, odd unit" in given["level"]["description"]
    assert given["hurt"]["deprecated"] is True
