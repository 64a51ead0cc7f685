"""Texts and lists in expressions and arguments, `i` in `from` and `tap`, paths as references."""

import pytest
import torch

import archdsl
from archdsl.diagnostics.diagnostic import Diagnostic
from archdsl.graph.graph import Graph
from archdsl.pytorch.source import emit
from tests.support import check_error, graph_of, read, shapes, verbs, wires


def found(text: str) -> list[Diagnostic]:
    """What is wrong with a spec."""
    return read(text)[1]


def test_range_gives_the_numbers_of_a_loop() -> None:
    text = """
        backbone:
          "a{k}": {for: {k: range(C)}, relu: {}}
          "b{k}": {for: {k: "range(1, 3)"}, tanh: {}}
    """
    assert [*verbs(text)] == ["a0", "a1", "a2", "b1", "b2"]


@pytest.mark.parametrize(
    ("written", "code", "message"),
    [
        ("range(1.5)", "E0303", "range(1.5) has no value"),
        ("range()", "E0303", "range() has no value"),
        ("range(true)", "E0303", "range(true) has no value"),
        ("range(10 ** 9)", "E0106", "a list of more than 1,000"),
    ],
)
def test_a_range_has_whole_ends_and_an_end(written: str, code: str, message: str) -> None:
    (error,) = found(f"backbone: [{{relu: {{}}, for: {{k: '{written}'}}}}]")
    assert (error.code, error.message) == (code, message)


def test_an_expression_gives_a_verb_or_a_word() -> None:
    text = """
        blocks:
          unit:
            params: {act: relu, mode: {type: str, default: nearest}}
            body:
              act: $act
              up: {resize: {scale: 2, mode: "'bilinear' if act == 'gelu' else mode"}}
        backbone: {u: {unit: {act: "'gelu' if last else 'relu'"}, repeat: 2}}
    """
    graph = graph_of(text)
    assert [graph.by_id[f"u.{n}.act"].op.verb for n in (0, 1)] == ["relu", "gelu"]
    assert [graph.by_id[f"u.{n}.up"].op.mode for n in (0, 1)] == ["nearest", "bilinear"]  # type: ignore[attr-defined]


def test_a_verb_with_arguments_is_not_the_word_alone() -> None:
    text = """
        blocks: {unit: {params: {act: relu}, body: {a: $act, b: {tanh: {}, if: act == 'elu'}}}}
        backbone: {u: {unit: {act: {elu: {alpha: 2}}}}, v: {unit: {act: elu}}}
    """
    assert [*verbs(text)] == ["u.a", "v.a", "v.b"]


def test_a_word_without_quotes_is_a_name_and_the_help_says_so() -> None:
    text = """
        blocks: {unit: {params: {act: relu}, seq: [$act]}}
        backbone: [{unit: {act: tanh if C > 1 else relu}}]
    """
    wrong = found(text)
    assert {error.code for error in wrong} == {"E0302"}
    assert wrong[0].help == "a word in an expression stands in quotes: 'tanh'"


def test_a_word_that_an_expression_gives_must_be_one_that_the_op_knows() -> None:
    check_error(
        "backbone: [{resize: {scale: 2, mode: \"'linear' if C else 'nearest'\"}}]",
        1,
        39,
        "E0305",
        "mode of resize: expected one of nearest, bilinear, bicubic, not the word `linear` (C = 3)",
    )


def test_braces_in_a_text_are_expressions() -> None:
    text = """
        blocks: {named: {params: {name: str}, body: {"{name}": {conv: {kernel: 3}}}}}
        backbone:
          - {for: {k: [1, 2]}, named: {name: "branch{k}"}}
          - {named: {name: plain}}
    """
    assert [*verbs(text)] == ["0.branch1", "1.branch2", "2.plain"]


def test_a_list_of_words_is_an_argument() -> None:
    text = """
        params: {acts: [relu, gelu]}
        blocks:
          chain:
            params: {names: list, acts: list}
            body: {"{name}": {for: {name: names, act: acts}, $act: {}}}
        backbone:
          a: {chain: {names: [x, y], acts: acts}}
          b: {chain: {names: ["p{C}"], acts: [tanh]}}
    """
    assert verbs(text) == {"a.x": "relu", "a.y": "gelu", "b.p3": "tanh"}


def test_a_list_with_a_name_in_reach_is_one_of_values() -> None:
    text = """
        params: {wide: 5}
        blocks:
          unit: {params: {widths: list}, seq: [{conv: {out: w, kernel: 1}, for: {w: widths}}]}
        backbone: [{unit: {widths: [wide, wid, 4]}}]
    """
    (error,) = found(text)
    assert (error.code, error.message) == ("E0302", "unknown name `wid`")


def test_a_slice_without_an_end_goes_to_the_last_channel() -> None:
    assert shapes("backbone: {a: {slice: {start: 1}}}") == {"a": "2x8x8"}
    check_error("backbone: {a: {slice: {start: 3}}}", 1, 31, "E0502", "no channels 3 to 3 in 3x8x8")


def test_every_turn_begins_and_is_tapped_where_it_says() -> None:
    text = """
        backbone:
          "a{i}": {relu: {}, repeat: 2}
          m: {tanh: {}, repeat: 2, from: "a{i}", tap: "m{i}"}
          n: {gelu: {}, repeat: 2, from: a0}
          s: {add: {}, from: [m0, m1, n]}
    """
    given = wires(text)
    assert (given["m.0"], given["m.1"]) == ("a0", "a1")
    assert (given["n.0"], given["n.1"]) == ("a0", "n.0")
    assert given["s"] == "m.0 m.1 n.1"


def test_a_turn_that_begins_nowhere_is_an_error_of_that_turn() -> None:
    text = """
        backbone:
          a: {identity: {}, tap: y0}
          m: [{conv: {kernel: 3}, repeat: 3, from: "y{i}"}]
    """
    check_error(text, 3, 45, "E0402", "unknown reference `y1`")


PATHS = """
    under: {backbone: back.body, neck: back.fpn}
    blocks:
      basic:
        residual:
          body: {conv1: {conv: {kernel: 3}}, relu: relu, conv2: {conv: {kernel: 3}}}
          after: {out: relu}
      two: {body: {x: [basic, basic], s: {add: {}, from: [x.0.conv1, x.1]}}}
    backbone:
      mid: [{conv: {kernel: 3}}, {conv: {kernel: 3}}]
      layer2: {basic: {}, repeat: 3}
      t: {two: {}, repeat: 2}
    neck:
      c2: {add: {}, from: [mid.0, layer2.2.conv1, layer2.0, t.1.x.0.relu, t]}
      sh: {seq: {a: {conv: {kernel: 1}}, b: relu}, each: [c2, t]}
      c3: {add: {}, from: sh.a}
    outputs: {y: c3, z: layer2.1, w: sh}
"""


def test_a_path_leads_into_items_and_blocks_and_gives_a_list_where_a_module_is_applied_twice() -> (
    None
):
    given = wires(PATHS)
    assert given["back.fpn.c2"] == (
        "back.body.mid.0 back.body.layer2.2.conv1 back.body.layer2.0.out "
        "back.body.t.1.x.0.relu back.body.t.1.s"
    )
    assert given["back.fpn.c3"] == "back.fpn.sh.a back.fpn.sh.a@1"
    assert given["back.body.t.1.s"] == "back.body.t.1.x.0.conv1 back.body.t.1.x.1.out"


def test_a_network_with_paths_runs_and_its_source_is_a_translation() -> None:
    graph = graph_of(PATHS.replace("from: sh.a", "from: sh"))
    assert "Basic(" in emit(graph)
    model = archdsl.compile(graph_of(PATHS)).eval()
    assert {*model(torch.zeros(1, 3, 8, 8))} == {"y", "z", "w0", "w1"}


def test_a_feature_may_be_a_path() -> None:
    model = archdsl.compile("resnet18", features=["c2", "layer2.0", "layer4.1.bn2"]).eval()
    whole_model = archdsl.compile("resnet18").eval()
    whole_model.load_state_dict({**whole_model.state_dict(), **model.state_dict()})
    seen: dict[str, torch.Tensor] = {}
    for path in ("layer2.0", "layer4.1.bn2"):

        def keep(part: object, given: object, result: torch.Tensor, path: str = path) -> None:
            seen[path] = result.clone()

        whole_model.get_submodule(path).register_forward_hook(keep)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        whole_model(x)
        found = model(x)
    assert all(torch.equal(found[path], seen[path]) for path in seen)
    assert model.feature_info["layer4.1.bn2"] == {"channels": 512, "reduction": 32}
    again = Graph.from_json(model.graph.to_json())  # type: ignore[union-attr, operator]
    assert [*again.outputs] == ["c2", "layer2.0", "layer4.1.bn2"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("layer4.1.bn9", "resnet18 has no feature `layer4.1.bn9`; did you mean `layer4.1.bn2`?"),
        ("layer9", "resnet18 has no feature `layer9`; known: c1, c2, c3, c4, c5"),
    ],
)
def test_a_feature_that_is_not_there_is_an_error(name: str, said: str) -> None:
    with pytest.raises(archdsl.UsageError, match=said.replace("?", r"\?")):
        archdsl.compile("resnet18", features=[name])


@pytest.mark.parametrize(
    ("path", "help"),
    [
        ("mid.2", "did you mean `mid.1`?"),
        ("t.1.y", "did you mean `t.1.x`?"),
        ("mid.0.1", "there is nothing inside `mid.0`"),
        ("mit.0", "did you mean `mid`?"),
        ("_p.a", "a key that starts with `_` adds no level: write `a`"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_what_is_there(path: str, help: str) -> None:
    text = f"""
        blocks: {{two: {{body: {{x: [relu, relu], s: tanh}}}}}}
        backbone:
          mid: [{{conv: {{kernel: 3}}}}, relu]
          t: {{two: {{}}, repeat: 2}}
          _p: {{seq: {{a: relu}}}}
          s: {{add: {{}}, from: [t, {path}]}}
    """
    (error,) = found(text)
    assert (error.code, error.message) == ("E0402", f"unknown reference `{path}`")
    assert error.help == help


def test_a_block_sees_no_path_of_its_caller() -> None:
    text = """
        blocks: {unit: {body: {a: {relu: {}, from: mid.0}}}}
        backbone: {mid: [relu, tanh], u: unit}
    """
    (error,) = found(text)
    assert error.message == "unknown reference `mid.0`"


def test_an_empty_sequence_is_no_module() -> None:
    text = """
        backbone:
          a: {conv: {kernel: 3}}
          b: {branches: {paths: {p: {seq: [], from: a}, q: [{conv: {kernel: 1}}]}}}
    """
    graph = graph_of(text)
    made = archdsl.compile(graph)
    assert [*dict(made.named_modules())] == ["", "a", "b", "b.q", "b.q.0"]
