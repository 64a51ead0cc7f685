"""What a spec says, beside the graph that it gave, so that source can be a translation of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from archdsl.diagnostics.diagnostic import Span
from archdsl.language.syntax import Document


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A document with the values that its parameters and scaling rules had, and what came of it.

    `nodes` are those of its graph: a graph with others says something else than the document.
    `taps` says of where a tap is written, if one was made there, whether a reference meant it;
    `replaced` are the paths where another op or block stands for an op, `dilated` the ops of nodes
    whose strides became dilation, as the items say them.
    """

    document: Document
    parameters: Mapping[str, Any]
    functions: Mapping[str, Callable[..., Any]]
    nodes: Mapping[str, object]
    taps: Mapping[Span, bool]
    replaced: frozenset[str] = frozenset()
    dilated: Mapping[str, object] = field(default_factory=dict)

    def says(self, nodes: Iterable[Any]) -> bool:
        """Whether all of these nodes are the document's own."""
        return all(self.nodes.get(node.id) is node for node in nodes)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy for another process does not take the text along: it is None there."""
        return _nothing, ()


def _nothing() -> None:
    return None
