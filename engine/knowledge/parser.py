"""From nodes to the model: each file of a knowledge base, read against docs/format.md, faults collected."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import PurePosixPath

from . import yamltext
from .canonical import DIGITS
from .conditions import Names, read_condition, read_leaf
from .model import (
    AGAINST,
    CHOICE,
    EXCLUSION,
    FOR,
    KINDS,
    KNOWERS,
    MOST_NEEDS_NO,
    QUANTITY,
    TIERS,
    URGENCIES,
    YES_NO,
    Advice,
    All,
    Concept,
    Condition,
    Derivation,
    Diagnosis,
    EvidenceRow,
    Finding,
    Impossible,
    Is,
    Item,
    Link,
    Note,
    Panel,
    RedFlag,
    Review,
    Rule,
    Scale,
    Score,
    Source,
    Tier,
    Topic,
    Weighing,
)
from .problems import Place, Problems, shown
from .quantities import NUMBER, Linear, read_linear, read_range, rounded

SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ROW = re.compile(r"(D[0-9]+b?-[SAN][0-9]{2}|IC[0-9]{2}|RF[0-9]{2}|X[A-Z]?[0-9]+-[FSAN][0-9]{2})")
_STYLES = {
    SNAKE: ("snake_case", "lower-case words, no units"),
    KEBAB: ("kebab-case", "lower-case words, no units"),
    ROW: ("the id of a row", "such as D6-S01, IC09 or RF04"),
}
STRENGTH = re.compile(r"^[PSMWXN]-?( to [PSMWXN]-?)*\Z")
WORDS_FOR_SOURCE = ("expert", "unverified")
RESERVED = (*WORDS_FOR_SOURCE, "because", "constant", "leading", "none", "not", "urgency")  # they mean something already
MEANS_UNKNOWN = ("unknown", "null", "~")  # in a case
CHECKED = ("verified", "secondary", "unverified")
_NUMBER = re.compile(NUMBER)


class Fields:
    """A mapping whose keys are known beforehand; every misuse is reported."""

    def __init__(self, node: yamltext.Node, what: str, allowed: tuple[str, ...], problems: Problems) -> None:
        self.problems = problems
        self.what = what
        self.place = node.place
        self.nodes: dict[str, yamltext.Node] = {}
        self.keys: dict[str, Place] = {}
        self.is_mapping = isinstance(node, yamltext.Mapping)
        if not isinstance(node, yamltext.Mapping):
            problems.add(node.place, "not-a-mapping", f"{what} must be a mapping of 'key: value' lines")
            return
        for key, value in node.entries:
            if key.text not in allowed:
                problems.add(
                    key.place,
                    "unknown-key",
                    f"{what} has no key {shown(key.text)}",
                    problems.did_you_mean(key.text, allowed) or "its keys: " + ", ".join(allowed),
                )
            else:
                self.nodes[key.text] = value
                self.keys[key.text] = key.place

    def __contains__(self, key: str) -> bool:
        return key in self.nodes

    def need(self, *keys: str) -> None:
        for key in keys:
            if key not in self.nodes and self.is_mapping:
                self.problems.add(self.place, "missing-key", f"{self.what} has no '{key}'")

    def node(self, key: str) -> yamltext.Node | None:
        return self.nodes.get(key)

    def text(self, key: str) -> str:
        """The scalar's text in one line; '' when absent or at fault."""
        node = self.nodes.get(key)
        if node is None:
            return ""
        if not isinstance(node, yamltext.Scalar) or not node.text.strip():
            self.problems.add(node.place, "not-text", f"'{key}' takes a text")
            return ""
        return " ".join(node.text.split())

    def word(self, key: str, allowed: tuple[str, ...], default: str = "") -> str:
        """One of the allowed words; the default when absent or at fault."""
        text = self.text(key)
        if not text:
            return default
        if text not in allowed:
            self.problems.add(
                self.nodes[key].place,
                "unknown-word",
                f"'{key}' cannot be {shown(text)}",
                self.problems.did_you_mean(text, allowed) or "one of: " + ", ".join(allowed),
            )
            return default
        return text

    def texts(self, key: str) -> tuple[str, ...]:
        """The list's texts; one text stands for a list of one."""
        node = self.nodes.get(key)
        if node is None:
            return ()
        items = node.items if isinstance(node, yamltext.Sequence) else (node,)
        result = []
        for item in items:
            if isinstance(item, yamltext.Scalar) and item.text.strip():
                result.append(" ".join(item.text.split()))
            else:
                self.problems.add(item.place, "not-text", f"'{key}' takes texts")
        return tuple(result)

    def scalars(self, key: str) -> tuple[yamltext.Scalar, ...]:
        node = self.nodes.get(key)
        if node is None:
            return ()
        items = node.items if isinstance(node, yamltext.Sequence) else (node,)
        return tuple(i for i in items if isinstance(i, yamltext.Scalar))

    def range(self, key: str) -> tuple[Decimal, Decimal] | None:
        text = self.text(key)
        if not text:
            return None
        ends = read_range(text)
        if ends is None:
            self.problems.add(
                self.nodes[key].place, "not-a-range", f"{shown(text)} is not a range", "write '135 to 145', low end first"
            )
        return ends

    def number(self, node: yamltext.Node) -> Decimal | None:
        if not isinstance(node, yamltext.Scalar):
            self.problems.add(node.place, "not-a-number", "a list or a mapping is not a number", "digits, as in 1 or 0.5")
            return None
        text = node.text.strip()
        if not _NUMBER.fullmatch(text):
            self.problems.add(node.place, "not-a-number", f"{shown(text)} is not a number", "digits, as in 1 or 0.5")
            return None
        return Decimal(text)


@dataclass
class Draft:
    """A knowledge base while it is read. Ids map to things; clashes have been reported."""

    problems: Problems
    findings: dict[str, Finding]
    impossible: dict[str, Impossible]
    concepts: dict[str, Concept]
    scores: dict[str, Score]
    rules: dict[str, Rule]
    red_flags: dict[str, RedFlag]
    notes: dict[str, Note]
    scope: dict[str, Note]
    advice: dict[str, Advice]
    diagnoses: dict[str, Diagnosis]
    sources: dict[str, Source]
    register: dict[str, EvidenceRow]
    reviews: dict[str, Review]
    tiers: list[Tier]
    weighing: Weighing | None
    topics: list[Topic]
    taken: dict[str, Place]
    links: dict[str, Link]

    def claim(self, id: str, place: Place, style: re.Pattern[str]) -> bool:
        """Whether the id is not taken yet; it is reported otherwise, and where it is not well-formed."""
        if not style.fullmatch(id):
            wanted, help = _STYLES[style]
            self.problems.add(place, "name-style", f"{shown(id)} is not {wanted}", help)
        elif id in RESERVED:
            self.problems.add(place, "name-reserved", f"'{id}' means something else in these files", "choose another name")
        if id in self.taken:
            self.problems.add(place, "id-used-twice", f"{shown(id)} is taken", f"first used at {self.taken[id]}")
            return False
        self.taken[id] = place
        return True


def parse(files: Mapping[str, yamltext.Node], problems: Problems) -> Draft:
    """The draft of all files, named relative to the knowledge base (`facts/x.yaml`, `rules/rare/y.yaml`)."""
    draft = Draft(problems, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, [], None, [], {}, {})
    facts, diagnoses, others = {}, {}, {}
    for name, node in sorted(files.items()):
        path = PurePosixPath(name)
        if path.suffix != ".yaml":
            problems.add(Place(node.place.file, 1, 1), "unknown-file", f"{shown(name)} does not end in .yaml", "rename it")
        elif path.parts[0] == "facts" and len(path.parts) == 2:
            facts[name] = node
        elif path.parts[0] == "rules" and len(path.parts) == 3 and path.parts[1] in TIERS:
            diagnoses[name] = node
        elif path.parts[0] == "rules" and len(path.parts) == 2 and path.stem in RULE_FILES:
            others[path.stem] = node
        else:
            problems.add(
                Place(node.place.file, 1, 1),
                "unknown-file",
                f"{shown(name)} is no file of a knowledge base",
                problems.did_you_mean(path.stem, RULE_FILES) or "diagnoses go to rules/TIER/; tiers: " + ", ".join(TIERS),
            )
    gates: list[tuple[str, yamltext.Node]] = []
    for name, node in facts.items():
        if name != "facts/impossible.yaml":
            for key, inner in _entries(node, "a vocabulary file", problems):
                _finding(key, inner, draft, gates, recorded_only=name == "facts/recorded.yaml")
    score_names = frozenset(
        key.text
        for node in diagnoses.values()
        for inner in _section(node, "scores")
        for key, _ in (inner.entries if isinstance(inner, yamltext.Mapping) else ())
    )
    concept_names = frozenset(
        key.text
        for node in _optional(others, "concepts")
        for key, _ in (node.entries if isinstance(node, yamltext.Mapping) else ())
    )
    renamed = {old: f.name for f in draft.findings.values() for old in f.was}
    names = Names(draft.findings, concept_names, score_names, renamed)
    for finding, node in gates:
        draft.findings[finding] = replace(draft.findings[finding], ask_when=read_condition(node, names, problems))
    for node in _optional(facts, "facts/impossible.yaml"):
        only_findings = Names(draft.findings, renamed=renamed, kinds="finding")
        for key, inner in _entries(node, "facts/impossible.yaml", problems):
            _impossible(key, inner, draft, only_findings)
    readers: dict[str, Callable[[yamltext.Scalar, yamltext.Node, Draft, Names], None]] = {
        "sources": _source,
        "evidence": _row,
        "concepts": _concept,
        "red_flags": _red_flag,
        "reviews": _review,
    }
    for stem, reader in readers.items():
        for node in _optional(others, stem):
            for key, inner in _entries(node, f"rules/{stem}.yaml", problems):
                reader(key, inner, draft, names)
    for node in _optional(others, "notes"):
        fields = Fields(node, "rules/notes.yaml", ("notes", "scope"), problems)
        for section, into in (("notes", draft.notes), ("scope", draft.scope)):
            inner_node = fields.node(section)
            if inner_node is not None:
                for key, inner in _entries(inner_node, section, problems):
                    _note(key, inner, draft, names, into)
    for node in _optional(others, "document"):
        _document(node, draft)
    for node in _optional(others, "weighing"):
        draft.weighing = _weighing(node, problems)
    for node in _optional(others, "interview"):
        _interview(node, draft)
    for name, node in diagnoses.items():
        _diagnosis(PurePosixPath(name), node, draft, names)
    for node in _optional(others, "links"):
        for key, inner in _entries(node, "rules/links.yaml", problems):
            _link(key, inner, draft, names)
    return draft


RULE_FILES = (
    *("document", "weighing", "sources", "evidence", "concepts", "red_flags", "notes", "links", "interview", "reviews"),
)


def _optional(files: Mapping[str, yamltext.Node], name: str) -> tuple[yamltext.Node, ...]:
    return (files[name],) if name in files else ()


def _section(node: yamltext.Node, name: str) -> tuple[yamltext.Node, ...]:
    if not isinstance(node, yamltext.Mapping):
        return ()
    return tuple(inner for key, inner in node.entries if key.text == name)


def _entries(node: yamltext.Node, what: str, problems: Problems) -> tuple[tuple[yamltext.Scalar, yamltext.Node], ...]:
    if isinstance(node, yamltext.Mapping):
        return node.entries
    problems.add(node.place, "not-a-mapping", f"{what} must be a mapping of 'id: ...' entries")
    return ()


# facts/ --------------------------------------------------------------------------------------------------------------

FINDING_KEYS = (
    *("title", "ask", "kind", "known_by", "also_called", "ask_when", "when_closed", "choices", "unit", "units"),
    *("decimals", "plausible", "usual", "reference", "reference_source", "derived", "confirmatory", "fixed", "was"),
)
_ONLY_QUANTITY = ("unit", "units", "decimals", "plausible", "usual", "reference", "reference_source", "derived")
DERIVATIONS = ("difference", "absolute_difference", "ratio", "smaller_of", "larger_of", "linear")


def _finding(
    key: yamltext.Scalar,
    node: yamltext.Node,
    draft: Draft,
    gates: list[tuple[str, yamltext.Node]],
    recorded_only: bool,
) -> None:
    problems = draft.problems
    fields = Fields(node, f"finding {shown(key.text)}", FINDING_KEYS, problems)
    claimed = draft.claim(key.text, key.place, SNAKE)
    fields.need("title", "kind", "known_by")
    # Where the kind is not said, what belongs to a kind tells, so that one fault is not reported as many.
    kind = fields.word("kind", KINDS, QUANTITY if "unit" in fields else CHOICE if "choices" in fields else YES_NO)
    derived = fields.node("derived")
    if "ask" not in fields and derived is None and not recorded_only:
        fields.need("ask")
    ask = fields.text("ask")
    if ask and not ask.endswith("?"):
        problems.add(fields.nodes["ask"].place, "not-a-question", f"{shown(key.text)}: the question does not end in '?'")
    for name in _ONLY_QUANTITY:
        if name in fields and kind != QUANTITY:
            problems.add(fields.keys[name], "wrong-kind", f"'{name}' belongs to a quantity, and this is a {kind}")
    if "choices" in fields and kind != CHOICE:
        problems.add(fields.keys["choices"], "wrong-kind", f"'choices' belong to a choice, and this is a {kind}")
    if "when_closed" in fields and (kind != YES_NO or "ask_when" not in fields):
        problems.add(fields.keys["when_closed"], "wrong-kind", "'when_closed' needs a yes-no finding with 'ask_when'")
    gate = fields.node("ask_when")
    if gate is not None and claimed:
        gates.append((key.text, gate))
    was = fields.texts("was")
    for old in fields.scalars("was"):
        draft.claim(" ".join(old.text.split()), old.place, SNAKE)
    finding = Finding(
        name=key.text,
        title=fields.text("title"),
        ask=ask,
        kind=kind,
        known_by=fields.word("known_by", KNOWERS, "patient"),
        also_called=fields.texts("also_called"),
        when_closed_no=fields.word("when_closed", ("no",)) == "no",
        choices=_choices(fields) if kind == CHOICE else (),
        scale=_scale(fields) if kind == QUANTITY else None,
        confirmatory=fields.word("confirmatory", ("yes",)) == "yes",
        fixed=fields.word("fixed", ("yes",)) == "yes",
        recorded_only=recorded_only,
        was=was,
        place=key.place,
    )
    if claimed:
        draft.findings[key.text] = finding


def _choices(fields: Fields) -> tuple[tuple[str, str], ...]:
    fields.need("choices")
    node = fields.node("choices")
    if node is not None and (not isinstance(node, yamltext.Mapping) or len(node.entries) < 2):
        fields.problems.add(node.place, "not-a-mapping", "'choices' maps two or more names to their wording")
    if not isinstance(node, yamltext.Mapping):
        return ()
    result = []
    for key, value in node.entries:
        if not SNAKE.fullmatch(key.text):
            fields.problems.add(key.place, "name-style", f"{shown(key.text)} is not snake_case")
        elif key.text in MEANS_UNKNOWN:
            said = f"'{key.text}' is what a case says where the answer is not known"
            fields.problems.add(key.place, "name-reserved", said, "leave the choice out: not to answer says the same")
        wording = value.text if isinstance(value, yamltext.Scalar) else ""
        if not wording:
            fields.problems.add(value.place, "not-text", f"the choice {shown(key.text)} has no wording")
        result.append((key.text, " ".join(wording.split())))
    return tuple(result)


def _scale(fields: Fields) -> Scale:
    problems = fields.problems
    fields.need("unit", "decimals", "plausible")
    decimals_text = fields.text("decimals")
    if decimals_text and not re.fullmatch("[0-9]", decimals_text):
        problems.add(fields.nodes["decimals"].place, "not-a-number", "'decimals' is a digit")
        decimals_text = ""
    decimals = int(decimals_text or 9)  # where it is not said, nothing is too precise
    unit = fields.text("unit")
    units: list[tuple[str, Linear]] = []
    node = fields.node("units")
    if node is not None:
        for key, value in _entries(node, "'units'", problems):
            linear = read_linear(value.text) if isinstance(value, yamltext.Scalar) else None
            if linear is None:
                problems.add(
                    value.place,
                    "not-a-conversion",
                    f"the unit {shown(key.text)} has no factor",
                    "'2.54' or 'times 2 plus 1'",
                )
            elif key.text == unit:
                problems.add(key.place, "duplicate-key", f"{shown(unit)} is the canonical unit already", "leave it out here")
            else:
                units.append((" ".join(key.text.split()), linear))
    ranges = {}
    for name in ("plausible", "usual", "reference"):
        ranges[name] = fields.range(name)
        for end in ranges[name] or ():
            if rounded(end, decimals) != end:
                said = f"'{name}' is finer than {decimals} decimal{'' if decimals == 1 else 's'}"
                problems.add(fields.nodes[name].place, "too-precise", said)
    plausible = ranges["plausible"] or (Decimal(-(10**9)), Decimal(10**9))
    for name in ("usual", "reference"):
        inner = ranges[name]
        if inner and not (plausible[0] <= inner[0] and inner[1] <= plausible[1]):
            problems.add(fields.nodes[name].place, "not-a-range", f"'{name}' lies outside 'plausible'")
    if ranges["reference"] and "reference_source" not in fields:
        problems.add(fields.keys["reference"], "missing-source", "'reference' needs a 'reference_source'")
    return Scale(
        unit=unit,
        units=tuple(units),
        decimals=decimals,
        plausible=plausible,
        usual=ranges["usual"],
        reference=ranges["reference"],
        reference_source=fields.text("reference_source"),
        derived=_derivation(fields),
    )


def _derivation(fields: Fields) -> Derivation | None:
    node = fields.node("derived")
    if node is None:
        return None
    problems = fields.problems
    inner = Fields(node, "'derived'", DERIVATIONS, problems)
    if len(inner.nodes) != 1:
        if inner.nodes or (isinstance(node, yamltext.Mapping) and not node.entries):  # otherwise it has been reported
            problems.add(node.place, "not-a-derivation", "'derived' has exactly one of " + ", ".join(DERIVATIONS))
        return None
    ((how, value),) = inner.nodes.items()
    if how == "linear":
        factors: dict[str, Decimal] = {}
        places: dict[str, Place] = {}
        for key, number in _entries(value, "'linear'", problems):
            factor = inner.number(number)
            if factor is not None:
                factors[key.text], places[key.text] = factor, key.place
        constant = factors.pop("constant", Decimal(0))
        places.pop("constant", None)
        if not factors and isinstance(value, yamltext.Mapping):
            problems.add(value.place, "not-a-derivation", "'linear' has no quantity to follow from")
            return None
        return Derivation(how, tuple(factors), tuple(factors.values()), constant, tuple(places.values()))
    inputs = inner.texts(how)
    if len(inputs) < 2 or (how not in ("smaller_of", "larger_of") and len(inputs) != 2):
        problems.add(value.place, "not-a-derivation", f"'{how}' has the wrong number of inputs")
        return None
    return Derivation(how, inputs, places=tuple(s.place for s in inner.scalars(how) if s.text.strip()))


def _impossible(key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names) -> None:
    fields = Fields(node, f"impossible {shown(key.text)}", ("title", "when"), draft.problems)
    fields.need("title", "when")
    when = _condition(fields, "when", names)
    if draft.claim(key.text, key.place, KEBAB) and when is not None:
        draft.impossible[key.text] = Impossible(key.text, fields.text("title"), when, key.place)


# rules/ --------------------------------------------------------------------------------------------------------------


def _condition(fields: Fields, key: str, names: Names) -> Condition | None:
    node = fields.node(key)
    return None if node is None else read_condition(node, names, fields.problems)


def _source_of(fields: Fields, draft: Draft) -> tuple[str, ...]:
    fields.need("source")
    node = fields.node("source")
    if isinstance(node, yamltext.Sequence) and not node.items:
        draft.problems.add(node.place, "empty-list", "'source' names no source", "say 'expert' or 'unverified' at least")
    for scalar in fields.scalars("source"):
        if scalar.text not in draft.sources and scalar.text not in WORDS_FOR_SOURCE:
            draft.problems.add(
                scalar.place,
                "undefined-source",
                f"no source is called {shown(scalar.text)}",
                draft.problems.did_you_mean(scalar.text, (*draft.sources, *WORDS_FOR_SOURCE))
                or "define it in rules/sources.yaml, or say 'expert' or 'unverified'",
            )
    return fields.texts("source")


def _evidence_of(fields: Fields, draft: Draft) -> tuple[str, ...]:
    for scalar in fields.scalars("evidence"):
        if scalar.text not in draft.register:
            draft.problems.add(
                scalar.place,
                "unlisted-evidence",
                f"no row {shown(scalar.text)} in rules/evidence.yaml",
                draft.problems.did_you_mean(scalar.text, draft.register),
            )
        elif draft.register[scalar.text].not_coded:
            draft.problems.add(
                scalar.place, "coded-after-all", f"row {scalar.text} is coded here, but the register says 'not_coded'"
            )
    return fields.texts("evidence")


def _source(key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names) -> None:
    fields = Fields(node, f"source {shown(key.text)}", ("citation", "doi", "pmid", "ref", "checked"), draft.problems)
    fields.need("citation", "checked")
    if draft.claim(key.text, key.place, KEBAB):
        draft.sources[key.text] = Source(
            id=key.text,
            citation=fields.text("citation"),
            checked=fields.word("checked", CHECKED, "unverified"),
            doi=fields.text("doi"),
            pmid=fields.text("pmid"),
            ref=fields.text("ref"),
            place=key.place,
        )


def _row(key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names) -> None:
    fields = Fields(node, f"row {shown(key.text)}", ("finding", "strength", "refs", "not_coded"), draft.problems)
    fields.need("finding")
    strength = fields.text("strength")
    if strength and not STRENGTH.match(strength):
        draft.problems.add(
            fields.nodes["strength"].place,
            "unknown-word",
            f"'strength' cannot be {shown(strength)}",
            "P, S, M, W, X or N, with '-' for against; a range is 'W to M'",
        )
    if draft.claim(key.text, key.place, ROW):
        draft.register[key.text] = EvidenceRow(
            id=key.text,
            finding=fields.text("finding"),
            strength=strength,
            refs=fields.texts("refs"),
            not_coded=fields.text("not_coded"),
            place=key.place,
        )


REVIEW_FORMS: Mapping[str, tuple[re.Pattern[str], str]] = {  # of each key of a review, and how it is said
    "digest": (re.compile(rf"[0-9a-f]{{{DIGITS}}}"), f"{DIGITS} of 0-9 and a-f; 'crampdx new review ID' prints it"),
    "date": (re.compile(r"[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"), "YEAR-MONTH-DAY, as in 2026-01-31"),
    "role": (re.compile(r"[a-z]+(?:[ -][a-z]+)*"), "a role in small letters, such as clinician; never a name"),
}


def review_fault(key: str, text: str) -> str:
    """What a key of a review should be, where this is not: '' for a text of the right form."""
    form, wanted = REVIEW_FORMS[key]
    right = form.fullmatch(text) is not None
    if right and key == "date":
        year, month, day = map(int, text.split("-"))
        right = day <= calendar.monthrange(year, month)[1]
    return "" if right else wanted


def _review(key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names) -> None:
    fields = Fields(node, f"review of {shown(key.text)}", tuple(REVIEW_FORMS), draft.problems)
    fields.need(*REVIEW_FORMS)
    said = {name: fields.text(name) for name in REVIEW_FORMS}
    for name, text in said.items():
        wanted = review_fault(name, text) if text else ""
        if wanted:
            message = f"review of {shown(key.text)}: '{name}' cannot be {shown(text)}"
            draft.problems.add(fields.nodes[name].place, "review-malformed", message, wanted)
    draft.reviews[key.text] = Review(id=key.text, **said, place=key.place)


def _concept(key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names) -> None:
    allowed = ("title", "when", "partition", "source", "evidence")
    fields = Fields(node, f"concept {shown(key.text)}", allowed, draft.problems)
    fields.need("title", "when")
    when = _condition(fields, "when", names)
    source, evidence = _source_of(fields, draft), _evidence_of(fields, draft)
    partition = fields.text("partition")
    where = fields.keys.get("partition", key.place)
    if partition and not KEBAB.fullmatch(partition):
        draft.problems.add(fields.nodes["partition"].place, "name-style", f"{shown(partition)} is not kebab-case")
    if draft.claim(key.text, key.place, SNAKE) and when is not None:
        draft.concepts[key.text] = Concept(
            key.text, fields.text("title"), when, source, evidence, key.place, partition, where
        )


def _red_flag(key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names) -> None:
    allowed = ("title", "when", "urgency", "action", "source", "evidence")
    fields = Fields(node, f"red flag {shown(key.text)}", allowed, draft.problems)
    fields.need("title", "when", "urgency", "action")
    when = _condition(fields, "when", names)
    source, evidence = _source_of(fields, draft), _evidence_of(fields, draft)
    urgency = fields.word("urgency", URGENCIES, "emergency")
    if draft.claim(key.text, key.place, KEBAB) and when is not None:
        draft.red_flags[key.text] = RedFlag(
            key.text, fields.text("title"), when, urgency, fields.text("action"), source, evidence, key.place
        )


NOTE_KEYS = ("title", "about", "yields", "when", "text", "source", "evidence")


def _note(key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names, into: dict[str, Note]) -> None:
    allowed = NOTE_KEYS if into is draft.notes else tuple(k for k in NOTE_KEYS if k != "yields")
    fields = Fields(node, f"note {shown(key.text)}", allowed, draft.problems)
    fields.need("title", "when", "text")
    when = _condition(fields, "when", names)
    source, evidence = _source_of(fields, draft), _evidence_of(fields, draft)
    yields = fields.word("yields", ("yes", "no"))
    if yields and "about" not in fields:
        fields.need("about")
    if draft.claim(key.text, key.place, KEBAB) and when is not None:
        into[key.text] = Note(
            id=key.text,
            title=fields.text("title"),
            when=when,
            text=fields.text("text"),
            source=source,
            about=fields.text("about"),
            evidence=evidence,
            place=key.place,
            yields=yields,
        )


LINK_KEYS = ("title", "cause", "effect", "when", "source", "evidence")


def _link(key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names) -> None:
    fields = Fields(node, f"link {shown(key.text)}", LINK_KEYS, draft.problems)
    fields.need("title", "cause", "effect")
    when = _condition(fields, "when", names) if "when" in fields else All(())  # without a condition: always
    source, evidence = _source_of(fields, draft), _evidence_of(fields, draft)
    cause, effect = fields.text("cause"), fields.text("effect")
    for end, name, allowed, kind in (
        ("cause", cause, tuple(draft.diagnoses), "diagnosis"),
        ("effect", effect, (*draft.diagnoses, *draft.concepts), "diagnosis or concept"),
    ):
        if name and name not in allowed:
            said = f"no {kind} is called {shown(name)}"
            draft.problems.add(fields.nodes[end].place, "unknown-name", said, draft.problems.did_you_mean(name, allowed))
    if cause and cause == effect:
        said = f"{shown(key.text)} links '{cause}' with itself"
        draft.problems.add(fields.nodes["effect"].place, "linked-with-itself", said)
    if draft.claim(key.text, key.place, KEBAB) and when is not None:
        draft.links[key.text] = Link(key.text, fields.text("title"), cause, effect, when, source, evidence, key.place)


def _document(node: yamltext.Node, draft: Draft) -> None:
    fields = Fields(node, "rules/document.yaml", TIERS, draft.problems)
    fields.need(*TIERS)
    for tier in TIERS:
        inner_node = fields.node(tier)
        if inner_node is not None:
            inner = Fields(inner_node, f"tier '{tier}'", ("heading", "diagnoses"), draft.problems)
            inner.need("heading", "diagnoses")
            places = tuple(s.place for s in inner.scalars("diagnoses") if s.text.strip())
            draft.tiers.append(Tier(tier, inner.text("heading"), inner.texts("diagnoses"), places))


def _weighing(node: yamltext.Node, problems: Problems) -> Weighing | None:
    fields = Fields(node, "rules/weighing.yaml", ("points", "levels"), problems)
    fields.need("points", "levels")
    numbers: dict[str, int] = {}
    for section, keys in (("points", ("weak", "moderate", "strong")), ("levels", ("possible", "likely", "unlikely"))):
        inner_node = fields.node(section)
        if inner_node is not None:
            inner = Fields(inner_node, f"'{section}'", keys, problems)
            inner.need(*keys)
            for key, value in inner.nodes.items():
                number = inner.number(value)
                if number is not None and number == int(number):
                    numbers[key] = int(number)
                elif number is not None:
                    problems.add(value.place, "not-a-number", "points are whole numbers")
    if len(numbers) != 6:
        return None
    weighing = Weighing(**numbers)
    if not (0 < weighing.weak < weighing.moderate < weighing.strong and weighing.unlikely < 0):
        problems.add(node.place, "not-a-weighing", "points must rise from weak to strong, and 'unlikely' be negative")
    if not 0 < weighing.possible < weighing.likely:
        problems.add(node.place, "not-a-weighing", "'likely' must lie above 'possible', and both above 0")
    return weighing


def _interview(node: yamltext.Node, draft: Draft) -> None:
    for key, inner_node in _entries(node, "rules/interview.yaml", draft.problems):
        fields = Fields(inner_node, f"topic {shown(key.text)}", ("title", "panels"), draft.problems)
        fields.need("title", "panels")
        panels = []
        panel_nodes = fields.node("panels")
        if panel_nodes is not None and not isinstance(panel_nodes, yamltext.Sequence):
            draft.problems.add(panel_nodes.place, "not-a-list", "'panels' takes a list of mappings", "begin each with '- '")
        for panel_node in panel_nodes.items if isinstance(panel_nodes, yamltext.Sequence) else ():
            panel = Fields(panel_node, "a panel", ("title", "findings", "alone"), draft.problems)
            panel.need("title", "findings")
            for scalar in panel.scalars("findings"):
                if scalar.text not in draft.findings:
                    draft.problems.add(
                        scalar.place,
                        "unknown-name",
                        f"no finding is called {shown(scalar.text)}",
                        draft.problems.did_you_mean(scalar.text, draft.findings),
                    )
            findings = tuple(f for f in panel.texts("findings") if f in draft.findings)
            panels.append(Panel(panel.text("title"), findings, panel.word("alone", ("yes",)) == "yes"))
        if draft.claim(key.text, key.place, KEBAB):
            draft.topics.append(Topic(key.text, fields.text("title"), tuple(panels)))


DIAGNOSIS_KEYS = (
    *("title", "summary", "icd10", "origin", "kind", "urgency", "needs", "likely_needs", "needs_no", "next_steps"),
    *("advice", "scores", "rules"),
)


def _diagnosis(path: PurePosixPath, node: yamltext.Node, draft: Draft, names: Names) -> None:
    problems = draft.problems
    fields = Fields(node, f"diagnosis {shown(path.stem)}", DIAGNOSIS_KEYS, problems)
    fields.need("title", "summary", "rules")
    claimed = draft.claim(path.stem, Place(node.place.file, 1, 1), SNAKE)
    urgency: list[tuple[str, str]] = []
    urgency_node = fields.node("urgency")
    if urgency_node is not None:
        inner = Fields(urgency_node, "'urgency'", ("possible", "likely", "established"), problems)
        for level in ("possible", "likely", "established"):
            if level in inner:
                word = inner.word(level, URGENCIES, "emergency")
                if urgency and URGENCIES.index(word) < URGENCIES.index(urgency[-1][1]):
                    problems.add(
                        inner.nodes[level].place,
                        "falling-urgency",
                        f"'{level}' is less urgent than '{urgency[-1][0]}': more evidence for a diagnosis would lower it",
                    )
                urgency.append((level, word))
    diagnosis = Diagnosis(
        id=path.stem,
        tier=path.parts[1],
        title=fields.text("title"),
        summary=fields.text("summary"),
        icd10=fields.text("icd10"),
        origin=fields.word("origin", ("document", "beyond"), "document"),
        urgency=tuple(urgency),
        needs=_condition(fields, "needs", names),
        likely_needs=_condition(fields, "likely_needs", names),
        next_steps=fields.texts("next_steps"),
        kind=fields.word("kind", (EXCLUSION,)),
        needs_no=_needs_no(fields, names),
        place=Place(node.place.file, 1, 1),
    )
    _of_exclusion(fields, diagnosis)
    if claimed:
        draft.diagnoses[path.stem] = diagnosis
    for section, reader in (("scores", _score), ("rules", _rule), ("advice", _advice)):
        section_node = fields.node(section)
        if section_node is not None:
            for key, inner_node in _entries(section_node, f"'{section}'", problems):
                reader(path.stem, key, inner_node, draft, names)


def _needs_no(fields: Fields, names: Names) -> tuple[Is, ...]:
    """What must not be there, each a finding or concept that is yes or no."""
    node = fields.node("needs_no")
    problems = fields.problems
    if isinstance(node, yamltext.Sequence) and node.flow:
        problems.add(node.place, "flow-list", "'needs_no' takes a block list, not '[...]'", "one name a line")
    if isinstance(node, yamltext.Sequence) and not node.items:
        problems.add(node.place, "empty-list", "'needs_no' names nothing")
    fields.texts("needs_no")  # reports what is no text
    found: dict[str, Is] = {}
    for scalar in fields.scalars("needs_no"):
        leaf = read_leaf(scalar.text, scalar.place, names, problems) if scalar.text.strip() else None
        if isinstance(leaf, Is) and leaf.name in found:
            problems.add(scalar.place, "listed-twice", f"'needs_no' names {shown(leaf.name)} twice")
        elif isinstance(leaf, Is):
            found[leaf.name] = leaf
        elif leaf is not None:
            said = f"{shown(scalar.text)} is no name of a yes-no finding or a concept"
            problems.add(scalar.place, "not-a-name", said, "make it a concept in rules/concepts.yaml, and name that here")
    return tuple(found.values())


def _of_exclusion(fields: Fields, diagnosis: Diagnosis) -> None:
    """Reports what a diagnosis of exclusion lacks, may not have, or what only such a one may have."""
    problems = fields.problems
    if "needs_no" in fields and "kind" not in fields:
        said = "'needs_no' belongs to a diagnosis of exclusion"
        problems.add(fields.keys["needs_no"], "wrong-kind", said, f"add 'kind: {EXCLUSION}', or take it out")
    if not diagnosis.is_of_exclusion:
        return
    fields.need("needs_no")
    if len(diagnosis.needs_no) > MOST_NEEDS_NO:
        said = f"'needs_no' names {len(diagnosis.needs_no)}, more than {MOST_NEEDS_NO}"
        problems.add(fields.keys["needs_no"], "too-many-needs-no", said, "they would never all be answered: name concepts")
    if any(word != URGENCIES[0] for _, word in diagnosis.urgency):
        said = "a diagnosis of exclusion asks for no urgency: it falls away once something else is found"
        problems.add(fields.keys["urgency"], "urgent-exclusion", said, "give the urgency to a red flag, or leave it out")


def _score(diagnosis: str, key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names) -> None:
    allowed = ("title", "source", "evidence", "points", "one_of", "asserted_only")
    fields = Fields(node, f"score {shown(key.text)}", allowed, draft.problems)
    fields.need("title")
    if "points" not in fields and "one_of" not in fields:
        fields.need("points")
    source, evidence = _source_of(fields, draft), _evidence_of(fields, draft)
    groups = []
    group_nodes = fields.node("one_of")
    if group_nodes is not None and not isinstance(group_nodes, yamltext.Sequence):
        draft.problems.add(group_nodes.place, "not-a-list", "'one_of' is a list of groups, each a mapping to points")
    elif isinstance(group_nodes, yamltext.Sequence):
        groups = [_items(fields, group, names) for group in group_nodes.items]
    if draft.claim(key.text, key.place, SNAKE):
        draft.scores[key.text] = Score(
            name=key.text,
            title=fields.text("title"),
            diagnosis=diagnosis,
            source=source,
            items=_items(fields, fields.node("points"), names),
            one_of=tuple(groups),
            asserted_only=_items(fields, fields.node("asserted_only"), names),
            evidence=evidence,
            place=key.place,
        )


def _items(fields: Fields, node: yamltext.Node | None, names: Names) -> tuple[Item, ...]:
    items = []
    for key, value in _entries(node, "a points table", fields.problems) if node is not None else ():
        condition = read_leaf(key.text, key.place, names, fields.problems)
        number = fields.number(value)
        if condition is not None and number is not None:
            items.append(Item(condition, number))
    return tuple(items)


def _rule(diagnosis: str, key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names) -> None:
    allowed = ("title", "when", "then", "cluster", "source", "evidence", "scope")
    fields = Fields(node, f"rule {shown(key.text)}", allowed, draft.problems)
    fields.need("title", "when", "then")
    when = _condition(fields, "when", names)
    source, evidence = _source_of(fields, draft), _evidence_of(fields, draft)
    then = fields.word("then", (*FOR, *AGAINST), "supports")
    cluster = fields.text("cluster")
    if cluster and not KEBAB.fullmatch(cluster):
        draft.problems.add(fields.nodes["cluster"].place, "name-style", f"{shown(cluster)} is not kebab-case")
    if then == "excludes" and "scope" not in fields:
        draft.problems.add(
            key.place,
            "excludes-without-scope",
            f"{shown(key.text)} excludes without saying for whom",
            "add 'scope:', and hold the condition to it",
        )
    if then == "establishes" and diagnosis in draft.diagnoses and draft.diagnoses[diagnosis].is_of_exclusion:
        said = f"{shown(key.text)} establishes a diagnosis of exclusion, which no finding can"
        draft.problems.add(fields.nodes["then"].place, "establishes-by-exclusion", said, "'strongly supports' is the most")
    if draft.claim(key.text, key.place, KEBAB) and when is not None:
        draft.rules[key.text] = Rule(
            id=key.text,
            diagnosis=diagnosis,
            title=fields.text("title"),
            when=when,
            then=then,
            source=source,
            evidence=evidence,
            cluster=cluster,
            scope=fields.text("scope"),
            place=key.place,
        )


ADVICE_KEYS = ("text", "when", "unless", "withheld", "source", "evidence")


def _advice(diagnosis: str, key: yamltext.Scalar, node: yamltext.Node, draft: Draft, names: Names) -> None:
    fields = Fields(node, f"advice {shown(key.text)}", ADVICE_KEYS, draft.problems)
    fields.need("text", "withheld")
    when = _condition(fields, "when", names) if "when" in fields else All(())  # without a condition: always
    unless = _condition(fields, "unless", names)
    source, evidence = _source_of(fields, draft), _evidence_of(fields, draft)
    if draft.claim(key.text, key.place, KEBAB) and when is not None:
        draft.advice[key.text] = Advice(
            id=key.text,
            diagnosis=diagnosis,
            text=fields.text("text"),
            when=when,
            withheld=fields.text("withheld"),
            source=source,
            unless=unless,
            evidence=evidence,
            place=key.place,
        )
