"""Every spec of the gallery against implementations that are not ours.

`reference/` holds what is known of those: keys, shapes and order of the state_dict, counts, stages,
and outputs for weights that a rule gives (fill.py), in float64.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import archdsl
from archdsl.graph.graph import Graph
from archdsl.graph.renames import Renames
from archdsl.language.gallery import names
from tests import built
from tests.pytorch.test_blocks_by_argument import TRIED
from tests.reference import fill
from tests.support import resized

REFERENCE = Path(__file__).parents[1] / "reference"
SPECS = names()

# Other records of a spec, or of a spec with other parameters, than those of its name.
MORE = {
    "resnet50": {"stride_first": True},
    "resnet101": {"stride_first": True},
    "resnet152": {"stride_first": True},
}
OTHERS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "inception_v2": [("pretrainedmodels__bninception", {}), ("pytorchcv__bninception", {})],
    "inception_v4": [("pretrainedmodels__inceptionv4", {})],
    "inception_resnet_v2": [("pretrainedmodels__inceptionresnetv2", {})],
    "xception": [("timm__legacy_xception", {})],
    "tf_efficientnet_b0": [("efficientnet_pytorch__efficientnet_b0", {})],
    "tf_efficientnet_b7": [("efficientnet_pytorch__efficientnet_b7", {})],
    "mobilenet_v2": [("timm__mobilenetv2_100", {})],
    "mobilenet_v2_w140": [("timm__mobilenetv2_140", {})],
    "resnet20_cifar10": [("pytorchcv__resnet1202_cifar10", {"depth": 1202})],
    "densenet40_k12_cifar10": [
        ("pytorchcv__densenet100_k12_cifar10", {"layers": [32, 32, 32]}),
        ("pytorchcv__densenet100_k12_bc_cifar10", {"layers": [16, 16, 16], "bottleneck": 4}),
    ],
}
# Records of the same name that are of another network, or with other axes (test_conventions.py has
# those).
NOT_THIS = {
    ("efficientnet_b0", "efficientnet_pytorch__efficientnet_b0"),  # pads as TensorFlow does
    ("efficientnet_b7", "efficientnet_pytorch__efficientnet_b7"),
    ("vgg16", "timm__vgg16"),
    ("convnext_tiny", "timm__convnext_tiny"),
}
# Weights that the reference has beside those of the network that the spec describes.
BESIDE = {"fasterrcnn_resnet50_fpn": "roi_heads."}
# Strides that became dilation: several stages have the size of the third.
DILATED = ("fcn_resnet50", "deeplabv3_resnet50")
# The spec's c5 comes after the last convolution, before the head, the record's before it; NFNet's
# the other way round.
WITH_LAST_CONVOLUTION = (
    "efficientnet", "mobilenet", "mnasnet", "nfnet", "shufflenet", "tf_efficientnet",
)  # fmt: skip
# timm's features are those of the first part of the network of a size, ours of the last.
FIRST_OF_A_SIZE = ("ghostnet_100",)


def cases() -> Iterator[Any]:
    """(spec, record, parameters) for everything that is known."""
    for spec in SPECS:
        found: list[tuple[str, dict[str, Any]]] = [
            (path.stem, MORE.get(spec, {}) if path.stem.startswith("pytorchcv") else {})
            for path in sorted(REFERENCE.glob(f"*__{spec}.json"))
            if (spec, path.stem) not in NOT_THIS
        ]
        for record, params in found + OTHERS.get(spec, []):
            yield pytest.param(spec, record, params, id=f"{spec}-{record.partition('__')[0]}")


@cache
def load(spec: str, params: str) -> Graph:
    given = json.loads(params)
    return archdsl.load(spec, params=given) if given else built.graph(spec)


@pytest.fixture
def graph(spec: str, params: dict[str, Any]) -> Graph:
    return load(spec, json.dumps(params))


@pytest.fixture
def reference(record: str) -> Any:
    return json.loads((REFERENCE / f"{record}.json").read_text())


def theirs(reference: Any, graph: Graph, spec: str) -> dict[str, str]:
    """The reference's keys, under our names, with their shapes as text."""
    renames = graph.renames.get(reference["source"], Renames())
    beside = BESIDE.get(spec, " ")
    lines = (line.split(" ") for line in reference["state"] if not line.startswith(beside))
    named = [(renames.rename(key), shape) for key, shape in lines]
    kept = [(key, shape) for key, shape in named if key is not None]
    assert len(dict(kept)) == len(kept), "two keys become one"
    return dict(kept)


def test_every_op_is_in_a_varied_network_and_every_block_is_tried_or_in_one() -> None:
    graphs = {name: built.graph(name) for name in SPECS}
    has = {
        name: {node.op.verb for node in graph.nodes} | {scope.block for scope in graph.scopes}
        for name, graph in graphs.items()
    }
    tried = {block for blocks in TRIED.values() for block in blocks.split()}
    assert set().union(*has.values()) == tried.union(*(has[name] for name in built.VARIED), {""})


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_is_what_it_expects_without_a_word(spec: str) -> None:
    assert archdsl.check(spec) == []


@pytest.mark.parametrize(("spec", "record", "params"), list(cases()))
def test_keys_and_shapes_are_the_references(
    spec: str, record: str, params: dict[str, Any], graph: Graph, reference: Any
) -> None:
    ours = {key: "x".join(map(str, weight.shape)) for key, weight in graph.state.items()}
    expected = theirs(reference, graph, spec)
    side = tuple(f"{id.split('.')[0]}." for id in graph.aux.values())
    without = {k: s for k, s in ours.items() if not k.startswith(side)} if side else ours
    assert expected in (ours, without)
    same_names = reference["source"] not in graph.renames
    if same_names:
        assert list(expected) in (list(ours), list(without))
    if expected == ours and spec not in BESIDE:
        assert archdsl.analyze(graph).total.parameters == reference["params"]


@pytest.mark.parametrize(("spec", "record", "params"), list(cases()))
def test_costs_and_stages_are_the_references(
    spec: str, record: str, params: dict[str, Any], graph: Graph, reference: Any
) -> None:
    if list(graph.input.shape) != reference["input"]:
        graph = resized(spec, reference["input"], params)
    if reference["macs"]:
        assert archdsl.analyze(graph).total.macs == reference["macs"]
    taps = {
        name: [graph.spec(id).channels, graph.spec(id).spatial[0]]
        for name, id in graph.taps.items()
    }
    known = spec not in (*DILATED, *FIRST_OF_A_SIZE) and reference["source"] != "pretrainedmodels"
    for name, stage in reference["stages"].items() if known else ():
        if name in taps and not (name == "c5" and spec.startswith(WITH_LAST_CONVOLUTION)):
            assert taps[name] == stage, name


def outputs(reference: Any, name: str, graph: Graph, spec: str) -> tuple[np.ndarray, np.ndarray]:
    """The first values of both rows, ours and theirs, for weights given by the rule."""
    expected = reference[name]
    model = archdsl.compile(graph).eval()
    renames = graph.renames.get(reference["source"], Renames())
    own, state = model.state_dict(), {}
    for line in reference["state"]:
        key, shape = line.split(" ")
        ours = renames.rename(key)
        if ours is not None:
            size = tuple(int(n) for n in shape.split("x") if n)
            state[ours] = own[ours].clone().reshape(size)  # an index stays as it was built
            fill.fill_({key: state[ours]}, expected["gain"], "key")
    model.load_state_dict({**own, **state})
    model.double()
    image = torch.from_numpy(fill.reference_input(*expected["input"][2:])).double()
    with torch.no_grad():
        found = model(image)
        found = found["out"] if isinstance(found, dict) else found
    wanted = np.array(expected["first16"])
    return found.numpy().reshape(2, -1)[:, : wanted.shape[1]], wanted


def fingerprints(*names: str) -> Iterator[Any]:
    """The cases whose record has one of these, with the first that it has.

    By default varied networks, each by one record: drawing weights for all takes minutes.
    """
    tried: set[str] = set()
    for case in cases():
        spec, record, params = case.values
        data = json.loads((REFERENCE / f"{record}.json").read_text())
        one_size = data["source"] == "efficientnet_pytorch"  # it pads as its own size needs it
        present = [name for name in names if name in data and not (one_size and "odd" in name)]
        if present:
            quick = spec in built.VARIED and spec not in tried
            tried.add(spec)
            marks = [] if quick else [pytest.mark.slow]
            yield pytest.param(spec, record, params, present[0], id=case.id, marks=marks)


@pytest.mark.parametrize(
    ("spec", "record", "params", "name"), list(fingerprints("fingerprint_odd", "fingerprint"))
)
def test_outputs_are_the_references_to_the_ninth_digit(
    spec: str, record: str, params: dict[str, Any], name: str, graph: Graph, reference: Any
) -> None:
    ours, expected = outputs(reference, name, graph, spec)
    assert np.abs(ours - expected).max() <= 1e-9 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "record", "params", "name"),
    [case for case in fingerprints("fingerprint") if not case.marks],
)
def test_outputs_at_full_size_are_the_references_to_the_ninth_digit(
    spec: str, record: str, params: dict[str, Any], name: str, graph: Graph, reference: Any
) -> None:
    ours, expected = outputs(reference, name, graph, spec)
    assert np.abs(ours - expected).max() <= 1e-9 * np.abs(expected).max()
