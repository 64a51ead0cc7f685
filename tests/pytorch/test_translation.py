"""What is written is the spec's own classes; numbers where it must be, and rarely."""

from textwrap import dedent

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archdsl
from archdsl.diagnostics.errors import Difference
from archdsl.graph.graph import Graph
from archdsl.pytorch.module import select_features
from archdsl.pytorch.proof import prove
from archdsl.pytorch.source import translate
from archdsl.pytorch.symbols import Fixed
from tests import built
from tests.examples import examples
from tests.random_specs import specs
from tests.support import graph_of
from tests.test_random_specs import EXAMPLES, Reading, load, random_specs

SHARE = 0.03  # of random specs, at most, that are written in numbers

OPENED = [
    "resnet18", "densenet40_k12_cifar10", "googlenet", "mobilenet_v2", "squeezenet1_1", "swin_t",
    "unet", "vgg11", "dla34", "convnext_tiny", "inception_v3", "shufflenet_v2_x1_0",
]  # fmt: skip


def reason(graph: Graph) -> str:
    """Why a graph cannot be translated; "" if it can."""
    built = graph.select(graph.outputs, graph.aux)
    try:
        prove(translate(built, "Net"), graph)
    except (Fixed, Difference) as error:
        return str(error) or "a value must be known"
    return ""


@pytest.mark.parametrize("name", built.quick())
def test_the_gallery_is_translated(name: str) -> None:
    if "every number is fixed" in built.source(name):
        pytest.fail(reason(built.graph(name)))


def test_random_specs_are_translated_but_for_a_few() -> None:
    reasons: list[str] = []

    @random_specs
    @given(specs())
    def look(reading: Reading) -> None:
        reasons.append(reason(load(reading[0])))

    look()
    found = [reason for reason in reasons if reason]
    assert len(reasons) > EXAMPLES / 2
    assert len(found) <= SHARE * len(reasons), found


@given(data=st.data())
@settings(max_examples=examples(12, 200), deadline=None, suppress_health_check=list(HealthCheck))
def test_what_lies_inside_of_parts_is_taken_out_of_the_specs_own_classes(
    data: st.DataObject,
) -> None:
    graph = built.graph(data.draw(st.sampled_from(OPENED)))
    inner = [node.id for node in graph.nodes if "@" not in node.id and node.name[0] != "_"]
    paths = data.draw(st.lists(st.sampled_from(inner), min_size=1, max_size=2, unique=True))
    assert reason(select_features(graph, paths)) == ""


DILATED = ["mobilenet_v2", "densenet121", "inception_v3", "tf_efficientnet_b0"]
OTHERS = ["efficientnet_b0", "regnet_y_400mf", "resnext50_32x4d", "xception", "cspresnet50",
          "dla34", "vgg16", "googlenet", "mnasnet1_0", "ghostnet_100", "convnext_tiny", "nfnet_f0",
          "shufflenet_v2_x1_0", "resnet50d", "resnetv2_50", "seresnet50"]  # fmt: skip


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize(
    "name", [*DILATED, *(pytest.param(n, marks=pytest.mark.slow) for n in OTHERS)]
)
def test_an_output_stride_keeps_the_specs_classes(name: str, stride: int) -> None:
    graph = archdsl.load(name, output_stride=stride)
    assert reason(graph) == ""
    source = translate(graph, "Net")
    windows = [getattr(node.op, "dilation", None) or (1,) for node in graph.nodes]
    dilated = any(max(window) > 1 for window in windows)  # all but VGG-16 at 16: its last pool
    assert ("dilate(" in source) is dilated and "num_classes: int" in source


def test_the_rest_of_a_cut_network_is_as_it_was() -> None:
    source = translate(select_features(built.graph("resnet50"), ["layer2.1.conv2"]), "Net")
    assert "self.layer1 = nn.Sequential(" in source and "for i in range(3)" in source
    assert "Bottleneck(" in source and "conv3=" not in source


SPECS = {
    "one module applied to its own result": """
        backbone:
          a: {conv: {out: 4, kernel: 1}}
          b: {seq: {c: {conv: {kernel: 3}}, d: relu}, repeat: 3, shared: true}
        """,
    "modules that are used again, in a block and in a list": """
        blocks:
          u: {body: {c: {conv: {kernel: 1}}, d: relu, e: {use: c}, f: {add: {}, from: [d, e]}}}
        backbone:
          r: {u: {}, repeat: 2}
          a: {u: {}}
          b: [{conv: {kernel: 3}}, relu, {use: "0"}, {use: "0"}]
          c: {use: a}
        """,
    "a use of what serves several": """
        backbone:
          a: {conv: {kernel: 3}}
          b: {seq: [{conv: {kernel: 3}, repeat: 2, shared: true}, relu], each: [a, input]}
          c: {use: b, from: "b[0]"}
          d: {use: a, from: c}
          e: {add: {}, from: [d, "b[1]"]}
        """,
    "texts with braces, inside of others": """
        blocks:
          u:
            params: {word: str, other: {type: str, default: "x{{y}}"}}
            body:
              c: {conv: {kernel: 1, out: "4 if other == 'x{y}' else 6"}}
              d: {v: {word: "{word}{{"}}
          v: {params: {word: str}, conv: {kernel: 1, out: "4 if word == 'a{1}{' else 6"}}
        backbone: {a: {u: {word: "a{{1}}"}}, b: {u: {word: "a{{{1}}}", other: "}}"}}}
        """,
    "results of a block that are used in another order": """
        blocks:
          two: {outputs: {low: c, high: d}, body: {c: relu6, d: {conv: {out: 4, kernel: 1}}}}
        backbone:
          a: {two: {}}
          b: {conv: {out: 3, kernel: 1}, from: "a[1]"}
          c: {add: {}, from: [b, "a[0]"]}
        outputs: {x: c, y: a.d}
        """,
    "one module on each of a list of any number, and a norm for each": """
        blocks:
          tower:
            inputs: ["*x"]
            body:
              conv: {conv: {kernel: 3, bias: false}, each: ["*x"]}
              "bn.{k}": {for: {k: range(len(x))}, batch_norm: {}, from: "conv[k]", as: "n[k]"}
              out: {conv: {out: 5, kernel: 1}, each: ["*n"]}
        backbone:
          a: {conv: {out: 4, kernel: 1}}
          b: {conv: {out: 4, kernel: 3, stride: 2}}
          c: {tower: {}, from: [a, b]}
        """,
    "borders of two sides that vary": """
        blocks:
          past: {params: {n: int}, body: [{pad: {border: [[n, 0], n + 1]}}, {conv: {kernel: 3}}]}
          line: {params: {n: int}, body: [{pad: {border: [n, 0]}}, {crop: {border: [0, n]}}]}
        backbone:
          a: {past: {n: 1}}
          b: {past: {n: 2}}
          c: {reshape: {shape: [3, -1]}}
          d: {line: {n: 1}}
          e: {line: {n: 2}}
        """,
    "each of what is no chain": """
        backbone:
          a: {conv: {out: 4, kernel: 1}}
          b: {conv: {out: 4, kernel: 1}}
          c:
            seq:
              left: {conv: {kernel: 3}}
              _both: {add: {}, from: [left, left]}
              right: {residual: {body: [{conv: {kernel: 3}}, relu]}}
            each: [a, b]
          d: add
        """,
    "a flow of another rank under a parameter": """
        params: {flat: true}
        backbone:
          a: {global_avg_pool: {}, if: flat}
          b: {flatten: {}, if: flat}
          c: {linear: {out: 4}, if: flat}
        """,
    "a size under a parameter, which a condition asks for": """
        params: {small: true}
        backbone:
          a: {resize: {size: 4}, if: small}
          b: {conv: {kernel: 3}, if: H == 4}
        """,
    "a path into what is a chain": """
        backbone:
          a: {seq: {b: {seq: {c: relu, d: {conv: {kernel: 3}}}}, e: relu}}
          f: {add: {}, from: [a.b, a.e]}
        """,
    "a tap in what is a chain": """
        backbone:
          a: {seq: {b: relu, c: {conv: {kernel: 3}, tap: t}}}
          d: {conv: {kernel: 1}, from: t}
        """,
    "a path to a shape alone": """
        blocks:
          second: {inputs: [a, b], body: {c: {conv: {kernel: 1}, from: b}}}
        backbone:
          a: {seq: {i: {conv: {kernel: 3}}, j: {conv: {kernel: 3}}}}
          d: {second: {}, from: [a.i, a]}
        """,
    "a gate of one channel in a block": """
        blocks:
          gate: {inputs: [a, b], body: {m: multiply, c: {conv: {kernel: 1}}}}
        backbone:
          a: {conv: {out: 1, kernel: 1}}
          b: {conv: {out: 4, kernel: 1}}
          c: {gate: {}, from: [a, b]}
        """,
    "an activation that a block may begin with": """
        blocks: {act: {params: {on: true}, seq: [{relu: {}, if: on}]}}
        backbone: [{conv: {kernel: 3}}, {act: {on: false}}, act, {conv: {kernel: 1}}, act]
        """,
    "a loop of nothing": """
        blocks: {u: {params: {n: 1}, body: {a: {inline: [], repeat: n}, b: relu}}}
        backbone: [u, {u: {n: 2}}, {seq: {c: {seq: [], repeat: 2}, d: relu}}]
        """,
    "a sum of one channel and several in a block": """
        blocks:
          both: {inputs: [a, b], body: {m: add, c: {conv: {kernel: 1}}}}
        backbone:
          a: {conv: {out: 1, kernel: 1}}
          b: {conv: {out: 4, kernel: 1}}
          c: {both: {}, from: [a, b]}
        """,
    "a number that is whole in one place and a fraction in another": """
        params: {n: 5}
        backbone: [{conv: {out: n, kernel: 1}}, {leaky_relu: {slope: n / 10}}]
        """,
    "a kernel that varies, of weights that start": """
        blocks: {u: {params: {k: list}, body: {c: {conv: {kernel: k, init: {normal: {std: 0.1}}}}}}}
        backbone: [{u: {k: [1, 3]}}, {u: {k: [3, 1]}}]
        """,
}


@pytest.mark.parametrize("name", SPECS)
def test_it_is_translated(name: str) -> None:
    assert reason(graph_of(f"input: [3, 8, 8]\n{dedent(SPECS[name])}")) == ""


def test_a_container_whose_later_member_reads_what_is_set_in_between() -> None:
    text = """
        archdsl: 1
        name: net
        input: [3, 8, 8]
        params: {base: 4}
        blocks:
          wide:
            params: {out: int}
            seq:
              fc: {linear: {out: "len(range(out, out + base * 3 + 1)) + 2 * base"}}
        backbone:
          parts.first: flatten
          middle: {wide: {out: base}}
          parts.last: {linear: {out: 5}}
    """
    graph = archdsl.loads(dedent(text))
    assert reason(graph) == ""
    assert [*archdsl.compile(graph).state_dict()] == [
        "parts.last.weight", "parts.last.bias", "middle.fc.weight", "middle.fc.bias"
    ]  # fmt: skip


def test_the_size_of_a_map_without_a_variable_is_none_that_a_class_can_read() -> None:
    text = """
        archdsl: 1
        name: net
        input: [1, 9, 12]
        blocks:
          part:
            params: {wide: false, deep: C > 3, n: 1}
            body:
              first: {residual: {body: [{conv: {kernel: 3}, if: wide and deep}, relu]}}
              second: {slice: {stop: C // (n + 1)}}
        backbone:
          wider: {std_conv: {kernel: 3, out: H + 2}, repeat: 2}
          part: part
    """
    module = archdsl.compile(archdsl.loads(dedent(text)))
    assert module(torch.zeros(1, 1, 9, 12)).shape == (1, 5, 9, 12)


def test_a_parameter_of_a_container_may_have_a_number_for_a_name() -> None:
    text = """
        archdsl: 1
        name: net
        input: [3, 8, 8]
        backbone:
          way:
            branches:
              join: add
              paths:
                _scaled: [layer_scale]
                maps: {seq: {a: {conv: {kernel: 1}}, b: tanh}}
          sum: {add: {}, from: [way, way.maps.a]}
    """
    keys = [*archdsl.compile(archdsl.loads(dedent(text))).state_dict()]
    assert keys == ["way.0", "way.maps.a.weight", "way.maps.a.bias"]


@pytest.mark.parametrize(
    "item",
    ["conv: {out: 6, kernel: 1}", "conv_transpose: {out: 6, kernel: 1}", "max_pool: {kernel: 1}",
     "avg_pool: {kernel: 1}", "batch_norm: {}", "instance_norm: {}"],
)  # fmt: skip
def test_a_branch_that_no_input_could_take_is_not_written(item: str) -> None:
    four_axes = f"""
        archdsl: 1
        name: four
        input: [3, 64, 4]
        backbone: [{{reshape: {{shape: [3, 4, 4, 4, 4]}}}}, unit]
        blocks:
          unit:
            params: {{wide: false}}
            body: [{{{item}, if: wide}}, relu]
    """
    graph = archdsl.loads(dedent(four_axes))
    assert "4d" not in archdsl.emit(graph)
    assert archdsl.compile(graph)(torch.zeros(1, 3, 64, 4)).shape == (1, 3, 4, 4, 4, 4)
