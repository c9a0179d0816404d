"""One patient, asked: what was answered, passed over, declined and skipped, as a value. No input, no output, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from ..knowledge.cases import read_answer, read_findings
from ..knowledge.checks import conditions_of
from ..knowledge.model import YES_NO, Finding, Findings, Knowledge
from ..knowledge.problems import Place, Problems
from ..knowledge.truth import names_in
from ..knowledge.yamltext import Scalar

TYPED = Place("answer", 1, 1)
GROUPS = {"tests": ("laboratory",), "examination": ("examiner",)}


@dataclass(frozen=True)
class Consultation:
    """The state of a session. Every step gives a new one; the one before is still there to go back to."""

    knowledge: Knowledge
    given: Mapping[str, str] = field(default_factory=dict)  # finding to what was answered, in words
    passed: frozenset[str] = frozenset()  # asked, and left unknown
    declined: frozenset[str] = frozenset()  # groups that cannot be answered at all: tests, examination
    skipped: frozenset[str] = frozenset()  # topics, by id, that the person does not want to be asked about
    topic: str = ""  # the id of the topic asked about last: it is exhausted before the next one

    @property
    def findings(self) -> Findings:
        """The answers as the engine takes them."""
        return self._read[0]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is unusual about the answers, in words."""
        return self._read[1]

    def entries(self) -> dict[str, str]:
        """Every question put so far with its answer, `unknown` among them, by name."""
        return dict(sorted({**dict.fromkeys(self.passed, "unknown"), **self.given}.items()))

    @cached_property
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

    def reopened(self, group_or_topic: str) -> Consultation:
        """With a declined group or a skipped topic asked about after all."""
        return replace(self, declined=self.declined - {group_or_topic}, skipped=self.skipped - {group_or_topic})

    def skipping(self, topic: str) -> Consultation:
        """With a topic left out: what is open in it stays unknown and is no longer asked."""
        return replace(self, skipped=self.skipped | {topic})

    def at(self, topic: str) -> Consultation:
        """The same answers, with this topic as the one that is being asked about."""
        return self if topic == self.topic else replace(self, topic=topic)

    def problems_with(self, name: str, words: str) -> Problems:
        """What is wrong with an answer: unreadable, implausible, or impossible beside the others."""
        problems = Problems()
        read_answer(self.knowledge.findings[name], words, TYPED, problems, [])
        if not problems.errors:
            scalars = {n: Scalar(w, TYPED) for n, w in {**self.given, name: words}.items()}
            read_findings(scalars, self.knowledge, problems, TYPED)
        return problems


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
    """Findings whose name, title, question or other names contain the word: first those that are called so, then those with
    the word as a whole in a name, then those with it in their own name."""
    wanted = word.lower().replace("_", " ").strip()

    def texts(f: Finding) -> tuple[str, ...]:
        return (f.name.replace("_", " "), f.title, f.ask, *f.also_called, *(w for _, w in f.choices))

    found = [f for f in knowledge.findings.values() if any(wanted in t.lower() for t in texts(f))]
    if not wanted:
        return tuple(sorted(found, key=lambda f: f.name))
    whole = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")

    def rank(f: Finding) -> tuple[bool, bool, bool, str]:
        names = _names(f)
        return wanted not in names, not any(map(whole.search, names)), wanted not in names[0], f.name

    return tuple(sorted(found, key=rank))


def called(knowledge: Knowledge, words: str) -> tuple[Finding, ...]:
    """The yes-no findings that go by exactly these words, such as a drug's name."""
    wanted = " ".join(words.lower().split())
    return tuple(f for f in knowledge.findings.values() if f.kind == YES_NO and wanted in _names(f))


def _names(finding: Finding) -> tuple[str, ...]:
    """All that the finding is called, in small letters; first its own name."""
    return (finding.name.replace("_", " "), finding.title.lower(), *(name.lower() for name in finding.also_called))
