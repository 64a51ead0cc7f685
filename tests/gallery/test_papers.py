"""The papers' own numbers: where a spec or a change of its parameters gives them, and where not.

`docs/differences.md` has the reasons of those that differ from the reference that a spec follows.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archdsl
from archdsl.analysis.cost import node_costs
from archdsl.graph.graph import Graph
from archdsl.language import gallery

ZERO_PADDING = {"shortcut": "zero_padding"}
PLAIN = {"channels": 16, "compression": 1}


def parameters(graph: Graph, without: tuple[str, ...] = ()) -> int:
    """How many there are, but for those of some ops and of results in training only."""
    keys = {key: weight for node in graph.nodes if node.op.verb not in without
            for key, weight in graph.weights(node)}  # fmt: skip
    sides = tuple(f"{id.split('.')[0]}." for id in graph.aux.values())
    counted = (w for k, w in keys.items() if w.kind == "parameter" and not k.startswith(sides))
    return sum(weight.elements for weight in counted)


def macs(spec: str, params: dict[str, Any] | None = None, **scale: Any) -> int:
    return archdsl.analyze(spec, params=params, scale=scale).total.macs


@pytest.mark.parametrize(
    ("depth", "exact", "paper"),
    [
        (20, 269_722, "0.27"),
        (32, 464_154, "0.46"),
        (44, 658_586, "0.66"),
        (56, 853_018, "0.85"),
        (110, 1_727_962, "1.7"),
        (1202, 19_421_274, "19.4"),
    ],
)
def test_resnets_for_cifar_have_the_papers_counts_with_shortcuts_without_weights(
    depth: int, exact: int, paper: str
) -> None:
    """He et al. 2016, table 6, option A."""
    graph = archdsl.load("resnet20_cifar10", params={"depth": depth, **ZERO_PADDING})
    assert parameters(graph) == exact
    assert f"{exact / 1e6:.{len(paper.partition('.')[2])}f}" == paper


@pytest.mark.parametrize(
    ("layers", "params", "exact", "paper"),
    [
        (12, PLAIN, 1_019_722, "1.0"),
        (32, PLAIN, 6_979_642, "7.0"),
        (32, {**PLAIN, "growth": 24}, 27_249_082, "27.2"),
        (16, {"bottleneck": 4}, 769_162, "0.8"),
        (41, {"bottleneck": 4, "growth": 24}, 15_324_406, "15.3"),
        (31, {"bottleneck": 4, "growth": 40}, 25_624_430, "25.6"),
    ],
)
def test_densenets_for_cifar_have_the_papers_counts(
    layers: int, params: dict[str, Any], exact: int, paper: str
) -> None:
    """Huang et al. 2017, table 2: depths 40, 100, 100; with bottlenecks 100, 250, 190."""
    graph = archdsl.load("densenet40_k12_cifar10", params={**params, "layers": [layers] * 3})
    assert parameters(graph) == exact
    assert f"{exact / 1e6:.1f}" == paper


@pytest.mark.parametrize(
    ("spec", "ours", "papers", "cut"),
    [
        ("resnet50", 4_089_184_256, 3_857_973_248, 3.8),
        ("resnet101", 7_801_405_440, 7_570_194_432, 7.5),
        ("resnet152", 11_513_626_624, 11_282_415_616, 11.2),
    ],
)
def test_strides_in_the_first_convolution_give_the_papers_macs(
    spec: str, ours: int, papers: int, cut: float
) -> None:
    """He et al. 2016, table 1, prints 3.8, 7.6 and 11.3 billion."""
    assert macs(spec) == ours
    assert macs(spec, {"stride_first": True}) == papers
    assert papers // 10**8 / 10 == cut


@pytest.mark.parametrize(
    ("spec", "without", "exact"),
    [
        ("vgg11", (), 132_863_336),
        ("vgg16", (), 138_357_544),
        ("preresnet1001_cifar10", ("batch_norm",), 10_178_490),
        ("mobilenet_v2", ("batch_norm",), 3_470_760),
        ("mobilenet_v2_w140", ("batch_norm",), 6_060_840),
        ("mobilenet_v2_w035", ("batch_norm",), 1_663_048),
        ("googlenet_paper", (), 6_998_552),
        ("googlenet", (), 6_624_904),
        ("inception_v3", (), 23_834_568),
        ("densenet264", (), 33_337_704),
        ("efficientnet_b2", (), 9_109_994),
    ],
)
def test_counts_by_the_papers_rules(spec: str, without: tuple[str, ...], exact: int) -> None:
    """Without batch norm, or without the side classifiers."""
    assert parameters(archdsl.load(spec), without) == exact


@pytest.mark.parametrize(("resolution", "paper"), [(224, 569), (192, 418), (160, 290), (128, 186)])
def test_mobilenets_multipliers_give_the_papers_macs(resolution: int, paper: int) -> None:
    """Howard et al. 2017, table 7, in millions."""
    assert round(macs("mobilenet_w1", resolution=resolution / 224) / 1e6) in (paper, paper + 1)


@pytest.mark.parametrize(("width", "paper"), [(1.0, 569), (0.75, 325), (0.5, 149), (0.25, 41)])
def test_mobilenets_widths_give_the_papers_macs(width: float, paper: int) -> None:
    """Howard et al. 2017, table 6, in millions."""
    assert int(macs("mobilenet_w1", width=width) / 1e6 + 0.5) == paper


# every row of the page, with those of its numbers that follow from specs


def counted(*specs: str, without: tuple[str, ...] = (), **params: Any) -> str:
    """Parameters as the page has them: `269,722, 853,018`."""
    graphs = (archdsl.load(spec, params=params) for spec in specs)
    return ", ".join(f"{parameters(graph, without):,}" for graph in graphs)


def giga(*specs: str, only: str = "", **params: Any) -> str:
    """MACs as the page has them: `3.858, 7.570 G`; with `only`, those of one op."""
    found = []
    for spec in specs:
        graph = archdsl.load(spec, params=params)
        costs = node_costs(graph)
        nodes = (node for node in graph.nodes if only in ("", node.op.verb))
        found.append(f"{sum(costs[node.id].macs for node in nodes) / 1e9:.3f}")
    return ", ".join(found) + " G"


def widths(spec: str, *ids: str) -> tuple[int, ...]:
    graph = archdsl.load(spec)
    return tuple(graph.spec(id).channels for id in ids)


def with_a_separable_stem() -> str:
    """GoogLeNet as its table has it: 2.7 K parameters and 34 M MACs in the first row."""
    net = archdsl.loads("""
archdsl: 1
extends: googlenet_paper
name: googlenet_separable
blocks:
  stem:
    body:
      wide: {conv: {out: 24, kernel: 7, stride: 2, groups: 3, bias: false}}
      deep: {conv: {out: 64, kernel: 1, bias: false}, tap: c1}
      maxpool1: {max_pool: {kernel: 3, stride: 2, ceil: true}}
      conv2: {basic_conv: {out: 64}}
      conv3: {basic_conv: {out: 192, kernel: 3}, tap: c2}
      maxpool2: {max_pool: {kernel: 3, stride: 2, ceil: true}}
""")
    cost = archdsl.analyze(net)
    first = cost.costs["wide"] + cost.costs["deep"]
    assert (first.parameters, first.macs // 10**6) == (2_712, 34)
    return f"{cost.total.macs / 1e9:.3f} G"


def with_statistics(spec: str) -> str:
    state = archdsl.load(spec).state.items()
    return f"{sum(w.elements for key, w in state if not key.endswith('tracked')):,}"


RESNETS = ("resnet50", "resnet101", "resnet152")
CIFAR = ("resnet20_cifar10", "resnet56_cifar10", "resnet110_cifar10")
ROWS: list[tuple[str, Callable[[], tuple[str, ...]]]] = [
    ("AlexNet", lambda: (counted("alexnet"), counted("alexnet_paper"))),
    ("VGG-16, 19", lambda: (giga("vgg16", "vgg19"), giga("vgg16", only="conv"))),
    ("ResNet-50, 101, 152", lambda: (giga(*RESNETS), giga(*RESNETS, stride_first=True))),
    ("ResNet-34", lambda: (giga("resnet34"),)),
    ("ResNet-20, 56, 110 (CIFAR-10)", lambda: (counted(*CIFAR), counted(*CIFAR, **ZERO_PADDING))),
    ("ResNet-1001, pre-activation", lambda: (
        counted("preresnet1001_cifar10"),
        counted("preresnet1001_cifar10", without=("batch_norm",)),
    )),
    ("GoogLeNet", lambda: (counted("googlenet_paper"),)),
    ("GoogLeNet", lambda: (giga("googlenet_paper"), with_a_separable_stem())),
    ("BN-Inception", lambda: tuple(
        str(width) for width in widths("inception_v2", "inception4d._concat", "inception4e._concat")
    )),
    ("Inception-v3", lambda: (counted("inception_v3"),)),
    ("Inception-v4", lambda: (counted("inception_v4"),)),
    ("DenseNet-169, 264", lambda: (
        giga("densenet169"), counted("densenet264"), giga("densenet264"),
    )),
    ("DenseNet-40, k = 12 (CIFAR-10)", lambda: (
        counted("densenet40_k12_cifar10"), counted("densenet40_k12_cifar10", **PLAIN),
    )),
    ("MobileNet 0.75", lambda: (f"{macs('mobilenet_w3d4'):,}",)),
    ("MobileNetV2", lambda: (
        counted("mobilenet_v2", "mobilenet_v2_w140"),
        counted("mobilenet_v2", without=("batch_norm",)),
    )),
    ("RegNetX-400MF", lambda: (
        counted("regnet_x_400mf"), counted("regnet_x_400mf", widths=[32, 64, 160, 384]),
    )),
    ("EfficientNet-B2", lambda: (counted("efficientnet_b2"), with_statistics("efficientnet_b2"))),
    ("EfficientNet-B1, B4, B5, B7", lambda: (giga(*(f"efficientnet_b{n}" for n in (1, 4, 5, 7))),)),
]  # fmt: skip
PAGE = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("| --- | --- | --- | --- |\n")[2].partition("\n\n")[0].splitlines()


def test_every_row_of_the_page_is_computed() -> None:
    first = [line.split(" | ")[0].removeprefix("| ") for line in TABLE]
    assert [cell.partition(" (`")[0] for cell in first] == [name for name, _ in ROWS]


def test_every_row_of_the_page_names_networks_of_the_gallery() -> None:
    for line in TABLE:
        named = re.findall(r"`(\w+)`", line.split(" | ")[0])
        assert named and {*named} <= {*gallery.every()}


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[name for name, _ in ROWS])
def test_a_row_of_the_page_has_the_numbers_that_are_computed(number: int) -> None:
    ours = TABLE[number].split(" | ", 2)[2]
    for computed in ROWS[number][1]():
        assert computed in ours
