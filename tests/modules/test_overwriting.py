"""Who writes over its input: one rule, which the source says and PyTorch's allocations show."""

import pytest
import torch
from hypothesis import given
from torch import nn

import archdsl
from archdsl.analysis.memory import memory
from archdsl.graph.graph import Graph
from archdsl.modules.overwriting import overwriting
from tests import built
from tests.allocations import peak_of_inference, saved_by_training
from tests.examples import pairs
from tests.random_specs import specs
from tests.support import graph_of
from tests.test_random_specs import Reading, load, random_specs


def flagged(module: nn.Module) -> set[str]:
    """The modules that say of themselves that they write over their input."""
    return {name for name, part in module.named_modules() if getattr(part, "inplace", None) is True}


def ruled(graph: Graph) -> set[str]:
    """The same by the rule; additions are no modules."""
    over = overwriting(graph)
    return {node.path for node in graph.nodes if node.id in over and node.op.verb != "add"}


def parent(path: str) -> str:
    return path.rpartition(".")[0]


def check_allocations(graph: Graph) -> None:
    """Holds memory to what PyTorch allocates, to the byte but for what libraries keep for them."""
    module, expected = archdsl.compile(graph), memory(graph, batch=2)
    images = torch.randn(2, *graph.input.shape)
    assert expected.peak == pytest.approx(peak_of_inference(module, images), rel=0.01)
    assert expected.saved == pytest.approx(saved_by_training(module, images), rel=0.01)


@pytest.mark.parametrize("name", built.quick())
def test_the_source_of_the_gallery_says_what_the_rule_says(name: str) -> None:
    graph = built.graph(name)
    said, rule = flagged(built.module(name)), ruled(graph)
    looped = said - rule  # one module of a loop for several nodes: it has a name of its own
    assert looped.isdisjoint(node.path for node in graph.nodes)
    assert {parent(path) for path in looped} == {parent(path) for path in rule - said}


@random_specs
@given(specs())
def test_the_source_of_random_specs_says_what_the_rule_says(reading: Reading) -> None:
    graph = load(reading[0])
    assert flagged(archdsl.compile(graph)) == ruled(graph)


ACTIVATIONS = [
    "relu", "relu6", "{leaky_relu: {slope: 0.1}}", "{leaky_relu: {slope: -0.1}}",
    "{leaky_relu: {slope: 0}}", "{elu: {alpha: 0.5}}", "{elu: {alpha: -0.5}}", "silu", "mish",
    "hard_swish", "hard_sigmoid", "prelu", "gelu", "sigmoid", "tanh", "softmax",
]  # fmt: skip
BEFORE = [
    "{conv: {out: 8, kernel: 3}}", "{conv_transpose: {out: 8, kernel: 3, padding: 1}}",
    "batch_norm", "layer_norm", "{group_norm: {groups: 2}}", "relu", "{leaky_relu: {slope: 0.2}}",
    "{max_pool: {kernel: 3, stride: 1, padding: 1}}", "{crop: {size: 12}}", "{scale: {factor: 2}}",
]  # fmt: skip


@pytest.mark.parametrize(("before", "activation"), pairs(BEFORE, ACTIVATIONS, 3))
def test_an_activation_takes_what_pytorch_allocates(before: str, activation: str) -> None:
    graph = graph_of(f"""
input: [8, 16, 16]
backbone:
  first: {{conv: {{out: 8, kernel: 3}}}}
  before: {before}
  activation: {activation}
  last: {{conv: {{out: 4, kernel: 1}}}}
""")
    check_allocations(graph)


def test_a_negative_slope_has_memory_of_its_own() -> None:
    """An image of 3 channels, 64 maps before and 64 behind: 131 maps of 64x64 numbers."""
    spec = """
params: {slope: SLOPE}
input: [3, 64, 64]
backbone:
  conv1: {conv: {out: 64, kernel: 3}}
  act1: {leaky_relu: {slope: slope}}
  conv2: {conv: {out: 4, kernel: 1}}
"""
    positive, negative = (graph_of(spec.replace("SLOPE", slope)) for slope in ("0.1", "-0.1"))
    assert memory(negative).peak == 4 * 64 * 64 * (3 + 64 + 64)
    assert memory(positive).peak == 4 * 64 * 64 * (3 + 64 + 4)
    assert overwriting(positive) == {"act1"}
    assert overwriting(negative) == frozenset()
    check_allocations(positive)
    check_allocations(negative)


def test_what_a_place_of_the_spec_writes_holds_for_every_copy() -> None:
    """One class stands for both blocks, and the second may not: its sum is used again."""
    graph = graph_of("""
input: [8, 16, 16]
blocks:
  unit:
    params: {again: bool}
    body:
      conv: {conv: {kernel: 3}}
      act: relu
      _same: {add: {}, from: [act, conv], if: again}
backbone:
  a: {unit: {again: false}}
  b: {unit: {again: true}}
""")
    assert overwriting(graph) == frozenset()
    check_allocations(graph)


@pytest.mark.parametrize("item", ["conv: {kernel: 2", "max_pool: {kernel: 3, stride: 1"])
def test_the_border_of_tensorflow_is_a_copy_that_training_keeps(item: str) -> None:
    graph = graph_of(f"""
input: [8, 16, 16]
backbone: [{{conv: {{out: 8, kernel: 3}}}}, {{{item}, padding: same}}}}, {{conv: {{kernel: 1}}}}]
""")
    check_allocations(graph)


def test_what_nothing_learns_from_is_not_kept() -> None:
    graph = graph_of("""
input: [8, 16, 16]
backbone:
  pool: {max_pool: {kernel: 2}}
  gate: sigmoid
  conv: {conv: {kernel: 3}}
  both: {multiply: {}, from: [conv, gate]}
""")
    assert memory(graph).saved == 4 * 8 * 8 * 8  # the gate, which is the convolution's input too
    check_allocations(graph)


def test_a_network_of_nothing_holds_its_image() -> None:
    assert memory(graph_of("input: [3, 8, 8]\nbackbone: []")).peak == 4 * 3 * 8 * 8


def test_a_sum_writes_over_its_first_map_only_where_that_has_the_size_of_the_sum() -> None:
    """The gate of 1x1 is added everywhere; behind it there is no room for the sum."""
    graph = graph_of("""
input: [8, 16, 16]
backbone:
  gated: {gated: {}}
  last: {conv: {out: 4, kernel: 1}}
blocks:
  gated:
    branches:
      join: add
      paths: {gate: {seq: [global_avg_pool, {conv: {kernel: 1}}]}, map: {conv: {kernel: 1}}}
""")
    assert overwriting(graph) == frozenset()
    check_allocations(graph)


def test_a_shortcut_under_a_condition_is_added_in_place() -> None:
    graph = graph_of("""
input: [8, 16, 16]
backbone: {a: {unit: {out: 8}}, b: {unit: {out: 16}}}
blocks:
  unit:
    params: {out: int}
    residual: {when: out == C, body: {conv: {conv: {out: out, kernel: 3}}}}
""")
    assert overwriting(graph) == {"a._add"}
    assert "if self.joins:\n            out += x\n" in archdsl.emit(graph)
    check_allocations(graph)


def test_two_maps_that_a_block_is_given_are_added_in_place() -> None:
    graph = graph_of("""
input: [8, 16, 16]
backbone:
  a: {conv: {out: 64, kernel: 3}}
  b: {conv: {out: 64, kernel: 3}}
  c: {pair: {}, from: [b, a]}
  d: {conv: {out: 4, kernel: 1}}
blocks: {pair: {inputs: [x, y], body: {both: {add: {}, from: [x, y]}}}}
""")
    assert overwriting(graph) == {"c.both"}
    check_allocations(graph)


def test_what_lies_at_a_key_with_dots_goes_when_the_last_op_has_read_it() -> None:
    """`convs` is a container, no part that is handed anything."""
    graph = graph_of("""
input: [64, 16, 16]
backbone:
  convs.0: {conv: {out: 64, kernel: 3}}
  bns.0: batch_norm
  convs.1: {conv: {out: 64, kernel: 3}}
  bns.1: batch_norm
  convs.2: {conv: {out: 64, kernel: 3}}
""")
    check_allocations(graph)


@pytest.mark.parametrize("learns", [False, True])
def test_what_is_kept_of_three_factors_and_of_a_norm_depends_on_what_learns(learns: bool) -> None:
    graph = graph_of(f"""
input: [8, 16, 16]
backbone:
  x: {{{"conv: {kernel: 1}" if learns else "max_pool: {kernel: 1}"}}}
  gate: global_avg_pool
  norm: {{rms_norm: {{}}, from: x}}
  product: {{multiply: {{}}, from: [gate, x, norm]}}
  last: {{conv: {{out: 4, kernel: 1}}}}
""")
    check_allocations(graph)
