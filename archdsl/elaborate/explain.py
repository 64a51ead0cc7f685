"""What is said of something wrong: where values, shapes and names are from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import MANY, did_you_mean, nearest
from archdsl.diagnostics.text import as_yaml
from archdsl.elaborate.builder import Builder
from archdsl.elaborate.env import (
    Evaluated,
    Flow,
    Here,
    Origin,
    Said,
    Setting,
    Tensor,
    fail,
)
from archdsl.expressions.expression import Value, describe
from archdsl.expressions.scaling import Rule
from archdsl.graph.graph import Node
from archdsl.language.syntax import Document, Formula, Item, Name, Text
from archdsl.language.templates import Templates
from archdsl.ops import ArgumentError, Op, ShapeError, TooSmallError
from archdsl.ops.base import times
from archdsl.ops.shape import Resize
from archdsl.ops.tensor import INPUT, TensorSpec
from archdsl.yaml.source import Place

FEW = 16  # tensors of which it is said where they have their sizes from, and one unlike the first
IMAGE = 2  # the axes of a map that images give


class Values:
    """Says where the values of names in expressions are from."""

    def __init__(self, sink: Sink, setting: Setting) -> None:
        self.sink, self.setting = sink, setting

    def refuse(
        self,
        error: ArgumentError,
        what: str,
        written: Said,
        here: Here,
        declared: Place | None = None,
        labels: tuple[Label, ...] = (),
    ) -> NoReturn:
        """Reports a value that cannot be used, with the values of the names that it comes from."""
        help, known = error.help, ""
        if isinstance(written, Formula):
            known = self.known(written, here)
            if error.code == "E0304":
                last = "ceil({})" if what == "repeat" else '"make_divisible({}, 8)"'
                ways = [way.format(written.text) for way in ("floor({})", "round({})", last)]
                help = f"round it: {ways[0]}, {ways[1]} or {ways[2]}"
                if written.name in here.names:
                    help = f"round it where `{written.name}` gets its value"
        help = help or self.column_help(written, here)
        if declared is not None and declared.key is not None and declared != written.place:
            labels += (Label(declared.key, "declared here"),)
        labels += self.origins(written, here)
        message = f"{what}: {error.message}{known}"
        fail(self.sink, error.code, message, written.place.span, help, labels)

    def column_help(self, written: Said, here: Here) -> str:
        """Help where a cell is the name of a value, and stands for itself."""
        name = written.name if isinstance(written, Formula) else None
        origin = here.origin(name) if name is not None else None
        if origin is None or not isinstance(origin.written, Evaluated):
            return ""
        known = {**shape_names(here.x), **here.names}
        cell, path = origin.written, origin.written.place.path
        if (
            not isinstance(cell.value, str)
            or cell.value not in known
            or path[-3:-1] != ("for", name)
        ):
            return ""
        column = Place(cell.place.source, path[:-1]).data
        text = as_yaml(as_yaml(column).replace('"', "'"))
        return (
            f"a cell stands for itself; as an expression, in quotes, the column is {name}: {text}"
        )

    def origins(
        self, written: Said, here: Here, known: tuple[Origin, ...] = ()
    ) -> tuple[Label, ...]:
        """Where the names in an expression have their values from, and those that give them.

        `known` are the origins that led there.
        """
        match written:
            case Evaluated(_, _, Origin(source, there)):
                return self.origins(source, there, known)
            case Formula(_, expression):
                names, functions = expression.names, expression.functions
            case Name(template) | Text(template):
                names, functions = template.names, {}
            case _:
                return ()
        found = [label for name in names for label in self.origin(name, here, known)]
        return tuple(dict.fromkeys([*found, *self.scaled(functions)]))

    def scaled(self, functions: Iterable[str]) -> Iterator[Label]:
        """The scaling rules among functions, where they change anything."""
        for name in functions:
            rule = self.setting.functions.get(name)
            at = (self.setting.scaling / name / "factor").span
            if isinstance(rule, Rule) and rule.factor != 1 and at is not None:
                yield Label(at, f"{name} multiplies by {rule.factor:g}")

    def origin(self, name: str, here: Here, known: tuple[Origin, ...]) -> Iterator[Label]:
        """Where a name has its value from, unless that is a name alone, which has its own."""
        origin = here.origin(name)
        if name not in here.names:
            return
        said = f"{name} is {describe(here.names[name])}"
        if origin is None or any(origin is one for one in known):
            settled = self.setting.is_documents(name, here)
            if settled and (span := self.setting.places[name].span):
                yield Label(span, said)
            return
        written, there, heading = origin
        if isinstance(written, Evaluated) and written.origin is not None:
            written, there, heading = written.origin
        further = self.origins(written, there, (*known, origin))
        only_a_name = isinstance(written, Formula) and written.name is not None
        span = written.place.span
        if span and not (only_a_name and further) and not self.sink.in_library(span):
            yield Label(span, said)
        if heading is not None and heading.span is not None:
            yield Label(heading.span, f"the column of {name}")
        yield from further

    def known(self, formula: Formula, here: Here) -> str:
        """The values of the other names in an expression: ` (C = 64, i = 2)`."""
        mentioned = formula.expression.names
        values = {**shape_names(here.x), **here.names}
        names = [n for n in mentioned if n in values and not self.setting.is_documents(n, here)]
        known = ", ".join(f"{name} = {describe(values[name])}" for name in names)
        return f" ({known})" if known and formula.text not in mentioned else ""


class Shapes:
    """Says where the sizes of tensors are from."""

    def __init__(self, sink: Sink, build: Builder) -> None:
        self.sink, self.build = sink, build

    def refuse(
        self,
        error: ShapeError,
        tensors: Sequence[Tensor],
        item: Item,
        place: Place | None,
        origins: tuple[Label, ...],
    ) -> NoReturn:
        """Reports inputs that an op cannot take, at the argument to blame if there is one."""
        code = "E0501" if len(tensors) > 1 else "E0502"
        other = next((one for one in tensors if one.spec != tensors[0].spec), None)
        tensors = [*tensors[:FEW], *([other] if other not in tensors[:FEW] and other else [])]
        span = place.span if place is not None else item.span
        labels = self.shapes(tensors, isinstance(error, TooSmallError)) + origins
        help = error.help or self.resize_help(tensors)
        fail(self.sink, code, error.message, span, help, labels)

    def resize_help(self, tensors: Sequence[Tensor]) -> str:
        """Help where a map of a fixed scale misses the size of one that it meets."""
        for tensor in tensors:
            made = self.sized(tensor.id)
            others = [one for one in tensors if one.spec.spatial != tensor.spec.spatial]
            if made is None or not others or not isinstance(made.op, Resize):
                continue
            pairs = zip(tensor.spec.spatial, others[0].spec.spatial, strict=False)
            if made.op.scale is not None and all(
                abs(one - other) < factor
                for (one, other), factor in zip(
                    pairs, made.op.factors(tensor.spec.rank), strict=False
                )
            ):
                id = others[0].id
                other = id if "." not in id and "@" not in id else "..."
                size = f"its size from the map that it meets: {{resize: {{like: {other}}}}}"
                return f"{made.id} can take {size}{self.multiples(made)}"
        return ""

    def multiples(self, made: Node) -> str:
        """The sizes of the input near its own that halvings before a node divide, if there are."""
        sizes = {*self.build.specs[INPUT].spatial}
        small = self.build.specs[made.inputs[0]].spatial[0]
        (size, *more), steps = sizes, 1
        while steps * small < size:
            steps *= 2
        if more or not size % steps:
            return ""
        below = size // steps * steps
        return f"; or give the network {f'{below} or ' if below else ''}{below + steps}"

    def sized(self, id: str) -> Node | None:
        """The node that gave a tensor its spatial size: those behind it kept that."""
        nodes = {node.id: node for node in self.build.nodes}
        made = nodes.get(id)
        while made and self.build.specs[made.inputs[0]].spatial == made.output.spatial:
            made = nodes.get(made.inputs[0])
        return made

    def shapes(self, tensors: Sequence[Tensor], small: bool) -> tuple[Label, ...]:
        """How tensors came to the shapes that an op cannot take, or that are too small for it."""
        labels = (small and self.shrinkers(tensors[0])) or self.sizes(tensors)
        if small:
            labels += self.sizes(self.build.inputs.values())
        if len({tensor.spec.spatial for tensor in tensors}) > 1:
            said = {label.span for label in labels}
            labels += tuple(x for x in self.shrunk_apart(tensors) if x.span not in said)
        elif any(input.spec.rank != IMAGE for input in self.build.inputs.values()):
            labels += self.ranks(tensors[0])
        return labels

    def sizes(self, tensors: Iterable[Tensor]) -> tuple[Label, ...]:
        """Where tensors have their shapes from, copies of one item that are alike but once."""
        specs = {self.shaped(tensor.id): tensor.spec for tensor in tensors}
        labels: dict[Any, Label] = {}
        for id, spec in specs.items():
            if (span := self.written(id)) is not None:
                text = f"{id} gives {spec}"
                if id in self.build.inputs:
                    text = f"the input{'' if id == INPUT else f' {id}'} is {spec}"
                labels.setdefault((span, spec), Label(span, text))
        return tuple(labels.values())

    def ranks(self, tensor: Tensor) -> tuple[Label, ...]:
        """Where a tensor has its number of axes from: the network's input, if it has as many."""
        inputs = self.build.inputs.values()
        alike = (input for input in inputs if input.spec.rank == tensor.spec.rank)
        return self.sizes([next(alike, tensor)])

    def shaped(self, id: str, in_order: bool = True) -> str:
        """The node that gave a tensor its sizes: those behind it kept what they were given.

        Without `in_order` they may have put them in another order.
        """
        nodes = {node.id: node for node in self.build.nodes}
        made = nodes.get(id)
        while made and len(made.inputs) == 1 and not hasattr(made.op, "out"):
            before = nodes.get(made.inputs[0])
            taken, gives = self.build.specs[made.inputs[0]], made.output
            if taken != gives and (in_order or sorted(taken.shape) != sorted(gives.shape)):
                return made.id
            made = before
        return made.id if made else id

    def written(self, id: str) -> Span | None:
        """The place of a node; the call of the block of the library that it stands in."""
        span = self.build.spans.get(id)
        while span is not None and self.sink.in_library(span) and "." in id:
            id = id.rpartition(".")[0]
            span = self.build.spans.get(id, span)
        return span

    def shrunk_apart(self, tensors: Sequence[Tensor]) -> tuple[Label, ...]:
        """What shrinks maps differently since they parted."""
        nodes = {node.id: node for node in self.build.nodes}
        ways: list[list[str]] = []
        for tensor in tensors:
            way = [tensor.id]
            while way[-1] in nodes:
                way.append(nodes[way[-1]].inputs[0])
            ways.append(way)
        start = next((id for id in ways[0] if all(id in way for way in ways)), INPUT)
        found = [label for tensor in tensors for label in self.shrinkers(tensor, start)]
        return tuple(dict.fromkeys(found))

    def shrinkers(self, tensor: Tensor, start: str = INPUT) -> tuple[Label, ...]:
        """What made a map as small as it is, from `start` on: a label for every place."""
        nodes = {node.id: node for node in self.build.nodes}
        steps: dict[Span, list[tuple[Op, TensorSpec, TensorSpec]]] = {}
        id = tensor.id
        while id in nodes and id != start:
            node = nodes[id]
            small, id = node.output, node.inputs[0]
            large = self.build.specs[id]
            span = self.written(node.id)
            if small.rank == large.rank and small.spatial < large.spatial and span:
                steps.setdefault(span, []).append((node.op, large, small))
        labels = []
        for span, made in reversed(steps.items()):
            op, large = made[-1][0], made[-1][1]
            stride = getattr(op, "stride", (1,))
            cause = f"a stride of {times(tuple(sorted(set(stride))))} " if max(stride) > 1 else ""
            shrunk = f"{times(large.spatial)} to {times(made[0][2].spatial)}"
            again = f", in {len(made)} steps" if len(made) > 1 else ""
            labels.append(Label(span, f"{cause}shrinks {shrunk}{again}"))
        return tuple(labels)


class References:
    """Says what a name that nothing has might have meant."""

    def __init__(self, sink: Sink, document: Document, build: Builder) -> None:
        self.sink, self.document, self.build = sink, document, build

    def unknown(self, name: str, place: Place, here: Here, lost: Templates) -> None:
        """Reports a reference that nothing has the name of; `lost` would have it, had they not
        failed."""
        taps = self.build.tapped[here.frame.taps :]
        known = [n for n in here.frame.visible() if not n.isdigit()]
        if "." in name:
            self.unknown_inside(name, known, place, here)
            return
        plain = [template.text for template, _ in lost if not template.expressions]
        near = [n for n in plain if nearest(name, [n])] if len(plain) < MANY else []
        known += here.frame.labels
        help = did_you_mean(name, [*known, *taps, *near])
        labels = self.named_near(nearest(name, [*known, *taps]) or "", here)
        message = f"unknown reference `{name}`"
        if name in self.build.ended and not here.frame.calls:
            message = f"`{name}` is a label of another section"
            help = "labels end with their section; a `tap` there is known in those that follow, too"
            span = self.build.ended[name]
            labels = [Label(span, "stands here")] if span else []
        elif self.document.file.written.could_be(name):
            help = (
                "a reference names an earlier item of this or an enclosing part, a label of this "
            )
            help += "block or section, or a tap"
            spans = (at for template, at in here.file.written if template.text == name)
            labels = [Label(span, "stands here") for span in spans if span][:1]
            if here.frame.drops(name):
                help = f"the `if` of `{name}` is false here, so that there is none"
        self.sink.error("E0402", message, place.span, help=help, labels=labels)

    def unknown_inside(self, name: str, known: list[str], place: Place, here: Here) -> None:
        """Reports a path to something in an item: what is there, as far as it leads."""
        first, *rest = name.split(".")
        found, results = here.frame.home(first), self.build.known()
        help = did_you_mean(first, known)
        if first.startswith("_") and first in known:
            help = f"a key that starts with `_` adds no level: write `{'.'.join(rest)}`"
        elif found is not None:
            home, mark = found
            while rest and f"{home}.{rest[0]}{mark}" in results:
                home, first = f"{home}.{rest[0]}", f"{first}.{rest[0]}"
                rest = rest[1:]
            inner = [id[len(home) + 1 :] for id in results if id.startswith(f"{home}.")]
            parts = [f"{first}.{n}" for n in dict.fromkeys(inner) if "." not in n and "@" not in n]
            help = did_you_mean(name, parts) if parts else f"there is nothing inside `{first}`"
        self.sink.error("E0402", f"unknown reference `{name}`", place.span, help=help)

    def named_near(self, name: str, here: Here) -> list[Label]:
        """Where a name is given, if that is in one place only."""
        if not name:
            return []
        calls = here.frame.calls
        inputs = calls[-1].inputs if calls else ()
        spans = [self.build.tap_spans.get(name)]
        if name in here.frame.labels:
            spans = [here.frame.labels[name][1]]
        if name in inputs:
            spans = [(calls[-1].place / "inputs" / inputs.index(name)).span]
        elif name not in self.build.taps:
            written = here.file.written
            spans = [at for template, at in written if template.text == name]
            spans = spans or [at for template, at in written if template.could_be(name)]
        return [Label(at, f"`{name}` stands here") for at in spans if at] if len(spans) == 1 else []


def first_shape(flow: Flow) -> TensorSpec | None:
    """The shape that `C`, `H` and `W` are of: the first input's."""
    if isinstance(flow, tuple):
        return flow[0].spec if flow else None
    return flow.spec if flow is not None else None


def shape_names(flow: Flow) -> Mapping[str, Value]:
    """The sizes of the first input, by name."""
    first = first_shape(flow)
    return first.names() if first is not None else {}
