"""Items and their modifiers, shapes, results: what a spec means, node by node."""

import pytest

from archdsl.ops.tensor import TensorSpec
from tests.support import check_error, errors, graph_of, shapes, verbs, wires

# the forms of an item


def test_an_item_has_five_forms() -> None:
    text = """
        params: {block: unit}
        blocks: {unit: {params: {out: int}, seq: [{conv: {out: out, kernel: 1}}, relu]}}
        backbone:
          - relu
          - {conv: {out: 4, kernel: 3, stride: 2}}
          - {unit: {out: 5}, repeat: 2}
          - [{conv: {out: 6, kernel: 3}}, relu]
          - {seq: [{conv: {out: 7, kernel: 3}}, relu]}
          - $block: {out: 8}
    """
    assert shapes(text) == {
        "0": "3x8x8", "1": "4x4x4", "2.0": "5x4x4", "2.1": "5x4x4", "3.0": "5x4x4", "3.1": "5x4x4",
        "4.0": "6x4x4", "4.1": "6x4x4", "5.0": "7x4x4", "5.1": "7x4x4", "6.0": "8x4x4",
        "6.1": "8x4x4",
    }  # fmt: skip


def test_a_verb_whose_arguments_are_all_optional_needs_none() -> None:
    assert verbs("backbone: [{relu: {}}, {relu: }, relu, {dropout: {rate: 0.1}}]") == {
        "0": "relu", "1": "relu", "2": "relu", "3": "dropout",
    }  # fmt: skip


def test_one_word_is_a_sequence_of_that_verb_and_its_name() -> None:
    assert verbs("backbone: relu\nhead: {a: {residual: {body: [tanh], after: gelu}}}") == {
        "relu": "relu", "a.0": "tanh", "a._add": "add", "a.gelu": "gelu",
    }  # fmt: skip


def test_sections_run_in_their_order_whatever_the_file_says() -> None:
    text = "head: {c: tanh}\nneck: {b: gelu}\nbackbone: {a: relu}"
    assert wires(text) == {"a": "input", "b": "a", "c": "b"}


# shapes flow


def test_c_h_and_w_are_the_current_shape() -> None:
    text = """
        input: [3, 10, 8]
        backbone:
          - conv: {out: 2 * C + H - W, kernel: 3}
          - max_pool: {kernel: 2}
          - conv: {kernel: 3, groups: C, out: C * (H + W)}
    """
    assert shapes(text) == {"0": "8x10x8", "1": "8x5x4", "2": "72x5x4"}


def test_ops_take_their_rank_from_the_data() -> None:
    body = "backbone: [{conv: {out: 4, kernel: 3, stride: 2}}, batch_norm, {max_pool: {kernel: 2}}]"
    assert shapes("input: [3, 16]\n" + body) == {"0": "4x8", "1": "4x8", "2": "4x4"}
    assert shapes("input: [3, 8, 16, 32]\n" + body)["2"] == "4x2x4x8"
    assert shapes("input: [6]\nbackbone: [{linear: {out: 2 * C}}, relu]")["1"] == "12"


def test_the_axes_are_named_by_rank() -> None:
    assert shapes("input: [3, 16]\nbackbone: [{conv: {out: L, kernel: 1}}]") == {"0": "16x16"}
    text = "input: [3, 4, 5, 6]\nbackbone: [{conv: {out: 100 * D + 10 * H + W, kernel: 1}}]"
    assert graph_of(text).by_id["0"].output.channels == 456


def test_a_name_that_the_shape_does_not_have_is_an_error() -> None:
    check_error(
        "input: [3]\nbackbone: [{linear: {out: C + H}}]",
        2, 31, "E0302", "there is no `H` here", "the input is 3",
    )  # fmt: skip
    check_error(
        "input: [3, C, 8]", 1, 12, "E0302", "there is no `C` here",
        "no input has a shape yet",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "column", "code", "message"),
    [
        ("input: [3, 8.5, 8]", 12, "E0304", "input: 8.5 is not a whole number"),
        ("input: [3, 0, 8]", 12, "E0305", "input: 0 is less than 1"),
        ("input: [3, x, 8]", 12, "E0302", "unknown name `x`"),
        ("input: [3, , 8]", 12, "E0203", "input: expected a whole number, not nothing"),
        ("input: ~", 8, "E0203", "input must be a list or a mapping, not nothing"),
        ("input: []", 8, "E0305", "input is [C, H, W] (or [C], [C, L], [C, D, H, W])"),
        ("input: [1, 2, 3, 4, 5]", 8, "E0305",
         "input is [C, H, W] (or [C], [C, L], [C, D, H, W])"),
        ("input: 3", 8, "E0203", "input must be a list or a mapping, not 3"),
        ("input: [2000000, 1000, 1000]", 8, "E0106",
         "the input has more than 1,000,000,000,000 elements"),
    ],
)  # fmt: skip
def test_what_is_no_input(text: str, column: int, code: str, message: str) -> None:
    if ", ," in text:  # YAML has no empty items in a list
        text = text.replace(", ,", ", ~,")
    check_error(text, 1, column, code, message)


# for


def test_for_makes_one_copy_per_row_and_binds_the_columns() -> None:
    text = """
        params: {depths: [1, 2]}
        backbone:
          stage{row + 1}:
            for: {width: [4, 8], depth: depths}
            conv: {out: width, kernel: 1}
            repeat: depth
    """
    assert shapes(text) == {"stage1.0": "4x8x8", "stage2.0": "8x8x8", "stage2.1": "8x8x8"}


def test_for_takes_a_table_as_papers_print_it() -> None:
    text = """
        backbone:
          - for:
              columns: [t, c, n, s]
              rows:
                - [1, 4, 1, 1]
                - [6, 6, 2, 2]
            conv: {out: t * c, kernel: 1, stride: s if first else 1}
            repeat: n
    """
    assert shapes(text) == {"0": "4x8x8", "1": "36x4x4", "2": "36x4x4"}


def test_for_binds_the_row_and_whole_columns() -> None:
    text = """
        backbone:
          - for: {n: [5, 6, 7]}
            conv: {out: "100 * row + 10 * (1 if first_row else 2 if last_row else 3) + all_n[0] + sum(all_n[:row])", kernel: 1}
    """  # noqa: E501
    assert list(shapes(text).values()) == ["15x8x8", "140x8x8", "236x8x8"]


def test_a_string_cell_is_part_of_a_name_or_the_name_of_an_op() -> None:
    text = """
        blocks: {unit: {params: {act: item}, seq: [$act]}}
        backbone:
          inception{id}:
            for: {id: [3a, 3b], act: [relu, gelu]}
            seq: {a: $act, b: {unit: {act: act}}, c: {$act: {}}}
    """
    assert verbs(text) == {
        "inception3a.a": "relu", "inception3a.b.0": "relu", "inception3a.c": "relu",
        "inception3b.a": "gelu", "inception3b.b.0": "gelu", "inception3b.c": "gelu",
    }  # fmt: skip


def test_a_cell_may_be_a_list() -> None:
    text = "backbone: [{for: {k: [3, [1, 5]]}, conv: {kernel: k}}]"
    assert [node.op.kernel for node in graph_of(text).nodes] == [(3, 3), (1, 5)]


def test_for_over_no_rows_leaves_nothing() -> None:
    text = "params: {none: []}\nbackbone: [{for: {n: none}, conv: {out: n, kernel: 1}}, relu]"
    assert wires(text) == {"0": "input"}


def test_for_in_for_hides_the_outer_row() -> None:
    text = """
        backbone:
          - for: {a: [1, 2]}
            inline: [{for: {b: [3, 4]}, conv: {out: 100 * a + 10 * b + row, kernel: 1}}]
    """
    assert list(shapes(text).values()) == ["130x8x8", "141x8x8", "230x8x8", "241x8x8"]


@pytest.mark.parametrize(
    ("columns", "place", "code", "message"),
    [
        ("{a: [1], b: [1, 2]}", 17, "E0212", "columns of unequal length: a has 1, b has 2"),
        ("{a: 3}", 21, "E0203", "column a must be a list"),
        ("{a: '3 + 1'}", 22, "E0203", "a column must be a list, not 4"),
        ("{a: nope}", 21, "E0302", "unknown name `nope`"),
        ("{a: [{b: 1}]}", 22, "E0203", "a cell is a number, a word or a list"),
        ("{a: [~]}", 22, "E0203", "a cell is a number, a word or a list"),
        ("{}", 17, "E0203", "for must be a mapping of columns"),
        ("3", 17, "E0203", "for must be a mapping of columns"),
        ("[1, 2]", 17, "E0203", "for must be a mapping of columns"),
        ("{row: [1]}", 18, "E0208",
         "`row` is bound by `for` and `repeat`, and cannot be a column's name"),
        ("{C: [1]}", 18, "E0208", "`C` is the shape's, and cannot be a column's name"),
        ("{true: [1]}", 18, "E0208",
         "`true` is a word of expressions, and cannot be a column's name"),
        ("{if: [1]}", 18, "E0208", "`if` is a word of Python and cannot be a name"),
        ("{columns: [a], rows: [[1, 2]]}", 39, "E0212", "row 1 has 2 cells for 1 column"),
        ("{columns: [a], rows: [3]}", 39, "E0212", "row 1 must be a list of 1 cell"),
        ("{columns: [a, a], rows: []}", 31, "E0105", "the column `a` stands here twice"),
        ("{columns: a, rows: []}", 27, "E0203", "columns must be a list of names"),
        ("{columns: [a]}", 17, "E0203", "rows must be a list of lists"),
        ("{columns: [a], rows: [], more: 1}", 42, "E0201", "unknown key `more` beside rows"),
    ],
)  # fmt: skip
def test_wrong_columns(columns: str, place: int, code: str, message: str) -> None:
    check_error(f"backbone: [{{for: {columns}, relu: {{}}}}, relu]", 1, place + 1, code, message)


# if


def test_if_drops_an_item_which_takes_no_number() -> None:
    text = "backbone: [relu, {tanh: {}, if: C > 3}, {gelu: {}, if: C == 3}, {elu: {}, if: 2 - 1}]"
    assert verbs(text) == {"0": "relu", "1": "gelu", "2": "elu"}


def test_if_sees_the_columns_and_drops_single_copies() -> None:
    text = "backbone: [{for: {n: [1, 2, 3]}, if: n != 2, conv: {out: n, kernel: 1}}]"
    assert shapes(text) == {"0": "1x8x8", "1": "3x8x8"}


def test_if_must_be_true_or_false() -> None:
    text = "params: {act: {type: str, default: x}}\nbackbone: [{relu: {}, if: act}]"
    check_error(text, 2, 27, "E0203", "expected true or false, not the word `x`")


def test_what_repeat_binds_is_not_known_to_if_nor_to_repeat() -> None:
    check_error("backbone: [{relu: {}, if: i, repeat: 2}]", 1, 27, "E0302", "unknown name `i`")
    check_error("backbone: [{relu: {}, repeat: i}]", 1, 31, "E0302", "unknown name `i`")


# repeat


def test_repeat_binds_i_first_and_last() -> None:
    text = """
        backbone:
          - conv: {out: 10 * i + (1 if first else 2 if last else 3), kernel: 1}
            repeat: 3
    """
    assert shapes(text) == {"0": "1x8x8", "1": "13x8x8", "2": "22x8x8"}


def test_a_repeated_item_of_a_mapping_is_a_group_of_numbered_children() -> None:
    graph = graph_of("backbone: {layer1: {conv: {kernel: 3}, repeat: 2}, relu: relu}")
    assert [node.id for node in graph.nodes] == ["layer1.0", "layer1.1", "relu"]
    assert [(scope.id, scope.kind) for scope in graph.scopes] == [("layer1", "repeat")]


def test_copies_whose_name_depends_on_i_stand_side_by_side() -> None:
    text = (
        "backbone: {'conv{i + 1}': {conv: {kernel: 3}, repeat: 2}, relu: {relu: {}, from: conv1}}"
    )
    assert errors(text + "\nhead: {a: {add: {}, from: [conv2, relu]}}") == []


def test_copies_in_a_list_take_successive_numbers() -> None:
    text = "backbone: [relu, {conv: {kernel: 3}, repeat: 2}, tanh]"
    assert verbs(text) == {"0": "relu", "1": "conv", "2": "conv", "3": "tanh"}


def test_a_repeat_of_0_leaves_nothing_and_its_name_is_what_it_was_given() -> None:
    text = "backbone: {a: relu, b: {conv: {kernel: 3}, repeat: 0}, c: {tanh: {}, from: b}}"
    assert wires(text) == {"a": "input", "c": "a"}
    assert graph_of(text).scopes == ()


@pytest.mark.parametrize(
    ("count", "code", "message"),
    [
        ("-1", "E0305", "repeat: -1 is less than 0"),
        ("1.5", "E0304", "repeat: 1.5 is not a whole number"),
        ("[]", "E0203", "repeat: expected a whole number, not a list"),
        ("true", "E0203", "repeat: expected a whole number, not true"),
        ("{a: 1}", "E0203", "expected a value, not a mapping"),
        ("C / 2", "E0304", "repeat: 1.5 is not a whole number (C = 3)"),
    ],
)
def test_a_repeat_that_is_no_count(count: str, code: str, message: str) -> None:
    check_error(f"backbone: [{{relu: {{}}, repeat: {count}}}]", 1, 31, code, message)


# results


def test_without_outputs_the_network_returns_its_last_tensor() -> None:
    assert dict(graph_of("backbone: [relu, tanh]").outputs) == {"": "1"}


def test_outputs_name_references() -> None:
    text = "backbone: {a: {relu: {}, tap: c1}, b: tanh, c: gelu}\noutputs: {x: a, y: c, z: c1}"
    assert dict(graph_of(text).outputs) == {"x": "a", "y": "c", "z": "a"}


def test_a_list_among_the_outputs_is_numbered() -> None:
    text = "backbone: {a: {relu: {}, each: [input, input]}}\noutputs: {p: a, q: input}"
    assert dict(graph_of(text).outputs) == {"p0": "a", "p1": "a@1", "q": "input"}
    check_error(text.replace("q:", "p1:"), 2, 21, "E0401", "two results are named p1")


def test_nothing_is_ignored_also_no_result() -> None:
    check_error(
        "backbone:\n  a: relu\n  b: {tanh: {}, from: input}", 2, 6, "E0403",
        "nothing uses the result of a", "remove it, or name it in `from`, `tap` or `outputs`",
    )  # fmt: skip
    assert errors("backbone: {a: {relu: {}, tap: c1}, b: {tanh: {}, from: input}}") == []


def test_side_results_exist_in_training_only() -> None:
    text = """
        backbone: {a: {relu: {}, tap: c1}, b: tanh}
        aux: {side: {seq: [global_avg_pool, flatten, {linear: {out: 2}}], from: c1}, other: gelu}
        head: {c: gelu}
    """
    graph = graph_of(text)
    assert dict(graph.aux) == {"side": "side.2", "other": "other"}
    assert wires(text)["other"] == "b"
    assert wires(text)["c"] == "b"
    check_error(text.replace("{c: gelu}", "{c: {gelu: {}, from: side}}"), 3, 28, "E0402",
                "unknown reference `side`")  # fmt: skip


def test_the_title_and_the_citation_come_from_cite() -> None:
    cite = "title: Going Deeper, authors: Szegedy et al., year: 2015, arxiv: 1409.4842, table: 1"
    graph = graph_of(f"cite: {{{cite}}}")
    assert graph.title == "Going Deeper"
    assert graph.citation == "Szegedy et al., 2015, Going Deeper. arXiv:1409.4842, table 1"


def test_spans_lead_from_every_node_to_its_line() -> None:
    graph = graph_of("backbone:\n  a: relu\n  b:\n    - tanh\n    - gelu\n")
    assert [node.span.line for node in graph.nodes if node.span] == [2, 4, 5]
    assert graph.input == TensorSpec((3, 8, 8))
