"""Every op against PyTorch: shapes, weights and costs are those of the real module.

An op's row says how its arguments are drawn, as a spec would have them, and which computation they
stand for. The computation is written by hand here; the compiler's own lowering is no oracle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.swin_transformer import PatchMerging, ShiftedWindowAttention

from archdsl.ops import OPS, ArgumentError, Op, ShapeError, arguments, construct, kind
from archdsl.ops.base import window
from archdsl.syntax import BROKEN, COMBINATORS, MODIFIERS, identifier_problem, name_problem
from archdsl.tensor import TensorSpec

BATCH = 1  # where PyTorch is strictest
Given = dict[str, Any]
Shape = tuple[int, ...]

ranks = st.sampled_from([2, 1, 3, 2, 1, 2, 0])
channels = st.sampled_from([1, 2, 3, 4, 6, 8, 12])
sizes = st.integers(1, 9)
flags = st.booleans()


class Refusal(Exception):
    """What the language does not allow, though PyTorch might."""


@dataclass(frozen=True)
class Row:
    """How an op is drawn and computed.

    `draw` gives strategies for the arguments at a rank, those with `?` may be left out; `module`
    makes what computes them on inputs of these shapes, a module or a function. With `last` the
    channels stand last.
    """

    module: Callable[[Given, list[Shape]], Any]
    draw: Callable[[int], dict[str, st.SearchStrategy[Any]]] = lambda rank: {}
    ranks: st.SearchStrategy[int] = ranks
    inputs: int = 1
    last: bool = False


def per_axis(values: st.SearchStrategy[int], rank: int) -> st.SearchStrategy[Any]:
    """A number, or one for every axis."""
    return st.one_of(values, st.lists(values, min_size=rank, max_size=rank))


def axes(value: Any, rank: int) -> Shape:
    return tuple(value) if isinstance(value, list | tuple) else (value,) * rank


def of_rank(name: str, shape: Shape) -> Any:
    if not 2 <= len(shape) <= 4:
        raise Refusal("PyTorch has no such module")
    return getattr(nn, f"{name}{len(shape) - 1}d")


# convolutions


def conv_arguments(rank: int) -> dict[str, Any]:
    return {
        "kernel": per_axis(st.integers(1, 5), rank),
        "out?": channels,
        "stride?": per_axis(st.integers(1, 3), rank),
        "padding?": st.one_of(
            per_axis(st.integers(0, 3), rank), st.sampled_from(["auto", "same", "valid"])
        ),
        "dilation?": per_axis(st.integers(1, 3), rank),
        "groups?": st.sampled_from([1, 2, 3, 4]),
        "bias?": flags,
    }


class Same(nn.Module):
    """TensorFlow's padding: the output has `ceil(n / stride)`, the odd pixel goes to the end."""

    def __init__(self, inner: nn.Module, kernel: Shape, stride: Shape, dilation: Shape) -> None:
        super().__init__()
        self.inner, self.settings = [inner], list(zip(kernel, stride, dilation, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        border: list[int] = []
        for n, (k, s, d) in reversed(list(zip(x.shape[2:], self.settings, strict=True))):
            missing = max((ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0)
            border += [missing // 2, missing - missing // 2]
        return self.inner[0](F.pad(x, border))

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner[0].state_dict(*args, **kwargs)


def conv(given: Given, shapes: list[Shape]) -> nn.Module:
    (shape,) = shapes
    rank, padding = len(shape) - 1, given.get("padding", "auto")
    kernel, stride = axes(given["kernel"], rank), axes(given.get("stride", 1), rank)
    dilation = axes(given.get("dilation", 1), rank)
    spans = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if padding == "auto" and any(span % 2 for span in spans):
        raise Refusal("no padding keeps the size")
    pad: Any = {"auto": tuple(span // 2 for span in spans), "valid": 0, "same": 0}.get(
        padding if isinstance(padding, str) else "", padding
    )
    module = of_rank("Conv", shape)(
        shape[0], given.get("out", shape[0]), kernel, stride, axes(pad, rank), dilation,
        given.get("groups", 1), given.get("bias", True),
    )  # fmt: skip
    return Same(module, kernel, stride, dilation) if padding == "same" else module


def conv_transpose(given: Given, shapes: list[Shape]) -> nn.Module:
    (shape,) = shapes
    rank = len(shape) - 1
    names = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1}
    sized = {name: axes(given.get(name, default), rank) for name, default in names.items()}
    return of_rank("ConvTranspose", shape)(
        shape[0], given.get("out", shape[0]), axes(given["kernel"], rank), **sized,
        groups=given.get("groups", 1), bias=given.get("bias", True),
    )  # fmt: skip


def conv_transpose_arguments(rank: int) -> dict[str, Any]:
    shared = {name: draw for name, draw in conv_arguments(rank).items() if name != "padding?"}
    return shared | {
        "padding?": per_axis(st.integers(0, 2), rank),
        "output_padding?": per_axis(st.integers(0, 2), rank),
    }


# pools


def pool_arguments(rank: int) -> dict[str, Any]:
    return {
        "kernel": per_axis(st.integers(1, 4), rank),
        "stride?": per_axis(st.integers(1, 4), rank),
        "padding?": st.one_of(per_axis(st.integers(0, 2), rank), st.just("same")),
        "ceil?": flags,
    }


def pool(name: str) -> Callable[[Given, list[Shape]], Any]:
    def make(given: Given, shapes: list[Shape]) -> Any:
        rank = len(shapes[0]) - 1
        kernel = axes(given["kernel"], rank)
        stride = axes(given.get("stride", list(kernel)), rank)
        cls = of_rank(name, shapes[0])
        if given.get("padding") == "same":
            return Same(cls(kernel, stride), kernel, stride, (1,) * rank)
        pad = axes(given.get("padding", 0), rank)
        extra = {"count_include_pad": given["count_padding"]} if "count_padding" in given else {}
        return cls(kernel, stride, pad, ceil_mode=given.get("ceil", False), **extra)

    return make


def adaptive(name: str) -> Callable[[Given, list[Shape]], Any]:
    def make(given: Given, shapes: list[Shape]) -> Any:
        size = axes(given.get("size", 1), len(shapes[0]) - 1)
        return of_rank(name, shapes[0])(size if len(size) > 1 else size[0])

    return make


# shapes


def resize(given: Given, shapes: list[Shape]) -> Any:
    size = given.get("size")
    if "like" in given:
        if size is not None:
            raise Refusal("two sizes")
        size = list(shapes[1][1:])
    if isinstance(size, int):
        size = [size] * (len(shapes[0]) - 1)
    mode, corners = given.get("mode", "nearest"), given.get("align_corners", False)
    align = True if corners else None if mode == "nearest" else False
    return lambda x, *like: F.interpolate(
        x, size=size, scale_factor=given.get("scale"), mode=mode, align_corners=align
    )


def pad(given: Given, shapes: list[Shape]) -> Any:
    rank = len(shapes[0]) - 1
    if not 1 <= rank <= 3:
        raise Refusal("not a map")
    border = [width for width in reversed(axes(given["border"], rank)) for _ in range(2)]
    mode = {"zeros": "constant"}.get(given.get("mode", "zeros"), given.get("mode"))
    return lambda x: F.pad(x, border, mode=mode)


def pad_channels(given: Given, shapes: list[Shape]) -> Any:
    (shape,) = shapes
    if given["out"] < shape[0] or len(shape) < 2:
        raise Refusal("F.pad would cut channels off")
    return lambda x: F.pad(x, [0] * 2 * (len(shape) - 1) + [0, given["out"] - shape[0]])


def crop(given: Given, shapes: list[Shape]) -> Any:
    rank = len(shapes[0]) - 1
    size = shapes[1][1:] if "like" in given else axes(given["size"], rank)
    if (
        len(size) != rank
        or not rank
        or any(s > n for s, n in zip(size, shapes[0][1:], strict=True))
    ):
        raise Refusal("slicing would give less")

    def cut(x: Tensor, *like: Tensor) -> Tensor:
        for axis, wanted in enumerate(size, 2):
            x = x.narrow(axis, (x.shape[axis] - wanted) // 2, wanted)
        return x

    return cut


def cut_channels(given: Given, shapes: list[Shape]) -> Any:
    start, stop = given.get("start", 0), given["stop"]
    if not start < stop <= shapes[0][0]:
        raise Refusal("slicing would give less")
    return lambda x: x[:, start:stop]


def permute(given: Given, shapes: list[Shape]) -> Any:
    if min(given["order"], default=0) < 0:
        raise Refusal("axes are counted from the front")
    return lambda x: x.permute(0, *(axis + 1 for axis in given["order"]))


def image(module: Callable[[Given], Any]) -> Callable[[Given, list[Shape]], Any]:
    def make(given: Given, shapes: list[Shape]) -> Any:
        if len(shapes[0]) != 3:
            raise Refusal("PyTorch would shuffle other axes")
        return module(given)

    return make


# weights of other names


class Named(nn.Module):
    """Children and tensors under given names; an empty name is the item's own."""

    def __init__(self, compute: Callable[[Tensor], Tensor], **parts: Any) -> None:
        super().__init__()
        self.compute = compute
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            else:
                self.register_parameter(name, nn.Parameter(part))

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(x)


def layer_norm(given: Given, shapes: list[Shape]) -> nn.Module:
    """Over the channels, wherever they stand."""
    (shape,) = shapes
    return nn.LayerNorm(shape[0], elementwise_affine=given.get("affine", True))


def layer_scale(given: Given, shapes: list[Shape]) -> nn.Module:
    factors = torch.ones(shapes[0][0], *(1,) * (len(shapes[0]) - 1))
    return Named(lambda x: x * factors, own=factors)


def class_token(given: Given, shapes: list[Shape]) -> nn.Module:
    token = torch.zeros(1, 1, shapes[0][-1])
    return Named(lambda x: torch.cat([token.expand(len(x), -1, -1), x], 1), own=token)


def position_embedding(given: Given, shapes: list[Shape]) -> nn.Module:
    position = torch.zeros(1, *shapes[0])
    return Named(lambda x: x + position, own=position)


class Attention(nn.MultiheadAttention):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x, x, x)[0]


def attention(given: Given, shapes: list[Shape]) -> nn.Module:
    return Attention(shapes[0][-1], given["heads"], bias=given.get("bias", True), batch_first=True)


def window_attention(given: Given, shapes: list[Shape]) -> nn.Module:
    size, shift = axes(given["window"], 2), axes(given.get("shift", 0), 2)
    if any(s >= w for s, w in zip(shift, size, strict=True)) or shapes[0][-1] % given["heads"]:
        raise Refusal("torchvision does not check")
    return ShiftedWindowAttention(shapes[0][-1], list(size), list(shift), given["heads"])


def patch_merging(given: Given, shapes: list[Shape]) -> nn.Module:
    module = PatchMerging(shapes[0][-1])
    out = given.get("out", shapes[0][-1])
    module.reduction = nn.Linear(4 * shapes[0][-1], out, bias=False)
    return module


def plain(name: str, *parameters: tuple[str, str]) -> Callable[[Given, list[Shape]], Any]:
    """A module that takes its arguments under PyTorch's names."""

    def make(given: Given, shapes: list[Shape]) -> Any:
        named = {theirs: given[ours] for theirs, ours in parameters if ours in given}
        return getattr(nn, name)(**named)

    return make


def join(compute: Callable[..., Tensor]) -> Callable[[Given, list[Shape]], Any]:
    return lambda given, shapes: lambda *inputs: compute(inputs)


def summed(inputs: tuple[Tensor, ...]) -> Tensor:
    return sum(inputs[1:], inputs[0])


def product(inputs: tuple[Tensor, ...]) -> Tensor:
    first, *others = inputs
    for x in others:
        first = first * x
    return first


rates = {"rate?": st.floats(0, 1)}
heads = {"heads": st.sampled_from([1, 2, 3, 4])}
norms = {"eps?": st.floats(1e-6, 1), "affine?": flags}
maps = st.sampled_from([1, 2, 3])
images = st.sampled_from([2, 2, 2, 1, 3, 0])

ROWS: dict[str, Row] = {
    "conv": Row(conv, conv_arguments),
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
    "softmax": Row(lambda g, s: nn.Softmax(1)),
    "max_pool": Row(pool("MaxPool"), pool_arguments),
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
    "concat": Row(join(lambda inputs: torch.cat(inputs, 1)), inputs=3),
    "add": Row(join(summed), inputs=3),
    "multiply": Row(join(product), inputs=2),
    "dropout": Row(plain("Dropout", ("p", "rate")), lambda rank: rates),
    "drop_path": Row(plain("Identity"), lambda rank: {"rate": st.floats(0, 1)}),
    "scale": Row(lambda g, s: lambda x: x * g["factor"], lambda rank: {"factor": st.floats(-9, 9)}),
    "layer_scale": Row(layer_scale, lambda rank: {"start?": st.floats(0, 1)}),
    "identity": Row(plain("Identity")),
    "flatten": Row(plain("Flatten")),
    "resize": Row(
        resize,
        lambda rank: {
            "scale?": st.sampled_from([0.3, 0.5, 1, 1.5, 2, 2.7]),
            "size?": per_axis(sizes, rank),
            "mode?": st.sampled_from(["nearest", "bilinear", "bicubic"]),
            "align_corners?": flags,
            "like?": st.just(True),
        },
    ),
    "pad": Row(
        pad,
        lambda rank: {
            "border": per_axis(st.integers(0, 4), rank),
            "mode?": st.sampled_from(["zeros", "reflect", "replicate"]),
        },
    ),
    "pad_channels": Row(pad_channels, lambda rank: {"out": st.integers(1, 16)}),
    "crop": Row(crop, lambda rank: {"size": per_axis(st.integers(1, 6), rank)}),
    "slice": Row(
        cut_channels, lambda rank: {"stop": st.integers(1, 9), "start?": st.integers(0, 4)}
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
    "class_token": Row(class_token, ranks=st.just(1), last=True),
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
        lambda rank: heads | {"window": per_axis(st.integers(1, 4), 2),
                              "shift?": per_axis(st.integers(0, 3), 2)},
        st.just(2), last=True,
    ),
    "patch_merging": Row(
        patch_merging, lambda rank: {"out?": channels}, st.just(2), last=True
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
    if row.last:
        specs = [TensorSpec((*spec.spatial, spec.channels), "channels_last") for spec in specs]
    return given, specs


def in_torch(
    verb: str, given: Given, specs: list[TensorSpec]
) -> tuple[Shape, list[tuple[str, Shape, str]]]:
    """The shape of the output and the state_dict of what PyTorch makes of it."""
    shapes = [spec.shape for spec in specs]
    inputs = [torch.zeros(BATCH, *shape) for shape in shapes]
    if verb == "layer_norm":
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


def here(verb: str, given: Given, specs: list[TensorSpec]) -> Op:
    op = construct(OPS[verb], given, specs[0])
    op.infer(*specs)
    return op


INTRICATE = ["conv", "conv_transpose", "max_pool", "avg_pool", "pad", "resize", "reshape"]


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


def check(verb: str, given: Given, specs: list[TensorSpec]) -> None:
    """What PyTorch computes is what the op infers, and what it refuses is refused."""
    try:
        shape, weights = in_torch(verb, given, specs)
        assert 0 not in shape
    except (Refusal, RuntimeError, ValueError, IndexError, NotImplementedError, AssertionError):
        with pytest.raises((ShapeError, ArgumentError)):
            here(verb, given, specs)
        return
    op = here(verb, given, specs)
    assert op.infer(*specs).shape == shape
    assert [(w.name, w.shape, w.kind) for w in op.weights(*specs)] == weights


# costs

COSTLY = ["conv", "conv_transpose", "linear"]


@pytest.mark.parametrize("verb", COSTLY)
@given(data=st.data())
@settings(max_examples=25)
def test_multiply_accumulates_are_half_of_pytorchs_flops(verb: str, data: st.DataObject) -> None:
    given, specs = drawn(data, verb)
    try:
        op = here(verb, given, specs)
    except (ShapeError, ArgumentError):
        assume(False)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes = [spec.shape for spec in specs]
        ROWS[verb].module(given, shapes)(*[torch.zeros(1, *shape) for shape in shapes])
    assert op.macs(*specs) == counter.get_total_flops() / 2


@pytest.mark.parametrize(
    ("verb", "given", "shape", "macs"),
    [
        # four projections of 196 x 768 by 768 x 768, and two products of 196 x 196 over 768
        ("attention", {"heads": 12}, (196, 768), 4 * 196 * 768**2 + 2 * 196**2 * 768),
        # as above for 64 windows of 49, and 56 x 56 = 64 * 49 positions
        ("window_attention", {"heads": 3, "window": 7}, (56, 56, 96),
         4 * 3136 * 96**2 + 2 * 64 * 49**2 * 96),
        ("patch_merging", {"out": 192}, (56, 56, 96), 28 * 28 * 4 * 96 * 192),
    ],
)  # fmt: skip
def test_attention_costs_its_matrix_products(
    verb: str, given: Given, shape: Shape, macs: int
) -> None:
    x = TensorSpec(shape, "channels_last")
    assert here(verb, given, [x]).macs(x) == macs


def test_what_has_no_weights_but_attention_costs_nothing() -> None:
    for verb, cls in OPS.items():
        costly = cls.macs is not Op.macs
        assert costly == (verb in (*COSTLY, "attention", "window_attention", "patch_merging"))


# arguments


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
        ("conv", {"kernel": [3]}, 2, "kernel", "E0305", "1 numbers for 2 spatial axes"),
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
    assert (op.kernel, op.stride, op.out, op.padding) == ((3, 3), (1, 2), 8, "auto")  # type: ignore[attr-defined]
    assert construct(OPS["max_pool"], {"kernel": 3}, TensorSpec((8, 16))).stride == (3,)  # type: ignore[attr-defined]


def test_a_scale_starts_at_one_without_being_told() -> None:
    x = TensorSpec((8,))
    for init in ("ones", {"constant": {"val": 1}}):
        assert construct(OPS["batch_norm"], {"init": init}, x).init is None  # type: ignore[attr-defined]
    assert construct(OPS["batch_norm"], {"init": "zeros"}, x).init.scheme == "zeros"  # type: ignore[attr-defined]


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
            here(verb, given, specs)
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
