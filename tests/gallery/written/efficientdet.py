"""EfficientDet-D0 from the paper, on torchvision's EfficientNet-B0.

What the paper leaves open is the authors' code's: a batch norm behind every convolution but those
inside of separable ones, biases before it, and second lateral convolutions for the way up.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import efficientnet_b0

norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


class Separable(nn.Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.pointwise = nn.Conv2d(width, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class Lateral(nn.Sequential):
    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(given, width, 1), norm(width)


class Fuse(nn.Module):
    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(count))
        self.conv, self.bn = Separable(width, width), norm(width)

    def forward(self, *maps: Tensor) -> Tensor:
        share = F.relu(self.weights)
        share = share / (share.sum() + 0.0001)
        total = sum(one * x for one, x in zip(share, maps, strict=True))
        return self.bn(self.conv(F.silu(total)))


def down(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2, 1)


def up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0)


class BiFpn(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        counts = {"td6": 2, "td5": 2, "td4": 2, "out3": 2, "out4": 3, "out5": 3, "out6": 3}
        for name, count in {**counts, "out7": 2}.items():
            self.add_module(name, Fuse(count, width))

    def forward(self, maps: list[Tensor], again: list[Tensor]) -> list[Tensor]:
        p3, p4, p5, p6, p7 = maps
        q4, q5 = again
        td6 = self.td6(p6, up(p7))
        td5 = self.td5(p5, up(td6))
        td4 = self.td4(p4, up(td5))
        out3 = self.out3(p3, up(td4))
        out4 = self.out4(q4, td4, down(out3))
        out5 = self.out5(q5, td5, down(out4))
        out6 = self.out6(p6, td6, down(out5))
        return [out3, out4, out5, out6, self.out7(p7, down(out6))]


class Tower(nn.Module):
    def __init__(self, width: int, out: int, layers: int = 3, levels: int = 5) -> None:
        super().__init__()
        self.layers = layers
        for n in range(layers):
            self.add_module(f"conv{n}", Separable(width, width))
            self.add_module(f"bn{n}", nn.ModuleList(norm(width) for _ in range(levels)))
        self.predict = Separable(width, out)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        found = []
        for level, x in enumerate(maps):
            for n in range(self.layers):
                x = self.get_submodule(f"conv{n}")(x)
                x = F.silu(self.get_submodule(f"bn{n}.{level}")(x))
            found.append(self.predict(x))
        return found


class EfficientDetD0(nn.Module):
    def __init__(self, width: int = 64, classes: int = 90, anchors: int = 9) -> None:
        super().__init__()
        self.features = efficientnet_b0(norm_layer=norm).features[:8]
        given = {"lateral3": 40, "lateral4": 112, "lateral5": 320}
        given |= {"again4": 112, "again5": 320, "lateral6": 320}
        for name, channels in given.items():
            self.add_module(name, Lateral(channels, width))
        self.bifpn = nn.ModuleList(BiFpn(width) for _ in range(3))
        self.class_net = Tower(width, anchors * classes)
        self.box_net = Tower(width, 4 * anchors)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and not name.startswith("features"):  # as its backbone
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> list[Tensor]:
        c3 = self.features[:4](x)
        c4 = self.features[4:6](c3)
        c5 = self.features[6:](c4)
        p6 = down(self.lateral6(c5))
        maps = [self.lateral3(c3), self.lateral4(c4), self.lateral5(c5), p6, down(p6)]
        again = [self.again4(c4), self.again5(c5)]
        for cell in self.bifpn:
            maps = cell(maps, again)
            again = maps[1:3]
        return [*self.class_net(maps), *self.box_net(maps)]
