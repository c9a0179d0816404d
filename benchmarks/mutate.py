"""How long `crampdx mutate` takes on the built-in knowledge, and how that grows with the knowledge base.

    python benchmarks/mutate.py [COPIES]

Against one pass of `crampdx test` over the same cases in the same process; then on a knowledge base of COPIES (10) renamed
copies of everything: findings, concepts, scores, rules, red flags, notes, advice, diagnoses and cases. Quadratic growth
would be the square of COPIES.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crampdx.engine.authoring.killing import Trial
from crampdx.engine.authoring.mutation import mutants_of
from crampdx.engine.authoring.regression import differences
from crampdx.engine.authoring.survivors import Result, tried
from crampdx.engine.inference.reasoner import Reasoner
from crampdx.engine.knowledge.cases import Case, read_cases
from crampdx.engine.knowledge.loader import BUILT_IN, load
from crampdx.engine.knowledge.model import Knowledge, Tier
from crampdx.engine.knowledge.problems import Place, Problems

CASES = Path(__file__).resolve().parents[1] / "tests" / "cases"
RENAMED = ("findings", "impossible", "concepts", "scores", "rules", "red_flags", "notes", "scope", "advice", "diagnoses")


def renamed(thing: Any, names: set[str], ending: str) -> Any:
    """The same with another name wherever it names something of the knowledge base."""
    if isinstance(thing, str):
        return thing + ending if thing in names else thing
    if isinstance(thing, tuple) and not hasattr(thing, "_fields"):
        return tuple(renamed(part, names, ending) for part in thing)
    if is_dataclass(thing) and not isinstance(thing, (type, Place, Decimal)):
        return replace(thing, **{f.name: renamed(getattr(thing, f.name), names, ending) for f in fields(thing)})
    return thing


def times(knowledge: Knowledge, cases: tuple[Case, ...], copies: int) -> tuple[Knowledge, list[Case]]:
    """A knowledge base of so many copies that have nothing to do with each other, and the cases of each."""
    names = {name for shelf in RENAMED for name in getattr(knowledge, shelf)}
    shelves: dict[str, dict[str, Any]] = {shelf: {} for shelf in RENAMED}
    many: list[Case] = []
    for number in range(copies):
        ending = f"_{number}"
        for shelf in RENAMED:
            shelves[shelf] |= {n + ending: renamed(thing, names, ending) for n, thing in getattr(knowledge, shelf).items()}
        for case in cases:
            findings = MappingProxyType({name + ending: answer for name, answer in case.findings.items()})
            expected = tuple(renamed(e, names, ending) for e in case.expected)
            many.append(replace(case, findings=findings, expected=expected))
    tiers = tuple(
        Tier(t.id, t.heading, tuple(d + f"_{number}" for number in range(copies) for d in t.diagnoses))
        for t in knowledge.tiers
    )
    changes: Any = {shelf: MappingProxyType(dict(sorted(things.items()))) for shelf, things in shelves.items()}
    return replace(knowledge, tiers=tiers, topics=(), **changes), many


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def mutated(knowledge: Knowledge, cases: list[Case] | tuple[Case, ...]) -> Result:
    return tried(Trial(knowledge, cases), mutants_of(knowledge))


def main() -> None:
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    knowledge = load(BUILT_IN)
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(CASES.glob("*.yaml"))]
    cases = tuple(case for name, text in texts for case in read_cases(text, name, knowledge, Problems()))
    reasoner = Reasoner(knowledge)
    tested, _ = timed(lambda: [differences(case, reasoner.conclude(case.findings)) for case in cases])
    once, result = timed(lambda: mutated(knowledge, cases))
    print(f"{len(result.verdicts)} mutants, {len(cases)} cases: {once:.1f} s, held to 30 s")
    print(f"against one pass of the cases       {once / tested:.2f}")
    larger, more = times(knowledge, cases, copies)
    many, wide = timed(lambda: mutated(larger, more))
    print(f"{len(wide.verdicts)} mutants, {len(more)} cases: {many:.1f} s")
    print(f"growth with {copies} times everything       {many / once:.1f}, held to {copies**2} (quadratic)")
    for each in (result, wide):
        assert each.trial.passing == each.trial.patients.everyone, "a case fails"


if __name__ == "__main__":
    main()
