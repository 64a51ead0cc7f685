"""The proof that a source is its graph: settings, calls, wires and weights are compared."""

from weakref import WeakValueDictionary

from archdsl.diagnostics.errors import Difference, InternalError
from archdsl.graph.graph import Graph
from archdsl.pytorch.running import new_module

_PROVED: WeakValueDictionary[str, Graph] = WeakValueDictionary()  # by source, the last graph


def prove(source: str, graph: Graph) -> None:
    """Raises Difference if the network of a source is another than the graph's.

    Nothing is allocated or computed, and what was proved is not proved again.
    """
    from archdsl.pytorch.first_values import FirstValues
    from archdsl.pytorch.settings import require_equal

    if _PROVED.get(source) is graph:
        return
    try:
        with FirstValues() as first:
            module = new_module(source, graph.name)
        require_equal(module, graph, first)
    except InternalError:
        raise
    except Exception as error:  # of PyTorch, in what the source says
        raise Difference(f"the source does not run: {error}") from error
    _PROVED[source] = graph
