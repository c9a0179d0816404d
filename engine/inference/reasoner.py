"""The thin path from findings to an outcome, through Experta: one compiled engine, used for patient after patient."""

from __future__ import annotations

from ..knowledge.model import Findings, Knowledge
from .forward import build_engine, run
from .outcome import Outcome, outcome


class Reasoner:
    """Holds one engine for one knowledge base. Building takes longer than a patient does: build once."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._engine = build_engine(knowledge)

    def conclude(self, findings: Findings) -> Outcome:
        """What follows from one patient's findings; nothing is remembered from the patient before."""
        return outcome(self.knowledge, findings, run(self._engine, findings))
