"""Parameters, multiply-accumulates, activations and stages, against torch and hand-made numbers."""

from typing import Any

import pytest

import archdsl
from archdsl.analysis.cost import Cost, analyze
from archdsl.analysis.summary import summarize
from archdsl.graph.graph import Graph, Node
from archdsl.ops.conv import Conv
from archdsl.ops.tensor import TensorSpec


def graph_of(body: str, input: str = "[3, 8, 8]") -> Graph:
    return archdsl.loads(f"archdsl: 1\nname: tiny\ninput: {input}\n{body}")


def paths(graph: Graph, depth: int | None = None) -> list[str]:
    return [stage.path for stage in summarize(graph, depth).stages]


def what(graph: Graph) -> dict[str, str]:
    return {stage.path: stage.what for stage in summarize(graph).stages}


TINY = """
backbone:
  conv: {conv: {out: 4, kernel: 3, stride: 2}}
  bn: batch_norm
  relu: relu
  flatten: flatten
  fc: {linear: {out: 10}}
"""


def test_every_node_costs_what_its_formula_says() -> None:
    costs = analyze(graph_of(TINY)).costs
    assert costs["conv"] == Cost(
        nodes=1,
        parameters=4 * 3 * 3 * 3 + 4,
        buffers=0,
        macs=(4 * 4 * 4) * (3 * 3 * 3),  # output elements x inputs of each
        activations=4 * 4 * 4,
    )
    assert costs["bn"] == Cost(1, 4 + 4, 4 + 4 + 1, 0, 4 * 4 * 4)
    assert costs["relu"] == Cost(1, 0, 0, 0, 4 * 4 * 4)
    assert costs["fc"] == Cost(1, 64 * 10 + 10, 0, 64 * 10, 10)


def test_the_total_is_the_sum_of_the_nodes() -> None:
    analysis = analyze(graph_of(TINY))
    assert sum(analysis.costs.values(), Cost()) == analysis.total
    assert analysis.total.parameters == 112 + 8 + 650


def test_a_scope_costs_what_is_in_it_at_any_depth() -> None:
    graph = graph_of("""
backbone:
  stage:
    seq:
      a: {conv: {out: 3, kernel: 1, bias: false}}
      inner: {seq: {b: {conv: {out: 3, kernel: 1, bias: false}}, c: relu}}
  last: {conv: {out: 5, kernel: 1, bias: false}}
""")
    analysis = analyze(graph)
    assert analysis.costs["stage.inner"].parameters == 9
    assert analysis.costs["stage"].parameters == 18
    assert analysis.costs["stage"].nodes == 3
    assert analysis.total.parameters == 18 + 15
    assert analysis.outputs["stage"].shape == (3, 8, 8)
    assert analysis.outputs["last"].shape == (5, 8, 8)


def test_a_scope_gives_what_its_last_node_gives() -> None:
    graph = graph_of("""
backbone:
  stage: {seq: {inner: {seq: [{conv: {out: 4, kernel: 1}}]}, last: {conv: {out: 5, kernel: 1}}}}
  other: {seq: {first: {conv: {out: 6, kernel: 1}}, inner: {seq: [{conv: {out: 7, kernel: 1}}]}}}
""")
    outputs = analyze(graph).outputs
    assert outputs["stage"].channels == 5
    assert outputs["other"].channels == 7


SHARED = """
backbone:
  a: {conv: {out: 4, kernel: 3, bias: false}}
  b: {max_pool: {kernel: 2}}
head:
  head:
    seq:
      conv: {conv: {out: 2, kernel: 1, bias: false}}
      relu: relu
    each: [a, b]
    tap: boxes
outputs: {boxes: boxes}
"""


def test_shared_weights_count_once_and_their_work_every_time() -> None:
    analysis = analyze(graph_of(SHARED))
    first, again = analysis.costs["head"], analysis.costs["head@1"]
    assert (first.parameters, again.parameters) == (8, 0)
    assert (first.macs, again.macs) == (8 * 64, 8 * 16)
    assert analysis.total.parameters == 3 * 4 * 9 + 8


def test_shared_weights_are_said_to_be_shared() -> None:
    described = what(graph_of(SHARED))
    assert described["head"] == "conv, relu"
    assert described["head@1"] == "conv, relu (shared weights)"


AUX = """
backbone:
  a: {conv: {out: 4, kernel: 1, bias: false}}
  b: {conv: {out: 4, kernel: 1, bias: false}}
aux:
  side: {conv: {out: 7, kernel: 1, bias: false}, from: a}
"""


def test_what_only_training_needs_has_parameters_but_no_macs() -> None:
    analysis = analyze(graph_of(AUX))
    assert analysis.costs["side"] == Cost(1, parameters=4 * 7)
    assert analysis.total.macs == 64 * (3 * 4 + 4 * 4)
    assert analysis.total.parameters == 3 * 4 + 4 * 4 + 4 * 7


def test_what_only_a_tap_needs_is_no_part_of_the_network() -> None:
    graph = graph_of("""
backbone:
  a: {conv: {out: 4, kernel: 1, bias: false}}
  side: {conv: {out: 4, kernel: 1, bias: false}, from: input, tap: side}
  b: {conv: {out: 4, kernel: 1, bias: false}, from: a}
""")
    assert analyze(graph).total.parameters == 12 + 16
    assert analyze(graph.select({"side": "side"})).total.parameters == 12


# Parameters from the weights' documentation of torchvision (with the side classifiers, which it
# leaves out there), MACs from its `_ops`.
PUBLISHED = {
    "alexnet": (61_100_840, 0.714),
    "densenet121": (7_978_856, 2.834),
    "densenet161": (28_681_000, 7.728),
    "efficientnet_b0": (5_288_548, 0.386),
    "efficientnet_b3": (12_233_232, 1.827),
    "googlenet": (6_624_904 + 6_379_984, 1.498),
    "inception_v3": (23_834_568 + 3_326_696, 5.713),
    "mobilenet_v2": (3_504_872, 0.301),
    "resnet18": (11_689_512, 1.814),
    "resnet50": (25_557_032, 4.089),
    "resnext50_32x4d": (25_028_904, 4.230),
    "vgg16": (138_357_544, 15.470),
    "wide_resnet50_2": (68_883_240, 11.398),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_gallery_has_the_published_totals(name: str) -> None:
    total = analyze(archdsl.load(name)).total
    assert (total.parameters, round(total.macs / 1e9, 3)) == PUBLISHED[name]


@pytest.mark.parametrize("name", ["resnet18", "googlenet"])
def test_every_stage_costs_what_torch_counts_in_torchvisions_module(name: str) -> None:
    import torch
    import torchvision
    from torch.utils.flop_counter import FlopCounterMode

    options: dict[str, Any] = {"aux_logits": False} if name == "googlenet" else {}
    with torch.device("meta"):
        make = getattr(torchvision.models, name)
        module = make(init_weights=False, **options) if options else make()
        image = torch.empty(1, 3, 224, 224)
    sizes: dict[str, int] = {}
    for path, child in module.named_children():
        child.register_forward_hook(lambda _, __, y, path=path: sizes.__setitem__(path, y.numel()))
    with FlopCounterMode(display=False, depth=2) as counter:
        module.eval()(image)
    flops = counter.get_flop_counts()
    kind = type(module).__name__
    graph = archdsl.load(name)
    for stage in summarize(graph).stages:
        if stage.path in graph.aux:  # left out of this module of torchvision
            continue
        child = module.get_submodule(stage.path) if stage.path in sizes else None
        if child is None:  # a function in torchvision's forward
            assert stage.cost.parameters == stage.cost.macs == 0
            continue
        assert stage.cost.parameters == sum(p.numel() for p in child.parameters())
        assert stage.cost.buffers == sum(b.numel() for b in child.buffers())
        assert 2 * stage.cost.macs == sum(flops.get(f"{kind}.{stage.path}", {}).values())
        assert [spec.elements for spec in stage.outputs] == [sizes[stage.path]]


def test_torch_counts_attention_where_its_products_are_no_fused_kernel() -> None:
    """As docs/numbers.md says: always on the meta device, on a CPU never the two inner products."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    def counted(device: str, gradients: bool) -> float:
        with torch.device(device):
            module, image = archdsl.compile(graph).eval(), torch.zeros(2, 16, 8, 8)
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(gradients):
            module(image)
        return counter.get_total_flops() / 2 / 2

    graph = archdsl.loads("""
archdsl: 1
name: attentive
input: [16, 8, 8]
backbone: [tokens, {attention: {heads: 2}}]
""")
    tokens, channels = 64, 16
    projections, inner = 4 * tokens * channels**2, 2 * tokens**2 * channels
    assert analyze(graph).total.macs == projections + inner
    assert counted("meta", False) == counted("meta", True) == projections + inner
    assert counted("cpu", True) == projections
    assert counted("cpu", False) < projections


def test_resnet_is_shown_by_its_stages() -> None:
    assert paths(archdsl.load("resnet50")) == [
        "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4",
        "avgpool", "flatten", "fc",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0", "vgg16", "densenet121"])
def test_a_sequence_that_holds_most_of_the_network_is_opened(name: str) -> None:
    shown = paths(archdsl.load(name))
    assert "features" not in shown
    assert shown[0].startswith("features.")
    assert "classifier" in shown


def test_dense_blocks_and_repeats_stay_closed() -> None:
    described = what(archdsl.load("densenet121"))
    assert {path: text for path, text in described.items() if "denseblock" in path} == {
        "features.denseblock1": "dense_layer x 6",
        "features.denseblock2": "dense_layer x 12",
        "features.denseblock3": "dense_layer x 24",
        "features.denseblock4": "dense_layer x 16",
    }


def test_a_sequence_of_equal_blocks_stays_closed() -> None:
    equal, different = (
        graph_of(f"""
blocks: {{unit: {{params: {{out: C}}, seq: [{{conv: {{out: out, kernel: 1}}}}, relu]}}}}
backbone:
  stem: relu
  all: [{units}]
""")
        for units in ("{unit: {}}, {unit: {}}, {unit: {}}", "{unit: {}}, {unit: {out: 8}}")
    )
    assert what(equal) == {"stem": "relu", "all": "unit x 3"}
    assert paths(different) == ["stem", "all.0", "all.1"]


def test_a_block_stays_closed_however_large() -> None:
    graph = graph_of("""
blocks:
  body: {seq: [{conv: {out: 4, kernel: 1}}, relu, relu, relu]}
backbone: {all: {body: {}}, last: relu}
""")
    assert paths(graph) == ["all", "last"]
    assert what(graph)["all"] == "body"


@pytest.mark.parametrize(("depth", "rows"), [(1, 11), (2, 4 + 8 + 3), (99, 61)])
def test_a_depth_opens_that_many_names(depth: int, rows: int) -> None:
    assert len(paths(archdsl.load("resnet18"), depth)) == rows


@pytest.mark.parametrize("depth", [None, 1, 2, 3, 9])
@pytest.mark.parametrize("name", ["densenet121", "efficientnet_b0", "resnet50"])
def test_the_rows_add_up_to_the_total_at_every_depth(name: str, depth: int | None) -> None:
    summary = summarize(archdsl.load(name), depth)
    assert sum((stage.cost for stage in summary.stages), Cost()) == summary.total


def test_rows_stand_in_the_order_in_which_they_run() -> None:
    graph = graph_of(SHARED)
    assert paths(graph) == ["a", "b", "head", "head@1"]


def test_a_stage_is_described_by_its_blocks_or_ops() -> None:
    described = what(
        graph_of("""
blocks:
  unit: {params: {out: C}, seq: [{conv: {out: out, kernel: 1}}, relu]}
backbone:
  stem: {conv: {out: 6, kernel: 3}}
  one: {unit: {}}
  many: {unit: {}, repeat: 3}
  pair: [{conv: {out: 6, kernel: 1}}, relu]
  long: [relu, {conv: {out: 6, kernel: 1}}, relu, {max_pool: {kernel: 2}}, sigmoid]
  mixed: [{unit: {}}, {unit: {}}, relu]
  around: {residual: {body: [relu]}}
""")
    )
    assert described == {
        "stem": "3x3 conv, 6",
        "one": "unit",
        "many": "unit x 3",
        "pair": "conv, relu",
        "long": "relu x 2, conv, 2 more",
        "mixed": "unit x 2, relu",
        "around": "residual",
    }


def test_the_copies_of_a_block_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the time for a deep network is that of walking it."""
    calls: list[Any] = []
    formula = Conv.macs
    monkeypatch.setattr(Conv, "macs", lambda self, *x: calls.append(x) or formula(self, *x))
    unit = "blocks: {unit: {seq: {conv: {conv: {kernel: 3}}}}}"
    graph = graph_of(f"{unit}\nbackbone: {{many: {{unit: {{}}, repeat: 1_000}}}}", "[4, 8, 8]")
    assert analyze(graph).total.macs == 1_000 * (4 * 8 * 8) * (4 * 9)
    assert len(calls) <= 2  # of the first and of all behind one


def test_one_op_on_other_shapes_costs_otherwise() -> None:
    op = Conv(kernel=(3, 3), out=4, stride=(1, 1), padding="valid", dilation=(1, 1))
    large, middle, small = TensorSpec((4, 8, 8)), TensorSpec((4, 6, 6)), TensorSpec((4, 4, 4))
    weights = op.weights(large)
    first = Node("a", op, ("input",), middle, weights, op.cost(weights, middle, [large]), "")
    second = Node("b", op, ("a",), small, weights, op.cost(weights, small, [middle]), "")
    costs = analyze(Graph("pair", large, (first, second), (), {"": "b"})).costs
    assert costs["a"].macs == (4 * 6 * 6) * (4 * 9)
    assert costs["b"].macs == (4 * 4 * 4) * (4 * 9)
