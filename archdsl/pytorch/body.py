"""A class under construction: what its constructor makes, and the statements of its `forward`."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import count
from keyword import iskeyword
from typing import Any

from archdsl.expressions.names import RESERVED
from archdsl.ops import Op
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.entries import (
    NAMELESS,
    Access,
    Entry,
    Grouped,
    Holder,
    Let,
    Listing,
    Step,
    Value,
    is_taken,
    reads,
    variables,
)
from archdsl.pytorch.kept import Kept
from archdsl.pytorch.python import (
    annotated,
    as_syntax,
    assign,
    call,
    choice,
    identifiers,
    is_attribute,
    name,
    of_length,
    ordered,
    walk,
)
from archdsl.pytorch.symbols import Expanded, Fixed, Sized, Symbol


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
            return self.keep_in(hint, value)
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

    def keep_in(self, hint: str, value: Symbol) -> ast.expr:
        """What varies by turns in `forward`, with the numbers of the constructor in it."""
        kept = Kept(self.varies, lambda part: self.keep(hint, Symbol(part)))
        code: ast.expr = kept.visit(deepcopy(value.syntax))
        return code

    def measured(self, title: str, value: Symbol) -> Symbol:
        """A number that `forward` computes before all else."""
        self.numbers[title] = self.keep_in(title, value)
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

    def let_first(self, value: Symbol, taken: Iterable[str]) -> Symbol:
        """A variable for a value, set before anything is made."""
        title = self.let(self.top, value, taken).syntax
        self.top.entries.insert(0, self.top.entries.pop())
        return replace(value, syntax=title)

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
