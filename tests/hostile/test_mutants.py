"""Specs of the gallery with a part deleted, swapped, doubled, retyped or misspelled.

`python -m tests.fuzz.mutate` does the same for as many as wanted and says how many errors point at
what was changed.
"""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archdsl
from archdsl.diagnostics.diagnostic import Span
from archdsl.language.gallery import find
from archdsl.ops.tensor import TensorSpec
from tests.examples import examples
from tests.fuzz.mutate import digest, judge, read
from tests.fuzz.mutations import KINDS, VALUES, Mutant, Original, mutant, original, originals
from tests.fuzz.promised import wrong_shapes
from tests.support import whole


@cache
def gallery() -> list[Original]:
    return originals()


@given(st.integers(0, 10**9))
@settings(max_examples=examples(30, 200))
def test_a_mutant_is_a_network_or_a_set_of_errors(number: int) -> None:
    record = judge(number, mutant(gallery(), number))
    assert record["outcome"] != "crashed", record["trace"]
    assert record["seconds"] < 10  # 2 on a machine that has nothing else to do


@pytest.mark.parametrize("number", range(0, 40, 5))
def test_a_mutant_that_is_a_network_runs_in_torch_with_the_promised_shape(number: int) -> None:
    small = [original(find(name)) for name in ("resnet20_cifar10", "squeezenet1_1", "unet")]
    for later in range(number, number + 5):
        graph, _ = read(mutant(small, later))
        if graph is not None:
            assert wrong_shapes(graph) == ""


TEXT = "a: {b: 1, 'c': [2, three]}\nd:\n  e: \"4\"\n  f: 5\ng:\n  - 6\n"


def mutants(kind: str) -> list[Mutant]:
    """Mutants of one kind of a short text."""
    found = (mutant([original("spec.yaml", TEXT)], number) for number in range(600))
    return [one for one in found if one.kind == kind]


def texts(kind: str) -> set[str]:
    return {one.text for one in mutants(kind)}


def test_the_kinds_of_mutants() -> None:
    assert {
        TEXT.replace("b: 1, ", ""),
        TEXT.replace(", three", ""),
        TEXT.replace("  f: 5\n", ""),
        TEXT.replace("g:\n  - 6\n", ""),
    } <= texts("delete")
    assert {
        TEXT.replace("[2, three]", "[three, 2]"),
        TEXT.replace("b: 1, 'c': [2, three]", "'c': [2, three], b: 1"),
        TEXT.replace('e: "4"\n  f: 5', 'f: 5\n  e: "4"'),
    } <= texts("swap")
    assert {
        TEXT.replace("b: 1", "b: 1, b: 1"),
        TEXT.replace("  f: 5\n", "  f: 5\n  f: 5\n"),
    } <= texts("duplicate")
    assert {TEXT.replace("b: 1", f"b: {value}") for value in VALUES} & texts("retype")
    assert {TEXT.replace("three", "thre"), TEXT.replace("three", "htree")} <= texts("misspell")


@pytest.mark.parametrize("kind", ["swap", "duplicate", "retype", "misspell"])
def test_a_mutant_knows_where_it_differs(kind: str) -> None:
    for one in mutants(kind):
        first, last = one.regions[0][0], one.regions[-1][1]
        end = len(one.text) - last
        assert one.text[:first] == TEXT[:first]
        assert one.text[last:] == TEXT[len(TEXT) - end :]


def test_a_mutant_is_always_the_same_and_shows_what_touches_it() -> None:
    first, again = mutants("retype")[0], mutants("retype")[0]
    assert first == again
    spec = original("spec.yaml", "a: 1\nbb: 2\n")
    one = next(m for n in range(99) if (m := mutant([spec], n)).regions == ((9, 10),))
    assert one.shows(Span("spec.yaml", 2, 5, 2, 6)) and one.shows(Span("spec.yaml", 2, 1, 2, 6))
    assert not one.shows(Span("spec.yaml", 1, 1, 1, 5))
    assert not one.shows(Span("other.yaml", 2, 5, 2, 6)) and not one.shows(None)


def test_every_kind_is_made() -> None:
    assert {mutant(gallery(), number).kind for number in range(60)} == set(KINDS)


def test_the_places_of_a_deletion_are_what_held_it() -> None:
    shown = {m.text: [m.text[a:b] for a, b in m.regions] for m in mutants("delete")}
    assert shown[TEXT.replace("b: 1, ", "")] == ["a: {'c': [2, three]}"]
    assert shown[TEXT.replace(", three", "")] == ["'c': [2]"]
    assert shown[TEXT.replace("  f: 5\n", "")] == ['d:\n  e: "4"']
    assert shown[TEXT.replace("g:\n  - 6\n", "")] == ["a: {b: 1, 'c': [2, three]}", ""]


def test_documentation_makes_no_other_network() -> None:
    spec = whole("doc: x\nbackbone: [{conv: {out: 8, kernel: 3}}]")
    said, wider = "# x\n" + spec.replace("doc: x", "doc: y"), spec.replace("out: 8", "out: 9")
    assert digest(archdsl.loads(spec)) == digest(archdsl.loads(said))
    assert digest(archdsl.loads(spec)) != digest(archdsl.loads(wider))


def test_shapes_that_are_not_as_promised_are_found() -> None:
    graph = archdsl.load("resnet20_cifar10")
    assert wrong_shapes(graph) == wrong_shapes(graph, "cpu") == ""
    (node,) = (node for node in graph.nodes if node.id == "fc")
    wrong = replace(node, output=TensorSpec((11,)))
    nodes = tuple(wrong if other is node else other for other in graph.nodes)
    assert "not {'result ': (2, 11)" in wrong_shapes(replace(graph, nodes=nodes))
