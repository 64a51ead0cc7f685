"""How the weights start, as statements at the end of the network's constructor."""

from collections import Counter

from archdsl.backends.structure import Structure
from archdsl.graph import Graph, Node
from archdsl.ops.init import Init


def initialization(graph: Graph, structure: Structure) -> list[str]:
    """The statements; none where PyTorch's own initialisation stays."""
    schemes: dict[str, dict[str, Init | None]] = {}  # PyTorch class -> path -> scheme
    for node in graph.nodes:
        if node.id == node.path and structure.calls[node.id].form == "module":
            target = structure.calls[node.id].target
            schemes.setdefault(target, {})[node.path] = getattr(node.op, "init", None)
    loop: list[str] = []
    single: list[str] = []
    for target, by_path in schemes.items():
        common, _ = Counter(by_path.values()).most_common(1)[0]
        if common is not None:
            loop.append(f"    {'elif' if loop else 'if'} isinstance(module, {target}):")
            loop += [
                f"        {line}" for line in _statements(common, "module", _bias(graph, by_path))
            ]
        groups: dict[Init, list[str]] = {}
        for path, scheme in by_path.items():
            if scheme != common:
                groups.setdefault(scheme or Init("default"), []).append(path)
        for scheme, paths in groups.items():
            single += _named(scheme, paths, _bias(graph, dict.fromkeys(paths)))
    return ["for module in self.modules():", *loop, *single] if loop else single


def _bias(graph: Graph, paths: dict[str, Init | None]) -> str:
    """Whether `all`, `some` or `no` modules at these paths have a bias."""
    nodes: list[Node] = [graph.by_id[path] for path in paths]
    having = sum(any(w.name == "bias" for _, w in graph.weights(node)) for node in nodes)
    return "no" if not having else "all" if having == len(nodes) else "some"


def _statements(scheme: Init, module: str, bias: str) -> list[str]:
    if scheme.scheme == "default":
        return [f"{module}.reset_parameters()"]
    settings = "".join(f", {name}={value!r}" for name, value in scheme.settings)
    lines = [f"nn.init.{scheme.scheme}_({module}.weight{settings})"]
    if scheme.bias is not None and bias != "no":
        line = f"nn.init.constant_({module}.bias, {scheme.bias!r})"
        if bias == "some":
            lines += [f"if {module}.bias is not None:", f"    {line}"]
        else:
            lines.append(line)
    return lines


def _named(scheme: Init, paths: list[str], bias: str) -> list[str]:
    """Statements for single modules, by their paths."""
    if len(paths) == 1:
        return _statements(scheme, f'self.get_submodule("{paths[0]}")', bias)
    listed = [f'    "{path}",' for path in paths]
    inner = [f"    {line}" for line in _statements(scheme, "module", bias)]
    return ["for path in (", *listed, "):", "    module = self.get_submodule(path)", *inner]
