"""A faster matcher for Experta, through its own extension point `KnowledgeEngine.__matcher__`.

The network is made of Experta's own nodes and matches what the stock one matches, whatever the rules. What differs is the
work that finds nothing:

- activations are collected from the conflict-set nodes that a change has reached, not from all of them;
- below a node with many tests, a fact is shown only to those that its type and its literal slots let through, and a test
  that was answered by looking up where the fact goes is not made again;
- what an activation is sorted by is worked out once and not looked up;
- a reset wipes the nodes that hold something;
- rules that are plain conjunctions, as all of ours are, are not rewritten into a normal form that they are in already.

Nothing is shared between matchers, so engines that live side by side do not slow each other down. Where stock leaves an
order to chance, by hashes (which test comes first, which of two rules of equal salience), here it is that of names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter

from .experta_import import experta

_rete = experta.matchers.rete
_nodes = experta.matchers.rete.nodes
_check = experta.matchers.rete.check
_token = experta.matchers.rete.token

_Send = Callable[[_token.Token], object]
_Numbered = tuple[int, _Send]


class QuickDepth(experta.strategies.DepthStrategy):
    """Experta's order of the agenda. Its cache of keys, looked up by the whole rule, took longer than the keys do."""

    get_key = experta.strategies.DepthStrategy.get_key.__wrapped__


class QuickMatcher(_rete.ReteMatcher):
    """ReteMatcher that visits only what a change concerns."""

    def __init__(self, engine: experta.KnowledgeEngine) -> None:
        self._reached: set[_nodes.ConflictSetNode] = set()  # since activations were last collected
        self._holding: set[_nodes.Node] = set()  # since the last reset
        self._position: dict[_nodes.ConflictSetNode, tuple[int, int]] = {}
        super().__init__(engine)

    # Running ---------------------------------------------------------------------------------------------------------

    def changes(
        self, adding: Iterable[experta.Fact] | None = None, deleting: Iterable[experta.Fact] | None = None
    ) -> tuple[list[experta.activation.Activation], list[experta.activation.Activation]]:
        for fact in deleting or ():
            self.root_node.remove(fact)
        for fact in adding or ():
            self.root_node.add(fact)
        added: list[experta.activation.Activation] = []
        removed: list[experta.activation.Activation] = []
        for node in sorted(self._reached, key=self._position.__getitem__):
            came, went = node.get_activations()
            added.extend(came)
            removed.extend(went)
        self._reached.clear()
        return added, removed

    def reset(self) -> None:
        for node in self._holding:
            node._reset()
        self._holding.clear()
        for conflict_set in self._reached:  # only if a change was cut short by an exception
            conflict_set.get_activations()
        self._reached.clear()

    # Building --------------------------------------------------------------------------------------------------------

    def build_network(self) -> None:
        rules: dict[experta.Rule, bool] = {}  # each with whether it is plain; equal rules count once, as they do in stock
        for rule in self.engine.get_rules():
            plain = _is_plain(rule)
            rules.setdefault(_copied(rule) if plain else _rete.utils.prepare_rule(rule), plain)
        facts = [f for rule, plain in rules.items() for f in (rule if plain else _rete.utils.extract_facts(rule))]
        terminals = self._alpha_part([experta.InitialFact(), *facts])
        for rule, plain in rules.items():
            if plain:
                _join(rule, terminals)
            else:
                self.build_beta_part({rule}, terminals)
        self._refine({rule: number for number, rule in enumerate(rules)})

    def _alpha_part(self, facts: Iterable[experta.Fact]) -> dict[experta.Fact, _nodes.Node]:
        """A path of tests for each pattern, shared as far as the tests are the same; returns where each path ends."""
        terminals: dict[experta.Fact, _nodes.Node] = {}
        below: dict[tuple[_nodes.Node, int], _nodes.FeatureTesterNode] = {}
        for fact in facts:
            if fact in terminals:
                continue
            node: _nodes.Node = self.root_node
            for test in sorted(_rete.utils.generate_checks(fact), key=_order):
                next_node = below.get((node, id(test)))  # Experta makes equal tests one object, and keeps it
                if next_node is None:
                    next_node = below[node, id(test)] = _nodes.FeatureTesterNode(test)
                    node.add_child(next_node, next_node.activate)
                node = next_node
            terminals[fact] = node
        return terminals

    def _refine(self, rank: Mapping[experta.Rule, int]) -> None:
        """Once the network stands: note who is reached, and put a switch below every node with tests to choose from."""
        waiting: list[_nodes.Node] = [self.root_node]
        seen: dict[_nodes.Node, None] = {}
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen[node] = None
                waiting.extend(child.node for child in reversed(node.children))
                if isinstance(node, _nodes.ConflictSetNode):
                    self._position[node] = (rank[node.rule], len(self._position))
        for node in seen:
            node.children[:] = [child._replace(callback=self._noting(child)) for child in node.children]
            if isinstance(node, (_nodes.BusNode, _nodes.FeatureTesterNode)):
                switch = _Switch(node.children)
                if switch.chooses:
                    node.children.clear()
                    node.add_child(switch, switch.activate)

    def _noting(self, child: _rete.mixins.ChildNode) -> _Send:
        """The child's callback; if the child has a memory, one that also notes that it was reached."""
        node, send = child.node, child.callback
        if isinstance(node, _rete.mixins.NoMemory):
            return send
        holding = self._holding
        if not isinstance(node, _nodes.ConflictSetNode):

            def note(token: _token.Token) -> None:
                holding.add(node)
                send(token)

            return note
        conflict_set, reached = node, self._reached

        def note_activation(token: _token.Token) -> None:
            holding.add(conflict_set)
            reached.add(conflict_set)
            send(token)

        return note_activation


class _Switch(_rete.mixins.AnyChild, _rete.mixins.NoMemory, _rete.abstract.OneInputNode):
    """Stands between an alpha node and its children, and passes a token on to those children only whose test can pass.

    A test for a type, or for a string in a slot, is found in a table, and the token goes on to what stands below the test;
    every other child gets every token and tests for itself. All are called in the order of the children."""

    def __init__(self, children: Iterable[_rete.mixins.ChildNode]) -> None:
        super().__init__()
        self.children.extend(children)
        self._of_type: dict[type, list[_Numbered]] = {}
        self._of_slot: dict[str, dict[str, list[_Numbered]]] = {}
        self._of_odd: dict[str, list[_Numbered]] = {}  # by slot, where what stands in it is no plain string
        self._of_all: list[_Numbered] = []
        for number, (node, send) in enumerate(self.children):
            test = node.matcher if isinstance(node, _nodes.FeatureTesterNode) else None
            if isinstance(test, _check.TypeCheck):
                self._of_type.setdefault(test.fact_type, []).append((number, _below(node)))
            elif isinstance(test, _check.FeatureCheck) and _is_literal(test):
                self._of_odd.setdefault(str(test.what), []).append((number, send))
                by_value = self._of_slot.setdefault(str(test.what), {})
                by_value.setdefault(test.expected.value, []).append((number, _below(node)))
            else:
                self._of_all.append((number, send))
        self.chooses = len(self.children) - len(self._of_all) > 1

    def activate(self, token: _token.Token) -> None:
        (fact,) = token.data
        found = [*self._of_all, *self._of_type.get(type(fact), ())]
        for slot, sends in self._of_slot.items():
            try:
                value = fact[slot]
            except (KeyError, IndexError, TypeError):
                continue
            if type(value) is str:
                found += sends.get(value, ())
            else:  # it may be equal to a string without being found as one
                found += self._of_odd[slot]
        if len(found) > 1:
            found.sort(key=_number)
        for _, send in found:
            send(token)

    _activate = activate


_number = itemgetter(0)


def _below(node: _nodes.Node) -> _Send:
    """Sends a token on to all that stands below a node, then and later."""
    children = node.children

    def send(token: _token.Token) -> None:
        for child in children:
            child.callback(token)

    return send


def _is_literal(test: _check.FeatureCheck) -> bool:
    """The test is for one string in one slot, and binds nothing."""
    what, expected = test.what, test.expected
    return (
        isinstance(what, str)
        and "__" not in what  # a path into the slot's value
        and not what.isnumeric()  # a positional slot
        and isinstance(expected, experta.L)
        and type(expected.value) is str
        and expected.__bind__ is None
    )


_COMPOUND = (experta.conditionalelement.ConditionalElement, experta.Fact)
_SIMPLE = (experta.L, experta.P, experta.W)


def _is_plain(rule: experta.Rule) -> bool:
    """A conjunction of facts, at least one, with no field constraint made of others: its own normal form."""
    return len(rule) > 0 and all(
        isinstance(fact, experta.Fact)
        and not any(isinstance(v, _COMPOUND) and not isinstance(v, _SIMPLE) for v in fact.values())
        for fact in rule
    )


_SAME_CONTEXT = _check.SameContextCheck()  # it keeps nothing


def _join(rule: experta.Rule, terminals: Mapping[experta.Fact, _nodes.Node]) -> None:
    """The joins of a plain rule, from its first fact to its last."""
    left = terminals[rule[0]]
    for fact in rule[1:]:
        join = _nodes.OrdinaryMatchNode(_SAME_CONTEXT)
        left.add_child(join, join.activate_left)
        terminals[fact].add_child(join, join.activate_right)
        left = join
    last = _nodes.ConflictSetNode(rule)
    left.add_child(last, last.activate)


def _order(test: _rete.abstract.Check) -> tuple[int, str]:
    """Tests in the order of a path: type, literals by slot, other tests by slot, and the capture of the fact."""
    if isinstance(test, _check.TypeCheck):
        return 0, ""
    if isinstance(test, _check.FeatureCheck):
        return (1 if _is_literal(test) else 2), str(test.what)
    return 3, ""


def _copied(rule: experta.Rule) -> experta.Rule:
    """A plain rule as the network wants it: the same, but bound to no engine."""
    make: Callable[..., experta.Rule] = type(rule).__new__  # without what happens when a right-hand side is given
    copy = make(type(rule), *rule, salience=rule.salience)
    vars(copy).update(vars(rule), _wrapped_self=None)
    return copy
