"""A session: what is said to what is typed. It reads nothing and prints nothing; its state is the consultation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..inference.explanation import changed, how, why_not
from ..inference.outcome import Outcome, outcome
from ..inference.reference import infer
from ..inference.weighing import highest
from ..interview.consultation import GROUPS, Consultation
from ..interview.questions import LINES, Group, Interviewer, Screen, Stops
from ..knowledge.model import CHOICE, QUANTITY, URGENCIES, YES_NO, Finding, Knowledge
from ..knowledge.problems import shown
from ..report.explained import change_paragraphs, how_paragraphs, why_not_paragraphs
from ..report.paragraphs import Paragraph, moved_right
from ..report.words import counted, lowered
from . import typed as read
from .purpose import purpose_lines
from .wording import (
    HEADING,
    answer_words,
    fault_lines,
    help_lines,
    how_to_answer,
    in_ranks,
    introduction,
    now_asked_of,
    prompt_for,
    red_flag,
    screen_lines,
    stop_offer,
    taken_as,
    titled,
    urgent,
    what_to_type,
)

MOST_SILENT = 5  # rules that `whynot` writes out; `crampdx explain` has them all
INTERRUPTING = URGENCIES[2:]  # what is said at once, as a red flag is
STOP_PROMPT = "Stop here? (y = report, n = go on)"


@dataclass(frozen=True)
class Reply:
    """What is to be printed, and the prompt to be put after it."""

    paragraphs: tuple[Paragraph, ...]
    prompt: str = ""
    ended: bool = False  # the session is over: the final report follows
    report: Outcome | None = None  # to be printed whole before the paragraphs
    save: str | None = None  # the answers are to be written now, to this file; '' for one with a name of its own


@dataclass(frozen=True)
class _Question:
    """What the prompt is about: a screen, or where there is none, an offer to stop."""

    screen: Screen | None = None
    editing: bool = False  # answers are there already, and Enter keeps them
    others: bool = False  # the rest of a screen of which some lines are answered
    offer: str = ""  # safe, settled, done


class Dialogue:
    """One session. `reply` says what follows from a line that was typed; afterwards `state` is the new state.

    `asked` is what was answered together in an earlier session, for `back` to go back to."""

    def __init__(
        self, knowledge: Knowledge, interviewer: Interviewer, start: Consultation, asked: Sequence[Sequence[str]] = ()
    ) -> None:
        self.knowledge = knowledge
        self.interviewer = interviewer
        self.state = start
        self._at = _Question(offer="done")
        self._said: list[Paragraph] = []
        self._asked = _asked_before(start, asked)  # screens, to go back to
        self._back = len(self._asked)  # where going back has got to
        self._rest: Screen | None = None  # lines of a screen that are still to be asked
        self._topic = ""
        self._told: set[str] = set()  # red flags that were said
        self._urgent: set[tuple[str, str]] = set()  # diagnoses that were said to be urgent, with how urgent
        self._asked_of: set[str] = set()  # whose questions have been put: patient, examiner, laboratory
        self._stops_said: set[str] = set()
        self._unanswered = ""  # an offer to stop that has had neither yes nor no
        self._numbers: list[tuple[str, str]] = []  # what `review` numbers: kind and name, in order of time
        self._concluded: tuple[Mapping[str, str], Outcome] | None = None  # from which answers
        self._number_new()

    @property
    def screen(self) -> Screen | None:
        """What is being asked; None while an offer to stop is."""
        return self._at.screen

    @property
    def editing(self) -> bool:
        """Whether an answer given before is being asked again."""
        return self._at.editing

    @property
    def offered(self) -> str:
        """The offer to stop that is being put: safe, settled or done; '' while a question is."""
        return "" if self._at.screen is not None else self._at.offer

    def outcome(self) -> Outcome:
        """What follows from the answers, by the reference meaning: equal to Experta's, and quick enough for every answer."""
        given = self.state.given
        if self._concluded is None or self._concluded[0] is not given:
            self._concluded = (given, outcome(self.knowledge, self.state.findings, self.interviewer.inference(self.state)))
        return self._concluded[1]

    def opening(self) -> Reply:
        """The introduction, red flags that have fired already, the first question."""
        self._said = [introduction()]
        self._tell_red_flags()
        self._go_on()
        return self._reply()

    def reply(self, typed: str) -> Reply:
        """What is said to a line. Afterwards `state` holds what was answered, and nothing else has changed it."""
        self._said = []
        words = " ".join(typed.split(" ")).strip()
        if len(words) > read.LONGEST or not all(c.isprintable() or c == "\t" for c in words):
            self._say("not understood: too long, or with characters that cannot be shown; nothing was recorded")
            return self._reply()
        words = " ".join(words.split())
        if not words:
            return self._nothing_typed()
        if not self._is_choice(words):
            command = read.command_in(words)
            if command is not None:
                return self._command(command)
        if self._at.screen is None:
            return self._offer_answered(words)
        return self._answered(self._at.screen, words)

    def completions(self) -> tuple[str, ...]:
        """Words that can be typed, for a terminal that completes them."""
        names = {name for f in self.knowledge.findings.values() for name in (f.name, *f.also_called)}
        return tuple(sorted({*read.COMMANDS, *read.WHOLE, *self.knowledge.diagnoses, *names}))

    # What is asked next ----------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Puts the next question: an offer to stop where one is due, the rest of a screen, or what is chosen next."""
        self._back = len(self._asked)
        stops = self.interviewer.stops(self.state)
        reached = {kind for kind, held in (("safe", stops.safe), ("settled", stops.settled)) if held}
        lost = self._stops_said - reached
        self._stops_said -= lost
        due = next((kind for kind in ("settled", "safe") if kind in reached - self._stops_said), "")
        rest = self._still_open(self._rest)
        self._rest = None
        chosen = self.interviewer.next_screen(self.state)
        if chosen is None:
            self._offer("done", stops)
            return
        screen = rest or chosen
        if lost:
            self._say("With this it is no longer so that what is open cannot change the result.", 0)
        if due or (self._unanswered in reached):
            self._rest = rest
            self._offer(due or self._unanswered, stops)
            return
        self._unanswered = ""
        found_by = screen.findings[0].known_by
        if found_by not in self._asked_of:
            self._asked_of.add(found_by)
            self._said += now_asked_of(found_by)
        if screen.topic != self._topic:
            self._topic = screen.topic
            self._said += [Paragraph(), Paragraph(f"{screen.title} ({self._left()})", style=HEADING)]
        self.state = self.state.at(screen.topic)
        self._put(_Question(screen, others=screen is rest))

    def _left(self) -> str:
        """How much is still to come: of what bears on danger as far as the same person can tell it, then of all."""
        before = self.interviewer.before_safe(self.state)
        left = counted(before or self.interviewer.remaining(self.state), "screen")
        return f"about {left} like this to go if nothing applies" if before else f"about {left} left"

    def _offer(self, kind: str, stops: Stops) -> None:
        self._said += stop_offer(kind, stops)
        if kind != "done":
            self._stops_said |= {"safe", kind}
            self._unanswered = kind
        self._at = _Question(offer=kind)

    def _put(self, question: _Question) -> None:
        self._at = question
        if question.screen is not None:
            self._said += screen_lines(question.screen, self.state, question.others, question.editing)
            self._said += how_to_answer(question.screen)

    def _put_again(self) -> None:
        """The same question once more, below what was said in between."""
        self._put(self._at)

    def _still_open(self, screen: Screen | None) -> Screen | None:
        """The lines of a screen that are still open and could still change something."""
        if screen is None:
            return None
        wanted = self.interviewer.matters(self.state)
        groups = (replace(g, findings=tuple(f for f in g.findings if f.name in wanted)) for g in screen.groups)
        left = tuple(group for group in groups if group.findings)
        return replace(screen, groups=left) if left else None

    # Answers ---------------------------------------------------------------------------------------------------------

    def _nothing_typed(self) -> Reply:
        if self._at.editing:
            self._say("kept as it was")
            self._go_on()
        else:
            way_on = "y, n" if self._at.screen is None else "'?' if you don't know"
            self._say(f"nothing typed: {way_on}, 'help' for what you can type")
        return self._reply()

    def _offer_answered(self, words: str) -> Reply:
        low = words.lower()
        if low in read.YES:
            return self._reply(ended=True)
        if low in read.NO:
            if self._at.offer == "done":
                self._say(
                    "nothing is left to ask: 'review' shows and changes answers and asks about what was left out, "
                    "'quit' gives the report"
                )
                return self._reply()
            self._unanswered = ""
            self._go_on()
            return self._reply()
        return self._by_name(words) or self._not_understood(words)

    def _answered(self, screen: Screen, words: str) -> Reply:
        findings = screen.findings
        if len(findings) == 1:
            named = self._by_name(words)
            return named or self._one_answered(findings[0], words)
        lines = read.lines_in(words, len(findings))
        if lines is None:
            return self._by_name(words) or self._not_understood(words)
        return self._lines_answered(screen, {findings[n - 1].name: answer for n, answer in lines.items()})

    def _one_answered(self, finding: Finding, words: str) -> Reply:
        answer = read.answer_in(finding, words)
        if answer != "unknown" and not read.could_be(finding, answer):
            return self._not_understood(words)
        after = self._with({finding.name: answer})
        if after is None:
            return self._reply()
        if self._at.editing:
            was = answer_words(self.state, finding.name)
            self._say(f"{lowered(finding.title)}: {answer_words(after, finding.name)} (was {was})")
        elif answer != "unknown" and finding.kind != YES_NO:
            self._say(f"taken as {taken_as(after, finding)}")
        return self._taken(after)

    def _lines_answered(self, screen: Screen, answers: Mapping[str, str]) -> Reply:
        """Records the answers to some lines of a list, all at once where they can stand together. Where not, a no that
        cannot be changes nothing, and that is said."""
        after: Consultation | None = self.state
        for name, answer in answers.items():
            assert after is not None
            after = after.left_unknown(name) if answer == "unknown" else after.answered(name, answer)
        assert after is not None
        if any(after.problems_with(name, words).errors for name, words in answers.items() if words != "unknown"):
            after = self._with({name: answer for name, answer in answers.items() if answer != "no"})
            if after is None:
                return self._reply()
            for name in (name for name, answer in answers.items() if answer == "no"):
                if not after.problems_with(name, "no").errors:
                    after = after.answered(name, "no")
                    continue
                kept = "left as it was" if name in after.given else "left unknown"
                self._say(f"cannot be 'no' beside the other answers, {kept}: {self.knowledge.findings[name].title}")
                after = after if name in after.given else after.left_unknown(name)
        self._say(self._in_words({name: after.given.get(name, "unknown") for name in answers}))
        return self._taken(after, rest=screen)

    def _in_words(self, answers: Mapping[str, str]) -> str:
        """Several answers in one line, so that a slip of the finger is seen."""
        by_answer = {word: [n for n, a in answers.items() if a == word] for word in ("yes", "no", "unknown")}
        said = []
        for word, names in by_answer.items():
            if names:
                titles = ", ".join(lowered(self.knowledge.findings[n].title) for n in names)
                said.append(f"{'not known' if word == 'unknown' else word}: {titles}")
        return "; ".join(said)

    def _by_name(self, words: str) -> Reply | None:
        """Takes a drug's name, or several, as yes for that kind of medicine; None where the words are no such names."""
        found = read.medicines_in(self.knowledge, words)
        if not found:
            return None
        after = self._with({f.name: "yes" for f in found})
        if after is None:
            return self._reply()
        was = {f.name: self.state.given.get(f.name, "") for f in found}
        told = [f.title + (f" (was {was[f.name]})" if was[f.name] not in ("", "yes") else "") for f in found]
        self._say("taken as yes: " + "; ".join(told))
        asked = self._at.screen
        topic = asked.topic if asked is not None else self.state.topic
        return self._taken(after, rest=asked, named=_together(self.knowledge, topic, [f.name for f in found]))

    def _with(self, answers: Mapping[str, str]) -> Consultation | None:
        """The state with all of the answers; None after saying what is wrong with one of them."""
        after = self.state
        for name, words in answers.items():
            if words == "unknown":
                after = after.left_unknown(name)
                continue
            problems = after.problems_with(name, words)
            if problems.errors:
                self._said += fault_lines(problems, self.knowledge, self._other_numbers(name))
                return None
            after = after.answered(name, _canonical(self.knowledge.findings[name], words))
        return after

    def _taken(self, after: Consultation, rest: Screen | None = None, named: Screen | None = None) -> Reply:
        """Makes `after` the state, says what follows from it at once, and goes on."""
        at = self._at
        before, was = self.state, self.outcome()
        self.state = after
        self._number_new()
        if named is not None:
            self._asked.append(named)
        elif at.screen is not None and not at.editing:
            names = {f.name for f in at.screen.findings}
            if not self._asked or not names <= {f.name for f in self._asked[-1].findings}:
                self._asked.append(at.screen)
        if not at.editing:
            self._rest = rest
        for warning in sorted(set(after.warnings) - set(before.warnings)):
            self._say(f"please check: {titled(warning, self.knowledge)}")
        for doubt in self.outcome().doubts:
            if doubt not in was.doubts:
                self._say(f"please check: {titled(doubt, self.knowledge)}")
        self._tell_red_flags()
        self._go_on()
        return self._reply()

    def _tell_red_flags(self) -> None:
        fired = {flag.id: flag for flag, _ in self.outcome().red_flags}
        for gone in sorted(self._told - set(fired)):
            self._said += [
                Paragraph(),
                Paragraph(f"No longer a red flag, with the answers as they are now: {self.knowledge.red_flags[gone].title}"),
            ]
        for id, flag in fired.items():
            if id not in self._told:
                self._said += red_flag(flag)
        self._told = set(fired)
        self._tell_urgent_diagnoses()

    def _tell_urgent_diagnoses(self) -> None:
        """Says which diagnoses are urgent by themselves, where no red flag has said as much."""
        so_far = self.outcome()
        flagged = URGENCIES.index(highest(flag.urgency for flag, _ in so_far.red_flags))
        now = set()
        for conclusion in so_far.inference.conclusions.values():
            if conclusion.urgency in INTERRUPTING:
                said = (conclusion.diagnosis, conclusion.urgency)
                now.add(said)
                if said not in self._urgent and URGENCIES.index(conclusion.urgency) > flagged:
                    entry = self.knowledge.diagnoses[conclusion.diagnosis]
                    self._said += urgent(entry, conclusion.level, conclusion.urgency)
        for diagnosis, urgency in sorted(self._urgent - now):
            title = self.knowledge.diagnoses[diagnosis].title
            self._said += [Paragraph(), Paragraph(f"No longer {urgency}, with the answers as they are now: {title}")]
        self._urgent = now

    def _not_understood(self, words: str) -> Reply:
        screen = self._at.screen
        near = read.guess(self.knowledge, words, screen.findings if screen is not None else ())
        self._say(
            f"not understood: {shown(words)}. {_sentence(near) + ' ' if near else ''}{_sentence(what_to_type(screen))}"
        )
        return self._reply()

    # Commands --------------------------------------------------------------------------------------------------------

    def _command(self, command: read.Command) -> Reply:
        name, rest = command.name, command.rest
        if name == "quit":
            return self._reply(ended=True)
        if name == "back":
            return self._go_back()
        if name == "review":
            return self._review(rest)
        if name in GROUPS:
            return self._declined(name)
        if name == "skip":
            return self._skip()
        if name == "report":
            return self._shown(report=self.outcome())
        if name == "save":
            return self._shown(save=rest)
        if name == "why":
            self._why()
        elif name == "how":
            self._how(rest)
        elif name == "whynot":
            self._why_not(rest)
        elif name == "whatif":
            self._what_if(rest)
        elif name == "differential":
            self._said += in_ranks(self.outcome())
        else:
            self._help(rest)
        return self._shown()

    def _shown(self, report: Outcome | None = None, save: str | None = None) -> Reply:
        """The question again, below what was asked for."""
        self._put_again()
        return self._reply(report=report, save=save)

    def _help(self, word: str) -> None:
        lines = help_lines(word.lower())
        if not lines:
            near = read.guess(self.knowledge, word, ())
            self._say(f"there is no help about {shown(word)}. {near}".rstrip())
            lines = help_lines("")
        self._said += lines

    def _why(self) -> None:
        if self._at.screen is None:
            self._say("this asks whether to stop: what is still open can no longer change what the sentence above names")
            return
        self._said += purpose_lines(self.state, self._at.screen.findings, self.interviewer.horizon)

    def _how(self, words: str) -> None:
        subject = self._subject("how", words, only_diagnoses=False)
        if subject:
            self._said += _indented(how_paragraphs(how(self.outcome(), subject)))

    def _why_not(self, words: str) -> None:
        diagnosis = self._subject("whynot", words, only_diagnoses=True)
        if diagnosis:
            self._said += _indented(why_not_paragraphs(why_not(self.outcome(), diagnosis), MOST_SILENT))

    def _subject(self, command: str, words: str, only_diagnoses: bool) -> str:
        """The id that is meant; '' after saying why there is none."""
        if not words:
            self._say(f"'{command}' wants a diagnosis: a name, a part of one, or a number in 'differential'")
            return ""
        id, way_out = read.subject_in(self.outcome(), words, only_diagnoses)
        if way_out:
            self._say(way_out)
        return id

    def _what_if(self, words: str) -> None:
        lines = self._at.screen.findings if self._at.screen is not None else ()
        if not words:
            self._say("'whatif' wants a finding and a value: 'whatif fever', 'whatif age 70', or a line's number")
            return
        finding, value, way_out = read.finding_in(self.knowledge, words, lines if len(lines) > 1 else ())
        if finding is None:
            self._say(way_out)
            return
        answer = read.answer_in(finding, value or "yes")
        if answer == "unknown":
            after: Consultation | None = self.state.left_unknown(finding.name)
        else:
            after = self._with({finding.name: answer})
        if after is None:
            return
        self._say(f"If {lowered(finding.title)} were {after.given.get(finding.name, 'unknown')} (nothing is recorded):")
        findings = after.findings
        would_be = outcome(self.knowledge, findings, infer(self.knowledge, findings))
        titles = {d: entry.title for d, entry in self.knowledge.diagnoses.items()}
        self._said += _indented(change_paragraphs(changed(self.knowledge, self.outcome(), would_be), titles))
        self._said += in_ranks(would_be)

    def _declined(self, group: str) -> Reply:
        if group in self.state.declined:
            self._say("that is so already; 'review' takes it back by its number")
            return self._shown()
        self.state = self.state.without(group)
        self._number_new()
        self._say(f"left out; {self._left()}")
        self._rest = self._at.screen if self._at.others else self._rest
        self._go_on()
        return self._reply()

    def _skip(self) -> Reply:
        screen = self._at.screen
        if screen is None or self._at.editing:
            self._say("no topic is being asked about here")
            return self._reply()
        self.state = self.state.skipping(screen.topic)
        self._number_new()
        said = "what is open there stays unknown, signs of danger among it; 'review' asks about it after all"
        self._say(f"left out: {screen.title}; {said}; {self._left()}")
        self._go_on()
        return self._reply()

    # Going back ------------------------------------------------------------------------------------------------------

    def _go_back(self) -> Reply:
        if self._back == 0:
            self._say("nothing was asked before this; 'review' lists every answer")
            return self._reply()
        if not self._at.editing and self._at.others:
            self._rest = self._at.screen
        self._back -= 1
        self._put(_Question(self._asked[self._back], editing=True))
        return self._reply()

    def _number_new(self) -> None:
        """Numbers what is new to `review`; what is no longer there gives its number up."""
        there = [("finding", name) for name in self.state.given]
        there += [("finding", n) for n in sorted(self.state.passed, key=lambda n: (n not in self.knowledge.panels_of, n))]
        there += [("group", name) for name in sorted(self.state.declined)]
        there += [("topic", name) for name in sorted(self.state.skipped)]
        still = set(there)
        kept = [entry for entry in self._numbers if entry in still]
        self._numbers = list(dict.fromkeys((*kept, *there)))

    def _other_numbers(self, own: str) -> dict[str, int]:
        """The numbers that the other answers have in `review`."""
        return {name: n for n, (kind, name) in enumerate(self._numbers, 1) if kind == "finding" and name != own}

    def _review(self, words: str) -> Reply:
        if not words:
            self._list(range(1, len(self._numbers) + 1))
            return self._shown()
        first, _, value = words.partition(" ")
        if not (first.isascii() and first.isdigit()):
            self._search(words)
            return self._shown()
        number = read.number_in(first, len(self._numbers))
        if number is None:
            self._say(f"there is no answer {shown(first)}; 'review' lists {counted(len(self._numbers), 'answer')}")
            return self._reply()
        kind, name = self._numbers[number - 1]
        if kind != "finding":
            self.state = self.state.reopened(name)
            self._number_new()
            self._say(f"asked about after all: {self._title(kind, name)}")
            self._go_on()
            return self._reply()
        if self._at.others and not self._at.editing:
            self._rest = self._at.screen
        question = _Question(_together(self.knowledge, self.state.topic, [name]), editing=True)
        if not value:
            self._back = next((n for n in reversed(range(len(self._asked))) if name in _names(self._asked[n])), self._back)
            self._put(question)
            return self._reply()
        at, self._at = self._at, question
        answered = self._one_answered(self.knowledge.findings[name], value)
        if self._at is question:  # it was not taken
            self._at = at
            return replace(answered, prompt=self._prompt())
        return answered

    def _list(self, numbers: Sequence[int]) -> None:
        if not numbers:
            self._say("nothing has been answered yet")
        for number in numbers:
            kind, name = self._numbers[number - 1]
            after_all = f"left out; 'review {number}' asks about it after all"
            said = answer_words(self.state, name) if kind == "finding" else after_all
            self._said.append(Paragraph(f"{self._title(kind, name)}: {said}", f"{number:>3}  "))

    def _search(self, words: str) -> None:
        low = words.lower()
        named = [f"{name} {name.replace('_', ' ')} {self._title(kind, name)}".lower() for kind, name in self._numbers]
        found = [number for number, text in enumerate(named, 1) if low in text]
        if found:
            self._list(found)
            return
        self._say(f"no answer is about {shown(words)}; 'review' lists all of them")

    def _title(self, kind: str, name: str) -> str:
        if kind == "finding":
            return self.knowledge.findings[name].title
        if kind == "topic":
            return next((f"the topic '{t.title}'" for t in self.knowledge.topics if t.id == name), name)
        return f"all {name}" if name == "tests" else f"the {name}"

    # Shared ----------------------------------------------------------------------------------------------------------

    def _is_choice(self, words: str) -> bool:
        screen = self._at.screen
        if screen is None or len(screen.findings) != 1 or screen.findings[0].kind != CHOICE:
            return False
        return read.choice_in(screen.findings[0], words) is not None

    def _say(self, text: str, indent: int = 2) -> None:
        self._said.append(Paragraph(text, indent=indent))

    def _prompt(self) -> str:
        return STOP_PROMPT if self._at.screen is None else prompt_for(self._at.screen, self._at.editing)

    def _reply(self, ended: bool = False, report: Outcome | None = None, save: str | None = None) -> Reply:
        return Reply(tuple(self._said), "" if ended else self._prompt(), ended, report, save)


def _canonical(finding: Finding, words: str) -> str:
    """An answer that was accepted, in one way of writing it."""
    if finding.kind == CHOICE:
        return words.lower().replace(" ", "_")
    return words if finding.kind == QUANTITY else words.lower()


def _together(knowledge: Knowledge, topic: str, names: Sequence[str]) -> Screen:
    """A screen of these findings; its topic is theirs, where they have one."""
    for entry in knowledge.topics:
        for panel in entry.panels:
            if names[0] in panel.findings:
                title = panel.title if len(names) > 1 else ""
                return Screen(entry.id, entry.title, (Group(title, tuple(knowledge.findings[n] for n in names)),))
    return Screen(topic, "", (Group("", tuple(knowledge.findings[n] for n in names)),))


def _asked_before(state: Consultation, asked: Sequence[Sequence[str]]) -> list[Screen]:
    """The screens of what was answered together in an earlier session, as far as it is still there; each answer once."""
    knowledge = state.knowledge
    order = {n: number for number, n in enumerate(n for _, p in knowledge.panels for n in p.findings)}
    screens = []
    seen: set[str] = set()
    for names in asked:
        there = [n for n in (knowledge.renamed.get(n, n) for n in names) if n in {*state.given, *state.passed} - seen]
        there.sort(key=lambda n: (n not in order, order.get(n, 0)))
        alone = any(knowledge.findings[n].kind != YES_NO for n in there) or len(there) > LINES
        seen |= set(there)
        screens += [_together(knowledge, state.topic, part) for part in ([[n] for n in there] if alone else [there]) if part]
    return screens


def _names(screen: Screen) -> set[str]:
    return {f.name for f in screen.findings}


def _indented(paragraphs: tuple[Paragraph, ...]) -> tuple[Paragraph, ...]:
    return moved_right(paragraphs, 2)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


__all__ = ["Dialogue", "Reply"]
