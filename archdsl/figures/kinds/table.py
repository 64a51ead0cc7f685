"""The architecture table of a paper (He et al., table 1): networks in columns, rows by size."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from archdsl.expressions.numbers import quantity
from archdsl.figures.canvas.tikz import texed
from archdsl.figures.kinds.table_rows import Cell, Column, Comparison, Entry, entries, in_words
from archdsl.figures.network.description import describe
from archdsl.graph.graph import Graph


def latex(table: Comparison) -> str:
    """A `tabular` with the rules of booktabs; brackets are arrays, so it needs nothing else."""
    count, titled = len(table.names), bool(table.title)
    lines = [
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{l{'c' * count}}}",
        *([rf"\multicolumn{{{count + 1}}}{{c}}{{\textbf{{{texed(table.title)}}}}} \\"] * titled),
        r"\toprule",
        " & ".join(["Output", *map(texed, table.names)]) + r" \\",
    ]
    for row in table.rows:
        lines += [r"\midrule"] if row.size else []
        if row.shared and count > 1:
            cells = [rf"\multicolumn{{{count}}}{{c}}{{{_latex_cell(row.cells[0])}}}"]
        else:
            cells = [_latex_cell(cell) for cell in row.cells]
        lines.append(" & ".join([texed(row.size), *cells]) + r" \\")
    totals = [f"{quantity(t.parameters)} / {quantity(t.macs)}" for t in table.totals]
    total = " & ".join(["Params / MACs", *totals]) + r" \\"
    return "\n".join([*lines, r"\midrule", total, r"\bottomrule", r"\end{tabular}", ""])


def _latex_cell(cell: Cell) -> str:
    parts = [_latex_entry(entry) for entry in cell]
    if len(parts) < 2:
        return "".join(parts)
    return r"\begin{tabular}{@{}c@{}}" + r" \\ ".join(parts) + r"\end{tabular}"


def _latex_entry(entry: Entry) -> str:
    lines = [texed(line) for line in (*entry.lines, *filter(None, [entry.end]))]
    if len(lines) == 1 and entry.count == 1:
        return lines[0]
    inner = r" \\ ".join(rf"\mbox{{{line}}}" for line in lines)
    array = rf"\left[\begin{{array}}{{@{{}}c@{{}}}}{inner}\end{{array}}\right]"
    return rf"${array}\times {entry.count}$" if entry.count > 1 else f"${array}$"


def latex_cells(graph: Graph, rows: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The layers that the parts of each row hold, by its name; nothing for rows of ops."""
    column = Column(describe(graph))
    found: dict[str, str] = {}
    for name, paths in rows.items():
        scopes = [f"{path}." for path in paths if path in graph.scope_by_id]
        inside = [u for u in column.description.units if f"{u.id}.".startswith(tuple(scopes))]
        if inside:
            found[name] = _latex_cell(tuple(entries(list(map(column.entry, inside)))))
    return found


def markdown(table: Comparison) -> str:
    """A table as GitHub shows it."""
    rows = [["output", *map(_markdown_text, table.names)], ["---"] * (len(table.names) + 1)]
    for row in table.rows:
        cells = row.cells * len(table.names) if row.shared else row.cells
        rows.append([row.size.lower(), *(_markdown_cell(cell) for cell in cells)])
    totals = [f"{quantity(t.parameters)} / {quantity(t.macs)}" for t in table.totals]
    rows.append(["params / MACs", *totals])
    title = [f"**{_markdown_text(table.title)}**", ""] if table.title else []
    return "\n".join([*title, *("| " + " | ".join(row) + " |" for row in rows), ""])


def _markdown_text(text: str) -> str:
    return "".join("\\" + c if c in r"\`*_<>|[]" else c for c in text)


def _markdown_cell(cell: Cell) -> str:
    return "<br>".join(_markdown_text(in_words(entry)) for entry in cell)


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
    return "<br>".join(escape(in_words(entry)) for entry in cell)


FORMATS: dict[str, Callable[[Comparison], str]] = {".md": markdown, ".tex": latex, ".html": html}
