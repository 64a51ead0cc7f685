"""The specs that `archdsl new` begins with are right, laid out, and have networks that run."""

import pytest
import torch

import archdsl
from archdsl.api.reading import read
from archdsl.cli.editor import STARTS
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.language.formatting import formatted
from archdsl.language.starts import start
from archdsl.lint.rules import DEFAULT
from archdsl.yaml.source import parse

PARAMETERS = {  # counted by hand, or those of a network that it is
    "resnet": 11_689_512,  # torchvision's resnet18
    "densenet": 7_978_856,  # torchvision's densenet121
    "empty": 3 * 32 * 9 + 2 * 32 + 33 * 1000,
}


@pytest.mark.parametrize("like", STARTS)
def test_a_start_is_a_right_spec_in_the_one_layout_and_runs(like: str) -> None:
    text = start("net", like, "archdsl.schema.json")
    assert text.startswith("# yaml-language-server: $schema=archdsl.schema.json\narchdsl: 1\n")
    reading = read("net.yaml", text=text, lints=DEFAULT)
    assert reading.graph is not None and not reading.diagnostics
    source = parse(text, "net.yaml", Sink())
    assert source is not None and formatted(source) == text
    module = archdsl.compile(reading.graph).eval()
    with torch.no_grad():
        result = module(torch.zeros(1, *reading.graph.input.shape))
    shapes = [reading.graph.spec(id).shape for id in reading.graph.outputs.values()]
    assert [tuple(result.shape[1:])] == shapes
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count == PARAMETERS.get(like, count)


def test_a_name_that_no_network_can_have_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be a name"):
        start("my-net", "empty")
