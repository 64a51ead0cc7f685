"""Which variable of forward holds which value, and the statements with these."""

import ast
from collections.abc import Sequence
from itertools import count
from typing import Any

from archdsl.pytorch.body import TAKEN, Body, Step, Value, is_attribute
from archdsl.pytorch.python import assign
from archdsl.pytorch.symbols import Fixed


class Naming:
    """Which variable holds which value of a `forward`."""

    def __init__(self, body: Body, inputs: Sequence[Value], names: Sequence[str]) -> None:
        self.body = body
        self.variables = dict(zip([value.mark for value in inputs], names, strict=True))
        self.last = {m: n for n, step in enumerate(body.steps) for m in step.operands}

    def finish(self, results: Sequence[Value], named: Sequence[str] = ()) -> list[ast.stmt]:
        """The statements, with names given to all values."""
        steps = self.body.steps
        for value in results:
            self.last[value.mark] = len(steps) + 1
        wanted = {
            v.mark: n
            for v, n in zip(results, named, strict=False)
            if n and is_attribute(n) and n not in TAKEN
        }
        free = set(self.variables.values())
        holders = {variable: mark for mark, variable in self.variables.items()}
        statements = []
        for index, step in enumerate(steps):
            mark = step.target.mark
            dead = {v for v, m in holders.items() if self.last.get(m, -1) <= index}
            chosen = self.choose(step, dead, holders, wanted.get(mark, ""))
            self.variables[mark] = chosen
            code = self.filled(step.code)
            statements.append(_statement(chosen, code, step.adds))
            holders[chosen] = mark
            free.add(chosen)
        return statements

    def choose(self, step: Step, dead: set[str], holders: dict[str, str], wanted: str) -> str:
        """A variable for a value: one that is free, of its operands first; else one by its hint."""
        if wanted and (wanted not in holders or wanted in dead):
            return wanted
        before = [self.variables[mark] for mark in step.operands if mark in self.variables]
        for variable in ["x", *before]:
            plain = variable in ("x", "out", step.target.hint) or variable in before
            if variable in dead and plain and variable in holders:
                return variable
        for variable in ("out", step.target.hint):
            allowed = is_attribute(variable) and variable not in TAKEN
            if allowed and (variable not in holders or variable in dead):
                return variable
        hint = step.target.hint if is_attribute(step.target.hint) else "out"
        for number in count(2):
            variable = f"{hint}_{number}"
            if variable not in holders or variable in dead:
                return variable
        raise AssertionError

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

    def visit__Access(self, node: Any) -> ast.expr:
        return self.naming.body.access(node.entry)


def _statement(target: str, code: ast.expr, adds: bool) -> ast.stmt:
    match code:
        case ast.BinOp(left=ast.Name(id=left), op=ast.Add(), right=right) if (
            adds and left == target
        ):
            return ast.AugAssign(ast.Name(target), ast.Add(), right)
    return assign(target, code)
