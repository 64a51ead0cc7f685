"""Random specs of the whole language, held to a naive reading of it and to what torch computes."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import archdsl
from archdsl.graph.graph import Graph
from archdsl.graph.verify import verify
from archdsl.ops import OPS
from archdsl.pytorch.module import compile_graph
from tests.examples import examples
from tests.interpret import run
from tests.random_specs import spec, specs
from tests.random_specs.naive import Naive

EXAMPLES = int(  # as many as wanted, of other specs, if that is said
    os.environ.get("ARCHDSL_EXAMPLES", examples(80, 400))
)
LARGEST = 1e6  # beyond it rounding can make any gradient of a saturated function
random_specs = settings(
    max_examples=EXAMPLES,
    derandomize="ARCHDSL_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
Reading = tuple[dict[str, Any], Naive]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors are so small here that threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def load(document: dict[str, Any]) -> Graph:
    text = yaml.safe_dump(document, sort_keys=False)
    note(text)
    return archdsl.loads(text)


def randomize(module: nn.Module) -> None:
    """Weights that are all different, statistics of batch norms that are possible."""
    generator = torch.Generator().manual_seed(0)
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            tensor.copy_(1 + 0.3 * noise.abs() if "var" in key else 0.5 * noise)
    for part in module.modules():
        if isinstance(getattr(part, "p", None), float):  # dropout and drop path
            part.p = 0.0


def results(given: Any) -> dict[str, Tensor]:
    """What a module gave, by the names of outputs and side results."""
    sides: dict[str, Tensor] = {}
    if isinstance(given, tuple):
        given, sides = given
    return {
        **(given if isinstance(given, dict) else {"": given}),
        **{f"aux {n}": v for n, v in sides.items()},
    }


def expected(graph: Graph, values: dict[str, Tensor], training: bool) -> dict[str, Tensor]:
    found = {name: values[id] for name, id in graph.outputs.items()}
    if training:
        found |= {f"aux {name}": values[id] for name, id in graph.aux.items()}
    return found


def assert_close(given: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float) -> None:
    """Equal names in equal order, and values to a part of the largest."""
    assert list(given) == list(wanted)
    largest = max(
        [1.0, *(v[v.isfinite()].abs().max().item() for v in wanted.values() if v.isfinite().any())]
    )
    for name, value in wanted.items():
        assert given[name].shape == value.shape, name
        same = torch.isclose(given[name], value, rtol=0, atol=tolerance * largest, equal_nan=True)
        assert same.all(), name


def images(graph: Graph) -> list[Tensor]:
    """A batch for every input."""
    generator = torch.Generator().manual_seed(1)
    shapes = [(2, *spec.shape) for spec in graph.inputs.values()]
    return [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes]


def state_dict_of(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Keys and shapes in the order of modules, a module's own tensors before its children's."""
    tree: dict[str, Any] = {}
    for node in graph.nodes:
        for key, weight in graph.weights(node):
            *path, name = key.split(".")
            place = tree
            for part in path:
                place = place.setdefault(part, {})
            place[name] = weight.shape, weight.kind

    def walk(place: dict[str, Any], prefix: str) -> dict[str, tuple[int, ...]]:
        own = {n: v for n, v in place.items() if isinstance(v, tuple)}
        found = {f"{prefix}{n}": s for n, (s, kind) in own.items() if kind == "parameter"}
        found |= {f"{prefix}{n}": s for n, (s, kind) in own.items() if kind == "buffer"}
        for n, inner in place.items():
            if n not in own:
                found |= walk(inner, f"{prefix}{n}.")
        return found

    return walk(tree, "")


def test_every_op_is_reached() -> None:
    missing = set(OPS)
    for seed in range(2000):
        missing -= {verb for _, verb, *_ in spec(seed, 6)[1].nodes}
        if not missing:
            return
    raise AssertionError(missing)


@random_specs
@given(specs())
def test_the_graph_is_what_a_naive_reading_gives(reading: Reading) -> None:
    document, naive = reading
    graph = load(document)
    verify(graph)
    assert Graph.from_json(graph.to_json()) == graph
    position = {id: -1 - n for n, id in enumerate(graph.inputs)}
    position |= {**{node.id: n for n, node in enumerate(graph.nodes)}}

    def shown(path: str) -> str:
        return "_" if path.rpartition(".")[2].startswith("_") else path

    assert [
        (shown(node.path), node.op.verb, tuple(position[id] for id in node.inputs), node.output)
        for node in graph.nodes
    ] == [(shown(path), *rest) for path, *rest in naive.nodes]
    assert graph.frozen == naive.frozen
    paths = [f"{node.path}." for node in graph.nodes]
    assert graph.recomputed == {
        path for path in naive.recomputed if any(p.startswith(f"{path}.") for p in paths)
    }


@random_specs
@given(specs())
def test_the_module_computes_what_the_graph_says(reading: Reading) -> None:
    graph = load(reading[0])
    module = compile_graph(graph).double()
    note(archdsl.emit(graph))
    shapes = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    built = graph.select(graph.outputs, graph.aux)  # not what only a tap needs
    assert list(shapes.items()) == list(state_dict_of(built).items())
    randomize(module)

    x = images(graph)
    module.eval()
    values = run(built, dict(module.state_dict()), *x).values
    for node in built.nodes:
        assert tuple(values[node.id].shape[1:]) == node.output.shape, node.id
    with torch.no_grad():
        assert_close(results(module(*x)), expected(built, values, training=False), 1e-9)
    check_cost(graph, module)
    check_training(built, module, x)
    check_features(graph, dict(module.state_dict()), x)


@settings(random_specs, max_examples=max(10, EXAMPLES // 8))
@given(specs(), st.sampled_from([1, 2, 4]))
def test_an_output_stride_is_refused_or_computed(reading: Reading, stride: int) -> None:
    try:
        graph = load({**reading[0], "output_stride": stride})
    except archdsl.SpecError:
        return
    assert Graph.from_json(graph.to_json()) == graph
    built = graph.select(graph.outputs, graph.aux)
    module = compile_graph(graph).double().eval()
    randomize(module)
    x = images(graph)
    values = run(built, dict(module.state_dict()), *x).values
    with torch.no_grad():
        assert_close(results(module(*x)), expected(built, values, training=False), 1e-9)
    check_cost(graph, module)


def check_cost(graph: Graph, module: nn.Module) -> None:
    total = archdsl.analyze(graph).total
    assert total.parameters == sum(p.numel() for p in module.parameters())
    assert total.buffers == sum(b.numel() for b in module.buffers())
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see into it
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel([SDPBackend.MATH]):
        module(*(one[:1] for one in images(graph)))
    assert total.macs == counter.get_total_flops() / 2


def check_training(graph: Graph, module: nn.Module, x: list[Tensor]) -> None:
    """Outputs, running statistics and gradients of a step in training mode, nothing in place."""
    state = {key: value.clone() for key, value in module.state_dict().items()}
    learning = {key: p for key, p in module.named_parameters() if p.requires_grad}
    leaves = {key: state[key].requires_grad_() for key in learning}
    module.train()
    ours, theirs = ([one.clone().requires_grad_() for one in x] for _ in range(2))
    given = results(module(*(one + 0 for one in ours)))
    reference = run(graph, state, *theirs, training=True)
    wanted = expected(graph, reference.values, training=True)
    assert_close(given, wanted, 1e-7)
    buffers = dict(module.named_buffers())
    assert_close(buffers, {key: reference.buffers[key] for key in buffers}, 1e-7)
    tame = all(value.abs().max() < LARGEST for value in reference.values.values())
    if not tame or not any(value.requires_grad for value in wanted.values()):
        return
    pull = {
        n: torch.linspace(-1, 1, v.numel(), dtype=v.dtype).view_as(v) for n, v in wanted.items()
    }
    sum((given[n] * pull[n]).sum() for n in pull).backward()
    sum((wanted[n] * pull[n]).sum() for n in pull).backward()
    pairs = {f"input {n}": pair for n, pair in enumerate(zip(ours, theirs, strict=True))}
    pairs |= {k: (p, leaves[k]) for k, p in learning.items()}
    gradients = {name: (a.grad, b.grad) for name, (a, b) in pairs.items()}
    assert_close(
        {name: a for name, (a, _) in gradients.items() if a is not None},
        {name: b for name, (_, b) in gradients.items() if b is not None},
        1e-5,
    )


def check_features(graph: Graph, state: dict[str, Tensor], x: list[Tensor]) -> None:
    """A backbone that gives a tap, one that gives all of them, and one that gives every node."""
    everything = {f"n{n}": node.id for n, node in enumerate(graph.nodes)}
    for names in (dict(list(graph.taps.items())[-1:]), graph.taps, everything):
        if not names:
            continue
        part = graph.select(names)
        module = compile_graph(part).double().eval()
        module.load_state_dict(
            {key: state.get(key, value) for key, value in module.state_dict().items()}
        )
        values = run(part, dict(module.state_dict()), *x).values
        with torch.no_grad():
            assert_close(results(module(*x)), expected(part, values, training=False), 1e-9)
        for name, id in names.items():
            assert module.feature_info[name]["channels"] == part.spec(id).channels
