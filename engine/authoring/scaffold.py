"""New things as a rule author begins them: entries that are well-formed and say where something is still to be filled in.

What an entry does not know it says as `TODO`, and its source is `unverified` until somebody names one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..knowledge.canonical import digest
from ..knowledge.cases import read_cases
from ..knowledge.loader import NEEDED, from_texts
from ..knowledge.model import AGAINST, CHOICE, QUANTITY, TIERS, Knowledge, Weighing
from ..knowledge.problems import Problem, Problems
from .doubts import doubts
from .schema import FILES, FOLDER, modeline, schema_text

_PLAIN = re.compile(r"[A-Za-z][^:#'\"]*")  # what YAML takes as it stands
_STEP = "  "


@dataclass(frozen=True)
class Addition:
    """An entry for a file of a knowledge base, named relative to it: at its end, or at the end of one of its sections."""

    file: str
    entry: str
    section: str = ""
    heading: str = ""  # of the file, where it has to be made


def finding(name: str, kind: str, known_by: str, file: str) -> Addition:
    """A finding of the vocabulary."""
    words = name.replace("_", " ")
    lines = [
        f"{_scalar(name)}:",
        f"  title: {_scalar(f'TODO: {words}, as a noun phrase')}",
        f"  ask: {_scalar(f'TODO: how is {words} asked for, in plain language?')}",
        f"  kind: {kind}",
        f"  known_by: {known_by}",
    ]
    if kind == CHOICE:
        lines += ["  choices:", *(f"    {choice}: 'TODO: {choice} of the choices'" for choice in ("first", "second"))]
    if kind == QUANTITY:
        lines += ["  unit: TODO", "  decimals: 0", "  plausible: 0 to 1  # TODO: what lies outside is refused"]
    return Addition(file, "\n".join(lines), heading="TODO: what findings these are; nothing here concludes anything.")


def rule(diagnosis_file: str, id: str, clauses: Iterable[str], then: str) -> Addition:
    """A rule of the diagnosis, which fires while all clauses are yes."""
    written = [_scalar(clause) for clause in clauses]
    when = [f"  when: {written[0]}"] if len(written) == 1 else ["  when:", "    all:", *(f"      - {c}" for c in written)]
    lines = [f"{_scalar(id)}:", "  title: 'TODO: one sentence'", *when, f"  then: {_scalar(then)}"]
    if then == AGAINST[-1]:
        lines.append("  scope: 'TODO: for whom it is excluded; hold the condition to it, too'")
    return Addition(diagnosis_file, "\n".join([*lines, "  source: unverified"]), section="rules")


def diagnosis(id: str, tier: str) -> Addition:
    """A diagnosis from beyond the document's list, without a rule yet."""
    entry = (
        "title: 'TODO: what it is called'\n"
        "summary: 'TODO: what it is, in a sentence or two'\n"
        "origin: beyond\n"
        "# TODO urgency: possible, likely and established, each with routine, soon, same day or emergency\n"
        "# TODO next_steps: what a clinician does next\n"
        "rules: {}"
    )
    return Addition(f"rules/{tier}/{id}.yaml", entry, heading="TODO: what speaks for and against it.")


def case(name: str, file: str) -> Addition:
    """A case of which nothing is given and therefore nothing follows."""
    entry = (
        f"- case: {_scalar(name)}\n"
        "  from: evidence\n"
        "  given: {}  # TODO: a line for each finding, 'name: value'\n"
        "  expect:\n"
        "    leading: none  # TODO: what the evidence says, not what the engine says"
    )
    return Addition(file, entry, heading="TODO: what these cases are about.")


def review(thing: str, knowledge: Knowledge, role: str, date: str) -> Addition:
    """A review, of that day, of what a rule or another thing that can be reviewed says now."""
    entry = f"{thing}:\n  digest: {digest(knowledge.sourced[thing])}\n  date: {date}\n  role: {role}"
    return Addition("rules/reviews.yaml", entry, heading="What has been reviewed, when, and by whom.")


# Into a file ---------------------------------------------------------------------------------------------------------


def added(text: str | None, addition: Addition) -> str:
    """The file with the entry: every line of it stays as it is, but for a section that was written as empty. None for a
    file that is still to be made."""
    if text is None:
        return f"{modeline(addition.file)}\n# {addition.heading}\n{addition.entry}\n"
    lines = text.splitlines(keepends=True)
    end = len(lines)
    entry = addition.entry
    if addition.section:
        empty = re.compile(rf"{addition.section}:(?:\s*\{{\}})?\s*(?:#.*)?")
        start = next((number for number, line in enumerate(lines) if empty.fullmatch(line.strip("\r\n"))), None)
        if start is None:
            entry = f"{addition.section}:\n" + _indented(entry, _STEP)
        else:
            lines[start] = re.sub(r":\s*\{\}", ":", lines[start], count=1)
            end = _end_of(lines, start)
            inside = [line for line in lines[start + 1 : end] if line.strip() and line.lstrip()[0] != "#"]
            entry = _indented(entry, inside[0][: len(inside[0]) - len(inside[0].lstrip())] if inside else _STEP)
            if not inside:
                return _joined(lines[:end], entry, lines[end:])
    return _joined(lines[:end], f"\n{entry}", lines[end:])


def to_paste(addition: Addition) -> str:
    """The entry as it stands in its file."""
    return _indented(addition.entry, _STEP) if addition.section else addition.entry


def _end_of(lines: list[str], start: int) -> int:
    """The number after the section's last line: what is indented under it, and comments in between."""
    end = start + 1
    for number in range(start + 1, len(lines)):
        if lines[number][:1] in (" ", "\t") and lines[number].strip():
            end = number + 1
        elif lines[number].strip() and lines[number][0] != "#":
            break
    return end


def _indented(entry: str, by: str) -> str:
    return "\n".join(by + line for line in entry.split("\n"))


def _joined(before: list[str], entry: str, after: list[str]) -> str:
    """With the line breaks that the file has, and one at the end of what stood before."""
    first = before[0] if before else ""
    line_break = "\r\n" if first.endswith("\r\n") else "\n"
    start = "".join(before)
    if start and not start.endswith("\n"):
        start += line_break
    return start + (entry + "\n").replace("\n", line_break) + "".join(after)


def _scalar(text: str) -> str:
    """A text as one YAML scalar on one line."""
    text = " ".join(text.split())
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"


# What becomes of it --------------------------------------------------------------------------------------------------


def problems_of(texts: Mapping[str, str], shown_as: Mapping[str, str]) -> Problems:
    """What a check would say of the files of a knowledge base, and what is wrong with the cases among them."""
    knowledge, problems = from_texts({f: text for f, text in texts.items() if not _is_cases(f)}, Problems(), shown_as)
    if knowledge is None or problems.errors:
        return problems
    doubts(knowledge, problems)
    for file, text in texts.items():
        if _is_cases(file):
            read_cases(text, shown_as.get(file, file), knowledge, problems)
    return problems


def new_warnings(before: Problems, after: Problems) -> tuple[Problem, ...]:
    """What is warned of only afterwards, wherever it stands by then."""
    known = {(p.code, p.message) for p in before.warnings}
    return tuple(p for p in after.warnings if (p.code, p.message) not in known)


def _is_cases(file: str) -> bool:
    return file.startswith("tests/")


# A knowledge base of its own -----------------------------------------------------------------------------------------

_FINDING, _ILLNESS, _RULE = "example_finding", "example_illness", "example-rule"


def starter(weighing: Weighing) -> dict[str, str]:
    """The files of a knowledge base with one of each, from which an author can start: a finding that a session asks for,
    read by one rule for one diagnosis, and a case. `weighing` says how evidence adds up in it."""
    tiers = (f"{tier}:\n  heading: 'TODO: {tier.replace('_', ' ')}'\n  diagnoses: []" for tier in TIERS)
    points = (f"  {name}: {getattr(weighing, name)}" for name in ("weak", "moderate", "strong"))
    levels = (f"  {name}: {getattr(weighing, name)}" for name in ("possible", "likely", "unlikely"))
    panels = f"panels:\n  - title: 'TODO: what is asked together?'\n    findings:\n      - {_FINDING}"
    document, weights = NEEDED
    illness = diagnosis(_ILLNESS, TIERS[-1])
    patient = (
        f"- case: {_FINDING.replace('_', ' ').capitalize()} is there\n"
        "  from: evidence\n"
        f"  given:\n    {_FINDING}: yes\n"
        f"  expect:\n    {_ILLNESS}: possible\n    because: [{_RULE}]"
    )
    additions = (
        finding(_FINDING, "yes-no", "patient", "facts/findings.yaml"),
        Addition(document, "\n".join(tiers), heading="The tiers; TODO: which diagnoses does your source document list?"),
        Addition(weights, "\n".join(["points:", *points, "levels:", *levels]), heading="How evidence adds up."),
        Addition(
            "rules/interview.yaml",
            "first-topic:\n  title: 'TODO: a topic'\n" + _indented(panels, _STEP),
            heading="The order in which a session asks.",
        ),
        illness,
        Addition("tests/cases/cases.yaml", patient, heading="What must come out, and for whom."),
    )
    files = {addition.file: added(None, addition) for addition in additions}
    first = rule(illness.file, _RULE, [_FINDING], "supports")
    return {**files, first.file: added(files[first.file], first)}


def with_schemas(files: Mapping[str, str]) -> dict[str, str]:
    """The same files, which must be without fault, with the schemas that their first lines name."""
    knowledge, _ = from_texts({file: text for file, text in files.items() if not _is_cases(file)}, Problems())
    assert knowledge is not None
    return {**files, **{f"{FOLDER}/{kind}.json": schema_text(kind, knowledge) for kind in FILES}}
