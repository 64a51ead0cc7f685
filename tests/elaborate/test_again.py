"""One module applied again: `use`, and `shared: true` beside `repeat`."""

from contextlib import suppress

import pytest
import torch
from torch import nn

import archdsl
from archdsl.analysis.memory import memory
from archdsl.figures.options import KINDS
from archdsl.graph.graph import Graph
from archdsl.pytorch.naming import class_name
from archdsl.pytorch.proof import prove
from archdsl.pytorch.source import translate
from tests.allocations import peak_of_inference, saved_by_training
from tests.support import check_error, errors, graph_of, verbs, wires

AGAIN = """
    blocks:
      unit: {residual: {body: {c: {conv: {kernel: 3}}, r: relu}}}
    backbone:
      a: {conv: {kernel: 3}}
      b: relu
      c: {use: a}
      d: {use: a, from: input, as: q}
      e: {add: {}, from: [c, q]}
      m: {unit: {}, repeat: 3, shared: true}
      l: [{conv: {kernel: 3}, repeat: 2, shared: true}, tanh, {use: "0"}, gelu]
"""


def test_a_module_is_applied_again_and_to_its_own_result() -> None:
    graph = graph_of(AGAIN)
    assert len(graph.state) == 6
    module = archdsl.compile(graph).eval()
    a, m, first = module.a, module.m, module.l[0]  # type: ignore[index]
    assert isinstance(a, nn.Module)
    assert isinstance(m, nn.Module)
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        y = a(a(x).relu()) + a(x)
        for _ in range(3):
            y = m.c(y).relu() + y  # type: ignore[operator]
        y = nn.functional.gelu(first(first(first(y)).tanh()))
        assert torch.allclose(module(x), y, atol=1e-6)
    again = archdsl.compile(Graph.from_json(graph.to_json())).eval()
    again.load_state_dict(module.state_dict())
    assert torch.equal(again(x), module(x))


def test_shared_weights_are_counted_once_and_their_work_every_time() -> None:
    graph = graph_of(AGAIN)
    total = archdsl.analyze(graph).total
    assert total.parameters == 3 * (9 * 3 * 3 + 3)
    assert total.macs == 9 * 9 * 9 * 64
    expected, module = memory(graph, batch=2), archdsl.compile(graph)
    image = torch.randn(2, 3, 8, 8)
    assert expected.peak == pytest.approx(peak_of_inference(module, image), rel=0.01)
    assert expected.saved == pytest.approx(saved_by_training(module, image), rel=0.01)


def test_what_is_used_takes_no_number_and_makes_no_path() -> None:
    text = "backbone: [{conv: {kernel: 1}}, {use: '0'}, relu]"
    assert [*verbs(text)] == ["0", "0@0@1", "1"]


def test_a_module_that_uses_a_part_of_itself_twice_is_shared_whole() -> None:
    text = """
        blocks: {twice: {body: {c: {conv: {kernel: 3}}, again: {use: c}}}}
        backbone:
          m: {twice: {}, repeat: 2, shared: true}
          n: {twice: {}, each: [m, input]}
          s: {add: {}, from: n}
    """
    graph = graph_of(text)
    assert len(graph.state) == 4
    assert len({node.id for node in graph.nodes}) == len(graph.nodes) == 9


def test_a_block_that_uses_a_module_is_replayed() -> None:
    text = """
        blocks: {twice: {body: {c: {conv: {kernel: 3}}, again: {use: c}}}}
        backbone: {m: {twice: {}, repeat: 2}}
    """
    given = wires(text)
    assert given == {
        "m.0.c": "input", "m.0.c@0@1": "m.0.c", "m.1.c": "m.0.c@0@1", "m.1.c@0@1": "m.1.c",
    }  # fmt: skip


def test_shared_may_still_be_the_name_of_a_block_and_use_that_of_an_item() -> None:
    text = """
        blocks: {shared: {seq: [relu]}}
        backbone: {a: {shared: {}}, use: tanh}
    """
    assert [*verbs(text)] == ["a.0", "use"]


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "message", "help"),
    [
        ("backbone: {a: {use: b}}", 1, 21, "E0402", "no earlier item `b` has a module", ""),
        ("backbone: {a: {conv: {kernel: 1}}, s: {seq: {b: {use: a}}}}", 1, 55, "E0503",
         "`a` stands in another part than what uses it",
         "a module is used where it stands, in the same sequence"),
        ("backbone: {a: {conv: {out: 4, kernel: 1}}, b: {use: a}}", 1, 47, "E0503",
         "one conv cannot serve inputs of 3x8x8 and 4x8x8",
         "give the uses of one module the same channels"),
        ("backbone: {a: {conv: {kernel: 1}, shared: true}}", 1, 43, "E0203",
         "`shared: true` stands beside `repeat`: one module, applied to its result",
         "without it, leave it out"),
        ("backbone: {a: {use: [b]}}", 1, 21, "E0203", "use must be a name",
         "name an earlier item: `use: conv1`"),
        ("backbone: {a: {conv: {out: 3 + i, kernel: 1}, repeat: 2, shared: true}}", 1, 15, "E0503",
         "one conv cannot serve inputs of 3x8x8 and 3x8x8",
         "give the turns of a shared module the same channels"),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_applied_again_is_an_error_at_its_place(
    text: str, line: int, column: int, code: str, message: str, help: str
) -> None:
    check_error(text, line, column, code, message, help)


def test_what_failed_is_not_missed_where_it_is_used() -> None:
    text = "backbone: {a: {conv: {kernel: 0}}, b: {use: a}}"
    assert errors(text) == ["1:31 E0305 kernel of conv: 0 is less than 1"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "diff"])
def test_a_figure_of_modules_applied_again_is_drawn_or_refused(kind: str) -> None:
    with suppress(archdsl.UsageError):
        assert archdsl.draw(graph_of(AGAIN), kind=kind).formats()


def test_a_part_that_uses_a_module_is_used() -> None:
    text = """
        blocks: {twice: {body: {c: {conv: {kernel: 3}}, again: {use: c}}}}
        backbone:
          part: [twice, {use: "0"}, twice]
          whole: {use: part}
          last: {use: part}
    """
    graph = graph_of(text)
    ids = [node.id for node in graph.nodes]
    assert len(set(ids)) == len(ids) == 18
    module = archdsl.compile(graph).eval()
    first, second = module.part[0].c, module.part[1].c  # type: ignore[index,union-attr]
    x = torch.randn(1, 3, 8, 8)
    y = x
    for conv in [*[first] * 4, *[second] * 2] * 3:
        y = conv(y)
    assert torch.allclose(module(x), y, atol=1e-6)


def test_a_module_keeps_the_arguments_that_it_was_made_with() -> None:
    """What follows from the shape of its input is another number for another input."""
    graph = graph_of("""
        lint: {W0103: off}
        blocks:
          gate: {params: {hidden: 2 * C, kernel: 3}, seq: {act: sigmoid, end: tanh}}
        backbone:
          a: {gate: {}}
          b: {conv: {out: 5, kernel: 1}}
          c: {use: a}
    """)
    first, again = (scope for scope in graph.scopes if scope.block == "gate")
    assert (first.id, again.id) == ("a", "a@0@1")
    assert first.arguments == again.arguments == (("hidden", 6), ("kernel", 3))
    assert Graph.from_json(graph.to_json()) == graph


def test_a_module_is_not_another_block_when_it_is_applied_again() -> None:
    text = """
        blocks:
          one: {seq: {act: relu}}
          two: {seq: {act: relu}}
          either:
            params: {act: {type: item, default: "'one' if C < 4 else 'two'"}}
            body: {inner: $act}
        backbone:
          a: {either: {}}
          b: {conv: {out: 5, kernel: 1}}
          c: {use: a}
    """
    (found,) = errors(text)
    assert found.endswith("E0503 one module cannot be one and two")


def test_turns_of_a_shared_module_have_labels_taps_and_inputs_of_their_own() -> None:
    graph = graph_of("""
input: [9, 8, 8]
backbone:
  a: {conv: {kernel: 3}, repeat: 3, shared: true, as: "y[i]", tap: "t{i}"}
  b: {concat: {}, from: y}
  parts: {split: {parts: 3}}
  c: {conv: {kernel: 1}, repeat: 3, shared: true, from: "parts[i]", as: "z{i}"}
  d: {concat: {}, from: [z2, z0, z1]}
""")
    inputs = {node.id: node.inputs for node in graph.nodes}
    assert inputs["b"] == ("a", "a@1", "a@2")
    assert [inputs[id] for id in ("c", "c@1", "c@2")] == [(f"parts.{n}",) for n in range(3)]
    assert inputs["d"] == ("c@2", "c", "c@1")
    assert graph.taps == {"t0": "a", "t1": "a@1", "t2": "a@2"}
    prove(translate(graph.select(graph.outputs), class_name(graph.name)), graph)
