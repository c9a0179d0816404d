from collections.abc import Iterable
from typing import Any

from experta import Fact, Rule
from experta.activation import Activation

from .abstract import Check as Check
from .abstract import Node as Node
from .abstract import OneInputNode, TwoInputNode
from .mixins import NoMemory

class BusNode(NoMemory, Node):
    def add(self, fact: Fact) -> None: ...
    def remove(self, fact: Fact) -> None: ...

class FeatureTesterNode(NoMemory, OneInputNode):
    matcher: Check
    def __init__(self, matcher: Check) -> None: ...

class OrdinaryMatchNode(TwoInputNode):
    left_memory: list[Any]
    right_memory: list[Any]
    def __init__(self, matcher: Check) -> None: ...

class ConflictSetNode(OneInputNode):
    rule: Rule
    memory: set[Any]
    def __init__(self, rule: Rule) -> None: ...
    def get_activations(self) -> tuple[Iterable[Activation], Iterable[Activation]]: ...
