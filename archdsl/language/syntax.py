"""The words of the language, and the syntax tree of a spec: documents, blocks, items."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from archdsl.diagnostics.diagnostic import Span
from archdsl.expressions.template import Template
from archdsl.language.keys import DocumentForm, ParameterForm, ParameterType, RuleForm
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Place, Source

MODIFIERS = ("for", "if", "from", "repeat", "each", "tap", "aux")
SECTIONS = ("backbone", "neck", "aux", "head")  # in the order in which modules are made
COMBINATORS: dict[str, tuple[str, ...]] = {  # the arguments of each; the first is required
    "seq": (),
    "inline": (),
    "residual": ("body", "shortcut", "when", "after"),
    "branches": ("paths", "join", "split"),
    "dense": ("layer", "repeat"),
}
PARTS = ("body", "shortcut", "after", "paths", "layer")  # the arguments that hold items
JOINS = ("concat", "add", "multiply")
TYPES: tuple[ParameterType, ...] = ("int", "float", "bool", "item", "list", "str")
SHAPE_NAMES = frozenset("CHWDL")
ROW_NAMES = ("row", "first_row", "last_row")  # bound by `for`
TURN_NAMES = ("i", "first", "last")  # bound by `repeat`
BROKEN = ""  # the verb of an item that could not be read


@dataclass(frozen=True, slots=True)
class Item:
    """One item: a verb with its arguments as written, and modifiers.

    `key` is the name it is written under, None in a list; `parts` are the sequences among the
    arguments of a combinator; `place` is that of the item, `inside` that of its arguments.
    """

    key: Template | None
    verb: str
    arguments: Mapping[str, Any]
    parts: Mapping[str, "Sequence"]
    modifiers: Mapping[str, Any]
    place: Place
    inside: Place

    @property
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
    """A parameter of a block or document: `default` is as written, MISSING where required.

    The default of a broken one is wrong, and reported.
    """

    name: str
    type: ParameterType | None
    default: Any
    form: ParameterForm
    place: Place
    broken: bool = False


@dataclass(slots=True, eq=False)
class File:
    """What the items of one file share: their source, default arguments of ops, blocks, limits."""

    source: Source
    limits: Limits
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    blocks: dict[str, "Block"] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()  # names of blocks that it could have, for suggestions


@dataclass(slots=True, eq=False)
class Block:
    """A block: its parameters, the names of its inputs if there are several, and its body.

    `body` is None where the block could not be read.
    """

    name: str
    file: File
    place: Place
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    body: Item | None = None
    broken: bool = False  # so that calls of it are not held to its parameters


@dataclass(frozen=True, slots=True)
class Renaming:
    """A name of theirs with ours (None drops it), or the beginning of those in `below`.

    The item has the name of theirs as its key, and the loops as its modifiers.
    """

    item: Item
    ours: Template | None = None
    below: tuple["Renaming", ...] | None = None


@dataclass(slots=True, eq=False)
class Document:
    """A whole spec, checked as far as it can be without shapes.

    `dependent` are the scaling rules that depend on parameters, `written` the keys and taps that
    stand anywhere in it, `lost` those of items that could not be read, `titles` what the blocks
    within reach are called in the graph.
    """

    form: DocumentForm
    file: File
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    rules: Mapping[str, RuleForm] = field(default_factory=dict)
    dependent: frozenset[str] = frozenset()
    sections: dict[str, Sequence] = field(default_factory=dict)
    renamings: dict[str, tuple[Renaming, ...]] = field(default_factory=dict)
    written: list[Template] = field(default_factory=list)
    lost: list[Template] = field(default_factory=list)
    titles: Mapping[Block, str] = field(default_factory=dict)


def items_in(item: Item) -> Iterator[Item]:
    """The item and those in its parts, at any depth."""
    yield item
    for part in item.parts.values():
        for inner in part.items:
            yield from items_in(inner)
