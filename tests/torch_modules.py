"""What each op is in PyTorch, written by hand: the compiler's own lowering is no oracle.

A function makes, from arguments as a spec has them and the shapes of the inputs, what computes the
op: a module, or a function of tensors. It raises Refusal where the language allows less.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.swin_transformer import PatchMerging, ShiftedWindowAttention

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
    def forward(self, x: Tensor) -> Tensor:
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
