"""Modules that PyTorch does not have; emitted source carries a copy of those that it uses.

Each class stands alone: it may use `math`, `torch`, `nn` and `F`, and no other class but those that
`REQUIRES` in `calls.py` names.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DenseBlock(nn.Sequential):
    """Every layer sees the concatenation of the input and all earlier layers' outputs."""

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for layer in self:
            maps.append(layer(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


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
