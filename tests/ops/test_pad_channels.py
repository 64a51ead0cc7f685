"""`pad_channels`: zeros behind the channels, ResNet's shortcut without weights."""

import pytest
import torch
from torch.nn import functional as F

import archdsl

SPEC = """
archdsl: 1
name: padded
input: {input}
backbone: [{{pad_channels: {{out: {out}}}}}]
"""


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 4), (3, 5, 4, 2)])
def test_channels_of_zeros_come_behind_those_of_the_input(shape: tuple[int, ...]) -> None:
    module = archdsl.compile(archdsl.loads(SPEC.format(input=list(shape), out=7)))
    x = torch.randn(2, *shape)

    y = module(x)

    assert torch.equal(y[:, :3], x)
    assert torch.equal(y[:, 3:], torch.zeros(2, 4, *shape[1:]))


def test_it_takes_no_channels_away() -> None:
    with pytest.raises(archdsl.SpecError, match="5 channels cannot be padded to 4"):
        archdsl.loads(SPEC.format(input=[5, 8, 8], out=4))


def test_resnet_with_the_shortcuts_of_the_paper() -> None:
    """Table 6, and section 4.1's option A: a subsampled identity, zeros for the new channels."""
    option_a = {"shortcut": "zero_padding"}
    counts = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}
    for depth, count in counts.items():
        total = archdsl.analyze("resnet20_cifar10", params={"depth": depth, **option_a}).total
        assert total.parameters == count

    block = archdsl.compile("resnet20_cifar10", params=option_a).eval().layer2[0]  # type: ignore[index]
    x = torch.randn(2, 16, 8, 8)
    body = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))
    shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 16))
    assert torch.equal(block(x), F.relu(body + shortcut))
