"""What `for` binds: the rows of its columns, and where their cells stand."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from archdsl.diagnostics.sink import Sink
from archdsl.elaborate.budget import Budget
from archdsl.elaborate.env import Evaluated, Here, Origin, Origins, Row, fail
from archdsl.elaborate.values import Evaluator
from archdsl.expressions.expression import Value, describe
from archdsl.language.syntax import Column, Item, Literal, Loop
from archdsl.ops.kinds import kind_of

ONCE = [Row()]  # of an item without `for`


class Loops:
    """Makes the rows of a `for`."""

    def __init__(self, sink: Sink, budget: Budget, values: Evaluator) -> None:
        self.sink, self.budget, self.values = sink, budget, values

    def rows(self, item: Item, here: Here) -> list[Row]:
        """What `for` binds, for every copy."""
        loop = item.modifiers.for_
        if loop is None:
            self.budget.spend("items", 1, item.span)
            return ONCE
        headings = [column.name for column in loop.columns]
        cells = [self.column(column, here) for column in loop.columns]
        number = len(cells[0]) if cells else 0
        if any(len(column) != number for column in cells):
            lengths = [f"{n} has {len(c)}" for n, c in zip(headings, cells, strict=True)]
            message = f"columns of unequal length: {', '.join(lengths)}"
            origins = self.values.explain.origins
            labels = [label for one in loop.columns for label in origins(one.cells, here)]
            fail(self.sink, "E0212", message, loop.place.span, labels=tuple(labels))
        columns = len(headings)
        self.budget.read(loop.place, number * columns, number * (columns + len(here.names)))
        self.budget.spend("items", number, item.span)
        whole = {f"all_{name}": column for name, column in zip(headings, cells, strict=True)}
        find = {name: self.cells(loop, n, here) for n, name in enumerate(headings)}
        rows = []
        for n, row in enumerate(zip(*cells, strict=True)):
            turn = {"row": n, "first_row": n == 0, "last_row": n == number - 1}
            names = {**whole, **dict(zip(headings, row, strict=True)), **turn}
            rows.append(Row(names, _in_row(find, n, here.origin), headings))
        return rows

    def column(self, column: Column, here: Here) -> list[Value]:
        """The cells of a column."""
        value = self.values.evaluate(column.cells, here)
        if not isinstance(value, list):
            message = f"a column must be a list, not {kind_of(value)}"
            labels = self.values.explain.origins(column.cells, here)
            fail(self.sink, "E0203", message, column.cells.place.span, labels=labels)
        return value

    def cells(self, loop: Loop, number: int, here: Here) -> Callable[[int], Origin]:
        """Where the cells of a column stand, by row: in the `for`, or a list of the document's."""
        column, setting = loop.columns[number], self.values.setting
        if isinstance(column.cells, Literal):
            cells, heading = column.cells.value, column.heading
            return lambda row: Origin(Evaluated(cells[row], loop.cell(number, row)), here, heading)
        for name in column.cells.expression.names:
            if not setting.is_documents(name, here):
                continue
            place, value = setting.places[name], setting.parameters[name]
            found = self.column(column, here)
            if isinstance(value, list) and value[: len(found)] == found:
                return lambda row: Origin(Evaluated(found[row], place / row), here)
        return lambda row: Origin(column.cells, here)

    @contextmanager
    def in_row(self, item: Item, row: Row) -> Iterator[None]:
        """What is wrong in a copy that `for` makes says in which row, and what stands there."""
        loop = item.modifiers.for_
        if loop is None:
            yield
            return
        number = row.names["row"]

        def shown() -> str:
            cells = (f"{name} = {describe(row.names[name])}" for name in row.columns)
            return f"in row {number + 1}: {', '.join(cells)}"

        with ExitStack() as labels:
            for column in loop.columns:
                cell = None if isinstance(column.cells, Literal) else row.origin(column.name)
                if cell is not None and isinstance(cell.written, Evaluated):
                    text = f"{column.name} is {describe(row.names[column.name])}"
                    labels.enter_context(self.sink.within(cell.written.place.span, text))
            where = loop.place if loop.rows is None else loop.rows / number
            labels.enter_context(self.sink.within(where.span, shown))
            yield


def _in_row(cells: Mapping[str, Callable[[int], Origin]], row: int, around: Origins) -> Origins:
    """Where names have their values from in a row, given the cells of each column."""
    return lambda name: cells[name](row) if name in cells else around(name)
