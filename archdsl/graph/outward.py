"""What layers above the graph make of one for its own methods; they say here how.

The package itself does (`archdsl/__init__.py`), so that a graph knows neither formats nor figures.
"""

TYPE_CHECKING = False  # `typing` is left to those who need it: this is imported first
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

OUTWARD: "dict[str, Callable[..., Any]]" = {}  # `json`, `from_json`, `svg`
