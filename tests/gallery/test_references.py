"""Names of items, references to them, and modules that several inputs share."""

import pytest

from tests.support import check_error, errors, graph_of, labels, shapes, verbs, wires

# names

NOTHING = (
    "a reference names an earlier item of this or an enclosing part, a label of this block or "
    "section, or a tap"
)


def test_a_mapping_names_its_items_and_a_list_numbers_them() -> None:
    text = "backbone: {stem: [relu, tanh], body: {seq: {a: relu, b: [gelu]}}}"
    assert list(shapes(text)) == ["stem.0", "stem.1", "body.a", "body.b.0"]


def test_inline_items_are_named_as_if_they_stood_in_the_parent() -> None:
    text = """
        backbone:
          - relu
          - {repeat: 2, inline: [tanh, gelu]}
          - inline: {named: elu}
          - silu
        head: {x: {inline: {y: relu}}, z: {inline: [mish]}}
    """
    assert verbs(text) == {
        "0": "relu", "1": "tanh", "2": "gelu", "3": "tanh", "4": "gelu", "named": "elu",
        "5": "silu", "y": "relu", "6": "mish",
    }  # fmt: skip


def test_a_key_with_an_underscore_adds_no_level() -> None:
    text = """
        backbone:
          _stem: [{conv: {kernel: 3}}, batch_norm]
          _body: {seq: {a: relu, _b: {seq: {c: tanh}}}}
          _drop: dropout
    """
    assert verbs(text) == {
        "0": "conv", "1": "batch_norm", "a": "relu", "c": "tanh", "_drop": "dropout",
    }  # fmt: skip
    assert graph_of(text).scopes == ()


def test_weightless_items_of_one_hidden_name_are_told_apart() -> None:
    text = """
        backbone:
          _a: {residual: {body: {x: relu}}}
          _b: {residual: {body: {y: {residual: {body: [tanh]}}}}}
    """
    assert verbs(text) == {
        "x": "relu", "_a._add": "add", "y.0": "tanh", "y._add": "add", "_b._add": "add",
    }  # fmt: skip


def test_what_has_weights_cannot_be_hidden() -> None:
    check_error(
        "backbone: {_conv: {conv: {kernel: 3}}}", 1, 12, "E0208",
        "conv has weights, so its name cannot start with `_`",
    )  # fmt: skip


def test_two_things_with_one_path_are_an_error() -> None:
    diagnostic = check_error(
        "backbone:\n  a: {inline: {x: relu}}\n  b: {inline: {x: tanh}}\n",
        3, 16, "E0401", "two things are named x",
    )  # fmt: skip
    assert labels(diagnostic) == ["2 first here"]
    check_error("backbone: {a: {seq: {b: relu}}, '0': relu}\nhead: [relu]", 2, 8, "E0401",
                "two things are named 0")  # fmt: skip


def test_copies_need_names_that_differ() -> None:
    check_error(
        "backbone:\n  stage: {for: {n: [1, 2]}, conv: {out: n, kernel: 1}}\n",
        2, 3, "E0401", "two things are named stage",
        "copies need different names: stage{row + 1}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("a b", "`a b` cannot be a name: names are letters, digits, `_`, and `-` inside"),
        ("é", "`é` cannot be a name: names are letters, digits, `_`, and `-` inside"),
        ("class", "`class` is a word of Python and cannot be a name"),
        ("forward", "`forward` is an attribute of PyTorch's modules and cannot be a name"),
        ("_forward", "`forward` is an attribute of PyTorch's modules and cannot be a name"),
        ("input", "`input` is what a network or block is given and cannot be a name"),
        ("__x", "`__x` cannot be a name: it starts with two underscores"),
    ],
)
def test_what_is_no_name(key: str, message: str) -> None:
    check_error(f"backbone: {{{key}: relu}}", 1, 12, "E0208", message)
    formatted = f"backbone: {{'{key}{{w}}': {{for: {{w: ['']}}, relu: {{}}}}}}"
    check_error(formatted, 1, 12 + 1, "E0208", message)
    check_error(f"backbone: [{{relu: {{}}, tap: {key}}}]", 1, 28, "E0208", message)


def test_a_name_holds_whole_numbers_and_words_only() -> None:
    text = "backbone: {'a{C / 2}': {relu: {}}}"
    check_error(text, 1, 15, "E0208", "1.5 cannot be part of a name")
    assert list(shapes("backbone: {'a{C * 2.0}': {relu: {}}}")) == ["a6"]


# references


def test_from_names_earlier_items_here_and_in_enclosing_sequences() -> None:
    text = """
        backbone:
          a: {conv: {out: 4, kernel: 1}}
          b: {conv: {out: 4, kernel: 1}}
          c:
            seq:
              d: {relu: {}, from: a}
              e: {add: {}, from: [b, d, "{'a'}"]}
    """.replace("\"{'a'}\"", "a")
    assert wires(text) == {"a": "input", "b": "a", "c.d": "a", "c.e": "b c.d a"}


def test_input_is_what_the_network_or_the_block_was_given() -> None:
    text = """
        blocks: {unit: {seq: {a: {conv: {kernel: 1}}, b: {seq: {c: {add: {}, from: [a, input]}}}}}}
        backbone: {stem: relu, unit: unit, last: {add: {}, from: [unit, input]}}
    """
    assert wires(text) == {
        "stem": "input", "unit.a": "stem", "unit.b.c": "unit.a stem", "last": "unit.b.c input",
    }  # fmt: skip


def test_a_shortcut_may_start_from_an_item_of_the_body() -> None:
    """A pre-activation block sends its normalised input to the projection (He et al. 2016b)."""
    text = """
        backbone:
          unit:
            residual:
              body: {norm: batch_norm, act: relu, conv: {conv: {out: 6, kernel: 3, stride: 2}}}
              shortcut: {project: {conv: {out: 6, kernel: 1, stride: 2}, from: act}}
    """
    assert wires(text)["unit.project"] == "unit.act"
    assert wires(text)["unit._add"] == "unit.conv unit.project"


def test_a_reference_may_hold_expressions() -> None:
    text = """
        backbone: {a0: {relu: {}, tap: c2}, a1: {tanh: {}, tap: c3}}
        neck:
          b{row}: {for: {n: [2, 3]}, identity: {}, from: "c{n}"}
          j: {add: {}, from: [b0, "b{2 - 1}"]}
    """
    assert wires(text)["b1"] == "a1"
    assert wires(text)["j"] == "b0 b1"


def test_list_items_are_referred_to_by_number() -> None:
    assert wires("backbone: [relu, tanh, {add: {}, from: [0, '1']}]")["2"] == "0 1"


def test_a_tap_is_known_everywhere_behind_it() -> None:
    text = """
        backbone: {stage: {seq: [{conv: {kernel: 3, out: 5}, tap: c1}]}, next: relu}
        head: {cat: {concat: {}, from: [next, c1]}}
    """
    graph = graph_of(text)
    assert dict(graph.taps) == {"c1": "stage.0"}
    assert graph.by_id["cat"].inputs == ("next", "stage.0")


def test_a_tap_may_hold_the_columns_and_what_repeat_binds() -> None:
    text = "backbone: {'l{row}': {for: {n: [1, 2]}, relu: {}, repeat: n, tap: 'c{row + n}'}}"
    assert dict(graph_of(text).taps) == {"c1": "l0.0", "c3": "l1.1"}
    text = "backbone: [{relu: {}, repeat: 2, tap: 'c{i}'}]"
    assert dict(graph_of(text).taps) == {"c0": "0", "c1": "1"}
    check_error(
        "backbone: [{relu: {}, repeat: 2, tap: 'c{j}'}]", 1, 42, "E0302", "unknown name `j`"
    )


def test_two_taps_of_one_name_are_an_error() -> None:
    diagnostic = check_error(
        "backbone:\n- {relu: {}, tap: c1}\n- {tanh: {}, tap: c1}",
        3,
        19,
        "E0401",
        "two taps named c1",
    )
    assert labels(diagnostic) == ["2 first here"]
    check_error("backbone: [{for: {n: [1, 2]}, relu: {}, tap: c1}]", 1, 46, "E0401",
                "two taps named c1")  # fmt: skip


def test_of_copies_whose_tap_varies_the_last_of_a_name_has_it() -> None:
    text = "backbone: [{for: {s: [1, 1, 2]}, relu: {}, tap: 'c{s}'}]"
    assert dict(graph_of(text).taps) == {"c1": "1", "c2": "2"}


@pytest.mark.parametrize(
    ("text", "line", "column", "name", "help"),
    [
        ("backbone: {stem: relu, b: {tanh: {}, from: stme}}", 1, 44, "stme",
         "did you mean `stem`?"),
        ("backbone: {a: {tanh: {}, from: b}, b: relu}", 1, 32, "b",
         NOTHING),
        ("backbone:\n  a: {seq: {inner: relu}}\n  b: {tanh: {}, from: inner}", 3, 23, "inner",
         NOTHING),
        ("backbone: {a: {relu: {}, from: a}}", 1, 32, "a",
         NOTHING),
        ("backbone: {a: {relu: {}, tap: c2}, b: {add: {}, from: [a, c3]}}", 1, 59, "c3",
         "known: a, c2"),
        ("backbone: {a: {resize: {like: x}}}", 1, 31, "x", ""),
        ("backbone: {abc: relu}\noutputs: {f: abd}", 2, 14, "abd", "did you mean `abc`?"),
        ("blocks: {u: {seq: [{add: {}, from: [input, stem]}]}}\nbackbone: {stem: relu, b: u}",
         1, 44, "stem", NOTHING),
    ],
)  # fmt: skip
def test_a_reference_to_nothing(text: str, line: int, column: int, name: str, help: str) -> None:
    found = check_error(text, line, column, "E0402", f"unknown reference `{name}`")
    assert found.help == help


@pytest.mark.parametrize("word", ["from", "each"])
@pytest.mark.parametrize("raw", ["{}", "[]", "[[input]]", "3.5", "true", "~", "[true]"])
def test_what_is_no_reference(word: str, raw: str) -> None:
    message = f"{word} must be a reference or a list of them"
    check_error(
        f"backbone: [{{relu: {{}}, {word}: {raw}}}]", 1, 23 + len(word) + 2, "E0203", message
    )


def test_from_and_each_do_not_go_together() -> None:
    check_error("backbone: [{relu: {}, from: input, each: [input]}]", 1, 36, "E0404",
                "`from` and `each` both say what the input is", "keep one of the two")  # fmt: skip


# each


PYRAMID = """
    backbone:
      c3: {conv: {out: 6, kernel: 3}}
      c4: {conv: {out: 6, kernel: 3, stride: 2}}
    head:
      tower: {seq: [{conv: {kernel: 3}}, relu], repeat: 2, each: [c3, c4]}
      logits: {conv: {out: 5, kernel: 3}, each: tower}
"""


def test_each_applies_one_module_to_every_input() -> None:
    graph = graph_of(PYRAMID)
    assert wires(PYRAMID)["tower.0.0"] == "c3"
    assert wires(PYRAMID)["tower.0.0@1"] == "c4"
    assert wires(PYRAMID)["logits@1"] == "tower.1.1@1"
    assert graph.by_id["logits"].path == graph.by_id["logits@1"].path == "logits"
    assert str(graph.by_id["logits@1"].output) == "5x4x4"
    assert dict(graph.outputs) == {"0": "logits", "1": "logits@1"}


def test_the_results_of_each_are_a_list_that_may_be_joined() -> None:
    text = "backbone: {a: relu, b: {conv: {kernel: 1}, each: [a, input]}, c: {add: {}, from: b}}"
    assert wires(text)["c"] == "b b@1"


def test_each_over_one_input_is_a_list_of_one() -> None:
    assert dict(graph_of("backbone: {a: {relu: {}, each: [input]}}").outputs) == {"0": "a"}


def test_shared_weights_must_fit_every_input() -> None:
    text = """
        backbone:
          a: {conv: {out: 4, kernel: 1}}
          b: {conv: {out: 5, kernel: 1}, each: [a, input]}
    """
    check_error(text, 3, 6, "E0503", "one conv cannot serve inputs of 4x8x8 and 3x8x8",
                "give the inputs of `each` the same channels")  # fmt: skip
    text = """
        backbone:
          a: {max_pool: {kernel: 2}}
          b: {seq: [relu, {tanh: {}, if: H > 4}], each: [input, a]}
    """
    assert [line[:10] for line in errors(text)] == ["3:6 E0503 "]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("backbone: {a: {relu: {}, each: [input, input]}, b: tanh}", 52,
         "tanh takes 1 input, here 2"),
        ("backbone: {a: {relu: {}, each: [input, input]}, b: {tanh: {}, from: [a, input]}}", 70,
         "`a` is a list of 2 tensors already"),
        ("backbone: {a: relu, b: {tanh: {}, each: a}}", 41, "`a` is not a list"),
        ("backbone: {a: {seq: [{relu: {}, each: [input, input]}], each: [input, input]}}", 16,
         "`each` gives a list, and here every part of it is one"),
        ("backbone: {a: {add: {}, from: input}}", 16, "add joins two or more inputs, here 1"),
        ("backbone: {a: {residual: {body: {b: {relu: {}, each: [input, input]}}}}}", 16,
         "a residual adds two tensors, and one of these is a list"),
    ],
)  # fmt: skip
def test_a_list_where_a_tensor_is_needed(text: str, column: int, message: str) -> None:
    found = errors(text)
    assert [line.partition(" ")[2] for line in found] == [f"E0404 {message}"]
