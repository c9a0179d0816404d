"""What a thing says, as one text: without its place and without how it was spelt. Digests are made of that."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from decimal import Decimal
from types import MappingProxyType

from .quantities import plain

DIGITS = 12  # of a digest, in hexadecimal: enough to tell two versions apart, short enough to compare by eye


def digest(thing: object) -> str:
    """Equal for equal things, and in practice for no others."""
    text = json.dumps(thing, default=_content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _content(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, MappingProxyType):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        content = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.compare}
        return {"is": type(value).__name__, **content}
    raise TypeError(f"{type(value).__name__} in the knowledge base has no canonical form")
