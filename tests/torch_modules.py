"""What each op is in PyTorch, written by hand: the compiler's own lowering is no oracle.

A function makes, from arguments as a spec has them and the shapes of the inputs, what computes the
op: a module, or a function of tensors. It raises Refusal where the language allows less.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, comb, pi, prod
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.maxvit import RelativePositionalMultiHeadAttention
from torchvision.models.swin_transformer import (
    PatchMerging,
    PatchMergingV2,
    ShiftedWindowAttention,
    ShiftedWindowAttentionV2,
)
from torchvision.models.video.mvit import MultiscaleAttention
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

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
    channels stand last. `fit` makes of shapes some that the op can take.
    """

    module: Callable[[Given, list[Shape]], Any]
    draw: Callable[[int], dict[str, st.SearchStrategy[Any]]] = lambda rank: {}
    ranks: st.SearchStrategy[int] = ranks
    inputs: int = 1
    last: bool = False
    fit: Callable[[Given, list[Shape]], list[Shape]] = lambda given, shapes: shapes


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
        apart = {"dilation": axes(given["dilation"], rank)} if "dilation" in given else {}
        if given.get("padding") == "same":
            step = apart.get("dilation", (1,) * rank)
            return Same(cls(kernel, stride, **apart), kernel, stride, step)
        pad = axes(given.get("padding", 0), rank)
        extra: dict[str, Any] = dict(apart)
        extra |= {"count_include_pad": given["count_padding"]} if "count_padding" in given else {}
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
    border = sides(given["border"], rank)
    mode = {"zeros": "constant"}.get(given.get("mode", "zeros"), given.get("mode"))
    return lambda x: F.pad(x, border, mode=mode)


def sides(border: Any, rank: int) -> list[int]:
    """Widths as F.pad takes them: of the last axis first, before and after."""
    if isinstance(border, list) and rank == 1 and len(border) == 2:
        border = [border]
    found = axes(border, rank)
    if len(found) != rank or any(isinstance(w, list) and len(w) != 2 for w in found):
        raise Refusal("borders of other axes")
    pairs = [width if isinstance(width, list) else [width] * 2 for width in found]
    return [width for pair in reversed(pairs) for width in pair]


def pad_channels(given: Given, shapes: list[Shape]) -> Any:
    (shape,) = shapes
    if given["out"] < shape[0] or len(shape) < 2:
        raise Refusal("F.pad would cut channels off")
    return lambda x: F.pad(x, [0] * 2 * (len(shape) - 1) + [0, given["out"] - shape[0]])


def crop(given: Given, shapes: list[Shape]) -> Any:
    rank = len(shapes[0]) - 1
    if (("size" in given) + ("border" in given) + ("like" in given)) != 1 or not 1 <= rank <= 3:
        raise Refusal("not one way")
    if "border" in given:
        return lambda x: F.pad(x, [-width for width in sides(given["border"], rank)])
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


def cut_axis(given: Given, shapes: list[Shape]) -> Any:
    axis = dim(given.get("axis", "channels"), shapes[0])
    size = shapes[0][axis - 1]
    start, stop = given.get("start", 0), given.get("stop", size)
    if not start < stop <= size:
        raise Refusal("slicing would give less")
    return lambda x: x.index_select(axis, torch.arange(start, stop, given.get("step", 1)))


def dim(axis: Any, shape: Shape) -> int:
    """PyTorch's number of an axis of a tensor with channels first."""
    if axis == "channels":
        return 1
    if not -len(shape) <= axis < len(shape):
        raise Refusal("no such axis; the batch is none")
    return axis % len(shape) + 1


def dims(given: Given, shapes: list[Shape]) -> list[int]:
    listed = given.get("axis", "channels")
    found = [dim(axis, shapes[0]) for axis in (listed if isinstance(listed, list) else [listed])]
    if not found or len(set(found)) < len(found):
        raise Refusal("no axis, or one twice")
    return found


def reduced(name: str) -> Callable[[Given, list[Shape]], Any]:
    def make(given: Given, shapes: list[Shape]) -> Any:
        found, keep = dims(given, shapes), given.get("keepdim", False)
        if len(found) == len(shapes[0]) and not keep:
            raise Refusal("a number is no tensor")
        return lambda x: getattr(torch, name)(x, tuple(found), keepdim=keep)

    return make


axis = st.one_of(st.just("channels"), st.integers(-4, 3))


def normalize(given: Given, shapes: list[Shape]) -> Any:
    of = dim(given.get("axis", "channels"), shapes[0])
    if given.get("p", 2) == 0:
        raise Refusal("a count is no length")
    return lambda x: F.normalize(x, given.get("p", 2.0), of)


def turned(given: Given, shapes: list[Shape]) -> list[Shape]:
    """The second with the columns that the rows of the first meet."""
    first, second = shapes
    if len(first) < 2:
        return shapes
    return [first, (*second[:-2], first[-1], second[-1])]


def to_be_pooled(given: Given, shapes: list[Shape]) -> list[Shape]:
    """The second as it is pooled to something, and that first."""
    x, before = shapes[0], shapes[-1]
    rank = len(x) - 1
    if not 1 <= rank <= 3:
        return shapes
    kernel = axes(given["kernel"], rank)
    stride, pad = axes(given.get("stride", kernel), rank), axes(given.get("padding", 0), rank)
    made = zip(before[1:], kernel, stride, pad, strict=True)
    sizes = [(n + 2 * p - k) // s + 1 for n, k, s, p in made]
    return shapes if min(sizes) < 1 else [(before[0], *sizes), before]


def row_by_row(given: Given, shapes: list[Shape]) -> list[Shape]:
    """As many tokens as a map has positions."""
    return [(shapes[0][0], prod(given["size"]))] if given["size"] else shapes


def matmul(given: Given, shapes: list[Shape]) -> Any:
    if len(shapes[0]) != len(shapes[1]) or len(shapes[0]) < 2:
        raise Refusal("the batches would be multiplied")
    return torch.matmul


def weighted_add(given: Given, shapes: list[Shape]) -> nn.Module:
    if len(set(shapes)) > 1:
        raise Refusal("maps of other sizes")
    weight = torch.ones(len(shapes))
    return Named(lambda *x: sum(a * w for a, w in zip(x, weight, strict=True)), own=weight)


def weight(given: Given, shapes: list[Shape]) -> nn.Module:
    factors = torch.full((), 2.0)
    if not given.get("shared", True):
        return layer_scale(given, shapes)
    return Named(lambda x: x * factors, own=factors)


class StdConv(nn.Module):
    """Like timm's StdConv2d and ScaledStdConv2d, for maps of any rank."""

    def __init__(self, inner: nn.Module, gain: bool) -> None:
        super().__init__()
        conv = inner.inner[0] if isinstance(inner, Same) else inner
        self.weight, self.bias = conv.weight, conv.bias
        self.gain = nn.Parameter(torch.ones(len(conv.weight), *(1,) * (conv.weight.ndim - 1)))
        if not gain:
            self.gain = None
        self.run = [inner]

    def forward(self, x: Tensor) -> Tensor:
        return self.run[0](x)


def std_conv(given: Given, shapes: list[Shape]) -> nn.Module:
    made = conv(given, shapes)
    if given.get("gamma", 1) != 1 and not given.get("gain"):
        raise Refusal("nothing is scaled")
    if shapes[0][0] == given.get("groups", 1) and {*axes(given["kernel"], 2)} == {1}:
        raise Refusal("a number has no variance")
    return StdConv(made, given.get("gain", False))


def instance_norm(given: Given, shapes: list[Shape]) -> nn.Module:
    return of_rank("InstanceNorm", shapes[0])(shapes[0][0], affine=given.get("affine", False))


def rms_norm(given: Given, shapes: list[Shape]) -> nn.Module:
    return nn.RMSNorm(shapes[0][0], elementwise_affine=given.get("affine", True))


def blur_pool(given: Given, shapes: list[Shape]) -> Any:
    rank, k, s = len(shapes[0]) - 1, given.get("kernel", 3), given.get("stride", 2)
    if not 1 <= rank <= 3:
        raise Refusal("not a map")
    border, mode = [(s + k - 2) // 2] * (2 * rank), given.get("mode", "reflect")
    row = [comb(k - 1, n) / 2 ** (k - 1) for n in range(k)]
    letters = "abc"[:rank]
    filters = torch.einsum(",".join(letters) + "->" + letters, *[torch.tensor(row)] * rank)
    filters = filters.expand(shapes[0][0], 1, *filters.shape)
    run = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
    pads = {"zeros": "constant"}.get(mode, mode)
    return lambda x: run(F.pad(x, border, pads), filters, stride=s, groups=shapes[0][0])


def max_unpool(given: Given, shapes: list[Shape]) -> Any:
    if len(shapes) < 2 or len(shapes[0]) != len(shapes[1]) or not 1 < len(shapes[0]) < 5:
        raise Refusal("what was pooled is not said")
    rank = len(shapes[0]) - 1
    sizes = {"kernel_size": axes(given["kernel"], rank)}
    sizes["stride"] = axes(given.get("stride", list(sizes["kernel_size"])), rank)
    sizes["padding"] = axes(given.get("padding", 0), rank)
    pool = of_rank("MaxPool", shapes[0])(**sizes, return_indices=True)
    unpool = of_rank("MaxUnpool", shapes[0])(**sizes)
    if tuple(pool(torch.zeros(1, *shapes[1]))[0].shape[1:]) != tuple(shapes[0]):
        raise Refusal("another map was pooled")
    return lambda x, before: unpool(x, pool(before)[1], output_size=before.shape[2:])


def to_map(given: Given, shapes: list[Shape]) -> Any:
    if len(given["size"]) > 3:
        raise Refusal("no map")
    return lambda x: x.transpose(1, 2).reshape(len(x), shapes[0][-1], *given["size"])


def position_grid(given: Given, shapes: list[Shape]) -> Any:
    (shape,) = shapes
    rank, out = len(shape) - 1, given.get("out", shape[0])
    if not 1 <= rank <= 3 or out % (2 * rank):
        raise Refusal("no sine and cosine for every axis")

    def waves(x: Tensor) -> Tensor:
        each, parts = out // rank, []
        for axis, size in enumerate(shape[1:]):
            for n in range(each):
                place = torch.arange(1.0, size + 1)
                if given.get("normalize", True):
                    place = place / (size + 1e-6) * 2 * pi
                turn = (torch.cos if n % 2 else torch.sin)(
                    place / given.get("temperature", 1e4) ** (n // 2 * 2 / each)
                )
                parts.append(turn.reshape([-1 if a == axis else 1 for a in range(rank)])
                             .expand(shape[1:]))  # fmt: skip
        return torch.stack(parts)[None].expand(len(x), -1, *shape[1:])

    return waves


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

    def __init__(self, compute: Callable[..., Tensor], **parts: Any) -> None:
        super().__init__()
        self.compute = compute
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            else:
                self.register_parameter(name, nn.Parameter(part))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.compute(*inputs)


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


def learned(given: Given, shapes: list[Shape]) -> nn.Module:
    if not given["shape"] or min(given["shape"]) < 1:
        raise Refusal("no shape of a tensor")
    table = torch.zeros(given["shape"])
    return Named(lambda x: torch.stack([table for _ in x]), own=table)


def distances(given: Given) -> list[tuple[int, int]]:
    """How far keys are from queries, down and across, in the order of a table's rows."""
    rows, columns = given["window"]
    if given.get("signed", True):
        return [(y, x) for y in range(1 - rows, rows) for x in range(1 - columns, columns)]
    return [(y, x) for y in range(rows) for x in range(columns)]


def relative_positions(given: Given, shapes: list[Shape]) -> Any:
    rows, columns = given["window"]
    signed, stride = given.get("signed", True), given.get("stride", 1)
    order = distances(given)
    if shapes[0][0] != len(order):
        raise Refusal("another table")

    def row(x: Tensor, query: tuple[int, int], key: tuple[int, int]) -> Tensor:
        apart = (query[0] - key[0], query[1] - key[1])
        return x[:, order.index(apart if signed else (abs(apart[0]), abs(apart[1])))]

    places = [(y, x) for y in range(rows) for x in range(columns)]
    asked = [(y, x) for y, x in places if y % stride == x % stride == 0]
    return lambda x: torch.stack([torch.stack([row(x, q, k) for k in places], 1) for q in asked], 1)


def position_embedding(given: Given, shapes: list[Shape]) -> nn.Module:
    position = torch.zeros(1, *shapes[0])
    return Named(lambda x: x + position, own=position)


class Attention(nn.MultiheadAttention):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x, x, x)[0]


def attention(given: Given, shapes: list[Shape]) -> nn.Module:
    return Attention(shapes[0][-1], given["heads"], bias=given.get("bias", True), batch_first=True)


def window_attention(given: Given, shapes: list[Shape]) -> nn.Module:
    rank = len(shapes[0]) - 1
    size, shift = axes(given["window"], rank), axes(given.get("shift", 0), rank)
    if any(s >= w for s, w in zip(shift, size, strict=True)) or shapes[0][-1] % given["heads"]:
        raise Refusal("torchvision does not check")
    module = ShiftedWindowAttention3d if rank == 3 else ShiftedWindowAttention
    return module(shapes[0][-1], list(size), list(shift), given["heads"])


def cosine_window_attention(given: Given, shapes: list[Shape]) -> nn.Module:
    channels, heads, hidden = shapes[0][-1], given["heads"], given.get("hidden", 512)
    size, shift = axes(given["window"], 2), axes(given.get("shift", 0), 2)
    unchecked = any(s >= w for s, w in zip(shift, size, strict=True)) or channels % heads
    if unchecked or min(size) < 2:  # which divides by 0 there
        raise Refusal("torchvision does not check")
    module = ShiftedWindowAttentionV2(channels, list(size), list(shift), heads)
    module.cpb_mlp = nn.Sequential(
        nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, heads, bias=False)
    )
    return module


def relative_attention(given: Given, shapes: list[Shape]) -> nn.Module:
    """torchvision's, of square windows in groups; a sequence is one group."""
    *groups, count, channels = shapes[0]
    rows, columns = given["window"]
    if rows != columns or rows * columns != count or len(groups) > 1 or channels % given["heads"]:
        raise Refusal("torchvision does not check")
    attend = RelativePositionalMultiHeadAttention(channels, channels // given["heads"], count)
    if not groups:
        attend.forward = lambda x: type(attend).forward(attend, x[:, None])[:, 0]
    return attend


def pooled_attention(given: Given, shapes: list[Shape]) -> nn.Module:
    """torchvision's, whose tables have as many rows as there are distances along each axis."""
    (count, channels), size, out = shapes[0], given["size"], given.get("out", shapes[0][1])
    kernels, strides = ("query_kernel", "kernel"), ("query_stride", "stride")
    pools = [
        (given.get(k, []), given.get(s, [1, 1, 1])) for k, s in zip(kernels, strides, strict=True)
    ]
    unlike = any(s in given and k not in given for k, s in zip(kernels, strides, strict=True))
    if out % given["heads"] or prod(size) + 1 != count or unlike:
        raise Refusal("torchvision does not check")
    (kernel_q, stride_q), (kernel_kv, stride_kv) = pools
    residual = given.get("residual", "none")
    module = MultiscaleAttention(
        size, channels, out, given["heads"], kernel_q, kernel_kv, stride_q, stride_kv,
        residual != "none", residual == "all", given.get("relative", False),
    )  # fmt: skip
    if given.get("relative"):
        for axis, n in enumerate(size):
            counts = [(n + k[axis] // 2 * 2 - k[axis]) // s[axis] + 1 if k else n for k, s in pools]
            table = torch.randn(2 * max(counts) - 1, out // given["heads"])
            setattr(module, f"rel_pos_{'thw'[axis]}", nn.Parameter(table))
    attend = type(module).forward
    module.forward = lambda x: attend(module, x, tuple(size))[0]
    return module


def patch_merging(given: Given, shapes: list[Shape]) -> nn.Module:
    after = given.get("norm") == "after"
    module = (PatchMergingV2 if after else PatchMerging)(shapes[0][-1])
    out = given.get("out", shapes[0][-1])
    module.reduction = nn.Linear(4 * shapes[0][-1], out, bias=False)
    if after:
        module.norm = nn.LayerNorm(out)
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
