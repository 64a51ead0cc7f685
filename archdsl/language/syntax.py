"""The words of the language, and the syntax tree of a spec: documents, blocks, items, arguments."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from archdsl.diagnostics.diagnostic import Span
from archdsl.expressions.expression import Expression, Variable
from archdsl.expressions.scaling import Rounding
from archdsl.expressions.template import Template
from archdsl.language.keys import BlockForm, DocumentForm, ParameterForm, ParameterType
from archdsl.language.templates import Templates
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Place, Source

MODIFIERS = (
    "for", "if", "from", "repeat", "shared", "each", "as", "tap", "aux", "checkpoint",
    "made_before",
)  # fmt: skip
FLAGS = ("shared", "checkpoint")  # which may be names of blocks, too
SECTIONS = ("backbone", "neck", "aux", "head")  # in the order in which modules are made
COMBINATORS: dict[str, tuple[str, ...]] = {  # the arguments of each; the first is required
    "seq": (),
    "inline": (),
    "residual": ("body", "shortcut", "when", "after"),
    "branches": ("paths", "join", "split"),
    "dense": ("layer", "repeat", "sees", "gives"),
    "split": ("parts",),
}
WORDS = {  # what arguments of combinators that are words may be, what they are without one first
    "sees": ("all", "last"),
    "gives": ("all", "last", "layers", "list"),
}
SPLIT = "split"  # the one of them that holds no items
APART = "none"  # the `join` of branches whose results stay apart, a list
PARTS = ("body", "shortcut", "after", "paths", "layer")  # the arguments that hold items
TYPES: tuple[ParameterType, ...] = ("int", "float", "bool", "item", "list", "str")
SHAPE_NAMES = frozenset("CHWDL")
ROW_NAMES = ("row", "first_row", "last_row")  # bound by `for`
TURN_NAMES = ("i", "first", "last")  # bound by `repeat`
PLACES = "_"  # what the index of a reference calls the places of a list
USE = "use"  # the verb of an item that is the module of another
BROKEN = ""  # the verb of an item that could not be read


# what is written for an argument, a modifier, a parameter; each says where


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands for itself: a number, true or false, nothing, a word.

    So does a list where nothing else can be in it, as in a column of `for`, and a mapping of such.
    """

    value: Any
    place: Place


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression; `text` is all that is written, which may be a `$` and a name."""

    text: str
    expression: Expression
    place: Place

    @property
    def name(self) -> str | None:
        """The name that it is, if it is nothing else."""
        tree = self.expression.tree
        return tree.name if isinstance(tree, Variable) else None


@dataclass(frozen=True, slots=True)
class Name:
    """The name of an item or a tap, which may hold expressions in braces.

    `index` picks of a list, which it calls PLACES: `[0]`, `[1:]`; with `spread` all of a list is
    meant, part by part. `offset` leads from the places in the index to those of the whole.
    """

    template: Template
    place: Place
    index: Expression | None = None
    spread: bool = False
    offset: int = 0

    @property
    def text(self) -> str:
        """All that is written."""
        index = self.index.text.removeprefix(PLACES) if self.index is not None else ""
        return "*" * self.spread + self.template.text + index


@dataclass(frozen=True, slots=True)
class Text:
    """A word with expressions in braces."""

    template: Template
    place: Place


@dataclass(frozen=True, slots=True)
class Verb:
    """An op or block as a value, with arguments: `relu`, `{leaky_relu: {slope: 0.1}}`."""

    verb: str
    arguments: Mapping[str, "Argument"]
    place: Place


@dataclass(frozen=True, slots=True)
class Listed:
    """A list."""

    parts: tuple["Argument", ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping: the scheme of an initialisation and its settings."""

    parts: Mapping[str, "Argument"]
    place: Place


Argument = Literal | Formula | Name | Text | Verb | Listed | Mapped


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a `for`: its cells, a list or what gives one; its heading in a table."""

    name: str
    cells: Literal | Formula
    heading: Place | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """What `for` binds, column by column; `rows` is where they stand in a table."""

    columns: tuple[Column, ...]
    place: Place
    rows: Place | None = None

    def cell(self, column: int, row: int) -> Place:
        """Where a cell stands."""
        if self.rows is not None:
            return self.rows / row / column
        return self.columns[column].cells.place / row


@dataclass(frozen=True)
class Modifiers:
    """The modifiers of an item, each by its word."""

    for_: Loop | None = None
    if_: Argument | None = None
    from_: Name | Listed | None = None
    repeat: Argument | None = None
    shared: bool = False
    each: Name | Listed | None = None
    as_: Name | None = None
    tap: Name | None = None
    aux: bool = False
    checkpoint: bool = False
    made_before: Name | None = None

    @cached_property
    def from_turns(self) -> bool:
        """Whether every turn of `repeat` says where it begins: its `from` names the turn."""
        return self.repeat is not None and _names_turn(self.from_)

    @cached_property
    def tap_turns(self) -> bool:
        """Whether every turn of `repeat` has a tap."""
        return self.repeat is not None and _names_turn(self.tap)

    @cached_property
    def as_turns(self) -> bool:
        """Whether every turn of `repeat` has a label."""
        return self.repeat is not None and _names_turn(self.as_)

    @property
    def by_turn(self) -> bool:
        """Whether turns say where they begin, or what their results are called."""
        return self.from_turns or self.as_turns or self.tap_turns

    @property
    def names(self) -> list[Name]:
        """What other items can call the result, beside its key."""
        return [name for name in (self.as_, self.tap) if name is not None]

    @property
    def copies(self) -> bool:
        """Whether the item may stand more than once."""
        return self.for_ is not None or self.repeat is not None


NO_MODIFIERS = Modifiers()


def is_modifier(word: str, raw: Any) -> bool:
    """Whether a key of an item is one of its modifiers; a flag may be the name of a block."""
    return word in MODIFIERS and (word not in FLAGS or isinstance(raw, bool))


def _names_turn(said: "Name | Listed | None") -> bool:
    """Whether a reference, or one of a list, depends on the turn of a `repeat`."""
    names = [n for n in nodes_in(said) if isinstance(n, Name)] if said is not None else []
    mentioned = [*(n.template.names for n in names), *(n.index.names for n in names if n.index)]
    return any(not known.keys().isdisjoint(TURN_NAMES) for known in mentioned)


# items and what holds them


@dataclass(frozen=True)
class Item:
    """One item: a verb with its arguments, and modifiers.

    `key` is the name it is written under, None in a list; `chosen` gives the verb where that is
    `$name`; `parts` are the sequences among the arguments of a combinator; `place` is that of the
    item, `inside` that of its arguments.
    """

    key: Template | None
    verb: str
    place: Place
    inside: Place
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    parts: Mapping[str, "Sequence"] = field(default_factory=dict)
    modifiers: Modifiers = NO_MODIFIERS
    chosen: Formula | None = None

    @cached_property
    def span(self) -> Span | None:
        """Where to point: at all of it, or at its verb where it stands over several lines."""
        span = self.place.span
        return self.inside.key if span is not None and span.is_point else span


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items that run one after another."""

    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a block or document: a default, unless it is required.

    `place` is that of the default; that of a broken one is wrong, and reported.
    """

    name: str
    type: ParameterType | None
    required: bool
    form: ParameterForm
    place: Place
    default: Argument | None = None
    broken: bool = False


@dataclass(slots=True, eq=False)
class File:
    """What the items of one file share: their source, default arguments of ops, blocks, limits.

    `written` are the keys of its items and its taps, each with its place. `blocks` are its own,
    those that it imports, and those of the library that something in it names; `library` reads one
    of `elsewhere`, all that the library has. A `common` one is read once for all documents.
    """

    source: Source
    limits: Limits
    defaults: Mapping[str, Mapping[str, Argument]] = field(default_factory=dict)
    written: Templates = field(default_factory=Templates)
    blocks: dict[str, "Block"] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()
    library: Callable[[str], "Block | None"] = lambda name: None
    common: bool = False

    def block(self, name: str) -> "Block | None":
        """The block of a name, read from the library if it is one of those."""
        if name in self.elsewhere and name not in self.blocks:
            found = self.library(name)
            if found is not None:
                self.blocks[name] = found
        return self.blocks.get(name)


@dataclass(slots=True, eq=False)
class Block:
    """A block: its parameters, the names of its inputs if there are several, and its body.

    `rest` is the name of the list of all further inputs, `outputs` what it gives if that is not
    what its body gives. `body` is None where the block could not be read.
    """

    name: str
    file: File
    place: Place
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    rest: str = ""
    outputs: Mapping[str, Name | None] | None = None
    body: Item | None = None
    broken: bool = False  # so that calls of it are not held to its parameters
    form: BlockForm = field(default_factory=BlockForm)

    def named(self, count: int) -> list[str]:
        """The names of so many inputs, those of the rest with numbers."""
        rest = count - len(self.inputs)
        return [*self.inputs, *(f"{self.rest}_{n}" for n in range(rest if self.rest else 0))]


@dataclass(frozen=True, slots=True, eq=False)
class Replacement:
    """What stands for an op at the paths of a pattern, and below them; `place` is that of all."""

    op: str
    by: Argument
    at: str
    place: Place

    @property
    def written(self) -> dict[str, Any]:
        """As one rule of a list."""
        return {"op": self.op, "at": self.at, "with": as_written(self.by)}


@dataclass(frozen=True, slots=True)
class Frozen:
    """What does not learn: all ops of a name, or what stands at the paths of a pattern."""

    word: str
    op: bool
    place: Place


@dataclass(frozen=True, slots=True)
class ScalingRule:
    """A scaling rule: its numbers by key, and how it rounds; a broken one could not be read."""

    numbers: Mapping[str, Argument] = field(default_factory=dict)
    round: Rounding | None = None
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Renaming:
    """A name of theirs with ours (None drops it), or the beginning of those in `below`.

    The item has the name of theirs as its key, and the loops as its modifiers.
    """

    item: Item
    ours: Name | None = None
    below: tuple["Renaming", ...] | None = None


@dataclass(slots=True, eq=False)
class Document:
    """A whole spec, checked as far as it can be without shapes.

    `dependent` are the scaling rules that depend on parameters, `lost` the names of items that
    could not be read, `titles` what the blocks within reach are called in the graph. Without
    `inputs` or `outputs` nothing is said of them.
    """

    form: DocumentForm
    file: File
    inputs: Mapping[str, tuple[Argument, ...]] | None = None
    outputs: Mapping[str, Name | None] | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    phi: Argument | None = None
    rules: Mapping[str, ScalingRule] = field(default_factory=dict)
    dependent: frozenset[str] = frozenset()
    sections: dict[str, Sequence] = field(default_factory=dict)
    renamings: dict[str, tuple[Renaming, ...]] = field(default_factory=dict)
    lost: Templates = field(default_factory=Templates)
    titles: Mapping[Block, str] = field(default_factory=dict)
    replacements: tuple[Replacement, ...] = ()
    output_stride: Argument | None = None
    frozen: tuple[Frozen, ...] = ()
    settled: tuple[Replacement, ...] = ()  # batch norms that are frozen, behind `replacements`
    figure: Place | None = None  # where it says what its figures show


# walks


def items_in(item: Item) -> Iterator[Item]:
    """The item and those in its parts, at any depth."""
    yield item
    for part in item.parts.values():
        for inner in part.items:
            yield from items_in(inner)


def written_in(item: Item) -> Iterator[Argument]:
    """What is written for an item's verb, arguments and modifiers, but for its names."""
    if item.chosen is not None:
        yield item.chosen
    yield from item.arguments.values()
    said = item.modifiers
    if said is not NO_MODIFIERS:
        yield from (column.cells for column in (said.for_.columns if said.for_ else ()))
        others = (said.if_, said.from_, said.repeat, said.each, said.made_before)
        yield from (one for one in others if one is not None)


def nodes_in(argument: Argument) -> Iterator[Argument]:
    """The argument and those in it, at any depth."""
    yield argument
    match argument:
        case Listed(parts):
            inner = parts
        case Verb(_, parts) | Mapped(parts):
            inner = tuple(parts.values())
        case _:
            return
    for part in inner:
        yield from nodes_in(part)


COMPUTED = r"""^\$|['"\[{]|\bif\b"""  # a pattern of what is no word, but gives one


def is_computed(raw: Any) -> bool:
    """Whether what stands where a word is expected is no word, but an expression that gives one."""
    return isinstance(raw, str) and re.search(COMPUTED, raw) is not None


def as_written(argument: Argument) -> Any:
    """The plain data that the argument was read from."""
    match argument:
        case Literal(value):
            return value
        case Formula(text):
            return text
        case Name():
            return argument.text
        case Text(template):
            return template.text
        case Verb(verb, parts):
            return {verb: {n: as_written(a) for n, a in parts.items()}} if parts else verb
        case Listed(parts):
            return [as_written(part) for part in parts]
        case Mapped(parts):
            return {name: as_written(part) for name, part in parts.items()}
