"""A spec is data from a stranger: limits hold, and whatever it says is a graph or an error."""

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl.cli.main import run
from archdsl.diagnostics.sink import Sink
from archdsl.elaborate.document import elaborate
from archdsl.graph.graph import Graph
from archdsl.graph.verify import verify
from archdsl.language.loader import Loader
from archdsl.lint.expect import expectations
from archdsl.yaml.limits import Limits
from tests.examples import examples
from tests.support import check_error, errors, graph_of, labels

SMALL = Limits(items=20_000, nodes=5_000, connections=50_000)

EVERYTHING = """
archdsl: 1
name: everything
doc: Uses every part of the language once.
cite: {title: A net, year: 2020, arxiv: "2001.00001"}
input: [8, resolution(32), 32]
params: {classes: 10, act: relu, n: {type: int, default: 2, min: 1, max: 5}, list: [1, 2, 3]}
scaling:
  phi: 1
  depth: {base: 1.2}
  width: {base: 1.1, multiple_of: 8}
  resolution: {base: 1.15, round: up, min: 3, max: 400}
defaults: {conv: {bias: false, init: {kaiming_normal: {mode: fan_out}}}}
blocks:
  unit: {params: {out: C, act: item, k: 3}, seq: [{conv: {out: out, kernel: k}}, $act]}
  fuse:
    inputs: [a, b]
    body: {c: {concat: {}, from: [a, b]}, d: {unit: {act: gelu}}}
  both: {inline: [relu, {unit: {act: relu}}]}
backbone:
  stem: {unit: {out: width(16), act: {leaky_relu: {slope: 0.1}}}}
  stage{row}:
    for: {w: [16, 32], d: "list[:2]"}
    unit: {out: w, act: $act}
    repeat: depth(d)
    tap: c{row}
  res:
    residual:
      body: [{conv: {kernel: 3}}]
      shortcut: {p: {conv: {kernel: 1}}}
      after: relu
      when: C > 3
  br:
    branches:
      split: [C // 2, C - C // 2]
      paths: {a: identity, b: {conv: {kernel: 1}}}
      join: concat
  dn: {dense: {layer: {"l{i}": {conv: {out: 4, kernel: 3}}}, repeat: n}}
  side: {seq: [global_avg_pool, flatten, {linear: {out: classes}}], aux: true}
  p: {max_pool: {kernel: 2}}
neck:
  f: {fuse: {}, from: [c0, c1]}
  u: {resize: {like: c0}, from: p}
  e: {conv: {out: 4, kernel: 1}, each: [f, f]}
  j: {concat: {}, from: e}
  _b: {both: {}, repeat: 2}
aux: {aside: {seq: [global_avg_pool, flatten, {linear: {out: classes}}], from: c1}}
head:
  table: {for: {columns: [a, b], rows: [[1, relu], [2, gelu]]}, inline: [$b, {scale: {factor: a}}]}
  never: {concat: {}, from: [u, j, p], if: false}
  sum: {conv: {out: 4, kernel: 1}, from: u}
  add: {add: {}, from: [sum, k]}
  o: [global_avg_pool, flatten, {linear: {out: classes}}]
outputs: {o: o, joined: j, table: table}
weights: {theirs: {keys: {"a{n}": "stage{n}"}}}
expect: {params: 1M, macs: 1G}
""".replace("[sum, k]", "[sum, sum]")

NASTY: list[Any] = [
    None, True, 0, -1, 2.5, 1e30, 10**30, float("inf"), float("nan"), "", "x", "relu", "conv", "$x",
    "$", "input", "C", "C +", "max(1", "1/0", "{", "a{b}", "..", "10**18", "class", "__a", "é",
    "C " * 400, [], {}, [[]], [1, 2], ["relu", "relu"], {"a": 1}, {"conv": 3}, {"relu": None},
    {"seq": []}, {"inline": {}}, {"residual": {"body": []}}, {"for": 3, "relu": {}},
    {"repeat": 10**9, "relu": {}}, {"type": "int"}, {"type": "int", "default": 3, "min": "a"},
]  # fmt: skip
KEYS = [
    "for", "if", "from", "repeat", "each", "tap", "aux", "conv", "relu", "body", "shortcut",
    "after", "when", "paths", "join", "split", "layer", "seq", "inline", "residual", "branches",
    "dense", "params", "inputs", "blocks", "defaults", "outputs", "expect", "scaling", "phi",
    "extends", "import", "name", "input", "neck", "head", "under", "weights", "kernel", "out",
    "_a", "0", "relu{i}", "l{row}", "$act", "columns", "rows", "width", "C", "i", "min", "default",
]  # fmt: skip


def outcome(text: str) -> Graph | None:
    """Reads a spec: no exception, no graph without verification, no failure without a reason."""
    sink = Sink()
    document = Loader(sink, SMALL).loads(text, "spec.yaml")
    graph = elaborate(document, sink, SMALL) if document is not None else None
    assert (graph is None) == sink.failed
    assert all(diagnostic.span is not None for diagnostic in sink.diagnostics)
    if document is not None and graph is not None:
        verify(graph)
        assert Graph.from_json(graph.to_json()) == graph
        expectations(document, graph, sink)
    return graph


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything below the top."""
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


WHOLE = yaml.safe_load(EVERYTHING)
PLACES = list(places(WHOLE))


def container(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data


def test_the_spec_that_is_spoiled_here_is_right() -> None:
    graph = outcome(EVERYTHING)
    assert graph is not None
    assert {"e@1", "br._slice1", "dn._concat", "f.d.0", "res.p"} <= set(graph.by_id)


@given(st.sampled_from(PLACES), st.sampled_from(NASTY))
@settings(max_examples=examples(100, 250))
def test_anything_anywhere_is_a_graph_or_an_error(path: tuple[Any, ...], value: Any) -> None:
    data = copy.deepcopy(WHOLE)
    container(data, path)[path[-1]] = value
    outcome(yaml.safe_dump(data, sort_keys=False, width=10**6))


@given(st.sampled_from(PLACES), st.sampled_from(KEYS), st.sampled_from(NASTY))
@settings(max_examples=examples(50, 120))
def test_any_key_anywhere_is_a_graph_or_an_error(
    path: tuple[Any, ...], key: str, value: Any
) -> None:
    data = copy.deepcopy(WHOLE)
    inside = container(data, path)
    if isinstance(inside, dict):
        inside[key] = value
    else:
        inside[path[-1]] = {key: inside[path[-1]]}
    outcome(yaml.safe_dump(data, sort_keys=False, width=10**6))


@given(st.sampled_from(PLACES), st.sampled_from(PLACES))
@settings(max_examples=examples(50, 120))
def test_any_part_in_another_place_is_a_graph_or_an_error(
    path: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    data = copy.deepcopy(WHOLE)
    container(data, path)[path[-1]] = copy.deepcopy(container(WHOLE, other)[other[-1]])
    outcome(yaml.safe_dump(data, sort_keys=False, width=10**6))


@given(
    st.integers(0, len(EVERYTHING) - 1),
    st.integers(0, 20),
    st.text("{}[](),:&*!|>'\"$ \n-#é\0", max_size=3),
)
@settings(max_examples=examples(50, 120))
def test_any_damage_to_the_text_is_a_graph_or_an_error(at: int, cut: int, text: str) -> None:
    outcome(EVERYTHING[:at] + text + EVERYTHING[at + cut :])


# limits


def quick(text: str, limits: Limits | None = None) -> list[str]:
    """What is wrong with a spec, found in little time."""
    start = time.perf_counter()
    found = errors(text, limits)
    assert time.perf_counter() - start < 20
    return [line.partition(" ")[2] for line in found]


def test_the_number_of_nodes_is_limited() -> None:
    limits = Limits(nodes=10)
    assert errors("backbone: [{relu: {}, repeat: 10}]", limits) == []
    check_error(
        "backbone: [{relu: {}, repeat: 11}]",
        1,
        12,
        "E0106",
        "the network has more than 10 nodes",
        "--limit nodes=N allows more",
        limits,
    )
    text = "blocks: {u: {seq: [relu, tanh]}}\nbackbone: [{u: {}, repeat: 6}]"
    found = check_error(text, 1, 20, "E0106", "the network has more than 10 nodes", limits=limits)
    assert labels(found) == ["2 repeated 6 times", "2 in this call of u, repeated as 5"]


def test_a_repeat_of_nothing_is_limited() -> None:
    limits = Limits(items=1000)
    text = "backbone: [{repeat: 900, inline: [{repeat: 900, inline: []}]}]"
    said = "the network has more than 1,000 items, 900 of them here"
    check_error(text, 1, 44, "E0106", said, limits=limits)
    text = "params: {n: 900}\nbackbone: [{repeat: n, inline: [{relu: {}, repeat: n, if: false}]}]"
    check_error(text, 2, 33, "E0106", "the network has more than 1,000 items", limits=limits)


def test_the_number_of_parameters_is_limited_before_anything_is_allocated() -> None:
    wide = "backbone: [{conv: {out: 10 ** 9, kernel: 9}}]"
    most, here = "more than 100,000,000,000 parameters", "244,000,000,000 of them here"
    assert quick(wide) == [f"E0106 the network has {most}, {here}"]
    limits = Limits(parameters=100)
    assert errors("backbone: [{conv: {out: 25, kernel: 1}}]", limits) == []
    check_error(
        "backbone: [{conv: {out: 26, kernel: 1}}]",
        1,
        12,
        "E0106",
        "the network has more than 100 parameters, 104 of them here",
        "--limit parameters=N allows more",
        limits,
    )
    twice = "blocks: {u: {seq: [{conv: {kernel: 1}}]}}\nbackbone: [{u: {}, repeat: 9}]"
    said = "the network has more than 100 parameters, 12 of them here"
    check_error(twice, 1, 20, "E0106", said, limits=limits)
    shared = "backbone: {a: relu, b: {conv: {out: 15, kernel: 1}, each: [a, input, a]}}"
    assert errors(shared, limits) == []


def test_the_size_of_a_tensor_is_limited() -> None:
    assert quick("backbone: [{resize: {scale: 1e9}}]") == [
        "E0106 the output of 0 has more than 1,000,000,000,000 elements"
    ]
    assert quick("backbone: [{resize: {scale: 1000}, repeat: 200}]") == [
        "E0106 the output of 1 has more than 1,000,000,000,000 elements"
    ]


def test_the_length_of_an_expression_is_limited() -> None:
    limits = Limits(expression=10)
    assert errors("backbone: [{conv: {out: 1 + 1 + 33, kernel: 1}}]", limits) == []
    check_error("backbone: [{conv: {out: 1 + 1 + 333, kernel: 1}}]", 1, 25, "E0106",
                "an expression of more than 10 characters", "--limit expression=N allows more",
                limits)  # fmt: skip
    check_error("backbone: {a2345678901: relu}", 1, 12, "E0106",
                "an expression of more than 10 characters", limits=limits)  # fmt: skip


def test_the_number_of_connections_is_limited() -> None:
    limits = Limits(connections=1000)
    text = "backbone: [{dense: {layer: [{slice: {stop: 1}}], repeat: 400}}]"
    said = "the network has more than 1,000 connections, 44 of them here"
    assert quick(text, limits) == [f"E0106 {said}"]


def test_nesting_is_limited_also_through_blocks() -> None:
    blocks = ", ".join(f"b{n}: {{seq: [b{n + 1}]}}" for n in range(100))
    text = f"blocks: {{{blocks}, b100: {{seq: [relu]}}}}\nbackbone: [b0]"
    (found,) = quick(text)
    assert found == "E0106 items nested deeper than 64 levels"
    chain = ", ".join(f"b{n}: {{b{n + 1}: {{}}}}" for n in range(100))
    (found,) = quick(f"blocks: {{{chain}, b100: {{relu: {{}}}}}}\nbackbone: [b0]")
    assert found == "E0106 items nested deeper than 64 levels"


def test_blocks_that_double_at_every_level_are_complained_of_once() -> None:
    blocks = ", ".join(f"b{n}: {{seq: [b{n + 1}, b{n + 1}]}}" for n in range(40))
    found = quick(f"blocks: {{{blocks}, b40: {{seq: [relu]}}}}\nbackbone: [b0]")
    assert found.count("E0106 items nested deeper than 64 levels") == 1


def test_even_a_raised_limit_ends_in_an_error() -> None:
    limits = Limits(nesting=100_000)
    blocks = ", ".join(f"b{n}: {{seq: [b{n + 1}]}}" for n in range(400))
    text = f"blocks: {{{blocks}, b400: {{seq: [relu]}}}}\nbackbone: [b0]"
    assert quick(text, limits) == ["E0106 items are nested deeper than this machine can follow"]
    deep = "backbone: " + "[" * 900 + "relu" + "]" * 900
    assert quick(deep, limits) == ["E0106 the file is nested deeper than this machine can follow"]


def test_a_deep_but_allowed_nest_is_a_network() -> None:
    text = "backbone: " + "[" * 40 + "relu" + "]" * 40
    assert list(graph_of(text).by_id) == [".".join("0" * 40)]


def test_a_recursive_block_with_a_way_out_is_refused_too() -> None:
    text = """
        blocks: {u: {params: {n: int}, seq: [{u: {n: n - 1}, if: n > 0}, relu]}}
        backbone: [{u: {n: 3}}]
    """
    assert quick(text) == ["E0211 block u contains itself: u -> u"]


def test_lists_of_lists_do_not_explode() -> None:
    lines = ["a0: {relu: {}, each: [input, input]}"]
    lines += [f"a{n}: {{relu: {{}}, each: [a{n - 1}, a{n - 1}]}}" for n in range(1, 200)]
    found = quick("backbone:\n  " + "\n  ".join(lines))
    assert found[0] == "E0404 `a0` is a list of 2 tensors already"


def test_many_errors_take_little_time() -> None:
    limits = Limits(mistakes=10_000)
    items = ", ".join(["{cnov: {from: x}}"] * 3000)
    assert len(quick(f"backbone: [{items}]", limits)) == 3000
    items = ", ".join(f"{{relu: {{}}, from: x{n}}}" for n in range(3000))
    assert len(quick(f"backbone: [{items}]", limits)) == 3000


def test_no_more_is_looked_for_than_anybody_reads() -> None:
    found = quick("backbone: [" + ", ".join(["rleu"] * 300) + "]")
    message = "E0106 200 mistakes are found; the rest of the spec is not looked at"
    assert found == ["E0205 unknown verb `rleu`"] * 200 + [message]


def test_whatever_is_no_spec_may_have_any_number_of_mistakes(tmp_path: Path) -> None:
    twice, unknown = tmp_path / "twice.yaml", tmp_path / "study.yaml"
    twice.write_text("archdsl: 1\n" + "name: n\n" * 300)
    unknown.write_text("archdsl: 1\n" + "".join(f"key{n}: 1\n" for n in range(300)))
    assert run(["fmt", str(twice)]) == 1
    assert run(["sweep", str(unknown)]) == 1


def test_infinite_numbers_are_no_values() -> None:
    for number, said in ((".inf", "inf"), (".nan", "nan"), ("1.0e999", "inf")):
        expected = f"1:13 E0203 expected a number, not {said}"
        assert (
            errors(f"params: {{a: {number}}}\nbackbone: [{{repeat: a, relu: {{}}}}]")[0] == expected
        )
        block = "blocks: {u: {params: {x: 1}, seq: [relu]}}"
        assert errors(f"{block}\nbackbone: [{{u: {{x: [1, [{number}]]}}}}]")[0].endswith(
            f"E0203 expected a number, not {said}"
        )
