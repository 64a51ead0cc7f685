"""`returns`: results as users of another implementation know them, by a key of the spec."""

import json
from typing import Any

import pytest

import archdsl
from archdsl.graph.returns import Returns
from tests.support import check_error, graph_of

AUX = """
    backbone:
      conv: {conv: {out: 4, kernel: 3}}
      side: {global_avg_pool: {}, aux: true, if: sided}
    params: {sided: true}
"""
TUPLE = "    returns: {Out: {main: output, aside: side}}\n"


def test_a_tuple_has_a_field_for_every_result() -> None:
    assert graph_of(AUX + TUPLE).returns == Returns("Out", {"main": "", "aside": "side"})


def test_a_dict_may_be_of_results_that_have_names() -> None:
    graph = graph_of("""
        backbone: {a: relu, b: tanh}
        outputs: {one: a, two: b}
        returns: {dict: {first: two, second: one}}
    """)
    assert graph.returns == Returns("dict", {"first": "two", "second": "one"})


def test_what_an_if_takes_away_has_no_field() -> None:
    assert graph_of(AUX.replace("sided: true", "sided: false") + TUPLE).returns is None
    mapped = TUPLE.replace("Out:", "dict:")
    graph = graph_of(AUX.replace("sided: true", "sided: false") + mapped)
    assert graph.returns == Returns("dict", {"main": ""})


@pytest.mark.parametrize("nothing", ["", "    returns: {}\n"])
def test_without_it_nothing_is_said(nothing: str) -> None:
    graph = graph_of(AUX + nothing)
    assert graph.returns is None
    assert "returns" not in json.loads(graph.to_json())


RIGHT = AUX.strip("\n") + "\n"
LINE = len(RIGHT.splitlines()) + 1


@pytest.mark.parametrize(
    ("written", "column", "code", "message", "help"),
    [
        ("{Out: {main: output, aside: sid}}", 38, "E0402", "no result is named sid",
         "did you mean `side`?"),
        ("{Out: {main: output}}", 11, "E0403", "no field gives side",
         "give it a field, or leave `returns` out"),
        ("{Out: {a: output, b: output, c: side}}", 31, "E0401", "two fields give output", None),
        ("{Out: {count: output, aside: side}}", 17, "E0208",
         "`count` cannot be a field: it is an attribute of every tuple, or private", None),
        ("{Out: {_a: output, aside: side}}", 17, "E0208",
         "`_a` cannot be a field: it is an attribute of every tuple, or private", None),
        ("{Out: {class: output, aside: side}}", 17, "E0208",
         "`class` is a word of Python and cannot be a name", None),
        ("{dict: {a b: output, aside: side}}", 18, "E0208",
         "`a b` cannot be a name: names are letters, digits, `_`, and `-` inside", None),
        ("{my-out: {a: output, aside: side}}", 11, "E0208",
         "`my-out` cannot be a name: it needs letters, digits and `_`, a letter first", None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_place(
    written: str, column: int, code: str, message: str, help: str | None
) -> None:
    check_error(f"{RIGHT}    returns: {written}", LINE, column, code, message, help)


@pytest.mark.parametrize(
    "written",
    ["Out", "[main]", "{Out: main}", "{Out: {main: 3}}", "{A: {a: output}, B: {b: side}}"],
)
def test_what_is_no_mapping_of_fields_is_an_error(written: str) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        graph = f"archdsl: 1\nname: net\ninput: [3, 8, 8]\nbackbone: [relu]\nreturns: {written}\n"
        archdsl.loads(graph)
    assert [error.code for error in caught.value.diagnostics] == ["E0203"]
    assert caught.value.diagnostics[0].span.line == 5


def inheriting(more: str) -> archdsl.Graph:
    return archdsl.loads(f"archdsl: 1\nextends: googlenet\nname: other\nexpect: {{}}\n{more}\n")


def test_it_is_inherited_while_the_results_are_those_it_names() -> None:
    assert inheriting("").returns == archdsl.load("googlenet").returns
    assert inheriting("aux: {}").returns is None
    assert inheriting("aux: {other: {seq: [global_avg_pool], from: inception4a}}").returns is None
    assert inheriting("outputs: {y: fc}").returns is None


def test_a_difference_in_it_is_a_difference() -> None:
    from archdsl.analysis.diff import compare

    (change,) = compare(archdsl.load("googlenet"), inheriting("returns: {}")).changes
    assert change.before is not None and change.after is not None
    assert change.before.what == "GoogLeNetOutputs(logits, aux_logits2, aux_logits1)"
    assert (change.after.path, change.after.what) == ("returns", "the results")


def test_a_part_of_a_network_does_not_have_it() -> None:
    graph = archdsl.load("fcn_resnet50")
    assert graph.select({"c4": graph.taps["c4"]}).returns is None
    assert graph.select(graph.outputs, graph.aux).returns == graph.returns


# JSON


def test_it_is_written_and_read_back() -> None:
    graph = archdsl.load("googlenet")
    assert json.loads(graph.to_json())["returns"] == {
        "type": "GoogLeNetOutputs",
        "fields": {"logits": "", "aux_logits2": "aux2", "aux_logits1": "aux1"},
    }
    assert archdsl.Graph.from_json(graph.to_json()).returns == graph.returns


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ({"type": "Out"}, "returns.fields: is missing"),
        ({"type": "Out", "fields": {"main": ""}}, "returns.fields: expected every result in one"),
        ({"type": "Out", "fields": {"a": "", "b": ""}}, "returns.fields: expected every result"),
        ({"type": "a b", "fields": {"a": "", "b": "side"}}, "returns.type: `a b` cannot be a name"),
        ({"type": "Out", "fields": {"a": "", "index": "side"}}, "returns.fields: `index` cannot"),
        ({"type": "Out", "fields": {"a": "", "b": 3}}, "returns.fields.b: expected"),
        ("Out", "returns: expected an object"),
    ],
)
def test_json_that_no_spec_could_be_of_is_refused(returns: Any, message: str) -> None:
    data = json.loads(graph_of(AUX).to_json()) | {"returns": returns}
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        archdsl.Graph.from_json(json.dumps(data))


def test_a_tuple_without_results_in_training_only_is_refused_in_json() -> None:
    data = json.loads(graph_of("").to_json()) | {"returns": {"type": "Out", "fields": {"a": ""}}}
    with pytest.raises(ValueError, match="returns: a tuple is for results in training only"):
        archdsl.Graph.from_json(json.dumps(data))
