"""`as`: names of results that hold in their block or section."""

import re

import pytest
import torch

import archdsl
from archdsl.pytorch.source import emit
from tests.support import check_error, errors, graph_of, read, wires

TWICE = """
    blocks:
      two:
        body:
          part: {seq: [{conv: {kernel: 3}, as: t}, relu, {seq: [tanh, {add: {}, from: ["0", t]}]}]}
          sum: {add: {}, from: [part, t]}
    backbone: {m1: two, m2: two}
"""


def test_a_label_is_seen_behind_it_in_its_block_and_in_nested_sequences() -> None:
    found = wires(TWICE)
    assert found["m1.part.2.1"] == "m1.part.2.0 m1.part.0"
    assert found["m2.sum"] == "m2.part.2.1 m2.part.0"


def test_the_source_of_a_block_with_labels_is_one_class() -> None:
    graph = graph_of(TWICE)
    source = emit(graph)
    assert re.findall(r"^class (\w+)", source, re.MULTILINE) == ["ListOfParts", "Two", "Net"]
    assert "self.m2 = Two(3)" in source
    model = archdsl.compile(graph).eval()
    with torch.no_grad():
        given = torch.randn(1, 3, 8, 8)
        first, second = (getattr(model, name).part[0] for name in ("m1", "m2"))
        t = first(given)
        t2 = second(t.relu().tanh() + 2 * t)
        assert torch.allclose(model(given), t2.relu().tanh() + 2 * t2, atol=1e-6)


def test_each_turn_may_have_a_label() -> None:
    text = """
        backbone:
          m: {tanh: {}, repeat: 2, as: "t{i}"}
          s: {add: {}, from: [t0, t1]}
    """
    assert wires(text)["s"] == "m.0 m.1"


def test_among_copies_of_an_item_the_last_has_the_label() -> None:
    text = """
        backbone:
          m: {seq: {a: {tanh: {}, as: t}, b: {add: {}, from: [t, input]}}, repeat: 2}
          s: {add: {}, from: [m, t]}
    """
    assert wires(text)["m.1.b"] == "m.1.a input"
    assert wires(text)["s"] == "m.1.b m.1.a"


def test_a_label_in_a_module_of_each_is_a_list() -> None:
    text = """
        backbone:
          a: {tanh: {}}
          m: {seq: [{relu: {}, as: t}, gelu], each: [input, a]}
          s: {add: {}, from: t}
        outputs: {s: s, m: m}
    """
    assert wires(text)["s"] == "m.0 m.0@1"


def test_a_label_goes_before_a_tap_and_does_not_leave_its_section() -> None:
    text = """
        backbone: {a: {relu: {}, tap: x}, b: {tanh: {}, as: x}, c: {add: {}, from: [b, x]}}
        neck: {d: {add: {}, from: [c, x]}}
    """
    assert (wires(text)["c"], wires(text)["d"]) == ("b b", "c a")


def test_outputs_see_the_labels_of_all_sections() -> None:
    text = """
        backbone: {a: {relu: {}, as: x}}
        neck: {b: {tanh: {}, as: y}}
        outputs: {first: x, second: y}
    """
    assert graph_of(text).outputs == {"first": "a", "second": "b"}


def test_a_shortcut_that_stands_first_may_begin_at_a_label_of_the_body() -> None:
    text = """
        backbone:
          r:
            residual:
              shortcut: {p: {conv: {out: 3, kernel: 1}, from: t}}
              body: {s: {seq: {n: {batch_norm: {}, as: t}}}, c: {conv: {kernel: 3}}}
    """
    assert wires(text)["r.p"] == "r.s.n"


def test_a_block_does_not_see_the_labels_of_its_caller() -> None:
    text = """
        blocks: {unit: {body: {s: {add: {}, from: [input, t]}}}}
        backbone: {a: {relu: {}, as: t}, u: unit}
    """
    assert errors(text) == ["1:51 E0402 unknown reference `t`"]


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "message", "help"),
    [
        ("backbone: {a: {relu: {}, as: t}, b: {tanh: {}, as: t}}", 1, 52, "E0401",
         "two labels named t", "every label of a block or section needs a name of its own"),
        ("backbone: {a: {relu: {}, as: 3}}", 1, 30, "E0203", "as must be a name", ""),
        ("backbone: {a: {relu: {}, as: a.b}}", 1, 30, "E0208",
         "`a.b` cannot be a name: names are letters, digits, `_`, and `-` inside",
         "a dot is a level: put `b` among the items of `a`"),
        ("backbone: {a: relu, b: {tanh: {}, as: a}, c: {add: {}, from: [b, a]}}", 1, 66, "E0401",
         "`a` is an item and a label here", "give them different names"),
        ("backbone: {a: {relu: {}, as: tow}, c: {add: {}, from: [a, two]}}", 1, 59, "E0402",
         "unknown reference `two`", "did you mean `tow`?"),
    ],
)  # fmt: skip
def test_a_wrong_label_is_an_error_at_its_place(
    text: str, line: int, column: int, code: str, message: str, help: str
) -> None:
    check_error(text, line, column, code, message, help)


def test_a_tap_in_a_block_that_is_called_twice_is_told_of_labels() -> None:
    (error,) = read(TWICE.replace("as: t", "tap: t"))[1]
    assert error.help == (
        "a tap is a feature of the whole network, and this block is called again: "
        "`as: t` names it in this block alone"
    )
