"""`import archdsl`: one screen of names."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import archdsl

SIMPLE = """\
archdsl: 1
name: simple
input: [3, 8, 8]
params: {width: 4, act: {type: item, default: relu}, classes: 10, expand: 1.5}
backbone:
  conv: {conv: {out: width(width), kernel: 3}}
  act: $act
  more: {conv: {out: floor(C * expand), kernel: 1}, tap: c1}
  pool: global_avg_pool
  flatten: flatten
  fc: {linear: {out: classes}}
"""

WRONG = SIMPLE.replace("kernel: 3", "kernel: 3, strid: 2").replace("linear", "liner")


@pytest.fixture
def simple(tmp_path: Path) -> Path:
    path = tmp_path / "simple.yaml"
    path.write_text(SIMPLE)
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    return path


def output_of(graph: archdsl.Graph) -> tuple[int, ...]:
    return graph.spec(graph.outputs[""]).shape


def test_a_spec_is_named_by_a_path_or_by_its_name(simple: Path) -> None:
    assert archdsl.load(simple).name == "simple"
    assert archdsl.load(str(simple)) == archdsl.load(simple)
    assert output_of(archdsl.load("resnet18")) == (1000,)


def test_a_spec_may_be_a_string() -> None:
    graph = archdsl.loads(SIMPLE)
    assert isinstance(graph, archdsl.Graph)
    assert [node.id for node in graph.nodes] == ["conv", "act", "more", "pool", "flatten", "fc"]
    assert isinstance(graph.nodes[0], archdsl.Node)
    assert graph.input == archdsl.TensorSpec((3, 8, 8))


def test_params_change_the_spec(simple: Path) -> None:
    params = {"width": 16, "act": "sigmoid", "classes": 2, "expand": 0.5}
    graph = archdsl.load(simple, params=params)
    assert graph.by_id["conv"].output.channels == 16
    assert graph.by_id["act"].op.verb == "sigmoid"
    assert graph.by_id["more"].output.channels == 8
    assert output_of(graph) == (2,)


def test_a_list_is_a_param() -> None:
    graph = archdsl.load("resnet50", params={"depths": [1, 1, 1, 1], "block": "basic"})
    assert output_of(graph) == (1000,)
    assert sum(node.op.verb == "add" for node in graph.nodes) == 4


def test_scale_changes_the_scaling_rules(simple: Path) -> None:
    graph = archdsl.load(simple, scale={"width": 2.0})
    assert graph.by_id["conv"].output.channels == 8
    assert archdsl.load("efficientnet_b0", scale={"phi": 1}).input.shape != (3, 224, 224)


def test_an_unknown_param_is_an_error_with_a_suggestion(simple: Path) -> None:
    with pytest.raises(archdsl.UsageError, match="did you mean `classes`"):
        archdsl.load(simple, params={"clases": 3})
    with pytest.raises(archdsl.UsageError, match="did you mean `width`"):
        archdsl.load(simple, scale={"widht": 3})


def test_a_missing_spec_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(archdsl.UsageError, match="did you mean `resnet50`"):
        archdsl.load("resnet5O")


def test_params_do_not_change_a_graph() -> None:
    with pytest.raises(archdsl.UsageError, match="a graph is past that"):
        archdsl.analyze(archdsl.loads(SIMPLE), params={"classes": 3})


def test_an_error_shows_the_whole_report(wrong: Path) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.load(wrong)
    assert [d.code for d in caught.value.diagnostics] == ["E0206", "E0205"]
    report = str(caught.value)
    assert "conv: {conv: {out: width(width), kernel: 3, strid: 2}}" in report
    assert "^^^^^" in report
    assert "did you mean `linear`?" in report
    assert "2 errors in 1 file" in report


def test_an_error_can_be_pickled(wrong: Path) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.load(wrong)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.diagnostics) == (str(caught.value), caught.value.diagnostics)


def test_check_gives_the_diagnostics(simple: Path, wrong: Path) -> None:
    assert archdsl.check(simple) == []
    found = archdsl.check(wrong)
    assert all(isinstance(diagnostic, archdsl.Diagnostic) for diagnostic in found)
    assert [(d.code, d.span.line) for d in found if d.span] == [("E0206", 6), ("E0205", 11)]


DOUBTFUL = """\
archdsl: 1
name: doubtful
input: [3, 8, 8]
scaling: {phi: 0, depth: {base: 2}, width: {base: 2}, resolution: {base: 2}}
backbone: [relu]
"""


def test_what_is_doubtful_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="W0101"):
        graph = archdsl.loads(DOUBTFUL)
    assert graph.name == "doubtful"


def test_costs_are_had_from_a_spec_or_a_graph(simple: Path) -> None:
    analysis = archdsl.analyze(simple)
    assert analysis == archdsl.analyze(archdsl.load(simple))
    assert analysis.costs["conv"].parameters == 4 * 3 * 9 + 4


def test_a_summary_shows_itself_in_a_terminal_and_in_a_notebook(simple: Path) -> None:
    table = archdsl.summarize(simple, params={"classes": 3})
    assert repr(table).splitlines()[0] == "simple: 3x8x8 -> 3"
    assert "| `conv` | 3x3 conv, 4 | 4x8x8 |" in table._repr_markdown_()
    assert len(archdsl.summarize("resnet18", 2).summary.stages) == 15


def test_emitted_source_is_the_graphs(simple: Path) -> None:
    source = archdsl.emit(simple)
    assert source == archdsl.emit(archdsl.load(simple))
    assert "archdsl" not in "".join(line for line in source.splitlines() if "import" in line)
    compile(source, "simple.py", "exec")


def test_a_module_gives_what_the_graph_says(simple: Path) -> None:
    import torch

    module = archdsl.compile(simple, params={"classes": 7})
    assert module(torch.zeros(2, 3, 8, 8)).shape == (2, 7)
    assert list(dict(module.named_children())) == ["conv", "act", "more", "pool", "flatten", "fc"]


def test_a_module_may_give_features(simple: Path) -> None:
    import torch

    backbone = archdsl.compile(simple, features=["c1"])
    assert {n: tuple(x.shape) for n, x in backbone(torch.zeros(1, 3, 8, 8)).items()} == {
        "c1": (1, 6, 8, 8)
    }
    with pytest.raises(archdsl.UsageError, match="no feature `c9`"):
        archdsl.compile(simple, features=["c9"])


def imported_by(statement: str) -> set[str]:
    """The modules that a fresh process has imported after a statement."""
    program = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_importing_the_package_imports_no_other() -> None:
    heavy = {"torch", "numpy", "networkx", "yaml", "click", "rich", "archdsl.ops"}
    assert not heavy & imported_by("import archdsl")


@pytest.mark.parametrize("call", ["load", "check", "summarize", "analyze"])
def test_reading_a_spec_imports_no_torch(call: str) -> None:
    modules = imported_by(f"import archdsl; archdsl.{call}('resnet18')")
    assert not {"torch", "numpy", "networkx"} & modules


def test_every_public_name_is_there_and_documented() -> None:
    assert sorted(archdsl.__all__) == dir(archdsl)
    for name in archdsl.__all__:
        value = getattr(archdsl, name)
        assert isinstance(value, str) or value.__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        archdsl.nothing  # noqa: B018
