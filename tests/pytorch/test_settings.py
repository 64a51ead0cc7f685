"""A source is the graph: every setting of every module and function, and the way of the values."""

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import archdsl
from archdsl.cli.main import run as command
from archdsl.diagnostics.errors import InternalError
from archdsl.graph.graph import Graph
from tests.examples import examples
from tests.random_specs import specs
from tests.support import graph_of, require_network, whole
from tests.test_random_specs import load

EVERYTHING = """
input: [8, 16, 16]
backbone:
  conv: {conv: {out: 8, kernel: 3, stride: 2, dilation: 2, groups: 4, padding: 2, bias: false}}
  bn: {batch_norm: {eps: 1e-3, momentum: 0.2}}
  leaky: {leaky_relu: {slope: 0.2}}
  gn: {group_norm: {groups: 2, eps: 1e-4}}
  ln: {layer_norm: {eps: 1e-6}}
  lrn: {lrn: {size: 3, alpha: 1e-3, beta: 0.5, k: 2}}
  up: {conv_transpose: {out: 8, kernel: 4, stride: 2, padding: 1}}
  most: {max_pool: {kernel: 3, stride: 1, padding: 1, ceil: true}}
  mean: {avg_pool: {kernel: 3, stride: 1, padding: 1, count_padding: false}}
  drop: {dropout: {rate: 0.25}}
  path: {drop_path: {rate: 0.125}}
  elu: {elu: {alpha: 0.5}}
  gelu: {gelu: {tanh: true}}
  scale: {scale: {factor: 0.5}}
  front: {slice: {start: 1, stop: 5}}
  other: {slice: {start: 2, stop: 6}, from: scale}
  both: {concat: {}, from: [front, other]}
  sum: {add: {}, from: [both, scale]}
  gated: {multiply: {}, from: [sum, both]}
  small: {resize: {scale: 0.5, mode: bilinear, align_corners: true}}
  large: {resize: {like: gated, mode: bilinear, align_corners: false}}
  gamma: {layer_scale: {start: 0.1}}
  pad: {pad: {border: 1}}
  shuffle: {channel_shuffle: {groups: 2}}
  pool: {adaptive_avg_pool: {size: 2}}
  flatten: flatten
  fc: {linear: {out: 10, bias: false}}
"""


def source_of(graph: Graph) -> str:
    source = archdsl.emit(graph)
    require_network(source, graph)
    return source


@settings(max_examples=examples(40, 200), suppress_health_check=list(HealthCheck))
@given(specs())
def test_the_source_of_every_spec_is_its_graph(reading: tuple[dict[str, Any], Any]) -> None:
    source_of(load(reading[0]))


def constants(tree: ast.Module) -> list[ast.Constant]:
    """The numbers, flags and words of the network's calls, but for the start of parameters."""
    functions = [node for node in ast.walk(tree.body[-1]) if isinstance(node, ast.FunctionDef)]
    nodes = [node for function in functions for line in function.body for node in ast.walk(line)]
    starts = [
        node for node in nodes if isinstance(node, ast.Call) and "full" in ast.dump(node.func)
    ]
    left = {id(inner) for start in starts for inner in ast.walk(start.args[1])}
    return [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in left]


OTHER: dict[type, Any] = {bool: lambda v: not v, int: lambda v: v + 1, float: lambda v: v + 0.5}


def test_no_number_flag_or_word_of_a_source_can_be_another() -> None:
    graph = graph_of(EVERYTHING)
    source = source_of(graph)
    several = len(constants(ast.parse(source)))
    assert several > 50
    for n in range(several):
        tree = ast.parse(source)
        constant = constants(tree)[n]
        other = OTHER.get(type(constant.value), lambda word: f"{word}x")
        constant.value = other(constant.value)
        changed = ast.unparse(tree)
        try:
            require_network(changed, graph)
        except (InternalError, RuntimeError, ValueError, TypeError, KeyError):
            continue
        raise AssertionError(
            f"another source is taken for the graph's: {constant.value}, {changed}"
        )


SPEC = whole("""
    input: [4, 8, 8]
    backbone:
      a: {conv: {kernel: 3}}
      bn: batch_norm
      relu: relu
      b: {conv: {kernel: 3}, from: a}
      sum: {add: {}, from: [relu, b]}
      cat: {concat: {}, from: [sum, a]}
    """)
CHANGES = {  # what: (text of the source, what stands there instead)
    "a bias that is gone": ("padding=1)", "padding=1, bias=False)"),
    "another padding mode": ("padding=1)", 'padding=1, padding_mode="reflect")'),
    "a module that writes over": ("nn.ReLU(inplace=True)", "nn.ReLU()"),
    "another module of that kind": ("nn.ReLU(inplace=True)", "nn.SiLU(inplace=True)"),
    "statistics": ("nn.BatchNorm2d(4)", "nn.BatchNorm2d(4, track_running_stats=False)"),
    "weights under another name": ("self.b", "self.c"),
    "another order": ("torch.cat([", "torch.cat([x, "),
    "a call more": ("    def forward(self, x: Tensor) -> Tensor:\n",
                    "    def forward(self, x: Tensor) -> Tensor:\n        x = self.relu(x)\n"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_source_that_is_another_network_is_found(what: str) -> None:
    graph = archdsl.loads(SPEC)
    source, (there, instead) = source_of(graph), CHANGES[what]
    assert there in source
    with pytest.raises(InternalError):
        require_network(source.replace(there, instead), graph)


def test_weights_in_another_order_are_found() -> None:
    graph = archdsl.loads(SPEC)
    lines = source_of(graph).splitlines(keepends=True)
    (first,) = (n for n, line in enumerate(lines) if "self.a = " in line)
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    with pytest.raises(InternalError, match="the graph's weights in another order"):
        require_network("".join(lines), graph)


def test_a_setting_that_differs_is_an_internal_error_of_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import archdsl.pytorch.source

    emit, other = archdsl.pytorch.source.emit, 'padding=1, padding_mode="reflect"'

    def wrong(graph: Graph, title: str | None = None) -> str:
        return emit(graph, title).replace("padding=1", other)

    monkeypatch.setattr(archdsl.pytorch.source, "emit", wrong)
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(SPEC, encoding="utf-8")
    assert command(["build", "net.yaml"]) == 3
    assert "internal error, please report it: a: the source has" in capsys.readouterr().err


# what one line of source is for several modules


floats = st.floats(0, 1e3, allow_nan=False).map(abs) | st.sampled_from([1e-6, 1e-7, 1e-8, 0.0, 1.0])
wholes = st.integers(1, 2**31 - 1) | st.integers(1, 5)


@given(st.lists(floats, min_size=1, max_size=6))
def test_numbers_that_grow_stay_the_numbers_they_are(values: list[float]) -> None:
    rows = [{"elu": {"alpha": value}} for value in values]
    graph = archdsl.loads(whole(f"backbone: {rows}"))
    note(source_of(graph))
    made = archdsl.compile(graph)
    alphas = [m.alpha for m in made.modules() if hasattr(m, "alpha")]
    assert list(map(repr, alphas)) == list(map(repr, map(float, values)))


@given(st.integers(1, 9), st.integers(-3, 40), st.integers(2, 5), st.booleans())
def test_whole_numbers_that_grow_are_folded_exactly(
    first: int, step: int, length: int, odd: bool
) -> None:
    widths = [abs(first + n * step) + 1 for n in range(length)]
    widths[-1] += odd
    rows = ", ".join(f"{{conv: {{out: {width}, kernel: 1}}}}" for width in widths)
    graph = archdsl.loads(whole(f"backbone: [{rows}]"))
    note(source_of(graph))
    made = archdsl.compile(graph)
    layers = [part for part in made.modules() if part is not made]
    assert [part.out_channels for part in layers] == widths


words = st.text(st.sampled_from("ab\"'\\()#,=1+- \n\té\u202e"), max_size=12) | st.sampled_from(
    [
        "1",
        "True",
        "None",
        "a + b",
        "i",
        "in_channels",
        "{'q'}",
        'q" if open("EXECUTED","w") else "',
        "1e-6",
    ]
)


@given(st.lists(st.tuples(words, st.integers(0, 2)), min_size=2, max_size=4))
def test_what_a_block_is_told_is_never_code(calls: list[tuple[str, int]]) -> None:
    rows = [{"unit": {"note": note, "k": k}} for note, k in calls]
    text = whole(f"""
        blocks:
          unit:
            params: {{note: str, k: int, flag: k == 1}}
            body: {{a: {{conv: {{kernel: 1}}}}, b: {{conv: {{kernel: 3}}, if: k > 0}},
                    c: {{relu: {{}}, if: flag}}}}
        backbone: {archdsl_yaml(rows)}
        """)
    note(source_of(archdsl.loads(text)))


def archdsl_yaml(value: Any) -> str:
    """Data in the flow style of YAML, on a line."""
    import json

    return json.dumps(value)
