"""The picture of a population: every figure on the page is the tally's, and nothing a table says becomes markup."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from crampdx.engine.inference.reasoner import Reasoner
from crampdx.engine.knowledge.cases import Case
from crampdx.engine.knowledge.model import LEVELS, URGENCIES, Knowledge
from crampdx.engine.knowledge.proportions import wilson
from crampdx.engine.knowledge.truth import Valuation, missing
from crampdx.engine.population.page import NONE_LEADS, About, page
from crampdx.engine.population.tally import NONE, STILL_OPEN, Share, Tally, accuracies, agreement, confusion

from at_hand import cases_of, concluded
from pages import Page, kept_safe

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://example.org/x onerror=alert(1)>',
    "</style></td></table>&amp;",
    "' onload='alert(1)",
    "\x1b[31m\x00red",
    "\u202egnitae",
    "Überlastung تشنج 肌肉",
    "\ud800",
    "x" * 5_000,
)


class Tables(Page):
    """A page with its tables, row by row, by their captions."""

    def __init__(self, text: str) -> None:
        self.tables: dict[str, list[list[str]]] = {}
        self.caption = ""
        super().__init__(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        if tag == "caption":
            self.caption = ""
        elif tag == "tr":
            self.tables[self.caption].append([])
        elif tag in ("td", "th"):
            self.tables[self.caption][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        super().handle_endtag(tag)
        if tag == "caption":
            assert self.caption not in self.tables
            self.tables[self.caption] = []

    def handle_data(self, data: str) -> None:
        super().handle_data(data)
        if "caption" in self.open:
            self.caption += data
        elif "style" not in self.open and ("td" in self.open or "tr" in self.open):
            self.tables[self.caption][-1][-1] += data

    def figures(self, caption: str) -> dict[str, list[str]]:
        """The rows of a table, without its head, by their names."""
        return {row[0]: row[1:] for row in self.tables[caption][1:]}


def drawn(knowledge: Knowledge, tally: Tally, about: About | None = None) -> Tables:
    """The page, read, and held to what every page must keep to; its links lead to places on itself."""
    read = Tables(page(knowledge, tally, about or About(inputs=("table.csv",), version="1.2.3")))
    kept_safe(read, "#")
    places = {*read.ids(), "urgency"}
    for tag, attributes in read.elements:
        assert attributes.get("href", "#urgency")[1:] in places
        assert tag != "th" or attributes["scope"] in ("row", "col")
    return read


def full(number: int) -> str:
    return f"{number:,}"


@pytest.fixture(scope="module", name="tally")
def _tally(knowledge: Knowledge) -> Tally:
    """Some patients, counted often enough for thousands, with labels and bad values."""
    once = Tally()
    for case in cases_of("published.yaml")[:30]:
        once.count(concluded(case), case.diagnosis)
    tally = Tally(rows=7, rejected=7)
    for _ in range(40):
        tally.add(once)
    tally.bad.update({("K", "not a number"): 1_234, ("", "cannot hold together"): 7})
    measured = next(f for f in knowledge.findings.values() if f.scale and f.scale.usual and tally.known[f.name])
    tally.unusual[measured.name] = 3
    return tally


# The tally -----------------------------------------------------------------------------------------------------------


def test_a_patient_is_counted_once_in_everything(knowledge: Knowledge) -> None:
    """Each count of one patient is what the outcome says."""
    for case in cases_of("published.yaml")[:6]:
        outcome, tally = concluded(case), Tally()
        tally.count(outcome, "gout")
        assert (tally.rows, tally.evaluated, tally.rejected) == (1, 1, 0)
        assert tally.urgency == {outcome.urgency: 1}
        assert tally.leading == {outcome.leading: 1}
        assert tally.levels == {(d, outcome.conclusion(d).level): 1 for d in knowledge.diagnoses}
        assert tally.red_flags == dict.fromkeys(outcome.inference.red_flags, 1)
        assert tally.rules == {r: 1 for d in knowledge.diagnoses for r in outcome.conclusion(d).fired}
        assert tally.labelled == {("gout", outcome.leading): 1}
        assert set(case.findings) <= set(tally.known)
        assert set(tally.known.values()) == {1}


def test_no_label_is_not_counted_as_one() -> None:
    """A patient without a label takes no part in agreement."""
    tally = Tally()
    tally.count(concluded(cases_of("published.yaml")[0]))
    assert not tally.labelled


def test_what_is_waited_for(knowledge: Knowledge, reasoner: Reasoner) -> None:
    """What makes sense to ask and stands in an open rule for a diagnosis that is still open, all of it and nothing else."""
    case = cases_of("published.yaml")[0]
    outcome, tally = concluded(case), Tally()
    tally.count(outcome)
    valuation = Valuation(knowledge, case.findings)
    expected = set()
    for diagnosis in knowledge.diagnoses:
        if outcome.conclusion(diagnosis).level in STILL_OPEN:
            for rule in knowledge.rules_of[diagnosis]:
                if rule.is_for and valuation.of(rule.when) is None:
                    expected |= {name for name in missing(rule.when, valuation) if valuation.arises(name)}
    assert expected
    assert tally.waiting == dict.fromkeys(expected, 1)
    assert not set(tally.waiting) & set(tally.known)
    nobody = Tally()
    nobody.count(reasoner.conclude({}))
    assert set(nobody.waiting) > set(tally.waiting)


def test_a_closed_gate_makes_known(knowledge: Knowledge, all_cases: tuple[Case, ...]) -> None:
    """A finding that is no only because its gate is counts as known."""
    for case in all_cases:
        valuation = Valuation(knowledge, case.findings)
        closed = {name for name in valuation.decided if valuation.closed(name)}
        if closed:
            tally = Tally()
            tally.count(concluded(case))
            assert closed <= set(tally.known)
            return
    raise AssertionError("no case closes a gate")


def test_batches_add_up() -> None:
    """Counted in two batches or in one, the tally is the same; the batch that is added stays as it was."""
    cases = cases_of("published.yaml")[:8]
    one, first, second = Tally(), Tally(), Tally(rows=0)
    for number, case in enumerate(cases):
        one.count(concluded(case), case.diagnosis)
        (first if number < 3 else second).count(concluded(case), case.diagnosis)
    second.rejected = one.rejected = 2
    second.bad["K", "not a number"] = one.bad["K", "not a number"] = 5
    second.unusual["K"] = one.unusual["K"] = 4
    before = Tally(**{name: value.copy() if isinstance(value, Counter) else value for name, value in vars(second).items()})
    first.add(second)
    assert first == one
    assert second == before


# Agreement -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "of", "low", "high"),
    [  # Newcombe 1998, table I, method 3 (Wilson's score without correction)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0000),
    ],
)
def test_intervals_are_those_published(number: int, of: int, low: float, high: float) -> None:
    """Wilson's interval, to four decimals; of nothing it is everything."""
    assert wilson(number, of) == pytest.approx((low, high), abs=5e-5)
    assert Share(number, of).interval == wilson(number, of)
    assert wilson(0, 0) == (0, 1)
    assert Share(0, 0).value == 0


def labelled(knowledge: Knowledge) -> Tally:
    """Two diagnoses, a label beyond the knowledge, and 100 patients."""
    a, b = knowledge.order[:2]
    counts = {(a, a): 30, (a, b): 6, (a, NONE): 4, (b, b): 8, (b, a): 2, ("gout", a): 5, ("gout", NONE): 44, ("Cramp", b): 1}
    return Tally(rows=110, evaluated=110, leading=Counter({a: 40, NONE: 70}), labelled=Counter(counts))


def test_sensitivity_and_specificity_by_hand(knowledge: Knowledge) -> None:
    """As counted by hand from the table; a label beyond the knowledge counts among those without the diagnosis."""
    a, b = knowledge.order[:2]
    first, second = accuracies(knowledge, labelled(knowledge))
    assert (first.diagnosis, first.sensitivity, first.specificity) == (a, Share(30, 40), Share(53, 60))
    assert (second.diagnosis, second.sensitivity, second.specificity) == (b, Share(8, 10), Share(83, 90))
    assert agreement(knowledge, labelled(knowledge)) == Share(38, 50)
    assert accuracies(knowledge, Tally()) == ()


def test_the_matrix_keeps_every_label(knowledge: Knowledge) -> None:
    """Rows and columns are in order, none last; its figures add up to all labelled patients."""
    a, b = knowledge.order[:2]
    matrix = confusion(knowledge, labelled(knowledge))
    assert (matrix.labels, matrix.foreign, matrix.leading) == ((a, b), ("gout", "Cramp"), (a, b, NONE))
    assert [matrix.row(label) for label in (a, b, "gout", "Cramp")] == [(30, 6, 4), (2, 8, 0), (5, 0, 44), (0, 1, 0)]


# The page ------------------------------------------------------------------------------------------------------------


def test_every_figure_is_the_tallys(knowledge: Knowledge, tally: Tally) -> None:
    """Urgencies, leading diagnoses, levels, red flags, rules, findings and bad values."""
    read = drawn(knowledge, tally)
    assert tally.evaluated == 1_200
    assert f"Patients evaluated {full(tally.evaluated)} of {full(tally.rows)} rows read" in read.text
    assert f"Rows rejected {tally.rejected} 0.6 % of the rows" in read.text
    share = {n: f"{100 * n / tally.evaluated:.1f} %" for n in range(tally.evaluated + 1)}
    urgency = {u.capitalize(): [full(tally.urgency[u]), share[tally.urgency[u]]] for u in reversed(URGENCIES)}
    assert read.figures("Patients by urgency") == urgency
    assert list(read.figures("Patients by urgency")) == [u.capitalize() for u in reversed(URGENCIES)]

    named = {
        f"{d.title} {d.id}{' do not miss' if d.tier == 'do_not_miss' else ''}": d.id for d in knowledge.diagnoses.values()
    }
    leading = read.figures("Patients by leading diagnosis")
    assert leading.pop(NONE_LEADS.capitalize())[0] == full(tally.leading[NONE])
    assert {named[name]: cells[0] for name, cells in leading.items()} == {
        d: full(n) for d, n in tally.leading.items() if d != NONE
    }
    levels = read.figures("Patients by diagnosis and level")
    assert {named[name]: cells for name, cells in levels.items()} == {
        d: [full(tally.levels[d, level]) for level in LEVELS] for d in knowledge.order
    }
    flags = read.figures("Patients by red flag")
    assert sorted(cells[0] for cells in flags.values()) == sorted(full(n) for n in tally.red_flags.values())
    for flag in knowledge.red_flags.values():
        name = f"{flag.title} {flag.id} {flag.urgency}"
        assert (name in flags) == (tally.red_flags[flag.id] > 0)
        assert name in read.text
    for diagnosis in knowledge.order:
        rules = read.figures(knowledge.diagnoses[diagnosis].title)
        assert rules == {
            f"{r.title} {r.id}": [full(tally.rules[r.id]), share[tally.rules[r.id]], r.then]
            for r in knowledge.rules_of[diagnosis]
        }


def test_the_missing_data_map(knowledge: Knowledge, tally: Tally) -> None:
    """Every finding that is waited for, those that some patients have and the most wanted first, and how often it is known;
    the others that are known, too."""
    read = drawn(knowledge, tally)
    rows = read.figures("Findings that diagnoses wait for")
    assert len(rows) == 25
    rows |= read.figures("Findings that diagnoses wait for, continued")
    shown = [(cells[2] == "0", -int(cells[0].replace(",", ""))) for cells in rows.values()]
    assert shown == sorted(shown)
    assert len(shown) == len(tally.waiting)
    for name, number in tally.waiting.items():
        finding = knowledge.findings[name]
        cells = rows[f"{finding.title} {name}"]
        assert (cells[0], cells[2], cells[4]) == (full(number), full(tally.known[name]), finding.known_by)
    others = read.figures("Findings that nothing waits for")
    assert len(others) == len(set(tally.known) - set(tally.waiting))


def test_bad_and_unusual_values(knowledge: Knowledge, tally: Tally) -> None:
    """By column and reason; an unusual one with its usual range and its share of the known."""
    read = drawn(knowledge, tally)
    bad = read.figures("Values by column and reason")
    assert bad == {"K": ["not a number", "1,234"], "the row as a whole": ["cannot hold together", "7"]}
    (name,) = tally.unusual
    finding = knowledge.findings[name]
    ((row, cells),) = read.figures("Values by finding").items()
    assert finding.scale is not None
    assert row == f"{finding.title} {name}"
    assert cells[0] == "3"
    assert cells[1] == f"{100 * 3 / tally.known[name]:.1f} %"
    assert cells[2].endswith(finding.scale.unit)


def test_agreement_on_the_page(knowledge: Knowledge) -> None:
    """The matrix with its sums, and shares with their intervals; a label beyond the knowledge is marked."""
    read = drawn(knowledge, labelled(knowledge))
    matrix = read.figures("Patients by label (down) and leading diagnosis (across)")
    assert list(matrix.values()) == [
        ["30", "6", "4", "40"],
        ["2", "8", "0", "10"],
        ["5", "0", "44", "49"],
        ["0", "1", "0", "1"],
    ]
    assert list(matrix)[2:] == ["gout not a diagnosis here", "Cramp not a diagnosis here"]
    framed = [a for tag, a in read.elements if "agrees" in a.get("class", "")]
    assert len(framed) == 2
    first = next(iter(read.figures("Sensitivity and specificity by diagnosis").values()))
    assert first == ["30 of 40", "75.0 % (59.8 to 85.8)", "53 of 60", "88.3 % (77.8 to 94.2)"]
    assert "Of the 50 whose label is a diagnosis here, it leads in 38: 76.0 % (62.6 to 85.7)" in read.text
    assert "Patients without a label, who are not counted here: 10." in read.text


def test_no_agreement_without_labels(knowledge: Knowledge) -> None:
    """The section is left out, also from the list of sections."""
    read = drawn(knowledge, Tally(rows=1, evaluated=1, leading=Counter({NONE: 1})))
    assert "labels" not in read.ids()
    assert "Agreement" not in read.text


def test_many_labels_make_no_endless_page(knowledge: Knowledge) -> None:
    """Labels beyond the knowledge are shown up to a number, the rest as one row that is framed nowhere."""
    tally = Tally(rows=400, evaluated=400, leading=Counter({NONE: 400}))
    tally.labelled.update({(f"label {n:03}", NONE): 1 for n in range(400)})
    read = drawn(knowledge, tally)
    rows = read.figures("Patients by label (down) and leading diagnosis (across)")
    assert len(rows) == 26
    assert rows["375 other labels not a diagnosis here"] == ["375", "375"]
    assert "Sensitivity" not in read.text
    assert not [a for _, a in read.elements if "agrees" in a.get("class", "")]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_table_becomes_markup(text: str, knowledge: Knowledge) -> None:
    """Labels, columns, reasons and names of files, wherever they stand: as text, printable, of bounded length."""
    tally = labelled(knowledge)
    tally.labelled[text, NONE] += 1
    tally.bad[text, text] = 2
    about = About((text,), text, text, text, (text,), (text,), 5, 7, (text,))
    plain, read = drawn(knowledge, labelled(knowledge)), drawn(knowledge, tally, about)
    shown = " ".join("".join(" " if c.isspace() else c if c.isprintable() else "\ufffd" for c in text).split())
    shown = shown if len(shown) <= 120 else shown[:119] + "…"
    assert read.text.count(shown) >= 10
    assert {tag for tag, _ in read.elements} - {tag for tag, _ in plain.elements} <= {"bdi", "h3"}
    assert len(read.text) < len(plain.text) + 2_000


def test_nobody(knowledge: Knowledge) -> None:
    """A table without rows, and one of which every row is rejected, read well; nothing is divided by nothing."""
    read = drawn(knowledge, Tally())
    assert "No patient was evaluated: there was no row to read." in read.text
    assert read.ids() == {"about"}
    rejected = Tally(rows=12, rejected=12)
    rejected.bad["age", "not a number"] = 12
    read = drawn(knowledge, rejected)
    assert "No patient was evaluated. All 12 rows were rejected; the reasons stand below." in read.text
    assert read.ids() == {"values", "about"}
    assert "100.0 % of the rows" in read.text
    read = drawn(knowledge, Tally(rows=1, rejected=1))
    assert "The only row was rejected." in read.text
    assert "could be read" not in read.text
    assert "Every value could be read." in drawn(knowledge, Tally(rows=1, evaluated=1)).text


def test_a_share_is_never_all_or_nothing_unless_it_is(knowledge: Knowledge) -> None:
    """One patient of ten thousand is not 0.0 %, and all but one are not 100.0 %."""
    tally = Tally(rows=10_000, evaluated=10_000, urgency=Counter({"routine": 9_999, "emergency": 1}))
    rows = drawn(knowledge, tally).figures("Patients by urgency")
    assert rows["Routine"] == ["9,999", ">99.9 %"]
    assert rows["Emergency"] == ["1", "<0.1 %"]
    assert rows["Soon"] == ["0", "0.0 %"]


def test_bars_say_what_the_figures_say(knowledge: Knowledge) -> None:
    """The width of a bar is the share; it is no more than a picture of it, and hidden from those who listen."""
    tally = Tally(rows=8, evaluated=8, urgency=Counter({"soon": 6, "routine": 2}))
    text = page(knowledge, tally, About(("t.csv",), "1"))
    table = text[text.index("Patients by urgency") :]
    widths = re.findall(r'<rect width="([0-9.]+)%"', table[: table.index("</table>")])
    assert widths == ["0.00", "0.00", "75.00", "25.00"]
    assert text.count('<svg class="bar" aria-hidden="true">') == text.count("<svg")


def test_about_the_run(knowledge: Knowledge) -> None:
    """What was run is told; what is left empty is not."""
    told = About(
        inputs=("a.csv", "b.parquet"),
        version="1.2.3",
        output="out.csv",
        when="23 November 2026",
        options=("--ignore ward",),
        read_as_unknown=("NA", "-99"),
        verified=2_000,
        seed=0,
        notices=("no unit is given",),
    )
    read = drawn(knowledge, Tally(rows=1, evaluated=1), told)
    assert "Population report: a.csv, b.parquet" in read.text
    assert "a.csv, b.parquet · 23 November 2026" in read.text
    for words in (
        "out.csv",
        "1.2.3",
        knowledge.hash,
        "--ignore ward",
        "NA -99",
        "2,000 patients, drawn with seed 0",
        "no unit is given",
    ):
        assert words in read.text
    assert "not a medical device" in read.text
    assert "Levels are not probabilities" in read.text
    many = About(inputs=tuple(f"part{n}.csv" for n in range(9)), version="1")
    assert "part0.csv, part1.csv, part2.csv, part3.csv and 5 more" in drawn(knowledge, Tally(), many).text
    bare = drawn(knowledge, Tally(rows=1, evaluated=1))
    for words in ("Results written to", "When", "Options", "Read as unknown", "Verified", "Notices"):
        assert words not in bare.text
        assert words in read.text


def test_the_page_is_the_same_every_time(knowledge: Knowledge, tally: Tally) -> None:
    """The order in which things were counted does not show."""
    other = Tally()
    for name, value in vars(tally).items():
        setattr(other, name, Counter(dict(reversed(value.items()))) if isinstance(value, Counter) else value)
    about = About(("t.csv",), "1")
    assert page(knowledge, other, about) == page(knowledge, tally, about)


def channel(value: int) -> float:
    share = value / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def luminance(colour: str) -> float:
    red, green, blue = (channel(int(colour[n : n + 2], 16)) for n in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mixed(colour: str, ground: str, part: float) -> str:
    pairs = [(int(colour[n : n + 2], 16), int(ground[n : n + 2], 16)) for n in (1, 3, 5)]
    return "#" + "".join(f"{round(over * part + under * (1 - part)):02x}" for over, under in pairs)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_contrast(scheme: int, knowledge: Knowledge) -> None:
    """WCAG 2 AA: text has 4.5 to 1 on every ground that it stands on, the most shaded cell among them, and bars 3 to 1."""
    text = page(knowledge, Tally(), About((), "1"))
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", re.findall(r":root \{([^}]*)\}", text)[scheme]))
    (strongest,) = re.findall(r"calc\(var\(--heat, 0\) \* ([.0-9]+)\)", text)
    heat = re.findall(r"--heat-of: (\d+) (\d+) (\d+);", text)[scheme]
    shaded = mixed("#" + "".join(f"{int(part):02x}" for part in heat), colours["paper"], float(strongest))
    for ground in (colours["paper"], colours["wash"], shaded):
        assert contrast(colours["ink"], ground) >= 4.5
    for name in ("faint", "emergency", "same-day", "soon", "routine"):
        assert contrast(colours[name], colours["paper"]) >= 4.5
    assert contrast(colours["faint"], colours["wash"]) >= 4.5
    for name in ("bar", "emergency", "same-day", "soon", "routine"):
        assert contrast(colours[name], colours["wash"]) >= 3


def test_a_count_of_nothing_is_no_count(knowledge: Knowledge, tally: Tally) -> None:
    """Whoever counts by columns counts zeros, too; the page is the same with them."""
    zeros = Tally(
        bad=Counter({("age", "not a number"): 0}),
        unusual=Counter(dict.fromkeys(knowledge.findings, 0)),
        known=Counter(dict.fromkeys(knowledge.findings, 0)),
        waiting=Counter(dict.fromkeys(knowledge.findings, 0)),
        red_flags=Counter(dict.fromkeys(knowledge.red_flags, 0)),
        rules=Counter(dict.fromkeys(knowledge.rules, 0)),
        leading=Counter(dict.fromkeys(knowledge.diagnoses, 0)),
        labelled=Counter({(diagnosis, NONE): 0 for diagnosis in ("gout", *knowledge.diagnoses)}),
    )
    zeros.add(tally)
    about = About(("t.csv",), "1")
    assert page(knowledge, zeros, about) == page(knowledge, tally, about)
