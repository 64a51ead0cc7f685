"""What is applied or comes again and again is said, and drawn once; gates say what makes them."""

import json
from typing import Any

import pytest

import archdsl
from archdsl import Graph
from archdsl.diagnostics.text import rest_of
from archdsl.figures.canvas.scene import Text
from archdsl.figures.figure import Figure
from tests.figures.truth import lies
from tests.support import graph_of


def built(spec: dict[str, Any]) -> Graph:
    return graph_of("\n".join(f"{key}: {json.dumps(value)}" for key, value in spec.items()))


def drawn(kind: str, input: Any = (3, 32, 32), **spec: Any) -> tuple[Figure, set[str]]:
    """A figure that says what is so, and its lines."""
    shapes = input if isinstance(input, dict) else [*input]
    graph = built({"input": shapes} | spec)
    figure = archdsl.draw(graph, kind=kind, width="double")
    assert list(lies(figure, [graph], kind)) == []
    scene = figure.scene
    assert scene is not None
    return figure, {item.plain for item in scene.flat() if isinstance(item, Text)}


LOOP = [
    {"conv": {"out": 8, "kernel": 3}},
    {"conv": {"kernel": 3}, "repeat": 4, "shared": True},
]


@pytest.mark.parametrize("kind", ["hero", "strip", "columns"])
def test_weights_that_are_applied_to_their_own_result_say_how_often(kind: str) -> None:
    _, texts = drawn(kind, backbone=LOOP)
    assert any(text.endswith("4 times, shared weights") for text in texts)


def test_a_table_says_it_too_and_of_how_many_maps_weights_are_shared() -> None:
    graph = built({"input": [3, 32, 32], "backbone": LOOP})
    table = archdsl.draw(graph, kind="table").render(".md").decode()
    assert "3×3 conv, 8, 4 times, shared weights" in table
    heads = {"a": {"conv": {"out": 4, "kernel": 1}, "each": ["left", "right"]}, "b": "concat"}
    pair = {"left": [3, 8, 8], "right": [3, 8, 8]}
    graph = built({"input": pair, "backbone": heads})
    assert (
        "1×1 conv, 4, on each of 2 maps" in archdsl.draw(graph, kind="table").render(".md").decode()
    )


def test_maps_of_one_shape_are_said_once_and_of_others_both_ends() -> None:
    tower = {"t": {"seq": ["flatten", {"linear": {"out": 64}}], "each": ["left", "right"]}}
    pair = {"left": [3, 8, 8], "right": [3, 8, 8]}
    _, texts = drawn("hero", pair, backbone=tower | {"join": "concat"})
    assert {"64", "on each of 2 maps"} <= texts and "64–1" not in texts
    pool = {"t": {"max_pool": {"kernel": 2}, "each": ["left", "right"]}}
    pair = {"left": [3, 8, 8], "right": [6, 4, 4]}
    ends = {"outputs": {"a": "t[0]", "b": "t[1]"}}
    _, texts = drawn("hero", pair, backbone=pool, **ends)
    assert "3×42–6×22" in texts


def test_what_is_told_where_weights_are_applied_once_is_told_wherever_they_are() -> None:
    """Of three applications one is on all ways: the cell is of all three maps."""
    unit = {"body": ["relu", {"residual": {"body": [{"conv": {"kernel": 3}}]}}]}
    items = {
        "u": {"unit": {}, "each": ["left", "right", "left"]},
        "join": "concat",
    }
    pair = {"left": [4, 8, 8], "right": [4, 8, 8]}
    _, texts = drawn("hero", pair, backbone=items, blocks={"unit": unit})
    assert "on each of 3 maps" in texts


GATED = {
    "gated": {
        "branches": {
            "paths": {
                "a": [{"conv": {"kernel": 3}}, "tanh"],
                "b": [{"conv": {"kernel": 3}}, "sigmoid"],
            },
            "join": "multiply",
        }
    }
}


@pytest.mark.parametrize("kind", ["hero", "block"])
def test_activations_that_make_a_gate_are_drawn(kind: str) -> None:
    figure, texts = drawn(kind, blocks=GATED, backbone=[{"gated": {}}, "relu", {"gated": {}}])
    assert {"tanh", "sigmoid"} <= texts
    assert "relu" in figure.left_out and "tanh" not in figure.left_out  # nor of the second block


def test_an_activation_before_a_fork_makes_no_gate() -> None:
    gate = {
        "body": {
            "pool": {"adaptive_avg_pool": {"size": 2}},
            "fc": {"conv": {"kernel": 1}},
            "sig": "sigmoid",
            "up": {"resize": {"like": "input"}},
            "mul": {"multiply": {}, "from": ["input", "up"]},
        }
    }
    stem = {"stem": {"conv": {"out": 8, "kernel": 3}}, "act": "gelu", "g": {"gate": {}}}
    figure, texts = drawn("hero", backbone=stem, blocks={"gate": gate})
    assert "sigmoid" in texts and "gelu" not in texts and "gelu" in figure.left_out


CROSSED = {
    "bottle": {"residual": {"body": [{"conv": {"kernel": 1}}, {"conv": {"kernel": 3}}]}},
    "stage": {
        "params": {"depth": "int"},
        "body": {
            "a": {"conv": {"out": 8, "kernel": 1}},
            "b": {"conv": {"out": 8, "kernel": 1}, "from": "input"},
            "m": {"bottle": {}, "repeat": "depth", "from": "a"},
            "g": {"conv": {"out": 8, "kernel": 1}, "from": "b"},
            "mul": {"multiply": {}, "from": ["m", "g"]},
            "cat": {"concat": {}, "from": ["mul", "b"]},
        },
    },
}


def test_parts_that_repeat_in_a_block_whose_ways_cross_are_drawn_once() -> None:
    items = {f"s{n}": {"stage": {"depth": n}} for n in (1, 4, 6)}
    figure, texts = drawn("block", backbone=items, blocks=CROSSED)
    assert {"the same, 4 in all", "4 in all", "6 in all"} <= texts  # one drawn, both in its list
    scene = figure.scene
    assert scene is not None
    assert sum(isinstance(i, Text) and i.plain == "3×3, 8" for i in scene.flat()) == 2


def test_a_part_that_others_take_from_is_not_folded_away() -> None:
    """As in C2f: every turn's result is joined, so each is drawn."""
    items = {
        "a": {"conv": {"out": 8, "kernel": 1}},
        "b": {"conv": {"out": 8, "kernel": 1}, "from": "input"},
        "m": {"bottle": {}, "repeat": 3, "from": "a"},
        "cat": {"concat": {}, "from": ["m.0", "m.1", "m.2", "b", "a"]},
    }
    blocks = {"bottle": CROSSED["bottle"], "stage": {"body": items}}
    _, texts = drawn("block", backbone=[{"stage": {}}], blocks=blocks)
    assert not any(text.startswith("the same") for text in texts)


def test_a_result_is_named_inside_where_a_way_leaves_to_its_right() -> None:
    conv = {"conv": {"out": 8, "kernel": 3, "stride": 2}}
    items = {
        "a": conv, "b": conv, "up": {"resize": {"scale": 2}, "from": "b"},
        "cat": {"concat": {}, "from": ["up", "a"]},
    }  # fmt: skip
    _, texts = drawn("hero", backbone=items, outputs={"low": "b", "high": "cat"})
    assert "→ low" in texts


FUSE = {
    "inputs": ["a", "*rest"],
    "body": [{"add": {}, "from": ["a", "*rest"]}, {"conv": {"kernel": 3}}],
}
LAYER = {
    "inputs": ["p3", "p4", "p5"],
    "body": {
        "u5": {"resize": {"like": "p4"}, "from": "p5"},
        "t4": {"fuse": {}, "from": ["p4", "u5"]},
        "u4": {"resize": {"like": "p3"}, "from": "t4"},
        "o3": {"fuse": {}, "from": ["p3", "u4"]},
        "d3": {"max_pool": {"kernel": 3, "stride": 2, "padding": 1}, "from": "o3"},
        "o4": {"fuse": {}, "from": ["p4", "t4", "d3"]},
        "d4": {"max_pool": {"kernel": 3, "stride": 2, "padding": 1}, "from": "o4"},
        "o5": {"fuse": {}, "from": ["p5", "d4"]},
    },
    "outputs": {"p3": "o3", "p4": "o4", "p5": "o5"},
}


def bifpn(layers: dict[str, Any]) -> dict[str, Any]:
    conv = {"out": 16, "kernel": 3, "stride": 2}
    return {
        "blocks": {"fuse": FUSE, "layer": LAYER},
        "backbone": {f"c{n}": {"conv": conv, "tap": f"c{n}"} for n in (3, 4, 5)},
        "neck": {f"l{n}": {"conv": {"kernel": 1}, "from": f"c{n}"} for n in (3, 4, 5)} | layers,
        "head": {
            "cls": {
                "seq": [{"conv": {"kernel": 3}}, {"conv": {"out": 4, "kernel": 1}}],
                "each": "maps",
            }
        },
    }


def test_a_bifpn_is_rows_by_resolution_with_pools_said_on_the_ways_down() -> None:
    """Tan et al. 2020, figure 2 (d): two layers of it, one beside the other."""
    one = {"from": ["l3", "l4", "l5"], "as": "f"}
    layers = {"a": {"layer": {}} | one, "b": {"layer": {}, "from": "f", "tap": "maps", "as": "g"}}
    for kind in ("hero", "pyramid"):
        figure, texts = drawn(kind, (3, 64, 64), **bifpn(layers))
        assert "3×3 max, /2" in texts and not {"1", "2", "3"} & texts  # no way goes on elsewhere
        scene = figure.scene
        assert scene is not None
        spots = {
            item.plain.split(" ")[0]: item
            for item in scene.flat()
            if isinstance(item, Text)
            and item.plain.split(" ")[0] in ("a.o3", "b.o3", "a.o4", "a.t4")
        }
        assert spots["a.o3"].y == spots["b.o3"].y < spots["a.o4"].y == spots["a.t4"].y
        assert spots["a.o3"].x < spots["b.o3"].x


def test_what_repeats_in_a_grid_stands_once_under_its_number() -> None:
    graph = archdsl.load("efficientdet_d0")
    figure = archdsl.draw(graph, width="double")
    assert list(lies(figure, [graph], "hero")) == []
    scene = figure.scene
    assert scene is not None and scene.height < 9 * 72
    said = [item.plain for item in scene.flat() if isinstance(item, Text)]
    assert "bifpn ×3" in said and sum(text.startswith("out7") for text in said) == 1


@pytest.mark.parametrize(
    ("first", "last", "rest"),
    [
        ("stem", "skipped", "skipped"),
        ("layer1.0", "layer1.12", "12"),
        ("conv3a", "conv3b", "3b"),
        ("fpn1.td5", "fpn1.td4", "4"),
        ("fpn1.td5", "fpn2.td5", "fpn2.td5"),
        ("bifpn.out7", "box_net.predict", "box_net.predict"),
        ("features.4.1", "features.5.2", "5.2"),
        ("logits9", "logits10", "10"),
    ],
)
def test_what_a_run_ends_with_is_no_piece_of_a_name(first: str, last: str, rest: str) -> None:
    assert rest_of(first, last) == rest


TURNS = {
    "stem": {"conv": {"out": 8, "kernel": 3}},
    "t": {"unit": {}},
    "mid": {"conv": {"kernel": 1}},
    "u": {"use": "t"},
    "pool": {"max_pool": {"kernel": 2}},
    "v": {"use": "t"},
    "w": {"use": "mid"},
}
UNIT = {"body": {"res": {"residual": {"body": [{"conv": {"kernel": 1}}, {"conv": {"kernel": 3}}]}}}}


@pytest.mark.parametrize("kind", ["hero", "strip"])
def test_a_module_that_is_used_again_has_its_name(kind: str) -> None:
    """No mark of ours is in a figure; the same block is one inset, and equal names stay apart."""
    figure, texts = drawn(kind, backbone=TURNS, blocks={"unit": UNIT})
    said = texts | {figure.caption, figure.description}
    assert {"res", "res (again)", "res (use 3)", "mid (again)"} <= texts
    assert {"residual, weights of t.res", "1×1, weights of mid"} <= texts
    assert not any("@" in text for text in said)
    assert not any(text.startswith("(b)") for text in texts)


def test_columns_and_tables_say_whose_weights_are_used() -> None:
    figure, _ = drawn("columns", backbone=TURNS, blocks={"unit": UNIT})
    scene = figure.scene
    assert scene is not None
    lines = [item.plain for item in scene.flat() if isinstance(item, Text)]
    assert lines.count("weights of t.res") == 2 and lines.count("weights of mid") == 1
    graph = built({"input": [3, 32, 32], "backbone": TURNS, "blocks": {"unit": UNIT}})
    table = archdsl.draw(graph, kind="table").render(".md").decode().replace("\\", "")
    assert table.count("[1×1 conv, 8 · 3×3 conv, 8], weights of t.res") == 2
    assert "1×1 conv, 8, weights of mid" in table


def test_a_summary_names_what_is_used_again_and_its_data_have_the_path() -> None:
    graph = built({"input": [3, 32, 32], "backbone": TURNS, "blocks": {"unit": UNIT}})
    table = archdsl.summarize(graph)
    rows = [line.split("  ")[0] for line in str(table).splitlines()]
    named = ["stem", "t", "mid", "t (again)", "pool", "t (use 3)", "mid (again)"]
    assert rows[4:11] == named
    stages = json.loads(table.render("json"))["stages"]
    assert [stage["path"] for stage in stages][3:] == ["t@0@1", "pool", "t@0@2", "mid@0@3"]


def test_parts_that_are_added_are_no_residual() -> None:
    """ResNeSt's sum over its radix: branches under a key that adds no level."""
    block = {
        "c": {"conv": {"out": 8, "kernel": 3}},
        "_sum": {"branches": {"split": [4, 4], "join": "add", "paths": {"_0": [], "_1": []}}},
    }
    _, texts = drawn("hero", backbone={"a": {"radix": {}}}, blocks={"radix": {"body": block}})
    assert {"part 1 of 2", "part 2 of 2"} <= texts and "projection shortcut" not in texts


@pytest.mark.parametrize("verb", ["branches", "residual"])
def test_a_sum_under_a_key_that_adds_no_level_is_a_residual_if_the_spec_says_so(verb: str) -> None:
    """As graph and as JSON, which has nothing of the spec but this."""
    body, shortcut = ({"conv": {"out": 8, "kernel": kernel}} for kernel in (3, 1))
    both: dict[str, Any] = {"join": "add", "paths": {"a": body, "b": shortcut}}
    if verb == "residual":
        both = {"body": {"a": body}, "shortcut": {"b": shortcut}}
    unit = {"body": {"_sum": {verb: both}}}
    graph = built({"input": [3, 32, 32], "backbone": {"u": {"unit": {}}}, "blocks": {"unit": unit}})
    for said in (graph, Graph.from_json(graph.to_json())):
        scene = archdsl.draw(said, kind="block").scene
        assert scene is not None
        texts = {item.plain for item in scene.flat() if isinstance(item, Text)}
        assert ("projection shortcut" in texts) == (verb == "residual")


@pytest.mark.parametrize("op", [{"resize": {"scale": 2}}, {"max_pool": {"kernel": 2}}])
def test_what_resizes_several_maps_stands_on_no_single_way(op: dict[str, Any]) -> None:
    """Each way is drawn, into a box that says of how many."""
    conv = {"conv": {"out": 8, "kernel": 3}}
    items = {"a": conv, "b": conv, "up": {**op, "each": ["a", "b"]}, "cat": "concat"}
    _, texts = drawn("pyramid", backbone=items)
    assert "on each of 2 maps" in texts


def test_blocks_of_other_widths_that_reshape_alike_are_one() -> None:
    """A split of the channels in two, of 8 and of 16; one in four is another block."""
    fold = {
        "params": {"parts": "int"},
        "body": [
            {"conv": {"kernel": 3}},
            {"reshape": {"shape": ["parts", "C // parts", "H", "W"]}},
            {"permute": {"order": [1, 0, 2, 3]}},
            {"reshape": {"shape": ["C * D", "H", "W"]}},
            {"conv": {"kernel": 1}},
        ],
    }
    stem = {f"s{n}": {"conv": {"out": n, "kernel": 3}} for n in (8, 16)}
    items = {
        "s8": stem["s8"], "a": {"fold": {"parts": 2}}, "pool": {"max_pool": {"kernel": 2}},
        "s16": stem["s16"], "b": {"fold": {"parts": 2}}, "c": {"fold": {"parts": 4}},
    }  # fmt: skip
    _, texts = drawn("block", (3, 16, 16), backbone=items, blocks={"fold": fold})
    found = {text for text in texts if text.startswith("(")}
    assert found == {"(a) b", "(b) c"} and {"a", "b"} <= texts
