"""The architecture table of a paper (He et al., table 1): networks in columns, rows by size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from archdsl.analysis.cost import Cost
from archdsl.diagnostics.text import one_line
from archdsl.figures.canvas.scene import words
from archdsl.figures.canvas.tikz import escaped
from archdsl.figures.kinds.columns import Layers, layers_of, rows_of
from archdsl.figures.network import labels
from archdsl.figures.network.description import Description, describe
from archdsl.figures.network.tree import QUIET, Box, Chain, Join, Mesh
from archdsl.graph.graph import Graph
from archdsl.numbers import quantity


@dataclass(frozen=True, slots=True)
class Entry:
    """Lines in brackets and how many times they repeat; without brackets if it is one line once.

    The lines of a `parallel` entry are paths side by side, those of others layers in order.
    """

    lines: tuple[str, ...]
    count: int = 1
    parallel: bool = False


Cell = tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A size and a cell for every network; `shared` cells are one across all."""

    size: str
    cells: tuple[Cell, ...]
    shared: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the table says, before any markup; `title` may be empty."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: tuple[Cost, ...]
    title: str = ""


def compare(descriptions: Sequence[Description], title: str = "") -> Comparison:
    """Networks as columns of entries in common rows; what all have alike is shared."""
    columns = [list(layers_of(description)) for description in descriptions]
    rows: list[Row] = []
    for row in rows_of(columns):
        rows += _rows(labels.dimensions(row.specs[0]), [_entries(cell) for cell in row.cells])
    return Comparison(
        tuple(words(d.title)[0].text for d in descriptions),
        tuple(rows),
        tuple(d.total for d in descriptions),
        one_line(title),
    )


def _entries(column: Sequence[Layers]) -> list[Entry]:
    """Blocks that differ by stride or shortcut are one entry, as papers have it."""
    found: list[Entry] = []
    for one in column:
        entry = _entry(one)
        if found and found[-1].lines == entry.lines:
            found[-1] = replace(found[-1], count=found[-1].count + one.count)
        else:
            found.append(entry)
    return found


def _entry(one: Layers) -> Entry:
    """A line for every layer; of a block that only branches one for every path.

    Blocks do not say strides, so that one that strides is an entry with those that do not.
    """
    chain = (one.unit.chain or one.unit.ops) if one.hidden else one.boxes
    first = chain[0]
    parallel = (
        len(chain) == 1 and isinstance(first, Join) and (first.parallel or not first.residual)
    )
    block = one.unit.kind != "op" or len(chain) > 1 or parallel
    without = "stride" if block else ""
    lines = _layers(chain, without, parallel) or _layers(one.boxes, without)
    return Entry(tuple(lines), one.count, parallel)


def _layers(chain: Chain, without: str, parallel: bool = False) -> list[str]:
    lines: list[str] = []
    for item in chain:
        if isinstance(item, Box):
            lines += [labels.written(item.terms, "full", without)] * (item.verb != QUIET)
        elif isinstance(item, Mesh):
            lines += _layers(item.boxes, without)
        elif item.residual and not item.parallel:
            lines += _layers(item.body, without)
        else:
            paths = [_in_line(path, without) for path in item.paths]
            lines += paths if parallel else [" | ".join(paths)]
    return lines


def _in_line(path: Chain, without: str) -> str:
    """`1×1, 96 → 3×3, 128`; what forks again in parentheses."""
    parts: list[str] = []
    for item in path:
        if isinstance(item, Join):
            parts.append(f"({' | '.join(_in_line(inner, without) for inner in item.paths)})")
        elif isinstance(item, Mesh):
            parts.append(f"({', '.join(_layers(item.boxes, without))})")
        elif item.verb != QUIET:
            parts.append(labels.written(item.terms, without=without))
    return " → ".join(parts) or "identity"


def _rows(size: str, cells: list[list[Entry]]) -> list[Row]:
    """One row, and before and after it one for each entry that all networks begin or end with."""
    before: list[Entry] = []
    after: list[Entry] = []
    several = len(cells) > 1
    while several and all(cells) and len({cell[0] for cell in cells}) == 1:
        before.append(cells[0][0])
        cells = [cell[1:] for cell in cells]
    while several and all(cells) and len({cell[-1] for cell in cells}) == 1:
        after.insert(0, cells[0][-1])
        cells = [cell[:-1] for cell in cells]
    rows = [Row(size, ((entry,),), True) for entry in before]
    if any(cells):
        rows.append(Row(size, tuple(map(tuple, cells)), False))
    rows += [Row(size, ((entry,),), True) for entry in after]
    return [rows[0], *(replace(row, size="") for row in rows[1:])]


def latex(table: Comparison) -> str:
    """A `tabular` with the rules of booktabs; brackets are arrays, so it needs nothing else."""
    count, titled = len(table.names), bool(table.title)
    lines = [
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{l{'c' * count}}}",
        *([rf"\multicolumn{{{count + 1}}}{{c}}{{\textbf{{{escaped(table.title)}}}}} \\"] * titled),
        r"\toprule",
        " & ".join(["Output", *map(escaped, table.names)]) + r" \\",
    ]
    for row in table.rows:
        lines += [r"\midrule"] if row.size else []
        if row.shared and count > 1:
            cells = [rf"\multicolumn{{{count}}}{{c}}{{{_latex_cell(row.cells[0])}}}"]
        else:
            cells = [_latex_cell(cell) for cell in row.cells]
        lines.append(" & ".join([escaped(row.size), *cells]) + r" \\")
    totals = [f"{quantity(t.parameters)} / {quantity(t.macs)}" for t in table.totals]
    total = " & ".join(["Params / MACs", *totals]) + r" \\"
    return "\n".join([*lines, r"\midrule", total, r"\bottomrule", r"\end{tabular}", ""])


def _latex_cell(cell: Cell) -> str:
    parts = [_latex_entry(entry) for entry in cell]
    if len(parts) < 2:
        return "".join(parts)
    return r"\begin{tabular}{@{}c@{}}" + r" \\ ".join(parts) + r"\end{tabular}"


def _latex_entry(entry: Entry) -> str:
    lines = [escaped(line) for line in entry.lines]
    if len(lines) == 1 and entry.count == 1:
        return lines[0]
    inner = r" \\ ".join(rf"\mbox{{{line}}}" for line in lines)
    array = rf"\left[\begin{{array}}{{@{{}}c@{{}}}}{inner}\end{{array}}\right]"
    return rf"${array}\times {entry.count}$" if entry.count > 1 else f"${array}$"


def latex_cells(graph: Graph, rows: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The layers that the parts of each row hold, by its name; nothing for rows of ops."""
    every = list(layers_of(describe(graph)))
    found: dict[str, str] = {}
    for name, paths in rows.items():
        scopes = [f"{path}." for path in paths if path in graph.scope_by_id]
        inside = [one for one in every if f"{one.unit.id}.".startswith(tuple(scopes))]
        if inside:
            found[name] = _latex_cell(tuple(_entries(inside)))
    return found


def markdown(table: Comparison) -> str:
    """A table as GitHub shows it."""
    rows = [["output", *map(_markdown_text, table.names)], ["---"] * (len(table.names) + 1)]
    for row in table.rows:
        cells = row.cells * len(table.names) if row.shared else row.cells
        rows.append([row.size, *(_markdown_cell(cell) for cell in cells)])
    totals = [f"{quantity(t.parameters)} / {quantity(t.macs)}" for t in table.totals]
    rows.append(["params / MACs", *totals])
    title = [f"**{_markdown_text(table.title)}**", ""] if table.title else []
    return "\n".join([*title, *("| " + " | ".join(row) + " |" for row in rows), ""])


def _markdown_text(text: str) -> str:
    return "".join("\\" + c if c in r"\`*_<>|[]" else c for c in text)


def _markdown_cell(cell: Cell) -> str:
    return "<br>".join(_bracketed(entry, _markdown_text) for entry in cell)


def _bracketed(entry: Entry, escape_text: Callable[[str], str]) -> str:
    lines = (" | " if entry.parallel else " · ").join(entry.lines)
    if entry.count == 1 and len(entry.lines) == 1:
        return escape_text(lines)
    times = f" ×{entry.count}" if entry.count > 1 else ""
    return escape_text(f"[{lines}]{times}")


def html(table: Comparison) -> str:
    """A `table` element without style, its shared cells across all columns."""
    count = len(table.names)
    head = "".join(f"<th>{escape(name)}</th>" for name in ("Output", *table.names))
    rows = [f"<tr>{head}</tr>"]
    for row in table.rows:
        span = f' colspan="{count}"' if row.shared and count > 1 else ""
        cells = "".join(f"<td{span}>{_html_cell(cell)}</td>" for cell in row.cells)
        rows.append(f"<tr><th>{escape(row.size)}</th>{cells}</tr>")
    totals = "".join(
        f"<td>{quantity(t.parameters)} / {quantity(t.macs)}</td>" for t in table.totals
    )
    rows.append(f"<tr><th>Params / MACs</th>{totals}</tr>")
    title = [f"<caption>{escape(table.title)}</caption>"] if table.title else []
    return "\n".join(["<table>", *title, *rows, "</table>", ""])


def _html_cell(cell: Cell) -> str:
    return "<br>".join(_bracketed(entry, escape) for entry in cell)


FORMATS: dict[str, Callable[[Comparison], str]] = {".md": markdown, ".tex": latex, ".html": html}
