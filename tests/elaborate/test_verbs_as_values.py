"""Parameters whose value is a verb, with arguments of any kind, also other verbs."""

import archdsl
from archdsl.graph.graph import Graph

SPEC = """
archdsl: 1
name: verbs
input: [3, 8, 8]
params: {width: 8, unit: {stack: {layer: {conv: {out: width, kernel: [1, 3]}}, act: silu}}}
blocks:
  stack:
    params: {layer: item, act: relu}
    body: [$layer, $act]
  wide:
    params: {factor: int, layer: {conv: {out: factor * C, kernel: 1}}}
    seq: [$layer]
backbone:
  a: $unit
  b: $unit
  c: {stack: {layer: {wide: {factor: 2}}, act: tanh}}
  d: {stack: {layer: {wide: {factor: 2, layer: {conv: {kernel: 3}}}}}}
"""


def test_a_verb_given_as_a_value_may_take_verbs_and_lists_as_arguments() -> None:
    graph = archdsl.loads(SPEC)

    assert {node.id: node.op.verb for node in graph.nodes} == {
        "a.0": "conv",
        "a.1": "silu",
        "b.0": "conv",
        "b.1": "silu",
        "c.0.0": "conv",
        "c.1": "tanh",
        "d.0.0": "conv",
        "d.1": "relu",
    }
    assert graph.by_id["b.0"].op.kernel == (1, 3)  # type: ignore[attr-defined]
    assert graph.by_id["b.0"].output.shape == (8, 8, 8)


def test_a_graph_with_verbs_as_arguments_survives_json() -> None:
    graph = archdsl.loads(SPEC)

    read = Graph.from_json(graph.to_json())

    assert read.nodes == graph.nodes
    (scope,) = (scope for scope in read.scopes if scope.id == "c")
    assert dict(scope.arguments)["act"] == "tanh"
    assert dict(scope.arguments)["layer"] == ("wide", (("factor", 2),))
