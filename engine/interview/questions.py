"""What to ask next, and whether asking may end. No input, no output, no clock.

Danger first: while answers could still bring a red flag or change a do-not-miss diagnosis, only what bears on that is asked;
then what could still change the urgency otherwise; then the differential, a note or an advice. What the patient knows comes before what an examiner finds,
and that before the laboratory; topic by topic; in a topic, what can move most. Nothing is asked that can no longer change
anything, and what decides a question's gate comes before the question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from ..inference.bounds import BELOW, NO, YES, Horizon, View, Wish, open_in
from ..inference.reference import infer
from ..inference.weighing import Inference
from ..knowledge.model import (
    DO_NOT_MISS,
    KNOWERS,
    LABORATORY,
    URGENCIES,
    YES_NO,
    Answer,
    Condition,
    Finding,
    Knowledge,
    Panel,
    Topic,
)
from ..knowledge.truth import Valuation
from .consultation import GROUPS, Consultation
from .stops import Goal, is_settled, real_dangers

LINES = 7  # on one screen


@dataclass(frozen=True)
class Group:
    """Some lines of a screen under a heading: those of one panel."""

    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Screen:
    """What is asked at once: one finding, or up to seven yes-no findings of one topic."""

    topic: str  # its id
    title: str  # the topic's
    groups: tuple[Group, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every line, in order."""
        return tuple(f for group in self.groups for f in group.findings)


@dataclass(frozen=True)
class Stops:
    """Whether asking may end, whatever the answers to the questions still open."""

    safe: bool  # overall urgency and the do-not-miss diagnoses at possible or above can no longer change
    settled: bool  # nor can the leading diagnosis
    spared: int  # how many questions that could still change something else need not be asked
    unknown: int  # how many questions were left unknown, declined or skipped: their answers are not among those meant


class Interviewer:
    """Chooses questions for one knowledge base. Building it takes longer than a question: build once."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.horizon = Horizon(knowledge)
        self._last: _Look | None = None

    def next_screen(self, state: Consultation) -> Screen | None:
        """What to ask now; None when nothing that is open can change anything."""
        return self._look(state).next_screen

    def stops(self, state: Consultation) -> Stops:
        """Which stops are reached."""
        look = self._look(state)
        if look.dangers:
            return Stops(False, False, 0, 0)
        return Stops(True, is_settled(look.view, look.inference), len(look.relevant), look.unknown)

    def matters(self, state: Consultation) -> frozenset[str]:
        """The open questions whose answers could still change something."""
        look = self._look(state)
        return look.relevant | look.dangerous

    def remaining(self, state: Consultation) -> int:
        """About how many screens are still to come, if all that may matter now is asked; most answers make them fewer."""
        look = self._look(state)
        return look.screens(look.dangerous) + look.screens(look.relevant - look.dangerous)

    def before_safe(self, state: Consultation) -> int:
        """About how many screens, in the same way, until it is safe to stop, of those that the same person can answer as the
        next one: what an examiner or a laboratory would have to find comes later."""
        look = self._look(state)
        if not look.dangerous:
            return 0
        knower = min((self.knowledge.findings[n].known_by for n in look.dangerous), key=KNOWERS.index)
        return look.screens(frozenset(n for n in look.dangerous if self.knowledge.findings[n].known_by == knower))

    def _look(self, state: Consultation) -> _Look:
        if self._last is None or self._last.state is not state:
            self._last = _Look(self.horizon, state)
        return self._last


@dataclass(frozen=True, eq=False)
class _Lines:
    """What is wanted of a panel: yes-no lines, or one finding of another kind."""

    topic: Topic
    panel: Panel
    findings: tuple[Finding, ...]

    @property
    def group(self) -> Group:
        return Group(self.panel.title, self.findings)

    @property
    def together(self) -> bool:
        return self.findings[0].kind == YES_NO

    @property
    def alone(self) -> bool:
        """Whether nothing else goes on its screen: a quantity, a choice, what its author wants so, and tests, of which one
        may have been done and its neighbour not."""
        return not self.together or self.panel.alone or self.findings[0].known_by == LABORATORY


class _Look:
    """Everything that is worked out about one state, each thing once and only when it is needed."""

    def __init__(self, horizon: Horizon, state: Consultation) -> None:
        self.horizon = horizon
        self.knowledge = horizon.knowledge
        self.state = state

    @cached_property
    def inference(self) -> Inference:
        return infer(self.knowledge, self.state.findings)

    @cached_property
    def valuation(self) -> Valuation:
        return Valuation(self.knowledge, self.state.findings)

    @cached_property
    def view(self) -> View:
        """What is known, with every question open that could still be put."""
        topics = [t for t in self.knowledge.topics if t.id not in self.state.skipped]
        named = [self.knowledge.findings[n] for t in topics for p in t.panels for n in p.findings]
        open = frozenset(f.name for f in named if _is_open(f, self.state, self.valuation))
        return View(self.horizon, self.state.findings, open)

    @property
    def unknown(self) -> int:
        """How many questions will not be put although nobody knows their answers: passed, declined or of a skipped topic."""
        asking = replace(self.state, passed=frozenset(), declined=frozenset(), skipped=frozenset())
        named = [self.knowledge.findings[n] for t in self.knowledge.topics for p in t.panels for n in p.findings]
        return sum(1 for f in named if _is_open(f, asking, self.valuation) and f.name not in self.view.open)

    # What matters ----------------------------------------------------------------------------------------------------

    @cached_property
    def dangers(self) -> tuple[Goal, ...]:
        """What answers could still change of the urgency and the do-not-miss diagnoses."""
        return real_dangers(self.view, self.inference)

    @cached_property
    def rests_on(self) -> dict[Goal, frozenset[str]]:
        """The open questions that could bring each danger about; once they are answered otherwise, it is gone."""
        found = {}
        for goal in self.dangers:
            helpful = self._open_in(wish for wish in goal.wishes if wish.values == YES)
            found[goal] = helpful or self._open_in(goal.wishes)
        return found

    def _open_in(self, wishes: Iterable[Wish]) -> frozenset[str]:
        return frozenset(name for wish in wishes for name in open_in(self.view, wish.condition, wish.values))

    @cached_property
    def dangerous(self) -> frozenset[str]:
        """All of them together."""
        return frozenset[str]().union(*self.rests_on.values())

    @cached_property
    def relevant(self) -> frozenset[str]:
        """The open questions that could still change anything in the report."""
        return self._open_in(Wish(condition, YES) for condition in self._undecided())

    def _undecided(self) -> Iterator[Condition]:
        """Every condition that could still come to be yes and would then be seen in the report."""
        knowledge = self.knowledge
        shown = [f.when for f in knowledge.red_flags.values()]
        shown += [note.when for note in (*knowledge.notes.values(), *knowledge.scope.values())]
        yield from (when for when in shown if self.view.of(when) & YES)
        for diagnosis, entry in knowledge.diagnoses.items():
            yield from self._undecided_of(diagnosis)
            reach = self.view.reach(diagnosis)
            if entry.needs is not None and reach.classes != {BELOW}:
                yield entry.needs
            if entry.likely_needs is not None and reach.high >= knowledge.weighing.likely:
                yield entry.likely_needs
        for advice in knowledge.advice.values():
            if self.view.reach(advice.diagnosis).classes != {BELOW}:
                yield from (c for c in (advice.when, advice.unless) if c is not None)

    def _undecided_of(self, diagnosis: str) -> Iterator[Condition]:
        """Conditions of the rules that may still fire and would then count."""
        points = {r.id: abs(self.knowledge.weighing.points(r.then)) for r in self.knowledge.rules_of[diagnosis]}
        counted: dict[tuple[str, bool], int] = {}
        for rule in self.knowledge.rules_of[diagnosis]:
            if rule.cluster and self.view.of(rule.when) == YES:
                key = (rule.cluster, rule.is_for)
                counted[key] = max(counted.get(key, 0), points[rule.id])
        for rule in self.knowledge.rules_of[diagnosis]:
            outdone = rule.cluster and 0 < points[rule.id] <= counted.get((rule.cluster, rule.is_for), 0)
            if self.view.of(rule.when) & YES and not outdone:
                yield rule.when

    # What to ask -----------------------------------------------------------------------------------------------------

    @cached_property
    def next_screen(self) -> Screen | None:
        if self.dangerous:
            return self._screen(self._gravest or self.dangerous, self._less_danger)
        return self._screen(self.relevant, self._less_doubt) if self.relevant else None

    @property
    def _gravest(self) -> frozenset[str]:
        """The open questions that bear on a red flag or a do-not-miss diagnosis. Any other diagnosis matters, before it is
        safe to stop, only for the urgency, and what is found here often makes that question needless."""
        grave = [on for goal, on in self.rests_on.items() if goal.is_red_flag or self._not_to_miss(goal.id)]
        return frozenset[str]().union(*grave)

    def _not_to_miss(self, diagnosis: str) -> bool:
        return self.knowledge.diagnoses[diagnosis].tier == DO_NOT_MISS

    def screens(self, wanted: frozenset[str]) -> int:
        """How many screens it takes to ask all of these, gates among them."""
        by_topic: dict[str, list[_Lines]] = {}
        for lines in self._panels(self._with_gates(wanted)):
            by_topic.setdefault(lines.topic.id, []).append(lines)
        count = 0
        for panels in by_topic.values():
            together = sum(len(p.findings) for p in panels if not p.alone)
            count += -(-together // LINES) + sum(1 for p in panels if p.alone)
        return count

    def _screen(self, wanted: frozenset[str], gain: Callable[[_Lines], float]) -> Screen:
        panels = list(self._panels(self._ready(wanted)))
        first_knower = min(KNOWERS.index(p.findings[0].known_by) for p in panels)
        panels = [p for p in panels if KNOWERS.index(p.findings[0].known_by) == first_knower]
        here = [p for p in panels if p.topic.id == self.state.topic]
        gains = {p: gain(p) for p in here or panels}
        if not here:
            topic = max(gains, key=gains.__getitem__).topic
            here = [p for p in panels if p.topic is topic]
        here.sort(key=lambda p: -gains[p])  # stable: equal ones in the order of the file
        first = here[0]
        groups = (first.group,) if first.alone else tuple(_filled([p for p in here if not p.alone]))
        return Screen(first.topic.id, first.topic.title, groups)

    def _panels(self, wanted: frozenset[str]) -> Iterator[_Lines]:
        for topic in self.knowledge.topics:
            for panel in topic.panels:
                findings = [self.knowledge.findings[n] for n in panel.findings if n in wanted]
                together = tuple(f for f in findings if f.kind == YES_NO)
                if together:
                    yield _Lines(topic, panel, together)
                for finding in findings:
                    if finding.kind != YES_NO:
                        yield _Lines(topic, panel, (finding,))

    def _ready(self, wanted: frozenset[str]) -> frozenset[str]:
        """What can be asked at once: in the place of a question whose gate is open to answers, what decides the gate."""
        return frozenset(n for n in self._with_gates(wanted) if not self._before(n)) or wanted

    def _with_gates(self, wanted: frozenset[str]) -> frozenset[str]:
        """These questions, and those that decide their gates."""
        found = set(wanted)
        frontier = list(wanted)
        while frontier:
            new = [n for n in self._before(frontier.pop()) if n not in found]
            found.update(new)
            frontier.extend(new)
        return frozenset(found)

    def _before(self, name: str) -> frozenset[str]:
        gate = self.knowledge.findings[name].ask_when
        return frozenset() if gate is None else frozenset(open_in(self.view, gate, NO)) - {name}

    # What can move most ----------------------------------------------------------------------------------------------

    def _less_danger(self, lines: _Lines) -> float:
        """How much less danger there would be if nothing of this were so; of a quantity, on average over its values."""
        names = {f.name for f in lines.findings}
        goals = [g for g, on in self.rests_on.items() if on & names]
        views = self._if_none(lines)
        return sum(_danger(g, self.view) - sum(_danger(g, v) for v in views) / len(views) for g in goals)

    def _less_doubt(self, lines: _Lines) -> float:
        """How much narrower the bounds on points would be, those of do-not-miss diagnoses counted twice."""
        views = self._if_none(lines)
        total = 0.0
        for diagnosis, entry in self.knowledge.diagnoses.items():
            width = _width(self.view, diagnosis)
            fall = width - sum(_width(v, diagnosis) for v in views) / len(views)
            total += fall * (2 if self._not_to_miss(diagnosis) else 1)
        return total

    def _if_none(self, lines: _Lines) -> list[View]:
        if lines.together:
            return [self.view.taking({f.name: Answer(truth=False) for f in lines.findings})]
        (only,) = lines.findings
        return [self.view.taking({only.name: case}) for case in self.horizon.cases(only.name)]


def _filled(panels: list[_Lines]) -> Iterator[Group]:
    """A screen's groups: whole panels in this order as long as they fit, then the beginning of the next one."""
    room = LINES
    left = []
    for panel in panels:
        if len(panel.findings) <= room:
            yield panel.group
            room -= len(panel.findings)
        else:
            left.append(panel)
    if room and left:
        yield Group(left[0].panel.title, left[0].findings[:room])


# These weights order questions and nothing else: no stop and no conclusion rests on them. Other ones that were tried moved
# the median number of prompts by one or two (benchmarks/questions.py).
def _danger(goal: Goal, view: View) -> float:
    """How grave and how near: each step of urgency counts twice the one before; a red flag as much as a diagnosis that one
    moderate finding would bring about, and a diagnosis more for each moderate finding that could join it."""
    if not goal.holds(view):
        return 0
    grave = 1 << (URGENCIES.index(goal.urgency) if goal.urgency else 0)
    if goal.is_red_flag:
        return 2 * grave
    weighing = view.horizon.knowledge.weighing
    return grave * (1 + max(0, view.reach(goal.id).high - weighing.possible + 1) / weighing.moderate)


def _width(view: View, diagnosis: str) -> int:
    """How much is undecided: the points between the bounds, and the levels within reach, which `establishes` and `excludes`
    move without points."""
    reach = view.reach(diagnosis)
    return reach.high - reach.low + len(reach.classes)


def _is_open(finding: Finding, state: Consultation, valuation: Valuation) -> bool:
    """Whether the finding is still to be asked: not known, not passed, not declined, its gate not closed."""
    if finding.name in valuation.findings or finding.name in state.passed or not finding.ask or finding.recorded_only:
        return False
    if any(finding.known_by in GROUPS[group] for group in state.declined):
        return False
    return valuation.arises(finding.name)
