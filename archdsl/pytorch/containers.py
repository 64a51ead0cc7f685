"""What stands in a chain of modules: members and loops, and how they are written."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdsl.modules.call import Call
from archdsl.ops import Op
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.body import Body
from archdsl.pytorch.entries import Value
from archdsl.pytorch.environment import Reading
from archdsl.pytorch.naming import text_of
from archdsl.pytorch.python import (
    annotated,
    as_syntax,
    assign,
    call,
    identifiers,
    is_attribute,
    name,
)
from archdsl.pytorch.symbols import (
    Fixed,
    Symbol,
    known,
)


@dataclass(eq=False)
class Made:
    """A module: the expression that makes it, what stands before that, and what comes out of it."""

    code: ast.expr
    before: list[ast.stmt]
    spec: TensorSpec
    maker: type[Op] | None = None
    use: Call | None = None  # how it is called, if not with its input alone


@dataclass(eq=False)
class Part:
    """A member of a chain under its key, or the next number; in it only if `test` holds."""

    key: str | list[Any] | None
    made: Made
    test: Symbol | None = None


@dataclass(eq=False)
class Turns:
    """Members of a chain that a loop makes."""

    target: ast.expr
    over: ast.expr
    parts: list["Part | Turns"]
    before: list[ast.stmt]
    after: list[ast.stmt]
    test: Symbol | None = None


Parts = list["Part | Turns"]


class Containers(Reading):
    """Writes chains as `nn.Sequential`."""

    body: Body
    taken: frozenset[str]  # names that the constructor's variables cannot have

    def contained(self, parts: Parts, last: Value, hint: str) -> Made:
        """An `nn.Sequential` of parts; `hint` is the name of its list, if it needs one."""
        before, arguments = self.members(parts, hint)
        maker = last.maker if parts else None  # what is empty gives its input
        return Made(call("nn.Sequential", *arguments), before, last.spec, maker)

    def members(self, parts: Parts, hint: str = "layers") -> tuple[list[ast.stmt], list[ast.expr]]:
        """What stands before an `nn.Sequential`, and what it is given."""
        keys = [part.key for part in leaves(parts)]
        static = [key for key in keys if isinstance(key, str)]
        plain = not any(isinstance(part, Turns) or part.test is not None for part in parts)
        if plain and static == [str(n) for n in range(len(keys))]:
            for part in leaves(parts):
                part.key = None
            keys = [None] * len(keys)
        if any(key is None for key in keys) and any(key is not None for key in keys):
            if not plain:
                raise Fixed((), "names and numbers")
            number = 0
            for part in leaves(parts):
                if part.key is None:
                    part.key, number = str(number), number + 1
        if len(set(static)) < len(static):
            raise Fixed((), "two members of one name")
        numbered = all(part.key is None for part in leaves(parts))
        mixed = not numbered and len(parts) > 1 and not plain
        if all(map(is_simple, parts)) and not mixed:
            return self.expressed(parts, numbered)
        return self.stated(parts, numbered, hint)

    def expressed(self, parts: Parts, numbered: bool) -> tuple[list[ast.stmt], list[ast.expr]]:
        """Members in one expression."""
        before = [s for part in parts if isinstance(part, Part) for s in part.made.before]
        if numbered:
            return before, [
                part.made.code if isinstance(part, Part) else ast.Starred(generated(part))
                for part in parts
            ]
        if len(parts) == 1 and isinstance(parts[0], Turns):
            return before, [call("OrderedDict", generated(parts[0]))]
        members = [part for part in parts if isinstance(part, Part)]
        if all(isinstance(p.key, str) and is_attribute(p.key) for p in members):
            return before, [call("OrderedDict", **{str(p.key): p.made.code for p in members})]
        pairs = [ast.Tuple([text_of(p.key or ""), p.made.code], ast.Load()) for p in members]
        return before, [call("OrderedDict", ast.List(list(pairs), ast.Load()))]

    def stated(
        self, parts: Parts, numbered: bool, hint: str
    ) -> tuple[list[ast.stmt], list[ast.expr]]:
        """Members added to a variable one by one."""
        taken = self.taken | mentioned(parts)
        title = self.body.local(hint if is_attribute(hint) else "layers", taken)
        if not numbered:
            kind: ast.expr = ast.Subscript(
                name("OrderedDict"), ast.Tuple([name("str"), name("nn.Module")])
            )
            made: list[ast.stmt] = [annotated(title, kind, call("OrderedDict"))]
            rest = parts
        else:
            first: list[Part] = []
            for part in parts:
                if not isinstance(part, Part) or part.test is not None:
                    break
                first.append(part)
            kind = ast.Subscript(name("list"), name("nn.Module"))
            start = ast.List([part.made.code for part in first], ast.Load())
            made = [s for part in first for s in part.made.before]
            made.append(annotated(title, kind, start))
            rest = parts[len(first) :]
        made += together([statement for part in rest for statement in added(part, title)])
        return made, [ast.Starred(name(title)) if numbered else name(title)]


def together(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Statements one after another under one test as one."""
    found: list[ast.stmt] = []
    for statement in statements:
        match found[-1:], statement:
            case [ast.If(test=before, body=body, orelse=[])], ast.If(test=test, orelse=[]) if (
                ast.dump(before) == ast.dump(test)
            ):
                found[-1] = ast.If(test, [*body, *statement.body], [])
            case _:
                found.append(statement)
    return found


def added(part: "Part | Turns", title: str) -> list[ast.stmt]:
    """The statements that add a part to the variable of a chain."""
    if isinstance(part, Turns):
        body = [statement for inner in part.parts for statement in added(inner, title)]
        if not body:
            return []
        made: list[ast.stmt] = [
            *part.before, ast.For(part.target, part.over, [*body, *part.after], [])]  # fmt: skip
    elif part.key is None:
        made = [*part.made.before, ast.Expr(call(f"{title}.append", part.made.code))]
    else:
        place = ast.Subscript(name(title), text_of(part.key))
        made = [*part.made.before, assign(place, part.made.code)]
    return [ast.If(part.test.syntax, made, [])] if part.test is not None else made


def generated(turns: Turns) -> ast.expr:
    """A loop of one member as a generator expression."""
    (part,) = turns.parts
    assert isinstance(part, Part)
    code = part.made.code
    if part.key is not None:
        code = ast.Tuple([text_of(part.key), code], ast.Load())
    return ast.GeneratorExp(code, [ast.comprehension(turns.target, turns.over, [], 0)])


def is_simple(part: "Part | Turns") -> bool:
    """Whether a member can stand in an expression."""
    if isinstance(part, Part):
        return part.test is None
    if part.before or part.after or part.test is not None or len(part.parts) != 1:
        return False
    (inner,) = part.parts
    return isinstance(inner, Part) and not inner.made.before and inner.test is None


def leaves(parts: Parts) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, Turns):
            yield from leaves(part.parts)
        else:
            yield part


def mentioned(parts: Sequence[Any]) -> set[str]:
    """The names in what parts are made from."""
    found: set[str] = set()
    for part in parts:
        trees: list[ast.AST] = []
        if isinstance(part, list):
            trees = list(part)
        elif isinstance(part, Turns):
            found |= mentioned([*part.parts, part.before, part.after])
            trees = [part.over]
        else:
            trees = [part.made.code, *part.made.before]
            keyed = part.key if isinstance(part.key, list) else []
            trees += [p.syntax for p in keyed if isinstance(p, Symbol)]
        if not isinstance(part, list) and part.test is not None:
            trees.append(part.test.syntax)
        found |= identifiers(*trees)
    return found


def aim(target: ast.expr, parts: Sequence[Any]) -> ast.expr:
    """The target of a loop, or `_` where nothing mentions it."""
    if isinstance(target, ast.Name) and target.id not in mentioned(parts):
        return name("_")
    return target


def table(
    index: str, targets: Mapping[str, list[Any] | Symbol], turns: Turns, count: Any
) -> tuple[ast.expr, ast.expr]:
    """The target of a loop over columns and what it goes over: the columns that are used."""
    used = mentioned([*turns.parts, turns.after])
    kept = {local: cells for local, cells in targets.items() if local in used}
    if not kept:
        return name(index if index in used else "_"), call("range", count)
    target: ast.expr = ast.Tuple([name(local) for local in kept])
    if len(kept) == 1:
        (cells,) = kept.values()
        over, target = source_of(cells), name(*kept)
    elif all(isinstance(cells, list) and known(*cells) for cells in kept.values()):
        rows = zip(*(cells for cells in kept.values() if isinstance(cells, list)), strict=True)
        over = ast.Tuple([as_syntax(row) for row in rows])
    else:
        over = call("zip", *(source_of(cells) for cells in kept.values()), strict=True)
    if index in used:
        return ast.Tuple([name(index), target]), call("enumerate", over)
    return target, over


def source_of(cells: list[Any] | Symbol) -> ast.expr:
    """The list that a column is, as an expression."""
    return cells.syntax if isinstance(cells, Symbol) else as_syntax(tuple(cells))
