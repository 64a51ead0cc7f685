"""Blocks and their parameters: types, defaults, hygiene, several inputs, and replay."""

import pytest

import archdsl
from archdsl.graph.graph import Graph
from tests.support import check_error, errors, graph_of, labels, op, read, shapes, verbs, wires

# bodies


def test_a_block_is_one_verb_or_a_body() -> None:
    text = """
        blocks:
          listed: {body: [relu, tanh]}
          named: {body: {a: relu, b: tanh}}
          verb: {seq: [gelu]}
          skip: {residual: {body: [elu]}}
          one: {relu: {}}
          again: {one: {}}
        backbone: {a: listed, b: named, c: verb, d: skip, e: one, f: again}
    """
    assert list(verbs(text)) == [
        "a.0", "a.1", "b.a", "b.b", "c.0", "d.0", "d._add", "e", "f",
    ]  # fmt: skip
    kinds = {scope.id: (scope.kind, scope.block) for scope in graph_of(text).scopes}
    assert kinds == {
        "a": ("sequence", "listed"), "b": ("sequence", "named"), "c": ("sequence", "verb"),
        "d": ("residual", "skip"),
    }  # fmt: skip


def test_an_inline_block_adds_no_level() -> None:
    text = """
        blocks: {unit: {params: {out: int}, inline: [{conv: {out: out, kernel: 1}}, relu]}}
        params: {last: unit}
        backbone: [{unit: {out: 4}, repeat: 2}, $last: {out: 5}, tanh]
    """
    assert verbs(text) == {
        "0": "conv", "1": "relu", "2": "conv", "3": "relu", "4": "conv", "5": "relu", "6": "tanh",
    }  # fmt: skip


def test_a_block_may_use_other_blocks_also_later_ones() -> None:
    text = "blocks: {a: {seq: [b, b]}, b: {seq: [relu]}}\nbackbone: [a]"
    assert list(verbs(text)) == ["0.0.0", "0.1.0"]


@pytest.mark.parametrize(
    ("blocks", "line", "column", "code", "message"),
    [
        ("{unit: {}}", 1, 10, "E0204", "block unit has no body"),
        ("{unit: {doc: nothing}}", 1, 10, "E0204", "block unit has no body"),
        ("{unit: {seq: [relu], body: [relu]}}", 1, 30, "E0204", "block unit has two verbs"),
        ("{unit: {sqe: [relu]}}", 1, 17, "E0205", "unknown verb `sqe`"),
        ("{unit: {seq: [relu], parms: {}}}", 1, 30, "E0201", "unknown key `parms` in a block"),
        ("{unit: {seq: [relu], repeat: 3}}", 1, 30, "E0201", "unknown key `repeat` in a block"),
        ("{unit: 3}", 1, 16, "E0203", "block unit must be a mapping"),
        ("{conv: {seq: [relu]}}", 1, 10, "E0208", "`conv` is an op, and cannot be a block's name"),
        ("{seq: {seq: [relu]}}", 1, 10, "E0208",
         "`seq` is a word of the language, and cannot be a block's name"),
        ("{each: {seq: [relu]}}", 1, 10, "E0208",
         "`each` is a word of the language, and cannot be a block's name"),
        ("{a b: {seq: [relu]}}", 1, 10, "E0208",
         "`a b` cannot be a name: it needs letters, digits and `_`, a letter first"),
        ("{unit: {params: 3, seq: [relu]}}", 1, 25, "E0203", "params must be a mapping"),
        ("{unit: {inputs: 3, seq: [relu]}}", 1, 25, "E0203", "inputs must be a list of names"),
        ("{unit: {inputs: [a, a], seq: [relu]}}", 1, 29, "E0208", "`a` stands here twice"),
        ("{unit: {inputs: [input], seq: [relu]}}", 1, 26, "E0208",
         "`input` is what a network or block is given and cannot be a name"),
        ("3", 1, 9, "E0203", "blocks must be a mapping, not 3"),
    ],
)  # fmt: skip
def test_wrong_blocks(blocks: str, line: int, column: int, code: str, message: str) -> None:
    check_error(f"blocks: {blocks}", line, column, code, message)


def test_a_block_that_contains_itself_is_an_error_not_a_loop() -> None:
    check_error("blocks: {a: {seq: [a]}}\nbackbone: [a]", 1, 20, "E0211",
                "block a contains itself: a -> a")  # fmt: skip
    check_error(
        "blocks: {a: {seq: [relu, b]}, b: {residual: {body: [a]}}}\nbackbone: [a]", 1, 53, "E0211",
        "block a contains itself: a -> b -> a",
    )  # fmt: skip
    check_error("blocks: {a: {a: {}}}\nbackbone: [a]", 1, 14, "E0211",
                "block a contains itself: a -> a")  # fmt: skip


# parameters


def test_a_type_name_makes_a_parameter_required() -> None:
    text = "blocks:\n  unit: {params: {out: int}, seq: [{conv: {out: out, kernel: 1}}]}\n"
    check_error(text + "backbone: [unit: {}]", 3, 12, "E0207", "unit needs `out`",
                "write {unit: {out: ...}}")  # fmt: skip
    assert shapes(text + "backbone: [unit: {out: 4}]") == {"0.0": "4x8x8"}


def test_defaults_may_use_earlier_parameters_and_the_shape_at_the_call() -> None:
    text = """
        params: {group_width: 2}
        blocks:
          unit:
            params: {width: int, expansion: 4, inner: width * group_width, out: inner + H}
            seq: [{conv: {out: expansion * out, kernel: 1}}]
        backbone: [{max_pool: {kernel: 2}}, {unit: {width: 3}}, {unit: {width: 3, inner: 1}}]
    """
    assert shapes(text)["1.0"] == "40x4x4"  # 4 * (3 * 2 + 4)
    assert shapes(text)["2.0"] == "20x4x4"  # 4 * (1 + 4)


def test_a_default_may_hide_a_parameter_of_the_document_behind_its_own_value() -> None:
    text = """
        params: {groups: 3}
        blocks: {unit: {params: {groups: groups}, seq: [{conv: {kernel: 1, groups: groups}}]}}
        backbone: [unit, {unit: {groups: 1}}]
    """
    assert [node.op.groups for node in graph_of(text).nodes] == [3, 1]


def test_a_block_does_not_see_the_loops_of_its_caller() -> None:
    text = """
        blocks: {unit: {seq: [{conv: {out: i + 1, kernel: 1}}]}}
        backbone: [{unit: {}, repeat: 2}]
    """
    check_error(text, 1, 36, "E0302", "unknown name `i`")
    text = """
        blocks: {unit: {params: {n: i}, seq: [{conv: {out: n, kernel: 1}}]}}
        backbone: [{unit: {n: i + 1}, repeat: 2}]
    """
    check_error(text, 1, 29, "E0302", "unknown name `i`")


def test_a_block_sees_the_parameters_of_the_document_and_the_scaling_rules() -> None:
    text = """
        params: {base: 5}
        scaling: {width: {factor: 2}}
        blocks: {unit: {seq: [{conv: {out: width(base) + C, kernel: 1}}]}}
        backbone: [unit]
    """
    assert shapes(text) == {"0.0": "13x8x8"}


TYPED = "blocks: {{unit: {{params: {{p: {type}}}, seq: [{{conv: {{kernel: 1}}}}, {use}]}}}}\n"


@pytest.mark.parametrize(
    ("type", "use", "good", "bad", "message"),
    [
        ("int", "{conv: {kernel: p}}", "3", "1.5", "p: 1.5 is not a whole number"),
        ("int", "{conv: {kernel: p}}", "6 / 2", "true", "p: expected a whole number, not true"),
        ("int", "{conv: {kernel: p}}", "3.0", "[3]", "p: expected a whole number, not a list"),
        ("float", "{dropout: {rate: p}}", "0.5", "true", "p: expected a number, not true"),
        ("bool", "{batch_norm: {affine: p}}", "C > 3", "1", "p: expected true or false, not 1"),
        ("list", "{resize: {size: p}}", "[4, H]", "3", "p: expected a list, not 3"),
        ("str", "{resize: {scale: 2, mode: $p}}", "bilinear", "3", "p: expected a word, not 3"),
        ("item", "$p", "relu", "nope", "expected an op or block, not `nope`"),
        ("item", "$p", "{leaky_relu: {slope: 0.1}}", "{leaky_relu: 3}",
         "the arguments of leaky_relu must be a mapping"),
        ("item", "$p", "{dropout: {rate: C / 30}}", "[relu]", "expected an op or block, not this"),
    ],
)  # fmt: skip
def test_types(type: str, use: str, good: str, bad: str, message: str) -> None:
    text = TYPED.format(type=type, use=use)
    assert errors(f"{text}backbone: [{{unit: {{p: {good}}}}}]") == []
    (found,) = errors(f"{text}backbone: [{{unit: {{p: {bad}}}}}]")
    assert found.partition(" ")[2][6:] == message


def test_a_default_implies_the_type_where_only_one_will_do() -> None:
    blocks = "blocks: {u: {params: {f: true, l: [1], a: relu, n: 1}, seq: [$a]}}\n"
    for given, message in [
        ("f: 1", "f: expected true or false, not 1"),
        ("l: 3", "l: expected a list, not 3"),
        ("a: 3", "expected an op or block, not `3`"),
    ]:
        (found,) = errors(f"{blocks}backbone: [{{u: {{{given}}}}}]")
        assert found.endswith(message)
    assert errors(f"{blocks}backbone: [{{u: {{n: [1, 7]}}}}]") == []  # `kernel: 3` takes both


def test_the_long_form_has_bounds_and_choices() -> None:
    text = """
        blocks:
          unit:
            params:
              size: {type: int, default: 3, min: 1, max: 7, doc: of the kernel}
              mode: {type: str, default: same, choices: [same, valid]}
              act: {type: item, default: relu, choices: [relu, silu]}
            seq: [{conv: {kernel: size, padding: mode}}, $act]
        backbone: [{unit: GIVEN}]
    """
    assert errors(text.replace("GIVEN", "{}")) == []
    assert errors(text.replace("GIVEN", "{size: 7, mode: valid, act: silu}")) == []
    for given, column, code, message in [
        ("{size: 0}", 26, "E0305", "size: 0 is less than 1"),
        ("{size: 9}", 26, "E0305", "size: 9 is more than 7"),
        ("{mode: sane}", 26, "E0305", "mode: the word `sane` is not one of same, valid"),
        ("{act: gelu}", 25, "E0305", "act: the word `gelu` is not one of relu, silu"),
    ]:
        check_error(text.replace("GIVEN", given), 8, column, code, message)


@pytest.mark.parametrize(
    ("form", "column", "code", "message"),
    [
        ("{type: int, defualt: 3}", 25, "E0201", "unknown key `defualt`"),
        ("{type: integer, default: 3}", 20, "E0203",
         "type must be `int`, `float`, `bool`, `item`, `list` or `str`, not `integer`"),
        ("{default: 3, min: a}", 31, "E0203", "min must be a number, not `a`"),
        ("{default: 3, choices: 3}", 35, "E0203", "choices must be a list, not 3"),
        ("{type: int}", 10, "E0207", "parameter p has no value"),
        ("{default: 9, max: 3}", 23, "E0305", "p: 9 is more than 3"),
        ("{typ: int}", 13, "E0205", "expected an op or block, not `typ`"),
    ],
)  # fmt: skip
def test_a_wrong_long_form(form: str, column: int, code: str, message: str) -> None:
    check_error(f"params: {{p: {form}}}", 1, column, code, message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("C", "`C` is the shape's, and cannot be a parameter's name"),
        ("max", "`max` is a word of the language, and cannot be a parameter's name"),
        ("input", "`input` is a word of the language, and cannot be a parameter's name"),
        ("true", "`true` is a word of the language, and cannot be a parameter's name"),
        ("if", "`if` is a word of Python and cannot be a name"),
        ("a-b", "`a-b` cannot be a name: it needs letters, digits and `_`, a letter first"),
        ("1a", "`1a` cannot be a name: it needs letters, digits and `_`, a letter first"),
    ],
)
def test_what_cannot_name_a_parameter(name: str, message: str) -> None:
    check_error(f"params: {{{name}: 3}}", 1, 10, "E0208", message)


def test_width_is_a_fine_name_beside_the_rule() -> None:
    text = "params: {width: 4}\nbackbone: [{conv: {out: width(width), kernel: 1}}]"
    assert shapes(text) == {"0": "4x8x8"}


# arguments of a call


def test_unknown_arguments_are_errors_with_a_suggestion() -> None:
    text = "blocks:\n  unit: {params: {out: 3}, seq: [{conv: {out: out, kernel: 1}}]}\n"
    check_error(text + "backbone: [unit: {otu: 3}]", 3, 19, "E0206", "unit has no argument `otu`",
                "did you mean `out`?")  # fmt: skip
    check_error(text + "backbone: [unit: {out: 3, repeat: 3}]", 3, 27, "E0206",
                "unit has no argument `repeat`",
                "`repeat` is a modifier: it stands beside unit, not inside")  # fmt: skip
    check_error(text + "backbone: [unit: 3]", 3, 18, "E0203",
                "the arguments of unit must be a mapping", "write {unit: {out: 3}}")  # fmt: skip


# verbs behind a parameter


def test_a_parameter_may_stand_for_a_verb() -> None:
    text = """
        params: {block: basic, act: {leaky_relu: {slope: 0.5}}}
        blocks:
          basic: {params: {act: item}, seq: [{conv: {kernel: 3}}, $act]}
          wide: {params: {act: item}, seq: [{conv: {kernel: 5}}, $act]}
        backbone: {a: {$block: {act: $act}}, b: {$block: {act: gelu}}, c: $act}
    """
    assert list(verbs(text).values()) == ["conv", "leaky_relu", "conv", "gelu", "leaky_relu"]
    assert op(text, "c").slope == 0.5
    assert op(text.replace("basic,", "wide,"), "a.0").kernel == (5, 5)


def test_an_item_takes_its_own_arguments_and_those_of_the_place_where_it_is_used() -> None:
    text = "params: {c: {conv: {kernel: 3}}}\nbackbone: [$c: {out: 4}, $c: {out: 5}]"
    assert shapes(text) == {"0": "4x8x8", "1": "5x8x8"}
    check_error("params: {c: {conv: {kernel: 3}}}\nbackbone: [$c: {kernel: 4}]", 2, 17, "E0206",
                "`kernel` is given twice: here and in the value of $c")  # fmt: skip
    check_error("params: {c: conv}\nbackbone: [$c: {otu: 4}]", 2, 17, "E0206",
                "conv has no argument `otu`", "did you mean `out`?")  # fmt: skip
    check_error("params: {c: conv}\nbackbone: [$c: {out: 4}]", 2, 12, "E0207",
                "conv needs `kernel`")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "help"),
    [
        ("params: {act: relu}\nbackbone: [$atc]", 2, 12,
         "`$atc` is not a parameter that names a verb", "did you mean `$act`?"),
        ("params: {n: true}\nbackbone: [$n]", 2, 12,
         "`$n` is not a parameter that names a verb", ""),
        ("params: {n: 3}\nbackbone: [$n]", 2, 12, "`$n` is not a parameter that names a verb", ""),
        ("backbone: [{for: {a: [relu, nope]}, $a: {}}]", 1, 41,
         "expected an op or block, not the word `nope`", None),
        ("backbone: [{for: {a: [3]}, $a: {}}]", 1, 32, "expected an op or block, not 3", ""),
    ],
)  # fmt: skip
def test_a_dollar_that_names_no_verb(
    text: str, line: int, column: int, message: str, help: str | None
) -> None:
    check_error(text, line, column, "E0205", message, help)


def test_a_dollar_stands_for_a_value_where_a_fixed_word_is_expected() -> None:
    text = """
        params: {mode: {type: str, default: bilinear}}
        backbone: [{resize: {scale: 2, mode: $mode}}]
    """
    assert op(text).mode == "bilinear"
    check_error(
        "backbone: [{resize: {scale: 2, mode: bilinaer}}]",
        1,
        38,
        "E0305",
        "mode must be one of nearest, bilinear, bicubic",
        "did you mean `bilinear`?",
    )
    check_error("params: {mode: 3}\nbackbone: [{resize: {scale: 2, mode: $made}}]", 2, 38, "E0302",
                "unknown parameter `$made`", "did you mean `mode`?")  # fmt: skip


def test_a_word_passes_through_a_parameter_without_a_type() -> None:
    text = """
        blocks: {unit: {params: {padding: auto}, seq: [{conv: {kernel: 3, padding: padding}}]}}
        backbone: [unit, {unit: {padding: same}}, {unit: {padding: 0}}, {unit: {padding: [0, 1]}}]
    """
    paddings = [node.op.padding for node in graph_of(text).nodes]
    assert paddings == ["auto", "same", (0, 0), (0, 1)]


# several inputs


def test_a_block_of_several_inputs_names_them() -> None:
    text = """
        blocks:
          fuse:
            inputs: [lateral, top]
            body: {up: {resize: {like: lateral}, from: top}, sum: {add: {}, from: [up, lateral]}}
        backbone: {a: {conv: {kernel: 3}}, b: {max_pool: {kernel: 2}}}
        neck: {p: {fuse: {}, from: [a, b]}}
    """
    assert wires(text) == {"a": "input", "b": "a", "p.up": "b a", "p.sum": "p.up a"}


def test_a_call_gives_as_many_inputs_as_the_block_takes() -> None:
    blocks = "blocks: {two: {inputs: [a, b], body: [add]}, one: {seq: [relu]}}\n"
    check_error(blocks + "backbone: {a: two}", 2, 15, "E0404", "two takes 2 inputs, here 1",
                "name them in `from`")  # fmt: skip
    check_error(blocks + "backbone: {a: {one: {}, from: [input, input]}}", 2, 15, "E0404",
                "one takes 1 input, here 2")  # fmt: skip
    assert wires(blocks + "backbone: {x: relu, a: {two: {}, from: [x, input]}}")["a.0"] == "x input"


# errors inside blocks


def test_an_error_in_a_body_names_the_call_that_led_to_it() -> None:
    text = """
        blocks:
          unit: {params: {out: int}, seq: [{conv: {out: out, kernel: 3, groups: 2}}]}
        backbone:
          a: {conv: {out: 4, kernel: 1}}
          b: {unit: {out: 5}}
    """
    found = check_error(text, 2, 73, "E0502", "2 groups do not divide 5 output channels")
    assert labels(found) == ["4 a gives 4x8x8", "5 in this call of unit"]


def test_an_error_in_a_body_is_said_once_for_all_calls() -> None:
    text = "blocks: {u: {seq: [{conv: {out: C / 2, kernel: 1}}]}}\nbackbone: [u, u, u]"
    check_error(text, 1, 33, "E0304", "out of conv: 1.5 is not a whole number (C = 3)",
                'round it: floor(C / 2), round(C / 2) or "make_divisible(C / 2, 8)"')  # fmt: skip


# replay: an elaborated body is used again for equal arguments and inputs


def expanded(graph: Graph) -> list[tuple[str, ...]]:
    return [(node.id, node.op.verb, *node.inputs, node.scope) for node in graph.nodes]


def test_a_replayed_block_is_what_elaborating_it_again_would_give() -> None:
    body = """
          inner: {params: {k: 3}, residual: {body: {c: {conv: {kernel: k}}}, after: relu}}
          outer: {seq: {a: inner, b: {inner: {k: 1}}, _d: {dense: {layer: {"l{i}": {inner: {}}}, repeat: 2}}}}
    """  # noqa: E501
    blocks = "blocks:\n" + body.strip("\n").rstrip()
    twice = f"{blocks}\nbackbone: {{x: outer, y: {{conv: {{out: 3, kernel: 1}}}}, z: outer}}\n"
    once = graph_of(f"{blocks}\nbackbone: {{z: outer}}\n")
    again = graph_of(twice)
    tail = expanded(again)[-len(once.nodes) :]
    moved = [tuple("y" if part == "input" else part for part in node) for node in expanded(once)]
    assert tail == moved
    assert [scope.id for scope in again.scopes if scope.id.startswith("z")] == [
        scope.id for scope in once.scopes
    ]


def test_equal_block_arguments_and_inputs_mark_equal_subgraphs() -> None:
    text = """
        blocks: {u: {params: {k: 3, act: relu}, seq: [{conv: {kernel: k}}, $act]}}
        backbone: [u, {u: {k: 1}}, {u: {act: {elu: {alpha: 2}}}}, u]
    """
    scopes = graph_of(text).scopes
    marks = [(scope.block, scope.arguments, scope.inputs) for scope in scopes]
    assert marks[0] == marks[3]
    assert len(set(marks)) == 3
    assert marks[2][1] == (("k", 3), ("act", ("elu", (("alpha", 2),))))


def test_true_and_1_are_different_arguments() -> None:
    text = (
        "blocks: {u: {params: {f: 1}, seq: [{scale: {factor: f}}]}}\nbackbone: [u, {u: {f: true}}]"
    )
    check_error(text, 1, 53, "E0203", "factor of scale: expected a number, not true")


def test_a_block_given_one_tensor_twice_is_not_replayed_for_two() -> None:
    text = """
        blocks: {join: {inputs: [a, b], body: [{concat: {}, from: [a, b]}]}}
        backbone: {x: relu, y: tanh}
        neck:
          p: {join: {}, from: [x, x]}
          q: {join: {}, from: [x, y]}
          r: {join: {}, from: [y, x]}
        head: {all: {concat: {}, from: [p, q, r]}}
    """
    assert wires(text)["p.0"] == "x x"
    assert wires(text)["q.0"] == "x y"
    assert wires(text)["r.0"] == "y x"


def test_a_tap_inside_a_block_belongs_to_one_call() -> None:
    blocks = "blocks: {u: {seq: [{relu: {}, tap: t}, tanh, {add: {}, from: [1, t]}]}}\n"
    assert dict(graph_of(blocks + "backbone: [u]").taps) == {"t": "0.0"}
    found = check_error(blocks + "backbone: [u, u]", 1, 36, "E0401", "two taps named t")
    assert labels(found) == ["2 in this call of u"]


def test_a_block_does_not_see_the_taps_of_its_caller() -> None:
    text = "blocks: {u: {seq: [{add: {}, from: [input, t]}]}}\nbackbone: [{relu: {}, tap: t}, u]"
    check_error(text, 1, 44, "E0402", "unknown reference `t`")


def test_unused_blocks_are_checked_too() -> None:
    graph, diagnostics = read("blocks: {u: {seq: [cnov]}}")
    assert graph is None
    assert [d.message for d in diagnostics] == ["unknown verb `cnov`"]


def test_a_tap_that_every_call_of_a_block_gives_is_that_of_the_last() -> None:
    graph = archdsl.loads("""
archdsl: 1
name: net
input: [8, 8, 8]
blocks:
  two:
    body:
      parts:
        - for: {j: [0, 1]}
          tap: "b{j}"
          seq: [{conv: {kernel: 3}}]
      sum: {add: {}, from: [b0, b1]}
backbone: {m1: two, m2: two, m3: two, m4: two}
""")
    assert graph.taps == {"b0": "m4.parts.0.0", "b1": "m4.parts.1.0"}
    for call in ("m1", "m2", "m3", "m4"):
        assert graph.by_id[f"{call}.sum"].inputs == (f"{call}.parts.0.0", f"{call}.parts.1.0")
