"""The thin path from findings to an outcome, through Experta: one compiled engine, used for patient after patient."""

from __future__ import annotations

from ..knowledge.model import Findings, Knowledge
from .forward import build_engine, run
from .outcome import Outcome, outcome
from .weighing import Inference


class Reasoner:
    """Holds one engine for one knowledge base. Building takes longer than a patient does: build once."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._engine = build_engine(knowledge)

    def infer(self, findings: Findings) -> Inference:
        """What follows from one patient's findings; nothing is remembered from the patient before."""
        return run(self._engine, findings)

    def conclude(self, findings: Findings) -> Outcome:
        """The same, with why and with what is missing."""
        return outcome(self.knowledge, findings, self.infer(findings))
