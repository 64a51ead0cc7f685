"""Lists of maps as values: what makes them, their parts, labels that are lists."""

from contextlib import suppress

import pytest
import torch
from torch import nn

import archdsl
from archdsl.figures.options import KINDS
from archdsl.pytorch.source import emit
from tests.support import check_error, errors, graph_of, shapes, wires

APART = "branches: {join: none, paths: {p: relu, q: tanh, r: []}}"


def test_paths_that_stay_apart_are_a_list_that_flows_on() -> None:
    text = f"backbone: {{b: {{{APART}}}, c: {{concat: {{}}}}}}"
    assert wires(text)["c"] == "b.p b.q input"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ('"b[0]"', "b.p"),
        ('"b[-1]"', "input"),
        ('["b[1]", "b[0]"]', "b.q b.p"),
        ('"b[1:]"', "b.q input"),
        ('"b[:2]"', "b.p b.q"),
        ('["*b"]', "b.p b.q input"),
        ('[input, "*b[:2]"]', "input b.p b.q"),
        ('["b[n]", "*b[n + 1:]"]', "b.q input"),
        ('["b[len(b) - 1]", b.p]', "input b.p"),
    ],
)
def test_parts_of_a_list(said: str, wanted: str) -> None:
    count = len(wanted.split())
    join = "concat: {}" if count > 1 else "relu: {}"
    text = f"""
        params: {{n: 1}}
        backbone: {{b: {{{APART}}}, all: {{concat: {{}}}}, c: {{{join}, from: {said}}}}}
        outputs: {{c: c, all: all}}
    """
    assert wires(text)["c"] == wanted


def test_the_length_of_a_list_is_known_behind_it() -> None:
    items = f"b: {{{APART}}}, c: {{concat: {{}}}}, d: {{conv: {{out: len(b), kernel: 1}}}}"
    text = f"backbone: {{{items}}}"
    assert shapes(text)["d"] == "3x8x8"


def test_each_gives_a_list_whose_parts_have_layers_of_their_own() -> None:
    text = """
        backbone:
          a: {conv: {out: 4, kernel: 3, stride: 2}}
          b: {conv: {out: 4, kernel: 3, stride: 2}}
          h: {conv: {kernel: 3, bias: false}, each: [a, b]}
          "bn{k}": {for: {k: range(2)}, batch_norm: {}, from: "h[k]", as: "y[k]"}
        outputs: {y: y}
    """
    graph = graph_of(text)
    assert graph.outputs == {"y0": "bn0", "y1": "bn1"}
    assert wires(text)["bn1"] == "h@1"


FUSE = """
    blocks:
      halves:
        params: {width: int}
        outputs: {low: a, high: b}
        body:
          a: {conv: {out: width, kernel: 3}}
          b: {conv: {out: 2 * width, kernel: 3, stride: 2}, from: input}
      fuse:
        inputs: [x, "*rest"]
        body:
          "up{k}": {for: {k: range(len(rest))}, resize: {like: x}, from: "rest[k]", as: "up[k]"}
          join: {concat: {}, from: [x, "*up"]}
    backbone:
      one: {halves: {width: 4}}
      two: {halves: {width: 2}, from: "one[0]"}
      f: {fuse: {}, from: ["two[0]", "one[1]", "two[1]"]}
      s: {fuse: {}, from: [f, f]}
"""


def test_blocks_give_and_take_lists() -> None:
    assert shapes(FUSE)["f.join"] == "14x8x8"
    assert wires(FUSE)["f.join"] == "two.a f.up0 f.up1"
    assert wires(FUSE)["s.join"] == "f.join s.up0"


def test_the_module_of_a_block_gives_a_list_as_a_tuple_and_takes_one_as_a_list() -> None:
    graph = graph_of(FUSE)
    source = emit(graph)
    assert "def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:" in source
    assert "def forward(self, x: Tensor, rest: list[Tensor]) -> Tensor:" in source
    assert source.count("class ") == 3  # one for both calls of fuse, with two maps and with one
    assert "x = self.f(x, [out, two_1])" in source
    assert "x = self.s(x, [x])" in source
    module = archdsl.compile(graph).eval()
    x = torch.randn(2, 3, 8, 8)
    one, two = module.one, module.two
    assert isinstance(one, nn.Module)
    assert isinstance(two, nn.Module)
    with torch.no_grad():
        low, high = one(x)
        lower, other = two(low)
        up = [nn.functional.interpolate(part, size=(8, 8)) for part in (high, other)]
        f = torch.cat([lower, *up], 1)
        assert torch.equal(module(x), torch.cat([f, f], 1))


def test_a_list_flows_through_a_repeated_block() -> None:
    text = """
        blocks:
          swap:
            inputs: [x, y]
            outputs: {a: p, b: q}
            body: {p: {relu: {}, from: y}, q: {tanh: {}, from: x}}
        backbone:
          b: {branches: {join: none, paths: {p: [], q: gelu}}}
          s: {swap: {}, repeat: 2}
          c: {concat: {}}
    """
    given = wires(text)
    assert (given["s.1.p"], given["s.1.q"], given["c"]) == ("s.0.q", "s.0.p", "s.1.p s.1.q")


def test_labels_are_lists_that_grow_item_by_item() -> None:
    text = """
        backbone:
          a: {relu: {}, as: "s[0]"}
          m: {tanh: {}, repeat: 2, as: "s[i + 1]"}
          c: {concat: {}, from: s}
    """
    assert wires(text)["c"] == "a m.0 m.1"


@pytest.mark.parametrize(
    ("item", "column", "code", "message", "help"),
    [
        ('relu: {}, from: "b[3]"', 125, "E0303", "index 3 is outside a list of 3", ""),
        ('relu: {}, from: "a[0]"', 124, "E0404", "`a` is one map, and no list", "write `a`"),
        ('concat: {}, from: [a, "*a"]', 130, "E0404", "`*a` is one map, and no list", "write `a`"),
        ('concat: {}, from: [a, b]', 129, "E0404", "`b` is a list of 3 tensors already",
         'name it alone, or write `"*b"` for its parts'),
        ('relu: {}, from: "*b"', 124, "E0404", "`*b` stands alone",
         'write `b` for the list, or put it among others: [a, "*b"]'),
        ('concat: {}, from: "b[3:]"', 126, "E0404", "`b[3:]` is an empty list", ""),
        ('relu: {}, from: "b[n]"', 126, "E0302", "unknown name `n`", None),
        ('relu: {}, from: "b[0"', 124, "E0402", "unknown reference `b[0`", None),
        ('relu: {}, from: "b[1 +]"', 129, "E0301", "`]` is not expected here", ""),
        ('relu: {}, from: b', 106, "E0404", "relu takes 1 input, here 3", None),
        ('conv: {out: len(z), kernel: 1}', 123, "E0302", "unknown name `z`", None),
    ],
)  # fmt: skip
def test_a_wrong_part_of_a_list_is_an_error_at_its_place(
    item: str, column: int, code: str, message: str, help: str | None
) -> None:
    text = f"backbone: {{a: relu, b: {{{APART}}}, all: {{concat: {{}}}}, c: {{{item}}}}}"
    check_error(text, 1, column, code, message, help)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('backbone: {a: {relu: {}, as: "s[1]"}}', "1:31 E0401 s has 0 maps: the next is s[0]"),
        ('backbone: {a: {relu: {}, as: s}, b: {tanh: {}, as: "s[1]"}}',
         "1:53 E0401 two labels named s"),
        ('backbone: {a: {relu: {}, as: "s[x]"}}', "1:33 E0302 unknown name `x`"),
        (f'backbone: {{a: {{{APART}, as: "s[0]"}}, c: {{add: {{}}}}}}',
         "1:79 E0404 a list cannot be a part of the list s"),
        ("blocks: {u: {outputs: [a], body: {a: relu}}}", "1:23 E0203 outputs must be a mapping"),
        ("blocks: {u: {outputs: {x: z}, body: {a: relu}}}\nbackbone: {u: u}",
         "1:27 E0402 unknown reference `z`"),
        ('blocks: {u: {inputs: ["*x", y], body: {a: relu}}}',
         "1:24 E0203 `*x` takes all other inputs"),
        ('blocks: {u: {inputs: [x, y, "*z"], body: {a: {add: {}}}}}\nbackbone: {u: u}',
         "2:12 E0404 u takes at least 2 inputs, here 1"),
        ("backbone: {b: {branches: {join: never, paths: {p: relu, q: tanh}}}}",
         "1:33 E0305 join must be one of concat, add, multiply, none"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_list_is_said(text: str, wanted: str) -> None:
    assert errors(text) == [wanted]


def test_a_part_of_a_list_that_nothing_takes_is_an_error() -> None:
    text = f'backbone: {{b: {{{APART}}}, c: {{concat: {{}}, from: ["b[0]", "b[2]"]}}}}'
    assert errors(text) == ["1:59 E0403 nothing uses the result of b.q"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "diff"])
def test_a_figure_of_lists_is_drawn_or_refused(kind: str) -> None:
    with suppress(archdsl.UsageError):
        assert archdsl.draw(graph_of(FUSE), kind=kind).formats()
