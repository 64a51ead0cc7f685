"""The classes of emitted source: which uses of a block they serve, and what they are made of."""

import re
from dataclasses import replace

import pytest
import torch

import archdsl
from tests.fuzz.promised import wrong_shapes
from tests.interpret import run
from tests.support import graph_of

STAGE = """
    blocks:
      unit:
        params: {width: int, stride: 1}
        body: {conv: {conv: {out: width, kernel: 3, stride: stride}}, bn: batch_norm}
      stage:
        params: {width: int, n: int, stride: 2}
        body: BODY
    backbone:
      layer1: {stage: {width: 8, n: 3, stride: 1}}
      layer2: {stage: {width: 16, n: FEW}}
      layer3: {stage: {width: 16, n: 6}}
"""
STRIDE = "stride: int = 2"
BODIES = {
    "all alike": (
        "[{unit: {width: width}, repeat: n}]",
        "*(Unit(width, width) for _ in range(n - 1))",  # the first is given other channels
    ),
    "the first with a stride": (
        "{units: {unit: {width: width, stride: stride if first else 1}, repeat: n}}",
        "*(Unit(width, width) for _ in range(n - 1))",
    ),
    "after another": (
        "{down: {unit: {width: width}}, units: {unit: {width: width}, repeat: n - 1}}",
        "self.units = nn.Sequential(*(Unit(width, width) for _ in range(n - 1)))",
    ),
    "twice as often": (
        "{down: {unit: {width: width}}, units: {unit: {width: width}, repeat: 2 * n}}",
        "self.units = nn.Sequential(*(Unit(width, width) for _ in range(repeat)))",
    ),
    "a group of layers": (
        "{down: {unit: {width: width}}, units: {seq: [relu, {unit: {width: width}}], repeat: n}}",
        "*(nn.Sequential(nn.ReLU(inplace=True), Unit(width, width)) for _ in range(n))",
    ),
}


@pytest.mark.parametrize(("body", "written"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("few", [2, 4])
def test_a_count_is_an_argument_of_the_class(body: str, written: str, few: int) -> None:
    graph = graph_of(STAGE.replace("BODY", body).replace("FEW", str(few)))
    source = archdsl.emit(graph)
    assert source.count("class Stage") == 1 and written in source and " if " not in source
    assert_computes(graph)


def test_counts_inside_of_what_is_counted() -> None:
    units = "{unit: {width: width}, repeat: stride}"
    body = f"[{{conv: {{out: width, kernel: 1}}}}, {{seq: [relu, {units}], repeat: n}}]"
    graph = graph_of(STAGE.replace("BODY", body).replace("FEW", "4"))
    (signature,) = re.findall(r"class Stage.*?def __init__\((.*?)\)", archdsl.emit(graph), re.S)
    assert signature.split(", ") == ["self", "in_channels: int", "width: int", "n: int", STRIDE]
    assert_computes(graph)


@pytest.mark.parametrize("few", [0, 1])
@pytest.mark.parametrize("body", [BODIES["all alike"][0], BODIES["twice as often"][0]])
def test_a_use_may_have_no_or_one_copy(body: str, few: int) -> None:
    assert_computes(graph_of(STAGE.replace("BODY", body).replace("FEW", str(few))))


def test_copies_that_differ_in_one_use_are_told_apart() -> None:
    """The third layer is dilated in one of the stages, so that no count says how it is made."""
    body = "[{unit: {width: width, stride: 1 + stride // 2 * (i % 2)}, repeat: n}]"
    assert_computes(graph_of(STAGE.replace("BODY", body).replace("FEW", "5")))


def test_uses_that_keep_features_of_other_layers_are_no_use_of_one_class() -> None:
    """The second stage has no third layer, which the first calls one by one with the others."""
    assert_computes(
        graph_of("""
            blocks:
              stage:
                params: {more: bool}
                body:
                  convs:
                    seq:
                      - {conv: {out: C, kernel: 3}, tap: "t{C}"}
                      - {conv: {out: C, kernel: 5}}
                      - {conv: {out: C, kernel: 7}, if: more}
                  out: {add: {}, from: [convs, input]}
            backbone:
              stem: {conv: {out: 8, kernel: 3}}
              a: {stage: {more: true}}
              wide: {conv: {out: 16, kernel: 1}}
              b: {stage: {more: false}}
            outputs: {x: b, y: t8, z: t16}
        """)
    )


def test_numbered_layers_that_are_no_chain_are_a_list() -> None:
    graph = graph_of("""
        backbone:
          fine: {conv: {out: 4, kernel: 1}}
          coarse: {conv: {out: 4, kernel: 3, stride: 2}}
          paths:
            seq:
              - {conv: {out: 8, kernel: 1}, from: fine, tap: p1}
              - {conv: {out: 8, kernel: 3}, from: coarse, tap: p2}
        outputs: {p1: p1, p2: p2}
    """)
    source = archdsl.emit(graph)
    assert "self.paths = nn.ModuleList([" in source and "self.paths[1](" in source
    assert_computes(graph)


def test_a_name_with_a_dash_is_no_attribute_where_the_layers_are_no_chain() -> None:
    graph = graph_of("""
        backbone:
          block-1: {conv: {out: 4, kernel: 3}}
          block-2:
            seq:
              conv-1: {conv: {out: 4, kernel: 3}}
              sum: {add: {}, from: [conv-1, block-1]}
    """)
    source = archdsl.emit(graph)
    assert 'getattr(self, "block-2")(x)' in source
    assert_computes(graph)


@pytest.mark.parametrize("name", ["resnet20_cifar10", "googlenet", "regnet_y_400mf", "unet"])
def test_every_name_may_have_a_dash(name: str) -> None:
    graph = archdsl.load(name)
    assert wrong_shapes(dashed(graph)) == ""


def dashed(graph: archdsl.Graph) -> archdsl.Graph:
    """A network whose modules have names with a dash at the end, but for numbers."""

    def path(id: str) -> str:
        names = id.split(".") if id not in ("", "input") else []
        plain = (name.isdecimal() or name.startswith("_") for name in names)
        return ".".join(n if p else f"{n}-x" for n, p in zip(names, plain, strict=True)) or id

    return replace(
        graph,
        nodes=tuple(
            replace(n, id=path(n.id), inputs=tuple(map(path, n.inputs)), scope=path(n.scope))
            for n in graph.nodes
        ),
        scopes=tuple(replace(s, id=path(s.id), parent=path(s.parent)) for s in graph.scopes),
        outputs={name: path(id) for name, id in graph.outputs.items()},
        taps={name: path(id) for name, id in graph.taps.items()},
        aux={name: path(id) for name, id in graph.aux.items()},
        made=tuple(map(path, graph.made)),
    )


def assert_computes(graph: archdsl.Graph) -> None:
    """The module has the tensors of the graph, in order, and computes what it says."""
    module = archdsl.compile(graph).double().eval()
    assert list(module.state_dict()) == list(graph.state)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = run(graph, dict(module.state_dict()), x).values
    with torch.no_grad():
        given = module(x)
    for name, tensor in (given if isinstance(given, dict) else {"": given}).items():
        assert torch.allclose(tensor, values[graph.outputs[name]], rtol=0, atol=1e-9), name


def test_blocks_that_hold_one_another_by_their_arguments_are_classes_of_their_own() -> None:
    graph = graph_of("""
        blocks:
          a: {params: {act: item}, seq: [$act, tanh]}
          b: {params: {act: item}, seq: [$act, {conv: {kernel: 1}}]}
        backbone: [{a: {act: {b: {act: relu}}}}, {b: {act: {a: {act: relu}}}}, {a: {act: gelu}}]
    """)
    assert wrong_shapes(graph) == ""
    assert list(archdsl.compile(graph).state_dict()) == list(graph.state)
