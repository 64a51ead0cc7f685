"""Sequences of items: their modifiers, names and references."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from archdsl.diagnostics.diagnostic import Label
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import MANY, did_you_mean, nearest
from archdsl.diagnostics.text import counted
from archdsl.elaborate.builder import Builder
from archdsl.elaborate.env import (
    Flow,
    Given,
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
from archdsl.expressions.expression import ExpressionError, Value, describe
from archdsl.expressions.template import forgiving, parse_template
from archdsl.language.syntax import BROKEN, Block, Document, File, Item, Sequence, items_in
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
        if "for" not in item.modifiers:
            self.build.count("items", 1, item.span)
            return [Row()]
        columns, place = item.modifiers["for"], item.place / "for"
        if "rows" in columns:
            headings, table = columns["columns"], columns["rows"]
            self.count_cells(len(table), len(headings), place, here)
        else:
            headings = list(columns)
            cells = [self.column(columns[name], place / name, here) for name in headings]
            if len({len(column) for column in cells}) > 1:
                lengths = [f"{n} has {len(c)}" for n, c in zip(headings, cells, strict=True)]
                message = f"columns of unequal length: {', '.join(lengths)}"
                written = [Given(columns[name], place / name) for name in headings]
                labels = [label for one in written for label in self.values.origins(one, here)]
                fail(self.sink, "E0212", message, place.span, labels=tuple(labels))
            self.count_cells(len(cells[0]), len(headings), place, here)
            table = list(zip(*cells, strict=True))
        self.build.count("items", len(table), item.span)
        last = len(table) - 1
        whole = {f"all_{name}": [row[n] for row in table] for n, name in enumerate(headings)}
        find = {name: self.cells(columns, name, place, here) for name in headings}
        rows = []
        for n, row in enumerate(table):
            turn = {"row": n, "first_row": n == 0, "last_row": n == last}
            names = {**whole, **dict(zip(headings, row, strict=True)), **turn}
            rows.append(Row(names, _in_row(find, n, here.origin), headings))
        return rows

    def count_cells(self, rows: int, columns: int, place: Place, here: Here) -> None:
        """Counts what it takes to bind the columns of a `for`, up to the limit of reads."""
        self.build.read(place.span, rows * columns, rows * (columns + len(here.names)))

    @contextmanager
    def in_row(self, item: Item, row: Row) -> Iterator[None]:
        """What is wrong in a copy that `for` makes says in which row, and what stands there."""
        if not row.names:
            yield
            return
        place, number, columns = item.place / "for", row.names["row"], item.modifiers["for"]

        def shown() -> str:
            cells = (f"{name} = {describe(row.names[name])}" for name in row.columns)
            return f"in row {number + 1}: {', '.join(cells)}"

        with ExitStack() as labels:
            for name in () if "rows" in columns else row.columns:
                cell = row.origin(name) if isinstance(columns[name], str) else None
                if cell is not None and cell.given.evaluated:
                    text = f"{name} is {describe(row.names[name])}"
                    labels.enter_context(self.sink.within(cell.given.place.span, text))
            where = place / "rows" / number if "rows" in columns else place
            labels.enter_context(self.sink.within(where.span, shown))
            yield

    def cells(
        self, columns: Mapping[str, Any], name: str, place: Place, here: Here
    ) -> Callable[[int], Origin]:
        """Where the cells of a column stand, by row: in the `for`, or a list of the document's."""
        if "rows" in columns:
            n = columns["columns"].index(name)
            body, heading, table = place / "rows", place / "columns" / n, columns["rows"]
            return lambda row: Origin(Given(table[row][n], body / row / n, True), here, heading)
        raw, at = columns[name], place / name
        if isinstance(raw, list):
            return lambda row: Origin(Given(raw[row], at / row, True), here)
        for parameter in self.values.from_document(raw, here):
            listed, value = self.values.settled[parameter]
            column = self.column(raw, at, here)
            if isinstance(value, list) and value[: len(column)] == column:
                return lambda row: Origin(Given(column[row], listed / row, True), here)
        return lambda row: Origin(Given(raw, at), here)

    def column(self, raw: Any, place: Place, here: Here) -> list[Value]:
        value = self.values.evaluate(raw, place, here) if isinstance(raw, str) else raw
        if not isinstance(value, list):
            message = f"a column must be a list, not {kind_of(value)}"
            labels = self.values.origins(Given(raw, place), here)
            fail(self.sink, "E0203", message, place.span, labels=labels)
        return value

    def kept(self, item: Item, here: Here) -> bool:
        if "if" not in item.modifiers:
            return True
        return self.values.test(item.modifiers["if"], item.place / "if", here)

    # from, repeat, each, tap, aux

    def single(self, item: Item, here: Here) -> Flow:
        """One copy of an item with its `from`, `repeat`, `each`, `tap` and `aux`."""
        result: Flow = None
        try:
            if "each" in item.modifiers:
                result = self.each(item, here)
            else:
                result = self.repeated(item, self.fed(item, here))
        except Poison:
            self.lose(item, here)
        if "tap" in item.modifiers:
            self.tap(item, here, result)
        if "aux" in item.modifiers:
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
        if "from" not in item.modifiers:
            return here
        return here.given(self.references(item.modifiers["from"], item.place / "from", here))

    def each(self, item: Item, here: Here) -> Flow:
        """The results of one module on every input; later applications are marked in the ids."""
        raw, place = item.modifiers["each"], item.place / "each"
        inputs = self.references(raw, place, here)
        if isinstance(inputs, Tensor) and not isinstance(raw, list):
            fail(self.sink, "E0404", f"`{raw}` is not a list", place.span, f"write [{raw}]")
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
        if "repeat" not in item.modifiers:
            return self.named(item, here)
        place = item.place / "repeat"
        times = self.values.whole(item.modifiers["repeat"], place, here, 0)
        if item.key is None or "i" in item.key.names or self.inlines(item, here):
            return self.turns(item, times, here, self.named)
        name = self.values.name(item.key, item.place, here)
        result = here.x
        if name.startswith("_"):
            with here.frame.level.below(name):
                result = self.turns(item, times, here, self.numbered)
        elif times:
            level = self.build.open(here.frame.level, name, "repeat", item)
            result = self.turns(item, times, here.inside(level), self.numbered)
        here.frame.names[name] = result
        return result

    def count_turns(self, times: int, place: Place, here: Here) -> None:
        """Counts the copies that the `repeat` at a place makes, up to the limit of items."""
        given = Given(place.data, place)
        self.build.count("items", times, place.span, lambda: self.values.origins(given, here))
        self.build.read(place.span, 0, times * len(here.names))

    def turns(self, item: Item, times: int, here: Here, turn: Callable[[Item, Here], Flow]) -> Flow:
        """The turns of a repeat; none after one that failed."""
        place = item.place / "repeat"
        self.count_turns(times, place, here)
        with self.build.repeating(times, place.span):
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
        value = here.names.get(item.verb[1:]) if item.verb.startswith("$") else None
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

    def tap(self, item: Item, here: Here, value: Flow) -> None:
        place = item.place / "tap"
        try:
            template = parse_template(item.modifiers["tap"])
            name = self.values.format(template, place.span, here)
        except Poison:
            return
        if problem := name_problem(name):
            self.sink.error("E0208", problem, place.span)
        else:
            given, varies = Given(template.text, place), bool(template.expressions)
            free = self.build.tap(
                name, value, place, varies, lambda: self.values.origins(given, here)
            )
            self.lost += [] if free else [template]

    # references

    def references(self, raw: Any, place: Place, here: Here) -> Flow:
        """What a reference or a list of them stands for."""
        if not isinstance(raw, list):
            return self.reference(raw, place, here)
        flows = [self.reference(name, place / n, here) for n, name in enumerate(raw)]
        tensors = []
        for n, flow in enumerate(flows):
            if isinstance(flow, tuple):
                message = f"`{raw[n]}` is a list of {counted(len(flow), 'tensor')} already"
                self.sink.error("E0404", message, (place / n).span, help="name it alone")
            elif flow is not None:
                tensors.append(flow)
        if len(tensors) < len(flows):
            return None
        return tuple(tensors) if len(tensors) > 1 else tensors[0]

    def reference(self, raw: Any, place: Place, here: Here) -> Flow:
        """What a reference stands for: an earlier item, `input`, or a tap."""
        try:
            name = self.values.format(parse_template(str(raw)), place.span, here)
        except (Poison, ExpressionError):  # what can't be read is reported already
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
            self.unknown_reference(name, place, here)
        return None

    def unknown_reference(self, name: str, place: Place, here: Here) -> None:
        taps = list(self.build.taps)[here.frame.taps :]
        known = [n for n in here.frame.visible() if not n.isdigit()]
        lost = [template.text for template in self.lost if not template.expressions]
        near = [n for n in lost if nearest(name, [n])] if len(lost) < MANY else []
        help = did_you_mean(name, [*known, *taps, *near])
        labels = self.named_near(nearest(name, [*known, *taps]) or "", here)
        if any(template.could_be(name) for template in self.document.written):
            help = "a reference names an earlier item of this or an enclosing part, or a tap"
            keys = here.file.source.keys.items()
            labels = [Label(span, "stands here") for path, span in keys if path[-1] == name][:1]
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
            keys = here.file.source.keys
            spans = [at for path, at in keys.items() if path[-1] == name]
            if not spans and len(keys) < MANY:
                made = (path for path in keys if forgiving(str(path[-1])).could_be(name))
                spans = [keys[path] for path in made]
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
                tap = inner.modifiers.get("tap")
                self.lost += [inner.key] if inner.key is not None else []
                self.lost += [parse_template(tap)] if tap is not None else []
                block = file.blocks.get(inner.verb)
                if block is not None and block.body is not None:
                    open.append((block.body, block.file))
        return None


def _in_row(cells: Mapping[str, Callable[[int], Origin]], row: int, around: Origins) -> Origins:
    """Where names have their values from in a row, given the cells of each column."""
    return lambda name: cells[name](row) if name in cells else around(name)
