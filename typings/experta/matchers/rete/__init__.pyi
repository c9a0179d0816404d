from collections.abc import Iterable, Mapping

from experta import Fact, KnowledgeEngine, Rule
from experta.activation import Activation

from . import abstract as abstract
from . import check as check
from . import mixins as mixins
from . import nodes as nodes
from . import token as token
from . import utils as utils

class ReteMatcher:
    engine: KnowledgeEngine
    root_node: nodes.BusNode
    def __init__(self, engine: KnowledgeEngine) -> None: ...
    def changes(
        self, adding: Iterable[Fact] | None = None, deleting: Iterable[Fact] | None = None
    ) -> tuple[list[Activation], list[Activation]]: ...
    def build_network(self) -> None: ...
    @staticmethod
    def build_beta_part(ruleset: set[Rule], alpha_terminals: Mapping[Fact, abstract.Node]) -> None: ...
    def reset(self) -> None: ...
