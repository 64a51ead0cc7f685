"""Plots of names as long as they may be, and of columns that somebody else has named."""

import warnings
from pathlib import Path

import pytest

import archdsl
from archdsl.cli.main import run
from archdsl.tables import plots

LONG = "v" * 200


@pytest.mark.parametrize("kind", [plots.memory, plots.field, plots.cost])
def test_long_names_are_broken_and_leave_the_axes_their_room(kind: object, tmp_path: Path) -> None:
    assert callable(kind)
    spec = f"archdsl: 1\nname: {LONG}\ninput: [4, 8, 8]\nbackbone: {{{LONG}: "
    graph = archdsl.loads(spec + "{conv: {kernel: 3}}, z: {conv: {kernel: 1}}}\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind(graph, tmp_path / "p.svg")
    drawn = (tmp_path / "p.svg").read_text()
    assert drawn.count("v" * 40) >= 2 and "v" * 73 not in drawn


@pytest.mark.parametrize("name", ["$\\frac{$", "$a$ $b", "\\n{}%", "<b>&amp;]]>", "x" * 300])
def test_columns_of_any_name_are_plotted_as_they_are_called(name: str, tmp_path: Path) -> None:
    results = tmp_path / "r.csv"
    results.write_text(f'key,status,"{name}",macs,spec\na,ok,1,2,n\nb,ok,2,3,n\n')
    out = str(tmp_path / "p.svg")
    assert run(["plot", "frontier", str(results), "-x", name, "-y", "macs", "-o", out]) == 0
    assert (tmp_path / "p.svg").exists()


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e308", "9" * 400, "1e999", "0"])
def test_numbers_that_have_no_place_are_left_out_of_a_frontier(number: str, tmp_path: Path) -> None:
    results = tmp_path / "r.csv"
    results.write_text(f"key,status,a,macs,spec\na,ok,1,2,n\nb,ok,{number},3,n\n")
    out = str(tmp_path / "p.svg")
    assert run(["plot", "frontier", str(results), "-x", "a", "-y", "macs", "-o", out]) == 0
