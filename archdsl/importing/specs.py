"""A graph to the text of a spec that is the graph again."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from archdsl.analysis.cost import analyze
from archdsl.diagnostics.errors import ModuleError, SpecError
from archdsl.graph.graph import Graph
from archdsl.graph.returns import ONLY
from archdsl.importing.blocks import Block, called
from archdsl.importing.bodies import Bodies
from archdsl.importing.folds import folded, steps_of
from archdsl.importing.imported import Imported
from archdsl.importing.items import Body, Item, plain_body, written
from archdsl.importing.taps import tap
from archdsl.ops import join, regularize, shape
from archdsl.ops.opaque import Opaque
from archdsl.ops.tensor import INPUT

Loads = Callable[[str], Graph]
NONE: Mapping[str, Item] = {}
RESULT = "result"  # the key of an item that gives again what stands before others
SHOWN = 4  # parts that a message names
ENDS = ("adaptive_avg_pool", "flatten", "global_avg_pool", "mean", "token")  # a head begins with


def spec_of(graph: Graph, loads: Loads) -> str:
    """The spec of a graph, which compiled again has its keys, shapes, order, calls and wires.

    `loads` reads a spec. Raises ModuleError where no spec can say it, with the reason.
    """
    opaque = [node for node in graph.nodes if isinstance(node.op, Opaque)]
    if opaque:
        parts = ", ".join(node.id for node in opaque[:SHOWN]) + ", ..." * (len(opaque) > SHOWN)
        why = opaque[0].op
        assert isinstance(why, Opaque)
        raise ModuleError(f"{graph.name} cannot become a spec: no op is {parts} ({why.reason})")
    if isinstance(graph.written, Imported) and graph.written.unused:
        parts = ", ".join(graph.written.unused[:SHOWN])
        raise ModuleError(f"{graph.name} cannot become a spec: no result needs {parts}")
    taken = {id for node in graph.nodes for id in node.inputs} | {*graph.outputs.values()}
    unused = ", ".join(name for name in graph.inputs if name not in taken)
    if unused:
        raise ModuleError(f"{graph.name} cannot become a spec: only the shape of {unused} is used")
    for joined in (True, False):
        bodies = Bodies(graph, joined)
        for text in _texts(bodies):
            try:
                require_equal(graph, text, loads)
            except ModuleError as error:  # as its weights are made in another order
                failed = error
            else:
                return text
    raise failed


def _texts(bodies: Bodies) -> Iterator[str]:
    """The text of a spec; before it, if it may be, one with what is for training alone in `aux`."""
    rates = {n.op.rate for n in bodies.graph.nodes if isinstance(n.op, regularize.DropPath)}
    network, blocks = called(bodies.network(), (), folded, steps_of(rates))
    beside = {key: item for key, item in network.items() if "aux" in item.modifiers}
    if beside and all(i.sources and [*i.modifiers] == ["aux"] for i in beside.values()):
        rest = {key: item for key, item in network.items() if key not in beside}
        yield _document(bodies, rest, blocks, beside)
    yield _document(bodies, network, blocks)


def _document(
    bodies: Bodies, network: Body, blocks: Sequence[Block], beside: Mapping[str, Item] = NONE
) -> str:
    """The text of a whole spec; what is `beside` the network is there in training only."""
    graph = bodies.graph
    data: dict[str, Any] = {"archdsl": 1, "name": graph.name, "input": _inputs(graph)}
    if blocks:
        data["blocks"] = {block.name: block.plain() for block in blocks}
    backbone, head = _sections(network)
    if bodies.joined:
        tap(bodies, backbone, bool(head))
    if list(graph.outputs) == [""] and bodies.last() != graph.outputs[""]:
        (head or backbone)[RESULT] = Item("identity", sources=(bodies.called(graph.outputs[""]),))
    data["backbone"] = plain_body(backbone)
    if beside:
        data["aux"] = plain_body({n: replace(i, modifiers={}) for n, i in beside.items()})
    if head:
        data["head"] = plain_body(head)
    results = {name: bodies.called(id) for name, id in graph.outputs.items()}
    if list(results) != [""]:
        data["outputs"] = results
    if graph.returns is not None:
        fields = {field: name or ONLY for field, name in graph.returns.fields.items()}
        data["returns"] = {graph.returns.type: fields}
    cost = analyze(graph).total
    data["expect"] = {"params": cost.parameters, "macs": cost.macs}
    return written(data)


def _inputs(graph: Graph) -> Any:
    if [*graph.inputs] == [INPUT]:
        return list(graph.input.shape)
    return {name: list(spec.shape) for name, spec in graph.inputs.items()}


def _sections(network: Body) -> tuple[Body, Body]:
    """The backbone and the head: what follows the last pool that leaves no map, in a row."""
    items = list(network.items())
    place = len(items)
    while place > 1 and not items[place - 1][1].sources and not items[place - 1][1].modifiers:
        place -= 1
    begins = [n for n in range(place, len(items)) if items[n][1].verb in ENDS and n]
    if not begins or network.keys() <= {str(n) for n in range(len(network))}:
        return network, {}
    return dict(items[: begins[0]]), dict(items[begins[0] :])


def require_equal(graph: Graph, text: str, loads: Loads) -> None:
    """Raises ModuleError unless the spec is the graph: weights in order, ops, wires, results."""
    try:
        again = loads(text)
    except SpecError as error:
        raise ModuleError(f"the spec of {graph.name} is wrong:\n{error}") from error
    wanted, found = ([(key, w.shape) for key, w in g.state.items()] for g in (graph, again))
    if found != wanted:
        one = next((key for key in wanted if key not in found), None)
        what = f"lacks {one[0]}" if one else "has its weights in another order"
        raise ModuleError(f"{graph.name} as a spec {what}")
    numbers: dict[Hashable, int] = {}
    if sorted(_results(again, numbers)) != sorted(_results(graph, numbers)):
        raise ModuleError(f"{graph.name} as a spec is another network")
    if again.returns != graph.returns:
        raise ModuleError(f"{graph.name} as a spec returns something else in training")


def _results(graph: Graph, numbers: dict[Hashable, int]) -> Iterator[tuple[bool, str, int]]:
    """The results as numbers that equal calls on equal inputs share."""
    found = {id: numbers.setdefault(id, len(numbers)) for id in graph.inputs}
    for node in graph.nodes:
        if isinstance(node.op, shape.Identity):
            found[node.id] = found[node.inputs[0]]
            continue
        inputs = [found[id] for id in node.inputs]
        if isinstance(node.op, join.Add | join.Multiply):
            inputs.sort()  # which is the same sum
        what = graph.spec(node.id) if isinstance(node.op, shape.Reshape) else node.op  # for its -1
        key = (what, node.path if node.weights else "", tuple(inputs))
        found[node.id] = numbers.setdefault(key, len(numbers))
    for aside, results in ((False, graph.outputs), (True, graph.aux)):
        for name, id in results.items():
            yield aside, name, found[id]
