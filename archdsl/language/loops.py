"""What a `for` says: columns, or a table of rows."""

import re
from collections.abc import Mapping
from typing import Any

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.text import as_yaml, counted
from archdsl.expressions.names import identifier_problem, other_name
from archdsl.expressions.parser import WORDS
from archdsl.language.checker import Checker, Visible, every
from archdsl.language.syntax import (
    ROW_NAMES,
    SHAPE_NAMES,
    TURN_NAMES,
    Argument,
    Column,
    Formula,
    Literal,
    Loop,
)
from archdsl.yaml.source import Place


class LoopChecker(Checker):
    """Reads the columns of `for`, and reports what is wrong with their names and cells."""

    def columns(self, raw: Any, place: Place, visible: Visible) -> Loop | None:
        """The value of `for`: columns by name, or `columns` and `rows`."""
        if not isinstance(raw, dict) or not raw:
            cells = [cell for cell in raw if cell is not None] if isinstance(raw, list) else []
            help = f"name the columns: `for: {{width: {as_yaml(cells or [64, 128])}}}`"
            self.error("E0203", "for must be a mapping of columns", place.span, help)
            return None
        if "rows" in raw or "columns" in raw:
            return self.table(raw, place)
        most = max((len(column) for column in raw.values() if isinstance(column, list)), default=1)
        columns = [self.column(name, raw[name], place / name, visible, most) for name in raw]
        found = tuple(column for column in columns if column is not None)
        return Loop(found, place) if len(found) == len(columns) else None

    def column(
        self, name: str, raw: Any, place: Place, visible: Visible, rows: int
    ) -> Column | None:
        """A column beside others of at most so many rows: a list, or an expression."""
        good = self.column_name(name, place.key)
        cells: Argument | None = None
        if isinstance(raw, str):
            cells = self.expression(raw, place, visible)
        elif isinstance(raw, list):
            cells = self.cells(raw, place)
        else:
            number = isinstance(raw, int | float)
            help = f"write {name}: {as_yaml([raw] * rows)}" if number and rows < 9 else ""
            self.error("E0203", f"column {name} must be a list", place.span, help)
        return Column(name, cells) if good and isinstance(cells, Literal | Formula) else None

    def table(self, raw: Mapping[str, Any], place: Place) -> Loop | None:
        good = True
        for key in raw:
            if key not in ("columns", "rows"):
                self.error("E0201", f"unknown key `{key}` beside rows", (place / key).key)
                good = False
        names, rows = raw.get("columns"), raw.get("rows")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            span = (place / "columns").span
            self.error("E0203", "columns must be a list of names", span)
            return None
        good &= self.headings(names, place / "columns")
        if not isinstance(rows, list):
            self.error("E0203", "rows must be a list of lists", (place / "rows").span)
            return None
        good &= every(self.row(row, n, len(names), place) for n, row in enumerate(rows))
        if not good:
            return None
        cells = (Literal([row[n] for row in rows], place / "rows") for n in range(len(names)))
        columns = (
            Column(name, column, place / "columns" / n)
            for n, (name, column) in enumerate(zip(names, cells, strict=True))
        )
        return Loop(tuple(columns), place, place / "rows")

    def headings(self, names: list[str], place: Place) -> bool:
        """Whether the columns of a table have names, each its own."""
        good, first = True, dict[str, int]()
        for n, name in enumerate(names):
            good &= self.column_name(name, (place / n).span)
            if first.setdefault(name, n) != n:
                span = (place / first[name]).span
                labels = [Label(span, "first here")] if span else []
                message = f"the column `{name}` stands here twice"
                help = "every column needs a name of its own"
                self.error("E0105", message, (place / n).span, help, labels)
                good = False
        return good

    def row(self, row: Any, number: int, columns: int, place: Place) -> bool:
        """Whether a row of a table has a cell for every column."""
        here = place / "rows" / number
        if isinstance(row, list) and len(row) == columns:
            return self.cells(row, here) is not None
        message = f"row {number + 1} must be a list of {counted(columns, 'cell')}"
        if isinstance(row, list):
            cells = counted(len(row), "cell")
            message = f"row {number + 1} has {cells} for {counted(columns, 'column')}"
        heading = (place / "columns").span
        labels = [Label(heading, "the columns")] if heading else []
        tuple_ = re.fullmatch(r"\(([^()]*)\)", str(row))
        help = f"a list has square brackets: [{tuple_[1]}]" if tuple_ else ""
        self.error("E0212", message, here.span, help, labels)
        return False

    def cells(self, cells: list[Any], place: Place) -> Literal | None:
        """The cells of a column or row, each a literal."""
        bad = [n for n, cell in enumerate(cells) if cell is None or isinstance(cell, dict)]
        for n in bad:
            self.error("E0203", "a cell is a number, a word or a list", (place / n).span)
        return None if bad else self.literal(cells, place)

    def column_name(self, name: str, span: Span | None) -> bool:
        problem = identifier_problem(name)
        if name in SHAPE_NAMES:
            problem = f"`{name}` is the shape's, and cannot be a column's name"
        elif name in WORDS and not problem:
            problem = f"`{name}` is a word of expressions, and cannot be a column's name"
        elif name in (*ROW_NAMES, *TURN_NAMES):
            problem = f"`{name}` is bound by `for` and `repeat`, and cannot be a column's name"
        if problem:
            self.error("E0208", problem, span, other_name(name))
        elif span is not None:
            self.columns_at[name] = span
        return not problem
