"""Experta is held equal to the reference meaning over random knowledge bases and random patients."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from crampdx.engine.inference.forward import build_engine, run
from crampdx.engine.inference.outcome import outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.report.records import record

from small_worlds import knowledge_texts, patient, patients, small_knowledge

EXAMPLES = int(os.environ.get("CRAMPDX_EXAMPLES", "300"))
SEED = int(os.environ.get("CRAMPDX_SEED", "20261122"))
SETTINGS = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=False
)
print(f"random knowledge bases: {EXAMPLES} examples, seed {SEED}")


def comparable(knowledge: Knowledge, findings: Any, inference: Any) -> dict[str, Any]:
    """Everything that a report says, except the order of firing."""
    result = record("x", outcome(knowledge, findings, inference))
    del result["firings"]
    return result


@seed(SEED)
@SETTINGS
@given(knowledge_texts(), st.lists(patients(), min_size=1, max_size=3))
def test_experta_concludes_what_the_reference_meaning_does(texts: dict[str, str], given_each: list[dict[str, str]]) -> None:
    """Fired rules, levels, points, what could be reached, urgency, flags, notes and advice are the same, patient after
    patient on one engine."""
    knowledge = small_knowledge(texts)
    engine = build_engine(knowledge)
    for given_findings in given_each:
        findings = patient(given_findings, knowledge).findings
        meant = infer(knowledge, findings)
        concluded = run(engine, findings)
        assert concluded.conclusions == meant.conclusions
        assert concluded.red_flags == meant.red_flags
        assert concluded.said == meant.said
        assert comparable(knowledge, findings, concluded) == comparable(knowledge, findings, meant)
