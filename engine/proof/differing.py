"""Two knowledge bases: for each conclusion on which they can differ, a smallest patient for whom they do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import z3

from ..inference.reference import infer
from ..inference.weighing import Inference, advice_shown, leading_of, urgency_of
from ..knowledge.model import URGENCIES, Finding, Findings, Is, Knowledge
from .asked import Asked, Undecided, fewest, findings_of
from .patients import FALSE, TRUE, Formula, Patients
from .reach import Prover
from .world import World, weighs_at_least

ABSENT = "not there"  # said of what only one of the two knowledge bases has
NOT_DECIDED = "not decided"
FEWER_MILLISECONDS = 5_000  # to look for a patient with fewer answers than one that is found
_NEVER = frozenset({"not shown", "silent", "not assessed"})  # what is concluded where nothing is known


@dataclass(frozen=True)
class Witness:
    """A conclusion that differs for this patient."""

    subject: str  # leading, urgency, or the id of a diagnosis, red flag, note, scope notice or advice
    before: str
    after: str
    patient: Mapping[str, str]  # as a case file says it; {} where it was not decided whether there is one


def witnesses(old: Knowledge, new: Knowledge) -> Iterator[Witness]:
    """A witness for each subject on which the two can differ, in the order of a report. That none is given for the others is
    proved, for all patients that both can read. Where the solver gives up, `before` and `after` say so."""
    pair = _Pair(old, new)
    subjects = _subjects(old, new)
    found: dict[str, Witness] = {}
    for subject in (*(s for s in subjects if s != "leading"), "leading"):  # the hardest question last: others may answer it
        try:
            patient = pair.patient(subject, [witness.patient for witness in found.values()])
        except Undecided:
            found[subject] = Witness(subject, NOT_DECIDED, NOT_DECIDED, MappingProxyType({}))
            continue
        if patient is not None:
            found[subject] = Witness(subject, *pair.concluded(subject, patient), MappingProxyType(patient))
    return (found[subject] for subject in subjects if subject in found)


def telling_apart(prover: Prover, changed: Knowledge, id: str) -> dict[str, str] | None:
    """A patient of whom a knowledge base that differs in the one thing of this id concludes otherwise, or of whom that thing
    itself, a rule, concept or score, comes out otherwise. None where it is proved that there is none. Raises `Undecided`.
    """
    worlds = prover.world, prover.world.changed(changed, id)
    subjects = [subject for subject in _subjects(prover.knowledge) if subject != "leading"]
    said = (d for subject in subjects for d in _differences(*(_values(world, subject) for world in worlds)))
    for differs in (list(said), list(_itself_otherwise(*worlds, id))):
        patient = prover.asked.patient(z3.Or(differs)) if differs else None
        if patient is not None:
            return patient
    # With all levels alike, another diagnosis leads only where points differ, which is far quicker to rule out.
    points = [_weighs_otherwise(*(world.weighed(diagnosis) for world in worlds)) for diagnosis in changed.diagnoses]
    if prover.asked.patient(z3.Or(points)) is None:
        return None
    return prover.asked.patient(z3.Or(list(_differences(*(_values(world, "leading") for world in worlds)))))


def _weighs_otherwise(before: list[tuple[Formula, int]], after: list[tuple[Formula, int]]) -> Formula:
    """When the points are not the same; what counts alike in both is left out."""
    more: list[tuple[Formula, int]] = []
    there = list(after)
    for formula, points in before:
        alike = next((n for n, (f, w) in enumerate(there) if w == points and f.eq(formula)), None)
        if alike is None:
            more.append((formula, points))
        else:
            del there[alike]
    more += [(formula, -points) for formula, points in there]
    return z3.Or(weighs_at_least(more, 1), weighs_at_least([(f, -w) for f, w in more], 1)) if more else FALSE


def _differences(before: Mapping[str, Formula], after: Mapping[str, Formula]) -> Iterator[Formula]:
    """When a thing is concluded by one and not by the other; nothing of what both say by the same formula."""
    for value in dict.fromkeys([*before, *after]):
        here, there = before.get(value, FALSE), after.get(value, FALSE)
        if not here.eq(there):
            yield z3.Xor(here, there)


def _itself_otherwise(before: World, after: World, id: str) -> Iterator[Formula]:
    if id in before.knowledge.scores:
        for here, there in zip(before.total(id), after.total(id), strict=True):
            yield here != there
    elif id in before.knowledge.rules or id in before.knowledge.concepts:
        known = [w.rule(id) if id in w.knowledge.rules else w.of(Is(id)) for w in (before, after)]
        yield from _differences({"yes": known[0].yes, "no": known[0].no}, {"yes": known[1].yes, "no": known[1].no})


def _subjects(*knowledge: Knowledge) -> tuple[str, ...]:
    """What a report speaks of: urgency, the leading diagnosis, each diagnosis, red flag, note, scope notice and advice."""
    shelves = ("diagnoses", "red_flags", "notes", "scope", "advice")
    return ("urgency", "leading", *dict.fromkeys(id for shelf in shelves for k in knowledge for id in getattr(k, shelf)))


def concluded(subject: str, knowledge: Knowledge, inference: Inference) -> str:
    """What is concluded about a subject, as a case expects it."""
    if subject == "urgency":
        return urgency_of(knowledge, inference)
    if subject == "leading":
        return leading_of(knowledge, inference) or "none"
    if subject in knowledge.diagnoses:
        return inference.conclusions[subject].level
    if subject in knowledge.advice:
        return "shown" if subject in advice_shown(knowledge, inference) else "not shown"
    if subject in knowledge.red_flags:
        return "fires" if subject in inference.red_flags else "silent"
    if subject in knowledge.notes or subject in knowledge.scope:
        return "fires" if subject in inference.said else "silent"
    return ABSENT


def differ(before: str, after: str) -> bool:
    """Whether two conclusions about a subject differ; what is not there counts like what does not come about."""
    both = {before, after}
    return before != after and not (ABSENT in both and both & _NEVER)


def shared_names(old: Knowledge, new: Knowledge) -> Mapping[str, str]:
    """For each finding of the new knowledge base the name under which both know it: its former one where it was renamed."""
    former = {now: was for was, now in new.renamed.items() if was in old.findings}
    return {name: former.get(name, name) for name in new.findings}


def measured_otherwise(old: Knowledge, new: Knowledge) -> tuple[str, ...]:
    """Findings, by their names in the new knowledge base, that both have, and whose answers do not mean the same."""
    names = shared_names(old, new)
    return tuple(
        n for n, was in names.items() if was in old.findings and _answers(old.findings[was]) != _answers(new.findings[n])
    )


def read_by_both(given: Mapping[str, str], old: Knowledge, new: Knowledge) -> tuple[Findings, Findings] | None:
    """The patient as either reads it, each leaving out what it does not know; None where one refuses it."""
    now = {was: name for name, was in shared_names(old, new).items()}
    before = findings_of(given, old)
    after = findings_of({now.get(name, name): words for name, words in given.items()}, new)
    return None if before is None or after is None else (before, after)


class _Pair:
    def __init__(self, old: Knowledge, new: Knowledge) -> None:
        self.old, self.new = old, new
        names = shared_names(old, new)
        otherwise = frozenset(measured_otherwise(old, new))
        called = {n: f"{n} (new)" if n in otherwise else was for n, was in names.items() if n in otherwise or was != n}
        before, after = Patients(old), Patients(new, called)
        for name in otherwise:  # no answer to it could be read by both
            before.demand([names[name]], z3.Not(before.known(names[name])))
            after.demand([name], z3.Not(after.known(name)))
        for name, was in names.items():
            if name not in otherwise and was in old.findings:
                before.demand([was], *_choices_of_one(before, was, new.findings[name]))
                after.demand([name], *_choices_of_one(after, name, old.findings[was]))
        self.worlds = World(old, before), World(new, after)
        self.asked = Asked(before, after)

    def patient(self, subject: str, known: Iterable[Mapping[str, str]]) -> Mapping[str, str] | None:
        """A patient for whom the conclusion differs, with as few answers as any; None when there is none. One of those that
        are `known` is as good as another. Where the solver gives up on finding one with fewer answers, none of them can be
        left out. Raises `Undecided`."""
        differs = self._differs(subject)
        told = [given for given in known if len(set(self.concluded(subject, given))) > 1]
        given = min(told, key=len, default=None) or self.asked.patient(differs)
        while given is not None:
            smallest = self._without_needless(subject, given)
            try:
                fewer = self.asked.fewer_answers_than(len(smallest))
                given = self.asked.patient(differs, fewer, milliseconds=FEWER_MILLISECONDS)
            except Undecided:
                given = None
            if given is None:
                return smallest
        return None

    def _without_needless(self, subject: str, given: Mapping[str, str]) -> dict[str, str]:
        def still(names: frozenset[str]) -> bool:
            before, after = self.concluded(subject, {name: given[name] for name in names})
            return before != after

        if not still(frozenset(given)):
            raise AssertionError(f"'{subject}' does not differ for {given}")  # the formulas would be wrong
        return {name: given[name] for name in sorted(fewest(given, still))}

    def concluded(self, subject: str, given: Mapping[str, str]) -> tuple[str, str]:
        """What either concludes; the same twice where one of them refuses the patient."""
        read = read_by_both(given, self.old, self.new)
        if read is None:
            return ABSENT, ABSENT
        before = concluded(subject, self.old, infer(self.old, read[0]))
        after = concluded(subject, self.new, infer(self.new, read[1]))
        return (before, after) if differ(before, after) else (ABSENT, ABSENT)

    def _differs(self, subject: str) -> Formula:
        is_diagnosis = subject in self.old.diagnoses or subject in self.new.diagnoses
        absent = {"not assessed": TRUE} if is_diagnosis else {}
        values = [_values(world, subject) or absent for world in self.worlds]
        either = dict.fromkeys([*values[0], *values[1]])
        return z3.Or([z3.Xor(values[0].get(value, FALSE), values[1].get(value, FALSE)) for value in either])


def _values(world: World, subject: str) -> Mapping[str, Formula]:
    """When each thing is concluded of the subject; {} where the knowledge base does not have it."""
    knowledge = world.knowledge
    if subject == "urgency":
        return {urgency: world.as_urgent_as(urgency) for urgency in URGENCIES[1:]}
    if subject == "leading":
        return {diagnosis: world.leads(diagnosis) for diagnosis in knowledge.diagnoses}
    if subject in knowledge.diagnoses:
        return world.levels(subject)
    if subject in knowledge.advice:
        return {"shown": world.shown(subject)}
    if subject in knowledge.red_flags:
        return {"fires": world.flag(subject)}
    for notes in (knowledge.notes, knowledge.scope):
        if subject in notes:
            return {"fires": world.of(notes[subject].when).yes}
    return {}


def _answers(finding: Finding) -> tuple[str, str, int, bool]:
    scale = finding.scale
    if scale is None:
        return finding.kind, "", 0, False
    return finding.kind, scale.unit, scale.decimals, scale.reference is not None


def _choices_of_one(patients: Patients, name: str, other: Finding) -> list[Formula]:
    """That the answer is none of the choices which the other does not have."""
    finding = patients.knowledge.findings[name]
    if finding.choices == other.choices or not finding.choices:
        return []
    known = {choice for choice, _ in other.choices}
    return [z3.Not(formula) for choice, formula in patients.choice(name).items() if choice not in known]
