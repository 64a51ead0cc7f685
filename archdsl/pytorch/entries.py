"""What a class under construction is made of: values, modules and their containers, steps."""

import ast
import builtins
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from archdsl.modules.calls import OTHER_NAMES
from archdsl.modules.lifetimes import Scopes
from archdsl.ops import Op
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.allowed import FIXED, prelude
from archdsl.pytorch.python import assign, identifiers, is_attribute, walk
from archdsl.pytorch.symbols import Symbol, same

TAKEN = frozenset({"self", *FIXED, *prelude(), *dir(builtins)})


Grouped = Callable[[str, Mapping[str, str]], str]  # the class of a container, of types by key


def is_taken(title: str) -> bool:
    """Whether a name means something in every source, so that no variable can have it."""
    return title in TAKEN or title in OTHER_NAMES


def is_argument(key: str) -> bool:
    """Whether an argument or a variable can have a name."""
    return is_attribute(key) and not is_taken(key)


def variable_name(title: str) -> str:
    """What `forward` calls an input of this name."""
    return title if is_argument(title) else f"{title.replace('-', '_')}_"


@dataclass(eq=False)
class Value:
    """A tensor in `forward`; `maker` is the op that made it, None if that is not known.

    `homes` are the paths in its block of what gives it, if it is one of several results.
    """

    spec: TensorSpec
    hint: str = ""
    maker: type[Op] | None = None
    mark: str = ""  # what stands for its variable until that has a name
    under: "tuple[Symbol, type[Op]] | None" = None  # what made it where a condition holds
    otherwise: "Value | None" = None  # what it is where that does not hold
    homes: tuple[str, ...] = ()
    of: str = ""  # the mark of the list that it is a part of
    parts: int = 0  # how many tensors it stands for, if it is what gives several

    def maker_under(self, guard: Symbol | None) -> type[Op] | None:
        """The op that made it, at least where a condition holds."""
        holds = self.under is not None and same(self.under[0], guard)
        return self.under[1] if self.under is not None and holds else self.maker


NTH = "%n"  # stands for the place in a list that a size depends on
NAMELESS = "%"  # stands for a map that has no variable


@dataclass(eq=False)
class Listing:
    """A list of any number of maps in `forward`; `spec` is that of the map at NTH.

    Where their number is known `elements` are the maps one by one. One with a `test` is of one map
    where that holds, else of none.
    """

    spec: TensorSpec
    count: Any
    hint: str = ""
    maker: type[Op] | None = None
    mark: str = ""
    homes: tuple[str, ...] = ()
    elements: tuple[Value, ...] = ()
    test: Symbol | None = None
    before: tuple[Value, ...] = ()  # maps that its variable holds before its own
    parts: int = 0  # how many maps it has, if these are read one by one
    named: tuple[Any, ...] = ()  # the parts of the name of its map at NTH, if a tap gives it one


Flowing = TypeVar("Flowing", Value, Listing)


@dataclass(eq=False)
class Entry:
    """A module or parameter that the constructor makes, under a key, if `test` holds.

    One whose name varies has its pattern for a key; `name` is what the constructor computes for it,
    and `named` what `forward` reads that by.
    """

    key: str
    code: ast.expr
    before: list[ast.stmt]
    test: Symbol | None = None
    parameter: bool = False
    used: bool = False
    owner: "Holder | None" = None
    given: Any = None  # the channels of what goes into it first
    channels: Any = None  # and of what comes out of it then
    name: ast.expr | None = None
    named: ast.Attribute | None = None
    many: bool = False  # whether its code gives any number of modules, from the number its key is


@dataclass(eq=False)
class Let:
    """A variable of the constructor, for what is too long to be said again."""

    key: str
    code: ast.expr
    used: bool = False


def reads(part: "Entry | Holder | Let") -> set[str]:
    """The names in what makes a part."""
    if isinstance(part, Holder):
        return set().union(*map(reads, part.entries))
    return identifiers(part.code, *(part.before if isinstance(part, Entry) else ()))


def sets(part: "Entry | Holder | Let") -> set[str]:
    """The variables that what makes a part leaves with values."""
    if isinstance(part, Holder):
        return set().union(*map(sets, part.entries))
    if isinstance(part, Let):
        return {part.key}
    places = [n.targets[0] for n in walk(*part.before) if isinstance(n, ast.Assign)]
    return {place.id for place in places if isinstance(place, ast.Name)}


@dataclass(eq=False)
class Holder:
    """The class itself, or a container in it, whose members `forward` calls one by one."""

    key: str
    owner: "Holder | None" = None
    entries: list["Entry | Holder | Let"] = field(default_factory=list)
    keys: dict[str, "Entry | Holder"] = field(default_factory=dict)  # all but variables
    titles: dict[str, str] = field(default_factory=dict)  # of attributes, where items have others
    chained: bool = False  # whether its members are called one after another, and nothing else is

    def clear(self) -> None:
        self.entries.clear()
        self.keys.clear()

    def every(self) -> "Iterator[Entry | Holder | Let]":
        """Its members, and those of its containers."""
        for entry in self.entries:
            yield entry
            if isinstance(entry, Holder):
                yield from entry.every()

    # once it is known which entries are used

    @property
    def used(self) -> bool:
        return bool(self.live())

    def live(self) -> list["Entry | Holder"]:
        return [entry for entry in self.entries if entry.used and not isinstance(entry, Let)]

    @cached_property
    def modules(self) -> dict[str, int]:
        """The keys of its modules, and their places."""
        members = (e for e in self.live() if isinstance(e, Holder) or not e.parameter)
        return {entry.key: place for place, entry in enumerate(members)}

    @cached_property
    def nested(self) -> bool:
        """Whether a container is in it whose members `forward` calls."""
        return any(isinstance(e, Holder) and not e.chained for e in self.live())

    @cached_property
    def base(self) -> str:
        """The class of a list or dict; PyTorch types what is in its own as a `Module`."""
        if self.nested:
            return "ListOfParts" if self.kind == "list" else "DictOfParts"
        return "nn.ModuleList" if self.kind == "list" else "nn.ModuleDict"

    @cached_property
    def kind(self) -> str:
        """`list` if its members are numbered in turn, else `dict`, or `self` for attributes.

        A container of containers is a `class`, since PyTorch types what a `ModuleDict` holds as a
        `Module`.
        """
        if self.owner is None and all(map(is_attribute, self.modules)):
            return "self"
        if self.owner is not None and self.nested and all(map(is_argument, self.modules)):
            return "class"
        return "list" if all(key == str(n) for key, n in self.modules.items()) else "dict"


@dataclass(eq=False)
class Region:
    """A part of `forward` that the backward pass computes again; `scopes` are those around it.

    One of turns is a sequence of modules, each of which is computed again by itself. One with a
    test is not computed again: it is there where that holds, and gives what `otherwise` marks
    elsewhere.
    """

    title: str
    scopes: Scopes
    turns: bool = False
    test: ast.expr | None = None
    otherwise: str = ""


@dataclass(eq=False)
class Step:
    """A statement of `forward`: a value and how it is computed, from marks and accesses."""

    target: Value | Listing
    code: ast.expr
    adds: bool = False  # may write over its first operand
    scopes: Scopes = ()  # that it stands in, in the class
    regions: tuple[Region, ...] = ()  # from the outermost on

    @cached_property
    def parts(self) -> list[ast.AST]:
        return list(walk(self.code))

    @cached_property
    def accessed(self) -> "list[Entry | Holder]":
        """The modules and parameters that it reads."""
        return [part.entry for part in self.parts if isinstance(part, Access)]

    @cached_property
    def operands(self) -> list[str]:
        """The marks of the values that it reads, as often as it does, in the order of the code."""
        names = [n.id for n in reversed(self.parts) if isinstance(n, ast.Name)]
        return [name for name in names if name[0] == "%"]

    @property
    def allocates(self) -> bool:
        """Whether it may give a new tensor; an op that says `inplace=True` does not."""
        match self.code:
            case ast.Call(func=Access(entry=Entry(code=ast.Call(keywords=said)))):
                return not any(
                    k.arg == "inplace" and getattr(k.value, "value", None) is True for k in said
                )
        return not self.adds


def variables(entry: "Entry | Holder | Let") -> list[ast.stmt]:
    """The variables that a container sets, though nothing in it is made."""
    if isinstance(entry, Let):
        return [assign(entry.key, entry.code)] if entry.used else []
    inner = entry.entries if isinstance(entry, Holder) else []
    return [statement for part in inner for statement in variables(part)]


class Access(ast.expr):
    """Stands for the way to an entry until it is known how its holders hold it."""

    _fields = ("entry",)

    def __init__(self, entry: Entry | Holder) -> None:
        super().__init__()
        self.entry = entry
