"""Results beside the flow, and sections under a path."""

import pytest
import torch
from torch import nn

import archdsl
from archdsl.graph.graph import Graph

HEAD = "archdsl: 1\nname: net\ninput: [3, 8, 8]\n"
BODY = """
backbone:
  a: {conv: {out: 4, kernel: 3}, tap: c1}
  side: {seq: [global_avg_pool, flatten, {linear: {out: 3}}], aux: true}
  b: {conv: {out: 5, kernel: 3}}
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: 2}}}
"""


def keys(graph: Graph) -> list[str]:
    return [key for key in graph.state if key.endswith("weight")]


def codes(text: str) -> list[tuple[str, int]]:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(HEAD + text)
    return [(d.code, d.span.line if d.span else 0) for d in caught.value.diagnostics]


def test_an_aux_item_stands_where_it_is_written_and_the_flow_goes_on() -> None:
    graph = archdsl.loads(HEAD + BODY)
    assert keys(graph) == ["a.weight", "side.2.weight", "b.weight", "fc.weight"]
    model = archdsl.compile(graph)
    image = torch.zeros(2, 3, 8, 8)
    result, aux = model.train()(image)
    assert result.shape == (2, 2)
    assert {name: value.shape for name, value in aux.items()} == {"side": (2, 3)}
    assert model.eval()(image).shape == (2, 2)


def test_an_aux_item_costs_parameters_but_no_macs() -> None:
    with_aux = archdsl.analyze(archdsl.loads(HEAD + BODY)).total
    lines = [line for line in BODY.splitlines() if "side" not in line]
    without = archdsl.analyze(archdsl.loads(HEAD + "\n".join(lines))).total
    assert with_aux.parameters - without.parameters == 4 * 3 + 3
    assert with_aux.macs == without.macs


def test_an_aux_item_is_named_by_its_key() -> None:
    assert codes("backbone:\n  - {relu: {}, aux: true}\n  - relu\n") == [("E0208", 5)]
    assert codes("backbone:\n  a: {relu: {}, aux: 1}\n  b: relu\n") == [("E0203", 5)]


def test_sections_under_a_path_share_what_their_paths_have_in_common() -> None:
    under = "under: {backbone: net.body, head: net.head}\n"
    graph = archdsl.loads(HEAD + under + BODY)
    expected = ["net.body.a.weight", "net.body.side.2.weight", "net.body.b.weight"]
    assert keys(graph) == [*expected, "net.head.fc.weight"]
    model = archdsl.compile(graph)
    assert list(model.state_dict()) == list(graph.state)
    assert model.eval()(torch.zeros(1, 3, 8, 8)).shape == (1, 2)


def test_a_section_sees_the_items_of_earlier_ones_whatever_path_they_are_under() -> None:
    neck = "neck:\n  up: {concat: {}, from: [a, b]}\nunder: {backbone: body, neck: fpn}\n"
    graph = archdsl.loads(HEAD + BODY + neck)
    assert graph.by_id["fpn.up"].inputs == ("body.a", "body.b")


def test_a_path_that_was_left_cannot_be_entered_again() -> None:
    text = BODY + "neck: {n: relu}\nunder: {backbone: body, neck: fpn, head: body}\n"
    assert [code for code, _ in codes(text)] == ["E0401"]


@pytest.mark.parametrize(
    ("under", "code"),
    [("{backbone: my body}", "E0208"), ("{backbon: body}", "E0201"), ("{head: 3}", "E0203")],
)
def test_a_bad_under_is_reported(under: str, code: str) -> None:
    assert [c for c, _ in codes(BODY + f"under: {under}\n")] == [code]


@pytest.mark.parametrize("under", ["", "{backbone: net}", "{backbone: net.body, head: net.head}"])
def test_an_aux_item_runs_in_training_only_wherever_it_stands(under: str) -> None:
    text = f"under: {under}\n" if under else ""
    model = archdsl.compile(archdsl.loads(HEAD + text + BODY))
    path = "net.body.side" if "body" in under else "net.side" if under else "side"
    calls: list[str] = []
    for name, module in model.named_modules():
        if name.startswith(path):
            module.register_forward_hook(lambda *_, name=name: calls.append(name))
    image = torch.randn(2, 3, 8, 8)
    model.eval()(image)
    assert calls == []
    result, side = model.train()(image)
    assert calls == [f"{path}.0", f"{path}.1", f"{path}.2", path]
    inner = model.get_submodule(path.removesuffix(".side")) if "." in path else model
    expected = inner.side(inner.a(image))
    assert torch.equal(side["side"], expected)
    assert torch.equal(result, model.eval()(image))


def test_an_aux_item_deep_in_a_block_runs_in_training_only() -> None:
    text = """
blocks:
  stage:
    body:
      a: {conv: {kernel: 3}}
      side: {seq: [global_avg_pool, flatten], aux: true}
      b: {conv: {out: 5, kernel: 3}}
  stages: {body: {inner: stage, last: {conv: {out: 2, kernel: 3}}}}
backbone: {all: stages}
"""
    model = archdsl.compile(archdsl.loads(HEAD + text))
    calls: list[nn.Module] = []
    model.get_submodule("all.inner.side").register_forward_hook(lambda m, *_: calls.append(m))
    image = torch.randn(2, 3, 8, 8)
    expected = model.eval()(image)
    assert calls == []
    result, side = model.train()(image)
    assert len(calls) == 1
    assert torch.equal(result, expected)
    assert side["side"].shape == (2, 3)
