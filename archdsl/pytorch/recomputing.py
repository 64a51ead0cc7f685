"""Calls that the backward pass makes again."""

import ast

from archdsl.pytorch.entries import Access
from archdsl.pytorch.python import call, choice, name

SCRIPTING = call("torch.jit.is_scripting")  # which has no checkpoints


def recomputed(code: ast.expr, helper: str = "recomputed") -> ast.expr:
    """A call of a module or method as one that the backward pass makes again."""
    again: ast.expr = _Recomputed(helper).visit(code)
    return choice(SCRIPTING, code, again)


class _Recomputed(ast.NodeTransformer):
    """Another tree, in which a helper makes the calls."""

    def __init__(self, helper: str) -> None:
        self.helper = helper

    def visit_Call(self, node: ast.Call) -> ast.expr:
        arguments = [self.visit(part) for part in node.args]
        if isinstance(node.func, Access) or _is_method(node.func):
            return ast.Call(name(self.helper), [node.func, *arguments], node.keywords)
        return ast.Call(node.func, arguments, node.keywords)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        return choice(node.test, self.visit(node.body), self.visit(node.orelse))

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        return ast.Subscript(self.visit(node.value), node.slice)


def _is_method(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
