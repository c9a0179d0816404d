"""What to ask next, and whether asking may end. No input, no output, no clock.

Danger first: while answers could still bring a red flag or change a do-not-miss diagnosis, what would rule that out comes
first; then what could still change the urgency otherwise; then the differential, a note or an advice. What the patient knows
comes before what an examiner finds, and that before the laboratory; topic by topic; in a topic, what can move most. Nothing
is asked that can no longer change anything, and what decides a question's gate comes before the question.

While there is danger, a plan is made: few questions such that no danger is left if none of them is so. It is made anew after
each answer. It decides what is asked when, and nothing else: that it is safe to stop is proved apart (`stops.py`).
"""

from __future__ import annotations

from collections import Counter
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
NO_ANSWER = Answer(truth=False)


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

    def inference(self, state: Consultation) -> Inference:
        """What follows from the answers, by the reference meaning."""
        return self._look(state).inference

    def matters(self, state: Consultation) -> frozenset[str]:
        """The open questions whose answers could still change something."""
        look = self._look(state)
        return look.relevant | look.dangerous

    def remaining(self, state: Consultation) -> int:
        """About how many screens are still to come, if all that may matter now is asked; most answers make them fewer."""
        look = self._look(state)
        return look.screens(look.dangerous) + look.screens(look.relevant - look.dangerous)

    def before_safe(self, state: Consultation) -> int:
        """About how many screens it takes until it is safe to stop if nothing asked is so, of those that the same person can
        answer as the next one: what an examiner or a laboratory would have to find comes later."""
        return self._look(state).screens_before_safe

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
    def knower(self) -> int:
        """Who can tell, the first to be asked being 0."""
        return KNOWERS.index(self.findings[0].known_by)

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
        named = [self.knowledge.findings[n] for _, p in self.knowledge.panels for n in p.findings]
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
            is_barred = entry.is_of_exclusion and reach.classes == {BELOW}
            if entry.likely_when is not None and reach.high >= knowledge.weighing.likely and not is_barred:
                yield entry.likely_when
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
            grave, beside = self._plan
            return self._screen(grave or beside, self._less_danger, beside)
        return self._screen(self.relevant, self._less_doubt, frozenset()) if self.relevant else None

    def _not_to_miss(self, diagnosis: str) -> bool:
        return self.knowledge.diagnoses[diagnosis].tier == DO_NOT_MISS

    @property
    def screens_before_safe(self) -> int:
        """How many screens the plan takes of the person who is asked next."""
        lines = self._first_to_answer(frozenset[str]().union(*self._plan)) if self.dangerous else []
        return self.screens(frozenset(f.name for p in lines for f in p.findings))

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

    def _screen(self, wanted: frozenset[str], gain: Callable[[_Lines], float], beside: frozenset[str]) -> Screen:
        """The screen that begins with the panel that moves most of what is wanted; where there is room, what is planned
        beside it. A session begins with the first topic of the file; a topic once begun is exhausted."""
        panels, all_planned = self._first_to_answer(wanted), self._first_to_answer(wanted | beside)
        if panels[0].knower != all_planned[0].knower:
            panels = all_planned
        here = [p for p in all_planned if p.topic.id == self.state.topic]
        gains = {p: gain(p) for p in here or panels}
        if not here:
            opening = [p for p in panels if p.topic is self.knowledge.topics[0]] if not self.state.topic else []
            topic = max(opening or gains, key=gains.__getitem__).topic
            here = [p for p in panels if p.topic is topic]
        awaited = frozenset[str]().union(*map(self._before, wanted | beside))
        here.sort(key=lambda p: (not (p.alone and p.findings[0].name in awaited), -gains[p]))  # stable: then as in the file
        first = here[0]
        if first.alone:
            return Screen(first.topic.id, first.topic.title, (first.group,))
        order = [p.panel for p in here]
        full = [p for p in all_planned if p.topic is first.topic and not p.alone]
        full.sort(key=lambda p: order.index(p.panel) if p.panel in order else len(order))
        return Screen(first.topic.id, first.topic.title, tuple(_filled(full)))

    def _first_to_answer(self, wanted: frozenset[str]) -> list[_Lines]:
        """What can be asked of this now: of the patient as long as there is anything, then of the examiner."""
        panels = list(self._panels(self._ready(wanted)))
        first = min(p.knower for p in panels)
        return [p for p in panels if p.knower == first]

    def _panels(self, wanted: frozenset[str]) -> Iterator[_Lines]:
        for place in self._places(wanted):
            topic, panel = self.knowledge.panels[place]
            findings = [self.knowledge.findings[n] for n in panel.findings if n in wanted]
            together = tuple(f for f in findings if f.kind == YES_NO)
            if together:
                yield _Lines(topic, panel, together)
            for finding in findings:
                if finding.kind != YES_NO:
                    yield _Lines(topic, panel, (finding,))

    def _places(self, names: Iterable[str]) -> list[int]:
        """Where these are asked about, in the order of the interview."""
        return sorted({place for name in names for place in self.knowledge.panels_of.get(name, ())})

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

    # The plan --------------------------------------------------------------------------------------------------------

    def _is_grave(self, goal: Goal) -> bool:
        """Whether it is a red flag or a do-not-miss diagnosis. Before it is safe to stop, any other diagnosis matters only
        for the urgency, and what is found about these often makes that question needless."""
        return goal.is_red_flag or self._not_to_miss(goal.id)

    @cached_property
    def _plan(self) -> tuple[frozenset[str], frozenset[str]]:
        """Open questions, as few as were found, such that no grave danger is left if none of them is so; and those beside
        them that would rule out the other dangers, too."""
        by_size = sorted(self.rests_on, key=lambda g: len(self.rests_on[g]))
        grave = self._ruling_out_all(filter(self._is_grave, by_size), self.view)
        return frozenset(grave.taken), frozenset(self._ruling_out_all(by_size, grave).taken.keys() - grave.taken.keys())

    def _ruling_out_all(self, goals: Iterable[Goal], view: View) -> View:
        """The view with as much taken as not so as it takes to rule all of these out."""
        for goal in goals:
            more = self._ruling_out(goal, view) if goal.holds(view) else ()
            if more:
                view = self.view.taking(dict.fromkeys((*view.taken, *more), NO_ANSWER))  # a chain of views would be slow
        return view

    def _ruling_out(self, goal: Goal, view: View) -> frozenset[str]:
        """What to ask, beside what is taken, so that the goal is ruled out if none of it is so; all that the goal rests on
        where that would not do."""
        planned = set(view.taken)
        lines = [p for p in self._panels(self._with_gates(self.rests_on[goal]) - planned) if p.together]
        kept = frozenset(f.name for p in lines for f in p.findings)
        if goal.holds(view.taking(dict.fromkeys(kept, NO_ANSWER))):
            return self.rests_on[goal]
        for bundle in self._costly_first(lines, {self.knowledge.panels[p][0].id for p in self._places(planned)}):
            less = kept - bundle
            if len(less) < len(kept) and not goal.holds(view.taking(dict.fromkeys(less, NO_ANSWER))):
                kept = less
        return kept

    def _costly_first(self, lines: list[_Lines], planned: set[str]) -> Iterator[frozenset[str]]:
        """What a plan may do without, the best to be rid of first: who is not being asked, a screen for few lines, a topic
        that is not planned or would be come back to, then panels and single lines that serve few goals."""
        names = {p: frozenset(f.name for f in p.findings) for p in lines}
        by_knower = {k: frozenset(f.name for p in lines for f in p.findings if p.knower == k) for k in range(len(KNOWERS))}
        now = self._asked_now
        yield from (by_knower[k] for k in (*range(now), *range(len(KNOWERS) - 1, now, -1)))
        yield from (names[p] for p in lines if p.alone)
        yield from (frozenset([f.name]) for p in lines for f in p.findings if self._waits_for_screen(f.name))
        by_topic: dict[str, list[frozenset[str]]] = {}
        for p in lines:
            by_topic.setdefault(p.topic.id, []).append(names[p])

        def order(topic: str) -> tuple[bool, bool, bool, int]:
            here = topic == self.state.topic
            return here, topic in planned, topic not in self._left, sum(map(self._service, by_topic[topic]))

        topics = sorted(by_topic, key=order)
        yield from (frozenset[str]().union(*by_topic[t]) for t in topics if t not in planned and t != self.state.topic)
        panels = [panel for t in topics for panel in sorted(by_topic[t], key=self._service)]
        yield from panels
        yield from (frozenset([n]) for panel in panels for n in sorted(panel, key=lambda n: (self._serves[n], n)))

    def _service(self, names: frozenset[str]) -> int:
        return sum(self._serves[n] for n in names)

    @cached_property
    def _serves(self) -> Counter[str]:
        """How many goals each question bears on."""
        return Counter(name for on in self.rests_on.values() for name in on)

    @property
    def _asked_now(self) -> int:
        """Whose turn it is to answer, the first to be asked being 0."""
        here = [n for t in self.knowledge.topics if t.id == self.state.topic for p in t.panels for n in p.findings]
        return min((KNOWERS.index(self.knowledge.findings[n].known_by) for n in here), default=0)

    @cached_property
    def _left(self) -> frozenset[str]:
        """The topics that have been asked about and left."""
        known = self.state.given.keys() | self.state.passed
        topics = (t for t in self.knowledge.topics if t.id != self.state.topic)
        return frozenset(t.id for t in topics if any(n in known for p in t.panels for n in p.findings))

    def _waits_for_screen(self, name: str) -> bool:
        """Whether something that is asked on a screen by itself decides whether this is asked."""
        return any(self.knowledge.findings[n].kind != YES_NO for n in self._with_gates(frozenset([name])))

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
        for diagnosis in self.knowledge.diagnoses:
            width = _width(self.view, diagnosis)
            fall = width - sum(_width(v, diagnosis) for v in views) / len(views)
            total += fall * (2 if self._not_to_miss(diagnosis) else 1)
        return total

    def _if_none(self, lines: _Lines) -> list[View]:
        if lines.together:
            return [self.view.taking({f.name: NO_ANSWER for f in lines.findings})]
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
