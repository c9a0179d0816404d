"""Answers a session from a table of findings, by what it asks: the order of its questions is free to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

from crampdx.engine.interview.consultation import Consultation
from crampdx.engine.interview.questions import Group, Interviewer, Screen, Stops
from crampdx.engine.knowledge.model import YES_NO, Finding, Knowledge
from crampdx.engine.knowledge.truth import Valuation
from crampdx.engine.session.dialogue import Dialogue, Reply

from at_hand import built_in, cases_of


class InOrder(Interviewer):
    """Asks panel by panel in the order of the file, and says that a stop is reached when a test wants it to."""

    def __init__(self, knowledge: Knowledge) -> None:
        super().__init__(knowledge)
        self.reached = Stops(False, False, 0, 0)

    def next_screen(self, state: Consultation) -> Screen | None:
        return next(self._screens_in_order(state), None)

    def stops(self, state: Consultation) -> Stops:
        return self.reached

    def matters(self, state: Consultation) -> frozenset[str]:
        valuation = Valuation(self.knowledge, state.findings)
        topics = [t for t in self.knowledge.topics if t.id not in state.skipped]
        named = (self.knowledge.findings[n] for t in topics for p in t.panels for n in p.findings)
        return frozenset(f.name for f in named if self._wanted(f, state, valuation))

    def remaining(self, state: Consultation) -> int:
        return sum(1 for _ in self._screens_in_order(state))

    def before_safe(self, state: Consultation) -> int:
        return 0

    def _screens_in_order(self, state: Consultation) -> Iterator[Screen]:
        valuation = Valuation(self.knowledge, state.findings)
        for topic in self.knowledge.topics:
            for panel in topic.panels:
                wanted = [f for n in panel.findings if self._wanted(f := self.knowledge.findings[n], state, valuation)]
                lines = tuple(f for f in wanted if f.kind == YES_NO) or tuple(wanted[:1])
                if lines and topic.id not in state.skipped:
                    yield Screen(topic.id, topic.title, (Group(panel.title, lines),))

    def _wanted(self, finding: Finding, state: Consultation, valuation: Valuation) -> bool:
        declined = {"tests": "laboratory", "examination": "examiner"}
        if finding.name in valuation.findings or finding.name in state.passed:
            return False
        if finding.known_by in {declined[group] for group in state.declined}:
            return False
        return finding.ask_when is None or valuation.of(finding.ask_when) is not False


def session(
    interviewer: Interviewer | None = None, start: Consultation | None = None, asking: str = ""
) -> tuple[Dialogue, Reply]:
    """A session that has been opened; with `asking`, one whose first question is the screen with that finding."""
    knowledge = start.knowledge if start is not None else built_in()
    state = start or Consultation(knowledge)
    if asking:
        topic = next(t for t in knowledge.topics for p in t.panels if asking in p.findings)
        panel = next(p for p in topic.panels if asking in p.findings)
        only = replace(knowledge, topics=(replace(topic, panels=(panel, *knowledge.topics[-1].panels)),))
        state = replace(state, knowledge=only)
        knowledge = only
    dialogue = Dialogue(knowledge, interviewer or InOrder(knowledge), state)
    return dialogue, dialogue.opening()


def text_of(reply: Reply) -> str:
    """The words of a reply, a paragraph a line."""
    return "\n".join(" " * p.indent + p.mark + p.text for p in reply.paragraphs)


def typed_for(screen: Screen, table: Mapping[str, str]) -> str:
    """What somebody types at a screen who knows this much."""
    answers = [table.get(f.name, "?") for f in screen.findings]
    if len(answers) == 1:
        return answers[0]
    return " ".join(f"{number} {answer}" for number, answer in enumerate(answers, 1))


def transcript(dialogue: Dialogue, table: Mapping[str, str], stop_at: str = "done", most: int = 400) -> list[str]:
    """The lines typed from here to the end of the session, which goes on at an offer to stop before `stop_at`."""
    lines = []
    for _ in range(most):
        typed = typed_for(dialogue.screen, table) if dialogue.screen is not None else ""
        if dialogue.offered:
            typed = "y" if dialogue.offered in ("done", stop_at) else "n"
        lines.append(typed)
        if dialogue.reply(typed).ended:
            return lines
    raise AssertionError("the session does not end")


def patient(file: str, name: str) -> dict[str, str]:
    """The answers of a case of tests/cases, by finding."""
    case = next(c for c in cases_of(file) if c.name.startswith(name))
    return {finding: scalar.text for finding, scalar in case.given.items()}


# One patient of each tier, and one from beyond the document: file, name, leading diagnosis, urgency.
PATIENTS = {
    "most likely": ("everyday.yaml", "A roofer", "dehydration_electrolyte_imbalance"),
    "other likely": ("everyday.yaml", "A smoker", "peripheral_artery_disease"),
    "do not miss": ("deep_vein_thrombosis.yaml", "All nine items", "deep_vein_thrombosis"),
    "rare": ("everyday.yaml", "A woman known to have sarcoidosis", "sarcoidosis"),
    "beyond the document": ("everyday.yaml", "A young runner", "chronic_exertional_compartment_syndrome"),
}


@cache
def whole_session(tier: str) -> tuple[tuple[str, ...], Dialogue]:
    """The lines of one of these patients, from the first question to the last, and the session they lead through."""
    file, name, _ = PATIENTS[tier]
    dialogue = Dialogue(built_in(), Interviewer(built_in()), Consultation(built_in()))
    dialogue.opening()
    return tuple(transcript(dialogue, patient(file, name))), dialogue
