"""Other people's names of weights: what `weights` says of them, and what each becomes."""

import re
from itertools import zip_longest

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archdsl.graph.graph import Graph
from archdsl.graph.renames import Rename, Renames
from archdsl.yaml.limits import Limits
from tests.examples import examples
from tests.steps import LINEAR, growth
from tests.support import check_error, errors, graph_of

# The blocks of all stages in one row, as some packages number them.
ONE_ROW = """
    weights:
      them:
        keys:
          blocks.{sum(depth(all_layers[:row])) + i}:
            for: {layers: [1, 2, 1], letter: [a, b, c]}
            repeat: depth(layers)
            keys:
              conv{c}: stage{row + 1}_{letter}.{i}.{c - 1}
              norm: stage{row + 1}_{letter}.{i}.bn
          fc: head
"""


def rules(text: str) -> dict[str, str | None]:
    """The rules of the source `them`, as `{theirs: ours}`."""
    return {rule.theirs: rule.ours for rule in graph_of(text).renames["them"].rules}


@pytest.mark.parametrize(
    ("theirs", "ours", "key", "expected"),
    [
        ("stage{s}.unit{u}.conv{c}", "layer{s}.{u - 1}.conv{c}", "stage2.unit1.conv3.weight",
         "layer2.0.conv3.weight"),
        ("output", "fc", "output.bias", "fc.bias"),
        ("out", "fc", "output.bias", "output.bias"),
        ("aux{n}", None, "aux1.fc.weight", None),
        ("{a}.{a}", "{a}", "x.x.weight", "x.weight"),
    ],
)  # fmt: skip
def test_a_rename_maps_the_beginning_of_a_key(
    theirs: str, ours: str | None, key: str, expected: str | None
) -> None:
    assert Renames((Rename(theirs, ours),)).rename(key) == expected


def test_a_key_that_does_not_compute_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"`stageA.weight` cannot become `layer\{s - 1\}`: `-`"):
        Renames((Rename("stage{s}", "layer{s - 1}"),)).rename("stageA.weight")


def test_keys_in_a_loop_are_one_rule_for_every_turn() -> None:
    assert rules(ONE_ROW) == {
        "blocks.0.conv{c}": "stage1_a.0.{c - 1}",
        "blocks.0.norm": "stage1_a.0.bn",
        "blocks.1.conv{c}": "stage2_b.0.{c - 1}",
        "blocks.1.norm": "stage2_b.0.bn",
        "blocks.2.conv{c}": "stage2_b.1.{c - 1}",
        "blocks.2.norm": "stage2_b.1.bn",
        "blocks.3.conv{c}": "stage3_c.0.{c - 1}",
        "blocks.3.norm": "stage3_c.0.bn",
        "fc": "head",
    }


def test_keys_follow_the_scale_of_the_network() -> None:
    found = rules(ONE_ROW + "    scaling: {depth: {factor: 2}}\n")
    assert found["blocks.2.norm"] == "stage2_b.0.bn"
    assert len(found) == 2 * (2 + 4 + 2) + 1


def test_keys_that_begin_alike_are_written_under_the_beginning() -> None:
    text = "weights: {them: {keys: {'a{s}': {keys: {'b{t}': 'c{s + t}', d: null}}}}}"
    assert rules(text) == {"a{s}.b{t}": "c{s + t}", "a{s}.d": None}
    assert rules("weights: {them: {keys: {a: {keys: {}}}}}") == {}


def test_a_name_is_a_loops_where_a_loop_binds_it() -> None:
    text = (
        "weights: {them: {keys: {'s{s}': {for: {s: [1, 2]}, keys: {x: 'y{s}'}}, 't{s}': 'u{s}'}}}"
    )
    assert rules(text) == {"s1.x": "y1", "s2.x": "y2", "t{s}": "u{s}"}


def test_parameters_may_be_used_in_both_names() -> None:
    text = "params: {depth: 2}\nweights: {them: {keys: {'a{depth + 1}': 'b{depth}'}}}"
    assert rules(text) == {"a3": "b2"}


@pytest.mark.parametrize(
    ("keys", "where", "what"),
    [
        ("'stage{s}': 'layer{t}'", "t}'", "E0302 unknown name `t`"),
        ("'stage{s}': 'layer{s +}'", "}'", "E0301 the expression ends too early"),
        ("'stage{1s}': layer", "s}", "E0301 `s` is not expected here"),
        ("'stage{s + 1}': layer", "s + 1", "E0302 unknown name `s`"),
        ("a: 3", "3", "E0203 expected a name of ours"),
        ("a: {b: c, keys: {}}", "b", "E0201 unknown key `b`"),
        ("a: {for: {b: [1]}}", "{for", "E0202 `keys` is missing"),
        ("a: {for: {b: 1}, keys: {}}", "1", "E0203 column b must be a list"),
        ("a: {repeat: n, keys: {}}", "n", "E0302 unknown name `n`"),
        ("a: {repeat: -1, keys: {}}", "-1", "E0305 repeat: -1 is less than 0"),
        ("a: {for: {b: [1.5]}, keys: {c: 'd{b}'}}", "b}'", "E0208 1.5 cannot be part of a name"),
        ("a: {for: {b: ['}']}, keys: {c: 'd{b}'}}", "b}'",
         "E0208 the word `}` cannot be part of a name"),
        ("a: 'd{C}'", "C", "E0302 there is no `C` here"),
        ("a: {repeat: 2, keys: {c: d}}", "c", "E0401 two rules for `a.c`"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_reported_where_it_stands(keys: str, where: str, what: str) -> None:
    text = f"weights:\n  them:\n    keys:\n      {keys}"
    line = text.splitlines()[-1]
    column = line.index(where, line.index(":") + 1 if where in line.partition(":")[2] else 0) + 1
    assert errors(text) == [f"4:{column} {what}"]


@pytest.mark.parametrize("foreign", ["row", "depth"])
def test_what_is_found_in_a_key_cannot_meet_what_is_known_before(foreign: str) -> None:
    text = f"""
        weights:
          them:
            keys:
              a{{row}}: {{for: {{n: [1]}}, keys: {{'b{{s}}': 'c{{s + {foreign}}}'}}}}
        params: {{depth: 2}}
    """
    help = "beside `s`, which is found in a key, nothing else can be used"
    check_error(text, 4, 53, "E0302", f"unknown name `{foreign}`", help)


def test_a_loop_says_in_which_row_something_is_wrong() -> None:
    text = "weights: {them: {keys: {a: {for: {n: [1, x]}, repeat: n, keys: {'b{i}': c}}}}}"
    assert errors(text) == ["1:55 E0203 repeat: expected a whole number, not the word `x`"]


def test_loops_count_as_items() -> None:
    inner = "{'b{row}': {for: {n: [1]}, keys: {}}}"
    text = f"weights: {{them: {{keys: {{'a{{i}}': {{repeat: 99, keys: {inner}}}}}}}}}"
    assert errors(text) == []
    (found,) = errors(text, Limits(items=150))
    assert "E0106 the network has more than 150 items" in found


def test_what_a_source_of_weights_requires_is_a_parameter() -> None:
    text = "weights: {them: {requires: {dept: 3}}}\nparams: {depth: 2}"
    check_error(text, 1, 29, "E0302", "unknown parameter `dept`", "did you mean `depth`?")


def test_what_a_source_requires_otherwise_is_known_of_the_graph() -> None:
    text = "weights: {them: {requires: {depth: 3}, reshape: true}}\nparams: {depth: 2}\n"
    graph = graph_of(text)
    assert graph.renames["them"].unmet == "depth is 2, the weights need 3"
    assert Graph.from_json(graph.to_json()) == graph
    met = graph_of(text.replace("depth: 2", "depth: 3"))
    assert met.renames["them"] == Renames(reshape=True)


def test_the_names_of_weights_survive_the_graph_and_its_json() -> None:
    graph = graph_of("weights: {them: {keys: {'stage{s}': 'layer{s + 1}', old: null}}}")
    expected = (Rename("stage{s}", "layer{s + 1}"), Rename("old", None))
    assert graph.renames == {"them": Renames(expected)}
    assert Graph.from_json(graph.to_json()) == graph


WORD = st.sampled_from(["", "a", "b", "ab", "z", "aa"])
NAMES = st.sampled_from(["{p}", "{q}", "{r}", "{s}"])
COMPONENT = st.lists(st.tuples(WORD, NAMES), max_size=4)


def as_pattern(theirs: str) -> str:
    """What a rule is as a regular expression, which tries everything."""
    parts = re.split(r"\{(\w)\}", theirs)
    names = [f"(?P<{name}>[^.]+?)" for name in parts[1::2]]
    texts = list(map(re.escape, parts[::2]))
    return "".join(map("".join, zip_longest(texts, names, fillvalue=""))) + r"(?=\.|$)"


@given(st.lists(COMPONENT, min_size=1, max_size=3), WORD, st.text("abz.", max_size=12))
@settings(max_examples=examples(200, 500))
def test_a_rule_fits_what_a_regular_expression_would(
    components: list[list[tuple[str, str]]], last: str, key: str
) -> None:
    theirs = ".".join("".join(map("".join, parts)) for parts in components) + last
    names = re.findall(r"\{(\w)\}", theirs)
    assume(len(names) == len(set(names)) and theirs)
    expected = re.match(as_pattern(theirs), key)
    assert Rename(theirs, "").match(key) == (expected and expected.groupdict())


def test_a_name_that_stands_again_is_what_it_was() -> None:
    rule = Rename("layer{s}{u}.{s}.{n}{n}", "{s}-{u}")
    assert rule.apply("layer12ab.12.xx.weight") == (True, "12-ab.weight")
    assert rule.apply("layer12ab.13.xx.weight") == (False, "layer12ab.13.xx.weight")


def test_a_rule_is_read_once_over_a_key() -> None:
    renames = Renames((
        Rename("{a}{b}{c}{d}{e}{f}{g}{h}z", "0"),
        Rename("{a}x{b}x{c}", "{a}"),
        Rename("y", None),
    ))  # fmt: skip
    assert growth(lambda n: renames.rename("cx" * n + ".weight" * n), 1_000) < LINEAR


@given(
    st.lists(st.text("ab{}.", min_size=1, max_size=7).filter(lambda text: "}" not in text)),
    st.lists(st.text("ab.", min_size=1, max_size=7), min_size=1),
)
def test_the_first_rule_that_fits_is_the_one(begun: list[str], keys: list[str]) -> None:
    theirs = [text.replace("{", "{a}") for text in begun]
    rules = [Rename(text, f"rule{number}") for number, text in enumerate(theirs)]
    for key in keys:
        fitting = [rule for rule in rules if rule.match(key) is not None]
        expected = fitting[0].apply(key)[1] if fitting else key
        assert Renames(tuple(rules)).rename(key) == expected


def test_renaming_takes_steps_that_grow_with_the_keys_and_the_rules() -> None:
    def renamed(number: int) -> None:
        renames = Renames(tuple(Rename(f"a.b{n}.c{{x}}", f"d{n}.{{x}}") for n in range(number)))
        for n in range(number):
            assert renames.rename(f"a.b{n}.c1.weight") == f"d{n}.1.weight"

    assert growth(renamed, 200) < LINEAR
