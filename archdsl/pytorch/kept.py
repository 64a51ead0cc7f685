"""Numbers of the constructor that `forward` reads."""

import ast
from typing import TYPE_CHECKING, Any

from archdsl.pytorch.symbols import Symbol

if TYPE_CHECKING:
    from archdsl.pytorch.body import Body


class Kept(ast.NodeTransformer):
    """What varies by turns of a loop in `forward`; what it reads beside that is kept."""

    def __init__(self, body: "Body", hint: str) -> None:
        self.body, self.hint = body, hint

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.expr) or isinstance(node, ast.Constant):
            return node
        if not self.body.varies(node):
            return self.body.keep(self.hint, Symbol(node))
        if isinstance(node, ast.Call):
            return ast.Call(node.func, [self.visit(argument) for argument in node.args], [])
        return node if isinstance(node, ast.Name) else self.generic_visit(node)
