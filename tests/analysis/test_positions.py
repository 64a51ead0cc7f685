"""Positions are looked up lazily, and no more of them than there is time for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archdsl
from archdsl.analysis.positions import TooManyPositions
from archdsl.analysis.receptive_field import pixels, receptive_fields, reductions
from archdsl.graph.graph import Graph
from archdsl.ops.conv import ConvTranspose
from archdsl.ops.tensor import TensorSpec
from tests.steps import LINEAR, growth, steps

FEWER = 30_000  # than are looked up otherwise


def graph_of(length: int, backbone: str) -> Graph:
    return archdsl.loads(f"archdsl: 1\nname: n\ninput: [1, {length}]\nbackbone: {backbone}\n")


VERY_MANY = {
    "pools of every size": (10**6, "[{adaptive_avg_pool: {size: 100000 - i}, repeat: 300}]"),
    "one pool": (10**9, "[{adaptive_avg_pool: {size: 10 ** 9 - 1}}]"),
    "sizes": (10**9, "[{resize: {size: 10 ** 9 - 1}}]"),
    "convolutions behind a pool": (
        20011,
        "[{adaptive_avg_pool: {size: 10007}}, {conv: {kernel: 3}, repeat: 3000}]",
    ),
    "wide windows behind a pool": (
        20011,
        "[{adaptive_avg_pool: {size: 10007}}, {conv: {kernel: 9001}, repeat: 3000}]",
    ),
    "windows of gaps": (
        2000,
        "[{conv_transpose: {kernel: 3, stride: 1999, padding: 0}}"
        ", {conv: {kernel: 1001}, repeat: 3000}]",
    ),
    "joins of periods": (
        2999,
        "[{branches: {paths: {a: [{adaptive_avg_pool: {size: 2003}}, {resize: {size: 2999}}],"
        " b: {conv: {kernel: 5}}}, join: add}, repeat: 9}]",
    ),
    "wide transposed windows": (10**6, "[{conv_transpose: {kernel: 10**6, stride: 999999}}]"),
    "context of a part": (
        10**9,
        "{a: {crop: {size: 9}}, b: global_avg_pool, c: {resize: {like: input}, from: b}"
        ", d: {add: {}, from: [c, input]}}",
    ),
}


@pytest.mark.parametrize("what", VERY_MANY)
def test_very_many_positions_are_refused_soon(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdsl.analysis.positions.MOST", FEWER)
    graph = graph_of(*VERY_MANY[what])

    def refused() -> None:
        with pytest.raises(TooManyPositions, match="take more than 30,000 positions to look up"):
            receptive_fields(graph)

    assert steps(refused) < 60 * FEWER
    last = graph.nodes[-1]
    (stride,) = reductions(graph, [last.id]).values()
    assert stride == max(1, round(graph.input.spatial[0] / last.output.spatial[0]))


FEW = {
    "windows as wide as the image": (10**6, "[{conv: {kernel: 999999}, repeat: 3000}]"),
    "one size": (10**9, "[{resize: {size: 10 ** 9}}, {adaptive_avg_pool: {size: 10 ** 9}}]"),
    "a map that is constant": (
        10**9,
        "{a: global_avg_pool, b: {resize: {like: input}}, c: {conv: {kernel: 3}}}",
    ),
    "context of the whole": (
        10**9,
        "{a: global_avg_pool, c: {resize: {like: input}}, d: {add: {}, from: [c, input]}}",
    ),
}


@pytest.mark.parametrize("what", FEW)
def test_what_is_alike_is_looked_up_once(what: str) -> None:
    graph = graph_of(*FEW[what])
    assert steps(lambda: receptive_fields(graph)) < 300_000 + 1_000 * len(graph.nodes)


def test_a_map_behind_a_pool_takes_steps_that_grow_with_it() -> None:
    graphs = {
        n: graph_of(
            4 * n + 1, f"[{{adaptive_avg_pool: {{size: {n}}}}}, {{conv: {{kernel: {n + 1}}}}}]"
        )
        for n in (2, 500, 1000)
    }
    assert growth(lambda n: receptive_fields(graphs[n]), 500) < LINEAR


@given(*[st.integers(1, 9) for _ in range(3)], st.integers(0, 8))
def test_transposed_windows_read_what_the_definition_says(
    kernel: int, stride: int, dilation: int, padding: int
) -> None:
    op = ConvTranspose((kernel,), 1, (stride,), (padding,), dilation=(dilation,))
    reach = op.reach(0, TensorSpec((1, 9)), TensorSpec((1, 9)))
    for place in range(3 * stride):
        reads = {
            (place + padding - dilation * tap) // stride
            for tap in range(kernel)
            if (place + padding - dilation * tap) % stride == 0
        }
        assert list(reach.of(place)) == sorted(reads)


@given(st.integers(1, 60), st.integers(1, 60), st.lists(st.integers(1, 5), max_size=3))
def test_windows_behind_a_pool_see_what_each_position_sees(
    size: int, count: int, kernels: list[int]
) -> None:
    windows = "".join(f", {{conv: {{kernel: {2 * k - 1}}}}}" for k in kernels)
    graph = graph_of(size, f"[{{adaptive_avg_pool: {{size: {count}}}}}{windows}]")
    border = sum(k - 1 for k in kernels)

    def seen(place: int) -> tuple[int, int]:  # bins go on beyond the borders
        first, last = place - border, place + border
        return first * size // count, -(-(last + 1) * size // count) - 1

    field = receptive_fields(graph)[graph.nodes[-1].id]
    spans = [seen(place) for place in range(count)]
    if count > 1:
        assert field.size == (max(b - a + 1 for a, b in spans),)
        assert field.offset == (spans[0][0],)
        for place, (first, last) in enumerate(spans):
            inside = range(max(0, first), min(size - 1, last) + 1)
            assert pixels(graph, graph.nodes[-1].id, [place]) == (inside,)
