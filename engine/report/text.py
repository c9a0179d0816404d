"""Results as text for a terminal: readable at 80 columns, in a pipe and without colour. Meaning is never in colour alone."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from ..inference.outcome import Evidence, Line, Outcome
from ..knowledge.model import AT_LEAST_POSSIBLE, Knowledge
from .basis import reviews, sources_of
from .paragraphs import NARROWEST
from .phrases import (
    by_way_of,
    cited,
    exclusion_said,
    findings_said,
    foot_said,
    leading_said,
    still_open,
    urgency_said,
)
from .words import counted, mark_of, standing_and_urgency

_STYLES = {"emergency": "bold red", "same day": "bold magenta", "soon": "yellow", "routine": "green"}


def print_outcome(console: Console, name: str, outcome: Outcome, version: str, warnings: Iterable[str] = ()) -> None:
    """Writes the whole report of one case."""
    knowledge = outcome.knowledge
    console.print(Text(name, style="bold"), soft_wrap=False)
    for notice in outcome.scope:
        _entry(console, "!", f"{notice.title.rstrip('.')}. {notice.text}", "bold")
    console.print()
    _pair(console, "Urgency", urgency_said(outcome), _STYLES[outcome.urgency])
    _pair(console, "Leading", leading_said(outcome), "bold")
    if outcome.red_flags:
        _heading(console, "Red flags")
        for flag, reasons in outcome.red_flags:
            _entry(console, "!!", f"{flag.urgency.upper()}: {flag.title}", _STYLES[flag.urgency])
            _entry(console, "", f"Do: {flag.action}", indent=5)
            _entry(console, "", f"Because: {findings_said(reasons, knowledge)} {cited(flag.source)}", indent=5)
    supported = [x.conclusion for x in outcome.lines if x.conclusion.level in AT_LEAST_POSSIBLE]
    if len(supported) > 1:
        _heading(console, "In rank order")
        for number, conclusion in enumerate(supported, 1):
            _entry(
                console,
                f"{number}.",
                f"{knowledge.diagnoses[conclusion.diagnosis].title}: {standing_and_urgency(conclusion)}",
            )
    console.print()
    _entry(console, "", "Every diagnosis, with its evidence, under the source document's own headings:", indent=0)
    for tier in knowledge.tiers:
        _heading(console, tier.heading)
        lines = [x for x in outcome.lines if knowledge.diagnoses[x.conclusion.diagnosis].tier == tier.id]
        for line in lines:
            _print_line(console, outcome, line)
    if outcome.links:
        _heading(console, "Links (what may be behind what)")
        for link, reasons in outcome.links:
            _entry(console, "~", f"{link.title.rstrip('.')}. {cited(link.source)}")
            if reasons:
                _entry(console, "", f"Because: {findings_said(reasons, knowledge)}", indent=5)
    if outcome.notes:
        _heading(console, "Also consider (not diagnoses of this list)")
        for note, reasons in outcome.notes:
            _entry(console, "*", f"{note.title.rstrip('.')}. {note.text}")
            _entry(console, "", f"Because: {findings_said(reasons, knowledge)} {cited(note.source)}", indent=5)
    if outcome.advice:
        _heading(console, "Advice")
        for advice, given in sorted(outcome.advice, key=lambda entry: not entry[1]):
            text = f"{advice.text} {cited(advice.source)}" if given else f"Withheld ({advice.id}): {advice.withheld}"
            _entry(console, "*", text)
    steps = [
        (knowledge.diagnoses[x.conclusion.diagnosis].title, step)
        for x in outcome.lines
        if x.conclusion.level in AT_LEAST_POSSIBLE
        for step in knowledge.diagnoses[x.conclusion.diagnosis].next_steps
    ]
    if steps:
        _heading(console, "Next steps")
        before = ""
        for title, step in steps:
            if title != before:
                _entry(console, "", f"{title}:", indent=2)
                before = title
            _entry(console, "-", step, indent=4)
    doubts = [*warnings, *outcome.doubts]
    if doubts:
        _heading(console, "Please check")
        for doubt in doubts:
            _entry(console, "?", doubt)
    _print_sources(console, outcome)
    console.print()
    used, reviewed = reviews(outcome)
    if used:
        _entry(console, "", f"Reviewed: {reviewed} of {counted(used, 'rule')} used here.", "dim", indent=0)
    _entry(console, "", foot_said(knowledge, version), "dim", indent=0)


def summary(outcome: Outcome) -> str:
    """Urgency and leading diagnosis in one sentence, for the end of a long report."""
    return f"In short: {urgency_said(outcome)}. Leading: {leading_said(outcome)}."


def _print_line(console: Console, outcome: Outcome, line: Line) -> None:
    knowledge = outcome.knowledge
    conclusion = line.conclusion
    diagnosis = knowledge.diagnoses[conclusion.diagnosis]
    style = "bold" if conclusion.level in AT_LEAST_POSSIBLE else ""
    _entry(console, "", f"{diagnosis.title}: {standing_and_urgency(conclusion)}", style, indent=2)
    for evidence in line.evidence:
        _print_evidence(console, evidence, knowledge)
    exclusion = exclusion_said(outcome, conclusion)
    if exclusion:
        _entry(console, "", exclusion, "dim", indent=4)
    missing = still_open(outcome, line)
    if missing:
        _entry(console, "?", missing, "dim", indent=4)


def _print_evidence(console: Console, evidence: Evidence, knowledge: Knowledge) -> None:
    rule = evidence.rule
    because = findings_said(evidence.reasons, knowledge)
    scope = f" Scope: {rule.scope.rstrip('.')}." if rule.scope else ""
    text = f"{rule.title.rstrip('.')}: {because}{by_way_of(evidence.reasons)}.{scope} {cited(rule.source)}"
    _entry(console, mark_of(rule, evidence.counted), text, indent=3, width=5)


def _print_sources(console: Console, outcome: Outcome) -> None:
    named = sources_of(outcome)
    if not named:
        return
    _heading(console, "Sources")
    for source in named:
        checked = "" if source.checked == "verified" else f" [{source.checked}]"
        _entry(console, "", f"{source.id}: {source.citation}{checked}", "dim", indent=2)


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))
    console.print(Text("-" * min(len(text), console.width)))


def _pair(console: Console, label: str, value: str, style: str = "") -> None:
    _paragraph(console, Text(f"{label:<9}"), Text(value, style=style), 0)


def _entry(console: Console, mark: str, text: str, style: str = "", indent: int = 2, width: int = 0) -> None:
    """A paragraph after a mark, which is set right in `width` columns where that is given."""
    label = f"{mark:>{width - 1}} " if width else f"{mark} " if mark else ""
    _paragraph(console, Text(label), Text(text, style=style), indent)


def _paragraph(console: Console, label: Text, content: Text, indent: int) -> None:
    """Later lines stand under the first one's content; no line ends in spaces."""
    start = indent + label.cell_len
    for number, line in enumerate(content.wrap(console, max(NARROWEST, console.width - start))):
        line.rstrip()
        before = Text(" " * indent) + label if number == 0 else Text(" " * start)
        console.print(before + line, soft_wrap=True)
