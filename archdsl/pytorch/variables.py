"""Which variable of forward holds which value, and the statements with these."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from math import inf
from typing import Any

from archdsl.modules.lifetimes import last_uses
from archdsl.pytorch.body import Body
from archdsl.pytorch.entries import Listing, Step, Value, is_argument, is_taken
from archdsl.pytorch.linking import Linking
from archdsl.pytorch.python import annotated, assign, call, identifiers
from archdsl.pytorch.symbols import Fixed
from archdsl.pytorch.turns import Loop


def typed(
    statements: Sequence[ast.stmt], returned: ast.expr, inputs: Sequence[str]
) -> list[ast.stmt]:
    """The statements, with the type of what is returned, which calls of modules do not say."""
    found = list(statements)
    for place, statement in enumerate(found):
        match statement:
            case ast.Assign(targets=[ast.Name(id=title)], value=value) if (
                isinstance(returned, ast.Name) and title == returned.id and title not in inputs
            ):
                found[place] = annotated(title, ast.Name("Tensor"), value)
                break
    return found


class Naming:
    """Which variable holds which value of a `forward`, and until when."""

    def __init__(
        self, body: Body, inputs: Sequence[Value | Listing], names: Sequence[str],
        steps: Sequence[Step] | None = None,
    ) -> None:  # fmt: skip
        """Names for the steps of a body, or for some of them."""
        self.body, self.steps = body, body.steps if steps is None else steps
        self.variables = dict(zip([value.mark for value in inputs], names, strict=True))
        self.holders = {variable: mark for mark, variable in self.variables.items()}
        self.last: dict[str, float] = {}
        self.inline: dict[str, ast.expr] = {}  # what is read but once, where it is
        lists = (v.mark for v in inputs if isinstance(v, Listing))
        self.lists = {self.variables[mark] for mark in lists}  # variables that hold lists of maps
        self.reserved = set(body.turns)  # and those of loops
        if self.reserved & {*names}:
            raise Fixed((), "an input that is called as what a loop counts")

    def finish(
        self,
        results: Sequence[Value | Listing],
        named: Sequence[str] = (),
        late: Sequence[Step] = (),
    ) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """The statements, with names given to all values, and those of the `late` steps.

        The late ones are the last, for training only; until them nothing that they need goes.
        """
        given, steps = [*self.variables], self.steps
        early = len(steps) - len(late)
        made = dict.fromkeys(given, ()) | {step.target.mark: step.scopes for step in steps}
        self.last |= last_uses(made, [(step.scopes, step.operands) for step in steps[:early]])
        reads = {mark: n for n, step in enumerate(steps) for mark in step.operands}
        self.last |= {mark: reads.get(mark, -1) for mark in given}  # which whoever calls holds
        read = [mark for step in late for mark in step.operands]  # and early until then
        self.last |= dict.fromkeys([*read, *(value.mark for value in results)], inf)
        pairs = zip(results, named, strict=False)
        wanted = {v.mark: n for v, n in pairs if is_argument(n)}
        leaving = self.leaving()
        statements: list[ast.stmt] = []
        idle: list[str] = []  # values that nothing needs any more
        unpacked: set[str] = set()  # the values that are parts of another, and have names
        for number, step in enumerate(steps):
            idle += [m for m in leaving.get(number - 1, ()) if m in self.variables]
            if step.target.mark in unpacked:
                continue
            if step.allocates:
                if gone := self.gone(idle):
                    statements.append(ast.Delete([ast.Name(variable) for variable in gone]))
                idle = []
            parts = parts_of(steps[number:early], self.last)
            unpacked |= {part.target.mark for part in parts.values()}
            if parts:
                statements.append(self.unpacked(step, parts, number))
            else:
                statements += self.said(step, number, wanted.get(step.target.mark, ""))
        end = len(statements) - len(late)
        return statements[:end], statements[end:]

    def said(self, step: Step, number: int, wanted: str) -> list[ast.stmt]:
        """The statements of one step."""
        if isinstance(step, Loop):
            return self.looped(step, number)
        if isinstance(step, Linking):
            return self.linked(step)
        chosen = self.choose(step, number, wanted)
        code = self.filled(step.code)
        self.variables[step.target.mark], self.holders[chosen] = chosen, step.target.mark
        return [_statement(chosen, code, step.adds)]

    def leaving(self) -> dict[float, list[str]]:
        """The values that nothing needs any more, by the last step that does."""
        found: dict[float, list[str]] = {}
        for step in self.steps:
            found.setdefault(self.last.get(step.target.mark, -1), []).append(step.target.mark)
        return found

    def unpacked(self, step: Step, parts: Mapping[int, Step], number: int) -> ast.stmt:
        """`a, b = self.part(x)`, from a call of several results and the steps that read these."""
        code, names = self.filled(step.code), ["_"] * (max(parts) + 1)
        for place, part in parts.items():
            read = replace(part, code=step.code)
            names[place] = chosen = self.choose(read, number + place + 1, "")
            self.variables[part.target.mark], self.holders[chosen] = chosen, part.target.mark
        return ast.Assign([ast.Tuple([*map(ast.Name, names)])], code)

    def linked(self, step: Linking) -> list[ast.stmt]:
        """The list of what layers give that see the maps before them."""
        assert step.links is not None and isinstance(step.code, ast.Tuple)
        x, over = (self.filled(part) for part in step.code.elts)
        assert isinstance(x, ast.Name)
        gathered, layer = self.fresh(step.target.hint, "maps"), self.fresh("layer", "layer")
        self.lists.add(gathered)
        self.reserved.add(layer)
        self.variables[step.target.mark], self.holders[gathered] = gathered, step.target.mark
        return step.links.loop(x.id, gathered, layer, over)

    def looped(self, loop: Loop, number: float) -> list[ast.stmt]:
        """The list that a loop makes, and the loop."""
        before, inside = dict(self.last), loop.inside
        self.last |= dict.fromkeys((m for m in loop.operands if m not in inside), inf)
        gathered = self.fresh(loop.target.hint, "maps")
        self.lists.add(gathered)
        self.variables[loop.target.mark], self.holders[gathered] = gathered, loop.target.mark
        self.last[loop.target.mark] = inf
        others = {*self.holders}
        target, over = self.header(loop)
        body = self.turn(loop, number)
        made = [v for v in self.holders if v not in others]
        made += [v for v in others if self.holders[v] in inside]
        if made and loop.members:  # TorchScript knows what a loop over modules makes behind it
            body.append(ast.Delete([ast.Name(v) for v in made]))
        for variable in made if loop.members else ():
            del self.holders[variable]
        self.last = {**self.last, **before}
        kind = ast.Subscript(ast.Name("list"), ast.Name("Tensor"))
        start = ast.List([*map(self.read, loop.before)])
        if loop.first:  # TorchScript calls no modules of a slice
            holds = ast.Compare(ast.Name(loop.index), [ast.GtE()], [ast.Constant(0)])
            body = [ast.If(holds, body, [])]
        return [annotated(gathered, kind, start), ast.For(target, over, body, [])]

    def header(self, loop: Loop) -> tuple[ast.expr, ast.expr]:
        """What a loop binds in every turn, and what it goes over."""
        if loop.maps is not None and loop.part is not None:
            title = self.fresh("part", "part")
            self.variables[loop.part.mark], self.holders[title] = title, loop.part.mark
            self.last[loop.part.mark] = inf
            return ast.Name(title), self.read(loop.maps)
        over = [self.filled(member.over) for member in loop.members]
        titles = []
        for member in loop.members:
            titles.append(self.fresh(member.hint, "layer"))
            self.reserved.add(titles[-1])
            self.variables[member.mark] = titles[-1]
        index, counted = ast.Name(loop.index), loop.index in identifiers(*loop.codes)
        if not titles:
            assert loop.count is not None
            return index if counted else ast.Name("_"), call("range", self.filled(loop.count))
        names: list[ast.expr] = [ast.Name(title) for title in titles]
        target = names[0] if len(names) == 1 else ast.Tuple(names)
        whole = over[0] if len(over) == 1 else call("zip", *over)
        if loop.first:
            return ast.Tuple([index, target]), call("enumerate", whole, -loop.first)
        if not counted:
            return target, whole
        return ast.Tuple([index, target]), call("enumerate", whole)

    def turn(self, loop: Loop, number: float) -> list[ast.stmt]:
        """The statements of every turn of a loop."""
        assert loop.result is not None
        last = {mark: n for n, step in enumerate(loop.steps) for mark in step.operands}
        many, reads = len(loop.steps) + 1, [m for step in loop.steps for m in step.operands]
        statements: list[ast.stmt] = []
        result = loop.steps[-1].target if loop.steps else None
        append = ast.Attribute(ast.Name(self.variables[loop.target.mark]), "append")
        for place, step in enumerate(loop.steps):
            now = number - 1 + (place + 1) / (many + 1)
            self.last |= {m: number - 1 + (n + 1) / (many + 1) for m, n in last.items()
                          if m in loop.inside}  # fmt: skip
            if isinstance(step, Loop):
                self.last.setdefault(step.target.mark, now)
                statements += self.looped(step, now)
                self.last[step.target.mark] = number - 1 + (last[step.target.mark] + 1) / (many + 1)
                continue
            alone = reads.count(step.target.mark) == 1 and step.target is not loop.result
            if isinstance(step.target, Value) and step.target.of and alone:
                self.inline[step.target.mark] = self.filled(step.code)
                continue
            if step.target is result and result is loop.result and result.mark not in last:
                statements.append(ast.Expr(ast.Call(append, [self.filled(step.code)], [])))
                return statements
            if step.target is loop.result:
                self.last[step.target.mark] = inf
            chosen = self.choose(step, now, "")
            code = self.filled(step.code)
            self.variables[step.target.mark], self.holders[chosen] = chosen, step.target.mark
            statements.append(_statement(chosen, code, False))
        return [*statements, ast.Expr(ast.Call(append, [self.read(loop.result)], []))]

    def fresh(self, hint: str, other: str) -> str:
        """A variable that holds nothing, and held nothing before."""
        hint = f"{hint}s" if is_taken(hint) else hint
        hint = hint if is_argument(hint) else other
        names = (f"{hint}_{n}" if n > 1 else hint for n in count(1))
        return next(v for v in names if v not in self.ever)

    def is_dead(self, variable: str, number: float) -> bool:
        """Whether nothing needs what a variable holds once a step is done."""
        return self.last.get(self.holders[variable], -1) <= number

    def gone(self, idle: Sequence[str]) -> list[str]:
        """The variables that still hold one of some values: they hold nothing from now on."""
        gone = [v for mark in idle if self.holders.get(v := self.variables[mark]) == mark]
        for variable in gone:
            del self.holders[variable]
        return gone

    @property
    def ever(self) -> set[str]:
        """All variables that there have been."""
        return {*self.variables.values(), *self.reserved, *self.lists}

    def choose(self, step: Step, number: float, wanted: str) -> str:
        """A variable for a value: one that is free, of its operands first; else one by its hint."""
        before = [self.variables[mark] for mark in step.operands if mark in self.variables]
        if step.adds:
            return before[0]

        def is_free(variable: str) -> bool:
            if variable in self.reserved or variable in self.lists:
                return False
            return variable not in self.holders or self.is_dead(variable, number)

        if isinstance(step.target, Listing):
            free = [v for v in self.holders if v in self.lists and self.is_dead(v, number)]
            hint = "maps" if step.target.test is None else step.target.hint
            title = free[0] if free else self.fresh(hint, "maps")
            self.lists.add(title)
            return title
        if wanted and is_free(wanted):
            return wanted
        for variable in ["x", *before]:
            held = variable in self.holders and variable not in self.lists
            if held and self.is_dead(variable, number):
                return variable
        for variable in ("out", step.target.hint):
            if is_argument(variable) and is_free(variable):
                return variable
        hint = step.target.hint
        hint = hint if is_argument(hint) else "out"
        return next(v for v in (f"{hint}_{n}" for n in count(2)) if is_free(v))

    def filled(self, code: ast.expr) -> ast.expr:
        filled: ast.expr = _Filler(self).visit(code)
        return filled

    def read(self, value: Value | Listing) -> ast.expr:
        return ast.Name(self.variables[value.mark])


class _Filler(ast.NodeTransformer):
    def __init__(self, naming: Naming) -> None:
        self.naming = naming

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id[0] != "%":
            return node
        if node.id in self.naming.inline:
            return self.naming.inline[node.id]
        if node.id not in self.naming.variables:
            raise Fixed((), "a value that nothing gives")
        return ast.Name(self.naming.variables[node.id])

    def visit_Access(self, node: Any) -> ast.expr:
        return self.naming.body.access(node.entry)


def _statement(target: str, code: ast.expr, adds: bool) -> ast.stmt:
    match code:
        case ast.BinOp(left=ast.Name(id=left), op=ast.Add(), right=right) if (
            adds and left == target
        ):
            return ast.AugAssign(ast.Name(target), ast.Add(), right)
        case ast.IfExp(test=test, body=ast.BinOp() as added, orelse=ast.Name(id=other)) if adds:
            passed = [] if other == target else [assign(target, ast.Name(other))]
            return ast.If(test, [_statement(target, added, adds)], passed)
    return assign(target, code)


def parts_of(steps: Sequence[Step], last: Mapping[str, float]) -> dict[int, Step]:
    """The steps behind the first that read all parts of what it gives, by place, if none else does.

    Of what is returned the type is said, which no part of an assignment of several can have.
    """
    if not steps:
        return {}
    first, found = steps[0].target, dict[int, Step]()
    for step in steps[1 : first.parts + 1]:
        match step.code:
            case ast.Subscript(value=ast.Name(id=mark), slice=ast.Constant(value=int(place))):
                if mark == first.mark and last.get(step.target.mark, 0) < inf:
                    found[place] = step
    reads = sum(mark == first.mark for step in steps for mark in step.operands)
    whole = first.parts > 1 and [*found] == [*range(first.parts)] and reads == first.parts
    return found if whole else {}
