"""Rows of a summary: what they are called, what they hold, what they give."""

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

import archdsl
from archdsl.analysis.cost import Cost
from archdsl.analysis.summary import Stage, Summary, summarize
from archdsl.ops.base import sum_of
from archdsl.ops.tensor import TensorSpec
from archdsl.tables.summary import text, to_json
from tests import built
from tests.examples import examples
from tests.random_specs import specs

UNIT = "{params: {out: C}, seq: [{conv: {out: out, kernel: 1, bias: false}}, relu]}"
BLOCKS = f"blocks: {{unit: {UNIT}, pair: {{seq: [{{unit: {{}}}}, {{unit: {{}}}}]}}}}"


def summary_of(body: str, **how: object) -> Summary:
    spec = f"archdsl: 1\nname: net\ninput: [4, 8, 8]\n{BLOCKS}\nbackbone:\n{body}"
    return summarize(archdsl.loads(spec), **how)  # type: ignore[arg-type]


def shown(summary: Summary) -> list[tuple[str, str, str]]:
    return [(row.path, row.what, row.output) for row in summary.rows]


@pytest.mark.parametrize(
    ("item", "what"),
    [
        ("{unit: {}, repeat: 3}", "unit x 3"),
        ("[relu, {seq: [{unit: {}}, {unit: {}}]}]", "relu, unit x 2"),
        ("[gelu, {unit: {}, repeat: 2}]", "gelu, unit x 2"),
        ("[{residual: {body: [{unit: {}}, {pair: {}}]}, repeat: 2}]", "unit x 2, pair x 2"),
        ("[{residual: {body: [relu]}, repeat: 2}]", "residual x 2"),
        ("{residual: {body: [sigmoid, relu]}}", "residual"),
        ("{branches: {join: add, paths: {p: {unit: {}}, q: [tanh]}}}", "unit, tanh"),
        ("[relu, sigmoid, tanh, gelu, {unit: {}}, {unit: {}}]", "unit x 2, relu, 3 more"),
        ("[relu, sigmoid, relu, sigmoid, relu]", "relu x 3, sigmoid x 2"),
    ],
)
def test_a_part_is_told_by_the_blocks_and_ops_in_it(item: str, what: str) -> None:
    body = f"  first: tanh\n  part: {item}\n  last: tanh\n  end: sigmoid"
    assert shown(summary_of(body, depth=1))[1] == ("part", what, "4x8x8")


def test_equal_rows_in_a_row_are_one_for_readers_and_apart_in_data() -> None:
    summary = summary_of("  all: [{unit: {}}, {unit: {}}, {unit: {out: 8}}, {unit: {}}]", depth=2)
    assert [(row.path, row.what, row.cost.parameters) for row in summary.rows] == [
        ("all.0–1", "unit x 2", 2 * 16), ("all.2", "unit", 32), ("all.3", "unit", 64),
    ]  # fmt: skip
    assert [stage["path"] for stage in json.loads(to_json(summary))["stages"]] == [
        "all.0", "all.1", "all.2", "all.3",
    ]  # fmt: skip


def test_what_has_no_name_costs_in_the_row_before_it() -> None:
    body = "  a: {conv: {out: 4, kernel: 1}}\n  _b: tanh\n  c: [relu, {seq: [relu]}]\n  _d: tanh"
    for depth in (1, 2, 9):
        summary = summary_of(body, depth=depth, show=("activations", "nodes"))
        rows = {row.path: row.cost.nodes for row in summary.rows}
        assert "_" not in "".join(rows)
        assert rows["a"] == 2
        assert sum(rows.values()) == summary.total.nodes == 5
    assert shown(summary_of(body, depth=1))[0] == ("a", "1x1 conv, 4", "4x8x8")


def test_a_network_without_names_is_one_row() -> None:
    summary = summary_of("  _a: tanh\n  _b: relu")
    assert [(row.path, row.cost.nodes) for row in summary.rows] == [("_a", 2)]


def test_a_network_without_ops_has_no_rows() -> None:
    assert summary_of("  a: []").rows == ()


def test_every_map_that_a_stage_gives_is_shown() -> None:
    summary = summary_of(
        "  a: {seq: {p: {unit: {}}, q: {max_pool: {kernel: 2}}}}\n"
        "  b: {sigmoid: {}, from: a.p}\n"
        "outputs: {one: b, two: a.q}",
        depth=1,
    )
    assert shown(summary)[0] == ("a", "unit, max_pool", "4x8x8, 4x4x4")
    data = json.loads(to_json(summary))["stages"]
    assert [stage["output"] for stage in data] == [[[4, 8, 8], [4, 4, 4]], [4, 8, 8]]


def test_stages_of_hrnet_give_all_their_maps() -> None:
    rows = {row.path: row for row in summarize(archdsl.load("hrnet_w18")).rows}
    assert (rows["stage3"].what, rows["stage3"].output) == (
        "exchange x 4", "18x56x56, 36x28x28, 72x14x14",
    )  # fmt: skip


def test_a_block_counts_what_is_inside_it() -> None:
    summary = summary_of("  a: {pair: {}}\n  b: {unit: {}}", by="block")
    assert [(row.path, row.what, row.cost.parameters) for row in summary.rows] == [
        ("pair", "1 block", 32), ("unit", "3 blocks", 48),
    ]  # fmt: skip


@pytest.mark.parametrize("name", built.quick())
def test_a_block_costs_what_all_its_uses_cost(name: str) -> None:
    graph = built.graph(name)
    rows = {row.path: row for row in summarize(graph, by="block").rows}
    costs = archdsl.analyze(graph).costs
    for block in {scope.block for scope in graph.scopes} - {""}:
        uses = [scope for scope in graph.scopes if scope.block == block]
        outer = [s for s in uses if all(o.block != block for o in graph.around(s.parent))]
        assert rows[block].cost == sum_of(costs[scope.id] for scope in outer)


def test_no_row_of_the_gallery_says_less_than_its_blocks() -> None:
    for name in ("resnetv2_50", "ese_vovnet39b", "poolformer_s12", "hrnet_w18", "swin_t"):
        said = text(summarize(archdsl.load(name)))
        assert not re.search(r"\b(repeat|sequence|residual)\b|\b_", said.partition("\n---")[2])


@settings(max_examples=examples(20, 300), suppress_health_check=list(HealthCheck))
@given(specs())
def test_rows_of_random_networks_add_up_to_the_whole(drawn: tuple[dict[str, Any], object]) -> None:
    graph = archdsl.loads(yaml.safe_dump(drawn[0], sort_keys=False))
    for depth in (None, 1, 2, 4):
        summary = summarize(graph, depth)
        for rows in (summary.stages, summary.rows):
            assert sum_of(row.cost for row in rows) == summary.total
            assert all(row.outputs for row in rows)


def test_a_stage_of_many_equal_maps_counts_them() -> None:
    stage = Stage("a", "b", (TensorSpec((64, 8, 8)),) * 3, Cost())
    assert stage.output == "64x8x8 x 3"
