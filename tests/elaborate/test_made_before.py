"""Weights that come before those of what runs earlier: `made_before`."""

import pytest
import torch

import archdsl
from archdsl.graph.graph import Graph

HEADER = "archdsl: 1\nname: net\ninput: [4, 6, 6]\n"
CSP = """\
blocks:
  csp:
    params: {depth: 2}
    body:
      cv1: {conv: {kernel: 1}}
      m: {conv: {kernel: 3}, repeat: depth}
      join: {concat: {}, from: [cv1, m]}
      cv2: {conv: {kernel: 1, out: 4}, made_before: m}
backbone: [{csp: {}}, {csp: {depth: 1}}]
"""
PLAIN = "backbone:\n"


def keys(graph: Graph) -> list[str]:
    return [key.removesuffix(".weight") for key in graph.state if key.endswith("weight")]


def test_weights_stand_where_they_are_said_to_and_everything_runs_as_it_is_written() -> None:
    graph = archdsl.loads(HEADER + CSP)
    assert keys(graph) == ["0.cv1", "0.cv2", "0.m.0", "0.m.1", "1.cv1", "1.cv2", "1.m.0"]
    assert [node.id for node in graph.nodes][:5] == ["0.cv1", "0.m.0", "0.m.1", "0.join", "0.cv2"]
    module = archdsl.compile(graph)
    assert list(module.state_dict()) == list(graph.state)
    plain = archdsl.compile(archdsl.loads((HEADER + CSP).replace(", made_before: m", "")))
    plain.load_state_dict(module.state_dict())
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(module(x), plain(x))


def test_several_that_come_before_one_keep_their_order() -> None:
    items = "  a: conv\n  b: {conv: {kernel: 3}, made_before: a}\n  c: {conv: {}, made_before: a}\n"
    graph = archdsl.loads(HEADER + PLAIN + items.replace("conv\n", "{conv: {kernel: 1}}\n").replace(
        "conv: {},", "conv: {kernel: 1},"))  # fmt: skip
    assert keys(graph) == ["b", "c", "a"]
    assert list(archdsl.compile(graph).state_dict()) == list(graph.state)


def test_what_is_made_before_has_the_channels_that_the_other_gives() -> None:
    """The variable for them is set before either."""
    graph = archdsl.loads(
        HEADER
        + """\
blocks:
  unit:
    params: {wide: int}
    body:
      a: {conv: {kernel: 1, out: wide // 3 + C}}
      b: {seq: [{conv: {kernel: 1, out: 2 * C}}, {conv: {kernel: 3}}], made_before: a}
backbone: [{unit: {wide: 9}}, {unit: {wide: 6}}]
"""
    )
    assert keys(graph)[:3] == ["0.b.0", "0.b.1", "0.a"]
    assert list(archdsl.compile(graph).state_dict()) == list(graph.state)


@pytest.mark.parametrize("deep", [False, True])
def test_what_an_if_left_out_has_no_place_to_come_before(deep: bool) -> None:
    a = f"  a: {{conv: {{kernel: 1}}, if: {str(deep).lower()}}}\n"
    items = "  s: {conv: {kernel: 1}}\n" + a + "  b: {conv: {kernel: 1}, made_before: a}\n"
    assert keys(archdsl.loads(HEADER + PLAIN + items)) == (["s", "b", "a"] if deep else ["s", "b"])


@pytest.mark.parametrize(
    ("item", "code", "said"),
    [
        ("made_before: aa", "E0402", "no item `aa` has weights here"),
        ("made_before: b", "E0402", "no item `b` has weights here"),
        ("made_before: r", "E0402", "no item `r` has weights here"),
        ("made_before: [a]", "E0203", "made_before must be the name of an item"),
    ],
)
def test_what_is_no_earlier_item_with_weights_is_refused(item: str, code: str, said: str) -> None:
    items = f"  a: {{conv: {{kernel: 1}}}}\n  _r: relu\n  b: {{conv: {{kernel: 1}}, {item}}}\n"
    with pytest.raises(archdsl.SpecError) as error:
        archdsl.loads(HEADER + PLAIN + items)
    (only,) = error.value.diagnostics
    assert (only.code, only.message) == (code, said)


def test_what_is_given_an_error_says_nothing_of_the_place_of_its_weights() -> None:
    text = HEADER + CSP.replace(
        "[{csp: {}},", "[{conv: {kernel: 9, padding: 0, out: 4}}, {csp: {}},"
    )
    with pytest.raises(archdsl.SpecError) as error:
        archdsl.loads(text)
    (only,) = error.value.diagnostics
    assert only.code == "E0502"
