"""A question-and-answer session as a value: what has been answered, what is asked next. No input, no output, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ..knowledge.cases import read_answer, read_findings
from ..knowledge.checks import conditions_of
from ..knowledge.model import QUANTITY, YES_NO, Finding, Findings, Knowledge, Topic
from ..knowledge.problems import Place, Problems
from ..knowledge.quantities import plain
from ..knowledge.truth import Valuation, names_in
from ..knowledge.yamltext import Scalar

TYPED = Place("answer", 1, 1)
GROUPS = {"tests": ("laboratory",), "examination": ("examiner",)}


@dataclass(frozen=True)
class Screen:
    """What is asked at once: one finding, or several yes-no findings that belong together."""

    topic: str
    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Consultation:
    """The state of a session. Every step gives a new one; the one before is still there to go back to."""

    knowledge: Knowledge
    given: Mapping[str, str] = field(default_factory=dict)  # finding to what was answered, in words
    passed: frozenset[str] = frozenset()  # asked, and left unknown
    declined: frozenset[str] = frozenset()  # groups that cannot be answered at all: tests, examination

    @property
    def findings(self) -> Findings:
        """The answers as the engine takes them."""
        return self._read()[0]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is unusual about the answers, in words."""
        return self._read()[1]

    def entries(self) -> dict[str, str]:
        """Every question put so far with its answer, `unknown` among them, by name."""
        return dict(sorted({**dict.fromkeys(self.passed, "unknown"), **self.given}.items()))

    def _read(self) -> tuple[Findings, tuple[str, ...]]:
        scalars = {name: Scalar(text, TYPED) for name, text in self.given.items()}
        return read_findings(scalars, self.knowledge, Problems(), TYPED)

    def answered(self, name: str, words: str) -> Consultation:
        """With one more answer, or another one in its place."""
        return replace(self, given=MappingProxyType({**self.given, name: words}), passed=self.passed - {name})

    def left_unknown(self, *names: str) -> Consultation:
        """With these asked and not known; an answer given before is taken back."""
        kept = {n: w for n, w in self.given.items() if n not in names}
        return replace(self, given=MappingProxyType(kept), passed=self.passed | set(names))

    def without(self, group: str) -> Consultation:
        """With a whole group (`tests`, `examination`) declined: it stays unknown and is no longer asked."""
        return replace(self, declined=self.declined | {group})

    def problems_with(self, name: str, words: str) -> Problems:
        """What is wrong with an answer: unreadable, implausible, or impossible beside the others."""
        problems = Problems()
        read_answer(self.knowledge.findings[name], words, TYPED, problems, [])
        if not problems.errors:
            scalars = {n: Scalar(w, TYPED) for n, w in {**self.given, name: words}.items()}
            read_findings(scalars, self.knowledge, problems, TYPED)
        return problems

    def next_screen(self) -> Screen | None:
        """What to ask now: the first panel, topic by topic, with something open in it; None when all is asked."""
        valuation = Valuation(self.knowledge, self.findings)
        for topic in self.knowledge.topics:
            for screen in self._screens(topic, valuation):
                return screen
        return None

    def _screens(self, topic: Topic, valuation: Valuation) -> Iterator[Screen]:
        for panel in topic.panels:
            wanted = tuple(f for f in map(self.knowledge.findings.__getitem__, panel.findings) if self._open(f, valuation))
            if not wanted:
                continue
            together = tuple(f for f in wanted if f.kind == YES_NO)
            if wanted[0].kind == YES_NO:
                yield Screen(topic.title, panel.title, together)
            else:
                yield Screen(topic.title, panel.title, wanted[:1])

    def _open(self, finding: Finding, valuation: Valuation) -> bool:
        """Whether the finding is still to be asked: not known, not passed, not declined, its gate not closed."""
        if finding.name in valuation.findings or finding.name in self.passed or not finding.ask or finding.recorded_only:
            return False
        if any(finding.known_by in GROUPS[group] for group in self.declined):
            return False
        return finding.ask_when is None or valuation.of(finding.ask_when) is not False

    def remaining(self) -> int:
        """How many screens are still to come as things stand; answers can only close some of them."""
        valuation = Valuation(self.knowledge, self.findings)
        return sum(1 for topic in self.knowledge.topics for _ in self._screens(topic, valuation))


def served_by(knowledge: Knowledge, name: str) -> tuple[str, ...]:
    """The ids of the rules, flags and notes that rest on a finding, directly or through concepts and scores."""
    users: dict[str, set[str]] = {}
    for owner, condition, _ in conditions_of(knowledge):
        for used in names_in(condition):
            users.setdefault(used, set()).add(owner)
    for finding in knowledge.findings.values():
        for used in names_in(finding.ask_when) if finding.ask_when is not None and finding.when_closed_no else ():
            users.setdefault(used, set()).add(finding.name)
        if finding.scale is not None and finding.scale.derived is not None:
            for used in finding.scale.derived.inputs:
                users.setdefault(used, set()).add(finding.name)
    reached: set[str] = set()
    frontier = [name]
    while frontier:
        for owner in users.get(frontier.pop(), ()):
            if owner not in reached:
                reached.add(owner)
                frontier.append(owner)
    through = {*knowledge.concepts, *knowledge.scores, *knowledge.findings}
    return tuple(sorted(reached - through))


def search(knowledge: Knowledge, word: str) -> tuple[Finding, ...]:
    """Findings whose name, title, question or other names contain the word; those whose name does come first."""
    wanted = word.lower().replace("_", " ").strip()

    def texts(f: Finding) -> tuple[str, ...]:
        return (f.name.replace("_", " "), f.title, f.ask, *f.also_called, *(w for _, w in f.choices))

    found = [f for f in knowledge.findings.values() if any(wanted in t.lower() for t in texts(f))]
    return tuple(sorted(found, key=lambda f: (wanted not in f.name.replace("_", " "), f.name)))


def called(knowledge: Knowledge, words: str) -> tuple[Finding, ...]:
    """The yes-no findings that go by exactly these words, such as a drug's name."""
    wanted = " ".join(words.lower().split())
    return tuple(
        f
        for f in knowledge.findings.values()
        if f.kind == YES_NO and wanted in (f.name.replace("_", " "), f.title.lower(), *(a.lower() for a in f.also_called))
    )


def entry_hint(finding: Finding) -> str:
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


def with_unit(finding: Finding, words: str) -> str:
    """A bare number is in the canonical unit, as the prompt says; anything else stays as it is typed."""
    bare = words.strip().lstrip("<>=+-").strip()
    if finding.scale is not None and bare.replace(".", "", 1).isdigit():
        return f"{words.strip()} {finding.scale.unit}"
    return words
