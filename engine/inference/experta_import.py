"""The experta package, imported so that the rest of the process does not notice."""

from __future__ import annotations

import collections
import collections.abc
import logging
from types import ModuleType
from typing import TYPE_CHECKING


def _import_experta() -> ModuleType:
    """The experta package. Its frozendict 1.2 asks `collections` for a name that Python 3.10 took away: lent for the import
    only. The import also configures the root logger of the whole process, which is undone."""
    lent = [name for name in ("Mapping",) if not hasattr(collections, name)]
    root = logging.getLogger()
    handlers = list(root.handlers)
    for name in lent:
        setattr(collections, name, getattr(collections.abc, name))
    try:
        import experta
    finally:
        for name in lent:
            delattr(collections, name)
        for handler in [h for h in root.handlers if h not in handlers]:
            root.removeHandler(handler)
    if not hasattr(experta, "KnowledgeEngine"):  # experta hides an ImportError of its own parts
        raise ImportError("experta is installed without one of its dependencies: frozendict 1.2 and schema 0.6.7")
    return experta


if TYPE_CHECKING:
    import experta as experta
else:
    experta = _import_experta()
