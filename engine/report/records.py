"""Results as data: the JSON that other programs read; its keys are versioned by SCHEMA_VERSION."""

from __future__ import annotations

import json
from typing import Any

from ..inference.justification import Reason, findings_of, through
from ..inference.outcome import Line, Outcome
from ..knowledge.model import Knowledge
from .basis import reviews

SCHEMA_VERSION = 1


def envelope(version: str, knowledge: Knowledge, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole document for these cases."""
    return {
        "schema_version": SCHEMA_VERSION,
        "version": version,
        "knowledge": knowledge.hash,
        "document_only": knowledge.is_document_only,
        "cases": cases,
    }


def record(name: str, outcome: Outcome, warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    """One case as plain data; lists are in rank order, ids otherwise sorted."""
    used, reviewed = reviews(outcome)
    return {
        "case": name,
        "urgency": outcome.urgency,
        "red_flags": [
            {
                "id": flag.id,
                "title": flag.title,
                "urgency": flag.urgency,
                "action": flag.action,
                "because": _because(reasons),
                "source": list(flag.source),
            }
            for flag, reasons in outcome.red_flags
        ],
        "notes": [
            {
                "id": n.id,
                "title": n.title,
                "about": n.about,
                "text": n.text,
                "because": _because(reasons),
                "source": list(n.source),
            }
            for n, reasons in outcome.notes
        ],
        "advice": [
            {
                "id": advice.id,
                "diagnosis": advice.diagnosis,
                "given": given,
                "text": advice.text if given else "",
                "withheld": "" if given else advice.withheld,
                "source": list(advice.source),
            }
            for advice, given in outcome.advice
        ],
        "scope": [{"id": n.id, "title": n.title, "text": n.text, "source": list(n.source)} for n in outcome.scope],
        "leading": outcome.leading or None,
        "differential": [_line(outcome, line) for line in outcome.lines],
        "links": [
            {
                "id": link.id,
                "title": link.title,
                "cause": link.cause,
                "effect": link.effect,
                "because": _because(reasons),
                "source": list(link.source),
            }
            for link, reasons in outcome.links
        ],
        "firings": list(outcome.inference.firings),
        "warnings": [*warnings, *outcome.doubts],
        "reviewed": {"used": used, "reviewed": reviewed},
    }


def _line(outcome: Outcome, line: Line) -> dict[str, Any]:
    conclusion = line.conclusion
    diagnosis = outcome.knowledge.diagnoses[conclusion.diagnosis]
    return {
        "diagnosis": diagnosis.id,
        "title": diagnosis.title,
        "tier": diagnosis.tier,
        "origin": diagnosis.origin,
        "level": conclusion.level,
        "could_reach": conclusion.could_reach,
        "points": conclusion.points,
        "urgency": conclusion.urgency or None,
        "evidence": [
            {
                "rule": e.rule.id,
                "strength": e.rule.then,
                "counted": e.counted,
                "because": _because(e.reasons),
                "through": [{"name": r.name, "kind": r.kind, "value": r.value} for r in through(e.reasons)],
                "source": list(e.rule.source),
            }
            for e in line.evidence
        ],
        "missing": list(line.missing),
        "barred_by": list(conclusion.barred_by),
    }


def _because(reasons: tuple[Reason, ...]) -> list[dict[str, str]]:
    return [{"finding": name, "value": value} for name, value in findings_of(reasons)]


def as_json(document: dict[str, Any]) -> str:
    """Indented JSON with a final newline; the same bytes for the same document."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_json_line(document: dict[str, Any]) -> str:
    """The document on one line, newline included."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
