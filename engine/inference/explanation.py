"""How a conclusion was reached, why another was not, and what differs between two outcomes: as data, for every printer.

Everything is read from knowledge and answers. A condition that is not as it is wanted becomes a tree of what it still lacks,
each leaf with the value seen and the value needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from ..knowledge.model import (
    AT_LEAST_POSSIBLE,
    LEVELS,
    Advice,
    All,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    Diagnosis,
    Is,
    IsOneOf,
    Item,
    Knowledge,
    Leaf,
    Link,
    Not,
    Note,
    OutOfRange,
    RedFlag,
    Rule,
    Score,
)
from ..knowledge.quantities import amount, in_words, plain
from ..knowledge.truth import Truth, Valuation
from .justification import Reason, reasons_for, value_in_words
from .outcome import Outcome
from .weighing import Conclusion

DIAGNOSIS, RED_FLAG, CONCEPT, SCORE, FINDING = "diagnosis", "red flag", "concept", "score", "finding"
ALL_OF, SOME_OF, ITEM = "all of", "some of", "item"  # kinds of a `Lack` that is no name
NOT_KNOWN = "not known"
AIM = "likely"  # what `why_not` asks about where nothing else is said
_OPPOSITE = {">=": "<", ">": "<=", "<": ">=", "<=": ">"}


# How it was reached --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One step of how something was reached: a finding with its value, or what was concluded from the steps under it."""

    name: str
    title: str
    kind: str  # finding, concept, score
    value: str
    points: Decimal | None = None  # what it adds to the score above it; None elsewhere
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Fired:
    """A rule that fired, with what it counts for and how it came to fire."""

    rule: Rule
    points: int  # 0 where it is outdone, and for a rule that establishes or excludes
    outdone_by: str  # the rule of its cluster that counts in its place; '' when it counts itself
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Cap:
    """A condition without which a diagnosis stays below a level, whatever speaks for it."""

    kind: str  # needs, likely_needs, needs_no
    truth: Truth
    at_most: str  # the level it stays at
    steps: tuple[Step, ...]  # what makes it yes or no
    lacks: tuple[Lack, ...]  # what it lacks; () once it is yes

    @property
    def is_met(self) -> bool:
        """Whether it no longer holds the diagnosis down."""
        return self.truth is True


@dataclass(frozen=True)
class Barrier:
    """Something else that is found, for which a diagnosis of exclusion is not supported."""

    kind: str  # finding, concept, red flag, diagnosis
    id: str
    title: str


@dataclass(frozen=True)
class How:
    """How a subject came to stand where it stands. Rules and caps are those of a diagnosis; anything else has steps."""

    id: str
    kind: str  # diagnosis, red flag, concept, score
    title: str
    state: str  # the level; fired, or not; yes, no, not known; points
    points: int = 0
    speaking_for: tuple[Fired, ...] = ()
    against: tuple[Fired, ...] = ()
    caps: tuple[Cap, ...] = ()
    barred_by: tuple[Barrier, ...] = ()
    links: tuple[Link, ...] = ()  # that are shown, and that it takes part in
    steps: tuple[Step, ...] = ()
    lacks: tuple[Lack, ...] = ()  # of a flag or concept that is not yes; of a score, the open items that could add to it


@dataclass(frozen=True)
class Lack:
    """Something that is not as it is needed: a finding, what follows from findings, or a choice between several."""

    kind: str  # finding, concept, score; all of, some of; item of a score
    name: str  # '' for all of, some of, item
    title: str
    seen: str
    needed: str
    is_open: bool  # not known yet; otherwise it is known, and otherwise
    wanted: bool = True  # the truth that the leaf should have
    leaf: Leaf | None = None  # of a finding or score
    count: int = 0  # of `some of`: so many of the parts must still change
    so_far: int = 0  # of `some of`: so many already are as needed
    points: Decimal | None = None  # of an item
    from_what: tuple[str, ...] = ()  # the titles of what a derived quantity follows from
    parts: tuple[Lack, ...] = ()


@dataclass(frozen=True)
class Silent:
    """A rule for a diagnosis that did not fire, with what it lacks."""

    rule: Rule
    is_open: bool
    would_add: int  # points, as the other rules of its cluster stand
    lacks: tuple[Lack, ...]


@dataclass(frozen=True)
class WhyNot:
    """Why a diagnosis has not reached a level."""

    diagnosis: str
    title: str
    level: str
    could_reach: str
    points: int
    aim: str
    is_reached: bool
    needed_points: int | None  # None where points do not lead to the level
    silent: tuple[Silent, ...]  # weightiest first
    outdone: tuple[Fired, ...]
    against: tuple[Fired, ...]
    excluded_by: tuple[Fired, ...]
    caps: tuple[Cap, ...]  # only those that hold it down
    barred_by: tuple[Barrier, ...] = ()


def reaches(level: str, aim: str) -> bool:
    """Whether a level is at least (from `possible` up) or at most (below) the one aimed at; *contradictory* is neither."""
    if level == LEVELS[0]:
        return aim == LEVELS[0]
    at, wanted = LEVELS.index(level), LEVELS.index(aim)
    return at <= wanted if aim in AT_LEAST_POSSIBLE else at >= wanted


def named(knowledge: Knowledge, words: str, only_diagnoses: bool = True) -> tuple[str, ...]:
    """The ids that these words may mean: the one with exactly that id or title, otherwise all that have them in it."""
    titles = {d: entry.title for d, entry in knowledge.diagnoses.items()}
    if not only_diagnoses:
        for things in (knowledge.red_flags, knowledge.concepts, knowledge.scores):
            titles |= {id: thing.title for id, thing in things.items()}
    wanted = _folded(words)
    if words.strip() in titles:
        return (words.strip(),)
    exact = tuple(id for id, title in titles.items() if wanted in (_folded(id), _folded(title)))
    if exact or not wanted:
        return exact
    within = tuple(id for id, title in titles.items() if wanted in _folded(id) or wanted in _folded(title))
    diagnoses = tuple(id for id in within if id in knowledge.diagnoses)
    return diagnoses or within


def _folded(text: str) -> str:
    return " ".join(text.lower().replace("_", " ").replace("-", " ").split())


def how(outcome: Outcome, id: str) -> How:
    """How a diagnosis, red flag, concept or score came to stand where it stands."""
    knowledge, valuation = outcome.knowledge, outcome.valuation
    if id in knowledge.diagnoses:
        conclusion = outcome.conclusion(id)
        fired = [knowledge.rules[r] for r in conclusion.fired]
        return How(
            id=id,
            kind=DIAGNOSIS,
            title=knowledge.diagnoses[id].title,
            state=conclusion.level,
            points=conclusion.points,
            speaking_for=tuple(_fired(outcome, conclusion, r) for r in fired if r.is_for),
            against=tuple(_fired(outcome, conclusion, r) for r in fired if not r.is_for),
            caps=_caps(outcome, id),
            barred_by=barriers(knowledge, conclusion),
            links=tuple(link for link, _ in outcome.links if id in (link.cause, link.effect)),
        )
    if id in knowledge.scores:
        score = knowledge.scores[id]
        return How(
            id=id,
            kind=SCORE,
            title=score.title,
            state=in_words(valuation.scores[id], "points"),
            steps=_score_steps(score, valuation),
            lacks=tuple(x for x in _score_lacks(score, valuation, True) if x.is_open),
        )
    thing = knowledge.red_flags[id] if id in knowledge.red_flags else knowledge.concepts[id]
    truth = valuation.of(thing.when)
    words = _FLAG_WORDS if isinstance(thing, RedFlag) else _TRUTH_WORDS
    return How(
        id=id,
        kind=RED_FLAG if isinstance(thing, RedFlag) else CONCEPT,
        title=thing.title,
        state=words[truth],
        steps=_steps_of(thing.when, valuation),
        lacks=lacks(thing.when, valuation),
    )


_FLAG_WORDS = {True: "fired", False: "ruled out", None: "open"}
_TRUTH_WORDS = {True: "yes", False: "no", None: NOT_KNOWN}


def _fired(outcome: Outcome, conclusion: Conclusion, rule: Rule) -> Fired:
    knowledge = outcome.knowledge
    counts = rule.id in conclusion.counted
    better = ""
    if not counts:
        same = (knowledge.rules[r] for r in sorted(conclusion.counted))
        better = next(r.id for r in same if r.cluster == rule.cluster and r.is_for == rule.is_for and _weighs(r))
    points = knowledge.weighing.points(rule.then) if counts else 0
    return Fired(rule, points, better, _steps(reasons_for(rule.when, outcome.valuation), outcome.valuation))


def _weighs(rule: Rule) -> bool:
    return rule.then not in ("establishes", "excludes")


def conditions_on(entry: Diagnosis) -> tuple[tuple[str, Condition | None], ...]:
    """The conditions that hold a diagnosis down while they are not met, each under its key."""
    return ("needs", entry.needs), ("likely_needs", entry.likely_needs), ("needs_no", entry.nothing_else)


def _caps(outcome: Outcome, diagnosis: str) -> tuple[Cap, ...]:
    entry = outcome.knowledge.diagnoses[diagnosis]
    valuation = outcome.valuation
    found = []
    for kind, condition in conditions_on(entry):
        if condition is None:
            continue
        truth = valuation.of(condition)
        at_most = {"needs": "undecided", "likely_needs": "possible", "needs_no": "possible"}[kind]
        if truth is False and kind != "likely_needs":
            at_most = "not supported"
        found.append(Cap(kind, truth, at_most, _steps_of(condition, valuation), lacks(condition, valuation)))
    return tuple(found)


def barriers(knowledge: Knowledge, conclusion: Conclusion) -> tuple[Barrier, ...]:
    """What else is found, for which a diagnosis of exclusion is not supported, with what each is called."""
    found = []
    for id in conclusion.barred_by:
        if id in knowledge.diagnoses:
            found.append(Barrier(DIAGNOSIS, id, knowledge.diagnoses[id].title))
        elif id in knowledge.red_flags:
            found.append(Barrier(RED_FLAG, id, knowledge.red_flags[id].title))
        else:
            found.append(Barrier(CONCEPT if id in knowledge.concepts else FINDING, id, title_of(knowledge, id)))
    return tuple(found)


def _steps_of(condition: Condition, valuation: Valuation) -> tuple[Step, ...]:
    truth = valuation.of(condition)
    return () if truth is None else _steps(reasons_for(condition, valuation, truth), valuation)


def _steps(reasons: tuple[Reason, ...], valuation: Valuation) -> tuple[Step, ...]:
    return tuple(_step(reason, valuation) for reason in reasons)


def _step(reason: Reason, valuation: Valuation, points: Decimal | None = None) -> Step:
    knowledge = valuation.knowledge
    if reason.kind == SCORE:
        inner = _score_steps(knowledge.scores[reason.name], valuation)
    else:
        inner = _steps(reason.reasons, valuation)
    kind = CONCEPT if reason.name in knowledge.concepts else reason.kind if reason.kind == SCORE else FINDING
    return Step(reason.name, title_of(knowledge, reason.name), kind, _spaced(reason.value), points, inner)


def _score_steps(score: Score, valuation: Valuation) -> tuple[Step, ...]:
    """What is decided about each item, with the points that it adds."""
    steps: list[Step] = []

    def add(item: Item, counts: bool) -> None:
        truth = valuation.of(item.when)
        if truth is not None:
            points = item.points if truth and counts else Decimal(0)
            steps.extend(_step(reason, valuation, points) for reason in reasons_for(item.when, valuation, truth))

    for item in score.items:
        add(item, True)
    for group in score.one_of:
        first = True
        for item in group:
            add(item, first)
            first = first and valuation.of(item.when) is not True
    return tuple(steps)


def title_of(knowledge: Knowledge, name: str) -> str:
    """The title of a finding, concept or score."""
    if name in knowledge.findings:
        return knowledge.findings[name].title
    return knowledge.concepts[name].title if name in knowledge.concepts else knowledge.scores[name].title


# Why it was not ------------------------------------------------------------------------------------------------------


def why_not(outcome: Outcome, diagnosis: str, aim: str = AIM) -> WhyNot:
    """Why a diagnosis has not reached the level aimed at: silent rules with what they lack, and what holds it down."""
    knowledge = outcome.knowledge
    conclusion = outcome.conclusion(diagnosis)
    weighing = knowledge.weighing
    fired = [_fired(outcome, conclusion, knowledge.rules[r]) for r in conclusion.fired]
    silent = [_silent(outcome, conclusion, r) for r in knowledge.rules_of[diagnosis] if r.is_for]
    found = [s for s in silent if s.lacks]
    found.sort(key=lambda s: (-_weight(knowledge, s.rule), not s.is_open, s.rule.id))
    return WhyNot(
        diagnosis=diagnosis,
        title=knowledge.diagnoses[diagnosis].title,
        level=conclusion.level,
        could_reach=conclusion.could_reach,
        points=conclusion.points,
        aim=aim,
        is_reached=reaches(conclusion.level, aim),
        needed_points={"possible": weighing.possible, "likely": weighing.likely}.get(aim),
        silent=tuple(found),
        outdone=tuple(f for f in fired if f.rule.is_for and f.outdone_by),
        against=tuple(f for f in fired if not f.rule.is_for and f.rule.then != "excludes"),
        excluded_by=tuple(f for f in fired if f.rule.then == "excludes"),
        caps=tuple(c for c in _caps(outcome, diagnosis) if _holds_down(c, aim)),
        barred_by=barriers(knowledge, conclusion),
    )


def _holds_down(cap: Cap, aim: str) -> bool:
    return not cap.is_met and (cap.kind == "needs" or cap.at_most == "not supported" or aim == "likely")


def _weight(knowledge: Knowledge, rule: Rule) -> int:
    """Sorts rules by strength; a rule that establishes or excludes comes before all that weigh."""
    return abs(knowledge.weighing.points(rule.then)) if _weighs(rule) else 2 * knowledge.weighing.strong


def _silent(outcome: Outcome, conclusion: Conclusion, rule: Rule) -> Silent:
    knowledge = outcome.knowledge
    worth = knowledge.weighing.points(rule.then)
    same = [
        knowledge.weighing.points(r.then)
        for r in map(knowledge.rules.__getitem__, conclusion.counted)
        if rule.cluster and r.cluster == rule.cluster and r.is_for and _weighs(r)
    ]
    is_open = outcome.valuation.of(rule.when) is None
    return Silent(rule, is_open, max(0, worth - max(same, default=0)), lacks(rule.when, outcome.valuation))


def lacks(condition: Condition, valuation: Valuation, wanted: bool = True) -> tuple[Lack, ...]:
    """What keeps a condition from being known yes (or, not `wanted`, known no); () when it is."""
    truth = valuation.of(condition)
    if truth is wanted:
        return ()
    if isinstance(condition, Not):
        return lacks(condition.child, valuation, not wanted)
    if isinstance(condition, (All, AnyOf, AtLeast)):
        children = condition.children
        count = len(children) if isinstance(condition, All) else 1 if isinstance(condition, AnyOf) else condition.count
        if not wanted:
            count = len(children) - count + 1
        return _several(children, count, truth is None, valuation, wanted)
    return (_leaf_lack(condition, valuation, wanted),)


def _several(
    children: tuple[Condition, ...], count: int, is_open: bool, valuation: Valuation, wanted: bool
) -> tuple[Lack, ...]:
    so_far = sum(valuation.of(c) is wanted for c in children)
    inside = [found for c in children if (found := lacks(c, valuation, wanted))]
    if count == len(children):
        return tuple(dict.fromkeys(lack for found in inside for lack in found))
    parts = tuple(dict.fromkeys(_as_one(found) for found in inside))
    if len(parts) == 1:
        return parts
    if count == 1:  # alternatives of alternatives are alternatives
        parts = tuple(dict.fromkeys(p for part in parts for p in _alternatives(part)))
    seen = f"{so_far} of {count} so far" if count > 1 else ""
    needed = "one of these" if count == 1 else f"at least {count} of these"
    missing = count - so_far
    return (Lack(SOME_OF, "", "", seen, needed, is_open, wanted, count=missing, so_far=so_far, parts=parts),)


def _alternatives(part: Lack) -> tuple[Lack, ...]:
    return part.parts if part.kind == SOME_OF and part.count == 1 and not part.so_far else (part,)


def _as_one(found: tuple[Lack, ...]) -> Lack:
    if len(found) == 1:
        return found[0]
    return Lack(ALL_OF, "", "", "", "all of these", not any(not lack.is_open for lack in found), parts=found)


def _leaf_lack(leaf: Leaf, valuation: Valuation, wanted: bool) -> Lack:
    knowledge = valuation.knowledge
    name = leaf.name
    title = title_of(knowledge, name)
    truth = valuation.of(leaf)
    needed = needed_in_words(leaf, valuation, wanted)
    if name in knowledge.concepts:
        inner = lacks(knowledge.concepts[name].when, valuation, wanted)
        return Lack(CONCEPT, name, title, _TRUTH_WORDS[truth], needed, truth is None, wanted, parts=inner)
    if name in knowledge.scores:
        assert isinstance(leaf, Compare)
        seen = in_words(valuation.scores[name], "points")
        more = (leaf.operator in (">=", ">")) is wanted
        parts = tuple(_score_lacks(knowledge.scores[name], valuation, more))
        return Lack(SCORE, name, title, seen, needed, truth is None, wanted, leaf, parts=parts)
    finding = knowledge.findings[name]
    parts = ()
    if name in valuation.findings:
        seen = _spaced(value_in_words(valuation, name))
    elif valuation.closed(name):
        assert finding.ask_when is not None
        seen = "no"
        parts = lacks(finding.ask_when, valuation)
    else:
        seen = NOT_KNOWN
    derived = finding.scale.derived.inputs if finding.scale is not None and finding.scale.derived is not None else ()
    from_what = tuple(knowledge.findings[n].title for n in derived)
    return Lack(FINDING, name, title, seen, needed, truth is None, wanted, leaf, from_what=from_what, parts=parts)


def _score_lacks(score: Score, valuation: Valuation, more: bool) -> Iterator[Lack]:
    """The items that could still move the total in that direction, each with its points."""
    held: set[int] = set()
    for group in score.one_of:
        for number, item in enumerate(group):
            if valuation.of(item.when) is True:
                held.update(id(later) for later in group[number + 1 :])
    for item in score.counted:
        if id(item) in held:
            continue
        wanted = (item.points > 0) is more
        found = lacks(item.when, valuation, wanted)
        if found:
            one = _as_one(found)
            yield Lack(ITEM, "", "", "", "", one.is_open, wanted, points=item.points, parts=(one,))


def needed_in_words(leaf: Leaf, valuation: Valuation, wanted: bool = True) -> str:
    """The value that makes a leaf yes (or, not `wanted`, no), in plain words."""
    if isinstance(leaf, Is):
        return "yes" if wanted else "no"
    if isinstance(leaf, IsOneOf):
        listed = " or ".join(map(_spaced, leaf.values))
        return listed if wanted else f"other than {listed}"
    knowledge = valuation.knowledge
    if isinstance(leaf, Compare):
        scale = knowledge.findings[leaf.name].scale if leaf.name in knowledge.findings else None
        unit = "points" if scale is None else scale.unit
        return _compared(leaf.operator if wanted else _OPPOSITE[leaf.operator], amount(leaf.limit, unit))
    scale = knowledge.findings[leaf.name].scale
    assert scale is not None
    answer = valuation.findings.get(leaf.name)
    interval = answer.reference if answer is not None and answer.reference is not None else scale.reference
    if isinstance(leaf, OutOfRange):
        between = f" of {plain(interval[0])} to {plain(interval[1])}" if interval is not None else ""
        return f"{'' if wanted else 'not '}{leaf.side} its reference interval{between}"
    upper = f" of {amount(interval[1], scale.unit)}" if interval is not None else ""
    operator = leaf.operator if wanted else _OPPOSITE[leaf.operator]
    return _compared(operator, f"{plain(leaf.factor)} times its upper limit{upper}")


def _compared(operator: str, limit: str) -> str:
    return {
        ">=": f"{limit} or more",
        ">": f"more than {limit}",
        "<=": f"{limit} or less",
        "<": f"less than {limit}",
    }[operator]


def _spaced(choice: str) -> str:
    return choice.replace("_", " ")


# What if -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moved:
    """A diagnosis that stands otherwise than before."""

    diagnosis: str
    title: str
    before: Conclusion
    after: Conclusion


@dataclass(frozen=True)
class Changes:
    """What differs between two outcomes about one patient; all of it empty when nothing does."""

    urgency: tuple[str, str] | None = None  # before, after
    leading: tuple[str, str] | None = None  # '' for none
    red_flags_begun: tuple[RedFlag, ...] = ()
    red_flags_ended: tuple[RedFlag, ...] = ()
    moved: tuple[Moved, ...] = ()  # in the order of the differential after
    advice_begun: tuple[Advice, ...] = ()
    advice_ended: tuple[Advice, ...] = ()  # with what is now withheld
    notes_begun: tuple[Note, ...] = ()  # scope notices among them
    notes_ended: tuple[Note, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return self == Changes()


def changed(knowledge: Knowledge, before: Outcome, after: Outcome) -> Changes:
    """What differs between two outcomes of one knowledge base; neither is touched."""
    flags = {f.id for f, _ in before.red_flags}, {f.id for f, _ in after.red_flags}
    notes = [{n.id: n for n in (*(n for n, _ in o.notes), *o.scope)} for o in (before, after)]
    given = [{a.id for a, is_given in o.advice if is_given} for o in (before, after)]
    order = {line.conclusion.diagnosis: number for number, line in enumerate(after.lines)}
    moved = [
        Moved(d, knowledge.diagnoses[d].title, before.conclusion(d), after.conclusion(d))
        for d in knowledge.order
        if _standing(before.conclusion(d)) != _standing(after.conclusion(d))
    ]
    return Changes(
        urgency=None if before.urgency == after.urgency else (before.urgency, after.urgency),
        leading=None if before.leading == after.leading else (before.leading, after.leading),
        red_flags_begun=tuple(f for f, _ in after.red_flags if f.id not in flags[0]),
        red_flags_ended=tuple(f for f, _ in before.red_flags if f.id not in flags[1]),
        moved=tuple(sorted(moved, key=lambda m: order.get(m.diagnosis, len(order)))),
        advice_begun=tuple(a for a in knowledge.advice.values() if a.id in given[1] - given[0]),
        advice_ended=tuple(a for a in knowledge.advice.values() if a.id in given[0] - given[1]),
        notes_begun=tuple(n for n in notes[1].values() if n.id not in notes[0]),
        notes_ended=tuple(n for n in notes[0].values() if n.id not in notes[1]),
    )


def _standing(conclusion: Conclusion) -> tuple[str, int, str]:
    return (conclusion.level, conclusion.points, conclusion.urgency)


__all__ = [
    *("AIM", "Barrier", "Cap", "Changes", "Fired", "How", "Lack", "Moved", "Silent", "Step", "WhyNot"),
    *("barriers", "changed", "conditions_on", "how", "lacks", "named", "needed_in_words", "reaches", "title_of", "why_not"),
]
