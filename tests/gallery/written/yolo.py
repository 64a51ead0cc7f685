"""YOLOv5s and YOLOv8n up to the logits, from the tables that were published with them.

A row is where a layer gets its maps from (-1: the layer before), how often its unit repeats, its
name, and what it takes. Widths and repeats are of the large network and are scaled.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

V8 = [
    (-1, 1, "Conv", 64, 3, 2), (-1, 1, "Conv", 128, 3, 2), (-1, 3, "C2f", 128, True),
    (-1, 1, "Conv", 256, 3, 2), (-1, 6, "C2f", 256, True), (-1, 1, "Conv", 512, 3, 2),
    (-1, 6, "C2f", 512, True), (-1, 1, "Conv", 1024, 3, 2), (-1, 3, "C2f", 1024, True),
    (-1, 1, "SPPF", 1024),
    (-1, 1, "Up"), ((-1, 6), 1, "Concat"), (-1, 3, "C2f", 512, False),
    (-1, 1, "Up"), ((-1, 4), 1, "Concat"), (-1, 3, "C2f", 256, False),
    (-1, 1, "Conv", 256, 3, 2), ((-1, 12), 1, "Concat"), (-1, 3, "C2f", 512, False),
    (-1, 1, "Conv", 512, 3, 2), ((-1, 9), 1, "Concat"), (-1, 3, "C2f", 1024, False),
    ((15, 18, 21), 1, "DetectV8"),
]  # fmt: skip
V5 = [
    (-1, 1, "Conv", 64, 6, 2), (-1, 1, "Conv", 128, 3, 2), (-1, 3, "C3", 128, True),
    (-1, 1, "Conv", 256, 3, 2), (-1, 6, "C3", 256, True), (-1, 1, "Conv", 512, 3, 2),
    (-1, 9, "C3", 512, True), (-1, 1, "Conv", 1024, 3, 2), (-1, 3, "C3", 1024, True),
    (-1, 1, "SPPF", 1024),
    (-1, 1, "Conv", 512, 1, 1), (-1, 1, "Up"), ((-1, 6), 1, "Concat"), (-1, 3, "C3", 512, False),
    (-1, 1, "Conv", 256, 1, 1), (-1, 1, "Up"), ((-1, 4), 1, "Concat"), (-1, 3, "C3", 256, False),
    (-1, 1, "Conv", 256, 3, 2), ((-1, 14), 1, "Concat"), (-1, 3, "C3", 512, False),
    (-1, 1, "Conv", 512, 3, 2), ((-1, 10), 1, "Concat"), (-1, 3, "C3", 1024, False),
    ((17, 20, 23), 1, "DetectV5"),
]  # fmt: skip


class Conv(nn.Module):
    def __init__(self, given: int, out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, out, kernel, stride, (kernel - 1) // 2, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, width: int, first: int, adds: bool) -> None:
        super().__init__()
        self.cv1, self.cv2, self.adds = Conv(width, width, first), Conv(width, width, 3), adds

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.adds else y


class C2f(nn.Module):
    def __init__(self, given: int, out: int, n: int, adds: bool) -> None:
        super().__init__()
        half = out // 2
        self.cv1, self.cv2 = Conv(given, out), Conv((2 + n) * half, out)
        self.m = nn.ModuleList(Bottleneck(half, 3, adds) for _ in range(n))

    def forward(self, x: Tensor) -> Tensor:
        maps = list(self.cv1(x).chunk(2, 1))
        for m in self.m:
            maps.append(m(maps[-1]))
        return self.cv2(torch.cat(maps, 1))


class C3(nn.Module):
    def __init__(self, given: int, out: int, n: int, adds: bool) -> None:
        super().__init__()
        half = out // 2
        self.cv1, self.cv2, self.cv3 = Conv(given, half), Conv(given, half), Conv(out, out)
        self.m = nn.Sequential(*(Bottleneck(half, 1, adds) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat([self.m(self.cv1(x)), self.cv2(x)], 1))


class SPPF(nn.Module):
    def __init__(self, given: int, out: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(given, given // 2), Conv(2 * given, out)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.cv1(x)]
        for _ in range(3):
            maps.append(self.m(maps[-1]))
        return self.cv2(torch.cat(maps, 1))


class DetectV8(nn.Module):
    def __init__(self, given: list[int], classes: int) -> None:
        super().__init__()
        boxes, scores = max(16, given[0] // 4, 64), max(given[0], min(classes, 100))
        self.cv2 = nn.ModuleList(self.tower(c, boxes, 64) for c in given)
        self.cv3 = nn.ModuleList(self.tower(c, scores, classes) for c in given)

    @staticmethod
    def tower(given: int, width: int, out: int) -> nn.Sequential:
        return nn.Sequential(Conv(given, width, 3), Conv(width, width, 3), nn.Conv2d(width, out, 1))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        heads = zip(self.cv2, self.cv3, maps, strict=True)
        return [torch.cat([boxes(x), scores(x)], 1) for boxes, scores, x in heads]


class DetectV5(nn.Module):
    def __init__(self, given: list[int], classes: int) -> None:
        super().__init__()
        self.m = nn.ModuleList(nn.Conv2d(c, 3 * (5 + classes), 1) for c in given)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        return [m(x) for m, x in zip(self.m, maps, strict=True)]


def layer(
    name: str, given: list[int], out: int, n: int, settings: list[Any], classes: int
) -> nn.Module:
    match name:
        case "Conv":
            return Conv(given[0], out, *settings)
        case "C2f":
            return C2f(given[0], out, n, *settings)
        case "C3":
            return C3(given[0], out, n, *settings)
        case "SPPF":
            return SPPF(given[0], out)
        case "Up":
            return nn.Upsample(scale_factor=2)
        case "DetectV8":
            return DetectV8(given, classes)
        case "DetectV5":
            return DetectV5(given, classes)
        case _:
            return nn.Identity()


class Yolo(nn.Module):
    def __init__(self, rows: list[Any], depth: float, width: float, classes: int = 80) -> None:
        super().__init__()
        self.rows, self.model, channels = rows, nn.ModuleList(), [3]
        for source, n, name, *settings in rows:
            sources = [source] if isinstance(source, int) else source
            given = [channels[at if at == -1 else at + 1] for at in sources]
            n = max(round(n * depth), 1)
            out = math.ceil(settings[0] * width / 8) * 8 if settings else sum(given)
            self.model.append(layer(name, given, out, n, settings[1:], classes))
            channels.append(out)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps: list[Any] = []
        for (source, _, name, *_), layer in zip(self.rows, self.model, strict=True):
            if isinstance(source, tuple):
                chosen = [maps[at] for at in source]
                maps.append(torch.cat(chosen, 1) if name == "Concat" else layer(chosen))
            else:
                maps.append(layer(maps[-1] if maps else x))
        found: list[Tensor] = maps[-1]
        return found
