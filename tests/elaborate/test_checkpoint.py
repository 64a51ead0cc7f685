"""Parts of which training keeps nothing but their input: `checkpoint: true`."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.analysis.diff import compare
from archdsl.analysis.memory import memory, saved_bytes
from archdsl.diagnostics.errors import Difference
from archdsl.graph.graph import Graph
from archdsl.pytorch.module import compile_graph
from archdsl.pytorch.naming import class_name
from archdsl.pytorch.proof import prove
from archdsl.pytorch.source import translate
from tests.allocations import kept_by_training, saved_by_training
from tests.support import check_error, graph_of

BLOCKS = """
blocks:
  unit:
    params: {out: C, rate: 0.1}
    residual:
      body: {conv1: {conv: {out: out, kernel: 3}}, bn: batch_norm, act: relu,
             drop: {dropout: {rate: rate}}, conv2: {conv: {out: out, kernel: 3}}}
  two:
    inputs: [a, b]
    body: {sum: {add: {}, from: [a, b]}, act: relu, conv: {conv: {kernel: 3}}}
  apart: {outputs: {x: x, y: y}, body: {x: {conv: {kernel: 1}}, y: sigmoid}}
"""
FORMS = {
    "every turn": "low: {unit: {}, repeat: 3, checkpoint: true}",
    "a sequence": "low: {seq: [relu, {conv: {kernel: 3}}, batch_norm, gelu], checkpoint: true}",
    "ways": "low: {branches: {paths: {a: unit, b: {conv: {kernel: 1}}}}, checkpoint: true}",
    "a residual": "low: {residual: {body: [{conv: {kernel: 3}}, gelu]}, checkpoint: true}",
    "dense layers": "low: {dense: {layer: [relu, {conv: {out: 4, kernel: 3}}], repeat: 3},"
    " checkpoint: true}",
    "a dense layer": "low: {dense: {layer: [{seq: [relu, {conv: {out: 4, kernel: 3}}],"
    " checkpoint: true}], repeat: 3}}",
    "an op": "low: {conv: {kernel: 3}, checkpoint: true}",
    "what keeps nothing": "low: {branches: {join: add, paths: {_a: [], b: identity}},"
    " checkpoint: true}",
    "in another": "low: {seq: [gelu, {unit: {}, checkpoint: true}, {unit: {}}], checkpoint: true}",
    "two inputs": "a: {conv: {kernel: 1}}\n  b: tanh\n  low: {two: {}, from: [a, b],"
    " checkpoint: true}",
    "two results": "low: {apart: {}, checkpoint: true}\n  sum: {add: {}, from: low}",
    "under a condition": "low: {unit: {}, if: C > 2, checkpoint: true}",
    "one module twice": "low: {unit: {}, repeat: 2, shared: true, checkpoint: true}",
    "one module for two": "b: {conv: {kernel: 1}}\n  low: {unit: {}, each: [stem, b],"
    " checkpoint: true}\n  sum: {add: {}, from: low}",
    "used again": "low: {unit: {}, checkpoint: true}\n  c: {conv: {kernel: 3}}\n  d: {use: low}",
    "behind": "low: {unit: {}, checkpoint: true}\n  c: relu\n  d: {unit: {}}\n  e: gelu",
    "inside a block": "low: {seq: [{unit: {}, checkpoint: true}, relu], repeat: 2}",
    "a path": "low: {branches: {join: add, paths: {a: {unit: {}, checkpoint: true}, b: gelu}}}",
}


def spec(items: str) -> Graph:
    body = f"  stem: {{conv: {{out: 8, kernel: 3}}}}\n  {items}\n"
    head = "head: [{conv: {out: 2, kernel: 1}}]\nlint: {W0104: off}"
    return graph_of(f"{BLOCKS}input: [3, 12, 12]\nbackbone:\n{body}{head}")


def graphs(items: str) -> tuple[Graph, Graph]:
    """The same network with checkpoints and without."""
    return spec(items), spec(re.sub(", checkpoint: true", "", items))


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def items(request: Any) -> str:
    return str(request.param)


def modules(items: str) -> tuple[nn.Module, nn.Module]:
    first, second = (compile_graph(graph).double() for graph in graphs(items))
    second.load_state_dict(first.state_dict())
    for part in (*first.modules(), *second.modules()):
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return first, second


def test_a_network_computes_and_learns_what_it_does_without(items: str) -> None:
    given, plain = modules(items)
    ours, theirs = (torch.randn(2, 3, 12, 12).double().requires_grad_() for _ in range(2))
    with torch.no_grad():
        theirs.copy_(ours)
        assert torch.equal(given.eval()(ours), plain.eval()(theirs))
    one, other = given.train()(ours), plain.train()(theirs)
    assert torch.equal(one, other)
    (one**2).sum().backward()
    (other**2).sum().backward()
    pairs = [(ours, theirs), *zip(given.parameters(), plain.parameters(), strict=True)]
    assert all(a.grad is not None and torch.allclose(a.grad, b.grad) for a, b in pairs)


def test_dropout_is_the_same_when_it_is_computed_again() -> None:
    module = compile_graph(spec("low: {unit: {rate: 0.5}, checkpoint: true}")).double().train()
    image = torch.randn(1, 3, 12, 12).double().requires_grad_()

    def run(x: Tensor) -> Tensor:
        torch.manual_seed(3)
        return module(x).sum()  # type: ignore[no-any-return]

    assert torch.autograd.gradcheck(run, image, fast_mode=True, atol=1e-4)


def test_it_is_carried_from_json_to_source(items: str) -> None:
    graph, plain = graphs(items)
    again = Graph.from_json(graph.to_json())
    assert again == graph
    assert again.recomputed
    assert not plain.recomputed
    assert "recomputed" not in plain.to_json()
    sources = [archdsl.emit(graph), archdsl.emit(again)]
    for source in sources:
        prove(source, graph)
        with pytest.raises(Difference):
            prove(source, plain)
        with pytest.raises(Difference):
            prove(archdsl.emit(plain), graph)


@pytest.mark.parametrize(
    "items",
    [
        "low: {dense: {layer: [{conv: {kernel: 3}}], repeat: 0, gives: last}, checkpoint: true}",
        "low: {seq: [{seq: []}], checkpoint: true}\n  b: gelu",
        "low: {residual: {body: []}, if: C > 9, checkpoint: true}\n  b: gelu",
    ],
)
def test_a_part_of_which_nothing_comes_is_not_computed_again(items: str) -> None:
    graph = spec(items)
    assert "recomputed" not in archdsl.emit(graph)
    image = torch.randn(2, 3, 12, 12)
    assert memory(graph, batch=2).saved == saved_by_training(compile_graph(graph), image)


@pytest.mark.parametrize("form", ["every turn", "ways", "a sequence", "an op", "two inputs"])
def test_a_source_is_written_in_the_words_of_the_spec(form: str) -> None:
    graph = spec(FORMS[form])
    source = translate(graph.select(graph.outputs, graph.aux), class_name(graph.name))
    prove(source, graph)
    helper = "recomputed_in_turn" if form == "every turn" else "recomputed"
    assert f" if torch.jit.is_scripting() else {helper}(self" in " ".join(source.split())


def test_training_keeps_what_pytorch_does(items: str) -> None:
    graph, plain = graphs(items)
    module, image = compile_graph(plain), torch.randn(2, 3, 12, 12)
    assert sum(saved_bytes(plain, batch=2).values()) == saved_by_training(module, image)
    module = compile_graph(graph)
    parts = [module.get_submodule(path) for path in graph.recomputed]
    expected = sum(saved_bytes(graph, batch=2).values())
    assert max(kept_by_training(module, parts, image)) == expected
    assert memory(graph, batch=2).saved == expected


def test_the_saved_column_says_what_is_left() -> None:
    """Four maps of equal size: as the backward pass begins, what `low` and `c` are given is kept.

    That is less than behind `low`, where what each of its convolutions is given is there again, and
    `c` is done with.
    """
    conv = "{conv: {out: 4, kernel: 3}}"
    one = 4 * 4 * 8 * 8
    for checked, kept in (("", 4 * [one]), (", checkpoint: true", [one, one, one, 0])):
        items = f"low: {{seq: [{conv}, {conv}, {conv}]{checked}}}\n  c: gelu"
        graph = graph_of(f"input: [4, 8, 8]\nbackbone:\n  {items}")
        assert [*saved_bytes(graph).values()] == kept
        assert memory(graph).training == 3 * memory(graph).weights + sum(kept)


def test_a_difference_is_told() -> None:
    changes = compare(*graphs(FORMS["every turn"])[::-1]).changes
    assert [(c.side.path, c.details, c.count) for c in changes] == [
        ("low.0", ("checkpoint: false -> true",), 3)
    ]
    changes = compare(*graphs(FORMS["an op"])[::-1]).changes
    assert [(c.side.path, c.details) for c in changes] == [("low", ("checkpoint: false -> true",))]


def test_a_backbone_keeps_its_checkpoints() -> None:
    graph = graph_of("""
        backbone:
          low: {seq: [{conv: {out: 4, kernel: 3}}, relu], checkpoint: true}
          high: {seq: [{conv: {out: 4, kernel: 3}}, relu], checkpoint: true}
    """)
    assert graph.select({"low": "low.1"}).recomputed == {"low"}


POSITIONS = {  # of an item, and the parts that are computed again
    "[{seq: [unit, unit], checkpoint: true}]": {"0"},
    "[{unit: {}, repeat: 3, checkpoint: true}]": {"0", "1", "2"},
    "{'a{row}': {for: {r: [0.1, 0.2]}, unit: {rate: r}, checkpoint: true}}": {"a0", "a1"},
    "{a: {branches: {paths: {x: {unit: {}, checkpoint: true}, y: unit}}}}": {"a.x"},
    "{a: {residual: {body: {x: unit}, shortcut: {p: {conv: {kernel: 1}, checkpoint: true}}}}}":
        {"a.p"},
    "{a: {residual: {body: {x: unit}, after: {n: {batch_norm: {}, checkpoint: true}}}}}": {"a.n"},
    "{a: {dense: {layer: {'l{i}': {unit: {}, checkpoint: true}}, repeat: 2}}}": {"a.l0", "a.l1"},
    "{a: unit, b: {unit: {}, aux: true, checkpoint: true}, c: unit}": {"b"},
    "{x.y: {unit: {}, checkpoint: true}}": {"x.y"},
    "{a: {unit: {}, repeat: 2, shared: true, checkpoint: true}}": {"a"},
    "{a: {seq: {x: {unit: {}, checkpoint: true}, y: unit}, checkpoint: true}}": {"a", "a.x"},
}  # fmt: skip


@pytest.mark.parametrize("items", POSITIONS)
def test_it_may_stand_beside_every_item_that_makes_a_module(items: str) -> None:
    graph = graph_of(f"{BLOCKS}\nbackbone: {items}\n")
    assert graph.recomputed == POSITIONS[items]


MISTAKES = [
    ("_a: {seq: [{conv: {kernel: 3}}], checkpoint: true}", "E0208",
     "`_a` adds no level, so there is no module to compute again"),
    ("a: {inline: {b: {conv: {kernel: 3}}}, checkpoint: true}", "E0208",
     "`inline` adds no level, so there is no module to compute again"),
    ("a: {relu: {}, checkpoint: true}", "E0208",
     "relu is no module with weights: alone it saves nothing"),
    ("a: {layer_scale: {}, checkpoint: true}", "E0208",
     "layer_scale is no module with weights: alone it saves nothing"),
    ("a: {split: {parts: [1, 2]}, checkpoint: true}", "E0208",
     "split is no module with weights: alone it saves nothing"),
    ("a: {conv: {kernel: 3}, checkpoint: false}", "E0203", "checkpoint must be true"),
    ("a: {conv: {kernel: 3}, checkpoint: 1}", "E0203", "checkpoint must be true"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "code", "message"), MISTAKES)
def test_mistakes_are_told_at_their_place(item: str, code: str, message: str) -> None:
    column = item.index("checkpoint") + 3 + 12 * (code == "E0203")
    check_error(f"backbone:\n  {item}\n", 2, column, code, message)


def test_a_module_that_is_used_again_says_it_where_it_is_made() -> None:
    text = "backbone:\n  a: {conv: {out: 3, kernel: 3}}\n  b: {use: a, checkpoint: true}\n"
    check_error(text, 3, 15, "E0208", "`use` makes no module")


def test_json_that_names_no_part_is_refused() -> None:
    text = graph_of("backbone: {a: {conv: {out: 3, kernel: 3}}, b: relu}").to_json()
    for wrong in ("b", "c"):
        other = text.replace('"made": []', f'"made": [], "recomputed": ["{wrong}"]')
        with pytest.raises(ValueError, match=f"there is no part with weights at {wrong}"):
            Graph.from_json(other)


def test_a_block_may_be_called_so() -> None:
    graph = graph_of("""
        blocks: {checkpoint: {params: {k: 3}, seq: [{conv: {kernel: k}}]}}
        backbone: {a: {checkpoint: {k: 1}}, b: checkpoint}
    """)
    assert not graph.recomputed


@pytest.mark.filterwarnings("ignore")
def test_tools_take_the_source_as_the_docs_say(items: str) -> None:
    module, image = compile_graph(spec(items)).eval(), torch.randn(2, 3, 12, 12)
    wanted = module(image)
    assert torch.equal(torch.fx.symbolic_trace(module)(image), wanted)
    assert torch.equal(torch.jit.script(module)(image), wanted)
    assert torch.allclose(torch.export.export(module, (image,)).module()(image), wanted)
