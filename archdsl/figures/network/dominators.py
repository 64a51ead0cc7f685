"""Which nodes of a graph all ways to another pass."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from archdsl.graph.graph import INPUT


class _Place(NamedTuple):
    """Where a node stands in the tree of dominators; `jump` is one of those above, far or near."""

    above: str
    depth: int
    jump: str


class Dominators:
    """For every node the nearest one that all ways to it pass.

    What two have in common is found in steps that grow with the logarithm of the depth: each place
    has a second way up, twice as long at every second place (Myers 1983, skew-binary lists).
    """

    def __init__(self, inputs: Iterable[str] = (INPUT,)) -> None:
        first, *others = inputs
        self.places = {first: _Place(first, 0, first)}
        self.places |= {other: _Place(first, 1, first) for other in others}

    def add(self, id: str, inputs: Sequence[str]) -> None:
        """Adds a node whose inputs are there."""
        above = self.meet(inputs)
        near = self.places[above]
        far = self.places[near.jump]
        even = near.depth - far.depth == far.depth - self.places[far.jump].depth
        self.places[id] = _Place(above, near.depth + 1, far.jump if even else above)

    def meet(self, ids: Sequence[str]) -> str:
        """The nearest common dominator of nodes, themselves included."""
        first, *rest = ids
        for other in dict.fromkeys(rest):
            depth = min(self.places[first].depth, self.places[other].depth)
            first, other = self._at(depth, first), self._at(depth, other)
            while first != other:
                a, b = self.places[first], self.places[other]
                first, other = (a.jump, b.jump) if a.jump != b.jump else (a.above, b.above)
        return first

    def first(self, fork: str, id: str) -> str:
        """The node after `fork` that all ways from there to `id` pass, or `fork` itself."""
        return self._at(self.places[fork].depth + 1, id)

    def _at(self, depth: int, id: str) -> str:
        """The place above one, or it itself, at a depth."""
        while (place := self.places[id]).depth > depth:
            id = place.jump if self.places[place.jump].depth >= depth else place.above
        return id
