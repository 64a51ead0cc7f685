"""The words of the language, and the syntax tree of a spec: documents, blocks, items."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

from archdsl.diagnostics import Span
from archdsl.forms import DocumentForm, ParameterForm, ParameterType, RuleForm
from archdsl.limits import Limits
from archdsl.source import Place, Source
from archdsl.templates import Template
from archdsl.tensor import INPUT

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

# Attributes that every PyTorch module has: an item of such a name would hide one of them.
RESERVED = frozenset(
    """
    T_destination add_module append apply bfloat16 buffers call_super_init children compile cpu
    cuda double dump_patches eval extend extra_repr feature_info float forward get_buffer
    get_extra_state get_parameter get_submodule half insert ipu items keys load_state_dict modules
    mtia named_buffers named_children named_modules named_parameters parameters pop
    register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule share_memory state_dict to to_empty train training type values
    xpu zero_grad
    """.split()  # noqa: SIM905 - one a line would be fifty
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")
_MODULE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*|[0-9]+")


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


def name_problem(name: str) -> str:
    """Why an item, tap or output cannot have this name, or nothing."""
    if not _MODULE_NAME.fullmatch(name):
        return f"`{name}` cannot be a name: names are letters, digits, `_`, and `-` inside"
    plain = name.lstrip("_")  # as the module calls it, which `_` keeps out of the path
    if iskeyword(plain):
        return f"`{plain}` is a word of Python and cannot be a name"
    if plain in RESERVED:
        return f"`{plain}` is an attribute of every module and cannot be a name"
    if name == INPUT:
        return f"`{name}` is what a network or block is given and cannot be a name"
    if name.startswith("__"):
        return f"`{name}` cannot be a name: it starts with two underscores"
    return ""


def other_name(name: str) -> str:
    """Help for a name that cannot be used: one that can."""
    if "." in name:
        outer, _, inner = name.partition(".")
        return f"a dot is a level: put `{inner}` among the items of `{outer}`"
    usable = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
    usable = f"{usable}_" if usable == name else usable
    return "" if not usable or name_problem(usable) or usable[0].isdigit() else f"write `{usable}`"


def identifier_problem(name: str) -> str:
    """Why a network, block, parameter or column cannot have this name, or nothing."""
    if not _NAME.fullmatch(name) or name.isdigit():
        return f"`{name}` cannot be a name: it needs letters, digits and `_`, a letter first"
    return f"`{name}` is a word of Python and cannot be a name" if iskeyword(name) else ""
