"""The matcher is held equal to Experta's own: every agenda, every firing, every fact; and it keeps nothing after a reset."""

from __future__ import annotations

import gc
import weakref
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from crampdx.engine.inference.experta_import import experta as _experta
from crampdx.engine.inference.forward import build_engine, run
from crampdx.engine.inference.rete import QuickDepth, QuickMatcher
from crampdx.engine.knowledge.cases import Case
from crampdx.engine.knowledge.model import Knowledge

from small_worlds import Chooser, knowledge_texts, patient, patients, small_knowledge

experta: Any = _experta  # the stub has only what the engine uses
STOCK = experta.matchers.rete.ReteMatcher
SETTINGS = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
SEED = 20261122


def activation(found: Any) -> tuple[str, list[str], list[tuple[str, str]]]:
    """What an activation is, whichever network it came from: the rule, the facts, what the author bound."""
    bound = {(k, repr(v)) for k, v in found.context.items() if not k.startswith("__pattern_")}
    return found.rule.__name__, sorted(f"{f.__factid__}: {f!r}" for f in found.facts), sorted(bound)


class Recording:
    """With a strategy, writes down what the matcher reported and the agenda that this made."""

    def __init__(self) -> None:
        super().__init__()
        self.record: list[Any] = []

    def update_agenda(self, agenda: Any, added: Any, removed: Any) -> None:
        super().update_agenda(agenda, added, removed)  # type: ignore[misc]
        changes = [sorted(map(activation, some)) for some in (added, removed)]
        self.record.append((changes, [activation(each) for each in agenda.activations]))


def pair(engine_class: type) -> tuple[Any, Any]:
    """An engine of the class with Experta's matcher, strategy and way of resetting, and one with ours."""
    strategies = [type("Recorded", (Recording, each), {}) for each in (experta.KnowledgeEngine.__strategy__, QuickDepth)]
    stock = {"__matcher__": STOCK, "__strategy__": strategies[0], "get_deffacts": experta.KnowledgeEngine.get_deffacts}
    ours = {"__matcher__": QuickMatcher, "__strategy__": strategies[1]}
    return type("Stock", (engine_class,), stock)(), type("Ours", (engine_class,), ours)()


def seen(engine: Any) -> tuple[list[Any], list[str]]:
    """Every agenda since the last call, and the facts in order. The last of each agenda is what fired next."""
    record, engine.strategy.record = engine.strategy.record, []
    return record, [f"{number}: {fact!r}" for number, fact in engine.facts.items()]


def reported(engine: Any) -> tuple[list[str], list[str]]:
    """As `seen`, without the agendas: where activations tie, Experta's agenda depends on hashes. So does which of two equal
    values a name is bound to, where it stands twice in a pattern: True and 1 are one here."""
    record, facts = seen(engine)
    return [repr(changes).replace("'True')", "'1')") for changes, _ in record], facts


def same_run(stock: Any, ours: Any, case: Case) -> None:
    inferences = [run(engine, case.findings) for engine in (stock, ours)]
    first, second = seen(stock), seen(ours)
    assert len(first[0]) > 1
    assert first == second
    assert inferences[0] == inferences[1]


@seed(SEED)
@SETTINGS
@given(knowledge_texts(), st.lists(patients(), min_size=1, max_size=3))
def test_small_knowledge_bases_run_as_with_the_stock_matcher(texts: dict[str, str], each: list[dict[str, str]]) -> None:
    """The engines of a small knowledge base, patient after patient: the same agendas, firings and facts."""
    knowledge = small_knowledge(texts)
    stock, ours = pair(type(build_engine(knowledge)))
    for known in each:
        same_run(stock, ours, patient(known, knowledge))


@pytest.fixture(scope="module")
def engines(knowledge: Knowledge) -> tuple[Any, Any]:
    return pair(type(build_engine(knowledge)))


@pytest.fixture(scope="module")
def ten_cases(all_cases: tuple[Case, ...]) -> list[Case]:
    """The five with the most findings, and five from all over."""
    most = sorted(all_cases, key=lambda case: -len(case.findings))[:5]
    return [*most, *all_cases[:: len(all_cases) // 5][:5]]


def test_built_in_cases_run_as_with_the_stock_matcher(engines: tuple[Any, Any], ten_cases: list[Case]) -> None:
    """Ten cases on the built-in knowledge base."""
    for case in ten_cases:
        same_run(*engines, case)


def test_engines_alive_together_do_not_mix(engines: tuple[Any, Any], ten_cases: list[Case]) -> None:
    """Two engines of one class, and their patients, advanced by turns: each does what it does alone."""
    mine = type(engines[1])
    alone = []
    for case in ten_cases[:2]:
        run(engines[1], case.findings)
        alone.append(seen(engines[1]))
    together = [mine(), mine()]
    halted = []
    for engine, case in zip(together, ten_cases[:2], strict=True):
        engine.run = lambda: None  # stop where the facts are declared and nothing has fired
        run(engine, case.findings)
        del engine.run
        halted.append(list(engine.agenda.activations))
    for engine, agenda in zip(together, halted, strict=True):
        assert engine.agenda.activations == agenda
    while any(engine.agenda.activations for engine in together):
        for engine in together:
            engine.run(1)
    for engine, (record, facts) in zip(together, alone, strict=True):
        steps, reached = seen(engine)
        assert [s for s in steps if s[1]] == [s for s in record if s[1]]
        assert reached == facts


def test_an_activation_is_sorted_by_what_experta_sorts_it_by() -> None:
    """Its salience, then its facts, the latest first; whatever was asked of another activation before."""
    facts = [Red(a=number) for number in range(4)]
    for number, fact in enumerate(facts):
        fact.__factid__ = number
    quick, stock = QuickDepth(), experta.KnowledgeEngine.__strategy__()
    for salience in (-3, 0, 7):
        rule = experta.Rule(Red(), salience=salience)(lambda engine: None)
        for some in (facts[:1], facts[:3], facts[1:], facts[::2]):
            each = experta.activation.Activation(rule, some)
            assert (
                quick.get_key(each) == stock.get_key(each) == (salience, sorted((f.__factid__ for f in some), reverse=True))
            )


def holding(matcher: Any) -> list[Any]:
    """The nodes of the network that hold anything."""
    waiting, nodes = [matcher.root_node], {}
    while waiting:
        node = waiting.pop()
        if id(node) not in nodes:
            nodes[id(node)] = node
            waiting.extend(child.node for child in node.children)
    kept = ("left_memory", "right_memory", "memory", "added", "removed")
    return [node for node in nodes.values() if any(getattr(node, name, None) for name in kept)]


def test_a_reset_leaves_nothing_of_a_patient(engines: tuple[Any, Any], ten_cases: list[Case]) -> None:
    """After a run many nodes hold something; after a reset none does, and the working memory has the initial fact only."""
    engine = engines[1]
    run(engine, ten_cases[0].findings)
    assert len(holding(engine.matcher)) > 50
    engine.reset()
    assert holding(engine.matcher) == []
    assert [type(fact) for fact in engine.facts.values()] == [experta.InitialFact]
    assert engine.agenda.activations == []
    seen(engine)


def test_a_change_reaches_few_conflict_sets(engines: tuple[Any, Any], ten_cases: list[Case], monkeypatch: Any) -> None:
    """Activations are collected from the rules that a change concerns, also with another engine at work in between."""
    asked = {id(engines[0].matcher): 0, id(engines[1].matcher): 0}
    collect = experta.matchers.rete.nodes.ConflictSetNode.get_activations
    current = [0]

    def counted(node: Any) -> Any:
        asked[current[0]] += 1
        return collect(node)

    monkeypatch.setattr(experta.matchers.rete.nodes.ConflictSetNode, "get_activations", counted)
    for engine in (engines[0], engines[1]):
        current[0] = id(engine.matcher)
        run(engine, ten_cases[-1].findings)
        seen(engine)
    assert asked[id(engines[1].matcher)] * 100 < asked[id(engines[0].matcher)]


def test_a_matcher_is_not_kept_alive(engines: tuple[Any, Any]) -> None:
    """No cache holds the network of an engine that nobody uses."""
    engine = type(engines[1])()
    engine.reset()
    matcher = weakref.ref(engine.matcher)
    del engine.matcher, engine
    gc.collect()
    assert matcher() is None


# Rules of any kind -----------------------------------------------------------------------------------------------------


class Red(experta.Fact):  # type: ignore[misc]
    pass


class Blue(experta.Fact):  # type: ignore[misc]
    first = experta.Field(object, default="a")


class Word(str):
    """Equal to a string, and not of its type."""


VALUES = ("a", "b", Word("a"), "7", 7, True, 1, None)


def longer(value: Any) -> bool:
    return str(value) > "a"


class Programs(Chooser):
    """Random rules over two classes of facts, with conditions of every kind that Experta has."""

    def slot(self) -> Any:
        W, L, P, MATCH = experta.W, experta.L, experta.P, experta.MATCH
        value = self.one_of(VALUES)
        kinds = (value, value, value, L(value), ~L(value), P(longer), W(), MATCH.x, MATCH.y, L("a") | L("b"))
        return self.one_of((*kinds, "x" << P(longer), P(longer) & ~L("b")))

    def fact(self) -> Any:
        kind = self.one_of((Red, Blue))
        slots = {name: self.slot() for name in ("first", "second") if not self.chance(3)}
        made = kind(self.one_of(VALUES), **slots) if self.chance(5) else kind(**slots)
        return experta.AS.whole << made if self.chance(8) else made

    def part(self) -> Any:
        shape = self.below(9)
        if shape == 0:
            return experta.NOT(self.fact())
        if shape == 1:
            return experta.OR(self.fact(), self.fact())
        if shape == 2:
            return experta.AND(self.fact(), self.fact())
        if shape == 3:
            return experta.EXISTS(self.fact())
        return self.fact()

    def rule(self, number: int) -> Any:
        parts = [self.fact() for _ in range(1 + self.below(3))] if self.chance(2) else None
        if parts is None:
            parts = [self.part() for _ in range(self.below(4))]
            if parts and self.chance(4):
                parts.append(experta.TEST(longer_x))

        def act(engine: Any, **_: Any) -> None:
            raise AssertionError("not run")

        act.__name__ = f"rule {number}"
        return experta.Rule(*parts, salience=number)(act)

    def declared(self) -> Any:
        kind = self.one_of((Red, Blue))
        slots = {name: self.one_of(VALUES) for name in ("first", "second") if not self.chance(4)}
        return kind(self.one_of(VALUES), **slots) if self.chance(4) else kind(**slots)


@st.composite
def programs(draw: st.DrawFn) -> Programs:
    return Programs(draw)


def longer_x(x: Any = None) -> bool:
    return longer(x)


def outcome_of(what: Any) -> str:
    try:
        what()
    except Exception as error:
        return type(error).__name__
    return ""


@seed(SEED)
@settings(SETTINGS, max_examples=300)
@given(st.data())
def test_rules_of_any_kind_match_as_with_the_stock_matcher(data: Any) -> None:
    """Negations, alternatives, bindings and retractions too, which our compiler never makes: the same activations after
    each change, the same error where Experta raises one."""
    choose = data.draw(programs())
    rules = {f"rule {n}": choose.rule(n) for n in range(1 + choose.below(5))}
    engine_class = type("AnyRules", (experta.KnowledgeEngine,), rules)
    built: list[Any] = []
    refused = outcome_of(lambda: built.extend(pair(engine_class)))
    if refused:
        for matcher in (STOCK, QuickMatcher):
            assert outcome_of(type("One", (engine_class,), {"__matcher__": matcher})) == refused
        return
    both = tuple(built)
    for _ in range(2):
        raised = [outcome_of(engine.reset) for engine in both]
        assert raised[0] == raised[1]
        assert reported(both[0]) == reported(both[1])
        for _ in range(0 if raised[0] else 8):
            present = list(both[0].facts)
            if present and choose.chance(4):
                number = choose.one_of(present)
                raised = [outcome_of(partial(engine.retract, number)) for engine in both]
            else:
                fact = choose.declared()
                raised = [outcome_of(partial(engine.declare, fact.copy())) for engine in both]
            assert raised[0] == raised[1]
            if raised[0]:
                return  # the change is broken off in the middle
            assert reported(both[0]) == reported(both[1])
