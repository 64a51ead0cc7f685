"""A summary as a table: text, Markdown, LaTeX, JSON, CSV."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdsl.analysis.cost import Cost
from archdsl.analysis.measures import MEASURES, Kind, Measure, Value
from archdsl.analysis.summary import Stage, Summary
from archdsl.diagnostics.text import one_line
from archdsl.expressions.numbers import quantity, share
from archdsl.graph.graph import INPUT, named_shapes
from archdsl.tables.text import aligned, html_table

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def cell(value: Value, kind: Kind) -> str:
    """A value of a measure as a reader wants it: `11.04 MB`, `427x427`, `-3, -3`, `1.25 ms`."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, tuple):
        return (", " if kind == "place" else "x").join(f"{number:g}" for number in value)
    if kind == "count":
        return quantity(round(value))
    if kind == "bytes":
        return f"{quantity(round(value))}B" if value >= 999.995 else f"{value} B"
    if kind == "seconds":
        scale, unit = (1e6, "us") if value < 1e-3 else (1e3, "ms") if value < 1 else (1, "s")
        return f"{value * scale:.3g} {unit}"
    return f"{value:.3g}" if kind == "ratio" else str(value)


def text(summary: Summary, styled: bool = False) -> str:
    """Aligned columns under a line that says what the network takes and gives.

    With `styled` the headings and the totals are bold, by the escape codes of terminals.
    """
    headings, rule, *rows, total = aligned(
        [_headings(summary), *_rows(summary), _total(summary)], _sides(summary)
    )
    if styled:
        headings, total = (f"\x1b[1m{line}\x1b[0m" for line in (headings, total))
    about = [f"{summary.name}: {_signature(summary)}", *filter(None, [one_line(summary.citation)])]
    return "\n".join([*about, "", headings, rule, *rows, rule, total, ""])


def markdown(summary: Summary) -> str:
    """A heading and a table as GitHub shows it."""
    rule = [":--" if side == "l" else "--:" for side in _sides(summary)]
    rows = [[f"`{path}`", *map(_escape_markdown, rest)] for path, *rest in _rows(summary)]
    total = [f"**{cell}**" if cell else "" for cell in _total(summary)]
    table = ["| " + " | ".join(row) + " |" for row in (_headings(summary), rule, *rows, total)]
    source = [_escape_markdown(summary.citation), ""] if summary.citation else []
    title = [f"# {_escape_markdown(summary.name)}", ""]
    return "\n".join([*title, *source, f"`{_signature(summary)}`", "", *table, ""])


def html(summary: Summary) -> str:
    """A table of HTML without styles: a page's or a notebook's own apply."""
    about = [f"{summary.name}: {_signature(summary)}", *filter(None, [one_line(summary.citation)])]
    headings, total = _headings(summary), _total(summary)
    return html_table(about, headings, _rows(summary), total, _sides(summary))


def latex(summary: Summary, blocks: Mapping[str, str] | None = None) -> str:
    """A `tabular` with the rules of the booktabs package.

    `blocks` are cells in LaTeX that say what a path holds instead of a word: layers in brackets.
    """
    comment = one_line(f"{summary.name}: {_signature(summary)} {summary.citation}")
    cells = zip(_rows(summary), summary.rows, strict=True)
    rows = [_latex_row(row, (blocks or {}).get(stage.path)) for row, stage in cells]
    lines = [f"% {comment}", r"% \usepackage{booktabs}", rf"\begin{{tabular}}{{{_sides(summary)}}}"]
    lines += [r"\toprule", _latex_row(_headings(summary)), r"\midrule", *rows]
    lines += [r"\midrule", _latex_row(_total(summary)), r"\bottomrule", r"\end{tabular}", ""]
    return "\n".join(lines)


def to_json(summary: Summary) -> str:
    """Everything that the summary holds, numbers exact, shapes as lists without the batch."""
    data = {
        "name": summary.name,
        "title": summary.title,
        "citation": summary.citation,
        **_inputs(summary),
        "outputs": {name: spec.shape for name, spec in summary.outputs.items()},
        "stages": [_record(stage, _shapes(stage)) for stage in summary.stages],
        "total": {**summary.total._asdict(), **summary.values},
    }
    shapes_on_one_line = re.sub(r"\[\n\s+([\d,\s]+?)\n\s+\]", _unbroken, json.dumps(data, indent=1))
    return shapes_on_one_line + "\n"


def to_csv(summary: Summary) -> str:
    """One line per stage and one for the total, numbers exact."""
    records = [_record(stage, stage.output) for stage in summary.stages]
    records.append({"path": "total", **summary.total._asdict(), **summary.values})
    for record in records:
        for name, value in record.items():
            if isinstance(value, tuple):
                record[name] = cell(value, MEASURES[name].kind if name in MEASURES else "sizes")
    file = io.StringIO()
    fields = ["path", "what", "output", *Cost._fields, *summary.values]
    writer = csv.DictWriter(file, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return file.getvalue()


FORMATS: dict[str, Callable[[Summary], str]] = {
    "table": text,
    "markdown": markdown,
    "latex": latex,
    "html": html,
    "json": to_json,
    "csv": to_csv,
}


@dataclass(frozen=True)
class Table:
    """A summary that shows itself: as text in a terminal, as a table in a notebook.

    With `blocks`, which gives the cells of rows in LaTeX by the paths of their parts, that shows
    stages as papers do: layers in brackets, how many times.
    """

    summary: Summary
    blocks: Callable[[Mapping[str, Sequence[str]]], Mapping[str, str]] | None = None

    def __str__(self) -> str:
        return text(self.summary)

    def __repr__(self) -> str:
        return text(self.summary)

    def _repr_markdown_(self) -> str:
        return markdown(self.summary)

    def _repr_html_(self) -> str:
        return html(self.summary)

    def render(self, format: str = "table") -> str:
        """The table in one of FORMATS."""
        if format == "latex" and self.blocks is not None:
            return latex(
                self.summary,
                self.blocks({row.path: row.paths or (row.path,) for row in self.summary.rows}),
            )
        return FORMATS[format](self.summary)


def _headings(summary: Summary) -> list[str]:
    output = ["output"] if summary.by == "stage" else []
    headings = [summary.by, "what", *output]
    for name in summary.show:
        headings += [MEASURES[name].heading, *(["%"] if MEASURES[name].share else [])]
    return headings


def _sides(summary: Summary) -> str:
    """Words left, numbers right."""
    words = "lll" if summary.by == "stage" else "ll"
    return words + "r" * (len(_headings(summary)) - len(words))


def _rows(summary: Summary) -> list[list[str]]:
    rows = summary.rows
    columns = [[row.name for row in rows], [row.what for row in rows]]
    if summary.by == "stage":
        columns.append([row.output for row in rows])
    for name in summary.show:
        columns += _columns(summary, name)
    return [list(row) for row in zip(*columns, strict=True)]


def _columns(summary: Summary, name: str) -> Iterator[list[str]]:
    """The column of a measure, and that of its shares; what is written alike is written once."""
    column, whole = MEASURES[name], summary.value(name)
    values = [row.value(name) for row in summary.rows]
    besides = [row.value(column.beside) for row in summary.rows] if column.beside else values
    written = {pair: _beside(*pair, column) for pair in set(zip(values, besides, strict=True))}
    yield [written[pair] for pair in zip(values, besides, strict=True)]
    if column.share and isinstance(whole, int | float):
        shares = {v: share(v, whole) if isinstance(v, int | float) else "" for v in set(values)}
        yield [shares[value] for value in values]


def _total(summary: Summary) -> list[str]:
    words = ["total", "", ""] if summary.by == "stage" else ["total", ""]
    for name in summary.show:
        words.append(_cell(summary, name))
        words += [""] if MEASURES[name].share else []
    return words


def _cell(row: Stage | Summary, name: str) -> str:
    column = MEASURES[name]
    return _beside(row.value(name), row.value(column.beside or name), column)


def _beside(value: Value, beside: Value, column: Measure) -> str:
    """A value, and what is said beside it."""
    said = str(beside) if column.beside else ""
    return ", ".join(filter(None, [cell(value, column.kind), said]))


def _signature(summary: Summary) -> str:
    """`3x224x224 -> 1000`."""
    outputs = [f"{name} {spec}".strip() for name, spec in summary.outputs.items()]
    return f"{named_shapes(summary.inputs)} -> {', '.join(outputs)}"


def _inputs(summary: Summary) -> dict[str, Any]:
    """`input`, or `inputs` by name, as in the graph's JSON."""
    shapes = {name: spec.shape for name, spec in summary.inputs.items()}
    return shapes if [*shapes] == [INPUT] else {"inputs": shapes}


def _record(stage: Stage, output: Any) -> dict[str, Any]:
    named = {"path": stage.path, "what": stage.what, "output": output}
    return {**named, **stage.cost._asdict(), **stage.values}


def _shapes(stage: Stage) -> Any:
    """The shape of what a stage gives, or a list of them; null for one of a gathering row."""
    shapes = [spec.shape for spec in stage.outputs]
    return shapes if len(shapes) > 1 else next(iter(shapes), None)


def _unbroken(match: re.Match[str]) -> str:
    return f"[{' '.join(match[1].split())}]"


def _escape_markdown(cell: str) -> str:
    return re.sub(r"([\\`*<>|\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", one_line(cell))


def _latex_row(row: Sequence[str], what: str | None = None) -> str:
    cells = ["".join(_LATEX.get(letter, letter) for letter in one_line(cell)) for cell in row]
    sized = [re.sub(r"(?<=\d)x(?=\d)|(?<= )x(?= \d)", r"$\\times$", cell) for cell in cells[1:]]
    if what is not None:
        sized[0] = what
    return " & ".join([cells[0], *sized]) + r" \\"
