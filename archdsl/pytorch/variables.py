"""Which variable of forward holds which value, and the statements with these."""

import ast
from collections.abc import Sequence
from itertools import count
from math import inf
from typing import Any

from archdsl.modules.lifetimes import last_uses
from archdsl.pytorch.body import Body, Step, Value, is_attribute, is_taken
from archdsl.pytorch.python import annotated, assign
from archdsl.pytorch.symbols import Fixed


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

    def __init__(self, body: Body, inputs: Sequence[Value], names: Sequence[str]) -> None:
        self.body = body
        self.variables = dict(zip([value.mark for value in inputs], names, strict=True))
        self.holders = {variable: mark for mark, variable in self.variables.items()}
        self.last: dict[str, float] = {}

    def finish(
        self, results: Sequence[Value], named: Sequence[str] = (), late: Sequence[Step] = ()
    ) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """The statements, with names given to all values, and those of the `late` steps.

        The late ones are the last, for training only; until them nothing that they need goes.
        """
        given, steps = [*self.variables], self.body.steps
        early = len(steps) - len(late)
        made = dict.fromkeys(given, ()) | {step.target.mark: step.scopes for step in steps}
        self.last |= last_uses(made, [(step.scopes, step.operands) for step in steps[:early]])
        reads = {mark: n for n, step in enumerate(steps) for mark in step.operands}
        self.last |= {mark: reads.get(mark, -1) for mark in given}  # which whoever calls holds
        read = [mark for step in late for mark in step.operands]  # and early until then
        self.last |= dict.fromkeys([*read, *(value.mark for value in results)], inf)
        pairs = zip(results, named, strict=False)
        wanted = {v.mark: n for v, n in pairs if is_attribute(n) and not is_taken(n)}
        leaving: dict[float, list[str]] = {}
        for step in steps:
            leaving.setdefault(self.last.get(step.target.mark, -1), []).append(step.target.mark)
        statements: list[ast.stmt] = []
        idle: list[str] = []  # values that nothing needs any more
        for number, step in enumerate(steps):
            idle += leaving.get(number - 1, ())
            if step.allocates:
                if gone := self.gone(idle):
                    statements.append(ast.Delete([ast.Name(variable) for variable in gone]))
                idle = []
            mark = step.target.mark
            chosen = self.choose(step, number, wanted.get(mark, ""))
            code = self.filled(step.code)
            self.variables[mark], self.holders[chosen] = chosen, mark
            statements.append(_statement(chosen, code, step.adds))
        end = len(statements) - len(late)
        return statements[:end], statements[end:]

    def is_dead(self, variable: str, number: int) -> bool:
        """Whether nothing needs what a variable holds once a step is done."""
        return self.last.get(self.holders[variable], -1) <= number

    def gone(self, idle: Sequence[str]) -> list[str]:
        """The variables that still hold one of some values: they hold nothing from now on."""
        gone = [v for mark in idle if self.holders.get(v := self.variables[mark]) == mark]
        for variable in gone:
            del self.holders[variable]
        return gone

    def choose(self, step: Step, number: int, wanted: str) -> str:
        """A variable for a value: one that is free, of its operands first; else one by its hint."""
        before = [self.variables[mark] for mark in step.operands if mark in self.variables]
        if step.adds:
            return before[0]

        def is_free(variable: str) -> bool:
            return variable not in self.holders or self.is_dead(variable, number)

        if wanted and is_free(wanted):
            return wanted
        for variable in ["x", *before]:
            if variable in self.holders and self.is_dead(variable, number):
                return variable
        for variable in ("out", step.target.hint):
            if is_attribute(variable) and not is_taken(variable) and is_free(variable):
                return variable
        hint = step.target.hint if is_attribute(step.target.hint) else "out"
        return next(v for v in (f"{hint}_{n}" for n in count(2)) if is_free(v))

    def filled(self, code: ast.expr) -> ast.expr:
        filled: ast.expr = _Filler(self).visit(code)
        return filled

    def read(self, value: Value) -> ast.expr:
        return ast.Name(self.variables[value.mark])


class _Filler(ast.NodeTransformer):
    def __init__(self, naming: Naming) -> None:
        self.naming = naming

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id[0] != "%":
            return node
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
    return assign(target, code)
