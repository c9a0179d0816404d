"""Results as text for a terminal: readable at 80 columns, in a pipe and without colour. Meaning is never in colour alone."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from ..inference.justification import findings_of, through
from ..inference.outcome import Evidence, Line, Outcome
from ..knowledge.model import AT_LEAST_POSSIBLE, DO_NOT_MISS, LEVELS, Knowledge
from .basis import rests_on, reviews
from .paragraphs import NARROWEST
from .words import QUIET, counted, lowered, mark_of, standing_and_urgency

DISCLAIMER = "Decision support for health professionals and for learning; not a medical device."
_STYLES = {"emergency": "bold red", "same day": "bold magenta", "soon": "yellow", "routine": "green"}
_MOST_MISSING = 6


def print_outcome(console: Console, name: str, outcome: Outcome, version: str, warnings: Iterable[str] = ()) -> None:
    """Writes the whole report of one case."""
    knowledge = outcome.knowledge
    console.print(Text(name, style="bold"), soft_wrap=False)
    for notice in outcome.scope:
        _entry(console, "!", f"{notice.title.rstrip('.')}. {notice.text}", "bold")
    console.print()
    _pair(console, "Urgency", _urgency(outcome), _STYLES[outcome.urgency])
    _pair(console, "Leading", _leading(outcome), "bold")
    if outcome.red_flags:
        _heading(console, "Red flags")
        for flag, reasons in outcome.red_flags:
            _entry(console, "!!", f"{flag.urgency.upper()}: {flag.title}", _STYLES[flag.urgency])
            _entry(console, "", f"Do: {flag.action}", indent=5)
            _entry(console, "", f"Because: {_findings(reasons, knowledge)} {_cited(flag.source)}", indent=5)
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
    if outcome.notes:
        _heading(console, "Also consider (not diagnoses of this list)")
        for note, reasons in outcome.notes:
            _entry(console, "*", f"{note.title.rstrip('.')}. {note.text}")
            _entry(console, "", f"Because: {_findings(reasons, knowledge)} {_cited(note.source)}", indent=5)
    if outcome.advice:
        _heading(console, "Advice")
        for advice, given in sorted(outcome.advice, key=lambda entry: not entry[1]):
            text = f"{advice.text} {_cited(advice.source)}" if given else f"Withheld ({advice.id}): {advice.withheld}"
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
    _entry(console, "", f"crampdx {version}, knowledge {knowledge.hash}. {DISCLAIMER}", "dim", indent=0)


def summary(outcome: Outcome) -> str:
    """Urgency and leading diagnosis in one sentence, for the end of a long report."""
    return f"In short: {_urgency(outcome)}. Leading: {_leading(outcome)}."


def _urgency(outcome: Outcome) -> str:
    """The urgency with what makes it so; where nothing does, how much is not ruled out."""
    word = outcome.urgency.upper()
    named = [flag.title for flag, _ in outcome.red_flags if flag.urgency == outcome.urgency]
    if named:
        return f"{word}: {named[0].rstrip('.')}" + (f", and {len(named) - 1} more" if len(named) > 1 else "")
    if outcome.open_red_flags:
        return f"{word} as far as is known; {counted(len(outcome.open_red_flags), 'red flag')} not ruled out"
    return word


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
    style = "bold" if conclusion.level in AT_LEAST_POSSIBLE else ""
    _entry(console, "", f"{diagnosis.title}: {standing_and_urgency(conclusion)}", style, indent=2)
    for evidence in line.evidence:
        _print_evidence(console, evidence, knowledge)
    missing = _still_open(outcome, line)
    if missing:
        _entry(console, "?", missing, "dim", indent=4)


def _still_open(outcome: Outcome, line: Line) -> str:
    """What would change the line; for a diagnosis that must not be missed, always said while it is not excluded."""
    conclusion = line.conclusion
    knowledge = outcome.knowledge
    diagnosis = knowledge.diagnoses[conclusion.diagnosis]
    must_not_miss = diagnosis.tier == DO_NOT_MISS and diagnosis.origin == "document"
    if conclusion.level == "excluded" or not outcome.valuation.findings:
        return ""
    if conclusion.level in QUIET and not must_not_miss:
        return ""
    if not line.missing:
        return "nothing more to ask would change this, but it is not excluded" if must_not_miss else ""
    names = [lowered(knowledge.findings[n].title) for n in line.missing[:_MOST_MISSING]]
    more = len(line.missing) - len(names)
    listed = "; ".join(names) + (f"; and {more} more" if more else "")
    if LEVELS.index(conclusion.could_reach) < LEVELS.index(conclusion.level):
        return f"could reach {conclusion.could_reach}; still unknown: {listed}"
    return f"not excluded; still unknown: {listed}" if must_not_miss else ""


def _print_evidence(console: Console, evidence: Evidence, knowledge: Knowledge) -> None:
    rule = evidence.rule
    because = _findings(evidence.reasons, knowledge)
    steps = [f"{r.name.replace('_', ' ')} {'' if r.value == 'yes' else r.value}".strip() for r in through(evidence.reasons)]
    by_way_of = f" via {', '.join(steps)}" if steps else ""
    scope = f" Scope: {rule.scope.rstrip('.')}." if rule.scope else ""
    text = f"{rule.title.rstrip('.')}: {because}{by_way_of}.{scope} {_cited(rule.source)}"
    _entry(console, mark_of(rule, evidence.counted), text, indent=3, width=5)


def _cited(source: tuple[str, ...]) -> str:
    return f"[{', '.join(source)}]"


def _findings(reasons: object, knowledge: Knowledge) -> str:
    assert isinstance(reasons, tuple)
    words = []
    for name, value in findings_of(reasons):
        title = lowered(knowledge.findings[name].title)
        words.append(title if value == "yes" else f"{title}: no" if value == "no" else f"{title} {value}")
    return "; ".join(words) or "a question that does not arise"


def _print_sources(console: Console, outcome: Outcome) -> None:
    cited = sorted({s for thing in rests_on(outcome) for s in thing.source if s in outcome.knowledge.sources})
    if not cited:
        return
    _heading(console, "Sources")
    for id in cited:
        source = outcome.knowledge.sources[id]
        checked = "" if source.checked == "verified" else f" [{source.checked}]"
        _entry(console, "", f"{id}: {source.citation}{checked}", "dim", indent=2)


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
