"""What layers above the graph make of one for its own methods; they say here how.

`archdsl.api` does, so that a graph knows neither formats nor figures.
"""

from collections.abc import Callable
from typing import Any

OUTWARD: dict[str, Callable[..., Any]] = {}  # `json`, `from_json`, `svg`
