"""Combinators: residual, branches, dense, and that their arguments add no level."""

from dataclasses import replace

import pytest

from archdsl.graph.graph import Graph
from archdsl.graph.verify import verify
from archdsl.pytorch.module import compile_graph
from tests.support import check_error, errors, graph_of, labels, read, shapes, verbs, wires

# residual


def test_a_residual_adds_its_input_to_its_body_and_then_runs_after() -> None:
    text = "backbone: {unit: {residual: {body: {a: {conv: {kernel: 3}}, b: tanh}, after: relu}}}"
    assert wires(text) == {
        "unit.a": "input",
        "unit.b": "unit.a",
        "unit._add": "unit.b input",
        "unit.relu": "unit._add",
    }


def test_a_shortcut_may_change_the_shape() -> None:
    text = """
        backbone:
          unit:
            residual:
              body: {conv1: {conv: {out: 6, kernel: 3, stride: 2}}}
              shortcut: {down: {conv: {out: 6, kernel: 1, stride: 2}, if: C != 6}}
    """
    assert wires(text)["unit._add"] == "unit.conv1 unit.down"


def test_body_and_shortcut_are_made_in_the_order_in_which_they_are_written() -> None:
    body, shortcut = "body: {a: relu}", "shortcut: {b: tanh}"
    first = f"backbone: {{u: {{residual: {{{body}, {shortcut}}}}}}}"
    second = f"backbone: {{u: {{residual: {{{shortcut}, {body}}}}}}}"
    assert list(verbs(first)) == ["u.a", "u.b", "u._add"]
    assert list(verbs(second)) == ["u.b", "u.a", "u._add"]
    assert wires(first)["u._add"] == wires(second)["u._add"] == "u.a u.b"


def test_a_shortcut_from_an_item_of_the_body_may_be_made_before_it() -> None:
    """As timm makes the projection of a pre-activation block before the norm that it follows."""
    unit = """
        backbone:
          stem: {conv: {out: 4, kernel: 1}}
          unit:
            for: {n: [1, 2]}
            residual:
              shortcut: {down: {conv: {out: C, kernel: 1}, from: "norm"}}
              body: {norm: batch_norm, conv: {conv: {out: C, kernel: 1}}}
    """
    graph = graph_of(unit.replace("unit:", "unit{n}:"))
    assert [node.id for node in graph.nodes if node.scope == "unit1"] == [
        "unit1.norm", "unit1.conv", "unit1.down", "unit1._add",
    ]  # fmt: skip
    keys = [key.rpartition(".")[0] for key in graph.state]
    order = ["stem", "unit1.down", "unit1.norm", "unit1.conv"]
    assert list(dict.fromkeys(keys))[:4] == order
    assert list(compile_graph(graph).state_dict()) == list(graph.state)
    assert Graph.from_json(graph.to_json()) == graph
    with pytest.raises(ValueError, match="made does not name every node once"):
        verify(replace(graph, made=graph.made[1:]))


def test_without_when_there_is_only_the_body_and_what_comes_after() -> None:
    text = """
        backbone:
          - residual: {body: {a: relu}, shortcut: {b: tanh}, after: gelu, when: C > 3}
    """
    assert wires(text) == {"0.a": "input", "0.gelu": "0.a"}


def test_a_shortcut_of_no_items_is_the_identity() -> None:
    text = "backbone: {u: {residual: {body: [relu], shortcut: []}}}"
    assert wires(text) == {"u.0": "input", "u._add": "u.0 input"}


def test_a_body_that_gives_another_shape_says_both_and_what_to_write() -> None:
    text = """
        backbone:
          unit:
            residual:
              body:
                conv1: {conv: {out: 6, kernel: 3, stride: 2}}
    """
    found = check_error(
        text, 3, 5, "E0501", "the body gives 6x4x4, the shortcut 3x8x8",
        "project the shortcut: "
        "`shortcut: {downsample: {projection: {out: 6, stride: 2}}}`",
    )  # fmt: skip
    assert labels(found) == ["5 the body gives 6x4x4", "8 the shortcut gives 3x8x8"]
    written = (
        text.rstrip()
        + """
              shortcut: {downsample: {projection: {out: 6, stride: 2}}}
    """
    )
    assert errors(written) == []


@pytest.mark.parametrize(
    ("body", "help"),
    [
        ("{conv: {out: 6, kernel: 3}}",
         "project the shortcut: `shortcut: {downsample: {projection: {out: 6}}}`"),
        ("{max_pool: {kernel: [1, 2]}}",
         "project the shortcut: "
         "`shortcut: {downsample: {projection: {out: 3, stride: [1, 2]}}}`"),
        ("{conv: {kernel: 2, padding: 0}}", "give the shortcut the body's shape"),
        ("flatten", "give the shortcut the body's shape"),
    ],
)  # fmt: skip
def test_the_projection_to_write_depends_on_the_body(body: str, help: str) -> None:
    _, (diagnostic,) = read(f"backbone: {{u: {{residual: {{body: {{a: {body}}}}}}}}}")
    assert (diagnostic.code, diagnostic.help) == ("E0501", help)


def test_two_lists_side_by_side_would_number_their_items_alike() -> None:
    """Decided: a body and a shortcut that are both lists are an error, as both start at 0."""
    found = check_error(
        "backbone:\n- residual:\n    body: [relu]\n    shortcut: [tanh]",
        4, 15, "E0401", "body and shortcut both number their items from 0",
        "write one of the two as a mapping, with a name for every item",
    )  # fmt: skip
    assert labels(found) == ["3 body is a list too"]


def test_a_list_after_goes_on_with_the_numbers_of_the_body() -> None:
    text = "backbone: {u: {residual: {body: [relu], after: [tanh, gelu]}}}"
    assert verbs(text) == {"u.0": "relu", "u._add": "add", "u.1": "tanh", "u.2": "gelu"}


# branches


def test_branches_run_side_by_side_and_are_joined() -> None:
    text = """
        backbone:
          mix:
            branches:
              paths:
                a: {conv: {out: 4, kernel: 1}}
                b: [{conv: {out: 5, kernel: 3}}, relu]
                c: []
    """
    assert shapes(text)["mix._concat"] == "12x8x8"
    assert wires(text)["mix._concat"] == "mix.a mix.b.1 input"
    assert wires(text)["mix.b.0"] == "input"


def test_a_path_may_be_a_mapping_of_items() -> None:
    text = """
        backbone:
          m:
            branches:
              paths:
                a: {c: {conv: {out: 4, kernel: 1}}, r: relu}
                b: {d: [{conv: {out: 2, kernel: 1}}, relu]}
                "e{row}":
                  for: {out: [1, 5]}
                  conv: {out: out, kernel: 1}
    """
    assert wires(text) == {
        "m.a.c": "input", "m.a.r": "m.a.c", "m.b.d.0": "input", "m.b.d.1": "m.b.d.0",
        "m.e0": "input", "m.e1": "input", "m._concat": "m.a.r m.b.d.1 m.e0 m.e1",
    }  # fmt: skip
    listed = text.replace("{c: {conv: {out: 4, kernel: 1}}, r: relu}",
                          "{seq: {c: {conv: {out: 4, kernel: 1}}, r: relu}}")  # fmt: skip
    assert wires(listed) == wires(text)


def test_a_mistake_in_a_path_of_items_is_found_at_its_item() -> None:
    path = "{c: {conv: {out: 4, kernel: 1}}, r: rleu}"
    check_error(f"backbone: {{m: {{branches: {{paths: {{a: {path}}}}}}}}}", 1, 74, "E0205",
                "unknown verb `rleu`")  # fmt: skip


@pytest.mark.parametrize(("join", "shape"), [("add", "3x8x8"), ("multiply", "3x8x8")])
def test_branches_may_be_added_or_multiplied(join: str, shape: str) -> None:
    text = f"backbone: {{m: {{branches: {{join: {join}, paths: {{a: relu, b: sigmoid}}}}}}}}"
    assert shapes(text)[f"m._{join}"] == shape


def test_a_gate_multiplies_every_position() -> None:
    text = """
        backbone:
          gate:
            branches:
              join: multiply
              paths: {_x: [], squeeze: [global_avg_pool, {conv: {kernel: 1}}, sigmoid]}
    """
    assert shapes(text)["gate.squeeze.2"] == "3x1x1"
    assert shapes(text)["gate._multiply"] == "3x8x8"


def test_a_path_may_be_dropped_or_copied() -> None:
    text = """
        backbone:
          m:
            branches:
              paths:
                pool{row}: {for: {size: [1, 2, 4]}, adaptive_avg_pool: {size: 8}}
                none: {relu: {}, if: false}
    """
    assert wires(text)["m._concat"] == "m.pool0 m.pool1 m.pool2"


def test_one_path_alone_needs_no_join() -> None:
    assert wires("backbone: {m: {branches: {paths: {a: relu}}}}") == {"m.a": "input"}
    check_error("backbone: {m: {branches: {paths: {a: {relu: {}, if: false}}}}}", 1, 15, "E0404",
                "branches without a path")  # fmt: skip


def test_split_deals_the_channels_out() -> None:
    text = """
        input: [8, 4, 4]
        backbone:
          m: {branches: {split: [C // 4, C - C // 4], paths: {a: relu, b: {conv: {kernel: 1}}}}}
    """
    assert shapes(text) == {
        "m._slice0": "2x4x4", "m._slice1": "6x4x4", "m.a": "2x4x4", "m.b": "6x4x4",
        "m._concat": "8x4x4",
    }  # fmt: skip
    assert wires(text)["m.b"] == "m._slice1"


@pytest.mark.parametrize(
    ("split", "code", "message"),
    [
        ("[1, 1]", "E0502", "split [1, 1] must give 3 channels to 2 paths"),
        ("[1, 1, 1]", "E0502", "split [1, 1, 1] must give 3 channels to 2 paths"),
        ("3", "E0502", "split 3 must give 3 channels to 2 paths"),
        ("[1.5, 1.5]", "E0304", "split: 1.5 is not a whole number"),
        ("[0, 3]", "E0305", "split: 0 is less than 1"),
    ],
)
def test_a_split_that_does_not_fit(split: str, code: str, message: str) -> None:
    text = f"backbone: [{{branches: {{split: {split}, paths: {{a: relu, b: relu}}}}}}]"
    check_error(text, 1, 31, code, message)


def test_a_later_path_may_refer_to_an_item_of_an_earlier_one() -> None:
    """Res2Net's hierarchy: a group sees what the group before it gave."""
    text = """
        backbone:
          m:
            branches:
              join: add
              paths: {a: {relu: {}}, _b: {inline: {c: {tanh: {}, from: a}}}}
    """
    assert wires(text)["m.c"] == "m.a"


def test_paths_that_do_not_fit_together_are_an_error_with_both_shapes() -> None:
    text = """
        backbone:
          m:
            branches:
              paths:
                a: {max_pool: {kernel: 2}}
                b: relu
    """
    found = check_error(
        text, 3, 5, "E0501",
        "concat of 3x4x4 and 3x8x8: only the channels may differ",
    )  # fmt: skip
    assert labels(found) == ["5 m.a gives 3x4x4", "6 m.b gives 3x8x8"]


# dense


def test_a_dense_layer_sees_the_input_and_all_earlier_layers() -> None:
    """DenseNet, figure 1: layer k is given the maps of all layers before it."""
    text = """
        backbone:
          block: {dense: {layer: {"layer{i + 1}": {conv: {out: 2, kernel: 3}}}, repeat: 3}}
    """
    assert wires(text) == {
        "block.layer1": "input",
        "block._concat1": "input block.layer1",
        "block.layer2": "block._concat1",
        "block._concat2": "input block.layer1 block.layer2",
        "block.layer3": "block._concat2",
        "block._concat": "input block.layer1 block.layer2 block.layer3",
    }
    assert shapes(text)["block._concat"] == "9x8x8"
    assert graph_of(text).scopes[0].kind == "dense"


def test_the_layers_of_a_list_take_successive_numbers() -> None:
    text = "backbone: {d: {dense: {layer: [{conv: {out: 1, kernel: 1}}], repeat: 2}}}"
    assert [id for id in verbs(text) if "_" not in id] == ["d.0", "d.1"]


def test_a_dense_block_of_no_layers_is_the_identity() -> None:
    text = "backbone: {d: {dense: {layer: [relu], repeat: 0}}, e: relu}"
    assert wires(text) == {"e": "input"}


def test_layers_need_names_that_differ() -> None:
    check_error("backbone: {d: {dense: {layer: {a: relu}, repeat: 2}}}", 1, 32, "E0401",
                "two things are named d.a")  # fmt: skip


# what is wrong with a combinator


@pytest.mark.parametrize(
    ("item", "column", "code", "message"),
    [
        ("residual", 1, "E0203", "residual needs a mapping"),
        ("{residual: [relu]}", 12, "E0203", "residual needs a mapping"),
        ("{residual: {}}", 2, "E0207", "residual needs `body`"),
        ("{residual: {boddy: relu, body: relu}}", 13, "E0206", "residual has no argument `boddy`"),
        ("{residual: {body: 3}}", 19, "E0203", "expected items"),
        ("{residual: {body: relu, when: nope}}", 31, "E0302", "unknown name `nope`"),
        ("{residual: {body: relu, when: []}}", 31, "E0203", "expected true or false, not a list"),
        ("{branches: {}}", 2, "E0207", "branches needs `paths`"),
        ("{branches: {paths: [relu]}}", 20, "E0203", "paths must be a mapping"),
        ("{branches: {paths: {}}}", 20, "E0203", "paths must be a mapping"),
        ("{branches: {paths: {a: relu}, join: mix}}", 37, "E0305",
         "join must be one of concat, add, multiply, none"),
        ("{branches: {paths: {a: relu}, join: [add]}}", 37, "E0305",
         "join must be one of concat, add, multiply, none"),
        ("{dense: {layer: relu}}", 2, "E0207", "dense needs `repeat`"),
        ("{dense: {layer: relu, repeat: -1}}", 31, "E0305", "repeat: -1 is less than 0"),
        ("{dense: {layer: relu, repeat: x}}", 31, "E0302", "unknown name `x`"),
        ("{seq: 3}", 7, "E0203", "expected items"),
        ("{inline: }", 2, "E0203", "expected items"),
    ],
)  # fmt: skip
def test_wrong_combinators(item: str, column: int, code: str, message: str) -> None:
    if item == "{inline: }":
        column = 10
    check_error(f"backbone: [{item}]", 1, 11 + column, code, message)


# dense: what a layer sees, what it gives


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("", {"b.1": "b._concat1", "b._concat": "a b.0 b.1", "c": "b._concat"}),
        ("sees: last", {"b.1": "b.0", "b._concat": "a b.0 b.1", "c": "b._concat"}),
        ("sees: last, gives: layers", {"b._concat": "b.0 b.1", "c": "b._concat"}),
        ("gives: layers", {"b.1": "b._concat1", "b._concat": "b.0 b.1", "c": "b._concat"}),
        ("gives: last", {"b.1": "b._concat1", "c": "b.1"}),
        ("sees: last, gives: last", {"b.0": "a", "b.1": "b.0", "c": "b.1"}),
    ],
)
def test_what_layers_see_and_what_is_given_of_them(said: str, found: dict[str, str]) -> None:
    text = f"""
        backbone:
          a: relu
          b: {{dense: {{layer: [{{conv: {{out: 2, kernel: 3}}}}], repeat: 2, {said}}}}}
          c: tanh
    """
    wired = wires(text)
    assert {id: wired[id] for id in found} == found
    seen = {wired["b.1"]} - {"b.0"}
    assert set(wired) == {"a", "b.0", "b.1", "c", *seen, *(id for id in found if "concat" in id)}


def test_layers_are_given_as_a_list_with_what_they_were_given() -> None:
    """As ELAN picks some of the links (Wang et al. 2023)."""
    text = """
        backbone:
          a: {dense: {layer: [{conv: {kernel: 3}}], repeat: 4, sees: last, gives: list}, as: s}
          b: {concat: {}, from: ["s[-1]", "s[-3]", "*s[:2]"]}
    """
    assert wires(text)["b"] == "a.3 a.1 input a.0"


def test_a_chain_without_links_or_with_one() -> None:
    dense = "backbone: {a: relu, b: {dense: {layer: [tanh], repeat: %s, gives: %s}}, c: gelu}"
    assert wires(dense % (0, "all"))["c"] == wires(dense % (0, "last"))["c"] == "a"
    assert wires(dense % (1, "layers"))["c"] == "b.0"
    check_error(dense % (0, "layers"), 1, 24, "E0404", "a dense block without layers gives none")


@pytest.mark.parametrize(
    ("said", "message", "help"),
    [
        ("sees: first", "sees must be one of all, last", None),
        ("gives: none", "gives must be one of all, last, layers, list", None),
        ("gives: layer", "gives must be one of all, last, layers, list", "did you mean `layers`?"),
    ],
)
def test_other_words_for_what_layers_see(said: str, message: str, help: str | None) -> None:
    text = f"backbone: {{a: relu, b: {{dense: {{layer: [tanh], repeat: 2, {said}}}}}}}"
    check_error(text, 1, text.index(said) + said.index(":") + 3, "E0305", message, help)
