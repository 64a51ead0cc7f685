"""The graph: its invariants, its JSON, its view for networkx, and its parts."""

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import networkx
import pytest

import archdsl
from archdsl.graph.graph import INPUT, Graph, Node, Scope
from archdsl.graph.verify import verify
from archdsl.language.written import Written
from archdsl.ops import OPS, Cost, Op, construct
from archdsl.ops.tensor import TensorSpec
from tests import built
from tests.support import graph_of

TEXT = """
    cite: {title: A net, year: 2020}
    blocks:
      unit: {params: {act: relu, size: [3, 5]}, seq: {conv: {conv: {kernel: size}}, act: $act}}
    backbone:
      stem: {conv: {out: 6, kernel: 3, stride: 2, init: {normal: {std: 0.1}, bias: 0.5}}, tap: c1}
      stage: {unit: {act: {elu: {alpha: 2}}}, repeat: 2, tap: c2}
      deep: {unit: {}}
    aux: {side: {seq: [global_avg_pool, flatten], from: c1}}
    head:
      p: {conv: {out: 4, kernel: 1}, each: [c1, c2]}
      sum: {add: {}, from: p}
      gamma: {layer_scale: {}, from: deep}
    outputs: {sum: sum, deep: gamma}
"""


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(TEXT)


# invariants


def changed(graph: Graph, id: str, /, **fields: object) -> Graph:
    nodes = tuple(replace(node, **fields) if node.id == id else node for node in graph.nodes)
    return replace(graph, nodes=nodes)


def with_op(graph: Graph, id: str, op: Op) -> Graph:
    """A node with another op, and the weights and costs of that."""
    node = graph.by_id[id]
    given = graph.specs(node)
    weights = op.weights(*given)
    return changed(graph, id, op=op, weights=weights, cost=op.cost(weights, node.output, given))


def rescoped(graph: Graph, id: str, /, **fields: object) -> Graph:
    scopes = tuple(replace(scope, **fields) if scope.id == id else scope for scope in graph.scopes)
    return replace(graph, scopes=scopes)


def conv(out: int, kernel: int) -> Op:
    return construct(OPS["conv"], {"out": out, "kernel": kernel}, TensorSpec((6, 4, 4)))


BROKEN: dict[str, tuple[Callable[[Graph], Graph], str]] = {
    "two nodes of one id": (
        lambda g: replace(g, nodes=(*g.nodes, g.nodes[0])), "node stem stands twice",
    ),
    "a node called input": (
        lambda g: changed(g, "gamma", id="input"), "node input stands twice",
    ),
    "an input that comes later": (
        lambda g: changed(g, "stem", inputs=("gamma",)),
        "node stem: its input gamma is not before it",
    ),
    "an input that is nowhere": (
        lambda g: changed(g, "gamma", inputs=("nowhere",)),
        "node gamma: its input nowhere is not before it",
    ),
    "an output of another shape": (
        lambda g: changed(g, "gamma", output=TensorSpec((6, 4, 5))),
        "node gamma: layer_scale gives 6x4x4, not 6x4x5",
    ),
    "an output of another layout": (
        lambda g: changed(g, "gamma", output=TensorSpec((6, 4, 4), "channels_last")),
        "node gamma: layer_scale gives 6x4x4, not 6x4x4",
    ),
    "an op that does not fit": (
        lambda g: changed(g, "stem", inputs=(INPUT, INPUT)), "",
    ),
    "a shape that cannot be": (
        lambda g: changed(g, "gamma", op=OPS["linear"](out=3)),
        "node gamma: linear needs a vector, its input is a map of 6x4x4",
    ),
    "a node in no scope": (
        lambda g: changed(g, "gamma", scope="nowhere"), "node gamma: no scope nowhere",
    ),
    "a node in a scope that does not hold it": (
        lambda g: changed(g, "gamma", scope="deep"), "gamma does not lie in deep",
    ),
    "a scope before its parent": (
        lambda g: replace(g, scopes=g.scopes[::-1]),
        "scope stage.1: its parent 'stage' is not before it",
    ),
    "a scope twice": (
        lambda g: replace(g, scopes=(*g.scopes, g.scopes[0])),
        "scope stage: its parent '' is not before it",
    ),
    "a scope in one that does not hold it": (
        lambda g: rescoped(g, "deep", parent="stage"), "deep does not lie in stage",
    ),
    "weights of two shapes at one path": (
        lambda g: with_op(g, "p@1", conv(4, 3)), "weight p.weight has two shapes",
    ),
    "weights that are not the op's": (
        lambda g: changed(g, "stem", weights=()), "node stem: these are not the weights of conv",
    ),
    "a cost that is not the op's": (
        lambda g: changed(g, "stem", cost=Cost(1)), "node stem: conv does not cost that",
    ),
    "an output that is nowhere": (
        lambda g: replace(g, outputs={"x": "nowhere"}), "result 'x': no node nowhere",
    ),
    "a tap that is nowhere": (
        lambda g: replace(g, taps={"x": "nowhere"}), "result 'x': no node nowhere",
    ),
    "a side result that is nowhere": (
        lambda g: replace(g, aux={"x": "nowhere"}), "result 'x': no node nowhere",
    ),
}  # fmt: skip


def test_a_graph_that_was_built_is_right(graph: Graph) -> None:
    verify(graph)


@pytest.mark.parametrize("name", BROKEN)
def test_every_broken_invariant_is_found(graph: Graph, name: str) -> None:
    spoil, message = BROKEN[name]
    with pytest.raises(ValueError) as caught:
        verify(spoil(graph))
    assert message in str(caught.value)


def test_nothing_of_a_graph_can_be_changed(graph: Graph) -> None:
    for part in (graph, graph.nodes[0], graph.scopes[0], graph.input, graph.nodes[0].op):
        with pytest.raises(FrozenInstanceError):
            setattr(part, fields(part)[0].name, None)


# names


def test_the_short_form_of_a_graph_is_one_line() -> None:
    several = replace(archdsl.load("resnet18"), outputs={f"o{n}": "conv1" for n in range(9)})
    assert repr(archdsl.load("resnet18")) == "<Graph resnet18: 3x224x224 to 1000, 69 nodes>"
    assert repr(several).count("64x112x112") == 3 and repr(several).endswith(", ..., 69 nodes>")


def test_a_graph_knows_whether_its_spec_says_it(graph: Graph) -> None:
    written = graph.written
    assert isinstance(written, Written) and written.says(graph.nodes)
    assert not written.says(replace(node) for node in graph.nodes)
    assert pickle.loads(pickle.dumps(graph)) == graph == copy.deepcopy(graph)
    assert pickle.loads(pickle.dumps(graph)).written is None


def test_a_node_knows_its_name_and_the_path_of_its_weights(graph: Graph) -> None:
    again = graph.by_id["p@1"]
    assert (again.id, again.path, again.name) == ("p@1", "p", "p")
    inner = graph.by_id["stage.1.conv"]
    assert (inner.path, inner.name, inner.scope) == ("stage.1.conv", "conv", "stage.1")
    scope = graph.scope_by_id["stage.1"]
    assert (scope.name, scope.parent, scope.block) == ("1", "stage", "unit")


def test_weights_have_the_keys_of_a_state_dict(graph: Graph) -> None:
    keys = {node.id: [key for key, _ in graph.weights(node)] for node in graph.nodes}
    assert keys["stem"] == ["stem.weight", "stem.bias"]
    assert keys["p"] == keys["p@1"] == ["p.weight", "p.bias"]
    assert keys["gamma"] == ["gamma"]
    assert keys["stage.0.act"] == []


def test_a_graph_gives_the_shapes_around_a_node(graph: Graph) -> None:
    assert graph.spec(INPUT) == graph.input == TensorSpec((3, 8, 8))
    assert [str(spec) for spec in graph.specs(graph.by_id["sum"])] == ["4x4x4", "4x4x4"]


# JSON


def test_json_gives_the_same_graph_back(graph: Graph) -> None:
    again = Graph.from_json(graph.to_json())
    assert again == graph
    assert again.to_json() == graph.to_json()


def test_json_is_plain_data(graph: Graph) -> None:
    data = json.loads(graph.to_json())
    assert data["format"] == 1
    assert data["input"] == {"shape": [3, 8, 8], "layout": "channels_first"}
    assert data["outputs"] == {"sum": "sum", "deep": "gamma"}
    stem = data["nodes"][0]
    assert (stem["id"], stem["op"], stem["inputs"]) == ("stem", "conv", ["input"])
    assert stem["arguments"]["kernel"] == [3, 3]
    assert stem["span"][:3] == ["spec.yaml", 5, 9]
    deep = next(scope for scope in data["scopes"] if scope["id"] == "deep")
    assert deep["arguments"] == {"act": "relu", "size": [3, 5]}


def spoiled(graph: Graph, change: Callable[[dict[str, object]], object]) -> str:
    data = json.loads(graph.to_json())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.clear(),
        lambda data: data.update(format=2),
        lambda data: data.pop("nodes"),
        lambda data: data.update(nodes=3),
        lambda data: data["nodes"][0].update(op="cnov"),
        lambda data: data["nodes"][0].update(op=[]),
        lambda data: data["nodes"][0]["arguments"].update(nope=3),
        lambda data: data["nodes"][0]["arguments"].update(kernel="x"),
        lambda data: data["nodes"][0]["arguments"].update(stride=[0, 0]),
        lambda data: data["nodes"][0]["arguments"].update(init={"a": 1}),
        lambda data: data["nodes"][0].update(inputs=None),
        lambda data: data["nodes"][0].update(span=[1, 2]),
        lambda data: data["input"].update(shape=[]),
        lambda data: data["input"].update(shape=3),
        lambda data: data.update(outputs=[1]),
    ],
)
def test_json_of_anything_else_is_refused(
    graph: Graph, change: Callable[[dict[str, object]], object]
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Graph.from_json(spoiled(graph, change))


@pytest.mark.parametrize("text", ["", "[", "[]", "3", "null", "[" * 100_000])
def test_text_that_is_no_graph_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Graph.from_json(text)


# networkx


def test_the_view_is_an_acyclic_graph_of_all_nodes(graph: Graph) -> None:
    view = graph.to_networkx()
    assert view.name == "net"
    assert set(view) == {INPUT, *graph.by_id}
    assert networkx.is_directed_acyclic_graph(view)
    assert view.nodes["stem"].items() >= {"op": "conv", "shape": "6x4x4", "scope": ""}.items()
    assert view.edges["stem", "stage.0.conv", 0]["shape"] == "6x4x4"
    assert list(view.predecessors("sum")) == ["p", "p@1"]
    assert networkx.has_path(view, INPUT, "gamma")
    assert not networkx.has_path(view, "side.0", "gamma")


def test_the_order_of_nodes_is_one_in_which_they_can_run(graph: Graph) -> None:
    done = {INPUT}
    for node in graph.nodes:
        assert done.issuperset(node.inputs)
        done.add(node.id)


def test_the_view_has_arguments_and_costs_and_every_input_of_a_node() -> None:
    graph = graph_of("""
input: [3, 8, 8]
backbone:
  conv: {conv: {out: 4, kernel: [3, 1], padding: [1, 0], init: {normal: {std: 0.02}}}}
  twice: {add: {}, from: [conv, conv]}
""")
    view = graph.to_networkx()
    assert view.nodes["conv"] == {
        "op": "conv", "label": "3x1 conv, 4", "shape": "4x8x8", "scope": "",
        "parameters": 4 * 3 * 3 + 4, "buffers": 0, "macs": 64 * 4 * 9, "activations": 256,
        "arguments.kernel": "3x1", "arguments.out": 4, "arguments.stride": "1x1",
        "arguments.padding": "1x0", "arguments.dilation": "1x1", "arguments.groups": 1,
        "arguments.bias": True, "arguments.init": "normal(std=0.02)",
    }  # fmt: skip
    assert list(view.in_edges("twice", keys=True)) == [("conv", "twice", 0), ("conv", "twice", 1)]


@pytest.mark.parametrize("name", built.quick())
def test_graphml_holds_the_view_of_a_network(name: str, tmp_path: Path) -> None:
    view = built.graph(name).to_networkx()
    networkx.write_graphml(view, tmp_path / "graph.xml")
    read = networkx.read_graphml(tmp_path / "graph.xml", force_multigraph=True, edge_key_type=int)
    assert read.nodes == view.nodes
    assert sorted(read.edges(keys=True, data="shape")) == sorted(
        view.edges(keys=True, data="shape")
    )


# parts


def test_a_part_holds_what_its_results_need_and_nothing_else(graph: Graph) -> None:
    part = graph.select({"x": "stage.0.act"})
    verify(part)
    assert [node.id for node in part.nodes] == ["stem", "stage.0.conv", "stage.0.act"]
    assert [scope.id for scope in part.scopes] == ["stage", "stage.0"]
    assert dict(part.outputs) == {"x": "stage.0.act"}
    assert dict(part.taps) == {"c1": "stem"}
    assert dict(part.aux) == {}


def test_a_part_may_have_side_results(graph: Graph) -> None:
    part = graph.select({"x": "stem"}, graph.aux)
    verify(part)
    assert [node.id for node in part.nodes] == ["stem", "side.0", "side.1"]
    assert dict(part.aux) == {"side": "side.1"}


def test_the_whole_is_a_part_of_itself(graph: Graph) -> None:
    assert graph.select(graph.outputs, graph.aux) == graph
    assert graph.select({"x": INPUT}).nodes == ()


def test_scopes_that_hold_nothing_are_no_part_of_a_network() -> None:
    graph = graph_of("backbone: {a: {seq: []}, b: [{relu: {}, if: false}], c: {seq: {d: relu}}}")
    assert [scope.id for scope in graph.scopes] == ["c"]


def test_nodes_and_scopes_compare_by_value() -> None:
    relu = OPS["relu"]()
    spec = TensorSpec((3,))
    nodes = [Node("a", relu, ("input",), spec, (), Cost(1), "") for _ in range(2)]
    assert nodes[0] == nodes[1]
    assert Scope("a", "sequence", "") != Scope("b", "sequence", "")


WRONG: dict[str, tuple[Callable[[Graph], object], str]] = {
    "no such layer": (lambda g: g.spec("layer9"), "no node `layer9`; did you mean `layer"),
    "nearly its name": (lambda g: g.select({"x": "layer4.1.rel"}), "did you mean `layer4.1.relu`"),
    "a part": (lambda g: g.spec("layer4"), "`layer4` is a part .*its last is `layer4.1.relu`"),
    "a list": (lambda g: g.select(["fc"]), r"by name, not \['fc'\]"),  # type: ignore[arg-type]
    "lists": (lambda g: g.select({"x": ["fc"]}), r"a text, not \['fc'\]"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize(("call", "said"), WRONG.values(), ids=WRONG)
def test_a_node_that_is_not_there_is_said(call: Callable[[Graph], object], said: str) -> None:
    with pytest.raises(archdsl.UsageError, match=said):
        call(archdsl.load("resnet18"))
