"""What is said of mutants: how many the cases notice, by the kind of fault and by where the cases are from, and which they
do not, with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..report.words import counted
from .coverage import ORIGINS
from .killing import Trial, Verdict
from .masks import Mask
from .mutation import KINDS, Mutant


@dataclass(frozen=True)
class Result:
    """The verdicts on a number of mutants, by cases of which those from `only` count."""

    trial: Trial
    verdicts: tuple[Verdict, ...]
    only: tuple[str, ...]  # of ORIGINS
    equal: frozenset[str] = frozenset()  # ids of the mutants that are proved to conclude what the original does

    @cached_property
    def counting(self) -> Mask:
        """The cases that count."""
        return sum(self._of_origin[origin] for origin in self.only)

    @cached_property
    def survivors(self) -> tuple[Verdict, ...]:
        """Those of which no case that counts notices anything, as far as they are not proved equal."""
        alive = (v for v in self.verdicts if not v.killers & self.counting)
        return tuple(v for v in alive if v.mutant.id not in self.equal)

    @property
    def score(self) -> float:
        """The part of the mutants that is noticed, from 0 to 1; those proved equal are left out. 1 where there is none."""
        total = sum(1 for v in self.verdicts if v.mutant.id not in self.equal)
        return 1 - len(self.survivors) / total if total else 1.0

    def killed(self, kind: str, origins: Iterable[str]) -> int:
        """How many mutants of a kind cases of these origins notice."""
        cases = sum(self._of_origin[origin] for origin in origins)
        return sum(1 for v in self.verdicts if v.mutant.kind == kind and v.killers & cases)

    def of_kind(self, kind: str) -> int:
        """How many mutants of a kind there are."""
        return sum(1 for v in self.verdicts if v.mutant.kind == kind)

    def why(self, verdict: Verdict) -> str:
        """Why a mutant survives."""
        differing = verdict.differing & self.counting
        if differing:
            example = self.trial.cases[(differing & -differing).bit_length() - 1]
            number = counted(differing.bit_count(), "case")
            return f"comes out otherwise in {number}, of which none expects it, such as '{example.name}'"
        decided = (verdict.decided & self.counting).bit_count()
        if decided:
            return f"decided otherwise in {counted(decided, 'case')}, but nothing comes out otherwise"
        return "no case decides it"

    @cached_property
    def _of_origin(self) -> dict[str, Mask]:
        masks = dict.fromkeys(ORIGINS, 0)
        for number, case in enumerate(self.trial.cases):
            masks[case.origin if case.origin in ORIGINS else "other"] |= 1 << number
        return masks


def tried(trial: Trial, mutants: Iterable[Mutant], only: Sequence[str] = ORIGINS) -> Result:
    """The verdict on each of the mutants."""
    return Result(trial, tuple(trial.verdict(mutant) for mutant in mutants), tuple(only))


def result_lines(result: Result, most: int | None = 40) -> Iterator[str]:
    """A table by kind, then the survivors in the order in which they stand in the files, at most `most` of each kind."""
    yield (
        f"{'':<16}{'mutants':>9}{'killed':>9}" + "".join(f"{f'by {origin}':>13}" for origin in ORIGINS) + f"{'survive':>10}"
    )
    kinds = [kind for kind in KINDS if result.of_kind(kind)]
    for kind in kinds:
        alive = sum(1 for v in result.survivors if v.mutant.kind == kind)
        yield _row(kind, result, (kind,), alive)
    yield _row("all", result, kinds, len(result.survivors))
    if result.equal:
        yield f"{counted(len(result.equal), 'mutant')} proved to conclude what the original does; they count neither way"
    for kind in kinds:
        alive_of = sorted((v for v in result.survivors if v.mutant.kind == kind), key=_written_at)
        if alive_of:
            yield ""
            yield f"{kind}: {len(alive_of)} not noticed"
            for verdict in alive_of[:most]:
                mutant = verdict.mutant
                yield f"  {mutant.place}: {mutant.id}: {mutant.words} ({result.why(verdict)})"
            if most is not None and len(alive_of) > most:
                yield f"  and {len(alive_of) - most} more (--all lists them)"


def _row(title: str, result: Result, kinds: Collection[str], alive: int) -> str:
    def killed(*origins: str) -> int:
        return sum(result.killed(kind, origins) for kind in kinds)

    cells = "".join(f"{killed(origin):>13}" for origin in ORIGINS)
    total = sum(result.of_kind(kind) for kind in kinds)
    return f"{title:<16}{total:>9}{killed(*result.only):>9}{cells}{alive:>10}"


def _written_at(verdict: Verdict) -> tuple[str, int, str]:
    mutant = verdict.mutant
    return mutant.place.file, mutant.place.line, mutant.id


def result_record(result: Result) -> dict[str, Any]:
    """The same as plain data, with every survivor."""
    return {
        "score": round(100 * result.score, 1),
        "kinds": [
            {
                "kind": kind,
                "mutants": result.of_kind(kind),
                "killed": result.killed(kind, result.only),
                "killed_by": {origin: result.killed(kind, (origin,)) for origin in ORIGINS},
                "survivors": sum(1 for v in result.survivors if v.mutant.kind == kind),
            }
            for kind in KINDS
            if result.of_kind(kind)
        ],
        "proved_equal": sorted(result.equal),
        "survivors": [
            {
                "id": v.mutant.id,
                "kind": v.mutant.kind,
                "owner": v.mutant.owner,
                "diagnosis": v.mutant.diagnosis or None,
                "what": v.mutant.words,
                "file": v.mutant.place.file,
                "line": v.mutant.place.line,
                "why": result.why(v),
                "differing_cases": (v.differing & result.counting).bit_count(),
            }
            for v in sorted(result.survivors, key=_written_at)
        ],
    }
