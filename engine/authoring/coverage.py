"""What the cases exercise: every rule, every clause of a condition, every level of a diagnosis, by the kind of case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..inference.weighing import levels_meant
from ..knowledge.cases import Case
from ..knowledge.checks import conditions_of
from ..knowledge.model import Knowledge, Leaf, leaves
from ..knowledge.problems import Place
from ..knowledge.truth import Truth, truth_word
from .killing import Trial
from .masks import Mask

ORIGINS = ("evidence", "recorded", "other")  # where a case says it is from; `other` says nothing
TRUTHS: tuple[Truth, ...] = (True, False, None)
KINDS = ("rule", "clause", "level")


@dataclass(frozen=True)
class Target:
    """Something that a case should bring about."""

    kind: str  # of KINDS
    owner: str  # the id of the rule, diagnosis, concept, score, red flag, note or advice
    what: str  # fired, not fired; of a clause its name and a truth value; a level
    place: Place

    def __str__(self) -> str:
        return f"{self.place}: {self.owner}: {self.what}"


@dataclass(frozen=True)
class Coverage:
    """For each target, in the order of the knowledge base, how many cases of each origin bring it about."""

    seen: Mapping[Target, Counter[str]]

    def reached(self, kind: str, origins: Iterable[str] = ORIGINS) -> tuple[int, int]:
        """How many targets of a kind cases of these origins bring about, and of how many."""
        of_kind = [target for target in self.seen if target.kind == kind]
        return len(of_kind) - sum(1 for target in self.missing(origins) if target.kind == kind), len(of_kind)

    def missing(self, origins: Iterable[str] = ORIGINS) -> list[Target]:
        """What no case of these origins brings about, in the order in which it is written."""
        wanted = tuple(origins)
        found = [target for target, cases in self.seen.items() if not any(cases[origin] for origin in wanted)]
        return sorted(found, key=lambda target: (target.place.file, target.place.line))

    def share(self, origins: Iterable[str] = ORIGINS) -> float:
        """The part of all targets that cases of these origins bring about, from 0 to 1; 1 where there is none."""
        return 1 - len(self.missing(origins)) / len(self.seen) if self.seen else 1.0


def coverage_of(knowledge: Knowledge, cases: Iterable[Case]) -> Coverage:
    """What the cases exercise. A rule has fired where its condition is known yes, and not fired where it is known no: that a
    rule is silent because nothing is known shows nothing."""
    trial = Trial(knowledge, tuple(cases))
    of_origin = dict.fromkeys(ORIGINS, 0)
    for number, case in enumerate(trial.cases):
        of_origin[case.origin if case.origin in ORIGINS else "other"] |= 1 << number
    targets = _Targets(knowledge)
    seen: dict[Target, Mask] = dict.fromkeys(targets.all, 0)
    for target, some in targets.met_in(trial):
        seen[target] |= some
    return Coverage({t: Counter({o: (some & of).bit_count() for o, of in of_origin.items()}) for t, some in seen.items()})


class _Targets:
    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    @cached_property
    def all(self) -> tuple[Target, ...]:
        rules = [t for by_truth in self._of_rule.values() for t in by_truth.values()]
        clauses = [t for by_truth in self._of_clause.values() for ts in by_truth.values() for t in ts]
        return (*rules, *dict.fromkeys(clauses), *self._of_level.values())

    def met_in(self, trial: Trial) -> Iterator[tuple[Target, Mask]]:
        """Every target with the cases that bring it about, a part of them at a time."""
        for id, by_truth in self._of_rule.items():
            truths = trial.truths[id]
            yield by_truth[True], truths.yes
            yield by_truth[False], truths.no
        for leaf, by_value in self._of_clause.items():
            for truth, some in trial.reading.of(leaf).parts(trial.patients.everyone):
                for target in by_value[truth]:
                    yield target, some
        for diagnosis, parts in trial.parts.items():
            for part in parts:
                if (diagnosis, part.conclusion.level) in self._of_level:
                    yield self._of_level[diagnosis, part.conclusion.level], part.cases

    @cached_property
    def _of_rule(self) -> dict[str, dict[Truth, Target]]:
        return {
            rule.id: {
                True: Target("rule", rule.id, "fired", rule.place),
                False: Target("rule", rule.id, "not fired", rule.place),
            }
            for rule in self.knowledge.rules.values()
        }

    @cached_property
    def _of_clause(self) -> dict[Leaf, dict[Truth, list[Target]]]:
        """By leaf: equal ones have the same value, wherever they are written."""
        found: dict[Leaf, dict[Truth, list[Target]]] = {}
        for owner, condition, place in conditions_of(self.knowledge):
            for leaf in leaves(condition):
                where = leaf.place if leaf.place.line else place
                by_truth = found.setdefault(leaf, {truth: [] for truth in TRUTHS})
                for truth in TRUTHS:
                    by_truth[truth].append(Target("clause", owner, f"clause {leaf.name}: {truth_word(truth)}", where))
        return found

    @cached_property
    def _of_level(self) -> dict[tuple[str, str], Target]:
        """The levels that each diagnosis is meant to have."""
        return {
            (diagnosis, level): Target("level", diagnosis, f"level {level}", entry.place)
            for diagnosis, entry in self.knowledge.diagnoses.items()
            for level in levels_meant(self.knowledge, diagnosis)
        }


def coverage_lines(coverage: Coverage, only: tuple[str, ...] = ORIGINS, most: int = 40) -> Iterator[str]:
    """A table of what is reached by each kind of case, then what cases of the origins in `only` miss, at most `most` of each
    kind."""
    yield f"{'':<22}{'all cases':>16}" + "".join(f"{origin:>16}" for origin in ORIGINS)
    titles = {"rule": "rules, fired and not", "clause": "clauses, 3 values", "level": "levels"}
    for kind in KINDS:
        cells = [coverage.reached(kind), *(coverage.reached(kind, (origin,)) for origin in ORIGINS)]
        yield f"{titles[kind]:<22}" + "".join(f"{f'{some}/{all}':>16}" for some, all in cells)
    missing = coverage.missing(only)
    for kind in KINDS:
        of_kind = [target for target in missing if target.kind == kind]
        if of_kind:
            yield ""
            yield f"{titles[kind]}: {len(of_kind)} not reached"
            yield from (f"  {target}" for target in of_kind[:most])
            if len(of_kind) > most:
                yield f"  and {len(of_kind) - most} more (--all lists them)"
