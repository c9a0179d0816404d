"""Doubts about a sound knowledge base beside those about its conditions: names, questions, sources, evidence, tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from ..knowledge.checks import Check
from ..knowledge.model import (
    AGAINST,
    CHOICE,
    DO_NOT_MISS,
    KNOWERS,
    QUANTITY,
    URGENCIES,
    YES_NO,
    All,
    Concept,
    Finding,
    Knowledge,
    Rule,
    Source,
    leaves,
)
from ..knowledge.parser import WORDS_FOR_SOURCE
from ..knowledge.problems import WARNING, Place, Problems, shown
from ..knowledge.truth import names_in
from . import clauses
from .ignores import Ignored, settle

_NEGATIVE = re.compile("(no|not|without|never)_")
_ASKS_HOW_MUCH = re.compile(r"(how (much|many|long|old|high|low|far)|which|who|where|why)\b", re.IGNORECASE)
_ASKS_WHETHER = re.compile(r"(is|are|was|were|do|does|did|has|have|had|can)\b", re.IGNORECASE)
_DOSE = re.compile(r"\b[0-9]+([.,][0-9]+)?\s*(mg|mcg|µg|micrograms?|milligrams?|ml|mL|IU|units|tablets?)\b(?!/)")
_DOI = re.compile(r"10\.[0-9]{4,9}/\S+")
_PMID = re.compile("[0-9]{1,8}")


def doubts(knowledge: Knowledge, problems: Problems) -> tuple[Ignored, ...]:
    """Adds every doubt about a knowledge base to those that reading it has told, and takes out what its comments ignore,
    which is handed back. Nothing is doubted, nor ignored, while there are errors: a ring of concepts has no meaning."""
    if problems.errors:
        return ()
    for check in DOUBTS:
        check(knowledge, problems)
    return settle(problems)


def _doubt(problems: Problems, place: Place, code: str, message: str, help: str = "") -> None:
    problems.add(place, code, message, help, severity=WARNING)


def _alike(things: Iterable[tuple[str, Finding]]) -> Iterator[tuple[str, Finding, Finding]]:
    """Texts that two findings share whatever their capitals: the text, the finding that has it too, and the first."""
    seen: dict[str, Finding] = {}
    for text, finding in things:
        first = seen.setdefault(text.lower(), finding)
        if first is not finding:
            yield text, finding, first


def _by_place(knowledge: Knowledge) -> list[Finding]:
    return sorted(knowledge.findings.values(), key=lambda f: f.place)


# Findings and their questions ----------------------------------------------------------------------------------------


def check_names(knowledge: Knowledge, problems: Problems) -> None:
    """Names are positive, titles are noun phrases, and a word or a question stands for one finding."""
    things: tuple[Finding | Concept, ...] = (*knowledge.findings.values(), *knowledge.concepts.values())
    for thing in things:
        if _NEGATIVE.match(thing.name):
            said = f"'{thing.name}' says what is not there; 'not {thing.name}' would be hard to read"
            _doubt(problems, thing.place, "negative-name", said, "name what is there, and write 'not' in conditions")
        if thing.title.endswith("."):
            _doubt(problems, thing.place, "title-style", f"the title of '{thing.name}' ends in a full stop", "a noun phrase")
    asked = [(f.ask, f) for f in _by_place(knowledge) if f.ask]
    for text, finding, first in _alike(asked):
        said = f"'{finding.name}' and '{first.name}' ask the same: {shown(text)}"
        _doubt(problems, finding.place, "same-question", said, "say in each what sets it apart, or keep one of them")
    read = [f for f in _by_place(knowledge) if not f.recorded_only]
    words = ((w, f) for f in read for w in dict.fromkeys((f.name.replace("_", " "), f.title.lower(), *f.also_called)))
    for word, finding, first in _alike(words):
        said = f"{shown(word)} is said of '{finding.name}' and of '{first.name}'"
        _doubt(problems, finding.place, "ambiguous-word", said, "keep it where readers would look for it")


def check_questions(knowledge: Knowledge, problems: Problems) -> None:
    """A question can be answered with a value of its kind, by whoever knows, once its gate is known."""
    for finding in knowledge.findings.values():
        asks_other = {YES_NO: _ASKS_HOW_MUCH, QUANTITY: _ASKS_WHETHER}.get(finding.kind)
        if asks_other is not None and asks_other.match(finding.ask):
            said = f"'{finding.name}' is a {finding.kind}, and its question asks for something else: {shown(finding.ask)}"
            _doubt(problems, finding.place, "question-of-another-kind", said, "put it so that the kind is the answer")
        if finding.kind == CHOICE and len({wording.lower() for _, wording in finding.choices}) < len(finding.choices):
            said = f"two choices of '{finding.name}' have the same wording"
            _doubt(problems, finding.place, "same-wording", said, "who answers sees the wording only")
        for leaf in leaves(finding.ask_when) if finding.ask_when is not None else ():
            gate = knowledge.findings.get(leaf.name)
            if gate is not None and KNOWERS.index(gate.known_by) > KNOWERS.index(finding.known_by):
                said = f"'{finding.name}' is asked of the {finding.known_by}, but waits for '{gate.name}' ({gate.known_by})"
                help = "patients are asked first, then examined, then tested"
                _doubt(problems, leaf.place, "gate-known-later", said, help)


def check_panels(knowledge: Knowledge, problems: Problems) -> None:
    """Where there are topics, every question stands in one panel, and panels hold nothing but questions."""
    panels: dict[str, list[str]] = {}
    for topic in knowledge.topics:
        for panel in topic.panels:
            for name in panel.findings:
                panels.setdefault(name, []).append(panel.title)
    for finding in knowledge.findings.values() if knowledge.topics else ():
        within = panels.get(finding.name, [])
        if not within and finding.ask and not finding.recorded_only:
            said = f"no panel of rules/interview.yaml has '{finding.name}', so no session asks for it"
            _doubt(problems, finding.place, "in-no-panel", said, "list it beside what it goes with")
        if len(within) > 1:
            said = f"'{finding.name}' stands in {' and in '.join(map(shown, within))}"
            _doubt(problems, finding.place, "in-two-panels", said, "keep it where it is understood best")
        if within and (finding.recorded_only or not finding.ask):
            why = "is only recorded" if finding.recorded_only else "has no question"
            said = f"the panel {shown(within[0])} lists '{finding.name}', which {why}"
            _doubt(problems, finding.place, "cannot-be-asked", said, "take it off the panel")


# Sources and evidence ------------------------------------------------------------------------------------------------


def check_sources(knowledge: Knowledge, problems: Problems) -> None:
    """Every source is used, stands once, and can be looked up by what identifies it."""
    used = {source for thing in knowledge.sourced.values() for source in thing.source}
    used |= {f.scale.reference_source for f in knowledge.findings.values() if f.scale is not None}
    cited = {ref for row in knowledge.register.values() for ref in row.refs}
    by_place = sorted(knowledge.sources.values(), key=lambda s: s.place)
    for source in by_place:
        if source.id not in used and source.ref not in cited:
            _doubt(problems, source.place, "unused-source", f"nothing rests on '{source.id}'", "name it, or leave it out")
        for what, text, form in (("DOI", source.doi, _DOI), ("PMID", source.pmid, _PMID)):
            if text and not form.fullmatch(text):
                help = "such as 10.1000/182" if what == "DOI" else "up to eight digits"
                said = f"'{source.id}': {shown(text)} is no {what}"
                _doubt(problems, source.place, "not-an-identifier", said, help)
    identities: Mapping[str, Callable[[Source], str]] = {
        "DOI": lambda source: source.doi.lower(),
        "PMID": lambda source: source.pmid,
        "number": lambda source: source.ref,
    }
    for what, identity in identities.items():
        seen: dict[str, str] = {}
        for source in by_place:
            first = seen.setdefault(identity(source), source.id) if identity(source) else source.id
            if first != source.id:
                said = f"'{source.id}' has the {what} of '{first}'"
                _doubt(problems, source.place, "same-source", said, "keep one of them")
    numbers = {source.ref for source in by_place} - {""}
    for row in knowledge.register.values() if numbers else ():
        for ref in row.refs:
            if ref not in numbers:
                said = f"row {row.id} rests on {shown(ref)}, which is the 'ref' of no source"
                _doubt(problems, row.place, "unlisted-reference", said, problems.did_you_mean(ref, numbers))


def check_direction(knowledge: Knowledge, problems: Problems) -> None:
    """A rule for a diagnosis codes a row that speaks for it, a rule against one that speaks against it. `N` (none) and `X`
    (excludes) are for and against by what they say; judgement and memory are taken at their word."""
    for rule in knowledge.rules.values():
        rows = [knowledge.register[row] for row in rule.evidence if knowledge.register[row].strength]
        labels = [label for row in rows for label in row.strength.split(" to ")]
        if not labels or set(WORDS_FOR_SOURCE) & set(rule.source):
            continue
        against = [label.endswith("-") or label in ("X", "N") for label in labels]
        if all(against) if rule.is_for else not any(against):
            said = f"'{rule.id}' {rule.then}, but its rows speak {'against' if rule.is_for else 'for'}: " + ", ".join(
                f"{row.id} {row.strength}" for row in rows
            )
            _doubt(problems, rule.place, "against-its-evidence", said, "look at 'then', 'not' and the row")


# Diagnoses, rules and tables -----------------------------------------------------------------------------------------


def check_diagnoses(knowledge: Knowledge, problems: Problems) -> None:
    """A diagnosis can be supported; one that must not be missed says how urgent it is, and can be ruled out."""
    for diagnosis in knowledge.diagnoses.values():
        rules = knowledge.rules_of[diagnosis.id]
        if not any(rule.is_for for rule in rules):
            said = f"no rule speaks for '{diagnosis.id}', so nothing can support it"
            _doubt(problems, diagnosis.place, "no-rule-for", said, "add what speaks for it")
        if diagnosis.tier != DO_NOT_MISS:
            continue
        if not diagnosis.urgency:
            said = f"'{diagnosis.id}' must not be missed, but says at no level how urgent it is"
            _doubt(problems, diagnosis.place, "no-urgency", said, "'urgency:' with 'possible', 'likely' or 'established'")
        if all(rule.is_for for rule in rules):
            said = f"no rule speaks against '{diagnosis.id}', so it stays on every list"
            _doubt(problems, diagnosis.place, "no-rule-against", said, "add what speaks against it")


def check_rules(knowledge: Knowledge, problems: Problems) -> None:
    """A scope belongs to an exclusion and is part of its condition; a cluster caps something; a red flag raises urgency."""
    for rule in knowledge.rules.values():
        if rule.scope and rule.then != AGAINST[-1]:
            said = f"'{rule.id}' has a scope, but {rule.then}"
            _doubt(problems, rule.place, "scope-without-excludes", said, "put the scope into the condition")
        if rule.then == AGAINST[-1] and not isinstance(clauses.normal(rule.when), All):
            said = f"'{rule.id}' excludes by a condition that has no room for its scope {shown(rule.scope)}"
            _doubt(problems, rule.place, "scope-outside-condition", said, "'all:' with the test and the scope as clauses")
    for rules in knowledge.rules_of.values():
        clusters: dict[str, list[Rule]] = {}
        for rule in rules:
            clusters.setdefault(rule.cluster, []).append(rule)
        for cluster, members in clusters.items():
            if cluster and [rule.is_for for rule in members] in ([True, False], [False, True]):
                said = f"the cluster '{cluster}' holds one rule for and one against ('{members[1].id}'), and caps neither"
                _doubt(problems, members[0].place, "cluster-caps-nothing", said, "leave it out until a third rule comes")
    for flag in knowledge.red_flags.values():
        if flag.urgency == URGENCIES[0]:
            said = f"the red flag '{flag.id}' is {flag.urgency}, which everything is"
            _doubt(problems, flag.place, "routine-red-flag", said, "raise its urgency, or make it a note")


def check_doses(knowledge: Knowledge, problems: Problems) -> None:
    """Nothing that is told names a dose."""
    told = (
        *((d.id, text, d.place) for d in knowledge.diagnoses.values() for text in d.next_steps),
        *((f.id, f.action, f.place) for f in knowledge.red_flags.values()),
        *((n.id, n.text, n.place) for n in (*knowledge.notes.values(), *knowledge.scope.values())),
        *((a.id, a.text, a.place) for a in knowledge.advice.values()),
    )
    for owner, text, place in told:
        if found := _DOSE.search(text):
            said = f"'{owner}' names a dose: {shown(found[0])}"
            _doubt(problems, place, "names-a-dose", said, "say what is to be done, and leave doses to who prescribes")


def check_scores(knowledge: Knowledge, problems: Problems) -> None:
    """Each item of a points table changes the total, or speaks through a rule of its own."""
    concluding = (knowledge.concepts, knowledge.rules, knowledge.red_flags, knowledge.notes)
    read = {name for things in concluding for id in things for name in names_in(things[id].when)}
    for score in knowledge.scores.values():
        for item in score.counted:
            if not item.points:
                said = f"an item of '{score.name}' gives 0 points: {', '.join(names_in(item.when))}"
                _doubt(problems, clauses.place_of(item.when, score.place), "worthless-item", said, "leave it out")
        for group in score.one_of:
            if len(group) == 1:
                said = f"a group of 'one_of' in '{score.name}' has a single item"
                where = clauses.place_of(group[0].when, score.place)
                _doubt(problems, where, "group-of-one", said, "move it to 'points', or name what it excludes")
        for item in score.asserted_only:
            if not read & set(names_in(item.when)):
                said = f"'{score.name}' leaves {', '.join(names_in(item.when))} out of its total, and no rule reads it"
                where = clauses.place_of(item.when, score.place)
                _doubt(problems, where, "silent-item", said, "give it a rule of its own")


DOUBTS: tuple[Check, ...] = (
    *(clauses.check_conditions, clauses.check_near_duplicates, clauses.check_double_counting, clauses.check_nested_rules),
    *(clauses.check_duplicate_concepts, clauses.check_partitions),
    *(check_names, check_questions, check_panels, check_sources, check_direction),
    *(check_diagnoses, check_rules, check_doses, check_scores),
)
