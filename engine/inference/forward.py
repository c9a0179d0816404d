"""Forward chaining in Experta: the compiled knowledge base as an ordinary `KnowledgeEngine`, and one run over a patient.

Besides the matcher in rete.py, this is the only file that uses experta.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ..knowledge.checks import conditions_of
from ..knowledge.conditions import in_one_line
from ..knowledge.model import Compare, Diagnosis, Findings, Knowledge, leaves
from ..knowledge.truth import score_interval
from .compilation import (
    NO,
    YES,
    Action,
    Close,
    Conclude,
    Declare,
    Fire,
    Pattern,
    Production,
    Tally,
    Vote,
    compile_knowledge,
    likely_needs_name,
    needs_name,
)
from .experta_import import experta
from .rete import QuickDepth, QuickMatcher
from .weighing import Bar, Conclusion, Inference, Standing, bars_to, weigh


class Known(experta.Fact):
    """A finding, concept, threshold or auxiliary condition is known: `name`, `value` 'yes' or 'no'."""


class Chosen(experta.Fact):
    """A choice finding: `name`, `value` the choice."""


class Quantity(experta.Fact):
    """A quantity: `name`, `value` an `Answer`."""


class Unstated(experta.Fact):
    """Nobody has answered the gated finding `name`."""


class Candidate(experta.Fact):
    """A diagnosis to be concluded about, or a score to be kept: `name`."""


class Evidence(experta.Fact):
    """A rule fired: `id`."""


class Closed(experta.Fact):
    """A rule can no longer fire: `id`."""


class RedFlag(experta.Fact):
    """A red flag fired: `id`."""


class Said(experta.Fact):
    """A note, scope notice or advice applies: `id`."""


class Concluded(experta.Fact):
    """The conclusion about a diagnosis: `diagnosis`, `level`, `points`, `urgency`."""


_FACTS = {"Known": Known, "Chosen": Chosen, "Quantity": Quantity, "Unstated": Unstated, "Candidate": Candidate}


class ConsultationEngine(experta.KnowledgeEngine):
    """The part of every compiled engine that is not rules: what right-hand sides call. None of it can raise."""

    __matcher__ = QuickMatcher
    __strategy__ = QuickDepth

    knowledge: Knowledge
    rule_ids: Mapping[str, frozenset[str]]  # of each diagnosis
    thresholds: Mapping[str, tuple[tuple[str, str, Decimal], ...]]
    _deffacts_names: tuple[str, ...] | None = None

    def get_deffacts(self) -> list[experta.DefFacts]:
        """What Experta's own returns, which looks for it among all members, every rule one of them, at every reset."""
        if self._deffacts_names is None:
            places = [vars(self), *(vars(cls) for cls in type(self).__mro__)]
            names = {n for place in places for n, member in place.items() if isinstance(member, experta.DefFacts)}
            self._deffacts_names = tuple(sorted(names))
        found: list[experta.DefFacts] = []
        for name in self._deffacts_names:
            member = getattr(self, name)  # asking for it also binds it to this engine, of several alive
            if isinstance(member, experta.DefFacts):
                member.ke = self
                found.append(member)
        return sorted(found, key=lambda member: member.order)

    def begin(self) -> None:
        self.votes: dict[tuple[str, str], set[int]] = {}
        self.tallies: dict[str, dict[int, bool]] = {}
        self.settled: set[str] = set()
        self.firings: dict[str, None] = {}
        self.concluded: dict[str, Conclusion] = {}
        self.memory: tuple[dict[str, bool], frozenset[str], frozenset[str]] | None = None

    def decided(self) -> tuple[dict[str, bool], frozenset[str], frozenset[str]]:
        """Truths by name, rules fired and rules closed. Conclusions come last and change none of them: looked up once."""
        if self.memory is None:
            facts = list(self.facts.values())
            self.memory = (
                {f["name"]: f["value"] == YES for f in facts if isinstance(f, Known)},
                frozenset(f["id"] for f in facts if isinstance(f, Evidence)),
                frozenset(f["id"] for f in facts if isinstance(f, Closed)),
            )
        return self.memory

    def vote(self, name: str, value: str, clause: int, needed: int) -> None:
        clauses = self.votes.setdefault((name, value), set())
        clauses.add(clause)
        if len(clauses) == needed:
            self.declare(Known(name=name, value=value))

    def tally(self, score: str, item: int, holds: bool) -> None:
        decided = self.tallies.setdefault(score, {})
        if item >= 0:
            decided[item] = holds
        entry = self.knowledge.scores[score]
        interval = score_interval(entry, [decided.get(number) for number in range(len(entry.counted))])
        for key, operator, limit in self.thresholds[score]:
            answer = interval.compared(operator, limit)
            if answer is not None and key not in self.settled:
                self.settled.add(key)
                self.declare(Known(name=key, value=YES if answer else NO))

    def conclude(self, diagnosis: str) -> None:
        known, fired, closed = self.decided()
        entry = self.knowledge.diagnoses[diagnosis]
        rules = self.rule_ids[diagnosis]
        conclusion = weigh(
            self.knowledge,
            entry,
            Standing(
                fired=fired & rules,
                open=rules - fired - closed,
                needs=True if entry.needs is None else known.get(needs_name(diagnosis)),
                likely_needs=True if entry.likely_when is None else known.get(likely_needs_name(diagnosis)),
                bars=self._bars(entry, known) if entry.is_of_exclusion else (),
            ),
        )
        self.concluded[diagnosis] = conclusion
        self.declare(
            Concluded(
                diagnosis=diagnosis,
                level=conclusion.level,
                points=conclusion.points,
                urgency=conclusion.urgency,
            )
        )

    def _bars(self, entry: Diagnosis, known: Mapping[str, bool]) -> tuple[Bar, ...]:
        flags = [fact["id"] for fact in self.facts.values() if isinstance(fact, RedFlag)]
        others = [self.concluded[d] for d in self.knowledge.before_exclusion]
        return bars_to(entry, lambda name: known.get(name) is True, flags, others)


# Experta inspects the signature of every right-hand side; they are all the same.
_SIGNATURE = inspect.Signature([inspect.Parameter("engine", inspect.Parameter.POSITIONAL_OR_KEYWORD)])


def _right_hand_side(production: Production, knowledge: Knowledge) -> Callable[[ConsultationEngine], None]:
    action: Action = production.action
    owner = production.owner

    if isinstance(action, Declare):
        name, value = action.name, action.value
        reports = value == YES and name in knowledge.concepts

        def act(engine: ConsultationEngine) -> None:
            if reports:
                engine.firings[owner] = None
            engine.declare(Known(name=name, value=value))

    elif isinstance(action, Vote):
        vote = action
        voted = vote.value == YES and vote.name in knowledge.concepts

        def act(engine: ConsultationEngine) -> None:
            engine.vote(vote.name, vote.value, vote.clause, vote.count)
            if voted and len(engine.votes[vote.name, vote.value]) >= vote.count:
                engine.firings[owner] = None

    elif isinstance(action, Tally):
        tally = action

        def act(engine: ConsultationEngine) -> None:
            engine.tally(tally.score, tally.item, tally.holds)

    elif isinstance(action, Fire):
        fact, fired = _FIRED[action.kind], action.id
        told = action.kind != "Unless"

        def act(engine: ConsultationEngine) -> None:
            if told:
                engine.firings[owner] = None
            engine.declare(fact(id=fired))

    elif isinstance(action, Close):
        closed = action

        def act(engine: ConsultationEngine) -> None:
            engine.declare(Closed(id=closed.id))

    else:
        conclude: Conclude = action

        def act(engine: ConsultationEngine) -> None:
            engine.conclude(conclude.diagnosis)

    act.__name__ = act.__qualname__ = production.name
    act.__dict__["__signature__"] = _SIGNATURE
    return act


_FIRED = {"Evidence": Evidence, "RedFlag": RedFlag, "Said": Said, "Unless": Said}


def build_engine(knowledge: Knowledge) -> ConsultationEngine:
    """One engine for a knowledge base: an ordinary KnowledgeEngine whose rules bear the authors' ids."""
    productions = compile_knowledge(knowledge)
    patterns: dict[tuple[str, str, str, str], Any] = {}

    def experta_pattern(pattern: Pattern) -> Any:
        if pattern.key not in patterns:
            slots: dict[str, Any] = {"name": pattern.name}
            if pattern.literal:
                slots["value"] = pattern.literal
            elif pattern.passes is not None:
                slots["value"] = experta.P(pattern.passes)
            patterns[pattern.key] = _FACTS[pattern.fact](**slots)
        return patterns[pattern.key]

    rule_ids = {d: frozenset(rule.id for rule in rules) for d, rules in knowledge.rules_of.items()}
    members: dict[str, Any] = {"knowledge": knowledge, "rule_ids": rule_ids, "thresholds": _thresholds(knowledge)}
    for production in productions:
        rule = experta.Rule(*map(experta_pattern, production.patterns), salience=production.salience)
        # The attribute is prefixed, since an author may call a rule 'run'; the rule's own name is the author's id.
        members[f"rule: {production.name}"] = rule(_right_hand_side(production, knowledge))
    engine_class = type("CompiledKnowledge", (ConsultationEngine,), members)
    engine: ConsultationEngine = engine_class()
    return engine


def _thresholds(knowledge: Knowledge) -> Mapping[str, tuple[tuple[str, str, Decimal], ...]]:
    """Every comparison with each score that any condition makes."""
    conditions = [condition for _, condition, _ in conditions_of(knowledge)]
    conditions += [f.ask_when for f in knowledge.findings.values() if f.ask_when is not None]
    found: dict[str, dict[str, tuple[str, str, Decimal]]] = {name: {} for name in knowledge.scores}
    for condition in conditions:
        for leaf in leaves(condition):
            if leaf.name in found:
                assert isinstance(leaf, Compare)  # nothing else can be said of a score
                found[leaf.name][in_one_line(leaf)] = (in_one_line(leaf), leaf.operator, leaf.limit)
    return {name: tuple(sorted(entries.values())) for name, entries in found.items()}


def run(engine: ConsultationEngine, findings: Findings) -> Inference:
    """One patient through the engine. The engine is reset first, so that nothing of an earlier patient is left."""
    knowledge = engine.knowledge
    engine.begin()
    engine.reset()
    facts: list[Any] = [Candidate(name=name) for name in sorted({*knowledge.diagnoses, *knowledge.scores})]
    for name, finding in knowledge.findings.items():
        answer = findings.get(name)
        if answer is None:
            if finding.when_closed_no:
                facts.append(Unstated(name=name))
        elif answer.quantity is not None:
            facts.append(Quantity(name=name, value=answer))
        elif answer.choice:
            facts.append(Chosen(name=name, value=answer.choice))
        else:
            facts.append(Known(name=name, value=YES if answer.truth else NO))
    engine.declare(*facts)
    engine.run()
    return Inference(
        conclusions=dict(sorted(engine.concluded.items())),
        red_flags=tuple(sorted(f["id"] for f in engine.facts.values() if isinstance(f, RedFlag))),
        said=frozenset(f["id"] for f in engine.facts.values() if isinstance(f, Said)),
        firings=tuple(engine.firings),
    )
