"""One patient's report to keep, as Markdown that reads well as it stands; nothing that a case says becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..knowledge.model import Source
from .casereport import SOURCES_SAID, CaseReport, Known, Point, Strand, links_of
from .markup import made_printable
from .phrases import cited

_MARKUP = re.compile(r"[\\`*_<>|\[\]~&@]|(?<=:)(?=//)|(?<=www)(?=\.)")
_BEGINS_A_BLOCK = re.compile(r"^(\d*)([#+=.):-])")


def case_markdown(report: CaseReport) -> str:
    """The whole report; ends with a newline."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: CaseReport) -> Iterator[str]:
    yield from (f"# {_plain(report.name)}", "")
    yield from (f"**Urgency:** {_plain(report.urgency_said)}  ", f"**Leading:** {_plain(report.leading_said)}")
    yield from _listed("", report.scope)
    yield from _listed("Red flags", (point for _, point in report.red_flags))
    if len(report.supported) > 1:
        ranks = (f"{n}. {_plain(s.title)}: {_plain(s.standing)}" for n, s in enumerate(report.supported, 1))
        yield from ("", "## In rank order", "", *ranks)
    yield from _known(report.known)
    yield from _listed("Please check", (Point(doubt, "?") for doubt in report.doubts))
    yield from ("", "## Why")
    for tier in report.tiers:
        yield from ("", f"### {_plain(tier.heading)}")
        for strand in tier.strands:
            yield from _strand(strand)
    for part in report.parts:
        yield from _listed(part.heading, part.points)
    if report.sources:
        yield from ("", "## Sources", "", _plain(SOURCES_SAID), "", *map(_source, report.sources))
    yield from ("", "---")
    for said in report.foot:
        yield from ("", _plain(said))


def _known(known: Iterable[Known]) -> Iterator[str]:
    points = []
    for group in known:
        absent = (Point(f"Known to be absent: {'; '.join(group.absent)}"),) if group.absent else ()
        points.append(Point(group.heading, points=(*(Point(value) for value in group.values), *absent)))
    yield from _listed("Findings", points)


def _strand(strand: Strand) -> Iterator[str]:
    remarks = f" ({_plain(', '.join(strand.remarks))})" if strand.remarks else ""
    yield from ("", f"**{_plain(strand.title)}: {_plain(strand.standing)}**{remarks}")
    yield from ("", *_points(strand.points)) if strand.points else ()


def _listed(heading: str, points: Iterable[Point]) -> Iterator[str]:
    """A list under its heading; nothing where there is none."""
    lines = list(_points(points))
    if lines:
        yield from ("", f"## {_plain(heading)}") if heading else ()
        yield from ("", *lines)


def _points(points: Iterable[Point], depth: int = 0) -> Iterator[str]:
    for point in points:
        mark = f"`{point.mark}` " if point.mark else ""
        sources = f" {_plain(cited(point.sources))}" if point.sources else ""
        yield f"{'  ' * depth}- {mark}{_plain(point.text)}{sources}"
        yield from _points(point.points, depth + 1)


def _source(source: Source) -> str:
    checked = "" if source.checked == "verified" else f" ({source.checked})"
    links = "".join(f" <{link}>" for _, link in links_of(source))
    return f"- {_plain(source.id)}: {_plain(source.citation)}{checked}{links}"


def _plain(text: str) -> str:
    """The text as Markdown prints it: nothing in it is markup."""
    words = " ".join(made_printable(text).split())
    return _BEGINS_A_BLOCK.sub(r"\1\\\2", _MARKUP.sub(lambda m: f"\\{m[0]}" if m[0] else "\\", words))
