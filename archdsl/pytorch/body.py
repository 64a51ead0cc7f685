"""A class under construction: what its constructor makes, and the statements of its `forward`."""

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from keyword import iskeyword
from typing import Any, TypeVar

from archdsl.expressions.names import RESERVED
from archdsl.modules.calls import OTHER_NAMES
from archdsl.modules.lifetimes import Scopes
from archdsl.ops import Op
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.allowed import FIXED, prelude
from archdsl.pytorch.kept import Kept
from archdsl.pytorch.python import (
    annotated,
    as_syntax,
    assign,
    call,
    choice,
    identifiers,
    name,
    of_length,
    ordered,
    walk,
)
from archdsl.pytorch.symbols import Expanded, Fixed, Sized, Symbol

TAKEN = frozenset({"self", *FIXED, *prelude(), *dir(builtins)})


Grouped = Callable[[str, Mapping[str, str]], str]  # the class of a container, of types by key


def is_taken(title: str) -> bool:
    """Whether a name means something in every source, so that no variable can have it."""
    return title in TAKEN or title in OTHER_NAMES


def variable_name(title: str) -> str:
    """What `forward` calls an input of this name."""
    plain = title.isidentifier() and not iskeyword(title) and not is_taken(title)
    return title if plain else f"{title.replace('-', '_')}_"


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
    homes: tuple[str, ...] = ()
    of: str = ""  # the mark of the list that it is a part of

    def maker_under(self, guard: Symbol | None) -> type[Op] | None:
        """The op that made it, at least where a condition holds."""
        return self.under[1] if self.under is not None and self.under[0] is guard else self.maker


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


def is_attribute(key: str) -> bool:
    return key.isidentifier() and not iskeyword(key)


def is_argument(key: str) -> bool:
    return is_attribute(key) and not is_taken(key)


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


class Body:
    """The constructor and `forward` of one class."""

    def __init__(
        self, grouped: "Grouped | None" = None, keys: frozenset[str] = frozenset()
    ) -> None:
        self.top, self.grouped, self.names = Holder(""), grouped, keys
        self.steps: list[Step] = []
        self.methods: dict[str, ast.FunctionDef] = {}  # beside `forward`
        self.made: dict[str, Value | Listing] = {}  # by mark
        self.whole: Entry | None = None  # the modules of a loop, of which the class is a list
        self.whole_of: frozenset[str] = frozenset()  # what their number depends on
        self.within: set[str] = set()  # the marks of what one member of a chain gives the next
        self.kept: dict[str, ast.expr] = {}  # attributes of numbers and flags
        self.locals: set[str] = set()
        self.lets: dict[str, ast.expr] = {}
        self.endings: dict[str, ast.expr] = {}  # what variables of loops are in the end
        self.lengths: dict[str, tuple[ast.expr, int]] = {}  # of lists, by how they are written
        self.turning: set[str] = set()  # the variables of loops in `forward`
        self.turns: set[str] = set()  # all that there have been
        self.numbers: dict[str, ast.expr] = {}  # what `forward` computes first, from sizes of maps
        self.cells: set[str] = set()  # those that the constructor's loops alone have
        self._marks = count()

    # values and steps

    def value(self, spec: TensorSpec, hint: str = "", maker: type[Op] | None = None) -> Value:
        value = Value(spec, hint, maker, f"%{next(self._marks)}")
        self.made[value.mark] = value
        return value

    def listing(self, spec: TensorSpec, count: Any, hint: str, maker: Any = None) -> Listing:
        listing = Listing(spec, count, hint, maker, f"%{next(self._marks)}")
        self.made[listing.mark] = listing
        return listing

    def read(self, value: Value | Listing) -> ast.expr:
        return ast.Name(value.mark)

    def enter(self, holder: Holder, entry: "Entry | Holder") -> None:
        entry.owner = holder
        if entry.key in holder.keys:
            raise Fixed((), f"two modules named {entry.key}")
        holder.keys[entry.key] = entry
        holder.entries.append(entry)

    def called(self, entry: Entry | Holder, inputs: Sequence[Value]) -> ast.expr:
        return ast.Call(Access(entry), [self.read(value) for value in inputs], [])

    def reached(self, entry: Entry) -> ast.expr:
        return Access(entry)

    def keep(self, hint: str, value: Any) -> ast.expr:
        """What `forward` reads a number or flag of the constructor by."""
        if not isinstance(value, Symbol):
            return as_syntax(value)
        found = identifiers(value.syntax)
        if found & self.cells:
            raise Fixed(value.names, "a cell of a table in forward")
        if NAMELESS in found:
            raise Fixed(value.names, "the size of a map that has no name yet")
        if self.varies(value.syntax):
            code: ast.expr = Kept(self, hint).visit(deepcopy(value.syntax))
            return code
        for known, code in self.kept.items():
            if ast.dump(code) == ast.dump(value.syntax):
                return ast.Attribute(ast.Name("self"), known)
        hint = value.syntax.id if isinstance(value.syntax, ast.Name) else hint
        hint = f"{hint}_" if hint in RESERVED else hint  # or `module.half()` would be a number
        free, number = hint, 2
        while free in self.kept or free in self.names or free in self.top.keys:
            free, number = f"{hint}_{number}", number + 1
        self.kept[free] = value.syntax
        return ast.Attribute(ast.Name("self"), free)

    def varies(self, *trees: ast.AST) -> bool:
        """Whether only `forward` knows what something is: it depends on a turn or on a map."""
        return any(title[0] == "%" or title in self.turning for title in identifiers(*trees))

    def measured(self, title: str, value: Symbol) -> Symbol:
        """A number that `forward` computes before all else."""
        self.numbers[title] = Kept(self, title).visit(deepcopy(value.syntax))
        self.turning.add(title)
        self.turns.add(title)
        return Symbol(name(title), value.type, None, frozenset())

    def computed(self, statements: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
        """The numbers that statements need, each behind those that it is computed from."""
        used = identifiers(*statements)
        for title in reversed(self.numbers):
            used |= identifiers(self.numbers[title]) if title in used else set()
        return ((title, code) for title, code in self.numbers.items() if title in used)

    def require_constant(self, *trees: ast.AST) -> None:
        """Raises Fixed if the constructor would need what only `forward` knows."""
        found = identifiers(*trees)
        if any(title[0] == "%" for title in found):
            raise Fixed((), "a module that depends on the size of a map")
        if found & self.numbers.keys():
            raise Sized(found & self.numbers.keys(), "a module that depends on the size of a map")

    def local(self, hint: str, taken: Iterable[str]) -> str:
        """A name for a variable of the constructor."""
        free, number = hint, 2
        while free in self.locals or is_taken(free) or free in taken or iskeyword(free):
            free, number = f"{hint}_{number}", number + 1
        self.locals.add(free)
        return free

    def let(self, holder: Holder, value: Symbol, taken: Iterable[str]) -> Symbol:
        """A variable for a value, set before the next member of a holder is made."""
        title = self.local("channels", taken)
        holder.entries.append(Let(title, value.syntax))
        self.lets[title] = value.syntax
        return Symbol(name(title), value.type, None, value.names)

    def holds_for(self, items: Symbol, count: int, arguments: Iterable[str]) -> None:
        """What is made holds for lists of one length: the constructor refuses any other."""
        if not identifiers(items.syntax) <= set(arguments):
            raise Fixed(items.names)
        self.lengths[ast.dump(items.syntax)] = items.syntax, count

    def unpacked(self, code: ast.Call) -> ast.Call:
        """A call whose arguments are all of a list: `Reshape(*shape)`."""
        for items, length in self.lengths.values():
            parts = [ast.Subscript(items, ast.Constant(n)) for n in range(length)]
            if [*map(ast.dump, code.args)] == [*map(ast.dump, parts)]:
                code.args = [ast.Starred(items)]
        return code

    # finishing

    def prune(self, results: Sequence[Value | Listing]) -> None:
        """Leaves the steps that the results need, and marks the modules that these call."""
        needed = {value.mark for value in results}
        kept = []
        for step in reversed(self.steps):
            if step.target.mark in needed:
                needed.update(step.operands)
                kept.append(step)
                needed.update(region.otherwise for region in step.regions)
                for entry in step.accessed:
                    if isinstance(entry, Entry):
                        entry.used = True
        self.steps = kept[::-1]
        tests = [r.test for s in self.steps for r in s.regions if r.test is not None]
        read = (*walk(*tests), *(part for step in self.steps for part in step.parts))
        used = {part.attr for part in read if isinstance(part, ast.Attribute)}
        entries = [entry for step in self.steps for entry in step.accessed]
        used |= {e.named.attr for e in entries if isinstance(e, Entry) and e.named is not None}
        self.kept = {key: code for key, code in self.kept.items() if key in used}
        self.say_early(self.top, dict(self.lets))
        self.find_lets(self.top, identifiers(*self.kept.values()))

    def say_early(self, holder: Holder, later: dict[str, ast.expr]) -> None:
        """Says in full what is made before a variable is set: a later member of a container is."""
        for entry in holder.entries:
            if isinstance(entry, Holder):
                self.say_early(entry, later)
            elif isinstance(entry, Let):
                del later[entry.key]
            elif later.keys() & reads(entry):
                entry.code = Expanded(later).visit(entry.code)
                entry.before = [Expanded(later).visit(s) for s in entry.before]

    def find_lets(self, holder: Holder, found: set[str]) -> None:
        """Marks the variables that are used; `found` are names in what stands behind."""
        for entry in reversed(holder.entries):
            if isinstance(entry, Holder):
                self.find_lets(entry, found)
            elif isinstance(entry, Let):
                entry.used = entry.key in found
                found |= identifiers(entry.code) if entry.used else set()
            elif entry.used:
                trees = [entry.code, *entry.before]
                trees += [entry.test.syntax] if entry.test is not None else []
                found |= identifiers(*trees)

    def constructor(self) -> list[ast.stmt]:
        """The statements of `__init__` behind `super().__init__()`."""
        kept = [assign(f"self.{key}", code) for key, code in self.kept.items()]
        kind, checks = self.top.kind, [of_length(*length) for length in self.lengths.values()]
        if self.whole is not None:
            if any(not isinstance(entry, Let) for entry in self.top.entries):
                raise Fixed(self.whole_of, "modules beside those of a list")
            assert isinstance(self.whole.code, ast.Call)
            made_of = ast.Expr(call("super().__init__", *self.whole.code.args))
            lets = [s for entry in self.top.entries for s in variables(entry)]
            return [*checks, *lets, made_of, *kept]
        if kind == "self":
            made = [
                s
                for entry in self.top.entries
                for s in (self.attribute(entry) if entry.used else variables(entry))
            ]
            return [*checks, ast.Expr(call("super().__init__")), *made, *kept]
        before, code = self.contents(self.top, kind)
        held = self.parameters(self.top)
        made_of = ast.Expr(ast.Call(name("super().__init__"), [code], []))
        return [*checks, *before, made_of, *kept, *held]

    def declared(self) -> list[ast.stmt]:
        """The names of modules that vary, of which TorchScript must know that they stay."""
        entries = (entry for entry in self.top.every() if isinstance(entry, Entry) and entry.used)
        names = dict.fromkeys(entry.named.attr for entry in entries if entry.named is not None)
        kind = ast.Subscript(name("Final"), name("str"))
        return [ast.AnnAssign(ast.Name(title), kind, None, 1) for title in names]

    def attribute(self, entry: "Entry | Holder | Let") -> Iterator[ast.stmt]:
        if isinstance(entry, Let):
            yield assign(entry.key, entry.code)
            return
        if isinstance(entry, Entry) and entry.parameter:
            yield from self.parameter(entry)
            return
        before, code = self.code(entry)
        yield from before
        yield assign(f"self.{entry.key}", code)
        if isinstance(entry, Holder):
            yield from self.parameters(entry)

    def parameters(self, holder: Holder) -> Iterator[ast.stmt]:
        """The assignments of parameters in a container."""
        for entry in holder.live():
            if isinstance(entry, Holder):
                yield from self.parameters(entry)
            elif entry.parameter:
                yield from self.parameter(entry)

    def parameter(self, entry: Entry) -> Iterator[ast.stmt]:
        owner = self.owner(entry)
        made = call("nn.Parameter", entry.code)
        yield from entry.before
        if is_attribute(entry.key):
            yield assign(ast.Attribute(owner, entry.key), made)
        else:
            registered = ast.Attribute(owner, "register_parameter")
            yield ast.Expr(ast.Call(registered, [as_syntax(entry.key), made], []))

    def owner(self, entry: "Entry | Holder") -> ast.expr:
        """What holds an entry, as an expression."""
        assert entry.owner is not None
        return ast.Name("self") if entry.owner.owner is None else self.access(entry.owner)

    def code(self, entry: "Entry | Holder") -> tuple[list[ast.stmt], ast.expr]:
        if isinstance(entry, Holder):
            before, inner = self.contents(entry, entry.kind)
            if isinstance(inner, ast.List) and entry.chained:
                return before, call("nn.Sequential", *inner.elts)
            if isinstance(inner, ast.Dict) and entry.kind == "class":
                given = [
                    ast.keyword(k, c) for k, c in zip(entry.modules, inner.values, strict=True)
                ]
                return before, ast.Call(name(self.type_of(entry)), [], given)
            if isinstance(inner, ast.Dict) and entry.chained:
                inner = ordered(dict(zip(entry.modules, inner.values, strict=True)))
            return before, call(self.type_of(entry), inner)
        made = entry.code
        if entry.test is None:
            return entry.before, made
        other = call("nn.Identity")
        if not entry.before:
            return [], choice(entry.test.syntax, made, other)
        title = self.local(entry.key if is_attribute(entry.key) else "layer", ())
        declared = annotated(title, name("nn.Module"), other)
        return [
            declared, ast.If(entry.test.syntax, [*entry.before, assign(title, made)], [])
        ], ast.Name(title)  # fmt: skip

    def type_of(self, entry: "Entry | Holder") -> str:
        """The class of a member."""
        if isinstance(entry, Entry):
            return "Tensor" if entry.parameter else "nn.Module"
        if entry.chained:
            return "nn.Sequential"
        if entry.kind == "class" and self.grouped is not None:
            return self.grouped(entry.key, {e.key: self.type_of(e) for e in entry.live()})
        return entry.base

    def contents(self, holder: Holder, kind: str) -> tuple[list[ast.stmt], ast.expr]:
        """What a container is made from."""
        before: list[ast.stmt] = []
        parts = []
        for entry in holder.entries:
            if isinstance(entry, Let) or not entry.used:
                before += variables(entry)
                continue
            if isinstance(entry, Entry) and entry.parameter:
                continue
            stated, code = self.code(entry)
            if isinstance(entry, Entry) and entry.many:
                if kind != "list":
                    raise Fixed((), "numbers that do not begin with those of a loop")
                code = ast.Starred(code)
            before += stated
            named = entry.name if isinstance(entry, Entry) else None
            parts.append((as_syntax(entry.key) if named is None else named, code))
        if kind == "list":
            return before, ast.List([code for _, code in parts], ast.Load())
        return before, ast.Dict([*(key for key, _ in parts)], [code for _, code in parts])

    def access(self, entry: "Entry | Holder") -> ast.expr:
        """`self.layers[0]`."""
        if entry is self.whole:
            return name("self")
        holder, owner = entry.owner, self.owner(entry)
        assert holder is not None
        kind = holder.kind
        if isinstance(entry, Entry) and entry.parameter and not is_attribute(entry.key):
            return ast.Call(ast.Attribute(owner, "get_parameter"), [as_syntax(entry.key)], [])
        if kind in ("self", "class") or (isinstance(entry, Entry) and entry.parameter):
            return ast.Attribute(owner, entry.key)
        if kind == "dict":
            named = entry.named if isinstance(entry, Entry) else None
            return ast.Subscript(owner, as_syntax(entry.key) if named is None else named)
        if isinstance(entry, Entry) and entry.many:
            return owner
        return ast.Subscript(owner, as_syntax(holder.modules[entry.key]))
