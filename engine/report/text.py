"""Results as text for a terminal: readable at 80 columns, in a pipe and without colour. Meaning is never in colour alone."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..inference.justification import findings_of, through
from ..inference.outcome import Evidence, Line, Outcome
from ..knowledge.model import AT_LEAST_POSSIBLE, DO_NOT_MISS, Finding, Knowledge, Rule

DISCLAIMER = "Decision support for health professionals and for learning; not a medical device."
_STYLES = {"emergency": "bold red", "same day": "bold magenta", "soon": "yellow", "routine": "green"}
_MOST_MISSING = 6
_QUIET = ("not assessed", "not supported")


def print_outcome(console: Console, name: str, outcome: Outcome, version: str, warnings: Iterable[str] = ()) -> None:
    """Writes the whole report of one case."""
    knowledge = outcome.knowledge
    console.print(Text(name, style="bold"), soft_wrap=False)
    for notice in outcome.scope:
        console.print(_entry("!", f"{notice.title}. {notice.text}", "bold"))
    console.print()
    console.print(_pair("Urgency", outcome.urgency.upper(), _STYLES[outcome.urgency]))
    console.print(_pair("Leading", _leading(outcome), "bold"))
    if outcome.open_red_flags:
        console.print(
            _pair("Note", f"{_count(len(outcome.open_red_flags), 'red flag')} not ruled out, for lack of answers", "")
        )
    if outcome.red_flags:
        _heading(console, "Red flags")
        for flag, reasons in outcome.red_flags:
            console.print(_entry("!!", f"{flag.urgency.upper()}: {flag.title}", _STYLES[flag.urgency]))
            console.print(_entry("", f"Do: {flag.action}", indent=5))
            console.print(_entry("", f"Because: {_findings(reasons, knowledge)}", indent=5))
    for tier in knowledge.tiers:
        _heading(console, tier.heading)
        lines = [x for x in outcome.lines if knowledge.diagnoses[x.conclusion.diagnosis].tier == tier.id]
        for line in lines:
            _print_line(console, outcome, line)
    if outcome.notes:
        _heading(console, "Also consider (not diagnoses of this list)")
        for note, reasons in outcome.notes:
            console.print(_entry("*", f"{note.title}. {note.text}"))
            console.print(_entry("", f"Because: {_findings(reasons, knowledge)}", indent=5))
    if outcome.advice:
        _heading(console, "Advice")
        for advice, given in outcome.advice:
            console.print(_entry("*", advice.text if given else f"Withheld ({advice.id}): {advice.withheld}"))
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
                console.print(_entry("", f"{title}:", indent=2))
                before = title
            console.print(_entry("-", step, indent=4))
    doubts = [*warnings, *outcome.doubts]
    if doubts:
        _heading(console, "Please check")
        for doubt in doubts:
            console.print(_entry("?", doubt))
    _print_sources(console, outcome)
    console.print()
    console.print(_entry("", f"crampdx {version}, knowledge {knowledge.hash}. {DISCLAIMER}", "dim", indent=0))


def _leading(outcome: Outcome) -> str:
    if outcome.leading:
        title = outcome.knowledge.diagnoses[outcome.leading].title
        return f"{title}: {outcome.conclusion(outcome.leading).level}"
    if not outcome.valuation.findings:
        return "none, for nothing is known yet"
    return "none of these is supported"


def _print_line(console: Console, outcome: Outcome, line: Line) -> None:
    knowledge = outcome.knowledge
    conclusion = line.conclusion
    diagnosis = knowledge.diagnoses[conclusion.diagnosis]
    words = conclusion.level
    if conclusion.level not in ("established", "excluded", *_QUIET):
        words += f" ({conclusion.points:+d})"
    if conclusion.urgency:
        words += f", {conclusion.urgency}"
    style = "bold" if conclusion.level in AT_LEAST_POSSIBLE else ""
    console.print(_entry("", f"{diagnosis.title}: {words}", style, indent=2))
    for evidence in line.evidence:
        console.print(_evidence(evidence, knowledge))
    missing = _still_open(outcome, line)
    if missing:
        console.print(_entry("?", missing, "dim", indent=4))


def _still_open(outcome: Outcome, line: Line) -> str:
    """What would change the line; for a diagnosis that must not be missed, always said while it is not excluded."""
    conclusion = line.conclusion
    knowledge = outcome.knowledge
    diagnosis = knowledge.diagnoses[conclusion.diagnosis]
    must_not_miss = diagnosis.tier == DO_NOT_MISS and diagnosis.origin == "document"
    if conclusion.level == "excluded" or not outcome.valuation.findings:
        return ""
    if conclusion.level in _QUIET and not must_not_miss:
        return ""
    if not line.missing:
        return "nothing more to ask would change this, but it is not excluded" if must_not_miss else ""
    names = [_short(knowledge.findings[n]) for n in line.missing[:_MOST_MISSING]]
    more = len(line.missing) - len(names)
    listed = "; ".join(names) + (f"; and {more} more" if more else "")
    return f"could reach {conclusion.could_reach}; still unknown: {listed}"


def _short(finding: Finding) -> str:
    return finding.title[:1].lower() + finding.title[1:] if finding.title[1:2].islower() else finding.title


def _evidence(evidence: Evidence, knowledge: Knowledge) -> RenderableType:
    rule = evidence.rule
    because = _findings(evidence.reasons, knowledge)
    steps = [f"{r.name.replace('_', ' ')} {'' if r.value == 'yes' else r.value}".strip() for r in through(evidence.reasons)]
    by_way_of = f" via {', '.join(steps)}" if steps else ""
    scope = f" Scope: {rule.scope}." if rule.scope else ""
    text = f"{rule.title}: {because}{by_way_of}.{scope} [{', '.join(rule.source)}]"
    return _entry(_mark(rule, evidence.counted), text, indent=4, width=5)


def _mark(rule: Rule, counted: int) -> str:
    if rule.then == "establishes":
        return "+++"
    if rule.then == "excludes":
        return "---"
    return f"{counted:+d}" if counted else "(+)" if rule.is_for else "(-)"


def _findings(reasons: object, knowledge: Knowledge) -> str:
    assert isinstance(reasons, tuple)
    words = []
    for name, value in findings_of(reasons):
        title = _short(knowledge.findings[name])
        words.append(title if value == "yes" else f"no {title}" if value == "no" else f"{title} {value}")
    return "; ".join(words) or "a question that does not arise"


def _print_sources(console: Console, outcome: Outcome) -> None:
    cited = sorted(
        {s for line in outcome.lines for e in line.evidence for s in e.rule.source if s in outcome.knowledge.sources}
        | {s for flag, _ in outcome.red_flags for s in flag.source if s in outcome.knowledge.sources}
    )
    if not cited:
        return
    _heading(console, "Sources")
    for id in cited:
        source = outcome.knowledge.sources[id]
        checked = "" if source.checked == "verified" else f" [{source.checked}]"
        console.print(_entry("", f"{id}: {source.citation}{checked}", "dim", indent=2))


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold underline" if console.color_system else ""))
    if not console.color_system:
        console.print("-" * min(len(text), console.width), highlight=False)


def _pair(label: str, value: str, style: str) -> RenderableType:
    return _columns(Text(f"{label:<8}"), Text(value, style=style))


def _entry(mark: str, text: str, style: str = "", indent: int = 2, width: int = 0) -> RenderableType:
    """A paragraph whose later lines stand under its first, after a mark."""
    if not mark:
        return Padding(Text(text, style=style), (0, 0, 0, indent))
    label = Text(f"{mark:>{width - 1}}" if width else mark)
    return Padding(_columns(label, Text(text, style=style)), (0, 0, 0, indent))


def _columns(label: Text, content: Text) -> RenderableType:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(label, content)
    return table


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
