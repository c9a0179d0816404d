"""How the findings lead to one diagnosis, as a picture: a tree from left to right, drawn without any other program."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from ..inference.explanation import CONCEPT, SCORE, Fired, How, Step
from .explained import score_points
from .markup import Markup, tag
from .words import counted, mark_of

FINDINGS, CONCLUDED, RULE, DIAGNOSIS = "findings", "concluded", "rule", "diagnosis"
MOST_RULES = 6  # the weightiest; the others are counted
MOST_FINDINGS = 6  # of one box
MOST_LINES = 4  # of one text
DEEPEST = 4  # columns; what lies deeper stands with its findings
_WIDTH = 800.0  # of the whole, in units of which a letter is about `_LETTER` wide
_GAP, _APART = 26.0, 8.0  # between columns, between boxes
_LINE, _LETTER, _PADDING = 14.0, 6.3, 7.0
_BASE = 0.75  # of a line, above the letters' feet
_SHARES = (3, 5, 6, 5)  # how wide the columns are beside each other, the diagnosis first
_NARROWEST = 8  # letters

STYLE = """
.picture { overflow-x: auto; margin: .5rem 0 1rem; }
.picture svg { display: block; width: 100%; min-width: 40rem; height: auto; font-size: 12px; }
.picture text { fill: var(--ink); white-space: pre; font-family: Arial, "Liberation Sans", Helvetica, sans-serif; }
.picture text.head { font-weight: 600; }
.picture rect { fill: var(--paper); stroke: var(--faint); }
.picture .concluded rect { fill: var(--wash); stroke-dasharray: 3 2; }
.picture .rule rect { fill: var(--wash); }
.picture .diagnosis rect { fill: var(--wash); stroke: var(--ink); stroke-width: 2; }
.picture path { fill: none; stroke: var(--faint); stroke-width: 1.5; }
.picture path.against { stroke: var(--emergency); stroke-dasharray: 5 3; }
"""


@dataclass(frozen=True)
class Box:
    """What stands in one box, and the boxes that lead to it."""

    kind: str
    texts: tuple[str, ...]
    feeds: tuple[Box, ...] = ()
    is_against: bool = False


def path_to(account: How) -> Box:
    """The boxes that lead to a diagnosis: the rules that count, and what they rest on, down to the findings."""
    counting = [fired for fired in (*account.speaking_for, *account.against) if not fired.outdone_by]
    ranked = sorted(counting, key=_weight, reverse=True)
    shown = [fired for fired in counting if fired in ranked[:MOST_RULES]]
    more = len(counting) - len(shown)
    rest = (Box(RULE, (f"and {counted(more, 'rule')} of less weight",)),) if more else ()
    return Box(DIAGNOSIS, (account.title, account.state), (*map(_rule, shown), *rest))


def _weight(fired: Fired) -> tuple[bool, int]:
    return not fired.points, abs(fired.points)  # what establishes or excludes has no points


def _rule(fired: Fired) -> Box:
    """A rule with a box for all findings that it reads itself, and one for each concept and score."""
    head = f"{mark_of(fired.rule, fired.points)} {fired.rule.then}"
    findings, concluded = _read(fired.steps, 2)
    feeds = (*((Box(FINDINGS, findings),) if findings else ()), *concluded)
    return Box(RULE, (head, fired.rule.title.rstrip(".")), feeds, not fired.rule.is_for)


def _concluded(step: Step, depth: int) -> Box:
    """A concept or score with the findings that it reads itself, and a box for each concept and score that it reads."""
    findings, concluded = _read(step.steps, depth + 1)
    return Box(CONCLUDED, (_said(step), *findings), concluded)


def _read(steps: tuple[Step, ...], depth: int) -> tuple[tuple[str, ...], tuple[Box, ...]]:
    findings: dict[str, None] = {}
    concluded = []
    for step in steps:
        is_leaf = step.kind not in (CONCEPT, SCORE) or not step.steps
        if not is_leaf and depth < DEEPEST:
            concluded.append(_concluded(step, depth))
        elif step.points is None or step.points:
            findings |= dict.fromkeys(_bottom(step))
    idle = sum(step.points is not None and not step.points for step in steps)
    texts = list(findings)[:MOST_FINDINGS]
    if len(findings) > MOST_FINDINGS:
        texts.append(f"and {len(findings) - MOST_FINDINGS} more")
    if idle:
        texts.append(f"{counted(idle, 'item')} adding nothing")
    return tuple(f"• {text}" for text in texts), tuple(concluded)


def _bottom(step: Step) -> Iterator[str]:
    """The findings that a step rests on."""
    if step.kind not in (CONCEPT, SCORE) or not step.steps:
        yield _said(step)
    else:
        for inner in step.steps:
            yield from _bottom(inner)


def _said(step: Step) -> str:
    adds = "" if not step.points else f" ({score_points(step.points)})"
    return f"{step.title}{'' if step.value == 'yes' else f': {step.value}'}{adds}"


# Laid out ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Placed:
    """A box with the lines in it, of which the first few are its head, its left upper corner and its size."""

    box: Box
    lines: tuple[str, ...]
    head: int
    x: float
    y: float
    width: float
    height: float


Columns = tuple[tuple[float, float], ...]  # left side and width of each, the diagnosis first, which stands on the right


def picture(account: How) -> Markup:
    """The drawing, as SVG within a page whose style holds `STYLE`."""
    root = path_to(account)
    columns = _columns(_depth(root))
    placed = tuple(_placed(root, columns, 0, 1.0))
    edges = (_edge(feed, reader) for feed, reader in placed if reader is not None)
    boxes = (_drawn(each) for each, _ in placed)
    words = f"How the findings lead to {account.title}, which is {account.state}; the tree of rules says the same in words"
    view = f"0 0 {_WIDTH:g} {_extent(root, columns) + 2:g}"
    return tag("div", tag("svg", *edges, *boxes, viewBox=view, role="img", aria_label=words), class_="picture")


def _depth(box: Box) -> int:
    return 1 + max((_depth(feed) for feed in box.feeds), default=0)


def _columns(number: int) -> Columns:
    room = _WIDTH - 2 - _GAP * (number - 1)
    shares = _SHARES[:number]
    widths = [room * share / sum(shares) for share in shares]
    right = _WIDTH - 1
    columns = []
    for width in widths:
        columns.append((right - width, width))
        right -= width + _GAP
    return tuple(columns)


def _extent(box: Box, columns: Columns, depth: int = 0) -> float:
    """How much room from top to bottom the box takes with all that leads to it."""
    return max(_height(box, columns[depth][1]), _extent_of_feeds(box, columns, depth))


def _extent_of_feeds(box: Box, columns: Columns, depth: int) -> float:
    return sum(_extent(feed, columns, depth + 1) + _APART for feed in box.feeds) - _APART


def _height(box: Box, width: float) -> float:
    return sum(map(len, _wrapped(box, width))) * _LINE + 2 * _PADDING


def _placed(box: Box, columns: Columns, depth: int, top: float) -> Iterator[tuple[Placed, Placed | None]]:
    """Each box with its place and that of the one which it leads to, from `top` down; both stand in the middle of what
    leads to them."""
    x, width = columns[depth]
    extent, height = _extent(box, columns, depth), _height(box, width)
    texts = _wrapped(box, width)
    head = 0 if box.kind == FINDINGS else len(texts[0])
    lines = tuple(line for text in texts for line in text)
    placed = Placed(box, lines, head, x, top + (extent - height) / 2, width, height)
    yield placed, None
    below = top + (extent - _extent_of_feeds(box, columns, depth)) / 2
    for feed in box.feeds:
        for inner, reader in _placed(feed, columns, depth + 1, below):
            yield inner, reader or placed
        below += _extent(feed, columns, depth + 1) + _APART


def _wrapped(box: Box, width: float) -> tuple[tuple[str, ...], ...]:
    """The lines of each text."""
    letters = max(_NARROWEST, int((width - 2 * _PADDING) / _LETTER))
    indents = ("\u00a0\u00a0" if text.startswith("•") else "" for text in box.texts)
    return tuple(
        tuple(
            textwrap.wrap(
                text, letters, subsequent_indent=indent, break_on_hyphens=False, max_lines=MOST_LINES, placeholder=" …"
            )
        )
        for text, indent in zip(box.texts, indents, strict=True)
    )


def _edge(feed: Placed, reader: Placed) -> Markup:
    start, end = feed.y + feed.height / 2, reader.y + reader.height / 2
    left = feed.x + feed.width
    middle = (left + reader.x) / 2
    curve = f"M{left:.1f} {start:.1f}C{middle:.1f} {start:.1f} {middle:.1f} {end:.1f} {reader.x:.1f} {end:.1f}"
    return tag("path", d=curve, class_="against" if feed.box.is_against else "")


def _drawn(placed: Placed) -> Markup:
    size = {"width": f"{placed.width:.1f}", "height": f"{placed.height:.1f}"}
    frame = tag("rect", x=f"{placed.x:.1f}", y=f"{placed.y:.1f}", rx="4", **size)
    lines = (
        tag(
            "text",
            line,
            x=f"{placed.x + _PADDING:.1f}",
            y=f"{placed.y + _PADDING + _LINE * (number + _BASE):.1f}",
            class_="head" if number < placed.head else "",
        )
        for number, line in enumerate(placed.lines)
    )
    return tag("g", frame, *lines, class_=placed.box.kind)
