"""What people new to the language wrote: it does what they meant, or says what to write."""

import pytest
import torch

import archdsl
from archdsl.analysis.cost import analyze
from archdsl.analysis.receptive_field import receptive_fields
from tests.support import check_error, errors, graph_of, labels, shapes, wires


def parameters(text: str) -> int:
    return analyze(graph_of(text)).total.parameters


def test_one_convolution_for_all_levels_and_a_norm_for_each() -> None:
    text = """
        input: [3, 64, 64]
        backbone:
          a: {conv: {out: 8, kernel: 3, stride: 2}, tap: p3}
          b: {conv: {out: 8, kernel: 3, stride: 2}, tap: p4}
        head:
          conv: {conv: {kernel: 3}, each: [p3, p4]}
          bn0: {batch_norm: {}, from: "conv[0]"}
          bn1: {batch_norm: {}, from: "conv[1]"}
        outputs: {y3: bn0, y4: bn1}
    """
    assert parameters(text) == 224 + 584 + (584 + 2 * 16)
    assert wires(text)["bn1"] == "conv@1"


def test_two_inputs_have_ways_of_their_own() -> None:
    text = """
        input: {rgb: [3, 64, 64], depth: [1, 32, 32]}
        backbone:
          a: {conv: {out: 8, kernel: 3, stride: 2}, from: rgb}
          b: {conv: {out: 8, kernel: 3}, from: depth}
          c: {concat: {}, from: [a, b]}
    """
    assert parameters(text) == 8 * (27 + 1) + 8 * (9 + 1)
    module = archdsl.compile(graph_of(text))
    assert module(torch.zeros(2, 3, 64, 64), torch.zeros(2, 1, 32, 32)).shape == (2, 16, 32, 32)


def test_a_causal_convolution_pads_on_one_side() -> None:
    text = """
        input: [1, 64]
        backbone:
          p: {pad: {border: [4, 0]}}
          c: {conv: {out: 4, kernel: 3, dilation: 2, padding: valid}}
    """
    graph = graph_of(text)
    field = receptive_fields(graph)["c"]
    assert (field.size, field.offset, field.jump) == ((5,), (-4,), (1,))
    assert graph.by_id["c"].output.shape == (4, 64)


def test_a_weighted_sum_has_a_number_for_every_input() -> None:
    text = """
        input: [3, 16, 16]
        backbone:
          a: {conv: {out: 8, kernel: 3}}
          b: {conv: {out: 8, kernel: 3}}
          f: {weighted_add: {}, from: [a, b]}
    """
    assert parameters(text) == 224 + 584 + 2
    module = archdsl.compile(graph_of(text), features=["a", "b", "f"])
    with torch.no_grad():
        module.f.copy_(torch.tensor([3.0, -1.0]))  # a negative one counts as none
        maps = module(torch.randn(1, 3, 16, 16))
    assert torch.allclose(maps["f"], 3 * maps["a"] / (3 + 0.0001))


@pytest.mark.parametrize("item", ["instance_norm", "global_max_pool", "{mean: {}}"])
def test_ops_that_were_missed_are_there(item: str) -> None:
    assert errors(f"backbone: [{{conv: {{out: 8, kernel: 3}}}}, {item}]") == []


def test_an_unpooling_asks_for_the_map_that_was_pooled() -> None:
    check_error(
        "backbone: [{max_unpool: {kernel: 2}}]", 1, 12, "E0502",
        "max_unpool needs the map that was pooled",
        "write `like: NAME`, with the map that the max_pool read",
    )  # fmt: skip


def test_an_op_that_is_not_there_is_no_block_that_is_missing() -> None:
    check_error(
        "backbone: [{deform_conv: {out: 8, kernel: 3}}]", 1, 13, "E0205",
        "unknown verb `deform_conv`",
        "there is no such op: docs/plug-ins.md says how to bring one along",
    )  # fmt: skip


@pytest.mark.parametrize("doc", ["", "doc: gn", "cite: {title: gn}"])
def test_a_word_of_the_doc_is_no_use_of_a_block(doc: str) -> None:
    text = f"""\
archdsl: 1
name: gn
input: [3, 8, 8]
{doc}
blocks: {{gn: {{seq: [{{group_norm: {{groups: 1}}}}]}}}}
backbone: [{{conv: {{out: 8, kernel: 3}}}}, relu]
"""
    graph = archdsl.loads(text)
    assert graph.name == "gn"


def test_a_map_that_a_resize_misses_is_told_of_the_one_it_meets() -> None:
    found = check_error(
        """
        input: [3, 50, 50]
        backbone:
          a: {conv: {out: 8, kernel: 3, stride: 2}}
          b: {conv: {out: 16, kernel: 3, stride: 2}}
          up: {resize: {scale: 2}}
          cat: {concat: {}, from: [up, a]}
        """,
        6, 8, "E0501", "concat of 16x26x26 and 8x25x25: only the channels may differ",
    )  # fmt: skip
    assert "{resize: {like: a}}" in found.help
    assert "48 or 52" in found.help


SEQ = "write `seq:` before them, or `inline:`, which adds no level of names"


@pytest.mark.parametrize(
    "items",
    [
        "conv: {conv: {out: 8, kernel: 1}}, bn: batch_norm, relu: relu",
        "conv: {conv: {out: 8, kernel: 1}}, bn: batch_norm",
        "c: {conv: {out: 8, kernel: 1}}, bn: batch_norm",
        "c: {conv: {out: 8, kernel: 1}}, d: {conv: {out: 8, kernel: 1}}",
    ],
)
def test_named_items_without_seq_are_no_item_of_two_verbs(items: str) -> None:
    text = f"backbone: {{root: {{{items}}}}}"
    message = "this item has no verb, but items in it"
    check_error(text, 1, 19, "E0204", message, SEQ)
    assert errors(f"backbone: {{root: {{seq: {{{items}}}}}}}") == []


@pytest.mark.parametrize(
    ("section", "help"),
    [
        ("{repeat: 3, relu: {}}", "as one item it is [{repeat: 3, relu: {}}]"),
        ("{tap: c2, a: relu}", "it stands in an item: {a: {relu: {}, tap: c2}}"),
        (
            "{repeat: 3, a: {conv: {kernel: 3}}}",
            "it stands in an item: {a: {conv: {kernel: 3}, repeat: 3}}",
        ),
        (
            "{repeat: 3, a: relu, b: relu}",
            "of all together it is [{seq: {a: relu, b: relu}, repeat: 3}]",
        ),
        ("{from: input}", "as one item it is [{identity: {}, from: input}]"),
    ],
)
def test_a_modifier_among_named_items_is_shown_where_it_stands(section: str, help: str) -> None:
    word = section[1 : section.index(":")]
    message = f"`{word}` is a modifier, and here are items by their names"
    check_error(f"backbone: {section}", 1, 12, "E0204", message, help)
    written = help.partition(": " if help.startswith("it stands") else " is ")[2]
    assert errors(f"backbone: {written}") == []


@pytest.mark.parametrize("sizes", ["{C: 3, H: 32, W: 64}", "{height: 32, width: 64, channels: 3}"])
def test_an_input_of_named_sizes_is_shown_as_a_list(sizes: str) -> None:
    check_error(
        f"input: {sizes}", 1, 8, "E0203",
        "the input must be a list of sizes", "write input: [3, 32, 64]",
    )  # fmt: skip


def test_columns_of_names_are_to_be_quoted() -> None:
    text = """
        params: {growth: 4, channels: 8}
        backbone: [{for: {width: [growth, growth, channels]}, conv: {out: width, kernel: 1}}]
    """
    message = "out of conv: expected a whole number, not the word `growth`"
    help = (
        "a cell stands for itself; as an expression, in quotes, the column is"
        ' width: "[growth, growth, channels]"'
    )
    check_error(text, 2, 67, "E0203", message, help)
    assert errors(text.replace("[growth, growth, channels]", '"[growth, growth, channels]"')) == []


@pytest.mark.parametrize(("count", "rows"), [("3", "0, 1, 2"), ("9", "..."), ("3 * 1", "...")])
def test_copies_in_a_path_are_told_that_for_makes_paths(count: str, rows: str) -> None:
    path = f"{{repeat: {count}, conv: {{kernel: 3}}}}"
    check_error(
        f"backbone: {{b: {{branches: {{paths: {{a: {path}}}}}}}}}",
        1, 39, "E0404", "`repeat` makes one path of its copies, and there is no other",
        f'`for` makes paths: {{"a{{i}}": {{for: {{i: [{rows}]}}, conv: {{kernel: 3}}}}}}',
    )  # fmt: skip


def test_a_reference_of_a_turn_that_is_not_there() -> None:
    text = """
        input: [8, 32, 32]
        backbone:
          a: {identity: {}, tap: y0}
          m: [{conv: {kernel: 3}, repeat: 3, from: "y{i}"}]
    """
    check_error(text, 4, 45, "E0402", "unknown reference `y1`", "known: a, y0")


def test_a_block_does_not_see_a_tap_outside_and_is_shown_it() -> None:
    found = check_error(
        """
        input: [8, 32, 32]
        blocks:
          join: {body: {conv: {conv: {kernel: 3}}, sum: {add: {}, from: [conv, y0]}}}
        backbone: {a: {conv: {kernel: 3}, tap: y0}, m: join}
        """,
        3, 72, "E0402", "unknown reference `y0`",
    )  # fmt: skip
    assert labels(found) == ["4 stands here", "4 in this call of join"]


@pytest.mark.parametrize(
    "part",
    [
        "[{conv: {out: 8, kernel: 3}, tap: t}, relu]",
        "[{conv: {out: 8, kernel: 3}}, {relu: {}, tap: t}]",
    ],
)
def test_a_block_that_taps_is_told_of_labels_when_it_is_called_twice(part: str) -> None:
    text = f"""
        blocks:
          two: {{body: {{part: {{seq: {part}}}, sum: {{add: {{}}, from: [part, t]}}}}}}
        backbone: {{m1: two, m2: two}}
    """
    (diagnostic,) = errors(text)
    assert diagnostic.endswith("E0401 two taps named t")
    assert errors(text.replace("tap: t", "as: t")) == []


def test_paths_reach_into_items() -> None:
    text = """
        input: [8, 16, 16]
        backbone:
          mid: [{conv: {kernel: 3}}, {conv: {kernel: 3}}, {conv: {kernel: 3}}]
          cat: {concat: {}, from: [mid.0, mid.1, mid]}
    """
    assert wires(text)["cat"] == "mid.0 mid.1 mid.2"
    assert shapes(text)["cat"] == "24x16x16"


def test_a_path_of_branches_sees_labels_of_paths_before_it() -> None:
    text = """
        input: [8, 16, 16]
        blocks:
          two:
            branches:
              split: [4, 4]
              paths:
                a: [{conv: {kernel: 3}}, {relu: {}, as: y}]
                b: {seq: {x: identity, s: {add: {}, from: [x, y]}, c: {conv: {kernel: 3}}}}
        backbone: {b: {two: {}, repeat: 2}}
    """
    assert wires(text)["b.1.b.s"] == "b.1.b.x b.1.a.1"


def test_a_replaced_block_says_what_the_base_gives_it() -> None:
    """A block that extends a family is told where the call stands, and what to declare."""
    text = """
archdsl: 1
extends: resnet18
name: mine
params: {block: own}
blocks:
  own:
    params: {width: int, stride: 1, zero_init: false}
    seq: [{conv: {out: "width if not zero_init else width", kernel: 3, stride: stride}}]
"""
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(text)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("E0206", "own has no argument `dilation`")
    assert diagnostic.help == "this call stands in another file: declare it in own, `dilation: ...`"
    declared = text.replace("zero_init: false}", "zero_init: false, dilation: 1}")
    assert archdsl.loads(declared).name == "mine"
