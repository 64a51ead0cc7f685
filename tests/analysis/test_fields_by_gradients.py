"""Receptive fields of every op and of random small networks, found by gradients.

A network sees a pixel if a gradient reaches it: in float64, with positive weights and a positive
image, so that nothing cancels. Where only the largest value of a window has a gradient, every value
is the largest in one of many random images.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import archdsl
from archdsl.analysis.receptive_field import pixels, receptive_fields
from archdsl.diagnostics.errors import SpecError
from archdsl.graph.graph import Graph
from archdsl.ops import JOINS, OPS
from tests.examples import examples
from tests.ops import test_ops

Span = tuple[int, int] | None
Position = tuple[int, ...]
IMAGES = 48  # so that each of the values of a small window is the largest at times


def network(items: list[Any], input: list[int]) -> Graph:
    text = yaml.safe_dump({"archdsl": 1, "name": "net", "input": input, "backbone": items})
    print(text)
    return archdsl.loads(text)


def possible(items: list[Any], input: list[int]) -> Graph:
    """The network of drawn items, if shapes fit."""
    try:
        return network(items, input)
    except SpecError:
        assume(False)
        raise


def positive(module: nn.Module, apart: bool) -> nn.Module:
    """The module with weights under which everything that is read counts and nothing cancels.

    Channels that are to be `apart` are largest in different places: each is mostly one of those
    before it.
    """
    torch.manual_seed(0)
    for weight in module.parameters():
        nn.init.uniform_(weight, 0.05, 0.1)
        if apart:
            weight.data.copy_(torch.rand_like(weight) ** 8 + 1e-3)
    return module.double().eval()


def touched(channels: Tensor, images: Tensor) -> list[Span]:
    """The pixels, by axis of the image, of which some values of a result have a gradient."""
    unseen: list[Span] = [None] * (images.ndim - 2)
    if not channels.requires_grad:  # the same for every image
        return unseen
    weights = torch.rand(channels.shape, dtype=torch.float64) + 0.1  # a norm's sum has none
    (gradient,) = torch.autograd.grad(
        (channels * weights).sum(), images, retain_graph=True, allow_unused=True
    )
    if gradient is None:  # only of what is learned
        return unseen
    size = gradient.abs().sum((0, 1))
    seen = size > 1e-9 * size.max()  # a mask of attention leaves exp(-100)
    spans: list[Span] = []
    for axis in range(seen.ndim):
        others = tuple(other for other in range(seen.ndim) if other != axis)
        line = (seen.any(dim=others) if others else seen).nonzero().flatten().tolist()
        spans.append((line[0], line[-1]) if line else None)
    return spans


def by_gradients(graph: Graph, positions: list[Position]) -> list[list[Span]]:
    """What positions of the only result see."""
    node, generator = graph.nodes[-1], torch.Generator().manual_seed(3)
    largest = any("max_pool" in node.op.verb for node in graph.nodes)
    unpooled = any(node.op.verb == "max_unpool" for node in graph.nodes)
    count = 8 * IMAGES if unpooled else IMAGES if largest else 2
    images = torch.rand(count, *graph.input.shape, dtype=torch.float64, generator=generator)
    images.requires_grad_()
    result = positive(archdsl.compile(graph), unpooled)(images)
    if node.output.layout == "channels_first":
        result = result.movedim(1, -1)
    return [touched(result[:, *position], images) for position in positions]


def some_positions(graph: Graph) -> list[Position]:
    """The corners, the middle, and some between."""
    sizes = graph.nodes[-1].output.spatial
    parts = [sorted({0, n // 3, n // 2, n // 2 + 1, n - 1} & set(range(n))) for n in sizes]
    diagonal = zip(*([*part, *[part[-1]] * (5 - len(part))] for part in parts), strict=True)
    return list(dict.fromkeys([*diagonal, tuple(part[len(part) // 2] for part in parts)]))


def check(graph: Graph) -> None:
    """Holds the pixels of positions to gradients, and the field to the pixels.

    Where a window hangs over the border of a map, what lies there counts as if it were a position;
    gradients tell the pixels of the others.
    """
    node, positions = graph.nodes[-1], some_positions(graph)
    field, edges = receptive_fields(graph)[node.id], covered(graph)
    print(f"{field}")
    mirrors = any(getattr(node.op, "mode", "") in ("reflect", "replicate") for node in graph.nodes)
    for position, spans in zip(positions, by_gradients(graph, positions), strict=True):
        said = pixels(graph, node.id, position)
        print(f"{position}: {said}, by gradients {spans}")
        within = [p and a < p[0] and p[-1] < b for p, (a, b) in zip(said, edges, strict=True)]
        if None in spans:
            assert not all(within)
            continue
        for axis, span in enumerate(spans):
            assert span is not None
            if within[axis]:
                assert span[0] <= said[axis][0] and said[axis][-1] <= span[1]
            assert len(said[axis]) <= field.size[axis]
            if not any(position) and said[axis]:
                assert said[axis][0] == max(0, field.offset[axis])
            if said[axis] and not field.through and not mirrors:
                assert said[axis][0] <= span[0] and span[1] <= said[axis][-1]


def covered(graph: Graph) -> list[tuple[int, int]]:
    """By axis, the pixels that all maps on the way have positions for: no window ends there."""
    edges = [(0, n - 1) for n in graph.input.spatial]
    for node in graph.nodes:
        ends = [tuple(0 for _ in node.output.spatial), tuple(n - 1 for n in node.output.spatial)]
        near, far = (pixels(graph, node.id, end) for end in ends)
        for axis, (a, b) in enumerate(edges):
            known = near[axis] and far[axis]
            edges[axis] = (max(a, near[axis][0]), min(b, far[axis][-1])) if known else (b, a)
    return edges


SIZES = {1: [24], 2: [13, 16], 3: [5, 8, 7]}
WINDOWS = {1: [4, 6], 2: [2, 8]}  # with as many positions as a sequence has
ROWS = test_ops.ROWS | {
    "relative_attention": replace(
        test_ops.ROWS["relative_attention"],
        draw=lambda rank: test_ops.heads | {"window": st.just(WINDOWS[rank])},
    ),
    "pooled_attention": replace(
        test_ops.ROWS["pooled_attention"],
        draw=lambda rank: (
            test_ops.heads
            | {
                "size": st.just([1, 1, 23]),
                "kernel?": st.just([1, 1, 3]),
                "relative?": st.booleans(),
            }
        ),
    ),
}
SHAPES = {  # to which `reshape` takes a map
    1: [["C", "L // 2", 2], ["C // 2", "2 * L"], ["C * L"]],
    2: [["C * H", "W"], ["C", "H * W"], ["C", "W", "H"], ["C // 2", 2, "H", "W"], [-1, "H", 4]],
    3: [["C", "D * H", "W"], ["C * D", "H", "W"], ["C", "D", "W", "H"]],
}


CONSTANT = [verb for verb, op in OPS.items() if op.constant]


@pytest.mark.parametrize("verb", CONSTANT)
def test_an_op_that_is_the_same_for_every_image_sees_nothing(verb: str) -> None:
    item = {verb: {"shape": [2, 5, 5]} if verb == "learned" else {}}
    graph = network([{"conv": {"out": 4, "kernel": 3}}, item], [4, 13, 16])
    field = receptive_fields(graph)[graph.nodes[-1].id]
    assert (field.size, field.through) == ((0, 0), "")
    images = torch.rand(2, 4, 13, 16, requires_grad=True)
    result = archdsl.compile(graph)(images)
    assert torch.equal(result[0], result[1])
    if result.requires_grad:  # by what is learned
        assert torch.autograd.grad(result.sum(), images, allow_unused=True) == (None,)


def around(verb: str, data: st.DataObject, windowed: bool = True) -> Graph:
    """An op, behind a window so that its positions are told apart, on what is drawn for it."""
    row = ROWS[verb]
    rank = data.draw(row.ranks.filter(bool)) if verb != "linear" else 2
    window: dict[str, Any] = {}
    if windowed and rank != 3:
        window = {"conv": {"out": 4, "kernel": data.draw(st.sampled_from([1, 3]))}}
    given = {}
    for name, strategy in row.draw(rank).items():
        if name != "like?" and (not name.endswith("?") or data.draw(st.booleans())):
            given[name.removesuffix("?")] = data.draw(strategy)
    assume(given.get("factor") != 0)
    assume(not 0 < given.get("p", 1) < 0.1)  # 4 ** (1 / p) overflows: what it divides is 0
    assume((given.get("norm"), given.get("out")) != ("after", 1))  # a norm of one number is 0
    if verb == "reshape":
        given["shape"] = data.draw(st.sampled_from(SHAPES[rank]))
    items: list[Any] = [window] if window else []
    if row.last or verb == "linear":
        items.append("tokens" if rank == 1 else "channels_last")
    if verb == "to_map":
        given["size"] = data.draw(st.sampled_from([[24], [4, 6], [2, 3, 4]]))
    if verb == "max_unpool":
        pool = {name: given[name] for name in given if name != "like"}
        mixed = {"conv": {"kernel": 1}}  # else what comes back to a place is what was there
        first = {"a": window or "identity", "p": {"max_pool": pool}, "q": mixed}
        items = [{"seq": {**first, "u": {verb: {**given, "like": "a"}}}}]
    elif verb == "matmul":
        order = [*range(rank - 1), rank, rank - 1]
        turned = {"permute": {"order": order}, "from": data.draw(st.sampled_from(["a", "input"]))}
        product = {verb: {}, "from": ["a", "b"]}
        items = [{"seq": {"a": window or "identity", "b": turned, "m": product}}]
    elif row.inputs > 1 and verb not in JOINS:
        other = {"m": {verb: given, "from": ["a", "input"]}}
        items = [{"seq": {"a": window or "identity", **other}}]
    elif row.inputs > 1:
        items += [{"branches": {"paths": {"_a": [], "_b": [window or "identity"]}, "join": verb}}]
    else:
        items.append({verb: given} if given else verb)
    return possible(items, [data.draw(st.sampled_from([4, 6])), *SIZES[rank]])


@pytest.mark.parametrize("verb", [verb for verb in OPS if verb not in CONSTANT])
@given(data=st.data())
@settings(
    max_examples=examples(6, 100), phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
def test_an_op_reads_what_gradients_reach(verb: str, data: st.DataObject) -> None:
    check(around(verb, data))


few = st.integers(1, 3)


def layer(text: str, *strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Items in YAML, with what is drawn in the place of %s."""
    return st.tuples(*strategies).map(lambda drawn: yaml.safe_load(text % drawn))


LAYERS = [
    layer("- conv: {kernel: %s, stride: %s, dilation: %s}", st.sampled_from([1, 3, 5]), few, few),
    layer("- conv: {kernel: %s, stride: %s, padding: valid}", few, few),
    layer("- conv: {kernel: %s, stride: %s, padding: same}", few, few),
    layer("- conv_transpose: {kernel: %s, stride: %s, dilation: %s}", few, few, few),
    layer("- avg_pool: {kernel: %s, stride: %s}", few, few),
    layer("- adaptive_avg_pool: {size: [%s, %s]}", st.integers(2, 7), few),
    layer("- resize: {scale: %s, mode: %s}", st.sampled_from([0.5, 1.5, 2]),
          st.sampled_from(["nearest", "bilinear", "bicubic"])),
    layer("[{pixel_shuffle: {factor: 2}}, {conv: {kernel: 1, out: 4}}]"),
    layer("[{pad: {border: 1}}, {space_to_depth: {factor: 2}}]"),
    layer("""
- permute: {order: [0, 2, 1]}
- conv: {kernel: [3, 1], padding: [1, 0]}
- permute: {order: [0, 2, 1]}
"""),
    layer("""
- reshape: {shape: [2, C // 2, H, W]}
- permute: {order: [1, 0, 2, 3]}
- reshape: {shape: [C * D, H, W]}
"""),
    layer("[channels_last, linear, channels_first]"),
    layer("- residual: {body: {conv: {kernel: 3, dilation: %s}}}", few),
    layer("""
- residual: {body: [{adaptive_avg_pool: {size: %s}}, {resize: {like: input}}]}
""", few),
    layer("- branches: {paths: {_a: [], _b: [{conv: {kernel: 5}}, sigmoid]}, join: multiply}"),
    layer("""
- branches: {paths: {_a: [], _b: [{conv: {kernel: 3}}]}, join: concat}
- conv: {kernel: 1, out: 4}
"""),
    layer("""
- branches: {paths: {_a: [], _b: [{conv: {kernel: 5}}], _c: [{conv: {kernel: 1}}]}, join: concat}
- avg_pool: {kernel: 3, stride: 1}
- branches: {paths: {_a: [{slice: {start: %s}}], _b: [{slice: {stop: 10}}]}, join: add}
- slice: {stop: %s}
- conv: {kernel: 1, out: 4}
""", st.just(2), st.integers(1, 6)),
]  # fmt: skip


SLICES = {  # of the channels 0 to 3 as they are, 4 to 7 behind a window of 5, 8 to 11 of one of 3
    "the first": ("{slice: {stop: 4}}", 1),
    "the second": ("{slice: {start: 4, stop: 8}}", 5),
    "of both": ("{slice: {start: 3, stop: 5}}", 5),
    "behind other ops": ("[relu, {avg_pool: {kernel: 3, stride: 2}}, {slice: {start: 8}}]", 5),
    "a slice of a slice": ("[{slice: {start: 2}}, {slice: {stop: 2}}]", 1),
    "some of all": ("{slice: {start: 3, step: 3, stop: 10}}", 5),
    "with steps over the second": ("{slice: {step: 9}}", 3),
    "a sum of slices": (
        "{seq: {a: relu, b: {slice: {start: 2}}, c: {slice: {stop: 10}, from: a},"
        " d: {add: {}, from: [b, c]}, e: {slice: {stop: 2}}}}", 1),
    "of a sum of slices": (
        "{seq: {a: relu, b: {slice: {start: 2}}, c: {slice: {stop: 10}, from: a},"
        " d: {add: {}, from: [b, c]}, e: {slice: {start: 6, stop: 8}}}}", 5),
}  # fmt: skip


@pytest.mark.parametrize(("items", "size"), SLICES.values(), ids=SLICES)
def test_a_slice_of_joined_channels_sees_what_those_see(items: str, size: int) -> None:
    paths = "{_a: [], _b: [{conv: {kernel: 5}}], _c: [{conv: {kernel: 3}}]}"
    graph = network(yaml.safe_load(f"[{{branches: {{paths: {paths}}}}}, {items}]"), [4, 29, 26])
    assert receptive_fields(graph)[graph.nodes[-1].id].size == (size, size)
    check(graph)


UNORDERED = [  # of two neighbours one sees farther to both sides; the window reads the other kind
    [{"conv_transpose": {"kernel": 7, "stride": 2, "dilation": 3}}],
    [{"conv": {"kernel": 3, "dilation": 2}}],
]


@example(layers=UNORDERED)
@given(layers=st.lists(st.one_of(LAYERS), min_size=2, max_size=4))
@settings(max_examples=60, phases=[Phase.explicit, Phase.generate])
def test_random_networks_see_what_gradients_reach(layers: list[list[Any]]) -> None:
    check(possible([item for layer in layers for item in layer], [4, 29, 26]))


WRITTEN_OUT = {
    "space to depth": ([4, 24, 20], """
- conv: {out: 4, kernel: 3}
- reshape: {shape: [C, H // 2, 2, W // 2, 2]}
- permute: {order: [0, 2, 4, 1, 3]}
- reshape: {shape: [16, 12, 10]}
- conv: {out: 4, kernel: 3}
"""),
    "pixel shuffle": ([4, 24, 20], """
- conv: {out: 16, kernel: 3, stride: 2}
- reshape: {shape: [4, 2, 2, H, W]}
- permute: {order: [0, 3, 1, 4, 2]}
- reshape: {shape: [4, 24, 20]}
- conv: {out: 4, kernel: 3}
"""),
    "windows": ([4, 12, 12], """
- conv: {out: 4, kernel: 3}
- reshape: {shape: [C, 3, 4, 4, 3]}
- permute: {order: [1, 3, 2, 4, 0]}
- softmax
- permute: {order: [4, 0, 2, 1, 3]}
- reshape: {shape: [C, 12, 12]}
- conv: {out: 4, kernel: 3}
"""),
    "rows in the channels": ([4, 12, 10], """
- conv: {out: 4, kernel: 3}
- reshape: {shape: [C * H, W]}
- conv: {out: 4, kernel: 3}
"""),
    "a window over a row and the next": ([4, 6, 8], """
- conv: {out: 4, kernel: 3}
- reshape: {shape: [C, H * W]}
- conv: {out: 4, kernel: 3, stride: 2}
"""),
    "a map and its transpose": ([4, 12, 12], """
- branches: {paths: {_a: [], _b: [{permute: {order: [0, 2, 1]}}]}, join: add}
- conv: {out: 4, kernel: 3}
"""),
    "uneven bins": ([4, 23, 29], """
- adaptive_avg_pool: {size: [5, 7]}
- resize: {size: [11, 13]}
- conv: {out: 4, kernel: 3, dilation: 2}
- adaptive_avg_pool: {size: [4, 9]}
- conv: {out: 4, kernel: 3}
"""),
    "three axes": ([3, 5, 8, 8], """
- conv: {out: 4, kernel: 3, stride: [1, 2, 2]}
- conv: {out: 4, kernel: [3, 1, 1]}
- resize: {scale: 2}
"""),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_positions_are_kept_where_ops_are_written_out(name: str) -> None:
    input, items = WRITTEN_OUT[name]
    check(network(yaml.safe_load(items), input))
