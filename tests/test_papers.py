"""The papers' own numbers: where a spec or a change of its parameters gives them, and where not.

`docs/differences.md` has the reasons of those that differ from the reference that a spec follows.
"""

from pathlib import Path
from typing import Any

import pytest

import archdsl
from archdsl.graph import Graph

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


def test_pages_say_what_these_tests_compute() -> None:
    page = Path(__file__).parents[1] / "docs" / "differences.md"
    text = page.read_text(encoding="utf-8")
    for number in (269_722, 853_018, 1_727_962, 1_019_722, 10_178_490, 3_470_760, 6_998_552):
        assert f"{number:,}" in text
