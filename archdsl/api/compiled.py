"""What `archdsl.compile` gives, for type checkers: the module itself is of the emitted class."""

from typing import Protocol, TypedDict

from torch import Tensor, nn

from archdsl.graph.graph import Graph
from archdsl.weights.report import Report


class Feature(TypedDict):
    """What `feature_info` says of a map: its channels, and its total stride."""

    channels: int
    reduction: int


class Network(nn.Module):
    """A compiled network: what it was made from, and with weights what became of them."""

    graph: Graph
    loaded: Report
    preprocess: nn.Module


class Maps(Protocol):
    """The call of a network whose results have names."""

    def __call__(self, x: Tensor) -> dict[str, Tensor]: ...


class Backbone(Network):
    """A network that gives maps by name; `out_channels` is one number if all have as many."""

    feature_info: dict[str, Feature]
    out_channels: int | list[int]
    __call__: Maps
