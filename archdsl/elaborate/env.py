"""What flows through a network under construction, and what an item sees from where it stands."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, NoReturn

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.expressions.expression import Value
from archdsl.expressions.scaling import Function
from archdsl.language.syntax import Argument, Block, File, Item
from archdsl.ops.tensor import TensorSpec
from archdsl.yaml.source import Place


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value that flows: the node that gives it, and its shape."""

    id: str
    spec: TensorSpec


Flow = Tensor | tuple[Tensor, ...] | None  # None: poisoned, the reason is in the sink


class Poison(Exception):
    """A value cannot be had; the reason is in the sink."""


def fail(
    sink: Sink,
    code: str,
    message: str,
    span: Span | None,
    help: str = "",
    labels: tuple[Label, ...] = (),
) -> NoReturn:
    """Reports an error and gives up the value that was to be computed."""
    sink.error(code, message, span, labels=labels, help=help)
    raise Poison


@dataclass(frozen=True, slots=True, eq=False)
class ItemValue:
    """The value of a parameter that names a verb: the verb, and arguments already evaluated.

    `origins` are those of the arguments. In expressions it is equal to the word that says it.
    """

    verb: str
    arguments: tuple[tuple[str, Any], ...] = ()
    block: Block | None = None  # where the verb is one
    origins: Mapping[str, "Origin"] = field(default_factory=dict, compare=False)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return not self.arguments and self.verb == other
        if not isinstance(other, ItemValue):
            return NotImplemented
        mine, others = (self.verb, self.arguments), (other.verb, other.arguments)
        return mine == others and self.block is other.block

    def __hash__(self) -> int:
        return hash(self.verb)

    def __str__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in self.arguments)
        return f"{self.verb}({arguments})" if arguments else self.verb


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An argument that has its value already, and from what: a cell, an argument of `$verb`."""

    value: Value
    place: Place
    origin: "Origin | None" = None


Said = Argument | Evaluated


class Origin(NamedTuple):
    """Where a name has its value from: what is written for it, what that sees, the heading of its
    column in a table."""

    written: Said
    here: "Here"
    heading: Place | None = None


Origins = Callable[[str], Origin | None]


def nowhere(name: str) -> None:
    """The origin of a name that is no argument and no cell."""


class Row(NamedTuple):
    """What `for` binds in one copy: values by name, and where the cells of its columns stand."""

    names: Mapping[str, Value] = {}
    origin: Origins = nowhere
    columns: Collection[str] = ()


@dataclass(slots=True)
class Counter:
    """The next number of a list's items."""

    next: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """A named part of the network: its path, the id of its scope, the numbers of a list in it.

    `trail` holds the keys with `_` that are open: they are no part of a module's path, but tell
    the ids of weightless nodes (whose names start with `_`) apart. `application` is the mark of a
    repeated application of shared weights, empty in the first. `inner` are the levels in it that
    keys with dots made, by their ids.
    """

    path: str
    scope: str
    counter: Counter = field(default_factory=Counter)
    trail: str = ""
    application: str = ""
    inner: "dict[str, Level]" = field(default_factory=dict)

    def number(self) -> str:
        """The name of the next item of a list."""
        self.counter.next += 1
        return str(self.counter.next - 1)

    def child(self, name: str) -> str:
        name = self.trail + name if name.startswith("_") else name
        return f"{self.path}.{name}" if self.path else name

    def below(self, name: str | None) -> "Level":
        """The level inside an item whose key, if it starts with `_`, adds none."""
        if name is None or not name.startswith("_"):
            return self
        return replace(self, trail=f"{self.trail}{name}.")

    def applied(self, index: int, number: int) -> "Level":
        """The level for the application of shared weights to the input at `index`.

        The items of a list are numbered from the same number in all of them.
        """
        before = self.application
        mark = f"{before}@{index}" if before or index else ""
        return replace(self, counter=Counter(number), application=mark)

    def used(self, index: int, number: int) -> "Level":
        """The level of a module that is used again, in the network the `index`th that is: a mark
        that no application has of what is around it or in it."""
        return replace(self, counter=Counter(number), application=f"{self.application}@0@{index}")


@dataclass
class Maker:
    """What made a module: its item and where that stands, the number that a list has for it.

    Its first application made the nodes from `start` to `end`; `count` are all its applications.
    """

    item: Item
    here: "Here"
    number: int
    start: int
    end: int
    count: int = 1


@dataclass(slots=True)
class Frame:
    """The items that references can name; `outer` is the enclosing frame, up to the block's border.

    `input` is what the network or block is given, `taps` how many taps there were before, `calls`
    the blocks whose calls are open, `aux` the results in training only, `homes` the paths of the
    items in `names`, each with the mark of its application, `labels` those of the block or
    section, `makers` what made the modules that can be used again, `dropped` the items that an
    `if` left out. Where it does not `replace`, ops are what is written: in what stands for another.
    """

    level: Level
    input: Flow
    taps: int = 0
    outer: "Frame | None" = None
    names: dict[str, Flow] = field(default_factory=dict)
    calls: tuple[Block, ...] = ()
    aux: dict[str, Flow] = field(default_factory=dict)
    homes: dict[str, tuple[str, str]] = field(default_factory=dict)
    labels: dict[str, tuple[Flow, Span | None]] = field(default_factory=dict)
    makers: dict[str, Maker] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    replaces: bool = True

    def inside(self, level: Level) -> "Frame":
        calls, aux, labels = self.calls, self.aux, self.labels
        inner = Frame(level, self.input, self.taps, self, {}, calls, aux, {}, labels)
        inner.replaces = self.replaces
        return inner

    def beside(self, level: Level) -> "Frame":
        """The same items, the next ones standing at another level."""
        return replace(self, level=level)

    def apart(self, level: Level) -> "Frame":
        """The same items at another level; those that follow are not known here."""
        names, homes, labels = {**self.names}, {**self.homes}, {**self.labels}
        makers = {**self.makers}
        return replace(self, level=level, names=names, homes=homes, labels=labels, makers=makers)

    def keep(self, name: str, flow: Flow) -> None:
        """Lets references name what an item gives."""
        self.names[name] = flow
        self.homes[name] = self.level.child(name), self.level.application

    def home(self, name: str) -> tuple[str, str] | None:
        """The path and application of an earlier item, None if it is at none."""
        if name in self.names:
            return self.homes.get(name)
        return None if self.outer is None else self.outer.home(name)

    def find(self, name: str) -> Flow:
        """The value of an earlier item; raises KeyError if there is none."""
        if name in self.names:
            return self.names[name]
        if self.outer is None:
            raise KeyError(name)
        return self.outer.find(name)

    def maker(self, name: str) -> Maker | None:
        """What made the module of an earlier item, None if it has none."""
        if name in self.names or self.outer is None:
            return self.makers.get(name)
        return self.outer.maker(name)

    def made(self) -> list[str]:
        """The names of the earlier items that have modules."""
        return [*self.makers, *(self.outer.made() if self.outer is not None else ())]

    def flow(self, name: str) -> Flow:
        """The value of an earlier item or a label, None if there is none."""
        try:
            return self.find(name)
        except KeyError:
            return self.labels.get(name, (None, None))[0]

    def drops(self, name: str) -> bool:
        """Whether an `if` left out an earlier item of this name."""
        return name in self.dropped or (self.outer is not None and self.outer.drops(name))

    def visible(self) -> list[str]:
        return [*self.names, *(self.outer.visible() if self.outer else ())]


@dataclass(slots=True)
class Here:
    """Where an item stands: its file, the items before it, the names it may use, its input.

    `names` are parameters and what `for` and `repeat` bind; those of a failed parameter are
    missing. `origin` finds that of an argument or cell by its name. The input is `()` where there
    is none, as in the document's parameters. Nothing in it is changed.
    """

    file: File
    frame: Frame
    names: Mapping[str, Value]
    x: Flow
    origin: Origins = nowhere

    def with_input(self, x: Flow) -> "Here":
        return Here(self.file, self.frame, self.names, x, self.origin)

    def bind(self, row: Row) -> "Here":
        """One of the copies of a `for`."""
        if not row.names:
            return self
        return Here(self.file, self.frame, {**self.names, **row.names}, self.x, row.origin)

    def turn(self, i: int, times: int) -> "Here":
        """One of the turns of a `repeat`."""
        turn = {"i": i, "first": i == 0, "last": i == times - 1}
        return Here(self.file, self.frame, {**self.names, **turn}, self.x, self.origin)

    def inside(self, level: Level) -> "Here":
        return Here(self.file, self.frame.inside(level), self.names, self.x, self.origin)

    def at(self, level: Level) -> "Here":
        """The same items, the next ones standing at another level."""
        if level is self.frame.level:
            return self
        return Here(self.file, self.frame.beside(level), self.names, self.x, self.origin)


Arguments = Mapping[str, tuple[Said, Here]]  # of an op, each with what it sees


@dataclass(slots=True)
class Setting:
    """The values of a document's parameters, and the scaling rules that expressions may call.

    Both are settled one after another; `places` are those of the parameters, `scaling` is that of
    the rules.
    """

    scaling: Place
    parameters: Mapping[str, Value] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)

    def is_documents(self, name: str, here: Here) -> bool:
        """Whether a name is that of a parameter of the document there."""
        return name in self.places and here.names.get(name) is self.parameters[name]
