"""The language of conditions: leaves in words, trees in YAML, read against the names that exist."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from . import yamltext
from .model import (
    CHOICE,
    QUANTITY,
    YES_NO,
    All,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    Finding,
    Is,
    IsOneOf,
    Not,
    OutOfRange,
    TimesUpperLimit,
)
from .problems import Place, Problems, shown
from .quantities import NUMBER, plain, read_measurement, rounded

POINTS = "points"
_NAME = r"(?P<name>[A-Za-z][A-Za-z0-9_-]*)"
_OPERATOR = r"(?P<operator>>=|<=|≥|≤|>|<)"
_TIMES = re.compile(rf"^{_NAME}\s*{_OPERATOR}\s*(?P<factor>{NUMBER})\s+times\s+upper\s+limit$")
_COMPARE = re.compile(rf"^{_NAME}\s*{_OPERATOR}\s*(?P<amount>.+)$")
_RANGE = re.compile(rf"^{_NAME}\s+(?P<side>below|above)\s+range$")
_ONE_OF = re.compile(rf"^{_NAME}\s+is\s+one\s+of\s+(?P<values>.+)$")
_IS = re.compile(rf"^{_NAME}\s+is\s+(?P<value>\S+)$")
_BARE = re.compile(rf"^{_NAME}$")
_AT_LEAST = re.compile(r"at least ([0-9]{1,3}) of")
_LEAF_HELP = "a leaf is 'name', 'not name', 'name >= 3 cm', 'name below range', 'name is pale' or 'name is one of pale, red'"


@dataclass(frozen=True)
class Names:
    """What a condition may speak of: findings with their kinds, concepts, scores."""

    findings: Mapping[str, Finding]
    concepts: frozenset[str] = frozenset()
    scores: frozenset[str] = frozenset()
    renamed: Mapping[str, str] | None = None
    kinds: str = "finding, concept or score"  # in words, for messages


def read_condition(node: yamltext.Node, names: Names, problems: Problems) -> Condition | None:
    """The condition that `node` writes, or None after reporting what is wrong with it, all of it."""
    if isinstance(node, yamltext.Scalar):
        return read_leaf(node.text, node.place, names, problems)
    if isinstance(node, yamltext.Sequence):
        problems.add(node.place, "list-without-all-or-any", "a bare list does not say 'all' or 'any'", "write 'all:'")
        return None
    if len(node.entries) != 1:
        problems.add(
            node.place,
            "not-a-condition",
            "a condition has exactly one of 'all', 'any', 'at least N of', 'not' here",
            "nest the others under it",
        )
        return None
    key, inner = node.entries[0]
    if key.text == "not":
        child = read_condition(inner, names, problems)
        return None if child is None else Not(child)
    counted = _AT_LEAST.fullmatch(key.text)
    if key.text not in ("all", "any") and counted is None:
        problems.add(
            key.place,
            "not-a-condition",
            f"{shown(key.text)} is not 'all', 'any', 'at least N of' or 'not'",
            problems.did_you_mean(key.text, ("all", "any", "at least 2 of", "not")),
        )
        return None
    if not isinstance(inner, yamltext.Sequence):
        problems.add(inner.place, "not-a-list", f"'{key.text}' takes a list, one clause a line", "begin each with '- '")
        return None
    if inner.flow:
        problems.add(inner.place, "flow-list", f"'{key.text}' takes a block list, not '[...]'", "one clause a line")
        return None
    if not inner.items:
        problems.add(inner.place, "empty-list", f"'{key.text}' has no clause")
        return None
    count = int(counted[1]) if counted is not None else 1
    if not 1 <= count <= len(inner.items):
        clauses = f"{len(inner.items)} clause{'' if len(inner.items) == 1 else 's'}"
        said = f"'{key.text}' cannot be met by {clauses}" if count else f"'{key.text}' is met by nothing at all"
        problems.add(key.place, "impossible-count", said)
    children = [read_condition(item, names, problems) for item in inner.items]
    kept = tuple(c for c in children if c is not None)
    if len(kept) != len(children) or not 1 <= count <= len(kept):
        return None
    if key.text == "all":
        return All(kept)
    return AnyOf(kept) if key.text == "any" else AtLeast(count, kept)


def read_leaf(text: str, place: Place, names: Names, problems: Problems) -> Condition | None:
    """The condition that a leaf writes, or None after reporting what is wrong with it."""
    words = " ".join(text.split())
    if words.startswith("not not "):
        problems.add(place, "not-a-leaf", f"'not' stands twice in {shown(text)}", "leave both out")
        return None
    if words.startswith("not "):
        child = read_leaf(words[4:], Place(place.file, place.line, place.column + 4), names, problems)
        return None if child is None else Not(child)
    if found := _TIMES.match(words):
        name = _with_reference(found["name"], place, names, problems)
        factor = Decimal(found["factor"])
        return None if name is None else TimesUpperLimit(name, _operator(found["operator"]), factor, place)
    if found := _RANGE.match(words):
        name = _with_reference(found["name"], place, names, problems)
        return None if name is None else OutOfRange(name, found["side"], place)
    if found := _ONE_OF.match(words):
        return _choice(found["name"], [v.strip() for v in found["values"].split(",")], place, names, problems)
    if found := _IS.match(words):
        return _choice(found["name"], [found["value"]], place, names, problems)
    if found := _COMPARE.match(words):
        return _comparison(found["name"], _operator(found["operator"]), found["amount"], place, names, problems)
    if found := _BARE.match(words):
        name = _known(found["name"], place, names, problems)
        if name is None:
            return None
        kind = _kind(name, names)
        if kind not in (YES_NO, "concept"):
            example = {CHOICE: "is ...", QUANTITY: ">= 3 ...", "score": ">= 2 points"}[kind]
            problems.add(
                place, "wrong-kind", f"'{name}' is a {kind}, not a yes-no", f"say what of it, such as '{name} {example}'"
            )
            return None
        return Is(name, place)
    problems.add(place, "not-a-leaf", f"{shown(text)} is not a clause", _LEAF_HELP)
    return None


def _operator(written: str) -> str:
    return {"≥": ">=", "≤": "<="}.get(written, written)


def _kind(name: str, names: Names) -> str:
    if name in names.findings:
        return names.findings[name].kind
    return "concept" if name in names.concepts else "score"


def _known(name: str, place: Place, names: Names, problems: Problems) -> str | None:
    if name in names.findings or name in names.concepts or name in names.scores:
        return name
    if names.renamed and name in names.renamed:
        now = names.renamed[name]
        problems.add(place, "renamed", f"'{name}' is now called '{now}'", "use the new name", severity="warning")
        return now
    problems.add(
        place,
        "unknown-name",
        f"no {names.kinds} is called {shown(name)}",
        problems.did_you_mean(name, (*names.findings, *names.concepts, *names.scores))
        or "`crampdx vocab WORD` searches the names",
    )
    return None


def _quantity(name: str, place: Place, names: Names, problems: Problems) -> Finding | None:
    finding = names.findings.get(name)
    if finding is None or finding.kind != QUANTITY:
        problems.add(place, "wrong-kind", f"'{name}' is a {_kind(name, names)}, not a quantity")
        return None
    return finding


def _with_reference(raw: str, place: Place, names: Names, problems: Problems) -> str | None:
    """The name of a quantity that has a reference interval; None after reporting that it is none."""
    name = _known(raw, place, names, problems)
    finding = None if name is None else _quantity(name, place, names, problems)
    if finding is None:
        return None
    if finding.scale is None or finding.scale.reference is None:
        problems.add(place, "no-reference", f"'{name}' has no reference interval", "give it one in facts/")
        return None
    return name


def _choice(raw: str, values: list[str], place: Place, names: Names, problems: Problems) -> Condition | None:
    name = _known(raw, place, names, problems)
    if name is None:
        return None
    if _kind(name, names) != CHOICE:
        problems.add(place, "wrong-kind", f"'{name}' is a {_kind(name, names)}, not a choice")
        return None
    allowed = [c for c, _ in names.findings[name].choices]
    unknown = [v for v in values if v not in allowed]
    for value in unknown:
        problems.add(
            place,
            "unknown-choice",
            f"'{name}' has no choice {shown(value)}",
            problems.did_you_mean(value, allowed) or "choices: " + ", ".join(allowed),
        )
    return None if unknown else IsOneOf(name, tuple(values), place)


def _comparison(raw: str, operator: str, amount: str, place: Place, names: Names, problems: Problems) -> Condition | None:
    name = _known(raw, place, names, problems)
    if name is None:
        return None
    kind = _kind(name, names)
    if kind not in (QUANTITY, "score"):
        problems.add(place, "wrong-kind", f"'{name}' is a {kind}; only a quantity or a score can be compared")
        return None
    measured = read_measurement(amount)
    if measured is None or measured.censor or measured.reference:
        said = f"{shown(amount)} is not a number with a unit"
        problems.add(place, "not-a-number", said, "such as '3 cm', '0.5 mmol/L' or '2 points'; no exponent")
        return None
    if kind == "score":
        if measured.unit not in (POINTS, "point"):
            problems.add(place, "no-unit", f"a score is compared in points: {shown(amount)}", f"'{amount} points'")
            return None
        return Compare(name, operator, measured.number, f"{plain(measured.number)} points", place)
    scale = names.findings[name].scale
    assert scale is not None
    units = dict(scale.units)
    if measured.unit != scale.unit and measured.unit not in units:
        code, said = ("no-unit", "has no unit") if not measured.unit else ("unknown-unit", "is in no unit of it")
        problems.add(place, code, f"'{name}': {shown(amount)} {said}", "its units: " + ", ".join((scale.unit, *units)))
        return None
    limit = measured.number if measured.unit == scale.unit else units[measured.unit](measured.number)
    if rounded(limit, scale.decimals) != limit:
        # Values are rounded before they are compared; a finer limit would not mean what it says.
        problems.add(
            place,
            "too-precise",
            f"'{name}' is rounded to {scale.decimals} decimal{'' if scale.decimals == 1 else 's'} of {scale.unit}; "
            f"{plain(limit)} lies between two values",
        )
        return None
    if not scale.plausible[0] <= limit <= scale.plausible[1]:
        low, high = map(plain, scale.plausible)
        said = f"'{name}': {shown(amount)} is outside the plausible {low} to {high} {scale.unit}"
        problems.add(place, "implausible-limit", said, "check the number and the unit")
        return None
    return Compare(name, operator, limit, f"{plain(limit)} {scale.unit}", place)


def leaf_in_words(leaf: Condition) -> str:
    """A leaf as an author writes it."""
    if isinstance(leaf, Is):
        return leaf.name
    if isinstance(leaf, Compare):
        return f"{leaf.name} {leaf.operator} {leaf.written or plain(leaf.limit)}"
    if isinstance(leaf, OutOfRange):
        return f"{leaf.name} {leaf.side} range"
    if isinstance(leaf, TimesUpperLimit):
        return f"{leaf.name} {leaf.operator} {plain(leaf.factor)} times upper limit"
    if isinstance(leaf, IsOneOf):
        return f"{leaf.name} is " + (leaf.values[0] if len(leaf.values) == 1 else "one of " + ", ".join(leaf.values))
    raise TypeError(leaf)


def in_one_line(condition: Condition) -> str:
    """The whole condition in one line, unambiguous: equal lines mean equal conditions."""
    if isinstance(condition, Not):
        return f"not {in_one_line(condition.child)}"
    if isinstance(condition, All):
        return "all(" + "; ".join(map(in_one_line, condition.children)) + ")"
    if isinstance(condition, AnyOf):
        return "any(" + "; ".join(map(in_one_line, condition.children)) + ")"
    if isinstance(condition, AtLeast):
        return f"at least {condition.count} of(" + "; ".join(map(in_one_line, condition.children)) + ")"
    return leaf_in_words(condition)
