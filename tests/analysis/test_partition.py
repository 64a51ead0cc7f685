"""Networks in stages: every cut is where it says, and no other partition is better."""

import json
from itertools import combinations, pairwise
from math import inf
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import archdsl
from archdsl.analysis.partition import MEASURES, balanced, cuts, partition
from archdsl.cli.main import run
from archdsl.graph.graph import Graph
from tests.built import graph, module, quick
from tests.examples import examples
from tests.random_specs import specs
from tests.random_specs.naive import Naive

PARTS = st.integers(2, 8).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 9), min_size=n, max_size=n),
        st.lists(st.integers(0, 5), min_size=n - 1, max_size=n - 1),
        st.integers(1, n),
    )
)
random_specs = settings(
    max_examples=examples(15, 200), database=None, suppress_health_check=list(HealthCheck)
)


def best(costs: list[int], sizes: list[int], stages: int) -> tuple[int, int]:
    """The dearest stage and what crosses, of the best of all partitions."""
    found = (inf, inf)
    for chosen in combinations(range(1, len(costs)), stages - 1):
        ends = [0, *chosen, len(costs)]
        dearest = max(sum(costs[a:b]) for a, b in pairwise(ends))
        found = min(found, (dearest, sum(sizes[n - 1] for n in chosen)))
    return found


@given(PARTS)
def test_no_other_partition_is_better(parts: tuple[list[int], list[int], int]) -> None:
    costs, sizes, stages = parts
    chosen = balanced(costs, sizes, stages)
    assert chosen == sorted({*chosen})
    assert len(chosen) == stages - 1
    ends = [0, *chosen, len(costs)]
    dearest = max(sum(costs[a:b]) for a, b in pairwise(ends))
    assert (dearest, sum(sizes[n - 1] for n in chosen)) == best(costs, sizes, stages)


@random_specs
@given(specs(), st.integers(1, 3), st.sampled_from(MEASURES))
def test_no_other_partition_of_a_random_network_is_better(
    reading: tuple[dict[str, Any], Naive], tensors: int, by: Any
) -> None:
    network = archdsl.loads(yaml.safe_dump(reading[0], sort_keys=False))
    made = partition(network, 1, by, tensors)
    places = [cut.place for cut in cuts(made.graph, tensors)][:9]
    nodes, costs = made.graph.nodes, archdsl.analyze(made.graph).nodes
    whole = sum(getattr(cost, by) for cost in costs.values())
    assert getattr(made.stages[0].cost, by) == whole
    for stages in range(2, min(4, len(places) + 1)):
        found = partition(network, stages, by, tensors)
        assert [node for stage in found.stages for node in stage.nodes] == [*nodes]
        dearest = max(getattr(stage.cost, by) for stage in found.stages)
        assert found.balance == pytest.approx(dearest * stages / (whole or 1))
        for chosen in combinations(places, stages - 1):
            ends = [0, *chosen, len(nodes)]
            rows = [nodes[a:b] for a, b in pairwise(ends)]
            assert dearest <= max(sum(getattr(costs[n.id], by) for n in row) for row in rows)


def require_cuts(network: Graph, made: nn.Module, tensors: int) -> None:
    """Every cut has a module that is called once, when just what is before the cut was."""
    ordered = partition(network, 1).graph
    found = list(cuts(ordered, tensors))
    called: list[str] = []
    weighted = {node.path for node in ordered.nodes if node.holds_weights}
    hooks = [
        part.register_forward_pre_hook(lambda *_, path=path: called.append(path))
        for path, part in made.named_modules()
        if path in weighted | {cut.module for cut in found}
    ]
    made(*[torch.empty(2, *spec.shape, device="meta") for spec in network.inputs.values()])
    for hook in hooks:
        hook.remove()
    for cut in found:
        assert called.count(cut.module) == 1, cut
        before = {path for path in called[: called.index(cut.module)] if path in weighted}
        assert before == {n.path for n in ordered.nodes[: cut.place] if n.holds_weights}, cut
        behind = ordered.nodes[cut.place :]
        held = {node.id for node in ordered.nodes[: cut.place]}
        assert (
            {id for node in behind for id in node.inputs} - {n.id for n in behind}
            == {*cut.tensors}
            <= held
        )
        assert len(cut.tensors) <= tensors


@pytest.mark.parametrize(
    "name", quick({"googlenet", "inception_v2", "resnet50_fpn", "swin_t", "unet"})
)
def test_a_cut_is_where_its_module_begins(name: str) -> None:
    inference = graph(name).select(graph(name).outputs)
    require_cuts(inference, module(name), 3)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_what_only_training_computes_is_in_the_last_stage(name: str) -> None:
    with torch.device("meta"):
        made = archdsl.compile(graph(name)).train()
    require_cuts(graph(name), made, 2)
    last = partition(graph(name), 2).stages[-1]
    assert {node.id for node in last.nodes} >= {*graph(name).aux.values()}


@random_specs
@given(specs())
def test_a_cut_of_a_random_network_is_where_its_module_begins(
    reading: tuple[dict[str, Any], Naive],
) -> None:
    network = archdsl.loads(yaml.safe_dump(reading[0], sort_keys=False))
    inference = network.select(network.outputs)
    with torch.device("meta"):
        made = archdsl.compile(network).eval()
    require_cuts(inference, made, 2)


NET = """
archdsl: 1
name: net
input: [3, 16, 16]
defaults: {conv: {bias: false}}
blocks:
  unit:
    params: {out: int}
    body: {conv: {conv: {out: out, kernel: 3}}, relu: relu}
backbone:
  stem: {conv: {out: 8, kernel: 3, stride: 2}}
  one: {unit: {out: 8}}
  two: {unit: {out: 16}}
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: 10}}}
"""


def test_stages_say_where_they_begin_and_what_they_cost() -> None:
    found = archdsl.torch.partition(archdsl.loads(NET), 3)
    assert [stage.cut and stage.cut.path for stage in found.stages] == [None, "two", "fc"]
    assert found.split == ("two.conv", "fc")
    # on 8x8: 27 of 8, 72 of 8, 72 of 16
    assert [stage.cost.macs for stage in found.stages] == [64 * (216 + 576), 64 * 1152, 160]
    assert [found.received(stage) for stage in found.stages] == [3 * 256 * 4, 512 * 4, 16 * 4]


def test_parts_that_share_weights_or_are_computed_again_stay_together() -> None:
    again = archdsl.loads(NET.replace("two: {unit: {out: 16}}", "two: {use: one}"))
    assert archdsl.torch.partition(again, 2).split == ("fc",)
    with pytest.raises(archdsl.UsageError, match="2 stages where at most 1 tensor crosses, not"):
        archdsl.torch.partition(again, 3)
    kept = archdsl.loads(
        NET.replace("one: {unit: {out: 8}}", "one: {unit: {out: 8}, checkpoint: true}")
    )
    assert archdsl.torch.partition(kept, 3).split == ("two.conv", "fc")


def test_a_result_is_the_last_stages() -> None:
    early = archdsl.loads(NET + "outputs: {map: one, classes: fc}\n")
    message = r"2 stages .* tensors 2 lets .* behind its first result, one\.relu"
    with pytest.raises(archdsl.UsageError, match=message):
        archdsl.torch.partition(early, 3)


def test_the_command_prints_stages_or_json(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NET)
    assert run(["partition", str(path), "--stages", "2"]) == 0
    assert capsys.readouterr().out == (
        "net: 2 stages\n\n"
        "stage  begins with  parameters      %     MACs      %  receives\n"
        "---------------------------------------------------------------\n"
        "0                          792  37.5%  50.69 K  40.7%\n"
        "1      two              1.32 K  62.5%  73.89 K  59.3%   2.05 KB\n\n"
        "the dearest has 1.19 times its share of MACs\n"
    )
    assert run(["partition", str(path), "--stages", "2", "--by", "activations"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert (
        said[2]
        == "stage  begins with  parameters      %     MACs      %  activations      %  receives"
    )
    assert said[-1].endswith("times its share of activations")
    assert run(["partition", str(path), "--stages", "2", "--json", "--by", "parameters"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["split_spec"] == {"two.conv": "beginning"}
    assert data["stages"][1]["receives"] == ["one.relu"]
    assert run(["partition", str(path), "--stages", "9"]) == 2
    assert "error: net can be cut into 4 stages" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"stages": 0}, {"tensors": 0}, {"by": "memory"}])
def test_a_wrong_call_says_so(wrong: dict[str, Any]) -> None:
    with pytest.raises(archdsl.UsageError, match=r"at least 1|not by 'memory'"):
        archdsl.torch.partition(archdsl.loads(NET), **{"stages": 2, **wrong})
