"""Source to module: what runs is the source that users can read, and nothing else."""

import hashlib
import linecache
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.graph.graph import Graph
from archdsl.pytorch.allowed import allowed
from archdsl.pytorch.naming import class_name
from archdsl.pytorch.source import emit

if TYPE_CHECKING:
    from torch import nn

_PACKAGE = "archdsl_compiled"


def compile_graph(graph: Graph, features: Sequence[str] | None = None) -> "nn.Module":
    """The network as a PyTorch module, on the default device and dtype.

    With `features` (names of taps) it is a backbone: `forward` gives a dict of these maps,
    `feature_info` their channels and reductions, and nothing behind the last one is built.
    The module's `graph` is what it was made from, unless a child has this name. Raises UsageError
    for a tap that does not exist.
    """
    require("compile", "torch")
    if features is not None:
        graph = select_features(graph, features)
    module = new_module(emit(graph), graph.name)
    if "graph" not in module._modules:
        module.graph = graph  # type: ignore[assignment]
    return module


def select_features(graph: Graph, features: Sequence[str]) -> Graph:
    """The graph that gives the named taps and no more."""
    if not features:
        raise UsageError("name at least one feature")
    for name in features:
        if name not in graph.taps:
            raise UsageError(
                f"{graph.name} has no feature `{name}`; {did_you_mean(name, graph.taps)}"
            )
    return graph.select({name: graph.taps[name] for name in features})


def new_module(source: str, name: str) -> "nn.Module":
    """An instance of the network that emitted source defines."""
    namespace = import_source(source, name)
    networks = [value for value in vars(namespace).values() if _is_own_class(value, namespace)]
    module: nn.Module = networks[-1]()  # the network is the last class
    return module


def import_source(source: str, name: str) -> ModuleType:
    """Emitted source as a Python module, known to tracebacks, debuggers and pickle."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    full = f"{_PACKAGE}.{class_name(name)}_{digest}"
    if full in sys.modules:
        return sys.modules[full]
    tree = allowed(source)
    sys.modules.setdefault(_PACKAGE, ModuleType(_PACKAGE))
    module = ModuleType(full)
    file = f"<archdsl {name} {digest}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    sys.modules[full] = module
    module.__file__ = file
    try:
        exec(compile(tree, file, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[full]
        raise
    for value in vars(module).values():
        if _is_own_class(value, module):
            value.__reduce_ex__ = _reducer(source, name)
    return module


def _is_own_class(value: Any, module: ModuleType) -> bool:
    from torch import nn

    return (
        isinstance(value, type)
        and issubclass(value, nn.Module)
        and value.__module__ == module.__name__
    )


def _reducer(source: str, name: str) -> Any:
    def reduce(self: Any, protocol: Any) -> tuple[Any, ...]:
        return _restore, (source, name, type(self).__name__), self.__dict__

    return reduce


def _restore(source: str, name: str, class_name: str) -> Any:
    """An empty instance, for pickle and copy: the source travels with the pickle."""
    cls = getattr(import_source(source, name), class_name)
    return cls.__new__(cls)
