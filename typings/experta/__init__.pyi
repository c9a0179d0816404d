"""The part of experta 1.9.4 that is used here."""

from collections.abc import Callable
from typing import Any

from . import activation as activation
from . import conditionalelement as conditionalelement
from . import matchers as matchers
from . import strategies as strategies
from .conditionalelement import ConditionalElement

class Fact(dict[str, Any]):
    def __init__(self, **slots: Any) -> None: ...
    def __hash__(self) -> int: ...  # type: ignore[override]

class InitialFact(Fact): ...

class L(ConditionalElement):
    __bind__: str | None
    @property
    def value(self) -> Any: ...

class P(ConditionalElement):
    def __init__(self, test: Callable[[Any], bool]) -> None: ...

class W(ConditionalElement): ...

class Rule(tuple[Fact, ...]):
    salience: int
    def __init__(self, *patterns: Fact, salience: int = 0) -> None: ...
    def __call__(self, right_hand_side: Callable[[Any], None]) -> Any: ...

class DefFacts:
    order: int
    ke: KnowledgeEngine

class KnowledgeEngine:
    facts: dict[int, Fact]
    matcher: matchers.rete.ReteMatcher
    def reset(self) -> None: ...
    def declare(self, *facts: Fact) -> Fact: ...
    def run(self) -> None: ...
    def get_rules(self) -> list[Rule]: ...
    def get_deffacts(self) -> list[DefFacts]: ...
