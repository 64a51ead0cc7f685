"""Memory against what PyTorch allocates, and against sums made by hand."""

import pytest
import torch

import archdsl
from archdsl.analysis.memory import memory
from archdsl.graph.graph import Graph
from archdsl.language import gallery
from tests.allocations import peak_of_inference, saved_by_training


def graph_of(body: str, input: str = "[3, 32, 32]") -> Graph:
    return archdsl.loads(f"archdsl: 1\nname: tiny\ninput: {input}\n{body}")


QUICK = [
    "alexnet", "convnext_tiny", "densenet40_k12_cifar10", "googlenet", "googlenet_paper",
    "mobilenet_v2", "regnet_y_400mf", "resnet18", "resnet50_fpn", "shufflenet_v2_x1_0",
    "squeezenet1_0", "swin_t", "swin_v2_t", "unet", "vgg16", "yolov8n",
]  # fmt: skip
ON_A_DEVICE = {"vit_b_16"}  # the meta device has no kernel of attention, and computes it in parts
LARGER = {"vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32"}  # the same, larger


@pytest.mark.parametrize(
    "name",
    [
        n if n in QUICK else pytest.param(n, marks=pytest.mark.slow)
        for n in gallery.every()
        if n not in LARGER
    ],
)
def test_the_gallery_needs_what_pytorch_allocates(name: str) -> None:
    graph = archdsl.load(name)
    with torch.device("cpu" if name in ON_A_DEVICE else "meta"):  # where nothing is computed
        module, expected = archdsl.compile(graph), memory(graph)
        images = {
            batch: [torch.zeros(batch, *x.shape) for x in graph.inputs.values()]
            for batch in (1, 2, 3)
        }
    assert expected.peak == pytest.approx(peak_of_inference(module, *images[1]), rel=0.01)
    saved = {batch: memory(graph, batch=batch).saved for batch in images}
    for batch in (2, 3):  # one image is too little for the statistics of a map of one position
        assert saved[batch] == pytest.approx(saved_by_training(module, *images[batch]), rel=0.01)
    assert saved[3] - saved[2] == saved[2] - saved[1]  # the rest is once for a batch


def check(body: str, input: str = "[8, 32, 32]") -> None:
    """Holds the memory of a network to what PyTorch allocates for it, within 5%."""
    graph = graph_of(body, input)
    module = archdsl.compile(graph)
    expected = memory(graph, batch=2)
    image = torch.randn(2, *graph.input.shape)
    assert expected.peak == pytest.approx(peak_of_inference(module, image), rel=0.05)
    assert expected.saved == pytest.approx(saved_by_training(module, image), rel=0.05)


FIRST = "  first: {conv: {out: 8, kernel: 3, bias: false}}\n"
UNARY = [
    "batch_norm", "layer_norm", "{group_norm: {groups: 4}}", "lrn", "relu", "relu6", "leaky_relu",
    "elu", "silu", "mish", "hard_swish", "hard_sigmoid", "prelu", "gelu", "sigmoid", "tanh",
    "softmax",
    "{max_pool: {kernel: 3, stride: 2, padding: same}}", "{avg_pool: {kernel: 2}}",
    "{adaptive_avg_pool: {size: 4}}", "{adaptive_max_pool: {size: 4}}", "global_avg_pool",
    "{dropout: {rate: 0.2}}", "{scale: {factor: 2}}", "layer_scale", "{resize: {scale: 2}}",
    "{resize: {scale: 2, mode: bilinear}}", "{pad: {border: 2}}",
    "{pad: {border: 2, mode: reflect}}", "{crop: {size: 16}}", "{slice: {stop: 4}}",
    "{channel_shuffle: {groups: 2}}", "{pixel_shuffle: {factor: 2}}",
    "{space_to_depth: {factor: 2}}", "{conv_transpose: {kernel: 2, stride: 2}}",
    "{conv: {kernel: 3, stride: 2, padding: same}}", "rms_norm", "{rms_norm: {affine: false}}",
    "{instance_norm: {affine: true}}", "normalize", "{normalize: {p: 1, axis: 1}}",
    "global_max_pool", "{max_pool: {kernel: 2, dilation: 2}}", "blur_pool",
    "{blur_pool: {stride: 1, mode: zeros}}", "{blur_pool: {kernel: 5, stride: 1}}",
    "{mean: {axis: 1, keepdim: true}}", "{max: {axis: [1, 2], keepdim: true}}",
    "{sum: {keepdim: true}}", "weight", "{weight: {shared: false}}",
    "{slice: {axis: 2, step: 2}}", "{pad: {border: [[1, 0], 0]}}",
    "{crop: {border: [[1, 0], 3]}}", "{resize: {scale: [2, 1]}}",
    "{std_conv: {kernel: 3, gain: true}}", "{std_conv: {kernel: 3, padding: same, stride: 2}}",
]  # fmt: skip


@pytest.mark.parametrize("item", UNARY)
def test_an_op_keeps_what_pytorch_keeps(item: str) -> None:
    check(f"backbone:\n{FIRST}  second: {item}\n  third: {{conv: {{out: 8, kernel: 1}}}}\n")


LEARNING = [
    "{conv: {kernel: 1}}", "{conv: {kernel: 3, stride: 2, padding: same}}",
    "{conv_transpose: {kernel: 2, stride: 2}}", "{std_conv: {kernel: 3}}",
    "{std_conv: {kernel: 3, gain: true}}", "batch_norm", "layer_norm", "{group_norm: {groups: 4}}",
    "{instance_norm: {affine: true}}", "rms_norm", "prelu", "layer_scale", "weight",
    "{seq: [channels_last, layer_norm, {linear: {out: 6}}, channels_first]}",
    "{weighted_add: {normalize: relu}, from: [first, other]}",
    "{weighted_add: {normalize: softmax}, from: [first, other]}",
    "{weighted_add: {normalize: none}, from: [first, other]}",
]  # fmt: skip


@pytest.mark.parametrize("item", LEARNING)
def test_what_does_not_learn_keeps_no_more_than_pytorch_keeps(item: str) -> None:
    other = "  other: {conv: {kernel: 3}}\n"
    last = "  third: {conv: {out: 8, kernel: 1}}\n"
    check(f"backbone:\n{FIRST}{other}  second: {item}\n{last}freeze: [second]\n")


SEVERAL = {  # behind `first`, the last of them before `third`
    "weighted sum": "b: {conv: {kernel: 3}}\n  c: {weighted_add: {}, from: [b, first]}",
    "matrices": "t: tokens\n  tc: {permute: {order: [1, 0]}}\n  m: {matmul: {}, from: [tc, t]}",
    "unpooling": "p: {max_pool: {kernel: 2}}\n  q: {conv: {kernel: 1}}"
    "\n  u: {max_unpool: {kernel: 2, like: first}}",
    "positions": "g: {position_grid: {}}\n  s: {add: {}, from: [first, g]}",
    "rows": "b: {conv: {kernel: 3}}\n  c: {concat: {axis: 1}, from: [b, first]}",
}


@pytest.mark.parametrize("items", SEVERAL.values(), ids=SEVERAL)
def test_ops_of_several_tensors_keep_what_pytorch_keeps(items: str) -> None:
    check(f"backbone:\n{FIRST}  {items}\n  third: {{conv: {{out: 8, kernel: 1}}}}\n")


LYING = {  # otherwise than row after row, before what wants rows
    "a vector of a map": "b: layer_norm\n  c: flatten\n  d: {linear: {out: 4}}",
    "a vector of a middle": "b: {crop: {size: 5}}\n  c: flatten\n  d: {linear: {out: 4}}",
    "tokens of a map": "b: tokens\n  c: {linear: {out: 20}}\n  d: {linear: {out: 4}}",
    "tokens of channels": "b: layer_norm\n  c: tokens\n  d: {linear: {out: 20}}",
    "a map with its axes turned": "b: {permute: {order: [2, 1, 0]}}\n  d: {linear: {out: 4}}",
    "a reshape of a turned map": "b: {permute: {order: [2, 1, 0]}}"
    "\n  c: {reshape: {shape: [96, 12]}}\n  d: tanh",
    "turned matrices": "b: tanh\n  c: {permute: {order: [0, 2, 1]}}"
    "\n  d: {matmul: {}, from: [b, c]}",
    "matrices of a norm": "b: layer_norm\n  c: {permute: {order: [0, 2, 1]}}"
    "\n  d: {matmul: {}, from: [b, c]}",
    "some channels": "b: {slice: {step: 2}}\n  c: instance_norm\n  d: relu",
    "rows of a turned map": "b: {reshape: {shape: [C, 3, 4, W]}}"
    "\n  c: {permute: {order: [0, 1, 3, 2]}}\n  d: lrn",
}


@pytest.mark.parametrize("items", LYING.values(), ids=LYING)
def test_what_does_not_lie_row_after_row_is_copied_where_pytorch_does(items: str) -> None:
    graph = graph_of(f"backbone:\n  a: {{conv: {{out: 8, kernel: 3}}}}\n  {items}\n", "[3, 12, 12]")
    module, image = archdsl.compile(graph), torch.randn(2, 3, 12, 12)
    expected = memory(graph, batch=2)
    assert expected.peak == peak_of_inference(module, image)
    assert expected.saved == saved_by_training(module, image)


WINDOWED = {
    "a window": "window_attention: {heads: 4, window: 7}",
    "a shifted window": "window_attention: {heads: 4, window: 7, shift: 3}",
    "cosines": "cosine_window_attention: {heads: 4, window: 7, shift: 3}",
    "cosines in small windows": "cosine_window_attention: {heads: 2, window: 2, hidden: 2000}",
}


@pytest.mark.parametrize("freeze", ["", "freeze: [b]"])
@pytest.mark.parametrize("item", WINDOWED.values(), ids=WINDOWED)
@pytest.mark.parametrize("size", [(14, 14), (14, 17)])
def test_attention_in_windows_needs_what_pytorch_does(
    size: tuple[int, ...], item: str, freeze: str
) -> None:
    require_memory(size, item, freeze)


@pytest.mark.parametrize("freeze", ["", "freeze: [b]"])
@pytest.mark.parametrize("window", ["[2, 7, 7]", "[2, 7, 7], shift: [1, 3, 3]", "7, shift: 3"])
@pytest.mark.parametrize("size", [(4, 14, 14), (3, 14, 17), (8, 5, 9)])
def test_attention_in_windows_of_three_axes_needs_what_pytorch_does(
    size: tuple[int, ...], window: str, freeze: str
) -> None:
    require_memory(size, f"window_attention: {{heads: 4, window: {window}}}", freeze)


POOLED = {
    "nothing pooled": "",
    "keys pooled": "kernel: [3, 3, 3], stride: [1, 2, 2]",
    "all pooled": "kernel: [3, 3, 3], query_kernel: [1, 3, 3], query_stride: [1, 2, 2]",
    "added": "kernel: [3, 3, 3], stride: [1, 2, 2], query_kernel: [1, 3, 3], residual: positions",
    "relative": "kernel: [3, 3, 3], stride: [1, 2, 2], relative: true",
}


@pytest.mark.parametrize("out", [32, 64])
@pytest.mark.parametrize("pools", POOLED.values(), ids=POOLED)
def test_attention_with_pools_needs_what_pytorch_does(pools: str, out: int) -> None:
    item = f"pooled_attention: {{heads: 4, out: {out}, size: [4, 8, 8], {pools}}}"
    items = f"a: tokens, b: class_token, c: {{{item}}}, d: {{linear: {{out: 8}}}}"
    graph = graph_of(f"backbone: {{{items}}}\nlint: {{W0109: off}}", "[32, 4, 8, 8]")
    module, image = archdsl.compile(graph), torch.randn(2, 32, 4, 8, 8)
    expected = memory(graph, batch=2)
    assert expected.peak == peak_of_inference(module, image)
    assert expected.saved == saved_by_training(module, image)


def require_memory(size: tuple[int, ...], item: str, freeze: str) -> None:
    items = f"a: channels_last, b: {{{item}}}, c: channels_first, d: {{conv: {{kernel: 1}}}}"
    off = "lint: {W0109: off}"  # images of three axes
    graph = graph_of(f"backbone: {{first: tanh, {items}}}\n{freeze}\n{off}", str([32, *size]))
    module, image = archdsl.compile(graph), torch.randn(2, 32, *size)
    expected = memory(graph, batch=2)
    assert expected.peak == pytest.approx(peak_of_inference(module, image), abs=8)
    assert expected.saved == saved_by_training(module, image)


def test_what_training_alone_gives_stays_in_a_variable() -> None:
    graph = graph_of("backbone: {a: tanh, b: tanh, c: tanh}\naux: {d: {identity: {}, from: a}}")
    alone = graph_of("backbone: {a: tanh, b: tanh, c: tanh}")
    for net, maps in ((graph, 4), (alone, 3)):
        module, image = archdsl.compile(net), torch.zeros(1, 3, 32, 32)
        assert memory(net).peak == peak_of_inference(module, image) == maps * 4 * 3 * 32 * 32


def test_numbers_of_rows_of_a_table_are_kept_once() -> None:
    body = "{t: {learned: {shape: [169, 4]}}, r: {relative_positions: {window: 7}}}"
    graph = graph_of(f"backbone: {body.replace('window: 7', 'window: [7, 7]')}")
    module = archdsl.compile(graph)
    for batch in (1, 2):
        image = torch.zeros(batch, 3, 32, 32)
        expected = memory(graph, batch=batch)
        assert expected.peak == peak_of_inference(module, image)
        assert expected.saved == saved_by_training(module, image) == 8 * 49 * 49


@pytest.mark.parametrize("input", ["[2, 30]", "[2, 15, 16]", "[2, 6, 5, 7]"])
def test_a_blur_makes_its_filter_before_its_output(input: str) -> None:
    graph = graph_of("backbone: {a: {blur_pool: {kernel: 5, mode: zeros}}}", input)
    module, image = archdsl.compile(graph), torch.zeros(1, *graph.input.shape)
    assert memory(graph).peak == peak_of_inference(module, image)


def test_what_is_made_of_weights_does_not_grow_with_the_batch() -> None:
    body = "backbone: {a: {conv: {kernel: 1, out: 64}}, b: {std_conv: {kernel: 3}}}"
    graph = graph_of(body, "[3, 4, 4]")
    made = 4 * (64 * 64 * 9 + 2 * 64)
    one, two = memory(graph), memory(graph, batch=2)
    assert two.saved - made == 2 * (one.saved - made)
    module = archdsl.compile(graph)
    assert two.saved == pytest.approx(saved_by_training(module, torch.zeros(2, 3, 4, 4)), rel=0.01)


@pytest.mark.parametrize("size", [1, 4])
def test_a_mean_keeps_its_input_at_most_once(size: int) -> None:
    pool = f"{{adaptive_avg_pool: {{size: {size}}}, from: a}}"
    sides = f"  p: {pool}\n  q: {pool}\n  z: {{concat: {{}}, from: [p, q]}}\n"
    check(f"backbone:\n{FIRST}  a: tanh\n{sides}  last: {{conv: {{out: 2, kernel: 1}}}}\n")


def test_a_variable_that_is_not_assigned_again_lives_until_the_forward_is_done() -> None:
    check("""
backbone:
  a: {conv: {out: 64, kernel: 3}}
  b: {conv: {out: 8, kernel: 3}}
  c: {conv: {out: 8, kernel: 3}}
  both: {concat: {}, from: [c, a]}
  d: {conv: {out: 8, kernel: 3}}
  e: {conv: {out: 128, kernel: 3}}
""")


def test_a_chain_holds_two_maps_and_the_image() -> None:
    graph = graph_of("""
backbone:
  a: {conv: {out: 4, kernel: 3}}
  b: {conv: {out: 16, kernel: 3}}
  c: {conv: {out: 2, kernel: 3}}
""")
    found = memory(graph)
    pixels = 32 * 32
    assert found.live == {
        "a": 4 * pixels * (3 + 4),
        "b": 4 * pixels * (3 + 4 + 16),
        "c": 4 * pixels * (3 + 16 + 2),
    }
    assert (found.peak, found.at) == (4 * pixels * 23, "b")


def test_a_shortcut_stays_alive_until_it_is_added() -> None:
    graph = graph_of("""
backbone:
  a: {conv: {out: 4, kernel: 3}}
  block: {residual: {body: {b: {conv: {kernel: 3}}, c: {conv: {kernel: 3}}}}}
""")
    live, pixels = memory(graph).live, 32 * 32
    assert live["block.c"] == 4 * pixels * (3 + 4 + 4 + 4)


def test_training_needs_weights_gradients_and_what_the_optimizer_keeps() -> None:
    graph = graph_of("backbone: {fc: {linear: {out: 10}}}", "[5]")
    found = memory(graph, optimizer_states=2)
    assert found.weights == found.gradients == 4 * 60
    assert found.optimizer == 2 * 4 * 60
    assert found.saved == 4 * 5  # the input of the matrix product
    assert found.training == 4 * 60 * 4 + 4 * 5
    assert found.inference == 4 * 60 + 4 * (5 + 10)


def test_smaller_numbers_take_less() -> None:
    graph = archdsl.load("densenet121")
    assert memory(graph, element=2).peak * 2 == memory(graph).peak


def test_side_classifiers_count_in_training_only() -> None:
    body = "backbone:\n  a: {conv: {out: 4, kernel: 1}}\n  b: {conv: {out: 4, kernel: 1}}\n"
    side = "aux:\n  s: {conv: {out: 64, kernel: 1}, from: a}\n"
    plain, aided = memory(graph_of(body)), memory(graph_of(body + side))
    assert plain.peak == aided.peak
    assert aided.weights - plain.weights == 4 * (4 * 64 + 64)
