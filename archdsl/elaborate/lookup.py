"""References to what they stand for: items, what lies in them, inputs, labels, taps, lists."""

from collections.abc import Sequence
from contextlib import suppress

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.text import counted
from archdsl.elaborate.builder import Builder
from archdsl.elaborate.env import Flow, Here, Poison, Tensor, fail
from archdsl.elaborate.explain import References
from archdsl.elaborate.values import Evaluator
from archdsl.expressions.expression import MAX_ITEMS, ExpressionError, Names
from archdsl.expressions.names import name_problem
from archdsl.language.syntax import PLACES, Listed, Name
from archdsl.language.templates import Templates
from archdsl.ops.tensor import INPUT
from archdsl.yaml.source import Place


class Lookup:
    """Finds what references mean; what cannot be found is reported, and None.

    `lost` are names that would stand for something had it not failed.
    """

    def __init__(
        self,
        sink: Sink,
        build: Builder,
        values: Evaluator,
        unnamed: References,
        lost: Templates,
    ) -> None:
        self.sink, self.build, self.values = sink, build, values
        self.unnamed, self.lost = unnamed, lost

    def references(self, said: Name | Listed, here: Here) -> Flow:
        """What a reference or a list of them stands for."""
        if isinstance(said, Name):
            found = self.reference(said, here)
            return self.some(found, said) if isinstance(found, tuple) else found
        names = [name for name in said.parts if isinstance(name, Name)]
        flows = [self.reference(name, here) for name in names]
        tensors: list[Tensor] = []
        good = True
        for name, flow in zip(names, flows, strict=True):
            good &= flow is not None and self.part(name, flow, tensors)
        if not good:
            return None
        return tuple(tensors) if len(tensors) != 1 else tensors[0]

    def part(self, name: Name, flow: Flow, tensors: list[Tensor]) -> bool:
        """Adds a part of a list: one map, or with `*` those of a list."""
        if isinstance(flow, tuple) and name.spread:
            tensors += flow
            return True
        if isinstance(flow, Tensor) and not name.spread:
            tensors.append(flow)
            return True
        message, help = f"`{name.text}` is one map, and no list", f"write `{name.text[1:]}`"
        if isinstance(flow, tuple):
            message = f"`{name.text}` is a list of {counted(len(flow), 'tensor')} already"
            help = f'name it alone, or write `"*{name.text}"` for its parts'
        self.sink.error("E0404", message, name.place.span, help=help)
        return False

    def some(self, found: tuple[Tensor, ...], said: Name) -> Flow:
        """A list that is not empty."""
        if not found:
            self.sink.error("E0404", f"`{said.text}` is an empty list", said.place.span)
        return found or None

    def reference(self, said: Name, here: Here) -> Flow:
        """What a reference stands for: an earlier item or one in it, `input`, a label or a tap."""
        try:
            name = self.values.format(said.template, said.place.span, here)
        except Poison:
            return None
        for find in (self.item, self.named, self.lying_at):
            with suppress(KeyError):
                found = find(name, here, said.place)
                return found if said.index is None else self.picked(said, name, found, here)
        if not any(map(self.lost.could_be, [name, *name.split(".")])):
            self.unnamed.unknown(name, said.place, here, self.lost)
        return None

    def picked(self, said: Name, name: str, found: Flow, here: Here) -> Flow:
        """A map of a list, or some of its maps: `x[0]`, `x[1:]`."""
        if not isinstance(found, tuple):
            if found is not None:
                message, help = f"`{name}` is one map, and no list", f"write `{name}`"
                self.sink.error("E0404", message, said.place.span, help=help)
            return None
        try:
            places = self.places(said, len(found), here)
        except Poison:
            return None
        if isinstance(places, list):
            return tuple(found[place] for place in places)
        return found[places]

    def places(self, said: Name, count: int, here: Here) -> int | list[int]:
        """The places in a list of so many that an index means."""
        assert said.index is not None
        span = said.place.span
        wanted = {n: at for n, at in said.index.names.items() if n != PLACES}
        self.values.read(said.index.names, said.index.text, said.place, here)
        names = self.values.names(wanted, here)
        try:
            found: int | list[int] = said.index(
                Names({**names.values, PLACES: [*range(count)]}, names.functions)
            )
        except ExpressionError as error:
            error.offset = max(0, error.offset + said.offset)
            self.values.report(error, said, span, here)
        return found

    def item(self, name: str, here: Here, place: Place) -> Flow:
        """The item of a name; raises KeyError if there is none."""
        found = here.frame.find(name)
        label, span = here.frame.labels.get(name, (found, None))
        if label == found:
            return found
        labels = (Label(span, "the label"),) if span else ()
        message, help = f"`{name}` is an item and a label here", "give them different names"
        self.sink.error("E0401", message, place.span, labels=labels, help=help)
        return None

    def named(self, name: str, here: Here, place: Place) -> Flow:
        """`input`, a label or a tap; raises KeyError if there is none of this name."""
        if name == INPUT:
            return here.frame.input
        if name in here.frame.labels:
            return self.labelled(name, here)
        if name not in self.build.tapped[here.frame.taps :]:
            raise KeyError(name)
        self.build.meant.add(name)
        return self.build.taps[name]

    def labelled(self, name: str, here: Here) -> Flow:
        """What a label stands for, which is then used."""
        flow, span = here.frame.labels[name]
        if span is not None and span in self.build.labels:
            self.build.labels_meant.add(self.build.labels[span])
        return flow

    def lying_at(self, name: str, here: Here, place: Place) -> Flow:
        """What lies at a path in an earlier item; raises KeyError if nothing does."""
        parts = name.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            home = here.frame.home(".".join(parts[:cut]))
            if home is None:
                continue
            found = self.build.inside(".".join([home[0], *parts[cut:]]), home[1])
            if found:
                return found[0] if len(found) == 1 else listed(found)
        raise KeyError(name)

    # labels and taps

    def called(self, said: Name, here: Here) -> str | None:
        """What `as` or `tap` calls a result, None if nothing can be called so."""
        try:
            name = self.values.format(said.template, said.place.span, here)
        except Poison:
            return None
        if problem := name_problem(name):
            self.sink.error("E0208", problem, said.place.span)
            return None
        return name

    def label(self, label: Name, here: Here, value: Flow) -> None:
        """Names a result in its block or section; among copies of an item, the last has it.

        `as: s[i]` adds it to a list.
        """
        name, span = self.called(label, here), label.place.span
        if name is None:
            return
        before, first = here.frame.labels.get(name, (None, span))
        if span is not None and first is not None:
            self.build.labels[span] = self.build.labels.get(first, first)
        if label.index is not None:
            before = () if name not in here.frame.labels else before
            if isinstance(before, Tensor):
                self.two_labels(name, span, first)
                return
            with suppress(Poison):
                value = self.added(label, name, before, value, here, first)
                here.frame.labels[name] = value, first if value is None or len(value) > 1 else span
        elif first != span:
            self.two_labels(name, span, first)
        else:
            here.frame.labels[name] = value, span

    def two_labels(self, name: str, span: Span | None, first: Span | None) -> None:
        labels = (Label(first, "first here"),) if first else ()
        help = "every label of a block or section needs a name of its own"
        self.sink.error("E0401", f"two labels named {name}", span, labels=labels, help=help)

    def added(
        self, label: Name, name: str, before: tuple[Tensor, ...] | None, value: Flow,
        here: Here, first: Span | None,
    ) -> tuple[Tensor, ...] | None:  # fmt: skip
        """A list with one more map, which must be its next, or the first again of a copied item."""
        span = label.place.span
        if before is None or value is None:
            return None
        if isinstance(value, tuple):
            message = f"a list cannot be a part of the list {name}"
            fail(self.sink, "E0404", message, span, f"write `as: {name}`")
        place, count = self.places(label, MAX_ITEMS, here), len(before)
        if place == 0 and first == span:
            return (value,)
        if place != count:
            message = f"{name} has {counted(count, 'map')}: the next is {name}[{count}]"
            fail(self.sink, "E0401", message, span, "maps are added to a list in their order")
        return (*before, value)


def listed(flows: Sequence[Flow]) -> Flow:
    """Results as a list; None if one of them is poisoned, or a list itself."""
    tensors = tuple(flow for flow in flows if isinstance(flow, Tensor))
    return tensors if len(tensors) == len(flows) else None
