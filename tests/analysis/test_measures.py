"""Columns of summaries: depth, intensity, roofline, grouping and sorting; and plots."""

from pathlib import Path

import pytest

import archdsl
from archdsl.analysis.measures import MEASURES, Device, Facts, totals
from archdsl.analysis.summary import summarize
from archdsl.cli import main as cli
from archdsl.diagnostics.errors import UsageError
from archdsl.expressions.numbers import number
from archdsl.figures.options import shown_of
from archdsl.tables.plots import undominated
from archdsl.tables.summary import cell, text

DEPTHS = {  # as in the names, or as the papers count: weighted layers on the longest path
    "alexnet": 8,
    "resnet18": 18,
    "resnet50": 50,
    "densenet121": 121,
    "vgg16": 16,
    "mobilenet_v2": 53,
    "googlenet": 22,
}


@pytest.mark.parametrize("name", DEPTHS)
def test_depth_is_what_gave_the_networks_their_names(name: str) -> None:
    assert totals(archdsl.load(name), ["depth"])["depth"] == DEPTHS[name]


def test_rows_by_op_and_by_stage_add_up() -> None:
    graph = archdsl.load("efficientnet_b0")
    whole = totals(graph, ["parameters", "macs", "activations", "saved"])
    for by in ("op", "stage"):
        rows = summarize(graph, by=by, show=tuple(whole)).stages  # type: ignore[arg-type]
        for column, value in whole.items():
            assert sum(row.value(column) for row in rows) == value  # type: ignore[misc]


def test_the_largest_of_a_column_comes_first() -> None:
    rows = summarize(archdsl.load("resnet50"), by="op", sort="macs").stages
    assert [row.path for row in rows[:2]] == ["conv", "linear"]
    assert rows[0].what == "53 ops"


def test_the_peak_of_a_network_is_that_of_its_worst_stage() -> None:
    summary = summarize(archdsl.load("resnet50"), show=("memory",))
    assert summary.value("memory") == max(row.value("memory") for row in summary.stages)  # type: ignore[type-var]


TINY = (
    "archdsl: 1\nname: t\ninput: [4, 8, 8]\nbackbone: [{conv: {out: 2, kernel: 1, bias: false}}]\n"
)


def test_intensity_is_operations_per_byte_of_inputs_weights_and_outputs() -> None:
    found = totals(archdsl.loads(TINY), ["macs", "moved", "intensity"])
    assert found["moved"] == 4 * (4 * 64 + 4 * 2 + 2 * 64)
    assert found["intensity"] == pytest.approx(2 * 512 / 1568)


def test_a_roofline_takes_the_slower_of_computing_and_moving() -> None:
    graph = archdsl.loads(TINY)
    slow_memory, slow_math = Device(1e9, 1e3), Device(1e3, 1e9)
    memory = totals(graph, ["time", "bound"], slow_memory)
    assert memory == {"time": pytest.approx(1568 / 1e3), "bound": "memory"}
    math = totals(graph, ["time", "bound"], slow_math)
    assert math == {"time": pytest.approx(1024 / 1e3), "bound": "compute"}


def test_a_column_for_a_device_needs_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["summary", "resnet18", "--show", "time"]) == 2
    assert "--device flops=19.5T,bandwidth=900G" in capsys.readouterr().err
    arguments = [
        "summary",
        "resnet18",
        "--show",
        "time,bound",
        "--device",
        "flops=1T,bandwidth=10G",
    ]
    assert cli.run(arguments) == 0
    assert "memory" in capsys.readouterr().out


def test_every_column_can_be_shown_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ",".join(MEASURES)
    for format in ("table", "markdown", "latex", "json", "csv"):
        call = ["summary", "resnet18", "--show", columns, "--format", format]
        assert cli.run([*call, "--device", "flops=1T,bandwidth=1T"]) == 0
    assert capsys.readouterr().err == ""


def test_numbers_as_people_write_them() -> None:
    assert (number("4G"), number("25.6M"), number("1e3"), number("1_000")) == (
        4e9,
        25.6e6,
        1e3,
        1e3,
    )
    assert cell(11_038_720, "bytes") == "11.04 MB"
    assert cell((427, 427), "sizes") == "427x427"
    assert cell(0.00125, "seconds") == "1.25 ms"


def test_the_headings_follow_the_columns() -> None:
    lines = text(summarize(archdsl.load("resnet18"), show=("macs", "field", "jump"))).splitlines()
    assert lines[3].split() == ["stage", "what", "output", "MACs", "%", "field", "jump"]


def test_a_graph_on_vectors_has_no_field() -> None:
    graph = archdsl.loads("archdsl: 1\nname: v\ninput: [4]\nbackbone: [{linear: {out: 2}}]\n")
    assert totals(graph, ["field", "depth"]) == {"field": None, "depth": 1}
    assert Facts(graph).fields == {"input": {}}  # of its only input, no node


def test_a_frontier_keeps_what_no_other_beats() -> None:
    points = [(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (4.0, 4.0), (2.0, 1.0)]
    assert undominated(points) == [(1.0, 1.0), (2.0, 3.0), (4.0, 4.0)]
    assert undominated(points, smallest=True) == [(1.0, 1.0)]


def test_plots_are_vectors_with_text_that_can_be_read(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for kind in ("memory", "field", "cost"):
        path = tmp_path / f"{kind}.svg"
        assert cli.run(["plot", kind, "resnet18", "-o", str(path)]) == 0
        drawn = path.read_text()
        assert "resnet18" in drawn and "<image" not in drawn
        assert cli.run(["plot", kind, "resnet18", "-o", str(path)]) == 0
        assert path.read_text() == drawn  # the same every time
    family = tmp_path / "family.svg"
    call = ["scale", "efficientnet_b0", "--phi", "0..1", "--show", "macs,parameters"]
    assert cli.run([*call, "--plot", str(family)]) == 0
    assert "phi" in family.read_text()


def test_a_plot_needs_a_name_of_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["plot", "cost", "resnet18", "-o", "x.gif"]) == 2
    said = "error: --out x.gif: a plot is a file .svg, .pdf, .png, .tex\n"
    assert capsys.readouterr().err == said


def test_columns_are_asked_for_as_specs_call_them() -> None:
    shown = summarize(archdsl.load("resnet18"), show=("params", "MACs"), sort="params")
    assert shown.show == ("parameters", "macs")
    assert [row.path for row in shown.stages[:2]] == ["layer4", "layer3"]
    assert shown_of("parameters,names") == shown_of("params,names")


def test_a_table_has_no_more_values_than_anybody_reads() -> None:
    graph = archdsl.loads(
        "archdsl: 1\nname: n\ninput: [1, 8]\nbackbone: [{relu: {}, repeat: 20001}]\n"
    )
    assert len(summarize(graph, 1, show=("macs", "depth")).stages) == 20001
    with pytest.raises(UsageError, match="20,001 rows of 3 columns are more than 60,000 values"):
        summarize(graph, 1, show=("macs", "depth", "field"))
    shown = tuple(name for name in MEASURES if not MEASURES[name].device)
    assert len(summarize(graph, by="op", show=shown).stages) == 1
