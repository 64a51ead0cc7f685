"""Sequences of items: their modifiers, names and references."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.elaborate.again import given_by, shared, used
from archdsl.elaborate.budget import Budget
from archdsl.elaborate.builder import Builder
from archdsl.elaborate.env import (
    Arguments,
    Flow,
    Here,
    ItemValue,
    Maker,
    Poison,
    Setting,
    Tensor,
    fail,
)
from archdsl.elaborate.explain import References, Shapes, Values
from archdsl.elaborate.lookup import Lookup
from archdsl.elaborate.loops import Loops
from archdsl.elaborate.replay import Records
from archdsl.elaborate.values import Evaluator
from archdsl.expressions.expression import Value
from archdsl.language.replacing import NONE, Replacements
from archdsl.language.syntax import (
    BROKEN,
    USE,
    Argument,
    Block,
    Document,
    File,
    Item,
    Listed,
    Name,
    Sequence,
    items_in,
)
from archdsl.language.templates import Templates
from archdsl.ops import Op, ShapeError
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Place

NOTHING: Arguments = {}
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
        self.setting = Setting(document.file.source.at("scaling"))
        self.budget = Budget(sink, limits)
        self.build = Builder(sink, self.budget)
        self.values = Evaluator(sink, self.budget, self.setting, Values(sink, self.setting))
        self.loops = Loops(sink, self.budget, self.values)
        self.shapes = Shapes(sink, self.build)
        self.shared = records or Records(document, limits)
        self.replacing = Replacements.of_all(document)
        # names that would stand for something had it not failed
        self.lost = Templates(template for template, _ in document.lost)
        unnamed = References(sink, document, self.build)
        self.lookup = Lookup(sink, self.build, self.values, unnamed, self.lost)
        self.failed: set[int] = set()  # items whose names are lost
        self.circular: set[Block] = set()  # found to contain themselves
        self.wrong: set[Place] = set()  # arguments of ops that cannot be taken

    @cached_property
    def own(self) -> Records:
        """What is recorded after an error, good for this run only."""
        return Records(self.document)

    def outer(self, file: File) -> Mapping[str, Value]:
        """The document's parameters, which the blocks of other files do not see."""
        return self.setting.parameters if file is self.document.file else {}

    def records(self) -> Records:
        """What may be replayed."""
        return self.own if self.sink.failed else self.shared

    def sequence(self, sequence: Sequence, here: Here) -> Flow:
        """What comes out of items that run one after another."""
        flow = here.x
        for item in sequence.items:
            flow = self.item(item, here if flow is here.x else here.with_input(flow))
        return flow

    def item(self, item: Item, here: Here) -> Flow:
        """All copies of an item, one after another."""
        if item.verb == BROKEN:
            return None
        flow = here.x
        try:
            if item.modifiers.for_ is None:
                self.budget.spend("items", 1, item.span)
                return self.copy(item, here)
            for row in self.loops.rows(item, here):
                with self.loops.in_row(item, row):
                    flow = self.copy(item, here.with_input(flow).bind(row))
        except Poison:
            return self.lose(item, here)
        return flow

    def copy(self, item: Item, here: Here) -> Flow:
        """One copy of an item, unless its `if` drops it."""
        if self.kept(item, here):
            return self.single(item, here)
        if item.key is not None and not item.key.expressions:
            here.frame.dropped.add(item.key.text)
        return here.x

    def copies(self, item: Item, here: Here) -> list[Here]:
        """The copies of an item that stand side by side, each given the same."""
        if item.verb == BROKEN:
            return []
        rows = [here.bind(row) for row in self.loops.rows(item, here)]
        return [copy for copy in rows if self.kept(item, copy)]

    def kept(self, item: Item, here: Here) -> bool:
        test = item.modifiers.if_
        return test is None or self.values.test(test, here)

    def replacements(self, path: str, here: Here) -> Replacements:
        """What is replaced in what stands at a path."""
        return self.replacing.under(path) if here.frame.replaces else NONE

    # from, repeat, each, as, tap, aux

    def single(self, item: Item, here: Here) -> Flow:
        """One copy of an item with its `from`, `repeat`, `each`, `as`, `tap` and `aux`."""
        result: Flow = None
        said = item.modifiers
        try:
            with self.making(item, here):
                result = self.applied(item, here)
        except Poison:
            self.lose(item, here)
        if said.as_ is not None and not said.as_turns:
            self.lookup.label(said.as_, here, result)
        if said.tap is not None and not said.tap_turns:
            self.tap(said.tap, here, result)
        if said.aux:
            self.side(item, here, result)
            return here.x
        return result

    def applied(self, item: Item, here: Here) -> Flow:
        """One copy of an item with its `from`, `repeat` and `each`."""
        said = item.modifiers
        if said.each is not None:
            return self.each(item, said.each, here)
        once = said.from_ is not None and not said.from_turns
        fed = self.fed(said.from_, here) if once and said.from_ is not None else here
        return self.repeated(item, fed)

    def making(self, item: Item, here: Here) -> AbstractContextManager[None]:
        """`made_before`: where the weights of what an item makes stand among the others."""
        said = item.modifiers.made_before
        if said is None:
            return nullcontext()
        name = self.values.format(said.template, said.place.span, here)
        home = here.frame.homes.get(name)
        if home is None and name in here.frame.dropped:
            return nullcontext()
        place = None if home is None else self.build.first_made(*home)
        if place is None and here.x is None:  # what it is given is an error, of which this comes
            return nullcontext()
        if place is None:
            known = [
                n for n, at in here.frame.homes.items() if self.build.first_made(*at) is not None
            ]
            help = did_you_mean(name, known) or "it names an earlier item of the same sequence"
            fail(self.sink, "E0402", f"no item `{name}` has weights here", said.place.span, help)
        return self.build.making_before(place)

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
        if name in here.frame.aux:
            self.sink.error("E0401", f"two aux results named {name}", item.place.key)
        here.frame.aux[name] = result

    def fed(self, said: Name | Listed, here: Here) -> Here:
        return here.with_input(self.lookup.references(said, here))

    def each(self, item: Item, said: Name | Listed, here: Here) -> Flow:
        """The results of one module on every input; later applications are marked in the ids."""
        flow = self.lookup.references(said, here)
        if isinstance(flow, Tensor) and isinstance(said, Name):
            text = said.template.text
            fail(self.sink, "E0404", f"`{text}` is not a list", said.place.span, f"write [{text}]")
        level, nodes = here.frame.level, self.build.nodes
        number, starts = level.counter.next, list[int]()
        results: list[Flow] = []
        names: dict[str, list[Flow]] = {}
        labels: dict[str, tuple[list[Flow], Span | None]] = {}
        inputs = flow if isinstance(flow, tuple) else (flow,)
        for index, value in enumerate(inputs):
            applied = level.applied(index, number)
            starts.append(len(nodes))
            frame = here.frame.apart(applied)
            result = self.repeated(item, Here(here.file, frame, here.names, value, here.origin))
            results.append(result)
            for name, named in frame.names.items():
                if here.frame.names.get(name, ()) is not named:
                    names.setdefault(name, []).append(named)
            for name, (labelled, span) in frame.labels.items():
                known = here.frame.labels.get(name)
                if known is None:
                    labels.setdefault(name, ([], span))[0].append(labelled)
                elif known[0] != labelled:
                    message = f"the label {name} is outside of this `each`, and changes in it"
                    fail(self.sink, "E0404", message, span, "use another name inside")
            if index and result is not None:
                first, again = nodes[starts[0] : starts[1]], nodes[starts[index] :]
                both = given_by(said, ((0, inputs[0]), (index, value)))
                self.build.check_shared(first, again, item, both)
            level.counter.next = max(level.counter.next, applied.counter.next)
        for name, flows in names.items():
            here.frame.keep(name, self.listed(flows, item))
        key = item.key
        name = str(number) if key is None else self.values.name(key, item.place, here)
        if starts and item.modifiers.repeat is None and not self.inlines(item, here):
            end = starts[1] if len(starts) > 1 else len(nodes)
            here.frame.makers[name] = Maker(item, here, number, starts[0], end, len(inputs))
        for name, (flows, span) in labels.items():
            if not any(isinstance(flow, tuple) for flow in flows):  # a list of lists has no name
                here.frame.labels[name] = self.listed(flows, item), span
        return self.listed(results, item)

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
        if item.modifiers.shared:
            return shared(self, item, times, here)
        if item.key is None or "i" in item.key.names or self.inlines(item, here):
            return self.turns(item, repeat, times, here, self.named)
        key = self.values.name(item.key, item.place, here)
        result = here.x
        level, name = self.build.within(here.frame.level, key, item)
        if name.startswith("_"):
            there = here.at(level.below(name))
            result = self.turns(item, repeat, times, there, self.numbered)
        elif times:
            inside = here.inside(self.build.open(level, name, "repeat", item))
            result = self.turns(item, repeat, times, inside, self.numbered)
            self.build.placed(level, name, result)
        here.frame.keep(key, result)
        return result

    def count_turns(self, times: int, repeat: Argument, here: Here) -> None:
        """Counts the copies that a `repeat` makes, up to the limit of items."""

        def origins() -> tuple[Label, ...]:
            return self.values.explain.origins(repeat, here)

        self.budget.spend("items", times, repeat.place.span, origins)
        self.budget.read(repeat.place, 0, times * len(here.names))

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
        flow, said = here.x, item.modifiers
        with self.budget.repeating(times, repeat.place.span):
            for i in range(times):
                there = here.with_input(flow).turn(i, times)
                if said.from_turns and said.from_ is not None:
                    there = self.fed(said.from_, there)
                flow = turn(item, there)
                if flow is None:
                    return self.lose(item, here)
                self.named_turn(item, there, flow)
        return flow

    def named_turn(self, item: Item, here: Here, flow: Flow) -> None:
        """The label and the tap of one turn, where they name it."""
        said = item.modifiers
        if said.as_turns and said.as_ is not None:
            self.lookup.label(said.as_, here, flow)
        if said.tap_turns and said.tap is not None:
            self.tap(said.tap, here, flow)

    def numbered(self, item: Item, here: Here) -> Flow:
        return self.placed(item, here, here.frame.level.number())

    def named(self, item: Item, here: Here) -> Flow:
        """An item under its key or its number."""
        level, start = here.frame.level, len(self.build.nodes)
        number = level.counter.next
        key = self.values.name(item.key, item.place, here) if item.key is not None else None
        if item.verb == USE:
            if item.modifiers.checkpoint:
                self.build.recompute(level, "", item)
            result = used(self, item, here)
            if key is not None:
                here.frame.names[key] = result
            return result
        inlines, name = self.inlines(item, here), key
        if key is not None and "." in key:
            if inlines:
                message = f"`{item.verb}` adds no level, so that nothing stands at {key}"
                fail(self.sink, "E0208", message, item.place.key)
            level, name = self.build.within(level, key, item)
        if item.verb == "inline":
            if item.modifiers.checkpoint:
                self.build.recompute(level, "", item)
            result = self.sequence(item.parts["items"], here.at(level.below(name)))
        elif inlines:
            result = self.placed(item, here.at(level.below(name)), "")
        elif key is None or name is None:
            key = level.number()
            result = self.placed(item, here, key)
        else:
            result = self.placed(item, here.at(level), name)
        if key is not None:
            here.frame.keep(key, result)
            if not inlines:
                made = Maker(item, here, number, start, len(self.build.nodes))
                here.frame.makers[key] = made
        return result

    def inlines(self, item: Item, here: Here) -> bool:
        """Whether the item adds no level: `inline` or `use`, or a block that is one."""
        if item.verb in ("inline", USE):
            return True
        value = here.names.get(item.chosen.name or "") if item.chosen is not None else None
        block = value.block if isinstance(value, ItemValue) else here.file.blocks.get(item.verb)
        if block is None or block.body is None or block in here.frame.calls:
            return False
        return block.body.verb == "inline"

    def placed(self, item: Item, here: Here, name: str) -> Flow:
        try:
            self.budget.enter(item)
            try:
                result = self.apply(self, item, here, name)
            finally:
                self.budget.leave()
        except Poison:
            return self.lose(item, here)
        if name:
            self.build.placed(here.frame.level, name, result)
        if item.modifiers.checkpoint:
            self.build.recompute(here.frame.level, name, item)
        return result

    def tap(self, tap: Name, here: Here, value: Flow) -> None:
        """Names a result as a feature."""
        name, template, place = self.lookup.called(tap, here), tap.template, tap.place
        if name is None:
            return

        def origins() -> tuple[Label, ...]:
            return self.values.explain.origins(tap, here)

        varies, inside = bool(template.expressions), bool(here.frame.calls)
        if not self.build.tap(name, value, place, varies, inside, origins):
            self.lost.add(template)

    # nodes

    def node(
        self,
        op: Op,
        tensors: list[Tensor],
        here: Here,
        name: str,
        item: Item,
        arguments: Arguments = NOTHING,
        origins: Callable[[str], tuple[Label, ...]] = lambda argument: (),
    ) -> Tensor:
        """Adds a node; a shape that does not fit is an error at the argument that is to blame.

        `origins` says where the value of an argument is from, or those of all of them.
        """

        def causes() -> tuple[Label, ...]:
            return (*origins(""), *self.shapes.sizes(tensors))

        try:
            return self.build.node(op, tensors, here.frame.level, name, item, causes)
        except ShapeError as error:
            argument = error.argument or ""
            labels = origins(argument) if argument else ()
            place = arguments[argument][0].place if argument in arguments else None
            self.shapes.refuse(error, tensors, item, place, labels)

    def tensors(self, op: type[Op], flows: Iterable[Flow], item: Item) -> list[Tensor]:
        """The inputs of an op, none of which may be a list."""
        tensors = []
        for flow in flows:
            if flow is None:
                raise Poison
            if isinstance(flow, tuple):
                message = f"{op.verb} takes tensors, and one of its inputs is a list"
                fail(self.sink, "E0404", message, item.span)
            tensors.append(flow)
        return tensors

    def lose(self, item: Item, here: Here) -> Flow:
        """A poisoned value; the names that the item would have given are no mistakes elsewhere."""
        open = [(item, here.file)]
        while open:
            outer, file = open.pop()
            for inner in items_in(outer):
                if id(inner) in self.failed:
                    continue
                self.failed.add(id(inner))
                if inner.key is not None:
                    self.lost.add(inner.key)
                for name in inner.modifiers.names:
                    self.lost.add(name.template)
                block = file.blocks.get(inner.verb)
                if block is not None and block.body is not None:
                    open.append((block.body, block.file))
        return None
