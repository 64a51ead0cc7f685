"""What is wrong with a spec as it is written: unknown keys and verbs, wrong types, all at once."""

import pytest

from archdsl.diagnostics.sink import Sink
from archdsl.elaborate.document import elaborate
from archdsl.language.loader import Loader
from tests.support import check_error, errors, graph_of, labels, read

# the document


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "message"),
    [
        ("[1, 2]", 1, 1, "E0104", "a spec is a mapping, this document is a list"),
        ("just text", 1, 1, "E0104", "a spec is a mapping, this document is text"),
        ("3", 1, 1, "E0104", "a spec is a mapping, this document is 3"),
        ("~", 1, 1, "E0104", "a spec is a mapping, this document is nothing"),
        ("name: net", 1, 1, "E0202", "`archdsl` is missing"),
        ("archdls: 1", 1, 1, "E0202", "`archdsl` is missing"),
        ("archdsl: 2", 1, 10, "E0209", "language version 2 is not known"),
        ("archdsl: '1'", 1, 11, "E0209", "language version 1 is not known"),
        ("archdsl: true", 1, 10, "E0209", "language version True is not known"),
    ],
)
def test_what_is_no_spec(text: str, line: int, column: int, code: str, message: str) -> None:
    sink = Sink()
    assert Loader(sink).loads(text, "spec.yaml") is None
    (found,) = sink.diagnostics
    assert found.span is not None
    place = found.span.line, found.span.column
    assert (*place, found.code, found.message) == (line, column, code, message)


@pytest.mark.parametrize(
    ("text", "column", "code", "message", "help"),
    [
        ("nam: net", 1, "E0201", "unknown key `nam`", "did you mean `name`?"),
        ("name: 3", 7, "E0203", "name must be text, not 3", "name the network: `name: resnet50`"),
        ("name: a b", 7, "E0208",
         "`a b` cannot be a name: it needs letters, digits and `_`, a letter first", "write `a_b`"),
        ("name: class", 7, "E0208", "`class` is a word of Python and cannot be a name",
         "write `class_`"),
        ("cite: x", 7, "E0203", "cite must be a mapping, not `x`", ""),
        ("cite: {titel: x}", 8, "E0201", "unknown key `titel`", "did you mean `title`?"),
        ("cite: {year: soon}", 14, "E0203", "year must be a whole number, not `soon`", ""),
        ("doc: [a]", 6, "E0203", "doc must be text, not a list", ""),
        ("params: 3", 9, "E0203", "params must be a mapping, not 3",
         "give every parameter a value: `params: {classes: 1000}`"),
        ("scaling: 3", 10, "E0203", "scaling must be a mapping, not 3", ""),
        ("defaults: 3", 11, "E0203", "defaults must be a mapping, not 3", ""),
        ("defaults: {cnov: {}}", 12, "E0205", "`cnov` is not an op", "did you mean `conv`?"),
        ("defaults: {conv: 3}", 18, "E0203", "the arguments of conv must be a mapping",
         "write {conv: {out: 3, kernel: ...}}"),
        ("defaults: {conv: {bais: false}}", 19, "E0206", "conv has no argument `bais`",
         "did you mean `bias`?"),
        ("defaults: {conv: {groups: n}}", 27, "E0302", "unknown name `n`",
         "declare it: `params: {n: ...}`"),
        ("outputs: 3", 10, "E0203", "outputs must be a mapping, not 3",
         "name every output: `outputs: {logits: fc}`"),
        ("outputs: {a: 3}", 14, "E0203", "a must be text, not 3", ""),
        ("outputs: {a: 'x{'}", 16, "E0301", "`{` without its partner", ""),
        ("outputs: {a b: input}", 11, "E0208",
         "`a b` cannot be a name: names are letters, digits, `_`, and `-` inside", ""),
        ("weights: 1", 10, "E0203", "weights must be a mapping, not 1", ""),
        ("aux: [relu]", 6, "E0203", "aux must be a mapping", "name every result"),
        ("expect: 3", 9, "E0203", "expect must be a mapping, not 3", ""),
        ("expect: {parms: 3}", 10, "E0201", "unknown key `parms`", "did you mean `params`?"),
        ("backbone: 3", 11, "E0203", "expected items",
         "write a list (numbered items) or a mapping (named items)"),
        ("neck: ", 7, "E0203", "expected items", None),
        ("import: 3", 9, "E0203", "import must be the path of a file", ""),
        ("import: [3]", 10, "E0203", "import must be the path of a file", ""),
    ],
)  # fmt: skip
def test_wrong_keys_of_a_document(
    text: str, column: int, code: str, message: str, help: str | None
) -> None:
    found = errors(text)
    if text.startswith("nam:"):  # the right one is missing, then
        found = [line for line in found if "missing" not in line]
    if text == "neck: ":
        column = 6
    assert found == [f"1:{column} {code} {message}"]
    if help is not None:
        _, diagnostics = read(text)
        assert help in [diagnostic.help for diagnostic in diagnostics]


@pytest.mark.parametrize("key", ["name", "input", "backbone"])
def test_required_keys(key: str) -> None:
    lines = ["archdsl: 1", "name: net", "input: [3, 8, 8]", "backbone: [relu]", "head: [flatten]"]
    sink = Sink()
    text = "\n".join(line for line in lines if not line.startswith(f"{key}:"))
    document = Loader(sink).loads(text)
    assert document is not None
    assert elaborate(document, sink) is None
    assert [(d.code, d.message) for d in sink.diagnostics] == [("E0202", f"`{key}` is missing")]


# items


@pytest.mark.parametrize(
    ("item", "column", "code", "message", "help"),
    [
        ("rleu", 1, "E0205", "unknown verb `rleu`", "did you mean `relu`?"),
        ("{cnov: {kernel: 3}}", 2, "E0205", "unknown verb `cnov`", "did you mean `conv`?"),
        ("{Conv: {kernel: 3}}", 2, "E0205", "unknown verb `Conv`", "did you mean `conv`?"),
        ("{residaul: {body: relu}}", 2, "E0205", "unknown verb `residaul`",
         "did you mean `residual`?"),
        ("{out: 3}", 2, "E0205", "unknown verb `out`",
         "write the verb around its arguments: {conv: {out: ...}}"),
        ("{conv1: {conv: {kernel: 3}}}", 2, "E0205", "unknown verb `conv1`",
         "a list numbers its items: to name one, write all of them as a mapping"),
        ("'conv:{kernel: 3}'", 2, "E0205", "unknown verb `conv:{kernel: 3}`",
         "put a space after the colon: `conv: {kernel: 3}`"),
        ("{relu: {}, repaet: 3}", 12, "E0201", "unknown modifier `repaet`",
         "did you mean `repeat`?"),
        ("{conv: {kernel: 3}, stride: 2}", 21, "E0201", "unknown modifier `stride`",
         "`stride` is an argument of conv: write {conv: {kernel: 3, stride: 2}}"),
        ("{relu: {}, tanh: {}}", 12, "E0204", "two verbs in one item: relu and tanh",
         "make two items of them"),
        ("{repeat: 3}", 1, "E0204", "this item has no verb", "write {verb: arguments}"),
        ("{}", 1, "E0204", "this item has no verb", "write {verb: arguments}"),
        ("3", 1, "E0204", "expected an item", "write a verb, or {verb: arguments}"),
        ("~", 1, "E0204", "expected an item", "write a verb, or {verb: arguments}"),
        ("true", 1, "E0204", "expected an item", "write a verb, or {verb: arguments}"),
        ("{conv: 64}", 8, "E0203", "the arguments of conv must be a mapping",
         "write {conv: {out: 64, kernel: ...}}"),
        ("{conv: [64]}", 8, "E0203", "the arguments of conv must be a mapping",
         "write {conv: {out: 64, kernel: ...}}"),
        ("conv", 1, "E0207", "conv needs `kernel`", "write {conv: {kernel: ...}}"),
        ("{conv: {kernal: 3}}", 9, "E0206", "conv has no argument `kernal`",
         "did you mean `kernel`?"),
        ("{conv: {kernel: 3, tap: x}}", 20, "E0206", "conv has no argument `tap`",
         "`tap` is a modifier: it stands beside conv, not inside"),
        ("{conv: {kernel: 3, padding: sane}}", 29, "E0302", "unknown name `sane`",
         "did you mean `same`?"),
        ("{conv: {kernel: 3, out: widht(3)}}", 25, "E0302", "unknown function `widht`",
         "did you mean `width`?"),
        ("{conv: {kernel: 3, out: width}}", 25, "E0302", "unknown name `width`",
         "`width` is a function: write `width(...)`"),
        ("{conv: {kernel: 3, out: $n}}", 25, "E0302", "unknown parameter `$n`", ""),
        ("{conv: {kernel: 3, out: 3 +}}", 28, "E0301", "the expression ends too early", ""),
        ("{conv: {kernel: 3, out: {a: 1}}}", 25, "E0203", "expected a value, not a mapping", ""),
        ("{conv: {kernel: 3, out: C * 0.3}}", 25, "E0304",
         "out of conv: 0.9 is not a whole number (C = 3)",
         'round it: floor(C * 0.3), round(C * 0.3) or "make_divisible(C * 0.3, 8)"'),
        ("{conv: {kernel: 3, out: 1 / 0}}", 27, "E0303", "division by zero: 1 / 0", ""),
        ("{conv: {kernel: 3, bias: maybe}}", 26, "E0302", "unknown name `maybe`", ""),
        ("{conv: {kernel: }}", 17, "E0203",
         "kernel of conv: expected a whole number, not nothing", ""),
        ("{conv: {kernel: 3, out: 0}}", 25, "E0305", "out of conv: 0 is less than 1", ""),
        ("{conv: {kernel: 3, init: xavier}}", 26, "E0302", "unknown name `xavier`",
         "did you mean `xavier_normal`?"),
        ("{conv: {kernel: 3, init: {kaiming_normal: {mode: fan}}}}", 50, "E0302",
         "unknown name `fan`", "did you mean `fan_in`?"),
        ("{relu: {}, tap: 3}", 17, "E0203", "tap must be a name", ""),
        ("{relu: {}, tap: []}", 17, "E0203", "tap must be a name", ""),
        ("{relu: {}, tap: 'c{nope}'}", 20, "E0302", "unknown name `nope`", ""),
        ("{relu: {}, tap: 'c{'}", 19, "E0301", "`{` without its partner", ""),
        ("{relu: {}, if: nope}", 16, "E0302", "unknown name `nope`", ""),
        ("{relu: {}, from: 'c{nope}'}", 21, "E0302", "unknown name `nope`", ""),
        ("{resize: {like: 3.5}}", 17, "E0203", "like must be a reference or a list of them", ""),
    ],
)  # fmt: skip
def test_wrong_items(item: str, column: int, code: str, message: str, help: str) -> None:
    found = check_error(f"backbone: [{item}]", 1, 11 + column, code, message)
    if help:
        assert found.help == help


def test_an_expression_in_a_key_is_checked_where_it_stands() -> None:
    check_error("backbone: {'layer{rwo + 1}': {for: {n: [1]}, relu: {}}}", 1, 19, "E0302",
                "unknown name `rwo`", "did you mean `row`?")  # fmt: skip
    check_error("backbone:\n  layer{1 +}: relu", 2, 12, "E0301", "the expression ends too early")


# everything at once, nothing twice


def test_all_errors_of_a_spec_come_in_one_run() -> None:
    text = """
        nmae: net
        input: [3, x, 8]
        params: {a: nope, C: 3}
        scaling: {width: {factor: wrong}}
        defaults: {cnov: {}}
        blocks: {one: 3, two: {sqe: [relu]}, three: {seq: [rleu]}}
        backbone:
          stem: {conv: {kernal: 3}}
          body: {two: {}}
          body2: [{three: {}}, {conv: {kernel: 3, out: 1 / 0}}]
        head: {fc: {lienar: {out: a}}, last: {relu: {}, from: stme}}
        outputs: {x: nothing}
        expect: {parms: 3}
    """
    assert [line.partition(" ")[0] for line in errors(text)] == [
        "1:1", "2:12", "3:13", "3:19", "4:27", "5:12", "6:15", "6:24", "6:52", "8:17", "10:50",
        "11:13", "11:55", "12:14", "13:10",
    ]  # fmt: skip


ECHOES = {
    "a shape that fails": """
        backbone:
          a: {conv: {kernel: 9, padding: 0, out: 7}, tap: c1}
          b: {conv: {out: C // 2, kernel: H}}
          c: {residual: {body: {x: {conv: {out: 2, kernel: 3}}}}}
          d{i}: {relu: {}, repeat: C, tap: "c{C}"}
        neck: {e: {concat: {}, from: [a, b, c, d0, d5, c1]}, f: {relu: {}, each: [c1, x]}}
        outputs: {y: f, z: c9}
    """.replace(", x]", "]").replace(", z: c9", ""),
    "an unknown verb": """
        backbone: {a: {cnov: {out: 3}, tap: c1}, b: {add: {}, from: [a, c1]}, c: {linear: {}}}
        outputs: {x: c1, y: c}
    """,
    "an unknown modifier": "backbone: {a: {relu: {}, tpa: c1}, b: {add: {}, from: [a, c1]}}",
    "a wrong key": "backbone: {'a{': {relu: {}, tap: c1}, b: {add: {}, from: [a1, c1]}}",
    "a name that is none": "backbone: {class: relu, b: {add: {}, from: [class, input]}}",
    "columns that fail": """
        params: {n: 3}
        backbone:
          a{row}: {for: {w: n}, conv: {out: w, kernel: 1}, tap: "c{row}"}
          b: {concat: {}, from: [a0, a1, c0]}
    """,
    "a condition that fails": """
        backbone: {a: {conv: {kernel: 1, out: 9}, if: 1 / 0, tap: c1}, b: {add: {}, from: [a, c1]}}
    """,
    "a parameter that fails": """
        params: {w: 1 / 0, v: w + 1}
        backbone: [{conv: {out: v, kernel: w}}, {linear: {out: w}}]
    """,
    "a rule that fails": """
        scaling: {width: {factor: 1 / 0}}
        backbone: [{conv: {out: width(8), kernel: 1}}, {linear: {out: width(2)}}]
    """,
    "an input that fails": """
        input: [3, 8.5, 8]
        backbone: [{conv: {out: C * H, kernel: 1}}, linear]
    """,
    "a block that fails": """
        blocks: {u: {params: {n: int}, seq: [{conv: {out: n, kernel: 1}, tap: t}, {cnov: {}}]}}
        backbone: [{u: {n: 3}}, linear, {add: {}, from: [t, input]}]
    """,
    "a call that fails": """
        blocks: {u: {params: {n: int}, seq: [{conv: {out: n, kernel: 1}, tap: t}]}}
        backbone: [{u: {n: 1 / 0}}, linear, {add: {}, from: [t, input]}]
    """,
    "a block that cannot be read": """
        blocks: {u: 3}
        backbone: [{u: {anything: 1}}, {u: {a: relu}}, linear]
    """,
    "a backbone that is none": "backbone: 3\nhead: [flatten, {conv: {kernel: 3}}]",
    "a reference that fails": """
        backbone: {a: {relu: {}, from: nope}, b: {linear: {}, from: a}}
    """,
    "weights that cannot be shared": """
        backbone:
          a: {max_pool: {kernel: 2}}
          b: {conv: {out: C * H, kernel: 1}, each: [a, input]}
          c: {linear: {}, each: b}
    """,
    "a recursive block": "blocks: {u: {seq: [u]}}\nbackbone: [u, linear]\nhead: [u]",
    "a default that fails": """
        defaults: {conv: {out: 1 / 0}}
        backbone: [{conv: {kernel: 1}}, linear, {conv: {kernel: 3}}]
    """,
    "a tap that is taken": """
        backbone: {a: {relu: {}, tap: t}, b: {conv: {out: 9, kernel: 1}, tap: t}}
        outputs: {x: t, y: b}
    """,
}


@pytest.mark.parametrize("name", ECHOES)
def test_what_failed_is_not_heard_of_again(name: str) -> None:
    found = errors(ECHOES[name])
    assert len(found) == 1, found


def test_what_does_not_depend_on_a_failure_is_still_checked() -> None:
    text = """
        backbone:
          a: {conv: {kernel: 9, padding: 0}}
          b: {conv: {kernel: 3, out: 1 / 0}}
          c: {seq: [{linear: {out: 2.5}}, {relu: {}, from: nope}]}
          d: {conv: {out: 5, kernel: 3}, from: input}
          e: {linear: {}}
    """
    places = [line.partition(" ")[0] for line in errors(text)]
    assert places == ["2:22", "3:32", "4:28", "4:52", "6:6"]


def test_one_value_may_be_wrong_in_several_places() -> None:
    assert errors("backbone: [{conv: {kernel: [x, y + 1], out: z + w}}]") == [
        "1:29 E0302 unknown name `x`", "1:32 E0302 unknown name `y`",
        "1:45 E0302 unknown name `z`", "1:49 E0302 unknown name `w`",
    ]  # fmt: skip
    assert (
        len(errors("backbone: {'a{x}b{y}': {relu: {}, from: ['{u}', '{v}'], if: p, tap: '{q}'}}"))
        == 6
    )


def test_errors_come_in_the_order_of_the_file() -> None:
    text = "head: [rleu]\nbackbone: [cnov]\nblocks: {u: {seq: [thna]}}"
    assert [line[:2] for line in errors(text)] == ["1:", "2:", "3:"]


# suggestions


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("backbone: [max_poool]", "did you mean `max_pool`?"),
        ("backbone: [{maxpool: {kernel: 2}}]", "did you mean `max_pool`?"),
        ("blocks: {bottleneck_x: {seq: [relu]}}\nbackbone: [bottelneck_x]",
         "did you mean `bottleneck_x`?"),
        ("backbone: [conv_bn_atc]", "did you mean `conv_bn_act`?"),
        ("params: {depth: 3}\nbackbone: [{relu: {}, repeat: detph}]", "did you mean `depth`?"),
        ("params: {block: rleu}\nbackbone: [relu]", "did you mean `relu`?"),
        ("backbone: [{for: {width: [1]}, conv: {out: widht, kernel: 1}}]", "did you mean `width`?"),
        ("outptus: {}", "did you mean `outputs`?"),
    ],
)  # fmt: skip
def test_a_misspelt_name_gets_a_suggestion(text: str, help: str) -> None:
    _, (diagnostic,) = read(text)
    assert diagnostic.help == help


def test_without_anything_near_there_is_a_short_list_of_what_there_is() -> None:
    _, (diagnostic,) = read("backbone: [{dropout: {xyz: 3}}]")
    assert diagnostic.help == "known: rate"


# shapes


def test_a_shape_error_names_both_sides_their_shapes_and_lines() -> None:
    text = """
        backbone:
          a: {conv: {out: 4, kernel: 3, stride: 2}}
          b: {max_pool: {kernel: 4}, from: input}
          c: {concat: {}, from: [a, b]}
    """
    found = check_error(
        text, 4, 6, "E0501", "concat of 4x4x4 and 3x2x2: only the channels may differ"
    )
    assert labels(found) == ["2 a gives 4x4x4", "3 b gives 3x2x2"]


def test_a_shape_error_may_be_about_the_input() -> None:
    found = check_error(
        "input: [3, 8, 8]\nbackbone: [{conv: {kernel: 9, padding: 0}}]", 2, 28, "E0502",
        "a 9x9 kernel does not fit a map of 8x8",
    )  # fmt: skip
    assert labels(found) == ["1 the input is 3x8x8"]


def test_defaults_are_taken_where_nothing_is_given() -> None:
    text = """
        params: {momentum: 0.2}
        defaults: {conv: {bias: false, kernel: 3}, batch_norm: {momentum: momentum}}
        blocks: {u: {params: {momentum: 7}, seq: [batch_norm, {conv: {out: momentum}}]}}
        backbone: {a: {conv: {bias: true, kernel: 1}}, b: u}
    """
    ops = {node.id: node.op for node in graph_of(text).nodes}
    assert (ops["a"].bias, ops["a"].kernel) == (True, (1, 1))
    assert (ops["b.1"].bias, ops["b.1"].kernel) == (False, (3, 3))
    assert ops["b.0"].momentum == 0.2  # the document's, not the block's
