from typing import Any

from .abstract import Check

class TypeCheck(Check):
    fact_type: type

class FeatureCheck(Check):
    what: str | int
    expected: Any

class FactCapture(Check): ...
class SameContextCheck(Check): ...
