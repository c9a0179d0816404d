from collections.abc import Callable
from typing import NamedTuple

from .abstract import Node
from .token import Token

class ChildNode(NamedTuple):
    node: Node
    callback: Callable[[Token], object]

class AnyChild: ...
class NoMemory: ...
