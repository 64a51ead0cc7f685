"""Scaling from a spec: families, budgets, the grid search, and what is written of them."""

from pathlib import Path

import pytest

import archdsl
from archdsl.cli import main as cli
from archdsl.diagnostics.errors import SpecError, UsageError
from archdsl.study.candidates import Candidates, Point, changed
from archdsl.study.scale import Family, family, grid, largest, search, target, write_specs
from archdsl.tables.family import FORMATS
from tests.support import labels, write

RESIDUAL = """
archdsl: 1
name: small_resnet
input: [3, resolution(32), resolution(32)]
scaling: {depth: {base: 1.2}, width: {base: 1.1}, resolution: {base: 1.15}}
params: {classes: 10}
backbone:
  conv1: {conv: {out: width(16), kernel: 3, bias: false}}
  layer{row + 1}:
    for: {channels: [16, 32], layers: [2, 2]}
    seq:
      - repeat: depth(layers)
        residual:
          body: {conv: {conv: {out: width(channels), kernel: 3, bias: false}}}
          shortcut: {projection: {conv: {out: width(channels), kernel: 1, bias: false}}}
head: [global_avg_pool, flatten, {linear: {out: classes}}]
"""

FIXED = "archdsl: 1\nname: fixed\ninput: [3, 8, 8]\nbackbone: [{conv: {out: 4, kernel: 3}}]\n"
BASE = """
archdsl: 1
name: base
input: [3, 8, 8]
params: {depths: [2, 2]}
backbone:
  layer{row}: {for: {depth: depths}, conv: {kernel: 3}, repeat: depth}
"""


@pytest.fixture
def small(tmp_path: Path) -> Candidates:
    (tmp_path / "small.yaml").write_text(RESIDUAL)
    return Candidates(tmp_path / "small.yaml")


def test_a_candidate_is_what_the_command_line_would_load() -> None:
    candidates = Candidates("efficientnet_b0")
    found = candidates.graph(Point({"width": 1.4, "phi": 1}, {"classes": 10}))
    expected = archdsl.load(
        "efficientnet_b0", scale={"width": 1.4, "phi": 1}, params={"classes": 10}
    )
    assert [(n.id, n.op, n.output) for n in found.nodes] == [
        (n.id, n.op, n.output) for n in expected.nodes
    ]


@pytest.mark.parametrize("name", ["efficientnet_b0", "resnet50", "resnext50_32x4d", "vit_b_16"])
def test_networks_that_use_the_rules_scale_whatever_their_blocks(name: str) -> None:
    assert Candidates(name).uses() == ("depth", "width", "resolution")
    found = family(Candidates(name), [0, 1, 2], ("parameters", "macs", "activations"))
    for column in ("parameters", "macs", "activations"):
        costs = [row.values[column] for row in found.rows]
        assert costs == sorted(set(costs)), column
    assert archdsl.compile(name, scale={"phi": 1}, params={"classes": 2})


def test_a_candidate_leaves_the_spec_as_it_was(small: Candidates) -> None:
    before = small.graph(Point({}, {}))
    changed(small.document, Point({"width": 3.0, "phi": 2}, {"classes": 7}))
    small.graph(Point({"width": 3.0}, {"classes": 7}))
    assert small.graph(Point({}, {})) == before


def test_a_wrong_candidate_says_why(small: Candidates) -> None:
    with pytest.raises(SpecError, match="not a positive number"):
        small.graph(Point({"width": -1.0}, {}))


def test_a_wrong_candidate_says_where_its_values_are_from_and_who_extends_what(
    tmp_path: Path,
) -> None:
    write(tmp_path, base=BASE, child="archdsl: 1\nextends: base.yaml\nname: child")
    with pytest.raises(SpecError) as caught:
        Candidates(tmp_path / "child.yaml").graph(Point({}, {"depths": [2, -3]}))
    (found,) = caught.value.diagnostics
    assert found.message == "repeat: -3 is less than 0"
    assert labels(found) == ["1 depth is -3", "6 in row 2: depth = -3", "2 extended here"]
    assert "1 | [2, -3]\n  |     -- depth is -3" in caught.value.report


def test_what_a_spec_uses_is_found(small: Candidates, tmp_path: Path) -> None:
    assert small.uses() == ("depth", "width", "resolution")
    (tmp_path / "fixed.yaml").write_text(FIXED)
    assert Candidates(tmp_path / "fixed.yaml").uses() == ()


def test_a_family_measures_the_true_networks() -> None:
    rows = family(Candidates("efficientnet_b0"), [0, 2], ("parameters", "macs")).rows
    assert rows[0].values == {"parameters": 5_288_548, "macs": 385_814_752}
    assert rows[1].input == (3, 296, 296)  # round(224 * 1.15^2)
    assert rows[1].values["parameters"] == 12_233_232  # B3 in torchvision: phi 2 has its channels


def test_the_largest_under_a_budget_is_under_it_and_a_step_more_is_not(small: Candidates) -> None:
    result = largest(small, {"macs": 5e7})
    assert [[*row.scale][-1] for row in result.rows] == ["phi", "depth", "width", "resolution"]
    for row in result.rows:
        assert 2.5e7 < row.values["macs"] <= 5e7  # type: ignore[operator]
        name, factor = list(row.scale.items())[-1]
        more = {**row.scale, name: factor * 1.03 + (name == "depth") * 0.51}
        assert small.measure(Point(more, {}), ("macs",))["macs"] > 5e7  # type: ignore[operator]


def test_params_and_parameters_are_one_column(small: Candidates) -> None:
    ways = [
        (largest(small, {name: 30e3}, [name]), target(f"1.5x {name}"))
        for name in ("params", "parameters")
    ]
    assert ways[0] == ways[1]
    assert ways[0][0].columns == ("parameters",)


def test_all_budgets_hold_at_once(small: Candidates) -> None:
    result = largest(small, {"macs": 5e7, "parameters": 30e3})
    assert all(row.values["parameters"] <= 30e3 for row in result.rows)  # type: ignore[operator]
    assert any(row.values["macs"] < 3e7 for row in result.rows)  # type: ignore[operator]


def test_a_search_finds_the_grid_points_nearest_to_the_target(small: Candidates) -> None:
    result = search(small, target("2x macs"), grid(1, 1.5, 0.25), top=1000)
    base = small.measure(Point({"phi": 0}, {}), ("macs",))["macs"]
    ratios = [row.values["macs"] / base for row in result.rows]  # type: ignore[operator]
    away = [max(ratio / 2, 2 / ratio) for ratio in ratios]
    assert away == sorted(away)
    assert 0 < len(ratios) <= 27
    assert result.rows[0].note == f"{ratios[0]:.3f}x"


def test_found_networks_are_written_as_specs_that_extend_the_base(
    small: Candidates, tmp_path: Path
) -> None:
    result = search(small, target("2x macs"), [1.0, 1.3, 1.5])
    paths = list(write_specs(small, result, 2, tmp_path))
    assert [path.name for path in paths] == ["small_1.yaml", "small_2.yaml"]
    assert "extends: small.yaml" in paths[0].read_text()
    for path, row in zip(paths, result.rows, strict=False):
        assert archdsl.check(path) == []
        assert archdsl.analyze(path).total.macs == row.values["macs"]


def test_specs_are_not_written_where_they_could_not_extend_the_base(
    small: Candidates, tmp_path: Path
) -> None:
    result = search(small, target("2x macs"), [1.0, 1.3])
    with pytest.raises(UsageError, match="which lies outside"):
        list(write_specs(small, result, 1, tmp_path / "found"))
    network = Candidates("alexnet")
    rows = family(network, [0]).rows
    (path,) = write_specs(network, Family("alexnet", (), rows), 1, tmp_path / "found")
    assert "extends: alexnet\n" in path.read_text()
    assert archdsl.check(path) == []


def test_what_is_set_of_the_base_is_written_too(small: Candidates, tmp_path: Path) -> None:
    wider = Candidates(small.path, {"classes": "7"}, {"depth": "1.5"})
    result = search(wider, target("2x macs"), [1.0, 1.3, 1.5])
    (path,) = write_specs(wider, result, 1, tmp_path)
    assert archdsl.check(path) == []
    graph = archdsl.load(path)
    assert list(graph.spec(graph.outputs[""]).shape) == [7]


def test_targets_and_grids_as_people_write_them() -> None:
    assert target("2x macs") == target("2.0x  MACs".replace("MACs", "macs"))
    assert grid(1, 2, 0.5) == [1, 1.5, 2]
    for wrong in ("2 macs", "2x", "x macs", "0x macs"):
        with pytest.raises(UsageError):
            target(wrong)
    with pytest.raises(UsageError, match="did you mean `macs`"):
        target("2x mac")


def test_the_formats_hold_the_same_networks(small: Candidates) -> None:
    result = family(small, [0, 1])
    assert (
        FORMATS["csv"](result).splitlines()[0].startswith("label,scale.phi,input,parameters,macs")
    )
    assert FORMATS["table"](result).splitlines()[2].startswith("phi=0  3x32x32")
    assert FORMATS["markdown"](result).count("\n") == 4


def test_a_spec_that_does_not_scale_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fixed.yaml").write_text(FIXED)
    assert cli.run(["scale", str(tmp_path / "fixed.yaml"), "--phi", "0..1"]) == 0
    assert "uses none of depth(), width() and resolution()" in capsys.readouterr().err


def test_a_wrong_call_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for call in (
        ["scale", "resnet18"],
        ["scale", "resnet18", "--phi", "a..b"],
        ["scale", "resnet18", "--phi", "7..0"],
        ["scale", "resnet18", "--phi", "nan"],
        ["scale", "resnet18", "--phi", "1", "--show", "time"],
        ["scale", "resnet18", "--budget", "macs=lots"],
        ["scale", "resnet18", "--search", "twice"],
        ["summary", "resnet18", "--show", "mac"],
        ["summary", "resnet18", "--show", "time"],
        ["diff", "resnet18"],
    ):
        assert cli.run(call) == 2, call
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--grid", "1,2,0.003", "the grid of this search has more than 1,000,000 networks"),
        ("--grid", "1,2,1e-9", "a grid from 1 to 2 by 1e-09 has more than 1,000,000 factors"),
        ("--grid", "1,inf,1", "a grid from 1 to inf needs a step above 0, not 1"),
        ("--phi", "0..1000000000000", "--phi 0..1000000000000: more than 1,000,000 networks"),
    ],
)
def test_networks_are_counted_before_any_is_made(
    option: str, value: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    search = ["--search", "2x macs"] if option == "--grid" else []
    assert cli.run(["scale", "efficientnet_b0", *search, option, value]) == 2
    assert capsys.readouterr().err.startswith(f"error: {problem}")
