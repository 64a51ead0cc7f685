"""Arguments of ops: the values they take, what they say of others, labels, whom errors blame."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archdsl.expressions.names import identifier_problem, name_problem
from archdsl.language.syntax import BROKEN, COMBINATORS, MODIFIERS
from archdsl.ops import OPS, ArgumentError, ShapeError, arguments, construct, kind
from archdsl.ops.base import window
from archdsl.ops.tensor import TensorSpec
from tests.support import make

Given = dict[str, object]
Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("verb", "given", "rank", "name", "code", "message"),
    [
        ("conv", {"kernel": 2.5}, 2, "kernel", "E0304", "2.5 is not a whole number"),
        ("conv", {"kernel": 0}, 2, "kernel", "E0305", "0 is less than 1"),
        ("conv", {"kernel": None}, 2, "kernel", "E0203", "expected a whole number, not nothing"),
        ("conv", {"kernel": True}, 2, "kernel", "E0203", "expected a whole number, not true"),
        ("conv", {"kernel": "x"}, 2, "kernel", "E0203",
         "expected a whole number, not the word `x`"),
        ("conv", {"kernel": {}}, 2, "kernel", "E0203", "expected a whole number, not a mapping"),
        ("conv", {"kernel": [3]}, 2, "kernel", "E0305", "1 number for 2 spatial axes"),
        ("conv", {"kernel": [3, [1]]}, 2, "kernel", "E0203", "expected a whole number, not a list"),
        ("conv", {"kernel": 3, "bias": 1}, 2, "bias", "E0203", "expected true or false, not 1"),
        ("conv", {"kernel": 3, "padding": -1}, 2, "padding", "E0305", "-1 is less than 0"),
        ("conv", {"kernel": 3, "out": None}, 2, "out", "E0203",
         "expected a whole number, not nothing"),
        ("dropout", {"rate": 1.5}, 0, "rate", "E0305", "1.5 is out of range (0 to 1)"),
        ("dropout", {"rate": float("nan")}, 0, "rate", "E0305", "nan is out of range (0 to 1)"),
        ("dropout", {"rate": "x"}, 0, "rate", "E0203", "expected a number, not the word `x`"),
        ("batch_norm", {"eps": -1}, 2, "eps", "E0305", "-1 is out of range (0 or more)"),
        ("scale", {"factor": 1e40}, 2, "factor", "E0305", "1e+40 is too large"),
        ("scale", {"factor": float("inf")}, 2, "factor", "E0305", "inf is too large"),
        ("scale", {"factor": float("-inf")}, 2, "factor", "E0305", "-inf is too large"),
        ("resize", {"mode": "cubic"}, 2, "mode", "E0305",
         "expected one of nearest, bilinear, bicubic, not the word `cubic`"),
        ("reshape", {"shape": 3}, 2, "shape", "E0203", "expected a list, not 3"),
        ("reshape", {"shape": [1.5]}, 2, "shape", "E0304", "1.5 is not a whole number"),
        ("conv", {"kernel": 3, "init": 3}, 2, "init", "E0203", "expected a scheme, not 3"),
        ("conv", {"kernel": 3, "init": {"he": {}}}, 2, "init", "E0305",
         "expected a scheme, not `he`"),
        ("conv", {"kernel": 3, "init": {}}, 2, "init", "E0305", "expected a scheme, not nothing"),
        ("conv", {"kernel": 3, "init": {"normal": {"sd": 1}}}, 2, "init", "E0206",
         "normal has no setting `sd`"),
        ("conv", {"kernel": 3, "init": {"normal": 3}}, 2, "init", "E0203",
         "normal takes a mapping of settings, not 3"),
        ("conv", {"kernel": 3, "init": {"normal": {"std": -1}}}, 2, "init", "E0305",
         "std of normal is -1, less than 0"),
        ("conv", {"kernel": 3, "init": {"normal": {"std": "x"}}}, 2, "init", "E0203",
         "std is a number, not the word `x`"),
        ("conv", {"kernel": 3, "init": {"kaiming_normal": {"mode": "fan"}}}, 2, "init", "E0305",
         "mode of kaiming_normal is fan_in or fan_out or fan_out_per_group, not the word `fan`"),
        ("conv", {"kernel": 3, "init": {"uniform": {"a": 2}}}, 2, "init", "E0305",
         "uniform needs a below b"),
        ("conv", {"kernel": 3, "init": "constant"}, 2, "init", "E0207", "constant needs `val`"),
        ("conv", {"kernel": 3, "init": {"zeros": {}, "bias": "xavier_normal"}}, 2, "init", "E0305",
         "expected a scheme, not `xavier_normal`"),
        ("batch_norm", {"init": "kaiming_normal"}, 2, "init", "E0305",
         "expected a scheme, not `kaiming_normal`"),
    ],
)  # fmt: skip
def test_a_value_that_an_argument_cannot_take(
    verb: str, given: Given, rank: int, name: str, code: str, message: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        construct(OPS[verb], given, TensorSpec((8, *(16,) * rank)))
    error = caught.value
    assert (error.argument, error.code, error.message) == (name, code, message)


def test_values_are_normalised_once() -> None:
    op = construct(OPS["conv"], {"kernel": 3.0, "stride": [1, 2]}, TensorSpec((8, 16, 16)))
    assert (op.kernel, op.stride, op.out, op.padding) == ((3, 3), (1, 2), 8, "auto")
    assert construct(OPS["max_pool"], {"kernel": 3}, TensorSpec((8, 16))).stride == (3,)


def test_a_scale_starts_at_one_without_being_told() -> None:
    x = TensorSpec((8,))
    for init in ("ones", {"constant": {"val": 1}}):
        assert construct(OPS["batch_norm"], {"init": init}, x).init is None
    assert construct(OPS["batch_norm"], {"init": "zeros"}, x).init.scheme == "zeros"


def test_every_argument_says_what_it_is() -> None:
    for verb, cls in OPS.items():
        assert cls.__doc__, verb
        for name, declared in arguments(cls).items():
            assert kind(cls, name).name, (verb, name)
            assert declared.metadata["doc"], (verb, name)


def test_every_verb_can_name_the_item_it_stands_for() -> None:
    """`after: relu` is an item called `relu`."""
    words = {*COMBINATORS, *MODIFIERS}
    for verb in OPS:
        assert name_problem(verb) == "", verb
        assert identifier_problem(verb) == "", verb
        assert verb not in words
    assert BROKEN not in OPS


@pytest.mark.parametrize(
    ("verb", "given", "label"),
    [
        ("conv", {"kernel": 3, "out": 64}, "3x3 conv, 64"),
        ("conv", {"kernel": [1, 7], "out": 64, "stride": 2}, "1x7 conv, 64, /2"),
        ("conv", {"kernel": 3, "out": 64, "stride": [2, 1]}, "3x3 conv, 64, /2x1"),
        ("max_pool", {"kernel": 3, "stride": 2}, "3x3 max pool, /2"),
        ("adaptive_avg_pool", {"size": 7}, "avg pool to 7x7"),
        ("batch_norm", {}, "batch norm"),
    ],
)
def test_labels(verb: str, given: Given, label: str) -> None:
    assert construct(OPS[verb], given, TensorSpec((8, 16, 16))).label() == label


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 5), st.integers(0, 3), st.booleans())
def test_windows_are_counted_one_by_one(
    size: int, kernel: int, stride: int, padding: int, ceil_mode: bool
) -> None:
    """By walking along the axis: every start of a window, the last perhaps over the end."""
    assume(2 * padding <= kernel <= size + 2 * padding)
    starts = range(-padding, size + padding, stride)
    whole = [start for start in starts if start + kernel <= size + padding]
    if ceil_mode and whole[-1] + kernel < size + padding:
        following = whole[-1] + stride
        whole += [following] if following < size else []
    assert window(size, kernel, stride, padding, ceil_mode=ceil_mode) == len(whole)


def test_a_shape_error_names_the_argument_to_blame() -> None:
    def blame(verb: str, given: Given, *shapes: Shape) -> tuple[str | None, str]:
        specs = [TensorSpec(shape) for shape in shapes]
        with pytest.raises(ShapeError) as caught:
            make(verb, given, specs)
        return caught.value.argument, caught.value.message

    assert blame("conv", {"kernel": 2}, (3, 8, 8)) == (
        "kernel", "padding cannot keep the size under an even kernel (2x2)",
    )  # fmt: skip
    assert blame("conv", {"kernel": 3, "groups": 2}, (3, 8, 8)) == (
        "groups", "2 groups do not divide 3 input channels",
    )  # fmt: skip
    assert blame("conv", {"kernel": 9, "padding": 0}, (3, 8, 8)) == (
        "kernel", "a 9x9 kernel does not fit a map of 8x8",
    )  # fmt: skip
    assert blame("max_pool", {"kernel": 2, "padding": 2}, (3, 8, 8)) == (
        "padding", "padding 2x2 is more than half of the kernel 2x2",
    )  # fmt: skip
    assert blame("linear", {"out": 2}, (3, 8, 8)) == (
        None, "linear needs a vector, its input is a map of 3x8x8",
    )  # fmt: skip
    assert blame("concat", {}, (3, 8, 8), (3, 4, 4)) == (
        None, "concat of 3x8x8 and 3x4x4: only the channels may differ",
    )  # fmt: skip
    assert blame("add", {}, (3, 8, 8), (4, 8, 8)) == (None, "add of 3x8x8 and 4x8x8")
    assert blame("batch_norm", {"affine": False, "init": "zeros"}, (3,)) == (
        "init", "without `affine` there is no scale to start",
    )  # fmt: skip
    assert blame("resize", {"scale": 2, "size": 3}, (3, 8, 8))[1] == (
        "resize takes exactly one of scale, size and like"
    )
