"""How the weights start, as statements at the end of the network's constructor."""

from collections import Counter

from archdsl.graph.graph import Graph
from archdsl.modules.structure import Structure
from archdsl.ops.init import PER_GROUP, Init
from archdsl.pytorch.literals import literal

Schemes = dict[str, Init | None]  # by path

# Modules of the prelude that hold linear layers: these take the scheme.
LINEAR = "nn.Linear"
HOLDERS = {"WindowAttention": ("qkv", "proj"), "PatchMerging": ("reduction",)}


def initialization(graph: Graph, structure: Structure) -> list[str]:
    """The statements; none where PyTorch's own initialisation stays.

    The scheme that most modules of a class have is set in one loop over all modules, the others by
    path.
    """
    schemes: dict[str, Schemes] = {}  # PyTorch class -> path -> scheme
    bare: set[str] = set()  # PyTorch classes of which some modules have no parameters
    for node in graph.nodes:
        target = structure.calls[node.id].target
        if any(weight.kind == "parameter" for _, weight in graph.weights(node)):
            if structure.calls[node.id].form == "module":
                schemes.setdefault(target, {})[node.path] = getattr(node.op, "init", None)
        else:
            bare.add(target)
    biased = {key.rpartition(".")[0] for node in graph.nodes for key, _ in graph.weights(node)
              if key.endswith(".bias")}  # fmt: skip
    loop: dict[tuple[str, ...], list[str]] = {}  # statements -> PyTorch classes
    single: list[str] = []
    covered = [target for target in HOLDERS if target in schemes and _common(LINEAR, schemes)]
    for target, by_path in schemes.items():
        if target in covered:  # the loop reaches the linear layers inside
            continue
        common = None if target in bare else _common(target, schemes)
        if common is not None:
            bias = "some" if target == LINEAR and covered else _bias(by_path, biased, target)
            statements = tuple(_statements(common, "module", target, bias))
            loop.setdefault(statements, []).append(target)
        groups: dict[Init | None, Schemes] = {}
        for path, scheme in by_path.items():
            if scheme != common:
                groups.setdefault(scheme, {})[path] = scheme
        for scheme, paths in groups.items():
            single += _named(scheme, paths, target, _bias(paths, biased, target))
    lines = ["for module in self.modules():"] if loop else []
    for statements, targets in loop.items():
        several = f"in ({', '.join(targets)})" if len(targets) > 1 else f"is {targets[0]}"
        lines.append(f"    {'elif' if len(lines) > 1 else 'if'} type(module) {several}:")
        lines += [f"        {line}" for line in statements]
    return lines + single


def _common(target: str, schemes: dict[str, Schemes]) -> Init | None:
    """The scheme to set in the loop: the most frequent, unless linear layers elsewhere differ."""
    if target not in schemes:
        return None
    common = Counter(schemes[target].values()).most_common(1)[0][0]
    held = [s for holder in HOLDERS for s in schemes.get(holder, {}).values()]
    return None if target == LINEAR and any(s != common for s in held) else common


def _bias(paths: Schemes, biased: set[str], target: str) -> str:
    """Whether `all`, `some` or `no` modules at these paths have a bias."""
    inner = HOLDERS.get(target, ("",))
    having = sum(f"{path}.{inner[0]}".rstrip(".") in biased for path in paths)
    return "no" if not having else "all" if having == len(paths) else "some"


def _statements(scheme: Init | None, module: str, target: str, bias: str) -> list[str]:
    if scheme is None:
        return [f"{module}.reset_parameters()"]
    lines = []
    for inner in HOLDERS.get(target, ("",)):
        owner = f"{module}.{inner}" if inner else module
        lines.append(_call(scheme, f"{owner}.weight"))
        if ("mode", PER_GROUP) in scheme.settings and "Conv" in target:
            lines.append(f"{owner}.weight.data.mul_({owner}.groups**0.5)")
        if scheme.bias is not None and bias != "no":
            line = _call(scheme.bias, f"{owner}.bias")
            if bias == "some":
                lines += [f"if {owner}.bias is not None:", f"    {line}"]
            else:
                lines.append(line)
    return lines


def _call(scheme: Init, tensor: str) -> str:
    """`nn.init.zeros_(module.bias)`."""
    values = [(name, "fan_out" if v == PER_GROUP else v) for name, v in scheme.settings]
    settings = "".join(f", {name}={literal(value)}" for name, value in values)
    return f"nn.init.{scheme.scheme}_({tensor}{settings})"


def _named(scheme: Init | None, paths: Schemes, target: str, bias: str) -> list[str]:
    """Statements for single modules, by their paths."""
    if len(paths) == 1:
        (path,) = paths
        return _statements(scheme, f"self.get_submodule({literal(path)})", target, bias)
    listed = [f"    {literal(path)}," for path in paths]
    inner = [f"    {line}" for line in _statements(scheme, "module", target, bias)]
    return ["for path in (", *listed, "):", "    module = self.get_submodule(path)", *inner]
