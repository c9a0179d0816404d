"""How many prompts it takes until a session is safe to stop from history alone, and how long each answer takes.

    python benchmarks/questions.py [PATIENTS] [SEED]

Patients are sampled by diagnosis: what the rules for it read as yes is so in one of two, everything else that a patient can
tell in one of fifty; four in five have no red flag. A quantity that such rules read has a value they want in one of two,
otherwise a usual one. Answers that cannot be given together, or whose question would not be put, are taken back. `no tests`
and `no examination` are said first and not counted. Then cases of tests/cases, twice: as a person would answer who has what
the case gives and nothing else (a symptom, a disease, a medicine it does not name is no; a number or choice is not known),
and, as the far end, as one who knows nothing but what the case gives: then nothing is ruled out by an answer.

Beside the order of the session: the panels in the order of the file, and at random, on screens filled alike; and, on a tenth
of the patients, a greedy order that knows the answers and takes the screen after which least danger is left. At every stop
urgency, do-not-miss diagnoses and, when settled, the leading diagnosis are held against those with every question answered.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

from crampdx.engine.inference.reference import infer
from crampdx.engine.inference.weighing import leading_of, urgency_of
from crampdx.engine.interview import questions
from crampdx.engine.interview.consultation import Consultation
from crampdx.engine.interview.questions import Interviewer, Screen
from crampdx.engine.interview.stops import dangers
from crampdx.engine.knowledge.cases import read_cases
from crampdx.engine.knowledge.loader import BUILT_IN, load
from crampdx.engine.knowledge.model import (
    AT_LEAST_POSSIBLE,
    CHOICE,
    DO_NOT_MISS,
    QUANTITY,
    YES_NO,
    All,
    AnyOf,
    AtLeast,
    Condition,
    Finding,
    Leaf,
    Not,
)
from crampdx.engine.knowledge.problems import Problems
from crampdx.engine.knowledge.quantities import plain
from crampdx.engine.knowledge.truth import Valuation, decisive, impossible, leaf_truth
from crampdx.engine.session.dialogue import Dialogue

ROOT = Path(__file__).resolve().parents[1]
K = load(BUILT_IN)
INTERVIEWER = Interviewer(K)
HORIZON = INTERVIEWER.horizon
HISTORY = [f for t in K.topics for p in t.panels for f in map(K.findings.__getitem__, p.findings) if f.known_by == "patient"]
NAMES = {f.name for f in HISTORY}
START = Consultation(K).without("tests").without("examination")
Words = dict[str, str]  # answers by finding; what is not known is missing


def wanted_by(diagnosis: str) -> dict[str, list[tuple[Leaf, bool]]]:
    """For each finding, the leaves by which rules for the diagnosis read it, and whether they want them yes."""
    found: dict[str, list[tuple[Leaf, bool]]] = {}
    seen: set[tuple[str, bool]] = set()

    def walk(condition: Condition, yes: bool) -> None:
        if isinstance(condition, Not):
            walk(condition.child, not yes)
        elif isinstance(condition, (All, AnyOf, AtLeast)):
            for child in condition.children:
                walk(child, yes)
        elif condition.name in K.findings:
            found.setdefault(condition.name, []).append((condition, yes))
        elif (condition.name, yes) not in seen:
            seen.add((condition.name, yes))
            if condition.name in K.concepts:
                walk(K.concepts[condition.name].when, yes)
            else:
                rising = condition.operator in (">", ">=")  # type: ignore[union-attr]
                for item in K.scores[condition.name].counted:
                    walk(item.when, (item.points > 0) == (rising == yes))

    for rule in K.rules_of[diagnosis]:
        if rule.is_for:
            walk(rule.when, True)
    if (needs := K.diagnoses[diagnosis].needs) is not None:
        walk(needs, True)
    return found


OWN = {d: wanted_by(d) for d in K.order}


def sampled(diagnosis: str, chance: random.Random) -> Words:
    """One patient's answers to every question about history."""
    answers: Words = {}
    for finding in HISTORY:
        leaves = OWN[diagnosis].get(finding.name, [])
        if finding.kind == YES_NO:
            answers[finding.name] = "yes" if chance.random() < (0.5 if any(yes for _, yes in leaves) else 0.02) else "no"
        elif finding.kind == CHOICE:
            answers[finding.name] = chance.choice(finding.choices)[0]
        else:
            answers[finding.name] = amount(finding, leaves, chance)
    return consistent(answers)


def amount(finding: Finding, leaves: list[tuple[Leaf, bool]], chance: random.Random) -> str:
    scale = finding.scale
    assert scale is not None
    cases = [c for c in HORIZON.cases(finding.name) if c is not None]
    liked = [c for c in cases if any((leaf_truth(leaf, {finding.name: c}) is True) == yes for leaf, yes in leaves)]
    if liked and chance.random() < 0.5:
        quantity = chance.choice(liked).quantity
        assert quantity is not None and quantity.exact is not None
        value = quantity.exact
    else:
        low, high = scale.usual or scale.plausible
        step = Decimal(1).scaleb(-scale.decimals)
        value = low + step * chance.randrange(int((high - low) / step) + 1)
    return f"{plain(value)} {scale.unit}"


def consistent(answers: Words, told: frozenset[str] = frozenset()) -> Words:
    """Without what cannot hold together, and without answers to questions that would not be put; what was told stays, where
    what was not can go."""
    while True:
        findings = Consultation(K, answers).findings
        fault = next(iter(impossible(K, findings)), None)
        if fault is not None:
            named = decisive(fault.when, lambda leaf: leaf_truth(leaf, findings))  # noqa: B023
            if told and not told.issuperset(named):
                answers = {n: w for n, w in answers.items() if n not in named or n in told}
                continue
            yes_no = [n for n in named if K.findings[n].kind == YES_NO and answers[n] == "yes"]
            answers = {**answers, yes_no[-1]: "no"} if yes_no else {n: w for n, w in answers.items() if n not in named}
            continue
        valuation = Valuation(K, findings)
        closed = [f for f in HISTORY if f.ask_when is not None and valuation.of(f.ask_when) is False and f.name in answers]
        untrue = [f.name for f in closed if f.kind != YES_NO or answers[f.name] == "yes"]
        if not untrue:
            return answers
        answers = {n: w for n, w in answers.items() if n not in untrue} | {
            n: "no" for n in untrue if K.findings[n].kind == YES_NO
        }


def ends(state: Consultation) -> tuple[str, frozenset[str], str]:
    """Urgency, do-not-miss diagnoses at possible or above, leading diagnosis."""
    found = infer(K, state.findings)
    supported = (d for d, c in found.conclusions.items() if c.level in AT_LEAST_POSSIBLE)
    serious = frozenset(d for d in supported if K.diagnoses[d].tier == DO_NOT_MISS)
    return urgency_of(K, found), serious, leading_of(K, found)


# Orders --------------------------------------------------------------------------------------------------------------


def typed_answer(screen: Screen, answers: Words) -> str:
    """One line that answers the whole screen."""
    if len(screen.findings) == 1:
        return answers.get(screen.findings[0].name, "?")
    marks = {"yes": "y", "no": "n", "?": "?"}
    return " ".join(f"{i} {marks[answers.get(f.name, '?')]}" for i, f in enumerate(screen.findings, 1))


def in_session(answers: Words, times: list[float]) -> tuple[int, int, list[str]]:
    """Prompts of a real session until safe, and until settled or all is asked; faults found at either stop."""
    dialogue = Dialogue(K, INTERVIEWER, START)
    dialogue.opening()
    full = ends(everything(answers))
    prompts, safe, faults = 0, -1, []
    while True:
        if dialogue.offered:
            now, kind = ends(dialogue.state), dialogue.offered
            if safe < 0:
                safe = prompts
                faults += [f"{kind}: {now[:2]} and not {full[:2]}"] if now[:2] != full[:2] else []
            if kind == "settled" and now != full:
                faults.append(f"settled: {now} and not {full}")
            if kind != "safe":
                return safe, prompts, faults
            dialogue.reply("n")
            continue
        assert dialogue.screen is not None
        start = time.perf_counter()
        dialogue.reply(typed_answer(dialogue.screen, answers))
        times.append(time.perf_counter() - start)
        prompts += 1


def given(state: Consultation, screen: Screen, answers: Words) -> Consultation:
    for finding in screen.findings:
        words = answers.get(finding.name, "")
        fits = words and not state.problems_with(finding.name, words).errors
        state = state.answered(finding.name, words) if fits else state.left_unknown(finding.name)
    return state.at(screen.topic)


def everything(answers: Words) -> Consultation:
    """The state with every question about history answered whose gate is not closed."""
    return Consultation(K, {n: w for n, w in answers.items() if n in NAMES})


def until_safe(answers: Words, choose: Callable[[Consultation], Screen]) -> int:
    state, prompts = START, 0
    while not INTERVIEWER.stops(state).safe:
        state = given(state, choose(state), answers)
        prompts += 1
    return prompts


def screens_of(look: questions._Look, wanted: frozenset[str]) -> Iterator[Screen]:
    """Every screen that could be put now: filled from each panel on, within its topic."""
    panels = list(look._panels(look._ready(wanted)))
    for lines in panels:
        rest = [p for p in panels if p.topic is lines.topic and not p.alone and p is not lines]
        groups = [lines.group] if lines.alone else questions._filled([lines, *rest])
        yield Screen(lines.topic.id, lines.topic.title, tuple(groups))


def in_file_order(state: Consultation) -> Screen:
    look = questions._Look(HORIZON, state)
    return next(screens_of(look, look.view.open))


def at_random(chance: random.Random) -> Callable[[Consultation], Screen]:
    def choose(state: Consultation) -> Screen:
        look = questions._Look(HORIZON, state)
        return chance.choice(list(screens_of(look, look.view.open)))

    return choose


def knowing(answers: Words) -> Callable[[Consultation], Screen]:
    """Takes the screen after whose true answers least danger is left."""

    def left(state: Consultation, screen: Screen) -> float:
        look = questions._Look(HORIZON, given(state, screen, answers))
        return sum(questions._danger(goal, look.view) for goal in dangers(look.view, look.inference))

    def choose(state: Consultation) -> Screen:
        look = questions._Look(HORIZON, state)
        return min(screens_of(look, look.dangerous), key=lambda screen: left(state, screen))

    return choose


# Patients ------------------------------------------------------------------------------------------------------------


def patients(count: int, chance: random.Random) -> Iterator[Words]:
    for number in range(count):
        diagnosis = K.order[number % len(K.order)]
        any_will_do = chance.random() < 0.2
        while True:
            answers = sampled(diagnosis, chance)
            if any_will_do or not infer(K, everything(answers).findings).red_flags:
                yield answers
                break


def of_cases() -> Iterator[Words]:
    """What real and everyday patients, all of them, and one in twelve of the others tell."""
    for path in sorted((ROOT / "tests" / "cases").glob("*.yaml")):
        step = 1 if path.stem in ("published", "everyday") else 12
        for case in read_cases(path.read_text(encoding="utf-8"), path.name, K, Problems())[::step]:
            told = {n: s.text for n, s in case.given.items() if n in NAMES}
            told = {n: w.strip().lower() if K.findings[n].kind == YES_NO else w for n, w in told.items()}
            yield consistent({n: w for n, w in told.items() if K.findings[n].kind == QUANTITY or w not in ("unknown", "?")})


def otherwise_no(told: Words) -> Words:
    """With a no for each yes-no question that nothing is told of; who has told of a medicine takes one."""
    opened = dict(told)
    waiting = list(told)
    while waiting:
        gate = K.findings[waiting.pop()].ask_when
        if isinstance(gate, Leaf) and K.findings[gate.name].kind == YES_NO and gate.name not in opened:
            opened[gate.name] = "yes"
            waiting.append(gate.name)
    silent = {f.name: "no" for f in HISTORY if f.kind == YES_NO and f.name not in opened}
    return consistent(opened | silent, frozenset(opened))


def line(name: str, counts: list[int]) -> str:
    counts = sorted(counts)
    tenth = counts[min(len(counts) - 1, int(0.9 * len(counts)))]
    middle = statistics.median(counts)
    return f"  {name:<34} {len(counts):>5} patients   median {middle:>5}   90th percentile {tenth:>4}   most {counts[-1]:>4}"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 240
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    chance = random.Random(seed)
    times: list[float] = []
    faults: list[str] = []
    people = list(patients(count, chance))
    cases = list(of_cases())
    groups = {
        f"sampled patients, seed {seed}": people,
        "the cases of tests/cases, what they do not name is no": [otherwise_no(told) for told in cases],
        "the cases of tests/cases, what they do not name is not known": cases,
    }
    for title, group in groups.items():
        found = [in_session(answers, times) for answers in group]
        faults += [fault for _, _, some in found for fault in some]
        print(f"Prompts from history alone, {title}")
        print(line("until safe to stop", [safe for safe, _, _ in found]))
        print(line("until settled, or all is asked", [last for _, last, _ in found]), flush=True)
        if group is people:
            print(line("until safe, in the file's order", [until_safe(a, in_file_order) for a in people[::3]]))
            print(line("until safe, at random", [until_safe(a, at_random(chance)) for a in people[::3]]))
            few = people[:: max(1, count // 24)]
            print(line("until safe, the session, a tenth", [in_session(a, [])[0] for a in few]))
            print(line("until safe, knowing the answers", [until_safe(a, knowing(a)) for a in few]))
    times.sort()
    milliseconds = [1000 * times[int(share * (len(times) - 1))] for share in (0.5, 0.95, 1)]
    print(
        "An answer took (ms): median {:.1f}, 95th percentile {:.1f}, most {:.1f}".format(*milliseconds), f"of {len(times)}"
    )
    print(f"Stops at which the answers still to come changed something: {len(faults)}")
    for fault in faults[:20]:
        print(f"  {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
