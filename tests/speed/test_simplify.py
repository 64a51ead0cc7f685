"""A simpler network gives what the whole one gives, in double precision, run node by node."""

from collections import Counter
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, note, settings
from hypothesis import strategies as st
from torch import Tensor

import archdsl
from archdsl.graph.graph import Graph
from archdsl.graph.verify import verify
from archdsl.ops.conv import Conv
from archdsl.pytorch.module import compile_graph
from archdsl.speed.simplify import simplify
from tests.built import graph as of_gallery
from tests.examples import examples
from tests.interpret import run
from tests.random_specs import specs
from tests.test_random_specs import assert_close, images, random_specs

FEW = settings(random_specs, max_examples=examples(20, 400))


def state_of(graph: Graph) -> dict[str, Tensor]:
    """Weights that are all different, variances above zero; what is an index as modules have it."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}
    weights = graph.select(graph.outputs).state
    whole = [key for key, w in weights.items() if w.whole and "num_batches" not in key]
    made = compile_graph(graph).state_dict() if whole else {}
    for key, weight in weights.items():
        if key in whole:
            state[key] = made[key]
            continue
        noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        state[key] = 1 + noise.abs() if "var" in key else 0.5 * noise
    return state


def simpler(graph: Graph) -> Graph:
    """The simpler graph, which is one, and gives the same for no more MACs."""
    state = state_of(graph)
    before = {key: tensor.clone() for key, tensor in state.items()}
    less, tensors = simplify(graph, state)
    assert all(torch.equal(before[key], tensor) for key, tensor in state.items())
    verify(less)
    assert {k: tuple(t.shape) for k, t in tensors.items()} == {
        key: weight.shape for key, weight in less.state.items()
    }
    x = images(graph)
    wanted = run(graph.select(graph.outputs), state, *x).results(graph.returned)
    assert_close(run(less, tensors, *x).results(dict(less.outputs)), wanted, 1e-9)
    costs = [archdsl.analyze(g).total.macs for g in (less, graph.select(graph.outputs))]
    assert costs[0] <= costs[1]
    return less


def verbs(graph: Graph) -> Counter[str]:
    return Counter(node.op.verb for node in graph.nodes)


@FEW
@given(specs())
def test_random_networks_give_the_same(reading: Any) -> None:
    text = yaml.safe_dump(reading[0], sort_keys=False)
    note(text)
    less = simpler(archdsl.loads(text))
    assert not verbs(less).keys() & {"drop_path", "std_conv"}
    assert not less.aux and not less.recomputed and not less.frozen
    readers = Counter(id for node in less.nodes for id in node.inputs)
    for node in less.nodes:  # what could be folded is folded, where no module is applied again
        before = less.by_id.get(node.inputs[0])
        if node.op.verb == "batch_norm" and before and isinstance(before.op, Conv):
            again = Counter(n.path for n in less.nodes)
            read = readers[before.id] > 1 or before.id in less.outputs.values()
            assert read or max(again[before.path], again[node.path]) > 1


def branch(draw: Any, square: bool) -> list[Any]:
    """One way of what is added: ops in a row that keep a map of 4 channels."""
    kind = draw(st.sampled_from(["conv", "conv", "identity", "norm", "other"]))
    if kind == "identity":
        return ["identity"]
    if kind == "norm":
        return draw(st.sampled_from([["batch_norm"], ["batch_norm", {"scale": {"factor": 0.5}}]]))
    kernel = draw(st.sampled_from([1, 3, 5] if square else [1, 3, [1, 3], [3, 1], [5, 3]]))
    conv = {"out": 4, "kernel": kernel, "groups": draw(st.sampled_from([1, 1, 2, 4]))}
    conv["bias"] = draw(st.booleans())
    if not square:
        conv["dilation"] = draw(st.sampled_from([1, 1, 2]))
        conv["padding"] = draw(st.sampled_from(["auto", "same"]))
    after = draw(st.sampled_from([[], ["batch_norm"], ["dropout", "batch_norm"]]))
    return [*(["relu"] if kind == "other" else []), {"conv": conv}, *after]


@st.composite
def sums(draw: Any) -> str:
    """Networks whose middle is a sum of branches, with a sum among them perhaps."""
    square = draw(st.booleans())
    ways = [branch(draw, square) for _ in range(draw(st.integers(2, 5)))]
    paths: dict[str, Any] = {f"p{n}": {"seq": way} for n, way in enumerate(ways)}
    if draw(st.booleans()):
        inner = {f"q{n}": {"seq": branch(draw, square)} for n in range(2)}
        paths["inner"] = {"branches": {"join": "add", "paths": inner}}
    strided = {"conv": {"out": 4, "kernel": 1, "stride": draw(st.sampled_from([1, 2]))}}
    body = {"first": strided, "sum": {"branches": {"join": "add", "paths": paths}}, "act": "relu"}
    spec = {"archdsl": 1, "name": "net", "input": [3, 9, 8], "backbone": body}
    return yaml.safe_dump(spec, sort_keys=False)


@FEW
@given(sums())
def test_random_sums_give_the_same(text: str) -> None:
    note(text)
    simpler(archdsl.loads(text))


@FEW
@given(
    st.lists(st.sampled_from([1, 3, 5, "norm", "identity"]), min_size=1, max_size=4),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([1, 2]),
)
def test_branches_of_one_kind_are_one_convolution(
    kinds: list[Any], groups: int, stride: int
) -> None:
    """Of RepVGG's and MobileOne's form: any number of kernels, norms and identities beside one."""
    ways = [
        kind if kind == "identity" else "batch_norm" if kind == "norm" else None for kind in kinds
    ]
    if stride > 1:
        ways = [way for way in ways if way is None]
    conv = {"out": 4, "groups": groups, "stride": stride, "bias": False}
    sizes = [kind for kind in kinds if isinstance(kind, int)]
    paths = {f"p{n}": {"seq": [way]} for n, way in enumerate(ways) if way}
    convs = {
        f"c{n}": {"seq": [{"conv": {**conv, "kernel": size}}, "batch_norm"]}
        for n, size in enumerate([*sizes, 3])
    }
    paths = {**paths, **convs}
    body = {"branches": {"join": "add", "paths": paths}} if len(paths) > 1 else paths["c0"]
    spec = {"archdsl": 1, "name": "net", "input": [4, 8, 8], "backbone": {"a": body}}
    less = simpler(archdsl.loads(yaml.safe_dump(spec, sort_keys=False)))
    (node,) = less.nodes
    assert isinstance(node.op, Conv) and node.op.bias
    assert node.op.kernel == (max([3, *sizes]),) * 2


@pytest.mark.parametrize(
    ("input", "items"),
    [
        ([3, 16], [{"conv": {"out": 4, "kernel": 3}}, "batch_norm"]),
        ([3, 5, 6, 7], [{"conv": {"out": 4, "kernel": 3}}, "batch_norm"]),
        ([4, 6, 7], [{"conv_transpose": {"out": 6, "kernel": 2, "groups": 2}}, "batch_norm"]),
        ([4, 6, 7], [{"conv": {"out": 4, "kernel": 1}}, "layer_scale", {"scale": {"factor": 3}}]),
        ([4, 6, 7], [{"std_conv": {"out": 4, "kernel": 3, "gain": True}}, "batch_norm"]),
        ([5], [{"linear": {"out": 4}}, "dropout", "batch_norm"]),
    ],
)  # fmt: skip
def test_every_kind_of_layer_takes_what_follows_it(input: list[int], items: list[Any]) -> None:
    named = {f"i{n}": item for n, item in enumerate(items)}
    spec = {"archdsl": 1, "name": "net", "input": input, "backbone": named}
    (node,) = simpler(archdsl.loads(yaml.safe_dump(spec, sort_keys=False))).nodes
    assert node.id == "i0" and node.op.verb in ("conv", "conv_transpose", "linear")


def test_results_that_become_one_keep_their_names_and_the_input_is_never_one() -> None:
    text = """
archdsl: 1
name: net
input: [3, 8, 8]
backbone: {a: dropout, b: {conv: {out: 4, kernel: 3}}, c: batch_norm, d: {dropout: {}, from: c}}
outputs: {first: a, one: c, other: d}
"""
    less = simpler(archdsl.loads(text))
    assert less.outputs == {"first": "a", "one": "b", "other": "b"}


def test_a_norm_is_folded_only_where_nothing_else_reads_its_convolution() -> None:
    text = """
archdsl: 1
name: net
input: [3, 8, 8]
backbone:
  a: {conv: {out: 4, kernel: 3}}
  b: batch_norm
  c: {conv: {out: 4, kernel: 3}, from: a}
  d: batch_norm
  e: relu
  f: {add: {}, from: [b, e]}
"""
    less = simpler(archdsl.loads(text))
    assert [node.id for node in less.nodes] == ["a", "b", "c", "e", "f"]


def test_a_module_that_is_applied_again_is_folded_if_the_same_norm_follows_each_time() -> None:
    text = """
archdsl: 1
name: net
input: [4, 8, 8]
blocks:
  head: {body: {conv: {conv: {out: 4, kernel: 3}}, bn: batch_norm, act: relu}}
backbone: {a: {head: {}, repeat: 2, shared: true}}
"""
    assert verbs(simpler(archdsl.loads(text))) == {"conv": 2, "relu": 2}


def test_repvgg_becomes_one_convolution_a_block() -> None:
    graph = of_gallery("repvgg_a0")
    less, _ = simplify(graph, state_of(graph))
    assert verbs(less) == {
        "conv": 22, "relu": 22, "global_avg_pool": 1, "flatten": 1, "linear": 1
    }  # fmt: skip
    assert all(n.op.kernel == (3, 3) for n in less.nodes if isinstance(n.op, Conv))


def test_side_results_and_what_leads_to_them_are_left_out() -> None:
    graph = of_gallery("googlenet")
    less, state = simplify(graph, state_of(graph))
    assert verbs(less) == {
        "conv": 57, "relu": 57, "max_pool": 13, "concat": 9, "global_avg_pool": 1, "flatten": 1,
        "linear": 1,
    }  # fmt: skip
    assert not [key for key in state if key.startswith("aux")]
