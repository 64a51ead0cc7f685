"""Modules that PyTorch does not have; emitted source carries a copy of those that it uses.

Each stands alone but for others that it names: it may use `math`, `torch`, `nn` and `F`. What is
said of a convolution of two axes holds for one and three, whose names have another number.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def make_divisible(value: float, divisor: float) -> int:
    """The multiple of `divisor` nearest to `value`, never under 0.9 `value`."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return int(rounded if rounded >= 0.9 * value else rounded + divisor)


def added(maps: list[Tensor]) -> Tensor:
    """The sum of maps."""
    x = maps[0]
    for other in maps[1:]:
        x = x + other
    return x


def multiplied(maps: list[Tensor]) -> Tensor:
    """The product of maps."""
    x = maps[0]
    for other in maps[1:]:
        x = x * other
    return x


def padding_of(padding: int | str, kernel: int | Sequence[int], dilation: int = 1) -> Any:
    """The padding that is given, or the one that keeps the size of a map if it is `auto`."""
    if padding == "valid":
        return 0
    if padding != "auto":
        return padding
    if isinstance(kernel, int):
        return dilation * (kernel - 1) // 2
    return tuple(dilation * (size - 1) // 2 for size in kernel)


def initialized(
    module: nn.Module,
    weight: Callable[[Tensor], Tensor],
    bias: Callable[[Tensor], Tensor] | None = None,
    per_group: bool = False,
) -> nn.Module:
    """The module, its weight and bias started by these functions."""
    assert isinstance(module.weight, Tensor)
    weight(module.weight)
    if per_group and isinstance(module.groups, int):
        module.weight.data.mul_(module.groups**0.5)
    if bias is not None and isinstance(module.bias, Tensor):
        bias(module.bias)
    return module


def initialized_inside(
    module: nn.Module,
    weight: Callable[[Tensor], Tensor],
    bias: Callable[[Tensor], Tensor] | None = None,
) -> nn.Module:
    """The module, the linear layers in it started by these functions."""
    for part in module.modules():
        if type(part) is nn.Linear:
            initialized(part, weight, bias)
    return module


def recomputed(part: Callable[..., Any], *inputs: Any, **settings: Any) -> Any:
    """What a part gives; the backward pass computes it again, instead of keeping all it needs."""
    if not torch.is_grad_enabled() or isinstance(part, nn.Identity):
        return part(*inputs, **settings)
    return torch.utils.checkpoint.checkpoint(part, *inputs, use_reentrant=False, **settings)


def recomputed_in_turn(parts: nn.Sequential, x: Tensor) -> Tensor:
    """What a sequence gives; the backward pass computes its parts again, one by one."""
    for part in parts:
        x = recomputed(part, x)
    return x


def freeze(module: nn.Module, *paths: str) -> None:
    """Lets the parameters at these paths and below them learn nothing."""
    for name, parameter in module.named_parameters():
        if f"{name}.".startswith(tuple(f"{path}." for path in paths)):
            parameter.requires_grad = False


def dilate(module: nn.Module, *paths: str, **settings: Any) -> None:
    """Gives the modules at these paths another stride, padding or dilation."""
    for path in paths:
        for name, value in settings.items():
            setattr(module.get_submodule(path), name, value)


def put(module: nn.Module, path: str, other: nn.Module) -> None:
    """Puts another module in the place of the one at a path."""
    holder, _, name = path.rpartition(".")
    setattr(module.get_submodule(holder), name, other)


class ListOfParts(nn.ModuleList):
    """A list of modules of which some are lists or dicts, too, as the types of their uses say."""

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(index)


class DictOfParts(nn.ModuleDict):
    """A dict of modules of which some are lists or dicts, too, as the types of their uses say."""

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(key)


class DropPath(nn.Module):
    """Stochastic depth: in training zeroes whole examples with probability `p`."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        keep = 1.0 - self.p
        mask = x.new_empty([x.shape[0]] + [1] * (x.ndim - 1)).bernoulli_(keep)
        if keep > 0.0:
            mask.div_(keep)
        return x * mask


class FrozenBatchNorm(nn.Module):
    """Batch normalisation by what was learned before, of which nothing changes."""

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.weight: Tensor | None
        self.bias: Tensor | None
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("weight", torch.ones(num_features) if affine else None)
        self.register_buffer("bias", torch.zeros(num_features) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: Tensor) -> Tensor:
        mean, var = self.running_mean, self.running_var
        return F.batch_norm(x, mean, var, self.weight, self.bias, False, 0.0, self.eps)


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of a map."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(1, -1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.movedim(-1, 1)


class RMSNorm2d(nn.RMSNorm):
    """Division by the root of the mean square over the channels of a map."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.rms_norm(x.movedim(1, -1), self.normalized_shape, self.weight, self.eps)
        return x.movedim(-1, 1)


class Scale(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def gaussian(*size: int, std: float) -> Tensor:
    """Normal noise around zero; `torch.normal` would ignore the default device."""
    return torch.empty(size).normal_(std=std)


class Reshape(nn.Module):
    """The same values in another shape; the batch stays."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        shape = [x.shape[0]]
        shape += list(self.shape)
        return x.reshape(shape)


class Permute(nn.Module):
    """The axes in another order; the batch, axis 0, stays."""

    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        order = [0]
        order += list(self.order)
        return x.permute(order)


class CenterCrop(nn.Module):
    """The centre of a map."""

    def __init__(self, *size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        for axis, length in enumerate(list(self.size)):
            x = x.narrow(axis + 2, (x.shape[axis + 2] - length) // 2, length)
        return x


@torch.fx.wrap
def center_crop(x: Tensor, like: Tensor) -> Tensor:
    """The centre of `x` with the spatial size of another map."""
    for axis in range(2, x.ndim):
        length = like.shape[axis]
        x = x.narrow(axis, (x.shape[axis] - length) // 2, length)
    return x


@torch.fx.wrap
def pad_same(
    x: Tensor, kernel: list[int], stride: list[int], dilation: list[int], value: float = 0.0
) -> Tensor:
    """Pads to `ceil(size / stride)` windows as TensorFlow does: an odd pixel at the far side."""
    pads: list[int] = []
    for axis in range(len(kernel) - 1, -1, -1):
        n, s = x.shape[axis + 2], stride[axis]
        total = max((-(-n // s) - 1) * s + dilation[axis] * (kernel[axis] - 1) + 1 - n, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


class Conv2dSame(nn.Conv2d):
    """Convolution with TensorFlow's `same` padding."""

    def forward(self, x: Tensor) -> Tensor:
        x = pad_same(x, list(self.kernel_size), list(self.stride), list(self.dilation))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def standardized(weight: Tensor, gain: Tensor | None, gamma: float, eps: float) -> Tensor:
    """A convolution's weight of mean 0 and variance 1 per output channel, times a gain."""
    flat = weight.reshape(1, weight.shape[0], -1)
    scale = None if gain is None else (gain * (gamma * flat.shape[2] ** -0.5)).view(-1)
    weights = F.batch_norm(flat, None, None, scale, training=True, momentum=0.0, eps=eps)
    return weights.reshape_as(weight)


class StdConv2d(nn.Conv2d):
    """Convolution with a standardised weight, and perhaps a gain or TensorFlow's padding."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        gain: bool = False,
        gamma: float = 1.0,
        eps: float = 1e-6,
        same: bool = False,
        start: float = 1.0,
        **settings: Any,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **settings)
        gains = torch.full([self.out_channels] + [1] * (self.weight.ndim - 1), start)
        self.gain = nn.Parameter(gains) if gain else None
        self.gamma, self.eps, self.same = gamma, eps, same

    def forward(self, x: Tensor) -> Tensor:
        if self.same:
            x = pad_same(x, list(self.kernel_size), list(self.stride), list(self.dilation))
        weight = standardized(self.weight, self.gain, self.gamma, self.eps)
        result: Tensor = self._conv_forward(x, weight, self.bias)
        return result


class MaxPoolSame(nn.Module):
    """Maximum pooling with TensorFlow's `same` padding."""

    def __init__(
        self,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride
        self.dilation = dilation or (1,) * len(kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, dilation = list(self.kernel_size), list(self.stride), list(self.dilation)
        x = pad_same(x, kernel, stride, dilation, float("-inf"))
        if len(kernel) == 1:
            return F.max_pool1d(x, kernel, stride, 0, dilation)
        if len(kernel) == 2:
            return F.max_pool2d(x, kernel, stride, 0, dilation)
        return F.max_pool3d(x, kernel, stride, 0, dilation)


def avg_pool(x: Tensor, kernel: list[int], stride: list[int]) -> Tensor:
    """The mean in windows along as many axes as the kernel has."""
    if len(kernel) == 1:
        return F.avg_pool1d(x, kernel, stride)
    if len(kernel) == 2:
        return F.avg_pool2d(x, kernel, stride)
    return F.avg_pool3d(x, kernel, stride)


class AvgPoolSame(nn.Module):
    """Mean pooling with TensorFlow's `same` padding, which the mean leaves out."""

    def __init__(self, kernel_size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = list(self.kernel_size), list(self.stride)
        ones = [1] * len(kernel)
        inside = pad_same(torch.ones_like(x[:1, :1]), kernel, stride, ones)
        x = pad_same(x, kernel, stride, ones)
        return avg_pool(x, kernel, stride) / avg_pool(inside, kernel, stride)


def max_unpool(
    x: Tensor,
    pooled: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
) -> Tensor:
    """Every value where the largest of its window is in the map that was pooled."""
    rank = len(kernel) - 1
    pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[rank]
    unpool = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[rank]
    _, places = pool(pooled.detach(), kernel, stride, padding, return_indices=True)
    return unpool(x, places, kernel, stride, padding, pooled.shape[2:])


@torch.fx.wrap
def blurred(x: Tensor, row: list[float], stride: int) -> Tensor:
    """A map behind a filter, which is the row times itself along every axis, with a stride."""
    along = torch.tensor(row, dtype=x.dtype).to(x.device)
    weight, rank = along, x.dim() - 2
    for _ in range(rank - 1):
        weight = weight.unsqueeze(-1) * along
    weight = weight[None, None].expand([x.shape[1], 1] + [-1] * rank)
    if rank == 1:
        return F.conv1d(x, weight, stride=stride, groups=x.shape[1])
    if rank == 2:
        return F.conv2d(x, weight, stride=stride, groups=x.shape[1])
    return F.conv3d(x, weight, stride=stride, groups=x.shape[1])


class BlurPool(nn.Module):
    """A binomial filter with a stride."""

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        stride: int = 2,
        mode: str = "reflect",
        rank: int = 2,
    ) -> None:
        super().__init__()
        self.channels, self.stride, self.mode, self.rank = channels, stride, mode, rank
        self.border = [(stride + kernel_size - 2) // 2] * (2 * rank)
        last = kernel_size - 1
        self.row = [math.comb(last, n) / 2**last for n in range(kernel_size)]

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, self.border, self.mode)
        return blurred(x, self.row, self.stride)


def weighted_sum(weight: Tensor, maps: list[Tensor], normalize: str, eps: float) -> Tensor:
    """Maps times their weights, which are made to have the sum 1."""
    if normalize == "relu":
        weight = weight.relu()
        weight = weight / (weight.sum() + eps)
    elif normalize == "softmax":
        weight = weight.softmax(0)
    total = weight[0] * maps[0]
    for n, x in enumerate(maps[1:], 1):
        total = total + weight[n] * x
    return total


@torch.fx.wrap
def position_grid(x: Tensor, channels: int, temperature: float, normalize: bool) -> Tensor:
    """Sines and cosines of the places along every axis of a map, in single precision."""
    rank = x.ndim - 2
    each, parts, sizes = channels // rank, [], [-1, -1]
    sizes += list(x.shape[2:])
    power = torch.arange(each, device=x.device).to(torch.float32)
    power = temperature ** (2 * torch.div(power, 2, rounding_mode="floor") / each)
    for axis, size in enumerate(x.shape[2:]):
        places = torch.arange(1, size + 1, device=x.device).to(torch.float32)
        if normalize:
            places = places / (size + 1e-6) * (2 * math.pi)
        angles = places[:, None] / power
        waves = torch.stack((angles[:, 0::2].sin(), angles[:, 1::2].cos()), 2).flatten(1)
        shape = [1, each] + [size if axis == other else 1 for other in range(rank)]
        parts.append(waves.t().reshape(shape).expand(sizes))
    return torch.cat(parts, 1).to(x.dtype).repeat([x.shape[0]] + [1] * (rank + 1))


def spread(weight: Tensor, x: Tensor) -> Tensor:
    """A tensor again for every image."""
    return weight.repeat(x.shape[0], *[1] * weight.ndim)


def relative_positions(table: Tensor, window: tuple[int, int], signed: bool, stride: int) -> Tensor:
    """Rows of a table for every two positions of a window, by how far these are apart."""
    height, width = window
    queries = [(y, x) for y in range(0, height, stride) for x in range(0, width, stride)]
    apart = [(y - i, x - j) for y, x in queries for i in range(height) for j in range(width)]
    if signed:
        rows = [(y + height - 1) * (2 * width - 1) + x + width - 1 for y, x in apart]
    else:
        rows = [abs(y) * width + abs(x) for y, x in apart]
    return table[:, rows].reshape(-1, len(queries), height * width, *table.shape[2:])


class Tokens(nn.Module):
    """A map as a sequence of vectors, one for every position."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class PatchMerging(nn.Module):
    """Joins every 2x2 patch of a map (channels last) into one position."""

    def __init__(
        self, in_channels: int, out_channels: int, eps: float = 1e-5, norm: str = "before"
    ) -> None:
        super().__init__()
        self.before = norm == "before"
        self.reduction = nn.Linear(4 * in_channels, out_channels, bias=False)
        self.norm = nn.LayerNorm(4 * in_channels if self.before else out_channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        even, odd = x[:, 0::2], x[:, 1::2]
        x = torch.cat([even[:, :, 0::2], odd[:, :, 0::2], even[:, :, 1::2], odd[:, :, 1::2]], -1)
        del even, odd  # which hold what was padded
        if self.before:
            x = self.norm(x)
        x = self.reduction(x)
        return x if self.before else self.norm(x)


@torch.fx.wrap
def window_attention(
    x: Tensor,
    qkv: tuple[Tensor, Tensor],
    proj: tuple[Tensor, Tensor],
    bias: Tensor,
    window: tuple[int, int],
    shift: tuple[int, int],
    scale: Tensor | None = None,
) -> Tensor:
    """Attention inside windows; `bias` is of every head and pair of positions in a window.

    With a scale for every head, it is that times the cosine of a query and a key.
    """
    n, height, width, c = x.shape
    high, wide = window
    heads, area = bias.shape[0], high * wide
    x = F.pad(x, (0, 0, 0, -width % wide, 0, -height % high))
    h, w = x.shape[1], x.shape[2]
    up, left = shift[0] if h > high else 0, shift[1] if w > wide else 0
    x = torch.roll(x, (-up, -left), (1, 2))
    x = x.reshape(n, h // high, high, w // wide, wide, c).transpose(2, 3).reshape(n, -1, area, c)
    x = F.linear(x, qkv[0], qkv[1]).reshape(n, -1, area, 3, heads, c // heads)
    q, k, v = x.permute(3, 0, 1, 4, 2, 5).unbind(0)
    if scale is None:
        scores = (q * (c // heads) ** -0.5) @ k.transpose(-2, -1) + bias
    else:
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * scale + bias
    if up + left > 0:
        rows, columns = torch.arange(h, device=x.device), torch.arange(w, device=x.device)
        row = (rows >= h - high).long() + (rows >= h - up).long()
        column = (columns >= w - wide).long() + (columns >= w - left).long()
        region = (3 * row[:, None] + column).reshape(h // high, high, w // wide, wide)
        region = region.transpose(1, 2).reshape(-1, 1, area)
        apart = region != region.transpose(1, 2)  # neighbours only because of the shift
        scores = scores + apart.to(x.dtype)[:, None] * -100.0
    x = (scores.softmax(-1) @ v).transpose(2, 3).reshape(n, -1, area, c)
    x = F.linear(x, proj[0], proj[1]).reshape(n, h // high, w // wide, high, wide, c)
    x = torch.roll(x.transpose(2, 3).reshape(n, h, w, c), (up, left), (1, 2))
    return x[:, :height, :width].contiguous()


def between_positions(window: tuple[int, int]) -> Tensor:
    """The number of the offset from every position of a window to every other."""
    y = torch.arange(window[0]).repeat_interleave(window[1])
    x = torch.arange(window[1]).repeat(window[0])
    up = y[:, None] - y[None, :] + window[0] - 1
    left = x[:, None] - x[None, :] + window[1] - 1
    return up * (2 * window[1] - 1) + left


def position_table(window: tuple[int, int], heads: int) -> nn.Parameter:
    """A number of every head for every offset."""
    table = nn.Parameter(torch.empty((2 * window[0] - 1) * (2 * window[1] - 1), heads))
    nn.init.trunc_normal_(table, std=0.02)
    return table


class WindowAttention(nn.Module):
    """Self-attention inside shifted windows of a map (channels last), with relative positions."""

    def __init__(
        self,
        channels: int,
        heads: int,
        window: tuple[int, int],
        shift: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.relative_position_index: Tensor
        self.relative_position_bias_table = position_table(window, heads)
        self.register_buffer("relative_position_index", between_positions(window).flatten())
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        area = self.window[0] * self.window[1]
        bias = self.relative_position_bias_table[self.relative_position_index]
        bias = bias.view(area, area, self.heads).permute(2, 0, 1)
        qkv, proj = (self.qkv.weight, self.qkv.bias), (self.proj.weight, self.proj.bias)
        return window_attention(x, qkv, proj, bias, self.window, self.shift)


@torch.fx.wrap
def window_attention_3d(
    x: Tensor,
    qkv: tuple[Tensor, Tensor],
    proj: tuple[Tensor, Tensor],
    table: Tensor,
    index: Tensor,
    window: tuple[int, int, int],
    shift: tuple[int, int, int],
) -> Tensor:
    """Attention inside windows that are no larger than the map along any axis.

    `table` has a number of every head for every offset, `index` the offsets by positions.
    """
    n, depth, height, width, c = x.shape
    deep, high, wide = min(window[0], depth), min(window[1], height), min(window[2], width)
    heads, area = table.shape[1], deep * high * wide
    bias = table[index[:area, :area].flatten()].view(area, area, heads).permute(2, 0, 1)
    x = F.pad(x, (0, 0, 0, -width % wide, 0, -height % high, 0, -depth % deep))
    d, h, w = x.shape[1], x.shape[2], x.shape[3]
    back, up = shift[0] if d > deep else 0, shift[1] if h > high else 0
    left = shift[2] if w > wide else 0
    x = torch.roll(x, (-back, -up, -left), (1, 2, 3))
    x = x.reshape(n, d // deep, deep, h // high, high, w // wide, wide, c)
    x = x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(n, -1, area, c)
    x = F.linear(x, qkv[0], qkv[1]).reshape(n, -1, area, 3, heads, c // heads)
    q, k, v = x.permute(3, 0, 1, 4, 2, 5).unbind(0)
    scores = (q * (c // heads) ** -0.5) @ k.transpose(-2, -1) + bias
    if back + up + left > 0:
        planes, rows = torch.arange(d, device=x.device), torch.arange(h, device=x.device)
        columns = torch.arange(w, device=x.device)
        plane = (planes >= d - deep).long() + (planes >= d - back).long()
        row = (rows >= h - high).long() + (rows >= h - up).long()
        column = (columns >= w - wide).long() + (columns >= w - left).long()
        region = 9 * plane[:, None, None] + (3 * row[:, None] + column)
        region = region.reshape(d // deep, deep, h // high, high, w // wide, wide)
        region = region.permute(0, 2, 4, 1, 3, 5).reshape(-1, 1, area)
        apart = region != region.transpose(1, 2)  # neighbours only because of the shift
        scores.add_(apart.to(x.dtype)[:, None], alpha=-100.0)
    x = (scores.softmax(-1) @ v).transpose(2, 3).reshape(n, -1, area, c)
    x = F.linear(x, proj[0], proj[1])
    x = x.reshape(n, d // deep, h // high, w // wide, deep, high, wide, c)
    x = x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(n, d, h, w, c)
    x = torch.roll(x, (back, up, left), (1, 2, 3))
    return x[:, :depth, :height, :width].contiguous()


class WindowAttention3d(nn.Module):
    """Self-attention inside shifted windows of a map of three axes (channels last)."""

    def __init__(
        self,
        channels: int,
        heads: int,
        window: tuple[int, int, int],
        shift: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.relative_position_index: Tensor
        table = nn.Parameter(torch.empty(math.prod(2 * size - 1 for size in window), heads))
        self.relative_position_bias_table = nn.init.trunc_normal_(table, std=0.02)
        index = torch.zeros(1, 1, dtype=torch.long)
        grid = torch.meshgrid(*map(torch.arange, window), indexing="ij")
        for places, size in zip(grid, window, strict=True):
            apart = places.flatten()[:, None] - places.flatten() + size - 1
            index = index * (2 * size - 1) + apart
        self.register_buffer("relative_position_index", index)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        table, index = self.relative_position_bias_table, self.relative_position_index
        qkv, proj = (self.qkv.weight, self.qkv.bias), (self.proj.weight, self.proj.bias)
        return window_attention_3d(x, qkv, proj, table, index, self.window, self.shift)


class CosineWindowAttention(nn.Module):
    """Window attention by cosines; a small network gives the offsets of relative positions."""

    def __init__(
        self,
        channels: int,
        heads: int,
        window: tuple[int, int],
        shift: tuple[int, int] = (0, 0),
        hidden: int = 512,
    ) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.relative_coords_table: Tensor
        self.relative_position_index: Tensor
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), 10.0).log())
        ways = [torch.arange(1 - size, size) * (8 / (size - 1)) for size in window]
        far = torch.stack(torch.meshgrid(*ways, indexing="ij"), -1)[None]
        self.register_buffer("relative_coords_table", far.sign() * (far.abs() + 1).log2() / 3)
        self.register_buffer("relative_position_index", between_positions(window).flatten())
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, heads, bias=False)
        )
        nn.init.zeros_(self.qkv.bias[channels : 2 * channels])

    def forward(self, x: Tensor) -> Tensor:
        area = self.window[0] * self.window[1]
        offsets = self.cpb_mlp(self.relative_coords_table).view(-1, self.heads)
        bias = offsets[self.relative_position_index].view(area, area, self.heads).permute(2, 0, 1)
        query, _, value = self.qkv.bias.chunk(3)  # the keys have no offset
        qkv = self.qkv.weight, torch.cat([query, torch.zeros_like(query), value])
        proj, scale = (self.proj.weight, self.proj.bias), self.logit_scale.clamp(max=math.log(100))
        bias = 16 * bias.sigmoid()
        return window_attention(x, qkv, proj, bias, self.window, self.shift, scale.exp())


class TokenPool(nn.Module):
    """Pools the tokens behind the first by a depthwise convolution, then a norm.

    Tokens are those of a map, for every head.
    """

    def __init__(
        self, channels: int, kernel: tuple[int, int, int], stride: tuple[int, int, int], eps: float
    ) -> None:
        super().__init__()
        padding = kernel[0] // 2, kernel[1] // 2, kernel[2] // 2
        self.pool = nn.Conv3d(
            channels, channels, kernel, stride, padding, groups=channels, bias=False
        )
        self.norm_act = nn.Sequential(nn.LayerNorm(channels, eps=eps))

    def forward(self, x: Tensor, size: tuple[int, int, int], heads: int) -> Tensor:
        first, rest = x[:, :, :1], x[:, :, 1:].transpose(2, 3)
        rest = rest.reshape(-1, x.shape[3], size[0], size[1], size[2])
        rest = self.pool(rest).flatten(2)
        rest = rest.unflatten(0, (-1, heads)).transpose(2, 3)
        pooled: Tensor = self.norm_act(torch.cat([first, rest], 2))
        return pooled


def rows_between(table: Tensor, queries: int, keys: int) -> Tensor:
    """The rows of a table for the distances from queries to keys along an axis."""
    query = torch.arange(queries, device=table.device)[:, None]
    key = torch.arange(keys, device=table.device) + (1.0 - keys)
    apart = query * max(keys / queries, 1.0) - key * max(queries / keys, 1.0)
    return table[apart.long()]


@torch.fx.wrap
def add_distances(
    scores: Tensor,
    q: Tensor,
    tables: tuple[Tensor, Tensor, Tensor],
    queries: tuple[int, int, int],
    keys: tuple[int, int, int],
) -> Tensor:
    """Adds the products of queries with the rows of a table for their distances along every axis.

    The first token has no place.
    """
    rows = [rows_between(tables[n], queries[n], keys[n]) for n in range(3)]
    t, h, w = queries
    q = q[:, :, 1:].reshape(q.shape[0], q.shape[1], t, h, w, q.shape[3])
    depth = torch.einsum("nadhwc,dkc->nadhwk", q, rows[0])[..., None, None]
    height = torch.einsum("nadhwc,hkc->nadhwk", q, rows[1])[..., None, :, None]
    width = torch.einsum("nadhwc,wkc->nadhwk", q, rows[2])[..., None, None, :]
    scores[:, :, 1:, 1:] += (height + width + depth).flatten(5).flatten(2, 4)
    return scores


class PooledAttention(nn.Module):
    """Self-attention of a class token and a map of three axes, with pools."""

    def __init__(
        self,
        channels: int,
        out: int,
        heads: int,
        size: tuple[int, int, int],
        kernel: tuple[int, int, int] | None = None,
        stride: tuple[int, int, int] | None = None,
        query_kernel: tuple[int, int, int] | None = None,
        query_stride: tuple[int, int, int] | None = None,
        residual: str = "none",
        relative: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.heads, self.size, self.residual, self.relative = heads, size, residual, relative
        self.kernel, self.stride, self.eps = kernel, stride, eps
        self.query_kernel, self.query_stride = query_kernel, query_stride
        self.rel_pos_h: Tensor | None
        self.rel_pos_w: Tensor | None
        self.rel_pos_t: Tensor | None
        each, one = out // heads, (1, 1, 1)
        self.queries = pooled_size(size, query_kernel, query_stride or one)
        self.keys = pooled_size(size, kernel, stride or one)
        rows = [2 * max(pair) - 1 for pair in zip(self.queries, self.keys, strict=True)]
        for axis, count in zip("hwt", (rows[1], rows[2], rows[0]), strict=True):
            table = nn.init.trunc_normal_(torch.empty(count, each), std=0.02) if relative else None
            learned = None if table is None else nn.Parameter(table)
            self.register_parameter(f"rel_pos_{axis}", learned)
        self.qkv = nn.Linear(channels, 3 * out)
        self.project = nn.Sequential(nn.Linear(out, out))
        wide, step = query_kernel, query_stride or one
        self.pool_q = None if wide is None else TokenPool(each, wide, step, eps)
        wide, step = kernel, stride or one
        self.pool_k = None if wide is None else TokenPool(each, wide, step, eps)
        self.pool_v = None if wide is None else TokenPool(each, wide, step, eps)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).transpose(1, 3)
        q, k, v = qkv.unbind(2)
        if self.pool_k is not None and self.pool_v is not None:
            k = self.pool_k(k, self.size, self.heads)
            v = self.pool_v(v, self.size, self.heads)
        if self.pool_q is not None:
            q = self.pool_q(q, self.size, self.heads)
        scores = (q * (q.shape[-1] ** -0.5)) @ k.transpose(2, 3)
        t, h, w = self.rel_pos_t, self.rel_pos_h, self.rel_pos_w
        if t is not None and h is not None and w is not None:
            scores = add_distances(scores, q, (t, h, w), self.queries, self.keys)
        x = scores.softmax(-1) @ v
        if self.residual == "all":
            x = x + q
        elif self.residual == "positions":
            x = torch.cat([x[:, :, :1], x[:, :, 1:] + q[:, :, 1:]], 2)
        projected: Tensor = self.project(x.transpose(1, 2).flatten(2))
        return projected


def pooled_size(
    size: tuple[int, int, int],
    kernel: tuple[int, int, int] | None,
    stride: tuple[int, int, int],
) -> tuple[int, int, int]:
    """The size behind a pool that is padded by half its kernel."""
    if kernel is None:
        return size
    d, h, w = ((n + k // 2 * 2 - k) // s + 1 for n, k, s in zip(size, kernel, stride, strict=True))
    return d, h, w


class RelativeAttention(nn.Module):
    """Self-attention over the positions of a window, with relative positions."""

    def __init__(
        self, channels: int, heads: int, window: tuple[int, int], scale: float | None = None
    ) -> None:
        super().__init__()
        self.heads, self.window, self.scale = heads, window, scale
        self.relative_position_index: Tensor
        self.relative_position_bias_table = position_table(window, heads)
        self.register_buffer("relative_position_index", between_positions(window))
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.merge = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        qkv = self.to_qkv(x).flatten(0, -3).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # of four axes, as ONNX has attention
        out = F.scaled_dot_product_attention(q, k, v, bias, scale=self.scale)
        merged: Tensor = self.merge(out.transpose(1, 2).reshape(x.shape))
        return merged
