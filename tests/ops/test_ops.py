"""Every op against PyTorch: shapes, weights and costs are those of the real module.

An op's row says how its arguments are drawn, as a spec would have them, and what computes it.
"""

from dataclasses import replace
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archdsl.ops import OPS, ArgumentError, Op, ShapeError, construct
from archdsl.ops.tensor import TensorSpec
from tests.support import make
from tests.torch_modules import (
    Given,
    Refusal,
    Row,
    Same,
    Shape,
    adaptive,
    attention,
    axis,
    blur_pool,
    channels,
    class_token,
    conv,
    conv_arguments,
    conv_transpose,
    conv_transpose_arguments,
    cosine_window_attention,
    crop,
    cut_axis,
    dim,
    distances,
    flags,
    image,
    instance_norm,
    join,
    layer_norm,
    layer_scale,
    learned,
    matmul,
    max_unpool,
    normalize,
    pad,
    pad_channels,
    patch_merging,
    per_axis,
    permute,
    plain,
    pool,
    pool_arguments,
    pooled_attention,
    position_embedding,
    position_grid,
    product,
    reduced,
    relative_attention,
    relative_positions,
    resize,
    rms_norm,
    row_by_row,
    sizes,
    std_conv,
    summed,
    to_be_pooled,
    to_map,
    turned,
    weight,
    weighted_add,
    window_attention,
)

BATCH = 1  # where PyTorch is strictest

rates = {"rate?": st.floats(0, 1)}
heads = {"heads": st.sampled_from([1, 2, 3, 4])}
norms = {"eps?": st.floats(1e-6, 1), "affine?": flags}
maps = st.sampled_from([1, 2, 3])
images = st.sampled_from([2, 2, 2, 1, 3, 0])


def borders(rank: int) -> st.SearchStrategy[Any]:
    """A width, one per axis, or two of each."""
    width = st.integers(0, 4)
    pair = st.lists(width, min_size=2, max_size=2)
    return st.one_of(
        per_axis(width, rank), st.lists(st.one_of(width, pair), min_size=rank, max_size=rank)
    )


def windows(given: Given, shapes: list[Shape]) -> list[Shape]:
    """Maps of as many positions along their last axis as the window has."""
    rows, columns = given["window"]
    return [(*shape[:-1], rows * columns) for shape in shapes]


def with_class_token(given: Given, shapes: list[Shape]) -> list[Shape]:
    """A token more than a map of this size has."""
    return [(*shape[:-1], prod(given["size"]) + 1) for shape in shapes]


def tables(given: Given, shapes: list[Shape]) -> list[Shape]:
    """Tables with a row for every distance in a window."""
    return [(len(distances(given)), *shape[1:]) for shape in shapes]


ROWS: dict[str, Row] = {
    "conv": Row(conv, conv_arguments),
    "std_conv": Row(
        std_conv, lambda rank: conv_arguments(rank) | {"gain?": flags, "gamma?": st.floats(1, 2)}
    ),
    "conv_transpose": Row(conv_transpose, conv_transpose_arguments),
    "linear": Row(
        lambda g, s: nn.Linear(s[0][0], g.get("out", s[0][0]), g.get("bias", True)),
        lambda rank: {"out?": channels, "bias?": flags},
        st.just(0),
    ),
    "batch_norm": Row(
        lambda g, s: getattr(nn, f"BatchNorm{max(1, len(s[0]) - 1)}d")(
            s[0][0], affine=g.get("affine", True)
        ).eval(),
        lambda rank: norms | {"momentum?": st.floats(0, 1)},
    ),
    "layer_norm": Row(layer_norm, lambda rank: norms, last=True),
    "group_norm": Row(
        lambda g, s: nn.GroupNorm(g["groups"], s[0][0], affine=g.get("affine", True)),
        lambda rank: norms | {"groups": st.sampled_from([1, 2, 3, 4, 12])},
    ),
    "instance_norm": Row(instance_norm, lambda rank: norms),
    "rms_norm": Row(rms_norm, lambda rank: norms, last=True),
    "normalize": Row(normalize, lambda rank: {"p?": st.floats(0, 4), "axis?": axis}),
    "lrn": Row(
        lambda g, s: nn.LocalResponseNorm(g.get("size", 5)),
        lambda rank: {"size?": st.integers(1, 5)},
    ),
    "relu": Row(plain("ReLU")),
    "relu6": Row(plain("ReLU6")),
    "leaky_relu": Row(
        plain("LeakyReLU", ("negative_slope", "slope")), lambda rank: {"slope?": st.floats(0, 1)}
    ),
    "prelu": Row(
        lambda g, s: nn.PReLU(1 if g.get("shared") else s[0][0]), lambda rank: {"shared?": flags}
    ),
    "elu": Row(plain("ELU", ("alpha", "alpha")), lambda rank: {"alpha?": st.floats(0, 2)}),
    "gelu": Row(plain("GELU"), lambda rank: {"tanh?": flags}),
    "silu": Row(plain("SiLU")),
    "mish": Row(plain("Mish")),
    "hard_swish": Row(plain("Hardswish")),
    "hard_sigmoid": Row(plain("Hardsigmoid")),
    "sigmoid": Row(plain("Sigmoid")),
    "tanh": Row(plain("Tanh")),
    "softmax": Row(
        lambda g, s: nn.Softmax(dim(g.get("axis", "channels"), s[0])), lambda rank: {"axis?": axis}
    ),
    "max_pool": Row(
        pool("MaxPool"),
        lambda rank: pool_arguments(rank) | {"dilation?": per_axis(st.integers(1, 3), rank)},
    ),
    "avg_pool": Row(
        pool("AvgPool"), lambda rank: pool_arguments(rank) | {"count_padding?": flags}
    ),
    "adaptive_avg_pool": Row(
        adaptive("AdaptiveAvgPool"), lambda rank: {"size": per_axis(st.integers(1, 9), rank)}
    ),
    "adaptive_max_pool": Row(
        adaptive("AdaptiveMaxPool"), lambda rank: {"size": per_axis(st.integers(1, 9), rank)}
    ),
    "global_avg_pool": Row(adaptive("AdaptiveAvgPool")),
    "global_max_pool": Row(adaptive("AdaptiveMaxPool")),
    "max_unpool": Row(
        max_unpool,
        lambda rank: {
            "kernel": per_axis(st.integers(1, 4), rank),
            "stride?": per_axis(st.integers(1, 4), rank),
            "padding?": per_axis(st.integers(0, 2), rank),
            "like": st.just(True),
        },
        fit=to_be_pooled,
    ),
    "blur_pool": Row(
        blur_pool,
        lambda rank: {
            "kernel?": st.integers(1, 5),
            "stride?": st.integers(1, 3),
            "mode?": st.sampled_from(["reflect", "replicate", "zeros"]),
        },
    ),
    **{
        verb: Row(
            reduced({"max": "amax"}.get(verb, verb)),
            lambda rank: {"axis?": st.one_of(axis, st.lists(axis, max_size=3)), "keepdim?": flags},
        )
        for verb in ("mean", "sum", "max")
    },
    "matmul": Row(matmul, ranks=st.sampled_from([1, 2, 1, 2, 3, 0]), inputs=2, fit=turned),
    "concat": Row(
        lambda g, s: lambda *x: torch.cat(x, dim(g.get("axis", "channels"), s[0])),
        lambda rank: {"axis?": axis},
        inputs=3,
    ),
    "weighted_add": Row(
        weighted_add,
        lambda rank: {
            "normalize?": st.sampled_from(["relu", "softmax", "none"]), "eps?": st.floats(0, 1)
        },
        inputs=2,
    ),
    "add": Row(join(summed), inputs=3),
    "multiply": Row(join(product), inputs=2),
    "dropout": Row(plain("Dropout", ("p", "rate")), lambda rank: rates),
    "drop_path": Row(plain("Identity"), lambda rank: {"rate": st.floats(0, 1)}),
    "scale": Row(lambda g, s: lambda x: x * g["factor"], lambda rank: {"factor": st.floats(-9, 9)}),
    "layer_scale": Row(layer_scale, lambda rank: {"start?": st.floats(0, 1)}),
    "weight": Row(weight, lambda rank: {"start?": st.floats(-1, 1), "shared?": flags}),
    "identity": Row(plain("Identity")),
    "flatten": Row(plain("Flatten")),
    "resize": Row(
        resize,
        lambda rank: {
            "scale?": per_axis(st.sampled_from([0.3, 0.5, 1, 1.5, 2, 2.7]), rank),
            "size?": per_axis(sizes, rank),
            "mode?": st.sampled_from(["nearest", "bilinear", "bicubic"]),
            "align_corners?": flags,
            "like?": st.just(True),
        },
    ),
    "pad": Row(
        pad,
        lambda rank: {
            "border": borders(rank),
            "mode?": st.sampled_from(["zeros", "reflect", "replicate"]),
        },
    ),
    "pad_channels": Row(pad_channels, lambda rank: {"out": st.integers(1, 16)}),
    "crop": Row(
        crop, lambda rank: {"size?": per_axis(st.integers(1, 6), rank), "border?": borders(rank)}
    ),
    "slice": Row(
        cut_axis,
        lambda rank: {
            "stop?": st.integers(1, 9), "start?": st.integers(0, 4), "step?": st.integers(1, 3),
            "axis?": axis,
        },
    ),
    "channel_shuffle": Row(
        lambda g, s: nn.ChannelShuffle(g["groups"]), lambda rank: {"groups": st.integers(1, 4)}
    ),
    "pixel_shuffle": Row(
        image(lambda g: nn.PixelShuffle(g["factor"])), lambda rank: {"factor": st.integers(1, 3)},
        images,
    ),
    "space_to_depth": Row(
        image(lambda g: nn.PixelUnshuffle(g["factor"])), lambda rank: {"factor": st.integers(1, 3)},
        images,
    ),
    "reshape": Row(
        lambda g, s: lambda x: x.reshape(BATCH, *g["shape"]),
        lambda rank: {
            "shape": st.lists(st.sampled_from([-1, 1, 2, 3, 4, 6, 12]), min_size=1, max_size=4)
        },
    ),
    "permute": Row(
        permute,
        lambda rank: {
            "order": st.one_of(
                st.permutations(range(rank + 1)), st.lists(st.integers(-1, 3), max_size=4)
            )
        },
    ),
    "channels_last": Row(lambda g, s: lambda x: x.movedim(1, -1), ranks=maps),
    "channels_first": Row(lambda g, s: lambda x: x.movedim(-1, 1), ranks=maps, last=True),
    "tokens": Row(lambda g, s: lambda x: x.flatten(2).transpose(1, 2), ranks=maps),
    "to_map": Row(
        to_map,
        lambda rank: {"size": st.lists(st.integers(1, 4), min_size=1, max_size=4)},
        st.just(1),
        last=True,
        fit=row_by_row,
    ),
    "position_grid": Row(
        position_grid,
        lambda rank: {
            "out?": st.sampled_from([2, 4, 6, 8, 12, 24]), "temperature?": st.floats(1, 1e5),
            "normalize?": flags,
        },
    ),
    "class_token": Row(class_token, ranks=st.just(1), last=True),
    "learned": Row(
        learned, lambda rank: {"shape": st.lists(st.integers(0, 4), max_size=4),
                               "start?": st.floats(-1, 1)},
    ),
    "relative_positions": Row(
        relative_positions,
        lambda rank: {
            "window": st.lists(st.integers(1, 4), min_size=2, max_size=2), "signed?": flags,
            "stride?": st.integers(1, 3),
        },
        fit=tables,
    ),
    "position_embedding": Row(
        position_embedding, lambda rank: {"std?": st.floats(0, 1)}, st.just(1), last=True
    ),
    "token": Row(
        lambda g, s: lambda x: x[:, g.get("index", 0)],
        lambda rank: {"index?": st.integers(0, 9)}, st.just(1), last=True,
    ),
    "attention": Row(
        attention, lambda rank: heads | {"bias?": flags, "dropout?": st.floats(0, 1)},
        st.just(1), last=True,
    ),
    "window_attention": Row(
        window_attention,
        lambda rank: heads | {"window": per_axis(st.integers(1, 4), rank),
                              "shift?": per_axis(st.integers(0, 3), rank)},
        st.integers(2, 3), last=True,
    ),
    "cosine_window_attention": Row(
        cosine_window_attention,
        lambda rank: heads | {"window": per_axis(st.integers(1, 4), 2),
                              "shift?": per_axis(st.integers(0, 3), 2),
                              "hidden?": st.integers(1, 9)},
        st.just(2), last=True,
    ),
    "relative_attention": Row(
        relative_attention,
        lambda rank: heads | {"window": st.integers(1, 3).map(lambda size: [size, size])},
        st.integers(1, 2), last=True, fit=windows,
    ),
    "pooled_attention": Row(
        pooled_attention,
        lambda rank: heads | {
            "size": st.lists(st.integers(1, 3), min_size=3, max_size=3),
            "out?": channels,
            **dict.fromkeys(["kernel?", "query_kernel?"], st.sampled_from([[3, 3, 3], [1, 2, 3]])),
            **dict.fromkeys(["stride?", "query_stride?"], st.sampled_from([[1, 2, 2], [2, 1, 3]])),
            "residual?": st.sampled_from(["none", "all", "positions"]), "relative?": flags,
        },
        st.just(1), last=True, fit=with_class_token,
    ),
    "patch_merging": Row(
        patch_merging,
        lambda rank: {"out?": channels, "norm?": st.sampled_from(["before", "after"])},
        st.just(2), last=True,
    ),
}  # fmt: skip


def drawn(data: st.DataObject, verb: str) -> tuple[Given, list[TensorSpec]]:
    """Arguments of an op, and inputs for it: often like each other where there are several."""
    row = ROWS[verb]
    rank = data.draw(row.ranks)
    shape = (data.draw(channels), *data.draw(st.tuples(*[sizes] * rank)))
    given = {}
    for name, strategy in row.draw(rank).items():
        if not name.endswith("?") or data.draw(st.booleans()):
            given[name.removesuffix("?")] = data.draw(strategy)
    specs = [TensorSpec(shape)]
    for _ in range(row.inputs - 1 + ("like" in given)):
        other = [data.draw(st.sampled_from([n, n, n, n, n, 1, n + 1])) for n in shape]
        specs.append(TensorSpec(tuple(other)))
    if data.draw(st.sampled_from([True, True, True, False])):
        specs = [TensorSpec(shape) for shape in row.fit(given, [spec.shape for spec in specs])]
    if row.last:
        specs = [TensorSpec((*spec.spatial, spec.channels), "channels_last") for spec in specs]
    return given, specs


def in_torch(
    verb: str, given: Given, specs: list[TensorSpec]
) -> tuple[Shape, list[tuple[str, Shape, str]]]:
    """The shape of the output and the state_dict of what PyTorch makes of it."""
    shapes = [spec.shape for spec in specs]
    inputs = [torch.zeros(BATCH, *shape) for shape in shapes]
    if verb in ("layer_norm", "rms_norm"):
        shapes = [(spec.channels,) for spec in specs]
    module = ROWS[verb].module(given, shapes)
    with torch.no_grad():
        output = module(*inputs)
    state = module.state_dict() if isinstance(module, nn.Module) else {}
    learned = dict(module.named_parameters()) if isinstance(module, nn.Module) else {}
    learned |= dict(module.inner[0].named_parameters()) if isinstance(module, Same) else {}
    weights = [
        (name.replace("own", ""), tuple(value.shape), "parameter" if name in learned else "buffer")
        for name, value in state.items()
    ]
    return tuple(output.shape[1:]), weights


INTRICATE = [
    "conv",
    "std_conv",
    "matmul",
    "slice",
    "max_unpool",
    "conv_transpose",
    "max_pool",
    "avg_pool",
    "pad",
    "resize",
    "reshape",
]


def test_every_op_has_a_row() -> None:
    assert set(ROWS) == set(OPS)


@pytest.mark.parametrize("verb", [verb for verb in OPS if verb not in INTRICATE])
@given(data=st.data())
@settings(max_examples=30)
def test_an_op_is_what_it_is_in_pytorch(verb: str, data: st.DataObject) -> None:
    check(verb, *drawn(data, verb))


@pytest.mark.parametrize("verb", INTRICATE)
@given(data=st.data())
@settings(max_examples=200)
def test_an_intricate_op_is_what_it_is_in_pytorch(verb: str, data: st.DataObject) -> None:
    check(verb, *drawn(data, verb))


@pytest.mark.parametrize("verb", OPS)
@given(data=st.data())
@settings(max_examples=30)
def test_a_module_takes_all_inputs_that_it_serves(verb: str, data: st.DataObject) -> None:
    given, specs = drawn(data, verb)
    others = [replace(spec, shape=tuple(n + data.draw(st.integers(0, 1)) for n in spec.shape))
              for spec in specs]  # fmt: skip
    try:
        op = make(verb, given, specs)
        wanted, serves = op.infer(*others).shape, op.serves(specs, others)
    except (ShapeError, ArgumentError):
        return
    over_channels = verb in ("layer_norm", "rms_norm")
    shapes = [(spec.channels,) if over_channels else spec.shape for spec in specs]
    module = ROWS[verb].module(given, shapes)
    with torch.no_grad():
        if serves and isinstance(module, nn.Module) and "like" not in given:
            result = module(*(torch.zeros(BATCH, *spec.shape) for spec in others))
            assert tuple(result.shape[1:]) == wanted


@pytest.mark.parametrize("verb", [verb for verb, op in OPS.items() if op.of_maps])
@given(data=st.data())
@settings(max_examples=10)
def test_an_op_of_maps_takes_nothing_else(verb: str, data: st.DataObject) -> None:
    given, (x, *others) = drawn(data, verb)
    try:
        op = make(verb, given, [x, *others])
    except (ShapeError, ArgumentError):
        return
    vector = TensorSpec((x.channels,))
    for other in (vector, TensorSpec((*x.spatial, x.channels), "channels_last")):
        with pytest.raises(ShapeError):
            op.infer(other, *others)


def check(verb: str, given: Given, specs: list[TensorSpec]) -> None:
    """What PyTorch computes is what the op infers, and what it refuses is refused."""
    try:
        shape, weights = in_torch(verb, given, specs)
        assert 0 not in shape
    except (Refusal, RuntimeError, ValueError, IndexError, NotImplementedError, AssertionError):
        with pytest.raises((ShapeError, ArgumentError)):
            make(verb, given, specs)
        return
    op = make(verb, given, specs)
    assert op.infer(*specs).shape == shape
    assert [(w.name, w.shape, w.kind) for w in op.weights(*specs)] == weights


# costs

COSTLY = ["conv", "std_conv", "conv_transpose", "linear", "matmul", "blur_pool"]


@pytest.mark.parametrize("verb", COSTLY)
@given(data=st.data())
@settings(max_examples=25)
def test_multiply_accumulates_are_half_of_pytorchs_flops(verb: str, data: st.DataObject) -> None:
    given, specs = drawn(data, verb)
    try:
        op = make(verb, given, specs)
    except (ShapeError, ArgumentError):
        assume(False)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes = [spec.shape for spec in specs]
        ROWS[verb].module(given, shapes)(*[torch.zeros(1, *shape) for shape in shapes])
    assert op.macs(op.infer(*specs), *specs) == counter.get_total_flops() / 2


@pytest.mark.parametrize(
    ("verb", "given", "shape", "macs"),
    [
        # four projections of 196 x 768 by 768 x 768, and two products of 196 x 196 over 768
        ("attention", {"heads": 12}, (196, 768), 4 * 196 * 768**2 + 2 * 196**2 * 768),
        # as above for 64 windows of 49, and 56 x 56 = 64 * 49 positions
        ("window_attention", {"heads": 3, "window": 7}, (56, 56, 96),
         4 * 3136 * 96**2 + 2 * 64 * 49**2 * 96),
        # 4 windows of 4 x 5 x 7 positions, as deep and high as the map, padded to 28 columns
        ("window_attention", {"heads": 3, "window": [8, 7, 7]}, (4, 5, 23, 96),
         4 * 560 * 96**2 + 2 * 4 * 140**2 * 96),
        # and the offsets of 13 x 13 distances: 2 features to 512 to 3
        ("cosine_window_attention", {"heads": 3, "window": 7}, (56, 56, 96),
         4 * 3136 * 96**2 + 2 * 64 * 49**2 * 96 + 169 * 512 * (2 + 3)),
        ("relative_attention", {"heads": 3, "window": [7, 7]}, (64, 49, 96),
         4 * 3136 * 96**2 + 2 * 64 * 49**2 * 96),
        # 2 x 4 x 4 places and a class token; keys and values of 2 x 2 x 2 behind kernels of 27
        ("pooled_attention", {"heads": 2, "size": [2, 4, 4], "kernel": [3, 3, 3],
                              "stride": [1, 2, 2], "relative": True}, (33, 8),
         4 * 33 * 8**2 + 2 * 8 * 27 * 8 + 2 * 33 * 9 * 8 + 32 * (2 + 2 + 2) * 8),
        ("patch_merging", {"out": 192}, (56, 56, 96), 28 * 28 * 4 * 96 * 192),
    ],
)  # fmt: skip
def test_attention_costs_its_matrix_products(
    verb: str, given: Given, shape: Shape, macs: int
) -> None:
    x = TensorSpec(shape, "channels_last")
    op = make(verb, given, [x])
    assert op.macs(op.infer(x), x) == macs


def test_what_has_no_weights_but_attention_costs_nothing() -> None:
    for verb, cls in OPS.items():
        costly = cls.macs is not Op.macs
        assert costly == (verb in (*COSTLY, "patch_merging") or verb.endswith("attention"))


@pytest.mark.parametrize("verb", ["conv", "max_pool"])
def test_an_op_is_made_again_where_a_value_is_only_equal(verb: str) -> None:
    op, x = OPS[verb], TensorSpec((8, 4, 4))
    assert construct(op, {"kernel": 1}, x) == construct(op, {"kernel": 1.0}, x)
    for kernel in (True, [True, 1]):
        with pytest.raises(ArgumentError, match="expected a whole number, not true"):
            construct(op, {"kernel": kernel}, x)
    kernels = [vars(construct(op, {"kernel": 1}, TensorSpec((8, *[4] * n))))["kernel"]
               for n in (1, 2, 3)]  # fmt: skip
    assert kernels == [(1,), (1, 1), (1, 1, 1)]


def test_the_channels_of_an_op_are_those_of_its_own_input() -> None:
    made = [construct(OPS["conv"], {"kernel": 1}, TensorSpec((n, 4, 4))) for n in (8, 16, 8)]
    assert [vars(op)["out"] for op in made] == [8, 16, 8]
