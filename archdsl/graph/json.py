"""The JSON form of graphs (docs/graph-format.md), without the weights and costs that ops say."""

import json
from collections.abc import Mapping
from dataclasses import asdict, astuple, fields
from typing import Any

from archdsl.diagnostics.diagnostic import Span
from archdsl.graph.graph import INPUT, Graph, Node, Scope, inputs_of
from archdsl.graph.renames import Rename, Renames
from archdsl.graph.verify import verify
from archdsl.ops import OPS, Op
from archdsl.ops.init import Init
from archdsl.ops.tensor import TensorSpec

FORMAT = 1


def encode(graph: Graph) -> str:
    """The graph as JSON text."""
    data = {
        "format": FORMAT,
        "name": graph.name,
        "title": graph.title,
        "citation": graph.citation,
        "input": _encode_spec(graph.input),
        "outputs": dict(graph.outputs),
        "taps": dict(graph.taps),
        "aux": dict(graph.aux),
        "renames": {name: _encode_renames(renames) for name, renames in graph.renames.items()},
        "scopes": [_encode_scope(scope) for scope in graph.scopes],
        "nodes": [_encode_node(node) for node in graph.nodes],
        "made": list(graph.made),
    }
    return json.dumps(data, indent=1) + "\n"


def decode(text: str) -> Graph:
    """The graph in JSON text; raises ValueError if there is none."""
    try:
        graph = _decode_graph(json.loads(text))
        verify(graph)
    except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"not a graph in JSON: {error!r}") from error
    return graph


def _decode_graph(data: dict[str, Any]) -> Graph:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']} of the JSON is not known, only {FORMAT}")
    input = _decode_spec(data["input"])
    specs, nodes = {INPUT: input}, []
    for written in data["nodes"]:
        node = _decode_node(written, specs)
        specs[node.id] = node.output
        nodes.append(node)
    return Graph(
        name=data["name"],
        title=data["title"],
        citation=data["citation"],
        input=input,
        outputs=data["outputs"],
        taps=data["taps"],
        aux=data["aux"],
        renames={name: _decode_renames(renames) for name, renames in data["renames"].items()},
        scopes=tuple(_decode_scope(scope) for scope in data["scopes"]),
        nodes=tuple(nodes),
        made=tuple(data["made"]),
    )


def _encode_node(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "op": node.op.verb,
        "arguments": {f.name: _encode_value(getattr(node.op, f.name)) for f in fields(node.op)},
        "inputs": list(node.inputs),
        "output": _encode_spec(node.output),
        "scope": node.scope,
        "span": _encode_span(node.span),
    }


def _decode_node(data: dict[str, Any], specs: Mapping[str, TensorSpec]) -> Node:
    """`specs` are what the nodes before it give."""
    arguments = {name: _decode_value(value) for name, value in data["arguments"].items()}
    op: Op = OPS[data["op"]](**arguments)
    inputs, output = tuple(data["inputs"]), _decode_spec(data["output"])
    given = inputs_of(data["id"], inputs, specs)
    weights = op.weights(*given)
    return Node(
        id=data["id"],
        op=op,
        inputs=inputs,
        output=output,
        weights=weights,
        cost=op.cost(weights, output, given),
        scope=data["scope"],
        span=_decode_span(data["span"]),
    )


def _encode_scope(scope: Scope) -> dict[str, Any]:
    return {
        "id": scope.id,
        "kind": scope.kind,
        "parent": scope.parent,
        "block": scope.block,
        "arguments": dict(scope.arguments),
        "inputs": [_encode_spec(spec) for spec in scope.inputs],
        "span": _encode_span(scope.span),
    }


def _decode_scope(data: dict[str, Any]) -> Scope:
    return Scope(
        id=data["id"],
        kind=data["kind"],
        parent=data["parent"],
        block=data["block"],
        arguments=tuple((name, _tuples(value)) for name, value in data["arguments"].items()),
        inputs=tuple(_decode_spec(spec) for spec in data["inputs"]),
        span=_decode_span(data["span"]),
    )


def _encode_renames(renames: Renames) -> dict[str, Any]:
    keys = {rule.theirs: rule.ours for rule in renames.rules}
    return {"keys": keys, "reshape": renames.reshape, "unmet": renames.unmet}


def _decode_renames(data: dict[str, Any]) -> Renames:
    rules = tuple(Rename(theirs, ours) for theirs, ours in data["keys"].items())
    return Renames(rules, data["reshape"], data["unmet"])


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
