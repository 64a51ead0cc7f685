"""A class of emitted source is its block, not the instances that one network has of it.

For every block of every network of the gallery other arguments are drawn; the block is elaborated
with them, and the class that was emitted for the network is called with them. Both must have the
same keys, in one order, with the same shapes, and the same outputs on the same weights.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import archdsl
from archdsl.graph.graph import Graph, Scope
from archdsl.language.gallery import names
from archdsl.language.syntax import Block, Formula
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.module import compile_graph
from archdsl.pytorch.naming import class_name
from archdsl.pytorch.running import import_source
from tests import built
from tests.built import graph as network
from tests.examples import examples, some
from tests.reference import fill

ACTIVATIONS = {
    "relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU, "hard_swish": nn.Hardswish,
    "relu6": nn.ReLU6, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "hard_sigmoid": nn.Hardsigmoid,
    "identity": nn.Identity,
}  # fmt: skip
POOLS = {"avg_pool": nn.AvgPool2d, "max_pool": nn.MaxPool2d}
SIZE = 16  # pixels on a side that a map has at most here
WIDE = 256  # channels that the input of a block has at most here
ALL = 1000  # inputs, where none are a list
MANY = 4_000_000  # parameters of a draw that is left out


@cache
def source(name: str) -> Any:
    return import_source(built.source(name), name)


@cache
def uses(name: str) -> dict[str, list[Scope]]:
    """The blocks of a network, with the scopes that are uses of each that differ."""
    found: dict[str, dict[Any, Scope]] = {}
    for scope in network(name).scopes:
        if scope.block:
            key = (scope.arguments, scope.inputs)
            found.setdefault(scope.block, {}).setdefault(key, scope)
    return {block: list(scopes.values()) for block, scopes in found.items()}


# Every block of the gallery, in one of the networks that have it.
TRIED = {
    "convnext_tiny": "convnext_block",
    "cspresnet50": "cross_stage",
    "deeplabv3_resnet50": "aspp bottleneck deeplab_head projection",
    "densenet121": "dense_block dense_layer transition",
    "dla34": "deep_tree tree",
    "efficientnet_b0": "conv_bn_act inverted_residual squeeze_excite",
    "efficientnet_v2_s": "fused_residual",
    "ese_vovnet39b": "chain effective_squeeze one_shot_aggregation",
    "fcn_resnet50": "fcn_head",
    "ghostnet_100": "gate ghost_bottleneck ghost_module",
    "googlenet": "basic_conv inception side_classifier",
    "hrnet_w18": "exchange fuse",
    "inception_resnet_v2": "block17 block35 block8 mixed_5b mixed_6a mixed_7a",
    "inception_v2": "inception unit",
    "inception_v3": "inception_a inception_b inception_c reduction_a reduction_b",
    "inception_v4": "mixed_3a mixed_4a mixed_5a pooled tower",
    "mnasnet1_0": "mbconv",
    "mobilenet_w1": "depthwise_separable",
    "mobilenetv4_conv_small": "universal_inverted_bottleneck",
    "nfnet_f0": "nf_block",
    "plain20_cifar10": "basic",
    "preresnet164bn_cifar10": "preact_bottleneck",
    "regnet_x_400mf": "x_block",
    "retinanet_resnet50_fpn": "retina_head",
    "repvgg_a0": "conv_bn repvgg_block",
    "res2net50_26w_4s": "res2net",
    "resnest14d": "resnest split_attention",
    "resnet50d": "average_projection stem",
    "seresnet50": "bottleneck",
    "shufflenet_v2_x1_0": "down_unit narrow",
    "squeezenet1_0": "fire",
    "swin_t": "swin_block",
    "unet": "double_conv",
    "unet_resnet34": "up",
    "vit_b_16": "encoder_layer",
    "xception": "separable_conv xception_block",
}
# Blocks of other networks that say what none of the gallery does.
OTHERS = {
    "edgenext_xx_small": "channel_attention conv_block mlp split_block",
    "maxvit_t": "axis_attention layer",
    "mixnet_s": "gate inverted mixed",
    "dpn68": "dual_path",
    "pspnet_resnet50": "pyramid",
    "yolov8n": "c2f sppf",
}
INSIDE = {"aspp_pooling": "aspp"}  # which nothing but the block of its file can call
# Parameters of the document that a block sees; its input has `width` channels.
DOCUMENT = {
    "encoder_layer": st.fixed_dictionaries(
        {
            "width": st.sampled_from([16, 24, 64]),
            "heads": st.sampled_from([2, 4]),
            "mlp": st.sampled_from([8, 20]),
            "dropout": st.sampled_from([0, 0.25]),
        }
    )
}
CASES = [
    (name, block)
    for known in (TRIED, OTHERS)
    for name, blocks in known.items()
    for block in blocks.split()
]


def emitted(name: str, block: str) -> Any:
    """The class of a block in the source of a network."""
    return getattr(source(name), class_name(block))


def fixed(made: Any) -> set[str]:
    """The parameters that a class says it has one value for."""
    said = " ".join((made.__doc__ or "").split()).partition("Fixed: ")[2]
    return {part.split()[0] for part in said.split(", ") if part}


def variants(value: Any) -> st.SearchStrategy[Any]:
    """Other values of the kind of one that a network has."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        near = sorted({1, 2, 3, 4, 8, 2 * value, value // 2, value + 8, value + 1} - {value})
        return st.sampled_from([value, *near])
    if isinstance(value, float):
        return st.sampled_from([value, 0.0, 0.1, 0.25])
    if isinstance(value, tuple):
        others = st.lists(st.one_of(*map(variants, value)), min_size=1, max_size=4).map(tuple)
        return st.one_of(st.tuples(*map(variants, value)), others)
    for others in (ACTIVATIONS, POOLS):
        if str(value) in others:
            return st.sampled_from([str(value), *others])
    return st.just(value)


@st.composite
def calls(
    draw: st.DrawFn, name: str, block: str
) -> tuple[dict[str, Any], list[TensorSpec], dict[str, Any]]:
    """Arguments and inputs of a call of a block, and the parameters of its document."""
    use = draw(st.sampled_from(uses(name)[block][:4]))
    document = draw(DOCUMENT.get(block, st.just({})))
    first = use.inputs[0].channels
    narrow = document.get("width", first if first <= WIDE else first // (first // 64))
    given = {key: narrow if value == first else value for key, value in use.arguments}
    given = {key: value for key, value in given.items() if key not in of_map(name, block)}
    arguments = {
        key: draw(variants(value)) if draw(st.integers(0, 2)) == 2 else value
        for key, value in given.items()
    }
    channels = narrow + draw(st.sampled_from([0, 0, 8, narrow]) if not document else st.just(0))
    halvings = min(map(halvings_of, use.inputs))
    inputs = [
        smaller(spec, halvings).with_channels(channels if spec.channels == first else spec.channels)
        for spec in use.inputs
    ]
    named = named_inputs(name, block)
    if named < ALL:  # and any number of others
        count = draw(st.integers(max(1, named), len(inputs) + 1))
        wider = inputs[-1].with_channels(inputs[-1].channels + draw(st.sampled_from([0, 4])))
        inputs = [*inputs, wider][:count]
    return arguments, inputs, document


def halvings_of(spec: TensorSpec) -> int:
    """How often a map can be halved while it has many pixels on a side."""
    sides, found = list(spec.spatial), 0
    while sides and max(sides) > SIZE and not any(side % 2 for side in sides):
        sides, found = [side // 2 for side in sides], found + 1
    return found


def smaller(spec: TensorSpec, halvings: int) -> TensorSpec:
    sides = [side >> halvings for side in spec.spatial]
    if spec.layout == "channels_first":
        return TensorSpec((spec.channels, *sides))
    return TensorSpec((*sides, spec.channels), spec.layout)


def probe(
    name: str, block: str, arguments: Mapping[str, Any], given: list[TensorSpec],
    document: Mapping[str, Any],
) -> Graph:  # fmt: skip
    """A network that is a call of the block, behind a layer for each of its inputs.

    Rejects the draw if the language does.
    """
    inputs: dict[str, Any] = {
        f"_given{number}": [
            {"adaptive_avg_pool": {"size": list(spec.spatial)}},
            {"conv": {"out": spec.channels, "kernel": 1}},
            *(["channels_last"] if spec.layout == "channels_last" else []),
        ]
        for number, spec in enumerate(given)
    }
    call = {block: {key: written(value) for key, value in arguments.items()}}
    known = network(name).written
    assert known is not None
    results = known.document.form.outputs or {}
    spec = {
        "archdsl": 1,
        "extends": name,
        "name": "probe",
        "input": [3, *given[0].spatial],
        "params": dict(document),
        "backbone": {
            **{key: {"seq": items, "from": "input"} for key, items in inputs.items()},
            "block": {**call, "from": list(inputs) if given[1:] else next(iter(inputs))},
        },
        **({"outputs": dict.fromkeys(results, "block")} if results else {}),
        **{key: {} for key in ("neck", "head", "aux", "under", "expect")},
    }
    try:
        graph = archdsl.loads(yaml.safe_dump(spec, sort_keys=False))
    except archdsl.SpecError as error:
        assume(False)
        raise AssertionError from error
    assume(archdsl.analyze(graph).total.parameters < MANY)
    return graph


def written(value: Any) -> Any:
    """A value of an argument as YAML says it."""
    if isinstance(value, tuple):
        return [written(item) for item in value]
    if isinstance(value, bool | int | float) or value is None:
        return value
    verb, _, inner = str(value).partition("(")
    return {verb: yaml.safe_load("{" + inner[:-1].replace("=", ": ") + "}")} if inner else verb


def build(
    name: str, block: str, call: Mapping[str, Any], inputs: list[TensorSpec],
    document: Mapping[str, Any],
) -> nn.Module:  # fmt: skip
    """The emitted class of the block, called with the arguments.

    What else its constructor takes are channels of further inputs and parameters of the document.
    """
    made = emitted(name, block)
    wanted = inspect.signature(made).parameters
    named = named_inputs(name, block)
    further = iter(spec.channels for spec in inputs[1:])
    others = tuple(spec.channels for spec in inputs[named:])
    values = {}
    for key in wanted:
        if key in call:
            values[key] = factory(name, call[key])
        elif key == "in_channels":
            values[key] = inputs[0].channels
        elif wanted[key].annotation == Sequence[int] and key.endswith("_channels"):
            values[key] = others
        elif key.endswith("_channels"):
            values[key] = next(further)
        elif key in document or wanted[key].default is inspect.Parameter.empty:
            values[key] = document[key]
    try:
        module: nn.Module = made(**values)
    except ValueError as error:  # of what is written out item by item
        assume("must have a length of" not in str(error))
        raise
    return module


def named_inputs(name: str, block: str) -> int:
    """How many inputs a block has by their names, beside those of which there may be any number."""
    found = block_of(name, block)
    return len(found.inputs) if found.rest else ALL


def block_of(name: str, block: str) -> Block:
    """A block as its spec says it."""
    written: Any = network(name).written
    return next(b for b, title in written.document.titles.items() if title == block)


def of_map(name: str, block: str) -> set[str]:
    """The parameters that come from the size of the map, which the class computes."""
    defaults = {n: p.default for n, p in block_of(name, block).parameters.items()}
    return {
        title
        for title, default in defaults.items()
        if isinstance(default, Formula) and default.expression.names.keys() & {"H", "W"}
    }


def factory(name: str, value: Any) -> Any:
    """A value as the constructor takes it: a layer by what makes it."""
    verb = str(value)
    if verb in ACTIVATIONS | POOLS:
        return (ACTIVATIONS | POOLS)[verb]
    return getattr(source(name), class_name(verb), value)


def results(module: nn.Module, inputs: list[Tensor], named: int) -> list[Tensor]:
    """What a class gives, which takes all inputs but so many as a list."""
    given = module(*inputs[:named], *([inputs[named:]] if named < ALL else []))
    return list(given) if isinstance(given, tuple | list) else [given]


@pytest.mark.parametrize(("name", "block"), some(CASES, 2))
@settings(max_examples=examples(1, 6), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_class_is_its_block_for_other_arguments(
    name: str, block: str, data: st.DataObject
) -> None:
    arguments, given, document = data.draw(calls(name, block))
    graph = probe(name, block, arguments, given, document)
    assert graph.written is not None
    whole = compile_graph(graph).double().eval()
    expected: nn.Module = whole.block
    module = build(name, block, arguments, given, graph.written.parameters)
    module = module.double().eval()
    assert list(module.state_dict()) == list(expected.state_dict())
    fill.fill_(expected.state_dict())
    module.load_state_dict(expected.state_dict())
    inputs = [torch.randn(2, *spec.shape, dtype=torch.float64) for spec in given]
    with torch.no_grad():
        named = named_inputs(name, block)
        found = [results(one, inputs, named) for one in (module, expected)]
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_every_block_of_the_gallery_is_tried() -> None:
    tried = {block for blocks in TRIED.values() for block in blocks.split()}
    assert {block for name in names() for block in uses(name)} == tried | INSIDE.keys()
    assert set(INSIDE.values()) <= tried


ZOO = sorted(p.stem for p in Path(__file__).parents[2].joinpath("specs", "zoo").glob("*.yaml"))


@pytest.mark.parametrize(
    "name", [*built.quick(), *(pytest.param(n, marks=pytest.mark.slow) for n in ZOO)]
)
def test_every_use_of_a_block_is_its_class_in_which_no_parameter_is_fixed(name: str) -> None:
    """No use is written out where it stands; `Unit` is `UnitBlock` where a file has two."""
    with torch.device("meta"):
        whole = getattr(source(name), class_name(name))()
    modules = dict(whole.named_modules())
    for scope in network(name).scopes:
        if not scope.block:
            continue
        made = type(modules[scope.path])
        several = f"Of{len(scope.inputs)}Maps" if block_of(name, scope.block).rest else ""
        title = class_name(scope.block)
        assert made.__name__ in (title, f"{title}Block", title + several), scope.path
        assert fixed(made) <= of_map(name, scope.block), scope.path
