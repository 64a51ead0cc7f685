"""Modules that PyTorch does not have; emitted source carries a copy of those that it uses.

Each class stands alone: it may use `math`, `torch`, `nn` and `F`, and no other class but those that
`REQUIRES` in `calls.py` names.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def make_divisible(value: float, divisor: float) -> int:
    """The multiple of `divisor` nearest to `value`, never under 0.9 `value`."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return int(rounded if rounded >= 0.9 * value else rounded + divisor)


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


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of a map."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(1, -1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
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
        return x.reshape(x.shape[0], *self.shape)


class Permute(nn.Module):
    """The axes in another order; the batch, axis 0, stays."""

    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, *self.order)


class CenterCrop(nn.Module):
    """The centre of a map."""

    def __init__(self, *size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return center_crop(x, self.size)


def center_crop(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """The centre of `x` with the given spatial size."""
    for axis, length in enumerate(size, 2):
        x = x.narrow(axis, (x.shape[axis] - length) // 2, length)
    return x


def pad_same(
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    value: float = 0.0,
) -> Tensor:
    """Pads to `ceil(size / stride)` windows as TensorFlow does: an odd pixel at the far side."""
    pads: list[int] = []
    for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.pad(x, pads, value=value)


class Conv1dSame(nn.Conv1d):
    """Convolution with TensorFlow's `same` padding."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pad_same(x, self.kernel_size, self.stride, self.dilation))


class Conv2dSame(nn.Conv2d):
    """Convolution with TensorFlow's `same` padding."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pad_same(x, self.kernel_size, self.stride, self.dilation))


class Conv3dSame(nn.Conv3d):
    """Convolution with TensorFlow's `same` padding."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pad_same(x, self.kernel_size, self.stride, self.dilation))


class MaxPoolSame(nn.Module):
    """Maximum pooling with TensorFlow's `same` padding."""

    def __init__(self, kernel_size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        ones = (1,) * len(self.kernel_size)
        x = pad_same(x, self.kernel_size, self.stride, ones, float("-inf"))
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(ones) - 1]
        return pool(x, self.kernel_size, self.stride)


class AvgPoolSame(nn.Module):
    """Mean pooling with TensorFlow's `same` padding, which the mean leaves out."""

    def __init__(self, kernel_size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        ones = (1,) * len(self.kernel_size)
        inside = pad_same(torch.ones_like(x[:1, :1]), self.kernel_size, self.stride, ones)
        x = pad_same(x, self.kernel_size, self.stride, ones)
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(ones) - 1]
        return pool(x, self.kernel_size, self.stride) / pool(inside, self.kernel_size, self.stride)


class Tokens(nn.Module):
    """A map as a sequence of vectors, one for every position."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class PatchMerging(nn.Module):
    """Joins every 2x2 patch of a map (channels last) into one position."""

    def __init__(self, in_channels: int, out_channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * in_channels, out_channels, bias=False)
        self.norm = nn.LayerNorm(4 * in_channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        x = torch.cat(corners, -1)
        x = self.norm(x)
        x = self.reduction(x)
        return x


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
        rows, columns = 2 * window[0] - 1, 2 * window[1] - 1
        self.relative_position_bias_table = nn.Parameter(torch.empty(rows * columns, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        y = torch.arange(window[0]).repeat_interleave(window[1])
        x = torch.arange(window[1]).repeat(window[0])
        up = y[:, None] - y[None, :] + window[0] - 1
        left = x[:, None] - x[None, :] + window[1] - 1
        self.register_buffer("relative_position_index", (up * columns + left).flatten())
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def split(self, x: Tensor) -> Tensor:
        """`(n, h, w, c)` to `(n, windows, positions, c)`."""
        n, h, w, c = x.shape
        high, wide = self.window
        x = x.reshape(n, h // high, high, w // wide, wide, c).transpose(2, 3)
        return x.reshape(n, -1, high * wide, c)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, c = x.shape
        high, wide = self.window
        x = F.pad(x, (0, 0, 0, -width % wide, 0, -height % high))
        h, w = x.shape[1:3]
        shift = (self.shift[0] if h > high else 0, self.shift[1] if w > wide else 0)
        x = torch.roll(x, (-shift[0], -shift[1]), (1, 2))
        qkv = self.qkv(self.split(x)).unflatten(-1, (3, self.heads, c // self.heads))
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)
        scores = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index]
        scores = scores + bias.view(high * wide, high * wide, self.heads).permute(2, 0, 1)
        if shift != (0, 0):
            scores = scores + self.mask(h, w, shift, x)
        x = (scores.softmax(-1) @ v).transpose(2, 3).reshape(n, -1, high * wide, c)
        x = self.proj(x).reshape(n, h // high, w // wide, high, wide, c)
        x = torch.roll(x.transpose(2, 3).reshape(n, h, w, c), shift, (1, 2))
        return x[:, :height, :width].contiguous()

    def mask(self, h: int, w: int, shift: tuple[int, int], like: Tensor) -> Tensor:
        """-100 between positions that are neighbours only because of the shift."""
        regions = []
        for size, window, step in zip((h, w), self.window, shift, strict=True):
            at = torch.arange(size, device=like.device)
            regions.append((at >= size - window).long() + (at >= size - step).long())
        region = (3 * regions[0][:, None] + regions[1][None, :])[None, :, :, None]
        region = self.split(region).squeeze(-1)[0]
        apart = region[:, :, None] != region[:, None, :]
        return apart.to(like.dtype)[:, None] * -100.0
