"""Which cases notice which mutants. Nothing is inferred anew: of each mutant only what changes is worked out, for all cases
at once, and held to what the cases expect of it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from ..inference.weighing import Bar, Conclusion, Standing, highest, weigh
from ..knowledge.cases import Case, Expectation
from ..knowledge.model import (
    AT_LEAST_LIKELY,
    AT_LEAST_POSSIBLE,
    NOWHERE,
    YES_NO,
    Advice,
    All,
    AnyOf,
    Concept,
    Condition,
    Diagnosis,
    Is,
    Knowledge,
    RedFlag,
    Rule,
    Score,
    leaves,
)
from ..knowledge.quantities import in_words
from ..knowledge.truth import Truth, truth_word
from .masks import Mask, Reading, Truths, members
from .mutation import Mutant, Thing
from .regression import meets

_BARS = (Bar("something else", for_good=True),)  # what it is, and for how long, no expectation speaks of

Said = dict[str, dict[str, Mask]]  # by subject, and by what comes out about it in the words of an expectation


@dataclass(frozen=True)
class Verdict:
    """What the cases make of a mutant. Sets of cases are bits of a number, in the order of the cases."""

    mutant: Mutant
    decided: Mask  # something has another truth value there, or weighs otherwise
    differing: Mask  # something that a case can expect comes out otherwise there
    killers: Mask  # and is expected not to


@dataclass(frozen=True)
class _Part:
    """Cases in which all that is decided about one diagnosis is the same."""

    standing: Standing
    cases: Mask
    conclusion: Conclusion


class Trial:
    """Cases, and what the knowledge base makes of them as it stands; its mutants are held to both."""

    def __init__(self, knowledge: Knowledge, cases: Sequence[Case]) -> None:
        self.knowledge = knowledge
        self.cases = tuple(cases)
        self.reading = Reading.whole(knowledge, [case.findings for case in cases])
        self.patients = self.reading.patients
        self.rank_of_order = {diagnosis: place for place, diagnosis in enumerate(knowledge.order)}
        self._weighed: dict[tuple[str, Standing], Conclusion] = {}
        self._met: dict[tuple[str, str, str], bool] = {}
        self.passing = self.patients.everyone & ~self._unmet(self._said())

    def verdict(self, mutant: Mutant) -> Verdict:
        """Which cases the mutant changes, and which of them notice: those that passed and no longer do."""
        effect = _Effect(self, mutant)
        differing = 0
        for by_word in effect.said.values():
            for some in by_word.values():
                differing |= some
        return Verdict(mutant, effect.decided, differing, self._unmet(effect.said) & self.passing)

    def effect(self, mutant: Mutant) -> Said:
        """What the mutant says otherwise, and of which cases."""
        return _Effect(self, mutant).said

    def word(self, subject: str, number: int) -> str:
        """What comes out about the subject in one case."""
        return next(word for word, cases in self._words(subject) if cases >> number & 1)

    def named(self, mask: Mask) -> tuple[Case, ...]:
        """The cases of a set."""
        return tuple(self.cases[number] for number in members(mask))

    # What stands in the knowledge base

    @cached_property
    def conditions(self) -> Mapping[str, Condition]:
        """Every condition from which something follows once it is yes or no, by a name of its own."""
        knowledge = self.knowledge
        things: list[Thing] = [*knowledge.rules.values(), *knowledge.red_flags.values(), *knowledge.notes.values()]
        things += [*knowledge.scope.values(), *knowledge.advice.values(), *knowledge.diagnoses.values()]
        return {slot: condition for thing in things for slot, condition in conditions_in(thing).items()}

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """Which of the conditions rest on each concept, score and gated finding, and which others of these."""
        found: dict[str, list[str]] = {name: [] for name in self.knowledge.decision_order}
        rests_on = {slot: {leaf.name for leaf in leaves(condition)} for slot, condition in self.conditions.items()}
        for reader, names in (*rests_on.items(), *((n, set(self.knowledge.depends_on[n])) for n in found)):
            for name in names & found.keys():
                found[name].append(reader)
        return {name: tuple(readers) for name, readers in found.items()}

    @cached_property
    def position(self) -> Mapping[str, int]:
        """When each concept, score and gated finding is decided."""
        return {name: position for position, name in enumerate(self.knowledge.decision_order)}

    @cached_property
    def diagnosis_of(self) -> Mapping[str, str]:
        """The diagnosis that is weighed by each condition."""
        needs = {slot: d for d, entry in self.knowledge.diagnoses.items() for slot in conditions_in(entry)}
        return {**{rule.id: rule.diagnosis for rule in self.knowledge.rules.values()}, **needs}

    @cached_property
    def advice_of(self) -> Mapping[str, Advice]:
        """The advice that each of its conditions gates."""
        return {slot: advice for advice in self.knowledge.advice.values() for slot in conditions_in(advice)}

    @cached_property
    def advice_for(self) -> Mapping[str, tuple[Advice, ...]]:
        """The advice of each diagnosis."""
        all_advice = self.knowledge.advice.values()
        return {d: tuple(a for a in all_advice if a.diagnosis == d) for d in self.knowledge.diagnoses}

    # What follows from it in the cases

    @cached_property
    def truths(self) -> Mapping[str, Truths]:
        """What each of the conditions is."""
        return {slot: self.reading.of(condition) for slot, condition in self.conditions.items()}

    @cached_property
    def parts(self) -> Mapping[str, tuple[_Part, ...]]:
        """Of each diagnosis, the cases by what is decided about it."""
        last = {d: tuple(self._parts(d, self.barred(d))) for d in self.knowledge.of_exclusion}
        return {d: self._first[d] if d in self._first else last[d] for d in self.knowledge.diagnoses}

    @cached_property
    def _first(self) -> Mapping[str, tuple[_Part, ...]]:
        return {d: tuple(self._parts(d, 0)) for d in self.knowledge.before_exclusion}

    @cached_property
    def possible(self) -> Mapping[str, Mask]:
        """The cases in which each diagnosis is possible or above."""
        return {d: _where(parts, AT_LEAST_POSSIBLE) for d, parts in self.parts.items()}

    @cached_property
    def likely(self) -> Mapping[str, Mask]:
        """The cases in which each diagnosis that is not of exclusion is likely or above."""
        return {d: _where(parts, AT_LEAST_LIKELY) for d, parts in self._first.items()}

    @cached_property
    def found(self) -> Mask:
        """The cases in which something is found for which no diagnosis of exclusion is supported."""
        return self.found_with({}, {})

    def found_with(self, truths: Mapping[str, Truths], likely: Mapping[str, Mask]) -> Mask:
        """The same where these red flags come out otherwise, and these diagnoses are likely or above in other cases."""
        found = 0
        for flag in self.knowledge.red_flags:
            found |= truths.get(flag, self.truths[flag]).yes
        for diagnosis, cases in self.likely.items():
            found |= likely.get(diagnosis, cases)
        return found

    def barred(self, diagnosis: str) -> Mask:
        """The cases in which something else is found, for which this diagnosis of exclusion is not supported."""
        return self.found | self.truths[_needs_no(diagnosis)].yes

    @cached_property
    def podium(self) -> list[dict[str, tuple[int, ...]]]:
        """Of each case, the diagnoses at possible or above, with what they are ranked by."""
        found: list[dict[str, tuple[int, ...]]] = [{} for _ in self.cases]
        for diagnosis, parts in self.parts.items():
            for part in parts:
                if part.conclusion.level in AT_LEAST_POSSIBLE:
                    for number in members(part.cases):
                        found[number][diagnosis] = self.rank(part.conclusion)
        return found

    @cached_property
    def urgencies(self) -> list[dict[str, str]]:
        """Of each case, what each red flag that fired and each diagnosis asks for."""
        found: list[dict[str, str]] = [{} for _ in self.cases]
        for flag in self.knowledge.red_flags.values():
            for number in members(self.truths[flag.id].yes):
                found[number][flag.id] = flag.urgency
        for diagnosis, parts in self.parts.items():
            for part in parts:
                if part.conclusion.urgency:
                    for number in members(part.cases):
                        found[number][diagnosis] = part.conclusion.urgency
        return found

    def rank(self, conclusion: Conclusion) -> tuple[int, ...]:
        """Sorts the conclusions of one case, best supported first."""
        return (*conclusion.rank, self.rank_of_order[conclusion.diagnosis])

    def weighed(self, diagnosis: str, standing: Standing) -> Conclusion:
        """What is concluded; worked out once for all cases with that standing."""
        key = (diagnosis, standing)
        if key not in self._weighed:
            self._weighed[key] = weigh(self.knowledge, self.knowledge.diagnoses[diagnosis], standing)
        return self._weighed[key]

    def _parts(self, diagnosis: str, barred: Mask) -> Iterator[_Part]:
        slots = [slot for slot, owner in self.diagnosis_of.items() if owner == diagnosis]
        everyone = Standing(frozenset(), frozenset())
        truths = {slot: self.truths[slot] for slot in slots}
        for before, within in split(everyone, self.patients.everyone, truths):
            for standing, cases in by_bars(before, within, barred):
                yield _Part(standing, cases, self.weighed(diagnosis, standing))

    # What the cases expect

    @cached_property
    def expectations(self) -> Mapping[str, Mapping[str, Mask]]:
        """By subject and by what is wanted of it, the cases that do."""
        found: Said = {}
        for number, case in enumerate(self.cases):
            for expectation in case.expected:
                by_wanted = found.setdefault(expectation.subject, {})
                by_wanted[expectation.wanted] = by_wanted.get(expectation.wanted, 0) | 1 << number
        return found

    def _unmet(self, said: Said) -> Mask:
        """The cases that expect something else than is said."""
        unmet = 0
        for subject in said.keys() & self.expectations.keys():
            for wanted, expecting in self.expectations[subject].items():
                for word, cases in said[subject].items():
                    if cases & expecting and not self._meets(subject, wanted, word):
                        unmet |= cases & expecting
        return unmet

    def _meets(self, subject: str, wanted: str, word: str) -> bool:
        key = (subject, wanted, word)
        if key not in self._met:
            self._met[key] = meets(self.knowledge, Expectation(subject, wanted, NOWHERE), word)
        return self._met[key]

    def _said(self) -> Said:
        """What comes out about all that any case expects something of."""
        said: Said = {}
        for subject in self.expectations:
            for word, cases in self._words(subject):
                by_word = said.setdefault(subject, {})
                by_word[word] = by_word.get(word, 0) | cases
        return said

    def _words(self, subject: str) -> Iterator[tuple[str, Mask]]:
        knowledge, everyone = self.knowledge, self.patients.everyone
        if subject == "leading":
            yield from ((leading_in(podium), 1 << number) for number, podium in enumerate(self.podium))
        elif subject == "urgency":
            yield from ((highest(asked.values()), 1 << number) for number, asked in enumerate(self.urgencies))
        elif subject in knowledge.diagnoses:
            yield from ((part.conclusion.level, part.cases) for part in self.parts[subject])
        elif subject in knowledge.scores:
            yield from ((in_words(total, "points"), cases) for total, cases in self.reading.totals[subject].items())
        elif subject in self.reading.decided:
            yield from _by_truth(self.reading.decided[subject], everyone)
        elif subject in knowledge.findings:
            known = Truths(self.patients.answered(subject), 0)
            is_yes_no = knowledge.findings[subject].kind == YES_NO
            yield from _by_truth(self.patients.of(Is(subject)) if is_yes_no else known, everyone)
        elif subject in knowledge.advice:
            advice = knowledge.advice[subject]
            given = advice_given(advice, self.truths, {})
            yield from _by_giving(self.possible[advice.diagnosis], given, everyone)
        else:
            yield from _by_firing(self.truths[subject].yes, everyone)


class _Effect:
    """What a mutant changes, and nothing else: what is said of whom that was otherwise before."""

    def __init__(self, trial: Trial, mutant: Mutant) -> None:
        self.trial = trial
        self.mutant = mutant
        self.said: Said = {}
        self.decided: Mask = 0
        self._truths: dict[str, Truths] = {}  # of the conditions that are otherwise now
        self._possible: dict[str, Mask] = {}
        self._likely: dict[str, Mask] = {}
        self._conclusions: dict[int, dict[str, Conclusion]] = {}  # by case and diagnosis
        self._flags: dict[int, dict[str, str]] = {}  # by case and red flag, the urgency or ''
        for slot, condition, reading in self._conditions():
            truths = reading.of(condition)
            moved = truths.differ(trial.truths[slot])
            if moved:
                self.decided |= moved
                self._truths[slot] = truths
        self._fire()
        self._weigh()
        self._advise()
        self._rank()

    def _conditions(self) -> Iterator[tuple[str, Condition, Reading]]:
        """The conditions that may come out otherwise, and what they are to be read by."""
        trial, mutant = self.trial, self.mutant
        if not isinstance(mutant.after, (Concept, Score)):
            before = conditions_in(mutant.before)
            for slot, condition in conditions_in(mutant.after).items():
                if condition != before[slot]:
                    yield slot, condition, trial.reading
            return
        reading = trial.reading.copy()
        touched = self._decide(reading)
        for slot in touched:
            yield slot, trial.conditions[slot], reading

    def _decide(self, reading: Reading) -> dict[str, None]:
        """Decides the concept or score anew, and what rests on it as far as it changes; the conditions to be read anew."""
        trial = self.trial
        knowledge = self.mutant.apply(trial.knowledge)
        touched: dict[str, None] = {}
        waiting = [trial.position[self.mutant.owner]]
        while waiting:
            name = trial.knowledge.decision_order[heapq.heappop(waiting)]
            moved = reading.decide(knowledge, name)
            if not moved:
                continue
            self.decided |= moved
            if name in reading.totals:
                for total, cases in reading.totals[name].items():
                    self._say(name, in_words(total, "points"), cases & moved)
            else:
                for word, cases in _by_truth(reading.decided[name], moved):
                    self._say(name, word, cases)
            for reader in trial.readers[name]:
                if reader not in trial.position:
                    touched[reader] = None
                elif trial.position[reader] not in waiting:
                    heapq.heappush(waiting, trial.position[reader])
        return touched

    def _say(self, subject: str, word: str, cases: Mask) -> None:
        if cases:
            by_word = self.said.setdefault(subject, {})
            by_word[word] = by_word.get(word, 0) | cases

    def _fire(self) -> None:
        """What fires or no longer does."""
        trial = self.trial
        flags = dict(trial.knowledge.red_flags)
        after = self.mutant.after
        for slot, truths in self._truths.items():
            if slot in trial.advice_of or slot in trial.knowledge.diagnoses:
                continue
            moved = truths.yes ^ trial.truths[slot].yes
            if moved and not (slot in trial.diagnosis_of and slot not in trial.knowledge.rules):
                for word, cases in _by_firing(truths.yes, moved):
                    self._say(slot, word, cases)
                if slot in flags:
                    self._raise(slot, flags[slot].urgency, truths.yes & moved)
                    self._raise(slot, "", moved & ~truths.yes)
        if isinstance(after, RedFlag) and after.urgency != flags[after.id].urgency:
            self.decided |= trial.truths[after.id].yes
            self._raise(after.id, after.urgency, trial.truths[after.id].yes)

    def _raise(self, flag: str, urgency: str, cases: Mask) -> None:
        for number in members(cases):
            self._flags.setdefault(number, {})[flag] = urgency

    def _weigh(self) -> None:
        """The diagnoses of which something is decided otherwise."""
        trial, after = self.trial, self.mutant.after
        slots: dict[str, dict[str, Truths]] = {}
        for slot, truths in self._truths.items():
            if slot in trial.diagnosis_of:
                slots.setdefault(trial.diagnosis_of[slot], {})[slot] = truths
        for diagnosis in trial.knowledge.before_exclusion:
            if diagnosis in slots:
                self._weigh_one(diagnosis, self._moved(slots[diagnosis]), slots[diagnosis], None, 0)
        before = self.mutant.before
        of_strength = ""
        if isinstance(after, Rule) and isinstance(before, Rule) and after.then != before.then:
            truths = trial.truths[after.id]
            touched = truths.yes if after.is_for == before.is_for else trial.patients.everyone & ~truths.no
            self.decided |= touched
            of_strength = after.diagnosis
            if of_strength in trial.likely:
                self._weigh_one(of_strength, touched, {}, _alone(trial.knowledge, after), 0)
        found = self._found()
        for diagnosis in trial.knowledge.of_exclusion:
            by_slot, slot = slots.get(diagnosis, {}), _needs_no(diagnosis)
            barred = found | by_slot.get(slot, trial.truths[slot]).yes
            moved = self._moved(by_slot) | (barred ^ trial.barred(diagnosis))
            if diagnosis == of_strength:
                assert isinstance(after, Rule)
                self._weigh_one(diagnosis, touched, {}, _alone(trial.knowledge, after), barred)
            elif moved:
                self._weigh_one(diagnosis, moved, by_slot, None, barred)

    def _found(self) -> Mask:
        """The cases in which something is found for which no diagnosis of exclusion is supported."""
        if self._likely or self._truths.keys() & self.trial.knowledge.red_flags.keys():
            return self.trial.found_with(self._truths, self._likely)
        return self.trial.found

    def _moved(self, by_slot: Mapping[str, Truths]) -> Mask:
        """The cases in which one of these conditions is otherwise now."""
        moved = 0
        for slot, truths in by_slot.items():
            moved |= truths.differ(self.trial.truths[slot])
        return moved

    def _weigh_one(
        self, diagnosis: str, touched: Mask, slots: Mapping[str, Truths], changed: Knowledge | None, barred: Mask
    ) -> None:
        trial = self.trial
        entry = trial.knowledge.diagnoses[diagnosis]
        possible, likely = trial.possible[diagnosis], trial.likely.get(diagnosis, 0)
        for part in trial.parts[diagnosis]:
            if not part.cases & touched:
                continue
            apart = [
                by_bars(standing, cases, barred) for standing, cases in split(part.standing, part.cases & touched, slots)
            ]
            for standing, cases in itertools.chain(*apart):
                new = weigh(changed, entry, standing) if changed is not None else trial.weighed(diagnosis, standing)
                if new.level != part.conclusion.level:
                    self._say(diagnosis, new.level, cases)
                    possible = possible | cases if new.level in AT_LEAST_POSSIBLE else possible & ~cases
                    likely = likely | cases if new.level in AT_LEAST_LIKELY else likely & ~cases
                listed = {new.level, part.conclusion.level} & set(AT_LEAST_POSSIBLE)
                if listed and (new.rank, new.urgency) != (part.conclusion.rank, part.conclusion.urgency):
                    for number in members(cases):
                        self._conclusions.setdefault(number, {})[diagnosis] = new
        self._possible[diagnosis] = possible
        if diagnosis in trial.likely:
            self._likely[diagnosis] = likely

    def _advise(self) -> None:
        trial = self.trial
        touched = [a for d in self._possible for a in trial.advice_for[d]]
        touched += [trial.advice_of[slot] for slot in self._truths if slot in trial.advice_of]
        for advice in dict.fromkeys(touched):
            before, after = trial.possible[advice.diagnosis], self._possible.get(advice.diagnosis)
            now = before if after is None else after
            was_given, given = (advice_given(advice, trial.truths, new) for new in ({}, self._truths))
            moved = (before ^ now) | ((was_given ^ given) & now)
            for word, cases in _by_giving(now, given, moved):
                self._say(advice.id, word, cases)

    def _rank(self) -> None:
        """Who leads, and how urgent it is all in all."""
        trial = self.trial
        for number in self._conclusions.keys() | self._flags.keys():
            new = self._conclusions.get(number, {})
            podium = {d: rank for d, rank in trial.podium[number].items() if d not in new}
            podium |= {d: trial.rank(c) for d, c in new.items() if c.level in AT_LEAST_POSSIBLE}
            leading = leading_in(podium)
            if leading != leading_in(trial.podium[number]):
                self._say("leading", leading, 1 << number)
            asked = {**trial.urgencies[number], **{d: c.urgency for d, c in new.items()}, **self._flags.get(number, {})}
            urgency = highest(asked.values())
            if urgency != highest(trial.urgencies[number].values()):
                self._say("urgency", urgency, 1 << number)


def conditions_in(thing: Thing) -> dict[str, Condition]:
    """The conditions of a thing from which something follows, by a name of its own each; those of concepts and scores are
    read where the concept or score is decided."""
    if isinstance(thing, (Concept, Score)):
        return {}
    if isinstance(thing, Advice):
        return {thing.id: thing.when, thing.unless_id: thing.unless or AnyOf(())}
    if isinstance(thing, Diagnosis):
        needs = (_needs(thing.id), thing.needs or All(())), (_likely_needs(thing.id), thing.likely_when or All(()))
        return {**dict(needs), _needs_no(thing.id): AnyOf(thing.needs_no)}
    return {thing.id: thing.when}


def _needs(diagnosis: str) -> str:
    return f"{diagnosis} [needs]"


def _likely_needs(diagnosis: str) -> str:
    return f"{diagnosis} [likely needs]"


def _needs_no(diagnosis: str) -> str:
    return f"{diagnosis} [needs no]"


def split(standing: Standing, cases: Mask, truths: Mapping[str, Truths]) -> list[tuple[Standing, Mask]]:
    """The cases by their standing, where these conditions of the diagnosis are so and all else is as in `standing`."""
    parts = [(standing, cases)]
    for slot, values in truths.items():
        if slot.endswith(_needs_no("")):  # one of several things that bar: `Trial.barred`
            continue
        parts = [(_standing(before, slot, truth), some) for before, within in parts for truth, some in values.parts(within)]
    return parts


def by_bars(standing: Standing, cases: Mask, barred: Mask) -> Iterator[tuple[Standing, Mask]]:
    """The cases by whether something else is found in them; no part is empty."""
    for bars, some in ((_BARS, cases & barred), ((), cases & ~barred)):
        if some:
            yield replace(standing, bars=bars), some


def _standing(before: Standing, slot: str, truth: Truth) -> Standing:
    if slot.endswith(_likely_needs("")):
        return replace(before, likely_needs=truth)
    if slot.endswith(_needs("")):
        return replace(before, needs=truth)
    fired = before.fired | {slot} if truth else before.fired - {slot}
    is_open = before.open | {slot} if truth is None else before.open - {slot}
    return replace(before, fired=fired, open=is_open)


def _alone(knowledge: Knowledge, rule: Rule) -> Knowledge:
    """The knowledge base with the diagnosis of this rule alone, and the rule as it is given: all that weighing reads."""
    others = {other.id: other for other in knowledge.rules_of[rule.diagnosis]}
    diagnoses = {rule.diagnosis: knowledge.diagnoses[rule.diagnosis]}
    return replace(
        knowledge, rules=MappingProxyType({**others, rule.id: rule}), diagnoses=MappingProxyType(diagnoses), hash=""
    )


def _where(parts: Iterable[_Part], levels: Sequence[str]) -> Mask:
    """The cases in which the diagnosis is at one of these levels."""
    found = 0
    for part in parts:
        found |= part.cases if part.conclusion.level in levels else 0
    return found


def leading_in(podium: Mapping[str, tuple[int, ...]]) -> str:
    """The best of those at possible or above, in the word of an expectation."""
    return min(podium, key=lambda diagnosis: podium[diagnosis], default="none")


def advice_given(advice: Advice, truths: Mapping[str, Truths], changed: Mapping[str, Truths]) -> Mask:
    """The cases in which the gates of the advice let it through."""
    when, unless = (changed.get(slot, truths[slot]) for slot in (advice.id, advice.unless_id))
    return when.yes & ~unless.yes


def _by_truth(truths: Truths, within: Mask) -> Iterator[tuple[str, Mask]]:
    return ((truth_word(truth), cases) for truth, cases in truths.parts(within))


def _by_firing(yes: Mask, within: Mask) -> Iterator[tuple[str, Mask]]:
    yield "fires", within & yes
    yield "silent", within & ~yes


def _by_giving(possible: Mask, given: Mask, within: Mask) -> Iterator[tuple[str, Mask]]:
    yield "shown", within & possible & given
    yield "withheld", within & possible & ~given
    yield "silent", within & ~possible
