"""The output stride of a backbone: further strides become dilation."""

import json
from random import Random
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import archdsl
from archdsl.cli.main import run
from archdsl.diagnostics.errors import UsageError
from archdsl.graph.graph import Graph
from archdsl.graph.verify import verify
from archdsl.language.gallery import names
from archdsl.study.candidates import Candidates, Point
from tests.support import check_error, graph_of

TIMM = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "resnext50_32x4d": "resnext50_32x4d",
    "wide_resnet50_2": "wide_resnet50_2",
    "seresnet50": "seresnet50",
    "resnetv2_50": "resnetv2_50",
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenetv1_100": "mobilenetv1_100",
    "efficientnet_b0": "efficientnet_b0",
    "tf_efficientnet_b0": "tf_efficientnet_b0",
    "convnext_tiny": "convnext_tiny",
}


def randomize(module: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            width = tensor[0].numel() ** 0.5 if tensor.dim() > 1 else 3
            tensor.copy_(1 + 0.3 * noise.abs() if "var" in key else noise / width)


def check_timm(name: str, stride: int, folder: Any) -> None:
    import timm

    theirs = timm.create_model(TIMM[name], output_stride=stride).double().eval()
    randomize(theirs)
    path = folder / "weights.pt"
    torch.save(theirs.state_dict(), path)
    graph = archdsl.load(name, output_stride=stride)
    ours = archdsl.compile(graph).double().eval()
    archdsl.load_weights(ours, path, renames=graph.renames.get("timm"))
    image = torch.randn(1, 3, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        wanted, found = theirs(image), ours(image)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-9 * wanted.abs().max().item())


@pytest.mark.parametrize(("name", "stride"), [("resnet18", 8), ("mobilenet_v2", 16)])
def test_backbones_are_timms(name: str, stride: int, tmp_path: Any) -> None:
    check_timm(name, stride, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("name", TIMM)
def test_all_backbones_are_timms(name: str, stride: int, tmp_path: Any) -> None:
    check_timm(name, stride, tmp_path)


FEW = ("mobilenet_v3_large", "resnet50", "densenet121", "googlenet", "vgg16", "regnet_y_400mf")
# strides of no window, a crop to a larger map, maps made larger by factors that are written
NEVER = {"swin_t", "vit_b_16", "unet", "hrnet_w18"}
# windows that pad too little
VALID = {"alexnet", "alexnet_paper", "squeezenet1_0", "squeezenet1_1", "xception"}


def check_shapes(name: str) -> None:
    before = archdsl.load(name)
    if max(before.input.spatial) < 200 or name in VALID or "inception" in name:
        return
    for stride in (8, 16):
        after = archdsl.load(name, output_stride=stride)
        verify(after)
        sizes = [after.spec(id).spatial for tap, id in after.taps.items() if tap[0] == "c"]
        wanted = tuple(-(-size // stride) for size in before.input.spatial)
        if "fpn" not in name:  # whose neck goes on with strides
            assert min(sizes) in (wanted, tuple(-(-s // 8) for s in before.input.spatial))
        if before.input.spatial == (224, 224) and "alexnet" not in name:
            assert of_windows(before) == of_windows(after)


def of_windows(graph: Graph) -> dict[str, tuple[int, ...]]:
    """The weights but those of linear layers, which may see a whole map (GoogLeNet's `aux`)."""
    nodes = [node for node in graph.nodes if node.op.verb != "linear"]
    return {key: weight.shape for node in nodes for key, weight in graph.weights(node)}


def test_maps_that_are_made_larger_by_a_factor_are_refused_where_they_meet_others() -> None:
    (error,) = archdsl.api.reading.read("hrnet_w18", output_stride="8").diagnostics
    assert (error.code, error.message) == ("E0501", "add of 18x56x56 and 18x112x112")


@pytest.mark.parametrize("name", FEW)
def test_networks_have_that_stride_and_their_weights(name: str) -> None:
    check_shapes(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(names()) - NEVER))
def test_all_networks_have_that_stride_and_their_weights(name: str) -> None:
    check_shapes(name)


def test_the_case_of_a_spec_that_extends() -> None:
    text = "archdsl: 1\nextends: mobilenet_v3_large\nname: dilated\noutput_stride: 16\n"
    graph = archdsl.loads(text)
    assert str(graph.spec(graph.taps["c5"])) == "960x14x14"
    assert run(["summary", "mobilenet_v3_large", "--output-stride", "16"]) == 0


def test_a_parameter_of_the_name_is_the_specs_own() -> None:
    by_parameter = archdsl.load("resnet50", params={"output_stride": 8})
    by_key = archdsl.load("resnet50", output_stride=8)
    assert [(n.id, n.op, n.inputs) for n in by_parameter.nodes] == [
        (n.id, n.op, n.inputs) for n in by_key.nodes
    ]
    both = archdsl.load("fcn_resnet50", output_stride=8)
    assert [n.op for n in both.nodes] == [n.op for n in archdsl.load("fcn_resnet50").nodes]


SMALL = """
    input: [3, 32, 32]
    output_stride: {}
    blocks: {{unit: {{params: {{s: 1}}, residual: {{body: {{c: {{conv: {{kernel: 3, stride: s}}}}}},
      shortcut: {{d: {{conv: {{kernel: 1, stride: s}}, if: s > 1}}}}}}}}}}
    backbone:
      a: {{conv: {{out: 8, kernel: 7, stride: 2}}}}
      b: {{max_pool: {{kernel: 3, stride: 2, padding: 1}}}}
      c: {{unit: {{s: 2}}}}
      d: {{unit: {{}}, repeat: 2}}
      e: {{avg_pool: {{kernel: 2}}}}
      f: {{conv: {{kernel: 2, stride: 2, padding: 0}}}}
    head: {{g: {{conv: {{kernel: 3, stride: 2}}}}}}
"""


def test_an_op_goes_on_at_its_inputs_places() -> None:
    graph = graph_of(SMALL.format(4))
    found = {n.id: n.op for n in graph.nodes if hasattr(n.op, "stride")}
    said = {id: (op.stride[0], op.padding) for id, op in found.items()}  # type: ignore[attr-defined]
    assert said == {
        "a": (2, "auto"), "b": (2, (1, 1)), "c.c": (1, "auto"), "c.d": (1, "auto"),
        "d.0.c": (1, "auto"), "d.1.c": (1, "auto"), "e": (1, "same"), "f": (1, "same"),
        "g": (2, "auto"),
    }  # fmt: skip
    dilation = {id: op.dilation[0] for id, op in found.items() if op.verb == "conv"}  # type: ignore[attr-defined]
    assert dilation == {"a": 1, "c.c": 1, "c.d": 1, "d.0.c": 2, "d.1.c": 2, "f": 4, "g": 1}
    assert [str(graph.spec(id)) for id in ("c.c", "f", "g")] == ["8x8x8", "8x8x8", "8x4x4"]
    assert Graph.from_json(graph.to_json()) == graph
    assert "dilation=(2, 2)" in archdsl.emit(graph)


def test_scopes_say_how_far_apart_they_read() -> None:
    graph = graph_of(SMALL.format(4))
    shown = {scope.id: dict(scope.arguments) for scope in graph.scopes if scope.block}
    assert shown["c"] == {"s": 2, "lattice": "4"}
    assert shown["d.0"] == shown["d.1"] == {"s": 1, "lattice": "4, dilated 2"}


def test_a_stride_that_is_there_already_changes_nothing() -> None:
    wide = graph_of(SMALL.format(64))
    plain = graph_of(SMALL.format(64).replace("output_stride: 64", "doc: none"))
    assert [(n.id, n.op) for n in wide.nodes] == [(n.id, n.op) for n in plain.nodes]


def test_strides_that_cannot_be_had_are_told() -> None:
    text = """
        input: [3, 32, 32]
        output_stride: 8
        defaults: {conv: {out: 4, kernel: 4, padding: 0}}
        backbone: [{conv: {stride: 4}}, {conv: {stride: 4}}]
    """
    message = "a stride of 4 behind 4 goes past the output stride 8"
    check_error(text, 4, 49, "E0502", message, "an output stride of 4 or 16 can be had")


def test_wrong_values_are_told_at_their_place() -> None:
    check_error("output_stride: 0\n", 1, 16, "E0305", "output_stride: 0 is less than 1")
    check_error("output_stride: half\n", 1, 16, "E0302", "unknown name `half`")
    assert run(["check", "resnet18", "--output-stride", "8"]) == 0
    assert run(["check", "resnet18", "--output-stride", "half"]) == 2
    assert run(["check", "swin_t", "--output-stride", "8"]) == 1
    message = "params, scale, replace, output_stride and input change a spec; a graph is past that"
    with pytest.raises(UsageError, match=message):
        archdsl.compile(archdsl.load("resnet18"), output_stride=8)


def test_candidates_keep_the_stride() -> None:
    candidates = Candidates("resnet18", output_stride="8")
    first, second = (candidates.graph(Point({}, {"classes": n})) for n in (5, 6))
    assert str(first.spec(first.taps["c5"])) == str(second.spec(second.taps["c5"])) == "512x28x28"


def random_spec(random: Random) -> tuple[dict[str, Any], int]:
    """A network of windows that keep the size but for their strides, and its whole stride."""
    items: dict[str, Any] = {}
    stride = 1
    for n in range(random.randint(2, 7)):
        step = random.choice([1, 2]) if stride < 16 else 1
        kind = random.choice(["conv", "conv", "depthwise", "pool", "unit"])
        if kind == "conv":
            kernel = random.choice([1, 3, 5])
            items[f"i{n}"] = {"conv": {"out": 4, "kernel": kernel, "stride": step}}
        elif kind == "depthwise" and n:
            items[f"i{n}"] = {"conv": {"kernel": 3, "stride": step, "groups": 4, "dilation": 1}}
        elif kind == "unit" and n:
            items[f"i{n}"] = {"unit": {"s": step}}
        else:
            items[f"i{n}"] = {"max_pool": {"kernel": 3, "stride": step, "padding": 1}}
            if n == 0:
                items["first"] = {"conv": {"out": 4, "kernel": 1}}
        stride *= step
    unit = {
        "params": {"s": 1},
        "residual": {
            "body": {"c1": {"conv": {"kernel": 3, "stride": "s"}}, "n": "batch_norm",
                     "a": "$act", "c2": {"conv": {"kernel": 3}}},
            "shortcut": {"p": {"conv": {"kernel": 1, "stride": "s"}, "if": "s > 1"}},
        },
    }  # fmt: skip
    unit["params"]["act"] = "relu"  # type: ignore[index]
    return {
        "archdsl": 1, "name": "net", "input": [3, 32, 32], "blocks": {"unit": unit},
        "backbone": items,
    }, stride  # fmt: skip


def check_lattice(seed: int) -> None:
    """With holes in the kernels every place of the strided map is one of the whole map."""
    random = Random(seed)
    document, stride = random_spec(random)
    most = random.choice([s for s in (1, 2, 4, 8, 16) if s <= stride])
    text = yaml.safe_dump(document, sort_keys=False)
    plain = archdsl.compile(archdsl.loads(text)).double().eval()
    graph = archdsl.loads(f"{text}output_stride: {most}\n")
    dense = archdsl.compile(graph).double().eval()
    randomize(plain)
    dense.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    every = stride // most
    with torch.no_grad():
        wanted, found = plain(image), dense(image)
    assert found.shape[-1] == 32 // most
    assert torch.allclose(found[..., ::every, ::every], wanted, atol=1e-9, rtol=1e-9)
    assert json.loads(graph.to_json())["nodes"]


@settings(max_examples=15, derandomize=True, database=None, deadline=None)
@given(st.integers(0, 2**32))
def test_the_strided_map_is_part_of_the_whole(seed: int) -> None:
    check_lattice(seed)


@pytest.mark.slow
@settings(max_examples=500, database=None, deadline=None)
@given(st.integers(0, 2**32))
def test_the_strided_map_is_part_of_the_whole_in_many(seed: int) -> None:
    check_lattice(seed)
