"""What can be measured of a part of a network: the columns of summaries, sweeps and plots."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from archdsl.analysis.cost import Analysis, Cost, analyze
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.graph.graph import Graph, Node

if TYPE_CHECKING:
    from archdsl.analysis.receptive_field import ReceptiveField

Kind = Literal["count", "number", "bytes", "sizes", "place", "ratio", "seconds", "word"]
Value = int | float | str | None | tuple[int | float, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """A processor in two numbers: operations per second (2 for a MAC) and bytes per second."""

    flops: float
    bandwidth: float


class Facts:
    """What is known of a graph, each analysis imported and run when it is first asked for."""

    def __init__(self, graph: Graph, device: Device | None = None) -> None:
        self.graph, self.device = graph, device

    @cached_property
    def analysis(self) -> Analysis:
        return analyze(self.graph)

    @cached_property
    def costs(self) -> Mapping[str, Cost]:
        return self.analysis.nodes

    @cached_property
    def live(self) -> Mapping[str, int]:
        from archdsl.analysis.memory import live_bytes

        return live_bytes(self.graph)

    @cached_property
    def saved(self) -> Mapping[str, int]:
        from archdsl.analysis.memory import saved_bytes

        return saved_bytes(self.graph)

    @cached_property
    def weights(self) -> Mapping[str, int]:
        from archdsl.analysis.memory import weight_bytes

        return weight_bytes(self.graph)

    @cached_property
    def fields(self) -> Mapping[str, Mapping[str, "ReceptiveField"]]:
        """The receptive fields of all nodes, by the input that they are of."""
        from archdsl.analysis.receptive_field import receptive_fields

        return {of: receptive_fields(self.graph, of) for of in self.graph.inputs}

    @cached_property
    def depths(self) -> Mapping[str, int]:
        """By node, the weighted layers on the longest path that ends with it."""
        depths = dict.fromkeys(self.graph.inputs, 0)
        for node in self.graph.nodes:
            before = max(depths[id] for id in node.inputs)
            depths[node.id] = before + is_layer(node)
        return depths

    @cached_property
    def moved(self) -> Mapping[str, int]:
        from archdsl.analysis.memory import moved_bytes

        return moved_bytes(self.graph)

    def flops(self, node: Node) -> int:
        return 2 * self.costs[node.id].macs

    def seconds(self, node: Node) -> float:
        """The least time on the device: that of its operations or of its bytes."""
        device = self.device
        if device is None:
            raise UsageError("time and bound need a device: --device flops=19.5T,bandwidth=900G")
        return max(self.flops(node) / device.flops, self.moved.get(node.id, 0) / device.bandwidth)


def is_layer(node: Node) -> bool:
    """Whether a node is one of the layers that papers count: weights that x is multiplied with."""
    return node.cost.macs > 0 and bool(node.weights)


Nodes = Sequence[Node]


@dataclass(frozen=True, slots=True)
class Measure:
    """A column: its heading, what it says, how it is written, and its value for some nodes."""

    heading: str
    doc: str
    kind: Kind
    of: Callable[[Facts, Nodes], Value]
    share: bool = False  # whether a share of the whole means something
    device: bool = False  # whether it needs one
    beside: str = ""  # a measure in words that tables show in the same cell


def _cost(name: str) -> Callable[[Facts, Nodes], Value]:
    place = Cost._fields.index(name)

    def of(facts: Facts, nodes: Nodes) -> Value:
        costs = facts.costs
        return sum([costs[node.id][place] for node in nodes])

    return of


def _sum(name: str) -> Callable[[Facts, Nodes], Value]:
    return lambda facts, nodes: sum(getattr(facts, name).get(node.id, 0) for node in nodes)


def _trainable(facts: Facts, nodes: Nodes) -> int:
    frozen = facts.graph.frozen
    return sum(facts.costs[node.id].parameters for node in nodes if node.path not in frozen)


def _training(facts: Facts, nodes: Nodes) -> Value:
    from archdsl.analysis.memory import ELEMENT

    learned = _trainable(facts, nodes)
    kept = sum(facts.weights.get(node.id, 0) + facts.saved.get(node.id, 0) for node in nodes)
    return kept + 2 * learned * ELEMENT


def _field(name: str) -> Callable[[Facts, Nodes], Value]:
    def of(facts: Facts, nodes: Nodes) -> Value:
        found = _fields_of(facts, nodes)
        values = {
            of: tuple(int(v) if v == int(v) else float(v) for v in getattr(field, name))
            for of, field in found.items()
        }
        if len(facts.graph.inputs) == 1:
            return next(iter(values.values()), None)
        return ", ".join(
            f"{of} {'x'.join(f'{size:g}' for size in sizes)}" for of, sizes in values.items()
        )

    return of


def _fields_of(facts: Facts, nodes: Nodes) -> dict[str, "ReceptiveField"]:
    """The fields of what some nodes give in the end, by the inputs that it sees."""
    end = nodes[-1].id if nodes else ""
    found = {of: fields[end] for of, fields in facts.fields.items() if end in fields}
    return {of: field for of, field in found.items() if len(found) == 1 or any(field.size)}


def _through(facts: Facts, nodes: Nodes) -> Value:
    found = {field.through: None for field in _fields_of(facts, nodes).values() if field.through}
    return f"global through {', '.join(found)}" if found else ""


def _intensity(facts: Facts, nodes: Nodes) -> Value:
    moved = sum(facts.moved.get(node.id, 0) for node in nodes)
    return sum(map(facts.flops, nodes)) / moved if moved else None


def _seconds(facts: Facts, nodes: Nodes) -> Value:
    return sum(map(facts.seconds, nodes))


def _bound(facts: Facts, nodes: Nodes) -> Value:
    """What most of the time goes to."""
    total = sum(map(facts.seconds, nodes))
    device = facts.device
    assert device is not None
    busy = sum(facts.flops(node) / device.flops for node in nodes)
    moving = sum(facts.moved.get(node.id, 0) / device.bandwidth for node in nodes)
    return "" if not total else "compute" if busy >= moving else "memory"


MEASURES: dict[str, Measure] = {
    "parameters": Measure(
        "parameters", "learned numbers; shared ones once", "count", _cost("parameters"), True
    ),
    "trainable": Measure(
        "trainable", "parameters that are not frozen", "count", _trainable, True
    ),
    "buffers": Measure("buffers", "numbers kept, not learned", "count", _cost("buffers")),
    "macs": Measure("MACs", "multiply-accumulates for one image", "count", _cost("macs"), True),
    "activations": Measure(
        "activations", "elements of all outputs, one image", "count", _cost("activations"), True
    ),
    "nodes": Measure("ops", "operations in the graph", "number", _cost("nodes")),
    "layers": Measure(
        "layers",
        "layers with weights that the input is multiplied with",
        "number",
        lambda facts, nodes: sum(is_layer(node) for node in nodes),
    ),
    "depth": Measure(
        "depth",
        "weighted layers on the longest path to here",
        "number",
        lambda facts, nodes: max((facts.depths[node.id] for node in nodes), default=0),
    ),
    "weights": Measure("weights", "bytes of parameters and buffers", "bytes", _sum("weights")),
    "memory": Measure(
        "memory",
        "peak of bytes of activations alive at once in inference, one image",
        "bytes",
        lambda facts, nodes: max((facts.live.get(node.id, 0) for node in nodes), default=0),
    ),
    "saved": Measure(
        "saved",
        "bytes that training keeps for the backward pass, one image",
        "bytes",
        _sum("saved"),
        True,
    ),
    "training": Measure(
        "training",
        "bytes of weights, gradients, momentum and what is saved, one image",
        "bytes",
        _training,
    ),
    "field": Measure(
        "field", "pixels that a position sees", "sizes", _field("size"), beside="through"
    ),
    "through": Measure(
        "through", "what lets the whole image act on every position", "word", _through
    ),
    "jump": Measure("jump", "pixels between the fields of neighbours", "sizes", _field("jump")),
    "offset": Measure("offset", "first pixel that position 0 sees", "place", _field("offset")),
    "moved": Measure("moved", "bytes that ops read and write", "bytes", _sum("moved"), True),
    "intensity": Measure("FLOP/byte", "operations per byte moved", "ratio", _intensity),
    "time": Measure("time", "least time on the device", "seconds", _seconds, True, True),
    "bound": Measure("bound", "what limits the time on the device", "word", _bound, False, True),
}  # fmt: skip


def column(name: str) -> str:
    """The name of a column that goes by other names, too, as `params` does in specs."""
    return {"params": "parameters", "MACs": "macs"}.get(name, name)


def measure(name: str) -> Measure:
    """The measure of that name; raises UsageError, with what was probably meant."""
    if name not in MEASURES:
        raise UsageError(f"unknown column `{name}`; {did_you_mean(name, MEASURES)}")
    return MEASURES[name]


def device_free(name: str) -> Measure:
    """The measure of that name; raises UsageError if it needs a device."""
    found = measure(name)
    if found.device:
        raise UsageError(f"column `{name}` needs a device, which only `archdsl summary` takes")
    return found


def totals(graph: Graph, names: Sequence[str], device: Device | None = None) -> dict[str, Value]:
    """Measures of a whole network, by name."""
    facts = Facts(graph, device)
    return {name: measure(name).of(facts, graph.nodes) for name in names}
