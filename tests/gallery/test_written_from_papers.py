"""Networks beside the gallery, written from their papers: in the words of the papers, not timm's.

Keys differ from timm's, the order of the weights and the outputs do not.
"""

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

import archdsl
from tests.reference.fill import fill_

WRITTEN = {path.stem: path for path in sorted(Path(__file__).with_name("papers").glob("*.yaml"))}
TIMM = {"lcnet": "lcnet_100", "mnasnet_small": "mnasnet_small", "rexnet": "rexnet_100"}


def test_every_network_has_one_to_be_held_to() -> None:
    assert WRITTEN.keys() == TIMM.keys()


@pytest.mark.parametrize(
    "name", [n if n == "lcnet" else pytest.param(n, marks=pytest.mark.slow) for n in WRITTEN]
)
def test_it_computes_what_timm_does(name: str) -> None:
    graph = archdsl.load(WRITTEN[name])
    ours: nn.Module = archdsl.compile(graph).double().eval()
    theirs = timm.create_model(TIMM[name]).double().eval()
    state = theirs.state_dict()
    fill_(state, by="index")  # type: ignore[no-untyped-call]
    pairs = zip(ours.state_dict().items(), state.values(), strict=True)
    ours.load_state_dict({key: weight.reshape(own.shape) for (key, own), weight in pairs})
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        expected, found = theirs(images), ours(images)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9 * float(expected.abs().max()))
    assert archdsl.analyze(graph).total.parameters == sum(p.numel() for p in theirs.parameters())
