"""Numbers of the constructor that `forward` reads."""

import ast
from collections.abc import Callable
from typing import Any


class Kept(ast.NodeTransformer):
    """What varies by turns of a loop in `forward`; what it reads beside that is kept."""

    def __init__(
        self, varies: Callable[[ast.AST], bool], keep: Callable[[ast.expr], ast.expr]
    ) -> None:
        self.varies, self.keep = varies, keep

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.expr) or isinstance(node, ast.Constant):
            return node
        if not self.varies(node):
            return self.keep(node)
        if isinstance(node, ast.Call):
            return ast.Call(node.func, [self.visit(argument) for argument in node.args], [])
        return node if isinstance(node, ast.Name) else self.generic_visit(node)
