"""Scaling rules: functions that expressions call, from a base size to a scaled one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.elaborate.document import elaborate
from archdsl.expressions.scaling import Rule, compound_growth, functions
from archdsl.language.loader import Loader
from archdsl.ops.tensor import TensorSpec
from tests.support import check_error, errors, graph_of, labels, read, shapes, whole

SIZES = st.integers(1, 3000)
FACTORS = st.floats(0.1, 8, allow_nan=False)


@given(SIZES, FACTORS)
def test_depth_rounds_up(size: int, factor: float) -> None:
    scaled = Rule(factor, "up")(size)
    assert isinstance(scaled, int)
    assert scaled - 1 < size * factor <= scaled + 1e-6


def test_an_inexact_product_is_no_layer_more() -> None:
    assert 3 * 1.1 > 3.3  # and 110 * 1.1 is more than 121
    assert Rule(1.1, "up")(110) == 121


@given(SIZES, FACTORS)
def test_width_is_a_multiple_and_at_most_a_tenth_narrower(size: int, factor: float) -> None:
    scaled = Rule(factor, multiple_of=8)(size)
    assert scaled % 8 == 0
    assert scaled >= max(8, 0.9 * size * factor)


@given(SIZES, FACTORS, st.sampled_from([None, 4, 10]))
def test_rounding_down_and_up_bracket_the_size(size: int, factor: float, unit: int | None) -> None:
    down, up = Rule(factor, "down", unit)(size), Rule(factor, "up", unit)(size)
    assert down <= size * factor + 1e-6
    assert up >= size * factor - 1e-6
    assert up - down in (0, unit or 1)


def test_rounding_to_the_nearest_takes_halves_up() -> None:
    assert [Rule(0.5)(size) for size in (1, 2, 3, 5)] == [1, 1, 2, 3]


def test_bounds_hold_after_rounding() -> None:
    rule = Rule(2.0, min=10, max=100)
    assert [rule(size) for size in (1, 20, 80)] == [10, 40, 100]


def test_a_list_is_scaled_item_by_item() -> None:
    assert Rule(1.8, "up")([1, 2, 3]) == [2, 4, 6]


def test_without_a_rule_the_three_are_the_identity() -> None:
    known = functions({"stem": Rule(2.0)})
    assert {name: known[name](2.5) for name in ("depth", "width", "resolution")} == {
        "depth": 2.5, "width": 2.5, "resolution": 2.5,
    }  # fmt: skip
    assert known["stem"](3) == 6


B0 = """
    input: [3, resolution(224), resolution(224)]
    params: {phi: 0}
    scaling: {phi: phi, depth: {base: 1.2}, width: {base: 1.1, multiple_of: 8}, resolution: {base: 1.15}}
    backbone:
      stem: {conv: {out: width(32), kernel: 3, stride: 2}}
      stage: {conv: {out: width(40), kernel: 3}, repeat: depth(2)}
"""  # noqa: E501


def test_phi_is_the_exponent_of_all_rules() -> None:
    """Tan & Le (2019), equation 3: depth 1.2^phi, width 1.1^phi, resolution 1.15^phi."""
    scaled = graph_of(B0.replace("phi: 0", "phi: 3"))
    size = math.floor(224 * 1.15**3 + 0.5)
    assert scaled.input == TensorSpec((3, size, size))
    assert scaled.by_id["stem"].output.channels == 40  # 32 * 1.331 = 42.6
    assert sum(node.id.startswith("stage.") for node in scaled.nodes) == 4  # ceil(2 * 1.728)


def test_at_phi_0_nothing_changes() -> None:
    assert shapes(B0)["stem"] == "32x112x112"


def scaled(text: str, **scale: str) -> dict[str, str]:
    sink = Sink()
    document = Loader(sink).loads(whole(text), "spec.yaml", scale=scale)
    graph = elaborate(document, sink) if document else None
    assert graph is not None
    return {node.id: str(node.output) for node in graph.nodes}


def test_the_command_line_scales_a_spec_without_rules() -> None:
    text = "backbone: [{conv: {out: width(10), kernel: 3}, repeat: depth(2)}]"
    assert scaled(text, width="1.4", depth="2") == {str(n): "14x8x8" for n in range(4)}


def test_the_command_line_sets_phi_and_a_factor_beats_the_base() -> None:
    assert scaled(B0, phi="1")["stem"] == "32x129x129"  # 32 * 1.1 = 35.2; 224 * 1.15 = 257.6
    assert scaled(B0, width="2", resolution="1 / 2")["stem"] == "64x56x56"


def test_scaling_what_a_spec_does_not_scale_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="--scale depht: no such rule; did you mean `depth`"):
        scaled("backbone: [relu]", depht="2")
    with pytest.raises(UsageError, match="--scale phi: no rule of the spec has a base"):
        scaled("scaling: {width: {factor: 2}}", phi="2")
    with pytest.raises(UsageError, match="--scale width= has no value"):
        scaled("backbone: [relu]", width="")


def test_a_factor_stands_in_place_of_base_to_the_phi() -> None:
    text = """
        scaling: {phi: 5, width: {base: 3, factor: 1.5}, stem: {factor: 2, round: down}}
        backbone: [{conv: {out: width(8) + stem(1.4), kernel: 1}}]
    """
    assert shapes(text) == {"0": "14x8x8"}


def test_a_rule_may_use_parameters_and_a_parameter_may_use_a_rule() -> None:
    text = """
        params: {width_mult: 0.5, stem: depth(3)}
        scaling: {width: {factor: width_mult, multiple_of: 8}, depth: {factor: 2}}
        backbone: [{conv: {out: width(64) + stem, kernel: 1}}]
    """
    assert shapes(text) == {"0": "38x8x8"}


def test_a_parameter_cannot_use_a_rule_that_depends_on_parameters() -> None:
    check_error(
        "params: {mult: 2, stem: width(3)}\nscaling: {width: {factor: mult}}",
        1, 25, "E0302", "unknown function `width`",
        "`width` depends on parameters, so none can depend on it",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "column", "code", "message"),
    [
        ("{width: {fctor: 2}}", 19, "E0201", "unknown key `fctor`"),
        ("{width: 2}", 18, "E0203", "the rule width must be a mapping"),
        ("{width: {factor: [2]}}", 27, "E0203", "factor must be a number or text, not a list"),
        ("{width: {round: sideways}}", 26, "E0203",
         "round must be `up`, `down` or `nearest`, not `sideways`"),
        ("{width: {factor: nope}}", 27, "E0302", "unknown name `nope`"),
        ("{width: {factor: 0}}", 27, "E0305", "the factor of width is 0, not a positive number"),
        ("{width: {base: -1}}", 18, "E0305", "the factor of width is 0, not a positive number"),
        ("{width: {factor: .inf}}", 27, "E0203", "expected a number, not inf"),
        ("{phi: 900, width: {base: 10}}", 28, "E0305",
         "the factor of width is inf, not a positive number"),
        ("{phi: [1], width: {base: 10}}", 16, "E0203", "expected a number, not a list"),
        ("{width: {multiple_of: 0}}", 32, "E0305", "multiple_of: 0 is less than 1"),
        ("{width: {multiple_of: 2.5}}", 32, "E0304", "multiple_of: 2.5 is not a whole number"),
        ("{width: {min: 5, max: 3}}", 24, "E0305", "min is more than max"),
        ("{max: {factor: 2}}", 11, "E0208",
         "`max` is a function of expressions, and cannot be a rule's name"),
        ("{a b: {factor: 2}}", 11, "E0208",
         "`a b` cannot be a name: it needs letters, digits and `_`, a letter first"),
    ],
)  # fmt: skip
def test_wrong_rules(rules: str, column: int, code: str, message: str) -> None:
    check_error(f"scaling: {rules}", 1, column, code, message)


def test_a_scaled_size_that_is_none_is_an_error_where_it_is_used() -> None:
    text = "scaling: {width: {factor: 1e200}}\nbackbone: [{conv: {out: width(8), kernel: 1}}]"
    check_error(text, 2, 25, "E0303", "the result of `width` is too large")


def test_compound_scaling_should_double_the_cost() -> None:
    """Tan & Le (2019), section 3.3: depth * width^2 * resolution^2 is about 2."""
    assert compound_growth(1.2, 1.1, 1.15) == pytest.approx(1.92, abs=0.01)
    assert (
        errors("scaling: {depth: {base: 1.2}, width: {base: 1.1}, resolution: {base: 1.15}}") == []
    )
    assert errors("scaling: {depth: {base: 2}, width: {base: 2}}") == []
    graph, (warning,) = read(
        "scaling: {depth: {base: 2}, width: {base: 2}, resolution: {base: 1.5}}"
    )
    assert graph is not None
    assert (warning.severity, warning.code, labels(warning)) == ("warning", "W0101", [])
    assert warning.message == "depth * width^2 * resolution^2 is 18.00 per phi, not near 2"
