"""The parameters of a document are arguments of the network's class.

`Net(num_classes=10)` is the spec with `--set classes=10`: the keys and shapes of the weights, every
setting and call, the outputs. What an argument cannot say is refused, by name.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

import archdsl
from archdsl.graph.graph import Graph
from archdsl.language.gallery import names
from archdsl.pytorch.first_values import FirstValues
from archdsl.pytorch.running import import_source
from archdsl.pytorch.settings import require_equal
from tests import built
from tests.interpret import run
from tests.reference import fill
from tests.support import graph_of


def network(source: str) -> Any:
    """The class of the network, the last of its source."""
    held = vars(import_source(source, "net")).values()
    return [one for one in held if isinstance(one, type) and issubclass(one, nn.Module)][-1]


def weights(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, tuple(tensor.shape)) for key, tensor in module.state_dict().items()]


def promised(graph: Graph) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, weight.shape) for key, weight in graph.state.items()]


def is_classifier(graph: Graph) -> bool:
    """Whether the only result is a vector."""
    return list(graph.outputs) == [""] and graph.spec(graph.outputs[""]).rank == 0


def others(value: Any) -> list[Any]:
    """Other values of the kind of a parameter's."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 8, max(1, value // 2)]
    if isinstance(value, float):
        return [value / 2 + 0.125]
    if isinstance(value, list):
        longer = [*value, value[-1]]
        return [[*value[:-1], value[-1] + 1] if type(value[-1]) is int else value[::-1], longer]
    return []


def settings(graph: Graph) -> Iterator[tuple[str, str, Any]]:
    """Parameters of a document, as its class calls them, with other values."""
    written: Any = graph.written
    offered = inspect.signature(network(archdsl.emit(graph)).__init__).parameters
    for name, value in written.parameters.items():
        shown = "num_classes" if name == "classes" else name
        if shown in offered:
            value = float(value) if offered[shown].annotation is float else value
            yield from ((name, shown, other) for other in others(value))


def require_settings(name: str) -> int:
    """Holds the class of a network to its spec for other values of every argument."""
    graph, held = built.graph(name), 0
    made = network(built.source(name))
    for title, shown, value in settings(graph):
        try:
            wanted = archdsl.load(name, params={title: value})
        except archdsl.SpecError:
            continue
        try:
            with FirstValues() as first:
                module = made(**{shown: value})
        except ValueError as error:
            assert "must have a length of" in str(error) and isinstance(value, list)
            continue
        assert weights(module) == promised(wanted), (title, value)
        require_equal(module, wanted, first)
        held += 1
    return held


@pytest.mark.parametrize("name", built.quick())
def test_the_number_of_classes_is_an_argument_of_every_classifier(name: str) -> None:
    if not is_classifier(built.graph(name)):
        return
    with FirstValues() as first:
        module = network(built.source(name))(num_classes=7)
    wanted = archdsl.load(name, params={"classes": 7})
    assert weights(module) == promised(wanted)
    require_equal(module, wanted, first)


SEVERAL = [
    "convnext_tiny", "efficientnet_b0", "mobilenet_v2", "mobilenet_v3_small",
    "preresnet164bn_cifar10", "regnet_y_400mf", "resnet20_cifar10", "shufflenet_v2_x1_0", "swin_t",
    "vit_b_16",
]  # fmt: skip


@pytest.mark.parametrize("name", SEVERAL)
def test_a_parameter_given_to_the_class_is_the_parameter_set(name: str) -> None:
    assert require_settings(name) > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in names() if n not in SEVERAL])
def test_every_parameter_of_the_gallery_given_to_the_class_is_the_parameter_set(name: str) -> None:
    require_settings(name)


@pytest.mark.parametrize(
    ("name", "given", "params"),
    [
        ("resnet18", {"num_classes": 10, "depths": (1, 2, 1, 1)}, {"depths": [1, 2, 1, 1]}),
        ("mobilenet_v2", {"num_classes": 10, "dropout": 0.0}, {"dropout": 0.0}),
        ("densenet40_k12_cifar10", {"layers": (3, 2)}, {"layers": [3, 2]}),
        ("vit_b_16", {"num_classes": 10, "patch": 32, "depth": 2}, {"patch": 32, "depth": 2}),
        ("swin_t", {"num_classes": 10, "depths": (1, 2, 1, 1)}, {"depths": [1, 2, 1, 1]}),
    ],
)
def test_a_network_of_other_arguments_computes_what_the_spec_says(
    name: str, given: dict[str, Any], params: dict[str, Any]
) -> None:
    graph = archdsl.load(name, params={"classes": 10, **params})
    module = network(archdsl.emit(name))(**given).double().eval()
    fill.fill_(module.state_dict())
    image = torch.randn(1, *graph.input.shape, dtype=torch.float64)
    with torch.no_grad():
        expected = run(graph, dict(module.state_dict()), image).values[graph.outputs[""]]
        torch.testing.assert_close(module(image), expected, rtol=1e-9, atol=1e-9)


def test_a_list_of_another_length_than_the_class_holds_for_is_refused() -> None:
    made = network(archdsl.emit("resnet18"))
    with pytest.raises(ValueError, match=r"^depths must have a length of 4$"):
        made(depths=(2, 2, 2, 2, 2))


SIZED = """
    params: {kernel: 3, width: 8}
    backbone:
      conv: {conv: {out: width, kernel: kernel, padding: 0}}
      flatten: flatten
      fc: {linear: {out: 4}}
"""


def test_what_weights_depend_on_by_the_size_of_a_map_is_fixed() -> None:
    source = archdsl.emit(graph_of(SIZED))
    assert list(inspect.signature(network(source)).parameters) == ["width"]
    assert "Fixed: kernel 3." in source
    with torch.device("meta"):
        assert network(source)(width=16).fc.in_features == 16 * 6 * 6


def test_a_size_that_a_pool_settles_lets_parameters_vary() -> None:
    text = SIZED.replace("flatten: flatten", "pool: global_avg_pool\n      flatten: flatten")
    made = network(archdsl.emit(graph_of(text)))
    assert made(kernel=5).conv.kernel_size == (5, 5)
    assert made(kernel=5).fc.in_features == 8


SPLIT = """
    input: [6, 12]
    params: {n: 3}
    backbone:
      d: {dense: {layer: [{conv: {out: 4, kernel: 3}}], repeat: n}}
      s: {split: {parts: [4, n, C - 4 - n]}}
      left: {conv: {out: 4, kernel: 1}, from: "s[1]"}
      right: {conv: {out: 4, kernel: 1}, from: "s[2]"}
      sum: {add: {}, from: [left, right, "s[0]"]}
"""


def test_parts_of_a_split_follow_the_channels_that_arguments_give() -> None:
    made = network(archdsl.emit(graph_of(SPLIT)))(n=5).double().eval()
    assert (made.left.in_channels, made.right.in_channels) == (5, 6 + 5 * 4 - 4 - 5)
    graph = graph_of(SPLIT.replace("n: 3", "n: 5"))
    fill.fill_(made.state_dict())
    signal = torch.randn(2, 6, 12, dtype=torch.float64)
    with torch.no_grad():
        expected = run(graph, dict(made.state_dict()), signal).values[graph.outputs[""]]
        torch.testing.assert_close(made(signal), expected, rtol=1e-9, atol=1e-9)


SUMS = """
    input: [4, 6]
    params: {soft: true, eps: 0.01}
    blocks:
      fuse:
        inputs: [a, "*others"]
        params: {soft: bool, eps: float}
        body:
          w:
            weighted_add: {normalize: "'softmax' if soft else 'relu'", eps: eps}
            from: [a, "*others"]
    backbone:
      a: {conv: {kernel: 1}}
      b: {fuse: {soft: soft, eps: eps}, from: [a, input]}
      c: {fuse: {soft: not soft, eps: eps}, from: [a, input, b]}
      d: {weighted_add: {normalize: "'none' if soft else 'relu'", eps: eps}, from: [b, c]}
"""


@pytest.mark.parametrize(("soft", "eps"), [(True, 0.01), (False, 0.5)])
def test_how_learned_sums_are_normalised_follows_an_argument(soft: bool, eps: float) -> None:
    made = network(archdsl.emit(graph_of(SUMS)))(soft=soft, eps=eps).double().eval()
    said = SUMS.replace("{soft: true, eps: 0.01}", f"{{soft: {str(soft).lower()}, eps: {eps}}}")
    graph = graph_of(said)
    fill.fill_(made.state_dict())
    signal = torch.randn(2, 4, 6, dtype=torch.float64)
    with torch.no_grad():
        expected = run(graph, dict(made.state_dict()), signal).values[graph.outputs[""]]
        torch.testing.assert_close(made(signal), expected, rtol=1e-9, atol=1e-9)


OUTPUTS = """
    params: {eps: 0.1, rate: 0.5, stride: 2}
    backbone:
      _image: {resize: {scale: 2}}
      conv: {conv: {out: 4, kernel: 3, stride: stride}}
      norm: {batch_norm: {eps: eps}}
      drop: {drop_path: {rate: rate}}
    outputs: {map: drop}
"""


def test_what_changes_no_size_is_an_argument_where_results_have_reductions() -> None:
    source = archdsl.emit(graph_of(OUTPUTS))
    made = network(source)(eps=0.5, rate=0.25)
    assert (made.norm.eps, made.drop.p) == (0.5, 0.25)
    assert "Fixed: stride 2." in source
