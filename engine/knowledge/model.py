"""What is known: findings, conditions over them, and everything that is concluded from them. All of it frozen.

A `place` says where a thing was written; it takes no part in equality, nor in the knowledge hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import Union

from .canonical import digest
from .problems import Place
from .quantities import Interval, Linear

NOWHERE = Place("", 0, 0)

YES_NO, CHOICE, QUANTITY = "yes-no", "choice", "quantity"
KINDS = (YES_NO, CHOICE, QUANTITY)
PATIENT, EXAMINER, LABORATORY = "patient", "examiner", "laboratory"
KNOWERS = (PATIENT, EXAMINER, LABORATORY)
URGENCIES = ("routine", "soon", "same day", "emergency")  # rising
LEVELS = (  # in rank order, best supported first
    "contradictory",
    "established",
    "likely",
    "possible",
    "undecided",
    "not assessed",
    "not supported",
    "unlikely",
    "excluded",
)
AT_LEAST_POSSIBLE = LEVELS[:4]
AT_LEAST_LIKELY = LEVELS[:3]
FOR = ("establishes", "strongly supports", "supports", "weakly supports")
AGAINST = ("weakly opposes", "opposes", "strongly opposes", "excludes")
TIERS = ("most_likely", "other_likely", "do_not_miss", "rare")
DO_NOT_MISS = "do_not_miss"
EXCLUSION = "exclusion"  # the kind of a diagnosis that is decided once all others are
MOST_NEEDS_NO = 8  # more than a few screening questions would never all be answered


# Conditions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Is:
    """The finding or concept is known yes."""

    name: str
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Compare:
    """The quantity (canonical unit) or score (points) compares so with a limit."""

    name: str
    operator: str
    limit: Decimal
    written: str = field(default="", compare=False)
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class OutOfRange:
    """The quantity lies `below` or `above` its reference interval."""

    name: str
    side: str
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class TimesUpperLimit:
    """The quantity compares so with a multiple of its reference interval's upper end."""

    name: str
    operator: str
    factor: Decimal
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class IsOneOf:
    """The choice is known to be one of these."""

    name: str
    values: tuple[str, ...]
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Not:
    child: Condition


@dataclass(frozen=True)
class All:
    children: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    children: tuple[Condition, ...]


@dataclass(frozen=True)
class AtLeast:
    count: int
    children: tuple[Condition, ...]


Leaf = Union[Is, Compare, OutOfRange, TimesUpperLimit, IsOneOf]
Condition = Union[Is, Compare, OutOfRange, TimesUpperLimit, IsOneOf, Not, All, AnyOf, AtLeast]
LEAVES = (Is, Compare, OutOfRange, TimesUpperLimit, IsOneOf)


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Every leaf of the tree, in the order it was written."""
    if isinstance(condition, LEAVES):
        yield condition
    elif isinstance(condition, Not):
        yield from leaves(condition.child)
    else:
        for child in condition.children:
            yield from leaves(child)


# Findings ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Derivation:
    """How a quantity follows from others; for `linear`, factors go with `inputs` and `constant` is added."""

    how: str  # difference, absolute_difference, ratio, smaller_of, larger_of, linear
    inputs: tuple[str, ...]
    factors: tuple[Decimal, ...] = ()
    constant: Decimal = Decimal(0)
    places: tuple[Place, ...] = field(default=(), compare=False)  # where each input is named


@dataclass(frozen=True)
class Scale:
    """What makes a finding a quantity."""

    unit: str
    units: tuple[tuple[str, Linear], ...]
    decimals: int
    plausible: tuple[Decimal, Decimal]
    usual: tuple[Decimal, Decimal] | None = None
    reference: tuple[Decimal, Decimal] | None = None
    reference_source: str = ""
    derived: Derivation | None = None


@dataclass(frozen=True)
class Finding:
    """Something that can be known about a patient."""

    name: str
    title: str
    ask: str
    kind: str
    known_by: str
    also_called: tuple[str, ...] = ()
    ask_when: Condition | None = None
    when_closed_no: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    scale: Scale | None = None
    confirmatory: bool = False
    fixed: bool = False  # it could not have been otherwise, so no explanation proposes it
    recorded_only: bool = False
    was: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Impossible:
    """What no patient can have together."""

    id: str
    title: str
    when: Condition
    place: Place = field(default=NOWHERE, compare=False)


# Conclusions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Concept:
    name: str
    title: str
    when: Condition
    source: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)
    partition: str = field(default="", compare=False)  # nothing follows from it: it is there to be checked
    partition_place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Item:
    """One line of a points table."""

    when: Condition
    points: Decimal


@dataclass(frozen=True)
class Score:
    """A points table; of each group in `one_of` the first item that holds counts."""

    name: str
    title: str
    diagnosis: str
    source: tuple[str, ...]
    items: tuple[Item, ...]
    one_of: tuple[tuple[Item, ...], ...] = ()
    asserted_only: tuple[Item, ...] = ()
    evidence: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def counted(self) -> tuple[Item, ...]:
        """The items that the total rests on, in the order in which they are numbered: single ones, then the groups."""
        return (*self.items, *(item for group in self.one_of for item in group))


@dataclass(frozen=True)
class Rule:
    """A condition and the evidence that it is, for or against its diagnosis."""

    id: str
    diagnosis: str
    title: str
    when: Condition
    then: str
    source: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    cluster: str = ""
    scope: str = ""
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def is_for(self) -> bool:
        return self.then in FOR


@dataclass(frozen=True)
class RedFlag:
    id: str
    title: str
    when: Condition
    urgency: str
    action: str
    source: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Note:
    """A text shown when its condition is yes: about a condition that is no diagnosis here, or (`scope`) about our limits."""

    id: str
    title: str
    when: Condition
    text: str
    source: tuple[str, ...]
    about: str = ""
    evidence: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)
    yields: str = ""  # yes: not shown once the diagnosis that it is about is possible, which then says it all; no; not said


@dataclass(frozen=True)
class Link:
    """That a diagnosis may be what causes another, or a concept: shown beside them, and of no weight."""

    id: str
    title: str
    cause: str  # a diagnosis
    effect: str  # a diagnosis or a concept
    when: Condition
    source: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Advice:
    """What a patient may be told once the diagnosis is possible, only while `when` is known to hold, and never once
    `unless` is."""

    id: str
    diagnosis: str
    text: str
    when: Condition
    withheld: str
    source: tuple[str, ...]
    unless: Condition | None = None
    evidence: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def unless_id(self) -> str:
        """What is said, under this id, when `unless` is yes."""
        return f"{self.id} [unless]"


@dataclass(frozen=True)
class Diagnosis:
    id: str
    tier: str
    title: str
    summary: str
    icd10: str = ""
    origin: str = "document"
    urgency: tuple[tuple[str, str], ...] = ()
    needs: Condition | None = None
    likely_needs: Condition | None = None
    next_steps: tuple[str, ...] = ()
    kind: str = ""  # or `EXCLUSION`
    needs_no: tuple[Is, ...] = ()  # of a diagnosis of exclusion: what must not be there
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def is_of_exclusion(self) -> bool:
        return self.kind == EXCLUSION

    @cached_property
    def nothing_else(self) -> Condition | None:
        """That nothing it `needs_no` of is there; None where it names nothing."""
        return All(tuple(map(Not, self.needs_no))) if self.needs_no else None

    @cached_property
    def likely_when(self) -> Condition | None:
        """All that must be yes before it is likely: its `likely_needs`, and that nothing it `needs_no` of is there. Always
        the same object, by which readers know a condition again."""
        if self.likely_needs is None or self.nothing_else is None:
            return self.likely_needs or self.nothing_else
        return All((self.likely_needs, self.nothing_else))

    @property
    def gates(self) -> tuple[Condition, ...]:
        """What must be yes before it is possible, and before it is likely, where anything must."""
        return tuple(condition for condition in (self.needs, self.likely_when) if condition is not None)


@dataclass(frozen=True)
class Source:
    id: str
    citation: str
    checked: str
    doi: str = ""
    pmid: str = ""
    ref: str = ""
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class EvidenceRow:
    id: str
    finding: str
    strength: str = ""
    refs: tuple[str, ...] = ()
    not_coded: str = ""
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Review:
    """That somebody of this role has judged a thing by its sources; `digest` is of what it said then.

    A review is no knowledge: whoever has read a rule, it says the same of every patient. So reviews are left out of the
    knowledge hash, and results and journals of before a review stay comparable with those of after it. A review is of the
    thing alone; the concepts and scores that it rests on have reviews of their own.
    """

    id: str
    digest: str
    date: str
    role: str
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Tier:
    id: str
    heading: str
    diagnoses: tuple[str, ...]
    places: tuple[Place, ...] = field(default=(), compare=False)  # where each diagnosis is listed


@dataclass(frozen=True)
class Weighing:
    """Points of a strength (unsigned), and where the levels begin."""

    weak: int
    moderate: int
    strong: int
    possible: int
    likely: int
    unlikely: int

    def points(self, then: str) -> int:
        """Signed points of a strength; 0 for `establishes` and `excludes`, which do not weigh."""
        sign = 1 if then in FOR else -1
        if then in ("establishes", "excludes"):
            return 0
        if then.startswith("strongly"):
            return sign * self.strong
        return sign * (self.weak if then.startswith("weakly") else self.moderate)


@dataclass(frozen=True)
class Panel:
    """Related findings that are asked on one screen; `alone` where others beside them would be misleading."""

    title: str
    findings: tuple[str, ...]
    alone: bool = False


@dataclass(frozen=True)
class Topic:
    id: str
    title: str
    panels: tuple[Panel, ...]


Sourced = Union[Concept, Score, Rule, RedFlag, Note, Advice, Link]


@dataclass(frozen=True)
class Knowledge:
    """A whole knowledge base. Mappings are by id in sorted order, so that the order of files never shows."""

    findings: Mapping[str, Finding]
    impossible: Mapping[str, Impossible]
    concepts: Mapping[str, Concept]
    scores: Mapping[str, Score]
    rules: Mapping[str, Rule]
    red_flags: Mapping[str, RedFlag]
    notes: Mapping[str, Note]
    scope: Mapping[str, Note]
    advice: Mapping[str, Advice]
    diagnoses: Mapping[str, Diagnosis]
    sources: Mapping[str, Source]
    register: Mapping[str, EvidenceRow]
    tiers: tuple[Tier, ...]
    weighing: Weighing
    topics: tuple[Topic, ...]
    reviews: Mapping[str, Review]
    links: Mapping[str, Link] = field(default_factory=lambda: MappingProxyType({}))
    hash: str = ""
    is_document_only: bool = False  # diagnoses from beyond the document have been left out
    left_out: frozenset[str] = frozenset()  # the ids of these, and of what belongs to them

    def titled(self, words: str) -> list[str]:
        """The diagnoses whose titles have the words in them, in capitals or not."""
        return [id for id, entry in self.diagnoses.items() if words.lower() in entry.title.lower()]

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Diagnosis ids: the document's own in its order, then those beyond, by tier and id."""
        named = [d for tier in self.tiers for d in tier.diagnoses if d in self.diagnoses]
        beyond = sorted(
            (d for d in self.diagnoses if d not in named), key=lambda d: (TIERS.index(self.diagnoses[d].tier), d)
        )
        return (*named, *beyond)

    @cached_property
    def beyond(self) -> frozenset[str]:
        """The diagnoses that the document does not list."""
        return frozenset(d for d, entry in self.diagnoses.items() if entry.origin != "document")

    @cached_property
    def before_exclusion(self) -> tuple[str, ...]:
        """The diagnoses that are decided first: all that are not of exclusion."""
        return tuple(d for d, entry in self.diagnoses.items() if not entry.is_of_exclusion)

    @cached_property
    def of_exclusion(self) -> tuple[str, ...]:
        """The diagnoses that are decided after all else."""
        return tuple(d for d, entry in self.diagnoses.items() if entry.is_of_exclusion)

    @cached_property
    def rules_of(self) -> Mapping[str, tuple[Rule, ...]]:
        """The rules of each diagnosis, by id."""
        rules: dict[str, list[Rule]] = {diagnosis: [] for diagnosis in self.diagnoses}
        for rule in self.rules.values():
            if rule.diagnosis in rules:
                rules[rule.diagnosis].append(rule)
        return MappingProxyType({diagnosis: tuple(its) for diagnosis, its in rules.items()})

    @property
    def sourced(self) -> Mapping[str, Sourced]:
        """Everything that names a source and rows of evidence, by id."""
        return {
            **self.concepts,
            **self.scores,
            **self.rules,
            **self.red_flags,
            **self.notes,
            **self.scope,
            **self.advice,
            **self.links,
        }

    @cached_property
    def reviewed(self) -> frozenset[str]:
        """The ids of what says today what it said when it was reviewed."""
        things = self.sourced
        return frozenset(r.id for r in self.reviews.values() if r.id in things and digest(things[r.id]) == r.digest)

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """Former names of findings, and what they are called now."""
        return MappingProxyType({old: f.name for f in self.findings.values() for old in f.was})

    @cached_property
    def other_names(self) -> Mapping[str, str]:
        """Other words for findings, in small letters, and what the findings are called here."""
        return MappingProxyType({s.lower(): f.name for f in self.findings.values() for s in f.also_called})

    @cached_property
    def depends_on(self) -> Mapping[str, tuple[str, ...]]:
        """What each concept, score, gated finding and derived quantity needs decided first."""
        needs: dict[str, tuple[str, ...]] = {}
        for concept in self.concepts.values():
            needs[concept.name] = tuple(leaf.name for leaf in leaves(concept.when))
        for score in self.scores.values():
            needs[score.name] = tuple(leaf.name for item in score.counted for leaf in leaves(item.when))
        for finding in self.findings.values():
            if finding.when_closed_no and finding.ask_when is not None:
                needs[finding.name] = tuple(leaf.name for leaf in leaves(finding.ask_when))
            elif finding.scale is not None and finding.scale.derived is not None:
                needs[finding.name] = finding.scale.derived.inputs
        return needs

    @cached_property
    def depth(self) -> Mapping[str, int]:
        """How many steps of inference a concept, score or gated finding is away from the answers; from 1."""
        needs = {
            n: tuple(d for d in on if d in self.depends_on)
            for n, on in self.depends_on.items()
            if n not in self.findings or self.findings[n].scale is None
        }
        depth: dict[str, int] = {}
        for start in sorted(needs):
            stack = [start]  # not recursive: a chain may be long
            while stack:
                name = stack[-1]
                waiting = [d for d in needs[name] if d in needs and d not in depth]
                if waiting:
                    stack.extend(waiting)
                else:
                    stack.pop()
                    depth[name] = 1 + max((depth[d] for d in needs[name] if d in needs), default=0)
        return depth

    @cached_property
    def decision_order(self) -> tuple[str, ...]:
        """Concepts, scores and gated findings, each after all that it rests on."""
        return tuple(sorted(self.depth, key=lambda name: (self.depth[name], name)))

    def said_of(self, diagnosis: str) -> tuple[Condition, ...]:
        """All conditions from which something follows about a diagnosis; of one of exclusion, all but what else is found."""
        return *(rule.when for rule in self.rules_of[diagnosis]), *self.diagnoses[diagnosis].gates

    @cached_property
    def panels(self) -> tuple[tuple[Topic, Panel], ...]:
        """Every panel with its topic, in the order of the interview."""
        return tuple((topic, panel) for topic in self.topics for panel in topic.panels)

    @cached_property
    def panels_of(self) -> Mapping[str, tuple[int, ...]]:
        """Where in `panels` each finding is asked about."""
        found: dict[str, tuple[int, ...]] = {}
        for place, (_, panel) in enumerate(self.panels):
            for name in panel.findings:
                found[name] = (*found.get(name, ()), place)
        return found

    def below(self, names: Iterable[str]) -> frozenset[str]:
        """The names, and all that any of them rests on, down to the answers."""
        found = set(names)
        waiting = list(found)
        while waiting:
            new = set(self.depends_on.get(waiting.pop(), ())) - found
            found |= new
            waiting += new
        return frozenset(found)

    def decided_for(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those in `decision_order` that something about these names rests on."""
        return tuple(sorted(self.below(names) & self.depth.keys(), key=lambda name: (self.depth[name], name)))


_NOT_HASHED = ("reviews", "hash", "is_document_only", "left_out")  # what is no knowledge


def with_hash(knowledge: Knowledge) -> Knowledge:
    """The knowledge base with the hash of what it says."""
    said = {f.name: getattr(knowledge, f.name) for f in fields(knowledge) if f.name not in _NOT_HASHED}
    return replace(knowledge, hash=digest(said))


@dataclass(frozen=True)
class Answer:
    """What is known of one finding: yes or no, a choice, or where a quantity lies. Exactly one of the three is given."""

    truth: bool | None = None
    choice: str = ""
    quantity: Interval | None = None
    reference: tuple[Decimal, Decimal] | None = None  # of the laboratory that measured it
    derived: bool = False
    written: str = field(default="", compare=False)
    place: Place = field(default=NOWHERE, compare=False)

    def compared(self, operator: str, limit: Decimal) -> bool | None:
        """Whether the quantity compares so with a limit; None when its values do not decide alike."""
        return None if self.quantity is None else self.quantity.compared(operator, limit)

    def below_range(self) -> bool | None:
        """Whether the quantity lies below its reference interval; None without one."""
        return None if self.reference is None else self.compared("<", self.reference[0])

    def above_range(self) -> bool | None:
        """Whether the quantity lies above its reference interval; None without one."""
        return None if self.reference is None else self.compared(">", self.reference[1])

    def to_upper_limit(self, operator: str, factor: Decimal) -> bool | None:
        """Whether the quantity compares so with a multiple of the reference interval's upper end; None without one."""
        return None if self.reference is None else self.compared(operator, factor * self.reference[1])


Findings = Mapping[str, Answer]  # a patient: what is unknown is absent
