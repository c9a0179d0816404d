"""YAML as positions and raw text: the one place where a file becomes nodes.

Scalars stay text; nothing is constructed, so loading can run no code. Anchors, aliases, tags, repeated keys, several documents
and deep nesting are faults, all of them reported in one reading.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

import yaml

from .problems import Place, Problems, shown

DEEPEST = 24
LONGEST = 8_000_000  # characters of one file


@dataclass(frozen=True)
class Scalar:
    text: str
    place: Place = field(compare=False)
    quoted: bool = False


@dataclass(frozen=True)
class Sequence:
    items: tuple[Node, ...]
    place: Place = field(compare=False)
    flow: bool = False


@dataclass(frozen=True)
class Mapping:
    entries: tuple[tuple[Scalar, Node], ...]
    place: Place = field(compare=False)
    flow: bool = False


Node = Union[Scalar, Sequence, Mapping]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class _Open:
    """A collection whose end has not been read yet."""

    place: Place
    flow: bool
    is_mapping: bool
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


def read_yaml(text: str, file: str, problems: Problems) -> Node | None:
    """The single document of `text` as nodes; None when it is empty or unreadable, which is reported."""
    problems.keep_text(file, text)
    if len(text) > LONGEST:
        problems.add(Place(file, 1, 1), "too-large", f"the file has more than {LONGEST:,} characters", "split it")
        return None
    root: Node | None = None
    documents = 0
    stack: list[_Open] = []
    before = len(problems.found)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            mark = event.start_mark
            place = Place(file, mark.line + 1, mark.column + 1)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents == 2:
                    problems.add(place, "many-documents", "a second document starts here", "one document a file")
                    return None
                continue
            if isinstance(event, yaml.AliasEvent):
                problems.add(place, "alias", f"an alias ('*{event.anchor}') is not allowed", "write the value out")
                node: Node | None = Scalar("", place)
            elif isinstance(event, yaml.NodeEvent):
                if event.anchor is not None:
                    problems.add(place, "anchor", f"an anchor ('&{event.anchor}') is not allowed", "write the value out")
                if event.tag is not None:
                    problems.add(place, "tag", f"a tag ({shown(event.tag)}) is not allowed", "files are plain data")
                if isinstance(event, yaml.ScalarEvent):
                    node = Scalar(event.value, place, event.style is not None)
                else:
                    if len(stack) >= DEEPEST:
                        problems.add(place, "too-deep", f"nested more than {DEEPEST} levels deep", "flatten it")
                        return None
                    stack.append(_Open(place, bool(event.flow_style), isinstance(event, yaml.MappingStartEvent)))
                    continue
            elif isinstance(event, yaml.SequenceEndEvent):
                done = stack.pop()
                node = Sequence(tuple(done.items), done.place, done.flow)
            elif isinstance(event, yaml.MappingEndEvent):
                done = stack.pop()
                node = Mapping(tuple(done.entries), done.place, done.flow)
            else:
                continue
            if not stack:
                root = node
            elif not stack[-1].is_mapping:
                stack[-1].items.append(node)
            else:
                _into_mapping(stack[-1], node, problems)
    except yaml.MarkedYAMLError as fault:
        where = fault.problem_mark or fault.context_mark
        line, column = (where.line + 1, where.column + 1) if where else (1, 1)
        problems.add(Place(file, line, column), *_syntax(str(fault.problem or fault.context), text, line, column))
        return None
    except yaml.reader.ReaderError as fault:
        position = fault.position if isinstance(fault.position, int) else 0
        before_it = text[:position]
        line, column = before_it.count("\n") + 1, position - (before_it.rfind("\n") + 1) + 1
        for number, content in enumerate(text.split("\n"), 1):  # libyaml counts bytes: look for the culprit itself
            bad = next((i for i, c in enumerate(content) if not c.isprintable() and c not in "\t\r\x85\xa0"), None)
            if bad is not None:
                line, column = number, bad + 1
                break
        problems.add(Place(file, line, column), "control-character", "a control character stands here", "remove it")
        return None
    if root is None and len(problems.found) == before:
        problems.add(Place(file, 1, 1), "empty-file", "the file is empty", "see docs/format.md for what belongs here")
    return root


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


def _syntax(complaint: str, text: str, line: int, column: int) -> tuple[str, str, str]:
    """Code, message and help for what the YAML reader complained about."""
    lines = text.split("\n")
    content = lines[line - 1] if line <= len(lines) else ""
    if "\t" in content[: max(column, len(content) - len(content.lstrip()))]:
        return "tab", "a tab stands where spaces belong", "indent with spaces"
    return "yaml-syntax", f"this is not YAML: {complaint}", "check indentation, colons and quotes at and above this line"
