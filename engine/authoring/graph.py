"""How findings flow through concepts and scores to conclusions: a graph, as text for Mermaid and for Graphviz."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from ..inference.explanation import conditions_on
from ..inference.justification import value_in_words
from ..inference.outcome import Outcome
from ..knowledge.conditions import in_one_line, leaf_in_words
from ..knowledge.model import (
    AT_LEAST_POSSIBLE,
    KNOWERS,
    LEAVES,
    PATIENT,
    URGENCIES,
    YES_NO,
    AnyOf,
    AtLeast,
    Condition,
    Finding,
    Item,
    Knowledge,
    Leaf,
    Not,
    RedFlag,
    Rule,
    leaves,
)
from ..knowledge.quantities import in_words, plain
from ..knowledge.truth import Truth, Valuation, decisive, truth_word
from ..report.words import counted, standing

FINDING, LISTED, CONCEPT, SCORE, RULE, GATE = "finding", "list", "concept", "score", "rule", "gate"
DIAGNOSIS, FLAG, TOPIC = "diagnosis", "flag", "topic"
PRO, CONTRA, LINK = "for", "against", "link"
MOST_ALONE = 6  # findings of one condition that stand on their own; more are listed in one node
WIDTH, LIST_WIDTH = 34, 46  # characters of a line in a node


@dataclass(frozen=True)
class Node:
    """What stands in the graph, as lines. Under a case, `truth` is what is known of it, and `fired` says that it is part of
    why a rule, a gate or a red flag holds."""

    id: str
    kind: str
    lines: tuple[str, ...]
    group: str = ""
    truth: Truth = None
    fired: bool = False


@dataclass(frozen=True)
class Edge:
    """From what is read to what reads it; `side` is for or against where it bears on a diagnosis."""

    start: str
    end: str
    label: str = ""
    side: str = ""
    truth: Truth = None
    fired: bool = False


@dataclass(frozen=True)
class Graph:
    """Nodes and edges in the order in which they are drawn; `about_case` where truths mean anything."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    groups: Mapping[str, str] = field(default_factory=dict)  # id and title, in order
    about_case: bool = False


def graph_of(knowledge: Knowledge, diagnosis: str | None = None, outcome: Outcome | None = None) -> Graph:
    """All that bears on one diagnosis; or, without one, the whole knowledge base with findings counted by who knows them.
    With an outcome, what is known of that patient stands in it."""
    valuation = None if outcome is None else outcome.valuation
    if diagnosis is None:
        return _Overview(knowledge, valuation, outcome).graph()
    return _Paths(knowledge, valuation).graph(diagnosis, outcome)


def _id(kind: str, name: str) -> str:
    """An id of letters, digits and underscores; ids of one kind hold hyphens or underscores, never both."""
    return f"{kind}_" + re.sub(r"[^A-Za-z0-9_]", "_", name)


def _title(text: str, width: int = WIDTH) -> tuple[str, ...]:
    return tuple(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)) or ("",)


def _bullet(text: str) -> tuple[str, ...]:
    first, *more = _title(text, LIST_WIDTH)
    return (f"• {first}", *(f"   {line}" for line in more))


def _how(condition: Condition, negated: bool = False) -> str:
    """How the parts of a condition go together."""
    if isinstance(condition, AnyOf):
        return "none of:" if negated else "any of:"
    if isinstance(condition, AtLeast):
        return f"fewer than {condition.count} of:" if negated else f"{condition.count} or more of:"
    return "not all of:" if negated else "all of:"


def _limit(leaf: Leaf) -> str:
    """What is asked of the thing that a leaf names, beyond yes."""
    return leaf_in_words(leaf).removeprefix(leaf.name).strip()


def _parts(condition: Condition) -> tuple[Condition, ...]:
    return () if isinstance(condition, (Not, *LEAVES)) else condition.children


def _positive(condition: Condition) -> tuple[Condition, bool]:
    """The condition without the `not` before it, and whether there was one."""
    negated = False
    while isinstance(condition, Not):
        condition, negated = condition.child, not negated
    return condition, negated


# One diagnosis -------------------------------------------------------------------------------------------------------


class _Paths:
    """Collects nodes and edges from a diagnosis back to the findings."""

    def __init__(self, knowledge: Knowledge, valuation: Valuation | None) -> None:
        self.knowledge = knowledge
        self.valuation = valuation
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.names: dict[str, str] = {}  # of findings, concepts and scores, by node
        self.listed: dict[str, str] = {}  # a condition in one line, and the node that lists it
        self.denied: set[str] = set()  # lists of what must not be
        self.waiting: list[str] = []  # concepts, scores and derived quantities whose own paths are still to be followed

    def graph(self, diagnosis: str, outcome: Outcome | None) -> Graph:
        knowledge = self.knowledge
        entry = knowledge.diagnoses[diagnosis]
        end = _id(DIAGNOSIS, diagnosis)
        conclusion = None if outcome is None else outcome.conclusion(diagnosis)
        groups: dict[str, str] = {}
        for rule in sorted(knowledge.rules_of[diagnosis], key=lambda r: (not r.is_for, r.cluster)):
            group = rule.cluster and _id("cluster", rule.cluster)
            if group:
                groups.setdefault(group, f"cluster {rule.cluster}: the strongest for and against count")
            truth = self.truth(rule.when)
            node = Node(_id(RULE, rule.id), RULE, (*_title(rule.title), f"[{rule.then}]"), group, truth, truth is True)
            self.add(node)
            self.feed(node.id, rule.when)
            outdone = conclusion is not None and truth is True and rule.id not in conclusion.counted
            label = self.weight(rule) + (" (outdone)" if outdone else "")
            self.edges.append(Edge(node.id, end, label, PRO if rule.is_for else CONTRA, truth, truth is True))
        for what, condition in conditions_on(entry):
            if condition is not None:
                truth = self.truth(condition)
                words = ("needed", "else it is at most undecided" if what == "needs" else "else it is at most possible")
                node = Node(_id(GATE, what), GATE, words, "", truth, truth is True)
                self.add(node)
                self.feed(node.id, condition)
                self.edges.append(Edge(node.id, end, what.replace("_", " "), "", truth, truth is True))
        while self.waiting:
            self.follow(self.waiting.pop(0))
        said = () if conclusion is None else (standing(conclusion),)
        reached = conclusion is not None and conclusion.level in AT_LEAST_POSSIBLE
        self.nodes[end] = Node(end, DIAGNOSIS, (*_title(entry.title), *said), "", True if conclusion else None, reached)
        self.fire()
        return Graph(
            f"{entry.title}: from findings to the conclusion",
            tuple(self.worded()),
            tuple(self.edges),
            groups,
            self.valuation is not None,
        )

    def weight(self, rule: Rule) -> str:
        """What a rule counts for, with its side in a word."""
        points = self.knowledge.weighing.points(rule.then)
        return f"{PRO if rule.is_for else CONTRA} {points:+d}" if points else rule.then

    def truth(self, condition: Condition) -> Truth:
        return None if self.valuation is None else self.valuation.of(condition)

    def add(self, node: Node) -> None:
        self.nodes.setdefault(node.id, node)

    def feed(self, owner: str, condition: Condition, label: str = "", head: bool = True) -> None:
        """Leads what a condition reads to its owner: each part on its own, or one list where there are many."""
        inner, negated = _positive(condition)
        parts = _parts(inner)
        many = sum(1 for part in parts if self.is_plain(part)) > MOST_ALONE
        if not parts or negated or many or not head:
            self.lead(owner, condition, label)
            return
        if len(parts) > 1:
            node = self.nodes[owner]
            self.nodes[owner] = replace(node, lines=(*node.lines, f"when {_how(inner)}".rstrip(":")))
        for part in parts:
            self.lead(owner, part, label)

    def is_plain(self, condition: Condition) -> bool:
        """Whether a line says all of it: it speaks of one finding, which follows from no others."""
        inner, _ = _positive(condition)
        if not isinstance(inner, LEAVES) or inner.name not in self.knowledge.findings:
            return False
        scale = self.knowledge.findings[inner.name].scale
        return scale is None or scale.derived is None

    def lead(self, owner: str, condition: Condition, label: str = "") -> None:
        """One edge to the owner, from the thing that a leaf names or from the node that lists a condition's parts."""
        inner, negated = _positive(condition)
        truth = self.truth(condition)
        if isinstance(inner, LEAVES):
            start = self.named(inner.name)
            words = " ".join(w for w in ("not" if negated else "", _limit(inner)) if w)
        else:
            start, words = self.list_of(owner, condition), ""
        self.edges.append(Edge(start, owner, ", ".join(w for w in (words, label) if w), "", truth))

    def list_of(self, owner: str, condition: Condition) -> str:
        """The node that lists a condition's findings in lines; the same condition has the same node."""
        key = in_one_line(condition)
        if key in self.listed:
            return self.listed[key]
        number = 1
        while (id := f"{LISTED}_{owner}_{number}") in self.nodes:
            number += 1
        self.listed[key] = id
        inner, negated = _positive(condition)
        lines = [_how(inner, negated)]
        others = []
        for part in _parts(inner):
            leaf, without = _positive(part)
            if self.is_plain(part) and isinstance(leaf, LEAVES):
                finding = self.knowledge.findings[leaf.name]
                knower = finding.known_by + ("" if self.valuation is None else f": {self.value(leaf.name)}")
                limited = f"{finding.title} {_limit(leaf)}".rstrip()
                lines += _bullet(f"{'not: ' if without else ''}{limited} ({knower})")
            else:
                others.append(part)
        self.nodes[id] = Node(id, LISTED, tuple(lines), "", self.truth(condition))
        if negated:
            self.denied.add(id)
        for part in others:
            self.lead(id, part)
        return id

    def named(self, name: str) -> str:
        """The node of a finding, concept or score."""
        knowledge = self.knowledge
        if name in knowledge.findings:
            finding = knowledge.findings[name]
            id = _id(FINDING, name)
            node = Node(id, FINDING, _title(f"{finding.title} ({finding.known_by})"), "", self.known(finding))
            more = finding.scale is not None and finding.scale.derived is not None
        elif name in knowledge.concepts:
            id = _id(CONCEPT, name)
            truth = None if self.valuation is None else self.valuation.decided[name]
            node = Node(id, CONCEPT, _title(knowledge.concepts[name].title), "", truth)
            more = True
        else:
            id = _id(SCORE, name)
            node = Node(id, SCORE, _title(knowledge.scores[name].title))
            more = True
        if more and id not in self.nodes:
            self.waiting.append(name)
        self.names[id] = name
        self.add(node)
        return id

    def known(self, finding: Finding) -> Truth:
        """What is known of a yes-no finding; of another, yes says only that its value is known."""
        if self.valuation is None:
            return None
        if finding.kind == YES_NO:
            return self.valuation.truth_of(finding.name)
        return True if finding.name in self.valuation.findings else None

    def value(self, name: str) -> str:
        """A finding's value in words."""
        assert self.valuation is not None
        if name in self.valuation.findings:
            return value_in_words(self.valuation, name)
        return truth_word(self.known(self.knowledge.findings[name]))

    def follow(self, name: str) -> None:
        """Leads to a concept, score or derived quantity what it rests on."""
        knowledge = self.knowledge
        if name in knowledge.concepts:
            self.feed(_id(CONCEPT, name), knowledge.concepts[name].when)
        elif name in knowledge.scores:
            score = knowledge.scores[name]
            for item in score.items:
                self.feed(_id(SCORE, name), item.when, _points(item), head=False)
            for group in score.one_of:
                for item in group:
                    self.feed(_id(SCORE, name), item.when, f"{_points(item)}, first of {len(group)}", head=False)
            for item in score.asserted_only:
                self.feed(_id(SCORE, name), item.when, f"{_points(item)}, only in a total given whole", head=False)
        else:
            scale = knowledge.findings[name].scale
            assert scale is not None
            assert scale.derived is not None
            for other in scale.derived.inputs:
                how = scale.derived.how.replace("_", " ")
                self.edges.append(
                    Edge(self.named(other), _id(FINDING, name), how, "", self.known(knowledge.findings[other]))
                )

    def fire(self) -> None:
        """Marks backwards what makes fired rules and gates hold: parts that hold, of things that hold and are used."""
        into: dict[str, list[int]] = {}
        for number, edge in enumerate(self.edges):
            into.setdefault(edge.end, []).append(number)
        stack = [node.id for node in self.nodes.values() if node.kind in (RULE, GATE) and node.fired]
        done = set(stack)
        while stack:
            end = stack.pop()
            if self.nodes[end].truth is False or end in self.denied:  # what it rests on did not make it so by holding
                continue
            for number in into.get(end, ()):
                edge = self.edges[number]
                if edge.truth is not True:
                    continue
                self.edges[number] = replace(edge, fired=True)
                if edge.start not in done:
                    done.add(edge.start)
                    stack.append(edge.start)
        self.nodes = {id: replace(node, fired=node.fired or id in done) for id, node in self.nodes.items()}

    def worded(self) -> Iterator[Node]:
        """The nodes, each with what is known of it in words, for no border or colour says it alone."""
        for node in self.nodes.values():
            if self.valuation is None or node.kind == DIAGNOSIS:
                yield node
                continue
            said = truth_word(node.truth)
            truth = node.truth
            if node.kind == FINDING:
                said = self.value(self.names[node.id])
            elif node.kind == SCORE:
                total = self.valuation.scores[self.names[node.id]]
                said, truth = in_words(total, "points"), True if total.exact is not None else None
            yield replace(node, lines=(*node.lines, f"= {said}"), truth=truth)


def _points(item: Item) -> str:
    return f"{'+' if item.points > 0 else ''}{plain(item.points)}"


# The whole -----------------------------------------------------------------------------------------------------------


@dataclass
class _Bundle:
    """Why one thing leads to another: the rules or conditions between them, and the findings that they read."""

    pro: dict[str, None] = field(default_factory=dict)
    contra: dict[str, None] = field(default_factory=dict)
    findings: dict[str, None] = field(default_factory=dict)
    fired: bool = False
    waits: bool = False

    @property
    def truth(self) -> Truth:
        return True if self.fired else None if self.waits else False


class _Overview:
    """One node for a diagnosis and a score, one for the concepts that serve one diagnosis alone or the same tiers, one for
    the red flags of an urgency; findings are counted by topic where they are the patient's, else by who knows them."""

    def __init__(self, knowledge: Knowledge, valuation: Valuation | None, outcome: Outcome | None) -> None:
        self.knowledge = knowledge
        self.valuation = valuation
        self.outcome = outcome
        self.topic_of = {f: t.id for t, p in knowledge.panels for f in p.findings}
        self.bundles: dict[tuple[str, str], _Bundle] = {}
        self.sources = {_id(TOPIC, topic.id): topic.title for topic in knowledge.topics}
        for knower in KNOWERS:
            self.sources.setdefault(_id("knower", knower), knower.capitalize())
        self.packed = {**self.pack_concepts(), **self.pack_flags()}

    def users(self) -> Iterator[tuple[str, str, str, Condition, Rule | None]]:
        """What reads a condition: the kind and name of its node, the id to count, the condition, the rule if it is one."""
        knowledge = self.knowledge
        for concept in knowledge.concepts.values():
            yield CONCEPT, concept.name, concept.name, concept.when, None
        for score in knowledge.scores.values():
            for number, item in enumerate((*score.counted, *score.asserted_only)):
                yield SCORE, score.name, f"{score.name} {number}", item.when, None
        for diagnosis in knowledge.order:
            for rule in knowledge.rules_of[diagnosis]:
                yield DIAGNOSIS, diagnosis, rule.id, rule.when, rule
            for gate in knowledge.diagnoses[diagnosis].gates:
                yield DIAGNOSIS, diagnosis, "", gate, None
        for flag in knowledge.red_flags.values():
            yield FLAG, flag.id, flag.id, flag.when, None

    def pack_concepts(self) -> dict[str, str]:
        """The node of each concept: those that lead to the same diagnosis alone share one, of those that lead to several
        the ones that lead to the same tiers, and those that lead to red flags alone."""
        diagnoses = self.knowledge.diagnoses
        first: dict[tuple[str, ...], str] = {}
        packed = {}
        for name, ends in self.ends().items():
            concluded = sorted(ends & diagnoses.keys())
            key = concluded if len(concluded) == 1 else sorted({diagnoses[diagnosis].tier for diagnosis in concluded})
            packed[_id(CONCEPT, name)] = _id(CONCEPT, first.setdefault(tuple(key or sorted(ends)), name))
        return packed

    def ends(self) -> dict[str, frozenset[str]]:
        """Where each concept leads in the end: diagnoses, and `FLAG` for any red flag."""
        scores = self.knowledge.scores
        direct: dict[str, set[str]] = {name: set() for name in self.knowledge.concepts}
        through: dict[str, set[str]] = {name: set() for name in self.knowledge.concepts}
        for kind, name, _, condition, _ in self.users():
            reader = FLAG if kind == FLAG else scores[name].diagnosis if kind == SCORE else name
            for leaf in leaves(condition):
                if leaf.name in direct:
                    (through if kind == CONCEPT else direct)[leaf.name].add(reader)

        @cache
        def ends_of(concept: str) -> frozenset[str]:
            return frozenset(direct[concept]).union(*map(ends_of, through[concept]))

        return {name: ends_of(name) for name in self.knowledge.concepts}

    def pack_flags(self) -> dict[str, str]:
        """The node of each red flag: those of one urgency share one."""
        return {_id(FLAG, flag.id): _id(FLAG, flag.urgency) for flag in self.knowledge.red_flags.values()}

    def node_of(self, kind: str, name: str) -> str:
        id = _id(kind, name)
        return self.packed.get(id, id)

    def start_of(self, name: str) -> str:
        knowledge = self.knowledge
        if name in knowledge.concepts:
            return self.node_of(CONCEPT, name)
        if name in knowledge.scores:
            return self.node_of(SCORE, name)
        finding = knowledge.findings[name]
        asked = finding.known_by == PATIENT and name in self.topic_of
        return _id(TOPIC, self.topic_of[name]) if asked else _id("knower", finding.known_by)

    def graph(self) -> Graph:
        for kind, name, id, condition, rule in self.users():
            self.bundle(self.node_of(kind, name), id, condition, rule)
        nodes = [self.with_sources(node) for node in self.conclusions()]
        topics = [node for end in nodes if end.kind in (DIAGNOSIS, FLAG) for node in self.topics_of(end.id)]
        edges = [self.joined(node.id, node.id.removeprefix(f"{TOPIC}_")) for node in topics]
        edges += self.linked()
        edges += [
            Edge(start, end, *self.label(end, bundle), bundle.truth, bundle.fired)
            for (start, end), bundle in self.bundles.items()
            if start != end and start not in self.sources
        ]
        return Graph("From findings to conclusions", (*topics, *nodes), tuple(edges), {}, self.valuation is not None)

    def linked(self) -> Iterator[Edge]:
        """From what may be the cause to what it may bring about; an arrow for each pair."""
        knowledge = self.knowledge
        shown = set[str]() if self.outcome is None else {link.id for link, _ in self.outcome.links}
        pairs: dict[tuple[str, str], bool] = {}
        for link in knowledge.links.values():
            kind = DIAGNOSIS if link.effect in knowledge.diagnoses else CONCEPT
            pair = _id(DIAGNOSIS, link.cause), self.node_of(kind, link.effect)
            pairs[pair] = pairs.get(pair, False) or link.id in shown
        for (start, end), fired in pairs.items():
            yield Edge(start, end, "may be behind", LINK, True if fired else None, fired)  # not shown is not no

    def read_by(self, end: str) -> list[tuple[str, _Bundle]]:
        """The topics and knowers whose findings a node reads itself, in their order."""
        return [(title, self.bundles[(id, end)]) for id, title in self.sources.items() if (id, end) in self.bundles]

    def with_sources(self, node: Node) -> Node:
        """A score with what it reads; concepts that share a node read nearly everything together. An edge from each topic
        to each of them would hide every other edge."""
        if node.kind != SCORE:
            return node
        said = ", ".join(f"{title} ({len(bundle.findings)})" for title, bundle in self.read_by(node.id))
        return replace(node, lines=(*node.lines, *_title(f"reads findings: {said}", LIST_WIDTH))) if said else node

    def topics_of(self, end: str) -> Iterator[Node]:
        """The node that lists what a diagnosis or red flag reads itself; each has its own, so that edges do not cross."""
        read = self.read_by(end)
        lines = [
            f"• {title} ({len(bundle.findings)})" + (f": {words}" if (words := self.label(end, bundle, "")[0]) else "")
            for title, bundle in read
        ]
        if read:
            known = any(name in self.valuation.findings for _, b in read for name in b.findings) if self.valuation else False
            yield Node(f"{TOPIC}_{end}", TOPIC, ("reads findings of", *lines), "", known or None)

    def joined(self, start: str, end: str) -> Edge:
        """The one edge for all that a diagnosis or red flag reads itself."""
        whole = _Bundle()
        for _, bundle in self.read_by(end):
            whole.pro |= bundle.pro
            whole.contra |= bundle.contra
            whole.fired = whole.fired or bundle.fired
            whole.waits = whole.waits or bundle.waits
        return Edge(start, end, *self.label(end, whole), whole.truth, whole.fired)

    def bundle(self, end: str, id: str, condition: Condition, rule: Rule | None) -> None:
        why: tuple[str, ...] = ()
        value = None if self.valuation is None else self.valuation.of(condition)
        if self.valuation is not None and value is True:
            why = decisive(condition, self.valuation.of)
        for leaf in leaves(condition):
            bundle = self.bundles.setdefault((self.start_of(leaf.name), end), _Bundle())
            if id:
                (bundle.pro if rule is None or rule.is_for else bundle.contra)[id] = None
            if leaf.name in self.knowledge.findings:
                bundle.findings[leaf.name] = None
            bundle.fired = bundle.fired or leaf.name in why
            bundle.waits = bundle.waits or value is None

    def label(self, end: str, bundle: _Bundle, noun: str = "rule") -> tuple[str, str]:
        """How much leads to the node, and on which side when that is one."""
        if end.startswith(f"{FLAG}_"):
            return counted(len(bundle.pro), "flag"), ""
        if not end.startswith(f"{DIAGNOSIS}_"):
            return "", ""
        sides = [(ids, side) for ids, side in ((bundle.pro, PRO), (bundle.contra, CONTRA)) if ids]
        words = [f"{counted(len(ids), noun) if noun else len(ids)} {side}" for ids, side in sides]
        return ", ".join(words) or "needed", sides[0][1] if len(sides) == 1 else ""

    def conclusions(self) -> Iterator[Node]:
        knowledge, valuation = self.knowledge, self.valuation
        decided = {} if valuation is None else valuation.decided
        packs: dict[str, list[str]] = {}
        for name in knowledge.concepts:
            packs.setdefault(self.node_of(CONCEPT, name), []).append(name)
        for id, names in packs.items():
            truths = [decided.get(name) for name in names]
            node = self.pack(id, CONCEPT, [knowledge.concepts[name].title for name in names], truths)
            unread = not any(start == id != end for start, end in self.bundles)
            yield replace(node, lines=("Read by no rule and no red flag:", *node.lines)) if unread else node
        for score in knowledge.scores.values():
            total = None if valuation is None else valuation.scores[score.name]
            said = () if total is None else (f"= {in_words(total, 'points')}",)
            exact = True if total is not None and total.exact is not None else None
            yield Node(_id(SCORE, score.name), SCORE, (*_title(score.title), *said), "", exact)
        for diagnosis in knowledge.order:
            conclusion = None if self.outcome is None else self.outcome.conclusion(diagnosis)
            said = () if conclusion is None else (standing(conclusion),)
            reached = conclusion is not None and conclusion.level in AT_LEAST_POSSIBLE
            lines = (*_title(knowledge.diagnoses[diagnosis].title), *said)
            yield Node(_id(DIAGNOSIS, diagnosis), DIAGNOSIS, lines, "", True, reached)
        for urgency in reversed(URGENCIES):
            flags: list[RedFlag] = [f for f in knowledge.red_flags.values() if f.urgency == urgency]
            if flags:
                truths = [None if valuation is None else valuation.of(f.when) for f in flags]
                node = self.pack(_id(FLAG, urgency), FLAG, [f.title for f in flags], truths)
                yield replace(node, lines=(f"Red flags: {urgency}", *node.lines))

    def pack(self, id: str, kind: str, titles: list[str], truths: list[Truth]) -> Node:
        """One node for several things, each in a line of its own with what is known of it."""
        words = titles if self.valuation is None else [f"{truth_word(t)}: {w}" for w, t in zip(titles, truths, strict=True)]
        lines = _title(words[0], LIST_WIDTH) if len(words) == 1 else tuple(line for w in words for line in _bullet(w))
        truth = True if True in truths else None if None in truths else False
        return Node(id, kind, lines, "", truth, truth is True)


# As text -------------------------------------------------------------------------------------------------------------

_DOT_STYLE = {  # shape, style, fill
    FINDING: ("box", "rounded,filled", "#ffffff"),
    LISTED: ("note", "filled", "#ffffff"),
    TOPIC: ("folder", "filled", "#ffffff"),
    CONCEPT: ("box", "filled", "#dcebfa"),
    SCORE: ("tab", "filled", "#e7defa"),
    RULE: ("box", "filled", "#f4f1e6"),
    GATE: ("hexagon", "filled", "#fff3c4"),
    DIAGNOSIS: ("doubleoctagon", "filled", "#dff2df"),
    FLAG: ("box", "filled", "#fbe0dc"),
}
_RED, _GREY = "#b00020", "#6b6b6b"
_LEGEND = "dashed, red, 'against' or a minus: against the diagnosis"
_CASE_LEGEND = "thick: yes, and part of what holds; dotted: unknown; grey: no"


def as_dot(graph: Graph) -> str:
    """The graph for Graphviz, from left to right; ends with a newline."""
    legend = "; ".join((_LEGEND, _CASE_LEGEND) if graph.about_case else (_LEGEND,))
    lines = [
        "digraph knowledge {",
        f"  graph [rankdir=LR, nodesep=0.12, ranksep=1.1, fontname=Helvetica, label={_dot(graph.title, legend)}];",
        "  node [fontname=Helvetica, fontsize=11, margin=0.1];",
        "  edge [fontname=Helvetica, fontsize=10, arrowsize=0.7];",
    ]
    lines += [f"  {_dot_node(node, graph.about_case)}" for node in graph.nodes if not node.group]
    for group, title in graph.groups.items():
        lines.append(f"  subgraph {json.dumps('cluster_' + group)} {{")
        lines.append(f"    label={_dot(title)}; fontsize=11; style=rounded; color={json.dumps(_GREY)};")
        lines += [f"    {_dot_node(node, graph.about_case)}" for node in graph.nodes if node.group == group]
        lines.append("  }")
    lines += [f"  {_dot_edge(edge, graph.about_case)}" for edge in graph.edges]
    ends = [node.id for node in graph.nodes if node.kind in (DIAGNOSIS, FLAG)]
    lines += [f"  {{ rank=max; {'; '.join(ends)}; }}"] if len(ends) > 1 else []
    return "\n".join((*lines, "}")) + "\n"


def _dot(*lines: str, end: str = "\\n") -> str:
    """A label of these lines, as a quoted string of DOT, in which nothing but the ends of lines is an escape."""
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + (escaped[0] if len(escaped) == 1 else "".join(f"{line}{end}" for line in escaped)) + '"'


def _dot_node(node: Node, about_case: bool) -> str:
    shape, style, fill = _DOT_STYLE[node.kind]
    aligned = "\\l" if any(line.startswith("•") for line in node.lines) else "\\n"
    more = ""
    if about_case and node.fired:
        more = ", penwidth=3"
    elif about_case and node.truth is None:
        style += ",dotted"
    elif about_case and node.truth is False:
        more = f', color="{_GREY}", fontcolor="{_GREY}"'
    label = _dot(*node.lines, end=aligned)
    return f'{node.id} [label={label}, shape={shape}, style="{style}", fillcolor="{fill}"{more}];'


def _dot_edge(edge: Edge, about_case: bool) -> str:
    parts = [f"label={_dot(edge.label)}"] if edge.label else []
    style = "dashed" if edge.side in (CONTRA, LINK) else ""
    if about_case and edge.fired:
        parts.append("penwidth=3")
    elif about_case and edge.truth is None:
        style = "dotted"
    if edge.side == CONTRA:
        parts += [f'color="{_RED}"', f'fontcolor="{_RED}"']
    elif about_case and edge.truth is False:
        parts += [f'color="{_GREY}"', f'fontcolor="{_GREY}"']
    if style:
        parts.append(f"style={style}")
    return f"{edge.start} -> {edge.end}" + (f" [{', '.join(parts)}];" if parts else ";")


_MERMAID_SHAPE = {
    FINDING: ("(", ")"),
    LISTED: ("[", "]"),
    TOPIC: ("[[", "]]"),
    CONCEPT: ("([", "])"),
    SCORE: ("[/", "/]"),
    RULE: ("[", "]"),
    GATE: ("{{", "}}"),
    DIAGNOSIS: ("[[", "]]"),
    FLAG: ("{{", "}}"),
}
_MERMAID_TAKES = 50_000  # characters, where nothing else is set
_BEGINS_A_LIST = re.compile(r"^(\d+)([.)])|^([-+])(?=\s)")  # which Mermaid would take for Markdown
_SPECIAL = re.compile(r"[^A-Za-z0-9 ,.:()/%=+?'-]")


def as_mermaid(graph: Graph) -> str:
    """The graph for Mermaid, from left to right; ends with a newline. Ids, which are not drawn, give way to numbers where
    Mermaid would not take so long a text."""
    text = _mermaid_text(graph)
    return text if len(text) < _MERMAID_TAKES else _mermaid_text(_numbered(graph))


def _mermaid_text(graph: Graph) -> str:
    lines = ["flowchart LR", f"  accTitle: {re.sub(r'[;#{}]', ' ', graph.title)}"]
    lines += [f"  {_mermaid_node(node)}" for node in graph.nodes if not node.group]
    for group, title in graph.groups.items():
        lines.append(f'  subgraph {group}["{_mermaid((title,))}"]')
        lines += [f"    {_mermaid_node(node)}" for node in graph.nodes if node.group == group]
        lines.append("  end")
    for edge in graph.edges:
        dashed = edge.side in (CONTRA, LINK) or (graph.about_case and edge.truth is None)
        arrow = "-.->" if dashed else "-->"
        if graph.about_case and edge.fired and edge.side not in (CONTRA, LINK):
            arrow = "==>"
        label = f'|"{_mermaid((edge.label,))}"|' if edge.label else ""
        lines.append(f"  {edge.start} {arrow}{label} {edge.end}")
    for kind in dict.fromkeys(node.kind for node in graph.nodes):
        lines.append(f"  classDef {kind} fill:{_DOT_STYLE[kind][2]},stroke:#333333,color:#111111")
    if graph.about_case:
        marks: Iterable[tuple[str, str, list[str]]] = (
            ("fired", "stroke-width:4px", [n.id for n in graph.nodes if n.fired]),
            ("unknown", "stroke-dasharray:2 3", [n.id for n in graph.nodes if not n.fired and n.truth is None]),
            ("no", f"stroke:{_GREY},color:{_GREY}", [n.id for n in graph.nodes if not n.fired and n.truth is False]),
        )
        for name, style, ids in marks:
            if ids:
                lines += [f"  classDef {name} {style}", f"  class {','.join(ids)} {name}"]
    against = [str(number) for number, edge in enumerate(graph.edges) if edge.side == CONTRA]
    if against:
        lines.append(f"  linkStyle {','.join(against)} stroke:{_RED},color:{_RED}")
    return "\n".join(lines) + "\n"


def _numbered(graph: Graph) -> Graph:
    """The graph with numbers for ids."""
    ids = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    nodes = tuple(replace(node, id=ids[node.id]) for node in graph.nodes)
    return replace(graph, nodes=nodes, edges=tuple(replace(e, start=ids[e.start], end=ids[e.end]) for e in graph.edges))


def _mermaid_node(node: Node) -> str:
    before, after = _MERMAID_SHAPE[node.kind]
    return f'{node.id}{before}"{_mermaid(node.lines)}"{after}:::{node.kind}'


def _mermaid(lines: Iterable[str]) -> str:
    """The inside of a quoted string of Mermaid: whatever it could take for syntax, HTML or Markdown is an entity."""
    return "<br/>".join(_mermaid_line(line) for line in lines)


def _mermaid_line(line: str) -> str:
    marked = _BEGINS_A_LIST.match(line)
    start = 0 if marked is None else marked.end()
    before = "" if marked is None else (marked[1] or "") + f"#{ord(marked[2] or marked[3])};"
    return before + _SPECIAL.sub(lambda m: f"#{ord(m[0])};" if m[0].isascii() else m[0], line[start:])
