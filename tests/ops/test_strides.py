"""How tensors lie in memory: the strides that PyTorch gives, for inputs that lie in any way."""

from collections.abc import Iterator
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from archdsl.graph.graph import Graph
from archdsl.ops import OPS
from archdsl.ops.strides import Strided, rows
from archdsl.pytorch.module import compile_graph
from tests.allocations import threads
from tests.analysis.test_fields_by_gradients import around
from tests.examples import examples
from tests.random_specs import specs
from tests.test_random_specs import Reading, load

FUSED = {
    "attention", "window_attention", "cosine_window_attention", "relative_attention",
    "pooled_attention",
}  # fmt: skip
UNSEEN = FUSED | {"position_grid", "learned", "relative_positions", "class_token"}


@pytest.fixture(autouse=True, scope="module")
def kernels() -> Iterator[None]:
    with threads():
        yield


def strided(sizes: tuple[int, ...], random: Random) -> Tensor:
    """A tensor whose axes lie in any order, the batch outermost, with gaps along some or none."""
    inner = [*range(1, len(sizes))]
    if random.random() < 0.4:  # the channels side by side, as most of what is not in rows
        inner = [*inner[1:], *inner[:1]]
    elif random.random() < 0.7:
        random.shuffle(inner)
    order, gaps = [0, *inner], random.choices([0, 1], [4, 1], k=len(sizes))
    whole = torch.randn([sizes[axis] + gaps[axis] for axis in order])
    back = [order.index(axis) for axis in range(len(sizes))]
    return whole.permute(back)[tuple(slice(0, size) for size in sizes)]


def lies(x: Tensor) -> Strided:
    return Strided(tuple(x.shape), tuple(x.stride()))


def seen(x: Strided) -> list[int]:
    """The strides that matter: nobody goes along an axis of size 1."""
    return [stride for size, stride in zip(*x, strict=True) if size > 1]


def check(graph: Graph, images: list[Tensor]) -> None:
    """Holds how every op lays its output to PyTorch, for inputs as PyTorch has laid them."""
    everything = graph.select({f"n{n}": node.id for n, node in enumerate(graph.nodes)})
    with torch.no_grad():
        given = compile_graph(everything).eval()(*images)
    lying = {id: lies(x) for id, x in zip(graph.inputs, images, strict=True)}
    for n, node in enumerate(graph.nodes):
        inputs = [lying[id] for id in node.inputs]
        lying[node.id] = lies(given[f"n{n}"])
        passes = node.op.storage(node.output, *graph.specs(node)).lies == "passed"  # in inference
        expected = inputs[0] if passes else node.op.strides(node.output, *inputs)
        assert seen(lying[node.id]) == seen(expected), (node.op, inputs)


@pytest.mark.parametrize("verb", [verb for verb in OPS if verb not in UNSEEN])
@given(data=st.data())
@settings(
    max_examples=examples(4, 40), phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
def test_an_op_lays_its_output_where_pytorch_does(verb: str, data: st.DataObject) -> None:
    graph = around(verb, data, windowed=data.draw(st.booleans()))
    seed = data.draw(st.integers(0, 10**6))
    check(graph, [strided((2, *graph.input.shape), Random(seed))])


@given(specs())
@settings(max_examples=examples(25, 400), phases=[Phase.generate], database=None,
          derandomize=True, suppress_health_check=list(HealthCheck))  # fmt: skip
def test_random_specs_lay_their_maps_where_pytorch_does(reading: Reading) -> None:
    graph = load(reading[0])
    if graph.nodes:
        check(graph, [torch.randn(2, *x.shape) for x in graph.inputs.values()])


@given(data=st.data())
@settings(max_examples=60, phases=[Phase.generate])
def test_a_view_is_one_where_pytorch_can_give_one(data: st.DataObject) -> None:
    random = Random(data.draw(st.integers(0, 10**6)))
    sizes = tuple(random.choices([1, 2, 3, 4], k=random.randint(1, 4)))
    x = strided(sizes, random)
    parts = [p for size in sizes for p in ([2, 2] if size == 4 else [size])]
    wanted: list[int] = []
    for part in parts:  # neighbours are joined or not
        if wanted and random.random() < 0.5:
            wanted[-1] *= part
        else:
            wanted.append(part)
    try:
        expected = lies(x.view(wanted))
    except RuntimeError:
        assert lies(x).viewed(tuple(wanted)) is None
        return
    found = lies(x).viewed(tuple(wanted))
    assert found is not None
    assert seen(found) == seen(expected)
    assert lies(x).in_rows == x.is_contiguous()
    assert rows(sizes).strides == lies(torch.empty(sizes)).strides
