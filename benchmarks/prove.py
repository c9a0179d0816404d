"""How long `crampdx check --prove` takes on the built-in knowledge, and how that grows with the knowledge base.

    python benchmarks/prove.py [COPIES]

Against reading the same knowledge base in the same process; then on a knowledge base of COPIES (10) renamed copies of
everything, guarantees among it. Quadratic growth would be the square of COPIES.
"""

from __future__ import annotations

import sys

from mutate import RENAMED, renamed, timed, times

from crampdx.engine.authoring.proof import Proofs, prove
from crampdx.engine.knowledge.guarantees import Guarantee, read_guarantees
from crampdx.engine.knowledge.loader import BUILT_IN, GUARANTEES, load
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import Problems
from crampdx.engine.proof.guarding import PROVED


def told(what: str, seconds: float, proofs: Proofs) -> None:
    kept = sum(1 for verdict in proofs.verdicts if verdict.verdict == PROVED)
    print(f"{what}: {seconds:.1f} s, {kept} of {len(proofs.verdicts)} guarantees proved, {len(proofs.problems)} warnings")


def main() -> None:
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    reading, knowledge = timed(lambda: load(BUILT_IN))
    text = (BUILT_IN / GUARANTEES).read_text(encoding="utf-8")
    guarantees = read_guarantees(text, GUARANTEES, knowledge, Problems())
    once, proofs = timed(lambda: prove(knowledge, guarantees))
    told("the built-in knowledge, held to 30 s", once, proofs)
    print(f"against reading it                  {once / reading:.1f}")
    larger, many = copied(knowledge, guarantees, copies)
    longer, more = timed(lambda: prove(larger, many))
    told(f"{copies} times everything", longer, more)
    print(f"growth                              {longer / once:.1f}, held to {copies**2} (quadratic)")


def copied(knowledge: Knowledge, guarantees: tuple[Guarantee, ...], copies: int) -> tuple[Knowledge, tuple[Guarantee, ...]]:
    """A knowledge base of so many copies that have nothing to do with each other, and the guarantees of each."""
    names = {name for shelf in RENAMED for name in getattr(knowledge, shelf)}
    larger, _ = times(knowledge, (), copies)
    return larger, tuple(renamed(g, names, f"_{number}") for number in range(copies) for g in guarantees)


if __name__ == "__main__":
    main()
