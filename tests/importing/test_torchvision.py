"""torchvision's networks as they come: their graphs have the keys, in order, and give the same."""

from typing import Any

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models.video.mvit import MSBlockConfig, MViT
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

import archdsl
from archdsl.graph.verify import verify
from tests.importing.same import LARGE, require_same

QUICK = {"resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "googlenet"}
CLASSIFIERS = torchvision.models.list_models(module=torchvision.models)


def made(name: str, **settings: Any) -> nn.Module:
    """A network without pretrained weights; a large one without memory for any."""
    more = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    count = torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
    with torch.device("meta" if count > LARGE else "cpu"):
        try:
            found: nn.Module = torchvision.models.get_model(name, weights=None, **settings, **more)
        except NotImplementedError:  # RegNets have their widths from tensors, which need numbers
            with torch.device("cpu"):
                found = torchvision.models.get_model(name, weights=None, **settings, **more)
    return found


def image(name: str) -> torch.Tensor:
    size = {"inception_v3": 299}.get(name, 224 if "vit_" in name else 64)  # its head aside needs so
    return torch.randn(2, 3, size, size, dtype=torch.float64)


@pytest.mark.parametrize(
    "name", [n if n == "resnet18" else pytest.param(n, marks=pytest.mark.slow) for n in CLASSIFIERS]
)
@pytest.mark.filterwarnings("ignore:.*cannot become a spec:UserWarning")
def test_its_graph_has_its_weights_in_order_and_gives_the_same(name: str) -> None:
    module, x = made(name), image(name)
    graph = archdsl.from_torch(module, x, name=name)
    verify(graph)
    assert list(graph.state) == list(module.state_dict())
    require_same(module, graph, x)


@pytest.mark.parametrize("name", sorted(QUICK))
def test_its_spec_is_the_network_again_in_fewer_lines(name: str) -> None:
    with torch.device("meta"):
        module = made(name)
    text = archdsl.to_spec(archdsl.from_torch(module, image(name)))
    again = archdsl.loads(text)
    assert list(again.state) == list(module.state_dict())
    require_same(made(name), again, image(name))
    assert text.count("\n") < 80


def test_its_modules_are_scopes_and_its_results_in_training_are_kept() -> None:
    with torch.device("meta"):
        module = torchvision.models.googlenet(weights=None, init_weights=False)
    graph = archdsl.from_torch(module, torch.empty(1, 3, 64, 64))
    assert graph.outputs == {"": "fc"}
    assert graph.aux == {"aux2": "aux2.fc2", "aux1": "aux1.fc2"}
    assert str(graph.returns) == "GoogLeNetOutputs(logits, aux_logits2, aux_logits1)"
    assert graph.scope_by_id["inception3a.branch2.0"].block == "basic_conv2d"
    assert graph.scope_by_id["inception3a.branch2"].block == ""
    assert module.training


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_attention_in_windows_of_three_axes_is_one_op(data: st.DataObject) -> None:
    size = data.draw(st.tuples(*[st.integers(1, 7)] * 3))
    window = data.draw(st.lists(st.integers(1, 5), min_size=3, max_size=3))
    shift = [data.draw(st.integers(0, side - 1)) for side in window]
    attention = ShiftedWindowAttention3d(4, window, shift, 2)
    module, x = nn.Sequential(attention), torch.randn(2, *size, 4)
    graph = archdsl.from_torch(module, x)
    assert [node.op.verb for node in graph.nodes][-1] == "window_attention"
    require_same(module, graph, x.double())


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_multiscale_transformers_are_their_specs(data: st.DataObject) -> None:
    """Queries, keys and values are pooled or not, places are learned or relative."""
    heads, width = data.draw(st.sampled_from([1, 2])), data.draw(st.sampled_from([8, 16]))
    pools = st.sampled_from([([], []), ([3, 3, 3], [1, 1, 1]), ([1, 3, 3], [1, 2, 2])])
    (query, step), (kernel, stride) = data.draw(pools), data.draw(pools)
    pooled = query, kernel, step, stride
    blocks = [MSBlockConfig(heads, c, width, *pooled) for c in (8, width)]
    flags = ("residual_pool", "residual_with_cls_embed", "rel_pos_embed", "proj_after_attn")
    module = MViT((32, 32), 6, blocks, **{name: data.draw(st.booleans()) for name in flags})
    x = torch.randn(2, 3, 6, 32, 32, dtype=torch.float64)
    graph = archdsl.from_torch(module, x)
    assert "pooled_attention" in [node.op.verb for node in graph.nodes]
    require_same(module, archdsl.loads(archdsl.to_spec(graph)), x)
