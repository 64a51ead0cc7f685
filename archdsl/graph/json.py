"""Graphs to JSON (docs/graph-format.md), without the weights and costs that ops say."""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from typing import Any

from archdsl.diagnostics.diagnostic import Span
from archdsl.diagnostics.errors import UsageError
from archdsl.graph.graph import INPUT, Graph, Node, Scope
from archdsl.graph.renames import Renames
from archdsl.ops.init import Init
from archdsl.ops.opaque import Opaque
from archdsl.ops.tensor import TensorSpec

FORMAT = 1


def encode(graph: Graph) -> str:
    """The graph as JSON text; raises UsageError for one with a part of an imported module."""
    for node in graph.nodes:
        if isinstance(node.op, Opaque):
            raise UsageError(f"{graph.name} has no JSON: {node.id} is no op of ours")
    data = {
        "format": FORMAT,
        "name": graph.name,
        "title": graph.title,
        "citation": graph.citation,
        **_encode_inputs(graph),
        "outputs": dict(graph.outputs),
        "taps": dict(graph.taps),
        "aux": dict(graph.aux),
        "renames": {name: _encode_renames(renames) for name, renames in graph.renames.items()},
        "scopes": [_encode_scope(scope) for scope in graph.scopes],
        "nodes": [_encode_node(node) for node in graph.nodes],
        "made": list(graph.made),
    }
    if graph.frozen:
        data["frozen"] = [path for path in _paths(graph.nodes) if path in graph.frozen]
    if graph.recomputed:
        parts = _paths([*graph.scopes, *graph.nodes])
        data["recomputed"] = [path for path in parts if path in graph.recomputed]
    if graph.returns is not None:
        data["returns"] = asdict(graph.returns)
    return json.dumps(data, indent=1) + "\n"


def _paths(parts: Sequence[Node | Scope]) -> list[str]:
    return list(dict.fromkeys(part.path for part in parts))


def _encode_inputs(graph: Graph) -> dict[str, Any]:
    """`input`, or `inputs` by name where the spec names them."""
    if [*graph.inputs] == [INPUT]:
        return {"input": _encode_spec(graph.input)}
    return {"inputs": {name: _encode_spec(spec) for name, spec in graph.inputs.items()}}


def _encode_node(node: Node) -> dict[str, Any]:
    said = {"residual": True} if node.residual else {}
    return {
        "id": node.id,
        "op": node.op.verb,
        "arguments": {
            f.name: _encode_value(getattr(node.op, f.name))
            for f in fields(node.op)
            if not (f.metadata.get("later") and getattr(node.op, f.name) == f.default)
        },
        "inputs": list(node.inputs),
        "output": _encode_spec(node.output),
        "scope": node.scope,
        "span": _encode_span(node.span),
        **said,
    }


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


def _encode_renames(renames: Renames) -> dict[str, Any]:
    keys = {rule.theirs: rule.ours for rule in renames.rules}
    return {"keys": keys, "reshape": renames.reshape, "unmet": renames.unmet}


def _encode_spec(spec: TensorSpec) -> dict[str, Any]:
    return {"shape": list(spec.shape), "layout": spec.layout}


def _encode_span(span: Span | None) -> list[Any] | None:
    return list(astuple(span)) if span is not None else None


def _encode_value(value: Any) -> Any:
    return asdict(value) if isinstance(value, Init) else value
