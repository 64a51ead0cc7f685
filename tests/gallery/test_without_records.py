"""Networks that no record has outputs of, against others' modules or the paper written in PyTorch.

Ours takes the other's weights, all by name and in order, and gives what it gives, in float64.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.googlenet import GoogLeNet, Inception, InceptionAux
from torchvision.models.resnet import BasicBlock

import archdsl


@pytest.fixture(autouse=True)
def seeded() -> Any:
    with torch.no_grad():
        torch.manual_seed(0)
        yield


def weighted(module: nn.Module) -> nn.Module:
    """The module in float64, with statistics that matter."""
    for key, tensor in module.state_dict().items():
        if key.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return module.double().eval()


def with_weights_of(theirs: nn.Module, name: str, but: str = " ", **params: Any) -> nn.Module:
    """Our network with the other's weights, but for those whose names begin so."""
    ours = archdsl.compile(name, params=params)
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith(but)}
    assert list(state) == list(ours.state_dict())
    ours.load_state_dict(state)
    return ours.double().eval()


def image(*shape: int) -> Tensor:
    return torch.randn(1, *shape).double()


def assert_same(found: Iterable[Tensor], expected: Iterable[Tensor]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert theirs.std() > 0
        assert float((ours - theirs).abs().max()) <= 1e-9 * float(theirs.abs().max())


# pyramids and detectors, up to what comes behind the last weights


def test_the_pyramid_is_torchvisions() -> None:
    norm = {"norm_layer": nn.BatchNorm2d}
    theirs = weighted(resnet_fpn_backbone(backbone_name="resnet50", weights=None, **norm))
    found = with_weights_of(theirs, "resnet50_fpn")(x := image(3, 64, 96))
    assert list(found) == ["p2", "p3", "p4", "p5", "pool"]
    assert_same(found.values(), theirs(x).values())


def test_the_proposals_of_faster_rcnn_are_torchvisions() -> None:
    plain = {"weights": None, "weights_backbone": None}
    theirs: Any = weighted(detection.fasterrcnn_resnet50_fpn(**plain))
    found = with_weights_of(theirs, "fasterrcnn_resnet50_fpn", "roi_heads.")(x := image(3, 64, 96))
    logits, boxes = theirs.rpn.head(list(theirs.backbone(x).values()))
    assert_same(found.values(), [*logits, *boxes])


def test_the_heads_of_retinanet_are_torchvisions() -> None:
    plain = {"weights": None, "weights_backbone": None}
    theirs: Any = weighted(detection.retinanet_resnet50_fpn(**plain))
    found = with_weights_of(theirs, "retinanet_resnet50_fpn")(x := image(3, 64, 96))
    logits, boxes = theirs.head.classification_head, theirs.head.regression_head
    maps = theirs.backbone(x).values()
    expected = [logits.cls_logits(logits.conv(map)) for map in maps]
    expected += [boxes.bbox_reg(boxes.conv(map)) for map in maps]
    assert_same(found.values(), expected)


# He et al. 2016, section 4.2: nets without shortcuts, and with shortcuts without weights


class Plain(BasicBlock):
    """torchvision's block without its shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)))


class ZeroPadded(BasicBlock):
    """torchvision's block; its shortcut drops positions and adds channels of zeros."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        more = y.shape[1] - x.shape[1]
        shortcut = x[:, :, :: self.stride, :: self.stride]
        return self.relu(y + functional.pad(shortcut, (0, 0, 0, 0, 0, more)))


class CifarNet(nn.Sequential):
    def __init__(self, block: type[BasicBlock], blocks: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        for stage, (given, width) in enumerate([(16, 16), (16, 32), (32, 64)]):
            first = block(given, width, stride=2 if stage else 1)
            rest = (block(width, width) for _ in range(blocks - 1))
            self.add_module(f"layer{stage + 1}", nn.Sequential(first, *rest))
        self.avgpool, self.flatten, self.fc = nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10)


@pytest.mark.parametrize(("name", "blocks"), [("plain20_cifar10", 3), ("plain56_cifar10", 9)])
def test_plain_nets_are_resnets_without_shortcuts(name: str, blocks: int) -> None:
    theirs = weighted(CifarNet(Plain, blocks))
    assert_same([with_weights_of(theirs, name)(x := image(3, 32, 32))], [theirs(x)])


def test_shortcuts_without_weights_drop_positions_and_add_zeros() -> None:
    theirs = weighted(CifarNet(ZeroPadded, 3))
    ours = with_weights_of(theirs, "resnet20_cifar10", shortcut="zero_padding")
    assert_same([ours(x := image(3, 32, 32))], [theirs(x)])


# Krizhevsky et al. 2012, sections 3.3 to 5


class OnTwoGpus(nn.Module):
    """A layer that sees its own GPU's maps only is two convolutions of halves."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(48, 256, 5, padding=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(192, 384, 3, padding=1)
        self.conv5 = nn.Conv2d(192, 256, 3, padding=1)
        self.fc6, self.fc7 = nn.Linear(256 * 36, 4096), nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, 1000)

    @staticmethod
    def on_its_own(conv: nn.Conv2d, x: Tensor) -> Tensor:
        each = zip(x.chunk(2, dim=1), conv.weight.chunk(2), conv.bias.chunk(2), strict=True)
        return torch.cat([functional.conv2d(*gpu, padding=conv.padding) for gpu in each], dim=1)

    @staticmethod
    def normalised(x: Tensor) -> Tensor:
        squares = functional.pad(x**2, (0, 0, 0, 0, 2, 2))
        total = sum(squares[:, n : n + x.shape[1]] for n in range(5))
        return x / (2 + 0.0001 * total) ** 0.75

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.normalised(self.conv1(x).relu()), 3, 2)
        x = functional.max_pool2d(self.normalised(self.on_its_own(self.conv2, x).relu()), 3, 2)
        x = self.on_its_own(self.conv4, self.conv3(x).relu()).relu()
        x = functional.max_pool2d(self.on_its_own(self.conv5, x).relu(), 3, 2).flatten(1)
        return self.fc8(self.fc7(self.fc6(x).relu()).relu())


def test_the_papers_alexnet_is_what_the_paper_says() -> None:
    theirs = weighted(OnTwoGpus())
    assert_same([with_weights_of(theirs, "alexnet_paper")(x := image(3, 227, 227))], [theirs(x)])


def test_the_papers_alexnet_starts_as_section_5_says() -> None:
    state = archdsl.compile("alexnet_paper").state_dict()
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    for key, tensor in state.items():
        layer, _, kind = key.partition(".")
        if kind == "bias":
            assert torch.equal(tensor, torch.full_like(tensor, layer in ones))
        else:
            assert float(tensor.std()) == pytest.approx(0.01, rel=0.02)


# Szegedy et al. 2015, from torchvision's net, which has other convolutions and pools


class Conv(nn.Module):
    """A convolution and ReLU: 5x5 for the 3x3 that torchvision has in the third path."""

    def __init__(self, given: int, out: int, kernel_size: int, **rest: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, out, kernel_size, **rest)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x))


class PaperInception(Inception):
    def __init__(self, given: int, *widths: int) -> None:
        super().__init__(given, *widths, conv_block=Conv)
        self.branch3[1] = Conv(widths[3], widths[4], 5, padding=2)


class PaperAux(InceptionAux):
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(functional.avg_pool2d(x, 5, stride=3)).flatten(1)
        return self.fc2(self.dropout(functional.relu(self.fc1(x))))


def test_the_papers_googlenet_is_what_the_paper_says() -> None:
    aux = partial(PaperAux, conv_block=Conv)
    theirs: Any = GoogLeNet(init_weights=False, blocks=[Conv, PaperInception, aux])
    norm = nn.LocalResponseNorm(5, alpha=0.0001, beta=0.75)
    pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    theirs.maxpool1, theirs.maxpool2 = nn.Sequential(pool, norm), nn.Sequential(norm, pool)
    theirs.maxpool4 = pool
    ours = with_weights_of(theirs.double(), "googlenet_paper")
    for module in (*theirs.modules(), *ours.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    result = ours.train()(x := image(3, 224, 224))
    expected = theirs.train()(x)
    assert result._fields == expected._fields == ("logits", "aux_logits2", "aux_logits1")
    assert_same(list(result), list(expected))


# Ronneberger et al. 2015, figure 1


def double(given: int, out: int) -> nn.Sequential:
    first, second = nn.Conv2d(given, out, 3), nn.Conv2d(out, out, 3)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


class UNet(nn.Module):
    """Convolutions without padding; the middle of every map meets the smaller ones."""

    def __init__(self) -> None:
        super().__init__()
        widths = [64, 128, 256, 512, 1024]
        names = ["down1", "down2", "down3", "down4", "bottom"]
        for name, given, width in zip(names, [1, *widths], widths, strict=False):
            self.add_module(name, nn.ModuleDict({"conv": double(given, width)}))
        for n, width in enumerate(reversed(widths[:-1])):
            up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
            self.add_module(
                f"up{n + 1}", nn.ModuleDict({"up": up, "conv": double(2 * width, width)})
            )
        self.outc = nn.Conv2d(64, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for n in range(1, 5):
            maps.append(x := self.get_submodule(f"down{n}.conv")(x))
            x = functional.max_pool2d(x, 2)
        x = self.get_submodule("bottom.conv")(x)
        for n in range(1, 5):
            x, map = self.get_submodule(f"up{n}.up")(x), maps.pop()
            edge = (map.shape[-1] - x.shape[-1]) // 2
            middle = map[..., edge : edge + x.shape[-2], edge : edge + x.shape[-1]]
            x = self.get_submodule(f"up{n}.conv")(torch.cat([middle, x], dim=1))
        return self.outc(x)


def test_unet_is_figure_1() -> None:
    theirs = weighted(UNet())
    assert_same([with_weights_of(theirs, "unet")(x := image(1, 188, 188))], [theirs(x)])
