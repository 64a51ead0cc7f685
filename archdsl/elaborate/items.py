"""Sequences of items: their modifiers, names and references."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from archdsl.diagnostics.diagnostic import Label
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import MANY, did_you_mean, nearest
from archdsl.diagnostics.text import counted
from archdsl.elaborate.builder import Builder
from archdsl.elaborate.env import (
    Evaluated,
    Flow,
    Here,
    ItemValue,
    Origin,
    Origins,
    Poison,
    Row,
    Tensor,
    fail,
)
from archdsl.elaborate.replay import Records
from archdsl.elaborate.values import Evaluator
from archdsl.expressions.expression import Value, describe
from archdsl.language.syntax import (
    BROKEN,
    Argument,
    Block,
    Column,
    Document,
    File,
    Formula,
    Item,
    Listed,
    Literal,
    Loop,
    Name,
    Sequence,
    items_in,
)
from archdsl.names import name_problem
from archdsl.ops.base import kind_of
from archdsl.ops.tensor import INPUT
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Place

Apply = Callable[["Run", Item, Here, str], Flow]


class Run:
    """One elaboration: what is known of the whole, and how sequences run.

    `apply` does what an item's verb says, under a name. What fails gives a poisoned value, with
    which everything goes on that can, so that all errors are found; none of it complains again.
    """

    def __init__(
        self,
        document: Document,
        sink: Sink,
        limits: Limits,
        apply: Apply,
        records: Records | None = None,
    ) -> None:
        self.document, self.sink, self.apply = document, sink, apply
        self.build = Builder(sink, limits)
        self.values = Evaluator(sink, self.build)
        self.parameters: Mapping[str, Value] = {}  # of the document
        self.calls: list[Block] = []  # that are open
        self.circular: set[Block] = set()  # found to contain themselves
        self._records = self.shared = records or Records(document)
        self.aux: dict[str, Flow] = {}  # results that exist in training only
        self.keeps_aux = True  # as a section does not whose aux results the spec's own replace
        self.lost = list(document.lost)  # names that would stand for something had it not failed
        self.failed: set[int] = set()  # items whose names are lost
        self.wrong: set[Place] = set()  # arguments of ops that cannot be taken

    def outer(self, file: File) -> Mapping[str, Value]:
        """The document's parameters, which the blocks of other files do not see."""
        return self.parameters if file is self.document.file else {}

    @property
    def records(self) -> Records:
        """What may be replayed; what is recorded after an error is good for this run only."""
        if self._records is self.shared and self.sink.failed:
            self._records = Records(self.document)
        return self._records

    def sequence(self, sequence: Sequence, here: Here) -> Flow:
        """What comes out of items that run one after another."""
        for item in sequence.items:
            here = here.given(self.item(item, here))
        return here.x

    def item(self, item: Item, here: Here) -> Flow:
        """All copies of an item, one after another."""
        if item.verb == BROKEN:
            return None
        try:
            for row in self.rows(item, here):
                with self.in_row(item, row):
                    copy = here.bind(row.names, row.origin) if row.names else here
                    if self.kept(item, copy):
                        here = here.given(self.single(item, copy))
        except Poison:
            return self.lose(item, here)
        return here.x

    def copies(self, item: Item, here: Here) -> list[Here]:
        """The copies of an item that stand side by side, each given the same."""
        if item.verb == BROKEN:
            return []
        rows = [here.bind(row.names, row.origin) for row in self.rows(item, here)]
        return [copy for copy in rows if self.kept(item, copy)]

    # for, if

    def rows(self, item: Item, here: Here) -> list[Row]:
        """What `for` binds, for every copy."""
        loop = item.modifiers.for_
        if loop is None:
            self.build.count("items", 1, item.span)
            return [Row()]
        headings = [column.name for column in loop.columns]
        cells = [self.column(column, here) for column in loop.columns]
        if len({len(column) for column in cells}) > 1:
            lengths = [f"{n} has {len(c)}" for n, c in zip(headings, cells, strict=True)]
            message = f"columns of unequal length: {', '.join(lengths)}"
            labels = [x for one in loop.columns for x in self.values.origins(one.cells, here)]
            fail(self.sink, "E0212", message, loop.place.span, labels=tuple(labels))
        number = len(cells[0]) if cells else 0
        self.count_cells(number, len(headings), loop.place, here)
        self.build.count("items", number, item.span)
        whole = {f"all_{name}": column for name, column in zip(headings, cells, strict=True)}
        find = {name: self.cells(loop, n, here) for n, name in enumerate(headings)}
        rows = []
        for n, row in enumerate(zip(*cells, strict=True)):
            turn = {"row": n, "first_row": n == 0, "last_row": n == number - 1}
            names = {**whole, **dict(zip(headings, row, strict=True)), **turn}
            rows.append(Row(names, _in_row(find, n, here.origin), headings))
        return rows

    def count_cells(self, rows: int, columns: int, place: Place, here: Here) -> None:
        """Counts what it takes to bind the columns of a `for`, up to the limit of reads."""
        self.build.read(place.span, rows * columns, rows * (columns + len(here.names)))

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
                cell = row.origin(column.name) if isinstance(column.cells, Formula) else None
                if cell is not None and isinstance(cell.written, Evaluated):
                    text = f"{column.name} is {describe(row.names[column.name])}"
                    labels.enter_context(self.sink.within(cell.written.place.span, text))
            where = loop.place if loop.rows is None else loop.rows / number
            labels.enter_context(self.sink.within(where.span, shown))
            yield

    def cells(self, loop: Loop, number: int, here: Here) -> Callable[[int], Origin]:
        """Where the cells of a column stand, by row: in the `for`, or a list of the document's."""
        column = loop.columns[number]
        if isinstance(column.cells, Literal):
            cells, heading = column.cells.value, column.heading
            return lambda row: Origin(Evaluated(cells[row], loop.cell(number, row)), here, heading)
        for parameter in column.cells.expression.names:
            if not self.values.is_documents(parameter, here):
                continue
            listed, value = self.values.settled[parameter]
            given = self.column(column, here)
            if isinstance(value, list) and value[: len(given)] == given:
                return lambda row: Origin(Evaluated(given[row], listed / row), here)
        return lambda row: Origin(column.cells, here)

    def column(self, column: Column, here: Here) -> list[Value]:
        """The cells of a column."""
        value = self.values.evaluate(column.cells, here)
        if not isinstance(value, list):
            message = f"a column must be a list, not {kind_of(value)}"
            labels = self.values.origins(column.cells, here)
            fail(self.sink, "E0203", message, column.cells.place.span, labels=labels)
        return value

    def kept(self, item: Item, here: Here) -> bool:
        test = item.modifiers.if_
        return test is None or self.values.test(test, here)

    # from, repeat, each, tap, aux

    def single(self, item: Item, here: Here) -> Flow:
        """One copy of an item with its `from`, `repeat`, `each`, `tap` and `aux`."""
        result: Flow = None
        try:
            if item.modifiers.each is not None:
                result = self.each(item, item.modifiers.each, here)
            else:
                result = self.repeated(item, self.fed(item, here))
        except Poison:
            self.lose(item, here)
        if item.modifiers.tap is not None:
            self.tap(item.modifiers.tap, here, result)
        if item.modifiers.aux:
            self.side(item, here, result)
            return here.x
        return result

    def side(self, item: Item, here: Here, result: Flow) -> None:
        """Keeps a result beside the flow: it exists in training only."""
        if item.key is None:
            help = "write the items as a mapping: its key names the result"
            fail(self.sink, "E0208", "an aux item needs a name", (item.place / "aux").key, help)
        try:
            name = self.values.name(item.key, item.place, here)
        except Poison:
            return
        here.frame.names.pop(name, None)
        if not self.keeps_aux:
            return
        if name in self.aux:
            self.sink.error("E0401", f"two aux results named {name}", item.place.key)
        self.aux[name] = result

    def fed(self, item: Item, here: Here) -> Here:
        said = item.modifiers.from_
        return here if said is None else here.given(self.references(said, here))

    def each(self, item: Item, said: Name | Listed, here: Here) -> Flow:
        """The results of one module on every input; later applications are marked in the ids."""
        place, inputs = said.place, self.references(said, here)
        if isinstance(inputs, Tensor) and isinstance(said, Name):
            text = said.template.text
            fail(self.sink, "E0404", f"`{text}` is not a list", place.span, f"write [{text}]")
        number, nodes = here.frame.level.count, self.build.nodes
        results: list[Flow] = []
        names: dict[str, list[Flow]] = {}
        starts = []
        given = inputs if isinstance(inputs, tuple) else (inputs,)
        for index, value in enumerate(given):
            here.frame.level.count = number
            starts.append(len(nodes))
            with self.build.applying(index):
                result, named = self.application(item, here.given(value))
            results.append(result)
            for name, flow in named.items():
                names.setdefault(name, []).append(flow)
            if index and result is not None:
                first, again = nodes[starts[0] : starts[1]], nodes[starts[index] :]
                both = tuple(
                    Label(span, f"this gives {flow.spec}")
                    for n, flow in ((0, given[0]), (index, value))
                    if isinstance(flow, Tensor) and (span := (place / n).span)
                )
                self.build.check_shared(first, again, item, both)
        here.frame.names.update({name: self.listed(flows, item) for name, flows in names.items()})
        return self.listed(results, item)

    def application(self, item: Item, here: Here) -> tuple[Flow, dict[str, Flow]]:
        """One application of shared weights: its result, and the names that it gave."""
        frame = here.frame
        before, frame.names = frame.names, dict(frame.names)
        try:
            result = self.repeated(item, here)
            return result, {n: x for n, x in frame.names.items() if before.get(n, ()) is not x}
        finally:
            frame.names = before

    def listed(self, flows: list[Flow], item: Item) -> Flow:
        """The results of all applications as one list."""
        if any(isinstance(flow, tuple) for flow in flows):
            message = "`each` gives a list, and here every part of it is one"
            fail(self.sink, "E0404", message, item.span)
        tensors = [flow for flow in flows if isinstance(flow, Tensor)]
        return tuple(tensors) if len(tensors) == len(flows) else None

    def repeated(self, item: Item, here: Here) -> Flow:
        """`repeat`: a group of numbered copies, or copies side by side."""
        repeat = item.modifiers.repeat
        if repeat is None:
            return self.named(item, here)
        times = self.values.whole(repeat, here, 0)
        if item.key is None or "i" in item.key.names or self.inlines(item, here):
            return self.turns(item, repeat, times, here, self.named)
        name = self.values.name(item.key, item.place, here)
        result = here.x
        if name.startswith("_"):
            with here.frame.level.below(name):
                result = self.turns(item, repeat, times, here, self.numbered)
        elif times:
            level = self.build.open(here.frame.level, name, "repeat", item)
            result = self.turns(item, repeat, times, here.inside(level), self.numbered)
        here.frame.names[name] = result
        return result

    def count_turns(self, times: int, repeat: Argument, here: Here) -> None:
        """Counts the copies that a `repeat` makes, up to the limit of items."""
        span = repeat.place.span
        self.build.count("items", times, span, lambda: self.values.origins(repeat, here))
        self.build.read(span, 0, times * len(here.names))

    def turns(
        self,
        item: Item,
        repeat: Argument,
        times: int,
        here: Here,
        turn: Callable[[Item, Here], Flow],
    ) -> Flow:
        """The turns of a repeat; none after one that failed."""
        self.count_turns(times, repeat, here)
        with self.build.repeating(times, repeat.place.span):
            for i in range(times):
                bound = here.turn(i, times)
                here = here.given(turn(item, bound))
                if here.x is None:
                    return self.lose(item, here)
        return here.x

    def numbered(self, item: Item, here: Here) -> Flow:
        return self.placed(item, here, here.frame.level.number())

    def named(self, item: Item, here: Here) -> Flow:
        """An item under its key or its number."""
        level = here.frame.level
        name = self.values.name(item.key, item.place, here) if item.key is not None else None
        if item.verb == "inline":
            with level.below(name):
                result = self.sequence(item.parts["items"], here)
        elif self.inlines(item, here):
            with level.below(name):
                result = self.placed(item, here, "")
        else:
            name = name if name is not None else level.number()
            result = self.placed(item, here, name)
        if name is not None:
            here.frame.names[name] = result
        return result

    def inlines(self, item: Item, here: Here) -> bool:
        """Whether the item adds no level: `inline`, or a block that is one."""
        if item.verb == "inline":
            return True
        value = here.names.get(item.chosen.name or "") if item.chosen is not None else None
        block = value.block if isinstance(value, ItemValue) else here.file.blocks.get(item.verb)
        if block is None or block.body is None or block in self.calls:
            return False
        return block.body.verb == "inline"

    def placed(self, item: Item, here: Here, name: str) -> Flow:
        try:
            with self.build.nested(item):
                return self.apply(self, item, here, name)
        except Poison:
            return self.lose(item, here)

    def tap(self, tap: Name, here: Here, value: Flow) -> None:
        template, place = tap.template, tap.place
        try:
            name = self.values.format(template, place.span, here)
        except Poison:
            return
        if problem := name_problem(name):
            self.sink.error("E0208", problem, place.span)
        else:
            varies = bool(template.expressions)
            free = self.build.tap(
                name, value, place, varies, lambda: self.values.origins(tap, here)
            )
            self.lost += [] if free else [template]

    # references

    def references(self, said: Name | Listed, here: Here) -> Flow:
        """What a reference or a list of them stands for."""
        if isinstance(said, Name):
            return self.reference(said, here)
        names = [name for name in said.parts if isinstance(name, Name)]
        flows = [self.reference(name, here) for name in names]
        tensors = []
        for name, flow in zip(names, flows, strict=True):
            if isinstance(flow, tuple):
                shown = f"`{name.template.text}`"
                message = f"{shown} is a list of {counted(len(flow), 'tensor')} already"
                self.sink.error("E0404", message, name.place.span, help="name it alone")
            elif flow is not None:
                tensors.append(flow)
        if len(tensors) < len(flows):
            return None
        return tuple(tensors) if len(tensors) > 1 else tensors[0]

    def reference(self, said: Name, here: Here) -> Flow:
        """What a reference stands for: an earlier item, `input`, or a tap."""
        try:
            name = self.values.format(said.template, said.place.span, here)
        except Poison:
            return None
        try:
            return here.frame.find(name)
        except KeyError:
            pass
        if name == INPUT:
            return here.frame.given
        taps = list(self.build.taps)[here.frame.taps :] if name in self.build.taps else []
        if name in taps:
            return self.build.taps[name]
        if not any(template.could_be(name) for template in self.lost):
            self.unknown_reference(name, said.place, here)
        return None

    def unknown_reference(self, name: str, place: Place, here: Here) -> None:
        taps = list(self.build.taps)[here.frame.taps :]
        known = [n for n in here.frame.visible() if not n.isdigit()]
        lost = [template.text for template in self.lost if not template.expressions]
        near = [n for n in lost if nearest(name, [n])] if len(lost) < MANY else []
        help = did_you_mean(name, [*known, *taps, *near])
        labels = self.named_near(nearest(name, [*known, *taps]) or "", here)
        written = self.document.file.written
        if any(template.could_be(name) for template, _ in written):
            help = "a reference names an earlier item of this or an enclosing part, or a tap"
            spans = (at for template, at in here.file.written if template.text == name)
            labels = [Label(span, "stands here") for span in spans if span][:1]
        self.sink.error(
            "E0402", f"unknown reference `{name}`", place.span, help=help, labels=labels
        )

    def named_near(self, name: str, here: Here) -> list[Label]:
        """Where a name is given, if that is in one place only."""
        if not name:
            return []
        inputs = self.calls[-1].inputs if self.calls else ()
        spans = [self.build.tap_spans.get(name)]
        if name in inputs:
            spans = [(self.calls[-1].place / "inputs" / inputs.index(name)).span]
        elif name not in self.build.taps:
            written = here.file.written
            spans = [at for template, at in written if template.text == name]
            spans = spans or [at for template, at in written if template.could_be(name)]
        return [Label(at, f"`{name}` stands here") for at in spans if at] if len(spans) == 1 else []

    def lose(self, item: Item, here: Here) -> Flow:
        """A poisoned value; the names that the item would have given are no mistakes elsewhere."""
        open = [(item, here.file)]
        while open:
            outer, file = open.pop()
            for inner in items_in(outer):
                if id(inner) in self.failed:
                    continue
                self.failed.add(id(inner))
                tap = inner.modifiers.tap
                self.lost += [inner.key] if inner.key is not None else []
                self.lost += [tap.template] if tap is not None else []
                block = file.blocks.get(inner.verb)
                if block is not None and block.body is not None:
                    open.append((block.body, block.file))
        return None


def _in_row(cells: Mapping[str, Callable[[int], Origin]], row: int, around: Origins) -> Origins:
    """Where names have their values from in a row, given the cells of each column."""
    return lambda name: cells[name](row) if name in cells else around(name)
