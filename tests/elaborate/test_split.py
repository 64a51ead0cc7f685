"""`split`: the channels of a map in parts, a list of maps."""

import pytest
import torch

import archdsl
from archdsl.graph.graph import Graph
from archdsl.pytorch.module import compile_graph
from tests.support import check_error, graph_of, shapes, wires

BODY = "input: [6, 4, 4]\nbackbone:\n  "


def test_even_parts_stand_under_the_name_by_their_numbers() -> None:
    text = f"{BODY}a: {{split: {{parts: 3}}}}\n  b: {{concat: {{}}, from: ['a[2]', '*a[:2]', a.1]}}"
    assert shapes(text) == {"a.0": "2x4x4", "a.1": "2x4x4", "a.2": "2x4x4", "b": "8x4x4"}
    assert wires(text)["b"] == "a.2 a.0 a.1 a.1"
    assert graph_of(text).scopes == ()


@pytest.mark.parametrize("parts", ["[1, C - 1]", "[1, 5]"])
def test_parts_have_as_many_channels_as_a_list_says(parts: str) -> None:
    text = f"{BODY}- {{split: {{parts: '{parts}'}}}}\n  - concat"
    assert shapes(text) == {"0.0": "1x4x4", "0.1": "5x4x4", "1": "6x4x4"}


def test_the_source_takes_the_parts_apart() -> None:
    graph = graph_of("""
        blocks:
          cut: {params: {k: int}, split: {parts: "[k, C - k]"}}
          half:
            params: {n: 2}
            body:
              _x: {split: {parts: n}}
              sum: {add: {}}
        input: [6, 4, 4]
        backbone:
          a: {cut: {k: 2}}
          b: {concat: {}, from: ["a[1]", "a[0]"]}
          c: half
          d: {conv: {out: 4, kernel: 1}}
          e: {half: {n: 4}}
    """)
    image = torch.randn(2, 6, 4, 4)
    with torch.no_grad():
        for made in (graph, Graph.from_json(graph.to_json())):
            module = compile_graph(made)
            turned = torch.cat([image[:, 2:], image[:, :2]], 1)
            wanted = module.get_submodule("d")(turned[:, :3] + turned[:, 3:]).sum(1, keepdim=True)
            assert torch.allclose(module(image), wanted, atol=1e-6)
    source = archdsl.emit(graph)
    assert "self.c = Half(6)\n" in source
    assert "self.e = Half(4, n=4)\n" in source


MISTAKES = [
    ("a: {split: {parts: 4}}", 22, "E0502", "6 channels cannot be split into 4 even parts"),
    ("a: {split: {parts: [2, 3]}}", 22, "E0502",
     "6 channels cannot be split into parts of 5 in all"),
    ("a: {split: {parts: 0}}", 22, "E0305", "parts: 0 is less than 1"),
    ("a: {split: {}}", 7, "E0207", "split needs `parts`"),
    ("a: {split: 2}", 14, "E0203", "split needs a mapping"),
    ("a: {split: {sizes: 2, parts: 2}}", 15, "E0206", "split has no argument `sizes`"),
    ("a: {split: {parts: 2}, from: [input, input]}", 6, "E0404",
     "split takes a map, and this is a list"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "column", "code", "message"), MISTAKES)
def test_mistakes_are_told_at_their_place(item: str, column: int, code: str, message: str) -> None:
    check_error(f"{BODY}{item}\n  b: concat\n", 3, column, code, message)
