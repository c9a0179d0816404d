"""From conditions to productions: the sound subset of forward chaining that Experta is trusted with.

Facts are only added; every pattern is positive; `not x` becomes "x is known to be no"; nested alternatives go through an
auxiliary fact with one production each; a name that is needed as *no* has closing productions; counts and scores are kept by
right-hand sides; every production has a salience of its own. docs/design.md says which defects of Experta that avoids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

from ..knowledge.conditions import in_one_line
from ..knowledge.model import (
    All,
    Answer,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    Is,
    IsOneOf,
    Knowledge,
    Not,
    OutOfRange,
    TimesUpperLimit,
)
from ..knowledge.truth import names_in

YES, NO = "yes", "no"


@dataclass(frozen=True)
class Pattern:
    """A positive pattern on one fact: its class, its name, and either a literal or a test for its other slot."""

    fact: str  # Known, Chosen, Quantity, Unstated, Candidate
    name: str
    literal: str = ""
    test: str = ""  # Python text of the test, which also tells patterns apart
    passes: Callable[[Answer], bool] | Callable[[str], bool] | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.fact, self.name, self.literal, self.test)

    def as_python(self) -> str:
        slot = f", value={self.literal!r}" if self.literal else f", value=P({self.test})" if self.test else ""
        return f"{self.fact}(name={self.name!r}{slot})"


@dataclass(frozen=True)
class Declare:
    """Right-hand side: the name becomes known."""

    name: str
    value: str


@dataclass(frozen=True)
class Vote:
    """Right-hand side: one more distinct clause of a count; at `count` the name becomes known."""

    name: str
    value: str
    clause: int
    count: int


@dataclass(frozen=True)
class Tally:
    """Right-hand side: an item of a score is decided; thresholds that this decides become known."""

    score: str
    item: int  # -1: none yet, at the start
    holds: bool = False


@dataclass(frozen=True)
class Fire:
    """Right-hand side: a rule, red flag, note, scope notice or advice fires."""

    kind: str  # Evidence, RedFlag, Said (a note, scope notice or advice), Unless (what withholds an advice)
    id: str


@dataclass(frozen=True)
class Close:
    """Right-hand side: a rule can no longer fire."""

    id: str


@dataclass(frozen=True)
class Conclude:
    """Right-hand side: all else has fired; weigh the evidence for and against one diagnosis."""

    diagnosis: str


Action = Union[Declare, Vote, Tally, Fire, Close, Conclude]


@dataclass(frozen=True)
class Production:
    """One Experta rule to be: patterns, action, salience. `owner` is the author's id that it serves."""

    name: str
    owner: str
    patterns: tuple[Pattern, ...]
    action: Action
    stratum: int
    salience: int = 0

    def as_python(self) -> str:
        """The production as one would write it for Experta by hand."""
        inner = ",\n".join(f"    {p.as_python()}" for p in self.patterns)
        head = f"@Rule(\n{inner},\n    salience={self.salience},\n)"
        return f"{head}\ndef {_identifier(self.name)}(self):\n    {_body(self.action)}"


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def _body(action: Action) -> str:
    if isinstance(action, Declare):
        return f"self.declare(Known(name={action.name!r}, value={action.value!r}))"
    if isinstance(action, Vote):
        return f"self.vote({action.name!r}, {action.value!r}, clause={action.clause}, needed={action.count})"
    if isinstance(action, Tally):
        return f"self.tally({action.score!r}, item={action.item}, holds={action.holds})"
    if isinstance(action, Fire):
        return f"self.declare({'Said' if action.kind == 'Unless' else action.kind}(id={action.id!r}))"
    if isinstance(action, Close):
        return f"self.declare(Closed(id={action.id!r}))"
    return f"self.conclude({action.diagnosis!r})"


# Strata: what is concluded from answers first, then what is concluded from that, conclusions last, and those of exclusion
# after all others.
_DERIVE, _FLAG, _WEIGH, _SAY, _CLOSE, _CONCLUDE, _EXCLUDE = 0, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000


def needs_name(diagnosis: str) -> str:
    return f"needs of {diagnosis}"


def likely_needs_name(diagnosis: str) -> str:
    return f"likely needs of {diagnosis}"


def compile_knowledge(knowledge: Knowledge) -> tuple[Production, ...]:
    """Every production of the knowledge base, in the order in which they would fire; saliences unique and falling."""
    return _Compiler(knowledge).run()


def productions_for(knowledge: Knowledge, id: str) -> tuple[Production, ...]:
    """The productions that an id becomes, with the auxiliary ones that their patterns wait for; concepts are left to the id
    that they have themselves."""
    everything = compile_knowledge(knowledge)
    own = {id, needs_name(id), likely_needs_name(id), f"{id} [unless]"}
    wanted = {p.name: p for p in everything if p.owner in own}
    frontier = list(wanted.values())
    while frontier:
        waits_for = {(p.name, p.literal) for p in frontier.pop().patterns if p.fact == "Known"}
        for production in everything:
            made = production.action
            if not isinstance(made, (Declare, Vote)) or (made.name, made.value) not in waits_for:
                continue
            if made.name not in knowledge.concepts and production.name not in wanted:
                wanted[production.name] = production
                frontier.append(production)
    return tuple(p for p in everything if p.name in wanted)


class _Compiler:
    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.productions: list[Production] = []
        self.wanted: set[tuple[str, bool]] = set()
        self.pending: list[tuple[str, Condition, bool]] = []  # auxiliary facts and concepts still to be compiled
        self.thresholds: dict[str, dict[str, Compare]] = {}

    def run(self) -> tuple[Production, ...]:
        knowledge = self.knowledge
        for flag in knowledge.red_flags.values():
            self._fire("RedFlag", flag.id, flag.when, _FLAG)
        for rule in knowledge.rules.values():
            self._fire("Evidence", rule.id, rule.when, _WEIGH)
            self._add(f"{rule.id} [closed]", rule.id, self._patterns(rule.when, False), Close(rule.id), _CLOSE)
        for note in (*knowledge.notes.values(), *knowledge.scope.values()):
            self._fire("Said", note.id, note.when, _SAY)
        for advice in knowledge.advice.values():
            self._fire("Said", advice.id, advice.when, _SAY)
            if advice.unless is not None:
                self._fire("Unless", advice.unless_id, advice.unless, _SAY)
        for diagnosis in knowledge.diagnoses.values():
            for name, condition in (
                (needs_name(diagnosis.id), diagnosis.needs),
                (likely_needs_name(diagnosis.id), diagnosis.likely_when),
            ):
                if condition is not None:
                    for wanted in (True, False):
                        self.pending.append((name, condition, wanted))
            for leaf in diagnosis.needs_no:  # the right-hand side looks for it as yes
                self._patterns(leaf, True)
            self._add(
                f"conclude {diagnosis.id}",
                diagnosis.id,
                (Pattern("Candidate", diagnosis.id),),
                Conclude(diagnosis.id),
                _EXCLUDE if diagnosis.is_of_exclusion else _CONCLUDE,
            )
        for finding in knowledge.findings.values():
            if finding.when_closed_no and finding.ask_when is not None:
                patterns = (*self._patterns(finding.ask_when, False), Pattern("Unstated", finding.name))
                depth = knowledge.depth[finding.name]
                self._add(f"{finding.name} [gate closed]", finding.name, patterns, Declare(finding.name, NO), depth)
        while self.pending:
            self._name(*self.pending.pop())
        self._scores()
        ordered = sorted(self.productions, key=lambda p: (p.stratum, -len(p.patterns), p.name))
        total = len(ordered)
        return tuple(Production(p.name, p.owner, p.patterns, p.action, p.stratum, total - i) for i, p in enumerate(ordered))

    def _add(self, name: str, owner: str, patterns: tuple[Pattern, ...], action: Action, stratum: int) -> None:
        unique = tuple({p.key: p for p in patterns}.values())
        self.productions.append(Production(name, owner, unique, action, stratum))

    def _fire(self, kind: str, id: str, condition: Condition, stratum: int) -> None:
        # A condition without clauses holds from the start.
        patterns = self._patterns(condition, True) or (Pattern("Candidate", min(self.knowledge.diagnoses)),)
        self._add(id, id, patterns, Fire(kind, id), stratum)

    def _depth(self, condition: Condition) -> int:
        depth = self.knowledge.depth
        return _DERIVE + 1 + max((depth.get(name, 0) for name in names_in(condition)), default=0)

    def _name(self, name: str, condition: Condition, wanted: bool) -> None:
        """Productions that make `name` known yes (or no) when the condition is."""
        value = YES if wanted else NO
        suffix = "" if wanted else " [no]"
        stratum = self._depth(condition)
        while isinstance(condition, Not):
            condition, wanted = condition.child, not wanted
        needed, children = _alternatives(condition, wanted)
        if needed == 1:
            for i, child in enumerate(children):
                branch = f" [{i + 1}]" if len(children) > 1 else ""
                action = Declare(name, value)
                self._add(f"{name}{suffix}{branch}", name, self._patterns(child, wanted), action, stratum)
        elif needed == len(children):
            patterns = tuple(p for child in children for p in self._patterns(child, wanted))
            self._add(f"{name}{suffix}", name, patterns, Declare(name, value), stratum)
        else:
            for i, child in enumerate(children):
                vote = Vote(name, value, i, needed)
                self._add(f"{name}{suffix} [{i + 1}]", name, self._patterns(child, wanted), vote, stratum)

    def _patterns(self, condition: Condition, wanted: bool) -> tuple[Pattern, ...]:
        """Patterns that all match exactly when the condition is known yes (or, not wanted, known no)."""
        while isinstance(condition, Not):
            condition, wanted = condition.child, not wanted
        if isinstance(condition, (All, AnyOf, AtLeast)):
            needed, children = _alternatives(condition, wanted)
            if needed == len(children):
                return tuple(p for child in children for p in self._patterns(child, wanted))
            return (self._known(in_one_line(condition), condition, wanted),)
        if isinstance(condition, Is):
            concept = self.knowledge.concepts.get(condition.name)
            if concept is not None:
                return (self._known(concept.name, concept.when, wanted),)
            return (Pattern("Known", condition.name, YES if wanted else NO),)
        if isinstance(condition, Compare) and condition.name in self.knowledge.scores:
            key = in_one_line(condition)
            self.thresholds.setdefault(condition.name, {})[key] = condition
            return (Pattern("Known", key, YES if wanted else NO),)
        return (_leaf_pattern(condition, wanted),)

    def _known(self, name: str, condition: Condition, wanted: bool) -> Pattern:
        if (name, wanted) not in self.wanted:
            self.wanted.add((name, wanted))
            self.pending.append((name, condition, wanted))
        return Pattern("Known", name, YES if wanted else NO)

    def _scores(self) -> None:
        """Productions for every item of every score; compiling an item may want more names, or more scores."""
        done: set[str] = set()
        while set(self.thresholds) - done:
            name = min(set(self.thresholds) - done)
            done.add(name)
            depth = self.knowledge.depth[name]
            self._add(f"{name} [start]", name, (Pattern("Candidate", name),), Tally(name, -1), depth)
            for i, item in enumerate(self.knowledge.scores[name].counted):
                for wanted, word in ((True, YES), (False, NO)):
                    action = Tally(name, i, wanted)
                    self._add(f"{name} [{i + 1} {word}]", name, self._patterns(item.when, wanted), action, depth)
            while self.pending:
                self._name(*self.pending.pop())


def _alternatives(condition: Condition, wanted: bool) -> tuple[int, tuple[Condition, ...]]:
    """How many of which conditions must be as wanted for the whole to be."""
    if isinstance(condition, All):
        return (len(condition.children) if wanted else 1), condition.children
    if isinstance(condition, AnyOf):
        return (1 if wanted else len(condition.children)), condition.children
    if isinstance(condition, AtLeast):
        total = len(condition.children)
        return (condition.count if wanted else total - condition.count + 1), condition.children
    return 1, (condition,)


def _leaf_pattern(leaf: Condition, wanted: bool) -> Pattern:
    if isinstance(leaf, IsOneOf):
        values = leaf.values
        if wanted and len(values) == 1:
            return Pattern("Chosen", leaf.name, values[0])
        test = f"lambda value: value {'' if wanted else 'not '}in {values!r}"
        return Pattern("Chosen", leaf.name, test=test, passes=lambda value: (value in values) is wanted)
    if isinstance(leaf, Compare):
        operator, limit = leaf.operator, leaf.limit
        test = f"lambda value: value.compared({operator!r}, {limit!r}) is {wanted}"
        return Pattern("Quantity", leaf.name, test=test, passes=lambda v: v.compared(operator, limit) is wanted)
    if isinstance(leaf, OutOfRange):
        test = f"lambda value: value.{leaf.side}_range() is {wanted}"
        if leaf.side == "below":
            return Pattern("Quantity", leaf.name, test=test, passes=lambda v: v.below_range() is wanted)
        return Pattern("Quantity", leaf.name, test=test, passes=lambda v: v.above_range() is wanted)
    assert isinstance(leaf, TimesUpperLimit)
    operator, factor = leaf.operator, leaf.factor
    test = f"lambda value: value.to_upper_limit({operator!r}, {factor!r}) is {wanted}"
    return Pattern("Quantity", leaf.name, test=test, passes=lambda v: v.to_upper_limit(operator, factor) is wanted)
