"""Small changes of the package's own code: what a slip of the pen would make of an expression."""

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """A change of one expression: the file, the line it begins in, what stood and stands there."""

    path: str
    line: int
    start: int
    end: int
    before: str
    after: str
    at_import: bool = False  # whether it runs when its file is imported

    def applied(self, text: str) -> str:
        """The text of the file with the change; offsets count bytes, as Python's parser does."""
        raw = text.encode()
        return (raw[: self.start] + self.after.encode() + raw[self.end :]).decode()

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: `{self.before}` -> `{self.after}`"


def sample(root: Path, number: int, seed: int) -> list[Mutation]:
    """So many mutations, drawn evenly over all that the files under `root` have."""
    return random.Random(seed).sample(_every(root), number)


@cache
def _every(root: Path) -> list[Mutation]:
    paths = sorted((root / "archdsl").rglob("*.py"))
    return [mutation for path in paths for mutation in mutations(path, root)]


def mutations(path: Path, root: Path) -> Iterator[Mutation]:
    """Every mutation of a file, in the order of its lines."""
    raw = path.read_bytes()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    name = str(path.relative_to(root))
    tree = ast.parse(raw)
    later = {id(inner) for outer in _later(tree) for inner in ast.walk(outer)}
    for node, after in _changes(tree):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        before = raw[start:end].decode()
        yield Mutation(name, node.lineno, start, end, before, f"({after})", id(node) not in later)


def _later(tree: ast.Module) -> Iterator[ast.AST]:
    """What does not run when the file is imported: the bodies of functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from node.body
        elif isinstance(node, ast.Lambda):
            yield node.body


def _changes(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Expressions with what is to stand in their place."""
    left_out = _left_out(tree)
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            yield node.test, f"not ({ast.unparse(node.test)})"
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            other = COMPARISONS[type(node.ops[0])]()
            yield node, ast.unparse(ast.Compare(node.left, [other], node.comparators))
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not _is_text(node):
            yield node, ast.unparse(ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right))
        elif isinstance(node, ast.BoolOp):
            other_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield node, ast.unparse(ast.BoolOp(other_op, node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, str(not node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            more = node.value + 1
            yield node, repr(more if more != node.value else node.value * 2)  # 1e30 + 1 is 1e30


def _is_text(node: ast.BinOp) -> bool:
    """Whether text is joined, for which no other operator is defined."""
    sides = [inner for inner in ast.walk(node) if isinstance(inner, ast.Constant | ast.JoinedStr)]
    return any(isinstance(side, ast.JoinedStr) or isinstance(side.value, str) for side in sides)


def _left_out(tree: ast.Module) -> set[int]:
    """What never runs or only says types: annotations, `if TYPE_CHECKING`, parts of f-strings."""
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            found.append(node)
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef) and node.returns:
            found.append(node.returns)
        elif isinstance(node, ast.JoinedStr | ast.FormattedValue | ast.MatchValue):
            found.append(node)
    return {id(inner) for outer in found for inner in ast.walk(outer)}
