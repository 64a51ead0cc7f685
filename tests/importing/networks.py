"""Networks as people write them, which torchvision's are not like."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Functional(nn.Module):
    """Everything but the weights is called, not made."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.dropout(x.mean((2, 3)), 0.3, self.training)
        return self.fc(x).softmax(-1)


class Shared(nn.Module):
    """One layer and one block, used more than once."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        for _ in range(3):
            x = self.relu(x + self.block(x))
        return x


class TwoInputs(nn.Module):
    """Two inputs, and results by name."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb = nn.Conv2d(3, 8, 3, padding=1)
        self.depth = nn.Conv2d(1, 8, 3, padding=1)
        self.head = nn.Conv2d(16, 4, 1)

    def forward(self, image: Tensor, depth: Tensor) -> dict[str, Tensor]:
        a, b = self.rgb(image), self.depth(depth)
        joined = torch.cat([a, F.interpolate(b, size=a.shape[2:])], 1)
        return {"mask": self.head(joined), "edges": a - 0.5 * F.interpolate(b, scale_factor=2)}


class Lists(nn.Module):
    """Lists in lists, run crosswise, and results in a nested list."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range(3)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(4) for _ in range(3)])
        self.heads = nn.ModuleDict({"a": nn.Conv2d(4, 2, 1), "b": nn.Conv2d(4, 3, 1)})

    def forward(self, x: Tensor) -> Any:
        parts = x.chunk(3, 1)
        done: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.norms, strict=True):
            done.append(norm(conv(part + done[-1] if done else part)))
        return [done[0], (self.heads["a"](done[1]), self.heads["b"](done[2]))]


class OnShape(nn.Module):
    """What it does depends on the size of the map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if x.shape[-1] % 2:
            x = F.pad(x, (0, 1, 0, 1))
        while x.shape[-1] > 4:
            x = F.avg_pool2d(x, 2)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Tokens(nn.Module):
    """A vision transformer's parts, by hand: parameters of its own, and attention."""

    def __init__(self, dim: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos = nn.Parameter(torch.zeros(1, 17, dim))
        self.embed = nn.Conv2d(3, dim, 4, 4)
        self.norm = nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.gamma = nn.Parameter(torch.ones(dim))
        self.head = nn.Linear(dim, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1) + self.pos
        y = self.norm(x)
        x = x + self.gamma * self.attn(y, y, y, need_weights=False)[0]
        return self.head(x[:, 0])


class Einsum(nn.Module):
    """A layer of its own, in which is what no op says."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.mixing = Mixing(4)
        self.out = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.sin(self.mixing(self.conv(x))))


class Mixing(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nchw,cd->ndhw", x, self.matrix)


class Auxiliary(nn.Module):
    """A branch in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.side = nn.Linear(4, 2)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Any:
        x = F.adaptive_avg_pool2d(self.body(x), 1).flatten(1)
        if self.training:
            return {"out": self.head(x), "side": self.side(x)}
        return {"out": self.head(x)}


class Recurrent(nn.Module):
    """A layer that gives several tensors, and of which there is no op."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3, padding=1)
        self.lstm = nn.LSTM(5, 6, batch_first=True)
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(F.relu(self.conv(x)).transpose(1, 2))
        return self.fc(y[:, -1])


class Largest(nn.Module):
    """Convolutions of a text side by side, and the largest of each over time."""

    def __init__(self, places: bool = False) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(4, 3, kernel) for kernel in (2, 3)])
        self.fc = nn.Linear(6, 2)
        self.places = places

    def forward(self, x: Tensor) -> Tensor:
        found = [conv(x).max(dim=2) for conv in self.convs]
        if self.places:
            return torch.cat([one.indices for one in found], 1)
        return self.fc(torch.cat([one.values for one in found], 1))


class OnValues(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = x + x
        if x.mean() > 0:
            return x
        return -x


class Overwritten(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        flat = y.flatten(1)
        y.relu_()
        return flat * 2


class Part(nn.Module):
    """Writes into a part of a tensor."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y[:, 0] = 0
        return y


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return x * 2


class Wrapped(nn.Module):
    """Another module by the path `inner`."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Any:
        return self.inner(x)
