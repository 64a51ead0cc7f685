"""Keys with dots: an item at that path, whose levels are made when they are first needed."""

import pytest

import archdsl
from archdsl import Graph
from archdsl.pytorch.proof import prove
from archdsl.pytorch.source import translate
from tests.support import check_error, graph_of, labels, shapes, wires

IN_TURN = """
    backbone:
      _step{k}:
        for: {k: range(2)}
        inline:
          "convs.{k}": {conv: {out: 4 + k, kernel: 3}}
          "bns.{k}": batch_norm
"""


def test_what_shares_a_level_runs_in_turn_and_has_its_weights_together() -> None:
    """As Res2Net's ModuleLists: state_dict has all of convs before all of bns."""
    graph = graph_of(IN_TURN)
    assert list(shapes(IN_TURN)) == ["convs.0", "bns.0", "convs.1", "bns.1"]
    assert wires(IN_TURN)["convs.1"] == "bns.0"
    assert graph.scopes == ()
    keys = [key.rpartition(".")[0] for key in graph.state]
    assert list(dict.fromkeys(keys)) == ["convs.0", "convs.1", "bns.0", "bns.1"]


def test_references_name_the_whole_key_and_paths_go_on_from_it() -> None:
    text = """
        backbone:
          a.b.c: {seq: {d: relu, e: {conv: {kernel: 3}}}}
          a.b.f: {tanh: {}, from: a.b.c.d}
          g: {conv: {kernel: 1}, repeat: 2, from: a.b.c}
          a.h: {conv: {kernel: 1}, repeat: 2, from: a.b.f}
          z: {concat: {}, from: [g, a.h, a.h.0]}
    """
    found = wires(text)
    assert (found["a.b.f"], found["g.0"], found["a.h.0"]) == ("a.b.c.d", "a.b.c.e", "a.b.f")
    assert found["z"] == "g.1 a.h.1 a.h.0"


def test_the_source_calls_a_list_of_modules_in_turn() -> None:
    graph = graph_of(IN_TURN)
    source = translate(graph, "Net")
    prove(source, graph)
    assert "self.convs = nn.ModuleList(" in source
    assert source.index("self.bns[0](") < source.index("self.convs[1](")


def test_a_graph_in_json_keeps_its_levels_and_their_source() -> None:
    graph = Graph.from_json(graph_of(IN_TURN).to_json())
    source = archdsl.emit(graph)
    prove(source, graph)
    assert "self.convs = nn.ModuleList(" in source
    broken = graph_of(IN_TURN).to_json().replace('"bns.0"', '"convs"')
    with pytest.raises(ValueError, match="two things are named convs"):
        Graph.from_json(broken)


def test_a_block_and_what_is_applied_again_have_levels_of_their_own() -> None:
    text = """
        blocks: {unit: {body: {"convs.0": {conv: {kernel: 3}}, "convs.act": relu}}}
        backbone:
          a: unit
          b: {unit: {}, each: [a, input]}
          c: add
          d: {seq: {"x.y": {conv: {kernel: 1}}}, repeat: 2, shared: true}
          "l.e": {conv: {kernel: 1}, each: [c, d]}
          "l.f": {add: {}, from: l.e}
          use: {use: l.e}
    """
    found = wires(text)
    assert found["b.convs.act@1"] == "b.convs.0@1"
    assert found["d.x.y@1"] == "d.x.y"
    assert found["l.f"] == "l.e l.e@1"
    assert found["l.e@0@1"] == "l.f"


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "message", "help"),
    [
        ("backbone: {a: {seq: {b: relu}}, a.c: tanh}", 1, 33, "E0401",
         "two things are named a", "give them different names"),
        ("backbone: {a.b: relu, a: tanh}", 1, 23, "E0401",
         "two things are named a", "give them different names"),
        ("backbone: {a.b: relu, a.b: tanh}", 1, 23, "E0105", "`a.b` stands here twice", None),
        ("backbone: {_a.b: relu}", 1, 12, "E0208",
         "`_a.b` cannot be a name: `_a` would add no level", None),
        ("backbone: {a._b: relu}", 1, 12, "E0208",
         "`a._b` cannot be a name: `_b` would add no level", None),
        ("backbone: {a.b: {inline: [relu]}}", 1, 12, "E0208",
         "`inline` adds no level, so that nothing stands at a.b", None),
        ("backbone: {a..b: relu}", 1, 12, "E0208",
         "`` cannot be a name: names are letters, digits, `_`, and `-` inside", None),
        ("backbone: {a.class: relu}", 1, 12, "E0208",
         "`class` is a word of Python and cannot be a name", None),
        ("backbone: {'a{w}': {for: {w: ['.b']}, relu: {}}}", 1, 13, "E0208",
         "`a.b` has a dot that an expression gives", "the levels of a key are written in it"),
        ("backbone: {a.b: {relu: {}, tap: a.b}}", 1, 33, "E0208",
         "`a.b` cannot be a name: names are letters, digits, `_`, and `-` inside", None),
        ("backbone: {a.b: relu, c: {add: {}, from: [a.b, a.d]}}", 1, 48, "E0402",
         "unknown reference `a.d`", None),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_dotted_key(
    text: str, line: int, column: int, code: str, message: str, help: str | None
) -> None:
    found = check_error(text, line, column, code, message, help)
    if code == "E0401":
        assert labels(found) == ["1 first here"]


def test_a_module_applied_to_its_own_result_in_one_that_is_applied_again() -> None:
    graph = graph_of("""
        backbone:
          list:
            seq:
              bns.a: {batch_norm: {}}
              bns.b: {seq: {act: relu, n: {batch_norm: {}}}, repeat: 2, shared: true}
            each: [input, input]
          sum: add
    """)
    assert [*graph.state][::5] == ["list.bns.a.weight", "list.bns.b.n.weight"]
    assert Graph.from_json(graph.to_json()) == graph
