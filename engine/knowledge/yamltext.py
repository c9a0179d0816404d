"""YAML as positions and raw text: the one place where a file becomes nodes.

Scalars stay text; nothing is constructed, so loading can run no code. Anchors, aliases, tags and repeated keys are faults,
all of them reported in one reading; broken YAML, a second document and deep nesting end it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Union

import yaml

from .problems import Place, Problems, shown

DEEPEST = 24
LONGEST = 8_000_000  # characters of one file
# What YAML refuses, and the line breaks that it counts where an editor does not.
_INVISIBLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Scalar(NamedTuple):
    text: str
    place: Place
    quoted: bool = False


class Sequence(NamedTuple):
    items: tuple[Node, ...]
    place: Place
    flow: bool = False


class Mapping(NamedTuple):
    entries: tuple[tuple[Scalar, Node], ...]
    place: Place
    flow: bool = False
    sound: bool = True  # nothing in it was refused, so nothing is missing from it


Node = Union[Scalar, Sequence, Mapping]  # tuples, because a knowledge base has tens of thousands of them


class _Mark(Protocol):
    """What libyaml and its Python twin say of a position; all from 0."""

    index: int
    line: int
    column: int


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class _Open:
    """A collection whose end has not been read yet."""

    place: Place
    flow: bool
    is_mapping: bool
    faults_before: int
    items: list[Node] = field(default_factory=list)
    entries: list[tuple[Scalar, Node]] = field(default_factory=list)
    keys: dict[str, Place] = field(default_factory=dict)
    key: Scalar | None = None
    key_read: bool = False


def decode(data: bytes, file: str, problems: Problems) -> str | None:
    """The text of UTF-8 bytes without a byte-order mark; None after reporting why not."""
    if data.startswith(b"\xef\xbb\xbf"):
        problems.add(
            Place(file, 1, 1),
            "byte-order-mark",
            "the file starts with a byte-order mark",
            "save it as UTF-8 without a byte-order mark (BOM)",
        )
        return None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        problems.add(Place(file, 1, 1), "not-utf-8", "the file is UTF-16, not UTF-8", "save it as UTF-8")
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as fault:
        before = data[: fault.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        problems.add(
            Place(file, line, column), "not-utf-8", f"byte 0x{data[fault.start]:02x} is not UTF-8", "save it as UTF-8"
        )
        return None


def is_bare(text: str) -> bool:
    """Whether the text holds nothing but comments and blank lines."""
    return all(line.lstrip()[:1] in ("", "#") for line in text.splitlines())


def read_yaml(text: str, file: str, problems: Problems) -> Node | None:
    """The single document of `text` as nodes; None when it is empty or unreadable, which is reported."""
    problems.keep_text(file, text)
    if len(text) > LONGEST:
        problems.add(Place(file, 1, 1), "too-large", f"the file has more than {LONGEST:,} characters", "split it")
        return None
    if found := _INVISIBLE.search(text):
        lines = re.split("\r\n|\r|\n", text[: found.start()])
        problems.add(
            Place(file, len(lines), len(lines[-1]) + 1),
            "control-character",
            _invisible(found),
            "remove it",
        )
        return None
    root: Node | None = None
    documents = 0
    stack: list[_Open] = []
    before = len(problems.found)
    size = len(text)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            kind = type(event)  # exact types, cheap ones first: this loop is most of what loading costs
            node: Node
            if kind is yaml.MappingEndEvent:
                done = stack.pop()
                sound = len(problems.found) == done.faults_before
                node = Mapping(tuple(done.entries), done.place, done.flow, sound)
            elif kind is yaml.SequenceEndEvent:
                done = stack.pop()
                node = Sequence(tuple(done.items), done.place, done.flow)
            else:
                mark = event.start_mark
                assert mark is not None
                place = Place(file, mark.line + 1, mark.column + 1) if mark.index < size else _at_end(text, file)
                if isinstance(event, yaml.ScalarEvent):
                    if event.anchor is not None or event.tag is not None or event.style == '"':  # escapes
                        _refuse(event, place, problems)
                    node = Scalar(event.value, place, event.style not in (None, ""))
                elif isinstance(event, yaml.CollectionStartEvent):
                    faults_before = len(problems.found)
                    _refuse(event, place, problems)
                    if len(stack) >= DEEPEST:
                        problems.add(place, "too-deep", f"nested more than {DEEPEST} levels deep", "flatten it")
                        return None
                    stack.append(_Open(place, bool(event.flow_style), kind is yaml.MappingStartEvent, faults_before))
                    continue
                elif isinstance(event, yaml.AliasEvent):
                    _refuse(event, place, problems)
                    node = Scalar("", place)
                else:
                    if kind is yaml.DocumentStartEvent:
                        documents += 1
                        if documents == 2:
                            problems.add(place, "many-documents", "a second document starts here", "one document a file")
                            return None
                    continue
            if not stack:
                root = node
            elif not stack[-1].is_mapping:
                stack[-1].items.append(node)
            else:
                _into_mapping(stack[-1], node, problems)
    except yaml.MarkedYAMLError as fault:
        problems.add(*_syntax(fault, text, file))
        return None
    nothing = root is None or (isinstance(root, Scalar) and not root.text and not root.quoted)
    if nothing and len(problems.found) == before:
        problems.add(Place(file, 1, 1), "empty-file", "the file is empty", "see docs/format.md for what belongs here")
        return None
    return root


def _at(mark: _Mark, text: str, file: str) -> Place:
    """The place of a mark; what is missing at the end is missing after the last character."""
    return _at_end(text, file) if mark.index >= len(text) else Place(file, mark.line + 1, mark.column + 1)


def _at_end(text: str, file: str) -> Place:
    lines = re.split("\r\n|\r|\n", text.rstrip())
    return Place(file, len(lines), max(1, len(lines[-1])))


def _invisible(found: re.Match[str]) -> str:
    return f"an invisible control character (U+{ord(found[0]):04X}) stands here"


def _refuse(event: yaml.NodeEvent, place: Place, problems: Problems) -> None:
    """Reports what YAML allows and these files do not."""
    if isinstance(event, yaml.AliasEvent):
        problems.add(place, "alias", f"an alias ({shown(f'*{event.anchor}')}) is not allowed", "write the value out")
        return
    if event.anchor is not None:
        problems.add(place, "anchor", f"an anchor ({shown(f'&{event.anchor}')}) is not allowed", "write the value out")
    tag = getattr(event, "tag", None)
    if tag is not None:
        problems.add(place, "tag", f"a tag ({shown(tag)}) is not allowed", "files are plain data")
    if isinstance(event, yaml.ScalarEvent) and (found := _INVISIBLE.search(event.value)):  # by an escape, as in "\\e"
        problems.add(place, "control-character", _invisible(found), "remove it")


def _into_mapping(into: _Open, node: Node, problems: Problems) -> None:
    if not into.key_read:
        into.key_read = True
        into.key = None
        if not isinstance(node, Scalar):
            problems.add(node.place, "key-not-text", "a key must be a word, not a list or a mapping")
        elif node.text in into.keys:
            first = into.keys[node.text]
            problems.add(
                node.place, "duplicate-key", f"the key {shown(node.text)} stands twice", f"first at line {first.line}"
            )
        else:
            into.keys[node.text] = node.place
            into.key = node
        return
    into.key_read = False
    if into.key is not None:
        into.entries.append((into.key, node))


def _syntax(fault: yaml.MarkedYAMLError, text: str, file: str) -> tuple[Place, str, str, str]:
    """Place, code, message and help for what the YAML reader complained about."""
    mark, start = fault.problem_mark or fault.context_mark, fault.context_mark
    complaint = str(fault.problem or fault.context)
    end = len(text.rstrip())
    if mark is not None and start is not None and (mark.index >= end or "could not find expected ':'" in complaint):
        mark = start  # it was noticed further down, and went wrong here
        if str(fault.context).endswith(("flow mapping", "flow sequence", "quoted scalar")):
            complaint = "what opens here is never closed"
    lines = re.split("\r\n|\r|\n", text)
    place = _at(mark, text, file) if mark is not None and mark.index < end else _at_end(text, file)
    content = lines[place.line - 1]
    indentation = content[: len(content) - len(content.lstrip())]
    if "\t" in indentation or content[place.column - 1 : place.column] == "\t":
        return place, "tab", "a tab stands where spaces belong", "indent with spaces"
    form = "JSON" if file.endswith(".json") else "YAML"
    code, said = f"{form.lower()}-syntax", f"this is not {form}: {complaint}"
    if "escape code" in complaint:
        return place, code, said, "write the character itself"
    if "comment or line break" in complaint:
        return place, code, said, "put quotes around a text that begins with '>' or '|'"
    since = "here and above" if start is None or start.line + 1 >= place.line else f"from line {start.line + 1} on"
    return place, code, said, f"check {'brackets, commas' if form == 'JSON' else 'indentation, colons'} and quotes {since}"
