"""From what is typed to what is meant: numbers of lines, names of findings and diagnoses, commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..inference.explanation import named, title_of
from ..inference.outcome import Outcome
from ..interview.consultation import called
from ..knowledge.cases import means_unknown
from ..knowledge.model import CHOICE, QUANTITY, YES_NO, Finding, Knowledge
from ..knowledge.problems import closest

MOST_COMPARED = 80  # characters of what is compared with names
MOST_MEANT = 6  # things that are listed when words may mean several
LONGEST = 500  # characters of one line; nothing that can be answered is nearly as long
YES, NO = ("y", "yes"), ("n", "no")
_RANGE = re.compile(r"([0-9]{1,3})-([0-9]{1,3})", re.ASCII)
# A word stands for the command behind it; with what follows it, where that is wanted.
COMMANDS = {
    **dict.fromkeys(("quit", "exit", "q"), "quit"),
    **dict.fromkeys(("help", "h"), "help"),
    **{word: word for word in ("why", "how", "whynot", "whatif", "differential", "report", "review", "back", "save")},
}
WHOLE = {"skip topic": "skip", "no tests": "tests", "no examination": "examination"}
WITH_MORE = ("how", "whynot", "whatif", "review", "save", "help")
ANSWER_WORDS = ("yes", "no", "none", "only", "all", "unknown")


@dataclass(frozen=True)
class Command:
    """A command, with what follows it as it was typed."""

    name: str
    rest: str = ""


def command_in(words: str) -> Command | None:
    """The command that was typed, or None."""
    low = words.lower()
    if low in WHOLE:
        return Command(WHOLE[low])
    first, _, rest = words.partition(" ")
    name = COMMANDS.get(first.lower())
    if name is None or (rest and name not in WITH_MORE):
        return None
    return Command(name, rest.strip())


def number_in(words: str, highest: int) -> int | None:
    """A plain number from 1 to `highest`, or None."""
    plain = words.isascii() and words.isdigit() and len(words) <= 3
    return int(words) if plain and 1 <= int(words) <= highest else None


def lines_in(words: str, count: int) -> dict[int, str] | None:
    """What was typed at a list of `count` lines: answers by line number from 1; None where it is none.

    A word answers the numbers before it; numbers with no word behind them are yes.
    """
    low = words.lower()
    everything = range(1, count + 1)
    whole = {"?": "unknown", "unknown": "unknown", "none": "no", "n": "no", "no": "no", "all": "yes"}
    if low in whole:
        return dict.fromkeys(everything, whole[low])
    tokens = low.replace(",", " ").replace(";", " ").replace("=", " ").split()
    only = bool(tokens) and tokens[0] == "only"
    answers: dict[int, str] = {}
    pending: list[int] = []
    for token in tokens[1:] if only else tokens:
        numbers = _numbers(token, count)
        if numbers is not None:
            pending += numbers
        elif _short_answer(token) is not None and pending and not only:
            answers.update(dict.fromkeys(pending, _short_answer(token) or ""))
            pending = []
        else:
            return None
    answers.update(dict.fromkeys(pending, "yes"))
    if not answers:
        return None
    return {number: answers.get(number, "no") for number in everything} if only else dict(sorted(answers.items()))


def _numbers(token: str, count: int) -> list[int] | None:
    found = _RANGE.fullmatch(token)
    ends = (found[1], found[2]) if found else (token, token)
    low, high = (number_in(end, count) for end in ends)
    return None if low is None or high is None or low > high else list(range(low, high + 1))


def _short_answer(token: str) -> str | None:
    if token in YES:
        return "yes"
    if token in NO:
        return "no"
    return "unknown" if token == "?" or means_unknown(token) else None


def answer_in(finding: Finding, words: str) -> str:
    """What was typed at the question about one finding, in the words in which answers are read; `unknown` among them."""
    if words == "?" or means_unknown(words):
        return "unknown"
    if finding.kind == QUANTITY:
        return _with_unit(finding, words)
    if finding.kind == CHOICE:
        return choice_in(finding, words) or words
    return "no" if words.lower() == "none" else _short_answer(words.lower()) or words


def _with_unit(finding: Finding, words: str) -> str:
    """A bare number is in the canonical unit, as the prompt says; anything else stays as it is typed."""
    bare = words.strip().lstrip("<>=+-").strip()
    if finding.scale is not None and bare.replace(".", "", 1).isdigit():
        return f"{words.strip()} {finding.scale.unit}"
    return words


def could_be(finding: Finding, answer: str) -> bool:
    """Whether the words are an answer of this kind at all, be it a wrong one."""
    if finding.kind == QUANTITY:
        return any(c.isdigit() for c in answer)
    if finding.kind == CHOICE:
        return choice_in(finding, answer) is not None
    return answer in ("yes", "no")


def choice_in(finding: Finding, words: str) -> str | None:
    """The choice that was typed, by its number, its name or its wording."""
    number = number_in(words, len(finding.choices))
    if number is not None:
        return finding.choices[number - 1][0]
    low = words.lower()
    return next((c for c, wording in finding.choices if low in (c, c.replace("_", " "), wording.lower())), None)


def medicines_in(knowledge: Knowledge, words: str) -> tuple[Finding, ...]:
    """The yes-no findings that go by these words, such as a drug's name; or by each of several, between commas."""
    if words.lower() in (*YES, *NO, *ANSWER_WORDS):
        return ()
    parts = [part.strip() for part in words.split(",")]
    found = [called(knowledge, part) for part in parts if part]
    if not found or not all(found):
        return ()
    return tuple({f.name: f for findings in found for f in findings}.values())


# Names ---------------------------------------------------------------------------------------------------------------


def names_of(finding: Finding) -> tuple[str, ...]:
    """Every way to call it, in small letters."""
    return (finding.name, finding.name.replace("_", " "), finding.title.lower(), *(a.lower() for a in finding.also_called))


def finding_in(knowledge: Knowledge, words: str, lines: Sequence[Finding]) -> tuple[Finding | None, str, str]:
    """The finding that the words begin with (or the number of a line shown), what follows it, and else a way out."""
    tokens = words.split()
    if tokens and lines and (number := number_in(tokens[0], len(lines))) is not None:
        return lines[number - 1], " ".join(tokens[1:]), ""
    by_name: dict[str, list[Finding]] = {}
    for finding in knowledge.findings.values():
        for name in names_of(finding):
            by_name.setdefault(" ".join(name.split()), []).append(finding)
    for old, new in knowledge.renamed.items():
        by_name.setdefault(old, [knowledge.findings[new]])
    for length in range(len(tokens), 0, -1):
        name = " ".join(tokens[:length]).lower()
        found = {f.name: f for f in by_name.get(name, ())}
        if len(found) == 1:
            return next(iter(found.values())), " ".join(tokens[length:]), ""
        if found:
            return None, "", f"'{name}' may be: " + ", ".join(sorted(found))
    guesses = _guesses(tokens, by_name)
    if guesses:
        return None, "", f"no finding is called so; did you mean {_listed(guesses)}?"
    low = words.lower()
    parts = sorted(name for name in by_name if low and low in name and "_" not in name)
    if parts:
        return None, "", f"no finding is called so; there are {_listed(parts[:4])}"
    return None, "", "no finding is called so; `crampdx vocab WORD` searches them"


def _guesses(tokens: list[str], by_name: dict[str, list[Finding]]) -> tuple[str, ...]:
    """The nearest names to the words, which may have a value behind the name."""
    for length in range(len(tokens), max(0, len(tokens) - 3), -1):
        near = closest(" ".join(tokens[:length])[:MOST_COMPARED], by_name)
        if near:
            return near
    return ()


def subject_in(outcome: Outcome, words: str, only_diagnoses: bool) -> tuple[str, str]:
    """The id meant, by number in the differential, id, title or a part that only one has; or a way out."""
    knowledge = outcome.knowledge
    number = number_in(words, len(outcome.lines))
    if number is not None:
        return outcome.lines[number - 1].conclusion.diagnosis, ""
    if words.isdecimal():
        return "", f"the differential goes from 1 to {len(outcome.lines)}"
    found = named(knowledge, words, only_diagnoses)
    if len(found) == 1:
        return found[0], ""
    if found:
        more = f" and {len(found) - MOST_MEANT} more" if len(found) > MOST_MEANT else ""
        return "", "which one: " + "; ".join(_title(knowledge, id) for id in found[:MOST_MEANT]) + more + "?"
    pieces: dict[str, str] = {}
    for id, entry in knowledge.diagnoses.items():
        for name in (id.replace("_", " "), entry.title.lower()):
            pieces |= dict.fromkeys((name, *_words(name)), entry.title)
    near = closest(words[:MOST_COMPARED], pieces)
    if near:
        return "", f"no diagnosis is called so; did you mean {_listed(tuple(dict.fromkeys(pieces[p] for p in near)))}?"
    return "", "no diagnosis is called so; 'differential' lists them with numbers"


def _title(knowledge: Knowledge, id: str) -> str:
    for things in (knowledge.diagnoses, knowledge.red_flags):
        if id in things:
            return things[id].title
    return title_of(knowledge, id)


def _words(name: str) -> list[str]:
    return [w for w in re.split(r"[^a-z]+", name) if len(w) > 3]


def guess(knowledge: Knowledge, words: str, screen: Sequence[Finding]) -> str:
    """A word that may have been meant by what is neither command nor answer; the empty text where none is near."""
    first = words.lower().split(" ", 1)[0]
    if first == "skip":
        return "did you mean 'skip topic'? ('?' passes over this question only.)"
    if len(screen) > 1 and first in YES:
        return "which ones do you mean? ('all' means every line.)"
    known = [*(c for c in COMMANDS if len(c) > 1), *ANSWER_WORDS, *WHOLE]
    if len(screen) == 1 and screen[0].kind == CHOICE:
        known += [c for c, _ in screen[0].choices]
    near = closest(words[:MOST_COMPARED], known)
    if not near and first != words:
        near = closest(first[:MOST_COMPARED], [c for c in known if " " not in c])
    if not near and len(words) > 3:
        asked = {name for f in knowledge.findings.values() if f.kind == YES_NO for name in names_of(f)}
        near = closest(words[:MOST_COMPARED], asked)
    return f"did you mean {_listed(near[:2])}?" if near else ""


def _listed(names: Sequence[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)
