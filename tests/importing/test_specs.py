"""Graphs as specs: an author's words for what is regular, and the same network in any case."""

from collections import OrderedDict
from itertools import pairwise
from textwrap import dedent

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archdsl
from archdsl.importing.graphs import snake
from archdsl.importing.items import Code
from archdsl.importing.sizes import root
from archdsl.importing.specs import require_equal
from tests.importing import networks
from tests.importing.same import require_same


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("BasicBlock", "basic_block"),
        ("InceptionA", "inception_a"),
        ("ConvNeXtStage", "convnext_stage"),
        ("EfficientViTBlock", "efficientvit_block"),
        ("SEModule", "se_module"),
        ("MixerQKV", "mixer_qkv"),
        ("Conv2dNormActivation", "conv2d_norm_activation"),
        ("_DenseLayer", "dense_layer"),
        ("C3k2", "c3k2"),
    ],
)
def test_a_block_is_called_like_its_class_in_whole_words(title: str, name: str) -> None:
    assert snake(title) == name


def image(*shape: int) -> Tensor:
    return torch.randn(2, *shape, dtype=torch.float64)


def spec_of(module: nn.Module, *shapes: tuple[int, ...]) -> str:
    """The spec of a module, which compiled again is held to the module."""
    inputs = [image(*shape) for shape in shapes]
    text = archdsl.to_spec(archdsl.from_torch(module, inputs, name="net"))
    require_same(module, archdsl.loads(text), *inputs)
    return text


def body(text: str) -> str:
    """A spec without its first and last lines."""
    return "\n".join(text.splitlines()[3:-1])


def wanted(text: str) -> str:
    return dedent(text).strip()


@pytest.mark.parametrize(
    ("module", "shapes"),
    [
        (networks.Functional(), [(3, 16, 16)]),
        (networks.Shared(), [(3, 8, 8)]),
        (networks.TwoInputs(), [(3, 16, 16), (1, 8, 8)]),
        (networks.Lists(), [(12, 6, 6)]),
        (networks.OnShape(), [(3, 15, 15)]),
        (networks.Tokens(), [(3, 16, 16)]),
        (networks.Auxiliary(), [(3, 8, 8)]),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, nn.Module) else "",
)
def test_a_network_of_a_users_own_is_its_spec_again(
    module: nn.Module, shapes: list[tuple[int, ...]]
) -> None:
    spec_of(module, *shapes)


class Block(nn.Module):
    """A residual with a projection where it is needed."""

    def __init__(self, given: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.shortcut = nn.Sequential()
        if stride > 1 or given != out:
            self.shortcut = nn.Sequential(nn.Conv2d(given, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(torch.relu(self.bn1(self.conv1(x))))
        return torch.relu(y + self.shortcut(x))


def test_blocks_are_found_with_what_differs_as_parameters_and_stages_as_a_table() -> None:
    def stage(given: int, out: int, stride: int, count: int) -> nn.Sequential:
        blocks = [Block(given, out, stride), *(Block(out, out, 1) for _ in range(count - 1))]
        return nn.Sequential(*blocks)

    module = nn.Sequential()
    module.add_module("stem", nn.Conv2d(3, 8, 3))
    for n, (given, out, count) in enumerate([(8, 8, 2), (8, 16, 3), (16, 24, 2)], 1):
        module.add_module(f"layer{n}", stage(given, out, 1 if n == 1 else 2, count))
    assert body(spec_of(module, (3, 18, 18))) == wanted("""
        blocks:
          block:
            params: {out: int, stride: 1, has_shortcut: out != C}
            residual:
              body:
                conv1: {conv: {kernel: 3, out: out, stride: stride, bias: false}}
                bn1: batch_norm
                relu: relu
                conv2: {conv: {kernel: 3, bias: false}}
              shortcut:
                shortcut:
                  seq: [{conv: {kernel: 1, out: out, stride: 2}}, batch_norm]
                  if: has_shortcut
              after: {relu2: relu}
        backbone:
          stem: {conv: {kernel: 3, out: 8, padding: 0}}
          layer{row + 1}:
            for: {out: [8, 16, 24], stride: [1, 2, 2], depth: [2, 3, 2]}
            block: {out: out, stride: stride if first else 1}
            repeat: depth
            tap: "c{row}"
        """)


class Inception(nn.Module):
    """Ways of one and of several layers that meet, with one that does nothing beside a pool."""

    def __init__(self, given: int, out: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(given, out, 1)
        self.two = nn.Sequential(nn.Conv2d(given, 4, 1), nn.Conv2d(4, out, 3, padding=1))
        self.a = nn.Conv2d(given, 6, 1)
        self.act = nn.ReLU()
        self.b = nn.Conv2d(6, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        ways = [self.one(x), self.two(x), self.b(self.act(self.a(x)))]
        return torch.cat([*ways, F.max_pool2d(x, 3, 1, 1)], 1)


def test_ways_that_meet_are_branches_and_the_last_map_of_each_size_has_a_tap() -> None:
    net = nn.Sequential()
    net.add_module("stem", nn.Conv2d(3, 8, 3, 2, 1))
    for n, (given, out) in enumerate([(8, 4), (20, 6)], 1):
        net.add_module(f"pool{n}", nn.MaxPool2d(2))
        net.add_module(f"mixed{n}", Inception(given, out))
    assert body(spec_of(net, (3, 32, 32))) == wanted("""
        blocks:
          inception:
            params: {out: int}
            branches:
              paths:
                one: {conv: {kernel: 1, out: out}}
                two: [{conv: {kernel: 1, out: 4}}, {conv: {kernel: 3, out: out}}]
                _way3:
                  seq: {a: {conv: {kernel: 1, out: 6}}, act: relu, b: {conv: {kernel: 3, out: out}}}
                max_pool: {max_pool: {kernel: 3, stride: 1, padding: 1}}
        backbone:
          stem: {conv: {kernel: 3, out: 8, stride: 2}, tap: c1}
          pool1: {max_pool: {kernel: 2}}
          mixed1: {inception: {out: 4}, tap: c2}
          pool2: {max_pool: {kernel: 2}}
          mixed2: {inception: {out: 6}, tap: c3}
        """)


def test_a_way_whose_map_another_takes_as_well_is_no_branch() -> None:
    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 5, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            one = self.one(x)
            return torch.cat([torch.cat([one, self.two(x)], 1), one], 1)

    assert "branches" not in spec_of(Chain(), (3, 6, 6))


class Window(nn.Module):
    """Cuts a map into windows and back, as attention in them does."""

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        x = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
        x = x.sigmoid().view(n, h // 4, w // 4, c, 4, 4).permute(0, 3, 1, 4, 2, 5)
        return x.reshape(n, c, h, w)


def test_shapes_that_follow_from_the_map_are_said_by_it() -> None:
    net = nn.Sequential(
        Window(), nn.Conv2d(4, 8, 3, 2, 1), Window(), nn.Conv2d(8, 12, 3, 2, 1), Window()
    )
    text = spec_of(net, (4, 32, 48))
    assert "[C, H // 4, 4, W // 4, 4]" in text
    assert text.count("window: {body:") + text.count("  window:\n") == 1, text


class Dense(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        for n in range(3):
            self.add_module(f"layer{n + 1}", nn.Conv2d(channels + 4 * n, 4, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for layer in self.children():
            maps.append(layer(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


def test_layers_that_see_all_before_them_are_dense() -> None:
    text = spec_of(nn.Sequential(Dense(6), Dense(18)), (6, 5, 5))
    assert body(text) == wanted("""
        blocks:
          dense_block:
            dense:
              repeat: 3
              layer: {"layer{i + 1}": {conv: {kernel: 3, out: 4}}}
        backbone: [{dense_block: {}, repeat: 2}]
        """)


def test_a_spec_that_is_another_network_is_not_given() -> None:
    graph = archdsl.from_torch(networks.Functional(), image(3, 16, 16))
    text = archdsl.to_spec(graph)
    for change in (("relu2: {relu", "relu2: {silu"), ("rate: 0.3", "rate: 0.2"), ("fc:", "fd:")):
        with pytest.raises(archdsl.ModuleError, match=r"functional as a spec|spec of functional"):
            require_equal(graph, text.replace(*change), archdsl.loads)


def test_why_no_spec_can_be_had_is_told() -> None:
    with pytest.warns(UserWarning, match="cannot become a spec"):
        graph = archdsl.from_torch(networks.Einsum(), image(3, 8, 8))
    with pytest.raises(archdsl.ModuleError, match=r"no op is mixing, sin \(`einsum` is no op of"):
        archdsl.to_spec(graph)


class Unused(networks.Functional):
    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(3, 3, 1)


def test_weights_that_nothing_uses_are_told_and_keep_a_network_from_being_a_spec() -> None:
    with pytest.warns(UserWarning, match=r"no result needs left.weight, left.bias"):
        graph = archdsl.from_torch(Unused(), image(3, 16, 16))
    with pytest.raises(archdsl.ModuleError, match=r"no result needs left.weight, left.bias"):
        archdsl.to_spec(graph)


class Heads(nn.Module):
    """Several heads, weighed by learned numbers and summed over an axis before the batch; norms
    with a scale alone; weights that stand in another order than they are used."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.randn(2))
        self.late = nn.Conv2d(4, 4, 3, padding=1)
        self.middle = nn.GroupNorm(1, 4)
        self.middle.bias = None
        self.early = nn.Conv2d(4, 4, 1)
        self.heads = nn.ModuleList([nn.Linear(4, 5), nn.Linear(4, 5)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.late(self.middle(self.early(x))).mean((2, 3))
        shares = self.share.softmax(-1)
        return torch.stack([shares[n] * head(x) for n, head in enumerate(self.heads)]).sum(0)


def test_weights_are_made_in_their_order_and_flow_once_into_what_they_weigh() -> None:
    text = spec_of(Heads(), (4, 6, 6))
    assert text.count("learned:") == text.count(": softmax\n") == 1
    assert "use:" not in text


class Gate(nn.Module):
    """A gate on a sum that the part around it made, which is a residual there."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(4, 4, 1)
        self.fc2 = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.gate = Gate()

    def forward(self, x: Tensor) -> Tensor:
        gated: Tensor = self.gate(self.conv(x) + x)
        return gated


def test_a_part_in_a_residuals_wake_takes_its_sum_by_the_name_that_this_has() -> None:
    assert "from: [_residual, " in spec_of(Gated(), (4, 6, 6))


class Unit(nn.Module):
    """A convolution, its norm, and one activation or another, or none."""

    def __init__(self, given: int, kernel: int | tuple[int, int], act: nn.Module | None) -> None:
        super().__init__()
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        self.conv = nn.Conv2d(given, 8, kernel, padding=(height // 2, width // 2), bias=False)
        self.bn = nn.BatchNorm2d(8)
        if act is not None:
            self.act = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return self.act(x) if hasattr(self, "act") else x


def test_an_activation_is_a_parameter_and_a_kernel_a_number_or_a_list() -> None:
    module = nn.Sequential(
        Unit(3, 1, nn.ReLU()), Unit(8, (1, 5), nn.Hardswish()),
        Unit(8, 1, nn.ReLU()), Unit(8, 3, None),
    )  # fmt: skip
    text = spec_of(module, (3, 9, 9))
    assert "params: {kernel: 1, act: relu, has_act: true}" in text
    assert "act: {$act: {}, if: has_act}" in text
    calls = (
        "unit, {unit: {kernel: [1, 5], act: hard_swish}}, unit, {unit: {kernel: 3, has_act: false}}"
    )
    assert f"backbone: [{calls}]" in text


class NumberedStage(nn.Module):
    """Layers whose names have the number of the stage."""

    def __init__(self, number: int, given: int, out: int) -> None:
        super().__init__()
        self.layers = (f"conv{number}-a", f"conv{number}-b")
        self.add_module(self.layers[0], nn.Conv2d(given, out, 3, 2, 1))
        self.add_module(self.layers[1], nn.Conv2d(out, out, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        for name in self.layers:
            x = torch.relu(getattr(self, name)(x))
        return x


def test_keys_with_the_number_of_their_stage_take_it_as_a_parameter() -> None:
    module = nn.Sequential(OrderedDict(first=nn.Conv2d(3, 3, 1)))
    for n, (given, out) in enumerate(pairwise([3, 4, 8, 12, 16, 20]), 1):
        module.add_module(f"stage{n}", NumberedStage(n, given, out))
    assert body(spec_of(module, (3, 64, 64))) == wanted("""
        blocks:
          numbered_stage:
            params: {number: int, out: int}
            body:
              "conv{number}-a": {conv: {kernel: 3, out: out, stride: 2}}
              relu: relu
              "conv{number}-b": {conv: {kernel: 3}}
              relu2: relu
        backbone:
          first: {conv: {kernel: 1}}
          stage{row + 1}:
            for: {out: [4, 8, 12, 16, 20]}
            numbered_stage: {number: row + 1, out: out}
            tap: "c{row + 1}"
        """)


class Mixed(nn.Module):
    """Ways whose layers are called alike, and nothing beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.left3x3_1 = nn.Conv2d(3, 4, 1)
        self.left3x3_2 = nn.Conv2d(4, 4, 3, padding=1)
        self.right1 = nn.Conv2d(3, 5, 1)
        self.right2 = nn.Conv2d(5, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.left3x3_2(self.left3x3_1(x)), self.right2(self.right1(x))], 1)


def test_ways_are_called_as_their_layers_and_branches_need_no_sequence_around_them() -> None:
    module = nn.Sequential(OrderedDict(mixed=Mixed(), last=nn.Conv2d(9, 2, 1)))
    assert body(spec_of(module, (3, 9, 9))) == wanted("""
        backbone:
          mixed:
            branches:
              paths:
                _left3x3:
                  seq: {left3x3_1: {conv: {kernel: 1, out: 4}}, left3x3_2: {conv: {kernel: 3}}}
                _right:
                  seq: {right1: {conv: {kernel: 1, out: 5}}, right2: {conv: {kernel: 3}}}
          last: {conv: {kernel: 1, out: 2}}
        """)


def test_a_factor_is_one_over_a_root_only_of_what_has_one() -> None:
    known = {"i": [0, 4], "width": [16, 4]}
    assert str(root([0.25, 0.5], known)) == str(Code("width ** -0.5"))
    assert root([1.0, 0.5], known) is None
