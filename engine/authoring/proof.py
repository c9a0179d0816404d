"""What is proved of a knowledge base for every patient that can be described, and what is refuted, with a patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..knowledge.guarantees import FlagPromise, Guarantee, LevelPromise, Promise, UrgencyPromise, WithheldPromise
from ..knowledge.model import Findings, Knowledge
from ..knowledge.problems import Problem
from ..proof.asked import Undecided, findings_of
from ..proof.differing import telling_apart
from ..proof.guarding import PROVED, Verdict, judged, problems_of
from ..proof.reach import Clash, Prover, clashes, implied, never_fires, out_of_reach, urgency_falls
from .casefile import case_text
from .mutation import Mutant, mutants_of
from .witness import Equal, Search, search


@dataclass(frozen=True)
class Proofs:
    """What came out: what is wrong, what may contradict itself by design, and each guarantee."""

    problems: tuple[Problem, ...]  # by place
    clashes: tuple[Clash, ...]
    verdicts: tuple[Verdict, ...]


def prove(knowledge: Knowledge, guarantees: tuple[Guarantee, ...]) -> Proofs:
    """Every check of the knowledge that speaks of all patients, and every guarantee. What no guarantee guards is reported
    where there are guarantees at all."""
    prover = Prover(knowledge)
    problems = [*never_fires(prover), *implied(prover), *out_of_reach(prover), *urgency_falls(knowledge)]
    verdicts = tuple(judged(prover, guarantee, mutants_of) for guarantee in guarantees)
    problems += problems_of(knowledge, verdicts) if guarantees else ()
    return Proofs(tuple(sorted(set(problems))), tuple(clashes(prover)), verdicts)


def proving_search(knowledge: Knowledge) -> Search:
    """A search that first looks where a patient is found quickly, and then asks the solver for one, or for the proof that
    there is none; it finds nothing only where the solver gives up."""
    prover = Prover(knowledge)

    def search_all(_: Knowledge, mutant: Mutant) -> Findings | Equal | None:
        found = search(knowledge, mutant)
        if found is not None:
            return found
        try:
            given = telling_apart(prover, mutant.apply(knowledge), mutant.owner)
        except Undecided:
            return None
        return Equal() if given is None else findings_of(given, knowledge)

    return search_all


def proof_lines(proofs: Proofs) -> Iterator[str]:
    """The guarantees, each with the fault of the knowledge that it would notice, and the pairs that can contradict."""
    for verdict in proofs.verdicts:
        notices = f"; would notice {', '.join(change.id for change in verdict.broken_by)}" if verdict.broken_by else ""
        yield f"{verdict.verdict}: {verdict.guarantee.id}: {verdict.guarantee.promise}{notices}"
    for clash in proofs.clashes:
        pair = f"{clash.establishes.id} and {clash.excludes.id}"
        if clash.patient is None:
            yield f"not decided in time, whether {pair} can establish and exclude at once"
        else:
            known = ", ".join(f"{finding} {words}" for finding, words in clash.patient.items())
            yield f"can establish and exclude at once: {pair}, as in: {known}"
    kept = sum(1 for verdict in proofs.verdicts if verdict.verdict == PROVED)
    yield f"{kept} of {len(proofs.verdicts)} guarantees proved"


def proof_record(proofs: Proofs) -> dict[str, Any]:
    """All of it as plain data."""
    return {
        "guarantees": [
            {
                "id": verdict.guarantee.id,
                "promise": str(verdict.guarantee.promise),
                "hazard": verdict.guarantee.hazard,
                "verdict": verdict.verdict,
                "counterexample": None if verdict.counterexample is None else dict(verdict.counterexample),
                "would_notice": [{"id": change.id, "words": change.words} for change in verdict.broken_by],
            }
            for verdict in proofs.verdicts
        ],
        "establish_and_exclude": [
            {
                "establishes": clash.establishes.id,
                "excludes": clash.excludes.id,
                "patient": None if clash.patient is None else dict(clash.patient),
            }
            for clash in proofs.clashes
        ],
    }


def counterexamples(proofs: Proofs) -> str:
    """The patients for whom a guarantee does not hold, as a case file; to run it shows what comes out. '' for none."""
    return "".join(
        case_text(
            f"A counterexample to the guarantee {verdict.guarantee.id}",
            verdict.counterexample,
            _expected(verdict.guarantee.promise),
            about=verdict.guarantee.hazard,
        )
        for verdict in proofs.verdicts
        if verdict.counterexample is not None
    )


def _expected(promise: Promise) -> dict[str, str]:
    """What a case expects where the promise is kept."""
    if isinstance(promise, UrgencyPromise):
        return {"urgency": f"at least {promise.urgency}"}
    if isinstance(promise, WithheldPromise):
        return {promise.advice: "withheld"}
    if isinstance(promise, FlagPromise):
        return {promise.flag: "fires"}
    assert isinstance(promise, LevelPromise)
    return {promise.diagnosis: f"at least {promise.level}"}
