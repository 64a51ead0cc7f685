"""What modules return where a spec says so; that it is torchvision's, `test_auxiliary` shows."""

import pytest
import torch

import archdsl
from tests.pytorch.test_parameters import network
from tests.support import graph_of


@pytest.mark.parametrize("name", ["fcn_resnet50", "deeplabv3_resnet50"])
def test_segmentation_gives_a_dict_in_evaluation_too(name: str) -> None:
    with torch.device("meta"):
        for params in ({}, {"aux_loss": True}):
            module = archdsl.compile(name, params=params).eval()
            assert list(module(torch.empty(1, 3, 64, 64))) == ["out"]


TEXT = """
    backbone:
      conv: {conv: {out: 4, kernel: 3}}
      side: {global_avg_pool: {}, aux: true}
      act: relu
    returns: {NAME: {main: output, aside: side}}
"""


@pytest.mark.parametrize("name", ["Tensor", "Net", "Sequence", "NamedTuple", "print"])
def test_a_type_whose_name_means_something_else_gets_another(name: str) -> None:
    graph = graph_of(TEXT.replace("NAME", name))
    for given in (graph, archdsl.Graph.from_json(graph.to_json())):
        module = network(archdsl.emit(given))().train()
        result = module(torch.zeros(1, 3, 8, 8))
        assert type(result).__name__ in (name, f"{name}Outputs")
        assert (result.main.shape, result.aside.shape) == ((1, 4, 8, 8), (1, 4, 1, 1))
        assert module.eval()(torch.zeros(1, 3, 8, 8)).shape == (1, 4, 8, 8)


def test_a_network_without_the_key_returns_its_result_and_a_mapping() -> None:
    text = "\n".join(line for line in TEXT.splitlines() if "returns" not in line)
    result, aside = archdsl.compile(graph_of(text)).train()(torch.zeros(1, 3, 8, 8))
    assert result.shape == (1, 4, 8, 8) and list(aside) == ["side"]
