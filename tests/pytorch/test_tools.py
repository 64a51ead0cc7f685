"""What PyTorch's tools make of emitted source: tracing, scripting, exporting, types and style.

`docs/source.md` shows the same table; what cannot be stands here with its reason.
"""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.export import Dim
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

import archdsl
from archdsl.language.gallery import names
from archdsl.pytorch.allowed import prelude
from archdsl.pytorch.naming import class_name, part_name, singular
from tests import built
from tests.pytorch.test_modules import promised, shapes
from tests.pytorch.test_parameters import network
from tests.support import graph_of

FIXED_SIZE = {  # weights are of one size of image
    "alexnet_paper": "its first linear layer is of 6x6 positions",
    "googlenet_paper": "its side classifiers' linear layers are of 4x4 positions",
    "vit_b_16": "a learned vector for each of 197 positions",
}
FEW = ["resnet18", "googlenet", "fcn_resnet50", "swin_t", "unet", "tf_efficientnet_b0",
       "vit_b_16", "densenet40_k12_cifar10", "retinanet_resnet50_fpn"]  # fmt: skip
EXPORTED = ["resnet18", "vit_b_16"]


def on_meta(name: str) -> tuple[archdsl.Graph, nn.Module, torch.Tensor]:
    with torch.device("meta"):
        module = network(built.source(name))()
    return built.graph(name), module, built.image(name)


@pytest.mark.parametrize("name", built.quick(FEW[1::2]))
@pytest.mark.filterwarnings("ignore")  # torchvision's, where training has other nodes
def test_a_network_is_traced_and_its_features_extracted(name: str) -> None:
    graph, module, image = on_meta(name)
    traced = torch.fx.symbolic_trace(module.eval())
    assert shapes(traced(image)) == promised(graph)
    last = [{nodes[-1]: "last"} for nodes in get_graph_node_names(module)]  # training, evaluation
    extracted = create_feature_extractor(
        module, train_return_nodes=last[0], eval_return_nodes=last[1]
    )
    assert list(extracted.eval()(image)) == ["last"]


@pytest.mark.parametrize("name", built.quick(FEW[::2]))
@pytest.mark.filterwarnings("ignore")
def test_a_network_is_scripted(name: str) -> None:
    graph, module, image = on_meta(name)
    scripted = torch.jit.script(module.eval())
    assert [k for k, _ in scripted.named_parameters()] == [k for k, _ in module.named_parameters()]
    assert shapes(scripted(image)) == promised(graph)


@pytest.mark.parametrize(
    "op",
    [
        "window_attention: {heads: 2, window: [2, 3, 2], shift: 1}",
        "pooled_attention: {heads: 2, size: [2, 4, 4]}",
        "pooled_attention: {heads: 2, size: [2, 4, 4], kernel: [3, 3, 3], residual: positions}",
        "pooled_attention: {heads: 2, size: [2, 4, 4], query_kernel: [1, 3, 3], relative: true}",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_attention_of_three_axes_is_scripted_traced_and_exported(op: str) -> None:
    tokens = "last: channels_last" if "window" in op else "tokens: tokens, first: class_token"
    stem = "stem: {conv: {out: 8, kernel: 2, stride: 2, padding: 0}}"
    items = f"{stem}, {tokens}, attention: {{{op}}}"
    graph = archdsl.loads(f"archdsl: 1\nname: net\ninput: [3, 4, 8, 8]\nbackbone: {{{items}}}")
    module = archdsl.compile(graph).eval()
    video = torch.randn(2, 3, 4, 8, 8)
    with torch.no_grad():
        given = module(video)
        torch.testing.assert_close(torch.jit.script(module)(video), given)
        traced = torch.fx.symbolic_trace(module)
        traced.graph.eliminate_dead_code()  # as torchvision's extractor of features does
        traced.recompile()
        torch.testing.assert_close(traced(video), given)
        torch.testing.assert_close(torch.export.export(module, (video,)).module()(video), given)


@pytest.mark.filterwarnings("ignore")
def test_a_learned_sum_of_maps_is_scripted() -> None:
    """Of two, and of any number."""
    graph = graph_of("""
        input: [4, 6]
        blocks:
          fuse: {inputs: [a, "*others"], body: {w: {weighted_add: {}, from: [a, "*others"]}}}
        backbone:
          a: {conv: {kernel: 1}}
          b: {fuse: {}, from: [a, input, a]}
          c: {weighted_add: {normalize: softmax}, from: [a, b]}
    """)
    module, signal = archdsl.compile(graph).eval(), torch.randn(2, 4, 6)
    torch.testing.assert_close(torch.jit.script(module)(signal), module(signal))


@pytest.mark.parametrize("name", built.quick(EXPORTED))
@pytest.mark.filterwarnings("ignore")
def test_a_network_is_exported_for_other_batches_and_images(name: str) -> None:
    graph, module, image = on_meta(name)
    sizes: dict[int, Any] = {0: Dim.AUTO}
    if name not in FIXED_SIZE:
        sizes |= {2: Dim.AUTO, 3: Dim.AUTO}
    exported = torch.export.export(module.eval(), (image,), dynamic_shapes=(sizes,))
    assert shapes(exported.module()(image)) == promised(graph)
    given = next(n for n in exported.graph.nodes if n.name == "x").meta["val"].shape
    assert isinstance(given[0], torch.SymInt)


@pytest.fixture(scope="module")
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of some of the gallery, and those of their backbones."""
    folder = tmp_path_factory.mktemp("sources")
    for name in request.param:
        (folder / f"{name}.py").write_text(built.source(name), encoding="utf-8")
        if built.levels(name):
            (folder / f"{name}_features.py").write_text(built.backbone(name), encoding="utf-8")
    return folder


def checked(*command: str) -> str:
    run = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    return run.stdout if run.returncode else ""


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(sorted(built.VARIED), id="varied"),
        pytest.param(names(), id="all", marks=pytest.mark.slow),
    ],
    indirect=True,
)
def test_the_sources_are_laid_out_as_ruff_does_and_have_nothing_it_minds(written: Path) -> None:
    rules = ["--isolated", "--line-length", "100"]
    assert not checked("ruff", "format", "--check", *rules, str(written))
    # `F` and names of items as the spec has them, factories as defaults of arguments; TorchScript
    # knows neither `zip(..., strict=True)` nor `[*maps, x]`
    chosen = ["--select", "E,F,W,I,B,UP,C4,PIE,RUF,N", "--ignore", "N812,N806,B008,B905,RUF005"]
    assert not checked("ruff", "check", *rules, *chosen, str(written))


ZOO = sorted(Path(__file__).parents[2].joinpath("specs", "zoo").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "written", [[*names(), *(path.stem for path in ZOO)]], ids=["all"], indirect=True
)
def test_the_sources_are_typed(written: Path) -> None:
    assert not checked("mypy", "--strict", "--no-incremental", str(written))


@pytest.mark.parametrize(
    "spec", [*built.quick(), *(pytest.param(p, marks=pytest.mark.slow, id=p.stem) for p in ZOO)]
)
def test_every_class_is_of_one_block_or_of_a_part_by_its_name(spec: str | Path) -> None:
    """At most one class a block, no number that the spec did not give, nothing by a text."""
    graph = built.graph(str(spec))
    assert graph.written is not None
    tree = ast.parse(built.source(str(spec)))
    helpers = prelude().keys() | ({graph.returns.type} if graph.returns is not None else set())
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    blocks = [class_name(title) for title in graph.written.document.titles.values()]
    inner = [scope for scope in graph.scopes if not scope.block]
    keys = {key for node in graph.nodes for key in node.path.split(".")}
    parts = {part_name(p) for p in (*keys, *(scope.path for scope in inner))}
    parts = {class_name(p) for part in parts for p in (part, singular(part))}
    own = classes.keys() - helpers - {class_name(graph.name)}
    assert len(classes) == len([n for n in tree.body if isinstance(n, ast.ClassDef)])
    assert own <= {*blocks, *parts}
    assert all(blocks.count(title) <= 1 for title in own)
    bodies = [ast.dump(ast.Module(node.body[1:], [])) for node in classes.values()]
    assert len(set(bodies)) == len(bodies), "classes that are alike"
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Name) and node.id in ("getattr", "setattr"))
        assert not (isinstance(node, ast.Attribute) and node.attr in ("add_module", "_modules"))
