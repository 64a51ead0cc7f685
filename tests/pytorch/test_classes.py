"""The classes of emitted source: one for each block of the spec, with the block's own words."""

import ast
import re
from dataclasses import replace
from typing import Any

import pytest
import torch

import archdsl
from archdsl.language.gallery import names
from archdsl.pytorch.running import import_source
from tests import built
from tests.examples import some
from tests.fuzz.promised import wrong_shapes
from tests.interpret import run
from tests.support import graph_of

UNIT = """
    blocks:
      unit:
        doc: Two of them make a stage.
        params: {width: int, stride: 1, gated: false, act: relu, inner: width // 2}
        residual:
          when: stride == 1 and C == width
          body:
            conv1: {conv: {out: inner, kernel: 1}}
            act: $act
            conv2: {conv: {out: width, kernel: 3, stride: stride}}
            gate: {squeeze_excite: {squeeze: C // 4}, if: gated}
      stage:
        params: {width: int, n: int}
        body: [{unit: {width: width, stride: 2 if first else 1}, repeat: n}]
    backbone:
      a: {stage: {width: 8, n: 3}}
      b: {stage: {width: 16, n: 2}}
      c: {unit: {width: 16, act: {leaky_relu: {slope: 0.2}}}}
"""


def classes(source: str) -> dict[str, str]:
    """The source of every class by name."""
    found = ast.parse(source).body
    return {n.name: ast.unparse(n) for n in found if isinstance(n, ast.ClassDef)}


def test_a_class_has_its_blocks_parameters_conditions_and_words() -> None:
    found = classes(archdsl.emit(graph_of(UNIT)))
    assert list(found)[:3] == ["SqueezeExcite", "Unit", "Stage"]
    signature = re.search(r"__init__\((.*?)\) ->", found["Unit"])
    assert signature is not None
    assert signature[1].split(", ", 1)[1] == (
        "in_channels: int, width: int, stride: int=1, gated: bool=False, "
        "act: Callable[..., nn.Module]=partial(nn.ReLU, inplace=True), inner: int | None=None"
    )
    assert "self.joins = stride == 1 and in_channels == width" in found["Unit"]
    assert "if inner is None:\n            inner = width // 2" in found["Unit"]
    assert "SqueezeExcite(width, width // 4) if gated else nn.Identity()" in found["Unit"]
    assert "Two of them make a stage." in found["Unit"]
    assert "for i in range(n)" in found["Stage"] and "2 if i == 0 else 1" in found["Stage"]


def test_a_class_can_be_called_as_no_use_of_the_network_does() -> None:
    namespace: Any = import_source(archdsl.emit(graph_of(UNIT)), "net")
    x = torch.zeros(1, 8, 8, 8)
    assert namespace.Unit(8, 24, stride=2, gated=True, act=torch.nn.Tanh)(x).shape == (1, 24, 4, 4)
    assert namespace.Stage(8, 12, n=5)(x).shape == (1, 12, 4, 4)


@pytest.mark.parametrize("name", some(names(), 2))
def test_no_class_has_a_number_behind_its_name_or_is_there_twice(name: str) -> None:
    graph, source = built.graph(name), built.source(name)
    found = classes(source)
    blocks = {scope.block for scope in graph.scopes if scope.block}
    plain = {re.sub("[_-]", "", block).lower() for block in blocks}
    assert "add_module" not in source and "getattr(" not in source
    numbered = [t for t in list(found)[:-1] if t[-1].isdecimal() and t.lower() not in plain]
    assert not [t for t in numbered if not t.endswith(("1d", "2d", "3d"))]
    bodies = [text.partition(":")[2] for text in found.values()]
    assert len(set(bodies)) == len(bodies)


def test_a_graph_from_json_has_a_class_for_each_structure() -> None:
    graph = archdsl.Graph.from_json(graph_of(UNIT).to_json())
    source = archdsl.emit(graph)
    assert "Read from a graph without its spec" in source
    assert len(set(classes(source).values())) == len(classes(source))
    assert_computes(graph)


ROLES = """
    input: [3, 6, 6]
    backbone:
      - conv: {out: 3, kernel: 1}
        tap: low
      - inline:
          - seq:
              crop1: {crop: {like: low}}
              conv2: {conv: {out: 3, kernel: 1}}
            each: [low, input]
          - add: {}
"""


NUMBERED = """
    input: [3, 8, 8]
    backbone:
      "0": {conv: {out: 8, kernel: 1}}
      "3.left.x": {conv: {out: 4, kernel: 1}}
      "3.left.y": {conv: {out: 4, kernel: 1}, from: "0"}
      "3.right.0": {conv: {out: 4, kernel: 1}, from: "3.left.x"}
      "5.1.left.x": {conv: {out: 4, kernel: 1}}
      sum: {add: {}, from: ["3.left.y", "5.1.left.x"]}
"""


def test_containers_under_numbers_are_the_same_with_the_spec_and_without() -> None:
    graph = graph_of(NUMBERED)
    for given in (graph, archdsl.Graph.from_json(graph.to_json())):
        assert "self['3'].left['x'](" in ast.unparse(ast.parse(archdsl.emit(given)))
        paths = dict.fromkeys(key.rpartition(".")[0] for key in archdsl.compile(given).state_dict())
        assert list(paths) == ["0", "3.left.x", "3.left.y", "3.right.0", "5.1.left.x"]


def test_what_is_one_value_in_one_use_of_a_module_is_two_in_another() -> None:
    graph = archdsl.Graph.from_json(graph_of(ROLES).to_json())
    assert_computes(graph)


LEARNED = """
    input: [4, 6, 6]
    backbone:
      - batch_norm: {init: zeros}
      - batch_norm: {affine: false}
      - batch_norm: {init: zeros}
"""


@pytest.mark.parametrize("alone", [False, True])
def test_a_norm_that_learns_nothing_has_no_start(alone: bool) -> None:
    graph = graph_of(LEARNED)
    module = archdsl.compile(archdsl.Graph.from_json(graph.to_json()) if alone else graph)
    assert [p.unique().tolist() for p in module.parameters()] == [[0.0]] * 4


NEVER = """
    input: [3, 8, 8]
    backbone: [flatten, unit, unit: {wide: false}]
    blocks:
      unit:
        params: {wide: false}
        body:
          - linear: {out: C}
          - VERB
            if: wide
"""
WINDOWS = [
    "conv: {out: C, kernel: 3}", "conv_transpose: {out: C, kernel: 3}", "global_max_pool: {}",
    "max_pool: {kernel: 3}", "adaptive_max_pool: {size: 1}", "global_avg_pool: {}",
    "resize: {scale: 2}", "pad: {border: 1}", "crop: {size: 1}", "pixel_shuffle: {factor: 2}",
]  # fmt: skip


@pytest.mark.parametrize("verb", WINDOWS)
def test_what_never_runs_need_not_be_possible(verb: str) -> None:
    assert_computes(graph_of(NEVER.replace("VERB", verb)))


@pytest.mark.parametrize("name", ["resnet20_cifar10", "googlenet", "regnet_y_400mf", "unet"])
def test_every_name_may_have_a_dash(name: str) -> None:
    assert wrong_shapes(dashed(archdsl.load(name))) == ""


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


CASES = {
    "a part left out in one use": """
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
    """,
    "numbered layers that are no chain": """
        backbone:
          fine: {conv: {out: 4, kernel: 1}}
          coarse: {conv: {out: 4, kernel: 3, stride: 2}}
          paths:
            seq:
              - {conv: {out: 8, kernel: 1}, from: fine, tap: p1}
              - {conv: {out: 8, kernel: 3}, from: coarse, tap: p2}
        outputs: {p1: p1, p2: p2}
    """,
    "a name with a dash": """
        backbone:
          block-1: {conv: {out: 4, kernel: 3}}
          block-2:
            seq:
              conv-1: {conv: {out: 4, kernel: 3}}
              sum: {add: {}, from: [conv-1, block-1]}
    """,
    "a third turn that is dilated": """
        blocks:
          unit:
            params: {width: int, stride: 1}
            body: {conv: {conv: {out: width, kernel: 3, stride: stride}}, bn: batch_norm}
          stage:
            params: {width: int, n: int, stride: 2}
            body: [{unit: {width: width, stride: 1 + stride // 2 * (i % 2)}, repeat: n}]
        backbone:
          layer1: {stage: {width: 8, n: 3, stride: 1}}
          layer2: {stage: {width: 16, n: 1}}
          layer3: {stage: {width: 16, n: 0}}
    """,
}


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_what_is_written_is_computed(text: str) -> None:
    assert_computes(graph_of(text))


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
