"""One patient's report to keep, as a page that needs no network and no script: to be read, folded out and printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..inference.explanation import How
from ..knowledge.model import Source
from . import picture
from .casereport import SOURCES_SAID, CaseReport, Known, Point, Strand, Tier, links_of
from .markup import Content, Markup, document, tag
from .phrases import cited

_MUCH = 11_000  # characters from which a report is printed smaller and without what weighs least
_TAGS = re.compile("<[^>]*>")
_LEFT_OUT = (
    "Shortened on paper; the page itself has all of it. Left out: pictures but the first; rules that count for nothing "
    "beside others; what the rules for any but the leading diagnosis rest on; conditions that are met; what is "
    "missing for diagnoses that are neither supported nor under 'do not miss'; advice that is withheld."
)

_STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.25rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .75rem; }
h2 { font-size: 1.125rem; line-height: 1.3; margin: 1.75rem 0 .375rem; border-bottom: 1px solid var(--line); }
h3 { font-size: .9375rem; margin: 1rem 0 .25rem; color: var(--faint); }
p { margin: .25rem 0 .5rem; max-width: 48rem; }
ul, ol { margin: .25rem 0; padding-left: 1.25rem; }
li { margin: .125rem 0; max-width: 50rem; }
a { color: inherit; }
.faint, footer { color: var(--faint); font-size: .875rem; }
.head { display: grid; grid-template-columns: max-content 1fr; gap: .125rem .75rem; margin: 0; padding: .75rem 1rem;
  border: 1px solid var(--line); border-left: .375rem solid var(--routine); border-radius: .5rem; background: var(--wash); }
.head dt { color: var(--faint); } .head dd { margin: 0; font-weight: 600; }
.head.emergency { border-left-color: var(--emergency); } .head.same-day { border-left-color: var(--same-day); }
.head.soon { border-left-color: var(--soon); }
.emergency > .tag, .tag.emergency { color: var(--emergency); } .same-day > .tag, .tag.same-day { color: var(--same-day); }
.soon > .tag, .tag.soon { color: var(--soon); }
.tag { font-size: .75rem; font-weight: 600; border: 1px solid currentColor; border-radius: .75rem; padding: 0 .5rem;
  white-space: nowrap; }
.flags > li { font-weight: 600; } .flags li li { font-weight: 400; }
.flags, .points, .points ul, .tree, .tree ul { list-style: none; padding-left: 0; }
.flags ul, .points ul, .tree ul { padding-left: 1.25rem; } .points ul { list-style: "– "; }
.mark { display: inline-block; min-width: 1.75rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.known { columns: 20rem auto; column-gap: 2rem; }
.known section { break-inside: avoid; }
.known h3 { margin-top: 0; }
cite { font-style: normal; font-weight: 400; font-size: .8125rem; color: var(--faint); }
details, .plain { border-top: 1px solid var(--line); }
summary, .plain { padding: .25rem 0; }
summary { cursor: pointer; }
.plain { padding-left: 1.125rem; }
.name { font-weight: 600; }
.quiet .name { font-weight: 400; }
details > ul { margin: 0 0 .5rem 1.125rem; }
.tree ul { color: var(--faint); font-size: .9375rem; border-left: 1px solid var(--line); margin-left: .25rem;
  padding-left: .75rem; }
.sheet, .paper { display: none; }
figure { margin: .5rem 0 1rem; }
figcaption { font-size: .875rem; color: var(--faint); }
footer { margin-top: 2rem; border-top: 1px solid var(--line); padding-top: .5rem; }
@media (max-width: 36rem) {
  body { padding: 1rem .875rem 2rem; }
  .head { grid-template-columns: 1fr; gap: 0; } .head dd { margin-bottom: .25rem; }
}
@page { size: A4; margin: 11mm 12mm; }
@media print {
  :root { font-size: 8pt; }
  :root:has(body.much) { font-size: 7pt; }
  body { max-width: none; padding: 0; line-height: 1.25; font-family: Arial, "Liberation Sans", Helvetica, sans-serif;
    -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  h1 { margin-bottom: .375rem; }
  h2 { margin: .75rem 0 .25rem; } h3 { margin: .5rem 0 .125rem; }
  h2, h3, summary, figcaption { break-after: avoid; }
  li { margin: 0; } p { margin: .125rem 0; } p, li { max-width: none; }
  li, .plain, .head, figure { break-inside: avoid; }
  .head { padding: .375rem .75rem; }
  .sheet { display: flex; gap: 2rem; margin: 0 0 .5rem; }
  .sheet span { flex: 1; border-bottom: 1px solid var(--faint); padding-top: 1rem; }
  .two { columns: 2; column-gap: 1.25rem; }
  .known { columns: 3; column-gap: 1.25rem; }
  .known section { break-inside: auto; }
  .tree ul, .tree ul li { display: inline; border: 0; margin: 0; padding: 0; font-size: inherit; }
  .tree ul li::before { content: " "; }
  .tree ul li:not(:last-child)::after { content: ";"; }
  summary { list-style: none; padding: .125rem 0; } summary::-webkit-details-marker { display: none; }
  .plain { padding: .125rem 0; } details > ul { margin-left: 0; }
  .picture { overflow: visible; } .picture svg { min-width: 0; font-size: 12px; }
  .sources { font-size: 6.5pt; line-height: 1.2; }
  .much .picture svg { width: 90%; max-height: 78mm; margin: auto; }
  .much figure + figure, .much .less, .much .other .tree ul { display: none; }
  .much .paper { display: block; } .much .sources { font-size: 6pt; line-height: 1.15; } .much h2 { margin-top: .5rem; }
  footer { margin-top: .5rem; }
}
"""


def case_page(report: CaseReport) -> str:
    """The whole page. Whatever the case or the knowledge says stands in it as text, never as markup."""
    main = _main(report)
    much = "much" if len(_TAGS.sub("", main.html)) > _MUCH else ""
    return document(f"Report: {report.name}", picture.STYLE + _STYLE, tag("body", main, class_=much))


def _main(report: CaseReport) -> Markup:
    """What matters first over the whole width; the rest, on paper, in two columns."""
    first = (
        _section("flags", "Red flags", *_flags(report.red_flags)),
        _section("ranks", "In rank order", *_ranks(report.supported)),
        _section("findings", "Findings", *_known(report.known)),
        _section("check", "Please check", *_points(Point(doubt, "?") for doubt in report.doubts)),
        _section("paths", "How the findings lead there", *map(_figure, report.paths)),
    )
    rest = (
        _section("why", "Why", *_tiers(report.tiers)),
        *(_section(part.id, part.heading, *_points(part.points)) for part in report.parts),
        _section("sources", "Sources", *_sources(report.sources)),
    )
    foot = tag("footer", tag("p", _LEFT_OUT, class_="paper"), *(tag("p", said) for said in report.foot))
    columns = tag("div", *filter(None, rest), class_="two")
    return tag("main", *_top(report), *filter(None, first), columns, foot)


def _section(id: str, heading: str, *content: Content) -> Markup | None:
    """None where nothing is to be said."""
    return tag("section", tag("h2", heading, id=id), *content, aria_labelledby=id) if content else None


def _class(urgency: str) -> str:
    return urgency.replace(" ", "-")


# What matters first --------------------------------------------------------------------------------------------------


def _top(report: CaseReport) -> Iterator[Markup]:
    yield tag("h1", tag("bdi", report.name))
    by_hand = (tag("span", words) for words in ("Patient", "Date", "Seen by"))
    yield tag("p", *by_hand, class_="sheet")
    yield tag(
        "dl",
        *(tag("dt", "Urgency"), tag("dd", report.urgency_said)),
        *(tag("dt", "Leading"), tag("dd", report.leading_said)),
        class_=f"head {_class(report.urgency)}",
    )
    yield from _points(report.scope)


def _flags(flags: Iterable[tuple[str, Point]]) -> Iterator[Markup]:
    """A list of them, if there are any."""
    entries = [
        tag(
            "li",
            tag("span", flag.mark, class_="tag"),
            " ",
            flag.text,
            _cited(flag),
            *_points(flag.points),
            class_=_class(urgency),
        )
        for urgency, flag in flags
    ]
    if entries:
        yield tag("ul", *entries, class_="flags")


def _ranks(supported: tuple[Strand, ...]) -> Iterator[Markup]:
    if len(supported) > 1:
        yield tag("ol", *(tag("li", *_named(strand)) for strand in supported))


def _known(known: Iterable[Known]) -> Iterator[Markup]:
    groups = []
    for group in known:
        absent = [tag("p", "Known to be absent: ", "; ".join(group.absent), class_="faint")] if group.absent else []
        values = [tag("ul", *(tag("li", value) for value in group.values))] if group.values else []
        groups.append(tag("section", tag("h3", group.heading), *values, *absent))
    if groups:
        yield tag("div", *groups, class_="known")


def _figure(account: How) -> Markup:
    caption = (
        f"{account.title}. From the left: findings, and what follows from them (dashed); the rules that count; the "
        "diagnosis. A dashed line leads from a rule against it."
    )
    return tag("figure", picture.picture(account), tag("figcaption", caption))


# Why, and what follows -----------------------------------------------------------------------------------------------


def _tiers(tiers: Iterable[Tier]) -> Iterator[Markup]:
    for tier in tiers:
        yield tag("h3", tier.heading)
        yield from map(_strand, tier.strands)


def _strand(strand: Strand) -> Markup:
    """A tree to be folded out, which stands open where the diagnosis is supported."""
    class_ = "leading" if strand.is_leading else "other" if strand.is_supported else "other quiet"
    if not strand.points:
        return tag("div", *_named(strand), class_=f"plain {class_}")
    opened = {"open": ""} if strand.is_supported else {}
    return tag("details", tag("summary", *_named(strand)), *_points(strand.points, "tree"), class_=class_, **opened)


def _named(strand: Strand) -> Iterator[Content]:
    yield tag("span", f"{strand.title}: {strand.standing}", class_="name")
    for remark in strand.remarks:
        yield from (" ", tag("span", remark, class_="tag"))


def _points(points: Iterable[Point], class_: str = "points") -> Iterator[Markup]:
    """A list of them, if there are any, each with what stands under it."""
    entries = []
    for point in points:
        mark = (tag("span", point.mark, class_="mark"), " ") if point.mark else ()
        said = (*mark, point.text, _cited(point))
        entries.append(tag("li", *said, *_points(point.points, ""), class_="less" if point.is_minor else ""))
    if entries:
        yield tag("ul", *entries, class_=class_)


def _cited(point: Point) -> Content:
    return tag("cite", f" {cited(point.sources)}") if point.sources else ""


def _sources(sources: Iterable[Source]) -> Iterator[Markup]:
    entries = []
    for source in sources:
        checked = "" if source.checked == "verified" else f" ({source.checked})"
        links = (part for said, to in links_of(source) for part in (" ", tag("a", said, href=to, rel="noreferrer")))
        entries.append(tag("li", f"{source.id}: {source.citation}{checked}", *links))
    if entries:
        yield tag("p", SOURCES_SAID, class_="faint")
        yield tag("ul", *entries, class_="sources")
