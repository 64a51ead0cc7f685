"""What a graph knows of the module that it was read from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Imported:
    """The keys of weights that no result needs, which no spec of the graph can have."""

    unused: tuple[str, ...]
