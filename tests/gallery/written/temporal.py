"""Networks of sound, of sequences and of video, from their papers."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Causal(nn.Module):
    """Every sample beside the one `dilation` before it."""

    def __init__(self, given: int, out: int, dilation: int = 1) -> None:
        super().__init__()
        self.dilation, self.conv = dilation, nn.Conv1d(given, out, 2, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (self.dilation, 0)))


class Gated(nn.Module):
    """Van den Oord et al. 2016, equation 2."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.filter, self.gate = Causal(32, 32, dilation), Causal(32, 32, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.filter(x).tanh() * self.gate(x).sigmoid()


class Layer(nn.Module):
    """Figure 4; what goes on from the last one is not used."""

    def __init__(self, dilation: int, last: bool) -> None:
        super().__init__()
        self.gated, self.skip = Gated(dilation), nn.Conv1d(32, 256, 1)
        self.out = None if last else nn.Conv1d(32, 32, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.gated(x)
        return x if self.out is None else x + self.out(z), self.skip(z)


class WaveNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.causal = Causal(256, 32)
        self.layers = nn.ModuleList(Layer(2 ** (n % 10), n == 29) for n in range(30))
        self.post1, self.post2 = nn.Conv1d(256, 256, 1), nn.Conv1d(256, 256, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, total = self.causal(x), 0
        for layer in self.layers:
            x, skip = layer(x)
            total = total + skip
        return self.post2(self.post1(total.relu()).relu())


class Temporal(nn.Module):
    """Bai et al. 2018, figure 1b, its weight norm folded."""

    def __init__(self, given: int, dilation: int) -> None:
        super().__init__()
        self.before = 6 * dilation
        self.conv1 = nn.Conv1d(given, 25, 7, dilation=dilation)
        self.conv2 = nn.Conv1d(25, 25, 7, dilation=dilation)
        self.downsample = nn.Conv1d(given, 25, 1) if given != 25 else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.pad(x, (self.before, 0))).relu()
        y = self.conv2(F.pad(y, (self.before, 0))).relu()
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class Tcn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(*(Temporal(25 if n else 1, 2**n) for n in range(8)))
        self.linear = nn.Linear(25, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.network(x)[..., -1])


class Stream(nn.Module):
    """Simonyan and Zisserman 2014, figure 1."""

    def __init__(self, given: int, norms: int) -> None:
        super().__init__()
        self.norms = norms
        self.conv1 = nn.Conv2d(given, 96, 7, stride=2)
        self.conv2 = nn.Conv2d(96, 256, 5, stride=2, padding=1)
        self.conv3 = nn.Conv2d(256, 512, 3, padding=1)
        self.conv4 = nn.Conv2d(512, 512, 3, padding=1)
        self.conv5 = nn.Conv2d(512, 512, 3, padding=1)
        self.full6, self.full7 = nn.Linear(512 * 36, 4096), nn.Linear(4096, 2048)
        self.scores = nn.Linear(2048, 101)

    @staticmethod
    def normalised(x: Tensor) -> Tensor:
        squares = F.pad(x**2, (0, 0, 0, 0, 2, 2))
        total = sum(squares[:, n : n + x.shape[1]] for n in range(5))
        return x / (2 + 0.0001 * total) ** 0.75

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.normalised(self.conv1(x).relu()), 2)
        x = self.conv2(x).relu()
        x = F.max_pool2d(self.normalised(x) if self.norms == 2 else x, 2)
        x = self.conv5(self.conv4(self.conv3(x).relu()).relu()).relu()
        x = F.max_pool2d(x, 2).flatten(1)
        return self.scores(self.full7(self.full6(x).relu()).relu()).softmax(1)


class TwoStream(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spatial, self.temporal = Stream(3, norms=2), Stream(20, norms=1)

    def forward(self, frame: Tensor, flow: Tensor) -> Tensor:
        return torch.stack([self.spatial(frame), self.temporal(flow)]).mean(0)
