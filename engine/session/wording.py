"""What a session says, as plain paragraphs: screens, red flags, the differential, the answers so far, help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..inference.outcome import Outcome
from ..inference.weighing import Conclusion
from ..interview.consultation import Consultation
from ..interview.questions import Screen, Stops
from ..knowledge.model import (
    CHOICE,
    EXAMINER,
    LABORATORY,
    LEVELS,
    PATIENT,
    QUANTITY,
    YES_NO,
    Diagnosis,
    Finding,
    Knowledge,
    RedFlag,
)
from ..knowledge.problems import Problem, Problems
from ..knowledge.quantities import in_words, plain
from ..report.paragraphs import Paragraph
from ..report.text import summary
from ..report.words import counted, standing

DANGER, HEADING = "danger", "heading"  # styles


@dataclass(frozen=True)
class HelpLine:
    """What one can ask help about: a command or a kind of answer."""

    usage: str
    meaning: str
    more: str = ""


HELP = (
    HelpLine("y, n, ?", "yes, no, don't know (Enter alone records nothing)"),
    HelpLine("1 3", "in a list: these are true; then you are asked about the others", "also a range, such as 2-4"),
    HelpLine("2 no", "in a list: this one is not so; '1 yes 2 no 4 ?' answers several"),
    HelpLine("only 1 3", "in a list: these are true, and none of the others that are shown"),
    HelpLine("none", "in a list: none of those shown"),
    HelpLine("120 mg/dL", "a number, with or without a unit; '> 20000 U/L' for an off-scale result"),
    HelpLine("a drug name", "counts as yes for that kind of medicine (generic names)"),
    HelpLine("why", "what this question is for, and what each answer would do"),
    HelpLine("how DIAGNOSIS", "how it got where it is; a name, a part of it, or its number in 'differential'"),
    HelpLine("whynot DIAGNOSIS", "what keeps it from being likely: each value seen, and the one needed"),
    HelpLine("whatif FINDING VALUE", "what an answer would change; nothing is recorded", "without a value, yes is tried"),
    HelpLine("differential", "the ranked list as it is now"),
    HelpLine("report", "the whole report so far"),
    HelpLine("review", "all answers, numbered", "'review WORD' shows those about a word"),
    HelpLine("review 3", "ask number 3 again; 'review 3 no' answers it at once"),
    HelpLine("back", "the question before, with its answer; later answers are kept", "again: one further back"),
    HelpLine("skip topic", "leave out the rest of this topic; it stays unknown"),
    HelpLine("no tests", "no laboratory or scan results are to be had; 'no examination' likewise"),
    HelpLine("save FILE", "write the answers to a new case file now"),
    HelpLine("help", "this list; 'help why' has one line of it"),
    HelpLine("quit", "stop here; the report follows"),
)


def introduction() -> Paragraph:
    """What the session is, before its first question."""
    return Paragraph(
        "Leg cramping: questions from the most urgent to the least, in screens of related ones. Stop whenever you like: "
        "'quit' gives the report on what is known. 'no tests' and 'no examination' skip what nobody has measured. 'help' "
        "lists all you can type. Decision support, not a medical device; in an emergency call for help first."
    )


# Questions -----------------------------------------------------------------------------------------------------------


def screen_lines(screen: Screen, state: Consultation, others: bool, editing: bool) -> tuple[Paragraph, ...]:
    """A screen as it is put: headings, then a line each; where answers are being changed, with those of now."""
    lines = [Paragraph()]
    findings = screen.findings
    if len(findings) == 1:
        (finding,) = findings
        now = f" ({_now(finding, state)}; Enter keeps it)" if editing else ""
        lines.append(Paragraph(("And: " if others else "") + (finding.ask or f"{finding.title}?") + now))
        lines += [Paragraph(wording, f"{n}  ", 2) for n, (_, wording) in enumerate(finding.choices, 1)]
        return tuple(lines)
    number, also = 0, False
    for group in screen.groups:
        title = "And of the others?" if others and group is screen.groups[0] else group.title
        if len(group.findings) == 1 and number:
            title = "" if also else "Also"  # its heading asks what its only line asks
            also = True
        else:
            also = False
        if title:
            lines.append(Paragraph(title))
        for finding in group.findings:
            number += 1
            now = f" ({_now(finding, state)})" if editing else ""
            lines.append(Paragraph(finding.ask + now, f"{number}  ", 2))
    if editing:
        lines.append(Paragraph("Enter keeps these answers."))
    return tuple(lines)


def _now(finding: Finding, state: Consultation) -> str:
    return f"now: {answer_words(state, finding.name)}"


def answer_words(state: Consultation, name: str) -> str:
    """An answer as it is shown in a list of answers."""
    words = state.given.get(name)
    if words is None:
        return "not known" if name in state.passed else "not asked"
    finding = state.knowledge.findings[name]
    return dict(finding.choices).get(words, words) if finding.kind == CHOICE else words


def prompt_for(screen: Screen, editing: bool) -> str:
    """What stands before the place to type in."""
    findings = screen.findings
    if len(findings) > 1:
        return "Any of these? (1 3, only 1 3, none, ?)"
    return f"({_entry_hint(findings[0])})"


def _entry_hint(finding: Finding) -> str:
    """How this finding can be answered, in a few words."""
    if finding.kind == YES_NO:
        return "y, n, ?"
    if finding.kind == QUANTITY and finding.scale is not None:
        names = [u for u, _ in finding.scale.units]
        others = [u for u in names if f"{u}s" not in (*names, finding.scale.unit)]  # 'day' need not stand beside 'days'
        low, high = finding.scale.usual or finding.scale.plausible
        also = f"; also {', '.join(others)}" if others else ""
        return f"a number in {finding.scale.unit}{also}; usually {plain(low)} to {plain(high)}; or ?"
    return "a number, or ?"


def what_to_type(screen: Screen | None) -> str:
    """What can be typed at this question, for who typed something else."""
    if screen is None:
        return "type y for the report, n to go on, or 'help'"
    findings = screen.findings
    if len(findings) > 1:
        return f"type numbers from 1 to {len(findings)}, 'none', '?' or 'help'; a medicine goes by its generic name"
    if findings[0].kind == YES_NO:
        return "type y, n, ? or 'help'; a medicine goes by its generic name"
    if findings[0].kind == QUANTITY:
        return "type a number, ? or 'help'"
    return f"type a number from 1 to {len(findings[0].choices)}, ? or 'help'"


# Between questions ---------------------------------------------------------------------------------------------------


def red_flag(flag: RedFlag) -> tuple[Paragraph, ...]:
    """What is said at once when a red flag fires."""
    return (
        Paragraph(),
        Paragraph(f"RED FLAG, {flag.urgency.upper()}: {flag.title}", "!! ", style=DANGER),
        Paragraph(f"Do: {flag.action}", indent=3),
        Paragraph("You can go on answering, or type 'quit' for the report.", indent=3),
    )


def how_to_answer(screen: Screen) -> tuple[Paragraph, ...]:
    """What a no means where it is not enough not to know: of what is examined or measured."""
    found_by = screen.findings[0].known_by
    if screen.findings[0].kind != YES_NO or found_by == PATIENT:
        return ()
    no = "no" if len(screen.findings) == 1 else "none"
    if found_by == LABORATORY:
        return (Paragraph(f"'{no}' means: tested, and not so. '?': not tested, or not known."),)
    return (Paragraph(f"'{no}' means: looked for, and not there. '?': not examined, or not known."),)


def now_asked_of(found_by: str) -> tuple[Paragraph, ...]:
    """Said once where the questions turn from what the patient can tell to what others find."""
    words = {
        EXAMINER: "From here on: what an examiner finds. 'no examination' leaves all of it out.",
        LABORATORY: "From here on: laboratory, scans and other tests. 'no tests' leaves all of them out.",
    }
    return (Paragraph(), Paragraph(words[found_by])) if found_by in words else ()


def urgent(diagnosis: Diagnosis, level: str, urgency: str) -> tuple[Paragraph, ...]:
    """A diagnosis that is urgent by itself, without a red flag: said at once, as a red flag is."""
    first = (Paragraph(f"Do: {diagnosis.next_steps[0]}", indent=3),) if diagnosis.next_steps else ()
    return (
        Paragraph(),
        Paragraph(f"{urgency.upper()}: {diagnosis.title} is {level}", "!! ", style=DANGER),
        *first,
        Paragraph("You can go on answering, or type 'quit' for the report.", indent=3),
    )


def stop_offer(kind: str, stops: Stops) -> tuple[Paragraph, ...]:
    """Why asking may end here, in one sentence, and what that does not speak of."""
    left = counted(stops.unknown, "question")
    meanwhile = f"{left} left unknown or left out could still change it: if an answer comes to light, add it."
    unknown = meanwhile if stops.unknown else ""
    if kind == "done":
        said = "No question is left that could change something"
        return (Paragraph(), Paragraph(f"{said}. {unknown}".rstrip()))
    open_ones = "the question" if stops.spared == 1 else f"the {stops.spared} questions"
    said = f"whatever the answers to {open_ones} still open, the urgency and the do-not-miss diagnoses stay as they are"
    if kind == "settled":
        said += ", and so does the leading diagnosis"
    return (Paragraph(), Paragraph(f"Safe to stop asking: {said}. {unknown}".rstrip()))


def in_ranks(outcome: Outcome) -> tuple[Paragraph, ...]:
    """The differential now: urgency and leading in a sentence, a line for each listed diagnosis, best supported first."""
    knowledge = outcome.knowledge
    lines = [Paragraph(summary(outcome).replace("In short: ", "Now: ", 1))]
    for number, line in enumerate(outcome.lines, 1):
        conclusion = line.conclusion
        text = f"{knowledge.diagnoses[conclusion.diagnosis].title}: {standing(conclusion)}"
        if could_rise(conclusion):
            text += f"; could still reach {conclusion.could_reach}"
        lines.append(Paragraph(text, f"{number:>2}  ", 2))
    return tuple(lines)


def could_rise(conclusion: Conclusion) -> bool:
    """Whether what is still open could bring it further up."""
    return LEVELS.index(conclusion.could_reach) < LEVELS.index(conclusion.level)


def help_lines(word: str) -> tuple[Paragraph, ...]:
    """What can be typed; with a word, only what is about it, or () when nothing is."""
    wanted = [line for line in HELP if not word or line.usage.split()[0].lower() == word.split()[0]]
    lines = []
    for each in wanted:
        more = f" ({each.more})" if each.more and word else ""
        lines.append(Paragraph(each.meaning + more, f"{each.usage:<13} ", 2))
    return tuple(lines)


# Faults --------------------------------------------------------------------------------------------------------------


def fault_lines(problems: Problems, knowledge: Knowledge, numbers: Mapping[str, int]) -> tuple[Paragraph, ...]:
    """What is wrong with an answer, in titles instead of ids, and which answers (by their numbers) it disagrees with."""
    return tuple(Paragraph(_fault(p, knowledge, numbers), indent=2) for p in problems.errors)


def _fault(problem: Problem, knowledge: Knowledge, numbers: Mapping[str, int]) -> str:
    message = titled(problem.message, knowledge)
    if problem.code != "impossible":
        return message + (f" ({problem.help})" if problem.help else "")
    named = [n.strip() for n in problem.help.partition(":")[2].split(",")]
    known = [(knowledge.findings[n].title, numbers[n]) for n in named if n in numbers]
    others = ", ".join(f"{title} ('review {number}' changes it)" for title, number in known)
    return f"{message}; nothing was recorded" + (f". It disagrees with: {others}" if others else "")


def titled(text: str, knowledge: Knowledge) -> str:
    """A message about findings with their titles instead of their quoted ids."""
    for quoted in {part for part in text.split("'") if part in knowledge.findings}:
        text = text.replace(f"'{quoted}'", knowledge.findings[quoted].title)
    return text


def taken_as(after: Consultation, finding: Finding) -> str:
    """A quantity as it was understood, in the unit that is reckoned with, too, where it was given in another."""
    words = after.given[finding.name]
    answer = after.findings.get(finding.name)
    if finding.scale is None or answer is None or answer.quantity is None:
        return words
    own = in_words(answer.quantity, finding.scale.unit)
    return words if own == words else f"{own} ({words})"


__all__ = [
    *("DANGER", "HEADING", "HELP", "answer_words", "could_rise", "fault_lines", "help_lines", "how_to_answer"),
    *("in_ranks", "introduction", "now_asked_of", "urgent"),
    *("prompt_for", "red_flag", "screen_lines", "stop_offer", "taken_as", "titled", "what_to_type"),
]
