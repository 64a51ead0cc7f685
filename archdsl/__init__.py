"""archdsl: convolutional networks said in YAML, compiled to PyTorch.

graph = archdsl.load("resnet50")              # or a path: shapes, weights, hierarchy
print(archdsl.summarize(graph))               # parameters and MACs by stage
model = archdsl.compile(graph)                # a torch.nn.Module
backbone = archdsl.compile("resnet50", features=["c3", "c4", "c5"])
archdsl.draw(graph).save("resnet50.pdf")     # or .svg, .png, .tex
"""

from archdsl.graph.outward import OUTWARD

TYPE_CHECKING = False  # nothing else is imported here, where Control-C is not heard yet
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from archdsl.api import (
        analyze,
        compile,
        digraph,
        draw,
        emit,
        export,
        from_torch,
        load_weights,
        optimize,
        save_weights,
        summarize,
        to_spec,
    )
    from archdsl.api.hub import from_pretrained, push_to_hub, save_pretrained
    from archdsl.api.reading import check, load, loads
    from archdsl.diagnostics.diagnostic import Diagnostic
    from archdsl.diagnostics.errors import CheckpointError, ModuleError, SpecError, UsageError
    from archdsl.graph.graph import Graph, Node, Scope
    from archdsl.ops.tensor import TensorSpec
    from archdsl.plugins import register

try:  # which the build writes, of the tag
    from archdsl._version import __version__
except ImportError:
    __version__ = "0+source"

__all__ = [
    "CheckpointError",
    "Diagnostic",
    "Graph",
    "ModuleError",
    "Node",
    "Scope",
    "SpecError",
    "TensorSpec",
    "UsageError",
    "__version__",
    "analyze",
    "check",
    "compile",
    "digraph",
    "draw",
    "emit",
    "export",
    "from_pretrained",
    "from_torch",
    "load",
    "load_weights",
    "loads",
    "optimize",
    "push_to_hub",
    "register",
    "save_pretrained",
    "save_weights",
    "summarize",
    "to_spec",
]

_LATER = {
    "CheckpointError": "diagnostics.errors",
    "Diagnostic": "diagnostics.diagnostic",
    "ModuleError": "diagnostics.errors",
    "SpecError": "diagnostics.errors",
    "UsageError": "diagnostics.errors",
    "analyze": "api",
    "check": "api.reading",
    "compile": "api",
    "digraph": "api",
    "draw": "api",
    "emit": "api",
    "export": "api",
    "from_pretrained": "api.hub",
    "from_torch": "api",
    "load": "api.reading",
    "load_weights": "api",
    "loads": "api.reading",
    "optimize": "api",
    "push_to_hub": "api.hub",
    "register": "plugins",
    "save_pretrained": "api.hub",
    "save_weights": "api",
    "summarize": "api",
    "to_spec": "api",
    "Graph": "graph.graph",
    "Node": "graph.graph",
    "Scope": "graph.graph",
    "TensorSpec": "ops.tensor",
}


def __getattr__(name: str) -> "Any":
    """What there is, imported when it is asked for."""
    from importlib import import_module

    if name in ("timm", "torch"):
        return import_module(f"{__name__}.{name}")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return found


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: "Any") -> None:
    """`%load_ext archdsl` in a notebook: cells that begin with `%%archdsl` are specs."""
    from archdsl.api.notebook import register

    register(shell)


def _encode(graph: "Graph") -> str:
    from archdsl.graph.json import encode

    return encode(graph)


def _decode(text: str, limits: "Mapping[str, Any] | None") -> "Graph":
    from archdsl.graph.from_json import decode

    try:
        return decode(text, limits)
    except ValueError:
        from archdsl import plugins

        if not plugins.wanted([text]):
            raise
    return decode(text, limits)


def _hero(graph: "Graph") -> str | None:
    from archdsl.diagnostics.errors import UsageError
    from archdsl.figures.draw import hero

    try:
        return hero(graph)._repr_svg_()
    except UsageError:
        return None


# Here, since whatever is imported of the package, this file is first.
OUTWARD.update(json=_encode, from_json=_decode, svg=_hero)
