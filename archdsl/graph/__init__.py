"""The graph: data and queries, its invariants, its JSON."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from archdsl.graph.graph import Graph, Node, Scope

__all__ = ["Graph", "Node", "Scope"]


def __getattr__(name: str) -> "Any":
    """What is public of the graph, imported when it is asked for: it takes longer than the rest."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from archdsl.graph import graph

    return getattr(graph, name)
