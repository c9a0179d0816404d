"""From a table's header to findings: which column is which, in which unit its numbers are, and what its texts mean.

What no one can place is a fault and is never left out in silence: a misspelt name would turn a red flag into unknown. A name
near to one that is known is suggested and never taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from ..knowledge import yamltext
from ..knowledge.cases import means_unknown, read_answer, units_of
from ..knowledge.model import NOWHERE, QUANTITY, YES_NO, Finding, Knowledge, Scale
from ..knowledge.parser import Fields
from ..knowledge.problems import ERROR, WARNING, Place, Problems, shown
from ..knowledge.quantities import plain, read_measurement

UNKNOWN, YES, NO = "unknown", "yes", "no"
ID = "id"  # the column that is the id where nobody says which is
MAP_KEYS = ("id", "label", "unknown", "yes", "no", "columns", "labels", "ignore")
COLUMN_KEYS = ("is", "values")
DICTIONARY = (
    *("column", "title", "kind", "values", "other_units", "plausible", "usual"),
    *("question", "known_by", "also_called"),
)
_EACH_ABSENT = 3  # columns that are in the map and not in the table, and are told one by one
_BOM = "\ufeff"
# In small letters; such a column says who, not what.
_AN_ID = re.compile(r"(.*[\W_])?(patient|person|subject|case|record|row|visit)?(id|uuid|guid|mrn|identifier)", re.DOTALL)
_ANY_YES_NO = Finding("", "", "", YES_NO, "")
_WAYS_OUT = (
    "--map FILE says what a column means; --id and --label name those columns; --ignore COLUMN leaves one out, "
    "--ignore-others all such columns"
)
_NO_DIAGNOSIS = (
    "`crampdx show ID` finds them by their titles; a label without a line here stands for itself, as a patient who has "
    "none of them"
)


def _no_texts() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Column:
    """A column that gives a finding. `codes` maps a cell's text to what it says in our words."""

    name: str  # as in the table, spaces and all
    finding: str
    unit: str = ""  # of its numbers; '' is the finding's canonical unit, and that of what is no quantity
    codes: Mapping[str, str] = field(default_factory=_no_texts, hash=False)


@dataclass(frozen=True)
class Layout:
    """What each column of a table is. Names are as in the table; '' where there is no such column."""

    columns: tuple[Column, ...]
    id: str = ""
    label: str = ""  # the true diagnosis
    ignored: tuple[str, ...] = ()
    # Words of the label column, and our diagnosis ids.
    labels: Mapping[str, str] = field(default_factory=_no_texts, hash=False)

    def assumed(self, knowledge: Knowledge) -> tuple[Column, ...]:
        """The quantities whose numbers are read in the canonical unit because nothing names one."""
        return tuple(c for c in self.columns if not c.unit and knowledge.findings[c.finding].kind == QUANTITY)


@dataclass(frozen=True)
class Map:
    """What an analyst says of their tables. Names are without spaces around them."""

    columns: tuple[Column, ...] = ()
    id: str = ""
    label: str = ""
    ignored: tuple[str, ...] = ()
    # Texts that mean unknown in every column, or yes or no in every yes-no column.
    codes: Mapping[str, str] = field(default_factory=_no_texts, hash=False)
    labels: Mapping[str, str] = field(default_factory=_no_texts, hash=False)
    # Where each column is named.
    places: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}), compare=False)

    def codes_of(self, finding: Finding) -> Mapping[str, str]:
        """What the map says of the texts of any column that gives this finding: yes and no are for yes-no columns only."""
        if finding.kind == YES_NO:
            return self.codes
        return MappingProxyType({text: means for text, means in self.codes.items() if means == UNKNOWN})


def cell_words(text: str, column: Column, finding: Finding) -> str:
    """A cell as a case file would say it: codes in our words, the column's unit beside a number that has none, `unknown`
    where nothing stands."""
    words = _words(text)
    words = column.codes.get(words, words) or UNKNOWN
    measured = read_measurement(words) if finding.scale is not None else None
    if finding.scale is None or measured is None or measured.unit:
        return words
    number, bracket, interval = words.partition("(")
    return f"{number.strip()} {column.unit or finding.scale.unit} {bracket}{interval}".strip()


def accepted_unit(scale: Scale, written: str) -> str:
    """The unit that is meant, as the vocabulary writes it, by the tolerance that a case file has; '' where none is."""
    words = _words(written)
    units = units_of(scale)
    if words in units:
        return words
    folded = [u for u in units if u.lower() == words.lower() or u == words.replace("μ", "µ")]
    return folded[0] if len(folded) == 1 else ""


# What an analyst can be given ----------------------------------------------------------------------------------------


def heading(finding: Finding) -> str:
    """The name of a column that gives the finding, with the unit that its numbers have."""
    return finding.name if finding.scale is None else f"{finding.name} ({finding.scale.unit})"


def template(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The header of an empty table for these findings."""
    return (ID, *map(heading, findings))


def dictionary(findings: Iterable[Finding]) -> Iterator[tuple[str, ...]]:
    """The data dictionary: a head, then a row for each finding. `|` stands between alternatives."""
    yield DICTIONARY
    for finding in findings:
        scale = finding.scale
        values = (YES, NO) if finding.kind == YES_NO else tuple(choice for choice, _ in finding.choices)
        usual = () if scale is None or scale.usual is None else scale.usual
        yield (
            heading(finding),
            finding.title,
            finding.kind,
            "|".join(values) if scale is None else scale.unit,
            "" if scale is None else "|".join(unit for unit, _ in scale.units),
            "" if scale is None else " to ".join(map(plain, scale.plausible)),
            " to ".join(map(plain, usual)),
            finding.ask,
            finding.known_by,
            "|".join(finding.also_called),
        )


# Names and units -----------------------------------------------------------------------------------------------------


def _words(text: str) -> str:
    return " ".join(text.split())


def _plain_name(name: str) -> str:
    return name.strip().removeprefix(_BOM).strip()


def _parts(text: str) -> tuple[str, str | None]:
    """The name and the unit of `name (unit)`; None where no unit is named."""
    name, bracket, unit = text[:-1].rpartition("(") if text.endswith(")") else ("", "", "")
    return (name.strip(), _words(unit)) if bracket else (text, None)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(shown, names))


class _Vocabulary:
    """Finds what a user's name for a finding means, and suggests one where it means none."""

    def __init__(self, knowledge: Knowledge, problems: Problems) -> None:
        self.knowledge = knowledge
        self.problems = problems

    def finding(self, text: str) -> tuple[Finding | None, str | None]:
        """The finding that `name` or `name (unit)` names, under its present or a former name, and the unit as written."""
        name, unit = _parts(text)
        return self.knowledge.findings.get(self.knowledge.renamed.get(name, name)), unit

    def column(self, name: str, text: str, finding: Finding, unit: str | None, place: Place) -> Column | None:
        """The column of a finding that was found so, without codes; None after reporting what is wrong with its unit."""
        former = _parts(text)[0]
        if former != finding.name:
            said = f"{shown(former)} is now called '{finding.name}'"
            self.problems.add(place, "renamed", said, "still accepted", severity=WARNING)
        if unit is None:
            return Column(name, finding.name)
        if finding.scale is None:
            kind = "yes or no" if finding.kind == YES_NO else "a choice"
            said = f"'{finding.name}' is {kind} and has no unit, but {shown(unit)} is written beside it"
            self.problems.add(place, "no-quantity", said, f"write '{finding.name}'")
            return None
        meant = accepted_unit(finding.scale, unit)
        if not meant:
            units = units_of(finding.scale)
            said = f"'{finding.name}' is not measured in {shown(unit)}"
            near = self.problems.did_you_mean(unit, units) or "units: " + ", ".join(units)
            self.problems.add(place, "unknown-unit", said, near)
            return None
        return Column(name, finding.name, meant)

    def suggestion(self, text: str) -> str:
        """What may be meant by a name that is no finding's, as a sentence; '' where nothing is near."""
        words = self._folded(_parts(text)[0])
        name = words.replace(" ", "_")
        for kind, things in (
            ("concept", self.knowledge.concepts),
            ("score", self.knowledge.scores),
            ("diagnosis", self.knowledge.diagnoses),
        ):
            if name in things:
                return f"a {kind}: it is concluded, not given"
        meant = self._called.get(words)
        if meant:
            return "did you mean " + " or ".join(map(shown, meant)) + "?"
        return self.problems.did_you_mean(name, self.knowledge.findings)

    @cached_property
    def _called(self) -> dict[str, list[str]]:
        """By each way to call findings, those that are called so."""
        called: dict[str, list[str]] = {}
        for finding in self.knowledge.findings.values():
            for name in {self._folded(n) for n in (finding.name, finding.title, *finding.also_called)}:
                called.setdefault(name, []).append(finding.name)
        return called

    @staticmethod
    def _folded(text: str) -> str:
        return " ".join(re.findall(r"[^\W_]+", text.lower()))


# The map file --------------------------------------------------------------------------------------------------------


def read_map(text: str, file: str, knowledge: Knowledge, problems: Problems) -> Map | None:
    """What a map file says of tables; None after reporting what is wrong with it."""
    before = len(problems.found)
    node = yamltext.read_yaml(text, file, problems)
    if node is None:
        return None
    found = _MapReader(Fields(node, "a map", MAP_KEYS, problems), knowledge).read()
    return None if _at_fault(problems, before) else found


def _at_fault(problems: Problems, before: int) -> bool:
    return any(problem.severity == ERROR for problem in problems.found[before:])


def _meaning(finding: Finding, text: str) -> str:
    """What a text says of a finding without any map, in our words; '' where it says nothing, or of a quantity."""
    if means_unknown(text):
        return UNKNOWN
    answer = None if finding.kind == QUANTITY else read_answer(finding, text, NOWHERE, Problems(), [])
    if answer is None:
        return ""
    return answer.choice or (YES if answer.truth else NO)


class _MapReader:
    def __init__(self, fields: Fields, knowledge: Knowledge) -> None:
        self.fields = fields
        self.knowledge = knowledge
        self.problems = fields.problems
        self.vocabulary = _Vocabulary(knowledge, self.problems)
        self.used: dict[str, str] = {}  # by a column's name what it is, in words
        self.places: dict[str, Place] = {}

    def read(self) -> Map:
        general = Map(codes=MappingProxyType(self._codes()))
        return Map(
            id=self._role("id", "the id"),
            label=self._role("label", "the label"),
            columns=self._columns(general),
            ignored=tuple(self._claimed(scalar, "ignored") for scalar in self._scalars("ignore")),
            codes=general.codes,
            labels=MappingProxyType(self._labels()),
            places=MappingProxyType(self.places),
        )

    def _scalars(self, key: str) -> tuple[yamltext.Scalar, ...]:
        """The texts of a list, empty ones left out; what is no text is reported."""
        self.fields.texts(key)
        return tuple(scalar for scalar in self.fields.scalars(key) if scalar.text.strip())

    def _codes(self) -> dict[str, str]:
        codes: dict[str, str] = {}
        for means in (UNKNOWN, YES, NO):
            for scalar in self._scalars(means):
                text = _words(scalar.text)
                already = _meaning(_ANY_YES_NO, text) or codes.get(text, means)
                if already == means:
                    codes[text] = means
                else:
                    self._contradiction(scalar, already, means)
        return codes

    def _contradiction(self, scalar: yamltext.Scalar, one: str, other: str) -> None:
        said = f"{shown(_words(scalar.text))} would mean both {shown(one)} and {shown(other)}"
        self.problems.add(scalar.place, "contradictory-code", said, "a text has one meaning; take it out of one of them")

    def _role(self, key: str, words: str) -> str:
        return "" if not self.fields.text(key) else self._claimed(self.fields.scalars(key)[0], words)

    def _claimed(self, scalar: yamltext.Scalar, words: str) -> str:
        """The column's name, after reporting that it has none, or is something else already."""
        name = _plain_name(scalar.text)
        if not name:
            self.problems.add(scalar.place, "unnamed-column", "a column has no name")
        elif name in self.used:
            how = f"{words} twice" if self.used[name] == words else f"both {self.used[name]} and {words}"
            self.problems.add(scalar.place, "column-used-twice", f"{shown(name)} is {how}", f"first at {self.places[name]}")
        self.used.setdefault(name, words)
        self.places.setdefault(name, scalar.place)
        return name

    def _columns(self, general: Map) -> tuple[Column, ...]:
        columns: dict[str, Column] = {}
        for key, node in self._entries("columns", self.fields.node("columns")):
            name = self._claimed(key, "mapped")
            column = self._column(name, node, general)
            if column is None:
                continue
            if column.finding in columns:
                said = f"'{column.finding}' is given by two columns, {_listed((columns[column.finding].name, name))}"
                self.problems.add(key.place, "finding-given-twice", said, "map one of them, and ignore the other")
            columns.setdefault(column.finding, column)
        return tuple(columns.values())

    def _entries(self, key: str, node: yamltext.Node | None) -> tuple[tuple[yamltext.Scalar, yamltext.Node], ...]:
        if node is None:
            return ()
        if not isinstance(node, yamltext.Mapping):
            self.problems.add(node.place, "not-a-mapping", f"'{key}' must be a mapping of 'theirs: ours' lines")
            return ()
        return node.entries

    def _column(self, name: str, node: yamltext.Node, general: Map) -> Column | None:
        values: yamltext.Node | None = None
        if not isinstance(node, yamltext.Scalar):
            fields = Fields(node, f"the column {shown(name)}", COLUMN_KEYS, self.problems)
            fields.need("is")
            values = fields.node("values")
            if not fields.text("is"):
                return None
            node = fields.nodes["is"]
        assert isinstance(node, yamltext.Scalar)
        text = _words(node.text)
        finding, unit = self.vocabulary.finding(text)
        if finding is None:
            help = self.vocabulary.suggestion(text) or "`crampdx vocab WORD` searches the vocabulary"
            self.problems.add(node.place, "unknown-finding", f"no finding is called {shown(_parts(text)[0])}", help)
            return None
        column = self.vocabulary.column(name, text, finding, unit, node.place)
        if column is None:
            return None
        codes = {**general.codes_of(finding), **self._values(values, column, finding, general)}
        return Column(name, finding.name, column.unit, MappingProxyType(codes))

    def _values(self, node: yamltext.Node | None, column: Column, finding: Finding, general: Map) -> dict[str, str]:
        values: dict[str, str] = {}
        for key, value in self._entries("values", node):
            text = _words(key.text)
            if not isinstance(value, yamltext.Scalar):
                self.problems.add(value.place, "not-text", f"{shown(text)} stands for one text, not a list or a mapping")
                continue
            if not text:
                self.problems.add(key.place, "no-value", "an empty cell is unknown", "leave the line out")
                continue
            says = self._said(value, column, finding)
            already = UNKNOWN if general.codes.get(text) == UNKNOWN else _meaning(finding, text) or values.get(text, says)
            if already != says:
                self._contradiction(key, already, says)
            values[text] = says
        return values

    def _said(self, value: yamltext.Scalar, column: Column, finding: Finding) -> str:
        """What a code stands for, in our words, after reporting where the finding cannot be that."""
        # An empty text is refused as such, where an empty cell would be unknown.
        words = cell_words(value.text, column, finding) if value.text.strip() else ""
        read_answer(finding, words, value.place, self.problems, [])
        return _meaning(finding, words) or words

    def _titled(self, words: str) -> str:
        """Suggests the diagnoses whose titles have the words; '' where none has."""
        near = self.knowledge.titled(words.replace("_", " "))
        return f"did you mean {' or '.join(map(shown, near[:3]))}?" if near else ""

    def _labels(self) -> dict[str, str]:
        labels: dict[str, str] = {}
        for key, value in self._entries("labels", self.fields.node("labels")):
            if not isinstance(value, yamltext.Scalar) or not value.text.strip():
                self.problems.add(value.place, "not-text", f"{shown(key.text)} stands for the id of one diagnosis")
                continue
            diagnosis = _words(value.text)
            if diagnosis not in self.knowledge.diagnoses:
                help = self.problems.did_you_mean(diagnosis, self.knowledge.diagnoses)
                said = f"no diagnosis is called {shown(diagnosis)}"
                self.problems.add(value.place, "unknown-diagnosis", said, help or self._titled(diagnosis) or _NO_DIAGNOSIS)
            labels[_words(key.text)] = diagnosis
        return labels


# The header ----------------------------------------------------------------------------------------------------------


def layout_of(
    header: tuple[str, ...],
    knowledge: Knowledge,
    map: Map | None = None,
    *,
    id: str = "",
    label: str = "",
    ignore: Collection[str] = (),
    ignore_others: bool = False,
    problems: Problems,
    place: Place,
) -> Layout | None:
    """What each column of a table is; None after reporting, at `place`, what cannot be told. What the caller names (`id`,
    `label`, `ignore`) goes before what the map says."""
    before = len(problems.found)
    reader = _HeaderReader(header, map or Map(), _Vocabulary(knowledge, problems), place)
    found = reader.read(id, label, frozenset(_plain_name(name) for name in ignore), ignore_others)
    if not found.columns and not _at_fault(problems, before):
        help = "`crampdx vocab --format header` prints a header with all of them"
        problems.add(place, "no-finding", "no column of the table is a finding", help)
    return None if _at_fault(problems, before) else found


class _HeaderReader:
    def __init__(self, header: tuple[str, ...], map: Map, vocabulary: _Vocabulary, place: Place) -> None:
        self.map = map
        self.mapped = {column.name: column for column in map.columns}
        self.vocabulary = vocabulary
        self.problems = vocabulary.problems
        self.place = place
        self.written = self._names(header)  # a name without spaces around it, and as it stands in the table
        self.columns: dict[str, Column] = {}  # by finding
        self.unknown: list[str] = []
        self.called_ids: list[str] = []  # that are left out

    def read(self, id: str, label: str, ignore: frozenset[str], ignore_others: bool) -> Layout:
        truth = self._role("label", label, self.map.label)
        who = self._role("id", id, self.map.id) or self._called_id(ignore | {truth, *self.map.ignored})
        self._check_roles(who, truth, ignore)
        self._warn_of_absent(ignore)
        settled = ignore | {who, truth, *self.map.ignored}
        for name in self.written:
            if name not in settled:
                self._read_column(name)
        self._check_unknown(ignore_others)
        if not who and self.called_ids:
            said = f"no column is the id, so that rows are numbered; --id may name one of {_listed(self.called_ids)}"
            self._warn(self.place, "ignored-column", said)
        taken = {who, truth, *(_plain_name(column.name) for column in self.columns.values())}
        return Layout(
            columns=tuple(self.columns.values()),
            id=self.written.get(who, ""),
            label=self.written.get(truth, ""),
            ignored=tuple(written for name, written in self.written.items() if name not in taken),
            labels=self.map.labels,
        )

    def _error(self, code: str, said: str, help: str = "") -> None:
        self.problems.add(self.place, code, said, help)

    def _warn(self, place: Place, code: str, said: str, help: str = "") -> None:
        self.problems.add(place, code, said, help, severity=WARNING)

    def _names(self, header: tuple[str, ...]) -> dict[str, str]:
        numbers: dict[str, int] = {}
        for number, written in enumerate(header, 1):
            name = _plain_name(written)
            if not name:
                help = "give it one, or leave it out of the table; pandas writes such a column unless told index=False"
                self._error("unnamed-column", f"column {number} has no name", help)
            elif name in numbers:
                said = f"columns {numbers[name]} and {number} are both called {shown(name)}"
                self._error("duplicate-column", said, "give each a name of its own, or leave one out of the table")
            else:
                numbers[name] = number
        return {name: header[number - 1] for name, number in numbers.items()}

    def _near(self, name: str) -> str:
        by_small = {written.lower(): written for written in self.written}
        near = self.problems.did_you_mean(name, by_small)
        for small, written in by_small.items():
            near = near.replace(shown(small), shown(written))
        return near

    def _role(self, role: str, asked: str, mapped: str) -> str:
        """The column that is the id or the label; '' where there is none. One that the caller asks for must be there."""
        name = _plain_name(asked) or mapped
        if name in self.written:
            return name
        if _plain_name(asked):
            self._error("missing-column", f"--{role} {shown(name)}: no column is called so", self._near(name))
        elif mapped:
            said = f"the table has no column {shown(name)}, which is the {role} by the map"
            near = self._near(mapped)
            said += f"; {near}" if near else ""
            self._warn(self.map.places.get(name, self.place), "missing-column", said)
        return ""

    def _called_id(self, other: frozenset[str]) -> str:
        called = [n for n in self.written if n.lower() == ID and n not in other and not self._gives(n)]
        return ID if ID in called else called[0] if len(called) == 1 else ""

    def _gives(self, name: str) -> str:
        """The finding that a column of this name gives; '' where it gives none."""
        if name in self.mapped:
            return self.mapped[name].finding
        finding, _ = self.vocabulary.finding(name)
        return "" if finding is None else finding.name

    def _check_roles(self, who: str, truth: str, ignore: frozenset[str]) -> None:
        help = "a column is one thing only"
        if who and who == truth:
            self._error("column-used-twice", f"{shown(who)} is both the id and the label", help)
        for name, role in ((who, "the id"), (truth, "the label")):
            if name in ignore:
                self._error("column-used-twice", f"{shown(name)} is both {role} and ignored", help)
            if finding := self._gives(name):
                self._error("column-used-twice", f"{shown(name)} is both {role} and the finding '{finding}'", help)

    def _warn_of_absent(self, ignore: frozenset[str]) -> None:
        """Tables vary, so that one map and one command serve several; yet a finding that is not there is worth a word."""
        for name in sorted(ignore - self.written.keys()):
            self._warn(self.place, "missing-column", f"--ignore {shown(name)}: no column is called so", self._near(name))
        absent = [name for name in self.mapped if name not in self.written and name not in ignore]
        for name in absent[:_EACH_ABSENT]:
            said = f"the table has no column {shown(name)}, which gives '{self.mapped[name].finding}' by the map"
            self._warn(self.map.places.get(name, self.place), "missing-column", said)
        if absent[_EACH_ABSENT:]:
            said = f"nor has the table these, which the map has: {_listed(absent[_EACH_ABSENT:])}"
            self._warn(self.map.places.get(absent[_EACH_ABSENT], self.place), "missing-column", said)

    def _read_column(self, name: str) -> None:
        if name in self.mapped:
            self._take(replace(self.mapped[name], name=self.written[name]))
            return
        finding, unit = self.vocabulary.finding(name)
        if finding is not None:
            column = self.vocabulary.column(self.written[name], name, finding, unit, self.place)
            if column is not None:
                self._take(replace(column, codes=self.map.codes_of(finding)))
        elif _AN_ID.fullmatch(name.lower()):
            self.called_ids.append(name)
        else:
            self.unknown.append(name)

    def _take(self, column: Column) -> None:
        first = self.columns.setdefault(column.finding, column)
        if first is not column:
            said = (
                f"'{column.finding}' is given by two columns, {_listed((_plain_name(first.name), _plain_name(column.name)))}"
            )
            self._error("finding-given-twice", said, "--ignore one of them")

    def _check_unknown(self, ignore_others: bool) -> None:
        suggestions = {name: self.vocabulary.suggestion(name) for name in self.unknown}
        if ignore_others:
            near = {name: suggestion for name, suggestion in suggestions.items() if suggestion}
            if near:
                self._warn(self.place, "ignored-column", f"ignored, though near to what is known: {_suggested(near)}")
        elif suggestions:
            what = "1 column is no finding" if len(suggestions) == 1 else f"{len(suggestions)} columns are no findings"
            self._error("unknown-column", f"{what}: {_suggested(suggestions)}", _WAYS_OUT)


def _suggested(suggestions: Mapping[str, str]) -> str:
    return "; ".join(shown(name) + (f" ({suggestion})" if suggestion else "") for name, suggestion in suggestions.items())
