"""The picture of a population: one HTML page that needs no network and no script, for a screen, a telephone and paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..knowledge.model import DO_NOT_MISS, LEVELS, URGENCIES, Finding, Knowledge
from ..knowledge.quantities import plain
from ..report.markup import Content, Markup, document, tag
from ..report.words import many
from .tally import NONE, Share, Tally, accuracies, agreement, confusion

NONE_LEADS = "none leads"
LEVEL_SAYS = {
    "contradictory": "established and excluded",
    "established": "a finding settles it",
    "likely": "enough points, and what it needs is known",
    "possible": "some points",
    "undecided": "a rule fired, and one for it is still open",
    "not assessed": "no rule fired, and one for it is still open",
    "not supported": "every rule for it is decided, and none makes it possible",
    "unlikely": "points against it",
    "excluded": "a finding rules it out",
}
_LONGEST = 120  # characters of the table's own words, which may be of any length
_SHOWN = 25  # findings that keep something open and are shown unfolded
_INPUTS = 4  # names of what was read that stand at the top; all of them stand at the end
_NARROW = 3  # columns that fit on a telephone
_HEADLINES = URGENCIES[:1:-1]  # urgencies that stand at the top of the page

_STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.25rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.75rem 0 .25rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .25rem; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
a { color: inherit; }
code { font-size: .8125rem; color: var(--faint); }
.faint, nav, caption, footer { color: var(--faint); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; margin: 1.25rem 0 0; padding: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 1.25rem 0 0; }
.tiles > div { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; background: var(--wash); }
.tiles > div.emergency { border-left: .375rem solid var(--emergency); }
.tiles > div.same-day { border-left: .375rem solid var(--same-day); }
.tiles + p { margin-top: 1rem; }
.tiles dt { color: var(--faint); font-size: .875rem; }
.tiles dd { margin: 0; font-size: .875rem; }
.tiles dd.number { font-size: 1.75rem; line-height: 1.25; font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: .875rem; padding-bottom: .25rem; }
th, td { padding: .375rem .5rem; border-bottom: 1px solid var(--line); vertical-align: bottom; text-align: left; }
th { font-weight: 400; }
thead th { color: var(--faint); font-size: .8125rem; line-height: 1.25; border-bottom-color: var(--faint); }
th:first-child { padding-left: 0; }
.n { text-align: right; white-space: nowrap; width: 1%; }
thead th { overflow-wrap: normal; }
thead .n { white-space: normal; }
.bars th[scope=row] { width: auto; }
.bar { display: block; width: 100%; height: .375rem; margin-top: .25rem; background: var(--wash); fill: var(--bar); }
.emergency .bar { fill: var(--emergency); } .same-day .bar { fill: var(--same-day); }
.soon .bar { fill: var(--soon); } .routine .bar, .none .bar, .against .bar { fill: var(--routine); }
.tag { font-size: .75rem; border: 1px solid currentColor; border-radius: .75rem; padding: 0 .5rem; white-space: nowrap; }
.tag.emergency { color: var(--emergency); } .tag.same-day { color: var(--same-day); }
.tag.soon { color: var(--soon); } .tag.routine { color: var(--routine); }
.wide { overflow-x: auto; margin-bottom: 1rem; }
.wide table { width: auto; min-width: 100%; overflow-wrap: normal; font-size: .875rem; }
.wide th[scope=row] { position: sticky; left: 0; background: var(--paper); min-width: 10rem; overflow-wrap: anywhere; }
.wide thead th { font-size: .75rem; }
.wide th[scope=row] code { font-size: .75rem; }
.heat td { background: rgb(var(--heat-of) / calc(var(--heat, 0) * .45)); text-align: right; }
.heat td.zero { color: var(--faint); }
.heat td.agrees { outline: 2px solid var(--ink); outline-offset: -2px; font-weight: 700; }
.upright { text-align: center; }
.upright > span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 11rem; text-align: left; }
.wide caption span { display: inline-block; position: sticky; left: 0; max-width: 85vw; }
details { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; padding: .5rem 0; }
details[open] { padding-bottom: .5rem; }
.about { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .25rem 1rem; margin: .5rem 0; }
.about dt { color: var(--faint); } .about dd { margin: 0; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .75rem; font-size: .875rem; }
@media (max-width: 36rem) {
  body { padding: 1rem .875rem 2rem; }
  th, td { padding: .375rem .25rem; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .about { grid-template-columns: 1fr; gap: 0; } .about dd { margin-bottom: .5rem; }
  .wide th[scope=row] { max-width: 10rem; }
}
@page { size: A4; margin: 14mm; }
@media print {
  :root { font-size: 9.5pt; }
  body { max-width: none; padding: 0; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  nav { display: none; }
  h2, h3, section > p, caption, summary { break-after: avoid; }
  thead { display: table-header-group; }
  p, tr, .tiles, .whole, .heat { break-inside: avoid; }
  th, td { padding: .2rem .375rem; } .tiles { gap: .5rem; } .tiles > div { padding: .375rem .625rem; }
  h2 { margin-top: 1.75rem; }
  .wide { overflow: visible; } .wide table { font-size: .8125rem; }
  .wide th, .wide td { padding: .2rem .25rem; } .wide th[scope=row] { position: static; min-width: 0; }
}
"""


@dataclass(frozen=True)
class About:
    """What was run, in the words of whoever ran it. What is empty is not shown."""

    inputs: tuple[str, ...]  # names of what was read
    version: str
    output: str = ""
    when: str = ""
    options: tuple[str, ...] = ()
    read_as_unknown: tuple[str, ...] = ()  # texts of cells
    verified: int = 0  # patients who were concluded about a second time, in another way, with the same result
    seed: int | None = None  # by which those were drawn
    notices: tuple[str, ...] = ()


def page(knowledge: Knowledge, tally: Tally, about: About) -> str:
    """The whole page. Whatever a table, a file name or the knowledge says stands in it as text, never as markup."""
    return _Page(knowledge, tally, about).whole()


# Markup --------------------------------------------------------------------------------------------------------------


def _cut(text: str) -> str:
    """The text, of bounded length."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _theirs(text: str) -> Markup:
    """A word of the table or of the command line, whose direction of writing does not reach beyond it."""
    return tag("bdi", _cut(text))


def _number(number: int) -> str:
    return f"{number:,}"


def _percent(number: int, of: int) -> str:
    """With one decimal; never 0 or 100 of what is neither."""
    if not of:
        return "–"
    tenths = round(1000 * number / of)
    if number and not tenths:
        return "<0.1 %"
    return ">99.9 %" if number < of and tenths == 1000 else f"{tenths / 10:.1f} %"


def _with_interval(share: Share) -> str:
    """A share with its 95 % interval."""
    low, high = share.interval
    return f"{_percent(share.number, share.of)} ({100 * low:.1f} to {100 * high:.1f})" if share.of else "–"


def _usual(finding: Finding) -> str:
    """The usual range; '' where the knowledge gives none."""
    scale = finding.scale
    if scale is None or scale.usual is None:
        return ""
    return f"{plain(scale.usual[0])} to {plain(scale.usual[1])} {scale.unit}"


def _class(urgency: str) -> str:
    return urgency.replace(" ", "-")


def _urgency(urgency: str) -> Markup:
    return tag("span", urgency, class_=f"tag {_class(urgency)}")


def _named(title: str, id: str, *more: Content) -> tuple[Content, ...]:
    """A thing of the knowledge base: its title, and its id as tables have it."""
    return (title, " ", _id(id), *(part for one in more for part in (" ", one)))


_BREAK = Markup("<wbr>")


def _id(id: str) -> Markup:
    """An id, which may be broken between its words."""
    first, *others = id.split("_")
    return tag("code", first, *(part for word in others for part in ("_", _BREAK, word)))


def _paragraph(*content: Content) -> Markup:
    return tag("p", *content)


def _lines(texts: Iterable[str]) -> Iterator[Markup]:
    """The texts of others, each on a line of its own."""
    return (tag("div", _theirs(text)) for text in texts)


def _folded(summary: str, *content: Content) -> Markup:
    return tag("details", tag("summary", summary), *content)


def _tile(term: str, number: int, said: str, urgency: str = "") -> Markup:
    """A headline figure."""
    figure = tag("dd", _number(number), class_="number")
    return tag("div", tag("dt", term), figure, tag("dd", said), class_=_class(urgency))


def _table(caption: str, heads: Sequence[Content], rows: Iterable[Markup], class_: str = "") -> Markup:
    """A table of such rows as `_row` makes. The first of `heads` stands above their names; any other is the text above
    figures, or a whole `th`. A table that may be wider than the screen can be moved sideways."""
    first, *others = heads
    heading = (_head(first), *(head if isinstance(head, Markup) else _head(head, "n") for head in others))
    table = tag(
        "table",
        tag("caption", tag("span", caption)),
        tag("thead", tag("tr", *heading)),
        tag("tbody", *rows),
        class_=class_,
    )
    narrow = len(heads) <= _NARROW
    return table if narrow else tag("div", table, class_="wide", role="region", aria_label=caption, tabindex="0")


def _head(content: Content, class_: str = "") -> Markup:
    return tag("th", content, scope="col", class_=class_)


def _row(name: tuple[Content, ...], *cells: str | Markup, class_: str = "") -> Markup:
    """A row with its name; a cell is its text, or a whole `td`."""
    tds = (cell if isinstance(cell, Markup) else tag("td", cell, class_="n") for cell in cells)
    return tag("tr", tag("th", *name, scope="row"), *tds, class_=class_)


def _bar_row(name: tuple[Content, ...], number: int, of: int, *more: str, class_: str = "") -> Markup:
    """A row of a number and its share of `of`, with a bar that repeats the share for the eye."""
    return _row((*name, _bar(number, of)), _number(number), _percent(number, of), *more, class_=class_)


def _bar(number: int, of: int) -> Markup:
    width = max(100 * number / of, 0.4) if number and of else 0.0
    return tag("svg", tag("rect", width=f"{width:.2f}%", height="100%"), class_="bar", aria_hidden="true")


def _shaded(number: int, of: int, class_: str = "") -> Markup:
    """A cell whose shade follows the share; the figure stands in it."""
    zero = "" if number else "zero"
    share = number / of if of else 0.0
    return tag("td", _number(number), class_=f"{class_} {zero}".strip(), style=f"--heat:{share:.3f}")


def _upright(title: str) -> Markup:
    """The head of a narrow column, written from the bottom to the top."""
    return _head(tag("span", title), "upright")


def _first_rows(rows: Sequence[Markup], caption: str, heads: Sequence[Content], class_: str = "") -> Iterator[Markup]:
    """The first rows as a table; what comes after them as another, folded."""
    yield _table(caption, heads, rows[:_SHOWN], class_)
    rest = rows[_SHOWN:]
    if rest:
        yield _folded(f"{_number(len(rest))} more", _table(f"{caption}, continued", heads, rest, class_))


# The page ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Section:
    id: str
    heading: str
    content: tuple[Markup, ...]

    def markup(self) -> Markup:
        return tag("section", tag("h2", self.heading, id=self.id), *self.content, aria_labelledby=self.id)


class _Page:
    def __init__(self, knowledge: Knowledge, tally: Tally, about: About) -> None:
        self.knowledge = knowledge
        self.tally = tally
        self.about = about
        self.patients = tally.evaluated
        self.titles = {d.id: d.title for d in knowledge.diagnoses.values()} | {NONE: NONE_LEADS}

    def whole(self) -> str:
        """The page from head to foot. Where nobody was evaluated, only what there is to say about that."""
        sections = [section for section in self.sections() if section.content]
        main = tag("main", *(section.markup() for section in sections))
        inputs = _cut(", ".join(self.about.inputs))
        title = f"Population report: {inputs}" if inputs else "Population report"
        return document(title, _STYLE, tag("body", self.top(sections), main, self.foot()))

    def sections(self) -> Iterator[_Section]:
        """All sections, in order; one that has nothing to say has no content."""
        if self.patients:
            yield _Section("urgency", "Urgency", self.urgency())
            yield _Section("leading", "Leading diagnoses", self.leading())
            yield _Section("levels", "Levels of every diagnosis", self.levels())
            yield _Section("red-flags", "Red flags", self.red_flags())
            yield _Section("rules", "Rules", self.rules())
            yield _Section("missing", "Missing data", self.missing())
        yield _Section("values", "Bad and unusual values", (*self.bad(), *self.unusual()))
        yield _Section("labels", "Agreement with the labels", self.labels())
        yield _Section("about", "About this run", (self.run(),))

    # Head and foot

    def top(self, sections: Iterable[_Section]) -> Markup:
        about = self.about
        named: list[Content] = [part for name in about.inputs[:_INPUTS] for part in (", ", _theirs(name))][1:]
        if len(about.inputs) > _INPUTS:
            named.append(f" and {_number(len(about.inputs) - _INPUTS)} more")
        when: list[Content] = [" · ", _theirs(about.when)] if about.when else []
        links = (tag("li", tag("a", section.heading, href=f"#{section.id}")) for section in sections)
        return tag(
            "header",
            tag("h1", "Population report"),
            tag("p", *named, *when, class_="faint"),
            self.tiles(),
            *([] if self.patients else [self.nobody()]),
            tag("nav", tag("ul", *links), aria_label="Sections"),
        )

    def nobody(self) -> Markup:
        rejected = self.tally.rejected
        if not rejected:
            return _paragraph("No patient was evaluated: there was no row to read.")
        every = "The only row was" if rejected == 1 else f"All {_number(rejected)} rows were"
        return _paragraph(
            f"No patient was evaluated. {every} rejected{'; the reasons stand below' if self.tally.bad.total() else ''}."
        )

    def tiles(self) -> Markup:
        """The headline figures; of nobody, there is no urgency."""
        tally, patients = self.tally, self.patients
        share = f"{_percent(tally.rejected, tally.rows)} of the rows" if tally.rows else ""
        tiles = [
            _tile("Patients evaluated", patients, f"of {many(tally.rows, 'row')} read"),
            _tile("Rows rejected", tally.rejected, share),
        ]
        if patients:
            leading = patients - tally.leading[NONE]
            for urgency in _HEADLINES:
                number = tally.urgency[urgency]
                tiles.append(_tile(urgency.capitalize(), number, f"{_percent(number, patients)} of patients", urgency))
            tiles.append(_tile("A diagnosis leads", leading, f"{_percent(leading, patients)} of patients"))
        return tag("dl", *tiles, class_="tiles")

    def foot(self) -> Markup:
        return tag(
            "footer",
            _paragraph(
                "Decision support for health professionals and for learning; not a medical device. A level says how well "
                "the findings support a diagnosis in one patient. Levels are not probabilities, and shares on this page are "
                "no prevalences: both depend on who was in the table and on what was known of them."
            ),
            _paragraph(
                "Unknown is never taken as no. The page holds counts, no row of the table; still, a count of one or two may "
                "point to a person."
            ),
        )

    # What was concluded

    def urgency(self) -> tuple[Markup, ...]:
        rows = [
            _bar_row((u.capitalize(),), self.tally.urgency[u], self.patients, class_=_class(u)) for u in reversed(URGENCIES)
        ]
        intro = (
            "One for each patient: the highest of what red flags and diagnoses ask for, as far as is known. A red flag "
            "whose findings are unknown is not ruled out: routine means that nothing known asks for more."
        )
        return _paragraph(intro), _table("Patients by urgency", ("Urgency", "Patients", "Share"), rows, "whole")

    def leading(self) -> tuple[Markup, ...]:
        """The diagnoses that lead, the most frequent first, and last the patients in whom none does."""
        counts = self.tally.leading
        leading = sorted((d for d in self.knowledge.order if counts[d]), key=lambda d: -counts[d])
        rows = [_bar_row(self.diagnosis(d), counts[d], self.patients) for d in leading]
        rows.append(_bar_row((NONE_LEADS.capitalize(),), counts[NONE], self.patients, class_="none"))
        intro = (
            "The first diagnosis that is possible or above; a patient has one at most. Where none leads, some may still be "
            "undecided or not assessed."
        )
        never = [self.titles[d] for d in self.knowledge.order if not counts[d]]
        return (
            _paragraph(intro),
            _table("Patients by leading diagnosis", ("Diagnosis", "Patients", "Share"), rows, "whole"),
            *([_paragraph(f"Never leading: {'; '.join(never)}.")] if never else []),
        )

    def diagnosis(self, diagnosis: str) -> tuple[Content, ...]:
        must = self.knowledge.diagnoses[diagnosis].tier == DO_NOT_MISS
        return _named(self.titles[diagnosis], diagnosis, *([tag("span", "do not miss", class_="tag")] if must else []))

    def levels(self) -> tuple[Markup, ...]:
        counts = self.tally.levels
        rows = [
            _row(self.diagnosis(d), *(_shaded(counts[d, level], self.patients) for level in LEVELS))
            for d in self.knowledge.order
        ]
        intro = "Every diagnosis has one level in each patient. The more patients have a level, the stronger its shade."
        caption = "Patients by diagnosis and level"
        meant = tag(
            "dl", *(tag(t, x) for level in LEVELS for t, x in (("dt", level), ("dd", LEVEL_SAYS[level]))), class_="about"
        )
        table = _table(caption, ("Diagnosis", *LEVELS), rows, "heat")
        return _paragraph(intro), table, _folded("What the levels mean", meant)

    def red_flags(self) -> tuple[Markup, ...]:
        """The flags that fired, the most frequent first; the others by their titles alone."""
        counts = self.tally.red_flags
        flags = self.knowledge.red_flags.values()
        fired = sorted((f for f in flags if counts[f.id]), key=lambda f: (-counts[f.id], f.id))
        silent = [f for f in flags if not counts[f.id]]
        rows = [
            _bar_row(_named(f.title, f.id, _urgency(f.urgency)), counts[f.id], self.patients, class_=_class(f.urgency))
            for f in fired
        ]
        content = [_table("Patients by red flag", ("Red flag", "Patients", "Share"), rows)] if fired else []
        if silent:
            entries = (tag("li", *_named(f.title, f.id, _urgency(f.urgency))) for f in silent)
            content.append(_folded(f"{many(len(silent), 'red flag')} never fired", tag("ul", *entries)))
        intro = "In one patient several may fire." if fired else "No red flag fired."
        return _paragraph(intro), *content

    def rules(self) -> tuple[Markup, ...]:
        """Every rule under its diagnosis, folded."""
        intro = (
            "In how many patients each rule fired, by diagnosis. What is folded is printed only where it was opened before."
        )
        return _paragraph(intro), *(self.rules_of(d) for d in self.knowledge.order)

    def rules_of(self, diagnosis: str) -> Markup:
        counts = self.tally.rules
        rules = sorted(self.knowledge.rules_of[diagnosis], key=lambda r: (-counts[r.id], r.id))
        fired = sum(1 for r in rules if counts[r.id])
        rows = [
            _bar_row(_named(r.title, r.id), counts[r.id], self.patients, r.then, class_="" if r.is_for else "against")
            for r in rules
        ]
        title = self.titles[diagnosis]
        heads = ("Rule", "Patients", "Share", "Strength")
        return _folded(f"{title}: {_number(fired)} of {many(len(rules), 'rule')} fired", _table(title, heads, rows))

    # What was known

    def missing(self) -> tuple[Markup, ...]:
        """The findings that something waits for: those that some patients have, then those that are known of nobody; of each
        the most wanted first. Those that nothing waits for, folded."""
        tally = self.tally
        findings = self.knowledge.findings.values()
        wanted = sorted(
            (f for f in findings if tally.waiting[f.name]),
            key=lambda f: (not tally.known[f.name], -tally.waiting[f.name], f.name),
        )
        others = sorted(
            (f for f in findings if not tally.waiting[f.name] and tally.known[f.name]),
            key=lambda f: (-tally.known[f.name], f.name),
        )
        intro = (
            "In how many patients a diagnosis stayed undecided or not assessed while an open rule for it waited for the "
            "finding, which was unknown or not known closely enough. First the findings that are known of some patients; a "
            "finding is known, too, where it follows from others: computed from them, or no because it could not be asked."
            if wanted
            else "No diagnosis waited for a finding."
        )
        heads = ("Finding", "Waited for in", "Share", "Known in", "Share", "Who knows")
        rows = [self.finding_row(f, tally.waiting[f.name]) for f in wanted]
        return (
            _paragraph(intro),
            *(_first_rows(rows, "Findings that diagnoses wait for", heads) if wanted else ()),
            *([self.known_findings(others)] if others else []),
        )

    def finding_row(self, finding: Finding, waiting: int) -> Markup:
        known = self.tally.known[finding.name]
        cells = (_number(known), _percent(known, self.patients), finding.known_by)
        return _bar_row(_named(finding.title, finding.name), waiting, self.patients, *cells)

    def known_findings(self, findings: Sequence[Finding]) -> Markup:
        rows = [_bar_row(_named(f.title, f.name), self.tally.known[f.name], self.patients, f.known_by) for f in findings]
        heads = ("Finding", "Known in", "Share", "Who knows")
        summary = f"{many(len(findings), 'finding')} known in some patients, and waited for in none"
        return _folded(summary, _table("Findings that nothing waits for", heads, rows))

    def bad(self) -> tuple[Markup, ...]:
        counts = +self.tally.bad
        if not counts:
            return (_paragraph("Every value could be read."),) if self.tally.rows and not self.tally.rejected else ()
        ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
        rows = [
            _row((_theirs(column) if column else "the row as a whole",), tag("td", _theirs(reason)), _number(number))
            for (column, reason), number in ordered
        ]
        return (
            tag("h3", "Values that could not be used"),
            *_first_rows(rows, "Values by column and reason", ("Column", _head(tag("span", "Reason")), "Values")),
        )

    def unusual(self) -> tuple[Markup, ...]:
        tally = self.tally
        names = sorted((n for n in tally.unusual if tally.unusual[n]), key=lambda n: (-tally.unusual[n], n))
        if not names:
            return ()
        findings = [self.knowledge.findings[name] for name in names]
        rows = [_bar_row(_named(f.title, f.name), tally.unusual[f.name], tally.known[f.name], _usual(f)) for f in findings]
        return (
            tag("h3", "Values outside the usual range"),
            _paragraph("They were read as they stand. Many of them in one column may mean another unit."),
            *_first_rows(rows, "Values by finding", ("Finding", "Values", "Share of known", "Usual")),
        )

    # Labels

    def labels(self) -> tuple[Markup, ...]:
        total = self.tally.labelled.total()
        if not total:
            return ()
        agreed = agreement(self.knowledge, self.tally)
        without = self.patients - total
        said = [f"Patients whose label says what they have: {_number(total)}."]
        if agreed.of:
            said.append(
                f"Of the {_number(agreed.of)} whose label is a diagnosis here, it leads in {_number(agreed.number)}: "
                f"{_with_interval(agreed)}; the figures in brackets are the 95 % interval."
            )
        if without:
            said.append(f"Patients without a label, who are not counted here: {_number(without)}.")
        return (
            _paragraph(" ".join(said)),
            tag("h3", "Label against leading diagnosis"),
            *self.confusion(),
            *self.accuracy(),
        )

    def confusion(self) -> tuple[Markup, ...]:
        matrix = confusion(self.knowledge, self.tally)

        def row(name: tuple[Content, ...], label: str | None, counts: Sequence[int]) -> Markup:
            of = sum(counts)
            cells = (
                _shaded(number, of, "agrees" if label == leading else "")
                for leading, number in zip(matrix.leading, counts, strict=True)
            )
            return _row(name, *cells, _number(of))

        mark = tag("span", "not a diagnosis here", class_="tag")
        rows = [row(_named(self.titles[d], d), d, matrix.row(d)) for d in matrix.labels]
        rows += [row((_theirs(x), " ", mark), x, matrix.row(x)) for x in matrix.foreign[:_SHOWN]]
        rest = matrix.foreign[_SHOWN:]
        if rest:
            sums = [sum(column) for column in zip(*(matrix.row(x) for x in rest), strict=True)]
            rows.append(row((f"{many(len(rest), 'other label')} ", mark), None, sums))
        heads = (_upright(title) for title in (*(self.titles[d] for d in matrix.leading), "all with this label"))
        caption = "Patients by label (down) and leading diagnosis (across)"
        table = _table(caption, ("Label", *heads), rows, "heat")
        intro = "Framed figures agree with the label. Shades follow the share of the patients with that label."
        return _paragraph(intro), table

    def accuracy(self) -> tuple[Markup, ...]:
        """Sensitivity and specificity; () where no diagnosis is a label or leads."""
        rows = []
        for each in accuracies(self.knowledge, self.tally):
            yes, no = each.sensitivity, each.specificity
            rows.append(
                _row(
                    self.diagnosis(each.diagnosis),
                    *(f"{_number(yes.number)} of {_number(yes.of)}", _with_interval(yes)),
                    *(f"{_number(no.number)} of {_number(no.of)}", _with_interval(no)),
                )
            )
        if not rows:
            return ()
        intro = (
            "Sensitivity: of the patients with the label, in how many the diagnosis leads. Specificity: of all other "
            "labelled patients, in how many it does not. A patient in whom another diagnosis leads counts as missed, "
            "however well this one is supported. The 95 % intervals (Wilson) say what chance may do in so many patients; "
            "how these patients were chosen may do more."
        )
        heads = ("Diagnosis", "Leads, with the label", "Sensitivity", "Does not lead, without", "Specificity")
        caption = "Sensitivity and specificity by diagnosis"
        return tag("h3", "Sensitivity and specificity"), _paragraph(intro), _table(caption, heads, rows, "whole")

    # The run

    def run(self) -> Markup:
        """What was run and how; what the caller left empty is left out."""
        about = self.about
        drawn = "" if about.seed is None else f", drawn with seed {about.seed}"
        entries: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("Read", about.inputs),
            ("Results written to", (about.output,)),
            ("When", (about.when,)),
            ("crampdx", (about.version,)),
            ("Knowledge", (self.knowledge.hash,)),
            ("Options", about.options),
            ("Read as unknown", about.read_as_unknown),
            ("Verified", (f"{many(about.verified, 'patient')}{drawn}" if about.verified else "",)),
            ("Notices", about.notices),
        )
        pairs = (
            (tag("dt", term), tag("dd", *_lines(said)))
            for term, said in ((t, tuple(filter(None, s))) for t, s in entries)
            if said
        )
        return tag("dl", *(part for pair in pairs for part in pair), class_="about")
