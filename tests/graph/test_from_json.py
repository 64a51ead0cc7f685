"""JSON is a front door: what is no graph is refused with the field, what is one can be used."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

import archdsl
from archdsl.graph.forms import shown
from archdsl.graph.graph import Graph
from archdsl.graph.verify import verify
from tests import built
from tests.examples import examples
from tests.fuzz.graphs import judge
from tests.random_specs import specs
from tests.support import graph_of

TEXT = """
    cite: {title: A net, year: 2020}
    blocks:
      unit: {params: {act: relu, size: [3, 5]}, seq: {conv: {conv: {kernel: size}}, act: $act}}
    backbone:
      stem: {conv: {out: 6, kernel: 3, stride: 2, init: {normal: {std: 0.1}, bias: 0.5}}, tap: c1}
      stage: {unit: {act: {elu: {alpha: 2}}}, repeat: 2, tap: c2}
      norm: batch_norm
      up: {resize: {scale: 2, mode: bilinear}}
      down: {max_pool: {kernel: 2}}
    aux: {side: {seq: [global_avg_pool, flatten], from: c1}}
    head: {p: {unit: {size: [1, 1]}, each: [c1, down]}, sum: {add: {}, from: p}}
    weights: {theirs: {keys: {"a{n}": "stage.{n}"}}}
    outputs: {sum: sum}
"""
STEM, ARGUMENTS = ("nodes", 0), ("nodes", 0, "arguments")
INIT = {"scheme": "normal", "settings": [["std", 0.1]], "bias": None}
CODE = 'open("EXECUTED", "w").close()'


@pytest.fixture(scope="module")
def plain() -> str:
    return graph_of(TEXT).to_json()


def put(data: Any, path: tuple[str | int, ...], value: Any) -> None:
    for step in path[:-1]:
        data = data[step]
    data[path[-1]] = value


def index(data: Any, id: str, of: str = "nodes") -> int:
    return next(n for n, one in enumerate(data[of]) if one["id"] == id)


def error(text: str) -> str:
    """What is said of a text that is no graph."""
    with pytest.raises(ValueError) as caught:
        Graph.from_json(text)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400
    return str(caught.value)


# what is right


@pytest.mark.parametrize("name", built.quick())
def test_a_network_of_the_gallery_is_read_back(name: str) -> None:
    graph = built.graph(name)
    verify(graph)
    again = Graph.from_json(graph.to_json())
    assert again == graph and again.to_json() == graph.to_json()


@given(specs())
@settings(max_examples=examples(30, 200))
def test_every_graph_of_a_random_spec_verifies_and_is_read_back(made: Any) -> None:
    graph = archdsl.loads(yaml.safe_dump(made[0], sort_keys=False))
    verify(graph)
    assert Graph.from_json(graph.to_json()) == graph


# fields


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        # of the whole
        (("format",), 2, "format: expected 1, not 2"),
        (("format",), True, "format: expected 1, not true"),
        (("name",), 3, "name: expected text, not 3"),
        (("name",), "a b", "name: `a b` cannot be a name: it needs letters, digits and `_`"),
        (("name",), f"Q(*[{CODE}] and ()):\n    pass\nclass Z", "name: `Q(*[open("),
        (("citation",), [["a", "b"]], "citation: expected text, not a list"),
        (("title",), None, "title: expected text, not nothing"),
        (("title",), "a\nb", "title: expected text in one line, without control characters"),
        (("citation",), "\x1b[31m", "citation: expected text in one line, without control charac"),
        (("citation",), "\u202e", "citation: expected text in one line, without control characte"),
        (("title",), "\ud800", "title: the text has half of a surrogate pair"),
        (("input",), [3, 8, 8], "input: expected an object, not a list"),
        (("input", "shape"), [], "input.shape: expected 1 or more, not a list"),
        (("input", "shape"), [3, 0, 8], "input.shape[1]: expected 1 or more, not 0"),
        (("input", "shape"), [3, 8.0, 8], "input.shape[1]: expected a whole number, not 8.0"),
        (("input", "shape"), [3, True, 8], "input.shape[1]: expected a whole number, not true"),
        (("input", "shape"), [10**13], "the input has more than 1,000,000,000,000 elements"),
        (("input", "layout"), "channels_last", "input: expected channels first"),
        (("input", "layout"), "wide", "input.layout: expected 'channels_first' or"),
        (("more",), 1, "more: is no field of a graph"),
        # results
        (("outputs",), {}, "outputs: a graph has a result"),
        (("outputs",), ["sum"], "outputs: expected an object, not a list"),
        (("outputs", "sum"), 3, "outputs.sum: expected text, not 3"),
        (("outputs", "sum"), "nowhere", "outputs.sum: result 'sum': no node nowhere"),
        (("outputs", ""), "sum", "outputs: `` cannot be a name"),
        (("outputs", f'o": 1, {CODE}: 2, "z'), "sum", 'outputs: `o": 1, open("EXECUTED"'),
        (("taps", "class"), "sum", "taps: `class` is a word of Python"),
        (("taps", "__init__"), "sum", "taps: `__init__` cannot be a name"),
        (("aux", "forward"), "sum", "aux: `forward` is an attribute of PyTorch's modules"),
        (("made",), ["stem", "stem"], "made: made does not name every node once"),
        (("made",), [{}], "made[0]: expected text, not a mapping"),
        # weights of others
        (("renames", "theirs", "keys"), {"a{n": "b"}, "renames.theirs.keys[`a{n`]: `{` without"),
        (("renames", "theirs", "keys"), {"{n}": "{m}"}, "unknown name `m`"),
        (("renames", "theirs", "keys"), {"{n}": "{exec(n)}"}, "unknown name `exec`"),
        (("renames", "theirs", "keys"), {"{n + 1}": "a"}, "expected names alone in the braces"),
        (("renames", "theirs", "keys"), {"a": 1}, "renames.theirs.keys.a: expected text, not 1"),
        (("renames", "theirs", "reshape"), 1, "renames.theirs.reshape: expected true or false"),
        # nodes
        (("nodes",), {}, "nodes: expected a list, not a mapping"),
        (STEM, None, "nodes[0]: expected an object, not nothing"),
        ((*STEM, "id"), "", "nodes[0].id: expected text, not ``"),
        ((*STEM, "id"), "a..b", "is not before it"),
        ((*STEM, "op"), "cnov", "nodes[0].op: expected the name of an op, not `cnov`"),
        ((*STEM, "op"), "__class__", "nodes[0].op: expected the name of an op"),
        ((*STEM, "op"), "tokens", "nodes[0].arguments.kernel: is no argument of tokens"),
        ((*STEM, "inputs"), [], "nodes[0].inputs: node stem has none"),
        ((*STEM, "inputs"), ["input", "input"], "nodes[0].inputs: node stem: conv takes 1, here"),
        ((*STEM, "inputs"), ["sum"], "nodes[0].inputs: node stem: its input sum is not before it"),
        ((*STEM, "inputs"), ["stem"], "nodes[0].inputs: node stem: its input stem is not before"),
        ((*STEM, "output", "shape"), [6, 4, 5], "nodes[0].output: conv gives 6x4x4"),
        ((*STEM, "output", "layout"), "channels_last", "nodes[0].output: conv gives 6x4x4"),
        ((*STEM, "scope"), "nowhere", "nodes[0].scope: node stem: no scope nowhere"),
        ((*STEM, "span"), [1, 2], "nodes[0].span[0]: expected text, not 1"),
        ((*STEM, "span"), ["f", True, 1, 1, 1], "nodes[0].span[1]: expected a whole number"),
        ((*STEM, "span"), ["f", {"shape": []}, 1, 1, 1], "nodes[0].span[1]: expected a whole n"),
        ((*STEM, "span"), ["f", 0, 1, 1, 1], "nodes[0].span[1]: expected 1 or more, not 0"),
        ((*STEM, "span"), ["f", 2, 1, 1, 1], "nodes[0].span: it ends before it begins"),
        # arguments
        ((*ARGUMENTS, "kernel"), "x", "nodes[0].arguments.kernel: expected a whole number"),
        ((*ARGUMENTS, "kernel"), [3], "nodes[0].arguments.kernel: 1 number for 2 spatial axes"),
        ((*ARGUMENTS, "kernel"), [3, 10**10], "nodes[0].arguments.kernel: 1e+10 is too large"),
        ((*ARGUMENTS, "stride"), [0, 1], "nodes[0].arguments.stride: 0 is less than 1"),
        ((*ARGUMENTS, "padding"), "é", "nodes[0].arguments.padding: expected a whole number"),
        ((*ARGUMENTS, "bias"), f'" + {CODE} + "', "nodes[0].arguments.bias: expected true or fal"),
        ((*ARGUMENTS, "groups"), -1, "nodes[0].arguments.groups: -1 is less than 1"),
        ((*ARGUMENTS, "groups"), 5, "nodes[0]: node stem: 5 groups do not divide 3"),
        ((*ARGUMENTS, "out"), None, "nodes[0].arguments.out: expected a whole number, not nothing"),
        ((*ARGUMENTS, "out"), {}, "nodes[0].arguments.out: expected whole number, 1 or more"),
        ((*ARGUMENTS, "nope"), 1, "nodes[0].arguments.nope: is no argument of conv"),
        ((*ARGUMENTS, "init"), "é", "nodes[0].arguments.init: expected an object, not `é`"),
        ((*ARGUMENTS, "init"), float("nan"), "nodes[0].arguments.init: expected a finite number"),
        ((*ARGUMENTS, "init"), {"a": 1}, "nodes[0].arguments.init.scheme: is missing"),
        ((*ARGUMENTS, "init"), INIT | {"scheme": CODE}, "nodes[0].arguments.init: expected a sche"),
        ((*ARGUMENTS, "init"), INIT | {"settings": [[f"std={CODE}", 1.0]]}, "normal has no setti"),
        ((*ARGUMENTS, "init"), INIT | {"settings": [["std", "x"]]}, "std is a number, not the wor"),
        ((*ARGUMENTS, "init"), INIT | {"settings": [["std", float("inf")]]}, "[0][1]: expected a "),
        ((*ARGUMENTS, "init"), INIT | {"settings": [["std", 1], ["std", 2]]}, "a setting stands t"),
        ((*ARGUMENTS, "init"), INIT | {"bias": INIT | {"scheme": "x"}}, "expected a scheme, not"),
        # scopes
        (("scopes", 0, "kind"), [1, 1], "scopes[0].kind: expected 'block', 'sequence', 'repeat'"),
        (("scopes", 0, "block"), 10**30, "scopes[0].block: expected text, not 1000"),
        (("scopes", 0, "block"), 10**300, "scopes[0].block: a number of more than 40 digits"),
        (("scopes", 0, "block"), INIT, "scopes[0].block: expected text, not a mapping"),
        (("scopes", 1, "block"), "a b", "scopes[1].block: `a b` cannot be a name"),
        (("scopes", 1, "arguments"), {"a b": 1}, "scopes[1].arguments: `a b` cannot be a name"),
        (("scopes", 1, "arguments"), {"a": {}}, "scopes[1].arguments.a: expected a value or a lis"),
        (("scopes", 1, "arguments"), {"a": [1e999]}, "scopes[1].arguments.a[0]: expected a finite"),
        (("scopes", 1, "inputs", 0, "shape", 0), 0, "scopes[1].inputs[0].shape[0]: expected 1 or"),
        (("scopes", 1, "inputs"), [], "node stage.0.conv: stage.0 has no input like stem"),
        (("scopes", 0, "arguments"), {"a": 1}, "scopes[0]: scope stage: only a block has argumen"),
        (("scopes", 1, "parent"), "", "scope stage: scopes stand as their nodes do, all of one"),
        (("scopes", 1, "parent"), "stage.1", "scopes[1].parent: scope stage.0: its parent 'stage"),
        (("scopes", 0, "id"), "", "scopes[0].id: expected text, not ``"),
        (("scopes", 0, "id"), "x@", "scopes[0].id: `x@` is no path"),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named(
    plain: str, path: tuple[str | int, ...], value: Any, said: str
) -> None:
    data = json.loads(plain)
    put(data, path, value)
    assert said in error(json.dumps(data))


def test_a_field_that_is_missing_is_named(plain: str) -> None:
    data = json.loads(plain)
    for field in list(data):
        assert error(json.dumps({k: v for k, v in data.items() if k != field})).startswith(field)
    for name in data["nodes"][0]:
        node = {k: v for k, v in data["nodes"][0].items() if k != name}
        changed = {**data, "nodes": [node, *data["nodes"][1:]]}
        assert error(json.dumps(changed)) == f"nodes[0].{name}: is missing"
    del data["nodes"][0]["arguments"]["groups"]
    assert error(json.dumps(data)) == "nodes[0].arguments.groups: is missing"


def named(id: str, new: str) -> Callable[[Any], None]:
    """Gives a node another id, wherever that stands."""

    def change(data: Any) -> None:
        text = json.dumps(data).replace(f'"{id}"', json.dumps(new))
        data.update(json.loads(text))

    return change


def node(id: str, **fields: Any) -> Callable[[Any], None]:
    return lambda data: data["nodes"][index(data, id)].update(fields)


def scope(id: str, **fields: Any) -> Callable[[Any], None]:
    return lambda data: data["scopes"][index(data, id, "scopes")].update(fields)


def unfolded(data: Any) -> None:
    """The second application of a block has another activation."""
    at = index(data, "p.act@1")
    data["nodes"][at].update(op="tanh", arguments={})


def crossed(data: Any) -> None:
    """The layers of the second application are wired otherwise."""
    at = index(data, "p.act@1")
    data["nodes"][at]["inputs"] = [data["nodes"][at - 1]["inputs"][0]]


def moved(data: Any) -> None:
    """A node of a block stands after the block was left."""
    nodes = data["nodes"]
    at = index(data, "stage.0.act")
    nodes.insert(at + 2, nodes.pop(at))
    nodes[at]["inputs"] = ["stage.0.conv"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (named("norm", "input"), "node input stands twice"),
        (named("norm", "class"), "`class` is a word of Python"),
        (named("norm", "a b"), "`a b` cannot be a name"),
        (named("norm", f"x = {CODE}"), "`x = open("),
        (named("norm", "stage.norm"), "scopes[0].id: two things are named stage"),
        (named("norm", "_norm"), "batch_norm has weights, so its name cannot start with `_`"),
        (
            lambda data: data.update(json.loads(json.dumps(data).replace("stage", "_stage"))),
            "scope _stage: a name that starts with `_` adds no level",
        ),
        (named("norm", "stage"), "two things are named stage"),
        (named("norm", "stem"), "node stem stands twice"),
        (named("norm", "a" * 2000), "more than 1,000 characters"),
        (named("norm", "norm@01"), "`norm@01` is no path"),
        (named("norm", "norm@1@"), "`norm@1@` is no path"),
        (named("p.act@1", "p.act"), "node p.act stands twice"),
        (node("stage.0.conv", scope="stage.1"), "stage.0.conv does not lie in stage.1"),
        (node("sum", inputs=["p.act"]), "add joins two or more inputs"),
        (node("sum", inputs=["p.act", "p.act"]), "nothing uses the result of p.act@1"),
        (lambda data: data["nodes"].append(data["nodes"][-1]), "node sum stands twice"),
        (lambda data: data["nodes"].reverse(), "is not before it"),
        (lambda data: data["scopes"].append(data["scopes"][-1]), "is not before it"),
        (lambda data: data["scopes"].append({
            "id": "empty", "kind": "sequence", "parent": "", "block": "", "arguments": {},
            "inputs": [], "span": None,
        }), "scopes stand as their nodes do"),
        (unfolded, "it is not the relu of p.act"),
        (crossed, "it is not the module of p"),
        (moved, "scopes[1]: scope stage.0: scopes stand as their nodes do, all of one together"),
        (scope("p@1", block="other"), "scope p@1: it is not the module of p"),
        (scope("p@1", kind="residual"), "scope p@1: it is not the module of p"),
    ],
)  # fmt: skip
def test_what_does_not_hold_together_is_refused(
    plain: str, change: Callable[[Any], None], said: str
) -> None:
    data = json.loads(plain)
    change(data)
    assert said in error(json.dumps(data))


# texts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("3", "the graph: expected an object, not 3"),
        ("[]", "the graph: expected an object, not a list"),
        ("{", "not JSON"),
        ("[" * 100_000, "nested deeper than this machine can follow"),
        ('{"a":' * 100_000, "nested deeper than this machine can follow"),
        ("[" * 600 + "]" * 600, "nested deeper than 384 levels"),
        ('{"name": 1, "name": 2}', "the key `name` stands twice in one object"),
        ('{"name": ' + "9" * 5000 + "}", "4300 digits"),
        ('{"name": 1e999}', "name: expected a finite number, not inf"),
        ('{"name": NaN}', "name: expected a finite number, not nan"),
        ('{"\\ud800": 1}', "half of a surrogate pair"),
        (b"{}", "expected JSON as text, not bytes"),
        (None, "expected JSON as text, not NoneType"),
    ],
)
def test_text_that_is_no_graph_is_refused(text: Any, said: str) -> None:
    assert said in error(text)


def test_a_text_of_100_mb_is_refused_before_it_is_read() -> None:
    text = "[" + "1," * 50_000_000 + "1]"
    start = time.process_time()
    assert "the text has more than 32,000,000 characters" in error(text)
    assert time.process_time() - start < 0.1


def test_very_many_mistakes_take_little_time(plain: str) -> None:
    data = json.loads(plain)
    start = time.process_time()
    for path in (("nodes",), (*STEM, "inputs"), ("scopes",), ("input", "shape"), ("made",)):
        changed = json.loads(plain)
        put(changed, path, [None] * 300_000)
        assert "[0]" in error(json.dumps(changed))
    for path in (("outputs",), (*ARGUMENTS,), ("renames", "theirs", "keys")):
        changed = json.loads(plain)
        put(changed, path, {f"k{n}": 1 for n in range(100_000)})
        error(json.dumps(changed))
    put(data, (*STEM, "inputs"), [0] * 3_000_001)
    assert "the JSON has more than 3,000,000 values" in error(json.dumps(data))
    assert time.process_time() - start < 20


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"nodes": 3}, "the graph has more than 3 nodes; limits={'nodes': N} allows more"),
        ({"connections": 3}, "the graph has more than 3 connections"),
        ({"parameters": 100}, "the graph has more than 100 parameters"),
        ({"elements": 200}, "nodes[6].output has more than 200 elements"),
        ({"path": 3}, "nodes[0].id has more than 3 characters"),
        ({"json_characters": 100}, "the text has more than 100 characters"),
        ({"json_values": 100}, "the JSON has more than 100 values"),
        ({"nesting": 1}, "nested deeper than 6 levels"),
    ],
)
def test_limits_hold_and_can_be_changed(plain: str, limits: dict[str, int], said: str) -> None:
    data = json.loads(plain)
    deep = data["scopes"][1]["arguments"]
    deep["act"] = [[[[deep["act"]]]]]
    with pytest.raises(ValueError) as caught:
        Graph.from_json(json.dumps(data), limits=limits)
    assert said in str(caught.value)
    assert Graph.from_json(json.dumps(data), limits=dict.fromkeys(limits, 10**7)).name == "net"


def test_free_texts_may_say_anything(plain: str) -> None:
    data = json.loads(plain)
    data["title"] = data["citation"] = "é \"'\\ =cmd"
    data["renames"]["theirs"]["unmet"] = "\x00 é \"'\\ \u202e"
    data["nodes"][0]["span"][0] = "a\nb"
    again = Graph.from_json(json.dumps(data))
    assert again.title == data["title"]
    assert again.nodes[0].span is not None and again.nodes[0].span.file == "a\nb"


@pytest.mark.parametrize("count", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_mutants_are_refused_or_can_be_used_for_everything(
    count: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(20_000, 20_000 + count):
        record = judge(number)
        assert record["outcome"] != "crashed", record["trace"]


def test_a_value_in_a_message_is_cut_only_if_it_is_too_long() -> None:
    assert shown("x" * 38) == f"`{'x' * 38}`"
    assert shown("x" * 39) == f"`{'x' * 39}..."
