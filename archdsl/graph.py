"""The graph: flat, typed, frozen. Hierarchy is metadata: a node knows the scope it stands in."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from archdsl.diagnostics import Span, UsageError
from archdsl.ops import OPS, Op, ShapeError, Weight
from archdsl.ops.init import Init
from archdsl.renames import Rename, Renames
from archdsl.tensor import INPUT as INPUT
from archdsl.tensor import TensorSpec

if TYPE_CHECKING:
    import networkx

FORMAT = 1  # of the JSON form

ScopeKind = Literal["block", "sequence", "repeat", "dense", "residual", "branches"]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    `id` is its path in the spec, with `@1`, `@2`... where shared weights are applied again;
    `scope` the id of the scope it stands in, "" at the top; `inputs` ids of nodes, or `input`.
    """

    id: str
    op: Op
    inputs: tuple[str, ...]
    output: TensorSpec
    scope: str
    span: Span | None = None

    @property
    def name(self) -> str:
        """The last part of the path, as the module that holds it calls it."""
        return self.path.rpartition(".")[2]

    @property
    def path(self) -> str:
        """The id without the mark of a repeated application: where the weights are."""
        return self.id.partition("@")[0]


@dataclass(frozen=True, slots=True)
class Scope:
    """A named part of the network: a module, the prefix of its weights, a cluster of a figure.

    Two block scopes with equal `block`, `arguments` and `inputs` hold the same subgraph.
    """

    id: str
    kind: ScopeKind
    parent: str
    block: str = ""
    arguments: tuple[tuple[str, Any], ...] = ()
    inputs: tuple[TensorSpec, ...] = ()
    span: Span | None = None

    @property
    def path(self) -> str:
        return self.id.partition("@")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


@dataclass(frozen=True)
class Graph:
    """A network: nodes in an order in which they can run, scopes before what they hold.

    `outputs` maps names to node ids ("" names the single result of a spec without `outputs`),
    `taps` feature names to node ids, `aux` names to node ids that exist in training only,
    `renames` sources of weights to how their tensors become ours.
    """

    name: str
    input: TensorSpec
    nodes: tuple[Node, ...]
    scopes: tuple[Scope, ...]
    outputs: Mapping[str, str]
    taps: Mapping[str, str] = field(default_factory=dict)
    aux: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, Renames] = field(default_factory=dict)
    title: str = ""
    citation: str = ""

    @cached_property
    def by_id(self) -> dict[str, Node]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def scope_by_id(self) -> dict[str, Scope]:
        return {scope.id: scope for scope in self.scopes}

    @cached_property
    def uses(self) -> Counter[str]:
        """How many inputs, outputs and auxiliary outputs a node or the input is."""
        taken = (id for node in self.nodes for id in node.inputs)
        return Counter((*taken, *self.outputs.values(), *self.aux.values()))

    def spec(self, id: str) -> TensorSpec:
        """What the node, or the input, with this id gives."""
        return self.input if id == INPUT else self.by_id[id].output

    def specs(self, node: Node) -> tuple[TensorSpec, ...]:
        """What a node is given."""
        return tuple(self.spec(id) for id in node.inputs)

    def weights(self, node: Node) -> tuple[tuple[str, Weight], ...]:
        """The state_dict keys of a node's parameters and buffers, in order."""
        path = node.path
        return tuple(
            (f"{path}.{weight.name}" if weight.name else path, weight)
            for weight in node.op.weights(*self.specs(node))
        )

    @cached_property
    def state(self) -> dict[str, Weight]:
        """The state_dict: keys in PyTorch's order, a module's own tensors before its children's."""
        order: dict[str, Any] = {}
        for node in self.nodes:
            for key, weight in self.weights(node):
                *path, name = key.split(".")
                inner = order
                for part in path:
                    inner = inner.setdefault(part, {})
                inner.setdefault(name, weight)
        return dict(_flattened(order, ""))

    def select(self, outputs: Mapping[str, str], aux: Mapping[str, str] | None = None) -> "Graph":
        """The part of the graph that the given results need, with these results as its outputs."""
        aux = dict(aux or {})
        wanted = {*outputs.values(), *aux.values()}
        kept = []
        for node in reversed(self.nodes):
            if node.id in wanted:
                wanted.update(node.inputs)
                kept.append(node)
        kept.reverse()
        return replace(
            self,
            nodes=tuple(kept),
            scopes=holding(self.scopes, kept),
            outputs=dict(outputs),
            taps={name: id for name, id in self.taps.items() if id in wanted},
            aux=aux,
        )

    def to_networkx(self) -> "networkx.DiGraph[str]":
        """A `networkx.DiGraph` of ids, with `op`, `shape`, `scope` on nodes, `shape` on edges."""
        import networkx

        view: networkx.DiGraph[str] = networkx.DiGraph(name=self.name)
        view.add_node(INPUT, op=INPUT, shape=self.input.shape, scope="")
        for node in self.nodes:
            view.add_node(node.id, op=node.op.verb, shape=node.output.shape, scope=node.scope)
            for position, id in enumerate(node.inputs):
                view.add_edge(id, node.id, shape=self.spec(id).shape, position=position)
        return view

    def _repr_svg_(self) -> str | None:
        """The hero figure, for notebooks; None if the network fits none."""
        from archdsl.drawing import hero

        try:
            return hero(self)._repr_svg_()
        except UsageError:
            return None

    def to_json(self) -> str:
        """The documented JSON form, which `from_json` reads back."""
        return json.dumps(_encode_graph(self), indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> "Graph":
        """The graph that `to_json` wrote; raises ValueError if `text` is anything else."""
        try:
            graph = _decode_graph(json.loads(text))
            verify(graph)
        except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"not a graph in JSON: {error!r}") from error
        return graph


def holding(scopes: Sequence[Scope], nodes: Iterable[Node]) -> tuple[Scope, ...]:
    """The scopes that hold one of the nodes, at any depth."""
    used = {node.scope for node in nodes}
    for scope in reversed(scopes):
        if scope.id in used:
            used.add(scope.parent)
    return tuple(scope for scope in scopes if scope.id in used)


def verify(graph: Graph) -> None:
    """Raises ValueError, naming the node, if an invariant of graphs does not hold.

    Ids are unique and inputs come first; shapes are what the ops infer; every scope exists, stands
    after its parent and holds its nodes' ids; weights at one path have one shape.
    """
    paths = {"": ""}
    for scope in graph.scopes:
        if scope.parent not in paths or scope.id in paths:
            raise ValueError(f"scope {scope.id}: its parent {scope.parent!r} is not before it")
        _verify_inside(scope, paths[scope.parent])
        paths[scope.id] = scope.path
    specs = {INPUT: graph.input}
    for node in graph.nodes:
        if node.scope not in paths:
            raise ValueError(f"node {node.id}: no scope {node.scope}")
        _verify_inside(node, paths[node.scope])
        _verify_node(node, specs)
        specs[node.id] = node.output
    shapes: dict[str, tuple[int, ...]] = {}
    for node in graph.nodes:
        for key, weight in graph.weights(node):
            if shapes.setdefault(key, weight.shape) != weight.shape:
                raise ValueError(f"weight {key} has two shapes")
    for results in (graph.outputs, graph.taps, graph.aux):
        for name, id in results.items():
            if id not in specs:
                raise ValueError(f"result {name!r}: no node {id}")


def _verify_inside(part: Node | Scope, outer: str) -> None:
    if outer and not part.path.startswith(f"{outer}."):
        raise ValueError(f"{part.id} does not lie in {outer}")


def _verify_node(node: Node, specs: Mapping[str, TensorSpec]) -> None:
    """`specs` are what the nodes before it give."""
    if node.id in specs:
        raise ValueError(f"node {node.id} stands twice")
    missing = [id for id in node.inputs if id not in specs]
    if missing:
        raise ValueError(f"node {node.id}: its input {missing[0]} is not before it")
    try:
        output = node.op.infer(*[specs[id] for id in node.inputs])
    except ShapeError as error:
        raise ValueError(f"node {node.id}: {error.message}") from error
    if output != node.output:
        raise ValueError(f"node {node.id}: {node.op.verb} gives {output}, not {node.output}")


def _encode_graph(graph: Graph) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": graph.name,
        "title": graph.title,
        "citation": graph.citation,
        "input": _encode_spec(graph.input),
        "outputs": dict(graph.outputs),
        "taps": dict(graph.taps),
        "aux": dict(graph.aux),
        "renames": {
            name: {
                "keys": {rule.theirs: rule.ours for rule in renames.rules},
                "reshape": renames.reshape,
                "unmet": renames.unmet,
            }
            for name, renames in graph.renames.items()
        },
        "scopes": [
            {
                "id": scope.id,
                "kind": scope.kind,
                "parent": scope.parent,
                "block": scope.block,
                "arguments": dict(scope.arguments),
                "inputs": [_encode_spec(spec) for spec in scope.inputs],
                "span": _encode_span(scope.span),
            }
            for scope in graph.scopes
        ],
        "nodes": [
            {
                "id": node.id,
                "op": node.op.verb,
                "arguments": {
                    f.name: _encode_value(getattr(node.op, f.name)) for f in fields(node.op)
                },
                "inputs": list(node.inputs),
                "output": _encode_spec(node.output),
                "scope": node.scope,
                "span": _encode_span(node.span),
            }
            for node in graph.nodes
        ],
    }


def _decode_graph(data: dict[str, Any]) -> Graph:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']} of the JSON is not known, only {FORMAT}")
    return Graph(
        name=data["name"],
        title=data["title"],
        citation=data["citation"],
        input=_decode_spec(data["input"]),
        outputs=data["outputs"],
        taps=data["taps"],
        aux=data["aux"],
        renames={
            name: Renames(
                tuple(Rename(theirs, ours) for theirs, ours in renames["keys"].items()),
                renames["reshape"],
                renames["unmet"],
            )
            for name, renames in data["renames"].items()
        },
        scopes=tuple(
            Scope(
                id=scope["id"],
                kind=scope["kind"],
                parent=scope["parent"],
                block=scope["block"],
                arguments=tuple((k, _tuples(v)) for k, v in scope["arguments"].items()),
                inputs=tuple(_decode_spec(spec) for spec in scope["inputs"]),
                span=_decode_span(scope["span"]),
            )
            for scope in data["scopes"]
        ),
        nodes=tuple(
            Node(
                id=node["id"],
                op=OPS[node["op"]](**{k: _decode_value(v) for k, v in node["arguments"].items()}),
                inputs=tuple(node["inputs"]),
                output=_decode_spec(node["output"]),
                scope=node["scope"],
                span=_decode_span(node["span"]),
            )
            for node in data["nodes"]
        ),
    )


def _flattened(order: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Weight]]:
    """The weights of a module, then those of its children; parameters before buffers."""
    own = {name: weight for name, weight in order.items() if isinstance(weight, Weight)}
    for name, weight in sorted(own.items(), key=lambda pair: pair[1].kind != "parameter"):
        yield f"{prefix}{name}", weight
    for name, inner in order.items():
        if name not in own:
            yield from _flattened(inner, f"{prefix}{name}.")


def _encode_spec(spec: TensorSpec) -> dict[str, Any]:
    return {"shape": list(spec.shape), "layout": spec.layout}


def _decode_spec(data: dict[str, Any]) -> TensorSpec:
    return TensorSpec(tuple(data["shape"]), data["layout"])


def _encode_span(span: Span | None) -> list[Any] | None:
    return list(astuple(span)) if span is not None else None


def _decode_span(data: list[Any] | None) -> Span | None:
    return Span(*data) if data is not None else None


def _encode_value(value: Any) -> Any:
    return asdict(value) if isinstance(value, Init) else value


def _decode_value(value: Any) -> Any:
    if isinstance(value, dict):
        settings = tuple((k, v) for k, v in value["settings"])
        return Init(value["scheme"], settings, _decode_value(value["bias"]))
    return _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
