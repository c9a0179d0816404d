from typing import Any

class _Cached:
    __wrapped__: Any

class DepthStrategy:
    get_key: _Cached
