"""Patients and regression cases: from a case file to answers, faults with their places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from . import yamltext
from .conditions import POINTS
from .model import (
    CHOICE,
    LEVELS,
    QUANTITY,
    URGENCIES,
    YES_NO,
    Answer,
    Derivation,
    Finding,
    Findings,
    Knowledge,
    Scale,
)
from .parser import MEANS_UNKNOWN, Fields
from .problems import ERROR, WARNING, Place, Problems, shown
from .quantities import NUMBER, Interval, Linear, in_words, plain, read_measurement, rounded
from .truth import decisive, impossible, leaf_truth

CASE_KEYS = (
    *("case", "from", "same_as", "given", "expect"),
    *("source", "about", "diagnosis", "alternatives", "judged_urgency"),
)
_YES = {"yes": True, "true": True, "no": False, "false": False}
MOST_TAKEN_OVER = 200_000  # values by `same_as` in one file: a short file must not become a long computation
_NOT_A_UNIT = re.compile(r"[0-9]{3}\b|[-–+:_/]\s*[0-9]|to\b")  # what follows a number that goes on
_SCORE = re.compile(rf"^(?P<low>{NUMBER})(?:\s+to\s+(?P<high>{NUMBER}))?\s+points?$")


@dataclass(frozen=True)
class Expectation:
    """One thing that a case says must come out: about `subject`, the words `wanted`."""

    subject: str
    wanted: str
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Case:
    """One patient, with what is expected of the reasoning where the case is a regression case."""

    name: str
    findings: Findings
    given: Mapping[str, yamltext.Scalar]
    place: Place
    same_as: str = ""
    origin: str = ""
    source: str = ""
    about: str = ""
    diagnosis: str = ""
    alternatives: tuple[str, ...] = ()
    judged_urgency: str = ""
    expected: tuple[Expectation, ...] = ()
    warnings: tuple[str, ...] = ()


def read_cases(
    text: str, file: str, knowledge: Knowledge, problems: Problems, expectations: bool = True
) -> tuple[Case, ...]:
    """The cases of a file that can be used, with what they expect unless that is to be left alone; what is wrong with the
    others stands in `problems`. A case that expects something of what the knowledge leaves out is left out with it."""
    node = yamltext.read_yaml(text, file, problems)
    if node is None:
        return ()
    items: tuple[yamltext.Node, ...] = node.items if isinstance(node, yamltext.Sequence) else (node,)
    cases: list[Case] = []
    earlier: dict[str, Case] = {}
    broken: set[str] = set()
    taken_over = 0
    for number, item in enumerate(items, 1):
        before = len(problems.found)
        case = _case(item, number, knowledge, problems, earlier, broken, expectations)
        if case is None:
            continue
        taken_over += len(case.given) if case.same_as else 0
        if taken_over > MOST_TAKEN_OVER:
            said = f"'same_as' takes over more than {MOST_TAKEN_OVER:,} values up to here"
            problems.add(case.place, "too-large", said, "split the file; this case and the later ones are not read")
            break
        # Counted as they were added: two cases may have the same fault in the case that both take over.
        at_fault = any(p.severity == ERROR for p in problems.found[before:])
        if at_fault or not (isinstance(item, yamltext.Mapping) and item.sound):
            broken.add(case.name)
        else:
            cases.append(case)
            earlier[case.name] = case
    if not cases and not any(p.severity == ERROR for p in problems.found):
        problems.add(node.place, "no-case", "the file holds no case", "a case has at least 'given:'")
    problems.refused += len(items) - len(cases)
    kept = tuple(c for c in cases if not any({e.subject, e.wanted} & knowledge.left_out for e in c.expected))
    problems.left_out += len(cases) - len(kept)
    return kept


def _case(
    node: yamltext.Node,
    number: int,
    knowledge: Knowledge,
    problems: Problems,
    earlier: Mapping[str, Case],
    broken: set[str],
    expectations: bool,
) -> Case | None:
    fields = Fields(node, "a case", CASE_KEYS, problems)
    if not fields.nodes:
        if isinstance(node, yamltext.Mapping) and not node.entries:
            problems.add(node.place, "missing-key", "a case has no 'given'")
        return None
    name = fields.text("case") or f"case {number}"
    if name in earlier or name in broken:
        place = fields.nodes["case"].place if "case" in fields else fields.place
        problems.add(place, "case-used-twice", f"the case {shown(name)} stands twice", "give each its own sentence")
    given: dict[str, yamltext.Scalar] = {}
    same_as = fields.text("same_as")
    if same_as in earlier:
        given.update(earlier[same_as].given)
    elif same_as in broken:
        problems.add(
            fields.nodes["same_as"].place,
            "case-at-fault",
            f"the case {shown(same_as)}, which this one takes over, is at fault",
            "correct that one first",
        )
    elif same_as:
        problems.add(
            fields.nodes["same_as"].place,
            "unknown-case",
            f"no earlier case of this file is called {shown(same_as)}",
            problems.did_you_mean(same_as, earlier),
        )
    if "given" not in fields and not same_as:
        fields.need("given")
    renamed: list[str] = []
    given.update(_given(fields.node("given"), knowledge, problems, renamed))
    findings, warnings = read_findings(given, knowledge, problems, fields.place)
    if expectations:
        _check_answers(fields, knowledge)
    return Case(
        name=name,
        findings=findings,
        given=MappingProxyType(dict(sorted(given.items()))),
        place=fields.place,
        same_as=same_as,
        origin=fields.word("from", ("evidence", "recorded")),
        source=fields.text("source"),
        about=fields.text("about"),
        diagnosis=fields.text("diagnosis"),
        alternatives=fields.texts("alternatives"),
        judged_urgency=fields.word("judged_urgency", URGENCIES),
        expected=_expected(fields.node("expect"), knowledge, problems) if expectations else (),
        warnings=(*warnings, *renamed),
    )


def _check_answers(fields: Fields, knowledge: Knowledge) -> None:
    """An answer may lie beyond the knowledge base, but a misspelt one would leave the accuracy tables in silence."""
    for scalar in (*fields.scalars("diagnosis"), *fields.scalars("alternatives")):
        if scalar.text not in knowledge.diagnoses:
            near = fields.problems.did_you_mean(scalar.text, knowledge.diagnoses)
            if near:
                fields.problems.add(scalar.place, "unknown-diagnosis", f"no diagnosis is called {shown(scalar.text)}", near)


def _given(
    node: yamltext.Node | None, knowledge: Knowledge, problems: Problems, renamed: list[str]
) -> dict[str, yamltext.Scalar]:
    """Raw values by the finding's present name; adds a notice for each former name."""
    given: dict[str, yamltext.Scalar] = {}
    if node is None:
        return given
    if isinstance(node, yamltext.Scalar) and not node.text.strip():
        return given
    if not isinstance(node, yamltext.Mapping):
        problems.add(node.place, "not-a-mapping", "'given' must be a mapping of 'finding: value' lines")
        return given
    for key, value in node.entries:
        name = knowledge.renamed.get(key.text, key.text)
        if name != key.text:
            problems.add(key.place, "renamed", f"'{key.text}' is now called '{name}'", "still accepted", severity=WARNING)
            renamed.append(f"'{key.text}' is now called '{name}'")
        if name not in knowledge.findings:
            problems.add(key.place, "unknown-finding", *_unknown_finding(key.text, knowledge, problems))
        elif not isinstance(value, yamltext.Scalar):
            problems.add(value.place, "wrong-kind", f"'{name}' takes one value, not a list or a mapping")
        elif name in given:
            problems.add(key.place, "contradiction", f"'{name}' is given twice, once under a former name")
        else:
            given[name] = value
    return given


def _unknown_finding(name: str, knowledge: Knowledge, problems: Problems) -> tuple[str, str]:
    """Message and help."""
    other = next(
        (
            kind
            for kind, things in (
                ("concept", knowledge.concepts),
                ("score", knowledge.scores),
                ("diagnosis", knowledge.diagnoses),
            )
            if name in things
        ),
        "",
    )
    if other:
        return f"'{name}' is a {other}: it is concluded, not given", "give the findings that it follows from"
    meant = knowledge.other_names.get(name.lower().replace("_", " "))
    return (
        f"no finding is called {shown(name)}",
        f"did you mean '{meant}'?"
        if meant
        else problems.did_you_mean(name, knowledge.findings) or "`crampdx vocab WORD` searches the vocabulary",
    )


def read_findings(
    given: Mapping[str, yamltext.Scalar], knowledge: Knowledge, problems: Problems, place: Place
) -> tuple[Findings, tuple[str, ...]]:
    """The answers of one patient, derived quantities among them, and warnings in words."""
    answers: dict[str, Answer] = {}
    warnings: list[str] = []
    for name, scalar in given.items():
        answer = read_answer(knowledge.findings[name], scalar.text, scalar.place, problems, warnings)
        if answer is not None:
            answers[name] = answer
    _derive(answers, knowledge, problems, warnings, place)
    findings: Findings = MappingProxyType(dict(sorted(answers.items())))
    for fault in impossible(knowledge, findings):
        named = decisive(fault.when, lambda leaf: leaf_truth(leaf, findings))
        where = max((answers[name].place for name in named if name in answers), default=place)
        problems.add(where, "impossible", f"cannot hold together: {fault.title}", "correct one of: " + ", ".join(named))
    return findings, tuple(sorted(warnings))


def means_unknown(text: str) -> bool:
    """Whether this says that the answer is not known."""
    return " ".join(text.split()).lower() in MEANS_UNKNOWN


def read_answer(finding: Finding, text: str, place: Place, problems: Problems, warnings: list[str]) -> Answer | None:
    """What `text` says of the finding; None for unknown, and after reporting a fault."""
    words = " ".join(text.split())
    if means_unknown(words):
        return None
    if not words:
        problems.add(place, "no-value", f"'{finding.name}' has no value", "write 'unknown', or leave the line out")
        return None
    if finding.kind == YES_NO:
        if words.lower() not in _YES:
            problems.add(place, "wrong-kind", f"'{finding.name}' is yes or no, not {shown(words)}", "yes, no or unknown")
            return None
        return Answer(truth=_YES[words.lower()], written=words.lower(), place=place)
    if finding.kind == CHOICE:
        names = [c for c, _ in finding.choices]
        if words.lower().replace(" ", "_") not in names:
            problems.add(
                place,
                "unknown-choice",
                f"'{finding.name}' has no choice {shown(words)}",
                problems.did_you_mean(words, names) or "choices: " + ", ".join(names),
            )
            return None
        return Answer(choice=words.lower().replace(" ", "_"), written=words, place=place)
    assert finding.kind == QUANTITY and finding.scale is not None
    return _read_quantity(finding, finding.scale, words, place, problems, warnings)


def units_of(scale: Scale) -> dict[str, Linear]:
    """Every unit that a quantity may be given in, the canonical one first, and how it becomes the canonical one."""
    return {scale.unit: Linear(Decimal(1)), **dict(scale.units)}


def _read_quantity(
    finding: Finding, scale: Scale, words: str, place: Place, problems: Problems, warnings: list[str]
) -> Answer | None:
    units = units_of(scale)
    accepted = "units: " + ", ".join(units)
    measured = read_measurement(words)
    if measured is None or (measured.unit not in units and _NOT_A_UNIT.match(measured.unit)):
        hint = f"such as '{plain(scale.plausible[1] if scale.usual is None else scale.usual[1])} {scale.unit}'"
        if re.search(r"[0-9](,| (?=[0-9]{3}\b))[0-9]", words):
            hint = "write a decimal point, and no separators of thousands"
        elif re.search(r"[0-9][eE][+-]?[0-9]", words):
            hint = "write the number out, without an exponent"
        elif re.search(r"[0-9]{16}", words):
            hint = "at most 15 digits before and after the decimal point"
        problems.add(place, "not-a-quantity", f"'{finding.name}': {shown(words)} is not a number with a unit", hint)
        return None
    if measured.unit not in units:
        folded = [u for u in units if u.lower() == measured.unit.lower() or u == measured.unit.replace("μ", "µ")]
        if not measured.unit:
            problems.add(place, "no-unit", f"'{finding.name}': {shown(words)} has no unit", accepted)
        elif len(folded) == 1:
            measured = type(measured)(measured.number, folded[0], measured.censor, measured.reference)
        else:
            problems.add(
                place,
                "unknown-unit",
                f"'{finding.name}' is not measured in {shown(measured.unit)}",
                problems.did_you_mean(measured.unit, units) or accepted,
            )
    if measured.unit not in units:
        return None
    convert = units[measured.unit]
    exact = convert(measured.number)
    value = rounded(exact, scale.decimals)
    low, high = scale.plausible
    if not low <= value <= high:
        problems.add(
            place,
            "implausible",
            f"'{finding.name}': {words} is outside the plausible {plain(low)} to {plain(high)} {scale.unit}",
            f"check the number and the unit; {accepted}" if len(units) > 1 else "check the number",
        )
        return None
    if scale.usual is not None and not scale.usual[0] <= value <= scale.usual[1]:
        warnings.append(
            f"'{finding.name}': {words} is outside the usual {plain(scale.usual[0])} to {plain(scale.usual[1])} "
            f"{scale.unit}; taken as given"
        )
    reference = scale.reference
    if measured.reference is not None:
        if scale.reference is None:
            problems.add(place, "no-reference", f"'{finding.name}' has no reference interval to replace")
            return None
        ends = sorted(rounded(convert(end), scale.decimals) for end in measured.reference)
        if measured.reference[0] >= measured.reference[1] or ends[0] == ends[1]:
            problems.add(place, "not-a-range", f"'{finding.name}': the interval in {shown(words)} is empty")
            return None
        if not low <= ends[0] or not ends[1] <= high:
            problems.add(place, "implausible", f"'{finding.name}': the interval in {shown(words)} is implausible")
            return None
        reference = (ends[0], ends[1])
    # An open end stays open only where conversion and rounding have not moved it.
    is_open = value == exact
    interval = {
        "": Interval(value, value),
        ">": Interval(value, None, low_open=is_open),
        ">=": Interval(value, None),
        "<": Interval(None, value, high_open=is_open),
        "<=": Interval(None, value),
    }[measured.censor]
    return Answer(quantity=interval, reference=reference, written=words, place=place)


def _derive(answers: dict[str, Answer], knowledge: Knowledge, problems: Problems, warnings: list[str], place: Place) -> None:
    """Adds every derived quantity whose inputs are known; a value stated otherwise is a fault of the case at `place`."""
    pending = [f for f in knowledge.findings.values() if f.scale is not None and f.scale.derived is not None]
    progress = True
    while progress:
        progress = False
        for finding in list(pending):
            scale = finding.scale
            assert scale is not None and scale.derived is not None
            inputs = [answers.get(name) for name in scale.derived.inputs]
            values = [a.quantity.exact if a is not None and a.quantity is not None else None for a in inputs]
            known = [v for v in values if v is not None]
            if len(known) != len(values):
                continue
            pending.remove(finding)
            progress = True
            exact = _derived(scale.derived, known)
            if exact is None:
                continue
            value = rounded(exact, scale.decimals)
            blame = max((a.place for a in inputs if a is not None), default=None)
            assert blame is not None
            stated = answers.get(finding.name)
            reference = scale.reference
            from_what = f"{scale.derived.how.replace('_', ' ')} of {', '.join(scale.derived.inputs)}"
            if stated is not None:
                assert stated.quantity is not None
                inside = stated.quantity.compared(">=", value) is not False and (
                    stated.quantity.compared("<=", value) is not False
                )
                if not inside:
                    problems.add(
                        stated.place if stated.place >= place else blame,  # not where it was taken over from
                        "contradiction",
                        f"'{finding.name}' is given as {in_words(stated.quantity, scale.unit)}, but {from_what} is "
                        f"{plain(value)} {scale.unit}",
                        "correct one of them",
                    )
                if not inside or stated.quantity.exact is not None:
                    continue
                reference = stated.reference
            if not scale.plausible[0] <= value <= scale.plausible[1]:
                problems.add(blame, "implausible", f"'{finding.name}' ({from_what}) would be {plain(value)} {scale.unit}")
                continue
            answers[finding.name] = Answer(
                quantity=Interval(value, value),
                reference=reference,
                derived=True,
                written=f"{plain(value)} {scale.unit}",
                place=blame,
            )


def derived_value(scale: Scale, values: list[Decimal]) -> Decimal | None:
    """A derived quantity for these values of its inputs, rounded; None where it does not exist or is not plausible."""
    assert scale.derived is not None
    exact = _derived(scale.derived, values)
    value = None if exact is None else rounded(exact, scale.decimals)
    return value if value is not None and scale.plausible[0] <= value <= scale.plausible[1] else None


def with_derived(answers: Findings, knowledge: Knowledge) -> Findings | None:
    """The answers with every derived quantity worked out anew; None when no patient can have them: what is stated
    contradicts what is derived, a derived quantity is implausible, or the answers cannot hold together."""
    problems = Problems()
    known = {name: answer for name, answer in answers.items() if not answer.derived}
    _derive(known, knowledge, problems, [], Place("", 0, 0))
    findings: Findings = MappingProxyType(dict(sorted(known.items())))
    return None if problems.errors or impossible(knowledge, findings) else findings


def _derived(how: Derivation, values: list[Decimal]) -> Decimal | None:
    if how.how == "difference":
        return values[0] - values[1]
    if how.how == "absolute_difference":
        return abs(values[0] - values[1])
    if how.how == "ratio":
        return values[0] / values[1] if values[1] else None
    if how.how == "smaller_of":
        return min(values)
    if how.how == "larger_of":
        return max(values)
    return sum((f * v for f, v in zip(how.factors, values, strict=True)), how.constant)


# Expectations --------------------------------------------------------------------------------------------------------


def _expected(node: yamltext.Node | None, knowledge: Knowledge, problems: Problems) -> tuple[Expectation, ...]:
    if node is None:
        return ()
    if not isinstance(node, yamltext.Mapping):
        problems.add(node.place, "not-a-mapping", "'expect' must be a mapping")
        return ()
    result = []
    for key, value in node.entries:
        if key.text == "because":
            items = value.items if isinstance(value, yamltext.Sequence) else (value,)
            for item in items:
                if not isinstance(item, yamltext.Scalar):
                    problems.add(item.place, "not-text", "'because' takes the ids of rules")
                    continue
                text = item.text
                if text not in knowledge.rules and text not in knowledge.left_out:
                    problems.add(
                        item.place,
                        "unknown-rule",
                        f"no rule is called {shown(text)}",
                        problems.did_you_mean(text, knowledge.rules),
                    )
                result.append(Expectation(text, "fires", item.place))
            continue
        if not isinstance(value, yamltext.Scalar):
            problems.add(value.place, "not-text", f"{shown(key.text)} takes one text")
            continue
        text = " ".join(value.text.split())
        if key.text in knowledge.left_out:
            result.append(Expectation(key.text, text, key.place))
            continue
        allowed = _expectable(key.text, knowledge)
        if allowed is None:
            ids = (*knowledge.diagnoses, *knowledge.concepts, *knowledge.scores, *knowledge.rules)
            everything = (*ids, *knowledge.red_flags, *knowledge.notes, *knowledge.scope, *knowledge.advice)
            problems.add(
                key.place,
                "unknown-name",
                f"nothing is called {shown(key.text)}",
                problems.did_you_mean(key.text, (*everything, *knowledge.findings, "leading", "urgency", "because")),
            )
            continue
        if key.text in knowledge.scores:
            found = _SCORE.match(text)
            if found is None or (found["high"] is not None and Decimal(found["low"]) > Decimal(found["high"])):
                problems.add(value.place, "not-a-score", f"{shown(text)} is not '3 {POINTS}' or '1 to 2 {POINTS}'")
                continue
        elif text not in allowed:
            problems.add(
                value.place,
                "unknown-word",
                f"'{key.text}' cannot be {shown(text)}",
                problems.did_you_mean(text, allowed) or "one of: " + ", ".join(allowed[:12]),
            )
            continue
        result.append(Expectation(key.text, text, key.place))
    return tuple(result)


def _expectable(subject: str, knowledge: Knowledge) -> tuple[str, ...] | None:
    """What may be expected of a subject; None when nothing has that name."""
    if subject == "leading":
        return ("none", *knowledge.order, *sorted(knowledge.left_out))
    if subject == "urgency":
        return tuple(f"{how}{u}" for how in ("", "at least ", "at most ") for u in URGENCIES)
    if subject in knowledge.diagnoses:
        return tuple(f"{how}{level}" for how in ("", "at least ", "at most ") for level in LEVELS)
    if subject in knowledge.concepts or subject in knowledge.findings:
        return ("yes", "no", "unknown")
    if subject in knowledge.scores:
        return (POINTS,)
    if any(subject in things for things in (knowledge.rules, knowledge.red_flags, knowledge.notes, knowledge.scope)):
        return ("fires", "silent")
    if subject in knowledge.advice:
        return ("shown", "withheld", "silent")
    return None


def read_score_words(text: str) -> tuple[Decimal, Decimal]:
    """The ends of `3 points` or `1 to 2 points`."""
    found = _SCORE.match(text)
    assert found is not None
    low = Decimal(found["low"])
    return low, Decimal(found["high"]) if found["high"] else low
