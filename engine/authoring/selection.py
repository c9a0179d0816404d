"""Which cases are meant: words joined by and, or, not and parentheses, over what a case is called and expects."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..knowledge.cases import Case
from ..knowledge.model import Knowledge
from ..knowledge.problems import shown

DEEPEST = 50  # parentheses and `not` inside one another
_TOKEN = re.compile(r"""\s*(?:(?P<sign>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s()]+))""")
_END = "the end"

Texts = tuple[str, ...]  # what is looked through, in small letters
Selects = Callable[[Texts], bool]


class MalformedExpression(Exception):
    """The expression means nothing; the message says why, with the column."""


@dataclass(frozen=True)
class _Token:
    kind: str  # and, or, not, (, ), word, the end
    text: str
    column: int  # from 1


def selector(expression: str) -> Selects:
    """What tells the texts that an expression means: a word is in one of them, whatever its case; `"two words"` in quotes
    are one. Raises MalformedExpression."""
    return _Parser(expression).whole()


def texts_of(case: Case, knowledge: Knowledge) -> Texts:
    """What a case can be selected by: its name, its file's name without the ending, and the diagnoses that it expects
    something of."""
    diagnoses = {x.subject for x in case.expected} | {x.wanted for x in case.expected if x.subject == "leading"}
    found = (case.name, PurePosixPath(case.place.file).stem, *sorted(diagnoses & knowledge.diagnoses.keys()))
    return tuple(text.lower() for text in found)


def _tokens(expression: str) -> list[_Token]:
    found = []
    at = 0
    while match := _TOKEN.match(expression, at):
        at = match.end()
        kind = match.lastgroup
        assert kind is not None
        text = match[kind]
        column = match.start(kind) + 1
        if kind == "sign" or (kind == "word" and text in ("and", "or", "not")):
            found.append(_Token(text, text, column))
        elif kind == "word" and text[0] in "\"'":
            raise MalformedExpression(f"column {column}: the quotation mark is never closed")
        elif not text.strip():
            raise MalformedExpression(f"column {column}: there is nothing between the quotation marks")
        else:
            found.append(_Token("word", text, column))
    return [*found, _Token(_END, _END, len(expression) + 1)]


class _Parser:
    def __init__(self, expression: str) -> None:
        self.tokens = _tokens(expression)
        self.at = 0
        self.depth = 0

    def whole(self) -> Selects:
        found = self._either()
        if self._next.kind != _END:
            self._refuse("'and', 'or' or the end")
        return found

    @property
    def _next(self) -> _Token:
        return self.tokens[self.at]

    def _takes(self, kind: str) -> bool:
        if self._next.kind != kind:
            return False
        self.at += 1
        return True

    def _either(self) -> Selects:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda texts: any(part(texts) for part in parts)

    def _both(self) -> Selects:
        parts = [self._single()]
        while self._takes("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else lambda texts: all(part(texts) for part in parts)

    def _single(self) -> Selects:
        token = self._next
        self.depth += 1
        if self.depth > DEEPEST:
            raise MalformedExpression(f"column {token.column}: more than {DEEPEST} of '(' and 'not' inside one another")
        found = self._negated() if self._takes("not") else self._grouped() if self._takes("(") else self._word()
        self.depth -= 1
        return found

    def _negated(self) -> Selects:
        inner = self._single()
        return lambda texts: not inner(texts)

    def _grouped(self) -> Selects:
        inner = self._either()
        if not self._takes(")"):
            self._refuse("'and', 'or' or ')'")
        return inner

    def _word(self) -> Selects:
        token = self._next
        if not self._takes("word"):
            self._refuse("a word, 'not' or '('")
        word = token.text.lower()
        return lambda texts: any(word in text for text in texts)

    def _refuse(self, wanted: str) -> None:
        token = self._next
        seen = _END if token.kind == _END else shown(token.text)
        raise MalformedExpression(f"column {token.column}: {wanted} should stand here, not {seen}")


__all__ = ["MalformedExpression", "selector", "texts_of"]
