"""Cells of notebooks, in a real shell of IPython."""

import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import pytest

import archdsl

IPython = pytest.importorskip("IPython", reason="needs IPython")

SPEC = """\
archdsl: 1
name: tiny
input: [3, 32, 32]
params: {width: 8}
backbone:
  one: {conv: {out: width, kernel: 3}}
"""


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell, which takes the place of `__main__` as long as it is there."""
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # which may be another than this Python's
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "archdsl")
    yield made
    made.restore_sys_module_state()
    InteractiveShell.clear_instance()


def test_a_cell_gives_its_graph_its_figure_and_its_table(shell: Any) -> None:
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        shell.run_cell(f"%%archdsl mine --kind columns --set width=16\n{SPEC}")
    figure, table = captured.outputs
    assert "<svg" in figure.data["image/svg+xml"]
    assert "one" in table.data["text/html"] and "448" in table.data["text/html"]
    assert shell.user_ns["mine"].by_id["one"].op.out == 16


def test_a_setting_of_another_form_is_told(shell: Any) -> None:
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        shell.run_cell(f"%%archdsl --set width\n{SPEC}")
    assert "`width` is not of the form name=value." in captured.stderr
    assert not captured.outputs


def test_a_wrong_cell_says_where(shell: Any) -> None:
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        shell.run_cell("%%archdsl\n" + SPEC.replace("conv:", "convv:"))
    (report,) = captured.outputs
    assert "error[E0205]: unknown verb `convv`" in report.data["text/html"]
    assert "&lt;cell&gt;:6:9" in report.data["text/html"]
    assert "graph" not in shell.user_ns


def test_a_table_is_html_without_a_way_out() -> None:
    graph = archdsl.loads(SPEC + "cite: {title: '<script>alert(1)</script>'}\n")
    shown = archdsl.summarize(graph)._repr_html_()
    assert "<script>" not in shown
    root = ElementTree.fromstring(shown.replace("<br>", "<br/>"))
    cells = [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]
    title, *rows = (row[0] for row in cells)
    assert title.endswith("<script>alert(1)</script>")
    assert rows == ["stage", "one", "total"]


def test_figures_are_small_enough_for_a_page() -> None:
    assert len(archdsl.draw("resnet50")._repr_svg_() or "") < 100_000


def test_main_is_itself_again_behind_a_shell() -> None:
    assert hasattr(sys.modules["__main__"], "__spec__")
