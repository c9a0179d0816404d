"""The productions of a knowledge base as CLIPS constructs: a second engine, in C, with matching of its own.

CLIPS does the forward chaining (concepts, thresholds, auxiliary facts, rules that fire and close, red flags, notes), counts
the votes, keeps the bounds of every score, compares quantities with limits and reference intervals, and weighs: clusters,
points, levels, urgency and the leading diagnosis are rules below. None of it calls truth.py, weighing.py or forward.py.

Python does what comes before and after: it reads the case, compiles conditions to productions (compilation.py, which Experta
shares), writes each production as one `defrule` with its own salience, and reads the facts at the end. What could be reached
is not worked out.

Decimals become whole numbers. Every quantity is scaled so that its values, limits, reference ends and multiples of them are
whole, and then doubled, so that an open end is the odd number next to it: `> 3` is from 7, `>= 3` from 6. An unbounded end is
a float beyond every whole number. What is true of all values of an interval is then true of its nearer end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import clips

from crampdx.engine.inference.compilation import (
    Action,
    Close,
    Conclude,
    Declare,
    Fire,
    Pattern,
    Production,
    Tally,
    Vote,
    _leaf_pattern,
    compile_knowledge,
    likely_needs_name,
    needs_name,
)
from crampdx.engine.knowledge.checks import conditions_of
from crampdx.engine.knowledge.conditions import in_one_line
from crampdx.engine.knowledge.model import (
    URGENCIES,
    Answer,
    Compare,
    Diagnosis,
    Findings,
    IsOneOf,
    Knowledge,
    Leaf,
    OutOfRange,
    Score,
    TimesUpperLimit,
    leaves,
)

AT_ONCE = 10_000  # the highest salience that CLIPS has: bookkeeping that no production may overtake

TEMPLATES = """
(deftemplate known "A finding, concept, threshold, need or auxiliary condition" (slot name) (slot value))

(deftemplate chosen (slot name) (slot value))

(deftemplate quantity "Where it lies, doubled" (slot name) (slot low) (slot high))

(deftemplate reference "The reference interval of a quantity, doubled" (slot name) (slot lower) (slot upper))

(deftemplate unstated "A gated finding, until it is known" (slot name))

(deftemplate candidate "A diagnosis to be concluded about, or a score to be kept" (slot name))

(deftemplate ballot (slot name) (slot value) (slot needed) (slot given))

(deftemplate vote (slot name) (slot value) (slot clause))

(deftemplate total "Where a score lies" (slot score) (slot low) (slot high))

(deftemplate part "An item of a score, or several that exclude each other; a state is yes, no or open"
  (slot score) (slot number) (multislot points) (multislot states) (slot low) (slot high))

(deftemplate decided "An item of a score is" (slot score) (slot part) (slot place) (slot holds))

(deftemplate pending "A rule for the diagnosis that can still fire" (slot id) (slot diagnosis))

(deftemplate closed "A rule that can no longer fire" (slot id))

(deftemplate evidence "A rule that fired" (slot id) (slot diagnosis) (slot side) (slot then) (slot cluster))

(deftemplate red-flag (slot id))

(deftemplate said (slot id))

(deftemplate strength (slot then) (slot points))

(deftemplate weight "Evidence not yet in the balance" (slot id) (slot diagnosis) (slot side) (slot cluster) (slot points))

(deftemplate outdone "Weaker than other evidence of its cluster" (slot id))

(deftemplate balance (slot diagnosis) (slot points))

(deftemplate concluding "All else has fired" (slot diagnosis) (slot needs) (slot likely-needs))

(deftemplate waiting "Of exclusion: until all else is concluded" (slot diagnosis) (slot needs) (slot likely-needs))

(deftemplate of-exclusion (slot diagnosis))

(deftemplate needs-no (slot diagnosis) (slot name))

(deftemplate barred "Something else is found" (slot diagnosis))

(deftemplate conclusion (slot diagnosis) (slot level) (slot points))

(deftemplate supported "A level of possible or above; contradictory asks for what likely does"
  (slot level) (slot rank) (slot step))

(deftemplate place "In the document's order" (slot diagnosis) (slot number))

(deftemplate line "A diagnosis that may lead" (slot diagnosis) (slot rank) (slot points) (slot place))

(deftemplate asks "What a diagnosis asks for from this step on" (slot diagnosis) (slot step) (slot grade))

(deftemplate urgent (slot grade))

(deftemplate urgency "The highest" (slot grade))

(deftemplate leading (slot diagnosis))
"""

ANSWERING = """
(deffunction assert-known (?name ?value) (assert (known (name ?name) (value ?value))) TRUE)

(deffunction assert-chosen (?name ?value) (assert (chosen (name ?name) (value ?value))) TRUE)

(deffunction assert-quantity (?name ?low ?high) (assert (quantity (name ?name) (low ?low) (high ?high))) TRUE)

(deffunction assert-reference (?name ?lower ?upper) (assert (reference (name ?name) (lower ?lower) (upper ?upper))) TRUE)
"""

COUNTING = f"""
(defrule is-stated (declare (salience {AT_ONCE}))
  ?unstated <- (unstated (name ?name))
  (known (name ?name))
  =>
  (retract ?unstated))

(defrule vote-counts (declare (salience {AT_ONCE}))
  ?vote <- (vote (name ?name) (value ?value))
  ?ballot <- (ballot (name ?name) (value ?value) (given ?given))
  =>
  (retract ?vote)
  (modify ?ballot (given (+ ?given 1))))

(defrule enough-votes (declare (salience {AT_ONCE}))
  (ballot (name ?name) (value ?value) (needed ?needed) (given ?given&:(>= ?given ?needed)))
  =>
  (assert (known (name ?name) (value ?value))))

(deffunction possible-points "Of every item that may be the first to hold, or 0 where none may be" (?points ?states)
  (bind ?possible (create$))
  (loop-for-count (?i 1 (length$ ?points)) do
    (if (neq (nth$ ?i ?states) no) then (bind ?possible ?possible (nth$ ?i ?points)))
    (if (eq (nth$ ?i ?states) yes) then (return ?possible)))
  (create$ ?possible 0))

(defrule item-decided (declare (salience {AT_ONCE}))
  ?decided <- (decided (score ?score) (part ?number) (place ?place) (holds ?holds))
  ?total <- (total (score ?score) (low ?low) (high ?high))
  ?part <- (part (score ?score) (number ?number) (points $?points) (states $?states) (low ?from) (high ?to))
  =>
  (bind ?now (replace$ ?states ?place ?place ?holds))
  (bind ?possible (possible-points ?points ?now))
  (bind ?least (min (expand$ ?possible)))
  (bind ?most (max (expand$ ?possible)))
  (retract ?decided)
  (modify ?part (states ?now) (low ?least) (high ?most))
  (modify ?total (low (+ ?low (- ?least ?from))) (high (+ ?high (- ?most ?to)))))
"""

WEIGHING = f"""
(defrule no-longer-pending (declare (salience {AT_ONCE}))
  ?pending <- (pending (id ?id))
  (or (evidence (id ?id)) (closed (id ?id)))
  =>
  (retract ?pending))

(defrule weighs (declare (salience {AT_ONCE}))
  (evidence (id ?id) (diagnosis ?diagnosis) (side ?side) (then ?then) (cluster ?cluster))
  (strength (then ?then) (points ?points))
  =>
  (assert (weight (id ?id) (diagnosis ?diagnosis) (side ?side) (cluster ?cluster) (points ?points))))

(defrule is-outdone (declare (salience {AT_ONCE}))
  (weight (id ?id) (diagnosis ?diagnosis) (side ?side) (cluster ?cluster&~"") (points ?points))
  (weight (id ?by) (diagnosis ?diagnosis) (side ?side) (cluster ?cluster) (points ?more))
  (test (or (> (abs ?more) (abs ?points)) (and (= ?more ?points) (< (str-compare ?by ?id) 0))))
  =>
  (assert (outdone (id ?id))))

(defrule into-the-balance (declare (salience 0))
  ?weight <- (weight (id ?id) (diagnosis ?diagnosis) (points ?points))
  (not (outdone (id ?id)))
  ?balance <- (balance (diagnosis ?diagnosis) (points ?sum))
  =>
  (retract ?weight)
  (modify ?balance (points (+ ?sum ?points))))

(defrule barred-by-what-is-there (declare (salience -50))
  (waiting (diagnosis ?diagnosis))
  (needs-no (diagnosis ?diagnosis) (name ?name))
  (known (name ?name) (value yes))
  =>
  (assert (barred (diagnosis ?diagnosis))))

(defrule barred-by-a-red-flag (declare (salience -50))
  (waiting (diagnosis ?diagnosis))
  (exists (red-flag))
  =>
  (assert (barred (diagnosis ?diagnosis))))

(defrule barred-by-another (declare (salience -50))
  (waiting (diagnosis ?diagnosis))
  (conclusion (diagnosis ?other) (level ?level))
  (supported (level ?level) (rank ?rank&:(<= ?rank 3)))
  (not (of-exclusion (diagnosis ?other)))
  =>
  (assert (barred (diagnosis ?diagnosis))))

(defrule all-else-is-concluded (declare (salience -60))
  ?waiting <- (waiting (diagnosis ?diagnosis) (needs ?needs) (likely-needs ?likely-needs))
  =>
  (retract ?waiting)
  (assert (concluding (diagnosis ?diagnosis) (needs ?needs) (likely-needs ?likely-needs))))

(defrule may-lead (declare (salience {AT_ONCE}))
  (conclusion (diagnosis ?diagnosis) (level ?level) (points ?points))
  (supported (level ?level) (rank ?rank))
  (place (diagnosis ?diagnosis) (number ?number))
  =>
  (assert (line (diagnosis ?diagnosis) (rank ?rank) (points ?points) (place ?number))))

(defrule asks-for (declare (salience {AT_ONCE}))
  (conclusion (diagnosis ?diagnosis) (level ?level))
  (supported (level ?level) (step ?reached))
  (asks (diagnosis ?diagnosis) (step ?step&:(<= ?step ?reached)) (grade ?grade))
  (not (asks (diagnosis ?diagnosis) (step ?nearer&:(and (> ?nearer ?step) (<= ?nearer ?reached)))))
  =>
  (assert (urgent (grade ?grade))))

(defrule leads (declare (salience -100))
  (line (diagnosis ?diagnosis) (rank ?rank) (points ?points) (place ?place))
  (not (line (rank ?above&:(< ?above ?rank))))
  (not (line (rank ?rank) (points ?more&:(> ?more ?points))))
  (not (line (rank ?rank) (points ?points) (place ?earlier&:(< ?earlier ?place))))
  =>
  (assert (leading (diagnosis ?diagnosis))))

(defrule most-urgent (declare (salience -100))
  (urgent (grade ?grade))
  (not (urgent (grade ?higher&:(> ?higher ?grade))))
  =>
  (assert (urgency (grade ?grade))))

(deffunction concluded "All that is read from outside, in one list, with --- between its parts" ()
  (bind ?all (create$))
  (do-for-all-facts ((?fact evidence)) TRUE (bind ?all ?all ?fact:id))
  (bind ?all ?all ---)
  (do-for-all-facts ((?fact red-flag)) TRUE (bind ?all ?all ?fact:id))
  (bind ?all ?all ---)
  (do-for-all-facts ((?fact said)) TRUE (bind ?all ?all ?fact:id))
  (bind ?all ?all ---)
  (do-for-all-facts ((?fact conclusion)) TRUE (bind ?all ?all ?fact:diagnosis ?fact:level ?fact:points))
  (bind ?all ?all ---)
  (do-for-all-facts ((?fact urgency)) TRUE (bind ?all ?all ?fact:grade))
  (bind ?all ?all ---)
  (do-for-all-facts ((?fact leading)) TRUE (bind ?all ?all ?fact:diagnosis))
  ?all)
"""

_NOT_BARRED = "(not (barred (diagnosis ?diagnosis)))"
_NEEDS_MET = f"(known (name ?needs) (value yes)) {_NOT_BARRED}"
_ESTABLISHES = '(exists (evidence (diagnosis ?diagnosis) (then "establishes")))'
_EXCLUDES = '(exists (evidence (diagnosis ?diagnosis) (then "excludes")))'
_WAITS = f"""{_NOT_BARRED} (not (known (name ?needs) (value no)))
  (or (exists (pending (diagnosis ?diagnosis)))
      (and (not (known (name ?needs) (value yes))) (exists (evidence (diagnosis ?diagnosis) (side for)))))"""
# The first level whose conditions hold is taken: the rules stand in falling salience, and each uses up what it concludes about.
LEVEL_CONDITIONS = {
    "contradictory": f"{_NEEDS_MET} {_ESTABLISHES} {_EXCLUDES}",
    "excluded": _EXCLUDES,
    "established": f"{_NEEDS_MET} {_ESTABLISHES}",
    "likely": f"{_NEEDS_MET} (known (name ?likely-needs) (value yes)) (test (>= ?points (max %(possible)s %(likely)s)))",
    "possible": f"{_NEEDS_MET} (test (>= ?points %(possible)s))",
    "unlikely": "(test (<= ?points %(unlikely)s))",
    "undecided": f"{_WAITS} (exists (evidence (diagnosis ?diagnosis)))",
    "not assessed": _WAITS,
    "not supported": "",
}
_RANKS_AND_STEPS = {"contradictory": (1, 2), "established": (2, 3), "likely": (3, 2), "possible": (4, 1)}
_STEPS = {"possible": 1, "likely": 2, "established": 3}

_BEYOND = 1e300
_YES, _NO = clips.Symbol("yes"), clips.Symbol("no")
_NEGATED = {">=": "<", ">": "<=", "<": ">=", "<=": ">"}


@dataclass(frozen=True)
class Concluded:
    """What CLIPS concludes about one patient."""

    fired: frozenset[str]
    red_flags: frozenset[str]
    said: frozenset[str]
    levels: Mapping[str, tuple[str, int]]  # by diagnosis: level and points
    urgency: str
    leading: str  # '' for none


class Clips:
    """One CLIPS environment for a knowledge base, reset for every patient."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._places = decimal_places(knowledge)
        self._environment = clips.Environment()
        for construct in _constructs(knowledge):
            self._environment.build(construct)
        asserted = ("known", "chosen", "quantity", "reference")
        self._assert = {name: self._environment.find_function(f"assert-{name}") for name in asserted}

    def conclude(self, findings: Findings) -> Concluded:
        """What follows from one patient's findings; nothing is left of the patient before."""
        environment = self._environment
        environment.reset()
        for name, answer in findings.items():
            self._answer(name, answer)
        environment.run()
        return _read(environment.eval("(concluded)"))

    def _answer(self, name: str, answer: Answer) -> None:
        """Asserts one answer. By functions of our own: every fact that clipspy makes an object of is kept for good, and each
        patient takes longer than the one before; and CLIPS takes several times as long over a fact that is text."""
        if answer.choice:
            self._assert["chosen"](name, answer.choice)
        elif answer.quantity is None:
            self._assert["known"](name, _YES if answer.truth else _NO)
        else:
            places = self._places[name]
            interval = answer.quantity
            low = -_BEYOND if interval.low is None else _doubled(interval.low, places) + interval.low_open
            high = _BEYOND if interval.high is None else _doubled(interval.high, places) - interval.high_open
            self._assert["quantity"](name, low, high)
            if answer.reference is not None:
                self._assert["reference"](name, *(_doubled(end, places) for end in answer.reference))


def _read(listed: tuple[str | int, ...]) -> Concluded:
    parts: list[list[str | int]] = [[]]
    for value in listed:
        if value == "---":
            parts.append([])
        else:
            parts[-1].append(value)
    fired, red_flags, said, conclusions, urgency, leading = parts
    return Concluded(
        fired=frozenset(map(str, fired)),
        red_flags=frozenset(map(str, red_flags)),
        said=frozenset(map(str, said)),
        levels={
            str(d): (str(level), int(points))
            for d, level, points in zip(conclusions[::3], conclusions[1::3], conclusions[2::3], strict=True)
        },
        urgency=URGENCIES[int(urgency[0])],
        leading=str(leading[0]) if leading else "",
    )


def constructs(knowledge: Knowledge) -> str:
    """The knowledge base as CLIPS source text."""
    return "\n\n".join(_constructs(knowledge)) + "\n"


def _constructs(knowledge: Knowledge) -> Iterator[str]:
    for text in (TEMPLATES, ANSWERING, COUNTING, WEIGHING):
        yield from text.strip().split("\n\n")
    yield from _level_rules(knowledge)
    yield from _Translation(knowledge).all()


def _level_rules(knowledge: Knowledge) -> Iterator[str]:
    weighing = knowledge.weighing
    limits = {"possible": weighing.possible, "likely": weighing.likely, "unlikely": weighing.unlikely}
    for number, (level, conditions) in enumerate(LEVEL_CONDITIONS.items(), 1):
        yield (
            f"(defrule {level.replace(' ', '-')} (declare (salience {-number}))\n"
            "  ?concluding <- (concluding (diagnosis ?diagnosis) (needs ?needs) (likely-needs ?likely-needs))\n"
            "  (balance (diagnosis ?diagnosis) (points ?points))\n"
            f"  {conditions % limits}\n  =>\n  (retract ?concluding)\n"
            f"  (assert (conclusion (diagnosis ?diagnosis) (level {_quoted(level)}) (points ?points))))"
        )


def decimal_places(knowledge: Knowledge) -> Mapping[str, int]:
    """By how many places each quantity and score is moved, so that all that is ever compared with it is a whole number."""
    places = {name: f.scale.decimals for name, f in knowledge.findings.items() if f.scale is not None}
    for name, score in knowledge.scores.items():
        places[name] = max(_decimals(item.points) for item in score.counted)
    for name, finding in knowledge.findings.items():
        for end in (finding.scale and finding.scale.reference) or ():
            places[name] = max(places[name], _decimals(end))
    finer = dict.fromkeys(places, 0)
    for leaf in _leaves(knowledge):
        if isinstance(leaf, Compare):
            places[leaf.name] = max(places[leaf.name], _decimals(leaf.limit))
        elif isinstance(leaf, TimesUpperLimit):
            finer[leaf.name] = max(finer[leaf.name], _decimals(leaf.factor))
    return {name: places[name] + finer[name] for name in places}


class _Translation:
    """One knowledge base, from productions to constructs."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.places = decimal_places(knowledge)
        self.productions = compile_knowledge(knowledge)
        if len(self.productions) >= AT_ONCE:
            raise ValueError(f"CLIPS has {AT_ONCE} saliences, too few for {len(self.productions)} productions")
        self.leaves = {
            _leaf_pattern(leaf, wanted).key: (leaf, wanted)
            for leaf in _leaves(knowledge)
            if isinstance(leaf, (Compare, IsOneOf, OutOfRange, TimesUpperLimit))
            for wanted in (True, False)
        }

    def all(self) -> Iterator[str]:
        yield self._initial_facts()
        for number, leaf in enumerate(dict.fromkeys(_leaves(self.knowledge))):
            if isinstance(leaf, Compare) and leaf.name in self.knowledge.scores:
                yield from self._threshold(leaf, number)
        yield from map(self._rule, self.productions)

    def _initial_facts(self) -> str:
        return "(deffacts knowledge\n  " + "\n  ".join(dict.fromkeys(self._initial())) + ")"

    def _initial(self) -> Iterator[str]:
        """What is so of every patient."""
        knowledge = self.knowledge
        for then, points in (
            ("weakly supports", knowledge.weighing.weak),
            ("supports", knowledge.weighing.moderate),
            ("strongly supports", knowledge.weighing.strong),
        ):
            yield _fact("strength", then=then, points=points)
            yield _fact("strength", then=then.replace("supports", "opposes"), points=-points)
        for level, (rank, step) in _RANKS_AND_STEPS.items():
            yield _fact("supported", level=level, rank=rank, step=step)
        yield _fact("urgent", grade=0)
        for finding in knowledge.findings.values():
            if finding.when_closed_no:
                yield _fact("unstated", name=finding.name)
        for rule in knowledge.rules.values():
            if _side(rule.then) == "for":
                yield _fact("pending", id=rule.id, diagnosis=rule.diagnosis)
        for number, name in enumerate(knowledge.order):
            yield _fact("place", diagnosis=name, number=number)
            yield from self._initial_of(knowledge.diagnoses[name])
        for score in knowledge.scores.values():
            yield _fact("candidate", name=score.name)
            yield from self._parts(score)
        for production in self.productions:
            if isinstance(vote := production.action, Vote):
                yield f"(ballot (name {_quoted(vote.name)}) (value {vote.value}) (needed {vote.count}) (given 0))"

    def _initial_of(self, diagnosis: Diagnosis) -> Iterator[str]:
        yield _fact("candidate", name=diagnosis.id)
        yield _fact("balance", diagnosis=diagnosis.id, points=0)
        if diagnosis.needs is None:
            yield _known(needs_name(diagnosis.id), True)
        if diagnosis.is_of_exclusion:
            yield _fact("of-exclusion", diagnosis=diagnosis.id)
        for leaf in diagnosis.needs_no:
            yield _fact("needs-no", diagnosis=diagnosis.id, name=leaf.name)
        if diagnosis.likely_when is None:
            yield _known(likely_needs_name(diagnosis.id), True)
        for level, urgency in diagnosis.urgency:
            yield _fact("asks", diagnosis=diagnosis.id, step=_STEPS[level], grade=URGENCIES.index(urgency))

    def _points(self, score: Score) -> list[tuple[int, ...]]:
        """Points of each part of a score: single items, then those that exclude each other."""
        parts = [*((item,) for item in score.items), *score.one_of]
        return [tuple(_whole(item.points, self.places[score.name]) for item in part) for part in parts]

    def _parts(self, score: Score) -> Iterator[str]:
        for number, points in enumerate(self._points(score), 1):
            written, states = " ".join(map(str, points)), " ".join("open" for _ in points)
            yield (
                f"(part (score {_quoted(score.name)}) (number {number}) (points {written}) (states {states}) "
                f"(low (min 0 {written})) (high (max 0 {written})))"
            )

    def _threshold(self, leaf: Compare, number: int) -> Iterator[str]:
        """Rules that make a comparison with a score known, once the bounds of the score decide it."""
        limit, key = _whole(leaf.limit, self.places[leaf.name]), in_one_line(leaf)
        for wanted in (True, False):
            operator, end = _nearer(leaf.operator, wanted)
            yield (
                f"(defrule {_symbol(key)}-{number}-{'yes' if wanted else 'no'} {_quoted(key)} (declare (salience {AT_ONCE}))\n"
                f"  (total (score {_quoted(leaf.name)}) ({end} ?end&:({operator} ?end {limit})))\n"
                f"  =>\n  (assert {_known(key, wanted)}))"
            )

    def _rule(self, production: Production) -> str:
        patterns = "".join(f"\n  {self._pattern(p, n)}" for n, p in enumerate(production.patterns, 1))
        # The salience, which is unique, tells names apart that are the same symbol; no other rule's name ends in a number.
        return (
            f"(defrule {_symbol(production.name)}-{production.salience} {_quoted(production.name)}\n"
            f"  (declare (salience {production.salience})){patterns}\n"
            f"  =>\n  (assert {self._asserted(production.action)}))"
        )

    def _pattern(self, pattern: Pattern, number: int) -> str:
        name = f"(name {_quoted(pattern.name)})"
        if pattern.key in self.leaves:
            return self._test(*self.leaves[pattern.key], name, number)
        return f"({pattern.fact.lower()} {name}" + (f" (value {pattern.literal}))" if pattern.literal else ")")

    def _test(self, leaf: Leaf, wanted: bool, name: str, number: int) -> str:
        """The pattern that a leaf is as wanted; variables are numbered, since a pattern must not bind another's."""
        if isinstance(leaf, IsOneOf):
            values = map(_quoted, leaf.values)
            return f"(chosen {name} (value {'|'.join(values) if wanted else '&'.join('~' + v for v in values)}))"
        assert isinstance(leaf, (Compare, OutOfRange, TimesUpperLimit))
        written = leaf.operator if not isinstance(leaf, OutOfRange) else "<" if leaf.side == "below" else ">"
        operator, end = _nearer(written, wanted)
        value = f"?{end}{number}"
        if isinstance(leaf, Compare):
            return f"(quantity {name} ({end} {value}&:({operator} {value} {_doubled(leaf.limit, self.places[leaf.name])})))"
        of_range = "lower" if isinstance(leaf, OutOfRange) and leaf.side == "below" else "upper"
        limit = f"?{of_range}{number}"
        test = f"({operator} {value} {limit})"
        if isinstance(leaf, TimesUpperLimit):
            places = _decimals(leaf.factor)
            test = f"({operator} (* {value} {10**places}) (* {limit} {_whole(leaf.factor, places)}))"
        return f"(quantity {name} ({end} {value}))\n  (reference {name} ({of_range} {limit}&:{test}))"

    def _asserted(self, action: Action) -> str:
        """The facts that a right-hand side asserts."""
        if isinstance(action, Declare):
            return _known(action.name, action.value == "yes")
        if isinstance(action, Vote):
            return f"(vote (name {_quoted(action.name)}) (value {action.value}) (clause {action.clause}))"
        if isinstance(action, Tally):
            return self._tally(action)
        if isinstance(action, Fire):
            return self._fired(action)
        if isinstance(action, Close):
            return _fact("closed", id=action.id)
        assert isinstance(action, Conclude)
        names = {"needs": needs_name(action.diagnosis), "likely-needs": likely_needs_name(action.diagnosis)}
        last = self.knowledge.diagnoses[action.diagnosis].is_of_exclusion
        return _fact("waiting" if last else "concluding", diagnosis=action.diagnosis, **names)

    def _tally(self, tally: Tally) -> str:
        parts = self._points(self.knowledge.scores[tally.score])
        score = f"(score {_quoted(tally.score)})"
        if tally.item < 0:
            low, high = (" ".join(f"({end} 0 {' '.join(map(str, p))})" for p in parts) for end in ("min", "max"))
            return f"(total {score} (low (+ 0 0 {low})) (high (+ 0 0 {high})))"
        numbered = [(number, place) for number, part in enumerate(parts, 1) for place in range(1, len(part) + 1)]
        number, place = numbered[tally.item]
        return f"(decided {score} (part {number}) (place {place}) (holds {'yes' if tally.holds else 'no'}))"

    def _fired(self, fire: Fire) -> str:
        if fire.kind == "RedFlag":
            grade = URGENCIES.index(self.knowledge.red_flags[fire.id].urgency)
            return f"{_fact('red-flag', id=fire.id)} {_fact('urgent', grade=grade)}"
        if fire.kind != "Evidence":
            return _fact("said", id=fire.id)
        rule = self.knowledge.rules[fire.id]
        return (
            f"(evidence (id {_quoted(rule.id)}) (diagnosis {_quoted(rule.diagnosis)}) (side {_side(rule.then)}) "
            f"(then {_quoted(rule.then)}) (cluster {_quoted(rule.cluster)}))"
        )


def _leaves(knowledge: Knowledge) -> Iterator[Leaf]:
    """Every leaf of every condition that is compiled."""
    gates = [f.ask_when for f in knowledge.findings.values() if f.ask_when is not None]
    for condition in (*(c for _, c, _ in conditions_of(knowledge)), *gates):
        yield from leaves(condition)


def _side(then: str) -> str:
    return "for" if then == "establishes" or then.endswith("supports") else "against"


def _nearer(operator: str, wanted: bool) -> tuple[str, str]:
    """How, and of which end, one asks whether all values of an interval compare so (or, not wanted, none does)."""
    asked = operator if wanted else _NEGATED[operator]
    return asked, "low" if asked.startswith(">") else "high"


def _decimals(value: Decimal) -> int:
    return max(0, -int(value.normalize().as_tuple().exponent))


def _whole(value: Decimal, places: int) -> int:
    """The number moved by so many places; well within the 64 bits that CLIPS has, doubled and multiplied by a factor."""
    whole = int(value.scaleb(places))
    if abs(whole) >= 2**48:
        raise OverflowError(f"{value} is too large for CLIPS with {places} decimal places")
    return whole


def _doubled(value: Decimal, places: int) -> int:
    return 2 * _whole(value, places)


def _fact(template: str, **slots: str | int | float) -> str:
    """A fact whose texts are strings."""
    written = (f"({slot} {_quoted(value) if isinstance(value, str) else value})" for slot, value in slots.items())
    return f"({template} {' '.join(written)})"


def _known(name: str, truth: bool) -> str:
    return f"(known (name {_quoted(name)}) (value {'yes' if truth else 'no'}))"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _symbol(name: str) -> str:
    """A readable symbol of CLIPS, not necessarily unique."""
    return re.sub(r"\W+", "-", name, flags=re.ASCII).strip("-")
