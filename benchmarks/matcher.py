"""How much faster a case runs with our matcher than with Experta's own, on the built-in knowledge base.

    python benchmarks/matcher.py [CASES]

The same compiled rules in one process: first one engine of ours alone, then beside one with Experta's matcher and another of
ours, case after case in turn. What is concluded is compared each time.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

from crampdx.engine.inference.experta_import import experta
from crampdx.engine.inference.forward import ConsultationEngine, build_engine, run
from crampdx.engine.knowledge.cases import read_cases
from crampdx.engine.knowledge.loader import BUILT_IN, load
from crampdx.engine.knowledge.problems import Problems

CASES = Path(__file__).resolve().parents[1] / "tests" / "cases"


def timed(engine: Any, findings: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run(engine, findings)
    return time.perf_counter() - start, result


def as_it_comes(engine: ConsultationEngine) -> ConsultationEngine:
    """The very same rules under Experta's own matcher and strategy and its own way of resetting."""
    own = {name: getattr(experta.KnowledgeEngine, name) for name in ("__matcher__", "__strategy__", "get_deffacts")}
    stock: ConsultationEngine = type("Stock", (type(engine),), own)()
    return stock


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    knowledge = load(BUILT_IN)
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(CASES.glob("*.yaml"))]
    cases = [case for name, text in texts for case in read_cases(text, name, knowledge, Problems())]
    chosen = cases[:: max(1, len(cases) // count)][:count]
    ours = build_engine(knowledge)
    run(ours, chosen[0].findings)  # warms the caches
    alone = [timed(ours, case.findings)[0] for case in chosen]
    stock = as_it_comes(ours)
    another = build_engine(knowledge)
    run(stock, chosen[0].findings)
    run(another, chosen[0].findings)
    beside = [timed(ours, case.findings)[0] for case in chosen]
    ratios = []
    for case in chosen:
        quick, concluded = timed(ours, case.findings)
        slow, expected = timed(stock, case.findings)
        _, same = timed(another, case.findings)
        assert concluded == expected == same, case.name
        ratios.append(slow / quick)
    middle = statistics.median(ratios)
    print(f"stock / ours, a case           {middle:.1f} (from {min(ratios):.1f} to {max(ratios):.1f})   held to 8")
    print(f"ours beside others / alone     {statistics.median(b / a for a, b in zip(alone, beside, strict=True)):.2f}")
    print(f"conclusions                    the same in all {len(chosen)} cases")


if __name__ == "__main__":
    main()
